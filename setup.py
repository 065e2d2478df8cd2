"""Puts the suite's data into a wheel; everything else about the package is in pyproject.toml.

A clone is the usual install and needs none of this. A wheel (`pip install .`) is for the command line on machines
without a clone: there the models, gizmos and samples lie in `bipack/suite`, where `bipack.settings` looks for them.
"""

import os
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py

SUITE = ("gizmos", "onnx_models", "samples")


class BuildWithSuite(build_py):
    """The usual build, with the data folders beside the package."""

    def run(self) -> None:
        """Build, then copy; an editable install finds the folders in the clone."""
        super().run()
        if self.editable_mode:
            return
        target = os.path.join(self.build_lib, "bipack", "suite")
        shutil.rmtree(target, ignore_errors=True)
        for name in SUITE:
            shutil.copytree(name, os.path.join(target, name), ignore=shutil.ignore_patterns("__pycache__", ".*"))


if __name__ == "__main__":
    setup(cmdclass={"build_py": BuildWithSuite})
