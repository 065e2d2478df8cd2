"""Frame ranges and padded paths, in the words that TDs type.

Ranges: `1001`, `1001-1010`, `1001-1010x2`, `-5--1`, several joined by commas; OpenJD's step form `1-9:2` means the
same as `1-9x2`. Patterns: `plate.%04d.exr`, `plate.####.exr`, `plate.@@@@.exr`, or one plain file.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Iterable, List, Optional, Tuple

from bipack.errors import MissingInput, UsageError

MAX_FRAMES = 1_000_000
"""Longest range accepted: a typing slip such as 1-10000000 is refused rather than cooked."""

_RANGE = re.compile(r"^(-?\d+)(?:-(-?\d+)(?:[x:](\d+))?)?$")
_PADDING = re.compile(r"%0?(\d*)d|#+|@+")


def parse_frames(text: str) -> Tuple[int, ...]:
    """Frames named by `text`, in the order given, each once.

    Raises UsageError for anything that is not a range, for a step of 0, and for more than MAX_FRAMES frames.
    """
    seen = {}  # type: dict[int, None]
    for piece in text.split(","):
        match = _RANGE.match(piece.strip())
        if match is None:
            raise UsageError(
                f"Frame range {text!r} cannot be read at {piece!r}. Write it as 1001-1010, 1001-1010x2 or 1001,1005."
            )
        first = int(match.group(1))
        last = first if match.group(2) is None else int(match.group(2))
        step = 1 if match.group(3) is None else int(match.group(3))
        if step == 0:
            raise UsageError(f"Frame range {text!r} has a step of 0; the step must be 1 or more.")
        count = abs(last - first) // step + 1
        if len(seen) + count > MAX_FRAMES:
            raise UsageError(f"Frame range {text!r} names more than {MAX_FRAMES} frames; check it for a typing slip.")
        direction = step if last >= first else -step
        for index in range(count):
            seen[first + index * direction] = None
    return tuple(seen)


def format_frames(frames: Iterable[int]) -> str:
    """The shortest usual text for `frames`, e.g. `1001-1003,1010`; empty for no frames."""
    ordered = sorted(set(frames))
    pieces: List[str] = []
    start = 0
    for index in range(1, len(ordered) + 1):
        if index == len(ordered) or ordered[index] != ordered[index - 1] + 1:
            first, last = ordered[start], ordered[index - 1]
            pieces.append(str(first) if first == last else f"{first}-{last}")
            start = index
    return ",".join(pieces)


@dataclass(frozen=True)
class FramePath:
    """A file pattern: one file, or a numbered sequence."""

    text: str
    """The pattern as given, with its padding token."""

    prefix: str
    """Path up to the frame number; the whole path for a single file."""

    padding: Optional[int]
    """Least number of digits; None for a single file."""

    suffix: str
    """What follows the frame number; empty for a single file."""

    @classmethod
    def parse(cls, text: str) -> FramePath:
        """Read `text` as a pattern. Only the last padding token of the file name counts; folders are taken as they are.

        Raises UsageError for an empty pattern.
        """
        if not text:
            raise UsageError("An empty path was given; name a file such as plate.%04d.exr.")
        text = os.path.expanduser(text)
        folder, name = os.path.split(text)
        tokens = list(_PADDING.finditer(name))
        if not tokens:
            return cls(text, text, None, "")
        token = tokens[-1]
        digits = int(token.group(1) or 1) if token.group(0).startswith("%") else len(token.group(0))
        prefix = os.path.join(folder, name[: token.start()]) if folder else name[: token.start()]
        return cls(text, prefix, digits, name[token.end() :])

    @property
    def is_sequence(self) -> bool:
        """True when the pattern holds a frame number."""
        return self.padding is not None

    def path(self, frame: int) -> str:
        """The file of `frame`; a single file is the same for every frame."""
        if self.padding is None:
            return self.prefix
        # As printf does it, and so Nuke: the sign counts as a digit.
        return f"{self.prefix}{frame:0{self.padding}d}{self.suffix}"

    def existing(self) -> Tuple[int, ...]:
        """Frames on disk, sorted; empty for a single file or a folder that is not there. Hidden files are skipped."""
        if self.padding is None:
            return ()
        folder, name_prefix = os.path.split(self.prefix)
        pattern = re.compile(f"{re.escape(name_prefix)}(-?\\d+){re.escape(self.suffix)}\\Z")
        try:
            names = os.listdir(folder or ".")
        except OSError:
            return ()
        found = []
        for name in names:
            match = pattern.match(name)
            if match and self.path(int(match.group(1))) == os.path.join(folder, name):
                found.append(int(match.group(1)))
        return tuple(sorted(found))


def resolve_frames(pattern: FramePath, frames: Optional[str]) -> Tuple[int, ...]:
    """The frames to work on: those of the range text, else all that are on disk.

    A single file is frame 1 where no range is given. Raises MissingInput when a sequence has no frame on disk.
    """
    if frames:
        return parse_frames(frames)
    if not pattern.is_sequence:
        return (1,)
    found = pattern.existing()
    if not found:
        raise MissingInput(f"No frame of {pattern.text} is on disk. Check the path and the padding.")
    return found
