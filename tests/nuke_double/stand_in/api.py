"""The functions of the nuke module. Names and arguments are those of Foundry's Python reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import node_classes, scripts, session
from .groups import Gizmo, Group, Root
from .knobs import Knob
from .nodes import Node


def root() -> Root:
    return session.current().root


def toNode(name: str) -> Node | None:
    """By name in the current group, or by full name from the root; None if there is none."""
    if not isinstance(name, str):
        raise TypeError(f"argument 1 must be str, not {type(name).__name__}")
    here = session.current()
    if name == "root":
        return here.root
    words = name.removeprefix("root.")
    return here.current_group().node(words) or here.root.node(words)


def exists(name: str) -> bool:
    from . import names

    here = session.current()
    return names.find(name, here.current_group()) is not None


def thisNode() -> Node:
    found = session.current().this()
    if found is None:
        raise ValueError("A PythonObject is not attached to a node")
    return found.node


def thisKnob() -> Knob | None:
    found = session.current().this()
    return None if found is None else found.knob


def thisClass() -> str:
    return thisNode().Class()


def thisGroup() -> Group:
    here = session.current()
    found = here.this()
    return here.current_group() if found is None else (found.node.parent() or here.root)


def thisParent() -> Group | None:
    return thisNode().parent()


def thisRoot() -> Root:
    return root()


def thisView() -> str:
    return "main"


def allNodes(filter: str | None = None, group: Group | None = None, recurseGroups: bool = False) -> list[Node]:
    here = session.current()
    start = group or here.current_group()
    found = list(here.every_node(start)) if recurseGroups else list(start._nodes)
    return [node for node in reversed(found) if filter is None or node.Class() == filter]


def selectedNodes(filter: str | None = None) -> list[Node]:
    return [node for node in allNodes(filter) if node.isSelected()]


def selectedNode() -> Node:
    found = selectedNodes()
    if not found:
        raise ValueError("no node selected")
    return found[0]


def selectAll() -> None:
    for node in session.current().current_group()._nodes:
        node.setSelected(True)


def createNode(node: str, knobs: str = "", inpanel: bool = True) -> Node:
    return session.current().create(node, knobs, bool(inpanel))


def canCreateNode(name: str) -> bool:
    here = session.current()
    return node_classes.find(name) is not None or here.find_plugin(f"{name}.gizmo") is not None


def delete(node: Node) -> None:
    if not isinstance(node, Node):
        raise TypeError(f"argument 1 must be Node, not {type(node).__name__}")
    session.current().delete(node)


def clone(node: Node, args: str = "", inpanel: bool | None = None) -> Node:
    if isinstance(node, Gizmo):
        raise RuntimeError("gizmos cannot be cloned")
    here = session.current()
    here.require_main_thread("clone")
    twin = here.twin(node, here.current_group())
    here.created_with_inner(twin)
    return twin


class Nodes:
    """nuke.nodes: nodes.Blur(size=5, inputs=[…]) makes a node without panel or connection to the selection."""

    def __getattr__(self, name: str) -> Callable[..., Node]:
        if name.startswith("__"):
            raise AttributeError(name)

        def make(**knobs: Any) -> Node:
            return _make(name, knobs)

        return make


def _make(name: str, knobs: dict[str, Any]) -> Node:
    here = session.current()
    here.require_main_thread(f"nodes.{name}")
    node = here.make_node(name, here.current_group())
    if node is None:
        raise AttributeError(f"'Nodes' object has no attribute '{name}'")
    if not (isinstance(node, Group) and node._nodes):
        here.name_new_node(node, "")
    inputs = knobs.pop("inputs", None)
    if "name" in knobs:
        node.setName(knobs.pop("name"))
    for knob, value in knobs.items():
        found = node.knob(knob)
        if found is None:
            raise TypeError(f"{name}: there is no knob {knob}")
        if isinstance(value, str) and not isinstance(found.value(), str):
            found.fromScript(value)
        else:
            found.setValue(value)
    for place, source in enumerate(inputs or []):
        node.setInput(place, source)
    here.number_input(node)
    here.created_with_inner(node)
    return node


# scripts


def scriptOpen(file: str) -> None:
    scripts.open_script(session.current(), file)


def scriptReadFile(file: str) -> None:
    scripts.read_file(session.current(), file)


def scriptReadText(text: str) -> None:
    scripts.read_text(session.current(), text)


def scriptSource(file: str) -> None:
    scripts.read_file(session.current(), file)


def scriptSave(filename: str | None = None) -> bool:
    return scripts.save(session.current(), filename)


def scriptSaveAs(filename: str | None = None, overwrite: int = -1) -> bool:
    return scripts.save_as(session.current(), filename or "", int(overwrite))


def scriptClear(ignoreUnsavedChanges: bool = False) -> None:
    scripts.clear(session.current())


def scriptClose(ignoreUnsavedChanges: bool = False) -> bool:
    scripts.clear(session.current())
    return True


def scriptNew() -> None:
    session.current().require_gui("scriptNew")
    scripts.clear(session.current())


def scriptName() -> str:
    name = session.current().root["name"].value()
    if not name:
        raise RuntimeError("the script has no name yet")
    return str(name)


def script_directory() -> str:
    import posixpath

    return posixpath.dirname(str(session.current().root["name"].value()))


def nodePaste(file: str) -> Node | None:
    made = scripts.paste(session.current(), file)
    return made[-1] if made else None


def nodeCopy(file: str) -> None:
    scripts.copy(session.current(), file)


def modified(status: bool | None = None) -> bool:
    here = session.current()
    if status is not None:
        here.modified = bool(status)
    return here.modified


# rendering


def execute(nameOrNode: Any, *arguments: Any, **options: Any) -> None:
    session.current().renderer.execute(nameOrNode, *arguments, **options)


def render(nameOrNode: Any, *arguments: Any, **options: Any) -> None:
    session.current().renderer.execute(nameOrNode, *arguments, **options)


def executeMultiple(
    nodes: Iterable[Node] = (), ranges: Any = None, views: Any = None, continueOnError: bool = False
) -> None:
    session.current().renderer.execute_multiple(list(nodes), ranges, views, continueOnError)


def executing() -> bool:
    return session.current().renderer.executing


def cancel() -> None:
    session.current().renderer.cancel()


def frame(f: float | None = None) -> int:
    here = session.current()
    if f is not None:
        here.root["frame"].setValue(f)
    return int(here.frame())


def sample(node: Node, channel: str, x: float, y: float, *arguments: Any) -> float:
    return node.sample(channel, x, y)


REPLACE = 1
VIEW_NAMES = 2


def filename(node: Node, i: int = 0) -> str | None:
    """The file of a node; REPLACE expands the frame. A group gives the name of its first Write."""
    if isinstance(node, Group):
        found = next((n for n in node._nodes if n.Class() == "Write"), None)
        return None if found is None else filename(found, i)
    knob = node.knob("file")
    if knob is None:
        return None
    here = session.current()
    text = here.substitute(knob.value(), knob)
    text = here.callbacks.filter_filename(text, node)
    return here.expand_frame(text) if i & REPLACE else text


# expressions


def expression(s: str) -> float:
    here = session.current()
    found = here.this()
    return here.expression(s, found.node if found else here.current_group())


expr = expression


def tcl(s: str, *arguments: Any) -> str:
    here = session.current()
    found = here.this()
    words = " ".join([s, *(f"{{{a}}}" for a in arguments)])
    return here.run_tcl(words, found.node if found else here.current_group(), None, here.frame())


def value(knob: str, default: Any = None) -> str:
    return tcl(f"value {{{knob}}}" + (f" {{{default}}}" if default is not None else ""))


def numvalue(knob: str, default: float | None = None) -> float:
    return float(tcl(f"numvalue {{{knob}}}" + (f" {default}" if default is not None else "")))
