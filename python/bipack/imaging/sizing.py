"""Where everything goes when a picture becomes any number of times as large.

The format grows to whole pixels; a data window inside it grows to the pixels that it touches. So the edge of the stored
pixels need not lie on the edge of a source pixel, and whoever resizes them is told which span of the source the result
covers: nothing moves by a part of a pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional, Tuple

from bipack.errors import UsageError
from bipack.imaging.frame import Box
from bipack.imaging.resample import Span, Spans

LEAST, MOST = 1.0, 8.0
"""Factors that are allowed. Below 1 there is nothing to enlarge, above 8 nothing to enlarge it from."""


@dataclass(frozen=True)
class Axis:
    """One axis: `source` pixels of the format become `result` pixels."""

    source: int
    result: int

    def place(self, first: int, count: int) -> Tuple[int, int]:
        """(first, count) in the result of the pixels first..first + count, both relative to the format's edge."""
        start = first * self.result // self.source
        stop = -((-(first + count) * self.result) // self.source)
        return start, max(1, stop - start)

    def span(self, first: int, count: int) -> Optional[Span]:
        """The source span, from `first` on, that the result pixels of `place` cover; None for all `count` of them."""
        start, wide = self.place(first, count)
        if start * self.source == first * self.result and wide * self.source == count * self.result:
            return None
        return start * self.source / self.result - first, (start + wide) * self.source / self.result - first


@dataclass(frozen=True)
class Sizing:
    """Both axes."""

    across: Axis
    down: Axis

    @property
    def whole(self) -> int:
        """The factor where it is one whole number for both axes, else 0."""
        factors = {axis.result // axis.source if axis.result % axis.source == 0 else 0 for axis in self.axes}
        return factors.pop() if len(factors) == 1 else 0

    @property
    def axes(self) -> Tuple[Axis, Axis]:
        """Across, down."""
        return self.across, self.down

    def window(self, box: Box, display: Box) -> Box:
        """Where `box` of a part with the format `display` lies afterwards."""
        mine = self.of(display)
        left, width = mine.across.place(box.xmin - display.xmin, box.width)
        top, height = mine.down.place(box.ymin - display.ymin, box.height)
        corner = mine.corner(display)
        return Box(corner[0] + left, corner[1] + top, corner[0] + left + width - 1, corner[1] + top + height - 1)

    def display(self, display: Box) -> Box:
        """The format `display` afterwards."""
        mine, corner = self.of(display), self.corner(display)
        return Box(corner[0], corner[1], corner[0] + mine.across.result - 1, corner[1] + mine.down.result - 1)

    def spans(self, box: Box, display: Box) -> Spans:
        """(across, down) of `box`: what `resample` is to be told."""
        mine = self.of(display)
        return (
            mine.across.span(box.xmin - display.xmin, box.width),
            mine.down.span(box.ymin - display.ymin, box.height),
        )

    def corner(self, display: Box) -> Tuple[int, int]:
        """Upper left corner of the format afterwards: a whole pixel, whatever it was."""
        return (
            round(display.xmin * self.across.result / self.across.source),
            round(display.ymin * self.down.result / self.down.source),
        )

    def of(self, display: Box) -> Sizing:
        """The same factor for a part of another format."""
        if (display.width, display.height) == (self.across.source, self.down.source):
            return self
        return Sizing(_scaled(display.width, self.across), _scaled(display.height, self.down))


def nearest(length: float) -> int:
    """The nearest whole number, halves upwards: Python's own rounding takes halves to the even one."""
    return math.floor(length + 0.5)


def _scaled(length: int, axis: Axis) -> Axis:
    return Axis(length, max(1, nearest(length * axis.result / axis.source)))


def by_scale(display: Box, scale: int) -> Sizing:
    """The whole factor of a model."""
    return Sizing(Axis(display.width, display.width * scale), Axis(display.height, display.height * scale))


def by_factor(display: Box, factor: float) -> Sizing:
    """Both sides `factor` times as long, rounded to whole pixels. Raises UsageError beyond LEAST..MOST."""
    if not math.isfinite(factor) or not LEAST <= factor <= MOST:
        hint = "Reformat makes pictures smaller" if factor < LEAST else "enlarge in two steps"
        raise UsageError(f"A factor of {factor:g} was asked for; allowed are {LEAST:g} to {MOST:g} ({hint}).")
    wide, high = nearest(display.width * factor), nearest(display.height * factor)
    return Sizing(Axis(display.width, wide), Axis(display.height, high))


def by_width(display: Box, width: int) -> Sizing:
    """`width` pixels across, the height in proportion. Raises UsageError where that is a factor beyond LEAST..MOST."""
    factor = width / display.width
    if not LEAST <= factor <= MOST:
        least, most = math.ceil(display.width * LEAST), math.floor(display.width * MOST)
        raise UsageError(f"A width of {width} was asked for; from a plate {display.width} wide, {least} to {most} go.")
    return Sizing(Axis(display.width, width), Axis(display.height, max(1, nearest(display.height * factor))))
