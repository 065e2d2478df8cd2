"""Knobs from Python: values, flags, animation, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stand_in


def test_a_missing_knob_is_a_name_error_by_item_and_none_by_method(nuke: ModuleType) -> None:
    blur = nuke.nodes.Blur()
    with pytest.raises(NameError, match="missing"):
        blur["missing"]
    assert blur.knob("missing") is None


def test_knobs_have_the_classes_of_nuke(nuke: ModuleType) -> None:
    found = {name: nuke.nodes.Blur()[name].Class() for name in ("size", "filter", "channels", "crop", "label", "mix")}
    assert found == {
        "size": "WH_Knob",
        "filter": "Enumeration_Knob",
        "channels": "ChannelMask_Knob",
        "crop": "Boolean_Knob",
        "label": "Multiline_Eval_String_Knob",
        "mix": "Double_Knob",
    }
    assert isinstance(nuke.nodes.Blur()["size"], nuke.Array_Knob)


def test_a_size_is_one_number_until_its_channels_differ(nuke: ModuleType) -> None:
    size = nuke.nodes.Blur()["size"]
    size.setValue(5)
    assert size.value() == 5.0
    size.setValue(7, 1)
    assert (size.value(), size.value(1), size.toScript()) == ([5.0, 7.0], 7.0, "{5 7}")


def test_positions_and_boxes_are_always_lists(nuke: ModuleType) -> None:
    assert nuke.nodes.Transform()["translate"].value() == [0.0, 0.0]
    box = nuke.nodes.Crop()["box"]
    box.setValue([1, 2, 3, 4])
    assert (box.value(), box.r(), box.toDict()["t"]) == ([1, 2, 3, 4], 3.0, 4.0)


@pytest.mark.parametrize(
    ("knob", "value", "error"),
    [
        ("size", "5", TypeError),
        ("size", [1, 2, 3], ValueError),
        ("size", None, TypeError),
        ("filter", "round", TypeError),
        ("filter", 9, ValueError),
        ("crop", "yes", TypeError),
        ("quality", 2.5, TypeError),
        ("label", 5, TypeError),
        ("channels", "nolayer", ValueError),
        ("channels", 3, TypeError),
    ],
)
def test_values_of_the_wrong_kind_are_refused(nuke: ModuleType, knob: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        nuke.nodes.Blur()[knob].setValue(value)


def test_a_file_knob_takes_text_only(nuke: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        nuke.nodes.Read()["file"].setValue(tmp_path)


def test_text_typed_by_a_user_brings_its_frame_range(nuke: ModuleType) -> None:
    read = nuke.nodes.Read()
    read["file"].fromUserText("/plates/a.####.exr 1001-1010")
    assert read["file"].value() == "/plates/a.####.exr"
    assert [read[k].value() for k in ("first", "last", "origfirst", "origlast")] == [1001, 1010, 1001, 1010]


def test_an_enumeration_gives_its_name_and_its_index(nuke: ModuleType) -> None:
    knob = nuke.nodes.Merge2()["operation"]
    assert (knob.value(), int(knob.getValue())) == ("over", knob.values().index("over"))
    knob.setValue(knob.values().index("plus"))
    assert knob.value() == "plus"


def test_new_values_of_an_enumeration_keep_the_chosen_one(nuke: ModuleType) -> None:
    knob = nuke.Enumeration_Knob("pick", "Pick", ["a", "b", "c"])
    nuke.nodes.NoOp().addKnob(knob)
    knob.setValue("c")
    knob.setValues(["c", "d"])
    assert (knob.value(), knob.values()) == ("c", ["c", "d"])
    knob.setValues(["x"])
    assert knob.value() == "x"


def test_flags_have_the_documented_values(nuke: ModuleType) -> None:
    assert (nuke.DISABLED, nuke.NO_ANIMATION, nuke.DO_NOT_WRITE, nuke.INVISIBLE) == (0x80, 0x100, 0x200, 0x400)
    assert (nuke.STARTLINE, nuke.ENDLINE, nuke.KNOB_CHANGED_ALWAYS) == (0x1000, 0x2000, 0x10000)
    assert (nuke.NO_UNDO, nuke.ALWAYS_SAVE, nuke.READ_ONLY) == (0x80000, 0x100000, 0x10000000)
    assert not hasattr(nuke, "HIDDEN")


def test_flags_are_set_cleared_and_asked(nuke: ModuleType) -> None:
    knob = nuke.nodes.Blur()["size"]
    knob.setFlag(nuke.DISABLED)
    assert knob.getFlag(nuke.DISABLED)
    assert not knob.enabled()
    knob.clearFlag(nuke.DISABLED)
    assert knob.enabled()


def test_hiding_a_knob_is_forgotten_by_a_saved_script(nuke: ModuleType, tmp_path: Path) -> None:
    node = nuke.nodes.NoOp(name="N")
    knob = nuke.Double_Knob("gain")
    node.addKnob(knob)
    knob.setVisible(False)
    assert not node["gain"].visible()
    path = str(tmp_path / "a.nk")
    nuke.scriptSaveAs(path, overwrite=1)
    nuke.scriptOpen(path)
    assert nuke.toNode("N")["gain"].visible()


def test_typed_values_are_not_clamped_to_the_slider(nuke: ModuleType) -> None:
    knob = nuke.Double_Knob("gain")
    knob.setRange(0, 1)
    nuke.nodes.NoOp().addKnob(knob)
    knob.setValue(50)
    assert (knob.value(), knob.min(), knob.max()) == (50, 0, 1)


def test_keys_are_interpolated_and_setting_a_value_makes_a_key(nuke: ModuleType) -> None:
    knob = nuke.nodes.Blur()["size"]
    knob.setAnimated(0)
    knob.setValueAt(0, 1, 0)
    knob.setValueAt(10, 11, 0)
    assert knob.isAnimated(0)
    assert not knob.isAnimated(1)
    assert knob.valueAt(6, 0) == pytest.approx(5)
    nuke.frame(6)
    knob.setValue(3, 0)
    assert 6 in knob.getKeyList()
    knob.clearAnimated()
    assert knob.value(0) == 3


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("{{curve x1 0 x11 10} 0}", {0: 0, 1: 0, 6: 5, 11: 10, 20: 10}),
        ("{{curve K x1 2 x5 8} 0}", {1: 2, 4.9: 2, 5: 8}),
        ("{{curve L x0 0 x4 8} 0}", {1: 2, 3: 6}),
        ("{{curve x1 5 6 7} 0}", {1: 5, 2: 6, 3: 7}),
        ("{{frame*2 i} 0}", {3: 6}),
        ('{{"frame > 5 ? 1 : 0"} 0}', {5: 0, 6: 1}),
        ("{4}", {1: 4}),
        ("{{sqrt(9)+ 1}}", {1: 4}),
    ],
)
def test_curves_and_expressions_of_scripts_are_understood(
    nuke: ModuleType, text: str, frames: dict[float, float]
) -> None:
    knob = nuke.nodes.Blur()["size"]
    knob.fromScript(text)
    assert {frame: pytest.approx(knob.valueAt(frame, 0)) for frame in frames} == frames


@pytest.mark.parametrize("text", ["5", "{5 7}", "{{parent.x} 2}", "{{curve x1 0 x10 5} 0}", '{{"a > b"} {"a > b"}}'])
def test_a_value_written_to_a_script_reads_back_the_same(nuke: ModuleType, text: str) -> None:
    first, second = nuke.nodes.Blur()["size"], nuke.nodes.Blur()["size"]
    first.fromScript(text)
    second.fromScript(first.toScript())
    assert second.toScript() == first.toScript()


def test_python_sees_an_animation_as_keys(nuke: ModuleType) -> None:
    knob = nuke.nodes.Blur()["size"]
    assert knob.animation(0) is None
    knob.setAnimated(0)
    curve = knob.animation(0)
    curve.clear()
    curve.addKey([nuke.AnimationKey(1, 2.0), nuke.AnimationKey(5, 4.0)])
    assert [(key.x, key.y) for key in list(curve.keys())] == [(1, 2), (5, 4)]
    assert curve.evaluate(5) == 4


def test_a_link_shows_the_other_knob(nuke: ModuleType) -> None:
    group = nuke.nodes.Group()
    with group:
        nuke.nodes.Blur(name="Soft", size=3)
    link = nuke.Link_Knob("size", "size")
    group.addKnob(link)
    link.makeLink("Soft", "size")
    assert (link.getLink(), link.value()) == ("Soft.size", 3)
    link.setValue(8)
    assert group.node("Soft")["size"].value() == 8
    assert link.getLinkedKnob() is group.node("Soft")["size"]


def test_a_dead_link_has_no_target_and_no_value(nuke: ModuleType) -> None:
    node = nuke.nodes.Group()
    link = nuke.Link_Knob("size")
    node.addKnob(link)
    link.setLink("Nowhere.size")
    assert link.getLinkedKnob() is None
    with pytest.raises(ValueError, match=r"Nowhere\.size"):
        link.value()


def test_a_button_runs_with_its_node_knob_and_group(nuke: ModuleType) -> None:
    group = nuke.nodes.Group(name="Outer")
    with group:
        node = nuke.nodes.NoOp(name="Inner")
    button = nuke.PyScript_Knob("go", "Go", "seen.append((nuke.thisNode(), nuke.thisKnob(), nuke.thisGroup()))")
    node.addKnob(button)
    seen: list[Any] = []
    stand_in.current().python_globals["seen"] = seen
    button.execute()
    assert seen == [(node, button, group)]


def test_a_user_presses_a_button_through_a_link(nuke: ModuleType) -> None:
    group = nuke.nodes.Group()
    with group:
        inner = nuke.nodes.NoOp(name="Inner")
    inner.addKnob(nuke.PyScript_Knob("go", "Go", "seen.append(nuke.thisNode())"))
    link = nuke.Link_Knob("go")
    group.addKnob(link)
    link.setLink("Inner.go")
    seen: list[Any] = []
    stand_in.current().python_globals["seen"] = seen
    stand_in.current().user_presses(group, "go")
    assert seen == [inner]


def test_a_failing_button_fails(nuke: ModuleType) -> None:
    node = nuke.nodes.NoOp()
    node.addKnob(nuke.PyScript_Knob("go", "Go", "1/0"))
    with pytest.raises(ZeroDivisionError):
        node["go"].execute()


def test_where_a_buttons_names_are_looked_up_is_a_setting_because_it_is_uncertain(
    start_nuke: Callable[..., ModuleType],
) -> None:
    for setting, expected in (("parent", None), ("group", "Soft")):
        nuke = start_nuke(button_group=setting)
        group = nuke.nodes.Group()
        with group:
            nuke.nodes.Blur(name="Soft")
        seen: list[Any] = []
        stand_in.current().python_globals["seen"] = seen
        group.addKnob(nuke.PyScript_Knob("go", "Go", "seen.append(nuke.toNode('Soft'))"))
        group["go"].execute()
        assert [node and node.name() for node in seen] == [expected]


def test_a_string_with_brackets_is_evaluated_on_request_only(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur(size=4, label="size [value size]")
    assert node["label"].value() == "size [value size]"
    assert node["label"].evaluate() == "size 4"


def test_a_file_name_expands_the_frame(nuke: ModuleType) -> None:
    node = nuke.nodes.Read(file="/p/a.%04d.exr")
    nuke.frame(12)
    assert node["file"].evaluate() == "/p/a.0012.exr"
    assert nuke.filename(node) == "/p/a.%04d.exr"
    assert nuke.filename(node, nuke.REPLACE) == "/p/a.0012.exr"
    node["file"].setValue("/p/a.######.exr")
    assert node["file"].evaluate() == "/p/a.000012.exr"


def test_a_linked_channel_knob_follows_the_other_one(nuke: ModuleType) -> None:
    group = nuke.nodes.Group()
    with group:
        nuke.nodes.Blur(name="First", channels="alpha")
        second = nuke.nodes.Blur(name="Second")
    second["channels"].fromScript("{{{parent.First.channels}}}")
    assert second["channels"].value() == "alpha"
    assert second["channels"].toScript() == "{{{parent.First.channels}}}"


def test_a_linked_enumeration_follows_by_index(nuke: ModuleType) -> None:
    nuke.nodes.Blur(name="First", filter="box")
    second = nuke.nodes.Blur(name="Second")
    second["filter"].fromScript("{{{First.filter}}}")
    assert second["filter"].value() == "box"


def test_the_check_boxes_of_a_channel_mask_are_read(nuke: ModuleType) -> None:
    knob = nuke.nodes.Blur()["channels"]
    knob.fromScript("{rgba.red -rgba.green -rgba.blue none}")
    assert knob.value() == "rgba.red"
    knob.setValue("red green")
    assert knob.value() == "rgba.red rgba.green"


def test_a_password_is_not_saved(nuke: ModuleType, tmp_path: Path) -> None:
    node = nuke.nodes.NoOp()
    node.addKnob(nuke.Password_Knob("secret"))
    node["secret"].setValue("hunter2")
    nuke.scriptSaveAs(str(tmp_path / "a.nk"), 1)
    assert "hunter2" not in (tmp_path / "a.nk").read_text()


def test_a_format_is_set_by_name_or_by_format(nuke: ModuleType) -> None:
    knob = nuke.root()["format"]
    knob.setValue("HD_1080")
    assert (knob.value().width(), knob.value().name()) == (1920, "HD_1080")
    nuke.addFormat("100 50 0 0 100 50 2 mine")
    knob.setValue("mine")
    assert knob.value().pixelAspect() == 2
    with pytest.raises(ValueError, match="no format"):
        knob.setValue("nothing like it")


def test_nothing_may_be_added_to_a_knob_or_a_node(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur()
    with pytest.raises(AttributeError):
        node.extra = 1
    with pytest.raises(AttributeError):
        node["size"].extra = 1
    with pytest.raises(AttributeError):
        node["size"].noSuchMethod()
