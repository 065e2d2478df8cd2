"""The finishing tail of the gizmos that run models: bands over the plate, then grain, before mix and matte."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bipack import grain_model
from bipack.imaging.finishing import bands, grain, regrain, working_space
from bipack.imaging.finishing.equalizer import RADII
from bipack.imaging.image_io import write_frame
from finishing_scene import GIZMOS, Scene, frame_of

HEIGHT, WIDTH = 80, 110
WEIGHTS = (0.2, 0.0, 1.0, 1.0, 0.5, 0.9)
MODEL_GIZMOS = sorted(
    path.stem for path in GIZMOS.glob("*.gizmo") if "\n  name ShownResult\n" in path.read_text(encoding="utf-8")
)


MASKS = {"BipackSlowMo": 2}
"""The input that says where the result is kept, where that is not the second."""


@pytest.fixture(scope="module")
def shot() -> np.ndarray:
    pixels = np.random.default_rng(1).normal(0.4, 0.1, (HEIGHT, WIDTH, 3)).astype(np.float32)
    pixels[5:9, 5:9] = 12.0
    return pixels


@pytest.fixture(scope="module")
def cooked(shot: np.ndarray) -> np.ndarray:
    """What a model made of it."""
    return (shot * 1.2 + np.random.default_rng(2).normal(0, 0.03, shot.shape)).astype(np.float32)


@pytest.fixture(params=MODEL_GIZMOS)
def gizmo(
    request: pytest.FixtureRequest, finishing: Callable[..., Scene], shot: np.ndarray, cooked: np.ndarray
) -> Scene:
    scene = finishing(request.param, size=(WIDTH, HEIGHT))
    scene.feed(0, shot)
    path = scene.folder / "cooked.0001.exr"
    write_frame(str(path), frame_of(cooked), compression="none")
    read = scene.node.node("Cooked")
    read["file"].setValue(str(scene.folder / "cooked.%04d.exr"))
    for knob in ("first", "last", "origfirst", "origlast"):
        read[knob].setValue(1)
    if "factor" in scene.node.knobs():
        scene.node["factor"].setValue(1)
    if "finish_grain_on" in scene.node.knobs():
        scene.node["finish_grain_on"].setValue("all frames")
    return scene


def test_there_are_such_gizmos() -> None:
    assert {"BipackModel", "BipackSuperRes", "BipackSlowMo"} <= set(MODEL_GIZMOS)


def test_untouched_it_changes_nothing(gizmo: Scene, cooked: np.ndarray) -> None:
    assert np.array_equal(gizmo.result(), cooked)


def route(gizmo: Scene) -> None:
    gizmo.set(finish_route=True, finish_base=WEIGHTS[5], finish_working_space="encoded")
    gizmo.set(**{f"finish_band{number}": WEIGHTS[number - 1] for number in range(1, 6)})


def test_only_some_bands_of_the_result(gizmo: Scene, shot: np.ndarray, cooked: np.ndarray) -> None:
    route(gizmo)
    expected = bands.recombine(shot, cooked, RADII, WEIGHTS)
    np.testing.assert_allclose(gizmo.result(), expected, rtol=1e-4, atol=1e-4)


def test_mix_and_matte_come_after(gizmo: Scene, shot: np.ndarray, cooked: np.ndarray) -> None:
    route(gizmo)
    matte = np.zeros((HEIGHT, WIDTH), np.float32)
    matte[:, 40:] = 1.0
    gizmo.feed(MASKS.get(gizmo.node["bipack_tool"].value(), 1), matte)
    gizmo.set(mix=0.5, finish_grain="synthetic")
    result = gizmo.result()
    assert np.array_equal(result[matte == 0], shot[matte == 0])
    expected = bands.recombine(shot, cooked, RADII, WEIGHTS)
    strong = grain_of(gizmo, "synthetic", shot)
    expected = regrain.put_back(expected, strong, profile_of(gizmo))
    inside = matte == 1
    np.testing.assert_allclose(result[inside], 0.5 * (shot + expected)[inside], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("how", ["plate", "patches", "synthetic"])
def test_grain_on_the_result(gizmo: Scene, shot: np.ndarray, cooked: np.ndarray, how: str) -> None:
    gizmo.set(finish_grain=how, finish_seed=4, finish_amount=1.5, finish_patch_size=16, finish_working_space="encoded")
    gizmo.node["finish_sample"].setValue((20, 10, 70, 60))
    expected = regrain.put_back(cooked, grain_of(gizmo, how, shot), profile_of(gizmo), amount=1.5)
    np.testing.assert_allclose(gizmo.result(), expected, rtol=1e-3, atol=1e-3)


def profile_of(gizmo: Scene) -> grain.GrainProfile:
    """The measurements that the gizmo holds."""
    sigma = [gizmo.node[f"finish_sigma{index}"].value() for index in range(len(grain_model.KNOTS))]
    clumps = [
        np.array(gizmo.node.node(f"FinishClump_{name}")["matrix"].value()).reshape(11, 11)
        for name in ("red", "green", "blue")
    ]
    responses = [rows[: grain_model.ROWS][::-1, ::-1] for rows in clumps]
    mix = np.array(gizmo.node.node("FinishGrainMix")["matrix"].value()).reshape(3, 3)
    return grain.GrainProfile(*(np.array(part, np.float32) for part in (sigma, mix, responses)))


def grain_of(gizmo: Scene, how: str, shot: np.ndarray) -> np.ndarray:
    """The oracle's unit grain by the gizmo's own degrained plate and measurements."""
    import stand_in

    columns, rows = np.arange(WIDTH), np.arange(HEIGHT)[::-1]
    seed = int(gizmo.node["finish_seed"].value())
    if how == "synthetic":
        return regrain.synthetic(profile_of(gizmo), columns, rows, 1, seed)
    clean = np.ascontiguousarray(stand_in.evaluate(gizmo.node.node("FinishClean"), 1).rgb())
    unit = regrain.unit_grain(working_space.enter(shot, "encoded"), clean, profile_of(gizmo))
    if how == "patches":
        box = 20, HEIGHT - 60, 70, HEIGHT - 10
        regrain.scatter(unit, box, np.ones((HEIGHT, WIDTH), np.float32), columns, rows, 1, seed, 16)
    return unit


def test_measure_fills_in_the_tails_knobs(gizmo: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    import stand_in

    session, kept = stand_in.current(), {}

    def sample(node, channel, x, y, frame):  # type: ignore[no-untyped-def]
        if node not in kept:
            kept[node] = stand_in.evaluate(node, 1)
        return float(kept[node].sample(session.channels.full_name(channel), x, y))

    monkeypatch.setattr(session, "sample", sample)
    from bipack.host import measure_grain

    monkeypatch.setattr(measure_grain, "GRID", 20)
    gizmo.node["finish_sample"].setValue((20, 10, 60, 50))
    before = gizmo.node["finish_sigma4"].value()
    measure_grain.measure(gizmo.node)
    assert gizmo.node["finish_sigma4"].value() != before
    assert "measured at frame" in gizmo.node["finish_measured"].value()
    assert sys.modules["bipack.host.measure_grain"] is measure_grain


def test_written_twice_it_is_there_once() -> None:
    sys.path.insert(0, str(GIZMOS / "finishing_source"))
    try:
        import tail

        text = Path(GIZMOS / "BipackModel.gizmo").read_text(encoding="utf-8")
        assert tail.add_tail(text) == text
        assert text.count("name FinishSizes") == 1
    finally:
        sys.path.remove(str(GIZMOS / "finishing_source"))
