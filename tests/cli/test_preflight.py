"""`bipack preflight`: what it says of shots that suit a model and of those that do not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import graphs
from bipack import card as cards
from bipack.card import Geometry, Likeness, ModelCard, Port
from bipack.cli import preflight
from bipack.cli.main import main
from bipack.imaging import color, image_io, plate, resample
from bipack.imaging.frame import Box, Frame, Part
from bipack.settings import suite_root

SAMPLES = f"{suite_root()}/samples/otter/otter.%04d.exr"
CARD = ModelCard(
    name="sr",
    title="Super-res",
    version="1.0.0",
    purpose="p",
    file="model.onnx",
    sha256="",
    kind="image",
    inputs=(Port("input", 3, range=(-0.1, 2.5)),),
    outputs=(Port("output", 3),),
    scale=2,
    geometry=Geometry(minimum=16, halo=10),
    limits=("Not for grain.",),
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a real model and its card."""
    folder = tmp_path / "sr"
    folder.mkdir()
    path = graphs.save(graphs.plain_sr(), folder / "model.onnx")
    cards.save(dataclasses.replace(CARD, sha256=cards.file_sha256(path)), str(folder))
    return folder


def change(folder: Path, **fields: object) -> None:
    cards.save(dataclasses.replace(cards.load(str(folder)), **fields), str(folder))


def sample() -> np.ndarray:
    return plate.take(image_io.read_frame(SAMPLES % 1005)).pixels


def write(folder: Path, pixels: np.ndarray, names: str = "RGB") -> str:
    height, width = pixels.shape[:2]
    channels = {name: np.ascontiguousarray(pixels[..., index].astype(np.float16)) for index, name in enumerate(names)}
    box = Box.of_size(width, height)
    image_io.write_frame(str(folder / "shot.exr"), Frame([Part(channels, box, box)]))
    return str(folder / "shot.exr")


def judged(capsys, model: Path, shot: str) -> tuple[int, dict[str, str], dict]:
    """Exit code, verdict by topic, and the whole report."""
    code = main(["preflight", str(model), shot, "--json"])
    report = json.loads(capsys.readouterr().out)
    return code, {finding["topic"]: finding["verdict"] for finding in report["findings"]}, report


def test_a_shot_inside_the_training_works(capsys, model):
    code, topics, report = judged(capsys, model, SAMPLES)
    assert (code, report["verdict"]) == (0, "works")
    assert set(topics.values()) == {"works"}
    assert report["frames"] == [1001, 1005, 1009]
    assert report["limits"] == ["Not for grain."]


def test_values_beyond_the_trained_range_are_risky_and_named_in_linear_light(capsys, model):
    change(model, inputs=(Port("input", 3, range=(0.0, 1.0)),))
    assert main(["preflight", str(model), SAMPLES]) == 0
    out = capsys.readouterr().out
    assert out.startswith("risky: Super-res 1.0.0 on frames 1001,1005,1009")
    assert "trained on 0 to 1" in out and "Nothing is clamped" in out


def test_grain_before_an_enlargement_is_risky(capsys, model, tmp_path):
    encoded = color.encode(sample())
    noisy = color.decode((encoded + np.random.default_rng(0).normal(0, 5 / 255, encoded.shape)).astype(np.float32))
    _, topics, report = judged(capsys, model, write(tmp_path, noisy))
    assert topics["noise"] == "risky" and report["verdict"] == "risky"


def test_grain_is_no_risk_to_a_model_that_does_not_enlarge(capsys, model, tmp_path):
    folder = tmp_path / "same"
    folder.mkdir()
    path = graphs.save(graphs.identity(), folder / "model.onnx")
    cards.save(dataclasses.replace(CARD, scale=1, sha256=cards.file_sha256(path)), str(folder))
    encoded = color.encode(sample())
    noisy = color.decode((encoded + np.random.default_rng(0).normal(0, 5 / 255, encoded.shape)).astype(np.float32))
    _, topics, _ = judged(capsys, folder, write(tmp_path, noisy))
    assert topics["noise"] == "works"


def test_a_plate_that_was_enlarged_before_is_risky(capsys, model, tmp_path):
    _, topics, _ = judged(capsys, model, write(tmp_path, resample.upscale(sample(), 2)))
    assert topics["detail"] == "risky"


def test_an_8_bit_picture_in_an_exr_is_risky(capsys, model, tmp_path):
    codes = np.rint(color.linear_to_srgb(np.clip(sample(), 0, 1)) * 255) / 255
    _, topics, _ = judged(capsys, model, write(tmp_path, color.srgb_to_linear(codes.astype(np.float32))))
    assert topics["source"] == "risky"


def test_one_channel_works_as_a_grey_picture(capsys, model, tmp_path):
    code, _, report = judged(capsys, model, write(tmp_path, sample()[..., :1], "Y"))
    assert (code, report["verdict"]) == (0, "works")


def test_two_channels_are_a_no_with_the_exit_code_of_a_refusal(capsys, model, tmp_path):
    code, topics, report = judged(capsys, model, write(tmp_path, sample()[..., :2], "RG"))
    assert (code, report["verdict"], topics) == (12, "no", {"channels": "no"})


def test_many_nans_are_risky_and_a_frame_of_them_is_a_no(capsys, model, tmp_path):
    pixels = sample()
    pixels[:20] = np.nan
    assert judged(capsys, model, write(tmp_path, pixels))[1]["NaN/Inf"] == "risky"
    pixels[:] = np.inf
    code, topics, _ = judged(capsys, model, write(tmp_path, pixels))
    assert (code, topics["NaN/Inf"]) == (12, "no")


def test_a_plate_smaller_than_the_model_needs_is_risky(capsys, model, tmp_path):
    assert judged(capsys, model, write(tmp_path, sample()[:12, :40]))[1]["size"] == "risky"


def test_a_model_that_looks_at_neighbours_wants_more_than_one_frame(capsys, model, tmp_path):
    change(model, inputs=(Port("input", 3, frame_offsets=(-1, 0, 1), range=(-0.1, 2.5)),))
    assert judged(capsys, model, write(tmp_path, sample()))[1]["motion"] == "risky"
    assert "motion" not in judged(capsys, model, SAMPLES)[1]


def test_a_likeness_is_named_with_its_scope(capsys, model):
    change(model, likeness=Likeness("A. Performer", "The Show", "2030-01-01"))
    main(["preflight", str(model), SAMPLES])
    assert "A. Performer, The Show, until 2030-01-01" in capsys.readouterr().out


def test_a_bare_file_is_risky_for_want_of_a_card(capsys, model):
    (model / "card.json").unlink()
    code, topics, report = judged(capsys, model / "model.onnx", SAMPLES)
    assert (code, report["verdict"], topics["card"]) == (0, "risky", "risky")


def test_frames_may_be_named(capsys, model):
    main(["preflight", str(model), SAMPLES, "--frames", "1002-1003", "--json"])
    assert json.loads(capsys.readouterr().out)["frames"] == [1002, 1003]


def test_a_frame_that_is_not_there_is_a_missing_input(capsys, model):
    assert main(["preflight", str(model), SAMPLES, "--frames", "1100"]) == 10
    assert "1100" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "expected"), [(1, [0]), (3, [0, 1, 2]), (9, [0, 4, 8]), (100, [0, 50, 99])])
def test_few_frames_are_spread_over_the_shot(count, expected):
    assert list(preflight.spread(range(count), 3)) == pytest.approx(expected, abs=1)
