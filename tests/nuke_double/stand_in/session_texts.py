"""A session's texts: expressions, Tcl in brackets, Python of buttons and callbacks."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from . import expression, names
from .errors import ExpressionError
from .groups import Group
from .knobs import Knob
from .nodes import Node
from .tcl_commands import Interpreter


class Texts:
    """The part of a session that evaluates and runs text."""

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
