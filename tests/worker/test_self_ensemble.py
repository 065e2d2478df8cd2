"""Mirrored looks through the real runtime: their mean, its bits, and tiles that are the whole."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphs
from bipack import catalog, enlarge_knobs
from bipack.errors import ModelRefused
from bipack.imaging import color
from bipack.imaging.plate import take
from bipack.worker import tiled
from bipack.worker.model_step import ModelStep
from bipack.worker.self_ensemble import LOOKS
from bipack.worker.session import Session, open_session
from bipack.worker.step import StepControl, StepInput, knob_values
from plates import plate

LOOKED = [looks for looks in LOOKS if looks > 1]


def opened(model: Any, tmp_path: Path) -> Session:
    return open_session(catalog.locate(graphs.save(model, tmp_path / "net.onnx")), threads=1)


def frame(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).random((1, 3, height, width), np.float32)


def run(session: Session, picture: np.ndarray, looks: int, tile: int = 1000) -> np.ndarray:
    """(channels, rows, columns) of the result, put together from its tiles."""
    height, width = picture.shape[2:]
    whole = np.full((3, height * session.card.scale, width * session.card.scale), np.nan, np.float32)
    for region, piece in tiled.iterate(
        session, lambda rows, columns: {"input": picture[..., rows, columns]}, height, width, tile, looks=looks
    ):
        whole[:, region.rows, region.columns] = piece
    return whole


@pytest.mark.parametrize("scale", [1, 2])
def test_eight_looks_are_the_mean_over_the_whole_frame_turned_every_way(tmp_path: Path, scale: int) -> None:
    session = opened(graphs.plain_sr(scale=scale, layers=4), tmp_path)
    picture = frame(40, 56)
    wanted = np.zeros((3, 40 * scale, 56 * scale), np.float64)
    for turns in range(4):
        for mirrored in (False, True):
            seen = np.rot90(picture, turns, (2, 3))
            seen = seen[..., ::-1] if mirrored else seen
            answer = tiled.run_tiled(session, {"input": np.ascontiguousarray(seen)})
            answer = answer[..., ::-1] if mirrored else answer
            wanted += np.rot90(answer, -turns, (1, 2)) / 8
    plain = run(session, picture, 1)
    assert np.abs(plain - wanted).max() > 0.01, "the model must not treat all sides alike, or this proves nothing"
    np.testing.assert_allclose(run(session, picture, 8), wanted, atol=2e-6)


def test_two_looks_mirror_left_to_right_and_four_top_to_bottom_as_well(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(scale=2, layers=3), tmp_path)
    picture = frame(24, 33)

    def looked(rows: int, columns: int) -> np.ndarray:
        seen = np.ascontiguousarray(picture[..., ::rows, ::columns])
        return tiled.run_tiled(session, {"input": seen})[:, ::rows, ::columns]

    two = (looked(1, 1) + looked(1, -1)) / 2
    np.testing.assert_allclose(run(session, picture, 2), two, atol=1e-6)
    np.testing.assert_allclose(run(session, picture, 4), (two + (looked(-1, 1) + looked(-1, -1)) / 2) / 2, atol=1e-6)


@pytest.mark.parametrize("looks", LOOKED)
def test_answers_that_are_all_the_same_keep_their_bits(tmp_path: Path, looks: int) -> None:
    picture = frame(45, 31)
    picture[0, :, 5, 5] = (1e30, -2.5, 6e-8)
    assert np.array_equal(run(opened(graphs.identity(), tmp_path), picture, looks, 20), picture[0])


MODELS = {
    "plain x2": graphs.plain_sr(scale=2, layers=5),
    "u-net 2": graphs.unet(depth=2),
    "unpadded": graphs.unpadded(layers=4),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("looks", LOOKED)
def test_tiled_is_whole_to_the_last_bit(tmp_path: Path, name: str, looks: int) -> None:
    session = opened(MODELS[name], tmp_path)
    picture = frame(123, 187)
    assert np.array_equal(run(session, picture, looks, 96), run(session, picture, looks))


def test_a_model_that_cuts_off_more_on_one_side_is_refused(tmp_path: Path) -> None:
    b = graphs.Builder()
    session = opened(b.model(b.conv("input", 3, 3, pads=[1, 0, 1, 1])), tmp_path)
    assert np.isfinite(run(session, frame(20, 20), 1)).all()
    with pytest.raises(ModelRefused, match="sides differently"):
        run(session, frame(20, 20), 2)


def test_a_model_of_one_size_that_is_not_square_is_mirrored_and_not_turned(tmp_path: Path) -> None:
    session = opened(graphs.fixed_size(48, 64, layers=3), tmp_path)
    assert np.isfinite(run(session, frame(48, 64), 4)).all()
    with pytest.raises(ModelRefused, match="sides differently"):
        run(session, frame(48, 64), 8)


def test_the_knob_reaches_the_model_and_is_not_offered_where_detail_is_made_up() -> None:
    located = catalog.locate("superres_x2_fast")
    step = ModelStep(located, "cpu")
    source = plate()
    made = {}
    try:
        for choice in ("off", "8"):
            values = knob_values(step.knobs, {"self_ensemble": choice}, 0, step.name)
            control = StepControl(lambda share: None, lambda text: None, threading.Event())
            result = step.process(StepInput(1, {0: source}, knobs=values), control)
            made[choice] = color.encode(take(result, "rgba", 3).pixels)
        seen = color.encode(take(source, "rgba", 3).pixels).transpose(2, 0, 1)[None]
        wanted = run_named(step.session, np.ascontiguousarray(seen))
    finally:
        step.close()
    assert np.abs(made["off"] - made["8"]).max() > 1e-3
    np.testing.assert_allclose(made["8"], wanted.transpose(1, 2, 0), atol=2e-3)  # the plate is half float
    gan = catalog.locate("superres_x2_archive_gan").card
    assert located.card is not None and gan is not None
    assert "self_ensemble" in {knob.name for knob in enlarge_knobs.of_card(located.card)}
    for card in (gan, dataclasses.replace(located.card, equivariant=True)):
        assert "self_ensemble" not in {knob.name for knob in enlarge_knobs.of_card(card)}


def run_named(session: Session, seen: np.ndarray) -> np.ndarray:
    """Eight looks at an encoded picture of a model whose input is called otherwise."""
    name = session.card.inputs[0].name
    height, width = seen.shape[2:]
    pieces = tiled.iterate(session, lambda r, c: {name: seen[..., r, c]}, height, width, looks=8)
    ((_, piece),) = list(pieces)
    return piece


EQUIVARIANT = [found.name for found in catalog.installed() if found.card is not None and found.card.equivariant]


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_a_shipped_model_that_says_so_sees_alike_whichever_way_round(name: str) -> None:
    session = open_session(catalog.locate(name), "cpu", threads=1)
    port = session.card.inputs[0]
    planes = port.channels * len(port.frame_offsets)
    seen = np.random.default_rng(3).random((1, planes, 24, 32), np.float32)
    once = tiled.run_tiled(session, {port.name: seen}).copy()
    np.testing.assert_allclose(once, run_named(session, seen), atol=2e-5)


def test_there_are_shipped_models_that_say_so() -> None:
    assert EQUIVARIANT


def test_inside_a_matte_the_mean_is_that_of_the_whole_plate() -> None:
    """The window that is run around a matte is wide enough for every look."""
    step = ModelStep(catalog.locate("deartifact"), "cpu")
    source, made = plate(0, 96, 120), []
    matte = dataclasses.replace(source, parts=[dataclasses.replace(source.parts[0], channels={"A": disc(96, 120)})])
    values = knob_values(step.knobs, {"self_ensemble": "8"}, 0, step.name)
    try:
        for given in (None, matte):
            control = StepControl(lambda share: None, lambda text: None, threading.Event())
            result = step.process(StepInput(1, {0: source}, matte=given, knobs=values), control)
            made.append(take(result, "rgba", 3).pixels)
    finally:
        step.close()
    inside = disc(96, 120) == 1
    assert np.array_equal(made[0][inside], made[1][inside])
    assert np.array_equal(made[1][disc(96, 120) == 0], take(source, "rgba", 3).pixels[disc(96, 120) == 0])
    assert not np.array_equal(made[1][inside], take(source, "rgba", 3).pixels[inside])


def disc(width: int, height: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return (np.hypot(rows - height / 2, columns - width / 2) < 12).astype(np.float32)
