"""The training loop of paint-fix models, top to bottom: pairs in, averaged weights out.

What one step sees depends on the seed and the step's number alone, and everything else that changes lives in the
checkpoint, so that a run that was stopped or killed goes on bit for bit. On several processes (torchrun) each takes its
share of every batch and the gradients are averaged; only the first one writes.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack.errors import BipackError, UsageError
from bipack_train import dataset, paintfix, processes
from bipack_train.dataset import Batch, Crops, PairPool
from bipack_train.devices import fast_type, pick_device
from bipack_train.held_out_pairs import Watched, index_of, look
from bipack_train.paintfix import PairsRecipe
from bipack_train.paintfix_run import CHECKPOINT, Row, Run, build, pairs_digest, restore, save, start_from
from bipack_train.pairs import Pair

log = logging.getLogger(__name__)


@dataclass
class Material:
    """What a run learns from and is watched on."""

    pool: Crops
    """Crops of the first part of the run."""

    full: Crops | None = None
    """Crops of the last part; None where they are the same."""

    watched: Sequence[Pair] = ()
    """Pairs that `pool` does not hold."""

    digest: str = ""
    """What tells this material from other; part of the run's digest."""


class Watcher(Protocol):
    """What a run tells the outside, and hears from it."""

    def begin(self, run: Run) -> None:
        """Called once the run is built or restored."""

    def report(self, run: Run, final: bool) -> None:
        """Called every `report_seconds` and at the end."""

    def stop(self) -> bool:
        """Asked after every step; True ends the run after a checkpoint."""
        ...


class Nobody:
    """A watcher that keeps quiet and never stops a run."""

    def begin(self, run: Run) -> None:
        """Nothing."""

    def report(self, run: Run, final: bool) -> None:
        """Nothing."""

    def stop(self) -> bool:
        """Never."""
        return False


def train(
    settings: PairsRecipe,
    pairs: Sequence[Pair],
    out: str,
    *,
    device: str = "auto",
    resume: bool = False,
    weights: dict[str, Tensor] | None = None,
    base_model: str = "",
    watcher: Watcher | None = None,
    validation: Sequence[Pair] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Train on `pairs` and return the run; its averaged weights are the model.

    `out` takes checkpoint.safetensors and training.csv. `weights` start the net (fine-tuning), `base_model` says what
    they are. `validation` pairs are watched instead of a held-out one. `clock` gives seconds: wall time, or processor
    time to compare methods on a busy machine. Raises UsageError where `out` holds a run already and `resume` is not
    set, DiskError, and BipackError where the loss is no longer finite.
    """
    held_out = None if validation else index_of(pairs, settings.hold_out.frame)
    shown = [pair for index, pair in enumerate(pairs) if index != held_out]
    sampling = settings.sampling
    material = Material(
        PairPool(shown, sampling, settings.seed),
        PairPool(pairs, sampling, settings.seed) if held_out is not None else None,
        list(validation) if validation else [pairs[held_out]] if held_out is not None else [],
        pairs_digest(pairs),
    )
    return train_on(
        settings,
        material,
        out,
        device=device,
        resume=resume,
        weights=weights,
        base_model=base_model,
        watcher=watcher,
        clock=clock,
    )


def train_on(
    settings: PairsRecipe,
    material: Material,
    out: str,
    *,
    device: str = "auto",
    resume: bool = False,
    weights: dict[str, Tensor] | None = None,
    base_model: str = "",
    watcher: Watcher | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """`train` for material of any origin, such as marks that are drawn."""
    path = os.path.join(out, CHECKPOINT)
    if os.path.exists(path) and not resume:
        raise UsageError(f"{out} holds a run already. Go on with it by --resume, or give another --out.")
    run = build(settings, pick_device(device), material.digest)
    if resume and os.path.exists(path):
        restore(run, path)
        log.info("going on from step %d", run.progress.step)
    elif weights is not None:
        start_from(run, weights, base_model)
    watched = [Watched(pair, run.net.multiple) for pair in material.watched]
    watcher = watcher or Nobody()
    watcher.begin(run)
    _loop(run, material.pool, material.full, watched, out, watcher, clock)
    return run


# The loop -----------------------------------------------------------------------------------------------------------


def _loop(
    run: Run,
    pool: Crops,
    full: Crops | None,
    watched: list[Watched],
    out: str,
    watcher: Watcher,
    clock: Callable[[], float],
) -> None:
    settings, schedule = run.settings, run.settings.schedule
    rank, ranks = processes.rank()
    share = processes.share(settings.sampling.batch, rank, ranks)
    model = processes.wrapped(run.net, run.device) if ranks > 1 else run.net
    threads = 4 if run.device.type != "cpu" else int(torch.get_num_threads() > 1)
    begun, earlier = clock(), run.progress.seconds
    saved = reported = time.monotonic()
    joined = full is None or run.progress.finishing(schedule)
    feed = dataset.batches(full if full and joined else pool, run.progress.step, *share, threads)
    while not run.progress.over(schedule):
        row = take_step(run, model, next(feed))
        run.progress.seconds = processes.agreed(earlier + clock() - begun, ranks)
        _keep(run, row)
        look(run, watched)
        if full and not joined and run.progress.finishing(schedule):
            joined = True
            feed = dataset.batches(full, run.progress.step, *share, threads)
        now = time.monotonic()
        stopping = processes.agreed(float(watcher.stop()), ranks) > 0
        over = run.progress.over(schedule)
        if rank == 0 and (over or stopping or now - saved > settings.checkpoint_seconds):
            save(run, out)
            saved = time.monotonic()
        if rank == 0 and (over or stopping or now - reported > settings.report_seconds):
            watcher.report(run, over)
            reported = time.monotonic()
        if stopping:
            return


def take_step(run: Run, model: nn.Module, batch: Batch) -> Row:
    """One optimizer step on `batch`; `model` is the net, or what wraps it for several processes."""
    settings, schedule, progress = run.settings, run.settings.schedule, run.progress
    rate = progress.rate(schedule)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    parts = (batch.before, batch.after, batch.matte)
    before, after, matte = (part.to(run.device, non_blocking=True) for part in parts)
    fast = fast_type(run.device) if not progress.precise(schedule) else None
    with torch.autocast(run.device.type, torch.bfloat16, enabled=fast is not None):
        fixed, logit = model(before)
    change_loss, matte_loss = losses(settings.loss, fixed, logit, after, matte)
    loss = change_loss + matte_loss
    if run.adversary is not None and progress.done(schedule) >= progress.finish_to - settings.adversary.share:
        loss = loss + run.adversary.step(before[:, :3], fixed, after, matte)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
    run.optimizer.step()
    run.ema.update(run.net)
    progress.step += 1
    total, change, edge = torch.stack([loss.detach(), change_loss.detach(), matte_loss.detach()]).tolist()
    if not math.isfinite(total):
        raise BipackError(
            f"Training diverged: the loss is {total} at step {progress.step}. Lower schedule.learning_rate and "
            "start afresh; the last checkpoint was kept."
        )
    return Row(progress.step, progress.seconds, total, change, edge, rate)


def losses(weights: paintfix.Loss, fixed: Tensor, logit: Tensor, after: Tensor, matte: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted losses of the change, measured inside the matte and ungated, and of the matte.

    `fixed`, `after` (N, 3, H, W); `logit`, `matte` (N, 1, H, W). Errors are divided by the brightest value of
    each crop where that is above 1: one lamp must not outweigh the skin beside it.
    """
    peak = after.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    error = (fixed - after) / peak
    weight = matte + weights.outside
    total = weight.sum() * 3.0
    absolute = (error.abs() * weight).sum() / total
    squared = (error.square() * weight).sum() / total
    change = weights.absolute * absolute + weights.squared * squared
    return change, weights.matte * _crossed(logit, matte, weights.focus)


def _crossed(logit: Tensor, matte: Tensor, focus: float) -> Tensor:
    """Cross-entropy of the matte; with `focus` the pixels count by their error (Lin et al., "Focal loss", 2017)."""
    if focus == 0:
        return functional.binary_cross_entropy_with_logits(logit, matte)
    error = (torch.sigmoid(logit.detach()) - matte).abs() ** focus
    return (error * functional.binary_cross_entropy_with_logits(logit, matte, reduction="none")).mean()


def _keep(run: Run, row: Row) -> None:
    """Add a row to the log, thinned out so that long runs stay small: every step at first, then ever fewer."""
    if row.step % max(1, 2 ** int(math.log2(max(1, row.step)) - 6)) == 0:
        run.rows.append(row)
