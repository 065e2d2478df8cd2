"""Fresh, stale, missing: what the status line and the guards say after changes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphs
from bipack.imaging.image_io import write_frame
from host_scene import Scene, gain_card, gain_model, install_model
from plates import plate as plate_frame


@pytest.fixture
def gain(tmp_path: Path) -> str:
    return str(install_model(tmp_path / "models" / "gain", gain_model(), **gain_card()) / "model.onnx")


@pytest.fixture
def cooked(gui: Scene, gain: str) -> tuple[Scene, Any, Any]:
    """A scene with Read → Grade → Bipack, cooked."""
    grade = gui.nuke.nodes.Grade(inputs=[gui.plate()])
    node = gui.bipack(grade, gain)
    gui.press(node, "cook_range")
    assert gui.status(node) == "fresh: 1001-1003"
    return gui, node, grade


def check(scene: Scene, node: Any) -> str:
    node["check"].execute()
    assert scene.session.messages == []
    return scene.status(node)


def test_a_knob_above_makes_it_stale_and_names_the_node(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, grade = cooked
    grade["multiply"].setValue(1.5)
    assert check(scene, node) == f"stale: 1001-1003 ({grade.name()} changed)"


def test_taking_a_change_back_makes_it_fresh_again(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, grade = cooked
    grade["multiply"].setValue(1.5)
    scene.press(node, "cook_range")
    grade["multiply"].setValue(1.0)
    assert check(scene, node) == "fresh: 1001-1003"


def test_frames_of_two_settings_never_mix(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, _ = cooked
    node["card_gain"].setValue(2.0)
    scene.nuke.frame(1002)
    scene.press(node, "cook_frame")
    assert scene.status(node) == "fresh: 1002 · missing: 1001,1003"


def test_a_setting_of_the_model_makes_it_stale_as_the_slider_moves(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, _ = cooked
    scene.session.user_sets(node, "card_gain", 1.25)
    assert scene.status(node) == "stale: 1001-1003 (gain changed)"


def test_a_plate_that_was_rendered_again_makes_its_own_frames_stale(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, grade = cooked
    path = grade.input(0)["file"].value() % 1002
    time.sleep(0.01)
    write_frame(path, plate_frame(seed=7))
    assert check(scene, node) == "fresh: 1001,1003 · stale: 1002 (plate.1002.exr was rendered again)"


def test_behind_a_time_warp_any_new_source_frame_makes_all_stale(gui: Scene, gain: str) -> None:
    plate = gui.plate()
    node = gui.bipack(gui.nuke.nodes.TimeOffset(time_offset=1, inputs=[plate]), gain)
    gui.press(node, "cook_range")
    time.sleep(0.01)
    write_frame(plate["file"].value() % 1003, plate_frame(seed=9))
    assert check(gui, node) == "stale: 1001-1003 (plate.%04d.exr was rendered again)"


@pytest.mark.parametrize(
    "change",
    [
        lambda scene, node, grade: grade.setName("Helligkeit"),
        lambda scene, node, grade: grade.setXYpos(300, -20),
        lambda scene, node, grade: grade["label"].setValue("warmer"),
        lambda scene, node, grade: node.setName("Korn"),
        lambda scene, node, grade: node["mix"].setValue(0.3),
        lambda scene, node, grade: node["tile"].setValue("256"),
        lambda scene, node, grade: node["device"].setValue("cpu"),
        lambda scene, node, grade: scene.write(grade),
    ],
    ids=["rename above", "move", "label", "rename", "mix", "tile", "device", "a Write beside"],
)
def test_what_changes_no_pixel_of_the_result_keeps_it_fresh(
    cooked: tuple[Scene, Any, Any], change: Callable[..., Any]
) -> None:
    scene, node, grade = cooked
    change(scene, node, grade)
    assert check(scene, node) == "fresh: 1001-1003"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda scene, node, grade: node["depth"].setValue("float"), "cache depth changed"),
        (lambda scene, node, grade: grade["disable"].setValue(True), "Grade1 changed"),
        (lambda scene, node, grade: node.setInput(0, scene.nuke.nodes.Blur(size=3, inputs=[grade])), "Blur1 was added"),
        (lambda scene, node, grade: node.setInput(0, grade.input(0)), "Grade1 was removed"),
    ],
    ids=["cache depth", "disable above", "node added", "node removed"],
)
def test_what_changes_the_result_is_named(
    cooked: tuple[Scene, Any, Any], change: Callable[..., Any], word: str
) -> None:
    scene, node, grade = cooked
    change(scene, node, grade)
    assert word in check(scene, node)


def test_an_expression_above_counts_through_its_source(gui: Scene, gain: str) -> None:
    control = gui.nuke.nodes.NoOp(name="Control")
    control.addKnob(gui.nuke.Double_Knob("amount", "amount"))
    control["amount"].setValue(1.0)
    grade = gui.nuke.nodes.Grade(inputs=[gui.plate()])
    grade["multiply"].setExpression("Control.amount")
    node = gui.bipack(grade, gain)
    gui.press(node, "cook_range")
    control["amount"].setValue(2.0)
    assert check(gui, node) == f"stale: 1001-1003 ({grade.name()} changed)"


def test_another_model_makes_it_stale(cooked: tuple[Scene, Any, Any], tmp_path: Path) -> None:
    scene, node, _ = cooked
    node["model_file"].setValue(graphs.save(graphs.identity(), tmp_path / "other.onnx"))
    assert "model changed" in check(scene, node)


def test_the_same_network_with_other_painted_frames_makes_it_stale(cooked: tuple[Scene, Any, Any], gain: str) -> None:
    scene, node, _ = cooked
    card_path = Path(gain).with_name("card.json")
    card = json.loads(card_path.read_text("utf-8"))
    card["painted"] = {"files": [{"file": "painted_1001.exr", "sha256": "0" * 64, "frame": 1001}], "error": 0.001}
    card_path.write_text(json.dumps(card), "utf-8")
    assert "model changed" in check(scene, node)


def test_a_new_version_of_bipack_makes_it_stale(
    cooked: tuple[Scene, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, node, _ = cooked
    monkeypatch.setattr(scene.host("recipe"), "__version__", "9.9.9")
    assert "Bipack is 9.9.9 now" in check(scene, node)


def test_a_node_below_goes_stale_with_the_one_above(gui: Scene, gain: str) -> None:
    first = gui.bipack(gui.plate(), gain)
    second = gui.bipack(first, gain)
    gui.press(second, "cook_range")
    first["card_gain"].setValue(2.0)
    assert check(gui, second) == f"stale: 1001-1003 ({first.name()} changed)"


def test_a_node_below_goes_stale_with_the_finishing_of_the_one_above(gui: Scene, gain: str) -> None:
    first = gui.bipack(gui.plate(), gain)
    second = gui.bipack(first, gain)
    gui.press(second, "cook_range")
    first["finish_grain"].setValue("synthetic")
    assert check(gui, second) == f"stale: 1001-1003 ({first.name()} changed)"
    first["finish_grain"].setValue("off")
    assert check(gui, second) == "fresh: 1001-1003"
    first.node("FinishClump_green")["matrix"].setValue(0.5, 60)
    assert check(gui, second) == f"stale: 1001-1003 ({first.name()} changed)"


def test_keys_and_expressions_above_are_the_same_recipe_on_every_frame(gui: Scene, gain: str) -> None:
    first = gui.bipack(gui.plate(), gain)
    first["mix"].setExpression("(frame - 1000) / 3")
    grade = gui.nuke.nodes.Grade(inputs=[first])
    grade["disable"].setExpression("frame > 1002")
    second = gui.bipack(grade, gain)
    gui.press(second, "cook_range")
    assert gui.session.messages == []
    for frame in (1001, 1003):
        gui.nuke.frame(frame)
        assert check(gui, second) == "fresh: 1001-1003"


def test_knobs_of_a_node_that_is_off_do_not_matter(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, grade = cooked
    grade["disable"].setValue(True)
    scene.press(node, "cook_range")
    grade["multiply"].setValue(4.0)
    assert check(scene, node) == "fresh: 1001-1003"


def test_a_copy_shows_and_continues_the_frames_of_its_original(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, grade = cooked
    node.selectOnly()
    scene.nuke.nodeCopy("%clipboard%")
    copy = scene.nuke.nodePaste("%clipboard%")
    copy.setInput(0, grade)
    assert copy.name() != node.name()
    assert check(scene, copy) == "fresh: 1001-1003"


def test_a_script_under_a_new_version_keeps_its_frames(cooked: tuple[Scene, Any, Any], tmp_path: Path) -> None:
    scene, node, _ = cooked
    for version in ("v001", "v002"):
        scene.nuke.scriptSaveAs(f"{tmp_path}/shot_{version}.nk", 1)
        assert check(scene, node) == "fresh: 1001-1003"


def test_a_frame_that_was_deleted_is_missing(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, _ = cooked
    os.unlink(node.node("Cooked")["file"].value() % 1002)
    assert check(scene, node) == "fresh: 1001,1003 · missing: 1002"


def test_frames_without_a_record_are_not_trusted(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, _ = cooked
    os.unlink(Path(node.node("Cooked")["file"].value()).parent / "frames" / "1003.json")
    assert check(scene, node) == "fresh: 1001-1002 · stale: 1003 (what it was made from is not known)"


# -- the guard before a render in the GUI ----------------------------------------------------------------------------


def test_a_render_of_a_node_that_was_never_cooked_is_stopped(gui: Scene, gain: str) -> None:
    node = gui.bipack(gui.plate(), gain)
    with pytest.raises(RuntimeError, match=f"{node.name()} has no cooked frames"):
        gui.nuke.execute(gui.write(node), 1001, 1001)


def test_a_render_that_would_take_the_plate_is_stopped(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, _ = cooked
    node["show"].setValue("plate")
    with pytest.raises(RuntimeError, match="shows the plate"):
        scene.nuke.execute(scene.write(node), 1001, 1001)


def test_a_render_of_stale_frames_is_stopped_unless_they_are_wanted(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, grade = cooked
    grade["multiply"].setValue(1.5)
    write = scene.write(node)
    with pytest.raises(RuntimeError, match=f"{node.name()} is stale .{grade.name()} changed"):
        scene.nuke.execute(write, 1001, 1001)
    node["stale_frames"].setValue("use")
    scene.nuke.execute(write, 1001, 1001)


def test_a_disabled_node_stops_nothing(gui: Scene, gain: str) -> None:
    node = gui.bipack(gui.plate(), gain)
    node["disable"].setValue(True)
    gui.nuke.execute(gui.write(node), 1001, 1001)


def test_a_missing_frame_inside_the_range_stops_a_render(cooked: tuple[Scene, Any, Any]) -> None:
    scene, node, _ = cooked
    os.unlink(node.node("Cooked")["file"].value() % 1002)
    write = scene.write(node)
    with pytest.raises(RuntimeError):
        scene.nuke.execute(write, 1001, 1003)
    node["missing"].setValue("black")
    scene.nuke.execute(write, 1002, 1002)
