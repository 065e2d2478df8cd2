from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import graphs
import plates
from bipack import card as cards
from bipack.cli.main import main
from bipack.worker import bare_card
from bipack.worker.graph import analyse


@pytest.fixture
def shot(tmp_path: Path) -> str:
    """Three frames of 90 by 60 pixels."""
    return plates.write_sequence(tmp_path / "shot", width=90, height=60)


def test_prove_prints_the_largest_difference_and_ends_with_zero(
    tmp_path: Path, shot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = graphs.save(graphs.plain_sr(scale=2), tmp_path / "net.onnx")
    assert main(["prove", model, shot, "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert "tile 54:" in printed and "holds: tiled and whole agree within 1e-05" in printed
    assert (tmp_path / "out" / "prove_heatmap.png").exists()
    assert json.loads((tmp_path / "out" / "prove.json").read_text("utf-8"))["holds"] is True


def test_prove_ends_with_twelve_when_a_claim_does_not_hold(
    tmp_path: Path, shot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = graphs.squeeze_excite()
    graphs.save(model, folder / "model.onnx")
    card = bare_card.derive("net", "model.onnx", cards.file_sha256(str(folder / "model.onnx")), analyse(model))
    claim = cards.Geometry(tiling="exact")
    cards.save(dataclasses.replace(card, verified=True, geometry=claim), str(folder))
    code = main(["prove", str(folder), shot, "--out", str(tmp_path / "out"), "--device", "cpu", "--tile", "60"])
    assert code == 12
    assert "DOES NOT HOLD" in capsys.readouterr().out


def test_prove_takes_the_frame_and_the_tiles_that_are_asked_for(
    tmp_path: Path, shot: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = graphs.save(graphs.plain_sr(scale=1), tmp_path / "net.onnx")
    arguments = ["--out", str(tmp_path / "out"), "--device", "cpu", "--frame", "1003", "--tile", "33", "--tile", "48"]
    assert main(["prove", model, shot, *arguments, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [trial["tile"] for trial in data["trials"]] == [33, 48]
    assert main(["prove", model, shot, "--frame", "2000", "--out", str(tmp_path / "out")]) == 10


@pytest.mark.parametrize(("extra", "code"), [(["--tile", "0"], 2), (["--tile", "8"], 2), (["--device", "gpu"], 2)])
def test_prove_refuses_what_makes_no_sense(tmp_path: Path, shot: str, extra: list[str], code: int) -> None:
    model = graphs.save(graphs.plain_sr(layers=6), tmp_path / "net.onnx")
    assert main(["prove", model, shot, "--out", str(tmp_path / "out"), *extra]) == code


def test_prove_of_a_missing_shot_or_model_ends_with_ten(tmp_path: Path, shot: str) -> None:
    model = graphs.save(graphs.plain_sr(), tmp_path / "net.onnx")
    assert main(["prove", model, str(tmp_path / "none.%04d.exr")]) == 10
    assert main(["prove", model, str(tmp_path / "none.exr")]) == 10
    assert main(["prove", str(tmp_path / "none.onnx"), shot]) == 10
