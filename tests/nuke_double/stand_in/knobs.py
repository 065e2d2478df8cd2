"""The base of all knobs, and the ones that hold text or nothing: strings, files, scripts, tabs, links.

Names, arguments and exceptions follow Foundry's Python reference; what a class there does not have, it does not
have here. A knob's own state lives in underscored attributes, and setting any other attribute fails as it does on
Nuke's C++ objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import tcl
from .errors import ScriptError
from .tcl import BARE, BRACED, Word

if TYPE_CHECKING:
    from .nodes import Node
    from .session import Session

DISABLED = 0x80
NO_ANIMATION = 0x100
DO_NOT_WRITE = 0x200
INVISIBLE = 0x400
STARTLINE = 0x1000
ENDLINE = 0x2000
KNOB_CHANGED_ALWAYS = 0x10000
HIDDEN = 0x40000
NO_UNDO = 0x80000
ALWAYS_SAVE = 0x100000
READ_ONLY = 0x10000000

FLAG_NAMES = {
    "DISABLED": DISABLED,
    "NO_ANIMATION": NO_ANIMATION,
    "DO_NOT_WRITE": DO_NOT_WRITE,
    "INVISIBLE": INVISIBLE,
    "STARTLINE": STARTLINE,
    "ENDLINE": ENDLINE,
    "KNOB_CHANGED_ALWAYS": KNOB_CHANGED_ALWAYS,
    "HIDDEN": HIDDEN,
    "NO_UNDO": NO_UNDO,
    "ALWAYS_SAVE": ALWAYS_SAVE,
    "READ_ONLY": READ_ONLY,
}


class Knob:
    """nuke.Knob."""

    _default: Any = None
    _name: str
    _label: str | None
    _tooltip: str
    _flags: int
    _hidden_now: bool
    _node: Node | None
    _user: bool
    _explicit: bool
    _messages: list[tuple[str, str]]

    def __init__(self, name: str, label: str | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}() argument 1 must be str, not {type(name).__name__}")
        if label is not None and not isinstance(label, str):
            raise TypeError(f"{type(self).__name__}() argument 2 must be str, not {type(label).__name__}")
        # straight into the dictionary: large scripts make hundreds of thousands of knobs
        self.__dict__.update(
            _name=name,
            _label=label,
            _tooltip="",
            _flags=0,
            _hidden_now=False,
            _node=None,
            _user=False,
            _explicit=False,
            _messages=[],
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object {self._name!r}>"

    # identity

    def Class(self) -> str:
        return type(self).__name__

    def name(self) -> str:
        return self._name

    def setName(self, name: str) -> None:
        _need_text(name)
        if self._node is not None:
            self._node._rename_knob(self, name)
        self._name = name

    def label(self) -> str:
        return self._label if self._label is not None else self._name

    def setLabel(self, label: str) -> None:
        _need_text(label)
        self._label = label

    def tooltip(self) -> str:
        return self._tooltip

    def setTooltip(self, text: str) -> None:
        _need_text(text)
        self._tooltip = text

    def node(self) -> Node | None:
        return self._node

    def fullyQualifiedName(self, channel: int = -1) -> str:
        owner = "" if self._node is None else self._attached().fullName() + "."
        return owner + self._name

    # flags

    def setFlag(self, flag: int) -> None:
        _need_flag(flag)
        if flag & HIDDEN:
            self._hidden_now = True
        self._flags |= flag & ~HIDDEN

    def clearFlag(self, flag: int) -> None:
        _need_flag(flag)
        if flag & HIDDEN:
            self._hidden_now = False
        self._flags &= ~flag

    def getFlag(self, flag: int) -> bool:
        _need_flag(flag)
        flags = self._flags | (HIDDEN if self._hidden_now else 0)
        return bool(flags & flag)

    def visible(self) -> bool:
        return not (self._hidden_now or self._flags & (INVISIBLE | HIDDEN))

    def setVisible(self, visible: bool) -> None:
        self._hidden_now = not visible
        if visible:
            self._flags &= ~(INVISIBLE | HIDDEN)

    def enabled(self) -> bool:
        return not self._flags & DISABLED

    def setEnabled(self, enabled: bool) -> None:
        self._flags = self._flags & ~DISABLED if enabled else self._flags | DISABLED

    # values

    def value(self) -> Any:
        return None

    def getValue(self) -> Any:
        return self.value()

    def setValue(self, *_: Any) -> bool:
        raise NotImplementedError(f"{type(self).__name__} has no value")

    def isAnimated(self, *_: Any) -> bool:
        return False

    def hasExpression(self, index: int = -1) -> bool:
        return False

    def clearAnimated(self, *_: Any) -> bool:
        return False

    def setAnimated(self, *_: Any) -> bool:
        return False

    def isKey(self, *_: Any) -> bool:
        return False

    def getNumKeys(self, *_: Any) -> int:
        return 0

    def setExpression(self, expression: str, channel: int = -1, view: str | None = None) -> bool:
        return False

    def toScript(self, *_: Any) -> str:
        return ""

    def fromScript(self, text: str) -> bool:
        _need_text(text)
        self._read(_as_word(text))
        self._after_change()
        return True

    # messages

    def error(self, message: str) -> None:
        self._say("error", message)

    def warning(self, message: str) -> None:
        self._say("warning", message)

    def debug(self, message: str) -> None:
        self._say("debug", message)

    def critical(self, message: str) -> None:
        self._say("critical", message)

    # the stand-in's own

    def _say(self, level: str, message: str) -> None:
        _need_text(message)
        self._messages.append((level, message))

    def _attached(self) -> Node:
        node = self._node
        if node is None or node._deleted:
            raise ValueError("A PythonObject is not attached to a node")
        return node

    def _check(self) -> None:
        if self._node is not None and self._node._deleted:
            raise ValueError("A PythonObject is not attached to a node")

    @property
    def _session(self) -> Session | None:
        return None if self._node is None else self._node._session

    def _after_change(self) -> None:
        self._explicit = True
        if self._node is not None:
            self._node._knob_was_set(self)

    def _read(self, word: Word, source: str = "") -> None:
        """Take the value as a script gives it."""

    def _is_default(self) -> bool:
        return True

    def _text(self) -> str:
        """The value as [value knob] gives it to Tcl."""
        return ""

    def _field(self, field: str, frame: float) -> float:
        """A number for an expression: the whole knob, or one named field of it."""
        raise KeyError(field)

    def _definition(self) -> list[str]:
        """Words of addUserKnob after the label, beyond the common ones."""
        return []


def _need_text(value: object) -> None:
    if not isinstance(value, str):
        raise TypeError(f"argument 1 must be str, not {type(value).__name__}")


def _need_flag(value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("an integer is required")


def _as_word(text: str) -> Word:
    stripped = text.strip()
    if stripped[:1] in ("{", '"'):
        try:
            words = tcl.split_list(stripped)
        except ScriptError:
            words = []
        if len(words) == 1:
            return words[0]
    return Word(text, BARE, 1)


class Unsupported_Knob(Knob):
    """A knob of a class that the stand-in has no table for: it keeps its text, and gives it back."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._raw: Word | None = None
        self._line = ""

    def Class(self) -> str:
        return "Knob"

    def value(self) -> Any:
        return None if self._raw is None else self._raw.text

    def setValue(self, value: Any, *_: Any) -> bool:
        self._raw = Word(value if isinstance(value, str) else str(value), BRACED, 1)
        self._after_change()
        return True

    def toScript(self, *_: Any) -> str:
        if self._raw is None:
            return ""
        return "{" + self._raw.text + "}" if self._raw.kind == BRACED else tcl.quote(self._raw.text)

    def _read(self, word: Word, source: str = "") -> None:
        self._raw = word

    def _is_default(self) -> bool:
        return self._raw is None

    def _text(self) -> str:
        return "" if self._raw is None else self._raw.text

    def _field(self, field: str, frame: float) -> float:
        words = tcl.split_list(self._raw.text) if self._raw is not None else []
        if not field and words:
            return float(words[0].text)
        raise KeyError(field)
