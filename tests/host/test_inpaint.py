"""BipackInpaint in a script: it gets the mattes and frames it borrows from, hands all layers on, and goes stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import inpaint_scene
from host_scene import ROOT, Scene, channel_of
from inpaint_scene import install_model, write_scene

FRAMES = range(1001, 1010)


@pytest.fixture
def shot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> inpaint_scene.Scene:
    """Nine frames with a thing that moves, and the tiny model on the model path instead of the shipped one."""
    install_model(tmp_path / "site" / "inpaint")
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "site"))
    return write_scene(tmp_path / "shot", count=len(FRAMES))


def build(scene: Scene, shot: inpaint_scene.Scene) -> Any:
    """The node on plate and matte, borrowing from the frames next to each and from two key frames."""
    root = scene.nuke.root()
    for name, value in (("first_frame", FRAMES[0]), ("last_frame", FRAMES[-1]), ("frame", 1005)):
        root[name].setValue(value)
    plate, matte = (scene.read(pattern, FRAMES) for pattern in (shot.plate, shot.matte))
    node = scene.bipack(plate, "inpaint", matte, gizmo="BipackInpaint")
    scene.host("buttons").load_model(node)
    for name, value in (("card_range", 1), ("card_step", 1), ("card_keys", 2), ("card_grain", "off")):
        node[name].setValue(value)
    return node


def test_the_background_is_borrowed_and_every_layer_handed_on(gui: Scene, shot: inpaint_scene.Scene) -> None:
    node = build(gui, shot)
    gui.press(node, "cook_frame")
    assert gui.session.messages == []
    hole = shot.mattes[1005] > 0
    expected = np.float16(shot.truth[1005][..., 0])
    borrowed = gui.result(node, 1005, "inpaint.source")
    # Key frames are the middles of the two halves of the shot.
    assert set(np.unique(borrowed[hole])) <= {1003.0, 1004.0, 1006.0, 1007.0}
    np.testing.assert_array_equal(gui.result(node, 1005)[hole], expected[hole])
    write = gui.write(node)
    gui.nuke.execute(write, 1005, 1005)
    final = write["file"].value() % 1005
    np.testing.assert_array_equal(np.float16(channel_of(final))[hole], expected[hole])
    assert channel_of(final, "depth.Z")[hole].min() >= 50
    np.testing.assert_array_equal(channel_of(final, "inpaint.source"), borrowed)


def test_a_range_is_what_its_frames_are_one_by_one(gui: Scene, shot: inpaint_scene.Scene, tmp_path: Path) -> None:
    node = build(gui, shot)
    for name, value in (("use_script_range", False), ("first", 1007), ("last", 1009)):
        node[name].setValue(value)
    gui.press(node, "cook_range")
    assert gui.session.messages == []
    assert gui.status(node) == "fresh: 1007-1009"
    together = {frame: gui.result(node, frame) for frame in (1007, 1009)}
    node["cache"].setValue(str(tmp_path / "other").replace("\\", "/"))
    for frame, expected in together.items():
        gui.nuke.frame(frame)
        gui.press(node, "cook_frame")
        np.testing.assert_array_equal(gui.result(node, frame), expected)


def test_a_lender_that_was_rendered_again_makes_the_frame_stale(gui: Scene, shot: inpaint_scene.Scene) -> None:
    node = build(gui, shot)
    gui.press(node, "cook_frame")
    node["use_script_range"].setValue(False)
    node["first"].setValue(1005)
    node["last"].setValue(1005)
    Path(shot.plate % 1002).touch()
    node["check"].execute()
    assert gui.status(node) == "fresh: 1005"
    Path(shot.plate % 1006).write_bytes(Path(shot.plate % 1007).read_bytes())
    node["check"].execute()
    assert "plate.1006.exr was rendered again" in gui.status(node)


def test_without_a_matte_the_artist_is_told(gui: Scene, shot: inpaint_scene.Scene) -> None:
    node = build(gui, shot)
    node.setInput(1, None)
    gui.press(node, "cook_frame")
    assert any("needs a matte" in text for text in gui.session.messages)


def test_a_farm_task_asks_only_for_the_frames_that_lend(
    start: Callable[..., Scene], shot: inpaint_scene.Scene, tmp_path: Path
) -> None:
    first = start(gui=False)
    node = build(first, shot)
    first.write(node)
    script = tmp_path / "shot.nk"
    first.nuke.scriptSaveAs(str(script), 1)
    # Of the shot 1001-1009 the frame 1005 needs its neighbours and the key frames 1003 and 1007.
    for frame in (1001, 1002, 1008, 1009):
        for pattern in (shot.plate, shot.matte):
            Path(pattern % frame).unlink()
    raw = ["nuke", "-t", str(ROOT / "farm/bipack_farm.py"), str(script), "-F", "1005"]
    task = start(bipack=False, gui=False, raw_args=raw)
    farm = task.host("farm")
    assert farm.main(farm.task_arguments(raw, [])) == 0
    hole = shot.mattes[1005] > 0
    final = channel_of(str(tmp_path / "final" / "final.1005.exr"))
    np.testing.assert_array_equal(np.float16(final)[hole], np.float16(shot.truth[1005][..., 0])[hole])
