"""The example scripts, from the shipped sample frames to rendered frames, as farm tasks."""

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
from moving import install_slowmo
from nuke_fixture import DOUBLE


def test_the_example_renders_as_a_farm_task(tmp_path: Path) -> None:
    plate, made = render_first_frame(tmp_path, "super_res")
    np.testing.assert_array_equal(made, plate.repeat(2, 0).repeat(2, 1).astype(made.dtype))


def test_the_chain_of_super_res_and_slow_motion_renders_as_a_farm_task(tmp_path: Path) -> None:
    plate, made = render_first_frame(tmp_path, "slow_mo", frames="1001-1002")
    np.testing.assert_array_equal(made, plate.repeat(2, 0).repeat(2, 1).astype(made.dtype))
    between = channel_of(str(tmp_path / "suite/gizmos/examples/out/slow_mo.1002.exr"), "G")
    assert between.shape == made.shape and not np.array_equal(between, made)


def render_first_frame(tmp_path: Path, example: str, frames: str = "1001") -> tuple[np.ndarray, np.ndarray]:
    """Green of the sample plate and of the example's result at its first frame, with a model that repeats pixels."""
    folder = tmp_path / "suite/gizmos/examples"
    folder.mkdir(parents=True)
    script = Path(shutil.copy(ROOT / f"gizmos/examples/{example}.nk", folder))
    named = re.search(r"samples/(\w+)/", script.read_text(encoding="utf-8"))
    assert named is not None
    sample = ROOT / f"samples/{named.group(1)}/{named.group(1)}.1001.exr"
    shutil.copytree(sample.parent, tmp_path / "suite/samples" / sample.parent.name)
    # Models of the same names stand in front of the trained ones: what repeats every pixel has a known result.
    install_model(tmp_path / "site/superres_x2", graphs.identity(scale=2), scale=2, gizmo="BipackSuperRes")
    install_slowmo(tmp_path / "site/slowmo")
    environment = {**os.environ, "PYTHONPATH": DOUBLE, "BIPACK_MODEL_PATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "stand_in.terminal", "-t", str(ROOT / "farm/bipack_farm.py")]
    done = subprocess.run(
        [*command, str(script), "-X", "Write1", "-F", frames],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return channel_of(str(sample), "G"), channel_of(str(folder / f"out/{example}.1001.exr"), "G")
