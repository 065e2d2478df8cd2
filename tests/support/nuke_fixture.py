"""The stand-in for Nuke as fixtures: a fresh session for each test, and nothing of it left afterwards.

In a conftest: `from nuke_fixture import nuke, nuke_gui, start_nuke`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOUBLE = str(Path(__file__).parents[1] / "nuke_double")
if DOUBLE not in sys.path:
    sys.path.append(DOUBLE)


@pytest.fixture
def start_nuke(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """start_nuke(gui=…, version=…, knob_changed=…): a new Nuke, as its nuke module."""
    import stand_in

    path = list(sys.path)
    forget_modules()

    def start(**settings: Any) -> ModuleType:
        forget_modules()
        stand_in.start(**settings)
        return importlib.import_module("nuke")

    yield start
    left = list(stand_in.current()._groups)
    forget_modules()
    stand_in.forget()
    sys.path[:] = path
    assert not left, f"Group.begin() without Group.end(): {left}"


@pytest.fixture
def nuke(start_nuke: Callable[..., ModuleType]) -> ModuleType:
    """A Nuke in terminal mode."""
    return start_nuke(gui=False)


@pytest.fixture
def nuke_gui(start_nuke: Callable[..., ModuleType]) -> ModuleType:
    """A Nuke with its GUI."""
    return start_nuke(gui=True)


def forget_modules() -> None:
    """Drop the nuke module, and what was imported against it."""
    for name in list(sys.modules):
        if name in ("nuke", "init", "menu") or name == "bipack.host" or name.startswith("bipack.host."):
            del sys.modules[name]
