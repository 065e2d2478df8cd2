"""Other pictures at the plate's pixels: a matte or a second plate may have another data window than the plate."""

from __future__ import annotations

import numpy as np

from bipack.errors import CorruptInput
from bipack.imaging.frame import Part, Pixels


def placed(pixels: Pixels, source: Part, target: Part, base: Pixels, what: str) -> Pixels:
    """`pixels` (height, width[, channels]) of `source` at the pixels of `target`; `base` where `source` has none.

    `base` has the target's size and is not changed. Raises CorruptInput when the two are of different formats.
    """
    size = source.display_window.width, source.display_window.height
    wanted = target.display_window.width, target.display_window.height
    if size != wanted:
        raise CorruptInput(
            f"The {what} is {size[0]}x{size[1]} pixels, the plate {wanted[0]}x{wanted[1]}. Bring them to one size."
        )
    if source.data_window == target.data_window:
        return pixels
    height, width = base.shape[:2]
    result = base.copy()
    top = source.data_window.ymin - source.display_window.ymin - target.data_window.ymin + target.display_window.ymin
    left = source.data_window.xmin - source.display_window.xmin - target.data_window.xmin + target.display_window.xmin
    rows = slice(max(0, top), min(height, top + pixels.shape[0]))
    columns = slice(max(0, left), min(width, left + pixels.shape[1]))
    if rows.stop > rows.start and columns.stop > columns.start:
        result[rows, columns] = pixels[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return np.ascontiguousarray(result)
