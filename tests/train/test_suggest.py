from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_paintfix
from bipack.errors import MissingInput
from bipack.imaging.image_io import write_frame
from bipack_train import cli, paintfix_loop, pairs, suggest
from bipack_train.models.paintfix import PaintFixUNet
from bipack_train.verify import picture_frame
from painted import shot, write


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on three painted frames, and five plates of which two are of another kind."""
    folder = tmp_path_factory.mktemp("suggest")
    before, after = write(folder / "shot")
    read = [pairs.read(files) for files in pairs.match(before, after).pairs]
    paintfix_loop.train(tiny_paintfix.recipe(160), read, str(folder / "run"), device="cpu")
    for frame in range(1004, 1007):
        pixels = shot(frame)[0].astype(np.float32)
        if frame == 1005:
            # Half-faded marks: exactly what the model cannot be sure of.
            plain = shot(frame)[1].astype(np.float32)
            pixels = plain + 0.5 * (pixels - plain)
        path = folder / "shot" / "before" / f"before.{frame}.exr"
        write_frame(str(path), picture_frame(pixels.astype(np.float32), half=True))
    return folder


def test_the_frame_that_is_unlike_the_pairs_comes_first(
    run_folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    before, after = (str(run_folder / "shot" / side / f"{side}.####.exr") for side in ("before", "after"))
    command = ["suggest", str(run_folder / "run"), before, "--after", after, "--out", str(run_folder), "--json"]
    assert cli.main(command) == 0
    ranked = json.loads(capfdbinary.readouterr().out)
    assert ranked[0]["frame"] == 1005
    assert {entry["frame"] for entry in ranked} == {1004, 1005, 1006}
    text = (run_folder / suggest.PAGE).read_text()
    assert text.count("<figure>") == 3 and "http" not in text


def test_nothing_left_to_paint_is_said(run_folder: Path) -> None:
    after = str(run_folder / "shot" / "after" / "after.####.exr")
    assert cli.main(["suggest", str(run_folder / "run"), after, "--after", after]) == MissingInput.exit_code


def test_a_model_that_changes_nothing_has_no_doubt() -> None:
    torch.manual_seed(0)
    net = PaintFixUNet("tiny").eval()
    torch.nn.init.constant_(net.matte.bias, -12.0)
    assert not suggest.doubts(net, np.random.default_rng(0).random((48, 64, 3), np.float32))[0].any()
