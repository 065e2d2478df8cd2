"""Pairs: which After belongs to which Before, read into the encoding that the net sees.

Matching is by frame number; folders, sequences and single files may be mixed. Only painted frames have an After, so a
Before without one is no fault; an After without a Before is. What a pair holds is checked in `pair_checks`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bipack.errors import MissingInput, UsageError
from bipack.frames import FramePath, format_frames, parse_frames
from bipack.imaging import color, image_io, nonfinite
from bipack.imaging.frame import Frame, Pixels
from bipack.imaging.plate import take, take_matte
from bipack_train import matte as mattes

_NUMBER = re.compile(r"(-?\d+)(?!.*\d)")


@dataclass(frozen=True)
class PairFiles:
    """The files of one pair."""

    frame: int
    before: str
    after: str
    matte: str = ""
    """The artist's matte; empty for none."""

    around: tuple[str, ...] = ()
    """Before files of the neighbour frames that the net also sees, in the order of the offsets; missing ones are
    replaced by the nearest frame that exists."""


@dataclass(frozen=True)
class Matched:
    """Result of matching."""

    pairs: tuple[PairFiles, ...]
    only_after: tuple[int, ...] = ()
    """Frames with an After and no Before."""

    unpainted: tuple[int, ...] = ()
    """Frames with a Before only."""

    duplicates: tuple[str, ...] = ()
    """Files of a folder that share a frame number with another file and were left out."""


@dataclass(eq=False)
class Pair:
    """One pair in memory."""

    files: PairFiles
    before: NDArray[np.floating[Any]]
    """(height, width, 3) encoded, half floats as read."""

    after: NDArray[np.floating[Any]]
    matte: NDArray[np.uint8]
    """(height, width) edit matte, 0..255."""

    noise: float
    """Standard deviation of the difference where nothing was painted, in encoded values."""

    given_matte: bool
    bad_pixels: int
    """Pixels that are NaN or infinite in either file."""

    digest: str
    """SHA-256 over the pixels of both."""

    kinds: tuple[str, str] = ("exr", "exr")
    """File types of before and after."""

    around: tuple[NDArray[np.floating[Any]], ...] = field(default_factory=tuple)
    """Encoded neighbour frames of the before."""

    @property
    def frame(self) -> int:
        """Frame number."""
        return self.files.frame

    @property
    def coverage(self) -> float:
        """Part of the frame inside the matte."""
        return float((self.matte > 127).mean())


def match(
    before: str, after: str, matte: str | None = None, frames: str | None = None, offsets: Sequence[int] = (0,)
) -> Matched:
    """Match the files of two patterns, folders or single files; `frames` limits to a range.

    Raises MissingInput where a side has no file or nothing matches.
    """
    befores, doubled_before = _files(before, "before")
    afters, doubled_after = _files(after, "after")
    given, _ = _files(matte, "matte") if matte else ({}, ())
    if len(befores) == len(afters) == 1:
        # Two single files are a pair whatever their numbers say.
        (number,) = befores
        afters = {number: next(iter(afters.values()))}
        given = {number: next(iter(given.values()))} if len(given) == 1 else given
    wanted = set(parse_frames(frames)) if frames else None
    chosen = [number for number in sorted(afters) if wanted is None or number in wanted]
    if wanted is not None and wanted - set(afters):
        gone = format_frames(wanted - set(afters))
        raise MissingInput(f"Frames {gone} were asked for and have no After in {after}. Paint them, or leave them out.")
    both = [number for number in chosen if number in befores]
    if not both:
        raise MissingInput(
            f"No frame of {after} ({format_frames(chosen) or 'none'}) has a partner in {before} "
            f"({format_frames(befores) or 'none'}). Both sides must use the same frame numbers."
        )
    pairs = tuple(
        PairFiles(
            number,
            befores[number],
            afters[number],
            given.get(number, ""),
            tuple(nearest(befores, number + offset) for offset in offsets if offset != 0),
        )
        for number in both
    )
    return Matched(
        pairs,
        tuple(number for number in chosen if number not in befores),
        tuple(sorted(set(befores) - set(afters))),
        (*doubled_before, *doubled_after),
    )


def nearest(files: Mapping[int, str], number: int) -> str:
    """The file of frame `number`, or of the frame nearest to it."""
    return files[min(files, key=lambda known: (abs(known - number), known))]


def files_of(text: str, side: str) -> dict[int, str]:
    """Files of a pattern, folder or single file by frame number; `side` names it in errors. Raises MissingInput."""
    return _files(text, side)[0]


def _files(text: str, side: str) -> tuple[dict[int, str], tuple[str, ...]]:
    """Files of a pattern, a folder or a single file by frame number, and those left out as doubles."""
    text = os.path.expanduser(text)
    if os.path.isdir(text):
        return _folder(text, side)
    pattern = FramePath.parse(text)
    if pattern.is_sequence:
        found = {number: pattern.path(number) for number in pattern.existing()}
        if not found:
            raise MissingInput(f"No frame of {text} (the {side} side) is on disk. Check the path and the padding.")
        return found, ()
    if not os.path.isfile(text):
        raise MissingInput(f"{text} (the {side} side) does not exist.")
    return {_number_of(text) or 1: text}, ()


def _folder(folder: str, side: str) -> tuple[dict[int, str], tuple[str, ...]]:
    found: dict[int, str] = {}
    doubled = []
    names = [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    pictures = [name for name in names if os.path.splitext(name)[1].lower() in image_io.EXTENSIONS]
    for index, name in enumerate(pictures):
        number = _number_of(name)
        # Files without any number are told apart by their order, which is the same on both sides.
        key = index if number is None else number
        if key in found:
            doubled.append(os.path.join(folder, name))
        else:
            found[key] = os.path.join(folder, name)
    if not found:
        raise MissingInput(f"Folder {folder} (the {side} side) holds no EXR, PNG, TIFF, JPEG or DPX file.")
    return found, tuple(doubled)


def _number_of(path: str) -> int | None:
    """The frame number in a file name: its last run of digits, where a minus must follow a separator."""
    stem = os.path.splitext(os.path.basename(path))[0]
    found = _NUMBER.search(stem)
    if found is None:
        return None
    text = found.group(1)
    if text.startswith("-") and found.start() > 0 and stem[found.start() - 1] not in "._":
        text = text[1:]
    return int(text)


# Reading ------------------------------------------------------------------------------------------------------------


def encoded(frame: Frame) -> tuple[Pixels, NDArray[np.bool_] | None]:
    """The RGB of a frame as the net sees it, (height, width, 3) float32, and where it is not finite (None: nowhere)."""
    pixels = take(frame, "rgba", 3).pixels
    clean, bad, _ = nonfinite.hold_out(pixels)
    return color.encode(clean), None if bad is None else np.asarray(bad.any(axis=-1))


def read(files: PairFiles) -> Pair:
    """Read one pair. Raises MissingInput, CorruptInput, ModelRefused (no RGB), UsageError for different sizes."""
    frames = image_io.read_frame(files.before), image_io.read_frame(files.after)
    (before, bad_before), (after, bad_after) = (encoded(frame) for frame in frames)
    if before.shape != after.shape:
        raise UsageError(
            f"Pair of frame {files.frame}: {files.before} is {before.shape[1]}x{before.shape[0]} and {files.after} is "
            f"{after.shape[1]}x{after.shape[0]}. Both must show the same pixels; reformat or crop one of them."
        )
    bad = np.zeros(before.shape[:2], bool)
    for part in (bad_before, bad_after):
        if part is not None:
            bad |= part
    found = mattes.difference(before, after, ~bad)
    edit = _given_matte(files, before.shape) if files.matte else found.matte
    edit = np.where(bad, 0.0, edit)
    digest = hashlib.sha256(before.tobytes())
    digest.update(after.tobytes())
    return Pair(
        files,
        before.astype(np.float16),
        after.astype(np.float16),
        np.rint(edit * 255).astype(np.uint8),
        found.noise,
        bool(files.matte),
        int(bad.sum()),
        digest.hexdigest(),
        (frames[0].file_type, frames[1].file_type),
        tuple(_neighbour(path, before.shape) for path in files.around),
    )


def _neighbour(path: str, shape: tuple[int, ...]) -> NDArray[np.float16]:
    pixels = encoded(image_io.read_frame(path))[0]
    if pixels.shape != shape:
        raise UsageError(
            f"Neighbour frame {path} is {pixels.shape[1]}x{pixels.shape[0]}, its pair {shape[1]}x{shape[0]}. "
            "All frames of the before must be of one size."
        )
    return pixels.astype(np.float16)


def _given_matte(files: PairFiles, shape: tuple[int, ...]) -> Pixels:
    matte = take_matte(image_io.read_frame(files.matte))
    if matte.shape != shape[:2]:
        raise UsageError(
            f"Matte {files.matte} is {matte.shape[1]}x{matte.shape[0]}, its pair {shape[1]}x{shape[0]}. "
            "Write it at the size of the frames."
        )
    return np.clip(np.nan_to_num(matte), 0.0, 1.0)
