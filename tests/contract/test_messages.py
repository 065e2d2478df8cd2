"""The lines between client and worker."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest

from bipack import messages
from bipack.errors import BipackError, VersionSkew

EXAMPLES = [
    messages.Hello(),
    messages.Ready(pid=7, providers=("CPUExecutionProvider",), device="CPU"),
    messages.Render(
        "j",
        "superres_x2",
        "/a b/ž.%04d.exr",
        "/out/x.%04d.exr",
        frames=(1001, 1002),
        settings={"amount": [0.5, 1.0], "on": True, "name": "ž"},
    ),
    messages.Cancel("j"),
    messages.Shutdown(),
    messages.Progress("j", 1001, 0.5, 3, 10, 12.5),
    messages.Notice("j", "smaller tile", 1001),
    messages.FrameDone("j", 1001, "/out/x.1001.exr", 1.5, key="abc"),
    messages.JobDone("j", 9, 1, 12.0),
    messages.Failed("j", "CorruptInput", "what", 11, 1001),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda message: type(message).__name__)
def test_every_message_survives_the_pipe(message):
    line = messages.encode(message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert line.isascii()
    assert messages.decode(line) == message


def test_every_kind_of_message_has_an_example_here():
    assert {type(message) for message in EXAMPLES} == set(typing.get_args(messages.Message))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello\n",
        b"[]\n",
        b"{}\n",
        b'{"type": "Nothing"}\n',
        b'{"type": "Cancel"}\n',
        b'{"type": "Cancel", "job": "j", "more": 1}\n',
        b'{"type": ["Cancel"]}\n',
        b"\xff\xfe\n",
    ],
)
def test_a_line_that_is_no_message_is_refused_and_shown(line):
    with pytest.raises(BipackError, match="no message of the Bipack protocol"):
        messages.decode(line)


def test_an_endless_line_is_refused_by_its_length():
    with pytest.raises(BipackError, match="bytes was refused"):
        messages.decode(b"x" * (messages.MAX_LINE_BYTES + 1))


def test_numbers_that_are_not_json_never_go_out():
    with pytest.raises(ValueError):
        messages.encode(messages.Progress("j", 1, float("nan"), 0, 1))


@pytest.mark.parametrize("changes", [{"protocol": messages.PROTOCOL + 1}, {"version": "0.0.0"}])
def test_another_version_on_the_other_side_is_fatal(changes):
    with pytest.raises(VersionSkew, match="same install"):
        messages.check_versions(dataclasses.replace(messages.Hello(), **changes))


def test_the_same_version_is_welcome():
    messages.check_versions(messages.decode(messages.encode(messages.Ready())))


def test_messages_carry_the_type_by_name():
    assert json.loads(messages.encode(messages.Cancel("j"))) == {"type": "Cancel", "job": "j"}
