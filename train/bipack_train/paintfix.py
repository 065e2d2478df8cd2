"""What a pairs recipe may say, and how progress, learning rate and stopping follow from it.

A run has two parts. In the first the rate is constant and one pair, if there are four or more, is held out: its hole
error says how well the fix carries over, and the run goes on early to its second part when that no longer gets
better. In the second part the rate falls to zero and the held-out pair joins the training, so that nothing that the
artist painted is wasted; the score in the card is the one from before it joined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bipack.card import Source
from bipack.errors import UsageError
from bipack_train import recipe
from bipack_train.dataset import Sampling
from bipack_train.markers import Synthetic
from bipack_train.models import networks

KIND = "pairs"


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. A run ends at whichever of `steps` and `minutes` comes first; 0 means no limit."""

    steps: int = 0
    minutes: float = 20.0
    learning_rate: float = 2e-3
    warm_up: int = 50
    """Steps over which the rate rises from zero."""

    finish: float = 0.4
    """Last part of the run, in which the rate falls along a cosine to zero."""

    precise: float = 0.1
    """Last part of the run that computes in float32; before it convolutions may run in bfloat16."""

    ema: float = 0.998
    weight_decay: float = 1e-4


@dataclass(frozen=True)
class Loss:
    """What is asked of the change and of the matte."""

    absolute: float = 4.0
    """Weight of the mean absolute error inside the matte."""

    squared: float = 32.0
    """Weight of the mean squared error inside the matte: what PSNR is made of."""

    outside: float = 0.01
    """Weight of a pixel outside the matte against one inside."""

    matte: float = 3.0
    """Weight of the cross-entropy of the matte."""

    focus: float = 0.0
    """Power of its error by which each pixel of the matte is weighted on top: what is all but right has no more say."""


@dataclass(frozen=True)
class HoldOut:
    """The held-out pair."""

    frame: str = "auto"
    """A frame number; auto = the middle pair where there are four or more; none."""

    patience: float = 0.25
    """Early stop: go on to the last part when the best hole error is older than this part of the run."""

    gain: float = 0.03
    """Improvement in dB that counts."""

    least_steps: int = 500
    """Steps before which a run never stops early."""


@dataclass(frozen=True)
class Adversary:
    """The late stage that makes repairs keep their texture; off where `share` is 0."""

    share: float = 0.0
    """Last part of the run that it takes."""

    weight: float = 0.02
    learning_rate: float = 4e-4
    penalty: float = 2.0
    """Weight of the gradient penalty (R1) on real crops."""

    penalty_every: int = 8


@dataclass(frozen=True)
class PairsRecipe:
    """A whole pairs recipe (kind = "pairs"). Where the pairs lie is said on the command line."""

    name: str
    title: str = ""
    version: str = "1.0"
    purpose: str = ""
    seed: int = 1
    size: str = "small"
    frame_offsets: tuple[int, ...] = (0,)
    """Frames that the net sees, relative to the current one, which comes first."""

    init: str = ""
    """Model to start from: auto, a catalogue name, a model folder, or a checkpoint; empty = from scratch."""

    synthetic: Synthetic | None = None
    """Markers drawn over clean plates instead of an artist's pairs: makes a model that needs no training."""

    sampling: Sampling = field(default_factory=Sampling)
    schedule: Schedule = field(default_factory=Schedule)
    loss: Loss = field(default_factory=Loss)
    hold_out: HoldOut = field(default_factory=HoldOut)
    adversary: Adversary = field(default_factory=Adversary)
    noise: bool = True
    """Give the model a noise input with the grain of the plates."""

    painted: int = field(default=6, metadata=recipe.VOLATILE)
    """Painted frames that go along with the model: what marks hide elsewhere is looked up in them; 0 = none."""

    before: str = field(default="", metadata=recipe.VOLATILE)
    """Pattern, folder or file of the plates, below the data folder; the command line may name it instead."""

    after: str = field(default="", metadata=recipe.VOLATILE)
    matte: str = field(default="", metadata=recipe.VOLATILE)
    frames: str = field(default="", metadata=recipe.VOLATILE)

    checkpoint_seconds: float = field(default=45.0, metadata=recipe.VOLATILE)
    report_seconds: float = field(default=30.0, metadata=recipe.VOLATILE)
    sources: tuple[Source, ...] = field(default=(), metadata=recipe.VOLATILE)
    """Where the pictures come from and under which licence, for the card."""

    limits: tuple[str, ...] = field(default=(), metadata=recipe.VOLATILE)
    """Sentences for the card: what the model cannot do."""


def check(settings: PairsRecipe, path: str = "the pairs recipe") -> PairsRecipe:
    """`settings` themselves, if they make sense. Raises UsageError."""

    def require(fits: bool, text: str) -> None:
        if not fits:
            raise UsageError(f"In {path}, {text}.")

    require(
        settings.size in networks.names(), f"size is {settings.size!r}; choose one of {', '.join(networks.names())}"
    )
    schedule, sampling = settings.schedule, settings.sampling
    multiple = networks.multiple(settings.size)
    require(
        sampling.side % multiple == 0 and sampling.side >= 2 * multiple,
        f"sampling.side is {sampling.side}; a multiple of {multiple} from {2 * multiple} on is needed",
    )
    require(settings.painted >= 0, f"painted is {settings.painted}; 0 or more is needed")
    require(sampling.batch >= 1, f"sampling.batch is {sampling.batch}; at least 1 is needed")
    require(schedule.steps > 0 or schedule.minutes > 0, "schedule needs steps or minutes")
    require(0 < schedule.finish <= 1, f"schedule.finish is {schedule.finish}; it is a part between 0 and 1")
    require(schedule.learning_rate > 0, f"schedule.learning_rate is {schedule.learning_rate}")
    offsets = settings.frame_offsets
    require(
        offsets[:1] == (0,) and len(set(offsets)) == len(offsets),
        f"frame_offsets is {list(offsets)}; it starts with 0 and names each frame once",
    )
    return settings


def load_recipe(path: str) -> PairsRecipe:
    """Read and check a pairs recipe. Raises MissingInput, UsageError."""
    return check(recipe.load(path, PairsRecipe, KIND), path)


@dataclass
class Progress:
    """Where a run stands; all parts of the schedule follow from it, so it is what a checkpoint has to keep."""

    step: int = 0
    seconds: float = 0.0
    """Time spent training, over all sittings."""

    finish_from: float = 0.6
    """Part done at which the rate starts to fall."""

    finish_to: float = 1.0
    """Part done at which the run ends; less than 1 after an early stop."""

    best: float = -1e9
    """Best held-out hole PSNR in dB."""

    best_at: float = 0.0
    """Part done when it was reached."""

    def done(self, schedule: Schedule) -> float:
        """Part of the budget that is used, 0..1 and on."""
        by_steps = self.step / schedule.steps if schedule.steps else 0.0
        by_time = self.seconds / (60.0 * schedule.minutes) if schedule.minutes else 0.0
        return max(by_steps, by_time)

    def over(self, schedule: Schedule) -> bool:
        """True when the run is at its end."""
        return self.done(schedule) >= self.finish_to

    def finishing(self, schedule: Schedule) -> bool:
        """True in the last part, where the held-out pair has joined."""
        return self.done(schedule) >= self.finish_from

    def rate(self, schedule: Schedule) -> float:
        """Learning rate of the next step."""
        rate = schedule.learning_rate * min(1.0, (self.step + 1) / max(1, schedule.warm_up))
        done = self.done(schedule)
        if done < self.finish_from:
            return rate
        part = min(1.0, (done - self.finish_from) / (self.finish_to - self.finish_from))
        return rate * 0.5 * (1.0 + math.cos(math.pi * part))

    def precise(self, schedule: Schedule) -> bool:
        """True in the part that computes in float32."""
        return self.done(schedule) >= self.finish_to - schedule.precise

    def seconds_left(self, schedule: Schedule) -> float | None:
        """Estimate of the training time left; None until there is something to go by."""
        done = self.done(schedule)
        return None if done <= 0 or self.step < 5 else max(0.0, self.seconds / done * (self.finish_to - done))

    def note_score(self, score: float, settings: PairsRecipe) -> bool:
        """Take in a held-out score in dB; True when it makes the run go on to its last part early."""
        schedule, hold_out = settings.schedule, settings.hold_out
        done = self.done(schedule)
        if done >= self.finish_from:
            return False
        if score > self.best + hold_out.gain:
            self.best, self.best_at = score, done
        if done - self.best_at <= hold_out.patience or self.step < hold_out.least_steps:
            return False
        # The last part keeps its share of the whole run.
        self.finish_from = done
        self.finish_to = min(1.0, done / (1.0 - schedule.finish))
        return True


def start(schedule: Schedule) -> Progress:
    """A run at its beginning."""
    return Progress(finish_from=1.0 - schedule.finish)
