"""Slow motion in Nuke: frames of the node are times of the plate, from the knobs to the cooked files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bipack.imaging.image_io import read_frame, write_frame
from finishing_scene import frame_of
from host_scene import Scene
from plates import plate as plate_frame


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "none"))


def slow_motion(scene: Scene, plate: Any, by: str = "factor", matte: Any = None, **values: Any) -> Any:
    node = scene.bipack(plate, "classical", matte, gizmo="BipackSlowMo")
    node["timing_by"].setValue(by)
    for name, value in values.items():
        node[name].setValue(value)
    return node


def stored(node: Any, frame: int) -> np.ndarray:
    path = str(node.node("Cooked")["file"].value()) % frame
    return read_frame(path).parts[0].channels["G"]


def test_cook_range_makes_the_whole_result_and_keys_are_the_plate(gui: Scene, no_models: None) -> None:
    node = slow_motion(gui, gui.plate(), slow_factor=3)
    gui.press(node, "cook_range")
    assert gui.session.messages == []
    assert node["retimed"].value() == "1001-1007 (7 frames) from 1001-1003"
    assert node["status"].value() == "fresh: 1001-1007"
    assert (node.node("Cooked")["first"].value(), node.node("Cooked")["last"].value()) == (1001, 1007)
    for frame, source in ((1001, 1001), (1004, 1002), (1007, 1003)):
        np.testing.assert_array_equal(stored(node, frame), plate_frame(seed=source).parts[0].channels["G"])
    assert not np.array_equal(stored(node, 1002), stored(node, 1001))


def test_a_curve_on_the_knob_runs_back_and_freezes(gui: Scene, no_models: None) -> None:
    node = slow_motion(gui, gui.plate(), by="curve")
    curve = node["timing"]
    curve.clearAnimated()
    curve.setAnimated()
    for frame, time in ((1001, 1003.0), (1002, 1001.0), (1003, 1001.0)):
        curve.setValueAt(time, frame)
    gui.press(node, "cook_range")
    assert gui.session.messages == []
    for frame, source in ((1001, 1003), (1002, 1001), (1003, 1001)):
        np.testing.assert_array_equal(stored(node, frame), plate_frame(seed=source).parts[0].channels["G"])


def test_another_timing_is_stale_and_a_plate_frame_rendered_again_touches_its_own(gui: Scene, no_models: None) -> None:
    plate = gui.plate()
    node = slow_motion(gui, plate, slow_factor=2)
    gui.press(node, "cook_range")
    pattern = str(plate["file"].value())
    write_frame(pattern % 1003, plate_frame(seed=7))
    gui.press(node, "check")
    assert "fresh: 1001-1003" in node["status"].value()
    assert "stale: 1004-1005" in node["status"].value()
    node["slow_factor"].setValue(4)
    gui.press(node, "check")
    assert "stale" in node["status"].value() and "timing changed" in node["status"].value()


def test_what_is_above_is_needed_on_plate_frames_and_the_ends_are_held(terminal: Scene, no_models: None) -> None:
    first = slow_motion(terminal, terminal.plate(), slow_factor=2)
    second = slow_motion(terminal, first, slow_factor=4, use_plate_range=False, first=1001, last=1003)
    running = terminal.host("running")
    needs = terminal.host("graph").needs(terminal.write(second), [1001, 1006, 2000], running.window_of)
    assert [(need.node.name, need.frames) for need in needs] == [
        (first.name(), (1001, 1002, 1003)),
        (second.name(), (1001, 1006, 1009)),
    ]


def test_what_feeds_the_mask_is_needed_on_frames_of_the_result(terminal: Scene, no_models: None) -> None:
    plate = terminal.plate()
    above, mask = slow_motion(terminal, plate, slow_factor=2), slow_motion(terminal, plate, slow_factor=4)
    node = slow_motion(terminal, above, slow_factor=3, use_plate_range=False, first=1001, last=1003)
    node.setInput(2, mask)
    running = terminal.host("running")
    needs = terminal.host("graph").needs(terminal.write(node), [1002, 1007], running.window_of)
    assert {need.node.name: need.frames for need in needs} == {
        above.name(): (1001, 1002, 1003),
        mask.name(): (1002, 1007),
        node.name(): (1002, 1007),
    }
    node.setInput(2, above)
    needs = terminal.host("graph").needs(terminal.write(node), [1002, 1007], running.window_of)
    # As plate 1001 to 1003; as mask 1002 and 1007, which is after its last frame, 1005.
    assert {need.node.name: need.frames for need in needs} == {
        above.name(): (1001, 1002, 1003, 1005),
        node.name(): (1002, 1007),
    }


def green(node: Any, frame: int) -> np.ndarray:
    import stand_in

    return np.asarray(stand_in.evaluate(node, frame).array("rgba.green"))


def test_the_cooked_result_lies_over_the_plate_in_the_same_timing(terminal: Scene, no_models: None) -> None:
    plate = terminal.plate()
    node = slow_motion(terminal, plate, "speed", speed=-25)
    terminal.press(node, "cook_range")
    keys, between = {1001: 1003, 1005: 1002, 1009: 1001}, {1002: 1003, 1003: 1003, 1004: 1002, 1006: 1002}
    for frame, source in keys.items():
        np.testing.assert_array_equal(green(node, frame), green(plate, source))
    assert not any(np.array_equal(green(node, frame), green(plate, source)) for frame, source in between.items())
    node["finish_grain"].setValue("synthetic")
    for frame, source in keys.items():
        np.testing.assert_array_equal(green(node, frame), green(plate, source))
    node["mix"].setValue(0)
    for frame, source in {**keys, **between}.items():
        np.testing.assert_array_equal(green(node, frame), green(plate, source))
    assert (node.firstFrame(), node.lastFrame()) == (1001, 1009)


def test_grain_is_as_strong_between_frames_as_on_them(terminal: Scene, no_models: None, tmp_path: Path) -> None:
    random, strength = np.random.default_rng(0), 0.02
    still = cv2.GaussianBlur(random.normal(0, 1.5, (96, 128, 3)).astype(np.float32), (0, 0), 6) + 0.4
    for frame in (1001, 1002):
        grainy = (still + random.normal(0, strength, still.shape)).astype(np.float32)
        write_frame(str(tmp_path / f"grainy.{frame}.exr"), frame_of(grainy), compression="none")
    node = slow_motion(terminal, terminal.read(str(tmp_path / "grainy.%04d.exr"), range(1001, 1003)), slow_factor=2)
    terminal.press(node, "cook_range")
    node["finish_working_space"].setValue("linear")
    for knot in range(8):
        node[f"finish_sigma{knot}"].setValue([strength] * 3)

    def share_of_grain(frame: int) -> float:
        return float((green(node, frame)[::-1] - still[..., 1])[8:-8, 8:-8].std()) / strength

    assert share_of_grain(1002) < 0.75
    node["finish_grain"].setValue("synthetic")
    assert share_of_grain(1002) == pytest.approx(1.0, abs=0.05)
    assert share_of_grain(1001) == pytest.approx(1.0, abs=0.03)


def test_a_part_of_the_plate_in_percent_backwards(terminal: Scene, no_models: None) -> None:
    node = slow_motion(terminal, terminal.plate(), "speed", speed=-50, use_plate_range=False, first=1001, last=1002)
    terminal.press(node, "cook_range")
    for frame, source in ((1001, 1002), (1003, 1001)):
        np.testing.assert_array_equal(stored(node, frame), plate_frame(seed=source).parts[0].channels["G"])


def test_a_matte_is_rendered_for_both_plate_frames(gui: Scene, no_models: None) -> None:
    plate = gui.plate()
    matte = gui.nuke.nodes.Expression(expr3="x < 30", inputs=[plate])
    node = slow_motion(gui, plate, matte=matte, slow_factor=2)
    gui.host("knobs").load_model(gui.host("node").BipackNode(node))
    node["card_matte_use"].setValue("protect")
    gui.press(node, "cook_range")
    assert gui.session.messages == []
    before = [plate_frame(seed=seed).parts[0].channels["G"].astype(np.float32) for seed in (1001, 1002)]
    mixed = stored(node, 1002).astype(np.float32)[:, :20]
    np.testing.assert_allclose(mixed, 0.5 * (before[0] + before[1])[:, :20], rtol=2e-3, atol=1e-3)


def test_knobs_that_make_no_sense_are_one_sentence(terminal: Scene, no_models: None) -> None:
    from bipack.errors import UsageError

    node = slow_motion(terminal, terminal.plate(), "speed", speed=0)
    with pytest.raises(UsageError, match="speed is 0"):
        terminal.press(node, "cook_range")
