"""Moments between two frames, taken from real footage by skipping frames: the frames in between are the truth.

A clip is a film file (decoded with PyAV) or a padded picture sequence; frames come as encoded RGB. Cuts and held
frames are left out, because there is no motion to learn between them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.frames import FramePath
from bipack.imaging import color, image_io, plate, shot_change, weave

Pixels = NDArray[np.float32]
Flow = NDArray[np.float32]

FILM_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi")
_JUMP = 0.12
"""Mean difference of two neighbouring thumbnails that no motion makes, unless the whole clip is as lively."""


@dataclass(frozen=True)
class Between:
    """Positions of two frames in a clip and of the one between them."""

    first: int
    second: int
    middle: int

    @property
    def time(self) -> float:
        """Where the middle one lies, 0 to 1."""
        return (self.middle - self.first) / (self.second - self.first)


class Clip:
    """Frames of one clip in memory: 8 bits for films, half floats for EXR."""

    def __init__(self, name: str, frames: Sequence[NDArray[np.uint8] | NDArray[np.float16]]) -> None:
        self.name = name
        self._frames = list(frames)
        small = [shot_change.thumbnail(self[index]) for index in range(len(self))]
        self._steps = [float(np.abs(after - before).mean()) for before, after in itertools.pairwise(small)]
        self._cuts = [shot_change.is_cut(before, after) for before, after in itertools.pairwise(small)]

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> Pixels:
        """Frame number `index` from 0, encoded, (height, width, 3)."""
        stored = self._frames[index]
        pixels = stored.astype(np.float32)
        return pixels / np.float32(255) if stored.dtype == np.uint8 else pixels

    def continuous(self, first: int, second: int) -> bool:
        """True where no cut and no held frame lies between two frames."""
        steps = self._steps[first:second]
        usual = float(np.median(steps)) if steps else 0.0
        moves_on = bool(steps) and min(steps) > 1e-5 and max(steps) < max(4 * usual, 0.02)
        jumps = bool(steps) and max(steps) > max(_JUMP, 2 * float(np.median(self._steps)))
        return moves_on and not jumps and not any(self._cuts[first:second])

    def moments(self, skip: int, every: int = 1) -> Iterator[Between]:
        """The middles of frames `skip` apart, one pair every `every` frames, inside one shot."""
        for first in range(0, len(self) - skip, every):
            if self.continuous(first, first + skip):
                yield Between(first, first + skip, first + skip // 2)

    def around(self, moment: Between) -> tuple[Pixels | None, Pixels | None]:
        """The frames as far before and after the two of a moment as these are apart; None beyond a cut or the end."""
        skip = moment.second - moment.first
        before, after = moment.first - skip, moment.second + skip
        return (
            self[before] if before >= 0 and self.continuous(before, moment.first) else None,
            self[after] if after < len(self) and self.continuous(moment.second, after) else None,
        )


def read(path: str, start: int = 0, count: int | None = None, shrink: int = 1) -> Clip:
    """Read a film file or a padded picture sequence such as `fast.%04d.exr`; `shrink` makes frames smaller.

    Raises MissingInput, CorruptInput, and UsageError where fewer than three frames are found.
    """
    is_film = path.lower().endswith(FILM_SUFFIXES)
    frames = _film(path, start, count, shrink) if is_film else _sequence(path, start, count, shrink)
    if len(frames) < 3:
        raise UsageError(f"Clip {path} has {len(frames)} frames; slow motion is learned from three or more.")
    return Clip(os.path.basename(path), frames)


def _film(path: str, start: int, count: int | None, shrink: int) -> list[NDArray[np.uint8]]:
    if not os.path.isfile(path):
        raise MissingInput(f"Clip {path} does not exist. Give the folder of the clips with --data.")
    # Not at the top: only films need it.
    try:
        import av
    except ImportError as error:
        raise UsageError("Reading film files needs PyAV: install bipack[train], or give EXR frames.") from error
    frames: list[NDArray[np.uint8]] = []
    try:
        with av.open(path) as container:
            for index, frame in enumerate(container.decode(video=0)):
                if index < start:
                    continue
                if count is not None and len(frames) >= count:
                    break
                pixels = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                frames.append(_smaller(pixels, shrink))
    except av.error.FFmpegError as error:
        raise CorruptInput(f"Clip {path} cannot be decoded: {error}.") from error
    return frames


def _sequence(path: str, start: int, count: int | None, shrink: int) -> list[NDArray[np.float16]]:
    sequence = FramePath.parse(path)
    numbers = sorted(sequence.existing())
    if not numbers:
        raise MissingInput(f"No frame of {path} exists. Give a padded sequence such as fast.%04d.exr.")
    numbers = numbers[start:] if count is None else numbers[start : start + count]
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise MissingInput(f"{path} lacks frames between {numbers[0]} and {numbers[-1]}; all of them are needed.")
    frames = weave.joined([image_io.read_frame(sequence.path(number)) for number in numbers])
    return [_smaller(color.encode(plate.take(frame).pixels), shrink).astype(np.float16) for frame in frames]


def _smaller(pixels: NDArray, factor: int) -> NDArray:  # type: ignore[type-arg]
    if factor == 1:
        return pixels
    height, width = pixels.shape[0] // factor, pixels.shape[1] // factor
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), pixels.dtype)
