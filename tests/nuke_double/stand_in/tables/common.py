"""Knobs that every node has, and the rows that many classes share."""

from __future__ import annotations

from dataclasses import dataclass

from ..knob_specs import (
    Spec,
    boolean,
    channel,
    chip,
    disable,
    double,
    enum,
    font,
    integer,
    kept,
    multiline,
    python,
    string,
)


@dataclass(frozen=True)
class Table:
    """`least` and `most` count inputs without the mask; `mask` is the mask's input index."""

    knobs: tuple[Spec, ...] = ()
    least: int = 1
    most: int = 1
    mask: int | None = None
    without: tuple[str, ...] = ()


COMMON: tuple[Spec, ...] = (
    string("name"),
    string("help"),
    python("onCreate"),
    python("onDestroy"),
    python("knobChanged"),
    python("updateUI"),
    python("autolabel"),
    boolean("panel"),
    chip("tile_color"),
    chip("gl_color"),
    multiline("label"),
    font("note_font"),
    integer("note_font_size", 11),
    chip("note_font_color"),
    boolean("selected"),
    integer("xpos"),
    integer("ypos"),
    string("icon"),
    integer("indicators"),
    boolean("hide_input"),
    boolean("cached"),
    disable(),
    boolean("dope_sheet"),
    boolean("postage_stamp"),
    enum("postage_stamp_frame", ["Current", "Static"], None),
    integer("lifetimeStart"),
    integer("lifetimeEnd"),
    boolean("useLifetime"),
    boolean("bookmark", True),
    kept("process_mask"),
)

MASK: tuple[Spec, ...] = (
    channel("maskChannelInput"),
    channel("maskChannelMask", "rgba.alpha"),
    channel("maskChannel"),
    boolean("inject"),
    boolean("invert_mask"),
    boolean("fringe"),
)

MIX: tuple[Spec, ...] = (double("mix", 1.0),)

WRAPPED: tuple[Spec, ...] = (
    *MASK,
    channel("unpremult"),
    boolean("invert_unpremult"),
    channel("mix_luminance"),
    boolean("enable_mix_luminance"),
    *MIX,
)

FILTERS = [
    "Impulse",
    "Cubic",
    "Keys",
    "Simon",
    "Rifman",
    "Mitchell",
    "Parzen",
    "Notch",
    "Lanczos4",
    "Lanczos6",
    "Sinc4",
]
SHUTTER = ["centred", "start", "end", "custom"]


def dropped(*names: str) -> tuple[Spec, ...]:
    """The panel states that color knobs leave in scripts."""
    return tuple(boolean(f"{name}_panelDropped") for name in names)
