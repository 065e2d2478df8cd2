"""The other ways to install: a wheel, and rez."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bipack
from tiny_clone import ROOT
from tree_copy import copy_tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from what git tracks."""
    base = tmp_path_factory.mktemp("wheel")
    source = copy_tracked(base / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(base)]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return next(base.glob("bipack-*.whl"))


def test_a_wheel_holds_both_packages_and_the_suites_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "bipack/settings.py",
        "bipack_train/__init__.py",
        "bipack/suite/samples/otter/otter.1001.exr",
    ):
        assert wanted in names
    tracked = subprocess.run(["git", "ls-files", "onnx_models", "gizmos"], cwd=ROOT, capture_output=True, text=True)
    missing = [name for name in tracked.stdout.splitlines() if "/." not in name and f"bipack/suite/{name}" not in names]
    assert not missing


def test_an_installed_wheel_finds_its_data(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "from bipack import settings; import os; print(settings.suite_root()); print(os.listdir(settings.suite_root()))"
    )
    # -P keeps the current folder out, the path given first wins over the installed clone.
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    out = subprocess.run([sys.executable, "-P", "-c", start + code], capture_output=True, text=True, timeout=60).stdout
    assert out.splitlines()[0] == str(tmp_path / "bipack/suite")
    assert "samples" in out and "onnx_models" in out


class Variable:
    def __init__(self) -> None:
        self.appended: list[str] = []

    def append(self, value: str) -> None:
        self.appended.append(value)


class Environment:
    def __init__(self) -> None:
        self.NUKE_PATH, self.PATH = Variable(), Variable()


@pytest.mark.parametrize(("platform", "scripts"), [("linux", "bin"), ("osx", "bin"), ("windows", "Scripts")])
def test_rez_sets_the_path_that_nuke_reads(platform, scripts):
    environment = Environment()
    names = {"env": environment, "system": type("System", (), {"platform": platform})}
    exec((ROOT / "package.py").read_text(encoding="utf-8"), names)
    names["commands"]()
    assert environment.NUKE_PATH.appended == ["{root}"]
    assert environment.PATH.appended == ["{root}/.venv/" + scripts]


def test_every_file_that_states_a_version_states_the_same():
    assert re.search(r'^version = "(.+)"', (ROOT / "package.py").read_text(), re.M).group(1) == bipack.__version__
    assert f"## {bipack.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
