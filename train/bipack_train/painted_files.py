"""The painted frames that go along with a pairs model, and how sure the model is without them."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Sequence

import numpy as np

from bipack.card import Knob, ModelCard, Painted, PaintedFile
from bipack.imaging import color
from bipack.imaging.image_io import write_frame
from bipack_train import paintfix_run, results
from bipack_train.models.paintfix import PaintFixNet
from bipack_train.pairs import Pair
from bipack_train.verify import picture_frame

MOST_PIXELS = 16_000_000
"""Pixels of all frames together that go along: 100 MB of half EXR before packing. One frame always does."""

HELD_OUT_FACTOR, SEEN_FACTOR = 1.5, 3.0
"""A new frame's squared error over that of the held-out pair, and over that of pairs that were trained on."""

KNOB = Knob(
    "painted",
    "float",
    1.0,
    "Painted Frames",
    0.0,
    1.0,
    tooltip="How far repairs are taken from the painted frames, where these show what lies behind a mark. 0 is the "
    "network alone.",
)


def of_pairs(pairs: Sequence[Pair], most: int) -> list[tuple[PaintedFile, bytes]]:
    """Up to `most` finished frames, spread evenly over the pairs, with the files that they make."""
    room = MOST_PIXELS // max(1, max(pair.matte.size for pair in pairs))
    count = min(most, len(pairs), max(1, room))
    chosen = sorted({round(place) for place in np.linspace(0, len(pairs) - 1, count)}) if count else []
    return [_file(pairs[index]) for index in chosen]


def _file(pair: Pair) -> tuple[PaintedFile, bytes]:
    name = f"painted_{pair.frame}.exr"
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        write_frame(path, picture_frame(color.decode(pair.after.astype(np.float32)), half=True))
        with open(path, "rb") as stream:
            content = stream.read()
    return PaintedFile(name, hashlib.sha256(content).hexdigest(), pair.frame), content


def on_card(card: ModelCard, frames: Sequence[tuple[PaintedFile, bytes]], error: float) -> ModelCard:
    """`card` with the frames and the knob for them; itself where there are none."""
    if not frames:
        return card
    painted = Painted(tuple(file for file, _ in frames), error)
    return dataclasses.replace(card, painted=painted, knobs=(*card.knobs, KNOB))


def expected_error(run: paintfix_run.Run, net: PaintFixNet, pairs: Sequence[Pair]) -> float:
    """Mean squared error, encoded, that a repair of a new frame is expected to have."""
    if run.progress.best > 0:
        return float(HELD_OUT_FACTOR * 10.0 ** (-run.progress.best / 10.0))
    errors = [np.square(one.truth - one.result)[one.inside] for one in results.repairs(net, pairs, 3)]
    seen = np.concatenate(errors)
    # A net that has not learned to open its gate is not sure of anything.
    return float(max(SEEN_FACTOR * seen.mean(), 1e-6)) if len(seen) else 1.0
