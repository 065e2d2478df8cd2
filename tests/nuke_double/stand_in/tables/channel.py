"""Channel menu: shuffles, copies, layers."""

from __future__ import annotations

from ..knob_specs import acolor, boolean, channel, enum, mask, string
from .common import MASK, MIX, Table

SHUFFLE_CHOICES = [
    "red", "green", "blue", "alpha", "black", "white", "red2", "green2", "blue2", "alpha2",
]  # fmt: skip


def _shuffle(pairs: dict[str, str]) -> tuple:
    return tuple(enum(name, SHUFFLE_CHOICES, default) for name, default in pairs.items())


FIRST = {"red": "red", "green": "green", "blue": "blue", "alpha": "alpha"}
EXTRA = {"black": "red", "white": "green", "red2": "blue", "green2": "alpha"}

CLASSES: dict[str, Table] = {
    "Shuffle": Table(
        (
            mask("in", "rgba"),
            mask("in2", "none"),
            mask("out", "rgba"),
            mask("out2", "none"),
            *_shuffle(FIRST),
            *_shuffle(EXTRA),
        ),
    ),
    "ShuffleCopy": Table(
        (
            mask("in", "rgba"),
            mask("in2", "rgba"),
            mask("out", "rgba"),
            mask("out2", "none"),
            *_shuffle({"red": "red2", "green": "green2", "blue": "blue2", "alpha": "alpha"}),
            *_shuffle(EXTRA),
        ),
        least=2,
        most=2,
    ),
    "Shuffle2": Table(
        (
            mask("in1", "rgba"),
            mask("in2", "none"),
            mask("out1", "rgba"),
            mask("out2", "none"),
            enum("fromInput1", ["B", "A"], "B"),
            enum("fromInput2", ["B", "A"], "B"),
            string("mappings"),
        ),
        most=2,
    ),
    "Copy": Table(
        (
            *[channel(f"from{i}") for i in range(4)],
            *[channel(f"to{i}") for i in range(4)],
            mask("channels", "none"),
            enum("bbox", ["union", "B side", "A side"], "union"),
            *MASK,
            *MIX,
        ),
        least=2,
        most=2,
        mask=2,
    ),
    "Remove": Table(
        (
            enum("operation", ["remove", "keep"], "remove"),
            mask("channels", "all"),
            mask("channels2", "none"),
            mask("channels3", "none"),
            mask("channels4", "none"),
        ),
    ),
    "AddChannels": Table(
        (
            mask("channels", "none"),
            mask("channels2", "none"),
            mask("channels3", "none"),
            mask("channels4", "none"),
            acolor("color", 0.0),
            boolean("format_size", True),
        ),
        least=0,
    ),
    "ChannelMerge": Table(
        (
            channel("A", "rgba.alpha"),
            channel("B", "rgba.alpha"),
            channel("output", "rgba.alpha"),
            enum(
                "operation",
                [
                    "union",
                    "absminus",
                    "b if not a",
                    "divide",
                    "from",
                    "in",
                    "max",
                    "min",
                    "minus",
                    "multiply",
                    "out",
                    "plus",
                    "stencil",
                    "xor",
                ],
                "union",
            ),
            boolean("bbox_dummy"),
            *MASK,
            *MIX,
        ),
        least=2,
        most=2,
        mask=2,
        without=("bbox_dummy",),
    ),
}
