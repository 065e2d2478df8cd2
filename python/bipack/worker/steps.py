"""Opening what a request names: a finishing tool of the suite or a model, kept open while requests stay alike."""

from __future__ import annotations

import os
from collections import OrderedDict

from bipack import catalog, messages, slowmo_knobs
from bipack.worker import tools
from bipack.worker.step import Step

MAX_OPEN = 3
"""Steps that a persistent worker keeps open; more would hold memory for models that are no longer used."""


def open_step(request: messages.Render) -> Step:
    """The step that `request.model` names: a tool by its name, else a model. The caller closes it.

    Raises MissingInput when nothing has that name, ModelRefused for a model that cannot be trusted or run,
    GpuUnavailable where a GPU was asked for.
    """
    if request.model in tools.names():
        return tools.open_tool(request.model, request.settings)
    # A finishing tool starts without onnxruntime, whose import costs more than the tool's whole frame.
    located = _locate(request.model)
    if located is not None and located.card is not None and located.card.kind == "inpaint":
        from bipack.worker.inpaint_step import InpaintStep

        return InpaintStep(located, request.device, request.require_gpu)
    from bipack.worker.model_step import ModelStep
    from bipack.worker.slowmo_step import SlowMoStep

    if located is None or (located.card is not None and located.card.kind == "interpolate"):
        return SlowMoStep(located, request.device, request.require_gpu)
    return ModelStep(located, request.device, request.require_gpu)


def _locate(model: str) -> catalog.Located | None:
    """The model; None for slow motion where no model is installed, which then goes by the classical method."""
    if model == slowmo_knobs.NAME and not catalog.is_installed(model):
        return None
    return catalog.locate(model)


class StepCache:
    """Keeps the last few steps open between requests; a changed model file is opened anew."""

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[object, ...], Step] = OrderedDict()

    def get(self, request: messages.Render) -> Step:
        """The open step for `request`. Raises like `open_step`."""
        key = _identity(request)
        if key in self._open:
            self._open.move_to_end(key)
            return self._open[key]
        while len(self._open) >= MAX_OPEN:
            self._open.popitem(last=False)[1].close()
        self._open[key] = open_step(request)
        return self._open[key]

    def drop(self, request: messages.Render) -> None:
        """Close the step of `request`, after an error that may have left it broken."""
        step = self._open.pop(_identity(request), None)
        if step is not None:
            step.close()

    def close(self) -> None:
        """Close all."""
        while self._open:
            self._open.popitem()[1].close()


def _identity(request: messages.Render) -> tuple[object, ...]:
    facts: list[object] = [request.model, request.device, request.require_gpu]
    if request.model in tools.names():
        facts.append(tools.frame_offsets(request.model, request.settings))
    elif (located := _locate(request.model)) is not None:
        for path in (located.path, os.path.join(located.folder, "card.json")):
            if os.path.exists(path):
                status = os.stat(path)
                facts += [path, status.st_mtime_ns, status.st_size]
    return tuple(facts)
