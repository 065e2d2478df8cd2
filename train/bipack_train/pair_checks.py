"""What is wrong or odd about a set of pairs, found before a minute of training is spent, with what to do about it.

Errors stop the run: nothing could be learned. Warnings are faults that cost quality (an After that has drifted in
position or grade teaches the net to move and tint what nobody painted); notes are advice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.frames import format_frames
from bipack.imaging.frame import Pixels
from bipack_train.pairs import Matched, Pair

SHIFT = 0.05
"""Pixels of drift between Before and After that are reported."""

GRADE = 0.004
"""Encoded difference of the average level that is reported, where the edit is left out."""

FRAME_WIDE = 0.6
"""Part of the frame inside the matte from which an edit counts as frame-wide."""

BULK = 0.06
"""Encoded distance from the median difference up to which a frame-wide difference is drift."""

TWINS = 0.006
"""Mean encoded difference of small copies below which two Befores are nearly the same frame."""

TOO_SMALL = 32
"""Least height and width of a frame."""


@dataclass(frozen=True)
class Finding:
    """One thing found."""

    level: str
    """error, warning or note."""

    text: str
    """One sentence with what to do."""

    frame: int | None = None


def check_matching(matched: Matched) -> list[Finding]:
    """Findings about which files belong together."""
    found = []
    if matched.only_after:
        frames = format_frames(matched.only_after)
        found.append(
            Finding("warning", f"Frames {frames} have an After and no Before; they are left out. Add the plates.")
        )
    if matched.duplicates:
        names = ", ".join(matched.duplicates[:3]) + ("…" if len(matched.duplicates) > 3 else "")
        text = f"{len(matched.duplicates)} files share a frame number with another one and are left out: {names}"
        found.append(Finding("warning", text + ". Keep one file a frame in a folder."))
    if matched.unpainted:
        frames = format_frames(matched.unpainted)
        found.append(Finding("note", f"Frames {frames} have no After: they count as not painted yet."))
    return found


def check_pairs(pairs: Sequence[Pair]) -> list[Finding]:
    """Findings about the pictures, frame by frame and between frames."""
    found: list[Finding] = []
    for pair in pairs:
        found += _check_one(pair)
    found += _twins(pairs)
    sizes = sorted({pair.matte.shape for pair in pairs})
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height}" for height, width in sizes)
        found.append(Finding("note", f"Pairs are of several sizes ({listed}); that is allowed."))
    if all(not pair.matte.any() for pair in pairs):
        text = "Before and After are the same in every pair: there is nothing to learn. Check that After is the painted"
        found.append(Finding("error", text + " version and not the plate once more."))
    elif len(pairs) == 1:
        text = "Only one pair: the model will know one pose and one light. A second, different frame helps most"
        found.append(Finding("note", text + " (`bipack-train suggest` names one)."))
    return found


def usable(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs that teach something. Raises UsageError when there are none."""
    kept = [pair for pair in pairs if pair.matte.any()]
    if not kept:
        raise UsageError(
            "Before and After are the same in every pair: there is nothing to learn. "
            "Check that After is the painted version and not the plate once more."
        )
    return kept


def _check_one(pair: Pair) -> Iterator[Finding]:
    frame = pair.frame
    height, width = pair.matte.shape
    if min(height, width) < TOO_SMALL:
        raise UsageError(
            f"Pair of frame {frame} is {width}x{height}; at least {TOO_SMALL}x{TOO_SMALL} pixels are needed."
        )
    if pair.bad_pixels:
        text = f"Frame {frame} has {pair.bad_pixels} NaN or infinite pixels; they are left out of training."
        yield Finding("warning", text + " Find the node that makes them.", frame)
    if not pair.matte.any():
        text = f"Frame {frame}: Before and After are the same; the pair is left out. Paint it, or take it off the list."
        yield Finding("warning", text, frame)
        return
    if pair.coverage > FRAME_WIDE and not pair.given_matte:
        text = f"Frame {frame}: {pair.coverage:.0%} of the frame differs between Before and After."
        yield Finding("warning", text + " If the fix is local, align and grade both alike, or give a matte.", frame)
    yield from _drift(pair)
    yield from _kinds(pair)


def _not_painted(pair: Pair, change: Pixels) -> NDArray[np.bool_]:
    """Where a difference is drift and not paint; where all of the frame differs, what differs like the bulk of it."""
    if pair.coverage <= FRAME_WIDE:
        return np.asarray(pair.matte == 0)
    middle = np.median(change.reshape(-1, 3), axis=0)
    return np.asarray(np.abs(change - middle).max(axis=-1) < BULK)


def _kinds(pair: Pair) -> Iterator[Finding]:
    integer = [kind != "exr" for kind in pair.kinds]
    if integer[0] != integer[1]:
        text = f"Frame {pair.frame}: Before is {pair.kinds[0].upper()}, After {pair.kinds[1].upper()}."
        text += " An 8- or 16-bit file is read as sRGB and holds nothing above 1: write both as EXR."
        yield Finding("warning", text, pair.frame)


def _drift(pair: Pair) -> Iterator[Finding]:
    """Registration and grade, looked at in blocks outside the edit."""
    if pair.noise == 0.0:
        # Most pixels are the same to the bit: nothing has moved.
        return
    before, after = pair.before.astype(np.float32), pair.after.astype(np.float32)
    outside = _not_painted(pair, after - before)
    shifts, levels = [], []
    for rows, columns in _blocks(pair.matte.shape):
        free = outside[rows, columns]
        if free.mean() < 0.7:
            continue
        one, two = before[rows, columns], np.where(free[..., None], after[rows, columns], before[rows, columns])
        levels.append([float(np.median((two - one)[..., channel][free])) for channel in range(3)])
        shift = _shift(one.mean(-1), two.mean(-1))
        if shift is not None:
            shifts.append(shift)
    if shifts:
        middle = np.median(shifts, axis=0)
        if np.hypot(*middle) > SHIFT:
            text = f"Frame {pair.frame}: After lies {middle[0]:+.2f}, {middle[1]:+.2f} pixels (x, y) off Before."
            yield Finding("warning", text + " Move it back before training, else everything gets soft.", pair.frame)
    if levels:
        worst = np.abs(np.median(levels, axis=0))
        spread = np.ptp(np.mean(levels, axis=1))
        if worst.max() > GRADE:
            channel = "RGB"[int(worst.argmax())]
            amount = float(np.median(levels, axis=0)[worst.argmax()])
            text = f"Frame {pair.frame}: After is graded: {channel} differs by {amount:+.3f} (encoded) where nothing is"
            yield Finding("warning", text + " painted. Paint on the ungraded plate, or give a matte.", pair.frame)
        elif spread > 2 * GRADE:
            text = f"Frame {pair.frame}: the level of After drifts by {spread:.3f} (encoded) across the frame."
            yield Finding("warning", text + " Look for a vignette, a degrain or a codec on one side.", pair.frame)


def _blocks(shape: tuple[int, ...], count: int = 4) -> Iterator[tuple[slice, slice]]:
    height, width = (side // count for side in shape[:2])
    for row in range(count):
        for column in range(count):
            yield slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)


def _shift(one: Pixels, two: Pixels) -> NDArray[np.float64] | None:
    """How far `two` lies off `one` in pixels (x, y), by one least-squares step; None for a block without detail."""
    one, two = (cv2.GaussianBlur(side, (0, 0), 1.5) for side in (one, two))
    gradient_x = cv2.Sobel(one, cv2.CV_32F, 1, 0, scale=1 / 8)[4:-4, 4:-4].ravel().astype(np.float64)
    gradient_y = cv2.Sobel(one, cv2.CV_32F, 0, 1, scale=1 / 8)[4:-4, 4:-4].ravel().astype(np.float64)
    change = (two - one)[4:-4, 4:-4].ravel().astype(np.float64)
    columns = np.stack([gradient_x, gradient_y, np.ones_like(gradient_x)], axis=1)
    normal = columns.T @ columns
    if np.linalg.eigvalsh(normal[:2, :2])[0] < 1e-6 * len(change):
        return None
    return -np.linalg.solve(normal, columns.T @ change)[:2]


def _twins(pairs: Sequence[Pair]) -> Iterator[Finding]:
    small = [cv2.resize(pair.before.astype(np.float32), (48, 32), interpolation=cv2.INTER_AREA) for pair in pairs]
    for index, one in enumerate(small):
        for other in range(index):
            if float(np.abs(one - small[other]).mean()) < TWINS:
                frames = f"{pairs[other].frame} and {pairs[index].frame}"
                text = f"Frames {frames} are nearly the same. A frame with another pose or light teaches more."
                yield Finding("note", text, pairs[index].frame)
                break
