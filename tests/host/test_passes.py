"""BipackDeAge: its panel names models and regions, its buttons make and cook the passes with the real worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bipack.card import Knob
from bipack.errors import MissingInput, UsageError
from host_scene import Scene, gain_card, gain_model, install_model

FRAMES = range(1001, 1003)
RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")


def crops(scene: Scene) -> Any:
    """A Read of crops as `bipack faces` writes them: picture, and mattes as further channels."""
    import OpenEXR

    rng = np.random.default_rng(2)
    for frame in FRAMES:
        planes = {name: rng.uniform(0.1, 0.8, (20, 24)).astype(np.float16) for name in "RGB"}
        for name, rows in (("forehead", slice(0, 6)), ("chin", slice(14, 20))):
            planes[name] = np.zeros((20, 24), np.float16)
            planes[name][rows] = 1
        OpenEXR.File({}, planes).write(str(scene.folder / f"face1.{frame}.exr"))
    root = scene.nuke.root()
    for knob, value in (("first_frame", FRAMES[0]), ("last_frame", FRAMES[-1]), ("frame", FRAMES[0])):
        root[knob].setValue(value)
    return scene.read(str(scene.folder / "face1.%04d.exr"), FRAMES)


def darker(folder: Path) -> str:
    """A model that multiplies the picture by its age."""
    card = {**gain_card(), "knobs": (Knob("age", "float", 1.0, "Age", 0.0, 1.0, input="gain"),)}
    return install_model(folder / "models" / "darker", gain_model(), **card).as_posix()


def de_age(scene: Scene, model: str) -> Any:
    node = scene.nuke.createNode("BipackDeAge")
    node.setInput(0, crops(scene))
    for number, region in ((1, "forehead"), (3, "chin")):
        node[f"model{number}"].setValue(model)
        node[f"region{number}"].setValue(region)
    return node


def pixels(node: Any, frame: int = 1001) -> np.ndarray:
    import stand_in

    return np.asarray(stand_in.evaluate(node, frame).stack(*RGBA))


def test_the_passes_are_made_cooked_and_laid_over_their_regions(terminal: Scene) -> None:
    node = de_age(terminal, darker(terminal.folder))
    node["make_passes"].execute()
    passes = [node.input(number) for number in (1, 2, 3)]
    assert passes[1] is None and {one["bipack_tool"].value() for one in passes if one} == {"BipackModel"}
    node["age1"].setValue(0.5)
    node["cook_passes_range"].execute()
    plate, result = pixels(node.input(0)), pixels(node)
    assert np.allclose(result[:6, :, :3], 0.5 * plate[:6, :, :3], rtol=0.01)
    assert np.allclose(result[14:], plate[14:], atol=2e-3) and np.array_equal(result[6:14], plate[6:14])


def test_a_second_press_keeps_the_nodes_and_follows_the_panel(terminal: Scene) -> None:
    node = de_age(terminal, darker(terminal.folder))
    node["make_passes"].execute()
    first = node.input(1)
    node["region1"].setValue("chin")
    node["make_passes"].execute()
    assert node.input(1).fullName() == first.fullName()
    assert first.input(0)["from0"].value() == "other.chin"
    assert len(terminal.nuke.allNodes("Copy")) == 2


def test_an_age_with_keys_reaches_the_model_frame_by_frame(terminal: Scene) -> None:
    node = de_age(terminal, darker(terminal.folder))
    node["make_passes"].execute()
    node["age1"].setAnimated()
    node["age1"].setValueAt(1.0, 1001)
    node["age1"].setValueAt(0.25, 1002)
    node["cook_passes_range"].execute()
    for frame, age in ((1001, 1.0), (1002, 0.25)):
        plate, result = pixels(node.input(0), frame), pixels(node, frame)
        assert np.allclose(result[:6, :, :3], age * plate[:6, :, :3], rtol=0.01), frame


def test_nothing_is_made_where_something_is_wrong(terminal: Scene) -> None:
    model = darker(terminal.folder)
    node = de_age(terminal, model)
    before = len(terminal.nuke.allNodes())
    node["region3"].setValue("hair")
    with pytest.raises(MissingInput, match=r"other\.hair"):
        node["make_passes"].execute()
    node["region3"].setValue("chin")
    node["model3"].setValue("nobody_has_this")
    with pytest.raises(MissingInput, match="nobody_has_this"):
        node["make_passes"].execute()
    node["model3"].setValue("")
    assert len(terminal.nuke.allNodes()) == before
    node.setInput(1, terminal.nuke.nodes.Grade())
    with pytest.raises(UsageError, match="Grade1"):
        node["make_passes"].execute()
    node["model1"].setValue("")
    with pytest.raises(UsageError, match="names a model"):
        node["make_passes"].execute()
    node.setInput(0, None)
    with pytest.raises(UsageError, match="plate"):
        node["make_passes"].execute()


def test_alpha_as_region_takes_the_plates_own_matte(terminal: Scene) -> None:
    node = de_age(terminal, darker(terminal.folder))
    node["region1"].setValue("alpha")
    node["make_passes"].execute()
    assert node.input(1).input(0).fullName() == node.input(0).fullName()


def test_in_the_gui_the_passes_cook_in_the_background(gui: Scene) -> None:
    node = de_age(gui, darker(gui.folder))
    node["make_passes"].execute()
    gui.press(node, "cook_passes_frame")
    assert gui.session.messages == []
    for number in (1, 3):
        assert gui.status(node.input(number)).startswith("fresh: 1001")


def test_a_plate_that_is_a_copy_itself_is_not_taken_for_the_passes_own(terminal: Scene) -> None:
    node = de_age(terminal, darker(terminal.folder))
    source = node.input(0)
    plate = terminal.nuke.nodes.Copy(inputs=[source, source])
    node.setInput(0, plate)
    node["region1"].setValue("alpha")
    node["make_passes"].execute()
    node["region1"].setValue("forehead")
    node["make_passes"].execute()
    fed = node.input(1).input(0)
    assert fed.fullName() != plate.fullName() and fed.input(0).fullName() == plate.fullName()
    assert plate.input(0).fullName() == source.fullName()
