"""What the audit of a gizmo finds."""

from __future__ import annotations

from types import ModuleType

import pytest
import stand_in

GOOD = """Group {
 inputs 0
 name Tool
 addUserKnob {20 User}
 addUserKnob {41 size T Soft.size}
 addUserKnob {7 gain}
 addUserKnob {22 go T "nuke.thisNode()"}
}
 Input {
  inputs 0
  name Plate
 }
 Blur {
  size {{parent.gain*2}}
  name Soft
  label "\\[value size]"
 }
 Output {
  name Output1
 }
end_group
"""

FAULTS = {
    'linked knob "Sofd.size" not found': ("T Soft.size", "T Sofd.size"),
    'nothing is named "parent.gaim"': ("parent.gain*2", "parent.gaim*2"),
    "is no Python": ('T "nuke.thisNode()"', 'T "nuke.thisNode("'),
    'nothing is named "siz"': ("value size", "value siz"),
    "0 Output nodes instead of one": ("Output {", "Dot {"),
    "the Inputs are numbered [2]": ("name Plate", "name Plate\n  number 2"),
    "the Output is not connected": (" Output {", "push 0\n Output {"),
}


def test_a_sound_gizmo_has_no_faults(nuke: ModuleType) -> None:
    nuke.scriptReadText(GOOD)
    assert stand_in.audit(nuke.toNode("Tool")) == []


@pytest.mark.parametrize(("fault", "change"), FAULTS.items())
def test_each_fault_is_found(nuke: ModuleType, fault: str, change: tuple[str, str]) -> None:
    broken = GOOD.replace(*change)
    assert broken != GOOD
    nuke.scriptReadText(broken)
    found = stand_in.audit(nuke.toNode("Tool"))
    assert found
    assert all(fault in sentence and sentence.startswith("Tool") for sentence in found)


def test_a_knob_that_is_known_by_name_only_is_a_fault(nuke: ModuleType) -> None:
    nuke.scriptReadText("Kronos {\n inputs 0\n name K\n timing2 Speed\n}\n")
    assert any("by name only" in fault for fault in stand_in.audit(nuke.toNode("K")))
