"""A model under a matte runs on the matte's part of the frame, and gives what the whole frame would give."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphs
from bipack.card import ModelCard, Port, file_sha256, save
from bipack.catalog import locate
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.tiling import Margins, TileGeometry
from bipack.worker import matte_window
from bipack.worker.model_step import ModelStep
from bipack.worker.step import StepControl, StepInput, knob_values

HEIGHT, WIDTH = 150, 210


def gated() -> Any:
    """plate + mask * something strided that sees far: what a region model is."""
    b = graphs.Builder(3)
    deep = b.op("Relu", b.conv("input", 3, 6, strides=[2, 2]))
    deep = b.op("Relu", b.conv(deep, 6, 6, strides=[2, 2]))
    change = b.conv(b.conv_transpose(b.conv_transpose(deep, 6, 6), 6, 6), 6, 3)
    result = b.op("Add", "input", b.op("Mul", change, "mask"))
    return b.model(result, [("input", (1, 3, "H", "W")), ("mask", (1, 1, "H", "W"))], (1, 3, "H", "W"))


def install(folder: Path, model: Any, kind: str, inputs: tuple[Port, ...]) -> str:
    folder.mkdir()
    path = graphs.save(model, folder / "model.onnx")
    card = ModelCard(name=folder.name, title="Test", version="1", purpose="a test", file="model.onnx",
                     sha256=file_sha256(path), kind=kind, inputs=inputs, outputs=(Port("output", 3),))  # fmt: skip
    save(card, str(folder))
    return str(folder)


@pytest.fixture(params=["region", "image"])
def step(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A model that takes the matte as an input, and one whose result is laid in by it."""
    ports = (Port("input", 3), Port("mask", 1, "matte"))
    if request.param == "region":
        folder = install(tmp_path / "m", gated(), "region", ports)
    else:
        folder = install(tmp_path / "m", graphs.unet(depth=2), "image", ports[:1])
    opened = ModelStep(locate(folder), "cpu")
    yield opened
    opened.close()


def picture(bad: bool = False) -> Frame:
    pixels = np.random.default_rng(1).normal(0.4, 0.5, (HEIGHT, WIDTH, 3)).astype(np.float32)
    if bad:
        pixels[2, 3], pixels[70, 100, 1] = np.nan, np.inf
    box = Box.of_size(WIDTH, HEIGHT)
    return Frame([Part({name: np.ascontiguousarray(pixels[..., i]) for i, name in enumerate("RGB")}, box, box)])


def matte(rows: slice, columns: slice) -> Frame:
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    plane[rows, columns] = np.random.default_rng(2).uniform(0.2, 1, plane[rows, columns].shape)
    box = Box.of_size(WIDTH, HEIGHT)
    return Frame([Part({"A": plane}, box, box)])


def ran(step: ModelStep, plate: Frame, under: Frame, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, int]:
    """The result, and how many pixels the model saw."""
    seen: list[int] = []
    run = step.session.run

    def counted(feeds: Any, *rest: Any, **more: Any) -> Any:
        seen.append(int(np.prod(feeds["input"].shape[2:])))
        return run(feeds, *rest, **more)

    monkeypatch.setattr(step.session, "run", counted)
    control = StepControl(lambda share: None, lambda text: None, threading.Event())
    result = step.process(StepInput(1, {0: plate}, under, knobs=knob_values(step.knobs, {}, 0, "m")), control)
    channels = result.parts[0].channels
    return np.stack([channels[name] for name in "RGB"], -1), sum(seen)


@pytest.mark.parametrize("where", [(slice(60, 90), slice(97, 131)), (slice(0, 20), slice(190, 210))])
@pytest.mark.parametrize("bad", [False, True])
def test_a_part_gives_what_the_whole_frame_gives(
    step: ModelStep, where: tuple[slice, slice], bad: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate, under = picture(bad), matte(*where)
    part, few = ran(step, plate, under, monkeypatch)
    monkeypatch.setattr(matte_window, "allowed", lambda *_: False)
    whole, many = ran(step, plate, under, monkeypatch)
    assert few < 0.4 * many
    assert np.array_equal(np.isnan(part), np.isnan(whole))
    assert np.nanmax(np.abs(np.where(np.isfinite(part), part, 0) - np.where(np.isfinite(whole), whole, 0))) < 1e-5
    before = np.stack([plate.parts[0].channels[name] for name in "RGB"], -1)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[where] = False
    assert np.array_equal(part[outside].view(np.uint32), before[outside].view(np.uint32))
    assert (part[where] != before[where]).mean() > 0.9


def test_an_empty_matte_runs_no_model(step: ModelStep, monkeypatch: pytest.MonkeyPatch) -> None:
    plate = picture(bad=True)
    result, seen = ran(step, plate, matte(slice(0, 0), slice(0, 0)), monkeypatch)
    before = np.stack([plate.parts[0].channels[name] for name in "RGB"], -1)
    assert seen == 0 and np.array_equal(result.view(np.uint32), before.view(np.uint32))


def test_the_window_lies_where_tiles_lie_and_the_rest_is_covered_once() -> None:
    geometry = TileGeometry(halo=Margins(10, 10, 10, 10), alignment=16)
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    plane[77:80, 50:60] = -0.5
    found = matte_window.window(plane, geometry)
    assert found == (slice(64, 96), slice(32, 80))
    count = np.zeros((HEIGHT, WIDTH), int)
    for rows, columns in (found, *matte_window.around(found, HEIGHT, WIDTH)):
        count[rows, columns] += 1
    assert (count == 1).all()
    assert matte_window.around((slice(0, HEIGHT), slice(0, WIDTH)), HEIGHT, WIDTH) == []


def test_a_model_that_may_change_what_lies_outside_its_matte_sees_the_frame() -> None:
    exact = TileGeometry()
    assert matte_window.allowed("region", True, exact) and not matte_window.allowed("pair", True, exact)
    assert matte_window.allowed("image", False, exact)
    for other in ({"tiling": "blend"}, {"scale": 2}, {"fixed": (64, 64)}):
        assert not matte_window.allowed("region", True, TileGeometry(**other))
