"""Bipack as a rez package: clone it into a package repository and build its environment, no `rez build` needed.

git clone <bipack> /packages/bipack/0.1.0
cd /packages/bipack/0.1.0 && python3 bootstrap.py install
rez env bipack nuke -- nuke
"""

name = "bipack"

version = "0.1.0"

description = (
    "ONNX models for compositors: super-res, paint-fix and finishing in Nuke, on the command line and on farms"
)

tools = ["bipack", "bipack-train"]

build_command = False


def commands():  # type: ignore[no-untyped-def]
    """What rez runs when the package is resolved."""
    # Appended: a studio's own gizmos and callbacks keep the last word.
    env.NUKE_PATH.append("{root}")  # noqa: F821
    scripts = "Scripts" if system.platform == "windows" else "bin"  # noqa: F821
    env.PATH.append("{root}/.venv/" + scripts)  # noqa: F821
