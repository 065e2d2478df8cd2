"""A clean plate from the frames around: neighbours laid over the current frame, and the middle value of each pixel.

What moves through the shot covers a pixel in fewer than half of the frames and is gone; what stands still stays. The
median is a network of comparisons that Nuke's Merge nodes can do as well, and it tells apart "covered" (held out by a
matte, or beyond the edge of a moved frame) from "seen".
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.imaging import color, nonfinite
from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.finishing.working_space import luma
from bipack.imaging.frame import Pixels

FAR = 1e30
"""Stands for a sample that must not be the median: larger, or negated smaller, than any picture holds."""

ALIGNMENTS = ("none", "move", "turn", "perspective")
_MODELS = {"move": cv2.MOTION_TRANSLATION, "turn": cv2.MOTION_AFFINE, "perspective": cv2.MOTION_HOMOGRAPHY}
_ALIGN_WIDTH = 512
_ALIGN_STEPS = 60
_ROWS = 32

_SURE = 255
Mask = NDArray[np.uint8]
"""(height, width), above 0 where a sample is not known."""

Matrix = NDArray[np.float64]
"""(3, 3) homography from pixels of the current frame to pixels of a neighbour."""

# Pairs to put in order so that the middle of the list is the median; the pairs beyond need no order.
NETWORKS: dict[int, tuple[tuple[int, int], ...]] = {
    1: (),
    3: ((0, 1), (1, 2), (0, 1)),
    5: ((0, 1), (3, 4), (0, 3), (1, 4), (1, 2), (2, 3), (1, 2)),
    7: (
        (0, 5), (0, 3), (1, 6), (2, 4), (0, 1), (3, 5), (2, 6), (2, 3), (3, 6), (4, 5), (1, 4), (1, 3), (3, 4),
    ),
}  # fmt: skip


def align(
    current: Pixels,
    neighbour: Pixels,
    how: str,
    held_out: Optional[Pixels] = None,
    neighbour_held_out: Optional[Pixels] = None,
) -> Matrix:
    """Where the pixels of `current` lie in `neighbour`, both scene-linear (height, width, 3); for `how` see ALIGNMENTS.

    `held_out` (height, width) and `neighbour_held_out` mark, above 0, what in either frame must not be followed. Raises
    UsageError when the two cannot be matched (too dark, too even, too different).
    """
    if how == "none":
        return np.eye(3)
    scale = min(1.0, _ALIGN_WIDTH / current.shape[1])
    size = (max(16, round(current.shape[1] * scale)), max(16, round(current.shape[0] * scale)))
    target, source = _small_tone(current, size, held_out), _small_tone(neighbour, size, neighbour_held_out)
    seen = None
    if held_out is not None:
        seen = (cv2.resize(held_out, size, interpolation=cv2.INTER_AREA) <= 0.0).astype(np.uint8)
    window = cv2.createHanningWindow(size, cv2.CV_64F)
    shift, _ = cv2.phaseCorrelate(target.astype(np.float64), source.astype(np.float64), window)
    # What moves through the shot may be all that the first guess sees, so "not at all" is tried as well.
    with ThreadPoolExecutor(2, thread_name_prefix="bipack-align") as pool:
        found = list(pool.map(lambda guess: _refined(target, source, guess, how, seen), (shift, (0.0, 0.0))))
    score, warp = max(found, key=lambda pair: pair[0])
    if score <= 0.0:
        raise UsageError(
            "A neighbour frame cannot be laid over this one: they are too different or too even to match. "
            "Choose a smaller step between frames, or set align to none and track the plate yourself."
        )
    # OpenCV counts pixel centres as whole numbers; sizes scale about corners.
    to_corner = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])
    to_small = np.diag([size[0] / current.shape[1], size[1] / current.shape[0], 1.0])
    chain = np.linalg.inv(to_corner), np.linalg.inv(to_small), to_corner, warp, np.linalg.inv(to_corner), to_small
    full = np.linalg.multi_dot([*chain, to_corner])
    return np.asarray(full / full[2, 2])


def _small_tone(frame: Pixels, size: tuple[int, int], held_out: Optional[Pixels]) -> Pixels:
    """Encoded luma at a size that is matched quickly; what is held out is filled in from around it."""
    full = np.empty(frame.shape[:2], np.float32)

    def strip(first: int, last: int) -> None:
        full[first:last] = luma(frame[first:last])

    in_strips(len(frame), _ROWS, strip)
    tone = np.asarray(color.encode(cv2.resize(full, size, interpolation=cv2.INTER_AREA)), np.float32)
    if held_out is None:
        return tone
    tone[cv2.resize(held_out, size, interpolation=cv2.INTER_AREA) > 0.0] = np.nan
    return nonfinite.hold_out(tone)[0]


def _refined(
    target: Pixels, source: Pixels, shift: Sequence[float], how: str, seen: Optional[NDArray[np.uint8]]
) -> tuple[float, Matrix]:
    """(correlation, map) of the best match near `shift`; a correlation of 0 where there is none."""
    warp = np.eye(3, dtype=np.float32)
    warp[:2, 2] = shift
    start = warp if how == "perspective" else np.ascontiguousarray(warp[:2])
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ALIGN_STEPS, 1e-5)
    try:
        score, found = cv2.findTransformECC(target, source, start, _MODELS[how], criteria, seen, 5)
    except cv2.error:
        return 0.0, np.eye(3)
    warp[: len(found)] = found
    return float(score), warp.astype(np.float64)


def lay_over(neighbour: Pixels, matrix: Matrix, held_out: Optional[Pixels] = None) -> tuple[Pixels, Mask]:
    """`neighbour` as it would look in the place of the current frame, and a mask of where that is not known."""
    height, width = neighbour.shape[:2]
    outside = np.zeros((height, width), np.uint8) if held_out is None else np.where(held_out > 0.0, _SURE, 0)
    outside = outside.astype(np.uint8)
    if np.array_equal(matrix, np.eye(3)):
        return neighbour, outside
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(neighbour, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    unknown = cv2.warpPerspective(
        outside, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=_SURE
    )
    return moved, unknown


def median_of(samples: Sequence[NDArray[np.floating]], unknown: Sequence[Optional[Mask]], fallback: Pixels) -> Pixels:
    """The median of 1, 3, 5 or 7 pictures (height, width, 3) over the samples that are known; a new float32 array.

    Samples may be halves: rounding keeps the order of values, so for a half plate the result is the same.

    `unknown` has (height, width) above 0 where a sample does not count, or None. Of an even number of known samples the
    lower middle one is taken; where none is known the `fallback` stays.
    """
    if len(samples) not in NETWORKS:
        raise UsageError(f"A median of {len(samples)} frames is not available. Use 3, 5 or 7.")
    result = np.empty_like(fallback)

    def strip(first: int, last: int) -> None:
        values = []
        count = np.zeros((last - first, fallback.shape[1]), np.float32)
        for sample, mask in zip(samples, unknown, strict=True):
            values.append(sample[first:last].astype(np.float32))
            if mask is not None:
                # Low and high by turns, so that they balance and the middle stays the middle of what is known.
                missing = mask[first:last] > 0
                values[-1][missing & (count % 2 == 0)] = -FAR
                values[-1][missing & (count % 2 == 1)] = FAR
                count += missing
        for low, high in NETWORKS[len(values)]:
            smaller = cv2.min(values[low], values[high])
            values[high] = cv2.max(values[low], values[high])
            values[low] = smaller
        result[first:last] = values[len(values) // 2]
        np.copyto(result[first:last], fallback[first:last], where=(count == len(values))[..., np.newaxis])

    in_strips(len(fallback), _ROWS, strip)
    return result


def window(frame: int, step: int, count: int, first: int, last: int) -> list[int]:
    """The `count` frames, `step` apart, around `frame` that lie between `first` and `last`; at the ends they slide."""
    reach = step * (count // 2)
    middle = min(max(frame, first + reach), last - reach)
    return [middle + step * index for index in range(-(count // 2), count // 2 + 1)]
