"""`bipack models`: the table, the card in words, and a check that finds what is wrong."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import graphs
from bipack import card as cards
from bipack import catalog
from bipack.card import Knob, Likeness, ModelCard, Port, Score, Source, Training
from bipack.cli import models
from bipack.cli.main import main
from bipack.imaging import image_io
from bipack.imaging.frame import Box, Frame, Part
from bipack.worker import bare_card, proof
from bipack.worker.model_step import ModelStep
from bipack.worker.session import open_session


def make_model(folder: Path, name: str = "sr", model: object = None, **changes: object) -> Path:
    """A model folder that is wholly in order: card made from the graph, proof frames from the worker."""
    folder = folder / name
    folder.mkdir(parents=True)
    path = graphs.save(model if model is not None else graphs.plain_sr(), folder / "model.onnx")
    with open_session(catalog.Located(name, path, None), "cpu") as session:
        geometry, inputs, outputs = bare_card.geometry_of(session.facts), session.card.inputs, session.card.outputs
        scale = session.card.scale
    card = ModelCard(
        name=name,
        title="Small super-res",
        version="1.2.0",
        purpose="Enlarges test plates.",
        file="model.onnx",
        sha256=cards.file_sha256(path),
        kind="image",
        inputs=inputs,
        outputs=outputs,
        scale=scale,
        geometry=geometry,
        training=Training(data=(Source("noise", "CC0-1.0", 3, "nobody"),), recipe="tests"),
        scores=(Score("PSNR-Y", "held out", 30.5, "bicubic", 28.1),),
        tolerance={"CPUExecutionProvider": 1e-5},
        limits=("Not for real plates.",),
        author="Tests",
        licence="Apache-2.0",
    )
    cards.save(dataclasses.replace(card, **changes), str(folder))
    write_proof(folder)
    return folder


def write_proof(folder: Path, bright: float = 2.0) -> None:
    box = Box.of_size(21, 17)
    values = np.random.default_rng(4).random((3, 17, 21), np.float32) * np.float32(bright)
    frame = Frame([Part(dict(zip("RGB", values)), box, box)])
    image_io.write_frame(str(folder / proof.input_name()), frame)
    step = ModelStep(catalog.locate(str(folder)), "cpu")
    image_io.write_frame(str(folder / proof.RESULT), proof.process(step, {0: frame}))
    step.close()


def change(folder: Path, **fields: object) -> None:
    cards.save(dataclasses.replace(cards.load(str(folder)), **fields), str(folder))


def checked(capsys, model: Path | str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit code, and outcome and text by topic."""
    code = main(["models", "check", str(model), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["passes"] == (code == 0)
    return code, {entry["topic"]: (entry["outcome"], entry["text"]) for entry in report["checks"]}


def test_the_table_lists_what_is_on_the_model_path(capsys, monkeypatch, tmp_path):
    make_model(tmp_path / "shelf")
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "shelf"))
    assert main(["models"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("sr "))
    assert row.split()[1:4] == ["1.2.0", "2x", "exact"] and row.endswith("Enlarges test plates.")


def test_a_model_that_is_refused_is_named_below_the_table(capsys, monkeypatch, tmp_path):
    (make_model(tmp_path / "shelf", "broken") / "card.json").write_text("{")
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "shelf"))
    assert main(["models"]) == 0
    assert "refused: Model card" in capsys.readouterr().out


def test_the_catalogue_as_json_holds_whole_cards(capsys, monkeypatch, tmp_path):
    folder = make_model(tmp_path / "shelf")
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "shelf"))
    main(["models", "--json"])
    row = next(row for row in json.loads(capsys.readouterr().out) if row["name"] == "sr")
    assert row.pop("path") == str(folder / "model.onnx")
    assert cards.from_data(row) == cards.load(str(folder))


def test_a_card_is_shown_in_plain_words(capsys, tmp_path):
    folder = make_model(
        tmp_path,
        knobs=(Knob("mode", "enum", "a", values=("a", "b"), tooltip="What it does."),),
        likeness=Likeness("A. Performer", "The Show", "2030-01-01"),
    )
    assert main(["models", "show", str(folder)]) == 0
    out = capsys.readouterr().out
    for part in (
        "Small super-res 1.2.0  (sr)",
        "2 times the plate's width and height",
        "plate, 3 channels",
        "tiled and whole frame are the same",
        "mode = a (a, b)  What it does.",
        "PSNR-Y 30.5 on held out, bicubic 28.1",
        "Not for real plates.",
        "noise, 3 items (CC0-1.0); nobody",
        "Tests, licence Apache-2.0",
        "A. Performer for The Show, until 2030-01-01",
        str(folder / "model.onnx"),
    ):
        assert part in out


def test_every_role_of_an_input_has_its_words():
    words = [models._port(Port("x", 1, role)) for role in cards.ROLES]
    assert len(set(words)) == len(cards.ROLES)
    assert models._port(Port("x", 3, frame_offsets=(-1, 0, 1))) == "plate, 3 channels of frames -1, +0, +1"


def test_a_bare_file_has_no_card_to_show(capsys, tmp_path):
    path = graphs.save(graphs.identity(), tmp_path / "net.onnx")
    assert main(["models", "show", path]) == 12
    assert "models check" in capsys.readouterr().err


def test_an_unknown_name_is_a_missing_input(capsys):
    assert main(["models", "show", "no_such_model"]) == 10


def test_a_model_in_order_passes_every_check(capsys, tmp_path):
    code, topics = checked(capsys, make_model(tmp_path))
    assert code == 0
    assert set(topics) == {"card", "file", "opens", "tiling", "range", "parity"}
    assert {outcome for outcome, _ in topics.values()} == {"ok"}


def test_the_check_reads_like_a_list(capsys, tmp_path):
    assert main(["models", "check", str(make_model(tmp_path))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok     card ") and lines[-1] == "sr is in order."


def test_another_file_than_the_cards_is_found(capsys, tmp_path):
    folder = make_model(tmp_path)
    graphs.save(graphs.plain_sr(seed=9), folder / "model.onnx")
    code, topics = checked(capsys, folder)
    assert code == 12 and topics["file"][0] == "wrong" and "sha256" in topics["file"][1]


def test_a_damaged_half_precision_twin_is_found(capsys, tmp_path):
    folder = make_model(tmp_path, fp16_file="half.onnx", fp16_sha256="0" * 64)
    graphs.save(graphs.half(graphs.plain_sr()), folder / "half.onnx")
    assert checked(capsys, folder)[1]["fp16 file"][0] == "wrong"
    change(folder, fp16_sha256=cards.file_sha256(str(folder / "half.onnx")))
    assert checked(capsys, folder)[1]["fp16 file"][0] == "ok"


def test_a_card_that_promises_exact_tiles_of_a_global_model_is_found(capsys, tmp_path):
    folder = make_model(tmp_path, model=graphs.squeeze_excite())
    code, topics = checked(capsys, folder)
    assert code == 0 and topics["tiling"][0] == "note" and "because" in topics["tiling"][1]
    change(folder, geometry=dataclasses.replace(cards.load(str(folder)).geometry, tiling="exact"))
    code, topics = checked(capsys, folder)
    assert code == 12 and topics["tiling"][0] == "wrong"


def test_a_wrong_halo_is_found(capsys, tmp_path):
    folder = make_model(tmp_path)
    change(folder, geometry=dataclasses.replace(cards.load(str(folder)).geometry, halo=1))
    outcome, text = checked(capsys, folder)[1]["tiling"]
    assert outcome == "wrong" and "halo 1" in text


def test_a_card_that_does_not_fit_the_graph_is_found(capsys, tmp_path):
    folder = make_model(tmp_path)
    change(folder, inputs=(Port("picture", 3),))
    code, topics = checked(capsys, folder)
    assert code == 12 and topics["opens"][0] == "wrong"


def test_a_result_unlike_the_proof_is_found(capsys, tmp_path):
    folder = make_model(tmp_path)
    frame = image_io.read_frame(str(folder / proof.RESULT))
    frame.parts[0].channels["G"][3, 3] += np.float32(0.01)
    image_io.write_frame(str(folder / proof.RESULT), frame)
    code, topics = checked(capsys, folder)
    assert code == 12 and topics["parity"][0] == "wrong"


def test_a_proof_of_another_size_is_found(capsys, tmp_path):
    folder = make_model(tmp_path)
    image_io.write_frame(str(folder / proof.RESULT), image_io.read_frame(str(folder / proof.input_name())))
    assert checked(capsys, folder)[1]["parity"][0] == "wrong"


def test_a_proof_stored_as_half_is_held_to_what_half_can_show(capsys, tmp_path):
    folder = make_model(tmp_path)
    frame = image_io.read_frame(str(folder / proof.RESULT))
    part = frame.parts[0]
    part.channels = {name: channel.astype(np.float16) for name, channel in part.channels.items()}
    image_io.write_frame(str(folder / proof.RESULT), frame)
    assert checked(capsys, folder)[1]["parity"][0] == "ok"


def test_a_model_without_proof_is_noted(capsys, tmp_path):
    folder = make_model(tmp_path)
    (folder / proof.RESULT).unlink()
    code, topics = checked(capsys, folder)
    assert code == 0 and topics["parity"][0] == "note"


def test_a_model_that_makes_nan_of_highlights_is_found(capsys, tmp_path):
    path = graphs.save(graphs.nan_producing(), tmp_path / "net.onnx")
    code, topics = checked(capsys, path)
    assert code == 12 and topics["range"][0] == "wrong"


def test_a_card_that_keeps_silent_about_its_training_is_noted(capsys, tmp_path):
    folder = make_model(tmp_path, training=Training(), licence="")
    outcome, text = checked(capsys, folder)[1]["card"]
    assert outcome == "note" and "licence" in text and "training.data" in text


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x08\x00"])
def test_what_is_no_model_is_found(capsys, tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    code, topics = checked(capsys, tmp_path / "net.onnx")
    assert code == 12 and topics["file"][0] == "wrong"


def test_a_bare_file_can_be_checked(capsys, tmp_path):
    code, topics = checked(capsys, graphs.save(graphs.plain_sr(), tmp_path / "net.onnx"))
    assert code == 0 and topics["card"][0] == "note" and "parity" not in topics
