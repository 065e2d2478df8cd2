"""The words of script text."""

from __future__ import annotations

import pytest
from stand_in import tcl
from stand_in.errors import ScriptError


def texts(source: str) -> list[str]:
    return [word.text for word in tcl.split_list(source)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a b\tc\nd", ["a", "b", "c", "d"]),
        ("{a b} {c {d e}} f", ["a b", "c {d e}", "f"]),
        ('"a b" "say \\"hi\\""', ["a b", 'say "hi"']),
        ("{a \\} b} c", ["a \\} b", "c"]),
        ('"\\[value size]\\nnext \\{x\\} \\$y"', ["[value size]\nnext {x} $y"]),
        ("a\\ b\\n", ["a b\n"]),
        ('"\\x41\\u00e9\\101"', ["Aé" + "A"]),
        ('{} ""', ["", ""]),
        ("value[0] a{b}c", ["value[0]", "a{b}c"]),
        ('"line one\nline two"', ["line one\nline two"]),
        ("a\\\n  b", ["a", "b"]),
    ],
)
def test_words_are_split_and_unescaped_as_tcl_does(source: str, words: list[str]) -> None:
    assert texts(source) == words


def test_braces_keep_backslashes_and_quotes_do_not() -> None:
    assert texts('{a\\nb} "a\\nb"') == ["a\\nb", "a\nb"]


def test_words_know_their_line() -> None:
    words = tcl.split_list("a\n{b\nc}\n d")
    assert [(word.text, word.line) for word in words] == [("a", 1), ("b\nc", 2), ("d", 4)]


@pytest.mark.parametrize("source", ["{a {b}", '"a b'])
def test_an_open_brace_or_quote_is_an_error_that_names_its_line(source: str) -> None:
    with pytest.raises(ScriptError, match="2: missing"):
        tcl.split_list("x\n" + source)


def test_commands_end_at_lines_and_semicolons_and_comments_vanish() -> None:
    commands = tcl.split_commands("# note {\nset N1 [stack 0]; push $N1\nBlur {\n size 5\n}\n")
    assert [[word.text for word in c.words] for c in commands] == [
        ["set", "N1", "[stack 0]"],
        ["push", "$N1"],
        ["Blur", "\n size 5\n"],
    ]


@pytest.mark.parametrize(
    "text", ["", "plain", "two words", 'all of [ { } " \\ $ ;', "lines\nand\ttabs", "#hash", "naïve é"]
)
def test_what_is_quoted_reads_back_the_same(text: str) -> None:
    assert texts(tcl.quote(text)) == [text]


def test_brackets_braces_and_quotes_are_escaped_and_closing_brackets_stay_bare() -> None:
    assert tcl.quote("[a] {b}") == '"\\[a] \\{b\\}"'


def test_bytes_that_are_no_utf8_survive() -> None:
    text = tcl.decode(b"label caf\xe9\r\nnext\rlast")
    assert text.split("\n")[1:] == ["next", "last"]
    assert text.encode("utf-8", "surrogateescape").startswith(b"label caf\xe9\n")


def test_a_byte_order_mark_is_left_out() -> None:
    assert tcl.decode(b"\xef\xbb\xbfversion 9.0 v1") == "version 9.0 v1"
