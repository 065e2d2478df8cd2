"""The next frame to paint: unpainted frames ranked by how unsure the model is of them.

The model is asked about each frame several times in ways that should make no difference: mirrored, turned upside down,
a little brighter, shifted by a pixel or two. Where its answers disagree, or its matte is neither yes nor no, it is
guessing; the frame with most of that teaches it most.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from bipack import atomic
from bipack.imaging import image_io
from bipack.imaging.frame import Pixels
from bipack_train import report, results
from bipack_train.models.paintfix import PaintFixNet
from bipack_train.pairs import encoded

PAGE = "suggest.html"
LONG_SIDE = 1280
"""Larger frames are looked at in a middle-sized copy where the marks stay visible."""

THUMBNAIL = 220
LITTLE = 0.001
"""Mean encoded change of a frame with hardly a mark; keeps a stray pixel from leading the list."""


@dataclass(frozen=True, eq=False)
class Suggestion:
    """One frame and how unsure the model is of it."""

    frame: int
    path: str
    score: float
    """Disagreement over the frame in percent of the change that the model makes there: many marks that are sure cost
    nothing, a few that are not stand out."""

    thumbnail: Pixels
    """Small encoded picture with the doubtful places in orange, (height, width, 3)."""


def rank(net: PaintFixNet, files: Sequence[tuple[int, Sequence[str]]]) -> list[Suggestion]:
    """Suggestions for `files`, (frame number, plate and its neighbours), the most doubtful first.

    Raises MissingInput and CorruptInput for frames that cannot be read.
    """
    found = []
    for frame, paths in files:
        planes = np.concatenate([encoded(image_io.read_frame(path))[0] for path in paths], axis=-1)
        reduced = _reduced(planes)
        doubt, change = doubts(net, reduced)
        score = 100.0 * float(doubt.mean()) / (float(change.mean()) + LITTLE)
        found.append(Suggestion(frame, paths[0], score, _thumbnail(reduced[..., :3], doubt)))
    return sorted(found, key=lambda suggestion: (-suggestion.score, suggestion.frame))


def doubts(net: PaintFixNet, planes: Pixels) -> tuple[Pixels, Pixels]:
    """How much the model disagrees with itself and how much it changes, at each pixel, (height, width), encoded."""
    answers = []
    for flips, gain, shift in ((0, 1.0, 0), (1, 1.0, 1), (2, 1.0, 2), (0, 1.06, 1), (3, 0.94, 0)):
        seen = np.roll(_flipped(planes, flips), shift, axis=(0, 1)) * np.float32(gain)
        fixed, factor = results.predict(net, np.ascontiguousarray(seen))
        change = (results.gated(seen, fixed, factor) - seen[..., :3]) / np.float32(gain)
        answers.append(_flipped(np.roll(change, -shift, axis=(0, 1)), flips))
    changes = np.stack(answers)
    return changes.std(axis=0).max(axis=-1), np.abs(changes.mean(axis=0)).max(axis=-1)


def _flipped(picture: Pixels, flips: int) -> Pixels:
    if flips & 1:
        picture = picture[:, ::-1]
    return picture[::-1] if flips & 2 else picture


def _reduced(planes: Pixels) -> Pixels:
    height, width = planes.shape[:2]
    factor = LONG_SIDE / max(height, width)
    if factor >= 1.0:
        return planes
    size = (round(width * factor), round(height * factor))
    pieces = [
        cv2.resize(np.ascontiguousarray(planes[..., start : start + 3]), size, interpolation=cv2.INTER_AREA)
        for start in range(0, planes.shape[-1], 3)
    ]
    return np.concatenate(pieces, axis=-1)


def _thumbnail(picture: Pixels, doubt: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    size = (THUMBNAIL, max(1, round(THUMBNAIL * height / width)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    spots = cv2.resize(cv2.dilate(doubt, np.ones((5, 5), np.uint8)), size, interpolation=cv2.INTER_AREA)
    amount = np.clip(spots / 0.05, 0.0, 0.8)[..., None]
    return np.asarray(small * (1 - amount) + amount * np.array([1.0, 0.6, 0.1], np.float32), np.float32)


def write_page(suggestions: Sequence[Suggestion], name: str, out: str) -> str:
    """Write the ranking as one self-contained HTML page with thumbnails into `out`; returns its path."""
    import base64

    cells = ""
    for place, suggestion in enumerate(suggestions, 1):
        shown = np.rint(np.clip(suggestion.thumbnail, 0, 1) * 255).astype(np.uint8)
        picture = base64.b64encode(report.png(shown)).decode("ascii")
        cells += (
            f'<figure><img src="data:image/png;base64,{picture}" alt="frame {suggestion.frame}"><figcaption>'
            f"{place}. frame {suggestion.frame}: {suggestion.score:.1f} %</figcaption></figure>"
        )
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(name)}: next frame to paint</title>
<style>body {{ background: #16181b; color: #dcdcdc; font: 15px/1.5 system-ui, sans-serif; margin: 2rem }}
figure {{ display: inline-block; margin: 0 1rem 1rem 0 }} figcaption {{ color: #9a9a9a }}</style></head><body>
<h1>Next frame to paint</h1><p>The model is least sure of the first ones; doubtful places are orange.</p>
{cells}</body></html>
"""
    path = os.path.join(out, PAGE)
    atomic.write_bytes(path, text.encode("utf-8"))
    return path
