"""Knobs that choose channels, layers, formats, fonts and views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import tcl
from .errors import ScriptError
from .knob_choices import _linked
from .knobs import Knob, _need_text
from .tcl import BRACED, Word

if TYPE_CHECKING:
    from .formats import Format


class Channel_Knob(Knob):
    """nuke.Channel_Knob: one channel, such as rgba.alpha, or none."""

    _default = "none"
    _count = 1

    def __init__(self, name: str, label: str | None = None, depth: int = 1) -> None:
        super().__init__(name, label)
        self._value = self._default
        self._initial = self._default
        self._expression = ""
        self._input = 0

    def value(self, *_: Any) -> str:
        self._check()
        if self._expression and self._node is not None:
            return self._node._session.linked_text(self, self._expression)
        return self._value

    def getValue(self, *_: Any) -> str:
        return self.value()

    def setValue(self, name: str, *_: Any) -> bool:
        self._check()
        _need_text(name)
        self._need_channels(name)
        changed = name != self._value or bool(self._expression)
        self._value, self._expression = self._canonical(name), ""
        if changed:
            self._after_change()
        return True

    def depth(self) -> int:
        return 1

    def inputNumber(self) -> int:
        return self._input

    def setInput(self, number: int) -> None:
        self._input = number

    def inputKnob(self) -> bool:
        return False

    def channelSelector(self) -> bool:
        return True

    def layerSelector(self) -> bool:
        return True

    def checkMarks(self) -> bool:
        return False

    def isChannelEnabled(self, name: str) -> bool:
        return name in self._expanded()

    def enableChannel(self, name: str, enabled: bool = True) -> None:
        names = [n for n in self._expanded() if n != name] + ([name] if enabled else [])
        self.setValue(" ".join(names) or "none")

    def setEnable(self, name: str) -> None:
        self.enableChannel(name)

    def hasExpression(self, index: int = -1) -> bool:
        return bool(self._expression)

    def setExpression(self, expression: str, channel: int = -1, view: str | None = None) -> bool:
        _need_text(expression)
        self._expression = expression
        self._after_change()
        return True

    def clearAnimated(self, *_: Any) -> bool:
        value = self.value()
        had = bool(self._expression)
        self._value, self._expression = value, ""
        return had

    def toScript(self, *_: Any) -> str:
        if self._expression:
            return "{{{" + self._expression + "}}}"
        return "{" + self._value + "}" if " " in self._value else self._value

    def _expanded(self) -> list[str]:
        """The channels chosen, as rgba.red and so on; for `all` the one word."""
        text = self.value()
        if self._node is None:
            return text.split()
        return self._node._session.channels.expand(text)

    def _canonical(self, text: str) -> str:
        return text if self._node is None else self._node._session.channels.canonical(text)

    def _need_channels(self, text: str) -> None:
        if self._node is None:
            return
        unknown = self._node._session.channels.unknown(text)
        if unknown:
            raise ValueError(f"{self._name}: there is no channel or layer {unknown[0]}")

    def _read(self, word: Word, source: str = "") -> None:
        text = word.text.strip()
        if word.kind == BRACED and text.startswith("{"):
            self._expression = _linked(word, source).expression
            return
        # a mask keeps its "no" channels as -name; none at the end fills up the row of check boxes
        names = [part for part in text.split() if not part.startswith("-")]
        chosen = [part for part in names if part != "none"] or names[:1]
        text = " ".join(chosen) or "none"
        if self._node is not None and self._node._session.strict:
            unknown = self._node._session.channels.unknown(text)
            if unknown:
                raise ScriptError(f"{self._name}: there is no channel or layer {unknown[0]}", word.line, source)
        self._value, self._expression = self._canonical(text), ""

    def _is_default(self) -> bool:
        return self._value == self._initial and not self._expression

    def _text(self) -> str:
        return self.value()

    def _field(self, field: str, frame: float) -> float:
        """0 for none, otherwise not 0: expressions ask `!maskChannelMask`; the number itself means nothing."""
        if field:
            raise KeyError(field)
        return 0.0 if self.value() in ("", "none") else 1.0


class ChannelMask_Knob(Channel_Knob):
    """nuke.ChannelMask_Knob: any set of channels: all, none, rgb, rgba, a layer, or channels by name."""

    _default = "all"

    def channelSelector(self) -> bool:
        return False

    def checkMarks(self) -> bool:
        return True


class Format_Knob(Knob):
    """nuke.Format_Knob. In a script: "w h x y r t aspect name", or only the name of a known format."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._format: Format | None = None
        self._raw = ""

    def value(self) -> Format:
        self._check()
        return self._resolve()

    def actualValue(self) -> Format:
        return self.value()

    def getValue(self) -> Format:
        return self.value()

    def setValue(self, value: Any, *_: Any) -> bool:
        """By name or by Format. An unknown name is refused."""
        self._check()
        if isinstance(value, str):
            session = self._attached()._session
            found = session.formats.find(value)
            if found is None:
                raise ValueError(f'there is no format called "{value}"')
            self._format, self._raw = found, value
        else:
            from .formats import Format

            if not isinstance(value, Format):
                raise TypeError("a Format or the name of one is required")
            self._format, self._raw = value, value.name() or ""
        self._after_change()
        return True

    def name(self) -> str:
        return self._name

    def toScript(self, *_: Any) -> str:
        return tcl.quote(self._resolve()._script())

    def notDefault(self) -> bool:
        return not self._is_default()

    def _resolve(self) -> Format:
        if self._format is not None:
            return self._format
        if self._node is None:
            raise ValueError("A PythonObject is not attached to a node")
        return self._node._session.default_format()

    def _read(self, word: Word, source: str = "") -> None:
        self._raw = word.text
        if self._raw.strip().startswith("{") or (
            word.kind == BRACED and "." in self._raw and not self._raw[0].isdigit()
        ):
            return  # linked to another format; the root's is used until that is needed
        session = self._attached()._session
        found = session.formats.read(self._raw)
        if found is None:
            raise ScriptError(f'unknown format "{self._raw}"', word.line, source)
        self._format = found

    def _is_default(self) -> bool:
        return self._format is None and not self._raw

    def _text(self) -> str:
        return self._resolve()._script()

    def _field(self, field: str, frame: float) -> float:
        return self._resolve()._field(field)


class Font_Knob(Knob):
    """nuke.Font_Knob and FreeType_Knob: the text is kept."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._value = ""

    def value(self) -> str:
        return self._value

    def setValue(self, value: str, *_: Any) -> bool:
        _need_text(value)
        self._value = value
        self._after_change()
        return True

    def toScript(self, *_: Any) -> str:
        return tcl.quote(self._value)

    def _read(self, word: Word, source: str = "") -> None:
        self._value = ("{" + word.text + "}") if word.kind == BRACED else word.text

    def _is_default(self) -> bool:
        return not self._value


class MultiView_Knob(Knob):
    """nuke.MultiView_Knob: which views a Write renders. The stand-in has the one view `main`."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._value = ""

    def value(self) -> str:
        return self._value or "main"

    def setValue(self, value: str, *_: Any) -> bool:
        _need_text(value)
        self._value = value
        self._after_change()
        return True

    def toScript(self, *_: Any) -> str:
        return tcl.quote(self.value())

    def _read(self, word: Word, source: str = "") -> None:
        self._value = word.text

    def _is_default(self) -> bool:
        return not self._value
