"""nuke.FrameRange and nuke.FrameRanges."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_RANGE = re.compile(r"\s*(-?\d+)(?:\s*-\s*(-?\d+)(?:\s*x\s*(-?\d+))?)?\s*$")


class FrameRange:
    """nuke.FrameRange("1-10x2"), FrameRange(1, 10, 2) or FrameRange(1, 10)."""

    def __init__(self, *arguments: Any) -> None:
        if len(arguments) == 1 and isinstance(arguments[0], str):
            match = _RANGE.match(arguments[0])
            if match is None:
                raise RuntimeError(f'Frame Range invalid ( "{arguments[0]}" )')
            first = int(match[1])
            last = int(match[2]) if match[2] is not None else first
            step = int(match[3]) if match[3] is not None else 1
        elif len(arguments) in (2, 3) and all(isinstance(a, int) for a in arguments):
            first, last, step = (*arguments, 1)[:3]
        elif not arguments:
            first, last, step = 0, 0, 1
        else:
            raise TypeError("FrameRange() needs a string, or first, last and increment")
        if step == 0:
            raise RuntimeError("Frame Range invalid ( increment 0 )")
        self._first, self._last, self._step = first, last, step
        self._next = 0

    def first(self) -> int:
        return self._first

    def last(self) -> int:
        return self._last

    def increment(self) -> int:
        return self._step

    def setFirst(self, n: int) -> None:
        self._first = n

    def setLast(self, n: int) -> None:
        self._last = n

    def setIncrement(self, n: int) -> None:
        self._step = n

    def stepFrame(self) -> int:
        return abs(self._step)

    def frames(self) -> int:
        return len(self._list())

    def getFrame(self, n: int) -> int:
        return self._list()[n]

    def isInRange(self, n: int) -> bool:
        return n in self._list()

    def minFrame(self) -> int:
        return min(self._first, self._last)

    def maxFrame(self) -> int:
        return max(self._first, self._last)

    def next(self) -> int:
        frames = self._list()
        if self._next >= len(frames):
            self._next = 0
            raise StopIteration
        self._next += 1
        return frames[self._next - 1]

    def __iter__(self) -> Iterator[int]:
        return iter(self._list())

    def __str__(self) -> str:
        if self._first == self._last:
            return str(self._first)
        return f"{self._first}-{self._last}" + (f"x{self._step}" if self._step != 1 else "")

    def _list(self) -> list[int]:
        step = abs(self._step) if self._last >= self._first else -abs(self._step)
        return list(range(self._first, self._last + (1 if step > 0 else -1), step))


class FrameRanges:
    """nuke.FrameRanges: from a string of ranges, a list of FrameRange, of strings, or of frames."""

    def __init__(self, *arguments: Any) -> None:
        self._ranges: list[FrameRange] = []
        if not arguments:
            return
        if len(arguments) > 1:
            raise TypeError("FrameRanges() takes one argument")
        given = arguments[0]
        if isinstance(given, str):
            self._ranges = [FrameRange(part) for part in re.split(r"[,\s]+(?![-x])", given.strip()) if part]
        elif isinstance(given, FrameRange):
            self._ranges = [given]
        elif isinstance(given, (list, tuple)):
            for item in given:
                self._ranges.append(item if isinstance(item, FrameRange) else _one(item))
        else:
            raise TypeError(f"cannot make frame ranges of {type(given).__name__}")

    def add(self, frame_range: FrameRange) -> None:
        self._ranges.append(frame_range)

    def clear(self) -> None:
        self._ranges = []

    def size(self) -> int:
        return len(self._ranges)

    def getRange(self, n: int) -> FrameRange:
        return self._ranges[n]

    def minFrame(self) -> int:
        return min(r.minFrame() for r in self._ranges)

    def maxFrame(self) -> int:
        return max(r.maxFrame() for r in self._ranges)

    def toFrameList(self) -> list[int]:
        return [frame for frame_range in self._ranges for frame in frame_range]

    def compact(self) -> None:
        """Merge what overlaps, into runs of consecutive frames."""
        frames = sorted(set(self.toFrameList()))
        self._ranges = []
        for frame in frames:
            if self._ranges and frame == self._ranges[-1].last() + 1:
                self._ranges[-1].setLast(frame)
            else:
                self._ranges.append(FrameRange(frame, frame, 1))

    def __iter__(self) -> Iterator[FrameRange]:
        return iter(self._ranges)

    def __str__(self) -> str:
        return " ".join(str(r) for r in self._ranges)


def _one(item: Any) -> FrameRange:
    if isinstance(item, str):
        return FrameRange(item)
    if isinstance(item, int):
        return FrameRange(item, item, 1)
    raise TypeError(f"cannot make a frame range of {type(item).__name__}")
