"""The finishing tools as steps: `bipack run equalizer …` takes the same path through files as a model does.

A tool reads its picture as scene-linear floats, keeps NaN and infinities out of its filters, and puts the result back:
alpha, other layers, windows and metadata stay, and so does every stored value that the tool did not change.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bipack.card import Knob
from bipack.errors import Cancelled, UsageError
from bipack.finishing_knobs import KNOBS
from bipack.frames import FramePath
from bipack.imaging import nonfinite
from bipack.imaging.frame import Frame, Pixels
from bipack.imaging.plate import put, take
from bipack.worker import tool_work
from bipack.worker.step import StepControl, StepInput
from bipack.worker.tool_picture import Picture, measured_name, neighbour_name

VERSION = "1"
"""Goes into the key of every result; raised when a tool's result changes."""

_WORK: dict[str, Callable[[Picture], Pixels]] = {
    "equalizer": tool_work.equalizer,
    "beauty": tool_work.beauty,
    "regrain": tool_work.regrain,
    "recombine": tool_work.recombine,
    "frequency_split": tool_work.frequency_split,
    "clean_plate": tool_work.clean_plate,
}

SIDES = {"regrain": ("plate", "degrained"), "recombine": ("result",), "clean_plate": ("holdout",)}
"""Knobs that hold the file pattern of another picture."""


def names() -> tuple[str, ...]:
    """Names of the tools, which `bipack run` takes in place of a model."""
    return tuple(_WORK)


def open_tool(name: str, settings: Mapping[str, Any] | None = None) -> ToolStep:
    """The tool called `name`; `settings` are the knobs that were given, which decide about neighbour frames."""
    return ToolStep(name, frame_offsets(name, settings or {}))


def frame_offsets(name: str, settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Frames that a tool needs, relative to the current one."""
    if name != "clean_plate":
        return (0,)
    defaults = {knob.name: knob.default for knob in KNOBS[name]}
    try:
        steps, counts = (_each(settings.get(knob, defaults[knob])) for knob in ("step", "frames"))
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError("clean_plate: step and frames must be whole numbers.") from error
    # Twice the reach: at the ends of the shot the window slides inwards.
    return tuple(sorted({step * index for step in steps for count in counts for index in range(1 - count, count)}))


def _each(value: Any) -> list[int]:
    return [int(float(item)) for item in (value if isinstance(value, (list, tuple)) else (value,))]


class ToolStep:
    """One finishing tool. See `worker.step.Step`."""

    def __init__(self, name: str, offsets: tuple[int, ...] = (0,)) -> None:
        self.name = name
        self.identity = f"{name} {VERSION}"
        self.frame_offsets = offsets
        self.knobs: Sequence[Knob] = KNOBS[name]
        self.notices: Sequence[str] = ()
        self._memory: dict[Any, Any] = {}

    def side_files(self, frame: int, knobs: Mapping[str, Any]) -> dict[str, str]:
        """File of every other picture that the knobs name for `frame`, by knob."""
        patterns = {knob: FramePath.parse(str(knobs[knob])) for knob in SIDES.get(self.name, ()) if knobs[knob]}
        files = {knob: pattern.path(frame) for knob, pattern in patterns.items()}
        measured = int(knobs.get("measure_frame", 0))
        if measured and "plate" in patterns:
            files.update({measured_name(knob): pattern.path(measured) for knob, pattern in patterns.items()})
        for offset in self.frame_offsets:
            for knob, pattern in patterns.items():
                # Mattes of neighbour frames; beyond the ends of the shot there is none to miss.
                if offset and os.path.isfile(pattern.path(frame + offset)):
                    files[neighbour_name(knob, frame + offset)] = pattern.path(frame + offset)
        return files

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """Make the result of one frame. Raises ModelRefused for a picture without RGB, UsageError, Cancelled."""
        if control.cancel.is_set():
            raise Cancelled("Stopped on request; finished frames are kept.")
        frame = given.frames[0]
        plate = take(frame, given.layer, 3)
        clean, bad, count = nonfinite.hold_out(plate.pixels)
        if count:
            control.notice(f"{count} pixels are NaN or infinite; they were kept out of {self.name} and put back.")
        picture = Picture(clean, plate, given, control, self._memory)
        result = nonfinite.restore(_WORK[self.name](picture), plate.pixels, bad)
        control.progress(1.0)
        return put(frame, plate, result)

    def close(self) -> None:
        """Forget what was measured."""
        self._memory.clear()
