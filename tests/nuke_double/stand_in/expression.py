"""Nuke's expression language: text to syntax tree, and the tree to a number or an array.

The same grammar serves knob expressions (one float at one frame) and the pixel expressions of Expression and
MergeExpression (whole channels at once); the two differ only in what a name means, which the caller's Names object
decides. With `tcl=True` the grammar is that of Tcl's `expr` command: strings, $variables, eq and ne as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from . import functions
from .errors import ExpressionError

Value = Any  # float, numpy array, or (Tcl only) str


class Names(Protocol):
    """What the names, calls and brackets of an expression mean."""

    def name(self, name: str) -> Value: ...

    def call(self, name: str, arguments: list[Value]) -> Value: ...

    def command(self, text: str) -> Value: ...


@dataclass(frozen=True)
class Tree:
    """A node of the syntax tree: kind is number, string, name, variable, command, call, unary, binary or choice."""

    kind: str
    value: Any = None
    parts: tuple[Tree, ...] = ()


_BINARY = [["||"], ["&&"], ["==", "!=", "eq", "ne"], ["<", "<=", ">", ">="], ["+", "-"], ["*", "/", "%"]]
_SYMBOLS = (
    "**",
    "||",
    "&&",
    "==",
    "!=",
    "<=",
    ">=",
    "<",
    ">",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "!",
    "?",
    ":",
    "(",
    ")",
    ",",
)


@dataclass(frozen=True)
class _Token:
    kind: str  # number, name, symbol, string, variable, command, end
    text: str
    position: int


def parse(text: str, tcl: bool = False) -> Tree:
    """The syntax tree. Raises ExpressionError, quoting the expression."""
    return _parse(text, tcl)


@lru_cache(maxsize=4096)
def _parse(text: str, tcl: bool) -> Tree:
    return _Parser(text, tcl).whole()


def evaluate(tree: Tree, names: Names) -> Value:
    """The value of the tree. Numbers are floats; where a name gives an array, the result is one."""
    kind = tree.kind
    if kind in ("number", "string"):
        return tree.value
    if kind == "name":
        return names.name(tree.value)
    if kind == "variable":
        return names.name("$" + tree.value)
    if kind == "command":
        return names.command(tree.value)
    if kind == "call":
        return names.call(tree.value, [evaluate(part, names) for part in tree.parts])
    if kind == "choice":
        return _choose(tree, names)
    with np.errstate(all="ignore"):
        if kind == "unary":
            return functions.unary(tree.value, evaluate(tree.parts[0], names))
        left = evaluate(tree.parts[0], names)
        if tree.value in ("&&", "||") and not isinstance(left, np.ndarray):
            decided = functions.truth(left) == (tree.value == "||")
            if decided:
                return 1.0 if tree.value == "||" else 0.0
        return functions.binary(tree.value, left, evaluate(tree.parts[1], names))


def _choose(tree: Tree, names: Names) -> Value:
    condition = evaluate(tree.parts[0], names)
    if not isinstance(condition, np.ndarray):
        return evaluate(tree.parts[1 if functions.truth(condition) else 2], names)
    yes, no = evaluate(tree.parts[1], names), evaluate(tree.parts[2], names)
    return np.where(condition != 0, yes, no).astype(np.float32)


class _Parser:
    def __init__(self, text: str, tcl: bool) -> None:
        self.text = text
        self.tcl = tcl
        self.tokens = list(self._tokens())
        self.at = 0

    def whole(self) -> Tree:
        tree = self.ternary()
        if self.peek().kind != "end":
            raise self.fail(f"unexpected {self.peek().text!r}")
        return tree

    def fail(self, message: str) -> ExpressionError:
        return ExpressionError(f"{message} in expression {self.text!r}")

    def peek(self) -> _Token:
        return self.tokens[self.at]

    def take(self, *symbols: str) -> str | None:
        token = self.peek()
        if token.kind in ("symbol", "word") and token.text in symbols:
            self.at += 1
            return token.text
        return None

    def expect(self, symbol: str) -> None:
        if self.take(symbol) is None:
            raise self.fail(f"{symbol!r} expected before {self.peek().text!r}")

    def ternary(self) -> Tree:
        condition = self.binary(0)
        if self.take("?") is None:
            return condition
        yes = self.ternary()
        self.expect(":")
        return Tree("choice", None, (condition, yes, self.ternary()))

    def binary(self, level: int) -> Tree:
        if level == len(_BINARY):
            return self.unary()
        left = self.binary(level + 1)
        while (symbol := self.take(*_BINARY[level])) is not None:
            left = Tree("binary", symbol, (left, self.binary(level + 1)))
        return left

    def unary(self) -> Tree:
        symbol = self.take("-", "+", "!")
        if symbol is not None:
            return Tree("unary", symbol, (self.unary(),))
        return self.power()

    def power(self) -> Tree:
        base = self.primary()
        if self.take("**", "^") is not None:
            return Tree("binary", "**", (base, self.unary()))
        return base

    def primary(self) -> Tree:
        token = self.peek()
        self.at += 1
        if token.kind == "number":
            return Tree("number", float(int(token.text, 16) if token.text[:2].lower() == "0x" else token.text))
        if token.kind in ("string", "variable", "command"):
            return Tree(token.kind, token.text)
        if token.kind == "name":
            if self.take("(") is None:
                return Tree("name", token.text)
            return Tree("call", token.text, self.arguments())
        if token.kind == "symbol" and token.text == "(":
            inner = self.ternary()
            self.expect(")")
            return inner
        raise self.fail("nothing" if token.kind == "end" else f"unexpected {token.text!r}")

    def arguments(self) -> tuple[Tree, ...]:
        if self.take(")") is not None:
            return ()
        found = [self.ternary()]
        while self.take(",") is not None:
            found.append(self.ternary())
        self.expect(")")
        return tuple(found)

    def _tokens(self) -> list[_Token]:
        found, position, text = [], 0, self.text
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            token, position = self._token(position)
            found.append(token)
        found.append(_Token("end", "", len(text)))
        return found

    def _token(self, start: int) -> tuple[_Token, int]:
        text, character = self.text, self.text[start]
        if character.isdigit() or (character == "." and text[start + 1 : start + 2].isdigit()):
            end = _number_end(text, start)
            return _Token("number", text[start:end], start), end
        if character.isalpha() or character == "_":
            end = start + 1
            while end < len(text) and (text[end].isalnum() or text[end] in "_." or text[end : end + 2] == "::"):
                end += 1
            word = text[start:end].rstrip(".")
            kind = "word" if self.tcl and word in ("eq", "ne") else "name"
            return _Token(kind, word, start), start + len(word)
        if character == "[":
            end = matching_bracket(text, start)
            if end < 0:
                raise self.fail("missing ]")
            return _Token("command", text[start + 1 : end], start), end + 1
        if character == "$" or (self.tcl and character in '"{'):
            return self._tcl_token(start)
        for symbol in _SYMBOLS:
            if text.startswith(symbol, start):
                return _Token("symbol", symbol, start), start + len(symbol)
        raise self.fail(f"{character!r} is not understood")

    def _tcl_token(self, start: int) -> tuple[_Token, int]:
        text = self.text
        if text[start] == "$":
            end = start + 1
            while end < len(text) and (text[end].isalnum() or text[end] in "_."):
                end += 1
            return _Token("variable", text[start + 1 : end], start), end
        close = {'"': '"', "{": "}"}[text[start]]
        end = text.find(close, start + 1)
        if end < 0:
            raise self.fail(f"missing {close}")
        return _Token("string", text[start + 1 : end], start), end + 1


def _number_end(text: str, start: int) -> int:
    end = start
    if text[start : start + 2].lower() == "0x":
        end = start + 2
        while end < len(text) and text[end] in "0123456789abcdefABCDEF":
            end += 1
        return end
    while end < len(text) and (text[end].isdigit() or text[end] == "."):
        end += 1
    if end < len(text) and text[end] in "eE":
        after = end + 1
        if after < len(text) and text[after] in "+-":
            after += 1
        if after < len(text) and text[after].isdigit():
            end = after
            while end < len(text) and text[end].isdigit():
                end += 1
    return end


def matching_bracket(text: str, start: int) -> int:
    """Position of the ] that closes the [ at `start`, or -1. Braces and escapes inside are respected."""
    depth, braces, position = 0, 0, start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character == "{":
            braces += 1
        elif character == "}":
            braces = max(0, braces - 1)
        elif character == "[" and not braces:
            depth += 1
        elif character == "]" and not braces:
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1
