"""A session's nodes: how they are made, named, found, connected and deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import expression, names, node_classes, script_parser
from .errors import ExpressionError
from .groups import Gizmo, Group, LiveGroup, Precomp, Root
from .knob_texts import Link_Knob
from .knobs import Knob
from .node_classes import NodeClass
from .nodes import BackdropNode, Node, Viewer

if TYPE_CHECKING:
    pass

NOT_SHARED = frozenset({"xpos", "ypos", "selected"})
EXPRESSIONS, INPUTS, HIDDEN_INPUTS, LINKINPUTS = 1, 2, 4, 8
_PYTHON_CLASSES: dict[str, type[Node]] = {
    "Group": Group,
    "Gizmo": Gizmo,
    "LiveGroup": LiveGroup,
    "Precomp": Precomp,
    "Root": Root,
    "BackdropNode": BackdropNode,
    "Viewer": Viewer,
}


class Graph:
    """The part of a session that holds the node graph."""

    def instantiate(self, node_class: NodeClass, parent: Group) -> Node:
        node = _PYTHON_CLASSES.get(node_class.name, Node)(self, node_class, parent)
        if node_class.name == "FrameHold":
            node._knobs.pop("first_frame" if self.version >= (13, 0, 0) else "firstFrame", None)
        parent._nodes.append(node)
        return node

    def make_node(self, name: str, parent: Group, callbacks: bool = True) -> Node | None:
        """A node of a class or of a gizmo on the plug-in path, without name or callbacks; None if there is neither."""
        name = name.removesuffix(".gizmo")
        found = node_classes.find(name)
        if found is not None and name != "Root":
            return self.instantiate(found, parent)
        path = self.find_plugin(f"{name}.gizmo")
        if path is None:
            return None
        nodes = self.loader.load(script_parser.parse_file(path), parent, gizmo_class=name, callbacks=False)
        if len(nodes) != 1:
            raise RuntimeError(f"{path}: a gizmo file holds one node, not {len(nodes)}")
        node = nodes[0]
        if isinstance(node, Gizmo):
            node._as_shipped = {name_: knob.toScript() for name_, knob in node._knobs.items() if _has_text(knob)}
        return node

    def create(self, name: str, knobs: str = "", panel: bool = True) -> Node:
        """nuke.createNode: made in the current group, connected to the selection, callbacks run, its panel opened."""
        self.require_main_thread("createNode")
        group = self.current_group()
        sources = [n for n in reversed(group._nodes) if n.isSelected()]
        fresh = {id(node) for node in group._nodes}
        node = self.make_node(name, group)
        if node is None:
            raise RuntimeError(f"{name}: Unknown command")
        if not isinstance(node, Group) or not node._nodes or isinstance(node, Gizmo):
            self.name_new_node(node, "")
        if knobs:
            self.loader.read_knobs(node, knobs, f"createNode({name})")
            self._uncollide(node)
        self.number_input(node)
        for place, source in enumerate(reversed(sources)):
            if place < node._input_limit() and id(source) in fresh:
                node._connect(place, source)
        node.selectOnly()
        if self.gui:
            self.callbacks.run("onUserCreate", node)
        self.created_with_inner(node)
        self._touch()
        if self.gui and panel:
            node.showControlPanel()
        return node

    def twin(self, node: Node, parent: Group) -> Node:
        """A clone: another place in the graph with the same knobs, name included."""
        twin = self.instantiate(node._node_class, parent)
        twin._knobs = {n: (twin._knobs[n] if n in NOT_SHARED else knob) for n, knob in node._knobs.items()}
        twin._user_knobs = node._user_knobs
        node._clones += 1
        return twin

    def created_with_inner(self, node: Node) -> None:
        """onCreate for what is inside, then for the node."""
        if isinstance(node, Group):
            for inner in node._nodes:
                self.created_with_inner(inner)
        self.node_created(node)

    def node_created(self, node: Node) -> None:
        self.callbacks.run("onCreate", node)

    def name_new_node(self, node: Node, wanted: str, taken: set[str] | None = None) -> None:
        """Give a new node its wanted name, or one made of its class; a taken name gets the next free number.

        A script of thousands of nodes hands its own set of taken names along, to which the name is added.
        """
        base = wanted or node.Class().removesuffix(".gizmo").rstrip("0123456789") + "1"
        name = _free(base, self._siblings(node) if taken is None else taken)
        node._knobs["name"]._value = name  # type: ignore[attr-defined]
        if taken is not None:
            taken.add(name)

    def rename(self, node: Node, name: str, uncollide: bool) -> None:
        if isinstance(node, Root):
            node._knobs["name"]._value = name  # type: ignore[attr-defined]
            return
        if not name or not all(c.isalnum() or c == "_" for c in name) or name[0].isdigit():
            raise ValueError(f'"{name}" is not a name for a node')
        taken = node._parent is not None and any(n is not node and n.name() == name for n in node._parent._nodes)
        if taken and not uncollide:
            raise ValueError(f'there is already a node called "{name}"')
        node._knobs["name"]._value = self._free_name(node, name)  # type: ignore[attr-defined]

    def _uncollide(self, node: Node) -> None:
        node._knobs["name"]._value = self._free_name(node, node.name())  # type: ignore[attr-defined]

    def _free_name(self, node: Node, name: str) -> str:
        return _free(name, self._siblings(node))

    def _siblings(self, node: Node) -> set[str]:
        return {n.name() for n in (node._parent._nodes if node._parent else []) if n is not node}

    def number_input(self, node: Node) -> None:
        """A new Input takes the next free number of its group; in a script, one without a number is number 0."""
        if node.Class() == "Input" and not node["number"]._explicit and node._parent is not None:
            others = [n for n in node._parent._nodes if n.Class() == "Input" and n is not node]
            taken = {int(n["number"].value()) for n in others}
            free = next(i for i in range(len(taken) + 1) if i not in taken)
            node["number"]._channels[0].value = float(free)  # type: ignore[attr-defined]

    def delete(self, node: Node) -> None:
        self.require_main_thread("delete")
        if isinstance(node, Root):
            raise ValueError("the root cannot be deleted")
        if isinstance(node, Group):
            for inner in list(node._nodes):
                self.delete(inner)
        self.callbacks.run("onDestroy", node)
        parent = node._parent
        assert parent is not None
        source = node.input(0)
        for other in parent._nodes:
            other._inputs = [source if n is node else n for n in other._inputs]
        parent._nodes.remove(node)
        object.__setattr__(node, "_deleted", True)
        self._touch()

    def gizmo_to_group(self, gizmo: Gizmo) -> Group:
        text = "\n".join(self.saver.nodes(gizmo._nodes, " "))
        found = node_classes.find("Group")
        assert found is not None and gizmo._parent is not None
        group = self.instantiate(found, gizmo._parent)
        assert isinstance(group, Group)
        self.name_new_node(group, "Group1")
        lines = [line for line in self.saver._knob_lines(gizmo, True) if not line.startswith(("name ", "gizmo_file "))]
        self.loader.read_knobs(group, "\n".join(lines), gizmo._file)
        self.loader.load(script_parser.parse(text, gizmo._file), group, callbacks=False)
        for place, source in enumerate(gizmo._inputs):
            group._connect(place, source)
        return group

    def every_node(self, group: Group | None = None) -> Iterator[Node]:
        for node in (group or self.root)._nodes:
            yield node
            if isinstance(node, Group):
                yield from self.every_node(node)

    def is_upstream(self, source: Node, node: Node) -> bool:
        """True if `node` feeds `source`: connecting source into node would make a loop."""
        return any(n is node for n in source._upstream())

    def dependencies(self, node: Node, what: int) -> list[Node]:
        found: list[Node] = []
        if what & (INPUTS | HIDDEN_INPUTS):
            hidden = bool(node._knobs["hide_input"].value()) if "hide_input" in node._knobs else False
            if what & (HIDDEN_INPUTS if hidden else INPUTS):
                found += [n for n in node._inputs if n is not None]
        for knob in node._knobs.values():
            if what & LINKINPUTS and isinstance(knob, Link_Knob):
                target = knob.getLinkedKnob()
                found += [target._node] if target is not None and target._node is not None else []
            if what & EXPRESSIONS:
                for text in _expressions(knob):
                    found += [f.node for n in _names(text) if (f := names.find(n, node, knob)) and f.node is not node]
        unique: list[Node] = []
        for other in found:
            if other is not node and other not in unique:
                unique.append(other)
        return unique

    def find_link(self, node: Node, link: str) -> Knob | None:
        """The knob that a link names: seen from inside the node if it is a group, else from beside it."""
        words = link.split(".")
        starts: list[Node | None] = [node if node._is_group else None, node._parent]
        for start in starts:
            for count in range(1, len(words)):
                found = start.node(".".join(words[:count])) if isinstance(start, Group) else None
                if words[0] in ("this", "parent", "root", "input"):
                    there = names.find(".".join(words[:count]), node)
                    found = there.node if there is not None and there.knob is None else None
                knob = found._knobs.get(".".join(words[count:])) if found is not None else None
                if knob is not None:
                    return knob
        return None


def _free(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    stem = name.rstrip("0123456789") or name
    number = 1
    while f"{stem}{number}" in taken:
        number += 1
    return f"{stem}{number}"


def _has_text(knob: Knob) -> bool:
    return not isinstance(knob, Link_Knob)


def _expressions(knob: Knob) -> list[str]:
    channels = getattr(knob, "_channels", None) or []
    found = [channel.expression for channel in channels if channel.expression]
    own = getattr(knob, "_expression", "")
    return found + ([own] if own else [])


def _names(text: str) -> list[str]:
    try:
        tree = expression.parse(text)
    except ExpressionError:
        return []
    found, stack = [], [tree]
    while stack:
        part = stack.pop()
        if part.kind in ("name", "call"):
            found.append(part.value)
        stack.extend(part.parts)
    return found
