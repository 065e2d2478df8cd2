"""A tiny stabilised face: clouds of skin with dark lines inside a region, and the same without them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame
from bipack_train.verify import picture_frame

Array = np.ndarray


def crop(frame: int, amount: float = 1.0, side: int = 96) -> tuple[Array, Array, Array]:
    """(old, `amount` of the way to young, matte) of one frame, scene-linear; (side, side, 3) and (side, side)."""
    rng = np.random.default_rng([11, frame])
    wide = side + 16
    skin = cv2.resize(np.random.default_rng(11).random((7, 7, 3)), (wide, wide), interpolation=cv2.INTER_CUBIC)
    lines = np.zeros((wide, wide), np.float32)
    for row in range(24, 88, 8):
        points = [(column, row + int(3 * np.sin(column / 9 + row))) for column in range(12, wide - 12, 3)]
        cv2.polylines(lines, [np.array(points, np.int32)], False, 1.0, 2, cv2.LINE_AA)
    # The head moves a little in its crop from frame to frame, and the light changes.
    top, left = rng.integers(0, 17, 2)
    skin, lines = (plane[top : top + side, left : left + side] for plane in (skin, lines))
    young = (0.3 + 0.2 * skin) * rng.uniform(0.8, 1.2) + rng.normal(0, 0.003, (side, side, 3))
    old = young * (1.0 - 0.5 * cv2.GaussianBlur(lines, (0, 0), 0.8)[..., None])
    rows, columns = np.mgrid[0:side, 0:side]
    matte = (np.hypot(rows - side / 2, columns - side / 2) < 0.36 * side).astype(np.float32)
    return old.astype(np.float32), (old + amount * (young - old)).astype(np.float32), matte


def write(folder: Path, frames: range = range(1001, 1007)) -> tuple[str, str, str]:
    """Write before, after and mattes as EXR sequences; returns the three patterns."""
    for frame in frames:
        before, after, matte = crop(frame)
        for side, pixels in (("before", before), ("after", after)):
            write_frame(str(folder / side / f"{side}.{frame}.exr"), picture_frame(pixels, half=True))
        box = Box(0, 0, matte.shape[1] - 1, matte.shape[0] - 1)
        half = matte.astype(np.float16)
        channels = {"cheek_l": half, "cheek_r": np.zeros_like(half), "mouth": half[::-1].copy()}
        write_frame(str(folder / "mattes" / f"mattes.{frame}.exr"), Frame([Part(channels, box, box, {}, {})]))
    before, after, mattes = (str(folder / side / f"{side}.####.exr") for side in ("before", "after", "mattes"))
    return before, after, mattes
