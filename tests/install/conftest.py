"""The module under test and a small clone whose environment is made once for all its tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator

import pytest

from tiny_clone import ROOT, Clone, make_clone


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """What is installed is found by itself, not by a path that a developer's shell exports."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


@pytest.fixture(scope="session")
def bootstrap_module():
    """bootstrap.py as a module."""
    spec = importlib.util.spec_from_file_location("bipack_bootstrap", ROOT / "bootstrap.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, bootstrap_module) -> Clone:
    """A clone with its environment already made, in a folder with a space and letters beyond ASCII."""
    made = make_clone(tmp_path_factory.mktemp("install"), bootstrap_module)
    result = made.install()
    assert result.returncode == 0, result.stderr + result.stdout
    return made
