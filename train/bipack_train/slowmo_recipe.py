"""Recipes of slow motion (kind = "slowmo"): what is learned from, how long, and how large the networks are."""

from __future__ import annotations

from dataclasses import dataclass, field

from bipack.card import FLOW_DETAILS, Source
from bipack.errors import UsageError
from bipack_train import recipe

KIND = "slowmo"
AUTO = "auto"


@dataclass(frozen=True)
class Network:
    """Size of the synthesis network; the flow network has one size."""

    synthesis_width: int = 48


@dataclass(frozen=True)
class ClipUse:
    """One real clip, and how much of it is learned from."""

    path: str
    """Film or padded sequence, relative to the data folder."""

    skips: tuple[int, ...] = (2, 4)
    """Distances between the two frames; those between them are the truth."""

    pairs: int = 20
    """Pairs of frames for each distance."""

    start: int = 0
    count: int = 200
    """Frames read, from `start`."""

    shrink: int = 1


@dataclass(frozen=True)
class Data:
    """What is learned from."""

    photos: tuple[str, ...] = ("photos", "textures")
    panoramas: str = "hdri"
    drawn: int = 40
    """Pictures drawn by the seed that layers are cut from."""

    exclude: tuple[str, ...] = ()
    """Files that are never learned from."""

    scenes: int = 1800
    """Rendered moments."""

    scene_size: int = 208
    swing: float = 0.0
    """How much layers of every second scene speed up or slow down, as a share of their motion."""

    clips: tuple[ClipUse, ...] = ()
    crops_per_pair: int = 4
    real_share: float = 0.5
    held_back: float = 0.0
    """Share of each clip's frames, in its middle, that is not learned from: how much of what was learned is kept is
    chosen by them. 0, or too few for a pair = all of it is kept."""

    flow_detail: str = "half"
    """How finely the flow is looked for that the networks start from: half, full, or auto = whichever shows more of the
    clips to the model that training starts from (`slowmo_detail`)."""


@dataclass(frozen=True)
class Fit:
    """How the synthesis network is fitted once the flow network is there."""

    moments: int = 2200
    """Moments of the pool that are read, at most."""

    pixels: int = 360
    """Pixels of each."""

    steps: int = 1200
    batch: int = 4096
    learning_rate: float = 3e-3
    gain: tuple[float, float] = (1.0, 1.0)
    """Least and most by which each moment is made darker or brighter, encoded: one clip has few contrasts, and the next
    has others."""


@dataclass(frozen=True)
class Schedule:
    """How long the flow network learns, how fast, with which loss."""

    minutes: float = 12.0
    """Time that the loop may take; 0 = only `steps` counts."""

    steps: int = 100_000
    batch: int = 8
    crop: int = 160
    learning_rate: float = 6e-4
    warm_up: int = 60
    flow_weight: float = 0.01
    """Weight of the distance to the true flow, in pixels."""

    seen_weight: float = 0.01
    gradient_limit: float = 1.0
    ema: float = 0.995


@dataclass(frozen=True)
class SlowmoRecipe:
    """A whole slow-motion recipe (kind = "slowmo")."""

    name: str
    title: str
    version: str
    purpose: str
    seed: int = 1
    network: Network = field(default_factory=Network)
    data: Data = field(default_factory=Data)
    schedule: Schedule = field(default_factory=Schedule)
    synthesis: Fit = field(default_factory=Fit)
    checkpoint_seconds: float = field(default=60.0, metadata=recipe.VOLATILE)
    log_every: int = field(default=50, metadata=recipe.VOLATILE)
    limits: tuple[str, ...] = field(default=(), metadata=recipe.VOLATILE)
    sources: tuple[Source, ...] = field(default=(), metadata=recipe.VOLATILE)


def load_recipe(path: str) -> SlowmoRecipe:
    """Read and check a recipe. Raises MissingInput, UsageError."""
    settings = recipe.load(path, SlowmoRecipe, KIND)
    if settings.schedule.crop % 16:
        raise UsageError(f"Recipe {path}: schedule.crop is {settings.schedule.crop}; it must be a multiple of 16.")
    if not 0 < settings.synthesis.gain[0] <= settings.synthesis.gain[1]:
        raise UsageError(
            f"Recipe {path}: synthesis.gain is {list(settings.synthesis.gain)}; least, then most, above 0."
        )
    if settings.data.flow_detail not in (*FLOW_DETAILS, AUTO):
        raise UsageError(f"Recipe {path}: data.flow_detail is {settings.data.flow_detail!r}; half, full or auto.")
    for clip in settings.data.clips:
        if any(skip < 2 for skip in clip.skips):
            raise UsageError(f"Recipe {path}: clip {clip.path} has skips {list(clip.skips)}; 2 is the least.")
    return settings
