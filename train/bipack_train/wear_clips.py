"""Worn clips, for models of several frames: each crop is a frame of a moving shot with its neighbours laid onto it.

The shot is real footage, or a camera that pans, turns and zooms over a photograph by any fraction of a pixel, so that
an encoder predicts its frames no better than it predicts a film's. Neighbours are moved onto the current frame as the
worker moves them (bipack.imaging.neighbours), errors of the motion included: a network learns what to believe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import neighbours
from bipack_train import codecs, pictures
from bipack_train.wear import Pixels, Wear, unworn, wear_clip

FRAMES = 12
"""Frames of a clip that goes through a film encoder: several predicted ones between two whole pictures."""

_REACH = 3.0
"""Most sharp pixels that the camera pans from one frame to the next, along each axis."""

OF_PHOTO, OF_FOOTAGE = 2, 3
"""Crops taken of one clip."""

_STILL, _WHOLE = 0.3, 0.25
"""Clips whose camera stands still, and that pans by whole pixels: there an encoder copies what it drew once, faults and
all, and neighbours bring nothing. A network that has not seen them takes their agreement for truth."""

_TURN, _ZOOM = 0.003, 0.003
"""Spread of the camera's turn (radians) and of its zoom, from one frame to the next."""

_WIDE = 2.0
"""Pixels of the picture that a sharp pixel is wide: it holds more than the camera shows, wherever that stands."""

_SAMPLES = 2
"""A sharp pixel is the mean of so many samples along each axis: moved by a fraction it is as sharp as unmoved."""

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)

_LOOKUP = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP

Worn = tuple[codecs.Bytes, Pixels]
"""(plate of 8 bits with 3 channels for each frame, in the order of `offsets`; sharp truth)."""


def offsets(frames: int) -> tuple[int, ...]:
    """Where the frames of one plate lie: 0, -1, 1, -2, 2."""
    return tuple((number + 1) // 2 * (1 if number % 2 == 0 else -1) for number in range(frames))


def worn_photo(
    whole: Pixels, scale: int, wear: Wear, rng: np.random.Generator, frames: int, takes: int = OF_PHOTO
) -> list[Worn]:
    """`takes` worn crops of one clip whose camera moves over `whole`; none where the picture is too small."""
    clip = _moved(np.rot90(whole, int(rng.integers(4))), wear.side * scale, rng)
    if clip and rng.random() < 0.5:
        clip = [np.ascontiguousarray(frame[:, ::-1]) for frame in clip]
    return _worn(clip, scale, wear, rng, frames, takes) if clip else []


def worn_shot(
    clip: Sequence[Pixels], scale: int, wear: Wear, rng: np.random.Generator, frames: int, takes: int = OF_FOOTAGE
) -> list[Worn]:
    """`takes` worn crops of a rendered shot (bipack_train.shots), FRAMES frames of the size that is worn."""
    return _worn(clip, scale, wear, rng, frames, takes)


def worn_footage(
    clip: Sequence[Pixels], scale: int, wear: Wear, rng: np.random.Generator, frames: int, takes: int = OF_FOOTAGE
) -> list[Worn]:
    """As `worn_photo`, from FRAMES neighbouring frames of real footage, each (height, width, 3)."""
    side = wear.side * scale
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    height, width = clip[0].shape[:2]
    if min(height, width) < side:
        return []
    top, left = (int(rng.integers(0, limit - side + 1)) for limit in (height, width))
    cut = [np.rot90(frame[top : top + side, left : left + side], turns) for frame in clip]
    return _worn([np.ascontiguousarray(f[:, ::-1] if mirrored else f) for f in cut], scale, wear, rng, frames, takes)


def _worn(
    clip: Sequence[Pixels], scale: int, wear: Wear, rng: np.random.Generator, frames: int, takes: int
) -> list[Worn]:
    if wear.tint and rng.random() < wear.tint:
        tinted = _tint(rng)
        clip = [tinted(frame) for frame in clip]
    if rng.random() < wear.clean:
        wear = unworn(wear)
    reach = frames // 2
    places = sorted(int(place) for place in rng.choice(np.arange(reach, len(clip) - reach), takes, replace=False))
    shown = wear_clip(clip, range(len(clip)), scale, wear, rng)
    return [(stacked([shown[place + offset] for offset in offsets(frames)]), clip[place]) for place in places]


def _tint(rng: np.random.Generator) -> Callable[[Pixels], Pixels]:
    """Other colors for the frames of one clip: its channels in another order, another saturation, gain and gamma."""
    order = rng.permutation(3) if rng.random() < 0.5 else np.arange(3)
    saturation, gamma = np.float32(rng.uniform(0.3, 1.5)), np.float32(np.exp(rng.uniform(-0.3, 0.3)))
    gain = (rng.uniform(0.7, 1.1) * rng.uniform(0.85, 1.15, 3)).astype(np.float32)

    def tinted(coded: Pixels) -> Pixels:
        colors = coded[:, :, order] * gain
        grey = (colors @ _LUMA)[:, :, None]
        return np.asarray(np.clip(grey + saturation * (colors - grey), 0, 1) ** gamma, np.float32)

    return tinted


def stacked(shown: Sequence[codecs.Bytes]) -> codecs.Bytes:
    """Frames of 8 bits in the order of `offsets`, the others moved onto the first: (height, width, 3 * frames)."""
    current, *others = (frame.astype(np.float32) / np.float32(255) for frame in shown)
    moved = [neighbours.onto(current, other) for other in others]
    return np.concatenate([shown[0], *(_bytes(frame) for frame in moved)], axis=2)


def _moved(whole: Pixels, side: int, rng: np.random.Generator) -> list[Pixels]:
    """FRAMES views of `side` sharp pixels, of a camera that moves evenly; none where the picture is too small."""
    fastest = min(_REACH, side / 32)
    pan = rng.uniform(-fastest, fastest, 2)
    turn, zoom = rng.normal(0, _TURN), rng.normal(0, _ZOOM)
    way = rng.random()
    if way < _STILL + _WHOLE:
        pan, turn, zoom = np.rint(pan) if way > _STILL else np.zeros(2), 0.0, 0.0
    # Half the view's diagonal, grown by zoom, and the way that the camera goes.
    reach = _WIDE * (0.72 * side * (1 + abs(zoom)) ** FRAMES + fastest * FRAMES / 2)
    height, width = whole.shape[:2]
    if min(height, width) < 2 * reach:
        return []
    centre = np.array([rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)])
    views = []
    for number in np.arange(FRAMES) - (FRAMES - 1) / 2:
        matrix = _view(centre + _WIDE * pan * number, turn * number, _WIDE * (1 + zoom) ** number, side)
        fine = cv2.warpAffine(
            whole,
            matrix,
            (side * _SAMPLES,) * 2,
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        views.append(pictures.shrunk(np.asarray(fine, np.float32), _SAMPLES))
    return views


def _view(centre: NDArray[np.float64], turn: float, factor: float, side: int) -> NDArray[np.float64]:
    """The affine map (2, 3) from samples of a view about `centre` to pixels of the picture."""
    step = factor / _SAMPLES
    across, down = step * np.array([np.cos(turn), np.sin(turn)]), step * np.array([-np.sin(turn), np.cos(turn)])
    middle = (side * _SAMPLES - 1) / 2
    return np.stack([across, down, centre - middle * (across + down)], axis=1)


def _bytes(coded: Pixels) -> codecs.Bytes:
    return np.rint(np.clip(coded, 0, 1) * 255).astype(np.uint8)
