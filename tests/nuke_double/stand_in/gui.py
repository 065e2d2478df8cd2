"""What only the GUI has: menus, messages, questions; and the progress bar, which both modes have.

A test answers questions and cancels progress through the session; an unexpected question is a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .knobs import _need_text

MENUS = ("Nuke", "Nodes", "Animation", "Properties", "Pane", "Viewer", "Node Graph", "Axis")


class MenuItem:
    """nuke.MenuItem."""

    def __init__(self, name: str, command: Any, shortcut: str, icon: str, run: Callable[[Any, str], Any]) -> None:
        self._name = name
        self._command = command
        self._shortcut = shortcut
        self._icon = icon
        self._enabled = True
        self._run = run

    def name(self) -> str:
        return self._name

    def icon(self) -> str:
        return self._icon or f"{self._name}.png"

    def shortcut(self) -> str:
        return self._shortcut

    def script(self) -> Any:
        return self._command

    def setEnabled(self, enabled: bool, *_: Any) -> None:
        self._enabled = bool(enabled)

    def setVisible(self, visible: bool) -> None:
        pass

    def setIcon(self, icon: str) -> None:
        self._icon = icon

    def setShortcut(self, shortcut: str) -> None:
        self._shortcut = shortcut

    def setScript(self, script: Any) -> None:
        self._command = script

    def invoke(self) -> None:
        """Do what a click does; without a command, a node of the item's name is made."""
        self._run(self._command, self._name)


class Menu(MenuItem):
    """nuke.Menu; names with slashes make sub-menus."""

    def __init__(self, name: str, icon: str, run: Callable[[Any, str], Any]) -> None:
        super().__init__(name, None, "", icon, run)
        self._items: list[MenuItem] = []

    def items(self) -> list[MenuItem]:
        return list(self._items)

    def findItem(self, name: str) -> MenuItem | None:
        head, _, rest = name.partition("/")
        for item in self._items:
            if item._name == head:
                return item.findItem(rest) if rest and isinstance(item, Menu) else (None if rest else item)
        return None

    def menu(self, name: str) -> MenuItem | None:
        return self.findItem(name)

    def addMenu(self, name: str, icon: str = "", tooltip: str = "", index: int = -1) -> Menu:
        _need_text(name)
        head, _, rest = name.partition("/")
        found = self.findItem(head)
        if not isinstance(found, Menu):
            found = Menu(head, "" if rest else icon, self._run)
            self._insert(found, index)
        elif icon and not rest:
            found._icon = icon
        return found.addMenu(rest, icon=icon) if rest else found

    def addCommand(
        self,
        name: str,
        command: Any = None,
        shortcut: str = "",
        icon: str = "",
        tooltip: str = "",
        index: int = -1,
        readonly: bool = False,
        node: bool = False,
        shortcutContext: int = -1,
    ) -> MenuItem:
        _need_text(name)
        if command is not None and not isinstance(command, str) and not callable(command):
            raise TypeError("command must be a string or a callable")
        head, _, rest = name.partition("/")
        if rest:
            return self.addMenu(head).addCommand(rest, command, shortcut, icon, tooltip, index, readonly, node)
        self._items = [item for item in self._items if item._name != name or isinstance(item, Menu)]
        item = MenuItem(name, command, shortcut, icon, self._run)
        self._insert(item, index)
        return item

    def addSeparator(self, **_: Any) -> MenuItem:
        item = MenuItem("", None, "", "", lambda *a: None)
        self._insert(item, -1)
        return item

    def removeItem(self, name: str) -> None:
        self._items = [item for item in self._items if item._name != name]

    def clearMenu(self) -> None:
        self._items = []

    def updateMenuItems(self) -> None:
        pass

    def _insert(self, item: MenuItem, index: int) -> None:
        self._items.insert(len(self._items) if index < 0 else index, item)


class Progress:
    """What was seen of one progress bar; it outlives the bar, for tests."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._progress = 0
        self._messages: list[str] = []
        self._seen: list[int] = []
        self._closed = False


class ProgressTask:
    """nuke.ProgressTask: a bar with a message and a cancel button; it closes when the object is deleted."""

    def __init__(self, name: str) -> None:
        from .session import current

        _need_text(name)
        self._session = current()
        self._record = Progress(name)
        self._session.progress_tasks.append(self._record)

    def __del__(self) -> None:
        record = getattr(self, "_record", None)
        if record is not None:
            record._closed = True

    def setProgress(self, percent: int) -> None:
        if not isinstance(percent, int) or isinstance(percent, bool):
            raise TypeError(f"an integer is required (got type {type(percent).__name__})")
        self._record._progress = percent
        self._record._seen.append(percent)

    def setMessage(self, message: str) -> None:
        _need_text(message)
        self._record._messages.append(message)

    def isCancelled(self) -> bool:
        cancel = self._session.cancel_progress
        return bool(cancel(self._record) if callable(cancel) else cancel)


class Undo:
    """nuke.Undo: counts groups and whether recording is off; nothing can really be undone here."""

    _depth = 0
    _off = 0

    def __enter__(self) -> Undo:
        Undo.begin()
        return self

    def __exit__(self, *_: Any) -> None:
        Undo.end()

    @staticmethod
    def begin(name: str = "") -> None:
        Undo._depth += 1

    @staticmethod
    def end() -> None:
        if Undo._depth == 0:
            raise RuntimeError("Undo.end() without Undo.begin()")
        Undo._depth -= 1

    @staticmethod
    def new(name: str = "") -> None:
        pass

    @staticmethod
    def name(name: str) -> None:
        pass

    @staticmethod
    def cancel() -> None:
        Undo.end()

    @staticmethod
    def disable() -> None:
        Undo._off += 1

    @staticmethod
    def enable() -> None:
        if Undo._off == 0:
            raise RuntimeError("Undo.enable() without Undo.disable()")
        Undo._off -= 1

    @staticmethod
    def disabled() -> bool:
        return Undo._off > 0
