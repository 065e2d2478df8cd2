"""Plates for tests: small EXR sequences with everything on board that must survive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame


def plate(seed: int = 0, width: int = 40, height: int = 24, dtype: type = np.float16) -> Frame:
    """RGBA and depth with values above 1 and below 0, on a data window that is off-centre in its display window."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    picture = 0.4 + 0.3 * np.sin(columns / 5.0 + seed) * np.cos(rows / 7.0)
    channels = {}
    for index, name in enumerate("RGB"):
        pixels = picture * (1.0 + 0.2 * index) + random.normal(0.0, 0.02, picture.shape)
        pixels[2:5, 3:6] = 30.0 + index
        pixels[6, 6] = -0.25
        channels[name] = pixels.astype(dtype)
    channels["A"] = np.clip(columns / width, 0.0, 1.0).astype(dtype)
    channels["depth.Z"] = (100.0 + rows + columns).astype(np.float32)
    part = Part(
        channels=channels,
        data_window=Box(7, -3, 7 + width - 1, -3 + height - 1),
        display_window=Box(0, 0, width + 19, height + 9),
        attributes={"pixelAspectRatio": 1.0, "owner": "tests"},
        subsampling={},
    )
    return Frame([part])


def write_sequence(folder: Path, frames: range = range(1001, 1004), **options: int) -> str:
    """Write `plate.%04d.exr` for each frame; returns the pattern."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        write_frame(str(folder / f"plate.{frame:04d}.exr"), plate(seed=frame, **options))
    return str(folder / "plate.%04d.exr")
