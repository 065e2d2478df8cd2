"""Merge menu."""

from __future__ import annotations

from ..knob_specs import boolean, channel, double, enum, mask, string
from .color import _expressions
from .common import MASK, MIX, Table

OPERATIONS = [
    "atop", "average", "color-burn", "color-dodge", "conjoint-over", "copy", "difference", "disjoint-over", "divide",
    "exclusion", "from", "geometric", "hard-light", "hypot", "in", "mask", "matte", "max", "min", "minus", "multiply",
    "out", "over", "overlay", "plus", "screen", "soft-light", "stencil", "under", "xor",
]  # fmt: skip
BBOX = ["union", "intersection", "A", "B"]
METAINPUT = ["A", "B", "All"]

CLASSES: dict[str, Table] = {
    "Merge2": Table(
        (
            enum("operation", OPERATIONS, "over"),
            mask("Achannels", "rgba"),
            mask("Bchannels", "rgba"),
            mask("output", "rgba"),
            mask("also_merge", "none"),
            enum("bbox", BBOX, "union"),
            boolean("sRGB"),
            boolean("screen_alpha"),
            enum("metainput", METAINPUT, "B"),
            enum("rangeinput", METAINPUT, "B"),
            *MASK,
            *MIX,
        ),
        least=2,
        most=100,
        mask=2,
    ),
    "Keymix": Table(
        (
            mask("channels", "all"),
            channel("maskChannel", "rgba.alpha"),
            boolean("invertMask"),
            *MIX,
            enum("bbox", ["union", "B side", "A side"], "union"),
        ),
        least=3,
        most=3,
    ),
    "Dissolve": Table((mask("channels", "all"), double("which"), *MASK), least=2, most=100, mask=2),
    "Switch": Table((double("which"),), least=1, most=1000),
    "MergeExpression": Table((*_expressions(), *MASK, *MIX), least=2, most=2, mask=2),
    "Premult": Table((mask("channels", "rgb"), channel("alpha", "rgba.alpha"), boolean("invert"))),
    "Unpremult": Table((mask("channels", "rgb"), channel("alpha", "rgba.alpha"), boolean("invert"))),
    "CopyBBox": Table(least=2, most=2),
    "ContactSheet": Table(
        (double("width", 2048), double("height", 1556), double("rows", 4), double("columns", 6), double("gap")),
        most=1000,
    ),
    "Difference": Table((double("offset"), double("gain", 1.0), channel("output", "rgba.alpha")), least=2, most=2),
    "AddMix": Table((string("A_curve"), string("B_curve"), *MIX), least=2, most=2),
}
