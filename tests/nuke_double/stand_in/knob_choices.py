"""Knobs that choose: enumerations, radio buttons, pull-downs, channels, layers, formats and fonts."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

from . import tcl
from .animation import Channel, parse_channel
from .errors import ScriptError
from .knob_arrays import Unsigned_Knob
from .knobs import _need_text
from .tcl import BRACED, Word

if TYPE_CHECKING:
    pass


class Enumeration_Knob(Unsigned_Knob):
    """nuke.Enumeration_Knob: an index with names; expressions see the index."""

    _open = False  # other values than the listed ones are allowed

    def __init__(self, name: str, label: str | None = None, values: list[str] | None = None) -> None:
        super().__init__(name, label)
        self._items: list[str] = []
        self._other: str | None = None
        self._set_items(values or [])
        self._items_changed = False

    def values(self) -> list[str]:
        return list(self._items)

    def numValues(self) -> int:
        return len(self._items)

    def enumName(self, n: int) -> str:
        return self._items[n]

    def setValues(self, items: list[str]) -> None:
        self._check()
        if not isinstance(items, (list, tuple)):
            raise TypeError("setValues() needs a list of strings")
        for item in items:
            _need_text(item)
        chosen = self._chosen()
        self._set_items(list(items))
        self._items_changed = True
        self._channels[0] = Channel(float(self._items.index(chosen)) if chosen in self._items else 0.0)

    def value(self, *_: Any) -> str:
        self._check()
        return self._chosen()

    def getValue(self, *_: Any) -> float:
        self._check()
        return self._channel(0, self._frame())

    def setValue(self, value: Any, *arguments: Any) -> bool:
        """By name, or by index. A name that is not listed is refused, as is an index out of range."""
        self._check()
        if isinstance(value, str):
            if value not in self._items:
                if self._open:
                    self._other = value
                    self._after_change()
                    return True
                raise TypeError(f'"{value}" is not a value of {self._name}: {", ".join(self._items)}')
            value = self._items.index(value)
        elif not isinstance(value, Real):
            raise TypeError(f"a name or an index is required, not {type(value).__name__}")
        if not 0 <= int(value) < len(self._items):
            raise ValueError(f"{self._name} has {len(self._items)} values, no value {value}")
        self._other = None
        return super().setValue(int(value))

    def toScript(self, *_: Any) -> str:
        if self._channels[0].animated:
            return "{" + super().toScript() + "}"
        return tcl.quote(self._chosen())

    def _set_items(self, items: list[str]) -> None:
        self._items = list(items)

    def _chosen(self) -> str:
        if self._other is not None:
            return self._other
        index = int(self._channel(0, self._frame()))
        return self._items[index] if 0 <= index < len(self._items) else ""

    def _read(self, word: Word, source: str = "") -> None:
        self._other = None
        if word.kind == BRACED and word.text.strip().startswith("{"):
            self._channels[0] = _linked(word, source)
            return
        text = word.text
        if text in self._items:
            self._channels[0] = Channel(float(self._items.index(text)))
        elif text.isdigit() and int(text) < len(self._items):
            self._channels[0] = Channel(float(int(text)))
        elif self._open or not self._items:
            self._other = text
        else:
            raise ScriptError(f"bad value for {self._name}: {text}", word.line, source)

    def _is_default(self) -> bool:
        return self._other is None and super()._is_default()

    def _text(self) -> str:
        return self._chosen()

    def _definition(self) -> list[str]:
        return ["M", "{" + " ".join(tcl.quote(item) if item else '""' for item in self._items) + "}"]


def _linked(word: Word, source: str) -> Channel:
    """The channel of `{{{parent.N.operation}}}` or `{{parent.x}}`: an expression one or two braces down."""
    text = word.text.strip()
    words = tcl.split_list(text, word.line, source)
    if len(words) == 1 and words[0].kind == BRACED and words[0].text.strip().startswith("{"):
        words = tcl.split_list(words[0].text, word.line, source)
    return parse_channel(words[0], source)


class EditableEnumeration_Knob(Enumeration_Knob):
    """nuke.EditableEnumeration_Knob: typed values are allowed."""

    _open = True


class CascadingEnumeration_Knob(Enumeration_Knob):
    """nuke.CascadingEnumeration_Knob: sub-menus by slashes."""


class Radio_Knob(Enumeration_Knob):
    """nuke.Radio_Knob."""


class Bitmask_Knob(Enumeration_Knob):
    """nuke.Bitmask_Knob."""


class OneView_Knob(Enumeration_Knob):
    """nuke.OneView_Knob."""

    _open = True


class Colorspace_Knob(Enumeration_Knob):
    """A colorspace pull-down: its list depends on the configuration, so any name is kept."""

    _open = True

    def Class(self) -> str:
        return "CascadingEnumeration_Knob"


class Pulldown_Knob(Enumeration_Knob):
    """nuke.Pulldown_Knob: each item runs a script."""

    def __init__(self, name: str, label: str | None = None, values: dict[str, str] | None = None) -> None:
        self._commands: list[str] = []
        super().__init__(name, label)
        if values:
            self.setValues(values)  # type: ignore[arg-type]

    def setValues(self, items: Any) -> None:
        if isinstance(items, dict):
            self._items, self._commands = list(items), list(items.values())
        else:
            super().setValues(items)
            self._commands = [""] * len(items)

    def itemName(self, n: int) -> str:
        return self._items[n]

    def commands(self, n: int) -> str:
        return self._commands[n]
