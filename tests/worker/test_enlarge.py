"""Super-res to any size through a model step: geometry, alpha, truth to the plate, and plates that are no plates."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphs
from bipack import enlarge_knobs
from bipack.card import Knob, ModelCard, Port, file_sha256, save
from bipack.catalog import locate
from bipack.errors import UsageError
from bipack.imaging import color, sizing
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.plate import take
from bipack.worker import enlarge_alpha
from bipack.worker.enlarge import larger_model, wanted_size
from bipack.worker.model_step import ModelStep
from bipack.worker.step import StepControl, StepInput, knob_values
from plates import plate


def install(folder: Path, scale: int, model: Any = None) -> str:
    """A super-res model that repeats pixels, or another one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = graphs.save(model or graphs.identity(scale=scale), folder / "model.onnx")
    card = ModelCard(
        name=folder.name,
        title="Test",
        version="1",
        purpose="a test",
        file="model.onnx",
        sha256=file_sha256(path),
        kind="image",
        inputs=(Port("input", 3),),
        outputs=(Port("output", 3),),
        gizmo="BipackSuperRes",
        scale=scale,
    )
    save(card, str(folder))
    return str(folder)


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> str:
    return install(tmp_path_factory.mktemp("models") / "double", 2)


def enlarge(model: str, frame: Frame, **knobs: Any) -> tuple[Frame, list[str]]:
    """One frame through the step; returns the result and what the user was told."""
    step, told = ModelStep(locate(model), "cpu"), []
    layer = knobs.pop("layer", "rgba")
    tile = knobs.pop("tile", "auto")
    values = knob_values(step.knobs, knobs, 0, step.name)
    done: list[float] = []
    control = StepControl(done.append, told.append, threading.Event())
    result = step.process(StepInput(1001, {0: frame}, knobs=values, layer=layer, tile=tile), control)
    step.close()
    assert done == sorted(done) and (not done or done[-1] <= 1)
    return result, told


def picture(channels: dict[str, np.ndarray], dtype: type = np.float32) -> Frame:
    height, width = next(iter(channels.values())).shape
    box = Box.of_size(width, height)
    return Frame([Part({name: plane.astype(dtype) for name, plane in channels.items()}, box, box)])


def grey(plane: np.ndarray, dtype: type = np.float32) -> Frame:
    return picture(dict.fromkeys("RGB", plane), dtype)


def rgb(frame: Frame) -> np.ndarray:
    return np.stack([np.float32(frame.parts[0].channels[name]) for name in "RGB"], axis=-1)


@pytest.mark.parametrize("factor", [1.37, 2.5, 3.0])
def test_any_factor_gives_the_size_and_carries_every_channel(double: str, factor: float) -> None:
    source = plate()
    result, _ = enlarge(double, source, factor=factor)
    part, before = result.parts[0], source.parts[0]
    assert part.display_window.width == sizing.nearest(before.display_window.width * factor)
    assert part.display_window.height == sizing.nearest(before.display_window.height * factor)
    assert list(part.channels) == list(before.channels)
    for name, stored in part.channels.items():
        assert stored.shape == (part.data_window.height, part.data_window.width)
        assert stored.dtype == before.channels[name].dtype
    assert part.attributes == before.attributes
    assert set(np.unique(part.channels["depth.Z"])) <= set(np.unique(before.channels["depth.Z"]))


def test_a_width_decides_over_a_factor(double: str) -> None:
    result, _ = enlarge(double, grey(np.ones((6, 8))), width=20, factor=3.0)
    assert result.parts[0].display_window == Box(0, 0, 19, 14)


def test_the_models_own_factor_goes_the_straight_way(double: str) -> None:
    plain, _ = enlarge(double, plate())
    asked, _ = enlarge(double, plate(), factor=2.0)
    for name, stored in plain.parts[0].channels.items():
        np.testing.assert_array_equal(stored, asked.parts[0].channels[name])


@pytest.mark.parametrize("factor", [1.37, 2.0, 2.5, 3.0])
def test_a_zone_plate_does_not_move(double: str, factor: float) -> None:
    """Against the true rings at the result's own pixel centres; the data window lies off the format's corner."""
    display, data = Box(0, 0, 79, 63), Box(5, 3, 74, 60)

    def rings(width: int, height: int, window: Box) -> np.ndarray:
        x = (np.arange(window.xmin, window.xmax + 1) + 0.5) * 80 / width - 40
        y = (np.arange(window.ymin, window.ymax + 1) + 0.5) * 64 / height - 32
        return 0.5 + 0.3 * np.cos(np.pi * 0.16 * (x[None, :] ** 2 + y[:, None] ** 2) / 40)

    plane = rings(80, 64, data).astype(np.float32)
    source = Frame([Part({**dict.fromkeys("RGB", plane), "A": plane, "spec.R": plane}, data, display)])
    result, _ = enlarge(double, source, factor=factor, alpha="resize")
    part = result.parts[0]
    truth = rings(part.display_window.width, part.display_window.height, part.data_window)
    inner = (slice(8, -8), slice(8, -8))
    down, across = (slope[inner].ravel() for slope in np.gradient(truth))
    for name in ("R", "A", "spec.R"):
        difference = (part.channels[name] - truth)[inner].ravel()
        shift, *_ = np.linalg.lstsq(np.stack([-across, -down], 1), difference, rcond=None)
        assert np.abs(shift).max() < 0.02, name


@pytest.mark.parametrize("factor", [1.37, 3.0])
def test_a_light_of_50000_to_1_overshoots_by_less_than_2_percent(double: str, factor: float) -> None:
    plane = np.full((24, 32), 0.18, np.float32)
    plane[:, 13:20] = 9000.0
    source = picture({"R": plane, "G": plane, "B": plane, "spec.R": plane})
    part = enlarge(double, source, factor=factor)[0].parts[0]
    for name in ("R", "spec.R"):
        assert part.channels[name].max() <= 9000 * 1.02, name
        assert part.channels[name].min() >= 0.17, name


def test_back_projection_brings_the_result_to_the_plate_and_says_so(tmp_path: Path) -> None:
    model = install(tmp_path / "m", 2, graphs.plain_sr(scale=2, layers=3, channels=4, seed=2))
    source = plate(dtype=np.float32)
    result, told = enlarge(model, source, back_projection=4)
    made = rgb(result)
    back = made.reshape(made.shape[0] // 2, 2, made.shape[1] // 2, 2, 3).mean(axis=(1, 3))
    assert np.abs(color.encode(back) - color.encode(rgb(source))).max() < 1e-3
    assert any("back-projection" in line for line in told)
    plain = rgb(enlarge(model, source)[0])
    assert np.abs(plain - made).max() > 0.01


def test_back_projection_does_not_depend_on_tiles(tmp_path: Path) -> None:
    model = install(tmp_path / "m", 2, graphs.plain_sr(scale=2, layers=3, channels=4, seed=2))
    whole, tiled = (rgb(enlarge(model, plate(), back_projection=3, factor=2.5, tile=t)[0]) for t in ("auto", "16"))
    np.testing.assert_allclose(tiled, whole, rtol=2e-3, atol=1e-4)


# Alpha --------------------------------------------------------------------------------------------------------------


def disc(size: int) -> np.ndarray:
    """A disc with an edge one pixel soft, at `size` pixels."""
    rows, columns = np.mgrid[0:size, 0:size] + 0.5
    return np.clip((0.31 * size - np.hypot(rows - size / 2, columns - size * 0.47)) + 0.5, 0, 1).astype(np.float32)


def test_a_guided_alpha_is_nearer_to_the_truth_than_a_resized_one(double: str) -> None:
    """The result is what a perfect model would make: alpha shall follow its edges."""
    truth = disc(96)
    beauty = color.decode(0.2 + 0.5 * truth)
    small, little = (plane.reshape(48, 2, 48, 2).mean(axis=(1, 3)) for plane in (truth, beauty))
    source = picture({**dict.fromkeys("RGB", little), "A": small})
    step = ModelStep(locate(double), "cpu")
    plain = step.process(
        StepInput(1, {0: source}, knobs=knob_values(step.knobs, {"alpha": "resize"}, 0, "")),
        StepControl(lambda fraction: None, lambda text: None, threading.Event()),
    )
    step.close()
    perfect = picture({**dict.fromkeys("RGB", beauty), "A": plain.parts[0].channels["A"]})
    made = enlarge_alpha.enlarge(
        perfect,
        StepInput(1, {0: source}, knobs={"alpha": "guided"}),
        take(source),
        step.card,
        step.session,
        lambda rows, columns: {},
        None,
        StepControl(lambda fraction: None, lambda text: None, threading.Event()),
    )
    errors = [float(np.sqrt(np.mean((f.parts[0].channels["A"] - truth) ** 2))) for f in (made, plain)]
    assert errors[0] < 0.6 * errors[1]
    assert made.parts[0].channels["A"].min() >= 0 and made.parts[0].channels["A"].max() <= 1


def test_alpha_stays_as_it_is_at_the_plates_own_size(tmp_path: Path) -> None:
    model = install(tmp_path / "one", 1, graphs.plain_sr(scale=1, layers=3, channels=4, seed=2))
    source = picture({**dict.fromkeys("RGB", np.random.default_rng(4).random((48, 48), np.float32)), "A": disc(48)})
    part = enlarge(model, source)[0].parts[0]
    assert not np.array_equal(part.channels["R"], source.parts[0].channels["R"])
    assert np.array_equal(part.channels["A"], source.parts[0].channels["A"])


def test_brightness_that_has_nothing_to_do_with_alpha_is_not_followed(double: str) -> None:
    random = np.random.default_rng(3).random((48, 48), dtype=np.float32)
    truth = disc(96)
    source = picture({**dict.fromkeys("RGB", random), "A": truth.reshape(48, 2, 48, 2).mean(axis=(1, 3))})
    made, plain = (enlarge(double, source, alpha=way)[0].parts[0].channels["A"] - truth for way in ("guided", "resize"))
    assert np.sqrt(np.mean(made**2)) < 1.02 * np.sqrt(np.mean(plain**2))


def test_alpha_by_the_model_is_what_the_model_makes_of_a_grey_picture(double: str) -> None:
    alpha = disc(24)
    source = picture({**dict.fromkeys("RGB", np.full((24, 24), 0.5)), "A": alpha})
    made = enlarge(double, source, alpha="model")[0].parts[0].channels["A"]
    np.testing.assert_allclose(made, alpha.repeat(2, 0).repeat(2, 1), atol=1e-6)
    assert enlarge(double, source, alpha="model", factor=2.5)[0].parts[0].channels["A"].shape == (60, 60)


def test_a_solid_alpha_stays_solid_and_a_nan_stays_in_its_place(double: str) -> None:
    solid = picture({**dict.fromkeys("RGB", disc(16)), "A": np.ones((16, 16))}, np.float16)
    assert (enlarge(double, solid, factor=1.5)[0].parts[0].channels["A"] == 1).all()
    alpha = disc(16)
    alpha[4, 6] = np.nan
    made = enlarge(double, picture({**dict.fromkeys("RGB", disc(16)), "A": alpha}))[0].parts[0].channels["A"]
    assert np.isnan(made[8:10, 12:14]).all() and np.isfinite(made).sum() == made.size - 4


# Plates that are no plates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3), (33, 47)])
@pytest.mark.parametrize("factor", [0.0, 2.5])
def test_frames_of_a_pixel_and_odd_sizes(double: str, shape: tuple[int, int], factor: float) -> None:
    result, _ = enlarge(double, grey(np.full(shape, 0.4)), factor=factor)
    assert rgb(result).shape[:2] == tuple(sizing.nearest(side * (factor or 2)) for side in shape)
    np.testing.assert_allclose(rgb(result), 0.4, rtol=1e-5)


def test_a_strip_20000_pixels_wide(double: str) -> None:
    ramp = np.broadcast_to(np.linspace(0.1, 0.9, 20_000, dtype=np.float32), (3, 20_000))
    result, _ = enlarge(double, grey(ramp, np.float16), factor=1.5)
    assert rgb(result).shape == (5, 30_000, 3)
    np.testing.assert_allclose(rgb(result)[2, ::3000, 0], ramp[1, ::2000], atol=2e-3)


@pytest.mark.parametrize("name", ["Y", "A"])
def test_a_single_channel_is_a_grey_picture(double: str, name: str) -> None:
    plane = disc(20)
    made = enlarge(double, picture({name: plane}))[0].parts[0].channels
    assert list(made) == [name]
    np.testing.assert_allclose(made[name], plane.repeat(2, 0).repeat(2, 1), atol=1e-6)


def test_a_frame_of_nothing_but_nan_comes_back_as_nan(double: str) -> None:
    for factor in (0.0, 1.5):
        result, told = enlarge(double, grey(np.full((6, 8), np.nan)), factor=factor, back_projection=2)
        assert np.isnan(rgb(result)).all()
        assert any("NaN" in line for line in told)


def test_a_banded_gradient_of_8_bits_keeps_its_steps_and_its_order(double: str) -> None:
    codes = np.broadcast_to((np.arange(64) // 8 + 100).astype(np.uint8), (6, 64)).copy()
    box = Box.of_size(64, 6)
    source = Frame([Part(dict.fromkeys("RGB", codes), box, box)], "srgb", "png", 8)
    made = enlarge(double, source, factor=1.5)[0].parts[0].channels["G"]
    assert made.dtype == np.uint8
    assert (np.diff(made[0].astype(int)) >= 0).all()
    assert set(np.unique(made)) == set(range(100, 108))


@pytest.mark.parametrize("factor", [0.5, 9.0])
def test_factors_below_1_and_above_8_are_refused(double: str, factor: float) -> None:
    with pytest.raises(UsageError, match="1 to 8"):
        enlarge(double, grey(np.ones((4, 4))), factor=factor)


def test_a_factor_beyond_the_model_names_the_model_that_comes_nearer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = install(tmp_path / "site" / "test_x2", 2)
    install(tmp_path / "site" / "test_x4", 4)
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "site"))
    _, told = enlarge(small, grey(np.ones((4, 4))), factor=3.0)
    assert any("x4" in line and "resize" in line for line in told)
    assert not enlarge(small, grey(np.ones((4, 4))), factor=1.5)[1]


def test_a_card_may_give_a_name_another_meaning() -> None:
    knob = Knob("factor", "float", 1.0, input="amount")
    card = ModelCard(
        "m", "M", "1", "p", "", "", "image", (Port("input", 3),), (Port("output", 3),), scale=2, knobs=(knob,)
    )
    assert "factor" not in {found.name for found in enlarge_knobs.of_card(card)}
    assert enlarge_knobs.chosen(card, {"factor": 0.5, "width": 0}) == {"width": 0}
    assert wanted_size(card, StepInput(1, {}, knobs={"factor": 0.5, "width": 0}), Box(0, 0, 9, 9)) is None


def test_knobs_of_size_are_those_of_super_res_models_only() -> None:
    card = ModelCard("m", "M", "1", "p", "", "", "image", (Port("input", 3),), (Port("output", 3),))
    assert enlarge_knobs.of_card(card) == ()
    assert enlarge_knobs.of_card(None) == ()
    assert enlarge_knobs.result_factor(4, {"factor": 0.0, "width": 0}, 100) == 4
    assert enlarge_knobs.result_factor(4, {"factor": 2.5, "width": 0}, 100) == 2.5
    assert enlarge_knobs.result_factor(4, {"factor": 2.5, "width": 300}, 100) == 3


@pytest.mark.parametrize("name, larger", [("superres_x2", "superres_x4"), ("superres_x2_fast", "superres_x4_fast")])
def test_the_larger_model_that_is_named_is_of_the_same_family(name: str, larger: str) -> None:
    card = locate(name).card
    assert card is not None
    four = sizing.Axis(100, 400)
    assert f" {larger} enlarges 4 times." in larger_model(card, sizing.Sizing(four, four))
