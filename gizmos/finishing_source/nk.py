"""Writing a Nuke group as text: nodes with named inputs, in the order and with the stack words that Nuke reads.

Only what the finishing gizmos need: no clones, no viewer, one output.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional, Sequence


def quoted(text: str) -> str:
    """Text as one Tcl word, quoted where it must be."""
    if text and not set(text) & set(' "[]{}$;\\\n\t'):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("[", "\\[").replace("$", "\\$")
    return '"' + escaped.replace("{", "\\{").replace("}", "\\}").replace("\n", "\\n").replace("\t", "\\t") + '"'


def linked(expression: str) -> str:
    """A number knob's value that follows an expression."""
    return "{{" + (quoted(expression) if " " in expression or "[" in expression else expression) + "}}"


@dataclass(eq=False)
class Node:
    """One node of the group."""

    kind: str
    name: str
    inputs: Sequence[Optional[Node]] = ()
    knobs: dict[str, str] = field(default_factory=dict)
    """Values as they stand in the file."""

    user_knobs: Sequence[str] = ()
    """Whole lines that add knobs."""

    column: int = 0
    existing: str = ""
    """Stack name of a node that another text has written before."""

    @property
    def handle(self) -> str:
        """Name of the node on the stack."""
        return self.existing or "N" + self.name


class Graph:
    """The nodes of one group, in the order in which they are to be read.

    As part of a larger group, every node and every knob of the panel gets a prefix, and so do all mentions of them.
    """

    def __init__(self, prefix: str = "", knob_prefix: str = "", own_knobs: Sequence[str] = ()) -> None:
        self.nodes: list[Node] = []
        self._prefix, self._knob_prefix, self._own_knobs = prefix, knob_prefix, set(own_knobs)

    def existing(self, handle: str) -> Node:
        """A node that was written before, by its name on the stack."""
        return Node("", "", existing=handle)

    def add(self, kind: str, name: str, *inputs: Optional[Node], column: int = 0, **knobs: str) -> Node:
        """Add a node below its inputs; input 0 is B."""
        name = self._prefix + name
        assert all(node.name != name for node in self.nodes), name
        assert all(node is None or node.existing or node in self.nodes for node in inputs), name
        node = Node(kind, name, inputs, {knob: self._own(value) for knob, value in knobs.items()}, column=column)
        self.nodes.append(node)
        return node

    def text(self) -> str:
        """The body of the group, from its Inputs to its Output, which is the last node added."""
        depth: dict[str, int] = {}
        lines: list[str] = []
        for node in self.nodes:
            depth[node.name] = 1 + max((depth.get(above.name, 0) for above in node.inputs if above), default=-1)
            lines += [f"push {'0' if above is None else '$' + above.handle}" for above in reversed(node.inputs)]
            lines += self._node(node, depth[node.name])
            if node.kind != "Output":
                lines.append(f"set {node.handle} [stack 0]")
        return "\n".join(lines) + "\n"

    def _node(self, node: Node, row: int) -> list[str]:
        lines = [f" {node.kind} {{"]
        if len(node.inputs) != 1:
            lines.append(f"  inputs {len(node.inputs)}")
        lines += [f"  {self._own(line)}" for line in node.user_knobs]
        lines += [f"  {knob} {value}" for knob, value in node.knobs.items()]
        lines += [f"  name {node.name}", f"  xpos {node.column * 140}", f"  ypos {row * 70}", " }"]
        return lines

    def _own(self, text: str) -> str:
        """A knob's value with the prefixes of this graph."""
        if self._prefix:
            text = re.sub(r"\bSizes\.", f"{self._prefix}Sizes.", text)
        return re.sub(r"\bparent\.(\w+)", self._own_knob, text)

    def _own_knob(self, found: re.Match[str]) -> str:
        prefix = self._knob_prefix if found[1] in self._own_knobs else ""
        return f"parent.{prefix}{found[1]}"


def expression(*channels: Optional[str]) -> dict[str, str]:
    """Knobs expr0 to expr3 of an Expression or MergeExpression; None leaves a channel as it is."""
    return {f"expr{index}": quoted(text) for index, text in enumerate(channels) if text is not None}


def each(pattern: str, alpha: Optional[str] = None) -> dict[str, str]:
    """The same expression for red, green and blue: `@` stands for r, g and b in turn."""
    return expression(*(pattern.replace("@", channel) for channel in "rgb"), alpha)
