"""Proof frames: a small plate and what the model made of it, shipped beside the model.

Replaying them tells whether this machine, this runtime and this device give the result that the maker of the model
saw. Files in the model's folder: `proof_in.exr`, `proof_out.exr`, `proof_matte.exr` where a matte is used, and
`proof_in-1.exr`, `proof_in+1.exr`… for models that look at neighbours.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import numpy as np

from bipack.errors import ModelRefused
from bipack.imaging import color, image_io
from bipack.imaging.frame import Frame, Part
from bipack.imaging.plate import take
from bipack.worker.model_step import ModelStep
from bipack.worker.step import StepControl, StepInput, knob_values

RESULT = "proof_out.exr"
MATTE = "proof_matte.exr"
FRAME = 1001
"""Frame number that noise and animated knobs see."""

HALF_ROUNDING = 5e-4
"""Encoded difference that rounding to half alone can make: a proof that was stored as half is known no better."""


def input_name(offset: int = 0) -> str:
    """File of the plate `offset` frames away."""
    return "proof_in.exr" if offset == 0 else f"proof_in{offset:+d}.exr"


def has_proof(folder: str) -> bool:
    """True where the folder holds a plate and a result."""
    return all(os.path.isfile(os.path.join(folder, name)) for name in (input_name(), RESULT))


def replay(step: ModelStep, folder: str) -> Frame:
    """Run the model on its proof plate, with every knob at its default, in float32 whatever the file holds."""
    frames = {
        offset: as_float(image_io.read_frame(os.path.join(folder, input_name(offset))))
        for offset in {0, *step.frame_offsets}
    }
    matte = os.path.join(folder, MATTE)
    return process(step, frames, image_io.read_frame(matte) if os.path.isfile(matte) else None)


def process(step: ModelStep, frames: Mapping[int, Frame], matte: Frame | None = None) -> Frame:
    """One run of the artists' path on frames in memory, by offset."""
    knobs = knob_values(step.knobs, {}, 0, step.name)
    control = StepControl(progress=lambda fraction: None, notice=lambda text: None, cancel=threading.Event())
    return step.process(StepInput(FRAME, frames, matte, knobs=knobs), control)


def largest_difference(step: ModelStep, found: Frame, expected: Frame) -> float:
    """Largest difference between two results, in encoded values; 0 where they are alike, NaN against NaN included.

    Raises ModelRefused when they are of different sizes; infinite where one is finite and the other is not.
    """
    channels = step.card.outputs[0].channels
    ours, theirs = (color.encode(take(frame, channels=channels).pixels) for frame in (found, expected))
    if ours.shape != theirs.shape:
        raise ModelRefused(
            f"Model {step.name!r}: the proof result is {theirs.shape[1]}x{theirs.shape[0]} pixels and the model makes "
            f"{ours.shape[1]}x{ours.shape[0]}. Install the model again."
        )
    alike = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):
        difference = np.where(alike, np.float32(0), np.abs(ours - theirs))
    return float(np.nan_to_num(difference, nan=np.inf).max())


def rounding_of(expected: Frame) -> float:
    """What the stored type of a proof adds to the tolerance."""
    return (
        HALF_ROUNDING if any(c.dtype == np.float16 for part in expected.parts for c in part.channels.values()) else 0.0
    )


def as_float(frame: Frame) -> Frame:
    """The same frame with half channels as float32, so that the result is not rounded."""
    parts = [
        Part(
            {name: c.astype(np.float32) if c.dtype == np.float16 else c for name, c in part.channels.items()},
            part.data_window,
            part.display_window,
            part.attributes,
            part.subsampling,
        )
        for part in frame.parts
    ]
    return Frame(parts, frame.transfer, frame.file_type, frame.bit_depth, frame.source)
