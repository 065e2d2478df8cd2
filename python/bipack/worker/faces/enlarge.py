"""A face that is small in the plate, brought to the size of its crop by a super-res model instead of a plain filter.

A model that edits a region knows faces of 1024 pixels with the detail of such faces. A crop that is only blown up has
none. So the crop is cut at the plate's own scale and enlarged by the model, tile by tile and with its values kept, as
`bipack run` would do it. Where the plate has enough pixels for the crop, no model runs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bipack import catalog
from bipack.errors import ModelRefused
from bipack.imaging import plate, sizing
from bipack.imaging.faces import crop
from bipack.imaging.faces.square import Square
from bipack.imaging.faces.track import Track
from bipack.imaging.frame import Box, Frame, Part, Pixels
from bipack.worker.model_step import ModelStep
from bipack.worker.step import StepControl, StepInput, knob_values

AUTO = "auto"
ATTRIBUTE = "bipack/superRes"
"""Of a crop that a model enlarged: its name. It is not what a plain cut gives."""

_TWICE, _FOUR_TIMES = "superres_x2", "superres_x4"


def model_for(tracks: Sequence[Track], size: int) -> str:
    """Name of the shipped model whose factor suits faces of `tracks` in crops of `size`."""
    sides = [place.square.side for track in tracks for place in track.places.values()]
    return _TWICE if not sides or size <= 2.1 * statistics.median(sides) else _FOUR_TIMES


def own_side(square: Square, size: int) -> int:
    """Side of the crop at the plate's own scale: at most `size`, and at least what a model may enlarge to `size`."""
    return min(size, max(math.ceil(square.side), math.ceil(size / sizing.MOST)))


class FaceSuperRes:
    """One open super-res model; close it, or use it in `with`."""

    def __init__(self, model: str, device: str = "auto", require_gpu: bool = False) -> None:
        """Open it. Raises MissingInput, ModelRefused (also for a model that enlarges nothing), GpuUnavailable."""
        located = catalog.locate(model)
        card = located.card
        if card is None or card.kind != "image" or card.scale == 1:
            raise ModelRefused(
                f"Model {located.name!r} does not enlarge pictures. Name a super-res model, such as {_FOUR_TIMES}."
            )
        self._step = ModelStep(located, device, require_gpu)
        self.name = self._step.name
        self.identity = self._step.identity
        self.notices: Sequence[str] = self._step.notices

    def crop(self, light: Pixels, square: Square, size: int, control: StepControl) -> Pixels:
        """(size, size, 3) of `light` (height, width, 3) under `square`. Raises Cancelled, GpuOutOfMemory."""
        side = own_side(square, size)
        taken = crop.cut(light, square, side)
        if side >= size:
            return taken
        box = Box.of_size(side, side)
        channels = {name: np.ascontiguousarray(taken[..., index]) for index, name in enumerate("RGB")}
        knobs = knob_values(self._step.knobs, {"width": size}, 0, self.name)
        given = StepInput(0, {0: Frame([Part(channels, box, box)])}, knobs=knobs)
        quiet = replace(control, progress=lambda share: control.progress(0.9 * share))
        return plate.take(self._step.process(given, quiet), "rgba", 3).pixels

    def close(self) -> None:
        """Give its memory back."""
        self._step.close()

    def __enter__(self) -> FaceSuperRes:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
