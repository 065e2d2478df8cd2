"""Which moment of the source each frame of a retimed shot shows, and which source frames it needs for that.

The one place where output frames are mapped to source times: the worker plans by it, a farm task learns from it which
frames to fetch, and the gizmo shows the range that comes out. Times are fractions, so that a frame that falls on a
source frame falls on it exactly, however the speed is written.
"""

from __future__ import annotations

import bisect
import csv
import math
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, List, Mapping, Sequence, Tuple

from bipack.errors import MissingInput, UsageError
from bipack.frames import MAX_FRAMES
from bipack.slowmo_knobs import FACTOR_MOST, SHUTTER_MOST

_SNAP = Fraction(1, 1_000_000)
"""Times of a curve this close to a source frame are that frame: curves are drawn with floats."""

_NTSC = {"23.976": Fraction(24000, 1001), "29.97": Fraction(30000, 1001), "59.94": Fraction(60000, 1001)}
_MOST_WINDOW = 24
"""Source frames that one result may average over; a longer shutter would hold them all in memory."""


@dataclass(frozen=True)
class Moment:
    """Where in the source one frame of the result lies."""

    base: int
    """The source frame at or before it."""

    share: float
    """0 to below 1: how far it is from `base` to the next source frame. At 0 it is `base` itself."""

    opens: float
    closes: float
    """Time over which it is averaged, in source frames from `base`; both are `share` where there is no shutter."""

    back: float
    on: float
    """Source frames from the result's previous frame to this one and on to its next; below 0 where time runs back.
    Both are 0 where no vectors are wanted."""

    offsets: Tuple[int, ...] = (0,)
    """Source frames that are needed, from `base`, in order."""

    files: Tuple[int, ...] = ()
    """Numbers of those frames, where they do not follow each other."""

    around: Tuple[int, ...] = ()
    """Source frames just before and after those, from `base`, that tell how motion bends; it can do without them."""

    @property
    def numbers(self) -> Mapping[int, int]:
        """Source frame number of each offset that is needed."""
        return dict(zip(self.offsets, self.files or [self.base + offset for offset in self.offsets]))

    @property
    def is_key(self) -> bool:
        """True where the frame is a source frame and nothing else."""
        return self.share == 0.0 and self.opens == self.closes

    @property
    def fact(self) -> str:
        """What a result depends on, as text."""
        return f"{self.share!r} {self.opens!r} {self.closes!r} {self.back!r} {self.on!r}"


@dataclass(frozen=True)
class Retime:
    """A timing of a source range."""

    source: Tuple[int, int]
    """First and last source frame."""

    frames: range
    """Frames of the result."""

    keys: Tuple[Tuple[int, Fraction], ...]
    """(output frame, source time), at least one, straight in between and held beyond."""

    outside: int = 0
    """Keys of the curve that lie outside the source range; there its first or last frame is held."""

    def time(self, frame: int) -> Fraction:
        """Source time of an output frame, inside the source range."""
        return min(max(self._drawn(frame), Fraction(self.source[0])), Fraction(self.source[1]))

    def _drawn(self, frame: int) -> Fraction:
        position = bisect.bisect_right([key for key, _ in self.keys], frame)
        if position == 0:
            return self.keys[0][1]
        (left, start), (right, end) = self.keys[position - 1], self.keys[min(position, len(self.keys) - 1)]
        if left == right or start == end:
            return start
        return _snapped(start + (end - start) * Fraction(frame - left, right - left))

    def moment(self, frame: int, shutter: float = 0.0, vectors: bool = False, around: bool = False) -> Moment:
        """What an output frame shows; `shutter` in degrees. Raises UsageError for one that sees too many frames.

        `around` asks for the frames before and after too, where something is to be found between frames.
        """
        now = self.time(frame)
        on = self.time(frame + 1) - now if frame + 1 in self.frames else Fraction(0)
        back = now - self.time(frame - 1) if frame - 1 in self.frames else on
        if frame + 1 not in self.frames:
            on = back
        base = math.floor(now)
        half = Fraction(str(shutter)) / 720 * (abs(on) + abs(back)) / 2
        opens, closes = max(now - half, Fraction(self.source[0])), min(now + half, Fraction(self.source[1]))
        low, high = math.floor(opens), math.ceil(closes)
        if vectors and low == high:
            # Motion at a source frame is seen from its neighbour.
            low, high = (low, low + 1) if low < self.source[1] else (max(low - 1, self.source[0]), high)
        if high - low >= _MOST_WINDOW:
            raise UsageError(
                f"Frame {frame} would average {high - low + 1} source frames; {_MOST_WINDOW} is the most. "
                "Lower the shutter or the speed."
            )
        offsets = tuple(range(min(low, base) - base, max(high, base) - base + 1))
        beside = (base + offsets[0] - 1, base + offsets[-1] + 1) if around and len(offsets) > 1 else ()
        outer = tuple(number - base for number in beside if self.source[0] <= number <= self.source[1])
        # Without vectors the same moment is the same frame whatever its neighbours are.
        steps = (back, on) if vectors else (0, 0)
        share, opens, closes = now - base, opens - base, closes - base
        times = float(share), float(opens), float(closes), float(steps[0]), float(steps[1])
        return Moment(base, *times, offsets, (), outer)

    def needed(self, frame: int, shutter: float = 0.0, vectors: bool = False, around: bool = False) -> Tuple[int, ...]:
        """Source frames that an output frame is made from; the arguments are those of `moment`."""
        moment = self.moment(frame, shutter, vectors, around)
        return tuple(sorted([*moment.numbers.values(), *(moment.base + offset for offset in moment.around)]))


def of(settings: Mapping[str, Any], first: int, last: int) -> Retime:
    """The timing that knob values describe, for source frames `first` to `last`.

    Raises UsageError for values that make no sense or for two ways at once, MissingInput for a curve that is not there.
    """
    if last < first:
        raise UsageError(f"The source range is {first}-{last}; the last frame comes before the first.")
    curve = str(_plain(settings.get("curve", "")) or "").strip()
    numbers = {name: _number(name, settings.get(name, 0)) for name in ("factor", "speed", "target_fps")}
    given = [name for name, value in numbers.items() if value] + ["curve"] * bool(curve)
    if len(given) > 1:
        raise UsageError(f"The timing is given twice, by {' and by '.join(given)}. Give one of them.")
    if curve:
        return _of_curve(_inline(curve) if "=" in curve else _read_csv(curve), first, last)
    if numbers["target_fps"]:
        source = _number("source_fps", settings.get("source_fps", 24))
        if source <= 0 or numbers["target_fps"] < 0:
            raise UsageError("Frame rates must be above 0.")
        return _even(source / numbers["target_fps"], first, last)
    if numbers["speed"]:
        return _even(numbers["speed"] / 100, first, last)
    factor = numbers["factor"] or Fraction(2)
    if factor.denominator != 1 or not 1 <= factor <= FACTOR_MOST:
        raise UsageError(
            f"factor is {float(factor):g}; a whole number from 2 to {FACTOR_MOST} is needed (1 copies the frames). "
            "Other speeds: speed, in percent."
        )
    return _even(1 / factor, first, last)


def shutter_of(settings: Mapping[str, Any]) -> float:
    """The shutter of knob values, in degrees. Raises UsageError outside 0 to 720."""
    degrees = float(_number("shutter", settings.get("shutter", 0)))
    if not 0 <= degrees <= SHUTTER_MOST:
        raise UsageError(f"shutter is {degrees:g} degrees; 0 to {SHUTTER_MOST:g} is possible.")
    return degrees


def _even(step: Fraction, first: int, last: int) -> Retime:
    """`step` source frames for each frame of the result; below 0 from the last frame back."""
    count = math.floor((last - first) / abs(step)) + 1
    if count > MAX_FRAMES:
        raise UsageError(f"{count} frames would be made; {MAX_FRAMES} is the most. Check the speed.")
    start = Fraction(first if step > 0 else last)
    end = start + step * (count - 1)
    keys = ((first, start),) if count == 1 else ((first, start), (first + count - 1, end))
    return Retime((first, last), range(first, first + count), keys)


def _of_curve(keys: Sequence[Tuple[int, Fraction]], first: int, last: int) -> Retime:
    ordered = sorted(keys)
    numbers = [frame for frame, _ in ordered]
    if len(set(numbers)) < len(numbers):
        twice = next(frame for frame, after in zip(numbers, numbers[1:]) if frame == after)
        raise UsageError(f"The timing curve gives frame {twice} twice.")
    if numbers[-1] - numbers[0] >= MAX_FRAMES:
        raise UsageError(f"The timing curve spans more than {MAX_FRAMES} frames; check it for a typing slip.")
    outside = sum(not first <= time <= last for _, time in ordered)
    snapped = tuple((frame, _snapped(time)) for frame, time in ordered)
    return Retime((first, last), range(numbers[0], numbers[-1] + 1), snapped, outside)


def _snapped(time: Fraction) -> Fraction:
    nearest = Fraction(round(time))
    return nearest if abs(time - nearest) <= _SNAP else time


def _inline(text: str) -> List[Tuple[int, Fraction]]:
    keys = []
    for piece in text.replace(",", " ").replace(";", " ").split():
        frame, _, time = piece.partition("=")
        keys.append(_key(frame, time, f"The timing curve {text!r} at {piece!r}"))
    return keys


def _read_csv(path: str) -> List[Tuple[int, Fraction]]:
    path = os.path.expanduser(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            rows = [[cell.strip() for cell in row] for row in csv.reader(stream)]
    except OSError as error:
        raise MissingInput(f"Timing curve {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"Timing curve {path} is no CSV text: {error}.") from error
    keys = []
    for number, row in enumerate(rows, start=1):
        if not any(row) or row[0].startswith("#") or (number == 1 and not _is_number(row[0])):
            continue  # empty, a comment, or the heading
        where = f"Timing curve {path}, line {number}"
        if len(row) < 2:
            raise UsageError(f"{where}: {','.join(row)!r} is no 'output frame,source frame'.")
        keys.append(_key(row[0], row[1], where))
    if not keys:
        raise UsageError(f"Timing curve {path} has no line 'output frame,source frame'.")
    return keys


def _key(frame: str, time: str, where: str) -> Tuple[int, Fraction]:
    if not _is_number(frame) or not _is_number(time) or Fraction(frame).denominator != 1:
        raise UsageError(f"{where}: a whole output frame and a source frame are needed, such as 1001,1001.5.")
    return int(Fraction(frame)), Fraction(time)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(Fraction(text)))
    except (ValueError, ZeroDivisionError, OverflowError):
        return False


def _number(name: str, value: Any) -> Fraction:
    text = str(_plain(value)).strip() or "0"
    if text in _NTSC:
        return _NTSC[text]
    if not _is_number(text):
        raise UsageError(f"{name} is {value!r}; a number is needed.")
    return Fraction(text)


def _plain(value: Any) -> Any:
    """Timing holds for the whole shot: of a list of values, one a frame, the first counts."""
    if isinstance(value, (list, tuple)):
        return value[0] if value else ""
    return value
