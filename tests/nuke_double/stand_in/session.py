"""One running Nuke: its script, its settings and everything that Python reaches through the nuke module.

`start` makes a new one and forgets the last; `current` is the one that nuke.* talks to. The settings name what is
uncertain or differs between versions, so that a test can try code both ways.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from . import loader, node_classes, saver
from .callbacks import Callbacks
from .channels import Channels
from .formats import DEFAULT, Format, Formats
from .groups import Group, Root
from .gui import MENUS, Menu, Undo
from .knob_texts import Link_Knob
from .knobs import Knob
from .nodes import Node
from .session_graph import Graph
from .session_pictures import Pictures
from .session_plugins import Plugins
from .session_texts import Texts
from .threads import MainThread

DOCUMENTED, ANY_CHANGE = "documented", "any"


@dataclass
class Context:
    """What thisNode(), thisKnob() and frame() answer while a callback runs."""

    node: Node
    knob: Knob | None = None


class Session(Graph, Texts, Plugins, Pictures):
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

    def _new_root(self) -> Root:
        found = node_classes.find("Root")
        assert found is not None
        return Root(self, found, None)

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
