"""Model cards: strict reading, and a round trip through the file."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bipack import card as cards
from bipack.card import (
    Geometry,
    GraphFile,
    Knob,
    Likeness,
    ModelCard,
    Painted,
    PaintedFile,
    Port,
    Score,
    Source,
    Training,
)
from bipack.errors import ModelRefused

PLAIN = {
    "schema": 1,
    "name": "plain",
    "title": "Plain",
    "version": "1.0.0",
    "purpose": "Does nothing in particular.",
    "file": "model.onnx",
    "sha256": "0" * 64,
    "kind": "image",
    "inputs": [{"name": "x", "channels": 3}],
    "outputs": [{"name": "y", "channels": 3}],
}

FULL = ModelCard(
    name="full",
    title="Full",
    version="2.1.0",
    purpose="Uses every field.",
    file="model.onnx",
    sha256="a" * 64,
    fp16_file="model_fp16.onnx",
    fp16_sha256="b" * 64,
    graphs={"second": GraphFile("second.onnx", "c" * 64)},
    kind="masked",
    inputs=(Port("plate", 9, frame_offsets=(-1, 0, 1), range=(0.0, 1.5)), Port("matte", 1, "matte", optional=True)),
    outputs=(Port("result", 3),),
    scale=2,
    color="linear",
    geometry=Geometry("blend", 8, 32, 40, 256, 40),
    knobs=(Knob("amount", "float", 0.5, minimum=0.0, maximum=1.0), Knob("mode", "enum", "a", values=("a", "b"))),
    training=Training(data=(Source("photos", "CC0-1.0", 12),), recipe="r.toml", seed=3, steps=10, minutes=1.5),
    scores=(Score("PSNR-Y", "held out", 30.5, "bicubic", 28.1),),
    painted=Painted((PaintedFile("painted_1001.exr", "d" * 64, 1001),), 0.002),
    tolerance={"CPUExecutionProvider": 1e-5, "CUDAExecutionProvider": 2e-3},
    limits=("Not for grain.",),
    author="Bipack",
    licence="Apache-2.0",
    likeness=Likeness("A. Performer", "The Show", "2030-01-01"),
    flow_detail="full",
)


def write(folder, data) -> str:
    (folder / "card.json").write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return str(folder)


def test_a_card_with_every_field_survives_the_file(tmp_path):
    cards.save(FULL, str(tmp_path))
    assert cards.load(str(tmp_path)) == FULL


def test_fields_left_out_take_their_defaults(tmp_path):
    card = cards.load(write(tmp_path, PLAIN))
    assert (card.scale, card.color, card.geometry, card.verified) == (1, "bipack", Geometry(), True)


def test_frames_around_the_current_one_are_gathered_from_all_plate_inputs():
    assert FULL.frame_offsets == (-1, 0, 1)


def test_a_whole_number_will_do_where_a_float_is_meant(tmp_path):
    card = cards.load(write(tmp_path, {**PLAIN, "scores": [{"metric": "m", "set": "s", "value": 30}]}))
    assert isinstance(card.scores[0].value, float)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"schema": 2}, "has schema 2"),
        ({"schema": None}, "has schema None"),
        ({"title": None}, "card.title"),
        ({"scale": "2"}, "card.scale"),
        ({"scale": True}, "card.scale"),
        ({"scale": 0}, "scale is 0"),
        ({"scale": 2.5}, "card.scale"),
        ({"kind": "magic"}, "kind is 'magic'"),
        ({"color": "log"}, "color is 'log'"),
        ({"flow_detail": "fine"}, "flow_detail is 'fine'"),
        ({"inputs": []}, "plate"),
        ({"inputs": {}}, "must be a list"),
        ({"inputs": [{"name": "x"}]}, "lacks the entry 'channels'"),
        ({"inputs": [{"name": "x", "channels": 0}]}, "x.channels is 0"),
        ({"outputs": [{"name": "x", "channels": 3, "role": "sound"}]}, "x.role"),
        ({"inputs": [{"name": "x", "channels": 3, "layout": "NHWC"}]}, "x.layout"),
        ({"inputs": [{"name": "x", "channels": 3, "chanels": 3}]}, "unknown entries chanels"),
        ({"inputs": [{"name": "x", "channels": 3, "range": [0, "1"]}]}, r"range\[1\]"),
        ({"outputs": []}, "outputs"),
        ({"geometry": {"tiling": "maybe"}}, "geometry.tiling"),
        ({"geometry": {"multiple": 0}}, "geometry.multiple"),
        ({"geometry": [1]}, "must be an object"),
        ({"knobs": [{"name": "k", "type": "color", "default": 1}]}, "k.type"),
        ({"tolerance": {"CPU": "small"}}, "tolerance.CPU"),
        ({"tolerance": [1]}, "must be an object"),
        ({"limits": ["fine", 3]}, r"limits\[1\]"),
        ({"file": "../other/model.onnx"}, "bare file name"),
        ({"file": "/etc/passwd"}, "bare file name"),
        ({"fp16_file": "sub/model.onnx"}, "bare file name"),
        ({"likeness": {"performer": "A"}}, "lacks the entry 'show'"),
        ({"extra": 1}, "unknown entries extra"),
    ],
)
def test_a_slip_is_refused_with_the_entry_that_is_wrong(tmp_path, change, part):
    folder = write(tmp_path, {**PLAIN, **change})
    with pytest.raises(ModelRefused, match=part) as caught:
        cards.load(folder)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", [field for field in PLAIN if field != "schema"])
def test_no_needed_entry_may_be_left_out(tmp_path, name):
    data = {key: value for key, value in PLAIN.items() if key != name}
    with pytest.raises(ModelRefused, match=f"lacks the entry '{name}'"):
        cards.load(write(tmp_path, data))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_what_is_no_card_at_all_is_refused(tmp_path, text):
    with pytest.raises(ModelRefused, match=r"card\.json"):
        cards.load(write(tmp_path, text))


def test_a_folder_without_a_card_is_refused(tmp_path):
    with pytest.raises(ModelRefused, match="cannot be read"):
        cards.load(str(tmp_path))


def test_every_field_is_described_for_the_card_reference():
    kinds = (Port, Knob, Geometry, Training, Source, Score, Likeness, ModelCard)
    assert all(dataclasses.is_dataclass(kind) and kind.__doc__ for kind in kinds)


def test_the_hash_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert cards.file_sha256(str(tmp_path / "a")) == known
    with pytest.raises(ModelRefused, match="cannot be read"):
        cards.file_sha256(str(tmp_path / "b"))


def test_a_further_graph_must_lie_beside_the_card():
    data = {**PLAIN, "graphs": {"synthesis": {"file": "../elsewhere.onnx", "sha256": "0" * 64}}}
    with pytest.raises(ModelRefused, match=r"graphs\.synthesis\.file.*bare file name"):
        cards.from_data(data)


def test_a_further_graph_needs_its_hash():
    with pytest.raises(ModelRefused, match="sha256"):
        cards.from_data({**PLAIN, "graphs": {"synthesis": {"file": "synthesis.onnx"}}})
