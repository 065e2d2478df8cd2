"""Nodes to script text, and the knob lines of one node.

The graph is written with a variable for every node that is used, which any Nuke reads; Nuke itself writes the same
graph a little shorter.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from . import tcl, user_knobs
from .groups import Gizmo, Group
from .knob_texts import Link_Knob, Password_Knob, Tab_Knob, Text_Knob
from .knobs import ALWAYS_SAVE, DO_NOT_WRITE, Knob
from .nodes import Node

if TYPE_CHECKING:
    from .session import Session

TO_SCRIPT = 1
TO_VALUE = 2
WRITE_NON_DEFAULT_ONLY = 4
WRITE_USER_KNOB_DEFS = 8
WRITE_ALL = 16
_ALWAYS = ("name", "xpos", "ypos")


class Saver:
    """Writes scripts of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._numbers = itertools.count(1)

    def script(self) -> str:
        """The whole script, as scriptSave writes it."""
        self._numbers = itertools.count(1)
        major, minor, release = self.session.version
        root = self.session.root
        head = ["#! /usr/local/Nuke/Nuke -nx", f"version {major}.{minor} v{release}", "Root {", " inputs 0"]
        for name, knob in root._knobs.items():
            if name in ("xpos", "ypos", "selected") or knob._is_default():
                continue
            head.append(f" {_line(knob)}")
        head.append("}")
        return "\n".join(head + self.nodes(root._nodes)) + "\n"

    def selection(self, nodes: Iterable[Node]) -> str:
        """What nodeCopy puts on the clipboard."""
        self._numbers = itertools.count(1)
        major, minor, release = self.session.version
        head = ["set cut_paste_input [stack 0]", f"version {major}.{minor} v{release}", "push $cut_paste_input"]
        return "\n".join(head + self.nodes(list(nodes))) + "\n"

    def nodes(self, nodes: list[Node], indent: str = "") -> list[str]:
        """Lines for these nodes, sources first."""
        lines: list[str] = []
        # variables live as long as the script, so a group may not use those of the nodes around it
        names = {id(node): f"N{next(self._numbers):08x}" for node in _sorted(nodes)}
        for node in _sorted(nodes):
            lines += self._pushes(node, names, indent)
            original = _original(node)
            if original is node:
                lines += self.node(node, indent)
            else:
                lines += self._clone(node, names[id(original)], indent)
            lines.append(f"{indent}set {names[id(node)]} [stack 0]")
        return lines

    def node(self, node: Node, indent: str = "") -> list[str]:
        """The block of one node, with what is inside a group."""
        if isinstance(node, Gizmo) and node._class_name:
            return self._gizmo(node, indent)
        inner = indent + " "
        kind = node.Class()
        lines = [f"{indent}{kind} {{"]
        count = _input_line(node)
        if count != "1":
            lines.append(f"{inner}inputs {count}")
        lines += [inner + line for line in self._knob_lines(node, definitions=True)]
        lines.append(indent + "}")
        if isinstance(node, Group):
            lines += self.nodes(node._nodes, inner)
            lines.append(indent + "end_group")
        return lines

    def _clone(self, node: Node, name: str, indent: str) -> list[str]:
        count = _input_line(node)
        lines = [f"{indent}clone ${name} {{", *([f"{indent} inputs {count}"] if count != "1" else [])]
        return [*lines, *(f"{indent} {k} {node._knobs[k].toScript()}" for k in ("xpos", "ypos")), indent + "}"]

    def _gizmo(self, node: Gizmo, indent: str) -> list[str]:
        """Only the class and the knobs that differ from the .gizmo file, which is needed to load this."""
        count = _input_line(node)
        lines = [f"{indent}{node.Class()} {{", *([f"{indent} inputs {count}"] if count != "1" else [])]
        for name, knob in node._knobs.items():
            if isinstance(knob, (Link_Knob, Tab_Knob)) or name in ("gizmo_file",):
                continue
            if name in _ALWAYS or knob.toScript() != node._as_shipped.get(name, ""):
                lines.append(f"{indent} {_line(knob)}")
        return [*lines, indent + "}"]

    def knob_lines(self, node: Node, what: int) -> str:
        """Node.writeKnobs: names only, names and values, or script lines, by the flags."""
        chosen = [
            knob
            for knob in node._knobs.values()
            if knob._name and (not what & WRITE_NON_DEFAULT_ONLY or not knob._is_default())
        ]
        if what & TO_SCRIPT:
            return "\n".join(_line(knob) for knob in chosen if knob.toScript())
        if what & TO_VALUE:
            return "\n".join(f"{knob._name} {knob._text()}" for knob in chosen)
        return " ".join(knob._name for knob in chosen)

    def _knob_lines(self, node: Node, definitions: bool) -> list[str]:
        lines = []
        builtin = [k for k in node._knobs.values() if not k._user]
        for knob in builtin:
            if _written(knob):
                lines.append(_line(knob))
        for knob in node._user_knobs:
            lines.append("addUserKnob {" + user_knobs.write(knob) + "}")
            if _has_value_line(knob):
                lines.append(_line(knob))
        return lines

    def _pushes(self, node: Node, names: dict[int, str], indent: str) -> list[str]:
        mask = node._node_class.mask
        order = [i for i in range(node.inputs()) if i != mask]
        wanted = [node._inputs[i] for i in order]
        if _mask_used(node) and mask is not None:
            wanted.append(node._inputs[mask])
        if not wanted and _input_line(node) == "1":
            wanted = [None]
        return [
            f"{indent}push ${names[id(n)]}" if n is not None and id(n) in names else f"{indent}push 0"
            for n in reversed(wanted)
        ]


def _sorted(nodes: list[Node]) -> list[Node]:
    """Sources before what uses them, otherwise in the order in which they were made."""
    done: list[Node] = []
    seen: set[int] = set()
    inside = {id(node) for node in nodes}

    def visit(node: Node) -> None:
        if id(node) in seen or id(node) not in inside:
            return
        seen.add(id(node))
        visit(_original(node))
        for source in node._inputs:
            if source is not None:
                visit(source)
        done.append(node)

    for node in nodes:
        visit(node)
    return done


def _original(node: Node) -> Node:
    """The node whose knobs a clone shares; any other node is its own."""
    return node._knobs["name"]._node or node


def _mask_used(node: Node) -> bool:
    mask = node._node_class.mask
    return mask is not None and mask < len(node._inputs) and node._inputs[mask] is not None


def _input_line(node: Node) -> str:
    if node._node_class.most == 0:
        return "0"
    mask = node._node_class.mask
    count = node.inputs()
    if mask is not None and count > mask:
        count -= 1
    if node._is_group:
        return str(count)
    count = max(count, min(node._node_class.least, 1))
    return f"{count}+1" if _mask_used(node) else str(count)


def _line(knob: Knob) -> str:
    return f"{tcl.quote(knob._name)} {knob.toScript()}"


def _written(knob: Knob) -> bool:
    if knob._name in _ALWAYS:
        return True
    if knob._flags & DO_NOT_WRITE or isinstance(knob, Password_Knob):
        return False
    return (bool(knob._flags & ALWAYS_SAVE) or not knob._is_default()) and knob.toScript() != ""


def _has_value_line(knob: Knob) -> bool:
    if isinstance(knob, (Link_Knob, Text_Knob, Tab_Knob, Password_Knob)) or type(knob).__name__.endswith("Script_Knob"):
        return False
    if knob._flags & DO_NOT_WRITE or not knob._name:
        return False
    return not knob._is_default() and knob.toScript() not in ("", '""')
