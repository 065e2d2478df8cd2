"""A tiny clone and wheelhouse, so that the real bootstrap.py, venv and pip can be tested offline."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MACHINE = (sys.platform, platform.machine())

PROJECT = """
[project]
name = "bipack"
dependencies = ["tinydep>=1", "{runtime}>=1"]
[project.optional-dependencies]
dev = ["tinydev>=1"]
train = []
[project.scripts]
bipack = "bipack.cli.main:main"
bipack-train = "bipack_train.cli:main"
"""

MAIN = """
import sys
import tinydep

def main(argv=None):
    arguments = list(sys.argv[1:] if argv is None else argv)
    print("bipack got", arguments)
    return 7 if "fail" in arguments else 0
"""


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> Path:
    """A real wheel of pure Python files."""
    info = f"{name}-{version}.dist-info"
    content = dict(files)
    content[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content[f"{info}/WHEEL"] = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    content[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in content.items():
            wheel.writestr(member, text)
    return path


@dataclass
class Clone:
    """A small Bipack with the real bootstrap.py, and the wheels that it may install."""

    folder: Path
    wheelhouse: Path

    @property
    def venv(self) -> Path:
        return self.folder / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def bootstrap(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `python3 bootstrap.py …` without a network."""
        environment = {**os.environ, "PIP_NO_INDEX": "1", **variables}
        command = [sys.executable, str(self.folder / "bootstrap.py"), *arguments, "--cpu"]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)

    def install(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.bootstrap("install", "--wheelhouse", str(self.wheelhouse), *arguments, **variables)

    def ask(self, code: str) -> str:
        """What the environment's Python prints for `code`."""
        answer = subprocess.run([str(self.python), "-c", code], capture_output=True, text=True, timeout=60)
        return (answer.stdout + answer.stderr).strip()


def make_clone(base: Path, bootstrap_module) -> Clone:
    folder = base / "Šärd clone"
    wheelhouse = base / "wheels"
    wheelhouse.mkdir(parents=True)
    (folder / "python/bipack/cli").mkdir(parents=True)
    (folder / "train/bipack_train").mkdir(parents=True)
    shutil.copy(ROOT / "bootstrap.py", folder)
    runtime = bootstrap_module.runtime_package(*MACHINE)
    (folder / "pyproject.toml").write_text(PROJECT.format(runtime=runtime), encoding="utf-8")
    (folder / "python/bipack/__init__.py").write_text('__version__ = "1.2.3"\n')
    (folder / "python/bipack/cli/__init__.py").write_text("")
    (folder / "python/bipack/cli/main.py").write_text(MAIN)
    (folder / "python/bipack/cli/__main__.py").write_text(
        "import sys\nfrom bipack.cli.main import main\nsys.exit(main())"
    )
    (folder / "train/bipack_train/__init__.py").write_text("")
    (folder / "train/bipack_train/cli.py").write_text("def main():\n    print('trainer')\n")
    make_wheel(wheelhouse, "tinydep", "1.0", {"tinydep/__init__.py": "value = 1\n", "tinydep/more.py": "value = 2\n"})
    make_wheel(wheelhouse, "tinydev", "1.0", {"tinydev.py": ""})
    for package in ("onnxruntime", "onnxruntime_gpu"):
        # Like the real ones: two distributions that put the same folder in place.
        make_wheel(wheelhouse, package, "1.0", {"onnxruntime/__init__.py": f"name = '{package.replace('_', '-')}'\n"})
    return Clone(folder, wheelhouse)
