"""The knobs of the finishing tools: one table for the gizmos, for `bipack run equalizer --set …` and for the help.

A gizmo and its headless twin can only stay the same if names, defaults and tooltips are written once. Sizes are pixels
of the picture at full size, or of one `reference_width` wide.
"""

from __future__ import annotations

from typing import Dict, Optional, Tuple

from bipack.card import Knob

RADII = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Radii that bands start from: their half-gain wavelengths are 4, 9, 18, 36 and 72 pixels."""


def _float(name: str, default: float, label: str, low: Optional[float], high: Optional[float], tooltip: str) -> Knob:
    return Knob(name, "float", default, label, low, high, tooltip=tooltip)


def _int(name: str, default: int, label: str, low: Optional[float], high: Optional[float], tooltip: str) -> Knob:
    return Knob(name, "int", default, label, low, high, tooltip=tooltip)


def _enum(name: str, values: Tuple[str, ...], label: str, tooltip: str, default: str = "") -> Knob:
    return Knob(name, "enum", default or values[0], label, values=values, tooltip=tooltip)


def _text(name: str, label: str, tooltip: str, default: str = "") -> Knob:
    return Knob(name, "string", default, label, tooltip=tooltip)


def _bands(what: str, defaults: Tuple[float, ...], low: float, high: float, tooltip: str) -> Tuple[Knob, ...]:
    return tuple(
        _float(f"{what}{number}", default, f"{what} {number}", low, high, tooltip)
        for number, default in enumerate(defaults, start=1)
    )


_RADIUS_TIP = (
    "Size of the texture in this band, in pixels: 2 is grain and pores, 8 fine wrinkles, 32 blotches. Below 1 the band "
    "rests."
)
REFERENCE_WIDTH = _float(
    "reference_width",
    0.0,
    "reference width",
    0.0,
    8192.0,
    "Width of the picture that the sizes were chosen on. On a smaller or larger one they are scaled, so that a set-up "
    "made at 4K looks the same at 2K. 0: sizes are pixels of this picture. Proxies need nothing: Nuke scales for them.",
)
MIX = _float("mix", 1.0, "mix", 0.0, 1.0, "How much of the result is mixed over the picture.")


def _working_space(default: str) -> Knob:
    return _enum(
        "working_space",
        ("encoded", "linear"),
        "working space",
        "The values that the work is done in. encoded: a curve close to what you see, so that shadows count as much as "
        "lights and highlights do not ring; values above 1 and below 0 are kept. linear: scene-linear, as they come. "
        "Choose linear too when the input is already log or display values.",
        default,
    )


EQUALIZER: Tuple[Knob, ...] = (
    *_bands(
        "amount",
        (0.0,) * 5,
        -2.0,
        2.0,
        "Above 0 softens the texture of this band (1 takes it away), below 0 brings it out (-1 doubles it). The bands "
        "work one after the other, finest first.",
    ),
    *_bands("radius", RADII, 0.0, 64.0, _RADIUS_TIP),
    _float(
        "gain",
        1.0,
        "overall",
        -10.0,
        10.0,
        "Scales the whole change: 2 is twice as much, 0 nothing, -1 turns softening into sharpening.",
    ),
    _enum(
        "matte_channels",
        ("alpha", "rgb"),
        "matte channels",
        "alpha: one matte for all channels. rgb: red of the matte holds back red, and so on, for instance to soften "
        "only the noisy blue channel.",
    ),
    _enum(
        "areas",
        ("everywhere", "luma", "matte"),
        "areas",
        "Where the bands act. luma: between the tones set below. matte: the matte weighs the amount of each band, "
        "instead of mixing the result at the end, which keeps transitions clean with large amounts.",
    ),
    _float(
        "area_low", 0.0, "from tone", 0.0, 1.0, "Darkest tone that is worked on, as seen: 0 black, 0.5 middle grey."
    ),
    _float("area_high", 1.0, "to tone", 0.0, 2.0, "Lightest tone that is worked on: 1 is white, more is highlights."),
    _float("area_softness", 0.1, "softness", 0.0, 0.5, "How gently the work fades out beyond those tones."),
    _float(
        "edges",
        0.0,
        "spare edges",
        -1.0,
        1.0,
        "1 keeps the bands away from edges: softening leaves eyes and lips sharp, and sharpening makes no halos. "
        "Below 0 pushes at edges instead: -1 is twice the amount there.",
    ),
    _float("edge_size", 3.0, "edge size", 1.0, 16.0, "How wide an edge is, in pixels."),
    _float(
        "edge_gain", 20.0, "edge gain", 0.0, 64.0, "How faint an edge may be and still count. Look at it in the view."
    ),
    _working_space("linear"),
    REFERENCE_WIDTH,
    _enum(
        "view",
        ("result", "texture", "change", "difference", "weight"),
        "view",
        "result: the picture. texture: what the chosen band sees, on grey. change: what the band adds, on grey. "
        "difference: all that is changed, on grey. weight: where areas and edges let the bands act.",
    ),
    _int("view_band", 1, "view band", 1.0, 5.0, "The band that texture and change show."),
    _float("view_gain", 4.0, "view gain", 1.0, 32.0, "Magnifies texture, change and difference."),
)

BEAUTY: Tuple[Knob, ...] = (
    _enum(
        "matte_is",
        ("skin", "limit"),
        "matte is",
        "With a matte: it is the skin itself, or it limits the built-in skin key to a face or two.",
    ),
    _text("skin_color", "skin", "The skin tone that the built-in key looks for, as you see it.", "0.528 0.379 0.33"),
    _float("skin_hue", 6.0, "hue weight", 0.0, 12.0, "How strictly the hue must match. Lower takes in redder skin."),
    _float("skin_saturation", 0.0, "saturation weight", 0.0, 12.0, "How strictly the saturation must match."),
    _float("skin_value", 3.0, "brightness weight", 0.0, 12.0, "How strictly the brightness must match."),
    _float("skin_blur", 10.0, "key blur", 0.0, 64.0, "Softens the built-in key, in pixels."),
    _float(
        "matte_blur",
        0.0,
        "matte blur",
        0.0,
        64.0,
        "Softens your matte, in pixels; it then reaches that far beyond its edge.",
    ),
    _enum(
        "smoothing",
        ("dollface", "bilateral", "median"),
        "smoothing",
        "How the skin under the spots is found. bilateral: keeps edges, the closest to Flame's that Nuke has. median: "
        "faster, for small spots. Headless runs also have dollface, Flame's own.",
    ),
    _float("smooth_size", 10.0, "size", 1.0, 40.0, "Reach of the smoothing, in pixels: about the size of a blemish."),
    _float(
        "smooth_threshold",
        15.0,
        "keep edges",
        1.0,
        100.0,
        "How alike colors must be to be mixed. Higher keeps finer edges and more blemishes.",
    ),
    _float("median_size", 5.0, "median size", 3.0, 25.0, "Side of the median's square, for that smoothing."),
    _float("dark_spots", 0.8, "dark spots", 0.0, 1.0, "How much of what is darker than the skin around it is lifted."),
    _float("highlights", 0.5, "hot spots", 0.0, 1.0, "How much of what is brighter than the skin around it is calmed."),
    _float("detail", 0.0, "detail", -2.0, 4.0, "Brings back fine detail of the plate by overlay. 1 is crisp."),
    _float("detail_blur", 0.0, "detail blur", 0.0, 8.0, "Softens that detail, in pixels."),
    _float(
        "shine",
        0.2,
        "shine",
        0.0,
        1.0,
        "Overlays the skin with its own blur: deeper shadows, brighter lights, as a soft bleach-bypass.",
    ),
    _float("shine_blur", 30.0, "shine blur", 0.0, 128.0, "Blur of that overlay, in pixels."),
    _float("shine_saturation", 1.0, "shine color", 0.0, 2.0, "Color of the overlay. Lower it for a silver look."),
    _float("regrain", 1.0, "grain", 0.0, 2.0, "How much of the plate's own grain goes back on top."),
    _float("hue", 0.0, "hue", -30.0, 30.0, "Turns the hue of the skin, in degrees."),
    _float("saturation", 1.0, "saturation", 0.0, 2.0, "Saturation of the skin."),
    MIX,
    _working_space("encoded"),
    REFERENCE_WIDTH,
    _enum(
        "view",
        ("result", "matte", "smooth", "difference"),
        "view",
        "result: the picture. matte: the skin that is worked on. smooth: the skin as the smoothing sees it. "
        "difference: all that is changed, on grey, four times magnified.",
    ),
)

REGRAIN: Tuple[Knob, ...] = (
    _text(
        "plate",
        "plate",
        "Headless: the grainy plate, such as plate.%04d.exr. Empty: the input itself, outside the matte.",
    ),
    _text(
        "degrained",
        "degrained",
        "Headless: the same plate without grain. Empty: it is made by smoothing, which is rougher.",
    ),
    _enum(
        "grain_from",
        ("plate", "synthetic"),
        "grain from",
        "plate: the grain that the plate has at this very place, or patches of it. synthetic: made from the measured "
        "strength and size, new on every frame.",
    ),
    _enum(
        "patches",
        ("matte", "off"),
        "patches",
        "matte: inside the matte the plate's grain holds what was painted out, so patches from the sample box are "
        "scattered there. off: the plate's own grain everywhere; right when only color was changed.",
    ),
    _text(
        "sample",
        "sample box",
        "An even, unrepaired part of the plate, as x y r t. Empty: the most even part is looked for.",
    ),
    _int("patch_size", 32, "patch size", 8.0, 128.0, "Side of the patches, in pixels. The sample box must hold one."),
    _float("amount", 1.0, "amount", 0.0, 2.0, "How much grain is put back."),
    _int("seed", 0, "seed", 0.0, 100.0, "Another number gives other grain; every frame has its own anyway."),
    _int(
        "measure_frame", 0, "measure at", None, None, "Frame that the grain is measured on. 0: each frame for itself."
    ),
    _working_space("encoded"),
    _enum(
        "view",
        ("result", "grain", "difference"),
        "view",
        "result: the picture. grain: the grain alone, at even strength, on grey. difference: what is added, on grey, "
        "four times magnified.",
    ),
)

RECOMBINE: Tuple[Knob, ...] = (
    _text("result", "result", "Headless: the model's result that is taken over the plate, such as ml.%04d.exr."),
    *_bands(
        "band",
        (0.0, 0.0, 1.0, 1.0, 1.0),
        0.0,
        1.0,
        "How much of this band comes from the result: 0 keeps the plate's texture, 1 takes the result's.",
    ),
    _float("base", 1.0, "base", 0.0, 1.0, "How much of color and light, below all bands, comes from the result."),
    *_bands("radius", RADII, 0.0, 64.0, _RADIUS_TIP),
    MIX,
    _working_space("encoded"),
    REFERENCE_WIDTH,
    _enum(
        "view",
        ("result", "difference"),
        "view",
        "result: the picture. difference: what is taken from the result, on grey, four times magnified.",
    ),
)

FREQUENCY_SPLIT: Tuple[Knob, ...] = (
    _enum(
        "output",
        ("low", "high", "band1", "band2", "band3", "band4", "band5", "base"),
        "output",
        "low: the picture without the texture below the radius. high: that texture; low plus high is the picture. "
        "band1 to band5 and base: the six bands; together they are the picture.",
    ),
    _float("radius", 8.0, "radius", 0.0, 64.0, "Texture finer than about twice this many pixels goes to high."),
    *_bands("radius", RADII, 0.0, 64.0, _RADIUS_TIP),
    Knob(
        "grey",
        "bool",
        False,
        "on grey",
        tooltip="Adds 0.5 to high and bands, to look at them or to paint on them. Take it off again before you add.",
    ),
    _working_space("linear"),
    REFERENCE_WIDTH,
)

CLEAN_PLATE: Tuple[Knob, ...] = (
    _enum(
        "frames",
        ("3", "5", "7"),
        "frames",
        "How many frames the median is taken of. What covers a pixel in fewer than half of them is gone.",
        "5",
    ),
    _int(
        "step",
        4,
        "step",
        1.0,
        24.0,
        "Frames between the samples. Large enough that what moves has moved by its own width; the smaller, the less "
        "the light has changed.",
    ),
    _enum(
        "align",
        ("perspective", "turn", "move", "none"),
        "align",
        "Headless: how the neighbours are laid over this frame by themselves: perspective (a moving camera and a flat "
        "or distant background), turn (and scale and shear), move, or none for a locked-off camera.",
    ),
    _text(
        "holdout",
        "hold out",
        "Headless: mattes, such as actor.%04d.exr, of what must never get into the clean plate.",
    ),
    _int("first", 0, "first", None, None, "First frame that may be used. 0: the first of the shot."),
    _int("last", 0, "last", None, None, "Last frame that may be used. 0: the last of the shot."),
    MIX,
    _enum(
        "view",
        ("result", "missing"),
        "view",
        "result: the clean plate. missing: white where no frame shows the background.",
    ),
)

KNOBS: Dict[str, Tuple[Knob, ...]] = {
    "equalizer": EQUALIZER,
    "beauty": BEAUTY,
    "regrain": REGRAIN,
    "recombine": RECOMBINE,
    "frequency_split": FREQUENCY_SPLIT,
    "clean_plate": CLEAN_PLATE,
}
