"""Inpaint as the first pass: a few of its frames are painted, and what is learned from them fixes the whole shot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tiny_paintfix
from bipack.cli.main import main as bipack
from bipack.imaging import color
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import put, take
from bipack_train import cli
from inpaint_scene import install_model, write_scene

assert "tiny" in tiny_paintfix.SIZES
FRAMES, PAINTED = range(1001, 1007), (1001, 1003, 1005)
RECIPE = """
kind = "pairs"
name = "rig"
size = "tiny"
noise = false
[sampling]
side = 32
batch = 4
[schedule]
steps = 150
minutes = 0.0
"""


def test_a_few_painted_frames_of_a_fill_fix_those_that_nobody_painted(tmp_path: Path) -> None:
    model = install_model(tmp_path / "models" / "inpaint")
    # The thing moves with the ground: no frame shows what is behind it.
    scene = write_scene(tmp_path / "shot", len(FRAMES), (96, 128), thing=(0.0, 0.0), side=24, even=True, grain=0.002)
    clean, painted, final = (str(tmp_path / name / f"{name}.%04d.exr") for name in ("clean", "painted", "final"))
    cpu = ["--device", "cpu"]
    assert bipack(["run", model, scene.plate, clean, "--matte", scene.matte, *cpu]) == 0
    for frame in PAINTED:
        filled = read_frame(clean % frame)
        pixels = take(filled).pixels
        near = np.abs(pixels - scene.truth[frame]).max(axis=-1, keepdims=True) > 0.02
        write_frame(painted % frame, put(filled, take(filled), np.where(near, scene.truth[frame], pixels)))
    recipe, out = tmp_path / "tiny.toml", tmp_path / "run"
    recipe.write_text(RECIPE)
    given = ["--recipe", str(recipe), "--before", clean, "--after", painted, "--init", "none", "--out", str(out)]
    assert cli.main(["pairs", *given, *cpu]) == 0
    assert bipack(["run", str(out / "rig"), clean, final, *cpu]) == 0
    for frame in set(FRAMES) - set(PAINTED):
        hole, truth = scene.mattes[frame] > 0, color.encode(scene.truth[frame])
        errors = [
            np.abs(color.encode(take(read_frame(path % frame)).pixels) - truth)[hole].mean() for path in (clean, final)
        ]
        assert errors[1] < 0.5 * errors[0]
