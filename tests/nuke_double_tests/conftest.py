"""Fixtures of the stand-in's own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nuke_fixture import nuke, nuke_gui, start_nuke

__all__ = ["nuke", "nuke_gui", "start_nuke"]


@pytest.fixture
def exr_file(tmp_path: Path) -> Callable[..., str]:
    """exr_file("plate.1001.exr", {"R": array}, window=…, display=…): an EXR written straight by the binding."""
    import OpenEXR

    def write(
        name: str,
        channels: dict[str, np.ndarray],
        window: tuple[int, int] = (0, 0),
        display: tuple[int, int] | None = None,
        **attributes: object,
    ) -> str:
        height, width = next(iter(channels.values())).shape
        shown = display or (width, height)
        header = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "dataWindow": (
                np.array(window, np.int32),
                np.array([window[0] + width - 1, window[1] + height - 1], np.int32),
            ),
            "displayWindow": (np.zeros(2, np.int32), np.array([shown[0] - 1, shown[1] - 1], np.int32)),
            **attributes,
        }
        path = tmp_path / name
        OpenEXR.File(header, dict(channels)).write(str(path))
        return path.as_posix()

    return write
