"""The example script, from the shipped sample frames to rendered frames, as a farm task."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import graphs
from host_scene import ROOT, channel_of, install_model
from nuke_fixture import DOUBLE


def test_the_example_renders_as_a_farm_task(tmp_path: Path) -> None:
    folder = tmp_path / "suite/gizmos/examples"
    folder.mkdir(parents=True)
    script = Path(shutil.copy(ROOT / "gizmos/examples/super_res.nk", folder))
    named = re.search(r"samples/(\w+)/", script.read_text(encoding="utf-8"))
    assert named is not None
    sample = ROOT / f"samples/{named.group(1)}/{named.group(1)}.1001.exr"
    shutil.copytree(sample.parent, tmp_path / "suite/samples" / sample.parent.name)
    # A model of the same name that repeats every pixel stands in front of the trained one: its result is known.
    install_model(tmp_path / "site/superres_x2", graphs.identity(scale=2), scale=2, gizmo="BipackSuperRes")
    environment = {**os.environ, "PYTHONPATH": DOUBLE, "BIPACK_MODEL_PATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "stand_in.terminal", "-t", str(ROOT / "farm/bipack_farm.py")]
    done = subprocess.run(
        [*command, str(script), "-X", "Write1", "-F", "1001"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = channel_of(str(folder / "out/super_res.1001.exr"), "G")
    plate = channel_of(str(sample), "G")
    np.testing.assert_array_equal(made, plate.repeat(2, 0).repeat(2, 1).astype(made.dtype))
