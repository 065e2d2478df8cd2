"""Finding models: by catalogue name, by folder, or as a bare ONNX file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import List, Optional

from bipack import card as cards
from bipack import settings, slowmo_knobs
from bipack.card import ModelCard
from bipack.errors import MissingInput, ModelRefused


@dataclass(frozen=True)
class Located:
    """A model on disk."""

    name: str
    path: str
    """The .onnx file."""

    card: Optional[ModelCard]
    """None for a bare ONNX: the worker derives what it can and calls it unverified."""

    @property
    def folder(self) -> str:
        """Folder of the model file."""
        return os.path.dirname(self.path)


def locate(model: str) -> Located:
    """Find `model`: a folder with a card, an .onnx file, or a catalogue name.

    An .onnx file that the card beside it names is that card's model. The card's own check is done here, the file's
    hash when it is opened by the worker. Raises MissingInput when nothing is found, ModelRefused for a bad card.
    """
    if os.path.isdir(model):
        return _in_folder(model)
    if os.path.isfile(model):
        return _bare(model)
    if os.path.basename(model) == model and not model.lower().endswith(".onnx"):
        for folder in settings.model_folders():
            candidate = os.path.join(folder, model)
            if os.path.isfile(os.path.join(candidate, cards.CARD_NAME)):
                return _in_folder(candidate)
        known = ", ".join(found.name for found in installed()) or "none"
        raise MissingInput(f"No model is called {model!r}. Installed: {known}. `bipack models` lists them.")
    raise MissingInput(f"Model {model} does not exist.")


def is_installed(name: str) -> bool:
    """True when a model of this catalogue name is on the model path."""
    return any(os.path.isfile(os.path.join(folder, name, cards.CARD_NAME)) for folder in settings.model_folders())


def retimes(model: str) -> bool:
    """True for slow motion: a model whose output frame numbers are times. Raises like `locate`."""
    if model == slowmo_knobs.NAME:
        return True
    if os.path.isdir(model) or is_installed(model):
        card = locate(model).card
        return card is not None and card.kind == "interpolate"
    return False


def installed() -> List[Located]:
    """Every model on the model path whose card can be read; the first of a name wins."""
    found = {}
    for folder in settings.model_folders():
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            candidate = os.path.join(folder, name)
            if name in found or not os.path.isfile(os.path.join(candidate, cards.CARD_NAME)):
                continue
            try:
                found[name] = _in_folder(candidate)
            except ModelRefused:
                # A broken model is reported when it is named (`models check`), not by hiding all the others.
                continue
    return list(found.values())


def _in_folder(folder: str) -> Located:
    card = cards.load(folder)
    path = os.path.join(os.path.abspath(folder), card.file)
    if not os.path.isfile(path):
        raise ModelRefused(f"Model {card.name!r}: {path} named by its card is not there. Install the model again.")
    return Located(card.name, path, card)


def _bare(path: str) -> Located:
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isfile(os.path.join(folder, cards.CARD_NAME)):
        card = cards.load(folder)
        if os.path.basename(path) in (card.file, card.fp16_file):
            return _in_folder(folder)
    return Located(os.path.splitext(os.path.basename(path))[0], os.path.abspath(path), None)
