"""Color menu."""

from __future__ import annotations

from ..knob_specs import (
    acolor,
    boolean,
    double,
    enum,
    mask,
    matrix,
    string,
)
from .common import WRAPPED, Table, dropped

COLORSPACES = [
    "Linear", "sRGB", "rec709", "L*a*b*", "L*c*h*", "CIE-XYZ", "CIE-Yxy", "HSV", "HSL", "YCbCr", "YPbPr", "Cineon",
    "Gamma1.8", "Gamma2.2", "AlexaV3LogC", "Panalog", "PLogLin", "REDLog", "SLog", "SLog1", "SLog2",
    "SLog3", "ViperLog",
]  # fmt: skip
ILLUMINANTS = ["A", "B", "C", "D50", "D55", "D58", "D65", "D75", "9300", "E", "F2", "F7", "F11", "DCI"]
PRIMARIES = [
    "sRGB",
    "NTSC(1953)",
    "CIE1931",
    "DCI-P3",
    "Color Match",
    "Adobe (1998)",
    "ProPhoto",
    "AlexaWideGamut",
    "Apple RGB",
]


def _expressions() -> tuple:
    temporaries = [spec for i in range(4) for spec in (string(f"temp_name{i}"), string(f"temp_expr{i}"))]
    channels = ["rgba.red", "rgba.green", "rgba.blue", "rgba.alpha"]
    rows = [spec for i in range(4) for spec in (mask(f"channel{i}", channels[i]), string(f"expr{i}"))]
    return (*temporaries, *rows)


def _correct() -> tuple:
    rows = []
    for band in ("", "shadows.", "midtones.", "highlights."):
        for name, default in (("saturation", 1), ("contrast", 1), ("gamma", 1), ("gain", 1), ("offset", 0)):
            rows.append(acolor(band + name, default))
            rows.append(boolean(f"{band}{name}_panelDropped"))
    return tuple(rows)


GRADE = ("blackpoint", "whitepoint", "black", "white", "multiply", "add", "gamma")
GRADE_DEFAULTS = (0, 1, 0, 1, 1, 0, 1)

CLASSES: dict[str, Table] = {
    "Grade": Table(
        (
            mask("channels", "rgb"),
            *[acolor(name, default) for name, default in zip(GRADE, GRADE_DEFAULTS, strict=True)],
            *dropped(*GRADE),
            boolean("reverse"),
            boolean("black_clamp", True),
            boolean("white_clamp"),
            *WRAPPED,
        ),
        mask=1,
    ),
    "ColorCorrect": Table((mask("channels", "rgb"), *_correct(), *WRAPPED), mask=1),
    "Multiply": Table((mask("channels", "rgb"), acolor("value", 1.0), *dropped("value"), *WRAPPED), mask=1),
    "Add": Table((mask("channels", "rgb"), acolor("value", 0.0), *dropped("value"), *WRAPPED), mask=1),
    "Gamma": Table((mask("channels", "rgb"), acolor("value", 1.0), *dropped("value"), *WRAPPED), mask=1),
    "Saturation": Table(
        (
            mask("channels", "rgb"),
            double("saturation", 1.0),
            enum("mode", ["Rec 709", "Ccir 601", "Average", "Maximum"], "Rec 709"),
            *WRAPPED,
        ),
        mask=1,
    ),
    "HueShift": Table(
        (
            enum("ingray", ["white", "pick"], "white"),
            double("hue_rotation"),
            double("saturation", 1.0),
            acolor("color", 1.0),
            double("color_saturation", 1.0),
            double("brightness", 1.0),
            *WRAPPED,
        ),
        mask=1,
    ),
    "Invert": Table((mask("channels", "all"), boolean("clamp"), *WRAPPED), mask=1),
    "Clamp": Table(
        (
            mask("channels", "rgb"),
            acolor("minimum", 0.0),
            boolean("minimum_enable", True),
            acolor("maximum", 1.0),
            boolean("maximum_enable", True),
            acolor("MinClampTo", 0.0),
            boolean("MinClampTo_enable"),
            acolor("MaxClampTo", 1.0),
            boolean("MaxClampTo_enable"),
            *WRAPPED,
        ),
        mask=1,
    ),
    "Expression": Table((*_expressions(), *WRAPPED), mask=1),
    "Log2Lin": Table(
        (
            mask("channels", "rgb"),
            enum("operation", ["log2lin", "lin2log"], "log2lin"),
            double("black", 95.0),
            double("white", 685.0),
            double("gamma", 0.6),
            *WRAPPED,
        ),
        mask=1,
    ),
    "Colorspace": Table(
        (
            mask("channels", "rgb"),
            enum("colorspace_in", COLORSPACES, "Linear"),
            enum("illuminant_in", ILLUMINANTS, "D65"),
            enum("primary_in", PRIMARIES, "sRGB"),
            enum("colorspace_out", COLORSPACES, "Linear"),
            enum("illuminant_out", ILLUMINANTS, "D65"),
            enum("primary_out", PRIMARIES, "sRGB"),
            boolean("bradford_matrix"),
            *WRAPPED,
        ),
        mask=1,
    ),
    "ColorMatrix": Table(
        (mask("channels", "rgb"), matrix("matrix", (1, 0, 0, 0, 1, 0, 0, 0, 1)), boolean("invert"), *WRAPPED), mask=1
    ),
    "EXPTool": Table(
        (
            mask("channels", "rgb"),
            enum("mode", ["Printer Lights", "Stops", "Densities"], "Printer Lights"),
            double("red", 0.0),
            double("green", 0.0),
            double("blue", 0.0),
            boolean("gang", True),
            *WRAPPED,
        ),
        mask=1,
    ),
    "SoftClip": Table(
        (
            mask("channels", "rgb"),
            enum("conversion", ["logarithmic compress", "preserve hue", "preserve hue and brightness"], None),
            double("softclip_min", 0.8),
            double("softclip_max", 1.0),
            *WRAPPED,
        ),
        mask=1,
    ),
    "Histogram": Table((mask("channels", "rgb"), *WRAPPED), mask=1),
    "Posterize": Table((mask("channels", "rgb"), acolor("Colors", 16.0), *WRAPPED), mask=1),
}
