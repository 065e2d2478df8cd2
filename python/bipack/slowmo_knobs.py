"""The knobs of slow motion: one table for the gizmo, for `bipack run slowmo --set …` and for the help."""

from __future__ import annotations

from typing import Tuple

from bipack.card import Knob

NAME = "slowmo"
"""What `bipack run` is told; without a model of that name the classical method does the work."""

HAZARD_CHANNEL = "hazard.red"
VECTOR_CHANNELS = ("forward.u", "forward.v", "backward.u", "backward.v")

FACTOR_MOST = 64
SHUTTER_MOST = 720.0

TIMING: Tuple[Knob, ...] = (
    Knob(
        "factor", "int", 0, "factor", 2, FACTOR_MOST,
        tooltip="How many times slower, 2 to 64: frames a to b become (b - a) x factor + 1 frames, numbered on from a. "
        "1 copies the frames. 0: speed, frame rates or a curve say it instead; without those the factor is 2.",
    ),
    Knob(
        "speed", "float", 0.0, "speed", -200, 200,
        tooltip="Speed in percent instead of a factor: 25 is four times slower, 200 twice as fast, -100 backwards.",
    ),
    Knob(
        "source_fps", "float", 24.0, "source fps", 1, 1000,
        tooltip="Frame rate that the plate was shot at; with a target rate.",
    ),
    Knob(
        "target_fps", "float", 0.0, "target fps", 0, 5000,
        tooltip="Frame rate to convert to: the shot keeps its duration. 0: not used.",
    ),
    Knob(
        "curve", "string", "", "curve",
        tooltip="Timing curve: a CSV file with one line 'output frame,source frame' for each key, straight in between; "
        "or the same as text, such as '1001=1001 1025=1013 1049=1001'.",
    ),
)  # fmt: skip
"""Which moment of the source each frame shows. One of factor, speed, target_fps and curve may be given."""

LOOK: Tuple[Knob, ...] = (
    Knob(
        "method", "enum", "auto", "method", values=("auto", "model", "classical"),
        tooltip="auto: the model where it is installed, else the classical optical flow, which is said.",
    ),
    Knob(
        "shutter", "float", 0.0, "shutter", 0, SHUTTER_MOST,
        tooltip="Synthesised motion blur, in degrees of one frame of the result: that many in-betweens are averaged as "
        "light. 0 adds none, and frames of the source stay exactly what they were.",
    ),
    Knob(
        "samples", "int", 0, "samples", 0, 128,
        tooltip="Moments averaged for the shutter. 0: as many as the motion needs.",
    ),
    Knob(
        "cuts", "enum", "detect", "cuts", values=("detect", "listed", "ignore"),
        tooltip="detect: where the shot changes the earlier frame is held until the later one. listed: only at the "
        "frames below. ignore: everything is one shot.",
    ),
    Knob("cut_frames", "string", "", "cut frames", tooltip="First frames of new shots, such as 1025,1101."),
    Knob(
        "repeats", "enum", "keep", "repeated frames", values=("keep", "smooth"),
        tooltip="Animation on twos and telecine repeat frames. keep: they stand still as they did. smooth: motion runs "
        "evenly from one drawing to the next; the repeated frames are no keys then.",
    ),
    Knob(
        "matte_use", "enum", "split", "matte use", values=("split", "protect"),
        tooltip="With a matte. split: inside and outside move by themselves, which keeps the edge of a foreground. "
        "protect: what is inside stands still and is only mixed: titles, a locked-off part.",
    ),
    Knob(
        "fallback", "enum", "none", "fallback", values=("none", "blend", "nearest", "warp"),
        tooltip="What stands where the hazard matte is white. none: the result as it is. blend: both frames mixed. "
        "nearest: the nearer frame. warp: the nearer frame moved along, nothing mixed in.",
    ),
    Knob(
        "hazard", "bool", False, "hazard matte",
        tooltip="Write the layer 'hazard': white where the result should be looked at (hidden in both frames, motion "
        "that does not agree, motion longer than the model has learned).",
    ),
    Knob(
        "vectors", "bool", False, "motion vectors",
        tooltip="Write the layers 'forward' and 'backward' as Nuke's motion nodes take them: pixels to the next and to "
        "the previous frame of the result, y upwards.",
    ),
    Knob(
        "premultiplied", "bool", True, "premultiplied",
        tooltip="The picture is premultiplied by its alpha. Untick for a straight alpha: it is multiplied for the work "
        "and divided afterwards, so that color from outside the alpha does not bleed in.",
    ),
    Knob(
        "flow_size", "int", 1920, "flow size", 256, 4096,
        tooltip="Longest side at which motion is looked for, in pixels. Larger pictures are reduced for it; the "
        "pixels themselves are always moved at full size.",
    ),
    Knob(
        "flow_detail", "enum", "auto", "flow detail", values=("auto", "half", "full"),
        tooltip="How finely motion is looked for before the model refines it. full follows small and turning things "
        "better on clean footage, and follows noise and compression too. auto: half, or what the model's card says.",
    ),
)  # fmt: skip

SLOWMO: Tuple[Knob, ...] = (*TIMING, *LOOK)
TIMING_NAMES = frozenset(knob.name for knob in TIMING)
