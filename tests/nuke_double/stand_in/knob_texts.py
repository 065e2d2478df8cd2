"""Knobs that hold text or nothing: strings, files, scripts, tabs, links."""

from __future__ import annotations

from typing import Any

from . import tcl
from .knobs import Knob, _need_text
from .tcl import Word


class String_Knob(Knob):
    """nuke.String_Knob."""

    def __init__(self, name: str, label: str | None = None, value: str = "") -> None:
        super().__init__(name, label)
        _need_text(value)
        self._default = value
        self._value = value

    def value(self, *_: Any) -> str:
        self._check()
        return self._value

    def getText(self, *_: Any) -> str:
        return self.value()

    def getValue(self, *_: Any) -> str:
        return self.value()

    def setValue(self, value: str, view: str | None = None) -> bool:
        self._check()
        _need_text(value)
        changed = value != self._value
        self._value = value
        if changed:
            self._after_change()
        return True

    def setText(self, value: str, view: str | None = None) -> bool:
        return self.setValue(value)

    def toScript(self, *_: Any) -> str:
        return tcl.quote(self._value)

    def notDefault(self) -> bool:
        return not self._is_default()

    def _read(self, word: Word, source: str = "") -> None:
        self._value = word.text

    def _is_default(self) -> bool:
        return self._value == self._default

    def _text(self) -> str:
        return self._value

    def _field(self, field: str, frame: float) -> float:
        """The number that the text is, as in `1 / Expression1.temp_expr0`."""
        try:
            return float(self._value)
        except ValueError:
            raise KeyError(field) from None


class EvalString_Knob(String_Knob):
    """nuke.EvalString_Knob: [brackets] are Tcl, evaluated on demand."""

    def evaluate(self) -> str:
        self._check()
        if self._session is None:
            return self._value
        return self._session.substitute(self._value, self)

    def _text(self) -> str:
        return self.evaluate()


class Multiline_Eval_String_Knob(EvalString_Knob):
    """nuke.Multiline_Eval_String_Knob."""


class File_Knob(EvalString_Knob):
    """nuke.File_Knob: forward slashes, #### or %04d for the frame."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)

    def setValue(self, value: str, view: str | None = None) -> bool:
        _need_text(value)
        return super().setValue(value)

    def fromUserText(self, text: str) -> None:
        """A path as a user types it; `name 1-10` also sets first and last on the node."""
        _need_text(text)
        path, _, frames = text.rpartition(" ")
        first, dash, last = frames.partition("-")
        if path and dash and first.isdigit() and last.isdigit():
            self.setValue(path)
            self._set_range(int(first), int(last))
        else:
            self.setValue(text)

    def getEvaluatedValue(self, *_: Any) -> str:
        return self.evaluate()

    def evaluate(self) -> str:
        self._check()
        if self._session is None:
            return self._value
        return self._session.expand_frame(self._session.substitute(self._value, self))

    def _set_range(self, first: int, last: int) -> None:
        node = self._attached()
        for name, value in (("first", first), ("last", last), ("origfirst", first), ("origlast", last)):
            knob = node.knob(name)
            if knob is not None:
                knob.setValue(value)


class Password_Knob(Knob):
    """nuke.Password_Knob: never written to a script."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._value = ""

    def value(self) -> str:
        return self._value

    def getText(self) -> str:
        return self._value

    def setValue(self, value: str, *_: Any) -> bool:
        _need_text(value)
        self._value = value
        self._after_change()
        return True


class Text_Knob(Knob):
    """nuke.Text_Knob: a line of text or, nameless, a divider."""

    def __init__(self, name: str, label: str | None = None, value: str = "") -> None:
        super().__init__(name, label)
        _need_text(value)
        self._value = value

    def value(self, *_: Any) -> str:
        return self._value

    def setValue(self, value: str, *_: Any) -> bool:
        self._check()
        _need_text(value)
        self._value = value
        self._after_change()
        return True

    def _read(self, word: Word, source: str = "") -> None:
        self._value = word.text

    def _text(self) -> str:
        return self._value

    def _definition(self) -> list[str]:
        return ["T", tcl.quote(self._value) if self._value else '""'] if self._value else []


class Tab_Knob(Knob):
    """nuke.Tab_Knob; `type` is TABKNOB, TABBEGINGROUP, TABBEGINCLOSEDGROUP or TABENDGROUP."""

    def __init__(self, name: str, label: str | None = None, type: int = 0) -> None:
        super().__init__(name, label)
        if type not in (0, 1, 2, -1):
            raise ValueError(f"unknown tab type {type}")
        self._kind = type

    def value(self, *_: Any) -> int:
        return self._kind

    def setValue(self, value: Any, *_: Any) -> bool:
        self._check()
        return True

    def _definition(self) -> list[str]:
        return ["n", str(self._kind)] if self._kind else []


class BeginTabGroup_Knob(Knob):
    """nuke.BeginTabGroup_Knob."""


class EndTabGroup_Knob(Knob):
    """nuke.EndTabGroup_Knob."""


class Obsolete_Knob(Knob):
    """A name that old scripts still hold; the value is read and forgotten."""

    def value(self, *_: Any) -> None:
        return None


class Script_Knob(String_Knob):
    """nuke.Script_Knob: a button that runs Tcl."""

    def command(self) -> str:
        return self._value

    def setCommand(self, command: str) -> None:
        self.setValue(command)

    def setValue(self, value: str, *_: Any) -> bool:
        return super().setValue(value)

    def execute(self) -> None:
        node = self._attached()
        node._session.run_tcl_button(node, self)

    def _definition(self) -> list[str]:
        return ["T", tcl.quote(self._value)] if self._value else []


class PyScript_Knob(Script_Knob):
    """nuke.PyScript_Knob: a button that runs Python with thisNode(), thisKnob() and thisGroup() set."""

    def execute(self) -> None:
        node = self._attached()
        node._session.run_button(node, self)


class PythonKnob(String_Knob):
    """nuke.PythonKnob: Python text such as onCreate or knobChanged."""


class PyCustom_Knob(Script_Knob):
    """nuke.PyCustom_Knob: its text makes a Qt widget, which exists only in the GUI."""

    def getObject(self) -> Any:
        session = self._session
        if session is None or not session.gui:
            return None
        return session.evaluate_python(self._value, self._attached(), self)

    def execute(self) -> None:
        raise RuntimeError("a custom knob cannot be executed")


class Link_Knob(Knob):
    """nuke.Link_Knob: another knob, shown here."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._link = ""

    def getLink(self) -> str:
        return self._link

    def setLink(self, link: str) -> None:
        _need_text(link)
        self._link = link

    def makeLink(self, node: str, knob: str) -> None:
        _need_text(node)
        _need_text(knob)
        self._link = f"{node}.{knob}"

    def getLinkedKnob(self) -> Knob | None:
        self._check()
        if self._node is None or not self._link:
            return None
        return self._node._session.find_link(self._node, self._link)

    def value(self, *arguments: Any) -> Any:
        return self._target().value(*arguments)

    def getValue(self, *arguments: Any) -> Any:
        return self._target().getValue(*arguments)

    def setValue(self, *arguments: Any) -> bool:
        return bool(self._target().setValue(*arguments))

    def label(self) -> str:
        if self._label is not None:
            return self._label
        return self._name

    def toScript(self, *_: Any) -> str:
        return self._target().toScript()

    def isAnimated(self, *arguments: Any) -> bool:
        return self._target().isAnimated(*arguments)

    def hasExpression(self, index: int = -1) -> bool:
        return self._target().hasExpression(index)

    def setExpression(self, expression: str, channel: int = -1, view: str | None = None) -> bool:
        return self._target().setExpression(expression, channel, view)

    def clearAnimated(self, *arguments: Any) -> bool:
        return self._target().clearAnimated(*arguments)

    def _target(self) -> Knob:
        target = self.getLinkedKnob()
        if target is None:
            raise ValueError(f'{self._name}: linked knob "{self._link}" not found')
        return target

    def _read(self, word: Word, source: str = "") -> None:
        self._target()._read(word, source)

    def _text(self) -> str:
        return self._target()._text()

    def _field(self, field: str, frame: float) -> float:
        return self._target()._field(field, frame)

    def _definition(self) -> list[str]:
        return ["T", tcl.quote(self._link)] if self._link else []
