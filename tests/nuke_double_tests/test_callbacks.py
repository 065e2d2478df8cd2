"""Callbacks: registration, order, thisNode, and knobChanged in both of its documented forms."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stand_in

Start = Callable[..., ModuleType]


@pytest.fixture
def log(nuke: ModuleType) -> list[str]:
    """A list that callback text can append to."""
    lines: list[str] = []
    stand_in.current().python_globals["log"] = lines
    return lines


def test_only_callables_are_registered(nuke: ModuleType) -> None:
    with pytest.raises(ValueError, match="callable"):
        nuke.addOnCreate("text")
    with pytest.raises(ValueError, match="dictionary"):
        nuke.addOnCreate(print, (), 5)


def test_the_text_of_the_node_runs_before_its_class_and_that_before_the_star(nuke: ModuleType, log: list[str]) -> None:
    nuke.addOnCreate(lambda: log.append("star"))
    nuke.addOnCreate(lambda: log.append("class"), nodeClass="NoOp")
    nuke.scriptReadText("NoOp {\n inputs 0\n onCreate \"log.append('text')\"\n}\n")
    assert log == ["text", "class", "star"]


def test_arguments_are_handed_over_and_a_single_one_is_wrapped(nuke: ModuleType) -> None:
    seen: list[Any] = []
    nuke.addOnCreate(lambda *a, **k: seen.append((a, k)), "one", {"key": 2}, nodeClass="Blur")
    nuke.nodes.Blur()
    assert seen == [(("one",), {"key": 2})]


def test_the_same_callback_counts_once_and_moves_to_the_end(nuke: ModuleType) -> None:
    seen: list[str] = []

    def first() -> None:
        seen.append("first")

    def second() -> None:
        seen.append("second")

    for call in (first, second, first):
        nuke.addOnCreate(call)
    nuke.nodes.Blur()
    assert seen == ["second", "first"]
    nuke.removeOnCreate(first)
    nuke.nodes.Blur()
    assert seen == ["second", "first", "second"]


def test_an_exception_stops_the_callbacks_after_it(nuke: ModuleType) -> None:
    seen: list[str] = []

    def fail() -> None:
        raise KeyError("broken")

    nuke.addOnCreate(fail, nodeClass="Blur")
    nuke.addOnCreate(lambda: seen.append("later"))
    with pytest.raises(KeyError):
        nuke.nodes.Blur()
    assert seen == []


def test_inner_nodes_are_created_before_their_group(nuke: ModuleType, log: list[str]) -> None:
    nuke.addOnCreate(lambda: log.append(nuke.thisNode().name()))
    nuke.scriptReadText("Group {\n inputs 0\n name G\n}\n Input {\n  inputs 0\n }\n Output {\n }\nend_group\n")
    assert log == ["Input1", "Output1", "G"]


def test_the_users_own_creation_comes_first_and_only_in_the_gui(start_nuke: Start) -> None:
    for gui, expected in ((True, ["user", "create"]), (False, ["create"])):
        nuke, seen = start_nuke(gui=gui), []
        nuke.addOnUserCreate(lambda seen=seen: seen.append("user"))
        nuke.addOnCreate(lambda seen=seen: seen.append("create"))
        nuke.createNode("Blur")
        assert seen == expected
        seen.clear()
        nuke.scriptReadText("Blur {\n inputs 0\n}\n")
        nuke.nodes.Blur()
        assert seen == ["create", "create"]


def test_a_script_is_loaded_after_its_root_was_created(nuke: ModuleType, tmp_path: Path, log: list[str]) -> None:
    path = str(tmp_path / "a.nk")
    nuke.nodes.Blur()
    nuke.scriptSaveAs(path, 1)
    nuke.addOnCreate(lambda: log.append(f"create {nuke.thisClass()}"))
    nuke.addOnScriptLoad(lambda: log.append("load"))
    nuke.addOnScriptClose(lambda: log.append("close"))
    nuke.addOnScriptSave(lambda: log.append("save"))
    nuke.addOnDestroy(lambda: log.append(f"destroy {nuke.thisClass()}"))
    nuke.scriptOpen(path)
    assert log == ["close", "destroy Blur", "create Blur", "create Root", "load"]
    log.clear()
    nuke.scriptSaveAs(path, 1)
    nuke.scriptClear()
    assert log == ["save", "close", "destroy Blur"]


def test_this_node_is_unknown_outside_callbacks(nuke: ModuleType) -> None:
    with pytest.raises(ValueError, match="not attached to a node"):
        nuke.thisNode()
    assert nuke.thisKnob() is None


CHANGED = 'NoOp {\n inputs 0\n name N\n knobChanged "log.append((nuke.thisNode().name(), nuke.thisKnob().name()))"\n}\n'


def changed(start_nuke: Start, mode: str, gui: bool = True) -> tuple[Any, list[Any]]:
    nuke = start_nuke(gui=gui, knob_changed=mode)
    lines: list[Any] = []
    stand_in.current().python_globals["log"] = lines
    nuke.scriptReadText(CHANGED)
    return nuke.toNode("N"), lines


def test_documented_knob_changed_hears_the_user_only(start_nuke: Start) -> None:
    node, log = changed(start_nuke, "documented")
    node["label"].setValue("by script")
    assert log == []
    stand_in.current().user_sets(node, "label", "by hand")
    assert log == [("N", "label")]


def test_newer_knob_changed_hears_scripts_too(start_nuke: Start) -> None:
    node, log = changed(start_nuke, "any", gui=False)
    node["label"].setValue("by script")
    node.setXpos(40)
    assert log == [("N", "label"), ("N", "xpos")]


def test_a_value_that_does_not_change_is_no_change(start_nuke: Start) -> None:
    node, log = changed(start_nuke, "any")
    node["label"].setValue("")
    node["disable"].setValue(False)
    assert log == []


@pytest.mark.parametrize("mode", ["documented", "any"])
def test_panels_and_inputs_come_as_dummy_knobs(start_nuke: Start, mode: str) -> None:
    node, log = changed(start_nuke, mode)
    node.showControlPanel()
    node.setInput(0, node._session.instantiate(node._node_class, node.parent()))
    assert log == [("N", "showPanel"), ("N", "inputChange")]


def test_a_node_made_in_the_gui_shows_its_panel(nuke_gui: ModuleType) -> None:
    seen: list[str] = []
    nuke_gui.addKnobChanged(lambda: seen.append(nuke_gui.thisKnob().name()), nodeClass="Blur")
    assert nuke_gui.createNode("Blur").shown()
    assert not nuke_gui.createNode("Blur", inpanel=False).shown()
    assert seen == ["showPanel"]


@pytest.mark.parametrize("mode", ["documented", "any"])
def test_knob_changed_does_not_call_itself(start_nuke: Start, mode: str) -> None:
    nuke = start_nuke(gui=True, knob_changed=mode)
    seen: list[str] = []

    def change() -> None:
        seen.append(nuke.thisKnob().name())
        nuke.thisNode()["note_font_size"].setValue(len(seen) + 20)

    nuke.addKnobChanged(change, nodeClass="NoOp")
    node = nuke.nodes.NoOp()
    stand_in.current().user_sets(node, "label", "x")
    assert seen == ["label"]


def test_knob_changed_for_one_node_leaves_others_alone(start_nuke: Start) -> None:
    nuke = start_nuke(knob_changed="any")
    first, second = nuke.nodes.NoOp(), nuke.nodes.NoOp()
    seen: list[str] = []
    nuke.addKnobChanged(lambda: seen.append(nuke.thisNode().name()), node=first)
    first["label"].setValue("a")
    second["label"].setValue("a")
    assert seen == [first.name()]


def test_execute_from_knob_changed_is_refused(start_nuke: Start) -> None:
    nuke = start_nuke(knob_changed="any")
    write = nuke.nodes.Write(file="/nowhere/a.exr")
    nuke.addKnobChanged(lambda: nuke.execute(write, 1, 1), nodeClass="NoOp")
    with pytest.raises(RuntimeError, match="I'm already executing something else"):
        nuke.nodes.NoOp()["label"].setValue("x")
    assert not nuke.executing()


def test_update_ui_runs_when_the_gui_is_idle(nuke_gui: ModuleType) -> None:
    seen: list[str] = []
    nuke_gui.addUpdateUI(lambda: seen.append(nuke_gui.thisNode().name()), nodeClass="Blur")
    node = nuke_gui.nodes.Blur()
    assert seen == []
    stand_in.current().idle()
    assert seen == [node.name()]


def test_filename_filters_run_last_first_and_none_changes_nothing(nuke: ModuleType) -> None:
    nuke.addFilenameFilter(lambda name: name + "1")
    nuke.addFilenameFilter(lambda name: name + "2")
    nuke.addFilenameFilter(lambda name: None)
    node = nuke.nodes.Read(file="f")
    assert nuke.filename(node) == "f21"


def test_the_last_autolabel_answers_first(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur()
    for text in ("first", None, "last", None):
        nuke.addAutolabel(lambda text=text: text)
    assert stand_in.current().callbacks.label(node) == "last"


def test_background_callbacks_take_a_context(nuke: ModuleType) -> None:
    seen: list[Any] = []
    nuke.addBeforeBackgroundRender(lambda context: seen.append(context["id"]))
    stand_in.current().callbacks.run_context("beforeBackgroundRender", {"id": 7})
    assert seen == [7]


def test_a_callback_may_not_leave_a_group_open(nuke: ModuleType) -> None:
    group = nuke.nodes.Group()
    nuke.addOnCreate(lambda: group.begin(), nodeClass="Blur")
    with pytest.raises(RuntimeError, match=r"without Group\.end"):
        nuke.nodes.Blur()
    assert nuke.toNode(group.name()) is group
