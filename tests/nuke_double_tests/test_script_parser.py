"""Script text to statements."""

from __future__ import annotations

import pytest
from stand_in.errors import ScriptError
from stand_in.script_parser import (
    AddLayer,
    CloneBlock,
    EndGroup,
    NodeBlock,
    Push,
    SetStack,
    TclCommand,
    Version,
    parse,
    parse_knobs,
)

HEADER = """#! /usr/local/Nuke13.1v3/Nuke13.1 -nx
#write_info Write1 file:"/a b.exr" format:"1920 1080 1"
version 13.1 v3
define_window_layout_xml {<?xml version="1.0"?>
<layout><window x="0"/></layout>
}
Root {
 inputs 0
 views "left #ff0000
right #00ffff
"
}
add_layer {motion2 motion2.u motion2.v}
push $cut_paste_input
push 0
set N1a2b [stack 0]
clone $C77 {
 xpos 5
}
clone node7f10|Blur|12 Blur {
 size 3
}
end_group
"""


def test_every_kind_of_statement_is_recognised() -> None:
    kinds = [type(s) for s in parse(HEADER).statements]
    assert kinds == [
        Version, TclCommand, NodeBlock, AddLayer, Push, Push, SetStack, CloneBlock, CloneBlock, EndGroup,
    ]  # fmt: skip


def test_statements_hold_what_they_name() -> None:
    version, _, root, layer, paste, zero, stack, clone, definition, _ = parse(HEADER).statements
    assert version.number == (13, 1)
    assert root.knobs[1].value.text == "left #ff0000\nright #00ffff\n"
    assert (layer.name, layer.channels) == ("motion2", ("motion2.u", "motion2.v"))
    assert (paste.name, zero.name) == ("cut_paste_input", "")
    assert (stack.name, stack.depth) == ("N1a2b", 0)
    assert (clone.reference, clone.node_class) == ("C77", "")
    assert (definition.reference, definition.node_class) == ("node7f10|Blur|12", "Blur")


def test_a_file_with_dos_line_ends_reads_the_same() -> None:
    assert parse(HEADER.replace("\n", "\r\n").encode()).statements == parse(HEADER).statements


@pytest.mark.parametrize("version", ["4.8 v2", "6.3 v4", "9.0 v7", "15.0 v1", "17.1 v2"])
def test_the_version_is_known(version: str) -> None:
    major, _, minor = version.split()[0].partition(".")
    assert parse(f"version {version}\n").version == (int(major), int(minor))


def test_a_file_without_a_version_says_zero() -> None:
    assert parse("Dot {\n}\n").version == (0, 0)


def test_node_classes_may_hold_dots_and_digits() -> None:
    (block,) = parse("OFXuk.co.thefoundry.keylight.keylight_v201 {\n name Keylight1\n}\n").statements
    assert isinstance(block, NodeBlock)


def test_values_may_run_over_many_lines() -> None:
    text = """Roto {
 curves {{{v x3f99999a}
  {f 0}
  {n
   {layer Root}}}}
 toolbox {selectAll {
  { selectAll str 1 }
} }
 name Roto1
}
"""
    (block,) = parse(text).statements
    assert [knob.name for knob in block.knobs] == ["curves", "toolbox", "name"]


def test_knob_text_on_one_line_is_read_in_pairs() -> None:
    pairs = [(knob.name, knob.value.text) for knob in parse_knobs('size {5 3} label "a b" name X')]
    assert pairs == [("size", "5 3"), ("label", "a b"), ("name", "X")]


@pytest.mark.parametrize(
    ("text", "ragged"),
    [
        ("name X\n size\n crop true", {"size": ""}),
        ("name X\n label [value size]\n crop true", {"label": "[value size]"}),
        ("name X label", {"name": "X label"}),
        ("size {5\n 3}\n name X", {}),
    ],
)
def test_lines_that_are_no_pair_are_marked(text: str, ragged: dict[str, str]) -> None:
    assert {knob.name: knob.value.text for knob in parse_knobs(text) if knob.ragged} == ragged


def test_an_unclosed_node_names_its_line() -> None:
    with pytest.raises(ScriptError, match=r"broken\.nk:2: missing close-brace"):
        parse("version 13.0 v1\nBlur {\n size 5\n", "broken.nk")
