"""The difference matte: which pixels the artist changed, told apart from what merely differs by noise.

A frame that went through another codec or was degrained and regrained differs everywhere by a little; a paint-fix
differs in some places by a lot. The noise of the difference is measured robustly (most of a frame is not painted), the
threshold follows it, and whatever hangs together with a clear change is taken along down to a lower threshold. The
result is widened by a few pixels, so that the soft rim of a mark is inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels

FLOOR = 0.0015
"""Encoded difference that is never taken for an edit: below half a code of 8 bits, above a rounding step of half."""

SURE, LIKELY = 7.0, 3.5
"""Thresholds in units of the noise: where an edit starts, and down to where what touches it belongs to it."""

SMALLEST_NOISY = 5
"""Pixels that an edit must have where the pair is noisy; fewer are grain."""


@dataclass(frozen=True)
class Difference:
    """What a pair differs in."""

    matte: Pixels
    """(height, width) 0..1: 1 on the edit and `grow` pixels around it, then a soft edge."""

    core: NDArray[np.bool_]
    """(height, width): the edit itself."""

    noise: float
    """Standard deviation of the difference outside the edit, in encoded values; 0 where the two are the same there."""

    @property
    def coverage(self) -> float:
        """Part of the frame that the core covers."""
        return float(self.core.mean())


def difference(
    before: Pixels, after: Pixels, usable: NDArray[np.bool_] | None = None, grow: int = 2, soften: float = 0.7
) -> Difference:
    """The difference matte of two encoded pictures (height, width, 3).

    `usable` is false where a pixel says nothing (NaN in either picture). `grow` widens the edit by so many pixels,
    `soften` is the sigma of its soft edge.
    """
    change = np.asarray(after - before, np.float32)
    if usable is not None:
        change = np.where(usable[..., None], change, 0.0)
    noise = _noise(change, 2.0)
    size = np.abs(change).max(axis=-1)
    if noise > 0:
        # Grain is nearly white and a mark is not: a little blur halves the one and keeps the other.
        smooth = cv2.GaussianBlur(change, (0, 0), 1.0)
        level = np.abs(smooth).max(axis=-1)
        threshold = _noise(smooth, 6.0)
        sure = (level > max(SURE * threshold, FLOOR)) | (size > max(2 * SURE * noise, FLOOR))
        likely = level > max(LIKELY * threshold, FLOOR)
        core = _connected(likely | sure, sure, SMALLEST_NOISY)
    else:
        core = size > FLOOR
    core = cv2.morphologyEx(core.astype(np.uint8), cv2.MORPH_CLOSE, _disc(1)) > 0
    return Difference(widened(core, grow, soften), core, noise)


def widened(core: NDArray[np.bool_], grow: int, soften: float) -> Pixels:
    """`core` grown by `grow` pixels as a float matte with a soft edge."""
    grown = cv2.dilate(core.astype(np.uint8), _disc(grow)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), soften) if soften > 0 else grown, np.float32)


def _noise(change: Pixels, reach: float) -> float:
    """Sigma of what is finer than `reach` in a difference.

    The bulk of the difference itself would not do: where a whole frame was graded or painted, all of it is meant.
    """
    if not robust_sigma(change):
        return 0.0
    return robust_sigma(change - np.asarray(cv2.GaussianBlur(change, (0, 0), reach), np.float32))


def robust_sigma(values: Pixels) -> float:
    """Standard deviation of the bulk of `values`, by the median of their magnitudes; edits of under half do not count.

    Measured channel by channel where the last of three axes is the channel; the largest is returned.
    """
    planes = values.reshape(-1, values.shape[-1]) if values.ndim == 3 else values.reshape(-1, 1)
    step = max(1, planes.shape[0] // 400_000)
    return float(1.4826 * np.median(np.abs(planes[::step]), axis=0).max())


def _connected(allowed: NDArray[np.bool_], seeds: NDArray[np.bool_], smallest: int) -> NDArray[np.bool_]:
    """Those connected areas of `allowed` that hold a seed and are not tiny."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(allowed.astype(np.uint8), connectivity=8)
    keep = np.zeros(count, bool)
    keep[np.unique(labels[seeds])] = True
    keep &= stats[:, cv2.CC_STAT_AREA] >= smallest
    keep[0] = False
    return np.asarray(keep[labels])


def _disc(radius: int) -> NDArray[np.uint8]:
    side = 2 * radius + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
