"""The Tcl that gizmos put in brackets: a small interpreter with the commands that public gizmos use.

It is no Tcl shell. A command that is not here raises, so a gizmo cannot rely on anything that was never checked.
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING, Any

from . import expression, functions, names
from .errors import ExpressionError
from .expression import matching_bracket
from .functions import as_text, truth
from .tcl import BRACED, Scanner, unescape

if TYPE_CHECKING:
    from .knobs import Knob
    from .nodes import Node
    from .session import Session


class _Return(Exception):
    def __init__(self, value: str) -> None:
        self.value = value


class Interpreter:
    """Runs Tcl seen from a node (and a knob) at one frame."""

    def __init__(self, session: Session, node: Node, knob: Knob | None, frame: float) -> None:
        self.session = session
        self.node = node
        self.knob = knob
        self.frame = frame
        self.variables: dict[str, str] = {}

    def run(self, script: str) -> str:
        """The result of the last command, or of return."""
        try:
            return self._run(script)
        except _Return as returned:
            return returned.value

    def substitute(self, text: str) -> str:
        """Text with [commands] replaced by their results; a backslash keeps the next character."""
        out, position = [], 0
        while position < len(text):
            character = text[position]
            if character == "\\" and position + 1 < len(text):
                out.append(unescape(text[position : position + 2]))
                position += 2
            elif character == "[":
                end = matching_bracket(text, position)
                if end < 0:
                    raise self.fail(f"missing close-bracket in {text!r}")
                out.append(self.run(text[position + 1 : end]))
                position = end + 1
            elif character == "$" and (name := _variable(text, position + 1)):
                out.append(self._get(name))
                position += 1 + len(name) + (2 if text[position + 1] == "{" else 0)
            else:
                out.append(character)
                position += 1
        return "".join(out)

    def fail(self, message: str) -> ExpressionError:
        return ExpressionError(f"{self.node.fullName()}: {message}")

    def _run(self, script: str) -> str:
        result = ""
        for words in self._commands(script):
            result = self._call(words[0], words[1:])
        return result

    def _commands(self, script: str) -> list[list[str]] | Any:
        scanner = Scanner(script, substitutions=True)
        while True:
            scanner.skip_space(newlines=True)
            if scanner.at_end():
                return
            if scanner.text[scanner.position] in ";":
                scanner.position += 1
                continue
            if scanner.text[scanner.position] == "#":
                end = scanner.text.find("\n", scanner.position)
                scanner.position = len(scanner.text) if end < 0 else end
                continue
            words = []
            while not scanner.at_end() and scanner.text[scanner.position] not in "\n;":
                words.append(self._word(scanner))
                scanner.skip_space(newlines=False)
            yield words

    def _word(self, scanner: Scanner) -> str:
        start = scanner.position
        if scanner.text[start] == '"':
            end = _closing_quote(scanner.text, start)
            if end < 0:
                raise self.fail('missing "')
            scanner.position = end + 1
            return self.substitute(scanner.text[start + 1 : end])
        word = scanner.word()
        return word.text if word.kind == BRACED else self.substitute(scanner.text[start : scanner.position])

    def _call(self, name: str, arguments: list[str]) -> str:
        command = getattr(self, f"_do_{name}", None)
        if command is None:
            raise self.fail(f'invalid command name "{name}"')
        return str(command(*arguments))

    def _get(self, name: str) -> str:
        if name in self.variables:
            return self.variables[name]
        if name.startswith("env("):
            return os.environ.get(name[4:-1], "")
        raise self.fail(f'can\'t read "{name}": no such variable')

    # names for expr

    def name(self, name: str) -> Any:
        if name.startswith("$"):
            return self._get(name[1:])
        if name in functions.CONSTANTS:
            return functions.CONSTANTS[name]
        return names.KnobNames(self.session, self.node, self.knob, 0, self.frame).name(name)

    def call(self, name: str, arguments: list[Any]) -> Any:
        if name in ("double", "round"):
            return float(arguments[0]) if name == "double" else functions.apply("rint", arguments)
        return names.KnobNames(self.session, self.node, self.knob, 0, self.frame).call(name, arguments)

    def command(self, text: str) -> str:
        return self.run(text)

    # commands

    def _do_value(self, name: str, default: str | None = None) -> str:
        found = names.find(name, self.node, self.knob)
        if found is None:
            if default is not None:
                return default
            raise self.fail(f'{name}: nothing is named "{name}"')
        if found.fact:
            return as_text(self.session.fact(found.node, found.fact, self.frame))
        if found.knob is None:
            return found.node.name()
        if found.field:
            return as_text(found.knob._field(found.field, self.frame))
        return found.knob._text()

    def _do_knob(self, name: str, *values: str) -> str:
        found = names.find(name, self.node, self.knob)
        if found is None or found.knob is None:
            raise self.fail(f'{name}: nothing is named "{name}"')
        if values:
            found.knob.fromScript(values[0])
        return found.knob.toScript()

    def _do_numvalue(self, name: str, default: str | None = None) -> str:
        reader = names.KnobNames(self.session, self.node, self.knob, 0, self.frame)
        try:
            return as_text(reader.number(name, self.frame))
        except ExpressionError:
            if default is None:
                raise
            return default

    def _do_exists(self, name: str) -> str:
        return "1" if names.find(name, self.node, self.knob) is not None else "0"

    def _do_frame(self, *arguments: str) -> str:
        return as_text(self.frame)

    def _do_expr(self, *parts: str) -> str:
        tree = expression.parse(" ".join(parts), tcl=True)
        value = expression.evaluate(tree, self)
        return value if isinstance(value, str) else as_text(value)

    def _do_expression(self, *parts: str) -> str:
        reader = names.KnobNames(self.session, self.node, self.knob, 0, self.frame)
        return as_text(expression.evaluate(expression.parse(" ".join(parts)), reader))

    def _do_if(self, *arguments: str) -> str:
        words = [word for word in arguments if word != "then"]
        while words:
            if truth(self._do_expr(words[0])):
                return self._run(words[1])
            words = words[2:]
            if not words:
                return ""
            if words[0] == "elseif":
                words = words[1:]
            else:
                return self._run(words[1] if words[0] == "else" else words[0])
        raise self.fail("if without a condition")

    def _do_set(self, name: str, value: str | None = None) -> str:
        if value is not None:
            self.variables[name] = value
        return self._get(name)

    def _do_return(self, value: str = "") -> str:
        raise _Return(value)

    def _do_concat(self, *parts: str) -> str:
        return " ".join(part.strip() for part in parts)

    def _do_join(self, words: str, between: str = " ") -> str:
        return between.join(words.split())

    def _do_split(self, text: str, at: str = " ") -> str:
        return " ".join(text.split(at))

    def _do_lindex(self, words: str, index: str) -> str:
        parts = words.split()
        position = len(parts) - 1 if index == "end" else int(index)
        return parts[position] if 0 <= position < len(parts) else ""

    def _do_lsearch(self, words: str, wanted: str) -> str:
        parts = words.split()
        return str(parts.index(wanted) if wanted in parts else -1)

    def _do_llength(self, words: str) -> str:
        return str(len(words.split()))

    def _do_view(self, *_: str) -> str:
        return "main"

    def _do_format(self, pattern: str, *arguments: str) -> str:
        numbers = [float(a) if any(c in pattern for c in "feg") else a for a in arguments]
        if "d" in pattern:
            numbers = [int(float(a)) for a in arguments]
        return pattern % tuple(numbers)

    def _do_string(self, what: str, *arguments: str) -> str:
        text = arguments[-1]
        if what == "tolower":
            return text.lower()
        if what == "toupper":
            return text.upper()
        if what in ("trim", "trimright", "trimleft"):
            characters = arguments[1] if len(arguments) > 1 else None
            method = {"trim": str.strip, "trimright": str.rstrip, "trimleft": str.lstrip}[what]
            return method(arguments[0], characters)
        if what == "length":
            return str(len(text))
        if what in ("equal", "compare"):
            return str(int(arguments[0] == arguments[1])) if what == "equal" else str(int(arguments[0] != arguments[1]))
        if what == "range":
            last = len(arguments[0]) if arguments[2] == "end" else int(arguments[2]) + 1
            return arguments[0][int(arguments[1]) : last]
        if what == "map":
            pairs = arguments[0].split()
            for old, new in zip(pairs[::2], pairs[1::2], strict=False):
                text = text.replace(old, new)
            return text
        raise self.fail(f'string: bad option "{what}"')

    def _do_file(self, what: str, *arguments: str) -> str:
        path = arguments[0]
        if what == "join":
            return posixpath.join(*arguments)
        if what == "exists":
            return str(int(os.path.exists(path)))
        if what == "rootname":
            return posixpath.splitext(path)[0]
        if what in ("dirname", "tail", "extension"):
            pick = {"dirname": posixpath.dirname, "tail": posixpath.basename}
            return pick[what](path) if what in pick else posixpath.splitext(path)[1]
        raise self.fail(f'file: bad option "{what}"')

    def _do_getenv(self, name: str, default: str = "") -> str:
        return os.environ.get(name, default)

    def _do_class(self, name: str = "this") -> str:
        found = names.find(name, self.node, self.knob)
        if found is None or found.knob is not None:
            raise self.fail(f'nothing is named "{name}"')
        return found.node.Class()

    def _do_metadata(self, key: str) -> str:
        return str(self.session.node_metadata(self.node, self.frame).get(key, ""))

    def _do_python(self, *arguments: str) -> str:
        code = next(a for a in arguments if a != "-execlocal")
        return str(self.session.evaluate_tcl_python(code, "-execlocal" in arguments, self.node, self.knob, self.frame))

    def _do_execute(self, name: str, frames: str = "") -> str:
        self.session.renderer.execute(name)
        return ""


def _variable(text: str, start: int) -> str:
    if text[start : start + 1] == "{":
        end = text.find("}", start)
        return text[start + 1 : end] if end > 0 else ""
    end = start
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    if text[start:end] == "env" and text[end : end + 1] == "(":
        end = text.find(")", end) + 1
    return text[start:end]


def _closing_quote(text: str, start: int) -> int:
    position = start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == "[":
            end = matching_bracket(text, position)
            position = end + 1 if end > 0 else position + 1
            continue
        if text[position] == '"':
            return position
        position += 1
    return -1
