"""Words and commands of .nk text.

A script is Tcl: commands of words, where a word is bare, "quoted" or {braced}. A node's braced body is a list of
knob name and value in turn, and a value may again be a list. One scanner reads all three levels, so that quoting
is understood in one place only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ScriptError

BARE, QUOTED, BRACED = "bare", "quoted", "braced"

_BRACES = re.compile(r"\\.|[{}]", re.DOTALL)  # an escaped brace does not count
_QUOTES = re.compile(r'\\.|"', re.DOTALL)
_SPACE = " \t\r\f\v"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_HEX = "0123456789abcdefABCDEF"


@dataclass(frozen=True)
class Word:
    """One word. `text` has quotes and braces taken off, and escapes resolved unless it was braced."""

    text: str
    kind: str
    line: int
    last_line: int = 0


@dataclass(frozen=True)
class Command:
    """One command of a script: its words (at least one) and the line on which it starts."""

    words: tuple[Word, ...]
    line: int


def decode(data: bytes) -> str:
    """Text of a script file: any line ends, a byte-order mark or none; bytes that are no UTF-8 are kept as they are."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16")
    else:
        text = data.decode("utf-8-sig", errors="surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Scanner:
    """Reads words off a text, counting lines. With `substitutions`, [command] and $name end no word."""

    def __init__(self, text: str, line: int = 1, source: str = "", substitutions: bool = False) -> None:
        self.text = text
        self.position = 0
        self.line = line
        self.source = source
        self.substitutions = substitutions

    def fail(self, message: str, line: int | None = None) -> ScriptError:
        return ScriptError(message, self.line if line is None else line, self.source)

    def skip_space(self, newlines: bool) -> None:
        text, end = self.text, len(self.text)
        while self.position < end:
            character = text[self.position]
            if character == "\\" and text.startswith("\\\n", self.position):
                self.position += 2
                self.line += 1
            elif character == "\n":
                if not newlines:
                    return
                self.position += 1
                self.line += 1
            elif character in _SPACE:
                self.position += 1
            else:
                return

    def at_end(self) -> bool:
        return self.position >= len(self.text)

    def word(self) -> Word:
        """The next word; the caller has skipped the space before it."""
        line = self.line
        first = self.text[self.position]
        if first == "{":
            return Word(self._braced(), BRACED, line, self.line)
        if first == '"':
            return Word(self._quoted(), QUOTED, line, self.line)
        return Word(self._bare(), BARE, line, line)

    def _braced(self) -> str:
        start, depth = self.position + 1, 0
        for mark in _BRACES.finditer(self.text, self.position):
            if mark[0] == "{":
                depth += 1
            elif mark[0] == "}":
                depth -= 1
                if depth == 0:
                    return self._taken(start, mark.start())
        raise self.fail("missing close-brace")

    def _quoted(self) -> str:
        start = self.position + 1
        for mark in _QUOTES.finditer(self.text, start):
            if mark[0] == '"':
                return unescape(self._taken(start, mark.start()))
        raise self.fail('missing closing "')

    def _taken(self, start: int, end: int) -> str:
        self.position = end + 1
        self.line += self.text.count("\n", start, end)
        return self.text[start:end]

    def _bare(self) -> str:
        text, start = self.text, self.position
        position, depth = start, 0
        while position < len(text):
            character = text[position]
            if character == "\\":
                if text[position + 1 : position + 2] == "\n":
                    break
                position += 2
                continue
            if self.substitutions and character == "[":
                depth += 1
            elif self.substitutions and character == "]" and depth:
                depth -= 1
            elif (
                character == "\n"
                or (depth == 0 and character in _SPACE)
                or (self.substitutions and depth == 0 and character == ";")
            ):
                break
            position += 1
        self.position = min(position, len(text))
        return unescape(text[start : self.position])


def split_list(text: str, line: int = 1, source: str = "") -> list[Word]:
    """The words of a Tcl list (a node body, a value in braces)."""
    scanner = Scanner(text, line, source)
    words = []
    scanner.skip_space(newlines=True)
    while not scanner.at_end():
        words.append(scanner.word())
        scanner.skip_space(newlines=True)
    return words


def split_commands(text: str, source: str = "") -> list[Command]:
    """The commands of a script; comment lines are left out."""
    scanner = Scanner(text, source=source, substitutions=True)
    commands: list[Command] = []
    while True:
        scanner.skip_space(newlines=True)
        if scanner.at_end():
            return commands
        if scanner.text[scanner.position] == ";":
            scanner.position += 1
            continue
        if scanner.text[scanner.position] == "#":
            end = scanner.text.find("\n", scanner.position)
            scanner.position = len(scanner.text) if end < 0 else end
            continue
        line, words = scanner.line, []
        while not scanner.at_end() and scanner.text[scanner.position] not in "\n;":
            words.append(scanner.word())
            scanner.skip_space(newlines=False)
        commands.append(Command(tuple(words), line))


def unescape(text: str) -> str:
    """Backslash escapes as Tcl resolves them: \\n, \\t, \\xHH, \\uHHHH, octal; others stand for themselves."""
    if "\\" not in text:
        return text
    out: list[str] = []
    position, end = 0, len(text)
    while position < end:
        character = text[position]
        if character != "\\" or position + 1 >= end:
            out.append(character)
            position += 1
            continue
        code = text[position + 1]
        position += 2
        if code in _ESCAPES:
            out.append(_ESCAPES[code])
        elif code == "\n":
            while position < end and text[position] in _SPACE:
                position += 1
            out.append(" ")
        elif code in "xu":
            limit = position + (2 if code == "x" else 4)
            start = position
            while position < min(end, limit) and text[position] in _HEX:
                position += 1
            out.append(chr(int(text[start:position], 16)) if position > start else code)
        elif code in "01234567":
            start = position - 1
            while position < min(end, start + 3) and text[position] in "01234567":
                position += 1
            out.append(chr(int(text[start:position], 8) & 0xFF))
        else:
            out.append(code)
    return "".join(out)


def is_plain(text: str) -> bool:
    """True if Nuke writes this string bare."""
    return bool(text) and not any(c in ' \t\n\r\f\v"\\{}[$;' for c in text) and not text.startswith("#")


def quote(text: str) -> str:
    """The string as Nuke writes it in a script: bare where that is safe, otherwise quoted with [ { } " \\ $ escaped."""
    if is_plain(text):
        return text
    out = []
    for character in text:
        if character in '[{}"\\$':
            out.append("\\" + character)
        elif character == "\n":
            out.append("\\n")
        elif character == "\t":
            out.append("\\t")
        elif character == "\r":
            out.append("\\r")
        else:
            out.append(character)
    return '"' + "".join(out) + '"'
