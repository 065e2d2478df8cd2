"""Callbacks: who is called, in which order, and what a failure does.

Order is the documented one: the text in the node's own knob, then what was registered for the node's class, then for
'*'. Exceptions are not caught between callbacks. autolabel and filenameFilter run in reverse. Whether knobChanged is
called for changes made by a script is a setting of the session, because Foundry's documents disagree across versions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .knobs import Knob
    from .nodes import Node
    from .session import Session

# kind: default node class
KINDS: dict[str, str] = {
    "onUserCreate": "*",
    "onCreate": "*",
    "onScriptLoad": "Root",
    "onScriptSave": "Root",
    "onScriptClose": "Root",
    "onDestroy": "*",
    "knobChanged": "*",
    "updateUI": "*",
    "autolabel": "*",
    "beforeRender": "Write",
    "beforeFrameRender": "Write",
    "afterFrameRender": "Write",
    "afterRender": "Write",
    "renderProgress": "Write",
    "filenameFilter": "*",
    "validateFilename": "Write",
    "beforeRecording": "Viewer",
    "afterRecording": "Viewer",
    "beforeReplay": "Viewer",
    "afterReplay": "Viewer",
    "defaultColorspaceMapper": "*",
}
WITHOUT_CLASS = ("beforeBackgroundRender", "afterBackgroundRender", "afterBackgroundFrameRender")
_TEXT_KNOBS = {
    "onCreate", "onDestroy", "knobChanged", "updateUI", "autolabel", "onScriptLoad", "onScriptSave", "onScriptClose",
    "beforeRender", "beforeFrameRender", "afterFrameRender", "afterRender", "renderProgress",
}  # fmt: skip

Entry = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]


class Callbacks:
    """The registered callbacks of a session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.entries: dict[str, dict[str, list[Entry]]] = {kind: {} for kind in (*KINDS, *WITHOUT_CLASS)}

    def add(
        self, kind: str, call: Any, args: Any = (), kwargs: Any = None, nodeClass: str | None = None, node: Any = None
    ) -> None:
        if not callable(call):
            raise ValueError("call must be a callable")
        if not isinstance(args, tuple):
            args = (args,)
        if kwargs is not None and not isinstance(kwargs, dict):
            raise ValueError("kwargs must be a dictionary")
        entry = (call, args, kwargs or {}, node)
        entries = self.entries[kind].setdefault(nodeClass or KINDS.get(kind, "*"), [])
        if entry in entries:
            entries.remove(entry)
        entries.append(entry)

    def remove(
        self, kind: str, call: Any, args: Any = (), kwargs: Any = None, nodeClass: str | None = None, node: Any = None
    ) -> None:
        if not isinstance(args, tuple):
            args = (args,)
        entries = self.entries[kind].get(nodeClass or KINDS.get(kind, "*"), [])
        entry = (call, args, kwargs or {}, node)
        if entry in entries:
            entries.remove(entry)

    def registered(self, kind: str, node_class: str) -> list[Entry]:
        """What would be called for a node of this class, in order; the class' own before '*'."""
        found = [*self.entries[kind].get(node_class, [])]
        return [*found, *self.entries[kind].get("*", [])] if node_class != "*" else found

    def run(self, kind: str, node: Node, knob: Knob | None = None) -> None:
        """Run the node's text and the registered callbacks with thisNode() and thisKnob() set."""
        with self.session.context(node, knob):
            if kind in _TEXT_KNOBS:
                self.run_node_text(node, kind)
            for own, call in list(node._own_callbacks):
                if own == kind:
                    call()
            for call, args, kwargs, only in self.registered(kind, node.Class()):
                if only is None or only is node:
                    call(*args, **kwargs)

    def run_node_text(self, node: Node, kind: str) -> None:
        knob = node._knobs.get(kind)
        text = getattr(knob, "_value", "")
        if text:
            self.session.run_python(text, f"{node.fullName()}.{kind}")

    def run_context(self, kind: str, context: dict[str, Any]) -> None:
        """The background render callbacks take one dictionary and have no node."""
        for call, args, kwargs, _ in self.entries[kind].get("*", []):
            call(context, *args, **kwargs)

    def filter_filename(self, filename: str, node: Node) -> str:
        """filenameFilter: last registered first; None leaves the name as it is."""
        with self.session.context(node):
            for call, args, kwargs, _ in reversed(self.registered("filenameFilter", node.Class())):
                changed = call(filename, *args, **kwargs)
                if changed is not None:
                    filename = changed
        return filename

    def label(self, node: Node) -> str | None:
        """autolabel: last registered first, the first answer wins."""
        with self.session.context(node):
            for call, args, kwargs, _ in reversed(self.registered("autolabel", node.Class())):
                found = call(*args, **kwargs)
                if found is not None:
                    return str(found)
        return None
