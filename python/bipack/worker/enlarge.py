"""Where a model's result goes: straight to its file, or through a size and a truth that were asked for.

A result at the model's own scale is put on the canvas tile by tile. For any other factor, and where it is to be brought
back to the plate, it waits as light until the last tile is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bipack import catalog, enlarge_knobs
from bipack.card import ModelCard
from bipack.errors import BipackError
from bipack.imaging import sizing
from bipack.imaging.enlarged import Enlarged
from bipack.imaging.frame import Box, Frame, Pixels
from bipack.imaging.plate import Canvas, Plate
from bipack.worker.step import StepControl, StepInput

Window = tuple[slice, slice]

Finish = Callable[[Window, Pixels], Pixels]
"""Last work on a block at a window of the result at the model's scale: matte, mix, NaN put back."""

_MODEL_SHARE = 0.9
"""Part of the progress bar that the tiles take where a result has to wait."""


class Target(Protocol):
    """What takes the blocks of one result."""

    share: float
    """Part of the frame's work that is done when all blocks are stored."""

    def store(self, window: Window, block: Pixels) -> None:
        """Take scene-linear `block` (rows, columns, channels) at a window of the result at the model's scale."""

    def finish(self) -> Frame:
        """The finished frame. Call it once, after every block."""


def wanted_size(card: ModelCard, given: StepInput, display: Box) -> sizing.Sizing | None:
    """The size that the knobs ask for; None for the model's own. Raises UsageError for a factor that is not allowed."""
    knobs = enlarge_knobs.chosen(card, given.knobs)
    factor, width = knobs.get("factor", 0), knobs.get("width", 0)
    if width:
        size = sizing.by_width(display, int(width))
    elif factor:
        size = sizing.by_factor(display, float(factor))
    else:
        return None
    return None if size.whole == card.scale else size


def target(
    card: ModelCard,
    given: StepInput,
    plate: Plate,
    clean: Pixels,
    size: sizing.Sizing | None,
    finish: Finish,
    control: StepControl,
) -> Target:
    """Where the result of `plate` goes; `clean` is its finite picture."""
    canvas = Canvas(given.frames[0], plate, card.scale, size)
    passes = int(enlarge_knobs.chosen(card, given.knobs).get("back_projection", 0))
    if size is None and passes <= 0:
        return _Direct(canvas, finish)
    return _Waiting(canvas, finish, plate, clean, card.scale, passes, size, given, control)


class _Direct:
    def __init__(self, canvas: Canvas, finish: Finish) -> None:
        self.share = 1.0
        self._canvas, self._finish = canvas, finish

    def store(self, window: Window, block: Pixels) -> None:
        self._canvas.store(*window, self._finish(window, block))

    def finish(self) -> Frame:
        return self._canvas.finish()


class _Waiting:
    def __init__(
        self,
        canvas: Canvas,
        finish: Finish,
        plate: Plate,
        clean: Pixels,
        scale: int,
        passes: int,
        size: sizing.Sizing | None,
        given: StepInput,
        control: StepControl,
    ) -> None:
        self.share = _MODEL_SHARE
        self._canvas, self._finish, self._clean = canvas, finish, clean
        self._scale, self._passes, self._size = scale, passes, size
        self._part = given.frames[0].parts[plate.part]
        self._control = control
        height, width, channels = clean.shape
        self._held = Enlarged(height, width, channels, scale)

    def store(self, window: Window, block: Pixels) -> None:
        self._held.store(*window, block)

    def finish(self) -> Frame:
        if self._passes > 0:
            before = self._held.error(self._clean)
            self._held.back_project(self._clean, self._passes)
            after = self._held.error(self._clean)
            self._control.notice(
                f"Averaged down to the plate, the result was off by {before[0]:.4f} in the mean, {before[1]:.3f} at "
                f"most; by {after[0]:.1g} and {after[1]:.1g} after back-projection (encoded values)."
            )
        for rows, block in self._held.bands():
            columns = slice(0, block.shape[1])
            finished = self._finish((rows, columns), block)
            if self._size is None:
                self._canvas.store(rows, columns, finished)
            else:
                self._held.store(rows, columns, finished)
        if self._size is not None:
            self._resize(self._size)
        return self._canvas.finish()

    def _resize(self, size: sizing.Sizing) -> None:
        spans = size.spans(self._part.data_window, self._part.display_window)
        across, down = (span and (span[0] * self._scale, span[1] * self._scale) for span in spans)
        height, width = self._canvas.shape
        for first, rows in self._held.resized_rows(height, width, (across, down)):
            self._canvas.store(slice(first, first + len(rows)), slice(0, width), rows)
            self._control.progress(self.share + (1 - self.share) * (first + len(rows)) / height)


def _family(card: ModelCard) -> str:
    """The name without its factor: an archive model's larger one is an archive model."""
    return card.name.replace(f"x{card.scale}", "")


def larger_model(card: ModelCard, size: sizing.Sizing | None) -> str:
    """A line about an installed model that would come nearer to `size`; empty where there is none."""
    if size is None or size.across.result <= size.across.source * card.scale:
        return ""
    factor = size.across.result / size.across.source
    try:
        found = [other.card for other in catalog.installed() if other.card is not None]
    except BipackError:
        return ""
    better = [
        other
        for other in found
        if other.gizmo == card.gizmo == enlarge_knobs.GIZMO and card.scale < other.scale and other.name != card.name
    ]
    if not better:
        return f"{card.name} enlarges {card.scale} times; from there to {factor:.4g} it is a plain resize."
    nearest = min(better, key=lambda other: (other.scale < factor, other.scale, _family(other) != _family(card)))
    return (
        f"{card.name} enlarges {card.scale} times; from there to {factor:.4g} it is a plain resize. "
        f"{nearest.name} enlarges {nearest.scale} times."
    )
