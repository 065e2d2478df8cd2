"""What a region recipe may say (kind = "regions").

One recipe trains one model for each region that it names, one after the other, from the same pairs and mattes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bipack.card import Source
from bipack.errors import UsageError
from bipack_train import recipe
from bipack_train.augment import Augment
from bipack_train.dataset import Sampling
from bipack_train.models.region import sizes
from bipack_train.paintfix import Adversary, Schedule

KIND = "regions"
CODES = (2, 8)
"""Fewest and most numbers of a code."""


@dataclass(frozen=True)
class RegionLoss:
    """What is asked of the change and of its gate, all inside the matte, in encoded values."""

    absolute: float = 4.0
    """Weight of the mean absolute error."""

    squared: float = 32.0
    """Weight of the mean squared error."""

    bands: float = 4.0
    """Weight of the absolute error of each band of a Laplacian pyramid: keeps fine detail from being traded away."""

    outside: float = 0.05
    """Weight of a pixel that stays as it is against one that changes, for the change; the gate closes over it."""

    gate: float = 0.3
    """Weight of the cross-entropy that teaches the gate where pairs change."""

    seen: float = 1.0
    """Weight of the error of what is seen in the end, change times gate, over all of the matte alike; late in a run."""

    code: float = 0.01
    """Weight of the free codes' squared length: they say only what the picture does not."""


@dataclass(frozen=True)
class Unpaired:
    """How the shared encoder and the two decoders are trained."""

    side: int = 128
    """Squares around the region are brought to so many pixels; a multiple of 16."""

    batch: int = 8
    """Squares of each face in a step."""

    width: int = 48
    grid: int = 32
    warp: float = 0.05
    """Strength of the random bend of what the encoder sees, as a part of the side."""

    seed: int = 1
    schedule: Schedule = field(default_factory=lambda: Schedule(minutes=10.0, learning_rate=1e-3))
    adversary: Adversary = field(default_factory=Adversary)


@dataclass(frozen=True)
class RenderedFaces:
    """People that are rendered old and young instead of an artist's pairs: makes a starter."""

    people: int = 0
    """How many people are learned from; 0 = none are rendered."""

    held_out: int = 6
    """People more that are only watched."""

    views: int = 3
    """Pictures of each, in other poses, lights and expressions."""

    amounts: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Shares of age that are taken off: of each picture the whole, and in turn one of those below 1."""

    youngest: float = 0.4
    """Age of the youngest Before, 0..1; the oldest are 1."""

    side: int = 256
    """Side of a picture in pixels; the whole head is 1024."""


@dataclass(frozen=True)
class WayRecipe:
    """How it is learned when each part of a change comes, from rendered people at ages in between (models.way)."""

    steps: int = 0
    """0 = not at all: nets learn the amount themselves, or keep the way that their start has."""

    side: int = 64
    batch: int = 8
    learning_rate: float = 3e-3


@dataclass(frozen=True)
class RegionsRecipe:
    """A whole region recipe. Where the pairs lie is said on the command line, or here below the data folder."""

    name: str
    """Start of the models' names; each is called <name>_<region>."""

    regions: tuple[str, ...] = ()
    """Channels of the mattes; `cheek_l+cheek_r` is one region made of two. A matte of one channel is `matte`."""

    title: str = ""
    version: str = "1.0"
    purpose: str = ""
    seed: int = 1
    size: str = "light"
    codes: int = 4
    """Numbers of the code: the amount, and what else tells the pairs apart."""

    init: str = ""
    """Region model to start from: a catalogue name, a model folder, or a checkpoint; empty = from scratch. `{region}`
    in it stands for the region that is trained."""

    between: float = 0.3
    """Share of crops that teach amounts between 0 and 1, where the pairs themselves have none and the start no way."""

    way: WayRecipe = field(default_factory=WayRecipe)

    feather: float = 0.02
    """Softness of the matte's edge, as a part of the crop's width."""

    sampling: Sampling = field(
        default_factory=lambda: Sampling(side=128, batch=6, on_edit=1.0, augment=Augment(transplant=0.0, bend=1.0))
    )
    schedule: Schedule = field(default_factory=lambda: Schedule(minutes=10.0, learning_rate=4e-3))
    loss: RegionLoss = field(default_factory=RegionLoss)
    adversary: Adversary = field(default_factory=Adversary)
    unpaired: Unpaired = field(default_factory=Unpaired)
    """How pairs are made from a clip of the younger face, where one is given instead of After."""

    rendered: RenderedFaces = field(default_factory=RenderedFaces)
    noise: bool = True
    """Give the models a noise input with the texture that regression averages away."""

    before: str = field(default="", metadata=recipe.VOLATILE)
    after: str = field(default="", metadata=recipe.VOLATILE)
    matte: str = field(default="", metadata=recipe.VOLATILE)
    younger: str = field(default="", metadata=recipe.VOLATILE)
    younger_matte: str = field(default="", metadata=recipe.VOLATILE)
    frames: str = field(default="", metadata=recipe.VOLATILE)
    checkpoint_seconds: float = field(default=45.0, metadata=recipe.VOLATILE)
    sources: tuple[Source, ...] = field(default=(), metadata=recipe.VOLATILE)
    limits: tuple[str, ...] = field(default=(), metadata=recipe.VOLATILE)


def check(settings: RegionsRecipe, path: str = "the region recipe") -> RegionsRecipe:
    """`settings` themselves, if they make sense. Raises UsageError."""

    def require(fits: bool, text: str) -> None:
        if not fits:
            raise UsageError(f"In {path}, {text}.")

    require(bool(settings.regions), 'regions is empty; name at least one, such as "cheek_l+cheek_r"')
    known = sizes()
    require(settings.size in known, f"size is {settings.size!r}; choose one of {', '.join(known)}")
    low, high = CODES
    require(low <= settings.codes <= high, f"codes is {settings.codes}; allowed are {low} to {high}")
    multiple = 2 ** len(known[settings.size].widths)
    side = settings.sampling.side
    require(
        side % multiple == 0 and side >= 2 * multiple,
        f"sampling.side is {side}; a multiple of {multiple} from {2 * multiple} on is needed",
    )
    require(settings.sampling.augment.transplant == 0, "sampling.augment.transplant must be 0: a face has one place")
    side = settings.unpaired.side
    require(side % 16 == 0 and side >= 32, f"unpaired.side is {side}; a multiple of 16 from 32 on is needed")
    require(0 <= settings.between < 1, f"between is {settings.between}; it is a share below 1")
    laid_in = settings.rendered.people > 0 and bool(settings.init)
    require(settings.way.steps == 0 or laid_in, "way.steps needs rendered.people, and init: a way is laid into a net")
    length = settings.schedule.steps > 0 or settings.schedule.minutes > 0
    require(length or settings.way.steps > 0, "schedule needs steps or minutes")
    return settings


def load_recipe(path: str) -> RegionsRecipe:
    """Read and check a region recipe. Raises MissingInput, UsageError."""
    return check(recipe.load(path, RegionsRecipe, KIND), path)
