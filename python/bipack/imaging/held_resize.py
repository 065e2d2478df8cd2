"""Resizing of scene-linear light that does not ring beside lamps.

The cubic kernel overshoots by some percent of an edge. In ordinary pictures that is crispness; beside a light of
50,000 : 1 it is a black ring around a brighter rim. So the result is held near the range of the source pixels around
it: not at all while they are all below 1, and hardly beyond that range where there is a light among them.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from bipack.imaging import nonfinite, resample
from bipack.imaging.frame import Pixels
from bipack.imaging.resample import Spans

FROM, FULL = 1.0, 3.0
"""Light from which the limit closes in, and at which it is tight."""

TIGHT = 0.01
"""Freedom beside lights, as a part of the bound itself, and least in absolute light."""

LEAST = 0.001


def resized_rows(plane: Pixels, width: int, height: int, spans: Spans = (None, None)) -> Iterator[tuple[int, Pixels]]:
    """`resample.resized_rows` with the cubic kernel, held; one channel (height, width) of float32 light.

    NaN and infinities are held out and put back as there.
    """
    rows = resample.resized_rows(plane, width, height, "cubic", spans)
    clean = nonfinite.hold_out(plane)[0]
    if clean.size == 0 or max(float(clean.max()), -float(clean.min())) <= FROM:
        yield from rows
        return
    reach = [_reach(side, made, span) for side, made, span in zip(plane.shape, (height, width), spans[::-1])]
    above = resample.nearest_index(plane.shape[0], height, spans[1])
    columns = resample.nearest_index(plane.shape[1], width, spans[0])
    for first, made in rows:
        nearest = above[first : first + len(made)]
        top = max(0, int(nearest[0]) - reach[0])
        around = clean[top : int(nearest[-1]) + reach[0] + 1]
        window = np.ones((2 * reach[0] + 1, 2 * reach[1] + 1), np.uint8)
        highest = cv2.dilate(around, window, borderType=cv2.BORDER_REPLICATE)[nearest - top][:, columns]
        lowest = cv2.erode(around, window, borderType=cv2.BORDER_REPLICATE)[nearest - top][:, columns]
        yield first, hold(made, np.asarray(lowest, np.float32), np.asarray(highest, np.float32))


def hold(made: Pixels, lowest: Pixels, highest: Pixels) -> Pixels:
    """`made` within the range lowest..highest of its surroundings, as far as there is light in it."""
    strongest = np.maximum(highest, -lowest)
    tight = np.clip((strongest - FROM) / (FULL - FROM), 0, 1)
    # Free by the width of the range where nothing is bright, by next to nothing where something is.
    freedom = (1 - tight) * (highest - lowest)
    lower = lowest - freedom - TIGHT * np.abs(lowest) - LEAST
    upper = highest + freedom + TIGHT * np.abs(highest) + LEAST
    held = np.clip(made, lower, upper)
    return np.where(np.isfinite(made), held, made)


def _reach(source: int, result: int, span: resample.Span | None) -> int:
    """Source pixels to each side that count as the surroundings of a result pixel."""
    first, last = span or (0.0, float(source))
    return max(1, int(np.ceil((last - first) / result)))
