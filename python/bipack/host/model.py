"""Which model a node runs, and what its card asks of the node: knobs, window, size, matte.

Reads cards and hashes, never pixels or graphs: the worker does that. Hashes of bare ONNX files are remembered by size
and time, since a status line may ask for them often.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

from bipack import card as cards
from bipack import catalog, enlarge_knobs
from bipack.card import Knob, ModelCard
from bipack.errors import MissingInput, ModelRefused, UsageError
from bipack.host.node import MODEL_FILE_CHOICE, TIMING_BY, BipackNode
from bipack.slowmo_knobs import LOOK, NAME

CLASSICAL = "classical"
"""Entry of a slow-motion node's model menu that means: optical flow without a model."""

SEED = Knob("seed", "int", 0, "seed", tooltip="Start of the model's noise; each frame gets its own from it.")
_CATALOGUE_SECONDS = 5.0
_hashes: Dict[Tuple[str, int, int], str] = {}
_catalogue: Tuple[float, List[catalog.Located]] = (-1e9, [])


@dataclass(frozen=True)
class ChosenModel:
    """The model that a node's knobs name."""

    name: str
    path: str
    """The .onnx file, as the worker is told."""

    sha256: str
    card: Optional[ModelCard]
    """None for a bare ONNX."""

    @property
    def identity(self) -> str:
        """What results depend on: the graph, the further graphs of the card, the painted frames that go along."""
        more: Tuple[str, ...] = ()
        if self.card is not None:
            more = tuple(file.sha256 for _, file in sorted(self.card.graphs.items()))
            more += tuple(file.sha256 for file in (self.card.painted.files if self.card.painted else ()))
        return " ".join((self.name, self.sha256, *(sha256[:16] for sha256 in more)))

    @property
    def knobs(self) -> Tuple[Knob, ...]:
        """Settings that the artist may change: those of the card, a seed where there is noise, sizes for super-res."""
        if self.retimes:
            return tuple(knob for knob in LOOK if knob.name != "method")
        if self.card is None:
            return ()
        noisy = any(port.role == "noise" for port in self.card.inputs)
        seed = (SEED,) * (noisy and all(knob.name != SEED.name for knob in self.card.knobs))
        return self.card.knobs + seed + enlarge_knobs.of_card(self.card)

    @property
    def retimes(self) -> bool:
        """True for slow motion, with a model or without."""
        return self.path == NAME or (self.card is not None and self.card.kind == "interpolate")

    @property
    def window(self) -> Tuple[int, ...]:
        """Frame offsets that one result needs; always holds 0."""
        return tuple(sorted({0, *self.card.frame_offsets})) if self.card is not None else (0,)

    @property
    def kind(self) -> str:
        """Kind of the card; empty for a bare ONNX."""
        return self.card.kind if self.card is not None else ""

    @property
    def scale(self) -> Optional[int]:
        """Result size over plate size; None where only the worker can tell."""
        if self.retimes:
            return 1
        return self.card.scale if self.card is not None else None

    @property
    def takes_matte(self) -> bool:
        """May the worker be given the matte? A bare ONNX decides by its own inputs."""
        return self.card is None or self.retimes or any(port.role == "matte" for port in self.card.inputs)


def chosen(node: BipackNode) -> ChosenModel:
    """The model of `node`. Raises UsageError when none is chosen, MissingInput or ModelRefused when it is no good."""
    choice = str(node.value("model"))
    if choice == CLASSICAL and node.has(TIMING_BY):
        return ChosenModel(NAME, NAME, CLASSICAL, None)
    if choice and choice != MODEL_FILE_CHOICE:
        return _facts(catalog.locate(choice))
    path = node.text("model_file") if node.has("model_file") else ""
    if not path:
        raise UsageError(f"{node.name} has no model. Choose one from its menu, or give the file of one.")
    if not os.path.exists(path):
        raise MissingInput(f"{node.name}: model {path} does not exist. Choose another, or mend the path.")
    return _facts(catalog.locate(path))


def installed(gizmo: str = "", anew: bool = False) -> List[catalog.Located]:
    """Models on the model path; only those whose card names `gizmo`, where one is given.

    Looked up `anew`, or kept for a few seconds: a script with a hundred nodes asks a hundred times while it loads.
    """
    global _catalogue
    now = time.monotonic()
    if anew or now - _catalogue[0] > _CATALOGUE_SECONDS:
        _catalogue = (now, catalog.installed())
    return [found for found in _catalogue[1] if found.card is not None and gizmo in ("", found.card.gizmo)]


def _facts(located: catalog.Located) -> ChosenModel:
    sha256 = located.card.sha256 if located.card is not None else _hash(located.path)
    return ChosenModel(located.name, located.path.replace("\\", "/"), sha256, located.card)


def _hash(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError as error:
        raise ModelRefused(f"Model file {path} cannot be read: {error.strerror}.") from error
    key = (path, status.st_mtime_ns, status.st_size)
    if key not in _hashes:
        _hashes[key] = cards.file_sha256(path)
    return _hashes[key]
