"""Nodes, groups and the graph, as Python sees them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import stand_in

GIZMO = """version 13.0 v1
Gizmo {
 tile_color 0xff00ff
 addUserKnob {20 User}
 addUserKnob {41 size T Soft.size}
 addUserKnob {7 gain R 0 4}
 gain 1
}
 Input {
  inputs 0
  name Plate
 }
 Blur {
  size 3
  name Soft
 }
 Multiply {
  value {{parent.gain}}
  name Gain
 }
 Output {
  name Output1
 }
end_group
"""


@pytest.fixture
def plugin_path(nuke: ModuleType, tmp_path: Path) -> Path:
    """A folder on the plug-in path with a Gizmo and the same as a Group."""
    (tmp_path / "SoftGain.gizmo").write_text(GIZMO)
    (tmp_path / "SoftGroup.gizmo").write_text(GIZMO.replace("Gizmo {", "Group {\n name SoftGroup"))
    nuke.pluginAddPath(str(tmp_path))
    return tmp_path


def test_a_deleted_node_is_not_attached_any_more(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur()
    size = node["size"]
    nuke.delete(node)
    for use in (lambda: node.name(), lambda: node["size"], lambda: size.value(), lambda: size.setValue(3)):
        with pytest.raises(ValueError, match="A PythonObject is not attached to a node"):
            use()
    assert nuke.toNode("Blur1") is None


def test_what_hung_below_a_deleted_node_hangs_on_its_input(nuke: ModuleType) -> None:
    first = nuke.nodes.Constant()
    second = nuke.nodes.Blur(inputs=[first])
    third = nuke.nodes.Blur(inputs=[second])
    nuke.delete(second)
    assert third.input(0) is first


@pytest.mark.parametrize(
    ("name", "expected"), [("Merge2", "Merge1"), ("Blur", "Blur1"), ("CheckerBoard2", "CheckerBoard1")]
)
def test_new_nodes_are_named_by_class_without_its_number(nuke: ModuleType, name: str, expected: str) -> None:
    assert nuke.createNode(name).name() == expected


def test_an_unknown_class_is_an_unknown_command(nuke: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="Blurr: Unknown command"):
        nuke.createNode("Blurr")
    with pytest.raises(AttributeError):
        nuke.nodes.Blurr()
    with pytest.raises(TypeError, match="sise"):
        nuke.nodes.Blur(sise=5)


def test_create_node_reads_knobs_and_connects_to_the_selection(nuke: ModuleType) -> None:
    source = nuke.nodes.Constant()
    source.setSelected(True)
    node = nuke.createNode("Blur", "size {5 3} channels rgb name Soft")
    assert node.input(0) is source
    assert (node["size"].value(), node["channels"].value(), node.name()) == ([5, 3], "rgb", "Soft")
    assert nuke.selectedNodes() == [node]


def test_nodes_dot_class_does_not_connect(nuke: ModuleType) -> None:
    nuke.nodes.Constant().setSelected(True)
    assert nuke.nodes.Blur().input(0) is None


def test_names_are_unique_in_their_group(nuke: ModuleType) -> None:
    first, second = nuke.nodes.Blur(), nuke.nodes.Blur()
    second.setName(first.name())
    assert second.name() == "Blur2"
    with pytest.raises(ValueError, match="already"):
        second.setName("Blur1", uncollide=False)
    with pytest.raises(ValueError, match="not a name"):
        second.setName("a b")


def test_inputs_beyond_the_last_and_loops_are_refused(nuke: ModuleType) -> None:
    first, second = nuke.nodes.Blur(), nuke.nodes.Blur()
    assert second.setInput(0, first)
    assert second.setInput(1, first)
    assert not second.setInput(2, first)
    assert not first.setInput(0, second)
    assert not nuke.nodes.Constant().setInput(0, first)


def test_nodes_of_different_groups_cannot_be_connected(nuke: ModuleType) -> None:
    group, outside = nuke.nodes.Group(), nuke.nodes.Constant()
    with group:
        inside = nuke.nodes.Blur()
    assert not inside.setInput(0, outside)


def test_mask_inputs_have_the_place_of_their_class(nuke: ModuleType) -> None:
    assert nuke.nodes.Blur().optionalInput() == 1
    assert nuke.nodes.Merge2().optionalInput() == 2
    assert (nuke.nodes.Blur().maxInputs(), nuke.nodes.Keymix().maxInputs(), nuke.nodes.Read().maxInputs()) == (2, 3, 0)


def test_groups_are_entered_and_left(nuke: ModuleType) -> None:
    group = nuke.nodes.Group(name="G")
    with group:
        inner = nuke.createNode("Blur")
        assert nuke.allNodes() == [inner]
        assert nuke.thisGroup() is group
    assert group.node("Blur1") is inner
    assert nuke.toNode("G.Blur1") is inner
    assert nuke.toNode("Blur1") is None
    assert nuke.allNodes("Blur") == []
    assert nuke.allNodes("Blur", recurseGroups=True) == [inner]
    assert nuke.allNodes(group=group) == [inner]


def test_begin_and_end_must_pair(nuke: ModuleType) -> None:
    first, second = nuke.nodes.Group(), nuke.nodes.Group()
    first.begin()
    with pytest.raises(RuntimeError, match="belongs to it"):
        second.end()
    first.end()


def test_a_group_is_left_after_an_exception(nuke: ModuleType) -> None:
    group = nuke.nodes.Group()
    with pytest.raises(ZeroDivisionError), group:
        raise ZeroDivisionError
    assert stand_in.current().current_group() is nuke.root()


def test_a_group_body_is_pasted_whole(nuke: ModuleType, plugin_path: Path) -> None:
    node = nuke.createNode("SoftGroup")
    assert (node.Class(), node.name()) == ("Group", "SoftGroup")
    nuke.scriptSaveAs(str(plugin_path / "a.nk"), 1)
    (plugin_path / "SoftGroup.gizmo").unlink()
    nuke.scriptOpen(str(plugin_path / "a.nk"))
    assert nuke.toNode("SoftGroup.Soft")["size"].value() == 3


def test_a_gizmo_saves_only_what_was_changed_and_needs_its_file(nuke: ModuleType, plugin_path: Path) -> None:
    node = nuke.createNode("SoftGain")
    assert (node.Class(), node.name()) == ("SoftGain", "SoftGain1")
    node["gain"].setValue(2.5)
    path = plugin_path / "a.nk"
    nuke.scriptSaveAs(str(path), 1)
    text = path.read_text()
    assert "SoftGain {\n" in text
    assert "gain 2.5" in text
    assert "addUserKnob" not in text
    assert "tile_color" not in text
    nuke.scriptOpen(str(path))
    assert nuke.toNode("SoftGain1.Gain")["value"].value() == 2.5
    (plugin_path / "SoftGain.gizmo").unlink()
    with pytest.raises(RuntimeError, match="SoftGain: Unknown command"):
        nuke.scriptOpen(str(path))


def test_a_gizmo_becomes_a_group(nuke: ModuleType, plugin_path: Path) -> None:
    gizmo = nuke.createNode("SoftGain")
    gizmo["size"].setValue(9)
    group = gizmo.makeGroup()
    assert group.Class() == "Group"
    assert group["size"].value() == 9
    assert len(group.nodes()) == 4


def test_a_clone_has_the_knobs_of_its_original(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur(size=3)
    twin = nuke.clone(node)
    twin["size"].setValue(8)
    assert (node["size"].value(), node.clones(), twin.name()) == (8, 1, node.name())


def test_gizmos_cannot_be_cloned(nuke: ModuleType, plugin_path: Path) -> None:
    with pytest.raises(RuntimeError, match="cannot be cloned"):
        nuke.clone(nuke.createNode("SoftGain"))


def test_the_plugin_path_is_searched_from_the_front(nuke: ModuleType, tmp_path: Path) -> None:
    for name, size in (("near", 1), ("far", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Tool.gizmo").write_text(GIZMO.replace("size 3", f"size {size}"))
    nuke.pluginAddPath(f"{tmp_path}/far/")
    nuke.pluginAddPath(f"{tmp_path}/near")
    assert nuke.pluginPath() == [f"{tmp_path}/near", f"{tmp_path}/far"]
    assert str(tmp_path / "near") in sys.path
    assert nuke.createNode("Tool")["size"].value() == 1
    assert nuke.pluginExists("Tool")


def test_init_files_add_their_neighbours_relative_to_themselves(nuke: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "init.py").write_text("import nuke\nnuke.pluginAddPath('tools')\n")
    (tmp_path / "tools" / "init.py").write_text("import nuke\nnuke.tprint('inner')\n")
    stand_in.current().run_file(tmp_path / "init.py")
    assert nuke.pluginPath() == [f"{tmp_path}/tools"]
    assert stand_in.current().terminal == ["inner\n"]


def test_copy_and_paste_bring_a_group_with_its_values(nuke: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no node selected"):
        nuke.nodeCopy("%clipboard%")
    source = nuke.nodes.Constant(name="C")
    node = nuke.nodes.Blur(name="B", size=4, inputs=[source])
    for each in (source, node):
        each.setSelected(True)
    nuke.nodeCopy("%clipboard%")
    nuke.nodePaste("%clipboard%")
    assert sorted(n.name() for n in nuke.allNodes()) == ["B", "B1", "C", "C1"]
    assert nuke.toNode("B1").input(0) is nuke.toNode("C1")
    assert nuke.toNode("B1")["size"].value() == 4
    nuke.nodeCopy(str(tmp_path / "nodes.nk"))
    assert "Blur {" in (tmp_path / "nodes.nk").read_text()


def test_a_pasted_node_hangs_on_the_selected_one(nuke: ModuleType) -> None:
    blur = nuke.nodes.Blur(name="B")
    blur.selectOnly()
    nuke.nodeCopy("%clipboard%")
    source = nuke.nodes.Constant(name="C")
    source.selectOnly()
    stand_in.current().clipboard = "push $cut_paste_input\nBlur {\n name New\n}\n"
    nuke.nodePaste("%clipboard%")
    assert nuke.toNode("New").input(0) is source


def test_a_script_without_a_name_has_none(nuke: ModuleType) -> None:
    with pytest.raises(RuntimeError):
        nuke.scriptName()
    with pytest.raises(RuntimeError):
        nuke.scriptSave()
    assert nuke.root()["name"].value() == ""


def test_saving_is_silent_and_without_effect_in_the_terminal(nuke: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.nk"
    nuke.scriptSaveAs(str(path), 1)
    before = path.read_text()
    nuke.nodes.Blur()
    assert nuke.scriptSave() is False
    assert path.read_text() == before
    nuke.scriptSaveAs(str(path), overwrite=1)
    assert "Blur {" in path.read_text()


def test_another_file_is_overwritten_only_on_request(nuke: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.nk"
    path.write_text("keep")
    with pytest.raises(RuntimeError, match="exists"):
        nuke.scriptSaveAs(str(path))
    assert path.read_text() == "keep"


def test_a_missing_script_is_an_error(nuke: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="No such file"):
        nuke.scriptOpen(str(tmp_path / "none.nk"))


def test_hashes_are_empty_until_validated_and_follow_frame_and_knobs(nuke: ModuleType) -> None:
    source = nuke.nodes.Constant(channels="rgb")
    node, dot = nuke.nodes.Blur(inputs=[source]), nuke.nodes.Dot(inputs=[source])
    assert node.opHashes() == []
    node.metadata("key", nuke.frame(), "main")
    dot.metadata("key", nuke.frame(), "main")
    first = node.opHashes()
    assert len(first) == 1
    assert dot.opHashes() == []
    source["color"].setValue(2)
    assert node.opHashes() != first


def test_write_knobs_gives_what_is_not_default(nuke: ModuleType) -> None:
    node = nuke.nodes.Blur(name="B", size=4)
    text = node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT)
    assert sorted(text.splitlines()) == ["name B", "size 4"]
    other = nuke.nodes.Blur()
    other.readKnobs("size {2 3}\nfilter box")
    assert (other["size"].value(), other["filter"].value()) == ([2, 3], "box")


def test_framehold_has_the_knob_of_its_version(start_nuke: Callable[..., ModuleType]) -> None:
    for version, there, gone in (((12, 2, 1), "first_frame", "firstFrame"), ((15, 0, 1), "firstFrame", "first_frame")):
        node = start_nuke(version=version).nodes.FrameHold()
        assert node.knob(there) is not None
        assert node.knob(gone) is None


def test_the_environment_says_what_runs(start_nuke: Callable[..., ModuleType]) -> None:
    nuke = start_nuke(gui=True, version=(14, 1, 2))
    assert (nuke.GUI, nuke.env["gui"], nuke.NUKE_VERSION_MAJOR, nuke.NUKE_VERSION_STRING) == (True, True, 14, "14.1v2")
    nuke = start_nuke(raw_args=["nuke", "-t", "x.py"])
    assert (nuke.GUI, nuke.INTERACTIVE, nuke.rawArgs) == (False, False, ["nuke", "-t", "x.py"])
    with pytest.raises(KeyError):
        nuke.env["nothing"]


@pytest.mark.parametrize("name", ["HIDDEN", "frobnicate", "stand_in", "session", "api"])
def test_names_that_nuke_does_not_have_do_not_exist(nuke: ModuleType, name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'nuke' has no attribute '{name}'"):
        getattr(nuke, name)


def test_a_new_session_knows_nothing_of_the_last(start_nuke: Callable[..., ModuleType]) -> None:
    first = start_nuke()
    first.nodes.Blur()
    first.addOnCreate(lambda: pytest.fail("called in another session"))
    second = start_nuke()
    assert second is not first
    assert second.allNodes() == []
    second.nodes.Blur()
