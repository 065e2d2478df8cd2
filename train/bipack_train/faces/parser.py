"""The parser's training: what its recipe may say, and the loop.

Cross-entropy and overlap (Dice) on the regions of each pixel, squared error on the heat-maps of the points, absolute
error on the width where there is a face. Steps see crops or scenes (scenes.py) by turns. The rate rises, then falls
along a cosine over steps or minutes; what is exported is the moving average of the weights. Any checkpoint goes on bit
for bit.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack import atomic
from bipack.card import Source
from bipack.errors import BipackError, UsageError
from bipack.face_regions import REGIONS
from bipack_train import checkpoint, muon, recipe, timed_run
from bipack_train.devices import pick_device
from bipack_train.ema import Ema
from bipack_train.faces.hand import HandFrames
from bipack_train.faces.scenes import UNKNOWN, Scenes, Stage
from bipack_train.models.face_parser import POINTS, WIDTHS, FaceParserNet

log = logging.getLogger(__name__)

KIND = "faces"
CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"


@dataclass(frozen=True)
class Data:
    """What is learned from. Folders are relative to the data folder."""

    faces: int = 2560
    """Rendered faces in the pool."""

    held_out: int = 128
    """The last faces of the pool, which training never sees: its scores are measured on them."""

    close: int = 0
    """Rendered close-ups: half of the crops are made from them."""

    panoramas: str = "hdri"
    photos: tuple[str, ...] = ("photos",)
    """Folders of photographs for backgrounds."""

    drawn: int = 60
    """Drawn pictures as backgrounds."""

    empty: float = 0.06
    """Share of the scenes that nobody is in."""

    exclude: tuple[str, ...] = ()
    """Panoramas and photographs that are never used, relative to the data folder: photographs with people in them
    would teach that their faces are background."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast."""

    minutes: float = 0.0
    """Length of the loop; 0 goes by `steps`."""

    steps: int = 3000
    batch: int = 12
    side: int = 192
    learning_rate: float = 8e-3
    warm_up: int = 50
    ema: float = 0.995
    precise_from: float = 0.8
    """Share of the schedule from which everything is float32. Before it convolutions run in bfloat16, which is nearly
    twice as fast."""

    crop_share: float = 0.65
    """Share of the steps that see crops; the others see scenes of `side`, which teach to find faces."""

    crop_side: int = 256
    """Side of a crop: that of the finder's."""

    crop_batch: int = 8
    far_side: int = 0
    """Side of the crops of faces that are no close-ups: near the size that these have in the pool, which must not be
    blown up, as no crop of the finder's is. Their batch has as many pixels. 0: crops of both kinds, of crop_side."""

    held_statistics: bool = False
    """Normalise by the statistics that the run starts with, as the exported net does, not by those of the batch: for a
    run that goes on from a trained parser. Crops and scenes differ in theirs, and a batch of crops is small."""

    hand_share: float = 0.5
    """Share of a batch that comes from an artist's own frames, where there are any."""

    @property
    def watched_side(self) -> int:
        """Side of the crops that are scored."""
        return self.far_side or self.crop_side


@dataclass(frozen=True)
class ParserRecipe:
    """A whole recipe (kind = "faces")."""

    name: str
    title: str
    version: str
    purpose: str
    size: str = "small"
    seed: int = 1
    data: Data = field(default_factory=Data)
    schedule: Schedule = field(default_factory=Schedule)
    checkpoint_seconds: float = field(default=60.0, metadata=recipe.VOLATILE)
    log_every: int = field(default=50, metadata=recipe.VOLATILE)
    validate_every: int = field(default=500, metadata=recipe.VOLATILE)
    limits: tuple[str, ...] = field(default=(), metadata=recipe.VOLATILE)
    sources: tuple[Source, ...] = field(default=(), metadata=recipe.VOLATILE)


def load_recipe(path: str) -> ParserRecipe:
    """Read and check a recipe. Raises MissingInput, UsageError."""
    settings = recipe.load(path, ParserRecipe, KIND)
    if settings.size not in WIDTHS:
        raise UsageError(f"Recipe {path}: size is {settings.size!r}; allowed: {', '.join(WIDTHS)}.")
    for name in ("side", "crop_side", "far_side"):
        if getattr(settings.schedule, name) % 32:
            raise UsageError(f"Recipe {path}: schedule.{name} must be a multiple of 32.")
    return settings


# Losses and scores ----------------------------------------------------------------------------------------------------


def losses(regions: Tensor, rest: Tensor, scenes: Scenes, device: torch.device) -> dict[str, Tensor]:
    """The parts of the loss for raw results: regions (N, 16, H, W); points and width (N, 6, H/2, W/2)."""
    heat = functional.avg_pool2d(_planes(scenes.heat, device), 2)
    octaves = functional.avg_pool2d(_planes(scenes.octaves[..., None], device), 2)
    points, widths = rest[:, :POINTS], rest[:, POINTS:]
    known_heat, known_width = ~torch.isnan(heat), ~torch.isnan(octaves)
    wrong = (torch.sigmoid(points) - torch.nan_to_num(heat)).square()
    # Points are rare: what lies on one counts fifty times.
    weight = known_heat * (1 + 50 * torch.nan_to_num(heat))
    off = (widths - torch.nan_to_num(octaves)).abs() * known_width
    entropy, overlap = _of_regions(regions, torch.from_numpy(scenes.labels).to(device).long())
    return {
        "entropy": entropy,
        "overlap": overlap,
        "points": 2.0 * (wrong * weight).sum() / weight.sum().clamp(min=1.0),
        "width": 0.3 * off.sum() / known_width.sum().clamp(min=1),
    }


def _of_regions(raw: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy, and 1 - mean Dice over the regions that occur in the batch: without it small ones would not count.

    `raw` (N, 16, H, W); of pixels whose label (N, H, W) is UNKNOWN nothing is learned.
    """
    flat, count = labels.reshape(-1), len(REGIONS)
    known = (flat != UNKNOWN).float()
    mine = flat.clamp(max=count - 1)
    # One pixel's regions lie side by side in memory, which makes this several times faster.
    logarithms = torch.log_softmax(raw.permute(0, 2, 3, 1).reshape(-1, count), 1)
    true = logarithms.gather(1, mine[:, None])[:, 0]
    sizes = torch.zeros(count, device=raw.device).index_add(0, mine, known)
    both = torch.zeros_like(sizes).index_add(0, mine, true.exp() * known)
    shares = known @ logarithms.exp()
    dice, present = (2 * both + 1) / (shares + sizes + 1), sizes > 0
    entropy = -(true * known).sum() / known.sum().clamp(min=1)
    return entropy, 1 - (dice * present).sum() / present.sum().clamp(min=1)


def _planes(values: np.ndarray, device: torch.device) -> Tensor:
    """(N, H, W, C) to a tensor (N, C, H, W)."""
    return torch.from_numpy(values).to(device).permute(0, 3, 1, 2)


def overlaps(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Intersection over union of each region that occurs in `truth`; both are labels of one shape."""
    known = truth != UNKNOWN
    result = {}
    for index, name in enumerate(REGIONS):
        mine, wanted = (found == index) & known, truth == index
        if wanted.any():
            result[name] = float((mine & wanted).sum() / (mine | wanted).sum())
    return result


@torch.no_grad()
def validate(
    net: FaceParserNet, stage: Stage, seed: int, device: torch.device, side: int, crops: int = 48
) -> dict[str, float]:
    """IoU of each region over crops of `side` of `stage`, at their own size."""
    net.eval()
    rng = np.random.default_rng([seed, 99])
    found, truth = [], []
    for _ in range(max(1, crops // 12)):
        batch = stage.crops(rng, min(12, crops), side)
        regions, _ = net(_tensor(batch.pictures, device))
        found.append(regions.argmax(1).to(torch.uint8).cpu().numpy())
        truth.append(batch.labels)
    return overlaps(np.concatenate(found), np.concatenate(truth))


# The loop -------------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One training run: everything that changes from step to step."""

    settings: ParserRecipe
    net: FaceParserNet
    ema: Ema
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    device: torch.device
    step: int = 0
    seconds: float = 0.0

    @property
    def done(self) -> float:
        """Share of the schedule that is done, 0..1."""
        schedule = self.settings.schedule
        if schedule.minutes:
            return min(1.0, self.seconds / 60 / schedule.minutes)
        return min(1.0, self.step / max(1, schedule.steps))


def start_run(settings: ParserRecipe, device: torch.device, weights: dict[str, Tensor] | None = None) -> Run:
    """A run at step 0, from `weights` where they are given."""
    torch.manual_seed(settings.seed)
    net = FaceParserNet(settings.size)
    if weights is not None:
        net.load_state_dict(weights)
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = muon.of_net(net, ("stem.", "head."), settings.schedule.learning_rate, weight_decay=0.01)
    return Run(settings, net, Ema(net, settings.schedule.ema), optimizer, np.random.default_rng(settings.seed), device)


def take_step(run: Run, stage: Stage, hand: HandFrames | None = None) -> dict[str, float]:
    """One step of the optimizer; the parts of the loss."""
    schedule = run.settings.schedule
    crops = run.rng.random() < schedule.crop_share
    count, side = (schedule.crop_batch, schedule.crop_side) if crops else (schedule.batch, schedule.side)
    faces = None
    if crops and schedule.far_side:
        near = stage.close is not None and run.rng.random() < 0.5
        faces = stage.close if near else stage.faces
        if not near:
            count, side = round(count * (side / schedule.far_side) ** 2), schedule.far_side
    mine = round(count * schedule.hand_share) if hand is not None else 0
    scenes = stage.crops(run.rng, count - mine, side, faces) if crops else stage.batch(run.rng, count - mine)
    if hand is not None and mine:
        scenes = joined(scenes, hand.batch(run.rng, mine, side))
    rate = schedule.learning_rate * min(1.0, (run.step + 1) / schedule.warm_up)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * run.done)))
    run.net.train(not schedule.held_statistics)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.done < schedule.precise_from):
        regions, rest = run.net(_tensor(scenes.pictures, run.device))
    parts = losses(regions.float(), rest.float(), scenes, run.device)
    total = torch.stack(list(parts.values())).sum()
    run.optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.net.parameters(), 2.0)
    run.optimizer.step()
    run.ema.update(run.net)
    run.step += 1
    return {name: float(part.detach()) for name, part in parts.items()}


def joined(first: Scenes, second: Scenes) -> Scenes:
    """Two batches as one."""
    names = ("pictures", "labels", "heat", "octaves")
    return Scenes(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in names))


def train(
    settings: ParserRecipe,
    stage: Stage,
    watched: Stage,
    out: str,
    *,
    device: str = "auto",
    resume: bool = False,
    weights: dict[str, Tensor] | None = None,
    hand: HandFrames | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Run the schedule to its end; `out` takes checkpoint and log.

    `watched` makes the scenes that are scored. Raises UsageError where `out` holds a run and `resume` is not set,
    BipackError where the loss is no longer finite, DiskError.
    """
    path = os.path.join(out, CHECKPOINT)
    if os.path.exists(path) and not resume:
        raise UsageError(f"{out} holds a run already. Go on with it by --resume, or give another --out.")
    os.makedirs(out, exist_ok=True)
    run = start_run(settings, pick_device(device), weights)
    rows: list[list[str]] = []
    if resume and os.path.exists(path):
        timed_run.restore(run, run.net, path, "muon", generator="scenes")
        log.info("going on from step %d", run.step)
        rows = _earlier_rows(os.path.join(out, LOG), run.step)
    begun, before, saved = time.monotonic(), run.seconds, time.monotonic()
    parts: list[dict[str, float]] = []
    while run.done < 1.0:
        parts.append(take_step(run, stage, hand))
        run.seconds = before + time.monotonic() - begun
        last, stopping = run.done >= 1.0, stop()
        if run.step % settings.log_every == 0 or last:
            rows.append(_row(run, parts, watched, last))
            parts.clear()
            atomic.write_bytes(os.path.join(out, LOG), _table(rows))
        if last or stopping or time.monotonic() - saved > settings.checkpoint_seconds:
            timed_run.save(run, run.net, path, "muon", generator="scenes")
            saved = time.monotonic()
        if stopping:
            break
    return run


def _row(run: Run, parts: list[dict[str, float]], watched: Stage, last: bool) -> list[str]:
    means = {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
    if not all(math.isfinite(value) for value in means.values()):
        raise BipackError(
            f"Training diverged: the loss is {means} at step {run.step}. Lower schedule.learning_rate in the recipe."
        )
    score = ""
    if last or run.step % run.settings.validate_every == 0:
        settings = run.settings
        found = validate(averaged(run), watched, settings.seed, run.device, settings.schedule.watched_side)
        score = f"{np.mean(list(found.values())):.4f}"
    text = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
    log.info("step %d (%.0f %%)  %s%s", run.step, 100 * run.done, text, f"  mean IoU {score}" if score else "")
    return [str(run.step), f"{run.seconds / 60:.2f}", *(f"{value:.5f}" for value in means.values()), score]


def _table(rows: list[list[str]]) -> bytes:
    head = "step,minutes,entropy,overlap,points,width,mean_iou"
    return ("\n".join([head, *(",".join(row) for row in rows)]) + "\n").encode()


def _earlier_rows(path: str, step: int) -> list[list[str]]:
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as stream:
        return [row for row in csv.reader(stream) if row and row[0].isdigit() and int(row[0]) <= step]


def averaged(run: Run) -> FaceParserNet:
    """The network with the moving average of its weights."""
    net = FaceParserNet(run.settings.size).to(run.device)
    run.ema.copy_to(net)
    return net.eval()


def averaged_from(path: str, settings: ParserRecipe) -> FaceParserNet:
    """The finished network of the checkpoint at `path`, on the CPU."""
    run = start_run(settings, torch.device("cpu"))
    timed_run.restore(run, run.net, path, "muon", generator="scenes")
    return averaged(run)


def _tensor(pictures: np.ndarray, device: torch.device) -> Tensor:
    """(N, H, W, 3) to a channels-last (N, 3, H, W) tensor."""
    return torch.from_numpy(np.ascontiguousarray(pictures, np.float32)).to(device).permute(0, 3, 1, 2)
