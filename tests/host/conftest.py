"""Sessions of the stand-in for Nuke, with GUI and without, that have Bipack installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from host_scene import Scene
from nuke_fixture import start_nuke  # noqa: F401


@pytest.fixture
def start(start_nuke: Callable[..., ModuleType], tmp_path: Path) -> Callable[..., Scene]:  # noqa: F811
    """Starts a Nuke; called again, another one. Bipack is installed unless `bipack=False`."""

    def begin(bipack: bool = True, **settings: Any) -> Scene:
        scene = Scene(start_nuke(**settings), tmp_path)
        if bipack:
            scene.install()
        return scene

    return begin


@pytest.fixture
def gui(start: Callable[..., Scene]) -> Scene:
    """Nuke with its GUI."""
    return start(gui=True)


@pytest.fixture
def terminal(start: Callable[..., Scene]) -> Scene:
    """Nuke in terminal mode."""
    return start(gui=False)
