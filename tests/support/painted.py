"""A tiny shot with painted frames, drawn: skin-like clouds with dark dots that the artist took out."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bipack.imaging.image_io import write_frame
from bipack_train.verify import picture_frame

Array = np.ndarray


def shot(frame: int, size: tuple[int, int] = (72, 88), dots: int = 5, seed: int = 3) -> tuple[Array, Array, Array]:
    """(before, after, mask) of one frame, scene-linear half values, (height, width, 3) and (height, width)."""
    rng = np.random.default_rng([seed, frame])
    height, width = size
    coarse, fine = np.random.default_rng(seed).random((6, 6, 3)), np.random.default_rng(seed + 1).random((24, 24, 3))
    clouds = sum(
        weight * cv2.resize(part, (width + 40, height + 40), interpolation=cv2.INTER_CUBIC)
        for weight, part in ((0.75, coarse), (0.25, fine))
    )
    left, top = (int(value) for value in rng.integers(0, 40, 2))
    after = (0.2 + 0.4 * clouds[top : top + height, left : left + width]) * rng.uniform(0.8, 1.2)
    after = after + rng.normal(0, 0.004, after.shape)
    mask = np.zeros(size, np.uint8)
    for _ in range(dots):
        centre = int(rng.integers(8, width - 8)), int(rng.integers(8, height - 8))
        cv2.circle(mask, centre, 4, 1, -1)
    before = np.where(mask[..., None] > 0, 0.03, after)
    return before.astype(np.float16), after.astype(np.float16), mask > 0


def write(folder: Path, frames: range = range(1001, 1004), **options: object) -> tuple[str, str]:
    """Write before and after as EXR sequences; returns the two patterns."""
    for frame in frames:
        before, after, _ = shot(frame, **options)  # type: ignore[arg-type]
        for side, pixels in (("before", before), ("after", after)):
            path = folder / side / f"{side}.{frame}.exr"
            write_frame(str(path), picture_frame(pixels.astype(np.float32), half=True))
    return str(folder / "before" / "before.####.exr"), str(folder / "after" / "after.####.exr")
