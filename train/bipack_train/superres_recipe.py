"""What a super-res recipe may say.

One recipe is one shipped model: its network, the pictures and what happens to them, the schedule, and for the card what
it cannot do and where its pictures come from.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field

from bipack.card import Source
from bipack.errors import UsageError
from bipack_train import recipe, wear
from bipack_train.models import equivariant
from bipack_train.paintfix import Adversary
from bipack_train.wear import Wear

KIND = "superres"


@dataclass(frozen=True)
class Network:
    """Size of the network."""

    width: int = 32
    """Channels of each inner convolution."""

    depth: int = 10
    """Convolutions in all; also the tile overlap that makes tiling exact."""

    expansion: int = 2
    """Width of the expanded training branch over `width`; nothing of it is left after export."""

    branched: bool = True
    """False trains the 3x3 convolutions as they are, with Muon instead of Adam. See superres.optimizer_of."""

    frames: int = 1
    """Frames that one result is made from: 1, 3 or 5. More than one is learned from worn clips, aligned."""

    noise: bool = False
    """Takes noise and an amount besides the plate: detail may be added that differs with the seed."""

    balance: bool = field(default=True, metadata=recipe.VOLATILE)
    """False leaves out the last step of the limit beside lights, which keeps the light of glints and costs a small
    network a third of its time. Training does not see it."""

    skips: int = 0
    """Pairs of convolutions, counted in `depth`, whose result is added to what came in: with `init` the network gets
    deeper and starts as the model was. For bare convolutions."""

    equivariant: bool = False
    """Ties the weights so that a mirrored or turned plate has the mirrored or turned result (models.equivariant): each
    crop teaches eight ways at once. For bare convolutions, `width` a multiple of 8, without `noise`."""


@dataclass(frozen=True)
class Data:
    """What is learned from. Folders are relative to the data folder."""

    photos: tuple[str, ...] = ("photos", "textures")
    """Folders of photographs."""

    panoramas: str = "hdri"
    """Folder of scene-linear EXR panoramas; empty for none."""

    clips: tuple[str, ...] = ()
    """Film files, taken in at half size as worn crops beside the photographs: motion as it is. Needs [wear]."""

    clip_crops: int = 60
    """Worn crops taken of each clip."""

    shots: int = 0
    """Shots rendered of the photographs (bipack_train.shots), for networks of several frames. Where there are any they
    stand in for the camera that moves over each photograph."""

    exposures: int = 2
    """Random exposures at which each panorama is taken in."""

    drawn: int = 200
    """Pictures drawn by the seed."""

    drawn_size: int = 256
    """Their side in pixels."""

    shares: tuple[float, float, float, float] = (0.72, 0.18, 0.05, 0.05)
    """How often crops come from photographs, drawn pictures, panoramas and drawn lamps."""

    held_out: tuple[str, ...] = ()
    """Files (relative to the data folder) that are never trained on: the test list of the card's scores."""

    validation: tuple[str, ...] = ()
    """Files that are never trained on and whose PSNR the log shows while training runs. A film file is watched at half
    size, through H.264 of several qualities."""

    exclude: tuple[str, ...] = ()
    """Files that are left out for what they are: soft, noisy, or a near twin of a held-out one."""

    footage: tuple[str, ...] = field(default=(), metadata=recipe.VOLATILE)
    """Film files that are never trained on and every frame of which is scored."""

    clip_shrinks: tuple[float, ...] = (2.0,)
    """How much smaller than the file `clips` are taken in, for networks of several frames; one is picked for each
    stretch. Larger hides more of what the file's own compression did."""

    below: float = 0.0
    """Share of the crops that are made darker by up to 1, encoded. A deep network that never saw values below 0 may
    answer them by a thousand times as much."""


@dataclass(frozen=True)
class Schedule:
    """How long, how fast, with which loss. All marks are counted in optimizer steps."""

    steps: int = 80_000
    batch: int = 16
    patch: int = 48
    """Side of a crop in plate pixels."""

    learning_rate: float = 1e-3
    warm_up: int = 500
    """Steps over which the rate rises from zero."""

    decay_from: int = 50_000
    """Step from which the rate falls along a cosine to zero at the last step."""

    squared_from: int = 60_000
    """Step from which the loss is the squared error."""

    by_crop: bool = False
    """The loss is the root mean square of each crop from the first step to the last: what a mean of PSNRs over pictures
    asks for, where an easy picture counts as much as a hard one."""

    frequency: float = 0.0
    """Weight of the focal frequency loss, beside either."""

    precise_from: int = 72_000
    """Step from which everything is float32. Before it convolutions run in bfloat16, up to five times as fast."""

    gradient_limit: float = 0.5
    """Longest gradient, as a norm over all weights: a rare batch must not throw deep and wide networks off."""

    ema: float = 0.999


@dataclass(frozen=True)
class SuperresRecipe:
    """A whole super-res recipe (kind = "superres")."""

    name: str
    title: str
    version: str
    purpose: str
    scale: int = 2
    seed: int = 1
    init: str = field(default="", metadata=recipe.VOLATILE)
    """Model to start from, by name, folder or file: what fits of its convolutions is taken over (superres_init). A run
    that goes on has its weights already, and knows what it started from."""

    network: Network = field(default_factory=Network)
    data: Data = field(default_factory=Data)
    schedule: Schedule = field(default_factory=Schedule)
    wear: Wear = field(default_factory=Wear)
    """What photographs and drawn pictures go through before they are learned from; nothing by default."""

    adversary: Adversary = field(default_factory=Adversary)
    """The late stage that adds detail, for networks that take noise."""

    suppression: float = 1.0
    """In that stage: weight of the error where added detail is further from the truth than none."""

    keep: bool = field(default=False, metadata=recipe.VOLATILE)
    """Keep what `init` gave as it is: of a model of several frames only how they are weighed is learned."""

    single: str = field(default="", metadata=recipe.VOLATILE)
    """Of a model of several frames: the one that does the same from one frame. The card compares them."""

    start_share: float = field(default=0.0, metadata=recipe.VOLATILE)
    """How much of the weights of `init` is mixed into the finished ones. What was learned from few scenes is partly
    theirs alone; between the two lies a network that is better than both on other footage (Wortsman and others, "Robust
    fine-tuning of zero-shot models", 2022)."""

    texture: float = 1.0
    """In that stage: weight of how far the strength of texture is from the truth's, wherever its strokes may lie."""

    matching: float = 0.0
    """In that stage: weight of how far what the discriminator's layers see is from what they see in the truth."""

    checkpoint_seconds: float = field(default=60.0, metadata=recipe.VOLATILE)
    log_every: int = field(default=200, metadata=recipe.VOLATILE)
    validate_every: int = field(default=2000, metadata=recipe.VOLATILE)
    limits: tuple[str, ...] = field(default=(), metadata=recipe.VOLATILE)
    """Sentences for the card: what the model cannot do."""

    sources: tuple[Source, ...] = field(default=(), metadata=recipe.VOLATILE)
    """Where the pictures come from and under which licences, for the card."""


def load_recipe(path: str) -> SuperresRecipe:
    """Read and check a super-res recipe. Raises MissingInput, UsageError."""
    settings = recipe.load(path, SuperresRecipe, KIND)
    schedule = settings.schedule
    if not 1 <= settings.scale <= 4:
        raise UsageError(f"Recipe {path}: scale is {settings.scale}; allowed are 1 to 4.")
    if settings.network.depth < 2:
        raise UsageError(f"Recipe {path}: network.depth is {settings.network.depth}; at least 2 are needed.")
    if not 0 < schedule.warm_up < schedule.decay_from < schedule.steps:
        raise UsageError(f"Recipe {path}: schedule needs 0 < warm_up < decay_from < steps.")
    if settings.data.clips and not settings.wear.crops:
        raise UsageError(f"Recipe {path}: data.clips are learned from as worn crops; give [wear] crops.")
    if settings.adversary.share and not settings.network.noise:
        raise UsageError(f"Recipe {path}: an adversary adds detail, which needs network.noise = true.")
    if settings.network.frames not in (1, 3, 5) or (settings.network.frames > 1 and not settings.wear.crops):
        raise UsageError(f"Recipe {path}: network.frames is 1, 3 or 5, and above 1 the recipe needs [wear] crops.")
    if not settings.data.clip_shrinks or min(settings.data.clip_shrinks) < 1:
        raise UsageError(f"Recipe {path}: data.clip_shrinks holds factors to shrink clips by, each 1 or more.")
    if settings.data.shots and settings.network.frames == 1:
        raise UsageError(
            f"Recipe {path}: data.shots are for networks of several frames; set network.frames, or shots = 0."
        )
    row = settings.network.depth - 2 * settings.network.skips
    if settings.network.skips and (settings.network.branched or row < 2):
        raise UsageError(
            f"Recipe {path}: network.skips takes two of network.depth each, leaves at least 2, and is for bare "
            "convolutions (network.branched = false)."
        )
    if settings.network.equivariant and (
        settings.network.branched or settings.network.noise or settings.network.width % equivariant.WAYS
    ):
        raise UsageError(
            f"Recipe {path}: network.equivariant is for bare convolutions (network.branched = false) without noise, "
            f"and network.width must be a multiple of {equivariant.WAYS}; it is {settings.network.width}."
        )
    if settings.keep and (settings.network.frames == 1 or not settings.init):
        raise UsageError(
            f"Recipe {path}: keep = true keeps a model of one frame; it needs init and network.frames > 1."
        )
    if not 0 <= settings.start_share < 1 or (settings.start_share and not settings.init):
        raise UsageError(
            f"Recipe {path}: start_share is {settings.start_share}; allowed is 0 to below 1, and it needs init."
        )
    wear.check(settings.wear, settings.scale, path)
    return settings


def learning_rate(schedule: Schedule, step: int) -> float:
    """Rate at `step` (from 0): a linear rise, a constant stretch, a cosine fall to zero."""
    if step < schedule.warm_up:
        return schedule.learning_rate * (step + 1) / schedule.warm_up
    if step < schedule.decay_from:
        return schedule.learning_rate
    done = (step - schedule.decay_from) / (schedule.steps - schedule.decay_from)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def shortened(settings: SuperresRecipe, steps: int) -> SuperresRecipe:
    """The same recipe with its whole schedule scaled to `steps`: for trials and tests."""
    schedule = settings.schedule
    share = steps / schedule.steps
    marks = {
        name: max(1, round(getattr(schedule, name) * share))
        for name in ("warm_up", "decay_from", "squared_from", "precise_from")
    }
    return dataclasses.replace(settings, schedule=dataclasses.replace(schedule, steps=steps, **marks))
