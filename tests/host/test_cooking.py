"""Cooking from the node's buttons, with the real worker and real EXR files."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphs
from bipack.client import Worker
from bipack.errors import BipackError
from bipack.imaging.image_io import write_frame
from host_scene import Scene, channel_of, gain_card, gain_model, install_model
from plates import plate as plate_frame


@pytest.fixture
def identity(tmp_path: Path) -> str:
    return graphs.save(graphs.identity(), tmp_path / "identity.onnx")


@pytest.fixture
def gain(tmp_path: Path) -> str:
    return str(install_model(tmp_path / "models" / "gain", gain_model(), **gain_card()) / "model.onnx")


def assert_is_plate(scene: Scene, pattern: str, frames: range) -> None:
    """RGB of the files is the plate's to the bit."""
    for frame in frames:
        expected = plate_frame(seed=frame).parts[0].channels
        for channel in "RGB":
            found = channel_of(pattern % frame, channel).astype(np.float16)
            np.testing.assert_array_equal(found, expected[channel], f"{channel} of {frame}")


def test_cook_range_in_the_gui_returns_at_once_and_shows_the_result(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    node["cook_range"].execute()
    running = gui.host("running")
    assert running.is_cooking()
    assert gui.session.main_thread.pump_until(lambda: not running.is_cooking(), 60)
    assert gui.session.messages == []
    assert gui.status(node) == "fresh: 1001-1003"
    assert node["show"].value() == "result"
    assert_is_plate(gui, node.node("Cooked")["file"].value(), range(1001, 1004))


def test_the_result_reaches_the_render_below(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    write = gui.write(node)
    gui.press(node, "cook_range")
    gui.nuke.execute(write, 1001, 1003)
    assert_is_plate(gui, write["file"].value(), range(1001, 1004))


def test_terminal_mode_cooks_at_once(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(terminal.plate(), identity)
    node["cook_range"].execute()
    assert terminal.status(node) == "fresh: 1001-1003"
    assert_is_plate(terminal, node.node("Cooked")["file"].value(), range(1001, 1004))


def test_cook_frame_cooks_the_frame_of_the_viewer_only(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    gui.nuke.frame(1002)
    gui.press(node, "cook_frame")
    assert gui.status(node) == "fresh: 1002 · missing: 1001,1003"


def test_cooked_inputs_are_removed_and_results_stay(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    gui.press(node, "cook_range")
    folder = Path(node.node("Cooked")["file"].value()).parent
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "frames",
        "out.1001.exr",
        "out.1002.exr",
        "out.1003.exr",
        "recipe.json",
    ]


def test_nuke_renders_the_next_plate_while_the_worker_has_a_frame(
    gui: Scene, identity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cook = gui.host("cook").Cook
    submit, waiting = cook._submit, []

    def counted(self: Any, order: Any) -> None:
        waiting.append([job.frame for job in self._jobs])
        submit(self, order)

    monkeypatch.setattr(cook, "_submit", counted)
    gui.press(gui.bipack(gui.plate(frames=range(1001, 1006)), identity), "cook_range")
    assert waiting[0] == []
    assert [1001] in waiting, "the second frame was rendered before the first was finished"
    assert max(len(frames) for frames in waiting) == 1, "no more than one frame waits beside the one at work"


def test_helper_writes_stay_disabled_and_render_all_leaves_them_alone(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    gui.press(node, "cook_range")
    assert node.node("CookPlate")["disable"].value()
    assert node.node("CookMatte")["disable"].value()
    assert node.node("CookPlate")["file"].value() == "", "a farm submitter would collect it as an input"


def test_other_layers_and_alpha_are_the_plates_own(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    write = gui.write(node)
    gui.press(node, "cook_range")
    gui.nuke.execute(write, 1002, 1002)
    expected = plate_frame(seed=1002).parts[0].channels
    path = write["file"].value() % 1002
    np.testing.assert_array_equal(channel_of(path, "A").astype(np.float16), expected["A"])
    np.testing.assert_array_equal(channel_of(path, "depth.Z"), expected["depth.Z"])


def test_mix_and_matte_work_over_the_plate(gui: Scene, gain: str) -> None:
    plate = gui.plate()
    half = gui.nuke.nodes.Expression(expr3="x < 30", inputs=[plate])
    node = gui.bipack(plate, gain, half)
    node["card_gain"].setValue(3.0)
    node["mix"].setValue(0.5)
    write = gui.write(node)
    gui.press(node, "cook_range")
    gui.nuke.execute(write, 1001, 1001)
    before = plate_frame(seed=1001).parts[0].channels["R"].astype(np.float32)
    after = channel_of(write["file"].value() % 1001)
    # The data window begins at x = 7.
    np.testing.assert_allclose(after[:, :23], before[:, :23] * 2.0, rtol=2e-3)
    np.testing.assert_array_equal(after[:, 23:], before[:, 23:])


def test_a_model_that_takes_the_matte_is_given_it_and_the_mask_is_left_off(gui: Scene, tmp_path: Path) -> None:
    from bipack.card import Port

    b = graphs.Builder()
    product = b.op("Mul", "input", "matte")
    graph = b.model(product, [("input", (1, 3, "H", "W")), ("matte", (1, 1, "H", "W"))], (1, 3, "H", "W"))
    ports = (Port("input", 3), Port("matte", 1, role="matte", optional=True))
    folder = install_model(tmp_path / "masked", graph, kind="masked", color="linear", inputs=ports)
    plate = gui.plate()
    matte = gui.nuke.nodes.Expression(expr3="x < 30", inputs=[plate])
    node = gui.bipack(plate, str(folder / "model.onnx"), matte)
    assert not node["restrict"].value()
    gui.press(node, "cook_frame")
    assert gui.session.messages == []
    before = plate_frame(seed=1001).parts[0].channels["R"]
    np.testing.assert_array_equal(gui.result(node, 1001)[:, :23], before[:, :23])


def test_super_res_makes_a_larger_picture_and_the_plate_is_shown_at_its_size(
    gui: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "site"))
    install_model(tmp_path / "site" / "double", graphs.identity(scale=2), scale=2, gizmo="BipackSuperRes")
    plate = gui.plate()
    node = gui.host("menu").create("BipackSuperRes", "double")
    node.setInput(0, plate)
    assert (node.width(), node.height()) == (2 * plate.width(), 2 * plate.height())
    gui.press(node, "cook_frame")
    assert gui.session.messages == []
    assert (node.width(), node.height()) == (2 * plate.width(), 2 * plate.height())
    expected = plate_frame(seed=1001).parts[0].channels["R"].repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(gui.result(node, 1001), expected)
    assert channel_of(node.node("Cooked")["file"].value() % 1001, "depth.Z").shape == expected.shape


@pytest.mark.parametrize(("knob", "value", "factor"), [("card_factor", 1.5, 1.5), ("card_width", 100, None)])
def test_super_res_of_any_factor_fits_the_plate_to_the_result(
    gui: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knob: str, value: float, factor: float | None
) -> None:
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "site"))
    install_model(tmp_path / "site" / "double", graphs.identity(scale=2), scale=2, gizmo="BipackSuperRes")
    plate = gui.plate()
    node = gui.host("menu").create("BipackSuperRes", "double")
    node.setInput(0, plate)
    node[knob].setValue(value)
    gui.host("buttons").knob_changed(node, node[knob])
    expected = factor or value / plate.width()
    assert node["factor"].value() == pytest.approx(expected)
    gui.press(node, "cook_frame")
    assert gui.session.messages == []
    wanted = (round(plate.width() * expected), round(plate.height() * expected))
    assert (node.width(), node.height()) == wanted
    assert (node.node("Cooked").width(), node.node("Cooked").height()) == wanted


def test_a_bare_onnx_tells_its_size_by_its_first_frame(gui: Scene, tmp_path: Path) -> None:
    plate = gui.plate()
    node = gui.bipack(plate, graphs.save(graphs.identity(scale=2), tmp_path / "bare.onnx"))
    assert node["factor"].value() == 1
    gui.press(node, "cook_frame")
    assert gui.session.messages == []
    assert node["factor"].value() == 2


def test_an_animated_setting_has_its_value_on_each_frame(gui: Scene, gain: str) -> None:
    node = gui.bipack(gui.plate(), gain)
    knob = node["card_gain"]
    knob.setAnimated()
    knob.setValueAt(1.0, 1001)
    knob.setValueAt(3.0, 1003)
    gui.press(node, "cook_range")
    for frame, factor in ((1001, 1.0), (1002, 2.0), (1003, 3.0)):
        before = plate_frame(seed=frame).parts[0].channels["R"].astype(np.float32)
        np.testing.assert_allclose(gui.result(node, frame).astype(np.float32), before * factor, rtol=2e-3)


def test_a_model_that_looks_at_neighbours_gets_them_and_the_ends_are_held(gui: Scene, tmp_path: Path) -> None:
    from bipack.card import Port

    b = graphs.Builder()
    early, middle, late = b.op("Split", "input", outputs=3, axis=1, num_outputs=3)
    third = b.const([1 / 3])
    mean = b.op("Mul", b.op("Add", b.op("Add", early, middle), late), third)
    graph = b.model(mean, [("input", (1, 9, "H", "W"))], (1, 3, "H", "W"))
    port = Port("input", 3, frame_offsets=(-1, 0, 1))
    folder = install_model(tmp_path / "mean", graph, color="linear", inputs=(port,))
    node = gui.bipack(gui.plate(), str(folder / "model.onnx"))
    gui.press(node, "cook_range")
    assert gui.session.messages == []
    red = {frame: plate_frame(seed=frame).parts[0].channels["R"].astype(np.float32) for frame in (1001, 1002, 1003)}
    for frame, others in ((1001, (1001, 1001, 1002)), (1002, (1001, 1002, 1003)), (1003, (1002, 1003, 1003))):
        expected = sum(red[other] for other in others) / 3
        np.testing.assert_allclose(gui.result(node, frame).astype(np.float32), expected, atol=2e-2, rtol=2e-3)


def test_two_nodes_in_a_row_are_cooked_in_order(gui: Scene, gain: str) -> None:
    first = gui.bipack(gui.plate(), gain)
    second = gui.bipack(first, gain)
    first["card_gain"].setValue(2.0)
    second["card_gain"].setValue(4.0)
    gui.press(second, "cook_range")
    assert gui.session.messages == []
    assert gui.status(first) == gui.status(second) == "fresh: 1001-1003"
    before = plate_frame(seed=1002).parts[0].channels["R"].astype(np.float32)
    np.testing.assert_allclose(gui.result(second, 1002).astype(np.float32), before * 8, rtol=4e-3)


def test_proxy_mode_is_left_while_cooking_and_restored(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    gui.nuke.root().setProxy(True)
    gui.press(node, "cook_frame")
    assert gui.nuke.root().proxy()
    assert_is_plate(gui, node.node("Cooked")["file"].value(), range(1001, 1002))


@pytest.mark.parametrize("name", ["a b", "früh 東京"])
def test_paths_with_spaces_and_unicode(start: Callable[..., Scene], tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    scene = start(gui=True)
    scene.folder = folder
    model = graphs.save(graphs.identity(), folder / "mein Modell.onnx")
    plate = scene.plate()
    scene.nuke.scriptSaveAs(f"{folder}/shot {name}_v001.nk", 1)
    node = scene.bipack(plate, model)
    node["cache"].setValue(f"{folder}/the cache")
    scene.press(node, "cook_range")
    assert scene.session.messages == []
    shown = node.node("Cooked")["file"].value()
    assert shown.startswith(f"{folder}/the cache/shot_")
    assert_is_plate(scene, shown, range(1001, 1004))


def test_float_plates_keep_their_precision_where_the_cache_is_float(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(dtype=np.float32), identity)
    node["depth"].setValue("float")
    gui.press(node, "cook_frame")
    expected = plate_frame(seed=1001, dtype=np.float32).parts[0].channels["R"]
    np.testing.assert_array_equal(gui.result(node, 1001), expected)


def test_every_view_of_a_stereo_script_is_cooked(
    gui: Scene, identity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plate = gui.plate()
    node = gui.bipack(plate, identity)
    monkeypatch.setattr(gui.nuke, "views", lambda: ["left", "right"])
    exr = gui.host("exr")

    def render(write: object, pattern: str, frame: int, views: tuple[str, ...]) -> None:
        """The stand-in has one view: write what Nuke would write for two."""
        for view in views:
            path = pattern.replace("%V", view) % frame
            write_frame(path, plate_frame(seed=frame + 50 * (view == "right")))

    monkeypatch.setattr(exr, "render", render)
    gui.press(node, "cook_range")
    assert gui.session.messages == []
    assert gui.status(node) == "fresh: 1001-1003"
    shown = node.node("Cooked")["file"].value()
    assert shown.endswith("/out.%V.%04d.exr")
    for view, shift in (("left", 0), ("right", 50)):
        for frame in (1001, 1002, 1003):
            expected = plate_frame(seed=frame + shift).parts[0].channels["R"]
            np.testing.assert_array_equal(channel_of(shown.replace("%V", view) % frame), expected)


# -- stopping and failing --------------------------------------------------------------------------------------------


def test_cancel_stops_and_keeps_finished_frames(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(frames=range(1001, 1031)), identity)
    node["cook_range"].execute()
    running = gui.host("running")
    folder = Path(gui.host("state").outlook(gui.host("node").BipackNode(node)).folder.path)
    assert gui.session.main_thread.pump_until(lambda: (folder / "frames" / "1001.json").exists(), 60)
    node["cancel"].execute()
    assert gui.session.main_thread.pump_until(lambda: not running.is_cooking(), 60)
    finished = len(list(folder.glob("out.*.exr")))
    assert 1 <= finished < 30
    assert not list(folder.glob("in-*")), "inputs were left behind"
    assert gui.session.messages == [], "a cancel that was asked for needs no dialog"
    gui.press(node, "cook_range")
    assert gui.status(node) == "fresh: 1001-1030"


def test_cancel_of_the_progress_bar_is_the_same(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(frames=range(1001, 1031)), identity)
    gui.session.cancel_progress = lambda task: task._progress > 5
    gui.press(node, "cook_range")
    assert "missing" in gui.status(node)


def test_cancel_without_a_cook_says_so(gui: Scene, identity: str) -> None:
    gui.bipack(gui.plate(), identity)["cancel"].execute()
    assert gui.session.messages == ["Nothing is cooking."]


def test_one_cook_at_a_time(gui: Scene, identity: str) -> None:
    plate = gui.plate()
    first, second = gui.bipack(plate, identity), gui.bipack(plate, identity)
    first["cook_range"].execute()
    second["cook_range"].execute()
    gui.session.main_thread.pump_until(lambda: not gui.host("running").is_cooking(), 60)
    assert len(gui.session.messages) == 1
    assert f"{first.name()} is cooking" in gui.session.messages[0]


def test_a_missing_plate_frame_is_named_and_the_others_stay(gui: Scene, identity: str) -> None:
    plate = gui.plate()
    os.unlink(plate["file"].value() % 1002)
    node = gui.bipack(plate, identity)
    gui.press(node, "cook_range")
    assert len(gui.session.messages) == 1
    assert "1002" in gui.session.messages[0]
    assert gui.status(node).startswith("fresh: 1001")


def test_without_a_plate_the_node_says_what_to_do(gui: Scene, identity: str) -> None:
    node = gui.bipack(None, identity)
    gui.press(node, "cook_frame")
    assert gui.session.messages == [f"{node.name()} has no plate. Connect its first input."]


def test_a_model_that_is_gone_is_named(gui: Scene, tmp_path: Path) -> None:
    node = gui.bipack(gui.plate(), str(tmp_path / "gone.onnx"))
    assert "gone.onnx does not exist" in gui.session.messages[0]
    assert "gone.onnx does not exist" in gui.status(node)


def test_terminal_mode_raises_what_the_gui_would_tell(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(None, identity)
    with pytest.raises(BipackError, match="has no plate"):
        node["cook_frame"].execute()


def test_a_worker_that_dies_is_reported_and_the_next_cook_has_a_fresh_one(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(frames=range(1001, 1031)), identity)
    ready = Worker.shared().start()
    node["cook_range"].execute()
    folder = Path(gui.host("state").outlook(gui.host("node").BipackNode(node)).folder.path)
    assert gui.session.main_thread.pump_until(lambda: (folder / "frames" / "1001.json").exists(), 60)
    os.kill(ready.pid, signal.SIGKILL)
    assert gui.session.main_thread.pump_until(lambda: not gui.host("running").is_cooking(), 60)
    assert len(gui.session.messages) == 1
    assert "fresh one" in gui.session.messages[0]
    gui.press(node, "cook_range")
    assert gui.status(node) == "fresh: 1001-1030"


def test_a_change_above_while_cooking_stops_the_cook(gui: Scene, identity: str) -> None:
    grade = gui.nuke.nodes.Grade(inputs=[gui.plate(frames=range(1001, 1031))])
    node = gui.bipack(grade, identity)
    node["cook_range"].execute()
    folder = Path(gui.host("state").outlook(gui.host("node").BipackNode(node)).folder.path)
    assert gui.session.main_thread.pump_until(lambda: (folder / "frames" / "1001.json").exists(), 60)
    grade["multiply"].setValue(2.0)
    assert gui.session.main_thread.pump_until(lambda: not gui.host("running").is_cooking(), 60)
    assert len(gui.session.messages) == 1
    assert f"{grade.name()} changed" in gui.session.messages[0]


def test_a_node_that_is_deleted_while_it_cooks_ends_its_cook(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(frames=range(1001, 1031)), identity)
    node["cook_range"].execute()
    gui.session.main_thread.pump()
    gui.nuke.delete(node)
    assert gui.session.main_thread.pump_until(lambda: not gui.host("running").is_cooking(), 60)
    assert gui.session.messages == ["A node was deleted while it cooked. Its finished frames stay in the cache."]


def test_while_nuke_renders_a_cook_waits_in_the_gui(gui: Scene, identity: str) -> None:
    plate = gui.plate()
    node, write = gui.bipack(plate, identity), gui.write(plate)
    waited = []

    def pump_in_the_render() -> None:
        gui.session.main_thread.pump_until(lambda: any("waiting" in text for text in messages()), 10)
        waited.append(any("waiting" in text for text in messages()))

    def messages() -> list[str]:
        return [text for task in gui.session.progress_tasks for text in task._messages]

    node["cook_range"].execute()
    gui.nuke.addBeforeFrameRender(pump_in_the_render)
    gui.nuke.execute(write, 1001, 1001)
    gui.nuke.removeBeforeFrameRender(pump_in_the_render)
    assert gui.session.main_thread.pump_until(lambda: not gui.host("running").is_cooking(), 60)
    assert waited == [True]
    assert gui.session.messages == []
    assert gui.status(node) == "fresh: 1001-1003"


def test_while_nuke_renders_a_cook_is_refused_in_terminal_mode(terminal: Scene, identity: str) -> None:
    plate = terminal.plate()
    node, write = terminal.bipack(plate, identity), terminal.write(plate)
    told: list[str] = []

    def press() -> None:
        try:
            node["cook_frame"].execute()
        except BipackError as error:
            told.append(str(error))

    terminal.nuke.addBeforeRender(press)
    terminal.nuke.execute(write, 1001, 1001)
    assert told and "rendering something else" in told[0]
    assert not node.node("Cooked")["file"].value()


def test_clearing_the_cache_asks_first(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(), identity)
    gui.press(node, "cook_range")
    gui.session.answers = [False]
    node["clear_cache"].execute()
    assert gui.status(node) == "fresh: 1001-1003"
    gui.session.answers = [True]
    node["clear_cache"].execute()
    assert gui.status(node) == "not cooked yet"


def test_closing_the_script_stops_the_cook(gui: Scene, identity: str) -> None:
    node = gui.bipack(gui.plate(frames=range(1001, 1031)), identity)
    node["cook_range"].execute()
    gui.session.main_thread.pump()
    gui.nuke.scriptClear()
    assert gui.session.main_thread.pump_until(lambda: not gui.host("running").is_cooking(), 60)
