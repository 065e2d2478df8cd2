"""Do mattes and edits of a face swim? Their change from frame to frame, against that of the plate's own grain.

A frame is brought onto the one before it by the true motion; what differs then is grain in the plate, and swimming in a
matte or an edit. The figure of a region is the mean of that difference over the region divided by the plate's, both in
encoded values: at 1 an edit is as restless as the grain, which hides it; asked is at most 1.2.

`figures` takes any pictures; `mattes_of` measures what `bipack faces` writes for rendered faces that stand still and
that move, with fresh grain on each frame.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise

import cv2
import numpy as np

from bipack.cli.main import main as bipack
from bipack.face_regions import MATTES
from bipack.imaging import color
from bipack.imaging.faces.crop import cut
from bipack.imaging.faces.square import Square
from bipack.imaging.frame import Box, Frame, Part, Pixels
from bipack.imaging.image_io import read_frame, write_frame

LIMIT = 1.2
FRAMES, SIDE = 8, 448
GRAIN = 0.015
"""Deviation of the grain, encoded: that of a clean 35 mm scan."""

_LEAST = 0.02
"""Matte from which a pixel belongs to a region."""


def figures(
    edits: Sequence[Pixels], plates: Sequence[Pixels], mattes: Sequence[Mapping[str, Pixels]],
    flows: Sequence[Pixels | None] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Restlessness of `edits` over each region in times of the plate's.

    `edits` are the differences (height, width, channels) that were laid on `plates`, both encoded; `mattes` gives the
    regions (height, width) of each frame. `flows[i]` (height, width, 2) says where a pixel of frame i lies in frame
    i + 1, x and y in pixels; None for a picture that stands still. Regions that are nowhere are left out.
    """
    total: dict[str, list[float]] = {}
    for index in range(len(edits) - 1):
        flow = flows[index] if flows else None
        edit, grain = (_change(one[index], one[index + 1], flow) for one in (edits, plates))
        for name, matte in mattes[index].items():
            where = matte > _LEAST
            if where.any():
                total.setdefault(name, []).append(float(edit[where].mean() / grain[where].mean()))
    return {name: float(np.mean(values)) for name, values in total.items()}


def _change(first: Pixels, second: Pixels, flow: Pixels | None) -> Pixels:
    """(height, width) mean difference of the channels, `second` brought onto `first`."""
    if flow is not None:
        rows, columns = np.mgrid[0 : first.shape[0], 0 : first.shape[1]].astype(np.float32)
        x, y = columns + np.float32(flow[..., 0]), rows + np.float32(flow[..., 1])
        second = cv2.remap(second, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    change = np.abs(second - first)
    return np.asarray(change.mean(axis=2) if change.ndim == 3 else change, np.float32)


def mattes_of(model: str, faces: Sequence[Pixels], moving: bool, steady: int = 1) -> dict[str, float]:
    """Restlessness of the mattes of scene-linear `faces` (SIDE, SIDE, 3), the mean over them: a matte of 1 counts as an
    edit of 1."""
    total: dict[str, list[float]] = {}
    for number, face in enumerate(faces):
        squares = [_square(index if moving else 0) for index in range(FRAMES)]
        rng = np.random.default_rng([5, number])
        plates = [_grained(rng, cut(face, square, SIDE)) for square in squares]
        mattes = written(model, plates, steady)
        encoded = [color.encode(plate) for plate in plates]
        flows = [_flow(one, two) if moving else None for one, two in pairwise(squares)]
        for name in MATTES:
            planes = [frame[name] for frame in mattes]
            found = figures(planes, encoded, [{name: plane} for plane in planes], flows)
            if name in found and np.mean([(plane > 0.5).sum() for plane in planes]) >= 40:
                total.setdefault(name, []).append(found[name])
    return {name: float(np.mean(values)) for name, values in total.items()}


def show(model: str, faces: Sequence[Pixels]) -> None:
    """Print the figures of the mattes."""
    print("\nrestlessness of the mattes, in times of the plate's grain "
          f"(asked: {LIMIT}); {len(faces)} faces, {FRAMES} frames")  # fmt: skip
    for name, moving in (("standing still", False), ("moving", True)):
        found = mattes_of(model, faces, moving)
        print(f"  {name}: worst {max(found.values()):.2f}  " + "  ".join(f"{k} {v:.2f}" for k, v in found.items()))


def written(model: str, plates: Sequence[Pixels], steady: int) -> list[dict[str, Pixels]]:
    """The mattes that `bipack faces` writes for a shot. Raises RuntimeError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        for index, pixels in enumerate(plates):
            box = Box.of_size(pixels.shape[1], pixels.shape[0])
            channels = {name: np.ascontiguousarray(pixels[..., i], np.float16) for i, name in enumerate("RGB")}
            write_frame(os.path.join(folder, f"plate.{index + 1}.exr"), Frame([Part(channels, box, box)]))
        command = ["faces", os.path.join(folder, "plate.%d.exr"), folder, "--model", model, "--no-crops"]
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = bipack([*command, "--device", "cpu", "--steady", str(steady)])
        if code:
            raise RuntimeError(f"bipack faces ended with {code}: {said.getvalue()}")
        frames = (read_frame(os.path.join(folder, f"regions.{index + 1}.exr")) for index in range(len(plates)))
        return [{k: np.asarray(v, np.float32) for k, v in frame.parts[0].channels.items()} for frame in frames]


def _square(index: int) -> Square:
    """Where the picture of frame `index` is cut: the face drifts, turns and comes nearer."""
    return Square(SIDE / 2 + 1.7 * index, SIDE / 2 - 0.9 * index, SIDE * (1 - 0.004 * index), 0.35 * index)


def _flow(one: Square, two: Square) -> Pixels:
    """(SIDE, SIDE, 2) where the pixels of a picture cut under `one` lie in that cut under `two`."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    places = np.stack([columns, rows], -1)
    first, second = one.matrix(SIDE), two.inverse(SIDE)
    there = (places @ first[:, :2].T + first[:, 2]) @ second[:, :2].T + second[:, 2]
    return np.asarray(there - places, np.float32)


def _grained(rng: np.random.Generator, light: Pixels) -> Pixels:
    noise = rng.normal(0, GRAIN, light.shape).astype(np.float32)
    return color.decode(color.encode(np.ascontiguousarray(light, np.float32)) + noise)
