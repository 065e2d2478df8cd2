"""The training loop of paint-fix models, top to bottom: pairs in, averaged weights out.

What one step sees depends on the seed and the step's number alone, and everything else that changes lives in the
checkpoint, so that a run that was stopped or killed goes on bit for bit. On several processes (torchrun) each takes its
share of every batch and the gradients are averaged; only the first one writes.
"""

from __future__ import annotations

import csv
import io
import logging
import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack import atomic
from bipack.errors import BipackError, UsageError
from bipack_train import adversary, checkpoint, dataset, muon, paintfix, processes, recipe
from bipack_train.dataset import Batch, Crops, PairPool
from bipack_train.ema import Ema
from bipack_train.models import networks
from bipack_train.models.paintfix import PaintFixNet, apply_gate, gate
from bipack_train.paintfix import PairsRecipe, Progress
from bipack_train.pairs import Pair
from bipack_train.superres import pick_device

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"
LOG_COLUMNS = ("step", "seconds", "loss", "change_loss", "matte_loss", "learning_rate", "hole_psnr")
EVALUATE_EVERY = 0.05
"""Part of the run between two looks at the held-out pair."""

EVALUATED_PIXELS = 1 << 20
"""Most pixels of the held-out pair that are looked at."""


@dataclass
class Row:
    """One line of the log."""

    step: int
    seconds: float
    loss: float
    change_loss: float
    matte_loss: float
    learning_rate: float
    hole_psnr: float | None = None


@dataclass
class Run:
    """One training run: everything that changes from step to step."""

    settings: PairsRecipe
    net: PaintFixNet
    ema: Ema
    optimizer: torch.optim.Optimizer
    device: torch.device
    progress: Progress
    digest: str
    adversary: adversary.Stage | None = None
    rows: list[Row] = field(default_factory=list)
    base_model: str = ""
    looked_at: float = 0.0
    """Part done at the last look at the held-out pair."""


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


def build(settings: PairsRecipe, device: torch.device, pairs_digest: str = "") -> Run:
    """A run at step 0; the seed decides the first weights and every crop."""
    torch.manual_seed(settings.seed)
    net = networks.build(settings.size, len(settings.frame_offsets)).to(device)
    net = net.to(memory_format=torch.channels_last)  # 1.5 to 2 times as fast, on CPU and GPU
    schedule = settings.schedule
    optimizer = muon.of_net(net, net.ENDS, schedule.learning_rate, schedule.weight_decay)
    digest = recipe.digest(settings) + pairs_digest
    run = Run(settings, net, Ema(net, schedule.ema), optimizer, device, paintfix.start(schedule), digest)
    if settings.adversary.share > 0:
        run.adversary = adversary.Stage(settings.adversary, device)
    return run


def held_out_index(pairs: Sequence[Pair], choice: str) -> int | None:
    """Which pair is held out: the named frame; for auto the middle one of four or more. Raises UsageError."""
    if choice == "none" or (choice == "auto" and len(pairs) < 4):
        return None
    if choice == "auto":
        return len(pairs) // 2
    for index, pair in enumerate(pairs):
        if str(pair.frame) == choice and len(pairs) > 1:
            return index
    raise UsageError(f"Frame {choice} cannot be held out: it is no pair of this run, or the only one.")


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
    held_out = None if validation else held_out_index(pairs, settings.hold_out.frame)
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
    watched = [_Watched(pair, run.net.multiple) for pair in material.watched]
    watcher = watcher or Nobody()
    watcher.begin(run)
    _loop(run, material.pool, material.full, watched, out, watcher, clock)
    return run


def pairs_digest(pairs: Sequence[Pair]) -> str:
    """Part of the run's digest: a run is only resumed with the pairs that it was started with."""
    return ":" + ",".join(f"{pair.frame}={pair.digest[:12]}" for pair in pairs)


def start_from(run: Run, weights: dict[str, Tensor], base_model: str) -> None:
    """Put earlier weights into a fresh run. Raises UsageError when they are of another network."""
    try:
        run.net.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(
            f"{base_model or 'The starting model'} is of another size or kind than this run ({run.settings.size}, "
            f"{len(run.settings.frame_offsets)} frames): {str(error).splitlines()[0]} Choose the size that fits it."
        ) from error
    run.ema = Ema(run.net, run.settings.schedule.ema)
    run.base_model = base_model


# The loop -----------------------------------------------------------------------------------------------------------


def _loop(
    run: Run,
    pool: Crops,
    full: Crops | None,
    watched: list[_Watched],
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
        _look(run, watched)
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
    parts = (batch.before, batch.after, batch.matte, batch.matte if batch.target is None else batch.target)
    before, after, matte, target = (part.to(run.device, non_blocking=True) for part in parts)
    fast = fast_type(run.device) if not progress.precise(schedule) else None
    with torch.autocast(run.device.type, torch.bfloat16, enabled=fast is not None):
        fixed, logit = model(before)
    change_loss, matte_loss = losses(settings.loss, fixed, logit, after, matte, target)
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


def losses(
    weights: paintfix.Loss, fixed: Tensor, logit: Tensor, after: Tensor, matte: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted losses of the change, measured inside the matte and ungated, and of what was found.

    `fixed`, `after` (N, 3, H, W); `logit`, `matte`, `target` (N, 1, H, W). Errors are divided by the brightest value of
    each crop where that is above 1: one lamp must not outweigh the skin beside it.
    """
    peak = after.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    error = (fixed - after) / peak
    weight = matte + weights.outside
    total = weight.sum() * 3.0
    absolute = (error.abs() * weight).sum() / total
    squared = (error.square() * weight).sum() / total
    cross_entropy = functional.binary_cross_entropy_with_logits(logit, target)
    return weights.absolute * absolute + weights.squared * squared, weights.matte * cross_entropy


def fast_type(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the device computes with it natively (twice as fast); None where it would be emulated."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if device.type == "cpu" and native else None


def averaged(run: Run) -> PaintFixNet:
    """The network with the moving average of its weights, on the run's device."""
    net = networks.build(run.settings.size, len(run.settings.frame_offsets)).to(run.device)
    run.ema.copy_to(net)
    return net.to(memory_format=torch.channels_last).eval()


def _keep(run: Run, row: Row) -> None:
    """Add a row to the log, thinned out so that long runs stay small: every step at first, then ever fewer."""
    if row.step % max(1, 2 ** int(math.log2(max(1, row.step)) - 6)) == 0:
        run.rows.append(row)


# The held-out pair ----------------------------------------------------------------------------------------------------


class _Watched:
    """The part of a held-out pair around its edit, as tensors."""

    def __init__(self, pair: Pair, multiple: int) -> None:
        rows, columns = _window(pair.matte, multiple)
        self.before = _planes(np.concatenate([plane[rows, columns] for plane in (pair.before, *pair.around)], axis=-1))
        self.after = _planes(pair.after[rows, columns])
        self.inside = torch.from_numpy(np.ascontiguousarray(pair.matte[rows, columns] > 127))[None, None]


def _planes(pixels: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))[None]


def _window(matte: np.ndarray[Any, Any], multiple: int) -> tuple[slice, slice]:
    """The busiest window of at most EVALUATED_PIXELS, its sides multiples of `multiple`."""
    height, width = (side // multiple * multiple for side in matte.shape)
    side = int(math.sqrt(EVALUATED_PIXELS)) // multiple * multiple
    rows, columns = min(height, side), min(width, side)
    spots = np.argwhere(matte > 127)
    middle = spots.mean(axis=0) if len(spots) else np.array(matte.shape) / 2
    top = int(np.clip(middle[0] - rows / 2, 0, matte.shape[0] - rows))
    left = int(np.clip(middle[1] - columns / 2, 0, matte.shape[1] - columns))
    return slice(top, top + rows), slice(left, left + columns)


def _look(run: Run, watched: list[_Watched]) -> None:
    """Measure the held-out pair when it is time, and stop early when it no longer gets better."""
    schedule = run.settings.schedule
    done = run.progress.done(schedule)
    if not watched or run.progress.finishing(schedule) or done - run.looked_at < EVALUATE_EVERY:
        return
    run.looked_at = done
    score = hole_psnr(run, watched)
    if run.rows:
        run.rows[-1] = replace(run.rows[-1], hole_psnr=score)
    if run.progress.note_score(score, run.settings):
        log.info("the held-out pair no longer gets better: going on to the last part")


@torch.no_grad()
def hole_psnr(run: Run, watched: Sequence[_Watched]) -> float:
    """PSNR in dB inside the mattes of the watched pairs, of the gated result, in encoded values."""
    net = averaged(run)
    total, count = 0.0, 0
    for part in watched:
        before = part.before.to(run.device)
        with torch.autocast(run.device.type, torch.bfloat16, enabled=fast_type(run.device) is not None):
            fixed, logit = net(before)
        result = apply_gate(before[:, :3], fixed, gate(logit)).cpu()
        error = (result - part.after).square().mean(dim=1, keepdim=True)[part.inside]
        total, count = total + float(error.sum()), count + error.numel()
    return -10.0 * math.log10(max(total / max(count, 1), 1e-10))


# State on disk --------------------------------------------------------------------------------------------------------


def save(run: Run, out: str) -> None:
    """Write checkpoint and log, atomically. Raises DiskError; then the checkpoint before is still there."""
    optimizers = {"muon": run.optimizer}
    extra = {
        "progress": asdict(run.progress),
        "base_model": run.base_model,
        "looked_at": run.looked_at,
        "rows": [asdict(row) for row in run.rows],
        "size": run.settings.size,
        "frames": len(run.settings.frame_offsets),
    }
    if run.adversary is not None:
        optimizers["adversary"] = run.adversary.optimizer
        extra["adversary"] = run.adversary.state()
    checkpoint.save(
        os.path.join(out, CHECKPOINT),
        step=run.progress.step,
        recipe_digest=run.digest,
        model=run.net if run.adversary is None else nn.ModuleDict({"net": run.net, "adversary": run.adversary.net}),
        ema=run.ema,
        optimizers=optimizers,
        extra=extra,
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, LOG_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in run.rows)
    atomic.write_bytes(os.path.join(out, LOG), text.getvalue().encode("utf-8"))


def restore(run: Run, path: str) -> None:
    """Put a checkpoint back into a fresh run. Raises as `checkpoint.restore`."""
    state = checkpoint.load(path)
    optimizers = {"muon": run.optimizer}
    if run.adversary is not None:
        optimizers["adversary"] = run.adversary.optimizer
    checkpoint.restore(
        state,
        recipe_digest=run.digest,
        model=run.net if run.adversary is None else nn.ModuleDict({"net": run.net, "adversary": run.adversary.net}),
        ema=run.ema,
        optimizers=optimizers,
    )
    run.progress = Progress(**state.extra["progress"])
    run.rows = [Row(**row) for row in state.extra["rows"]]
    run.base_model, run.looked_at = state.extra["base_model"], float(state.extra["looked_at"])
    if run.adversary is not None:
        run.adversary.load(state.extra["adversary"])
