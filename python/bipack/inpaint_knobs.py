"""The knobs of inpaint: one table for the gizmo, for `bipack run inpaint --set …` and for the help."""

from __future__ import annotations

from typing import Any, Mapping, Sequence, Tuple

from bipack.card import Knob
from bipack.frames import parse_frames

KIND = "inpaint"
"""Kind of card whose model is run by this."""

MADE = -1000000
"""Value of the source layer where no frame showed the background and the fill was made up. No frame has that number."""

SOURCE_CHANNEL = "inpaint.source"

INPAINT: Tuple[Knob, ...] = (
    Knob(
        "range",
        "int",
        4,
        "neighbours",
        0,
        32,
        tooltip="How many frames before and after may lend background. 0: this frame alone is looked at, and all of "
        "the hole is made up.",
    ),
    Knob(
        "step",
        "int",
        2,
        "step",
        1,
        10,
        tooltip="Distance of those frames: with 5, every fifth one. What moves slowly needs frames that lie farther "
        "apart.",
    ),
    Knob(
        "keys",
        "int",
        5,
        "key frames",
        0,
        12,
        tooltip="Frames spread evenly over the whole shot that may lend background to every frame. They make the fill "
        "of a locked-off shot the same on every frame.",
    ),
    Knob(
        "key_frames",
        "string",
        "",
        "which",
        tooltip="Frames that show the background best, such as 1001 1040-1044, in place of the evenly spread ones.",
    ),
    Knob(
        "motion",
        "enum",
        "auto",
        "background",
        values=("auto", "locked", "plane", "flow"),
        tooltip="How the background moves. auto: finds out, a locked-off camera first, then a plane in perspective, "
        "then free motion. locked: not at all. plane: as one plane. flow: each pixel by itself.",
    ),
    Knob(
        "grow",
        "float",
        2.0,
        "grow",
        0.0,
        32.0,
        tooltip="Pixels by which the matte is widened, so that a soft edge of what is removed does not stay.",
    ),
    Knob(
        "feather",
        "float",
        3.0,
        "feather",
        0.0,
        32.0,
        tooltip="Pixels over which the fill fades into the plate, outside the grown matte.",
    ),
    Knob(
        "match",
        "bool",
        True,
        "match light",
        tooltip="Brings what is borrowed to the light around the hole: exposure, flicker, fall-off.",
    ),
    Knob(
        "make_up",
        "bool",
        True,
        "make up the rest",
        tooltip="Fills what no frame shows from the picture around it, following edges and patterns. Off: it is only "
        "continued smoothly.",
    ),
    Knob(
        "grain",
        "enum",
        "made",
        "grain",
        values=("made", "all", "off"),
        tooltip="Grain as measured on the plate. made: on what was made up; what is borrowed brings its own. all: what "
        "is borrowed is degrained and gets new grain as well, so that a still fill does not freeze. off: none.",
    ),
    Knob("grain_amount", "float", 1.0, "grain amount", 0.0, 2.0, tooltip="How much grain is added."),
    Knob("seed", "int", 0, "seed", 0, 100, tooltip="Another number gives other grain; every frame has its own anyway."),
    Knob(
        "layers",
        "bool",
        True,
        "other layers",
        tooltip="Fills depth, normals and other layers in the hole from the same places as the picture.",
    ),
    Knob(
        "provenance",
        "bool",
        True,
        "source layer",
        tooltip="Adds the channel inpaint.source: the number of the frame that each pixel comes from, -1000000 where "
        "it was made up.",
    ),
)


def lenders(frame: int, settings: Mapping[str, Any], shot: Sequence[int]) -> Tuple[Tuple[int, ...], Tuple[int, ...]]:
    """(neighbours, key frames) that may lend background to `frame`, of the frames that are there (`shot`, sorted).

    The key frames are the same for every frame of a shot, whatever part of it is cooked, and so on every machine of a
    farm. `settings` holds values of the knobs, as numbers or as text. Raises UsageError for frames that are none.
    """
    there = set(shot)
    reach, step, count = (max(0, int(float(settings[name]))) for name in ("range", "step", "keys"))
    wanted = [frame + sign * max(1, step) * place for place in range(1, reach + 1) for sign in (-1, 1)]
    text = str(settings["key_frames"]).replace(" ", ",").strip(",")
    if text:
        keys = tuple(sorted(number for number in parse_frames(text) if number in there))
    else:
        places = range(min(count, len(shot)))
        # The middles of equal parts: the ends of a shot are where a camera is least settled.
        keys = tuple(shot[(2 * place + 1) * len(shot) // (2 * len(places))] for place in places)
    return tuple(number for number in wanted if number in there and number not in keys), keys
