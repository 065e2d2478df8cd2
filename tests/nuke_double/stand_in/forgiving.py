"""Reading a file whose braces or quotes do not match, by its lines. Only for other people's files.

A node begins with a line `Class {` and ends with the first `}` that stands alone at the same indentation; what cannot
be split into words is kept line by line. Every line that was guessed at comes back as ragged, and so as a problem.
"""

from __future__ import annotations

from .errors import ScriptError
from .script_parser import KnobLine, Script, TclCommand, parse, parse_knobs
from .tcl import QUOTED, Word


def parse_by_lines(text: str, source: str = "") -> Script:
    """Statements of text that the parser refuses. Raises nothing."""
    script = Script(source=source)
    lines = text.split("\n")
    position = 0
    while position < len(lines):
        line = lines[position]
        if _opens(line):
            end = _end_of_block(lines, position)
            _block(script, lines, position, end)
            position = end + 1
        else:
            _single(script, line, position + 1)
            position += 1
    return script


def _opens(line: str) -> bool:
    words = line.split()
    return len(words) in (2, 3, 4) and words[-1] == "{" and (len(words) == 2 or words[0] == "clone")


def _end_of_block(lines: list[str], start: int) -> int:
    closing = lines[start][: len(lines[start]) - len(lines[start].lstrip())] + "}"
    for position in range(start + 1, len(lines)):
        if lines[position].rstrip() == closing:
            return position
    return len(lines) - 1


def _block(script: Script, lines: list[str], start: int, end: int) -> None:
    """The head is parsed with an empty body, which gives the right statement; then the body's knobs are put in."""
    head = lines[start].strip()
    body = "\n".join(lines[start + 1 : end])
    try:
        knobs = parse_knobs(body, start + 2, script.source)
    except ScriptError:
        knobs = tuple(_knob(line, start + 2 + i) for i, line in enumerate(lines[start + 1 : end]) if line.strip())
    try:
        found = parse(head + "}", script.source).statements
    except ScriptError:
        found = [TclCommand((head,), start + 1)]
    for statement in found:
        if hasattr(statement, "knobs"):
            object.__setattr__(statement, "knobs", knobs)
            object.__setattr__(statement, "line", start + 1)
        script.statements.append(statement)


def _knob(line: str, number: int) -> KnobLine:
    name, _, value = line.strip().partition(" ")
    return KnobLine(name, Word(value.strip(), QUOTED, number, number), ragged=True)


def _single(script: Script, line: str, number: int) -> None:
    try:
        found = parse(line, script.source).statements
    except ScriptError:
        found = [TclCommand((line.strip(),), number)]
    for statement in found:
        object.__setattr__(statement, "line", number)
        script.statements.append(statement)
