"""From script text to statements, before any node exists.

What a statement *does* to the stack is the loader's business; here the text is only recognised: node blocks with
their knob lines, `set`, `push`, `clone`, `add_layer`, `version`, `end_group`. Anything else is kept as a Tcl
command, and the loader decides whether that is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .tcl import BARE, BRACED, QUOTED, Command, Word, decode, split_commands, split_list

_NOT_NODES = {"if", "proc", "foreach", "while", "for", "catch", "eval", "expr", "python", "define_window_layout_xml"}


@dataclass(frozen=True)
class KnobLine:
    """One knob of a node body: its name and the word that holds the value."""

    name: str
    value: Word
    ragged: bool = False
    """The line is no pair of name and value; the value is all that was left of it."""


@dataclass(frozen=True)
class NodeBlock:
    """`Class {…}`."""

    node_class: str
    knobs: tuple[KnobLine, ...]
    line: int


@dataclass(frozen=True)
class CloneBlock:
    """`clone $C1234 {…}` or `clone node7f12|Blur|1234 Class {…}`: another place of an existing node."""

    reference: str
    knobs: tuple[KnobLine, ...]
    line: int
    node_class: str = ""


@dataclass(frozen=True)
class SetStack:
    """`set N1234 [stack 0]`."""

    name: str
    depth: int
    line: int


@dataclass(frozen=True)
class Push:
    """`push $N1234`; `name` is empty for `push 0`."""

    name: str
    line: int


@dataclass(frozen=True)
class EndGroup:
    line: int


@dataclass(frozen=True)
class Version:
    """`version 13.1 v3`."""

    text: str
    line: int

    @property
    def number(self) -> tuple[int, int]:
        parts = self.text.split()[0].split(".") if self.text.split() else ["0"]
        digits = ["".join(c for c in part if c.isdigit()) or "0" for part in [*parts, "0"]]
        return int(digits[0]), int(digits[1])


@dataclass(frozen=True)
class AddLayer:
    """`add_layer {motion motion.u motion.v}`."""

    name: str
    channels: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class TclCommand:
    """A command that is none of the above."""

    words: tuple[str, ...]
    line: int


Statement = NodeBlock | CloneBlock | SetStack | Push | EndGroup | Version | AddLayer | TclCommand


@dataclass
class Script:
    """The statements of one file, and the version it was written by ((0, 0) if it does not say)."""

    statements: list[Statement] = field(default_factory=list)
    source: str = ""

    @property
    def version(self) -> tuple[int, int]:
        return next((s.number for s in self.statements if isinstance(s, Version)), (0, 0))


def parse_file(path: str | Path) -> Script:
    """Statements of a .nk or .gizmo file. Raises OSError, or ScriptError with the line."""
    return parse(decode(Path(path).read_bytes()), str(path))


def parse(text: str | bytes, source: str = "") -> Script:
    """Statements of script text; bytes are decoded as a file would be. Raises ScriptError with the line."""
    if isinstance(text, bytes):
        text = decode(text)
    script = Script(source=source)
    for command in split_commands(text.replace("\r\n", "\n"), source):
        script.statements.append(_statement(command, source))
    return script


def parse_knobs(text: str, line: int = 1, source: str = "") -> tuple[KnobLine, ...]:
    """A node body, or the `knobs` argument of nuke.createNode: name, value, name, value …

    Old and hand-made files have lines with no value or with loose words; those come back marked as ragged.
    """
    knobs: list[KnobLine] = []
    for row in _rows(split_list(text, line, source)):
        if len(row) % 2 == 0:
            knobs += [KnobLine(row[i].text, row[i + 1]) for i in range(0, len(row), 2)]
        else:
            rest = Word(" ".join(word.text for word in row[1:]), QUOTED, row[0].line)
            knobs.append(KnobLine(row[0].text, rest, ragged=True))
    return tuple(knobs)


def _rows(words: list[Word]) -> list[list[Word]]:
    """The words by the line that they start on; a value of many lines keeps its row open to its end."""
    rows: list[list[Word]] = []
    last = 0
    for word in words:
        if rows and word.line <= last:
            rows[-1].append(word)
        elif rows and len(rows[-1]) % 2 and word.kind != BARE:
            rows[-1].append(word)  # a value that begins on the line after its name
        else:
            rows.append([word])
        last = max(last, word.last_line)
    return rows


def _statement(command: Command, source: str) -> Statement:
    words, line = command.words, command.line
    head = words[0].text
    if head == "set" and len(words) == 3:
        return SetStack(words[1].text, _stack_depth(words[2]), line) if _is_stack(words[2]) else _tcl(command)
    if head == "push" and len(words) == 2:
        target = words[1].text
        return Push("" if target == "0" else target.removeprefix("$"), line)
    if head == "end_group":
        return EndGroup(line)
    if head == "version":
        return Version(" ".join(word.text for word in words[1:]), line)
    if head == "add_layer" and len(words) >= 2:
        names = [w.text for w in (split_list(words[1].text, line, source) if len(words) == 2 else words[1:])]
        return AddLayer(names[0] if names else "", tuple(names[1:]), line)
    if head == "clone" and len(words) in (3, 4) and words[-1].kind == BRACED:
        knobs = parse_knobs(words[-1].text, words[-1].line, source)
        return CloneBlock(words[1].text.removeprefix("$"), knobs, line, words[2].text if len(words) == 4 else "")
    if _is_node(command):
        return NodeBlock(head, parse_knobs(words[1].text, words[1].line, source), line)
    return _tcl(command)


def _is_node(command: Command) -> bool:
    words = command.words
    if len(words) != 2 or words[0].kind != BARE or words[1].kind != BRACED or words[0].text in _NOT_NODES:
        return False
    name = words[0].text
    return (name[0].isalpha() or name[0] == "_") and all(c.isalnum() or c in "._-:/" for c in name)


def _is_stack(word: Word) -> bool:
    parts = word.text.strip("[]").split()
    return word.text.startswith("[") and len(parts) == 2 and parts[0] == "stack" and parts[1].isdigit()


def _stack_depth(word: Word) -> int:
    return int(word.text.strip("[]").split()[1])


def _tcl(command: Command) -> TclCommand:
    return TclCommand(tuple(word.text for word in command.words), command.line)
