"""Checking a slow-motion model: it opens, stays finite, leaves still frames alone, and repeats its proof."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import numpy as np

from bipack.catalog import Located
from bipack.errors import BipackError
from bipack.imaging import color, image_io
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.plate import take
from bipack.retime import Moment
from bipack.worker.checks import NOTE, OK, TRIALS, WRONG, Check
from bipack.worker.slowmo_step import SlowMoStep
from bipack.worker.step import StepControl, StepInput, knob_values

PROOFS = ("proof_in_0.exr", "proof_in_1.exr", "proof_out.exr")
"""Two frames beside the model, and the one halfway between them."""

_SIZE = (67, 51)
"""Odd on purpose; (width, height)."""


def between(
    step: SlowMoStep,
    first: Frame,
    second: Frame,
    time: float = 0.5,
    method: str = "auto",
    around: tuple[Frame | None, Frame | None] = (None, None),
) -> Frame:
    """The frame at `time` between two, by the artists' path with every other knob at its default, cuts aside;
    `around` are the frames before and after the two, where they are known."""
    knobs = knob_values(step.knobs, {"cuts": "ignore", "method": method}, 0, step.name)
    control = StepControl(progress=lambda fraction: None, notice=lambda text: None, cancel=threading.Event())
    beside = {offset: frame for offset, frame in zip((-1, 2), around, strict=True) if frame is not None}
    frames: Mapping[int, Frame] = {0: first, 1: second, **beside}
    moment = Moment(1, time, time, time, 0.0, 0.0, (0, 1), around=tuple(beside))
    return step.process(StepInput(1, frames, knobs=knobs, moment=moment), control)


def check(located: Located) -> list[Check]:
    """All findings about opening and running the model."""
    try:
        step = SlowMoStep(located, "cpu")
    except BipackError as error:
        return [Check(WRONG, "opens", str(error))]
    try:
        found = [Check(OK, "opens", "both graphs with their card, on the CPU.")]
        return [*found, _range(step), _stillness(step), _parity(step, located)]
    except BipackError as error:
        return [Check(WRONG, "runs", str(error))]
    finally:
        step.close()


def _range(step: SlowMoStep) -> Check:
    for name, (low, high) in TRIALS.items():
        made = between(step, _noise(low, high, 1), _noise(low, high, 2))
        bad = sum(int((~np.isfinite(channel)).sum()) for channel in made.parts[0].channels.values())
        if bad:
            return Check(WRONG, "range", f"{name}: the model makes {bad} NaN or infinite samples out of finite ones.")
    return Check(OK, "range", f"finite for {', '.join(TRIALS)}, at {_SIZE[0]}x{_SIZE[1]}.")


def _stillness(step: SlowMoStep) -> Check:
    first, second = _noise(0.0, 2.0, 3), _noise(0.0, 2.0, 3)
    made = between(step, first, second)
    moved = max(
        float(np.abs(channel - first.parts[0].channels[name]).max()) for name, channel in made.parts[0].channels.items()
    )
    outcome = OK if moved == 0 else WRONG
    return Check(outcome, "stillness", f"between a frame and itself the largest change is {moved:.2g}.")


def _parity(step: SlowMoStep, located: Located) -> Check:
    """The proof frames once more; half floats round by half a step."""
    paths = [os.path.join(located.folder, name) for name in PROOFS]
    if located.card is None or not all(os.path.isfile(path) for path in paths):
        return Check(NOTE, "parity", f"no {', '.join(PROOFS)} beside the model.")
    first, second, expected = (image_io.read_frame(path) for path in paths)
    values = [color.encode(take(frame).pixels) for frame in (between(step, first, second), expected)]
    difference = float(np.abs(values[0] - values[1]).max())
    # The tolerance of the card is in pixels of motion; a steep edge turns it into as much of its height.
    allowed = max(located.card.tolerance.get("CPUExecutionProvider", 0.0), 1e-3)
    outcome = OK if difference <= allowed else WRONG
    text = f"CPUExecutionProvider: {difference:.2g} from the proof frame, {allowed:.2g} allowed."
    return Check(outcome, "parity", text)


def _noise(low: float, high: float, seed: int) -> Frame:
    width, height = _SIZE
    values = np.random.default_rng(seed).random((3, height, width), np.float32) * np.float32(high - low)
    box = Box.of_size(width, height)
    channels = {name: plane + np.float32(low) for name, plane in zip("RGB", values)}
    return Frame([Part(channels, box, box)])
