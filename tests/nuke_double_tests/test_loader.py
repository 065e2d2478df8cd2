"""The stack machine: what is connected to what after a script was read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import stand_in
from stand_in.errors import ScriptError


def load(nuke: ModuleType, text: str) -> dict[str, object]:
    nuke.scriptReadText(text)
    return {node.name(): node for node in stand_in.current().every_node()}


def inputs_of(node: object) -> list[str | None]:
    return [None if n is None else n.name() for n in node._inputs]


def test_the_top_of_the_stack_is_input_0_and_a_mask_is_popped_last(nuke: ModuleType) -> None:
    nodes = load(
        nuke,
        """Constant {
 inputs 0
 name Mask
}
Constant {
 inputs 0
 name A
}
Constant {
 inputs 0
 name B
}
Merge2 {
 inputs 2+1
 name Merge1
}
""",
    )
    assert inputs_of(nodes["Merge1"]) == ["B", "A", "Mask"]


def test_a_merge_of_three_keeps_the_mask_at_its_place(nuke: ModuleType) -> None:
    names = ["Mask", "C", "A", "B"]
    text = "".join(f"Constant {{\n inputs 0\n name {name}\n}}\n" for name in names)
    nodes = load(nuke, text + "Merge2 {\n inputs 3+1\n name M\n}\n")
    assert inputs_of(nodes["M"]) == ["B", "A", "Mask", "C"]


def test_set_and_push_bring_a_node_back(nuke: ModuleType) -> None:
    nodes = load(
        nuke,
        """Constant {
 inputs 0
 name Source
}
set N1 [stack 0]
Blur {
 name First
}
push $N1
Blur {
 name Second
}
""",
    )
    assert inputs_of(nodes["First"]) == inputs_of(nodes["Second"]) == ["Source"]


def test_push_0_leaves_an_input_open(nuke: ModuleType) -> None:
    nodes = load(nuke, "Constant {\n inputs 0\n name B\n}\npush 0\nMerge2 {\n inputs 2\n name M\n}\n")
    assert nodes["M"].input(0) is None
    assert nodes["M"].input(1).name() == "B"


def test_a_node_without_an_inputs_line_takes_one(nuke: ModuleType) -> None:
    nodes = load(nuke, "Constant {\n inputs 0\n name C\n}\nBlur {\n name B\n}\n")
    assert inputs_of(nodes["B"]) == ["C"]


GROUP = """Constant {
 inputs 0
 name Plate
}
Group {
 name Outer
 addUserKnob {20 User}
 addUserKnob {7 amount R 0 10}
 amount 4
}
 Input {
  inputs 0
  name Input1
 }
 Group {
  name Inner
 }
  Input {
   inputs 0
   name In
  }
  Blur {
   size {{parent.parent.amount}}
   name Soft
  }
  Output {
   name Out
  }
 end_group
 Output {
  name Output1
 }
end_group
Dot {
 name After
}
"""


def test_groups_have_a_stack_of_their_own(nuke: ModuleType) -> None:
    nodes = load(nuke, GROUP)
    assert inputs_of(nodes["Outer"]) == ["Plate"]
    assert inputs_of(nodes["Inner"]) == ["Input1"]
    assert inputs_of(nodes["Output1"]) == ["Inner"]
    assert inputs_of(nodes["After"]) == ["Outer"]
    assert nodes["Soft"].fullName() == "Outer.Inner.Soft"
    assert nodes["Soft"]["size"].value() == 4


def test_numbers_of_inputs_start_at_0_and_count_up_in_the_file(nuke: ModuleType) -> None:
    nodes = load(
        nuke,
        "Group {\n inputs 0\n name G\n}\n Input {\n  inputs 0\n  name Matte\n  number 1\n }\n"
        " Input {\n  inputs 0\n  name Plate\n }\n Output {\n  name Output1\n }\nend_group\n",
    )
    assert [n.name() for n in nodes["G"]._input_nodes()] == ["Plate", "Matte"]
    assert nodes["G"].maxInputs() == 2


def test_a_clone_shares_its_knobs(nuke: ModuleType) -> None:
    nuke.scriptReadText(
        "Blur {\n inputs 0\n size 3\n name Blur1\n}\nset C1 [stack 0]\nclone $C1 {\n xpos 90\n inputs 0\n}\n"
    )
    first, second = nuke.allNodes("Blur")
    first["size"].setValue(9)
    assert second["size"].value() == 9
    assert sorted([first.xpos(), second.xpos()]) == [0, 90]


def test_layers_of_a_script_exist_afterwards(nuke: ModuleType) -> None:
    node = load(nuke, "add_layer {crypto crypto.red crypto.green}\nBlur {\n inputs 0\n channels crypto\n name B\n}\n")[
        "B"
    ]
    assert node["channels"].value() == "crypto"
    assert "crypto" in nuke.layers()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Blurr {\n name B\n}\n", "Blurr: Unknown command"),
        ("Blur {\n sise 5\n}\n", 'there is no knob "sise"'),
        ("Blur {\n filter round\n}\n", "bad value for filter: round"),
        ("Blur {\n size abc\n}\n", 'expected a number but got "abc"'),
        ("Blur {\n channels nolayer\n}\n", "no channel or layer nolayer"),
        ("Blur {\n inputs 4\n}\n", "Blur takes 2 inputs, not 4"),
        ("Group {\n inputs 0\n}\n Dot {\n }\n", "end_group is missing"),
        ("end_group\n", "end_group without a group"),
        ("push $N999\n", 'no such variable "N999"'),
        ("frobnicate 5\n", "frobnicate: Unknown command"),
        ("Blur {\n label a b\n}\n", 'knob "label": one value was expected'),
        ("Blur {\n size\n}\n", 'knob "size": one value was expected'),
        ("Group {\n addUserKnob {999 x}\n}\nend_group\n", "unknown user knob id 999"),
        ("Group {\n addUserKnob {7 x +SIDEWAYS}\n}\nend_group\n", 'unknown option "+SIDEWAYS"'),
        ("Group {\n addUserKnob {7 label}\n}\nend_group\n", 'knob "label" exists already'),
        ("Group {\n x 5\n addUserKnob {7 x}\n}\nend_group\n", 'there is no knob "x"'),
    ],
)
def test_what_nuke_would_refuse_is_an_error(nuke: ModuleType, text: str, message: str) -> None:
    with pytest.raises(ScriptError, match=re.escape(message)):
        nuke.scriptReadText(text)


def test_an_error_names_file_and_line(nuke: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "comp.nk"
    path.write_text("version 13.0 v1\nBlur {\n size 4\n sise 5\n}\n")
    with pytest.raises(ScriptError, match=r"comp\.nk:4: "):
        nuke.scriptReadFile(str(path))


FOREIGN = b"""set cut_paste_input [stack 0]\r
version 9.0 v7\r
push $cut_paste_input\r
UnknownThing {\r
 inputs 2\r
 strange {a {b c}}\r
 name Thing1\r
 label "caf\xe9"\r
}\r
Group {\r
 name G\r
 onCreate "raise RuntimeError('other people's code')"\r
 addUserKnob {77 odd l Odd p 1}\r
 odd 4\r
 addUserKnob {4 mode "proxy mode" M {full half ""}}\r
 mode half\r
}\r
 Blur {\r
  sise 4\r
 }\r
end_group\r
"""


def test_lenient_mode_reads_other_peoples_files_and_keeps_what_it_does_not_know(
    start_nuke: Callable[..., ModuleType], tmp_path: Path
) -> None:
    nuke = start_nuke(strict=False)
    path = tmp_path / "other.nk"
    path.write_bytes(FOREIGN)
    nuke.scriptReadFile(str(path))
    thing = nuke.toNode("Thing1")
    assert thing.Class() == "UnknownThing"
    assert thing["strange"].toScript() == "{a {b c}}"
    assert nuke.toNode("G")["mode"].value() == "half"
    assert nuke.toNode("G")["mode"].label() == "proxy mode"
    assert [problem.line for problem in stand_in.current().problems] == [4, 6, 19]


def test_lenient_mode_writes_unknown_knobs_back(start_nuke: Callable[..., ModuleType]) -> None:
    nuke = start_nuke(strict=False)
    nuke.scriptReadText("NoOp {\n inputs 0\n name N\n addUserKnob {77 odd l Odd p 1}\n odd {4 5}\n}\n")
    text = stand_in.current().saver.script()
    assert " addUserKnob {77 odd l Odd p 1}\n odd {4 5}\n" in text


def test_lenient_mode_runs_no_callbacks_of_foreign_files(start_nuke: Callable[..., ModuleType]) -> None:
    nuke = start_nuke(strict=False)
    nuke.scriptReadText('NoOp {\n inputs 0\n onCreate "raise RuntimeError"\n name N\n}\n')
    assert nuke.toNode("N") is not None


def test_a_taken_name_gets_the_next_free_number(nuke: ModuleType) -> None:
    for _ in range(3):
        nuke.scriptReadText("Blur {\n inputs 0\n name Soft\n}\n")
    assert sorted(n.name() for n in nuke.allNodes()) == ["Soft", "Soft1", "Soft2"]


def test_a_root_block_counts_only_when_a_script_is_opened(nuke: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.nk"
    path.write_text(
        'Root {\n inputs 0\n first_frame 1001\n last_frame 1010\n format "640 480 0 0 640 480 1 small"\n}\n'
    )
    nuke.scriptReadFile(str(path))
    assert nuke.root().firstFrame() == 1
    nuke.scriptOpen(str(path))
    assert (nuke.root().firstFrame(), nuke.root().lastFrame()) == (1001, 1010)
    assert nuke.root().format().width() == 640


def test_the_old_and_the_new_name_of_framehold_are_read_by_every_version(start_nuke: Callable[..., ModuleType]) -> None:
    for version, name in (((12, 2, 4), "first_frame"), ((15, 1, 3), "firstFrame")):
        nuke = start_nuke(version=version)
        nuke.scriptReadText("FrameHold {\n inputs 0\n first_frame 7\n name Old\n}\n")
        nuke.scriptReadText("FrameHold {\n inputs 0\n firstFrame 8\n name New\n}\n")
        assert [nuke.toNode(n)[name].value() for n in ("Old", "New")] == [7, 8]
