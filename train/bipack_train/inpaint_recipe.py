"""What an inpaint recipe may say (kind = "inpaint"): pictures, schedule, and what goes into the card."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from bipack.card import Source
from bipack.errors import UsageError
from bipack_train import recipe

KIND = "inpaint"


@dataclass(frozen=True)
class Data:
    """What is learned from. Folders are relative to the data folder."""

    photos: tuple[str, ...] = ("photos", "textures")
    """Folders of photographs."""

    panoramas: str = "hdri"
    """Folder of scene-linear EXR panoramas; empty for none."""

    drawn: int = 160
    """Pictures drawn by the seed."""

    drawn_size: int = 256
    """Their side in pixels."""

    shares: tuple[float, float, float] = (0.78, 0.12, 0.10)
    """How often crops come from photographs, drawn pictures and panoramas."""

    held_out: tuple[str, ...] = ()
    """Files (relative to the data folder) that are never trained on: the test list of the card's scores."""

    validation: tuple[str, ...] = ()
    """Files that are never trained on and whose PSNR the log shows while training runs."""

    exclude: tuple[str, ...] = ()
    """Files that are left out for what they are."""


@dataclass(frozen=True)
class Schedule:
    """How long, how fast. All marks are counted in optimizer steps."""

    steps: int = 7500
    batch: int = 12
    patch: int = 128
    """Side of a crop, a multiple of 128."""

    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warm_up: int = 100
    decay_from: int = 3500
    """Step from which the rate falls along a cosine to zero at the last step."""

    narrow_until: int = 1200
    """Steps over which holes widen from 8 pixels to `widest`: what is behind a wire is learned first."""

    widest: float = 28.0
    """Pixels; the worker shrinks the picture until its hole is that narrow."""

    guided: float = 0.4
    """Share of the steps, after `narrow_until`, that start from the network's own result at half the size."""

    gradient_limit: float = 1.0
    ema: float = 0.998


@dataclass(frozen=True)
class InpaintRecipe:
    """A whole inpaint recipe (kind = "inpaint")."""

    name: str
    title: str
    version: str
    purpose: str
    seed: int = 1
    data: Data = field(default_factory=Data)
    schedule: Schedule = field(default_factory=Schedule)
    checkpoint_seconds: float = field(default=60.0, metadata=recipe.VOLATILE)
    log_every: int = field(default=100, metadata=recipe.VOLATILE)
    validate_every: int = field(default=1000, metadata=recipe.VOLATILE)
    limits: tuple[str, ...] = field(default=(), metadata=recipe.VOLATILE)
    """Sentences for the card: what the model cannot do."""

    sources: tuple[Source, ...] = field(default=(), metadata=recipe.VOLATILE)
    """Where the pictures come from and under which licences, for the card."""


def load_recipe(path: str) -> InpaintRecipe:
    """Read and check an inpaint recipe. Raises MissingInput, UsageError."""
    settings = recipe.load(path, InpaintRecipe, KIND)
    schedule = settings.schedule
    if schedule.patch % 128 or schedule.patch < 128:
        raise UsageError(f"Recipe {path}: schedule.patch is {schedule.patch}; a multiple of 128 is needed.")
    if not 0 < schedule.warm_up < schedule.decay_from < schedule.steps:
        raise UsageError(f"Recipe {path}: schedule needs 0 < warm_up < decay_from < steps.")
    return settings


def shortened(settings: InpaintRecipe, steps: int) -> InpaintRecipe:
    """The same recipe with its whole schedule scaled to `steps`: for trials and tests."""
    share = steps / settings.schedule.steps
    marks = {
        name: max(1, round(getattr(settings.schedule, name) * share))
        for name in ("warm_up", "decay_from", "narrow_until")
    }
    return dataclasses.replace(settings, schedule=dataclasses.replace(settings.schedule, steps=steps, **marks))
