"""Transform and Time menus."""

from __future__ import annotations

from ..knob_specs import (
    boolean,
    box,
    button,
    channel,
    double,
    enum,
    format,
    integer,
    kept,
    mask,
    scale,
    string,
    uv,
    wh,
    xy,
)
from .common import FILTERS, MASK, MIX, SHUTTER, Table
from .image import BEFORE_AFTER

RESIZE = ["none", "width", "height", "fit", "fill", "distort"]

CLASSES: dict[str, Table] = {
    "Transform": Table(
        (
            xy("translate"),
            double("rotate"),
            scale("scale", 1.0),
            double("skewX"),
            double("skewY"),
            enum("skew_order", ["XY", "YX"], "XY"),
            xy("center"),
            boolean("invert_matrix"),
            enum("filter", FILTERS, "Cubic"),
            boolean("clamp"),
            boolean("black_outside", True),
            double("motionblur"),
            double("shutter", 0.5),
            enum("shutteroffset", SHUTTER, "start"),
            double("shuttercustomoffset"),
        ),
    ),
    "Crop": Table(
        (
            box("box"),
            wh("softness"),
            boolean("reformat"),
            boolean("intersect"),
            boolean("crop", True),
        ),
    ),
    "Reformat": Table(
        (
            enum("type", ["to format", "to box", "scale"], "to format"),
            format("format"),
            integer("box_width", 200),
            integer("box_height", 200),
            boolean("box_fixed"),
            double("box_pixel_aspect", 1.0),
            scale("scale", 1.0),
            enum("resize", RESIZE, "width"),
            boolean("center", True),
            boolean("flip"),
            boolean("flop"),
            boolean("turn"),
            enum("filter", FILTERS, "Cubic"),
            boolean("clamp"),
            boolean("black_outside"),
            boolean("pbb"),
        ),
    ),
    "CornerPin2D": Table(
        (
            *[xy(f"to{i}") for i in range(1, 5)],
            *[xy(f"from{i}") for i in range(1, 5)],
            boolean("invert"),
            enum("filter", FILTERS, "Cubic"),
            boolean("clamp"),
            boolean("black_outside", True),
            double("motionblur"),
            double("shutter", 0.5),
            enum("shutteroffset", SHUTTER, "start"),
        ),
    ),
    "STMap": Table(
        (
            mask("channels", "rgba"),
            mask("uv", "none"),
            channel("blur"),
            double("blur_scale", 1.0),
            enum("filter", FILTERS, "Cubic"),
            channel("maskChannel"),
        ),
        least=2,
        most=2,
    ),
    "IDistort": Table(
        (
            mask("channels", "rgba"),
            mask("uv", "none"),
            uv("uv_offset"),
            scale("uv_scale", 1.0),
            channel("blur"),
            double("blur_scale", 1.0),
            enum("filter", FILTERS, "Cubic"),
            *MASK,
        ),
        mask=1,
    ),
    "Mirror2": Table((boolean("flip"), boolean("flop"))),
    "Position": Table((xy("translate"),)),
    "AdjBBox": Table((wh("numpixels"),)),
    "BlackOutside": Table(),
    "Tracker4": Table((kept("tracks"), xy("center"), integer("reference_frame", 1), enum("filter", FILTERS, "Cubic"))),
    "FrameHold": Table((integer("firstFrame"), integer("first_frame"), integer("increment"))),
    "TimeOffset": Table((integer("time_offset"), boolean("reverse_input"), string("time"))),
    "TimeWarp": Table(
        (
            double("lookup", 1.0),
            double("length", 1.0),
            enum("filter", ["none", "nearest", "box"], "box"),
            string("time"),
        )
    ),
    "FrameRange": Table((integer("first_frame", 1), integer("last_frame", 1), string("time"), button("reset"))),
    "TimeClip": Table(
        (
            integer("first", 1),
            integer("last", 1),
            integer("origfirst", 1),
            integer("origlast", 1),
            boolean("origset"),
            enum("before", BEFORE_AFTER, "hold"),
            enum("after", BEFORE_AFTER, "hold"),
            boolean("reverse"),
            enum("frame_mode", ["expression", "start at", "offset"], "expression"),
            string("frame"),
            string("time"),
        ),
    ),
    "TimeBlur": Table(
        (
            integer("divisions", 10),
            double("shutter", 0.5),
            enum("shutteroffset", SHUTTER, "start"),
            double("shuttercustomoffset"),
        )
    ),
    "FrameBlend": Table(
        (
            mask("channels", "all"),
            double("numframes", 5),
            integer("startframe"),
            integer("endframe"),
            boolean("userange"),
            *MASK,
            *MIX,
        ),
        mask=1,
    ),
    "AppendClip": Table(
        (integer("fadeIn"), integer("fadeOut"), integer("dissolve"), integer("firstFrame", 1)), most=1000
    ),
}
