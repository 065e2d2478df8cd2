"""Changes that a pair may go through before the net sees it: pose, light, and marks set down in other places.

All of them act on Before, After and matte alike, so that the pair stays true. The marker transplant makes free pairs:
what differs between Before and After at one place is laid over clean plate at another, where the truth is known as
well. It teaches to find the mark wherever it is, and to repair every part of the shot and not only those few that
happen to be covered in the painted frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color
from bipack.imaging.frame import Pixels
from bipack_train import marks
from bipack_train.marks import Nature
from bipack_train.pairs import Pair


@dataclass(frozen=True)
class Augment:
    """How far pairs may be changed."""

    geometry: float = 0.5
    """Share of crops that are turned and scaled; the others keep their grain as it is."""

    turn: float = 15.0
    """Largest turn in degrees."""

    zoom: tuple[float, float] = (0.85, 1.2)
    bend: float = 1.5
    """Size of a smooth random bend, in pixels; 0 = none."""

    flip: float = 0.0
    """Share of crops that are mirrored left to right. A shot is never mirrored, so learning it both ways costs half;
    for models that must work on any shot it is 0.5."""

    light: float = 0.8
    """Share of crops whose light is changed."""

    stops: float = 0.5
    """Largest change of exposure, in stops."""

    tint: float = 0.12
    """Largest change of one channel against the others."""

    ramp: float = 0.3
    """Largest change of light across a crop, in stops."""

    transplant: float = 0.5
    """Share of crops over which the marks of another place are laid."""

    donors: int = 2
    """Most places whose marks are laid over one crop."""


@dataclass(eq=False)
class Crop:
    """A piece of a pair, all of one size."""

    before: Pixels
    """(side, side, 3 * frames) encoded: the frame, then its neighbours."""

    after: Pixels
    """(side, side, 3) encoded."""

    matte: Pixels
    """(side, side) 0..1."""


def cut(pair: Pair, x: int, y: int, side: int, rng: np.random.Generator, how: Augment, grow: float = 1.0) -> Crop:
    """A crop of `side` pixels around (x, y), turned, scaled and bent as `how` says.

    Outside the frame it is mirrored. `grow` multiplies the scale: what was large is shown larger.
    """
    planes = [pair.before, *pair.around, pair.after]
    if rng.random() >= how.geometry and grow == 1.0:
        crop = _plain(planes, pair.matte, x, y, side)
    else:
        crop = _warped(planes, pair.matte, _map(x, y, side, rng, how, grow))
    if rng.random() < how.flip:
        crop = Crop(*(np.ascontiguousarray(part[:, ::-1]) for part in (crop.before, crop.after, crop.matte)))
    return crop


def _plain(planes: list[NDArray[np.floating[Any]]], matte: NDArray[np.uint8], x: int, y: int, side: int) -> Crop:
    height, width = matte.shape
    rows = _mirrored(min(max(y - side // 2, 0), max(height - side, 0)), side, height)
    columns = _mirrored(min(max(x - side // 2, 0), max(width - side, 0)), side, width)
    pieces = [plane[rows][:, columns].astype(np.float32) for plane in planes]
    edit = matte[rows][:, columns].astype(np.float32) / 255.0
    return Crop(np.concatenate(pieces[:-1], axis=-1), pieces[-1], edit)


def _mirrored(start: int, count: int, size: int) -> slice | NDArray[np.int64]:
    if start + count <= size:
        return slice(start, start + count)
    index = np.arange(start, start + count) % (2 * size)
    return np.where(index < size, index, 2 * size - 1 - index)


def _map(x: int, y: int, side: int, rng: np.random.Generator, how: Augment, grow: float) -> tuple[Pixels, Pixels]:
    """Where in the frame each pixel of the crop is taken from."""
    turn = np.deg2rad(rng.uniform(-how.turn, how.turn))
    zoom = float(np.exp(rng.uniform(np.log(how.zoom[0]), np.log(how.zoom[1])))) * grow
    stretch = rng.uniform(0.94, 1.06)
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    columns, rows = np.meshgrid(axis, axis)
    cosine, sine = np.cos(turn) / zoom, np.sin(turn) / zoom
    map_x = x + cosine * stretch * columns - sine * rows
    map_y = y + sine * stretch * columns + cosine * rows
    if how.bend > 0:
        knots = rng.normal(0, how.bend, (2, 4, 4)).astype(np.float32)
        map_x = map_x + cv2.resize(knots[0], (side, side), interpolation=cv2.INTER_CUBIC)
        map_y = map_y + cv2.resize(knots[1], (side, side), interpolation=cv2.INTER_CUBIC)
    return map_x.astype(np.float32), map_y.astype(np.float32)


def _warped(planes: list[NDArray[np.floating[Any]]], matte: NDArray[np.uint8], place: tuple[Pixels, Pixels]) -> Crop:
    """Resample all planes by one map; only the part of the frame that the map touches is converted."""
    height, width = matte.shape
    low_x, high_x = _span(place[0], width)
    low_y, high_y = _span(place[1], height)
    map_x, map_y = place[0] - low_x, place[1] - low_y

    def sample(part: Pixels, kernel: int) -> Pixels:
        return np.asarray(cv2.remap(part, map_x, map_y, kernel, borderMode=cv2.BORDER_REFLECT), np.float32)

    window = (slice(low_y, high_y), slice(low_x, high_x))
    pieces = [sample(plane[window].astype(np.float32, copy=False), cv2.INTER_CUBIC) for plane in planes]
    edit = sample(matte[window].astype(np.float32), cv2.INTER_LINEAR) / 255.0
    return Crop(np.concatenate(pieces[:-1], axis=-1), pieces[-1], edit)


def _span(values: Pixels, size: int) -> tuple[int, int]:
    """Pixels of the frame that a map needs, with a margin for the kernel; never empty."""
    low = min(max(int(np.floor(values.min())) - 3, 0), size - 1)
    high = max(min(int(np.ceil(values.max())) + 4, size), low + 1)
    return low, high


def transplant(crop: Crop, donor: Crop, gain: Pixels, nature: Nature, rng: np.random.Generator) -> Crop:
    """Lay the marks of `donor` over `crop`; the truth stays that of `crop`.

    As something opaque that keeps its own color, or as a filter that scales what is below: paint, tape and rigs are of
    the first kind, pencil, blemishes and shadows of the second; `nature` says how often each. `gain` (3,) is how much
    brighter the frame of `crop` is than the donor's. Donors are mirrored at random.
    """
    rows, columns = (slice(None, None, int(step)) for step in rng.choice((-1, 1), 2))
    before, after, matte = (part[rows, columns] for part in (donor.before, donor.after, donor.matte))
    window = _span_of(matte)
    # Contiguous, for sums over mirrored views are slow.
    before, after, matte = (np.ascontiguousarray(part[window]) for part in (before, after, matte))
    frames = crop.before.shape[-1] // 3
    clean, gain = (after, gain) if frames == 1 else (np.tile(after, (1, 1, frames)), np.tile(gain, frames))
    marked = crop.before.copy()
    if rng.random() < nature.opaque:
        cover = marks.coverage(before[..., :3], after, matte)[..., None]
        # What the mark itself adds, without the clean plate that shines through its rim.
        own = before - (1.0 - cover) * clean
        if nature.grain > 0:
            fine = cover * (_fine(crop.after[window], nature.grain) - _fine(after, nature.grain))
            own += fine if frames == 1 else np.tile(fine, frames)
        marked[window] *= 1.0 - cover
        marked[window] += own * (gain.astype(np.float32) * (cover > 0))
    else:
        ratio = (np.maximum(before, 0.0) + 0.03) / (np.maximum(clean, 0.0) + 0.03)
        # No brighter than the brightest of both: ratios on top of each other soon leave what half floats hold.
        most = max(float(marked.max()), float(before.max()) * float(gain.max()))
        shown = np.where(matte[..., None] > 0.02, np.clip(ratio, 0.02, 8.0), 1.0)
        marked[window] = np.minimum(marked[window] * shown, most)
    edit = crop.matte.copy()
    np.maximum(edit[window], matte, out=edit[window])
    return Crop(marked, crop.after, edit)


def _span_of(matte: Pixels) -> tuple[slice, slice]:
    """The part of a crop that its marks lie in, with a margin that detail and coverage are measured over."""
    spans = []
    for axis in (1, 0):
        used = np.flatnonzero(matte.any(axis=axis))
        spans.append(slice(max(0, int(used[0]) - 8), int(used[-1]) + 9) if len(used) else slice(0, 1))
    return spans[0], spans[1]


def _fine(picture: Pixels, sigma: float) -> Pixels:
    """The grain of a picture, roughly: its finest detail, and of that no more than grain of `sigma` can be."""
    detail = picture - cv2.GaussianBlur(picture, (0, 0), 1.0)
    return np.asarray(np.clip(detail, -2.5 * sigma, 2.5 * sigma), np.float32)


def relight(crop: Crop, rng: np.random.Generator, how: Augment) -> Crop:
    """Another exposure, tint and fall-off of light, applied in scene-linear to Before and After alike."""
    side = crop.matte.shape[0]
    axis = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    ramp = rng.uniform(-how.ramp, how.ramp, 2)
    stops = rng.uniform(-how.stops, how.stops) + ramp[0] * axis[:, None] + ramp[1] * axis[None, :]
    gain = np.exp2(stops)[..., None] * (1.0 + rng.uniform(-how.tint / 2, how.tint / 2, 3))
    gain = gain.astype(np.float32)
    frames = crop.before.shape[-1] // 3
    before = color.encode(color.decode(crop.before) * np.tile(gain, frames))
    return Crop(before, color.encode(color.decode(crop.after) * gain), crop.matte)
