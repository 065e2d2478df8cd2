"""What processes one frame: the seam between the image path and what runs on it.

A model (`worker.model_step`) and a finishing tool (`worker.tools`) are both steps, so that reading, caching, resuming,
overlapping, cancelling and writing are written once, in `worker.sequence`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from bipack import messages
from bipack.card import Knob
from bipack.errors import UsageError
from bipack.imaging.frame import Frame
from bipack.retime import Moment


@dataclass(frozen=True)
class StepInput:
    """All that one result depends on."""

    frame: int
    """Number of the current frame."""

    frames: Mapping[int, Frame]
    """Pictures by offset from the current frame; 0 is always there."""

    matte: Frame | None = None
    """The artist's matte of this frame."""

    sides: Mapping[str, Frame] = field(default_factory=dict)
    """Other pictures that the step's `side_files` asked for, by its names for them."""

    knobs: Mapping[str, Any] = field(default_factory=dict)
    """A value for every knob of the step, of the knob's type."""

    layer: str = "rgba"
    """Layer of the plate that is worked on."""

    tile: str = "auto"
    """Tile size in plate pixels, or auto."""

    mattes: Mapping[int, Frame] = field(default_factory=dict)
    """Mattes by offset, for a step that retimes."""

    hashes: Mapping[int, str] = field(default_factory=dict)
    """Hash of each picture's pixels, by offset."""

    moment: Moment | None = None
    """What a step that retimes is to show; offsets count from its base."""


@dataclass(frozen=True)
class StepControl:
    """How a running step speaks to the outside."""

    progress: Callable[[float], None]
    """Takes the part of the frame that is done, 0..1."""

    notice: Callable[[str], None]
    """Takes one sentence that the user should read and that is no failure."""

    cancel: threading.Event
    """Set when the user asked to stop; the step raises Cancelled soon after."""


class Step(Protocol):
    """One kind of processing, opened and ready."""

    @property
    def name(self) -> str:
        """Name for people and for metadata."""

    @property
    def identity(self) -> str:
        """What the result depends on besides input and knobs: the model's hash, or the tool's version."""

    @property
    def frame_offsets(self) -> Sequence[int]:
        """Frames that it needs, relative to the current one; always holds 0."""

    @property
    def knobs(self) -> Sequence[Knob]:
        """Its settings."""

    @property
    def notices(self) -> Sequence[str]:
        """What came up while opening it (the CPU instead of a GPU, no card…)."""

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """Make the result of one frame. Raises a BipackError."""
        ...

    def close(self) -> None:
        """Give back memory and devices."""
        ...


@runtime_checkable
class HasSides(Protocol):
    """A step that looks at other pictures besides plate and matte, whose files are named by its knobs."""

    def side_files(self, frame: int, knobs: Mapping[str, Any]) -> Mapping[str, str]:
        """File of every other picture for `frame`, by a name of the step's own; they come as `StepInput.sides`."""
        ...


@runtime_checkable
class SeesShot(HasSides, Protocol):
    """A step that borrows from other frames of its shot, and only where there is something to do."""

    kept_files: int
    """Files that it will want again for the next frames."""

    def begin(self, request: messages.Render) -> None:
        """Told before every run which plates and mattes it is about. Raises UsageError where it needs more."""
        ...

    def is_idle(self, matte: Frame | None) -> bool:
        """True where the result needs no other picture than the plate."""
        ...


@runtime_checkable
class Retimes(Protocol):
    """A step whose results lie between frames of the plate: an output frame number means a time, not a plate frame."""

    def plan_moments(
        self, request: messages.Render, source: tuple[int, int], notice: Callable[[str], None]
    ) -> Mapping[int, Moment]:
        """What each frame of `request` shows, `source` being the first and last plate frame. Raises UsageError."""
        ...

    def key_knobs(self, knobs: Mapping[str, Any]) -> Mapping[str, Any]:
        """The knobs that shape a result whose moment is known."""
        ...

    def extra_bytes(self, knobs: Mapping[str, Any]) -> int:
        """Bytes that a pixel of the result has beyond a pixel of the plate, before compression."""
        ...


def knob_values(knobs: Sequence[Knob], given: Mapping[str, Any], index: int, owner: str) -> dict[str, Any]:
    """A value of the right type for each knob: the given one, else its default.

    `given` comes from the command line (text) or from a gizmo (numbers); a list holds one value a frame, of which
    `index` picks one. Numbers beyond the slider's range are allowed. Raises UsageError for an unknown knob or a value
    of the wrong type, naming `owner`.
    """
    known = {knob.name: knob for knob in knobs}
    unknown = sorted(set(given) - set(known))
    if unknown:
        choices = ", ".join(sorted(known)) or "it has none"
        raise UsageError(f"{owner} has no knob {unknown[0]!r}. Its knobs: {choices}.")
    values = {}
    for name, knob in known.items():
        value = given.get(name, knob.default)
        if isinstance(value, (list, tuple)):
            if not value:
                raise UsageError(f"{owner}: knob {name} was given an empty list of values.")
            value = value[min(index, len(value) - 1)]
        values[name] = _typed(knob, value, owner)
    return values


def _typed(knob: Knob, value: Any, owner: str) -> Any:
    text = str(value).strip()
    try:
        if knob.type == "float":
            return float(text)
        if knob.type == "int":
            return int(float(text)) if float(text).is_integer() else int(text)
        if knob.type == "bool":
            return {
                "1": True,
                "true": True,
                "yes": True,
                "on": True,
                "0": False,
                "false": False,
                "no": False,
                "off": False,
            }[text.lower()]
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"{owner}: knob {knob.name} is {value!r}; a value of type {knob.type} is needed.") from None
    if knob.type == "enum" and text not in knob.values:
        raise UsageError(f"{owner}: knob {knob.name} is {value!r}; choices: {', '.join(knob.values)}.")
    return text
