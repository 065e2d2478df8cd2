"""The training loop of region models: pairs in, averaged weights and codes out; a stopped run goes on bit for bit."""

from __future__ import annotations

import csv
import io
import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack import atomic
from bipack.errors import BipackError, UsageError
from bipack_train import adversary, checkpoint, muon, paintfix, recipe
from bipack_train.devices import fast_type, pick_device
from bipack_train.ema import Ema
from bipack_train.models.region import RegionNet, applied, gate, in_ball
from bipack_train.paintfix import Progress
from bipack_train.regions.material import RegionBatch, RegionPair, RegionPool
from bipack_train.regions.recipe import RegionLoss, RegionsRecipe

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"
CODE_RATE = 10.0
"""Learning rate of the codes against that of the net: each is seen in a few crops only."""

PYRAMID = 4
"""Bands of the Laplacian pyramid that are asked for one by one."""

CHANGED = 0.01
"""Difference of a pair, encoded, from which on a pixel counts as wholly changed."""

LATE = (0.2, 0.4)
"""Part of a run over which the error of the gated picture gains its weight: from the start, a net would learn from it
to change nothing."""

SAY_EVERY = 100


@dataclass(frozen=True)
class Row:
    """One line of the log."""

    step: int
    seconds: float
    loss: float
    learning_rate: float
    kept: float | None = None
    """Error left on the watched pairs against doing nothing, 0..1."""


class Coded(nn.Module):
    """A region net together with the free codes of its pairs: what is optimised, averaged and kept."""

    def __init__(self, size: str, codes: int, pairs: int, way: bool = False) -> None:
        super().__init__()
        self.net = RegionNet(size, codes, way)
        # Small and different: equal codes would all be pulled the same way.
        self.free = nn.Parameter(0.05 * torch.randn(pairs, codes - 1))

    def forward(self, plate: Tensor, matte: Tensor, amount: Tensor, code: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Change (N, 3, H, W) and the logit of its gate (N, 1, H, W), and the free codes (N, codes - 1) in use."""
        free = in_ball(self.free[code])
        # Half of the crops are seen without their own code: 0 must be a good one, for it is what a new shot gets.
        free = free * (torch.rand(len(code), 1, device=free.device) < 0.5 if self.training else 1.0)
        return *self.net.parts(plate, matte, self.net.code(amount, free)), free


@dataclass
class Run:
    """One run of one region: everything that changes from step to step."""

    settings: RegionsRecipe
    region: str
    model: Coded
    ema: Ema
    optimizer: torch.optim.Optimizer
    device: torch.device
    progress: Progress
    digest: str
    adversary: adversary.Stage | None = None
    base_model: str = ""
    rows: list[Row] = field(default_factory=list)


def build(
    settings: RegionsRecipe, region: str, pairs: Sequence[RegionPair], device: torch.device, way: bool = False
) -> Run:
    """A run at step 0; the seed decides the first weights and every crop."""
    torch.manual_seed(settings.seed)
    codes = 1 + max(one.code for one in pairs)
    model = Coded(settings.size, settings.codes, codes, way).to(device).to(memory_format=torch.channels_last)
    schedule = settings.schedule
    optimizer = muon.of_net(model.net, RegionNet.ENDS, schedule.learning_rate, schedule.weight_decay)
    optimizer.add_param_group({"params": [model.free], "inner": False, "weight_decay": 0.0})
    seen = ",".join(f"{one.pair.frame}/{one.amount:g}/{one.code}={one.pair.digest[:12]}" for one in pairs)
    digest = f"{recipe.digest(settings)}:{region}:{seen}"
    run = Run(settings, region, model, Ema(model, schedule.ema), optimizer, device, paintfix.start(schedule), digest)
    if settings.adversary.share > 0:
        run.adversary = adversary.Stage(settings.adversary, device)
    return run


def train(
    settings: RegionsRecipe,
    region: str,
    pairs: Sequence[RegionPair],
    out: str,
    *,
    watched: Sequence[RegionPair] = (),
    device: str = "auto",
    resume: bool = False,
    weights: dict[str, Tensor] | None = None,
    base_model: str = "",
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Train one region to the end of its schedule and return the run.

    `watched` pairs are never learned; what is left of their error goes into the log. `weights` start the net. `clock`
    gives seconds: wall time, or processor time to compare methods on a busy machine. Raises UsageError where `out`
    holds a run already and `resume` is not set, DiskError, BipackError where the loss is no longer finite.
    """
    path = os.path.join(out, CHECKPOINT)
    if os.path.exists(path) and not resume:
        raise UsageError(f"{out} holds a run already. Go on with it by --resume, or give another --out.")
    going_on = resume and os.path.exists(path)
    way = has_way(checkpoint.load_weights(path) if going_on else weights or ())
    # The way knows what lies between; the net learns the whole change.
    pairs = [one for one in pairs if one.amount == 1.0] if way else pairs
    run = build(settings, region, pairs, pick_device(device), way)
    if going_on:
        restore(run, path)
        log.info("%s: going on from step %d", region, run.progress.step)
    elif weights is not None:
        start_from(run, weights, base_model)
    between = 0.0 if way else settings.between
    pool = RegionPool(pairs, settings.sampling, between, settings.seed)
    schedule, begun, earlier, saved = settings.schedule, clock(), run.progress.seconds, time.monotonic()
    # A schedule of no length leaves the net as it started: only a way is laid in.
    while (schedule.steps or schedule.minutes) and not run.progress.over(schedule):
        row = take_step(run, pool.batch(run.progress.step))
        run.progress.seconds = earlier + clock() - begun
        over, stopping = run.progress.over(schedule), stop()
        if over or run.progress.step % SAY_EVERY == 0:
            _note(run, row, watched)
        if over or stopping or time.monotonic() - saved > settings.checkpoint_seconds:
            save(run, out)
            saved = time.monotonic()
        if stopping:
            break
    return run


def take_step(run: Run, batch: RegionBatch) -> Row:
    """One optimizer step."""
    settings, schedule, progress = run.settings, run.settings.schedule, run.progress
    rate = progress.rate(schedule)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.optimizer.param_groups[-1]["lr"] = rate * CODE_RATE
    parts = (batch.before, batch.after, batch.matte, batch.amount, batch.code)
    before, after, matte, amount, code = (part.to(run.device, non_blocking=True) for part in parts)
    fast = fast_type(run.device) if not progress.precise(schedule) else None
    # Drawn anew from the step's number, so that a resumed run draws what the uninterrupted one would have drawn.
    torch.manual_seed((settings.seed << 20) + progress.step)
    run.model.train()
    with torch.autocast(run.device.type, torch.bfloat16, enabled=fast is not None):
        change, sure, free = run.model(before, matte, amount, code)
    changed = changed_part(before, after)
    weight = matte * (changed + settings.loss.outside)
    loss = loss_of(settings.loss, applied(before, change, matte, amount), after, weight)
    loss = loss + settings.loss.gate * gate_loss(sure, changed, matte)
    late = min(1.0, max(0.0, (progress.done(schedule) - LATE[0]) / (LATE[1] - LATE[0])))
    if late > 0 and settings.loss.seen > 0:
        seen = applied(before, change * gate(sure), matte, amount)
        loss = loss + late * settings.loss.seen * loss_of(settings.loss, seen, after, matte)
    loss = loss + settings.loss.code * free.square().sum(dim=1).mean()
    if run.adversary is not None and progress.done(schedule) >= progress.finish_to - settings.adversary.share:
        result = applied(before, change * gate(sure), matte, amount)
        loss = loss + run.adversary.step(before, result, after, matte)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.ema.update(run.model)
    progress.step += 1
    value = float(loss.detach())
    if not math.isfinite(value):
        raise BipackError(
            f"Training of {run.region} diverged: the loss is {value} at step {progress.step}. Lower "
            "schedule.learning_rate and start afresh; the last checkpoint was kept."
        )
    return Row(progress.step, progress.seconds, value, rate)


def changed_part(before: Tensor, after: Tensor) -> Tensor:
    """(N, 1, H, W) 0..1 where a pair differs, with a little of what lies around it."""
    change = functional.avg_pool2d((after - before).abs().amax(dim=1, keepdim=True), 5, 1, 2)
    return (change / CHANGED).clamp(max=1.0)


def gate_loss(sure: Tensor, changed: Tensor, matte: Tensor) -> Tensor:
    """Cross-entropy of the gate inside the matte."""
    error = functional.binary_cross_entropy_with_logits(sure, changed, reduction="none")
    return (error * matte).sum() / (matte.sum() + 1.0)


def loss_of(weights: RegionLoss, result: Tensor, after: Tensor, matte: Tensor) -> Tensor:
    """Error weighted by `matte`, in all and band by band; crops with lights are scaled down by their brightest."""
    peak = after.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    error = (result - after) * matte / peak
    total = matte.sum() * 3.0 + 1.0
    loss = (weights.absolute * error.abs().sum() + weights.squared * error.square().sum()) / total
    rest = error
    for _ in range(PYRAMID):
        broad = functional.avg_pool2d(rest, 2)
        band = rest - functional.interpolate(broad, scale_factor=2.0, mode="bilinear", align_corners=False)
        # A band at half the size has a quarter of the pixels and as much to say.
        loss = loss + weights.bands / PYRAMID * band.abs().mean() * matte.numel() / (matte.sum() + 1.0)
        rest = broad
    return loss


def averaged(run: Run) -> Coded:
    """The network and codes with the moving average of their weights, on the run's device."""
    model = Coded(run.settings.size, run.settings.codes, len(run.model.free), run.model.net.way is not None)
    model = model.to(run.device)
    run.ema.copy_to(model)
    return model.to(memory_format=torch.channels_last).eval()


@torch.no_grad()
def error_kept(model: Coded, watched: Sequence[RegionPair]) -> float:
    """Mean absolute error inside the mattes of `watched`, code 0, against that of the untouched plate: 1 = no gain."""
    left, before = 0.0, 0.0
    for one in watched:
        plate, after, matte = crop_of(one, model.net.multiple)
        free = torch.zeros(1, model.net.codes - 1)
        result = model.net.result(plate, matte, torch.tensor([one.amount]), free)
        left += float(((result - after).abs() * matte).sum())
        before += float(((plate - after).abs() * matte).sum())
    return left / max(before, 1e-9)


def crop_of(one: RegionPair, multiple: int) -> tuple[Tensor, Tensor, Tensor]:
    """Before, After (1, 3, H, W) and matte (1, 1, H, W) of a pair, cut to its matte with a margin of 32 pixels."""
    pair = one.pair
    spans = []
    for axis, size in enumerate(pair.matte.shape):
        found = np.flatnonzero((pair.matte > 0).any(axis=1 - axis))
        low, high = max(0, int(found.min()) - 32), min(size, int(found.max()) + 33)
        side = min(-(-(high - low) // multiple) * multiple, size // multiple * multiple)
        low = min(low, size - side)
        spans.append(slice(low, low + side))
    window = (spans[0], spans[1])
    before, after = (
        torch.from_numpy(plane[window].astype(np.float32)).permute(2, 0, 1)[None] for plane in (pair.before, pair.after)
    )
    return before, after, torch.from_numpy(pair.matte[window].astype(np.float32) / 255.0)[None, None]


def _note(run: Run, row: Row, watched: Sequence[RegionPair]) -> None:
    kept = error_kept(averaged(run).cpu(), watched) if watched else None
    run.rows.append(Row(row.step, row.seconds, row.loss, row.learning_rate, kept))
    left = run.progress.seconds_left(run.settings.schedule)
    tail = f"  error left on watched pairs {100 * kept:.0f} %" if kept is not None else ""
    log.info("%s: step %d  loss %.4f  %.1f min left%s", run.region, row.step, row.loss, (left or 0) / 60, tail)


# State on disk --------------------------------------------------------------------------------------------------------


def has_way(weights: Iterable[str]) -> bool:
    """Whether these are the names of the weights of a net that knows when each part of a change comes."""
    return any(".way." in f".{name}" for name in weights)


def start_from(run: Run, weights: dict[str, Tensor], base_model: str) -> None:
    """Put the net of an earlier region model into a fresh run. Raises UsageError when it is of another size."""
    try:
        run.model.net.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(
            f"{base_model or 'The starting model'} is of another size than this run ({run.settings.size}, "
            f"{run.settings.codes} codes): {str(error).splitlines()[0]} Choose the size that fits it."
        ) from error
    run.ema = Ema(run.model, run.settings.schedule.ema)
    run.base_model = base_model


def save(run: Run, out: str) -> None:
    """Write checkpoint and log, atomically. Raises DiskError; then the checkpoint before is still there."""
    optimizers: dict[str, torch.optim.Optimizer] = {"muon": run.optimizer}
    extra = {
        "progress": asdict(run.progress),
        "base_model": run.base_model,
        "rows": [asdict(row) for row in run.rows],
        "size": run.settings.size,
        "codes": run.settings.codes,
        "region": run.region,
    }
    if run.adversary is not None:
        optimizers["adversary"] = run.adversary.optimizer
        extra["adversary"] = run.adversary.state()
    checkpoint.save(
        os.path.join(out, CHECKPOINT),
        step=run.progress.step,
        recipe_digest=run.digest,
        model=_kept(run),
        ema=run.ema,
        optimizers=optimizers,
        extra=extra,
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, tuple(Row.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in run.rows)
    atomic.write_bytes(os.path.join(out, LOG), text.getvalue().encode("utf-8"))


def restore(run: Run, path: str) -> None:
    """Put a checkpoint back into a fresh run. Raises as `checkpoint.restore`."""
    state = checkpoint.load(path)
    optimizers: dict[str, torch.optim.Optimizer] = {"muon": run.optimizer}
    if run.adversary is not None:
        optimizers["adversary"] = run.adversary.optimizer
    checkpoint.restore(state, recipe_digest=run.digest, model=_kept(run), ema=run.ema, optimizers=optimizers)
    run.progress = Progress(**state.extra["progress"])
    run.rows = [Row(**row) for row in state.extra["rows"]]
    run.base_model = state.extra["base_model"]
    if run.adversary is not None:
        run.adversary.load(state.extra["adversary"])


def _kept(run: Run) -> nn.Module:
    return run.model if run.adversary is None else nn.ModuleDict({"net": run.model, "adversary": run.adversary.net})
