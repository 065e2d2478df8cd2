"""The pool: some thousand rendered faces on disk, from which parser and finder draw their scenes.

A face is kept before its background: color, coverage and regions as bytes, 5 a pixel, so that every draw can stand in
another place. Shards are plain .npz files that are written whole and renamed; a pool goes on where it was stopped.
"""

from __future__ import annotations

import io
import logging
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bipack import atomic
from bipack.errors import MissingInput
from bipack.imaging import color
from bipack_train.faces import people
from bipack_train.faces.people import Studio
from bipack_train.faces.portrait import Rendered

log = logging.getLogger(__name__)

SIDE = 288
"""Pixels of a face in the pool."""

CLOSE = 384
"""Pixels of a close-up: about those of the crop that regions are parsed in."""

CLOSE_UPS = "close"
"""Folder of the close-ups in a pool's."""

SHARD = 32
VIEWS = 2
"""Pictures of each person, under another pose, light and expression."""

TOP = 2.0
"""Encoded value that byte 255 stands for; brighter highlights are cut, as a camera of 8 bits would."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces of a pool, in memory."""

    color: NDArray[np.uint8]
    """(n, SIDE, SIDE, 3) encoded, premultiplied in linear light; 255 is TOP."""

    alpha: NDArray[np.uint8]
    """(n, SIDE, SIDE)."""

    labels: NDArray[np.uint8]
    """(n, SIDE, SIDE) the strongest region."""

    points: NDArray[np.float32]
    """(n, 5, 2) pixels."""

    width: NDArray[np.float32]
    """(n,) pixels from ear to ear."""

    def __len__(self) -> int:
        return len(self.color)

    @property
    def side(self) -> int:
        """Pixels of a face."""
        return int(self.color.shape[1])

    def part(self, first: int, last: int) -> Faces:
        """The faces from `first` up to and without `last`."""
        chosen = slice(first, last)
        return Faces(
            self.color[chosen], self.alpha[chosen], self.labels[chosen], self.points[chosen], self.width[chosen]
        )


def make(studio: Studio, folder: str, seed: int, faces: int, minutes: float, close: bool = False) -> int:
    """Render shards into `folder` until there are `faces` or the minutes are over; returns how many there are.

    `close` renders close-ups of people whose brows and hair vary more.
    """
    os.makedirs(folder, exist_ok=True)
    end = time.monotonic() + minutes * 60
    count = -(-faces // SHARD)
    for shard in range(count):
        path = os.path.join(folder, f"{shard:04d}.npz")
        claim = path + ".claim"
        if os.path.exists(path):
            continue
        if time.monotonic() > end:
            break
        try:
            os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        try:
            _write(path, render_shard(studio, seed, shard, close=close))
        finally:
            os.unlink(claim)
        log.info("faces: shard %d of %d", shard + 1, count)
    return SHARD * sum(name.endswith(".npz") for name in os.listdir(folder))


def render_shard(studio: Studio, seed: int, shard: int, count: int = SHARD, close: bool = False) -> Faces:
    """The faces of one shard; the same seed and number always give the same ones."""
    rng = np.random.default_rng([seed, shard, 1] if close else [seed, shard])
    found: list[Rendered] = []
    who = people.person(rng)
    for index in range(count):
        if index % VIEWS == 0:
            who = people.varied(rng, people.person(rng)) if close else people.person(rng)
        found.append(studio.face(rng, who, CLOSE if close else SIDE, close))
    return packed(found)


def packed(found: list[Rendered]) -> Faces:
    """Rendered faces as bytes."""
    return Faces(
        np.stack([_bytes(color.encode(face.picture) / TOP) for face in found]),
        np.stack([_bytes(face.alpha) for face in found]),
        np.stack([face.masks.argmax(0).astype(np.uint8) for face in found]),
        np.stack([face.points for face in found]),
        np.array([face.width for face in found], np.float32),
    )


def load(folder: str) -> Faces:
    """Read a whole pool. Raises MissingInput where there is none."""
    names = sorted(name for name in os.listdir(folder) if name.endswith(".npz")) if os.path.isdir(folder) else []
    if not names:
        raise MissingInput(f"No rendered faces (.npz) in {folder}. Run: bipack-train faces --render-only.")
    parts: dict[str, list[NDArray[Any]]] = {}
    for name in names:
        with np.load(os.path.join(folder, name)) as stored:
            for key in ("color", "alpha", "labels", "points", "width"):
                parts.setdefault(key, []).append(stored[key])
    return Faces(**{key: np.concatenate(values) for key, values in parts.items()})


def _write(path: str, faces: Faces) -> None:
    stream = io.BytesIO()
    np.savez_compressed(
        stream, color=faces.color, alpha=faces.alpha, labels=faces.labels, points=faces.points, width=faces.width
    )
    atomic.write_bytes(path, stream.getvalue())


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.round(np.clip(values, 0, 1) * 255), np.uint8)
