"""From a matte to what has to be filled: where the hole is, how the fill fades out, and which boxes hold it.

Whatever is above 0 in the matte is covered: a soft edge still shows what is to go, so it is filled whole and not mixed.
Boxes keep the cost with the hole. What lies far apart is filled by itself, with the picture around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bipack.imaging.borrow_align import Box
from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask

LEAST = 1e-3
"""Matte from which a pixel is covered; below it is what a blur or a lossy file leaves behind."""

MARGIN = 64
"""Pixels of the picture around a hole that come with it."""

_APART = 48


@dataclass(frozen=True, eq=False)
class Hole:
    """What has to be filled in one frame."""

    covered: Mask
    """Where the background is not seen."""

    corner: tuple[int, int]
    """(left, top) of the part that has weight."""

    faded: Pixels
    """How much of the fill is laid in, in the part that begins at `corner`: 1 where it is covered, down to 0 over the
    feather. Frames are many, and their holes are small."""

    boxes: tuple[Box, ...]
    """Boxes with margin; together they hold every weight above 0."""

    @property
    def is_empty(self) -> bool:
        """True where nothing is covered."""
        return not self.boxes

    @property
    def is_everything(self) -> bool:
        """True where no pixel of the background is left."""
        return bool(self.boxes) and bool(self.covered.all())

    @property
    def weight(self) -> Pixels:
        """How much of the fill is laid in, (height, width of the frame); made anew every time."""
        return self.weight_in((0, 0, self.covered.shape[1], self.covered.shape[0]))

    def weight_in(self, box: Box) -> Pixels:
        """The same for the pixels of `box`."""
        found = np.zeros((box[3] - box[1], box[2] - box[0]), np.float32)
        (left, top), (height, width) = self.corner, self.faded.shape
        first_x, last_x = max(box[0], left), min(box[2], left + width)
        first_y, last_y = max(box[1], top), min(box[3], top + height)
        if first_x < last_x and first_y < last_y:
            part = self.faded[first_y - top : last_y - top, first_x - left : last_x - left]
            found[first_y - box[1] : last_y - box[1], first_x - box[0] : last_x - box[0]] = part
        return found


def of_matte(matte: Pixels, grow: float = 0.0, feather: float = 0.0) -> Hole:
    """The hole of a finite matte (height, width), made wider by `grow` pixels and faded over `feather` beyond that."""
    marked = matte > LEAST
    covered = np.zeros(matte.shape, bool)
    if not marked.any():
        return Hole(covered, (0, 0), np.zeros((0, 0), np.float32), ())
    rows, columns = np.nonzero(marked)
    reach = int(np.ceil(grow + feather)) + 2
    top, bottom = max(0, int(rows.min()) - reach), int(rows.max()) + 1 + reach
    left, right = max(0, int(columns.min()) - reach), int(columns.max()) + 1 + reach
    area = slice(top, bottom), slice(left, right)
    away = cv2.distanceTransform((~marked[area]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    covered[area] = marked[area] | (away <= grow)
    weight = np.asarray(np.clip(1.0 - (away - grow) / (feather + 1.0), 0.0, 1.0), np.float32)
    weight[covered[area]] = 1.0
    return Hole(covered, (left, top), weight, _boxes(weight > 0.0, left, top, matte.shape))


def _boxes(marked: Mask, left: int, top: int, shape: tuple[int, ...]) -> tuple[Box, ...]:
    """A box for every group of pixels that lie near each other; (left, top) is the corner of `marked` in the frame."""
    padded = np.pad(marked, _APART).astype(np.uint8)
    near = cv2.dilate(padded, np.ones((_APART + 1, _APART + 1), np.uint8))
    count, labels = cv2.connectedComponents(near)
    labels = labels[_APART:-_APART, _APART:-_APART]
    found = []
    for label in range(1, count):
        group = marked & (labels == label)
        rows, columns = np.flatnonzero(group.any(axis=1)), np.flatnonzero(group.any(axis=0))
        found.append(
            (
                max(0, left + int(columns[0]) - MARGIN),
                max(0, top + int(rows[0]) - MARGIN),
                min(shape[1], left + int(columns[-1]) + 1 + MARGIN),
                min(shape[0], top + int(rows[-1]) + 1 + MARGIN),
            )
        )
    return tuple(found)
