"""Finishing gizmos in the stand-in for Nuke, and small plates for them, as fixtures.

In a conftest: `from finishing_fixture import face, finishing, matte, plate` beside those of `nuke_fixture`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from finishing_scene import Scene

HEIGHT, WIDTH = 44, 60
SIZE = (84, 60)
"""Format of the scripts; the plates' data window lies off its centre."""


@pytest.fixture
def finishing(start_nuke: Callable[..., ModuleType], tmp_path: Path) -> Callable[..., Scene]:
    """finishing(gizmo, size=…): the gizmo in a script of its own."""

    def begin(gizmo: str, size: tuple[int, int] = SIZE) -> Scene:
        return Scene(start_nuke(gui=False), gizmo, tmp_path, size)

    return begin


@pytest.fixture(scope="session")
def plate() -> np.ndarray:
    """Noise with values below 0 and a lamp far above 1."""
    pixels = np.random.default_rng(1).normal(0.4, 0.3, (HEIGHT, WIDTH, 3)).astype(np.float32)
    pixels[5:9, 5:9] = 20.0
    return pixels


@pytest.fixture(scope="session")
def face() -> np.ndarray:
    """Skin-colored softness with fine grain, a lamp and a value below 0."""
    random = np.random.default_rng(2)
    soft = cv2.GaussianBlur(random.normal(0, 1, (HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 3) * 0.6
    pixels = soft + np.array([0.25, 0.14, 0.1]) + random.normal(0, 0.01, soft.shape)
    pixels[5:9, 5:9], pixels[30, 40] = 8.0, -0.05
    return pixels.astype(np.float32)


@pytest.fixture(scope="session")
def matte() -> np.ndarray:
    """All values from 0 to 1, many exactly 0 and exactly 1."""
    return np.clip(np.random.default_rng(3).normal(0.5, 0.6, (HEIGHT, WIDTH)), 0, 1).astype(np.float32)
