"""The order in which nodes are cooked, and the frames of each that are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphs
from host_scene import Scene


@pytest.fixture
def identity(tmp_path: Path) -> str:
    return graphs.save(graphs.identity(), tmp_path / "identity.onnx")


def needs(scene: Scene, target: Any, frames: list[int], window: tuple[int, ...] = (0,)) -> dict[str, tuple[int, ...]]:
    graph = scene.host("graph")
    found = graph.needs(target, frames, lambda node: graph.Reach(window))
    return {need.node.name: need.frames for need in found}


def test_a_node_comes_after_what_feeds_it(terminal: Scene, identity: str) -> None:
    first = terminal.bipack(terminal.plate(), identity)
    second = terminal.bipack(terminal.nuke.nodes.Blur(inputs=[first]), identity)
    third = terminal.bipack(terminal.nuke.nodes.Merge2(inputs=[first, second]), identity)
    assert list(needs(terminal, terminal.write(third), [5])) == [first.name(), second.name(), third.name()]


def test_a_window_widens_what_is_needed_above_and_stays_in_the_plate(terminal: Scene, identity: str) -> None:
    first = terminal.bipack(terminal.plate(frames=range(1001, 1011)), identity)
    second = terminal.bipack(first, identity)
    found = needs(terminal, terminal.write(second), [1001, 1002], (-1, 0, 1))
    assert found == {first.name(): (1001, 1002, 1003), second.name(): (1001, 1002)}


def test_time_offset_and_frame_hold_move_the_frames(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(terminal.plate(), identity)
    offset = terminal.nuke.nodes.TimeOffset(time_offset=10, inputs=[node])
    assert needs(terminal, terminal.write(offset), [1011, 1012]) == {node.name(): (1001, 1002)}
    hold = terminal.nuke.nodes.FrameHold(inputs=[node])
    hold["firstFrame"].setValue(1002)
    assert needs(terminal, terminal.write(hold), [1, 2, 3]) == {node.name(): (1002,)}


def test_an_unknown_time_warp_needs_the_whole_range(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(terminal.plate(), identity)
    warp = terminal.nuke.nodes.TimeWarp(inputs=[node])
    graph = terminal.host("graph")
    found = graph.needs(terminal.write(warp), [1], lambda node: graph.Reach())
    assert found[0].whole_range
    assert set(range(1001, 1004)) <= set(found[0].frames)


def test_both_branches_add_their_frames(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(terminal.plate(), identity)
    later = terminal.nuke.nodes.TimeOffset(time_offset=-1, inputs=[node])
    merge = terminal.nuke.nodes.Merge2(inputs=[node, later])
    assert needs(terminal, terminal.write(merge), [1001, 1002]) == {node.name(): (1001, 1002, 1003)}


def test_what_is_switched_off_is_not_needed(terminal: Scene, identity: str) -> None:
    plate = terminal.plate()
    node, other = terminal.bipack(plate, identity), terminal.bipack(plate, identity)
    switch = terminal.nuke.nodes.Switch(inputs=[node, other])
    switch["which"].setValue(1)
    assert list(needs(terminal, terminal.write(switch), [1])) == [other.name()]
    other["disable"].setValue(True)
    assert needs(terminal, terminal.write(switch), [1]) == {}
    switch["which"].setExpression("frame > 1001")
    assert list(needs(terminal, terminal.write(switch), [1])) == [node.name()]


def test_nodes_are_found_in_groups_and_above_them(terminal: Scene, identity: str) -> None:
    nuke = terminal.nuke
    above = terminal.bipack(terminal.plate(), identity)
    group = nuke.nodes.Group()
    with group:
        inside = terminal.bipack(nuke.nodes.Input(), identity)
        nuke.nodes.Output(inputs=[inside])
    group.setInput(0, above)
    write = terminal.write(group)
    assert list(needs(terminal, write, [1])) == [above.name(), f"{group.name()}.{inside.name()}"]
    with group:
        deep = nuke.nodes.Write(inputs=[inside])
    assert list(needs(terminal, deep, [1])) == [above.name(), f"{group.name()}.{inside.name()}"]


def test_a_write_that_reads_its_file_needs_nothing(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(terminal.plate(), identity)
    reading = terminal.write(node, "precomp")
    reading["reading"].setValue(True)
    assert needs(terminal, terminal.write(terminal.nuke.nodes.Blur(inputs=[reading])), [1]) == {}


def test_a_long_chain_is_walked_without_recursion(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(terminal.plate(), identity)
    terminal.nuke.scriptReadText("push 0\n" + "".join(f"Dot {{\n name Dot{index}\n}}\n" for index in range(1100)))
    terminal.nuke.toNode("Dot0").setInput(0, node)
    assert len(needs(terminal, terminal.nuke.toNode("Dot1099"), [1])) == 1


def test_a_finishing_gizmo_is_a_group_like_any_other(terminal: Scene, identity: str) -> None:
    node = terminal.bipack(terminal.plate(), identity)
    finish = terminal.nuke.createNode("BipackEqualizer")
    finish.setInput(0, node)
    second = terminal.bipack(finish, identity)
    assert list(needs(terminal, terminal.write(second), [1])) == [node.name(), second.name()]
    assert terminal.host("state").outlook(terminal.host("node").BipackNode(second)).recipe.digest
