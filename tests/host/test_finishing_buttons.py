"""The preset menus of the finishing gizmos, and the Measure button of BipackRegrain."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from bipack import grain_model
from bipack.errors import UsageError
from bipack.finishing_presets import PRESETS
from bipack.imaging.finishing import grain, regrain, working_space
from finishing_scene import Scene

HEIGHT, WIDTH = 200, 240


@pytest.fixture
def nuke(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """nuke(gui=…): a fresh Nuke with bipack.host not imported yet."""
    import importlib

    import stand_in

    from nuke_fixture import forget_modules

    def begin(**settings: Any) -> ModuleType:
        forget_modules()
        stand_in.start(**settings)
        return importlib.import_module("nuke")

    yield begin
    forget_modules()
    stand_in.forget()


@pytest.mark.parametrize("gizmo", ["BipackEqualizer", "BipackBeauty", "BipackRegrain", "BipackRecombine"])
def test_choosing_a_preset_sets_its_knobs_and_leaves_the_menu_free(
    nuke: Callable[..., ModuleType], tmp_path: Path, gizmo: str
) -> None:
    scene = Scene(nuke(gui=True), gizmo, tmp_path, (64, 48))
    from bipack.host import presets

    scene.node.showControlPanel()
    for name, values in PRESETS[presets.tool_of(scene.node)].items():
        scene.node["preset"].setValue(name)
        presets.knob_changed(scene.node, scene.node["preset"])
        assert scene.node["preset"].value() == "none"
        for knob, value in values.items():
            found = scene.node[knob].value()
            assert found == (pytest.approx(value) if isinstance(value, float) else value), knob


def test_other_knobs_load_no_preset(nuke: Callable[..., ModuleType], tmp_path: Path) -> None:
    scene = Scene(nuke(gui=True), "BipackEqualizer", tmp_path, (64, 48))
    from bipack.host import presets

    scene.node["amount1"].setValue(0.7)
    presets.knob_changed(scene.node, scene.node["amount1"])
    presets.knob_changed(scene.node, scene.node["preset"])
    assert scene.node["amount1"].value() == pytest.approx(0.7)


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    columns = np.linspace(0.02, 0.98, WIDTH, dtype=np.float32)
    return np.broadcast_to(columns[None, :, None] * np.array([1, 0.97, 1.02], np.float32), (HEIGHT, WIDTH, 3)).copy()


@pytest.fixture(scope="module")
def unit() -> np.ndarray:
    random = np.random.default_rng(1)
    free = [cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), s) for s in (0.6, 0.7, 1)]
    planes = np.stack([plane / plane.std() for plane in free], axis=-1)
    return planes @ np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32).T


@pytest.fixture
def measured(
    nuke: Callable[..., ModuleType],
    tmp_path: Path,
    clean: np.ndarray,
    unit: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Scene]:
    """measured(gui): a regrain of grain with a strength of 0.01 + 0.02 luma, Measure not pressed yet."""

    def begin(gui: bool = False) -> Scene:
        scene = Scene(nuke(gui=gui), "BipackRegrain", tmp_path, (WIDTH, HEIGHT))
        strength = 0.01 + 0.02 * working_space.luma(clean)[..., None]
        linear = [working_space.leave(picture.astype(np.float32), "encoded") for picture in (clean + unit * strength,)]
        scene.feed(0, working_space.leave(clean.copy(), "encoded"))
        scene.feed(1, linear[0])
        scene.feed(2, working_space.leave(clean.copy(), "encoded"))
        scene.node["sample"].setValue((100, 60, 180, 140))
        _sample_from_kept_pictures()
        from bipack.host import measure_grain

        # Fewer pixels than an artist waits for; the sums are the same.
        monkeypatch.setattr(measure_grain, "GRID", 40)
        monkeypatch.setattr(measure_grain, "BLOCK", 48)
        return scene

    return begin


def _sample_from_kept_pictures() -> None:
    """Nuke keeps rows that it has made; the stand-in would make the whole picture anew for every pixel read."""
    import stand_in

    session, kept = stand_in.current(), {}

    def sample(node: Any, channel: str, x: float, y: float, frame: float | None) -> float:
        if node not in kept:
            kept[node] = stand_in.evaluate(node)
        return float(kept[node].sample(session.channels.full_name(channel), x, y))

    session.sample = sample


def test_measure_finds_strength_color_and_size(measured: Callable[..., Scene], unit: np.ndarray) -> None:
    scene = measured()
    scene.node["measure"].execute()
    tones = np.array(grain_model.KNOTS[1:])
    found = np.array([scene.node[f"sigma{index}"].value() for index in range(1, len(grain_model.KNOTS))])
    np.testing.assert_allclose(found, np.repeat(0.01 + 0.02 * tones[:, None], 3, 1), rtol=0.15)
    mix = np.array(scene.node.node("GrainMix")["matrix"].value()).reshape(3, 3)
    np.testing.assert_allclose(mix @ mix.T, [[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1]], atol=0.12)
    assert "frame 1" in scene.node["measured"].value()
    row = np.array(scene.node.node("Clump_blue")["matrix"].value()).reshape(11, 11)
    correlation = (row[:, 1:] * row[:, :-1]).sum() / (row * row).sum()
    expected = (unit[:, 1:, 2] * unit[:, :-1, 2]).mean()
    assert abs(correlation - expected) < 0.08


def test_what_was_measured_makes_the_oracles_grain(measured: Callable[..., Scene], clean: np.ndarray) -> None:
    scene = measured()
    from bipack.host import measure_grain

    sigma, mix, responses = measure_grain.read(scene.node)
    measure_grain.fill_in(scene.node, sigma, mix, responses)
    scene.set(grain_from="synthetic")
    profile = grain.GrainProfile(*(np.array(part, np.float32) for part in (sigma, mix, responses)))
    made = regrain.synthetic(profile, np.arange(WIDTH), np.arange(HEIGHT)[::-1], 1, 0)
    expected = regrain.put_back(working_space.leave(clean.copy(), "encoded"), made, profile)
    np.testing.assert_allclose(scene.result(), expected, rtol=1e-3, atol=1e-4)


def test_a_sample_box_that_is_too_small_says_so(measured: Callable[..., Scene]) -> None:
    scene = measured()
    from bipack.host import measure_grain

    scene.node["sample"].setValue((100, 60, 110, 140))
    with pytest.raises(UsageError, match="10x80 pixels"):
        measure_grain.measure(scene.node)


def test_in_the_gui_it_is_a_sentence_and_not_an_exception(measured: Callable[..., Scene]) -> None:
    import stand_in

    scene = measured(gui=True)
    before = scene.node["sigma3"].value()
    scene.node["sample"].setValue((100, 60, 110, 140))
    scene.node["measure"].execute()
    assert any("10x80 pixels" in text for text in stand_in.current().messages)
    assert scene.node["sigma3"].value() == before


def test_a_cancelled_measurement_leaves_the_knobs(
    measured: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = measured(gui=True)
    before = scene.node["sigma3"].value()
    monkeypatch.setattr(sys.modules["nuke"].ProgressTask, "isCancelled", lambda task: True)
    scene.node["measure"].execute()
    assert scene.node["sigma3"].value() == before
