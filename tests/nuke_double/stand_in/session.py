"""One running Nuke: its script, its settings and everything that Python reaches through the nuke module.

`start` makes a new one and forgets the last; `current` is the one that nuke.* talks to. The settings name what is
uncertain or differs between versions, so that a test can try code both ways.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import expression, loader, names, node_classes, saver, script_parser
from .callbacks import Callbacks
from .channels import Channels
from .errors import ExpressionError, NotEvaluated
from .formats import DEFAULT, Box, Format, Formats
from .groups import Gizmo, Group, LiveGroup, Precomp, Root
from .gui import MENUS, Menu, Undo
from .knobs import Knob, Link_Knob
from .node_classes import NodeClass
from .nodes import BackdropNode, Node, Viewer
from .tcl_commands import Interpreter
from .threads import MainThread

EXPRESSIONS, INPUTS, HIDDEN_INPUTS, LINKINPUTS = 1, 2, 4, 8
DOCUMENTED, ANY_CHANGE = "documented", "any"
_PYTHON_CLASSES: dict[str, type[Node]] = {
    "Group": Group,
    "Gizmo": Gizmo,
    "LiveGroup": LiveGroup,
    "Precomp": Precomp,
    "Root": Root,
    "BackdropNode": BackdropNode,
    "Viewer": Viewer,
}


@dataclass
class Context:
    """What thisNode(), thisKnob() and frame() answer while a callback runs."""

    node: Node
    knob: Knob | None = None


class Session:
    """A running Nuke."""

    def __init__(
        self,
        gui: bool = False,
        version: tuple[int, int, int] = (15, 1, 3),
        knob_changed: str = DOCUMENTED,
        strict: bool = True,
        button_group: str = "parent",
        raw_args: list[str] | None = None,
    ) -> None:
        if knob_changed not in (DOCUMENTED, ANY_CHANGE) or button_group not in ("parent", "group"):
            raise ValueError("knob_changed is 'documented' or 'any'; button_group is 'parent' or 'group'")
        self.gui = gui
        self.version = version
        self.knob_changed_mode = knob_changed
        self.strict = strict
        self.button_group = button_group
        self.raw_args = raw_args or ["Nuke"]
        self.formats = Formats()
        self.channels = Channels()
        self.callbacks = Callbacks(self)
        self.main_thread = MainThread(gui)
        self.loader = loader.Loader(self)
        self.saver = saver.Saver(self)
        self.plugin_paths: list[str] = []
        self.menus = {name: Menu(name, "", self._run_menu) for name in MENUS} if gui else {}
        self.messages: list[str] = []
        self.answers: list[bool] = []
        self.console: list[tuple[str, str]] = []
        self.terminal: list[str] = []
        self.progress_tasks: list[Any] = []
        self.cancel_progress: bool | Callable[[Any], bool] = False
        self.problems: list[loader.Problem] = []
        self.clipboard = ""
        self.modified = False
        self.python_globals: dict[str, Any] = {"__name__": "__main__"}
        self._contexts: list[Context] = []
        self._groups: list[Group] = []
        self._frames: list[float] = []
        self._depth = 0
        self._in_knob_changed: list[Node] = []
        self._user_action = 0
        self._validated: dict[int, set[float]] = {}
        self._loading = 0
        Undo._depth = Undo._off = 0
        self.root: Root = self._new_root()
        from .render import Renderer

        self.renderer = Renderer(self)

    # nodes

    def _new_root(self) -> Root:
        found = node_classes.find("Root")
        assert found is not None
        return Root(self, found, None)

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

    # context

    def current_group(self) -> Group:
        return self._groups[-1] if self._groups else self.root

    def enter_group(self, group: Group) -> None:
        self._groups.append(group)

    def leave_group(self, group: Group) -> None:
        if not self._groups or self._groups[-1] is not group:
            raise RuntimeError("Group.end() without the Group.begin() that belongs to it")
        self._groups.pop()

    @contextlib.contextmanager
    def context(self, node: Node, knob: Knob | None = None, group: Group | None = None) -> Iterator[None]:
        """thisNode(), thisKnob() and the current group, while a callback of the node runs."""
        self._contexts.append(Context(node, knob))
        depth = len(self._groups)
        self._groups.append(group or node._parent or self.root)
        try:
            yield
        finally:
            self._contexts.pop()
            left = len(self._groups) - depth - 1
            del self._groups[depth:]
        if left:
            raise RuntimeError("Group.begin() without Group.end() in a callback")

    def this(self) -> Context | None:
        return self._contexts[-1] if self._contexts else None

    @contextlib.contextmanager
    def at_frame(self, frame: float) -> Iterator[None]:
        self._frames.append(frame)
        try:
            yield
        finally:
            self._frames.pop()

    def frame(self) -> float:
        """The frame that values are asked at: that of the render in progress, or the root's."""
        if self._frames:
            return self._frames[-1]
        return self.root._knobs["frame"]._channels[0].value  # type: ignore[attr-defined]

    def default_format(self) -> Format:
        found = self.root._knobs["format"]._format  # type: ignore[attr-defined]
        return found or self.formats.find(DEFAULT)

    # what only one of the modes allows

    def require_main_thread(self, what: str) -> None:
        if not self.main_thread.is_here():
            raise RuntimeError(f"{what} off the main thread: Nuke may crash; use executeInMainThreadWithResult")

    def require_gui(self, what: str) -> None:
        if not self.gui:
            raise RuntimeError(f"{what} is not available in terminal mode")

    # knobs

    def knob_was_set(self, node: Node, knob: Knob) -> None:
        self.require_main_thread(f"setting {knob._name}")
        self._touch()
        if self._loading:
            return
        if self.knob_changed_mode == ANY_CHANGE or (self._user_action and node._panel_open):
            self.knob_changed(node, knob)

    def knob_changed(self, node: Node, knob: Knob) -> None:
        if any(n is node for n in self._in_knob_changed):
            return  # not recursive
        if self.knob_changed_mode == DOCUMENTED and self._in_knob_changed:
            return
        self._in_knob_changed.append(node)
        try:
            self.callbacks.run("knobChanged", node, knob)
        finally:
            self._in_knob_changed.pop()

    def input_changed(self, node: Node) -> None:
        self._touch()
        self._dummy(node, "inputChange")

    def panel_opened(self, node: Node) -> None:
        self._dummy(node, "showPanel")

    def _dummy(self, node: Node, name: str) -> None:
        knob = Knob(name)
        knob._node = node
        self.knob_changed(node, knob)

    def user_sets(self, node: Node, knob: str, value: Any) -> None:
        """A user types a value into an open panel."""
        opened = node._panel_open
        node._panel_open = True
        self._user_action += 1
        try:
            node[knob].setValue(value)
        finally:
            self._user_action -= 1
            node._panel_open = opened

    def user_presses(self, node: Node, knob: str) -> None:
        """A user presses a button; a link leads to the button that it shows."""
        target = node[knob]
        if isinstance(target, Link_Knob):
            target = target._target()
        target.execute()  # type: ignore[attr-defined]

    def print(self, text: str) -> None:
        """To the terminal that Nuke was started from."""
        self.terminal.append(text)
        sys.stdout.write(text)

    def idle(self) -> None:
        """The GUI has nothing to do: the main thread queue runs, then updateUI for every node."""
        self.require_gui("idle")
        self.main_thread.pump()
        for node in list(self.every_node()):
            self.callbacks.run("updateUI", node)

    def _touch(self) -> None:
        if self.gui:
            self.modified = True

    def in_knob_changed(self) -> bool:
        return bool(self._in_knob_changed)

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

    # expressions, Tcl and Python text

    def evaluate_expression(self, knob: Knob, index: int, text: str, frame: float) -> float:
        assert knob._node is not None
        with self._deeper(f"{knob._node.fullName()}.{knob._name}"):
            tree = expression.parse(text)
            value = expression.evaluate(tree, names.KnobNames(self, knob._node, knob, index, frame))
        return float(value)

    def expression(self, text: str, node: Node) -> float:
        tree = expression.parse(text)
        return float(expression.evaluate(tree, names.KnobNames(self, node, None, 0, self.frame())))

    def run_tcl(self, text: str, node: Node, knob: Knob | None, frame: float) -> str:
        with self._deeper(f"{node.fullName()}: [{text}]"):
            return Interpreter(self, node, knob, frame).run(text)

    def substitute(self, text: str, knob: Knob) -> str:
        if "[" not in text and "$" not in text and "\\" not in text:
            return text
        assert knob._node is not None
        with self._deeper(f"{knob._node.fullName()}.{knob._name}"):
            return Interpreter(self, knob._node, knob, self.frame()).substitute(text)

    def linked_text(self, knob: Knob, text: str) -> str:
        """The text that a channel knob takes over from another one."""
        assert knob._node is not None
        if text.startswith("["):
            return self.substitute(text, knob)
        with self._deeper(f"{knob._node.fullName()}.{knob._name}"):
            found = names.find(text, knob._node, knob)
            if found is None or found.knob is None:
                raise ExpressionError(f'{knob._node.fullName()}.{knob._name}: nothing is named "{text}"')
            return found.knob._text()

    @contextlib.contextmanager
    def _deeper(self, what: str) -> Iterator[None]:
        self._depth += 1
        try:
            if self._depth > 60:
                raise ExpressionError(f"{what}: the expression depends on itself")
            yield
        finally:
            self._depth -= 1

    def run_python(self, text: str, where: str) -> None:
        exec(compile(text, where, "exec"), self._python_names())

    def evaluate_python(self, text: str, node: Node, knob: Knob | None) -> Any:
        with self.context(node, knob):
            return eval(compile(text.strip(), f"{node.fullName()}", "eval"), self._python_names())

    def evaluate_tcl_python(self, code: str, local: bool, node: Node, knob: Knob | None, frame: float) -> Any:
        """[python code]: the value of an expression; with -execlocal, statements that set `ret`."""
        with self.context(node, knob), self.at_frame(frame):
            if not local:
                return eval(compile(code.strip(), "[python]", "eval"), self._python_names())
            scope: dict[str, Any] = {}
            exec(compile(code, "[python]", "exec"), self._python_names(), scope)
            return scope.get("ret", 0)

    def _python_names(self) -> dict[str, Any]:
        import importlib

        self.python_globals.setdefault("nuke", sys.modules.get("nuke") or importlib.import_module("nuke"))
        return self.python_globals

    def run_button(self, node: Node, knob: Knob) -> None:
        self.require_main_thread("a button")
        group = node if self.button_group == "group" and isinstance(node, Group) else None
        with self.context(node, knob, group):
            self.run_python(knob._value, f"{node.fullName()}.{knob._name}")  # type: ignore[attr-defined]

    def run_tcl_button(self, node: Node, knob: Knob) -> None:
        if node.Class() in ("Read", "Write", "Precomp") and knob._name == "reload":
            self.renderer.reload(node)
            return
        if node.Class() == "Write" and knob._name == "Render":
            self.renderer.execute(node)
            return
        with self.context(node, knob):
            self.run_tcl(knob._value, node, knob, self.frame())  # type: ignore[attr-defined]

    def _run_menu(self, command: Any, name: str) -> None:
        if callable(command):
            command()
        elif command:
            self.run_python(command, f"menu {name}")
        else:
            self.create(name)

    # plug-ins

    def add_plugin_path(self, path: str, prepend: bool, to_sys_path: bool) -> None:
        """nuke.pluginAddPath: relative to the file that calls; an init.py inside an init.py's directory runs too."""
        frame = sys._getframe(2)
        caller = frame.f_globals.get("__file__", "")
        full = path.rstrip("/\\") or path
        if not os.path.isabs(full) and caller:
            full = os.path.join(os.path.dirname(os.path.abspath(caller)), full)
        full = os.path.normpath(full).replace("\\", "/")
        if full in self.plugin_paths:
            self.plugin_paths.remove(full)
        self.plugin_paths.insert(0 if prepend else len(self.plugin_paths), full)
        if to_sys_path and full not in sys.path:
            sys.path.insert(0, full)
        init = Path(full) / "init.py"
        if os.path.basename(caller) == "init.py" and init.is_file():
            self.run_file(init)

    def run_file(self, path: Path) -> None:
        """Run an init.py or menu.py as Nuke does at start."""
        scope = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)

    def find_plugin(self, name: str) -> Path | None:
        for folder in self.plugin_paths:
            path = Path(folder) / name
            if path.is_file():
                return path
        return None

    # files

    def channels_seen(self, names: Iterable[str]) -> None:
        """Layers that a file brought along exist from now on."""
        for name in names:
            if not self.channels.is_channel(name):
                self.channels.add_layer(name.split(".")[0], [name])

    def expand_frame(self, path: str) -> str:
        from .render import expand_frame

        return expand_frame(path, round(self.frame()))

    # pictures

    def fact(self, node: Node, fact: str, frame: float) -> float:
        return self.renderer.fact(node, fact, frame)

    def node_format(self, node: Node) -> Format:
        """The format; a node that is in error has the script's."""
        return self.renderer._info_or_format(node, self.frame()).format

    def node_bbox(self, node: Node) -> Box:
        edges = self.renderer._info_or_format(node, self.frame()).bbox
        return Box(edges.x, edges.y, edges.r, edges.t)

    def node_channels(self, node: Node) -> list[str]:
        try:
            return sorted(self.renderer.info(node, self.frame()).channels)
        except NotEvaluated:
            raise
        except RuntimeError:
            return []

    def node_metadata(self, node: Node, frame: float) -> dict[str, Any]:
        self.validate(node, frame)
        return dict(self.renderer.info(node, frame).metadata)

    def node_range(self, node: Node) -> tuple[int, int]:
        return self.renderer.frame_range(node)

    def node_error(self, node: Node) -> str | None:
        try:
            self.renderer.info(node, self.frame())
        except NotEvaluated:
            raise
        except RuntimeError as error:
            return str(error)
        return None

    def sample(self, node: Node, channel: str, x: float, y: float, frame: float | None) -> float:
        image = self.renderer.evaluate(node, self.frame() if frame is None else frame)
        return image.sample(self.channels.full_name(channel), x, y)

    def validate(self, node: Node, frame: float) -> None:
        for upstream in node._upstream():
            self._validated.setdefault(id(upstream), set()).add(frame)

    def op_hashes(self, node: Node) -> list[int]:
        """Empty until validated and for Dot and Input; depends on the knobs upstream and the frame, not on files."""
        import hashlib

        if node.Class() in ("Dot", "Input") or self.frame() not in self._validated.get(id(node), ()):
            return []
        text = [f"{self.frame()}"]
        for upstream in node._upstream():
            skip = ("name", "xpos", "ypos", "selected", "label")
            text += [f"{k} {knob.toScript()}" for k, knob in upstream._knobs.items() if k not in skip]
        return [int.from_bytes(hashlib.sha256("\n".join(text).encode()).digest()[:8], "big")]


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


_current: Session | None = None


def start(**settings: Any) -> Session:
    """A new Nuke; the settings are those of Session."""
    global _current
    _current = Session(**settings)
    return _current


def current() -> Session:
    """The Nuke that nuke.* talks to; one without GUI starts if there is none."""
    return _current if _current is not None else start()


def forget() -> None:
    """No Nuke is running any more."""
    global _current
    _current = None
