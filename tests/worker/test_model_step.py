"""A model on a plate: every kind of input, what must stay as it was, and what the user is told."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import graphs
from bipack.card import Knob, ModelCard, Port, file_sha256, save
from bipack.catalog import locate
from bipack.errors import CorruptInput, UsageError
from bipack.imaging import color
from bipack.imaging.frame import Frame, Part
from bipack.worker import model_check
from bipack.worker.model_step import ModelStep
from bipack.worker.step import StepControl, StepInput, knob_values
from plates import plate

PLATE = Port("plate", 3)
RESULT = Port("output", 3)


def install(folder: Path, model: Any, inputs: tuple[Port, ...], knobs: tuple[Knob, ...] = (), scale: int = 1) -> str:
    """A model with a card; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = graphs.save(model, folder / "model.onnx")
    save(
        ModelCard(
            name=folder.name,
            title="Test",
            version="1",
            purpose="a test",
            file="model.onnx",
            sha256=file_sha256(path),
            kind="image",
            inputs=inputs,
            outputs=(RESULT,),
            knobs=knobs,
            scale=scale,
        ),
        str(folder),
    )
    return str(folder)


def process(
    model: str, frames: Frame | dict[int, Frame], knobs: dict[str, Any] | None = None, **given: Any
) -> tuple[Frame, list[str]]:
    """Run one frame; returns the result and what the user was told."""
    step, told = ModelStep(locate(model), "cpu"), []
    told.extend(step.notices)
    values = knob_values(step.knobs, knobs or {}, 0, step.name)
    by_offset = frames if isinstance(frames, dict) else {0: frames}
    control = StepControl(lambda fraction: None, told.append, threading.Event())
    result = step.process(StepInput(given.pop("frame", 1001), by_offset, knobs=values, **given), control)
    step.close()
    return result, told


def rgb(frame: Frame) -> np.ndarray:
    return np.stack([np.float32(frame.parts[0].channels[name]) for name in "RGB"], axis=-1)


def matte_frame(matte: np.ndarray, like: Frame) -> Frame:
    part = like.parts[0]
    return Frame([Part({"A": matte.astype(np.float16)}, part.data_window, part.display_window)])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_an_identity_keeps_the_bits_of_half_and_float(tmp_path: Path, dtype: type) -> None:
    before = plate(dtype=dtype)
    before.parts[0].channels["R"][0, :4] = [65504, -65504, 6e-8, 1e-3]
    model = graphs.save(graphs.identity(), tmp_path / "i.onnx")
    after, _ = process(model, before)
    for name, pixels in before.parts[0].channels.items():
        np.testing.assert_array_equal(pixels, after.parts[0].channels[name])


def test_the_model_sees_encoded_light_and_its_answer_is_decoded(tmp_path: Path) -> None:
    model = install(tmp_path / "half", _scaled_by(0.5), (dataclasses.replace(PLATE, name="input"),))
    after, _ = process(model, plate())
    expected = color.decode(color.encode(rgb(plate())) * np.float32(0.5))
    np.testing.assert_allclose(rgb(after), expected, rtol=1e-3, atol=1e-6)


def test_a_linear_card_is_fed_as_the_plate_is(tmp_path: Path) -> None:
    folder = install(tmp_path / "half", _scaled_by(0.5), (dataclasses.replace(PLATE, name="input"),))
    save(dataclasses.replace(locate(folder).card, color="linear"), folder)
    after, _ = process(folder, plate())
    np.testing.assert_allclose(rgb(after), rgb(plate()) * 0.5, rtol=1e-3, atol=1e-6)


def _scaled_by(gain: float) -> Any:
    b = graphs.Builder()
    return b.model(b.op("Mul", "input", b.const([gain])), output_shape=(1, 3, "H", "W"))


def test_a_matte_input_is_fed_with_the_matte(tmp_path: Path) -> None:
    model = install(tmp_path / "m", graphs.masked(), (PLATE, Port("matte", 1, "matte", optional=True)))
    before, matte = plate(), np.zeros((24, 40))
    matte[8:16, 8:20] = 1
    after, _ = process(model, before, matte=matte_frame(matte, before))
    np.testing.assert_array_equal(rgb(before)[matte == 0], rgb(after)[matte == 0])
    assert (rgb(before)[matte == 1] != rgb(after)[matte == 1]).mean() > 0.9


def test_without_a_matte_an_optional_matte_input_is_all_white(tmp_path: Path) -> None:
    model = install(tmp_path / "m", graphs.masked(), (PLATE, Port("matte", 1, "matte", optional=True)))
    before = plate()
    white, _ = process(model, before, matte=matte_frame(np.ones((24, 40)), before))
    none, _ = process(model, before)
    np.testing.assert_array_equal(rgb(white), rgb(none))


def test_a_matte_of_another_data_window_is_placed_by_its_window(tmp_path: Path) -> None:
    model = graphs.save(_scaled_by(0.5), tmp_path / "m.onnx")
    before = plate()
    part = before.parts[0]
    small = dataclasses.replace(part.data_window, xmin=part.data_window.xmin + 10, xmax=part.data_window.xmin + 13)
    matte = Frame([Part({"A": np.ones((24, 4), np.float16)}, small, part.display_window)])
    after, _ = process(model, before, matte=matte)
    changed = (rgb(before) != rgb(after)).any(axis=(0, 2))
    assert changed[10:14].all() and not changed[:10].any() and not changed[14:].any()


def test_a_matte_of_another_format_is_refused(tmp_path: Path) -> None:
    model = graphs.save(_scaled_by(0.5), tmp_path / "m.onnx")
    before = plate()
    window = dataclasses.replace(before.parts[0].display_window, xmax=9)
    with pytest.raises(CorruptInput, match="Reformat"):
        process(model, before, matte=Frame([Part({"A": np.ones((24, 40), np.float16)}, window, window)]))


def test_a_soft_matte_mixes_in_light(tmp_path: Path) -> None:
    model = graphs.save(_scaled_by(0.5), tmp_path / "m.onnx")
    before = plate(dtype=np.float32)
    full, _ = process(model, before)
    half, _ = process(model, before, matte=matte_frame(np.full((24, 40), 0.5), before))
    np.testing.assert_allclose(rgb(half), 0.5 * rgb(before) + 0.5 * rgb(full), rtol=1e-5, atol=1e-6)


def test_mix_zero_is_the_plate_bit_for_bit_and_one_the_result(tmp_path: Path) -> None:
    model = graphs.save(_scaled_by(0.5), tmp_path / "m.onnx")
    full, _ = process(model, plate())
    np.testing.assert_array_equal(rgb(process(model, plate(), {"mix": 0})[0]), rgb(plate()))
    np.testing.assert_array_equal(rgb(process(model, plate(), {"mix": 1})[0]), rgb(full))


def test_an_amount_reaches_the_graph(tmp_path: Path) -> None:
    knob = Knob("strength", "float", 0.0, input="amount")
    inputs = (dataclasses.replace(PLATE, name="input"), Port("amount", 1, "amount"))
    model = install(tmp_path / "a", graphs.with_amount(), inputs, (knob,))
    np.testing.assert_array_equal(rgb(process(model, plate())[0]), rgb(plate()))
    assert (rgb(process(model, plate(), {"strength": 0.5})[0]) != rgb(plate())).mean() > 0.9


def _with_noise() -> Any:
    b = graphs.Builder()
    x = b.op("Add", "plate", b.op("Mul", "noise", b.const([0.01])))
    return b.model(x, [("plate", (1, 3, "H", "W")), ("noise", (1, 1, "H", "W"))], (1, 3, "H", "W"))


def test_noise_depends_on_seed_and_frame_and_not_on_tiles(tmp_path: Path) -> None:
    model = install(tmp_path / "n", _with_noise(), (PLATE, Port("noise", 1, "noise")))
    first = rgb(process(model, plate())[0])
    np.testing.assert_array_equal(first, rgb(process(model, plate(), tile="16")[0]))
    assert (first != rgb(process(model, plate(), {"seed": 1})[0])).mean() > 0.5
    assert (first != rgb(process(model, plate(), frame=1002)[0])).mean() > 0.5
    assert model_check.passes(model_check.check(locate(model)))


def _average_of_three() -> Any:
    b = graphs.Builder()
    parts = b.op("Split", "plate", outputs=3, axis=1, num_outputs=3)
    total = b.op("Add", b.op("Add", parts[0], parts[1]), parts[2])
    return b.model(b.op("Div", total, b.const([3.0])), [("plate", (1, 9, "H", "W"))], (1, 3, "H", "W"))


def test_neighbour_frames_are_stacked_in_the_order_of_the_card(tmp_path: Path) -> None:
    model = install(tmp_path / "t", _average_of_three(), (Port("plate", 3, frame_offsets=(-1, 0, 1)),))
    frames = {offset: plate(seed=offset + 5, dtype=np.float32) for offset in (-1, 0, 1)}
    after, _ = process(model, frames)
    expected = color.decode(sum(color.encode(rgb(frame)) for frame in frames.values()) / np.float32(3))
    np.testing.assert_allclose(rgb(after), expected, rtol=1e-4, atol=1e-6)


def test_a_neighbour_of_another_size_is_an_error(tmp_path: Path) -> None:
    model = install(tmp_path / "t", _average_of_three(), (Port("plate", 3, frame_offsets=(-1, 0, 1)),))
    with pytest.raises(CorruptInput, match="one size"):
        process(model, {-1: plate(width=30), 0: plate(), 1: plate()})


ALIGNED = (Port("plate", 3, frame_offsets=(0, -1, 1), aligned=True),)


def _moving(step: int, height: int = 72, width: int = 96) -> Frame:
    """A frame of a camera that pans over soft random shapes, with an alpha and a layer of its own."""
    wide = np.random.default_rng(3).random((height + 40, width + 40, 3), np.float32)
    wide = cv2.GaussianBlur(wide, (0, 0), 3)
    shown = 8 * (wide[20 + step : 20 + step + height, 20 + 2 * step : 20 + 2 * step + width] - 0.45)
    frame = plate(width=width, height=height, dtype=np.float32)
    for index, name in enumerate("RGB"):
        frame.parts[0].channels[name] = np.ascontiguousarray(shown[:, :, index])
    return frame


def test_aligned_neighbours_lie_on_the_current_frame(tmp_path: Path) -> None:
    moved = {offset: _moving(offset) for offset in (-1, 0, 1)}
    aligned, _ = process(install(tmp_path / "a", _average_of_three(), ALIGNED), moved)
    stacked, _ = process(
        install(tmp_path / "s", _average_of_three(), (Port("plate", 3, frame_offsets=(0, -1, 1)),)), moved
    )
    inner, before = np.s_[8:-8, 8:-8], rgb(moved[0])
    assert np.abs(rgb(aligned) - before)[inner].mean() < 0.1 * np.abs(rgb(stacked) - before)[inner].mean()


def test_a_cut_and_the_ends_of_a_shot_are_seen_as_one_frame(tmp_path: Path) -> None:
    model = install(tmp_path / "a", _average_of_three(), ALIGNED)
    here, other = _moving(0), plate(width=96, height=72, seed=9, dtype=np.float32)
    for frames in ({-1: other, 0: here, 1: other}, {-1: here, 0: here, 1: here}):
        after, _ = process(model, frames)
        np.testing.assert_allclose(rgb(after), rgb(here), rtol=1e-5, atol=1e-6)


def test_tiles_change_nothing_where_neighbours_are_aligned(tmp_path: Path) -> None:
    model = install(tmp_path / "a", _average_of_three(), ALIGNED)
    moved = {offset: _moving(offset) for offset in (-1, 0, 1)}
    whole, _ = process(model, moved, tile="4096")
    tiled, _ = process(model, moved, tile="32")
    np.testing.assert_array_equal(rgb(tiled), rgb(whole))


def test_grey_neighbours_are_taken_as_the_grey_plate_is(tmp_path: Path) -> None:
    frames = {}
    for offset in (-1, 0, 1):
        frames[offset] = _moving(offset)
        channels = frames[offset].parts[0].channels
        frames[offset].parts[0].channels = {"Y": channels["G"]}
    after, _ = process(install(tmp_path / "a", _average_of_three(), ALIGNED), frames)
    before = frames[0].parts[0].channels["Y"]
    assert np.abs(after.parts[0].channels["Y"] - before)[8:-8, 8:-8].mean() < 0.02


@pytest.mark.parametrize("scale", [1, 2])
def test_nan_and_inf_stay_where_they_are_and_spread_nowhere(tmp_path: Path, scale: int) -> None:
    model = graphs.save(graphs.plain_sr(scale=scale, layers=3, channels=4, seed=2), tmp_path / "m.onnx")
    before = plate()
    before.parts[0].channels["G"][10, 20] = np.nan
    before.parts[0].channels["B"][3, 3] = np.inf
    after, told = process(model, before)
    bad = ~np.isfinite(rgb(after))
    assert bad.sum() == 2 * scale * scale
    assert np.isnan(rgb(after)[10 * scale, 20 * scale, 1]) and rgb(after)[3 * scale, 3 * scale, 2] == np.inf
    assert any("2 pixels are NaN or infinite" in text for text in told)


def test_nan_that_a_model_makes_is_told(tmp_path: Path) -> None:
    model = graphs.save(graphs.nan_producing(), tmp_path / "m.onnx")
    _, told = process(model, plate())
    assert any("The model made" in text for text in told)


@pytest.mark.parametrize("tile", ["24", "31", "auto"])
def test_tiles_change_nothing(tmp_path: Path, tile: str) -> None:
    model = graphs.save(graphs.unet(depth=2), tmp_path / "m.onnx")
    before = plate(width=150, height=97, dtype=np.float32)
    whole, _ = process(model, before, tile="4096")
    tiled, _ = process(model, before, tile=tile if tile == "auto" else str(int(tile) * 3))
    np.testing.assert_allclose(rgb(tiled), rgb(whole), rtol=2e-5, atol=2e-6)


def test_a_tile_that_is_all_overlap_is_refused(tmp_path: Path) -> None:
    model = graphs.save(graphs.plain_sr(scale=1, layers=8, channels=4), tmp_path / "m.onnx")
    with pytest.raises(UsageError, match="auto"):
        process(model, plate(), tile="8")


def test_another_layer_can_be_worked_on(tmp_path: Path) -> None:
    model = graphs.save(_scaled_by(0.5), tmp_path / "m.onnx")
    before = plate()
    for name in "RGB":
        before.parts[0].channels[f"diffuse.{name}"] = np.ones((24, 40), np.float16)
    after, _ = process(model, before, layer="diffuse")
    np.testing.assert_array_equal(rgb(after), rgb(before))
    assert (after.parts[0].channels["diffuse.R"] != 1).all()
