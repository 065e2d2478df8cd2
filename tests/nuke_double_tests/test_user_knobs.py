"""addUserKnob lines, read and written."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

LINES = {
    '{1 name1 l "a \\"b\\"" t "tip\\n\\[x]"}': "String_Knob",
    "{2 path l Path}": "File_Knob",
    "{3 count R 0 10}": "Int_Knob",
    '{4 pick l Pick M {one "two words" ""}}': "Enumeration_Knob",
    "{6 on l On +STARTLINE}": "Boolean_Knob",
    "{7 gain R -1 5}": "Double_Knob",
    "{10 chans l Channels}": "ChannelMask_Knob",
    "{11 chan}": "Channel_Knob",
    "{12 pos}": "XY_Knob",
    "{13 place}": "XYZ_Knob",
    "{14 wide}": "WH_Knob",
    "{15 area}": "BBox_Knob",
    "{17 fmt}": "Format_Knob",
    "{18 tint}": "Color_Knob",
    "{19 tint4}": "AColor_Knob",
    "{20 tab l Tab}": "Tab_Knob",
    "{20 grp l Group n 1}": "Tab_Knob",
    "{20 end n -1}": "Tab_Knob",
    '{22 go l Go -STARTLINE T "print(\\"\\[x]\\")"}': "PyScript_Knob",
    '{26 ""}': "Text_Knob",
    "{26 note l Note T <b>text</b>}": "Text_Knob",
    "{30 st}": "UV_Knob",
    '{32 tcl l Run T "knob this.name X"}': "Script_Knob",
    "{35 menu M {a b}}": "Pulldown_Knob",
    "{41 other l Other T Blur1.size}": "Link_Knob",
    "{43 many l Many}": "Multiline_Eval_String_Knob",
    "{52 custom T SomeClass()}": "PyCustom_Knob",
    "{61 secret}": "Password_Knob",
    "{68 cascade M {a/b c}}": "CascadingEnumeration_Knob",
    "{83 radio M {a b}}": "Radio_Knob",
}


@pytest.mark.parametrize(("line", "kind"), LINES.items())
def test_each_id_makes_its_knob(nuke: ModuleType, line: str, kind: str) -> None:
    nuke.scriptReadText(f"Group {{\n inputs 0\n name G\n addUserKnob {line}\n}}\nend_group\n")
    assert nuke.toNode("G").allKnobs()[-1].Class() == kind


def test_all_lines_together_survive_a_saved_script(nuke: ModuleType, tmp_path: Path) -> None:
    body = "\n".join(f" addUserKnob {line}" for line in LINES)
    nuke.scriptReadText(f"Group {{\n inputs 0\n name G\n{body}\n gain 2\n pick {{two words}}\n}}\nend_group\n")
    first, second = str(tmp_path / "a.nk"), str(tmp_path / "b.nk")
    nuke.scriptSaveAs(first, 1)
    nuke.scriptOpen(first)
    nuke.scriptSaveAs(second, 1)
    kept = Path(first).read_text().replace(first, second)
    assert Path(second).read_text() == kept
    group = nuke.toNode("G")
    assert [knob.Class() for knob in group.allKnobs()[-len(LINES) :]] == list(LINES.values())
    assert (group["gain"].value(), group["pick"].value()) == (2, "two words")


def test_label_tooltip_range_items_and_flags_are_read(nuke: ModuleType) -> None:
    nuke.scriptReadText(
        "Group {\n inputs 0\n name G\n"
        ' addUserKnob {7 gain l "Gain \\[x]" t "line\\nnext" R -2 8 +STARTLINE +DISABLED +INVISIBLE}\n'
        ' addUserKnob {4 pick M {a "b c" ""}}\n}\nend_group\n'
    )
    gain, pick = nuke.toNode("G")["gain"], nuke.toNode("G")["pick"]
    assert (gain.label(), gain.tooltip(), gain.min(), gain.max()) == ("Gain [x]", "line\nnext", -2, 8)
    assert gain.getFlag(nuke.STARTLINE)
    assert not gain.enabled()
    assert not gain.visible()
    assert pick.values() == ["a", "b c"]


def test_groups_of_tabs_know_their_kind(nuke: ModuleType) -> None:
    node = nuke.nodes.NoOp()
    for name, kind in (("a", nuke.TABBEGINGROUP), ("b", nuke.TABBEGINCLOSEDGROUP), ("c", nuke.TABENDGROUP)):
        node.addKnob(nuke.Tab_Knob(name, name, kind))
    assert [node[name].value() for name in "abc"] == [1, 2, -1]
    assert "addUserKnob {20 c n -1}" in "\n".join(node._session.saver._knob_lines(node, True))


def test_the_first_knob_without_a_tab_brings_the_user_tab(nuke: ModuleType) -> None:
    node = nuke.nodes.NoOp()
    node.addKnob(nuke.Double_Knob("gain"))
    assert [knob.name() for knob in node.allKnobs()[-2:]] == ["User", "gain"]


def test_knobs_are_added_once_and_taken_away(nuke: ModuleType) -> None:
    node = nuke.nodes.NoOp()
    knob = nuke.Double_Knob("gain")
    node.addKnob(knob)
    with pytest.raises(ValueError, match="gain already exists"):
        node.addKnob(nuke.Double_Knob("gain"))
    with pytest.raises(ValueError, match="only user knobs"):
        node.removeKnob(node["label"])
    node.removeKnob(knob)
    assert node.knob("gain") is None
