"""What lies behind a mark, looked up in the frames that an artist has painted already.

A net that repairs a shot has the painted frames for teachers, and forgets most of what they show: it knows how bricks
look, not every brick. Here the painted frames themselves are asked. Each is laid over the new plate (features, a
homography, then dense motion measured around the marks and continued smoothly beneath them), brought to its light, and
judged by how well it fits around the mark. Where several agree, their mean is close to what was filmed; where none
fits, or they contradict each other, the expected error says so and the net's own repair stands.

All pictures are encoded (`imaging.color`), (height, width, 3), of any range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.borrow_align import View, mapped, plane_of
from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask, smooth_fill

LEAST_SIDE = 256
"""Plates with a smaller side are not looked up: too little is left around the marks to find the place by."""

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
_WORKING_SIDE = 1024
"""Motion is measured on pictures of at most so many pixels a side."""

_MARGIN = 96
"""Working pixels around the marks that are looked at."""

_NEAR = 8.0
"""How far, in pixels of the size that features are found at, these may lie off one plane."""

_ROUNDS = (10.0, 6.0, 5.0)
"""Sigma, in working pixels, over which the motion of each round is smoothed and continued under the marks."""

_RING, _LIGHT = 6.0, 8.0
"""Sigma over which the fit around a mark is measured, and over which light is matched."""

_OFFSET = np.float32(0.055)
"""Added to encoded values, light is a factor: the curve is a power of it up to white."""

_FLOOR = 2e-5
"""Squared error that no match is better than."""

_UNSEEN = 0.02
"""Squared error that is expected where nothing of the plate is seen nearby, as in the middle of a large mark."""

_REACHED = 0.02
"""Part of a neighbourhood that must be seen for its mean to count."""

_ALONE = 2.0
"""Factor on the error expected of a place that a single frame shows: nothing contradicts it."""

_LOST = 1.0
"""Squared error of what a frame does not show."""

_DETAIL = (1.0, 2.4)
"""Sigmas between the bands of texture that are taken from a single frame, each as strong as the plate's."""

_LOUDER = (0.7, 1.6)
"""Bounds of the factor on a band: warping takes some of its strength, and frames may differ in grain."""

_RIM = 3.0
"""Pixels from the rim of a repair over which it turns from the net's into what was looked up."""


@dataclass(frozen=True, eq=False)
class PaintedFrame:
    """One finished frame of the shot."""

    pixels: Pixels
    """Encoded (height, width, 3) float32."""

    @cached_property
    def view(self) -> View:
        """What features are found on; all of it is seen."""
        return View(_tone(self.pixels), np.ones(self.pixels.shape[:2], bool))


@dataclass(frozen=True, eq=False)
class Found:
    """What the painted frames show behind the marks of a plate."""

    window: tuple[slice, slice]
    """Rows and columns of the plate that the rest is of."""

    picture: Pixels
    error: Pixels
    """Expected squared error of `picture`, (rows, columns)."""

    detail: Pixels
    """Texture of the one frame that fits best at each place, as strong as the plate's around the mark: a mean of
    several frames loses it."""


def look_up(plate: Pixels, marks: Mask, frames: Sequence[PaintedFrame]) -> Optional[Found]:
    """What `frames` show behind the `marks` (height, width) of a plate; None where no frame can be laid over it."""
    if min(plate.shape[:2]) < LEAST_SIDE or not marks.any():
        return None
    hidden = cv2.dilate(marks.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    view = View(_tone(plate), ~hidden)
    scale = min(1.0, _WORKING_SIDE / max(plate.shape[:2]))
    window = _around(hidden, round(_MARGIN / scale))
    target = _Target(plate[window], hidden[window], window, scale)
    laid = [_laid_over(target, view, frame) for frame in frames]
    shown = [one for one in laid if one is not None]
    return _joined(target, shown, window) if shown else None


def lay_in(
    result: Pixels, marks: Mask, found: Found, error: float, strength: float = 1.0, texture: float = 0.0
) -> Pixels:
    """`result`, a net's repair of the squared error `error`, with what was found where that is the surer of the two.

    `texture` 0 is the likeliest picture, 1 has the full texture of a painted frame, which is a little off more often.
    Outside the marks nothing changes. A new array.
    """
    surer = np.float32(error) / (np.float32(error) + found.error)
    depth = cv2.distanceTransform(marks[found.window].astype(np.uint8), cv2.DIST_L2, 3)
    rim = np.float32(strength) * np.clip((depth - 0.5) / _RIM, 0.0, 1.0)[..., None]
    joined = result.copy()
    inside = joined[found.window]
    mixed = inside + rim * surer[..., None] * (found.picture - inside)
    if texture > 0:
        share = np.float32(texture) * rim * np.clip(3.0 * surer, 0.0, 1.0)[..., None]
        own = mixed - _blur(mixed, _DETAIL[-1])
        both = own + share * (found.detail - own)
        # Two textures that do not go together weaken each other where they mix.
        power = [_blur(np.square(one).mean(axis=-1), _DETAIL[-1]) + 1e-9 for one in (own, found.detail, both)]
        wanted = power[0] + np.clip(2.0 * share[..., 0], 0.0, 1.0) * (power[1] - power[0])
        mixed = mixed - own + both * np.clip(np.sqrt(wanted / power[2]), 1.0, _LOUDER[1])[..., None]
    np.copyto(inside, mixed, where=rim > 0)
    return joined


# Steps ----------------------------------------------------------------------------------------------------------------


def _tone(pixels: Pixels) -> Pixels:
    return np.asarray(pixels @ _LUMA, np.float32)


def _blur(values: Any, sigma: float) -> Any:
    return cv2.GaussianBlur(values, (0, 0), sigma)


def _grey(pixels: Pixels) -> NDArray[np.uint8]:
    """What motion is measured on: 8 bits, its grain softened."""
    return np.asarray(np.clip(_blur(_tone(pixels), 0.8) * 255.0, 0, 255), np.uint8)


def _around(hidden: Mask, margin: int) -> tuple[slice, slice]:
    spans = []
    for axis, size in ((1, hidden.shape[0]), (0, hidden.shape[1])):
        used = np.flatnonzero(hidden.any(axis=axis))
        spans.append(slice(max(0, int(used[0]) - margin), min(size, int(used[-1]) + 1 + margin)))
    return spans[0], spans[1]


class _Target:
    """The part of the plate that is looked up, at full and at working size."""

    def __init__(self, pixels: Pixels, hidden: Mask, window: tuple[slice, slice], scale: float) -> None:
        self.pixels = pixels
        self.known = (~hidden).astype(np.float32)
        height, width = hidden.shape
        rows, columns = window
        self.columns, self.rows = np.meshgrid(
            np.arange(columns.start, columns.stop, dtype=np.float32),
            np.arange(rows.start, rows.stop, dtype=np.float32),
        )
        self.size = (max(16, round(width * scale)), max(16, round(height * scale)))
        self.small, self.small_known = pixels, self.known
        if scale < 1.0:
            self.small = np.asarray(cv2.resize(pixels, self.size, interpolation=cv2.INTER_AREA), np.float32)
            free = cv2.resize(self.known, self.size, interpolation=cv2.INTER_AREA)
            self.small_known = (free >= 1.0).astype(np.float32)
        self.small_grid = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in self.size))

    def at_working_size(self, place: Pixels) -> Pixels:
        """A map of places over the window, for the pixels of `small`."""
        return place if self.small is self.pixels else np.asarray(cv2.resize(place, self.size), np.float32)

    def at_full_size(self, place: Pixels) -> Pixels:
        """The way back."""
        full = (self.pixels.shape[1], self.pixels.shape[0])
        if self.small is self.pixels:
            return place
        return np.asarray(cv2.resize(place, full, interpolation=cv2.INTER_CUBIC), np.float32)


def _laid_over(target: _Target, view: View, frame: PaintedFrame) -> Optional[tuple[Pixels, Pixels]]:
    """`frame` as the window of the plate would show it, and its expected squared error; None without a match."""
    start = _start(target, view, frame.view)
    if start is None:
        return None
    x, y = (target.at_working_size(place) for place in start)
    known = target.small_known
    columns, rows = target.small_grid
    engine = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    engine.setFinestScale(0)
    for sigma in _ROUNDS:
        shown = _at_light(target.small, known, _taken(frame.pixels, x, y))
        # Under the marks both are the same, so that the marks do not pull.
        filled = np.where(known[..., None] > 0, target.small, shown)
        flow = engine.calc(_grey(filled), _grey(shown), None)
        weight = _blur(known, sigma)
        flow = _continued(_blur(flow * known[..., None], sigma) / (weight[..., None] + 1e-4), weight)
        there = columns + flow[..., 0], rows + flow[..., 1]
        x, y = (cv2.remap(p, *there, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for p in (x, y))
    x, y = target.at_full_size(x), target.at_full_size(y)
    shown = _at_light(target.pixels, target.known, _taken(frame.pixels, x, y))
    height, width = frame.pixels.shape[:2]
    inside = (x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)
    return shown, np.where(inside, _misfit(target, shown), np.float32(_LOST))


def _start(target: _Target, view: View, other: View) -> Optional[tuple[Pixels, Pixels]]:
    """Where the window's pixels lie in another frame, as features tell: a plane, and how far they are off it nearby."""
    found = plane_of(view, other, _NEAR)
    if found is None:
        return None
    matrix, here, there = found
    x, y = mapped(matrix, target.columns, target.rows)
    off = _spread(target, here, there - np.stack(mapped(matrix, here[:, 0], here[:, 1]), axis=-1))
    return x + off[..., 0], y + off[..., 1]


def _spread(target: _Target, places: Pixels, values: Pixels) -> Pixels:
    """Values (count, 2) at places (count, 2) of the plate as a smooth field over the window."""
    height, width = target.known.shape
    step = max(1, round(max(height, width) / 256))
    coarse = np.zeros((-(-height // step), -(-width // step), 3), np.float32)
    columns = np.rint((places[:, 0] - target.columns[0, 0]) / step).astype(np.intp)
    rows = np.rint((places[:, 1] - target.rows[0, 0]) / step).astype(np.intp)
    inside = (columns >= 0) & (rows >= 0) & (columns < coarse.shape[1]) & (rows < coarse.shape[0])
    counted = np.concatenate([values, np.ones((len(values), 1))], axis=1).astype(np.float32)
    np.add.at(coarse, (rows[inside], columns[inside]), counted[inside])
    near = _blur(coarse, 10.0) + 0.1 * _blur(coarse, 30.0)
    field = near[..., :2] / (near[..., 2:] + 1e-9)
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _taken(pixels: Pixels, x: Pixels, y: Pixels) -> Pixels:
    return np.asarray(cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _at_light(plate: Pixels, known: Pixels, shown: Pixels) -> Pixels:
    """`shown` in the light of the plate, measured around the marks, smooth beneath them."""
    seen = known[..., None]
    here = _blur(np.maximum(plate + _OFFSET, 0.0) * seen, _LIGHT)
    there = _blur(np.maximum(shown + _OFFSET, 0.0) * seen, _LIGHT)
    ratio = _continued((here + 1e-4) / (there + 1e-4), _blur(known, _LIGHT))
    return np.asarray((shown + _OFFSET) * ratio - _OFFSET, np.float32)


def _continued(means: Pixels, weight: Pixels) -> Pixels:
    """Means over a neighbourhood of which `weight` 0..1 is seen, continued to where too little of it is."""
    return smooth_fill(np.asarray(means, np.float32), weight > _REACHED, 2)


def _misfit(target: _Target, shown: Pixels) -> Pixels:
    """Mean squared difference from the plate near each pixel, where the plate is seen; deep under marks `_UNSEEN`."""
    error = np.square(shown - target.pixels).mean(axis=-1) * target.known
    seen = _blur(target.known, _RING)
    return np.asarray((_blur(error, _RING) + _UNSEEN * 2e-4) / (seen + 2e-4), np.float32)


def _joined(target: _Target, laid: Sequence[tuple[Pixels, Pixels]], window: tuple[slice, slice]) -> Found:
    """The frames as one picture, each by how well it fits around the marks and agrees with the others beneath them."""
    shown, misfit = (np.stack(parts) for parts in zip(*laid))
    centre = np.median(shown, axis=0) if len(shown) > 2 else None
    weight = _weights(misfit)
    for _ in range(2):
        if centre is not None:
            apart = np.stack([_blur(np.square(one - centre).mean(axis=-1), 2.0) for one in shown])
            weight = _weights(np.maximum(misfit, apart))
        centre = (shown * weight[..., None]).sum(axis=0)
    picture = np.asarray(centre, np.float32)
    spread = (weight * np.square(shown - picture).mean(axis=-1)).sum(axis=0)
    # Half of the weight on one frame is as good as alone.
    alone = np.clip(2.0 * np.square(weight).sum(axis=0) - 1.0, 0.0, 1.0)
    lost = (misfit * weight).sum(axis=0)
    error = np.maximum(
        _misfit(target, picture) * (1.0 + (_ALONE - 1.0) * alone) + _blur(spread, 2.0), lost * (lost > 0.5)
    )
    best = np.argmax(weight, axis=0)
    single = np.take_along_axis(shown, best[None, ..., None], axis=0)[0]
    return Found(window, picture, np.asarray(error, np.float32), _texture(target, single))


def _texture(target: _Target, single: Pixels) -> Pixels:
    """The detail of `single`, band by band as strong as that of the plate where both are seen."""
    known = target.known
    detail = np.zeros_like(single)
    pictures = [single, np.where(known[..., None] > 0, target.pixels, single)]
    finer = pictures
    for sigma in _DETAIL:
        softer = [np.asarray(_blur(picture, sigma), np.float32) for picture in pictures]
        bands = [fine - soft for fine, soft in zip(finer, softer)]
        strength = [_blur(np.square(band).mean(axis=-1) * known, _LIGHT) + 1e-9 for band in bands]
        louder = _continued(np.sqrt(strength[1] / strength[0]), _blur(known, _LIGHT))
        detail += bands[0] * np.clip(louder, *_LOUDER)[..., None]
        finer = softer
    return detail


def _weights(error: Pixels) -> Pixels:
    weight = 1.0 / np.square(error + np.float32(_FLOOR))
    return np.asarray(weight / weight.sum(axis=0), np.float32)
