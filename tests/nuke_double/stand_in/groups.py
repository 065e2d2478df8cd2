"""nuke.Group, nuke.Gizmo and nuke.Root: nodes that hold nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .nodes import Node


class Group(Node):
    """nuke.Group. `with group:` makes it the place where nodes are made and looked up."""

    _is_group = True

    def __init__(self, *arguments: Any) -> None:
        self._nodes: list[Node] = []
        super().__init__(*arguments)

    def nodes(self) -> list[Node]:
        return list(reversed(self._nodes))

    def node(self, name: str) -> Node | None:
        """The node of this name inside; "Inner.Blur1" goes deeper."""
        here: Node | None = self
        for part in name.split("."):
            here = here._child(part) if here is not None and here._is_group else None  # type: ignore[attr-defined]
        return here

    def numNodes(self) -> int:
        return len(self._nodes)

    def output(self) -> Node | None:
        return next((node for node in self._nodes if node.Class() == "Output"), None)

    def selectedNodes(self) -> list[Node]:
        return [node for node in self.nodes() if node.isSelected()]

    def selectedNode(self) -> Node:
        found = self.selectedNodes()
        if not found:
            raise ValueError("no node selected")
        return found[0]

    def begin(self) -> Group:
        self._session.enter_group(self)
        return self

    def end(self) -> None:
        self._session.leave_group(self)

    def __enter__(self) -> Group:
        return self.begin()

    def __exit__(self, *_: Any) -> None:
        self.end()

    def run(self, call: Callable[[], Any]) -> Any:
        with self:
            return call()

    def subgraphLocked(self) -> bool:
        return False

    def _child(self, name: str) -> Node | None:
        return next((node for node in self._nodes if node.name() == name), None)

    def _input_nodes(self) -> list[Node]:
        """The Input nodes, by their number."""
        found = [node for node in self._nodes if node.Class() == "Input"]
        return sorted(found, key=lambda node: node["number"].value())

    def _input_limit(self) -> int:
        return max((int(node["number"].value()) + 1 for node in self._input_nodes()), default=0)


class Gizmo(Group):
    """nuke.Gizmo: a node class made of a .gizmo file that holds `Gizmo {`."""

    def __init__(self, *arguments: Any) -> None:
        self._file = ""
        self._class_name = ""
        self._as_shipped: dict[str, str] = {}
        super().__init__(*arguments)

    def Class(self) -> str:
        return self._class_name or "Gizmo"

    def filename(self) -> str:
        return self._file

    def command(self) -> str:
        return self._class_name

    def makeGroup(self) -> Group:
        return self._session.gizmo_to_group(self)


class LiveGroup(Group):
    """nuke.LiveGroup."""


class Precomp(Group):
    """nuke.Precomp."""


class Root(Group):
    """nuke.Root: the script itself."""

    def name(self) -> str:
        return self._knobs["name"]._value or "Root"  # type: ignore[attr-defined]

    def fullName(self) -> str:
        return "root"

    def firstFrame(self) -> int:
        return int(self["first_frame"].value())

    def lastFrame(self) -> int:
        return int(self["last_frame"].value())

    def fps(self) -> int:
        return int(self["fps"].value())

    def realFps(self) -> float:
        return float(self["fps"].value())

    def proxy(self) -> bool:
        return bool(self["proxy"].value())

    def setProxy(self, proxy: bool) -> None:
        self["proxy"].setValue(bool(proxy))

    def setFrame(self, frame: int) -> None:
        self["frame"].setValue(frame)

    def setView(self, view: str) -> None:
        if view != "main":
            raise ValueError(f"there is no view {view}")

    def modified(self) -> bool:
        return self._session.modified

    def setModified(self, modified: bool) -> None:
        self._session.modified = bool(modified)

    def layers(self) -> list[str]:
        return list(self._session.channels.layers)

    def channels(self) -> list[str]:
        return [channel for channels in self._session.channels.layers.values() for channel in channels]

    def mergeFrameRange(self, first: int, last: int) -> None:
        self["first_frame"].setValue(min(first, self.firstFrame()))
        self["last_frame"].setValue(max(last, self.lastFrame()))

    def format(self) -> Any:
        return self["format"].value()

    def canSetInput(self, i: int, node: Node | None) -> bool:
        return False

    def maximumInputs(self) -> int:
        return 0
