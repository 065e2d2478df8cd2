"""What a finishing tool is given: the picture and its knobs, and mattes and other pictures brought to its pixels."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.imaging import layers, nonfinite
from bipack.imaging.finishing.tent import scaled_radius
from bipack.imaging.frame import Frame, Part, Pixels
from bipack.imaging.plate import Plate, take, take_matte
from bipack.worker.placed import placed
from bipack.worker.step import StepControl, StepInput


def measured_name(knob: str) -> str:
    """Name of the picture of `knob` at the frame that the grain is measured on."""
    return f"{knob} measured"


def neighbour_name(knob: str, frame: int) -> str:
    """Name of the picture of `knob` at a neighbour frame."""
    return f"{knob} {frame}"


class Picture:
    """One frame as a tool sees it."""

    def __init__(
        self, pixels: Pixels, plate: Plate, given: StepInput, control: StepControl, memory: dict[Any, Any]
    ) -> None:
        self.pixels = pixels
        """Scene-linear (height, width, 3), finite."""

        self.frame = given.frame
        self.control = control
        self.memory = memory
        """What the tool keeps from frame to frame."""

        self._given = given
        self._plate = plate

    def __getitem__(self, knob: str) -> Any:
        return self._given.knobs[knob]

    def radius(self, knob: str) -> float:
        """A size knob in pixels of this picture."""
        return scaled_radius(float(self[knob]), self.part.display_window.width, float(self["reference_width"]))

    @property
    def part(self) -> Part:
        """The part of the file that the picture comes from."""
        return self._given.frames[0].parts[self._plate.part]

    @property
    def stored_type(self) -> np.dtype[np.floating]:
        """Type in which a sample may be kept without loss for the result: half for a half plate."""
        kinds = {self.part.channels[name].dtype for name in self._plate.names}
        return np.dtype(np.float16 if kinds == {np.dtype(np.float16)} else np.float32)

    @property
    def columns(self) -> NDArray[np.intp]:
        """Column of every pixel as Nuke counts them: 0 at the left edge of the format."""
        first = self.part.data_window.xmin - self.part.display_window.xmin
        return np.arange(first, first + self.pixels.shape[1])

    @property
    def rows(self) -> NDArray[np.intp]:
        """Row of every pixel as Nuke counts them, from the top: 0 at the bottom edge of the format."""
        first = self.part.display_window.ymax - self.part.data_window.ymin
        return np.arange(first, first - self.pixels.shape[0], -1)

    @property
    def has_matte(self) -> bool:
        """True when the artist gave a matte."""
        return self._given.matte is not None

    def matte(self) -> Pixels | None:
        """The artist's matte (height, width), 0 where it has no pixels; None without one."""
        return None if self._given.matte is None else self._as_matte(self._given.matte)

    def matte_rgb(self) -> Pixels | None:
        """The colors of the artist's matte (height, width, 3), as stored; None without one."""
        source = self._given.matte
        if source is None:
            return None
        number, names = layers.find(source, "rgba", 3)
        planes = [self._as_matte(source, number, name) for name in names]
        return np.stack(planes, axis=-1)

    def other(self, knob: str, required: bool = False) -> Pixels | None:
        """The picture whose file `knob` names, scene-linear (height, width, 3); None where the knob is empty."""
        found = self._given.sides.get(knob)
        if found is None:
            if required:
                raise UsageError(f"The knob {knob!r} is empty. Give the file with --set {knob}=NAME.%04d.exr.")
            return None
        return self.of_frame(found, knob)

    def file_of(self, knob: str) -> tuple[str, int]:
        """Path and time of the file that `other` reads for `knob`; empty where there is none."""
        found = self._given.sides.get(knob)
        if found is None or not os.path.exists(found.source):
            return "", 0
        return found.source, os.stat(found.source).st_mtime_ns

    def other_matte(self, knob: str, frame: int) -> Pixels | None:
        """The matte whose file `knob` names at `frame`, (height, width); None where there is none."""
        found = self._given.sides.get(knob if frame == self.frame else neighbour_name(knob, frame))
        return None if found is None else self._as_matte(found)

    def neighbours(self) -> dict[int, Frame]:
        """Frames around by their number, each once: at the ends of a shot the nearest frame stands in for others."""
        kept: dict[int, Frame] = {}
        for offset in sorted(self._given.frames, key=abs):
            frame = self._given.frames[offset]
            if all(frame is not other for other in kept.values()):
                kept[self.frame + offset] = frame
        return kept

    def of_frame(self, frame: Frame, what: str) -> Pixels:
        """The picture of another frame at this one's pixels, scene-linear and finite."""
        plate = take(frame, self._given.layer, 3)
        pixels = nonfinite.hold_out(plate.pixels)[0]
        return placed(pixels, frame.parts[plate.part], self.part, self.pixels, what)

    def notice(self, text: str) -> None:
        """Tell the user something that is no failure."""
        self.control.notice(text)

    def _as_matte(self, source: Frame, number: int = 0, name: str | None = None) -> Pixels:
        if name is None:
            values = take_matte(source)
        else:
            values = source.parts[number].channels[name].astype(np.float32)
            stored = source.parts[number].channels[name].dtype
            values /= np.float32(np.iinfo(stored).max if np.issubdtype(stored, np.integer) else 1.0)
        empty = np.zeros(self.pixels.shape[:2], np.float32)
        matte = placed(values, source.parts[number], self.part, empty, "matte")
        # A NaN in a matte means nothing, and must not spread.
        return np.where(np.isfinite(matte), matte, np.float32(0.0))
