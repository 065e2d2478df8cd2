"""The slow-motion trainer: its loss and its loop.

The flow network learns first: the new frame that its flow and bending bring, mixed as the synthesis network weighs it,
must be the true one; where the scene was rendered, the true flow and visibility are known too. Then the synthesis
network is fitted to what that flow brings (`slowmo_synthesis`). Moments with the flow that is looked for are made first
(`slowmo_material`), so that the loop only trains. `minutes` bounds the loop by the clock: rates follow the share of the
time that is used up.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack.errors import ModelRefused, UsageError
from bipack_train import (
    checkpoint,
    muon,
    slowmo_landing,
    slowmo_synthesis,
    timed_run,
)
from bipack_train.devices import pick_device
from bipack_train.ema import Ema
from bipack_train.models.slowmo import SynthesisNet, enlarge, grown, read
from bipack_train.models.slowmo_flow import FlowNet
from bipack_train.slowmo_pool import HELD_BACK, RENDERED, Batch, MomentPool
from bipack_train.slowmo_recipe import Schedule, SlowmoRecipe
from bipack_train.training_log import TrainingLog, finite

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"
_MARGIN = 12
"""Pixels at the border of a crop that are not judged: it hides where they come from."""

_FLOOR = 2e-5
"""Squared error that every crop is taken to have besides its own, so that the slope of the root stays small: 47 dB."""

_OUTER = ("at_quarter.enter", *(f"levels.{level}.{part}" for level in range(3) for part in ("compare", "head")))
"""Layers of the flow network that Adam turns; the others are turned by Muon."""

_WEIGHT_DECAY = 0.01

_KEPT = (0.0, 0.5, 1.0)
"""Shares of what a clip taught of which one is kept, by what it does to the held-back moments."""

_LOG_COLUMNS = ("step", "minutes", "loss", "learning_rate", "psnr_of_crops")


# The loss -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """What one batch came to."""

    loss: Tensor
    error: Tensor
    """Mean squared error of each picture, (N,)."""


def judge(nets: nn.ModuleDict, batch: Batch, schedule: Schedule, autocast: bool) -> Judged:
    """Find flow and bending, make the new frame as the host does, and compare it with the true one.

    Each crop counts by the root of its error: by the logarithm, which is what a mean of PSNRs judges, the noise of easy
    crops drowns what hard ones teach about motion. Half is the error of the mix, half that of its parts, so that no two
    wrong ones agree on their mean.
    """
    with torch.autocast(batch.frame0.device.type, torch.bfloat16, enabled=autocast):
        flow, bend, reliability = nets["flow"](batch.frame0, batch.frame1, batch.prior, batch.bend)
    measured = slowmo_landing.steadied(batch.bend, batch.frame0, batch.frame1)
    here, shifts = slowmo_landing.landed(batch.frame0, batch.frame1, flow, bend, batch.time, measured)
    parts = [*slowmo_landing.moved(batch.frame0, batch.frame1, shifts), batch.frame0, batch.frame1]
    with torch.no_grad():
        features, guess = read(torch.cat(parts, dim=1), here, batch.time)
        synthesis = nets["synthesis"]
        assert isinstance(synthesis, SynthesisNet)
        weights = enlarge(torch.softmax(guess + synthesis.change(features), dim=1))
    # One lamp must not outweigh all else.
    peak = batch.between.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    wrong = [((part - batch.between) / peak)[:, :, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN] for part in parts]
    shares = weights[:, :, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    pairs = [(shares[:, index : index + 1], miss) for index, miss in enumerate(wrong)]
    mixed = torch.stack([share * miss for share, miss in pairs]).sum(dim=0).square().mean(dim=(1, 2, 3))
    each = torch.stack([share * miss.square() for share, miss in pairs]).sum(dim=0).mean(dim=(1, 2, 3))
    loss = 0.5 * ((mixed + _FLOOR).sqrt() + (each + _FLOOR).sqrt()).mean()
    if float(batch.known.sum()) > 0:
        loss = (
            loss
            + schedule.flow_weight * _flow_error(flow, batch)
            + schedule.seen_weight * _seen_error(reliability, batch)
        )
    return Judged(loss, mixed.detach())


def _flow_error(flow: Tensor, batch: Batch) -> Tensor:
    """Distance to the true flow where it is known; hidden pixels count a quarter, long misses less than in full."""
    miss = (flow - batch.flow).view(-1, 2, 2, *flow.shape[2:]).square().sum(dim=2)
    weight = batch.known * (0.25 + 0.75 * batch.seen)
    return ((miss + 0.01).pow(0.35) * weight).sum() / weight.sum().clamp(min=1.0)


def _seen_error(reliability: Tensor, batch: Batch) -> Tensor:
    entropy = functional.binary_cross_entropy(reliability.float().clamp(1e-4, 1 - 1e-4), batch.seen, reduction="none")
    return (entropy * batch.known).sum() / (batch.known.sum() * entropy[0].numel()).clamp(min=1.0)


# The loop -----------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One training run: everything that changes from step to step."""

    settings: SlowmoRecipe
    nets: nn.ModuleDict
    ema: Ema
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    device: torch.device
    step: int = 0
    seconds: float = 0.0


def networks(settings: SlowmoRecipe) -> nn.ModuleDict:
    """Both networks, untrained: the flow that they are given, and the first guess of what it brings."""
    return nn.ModuleDict({"flow": FlowNet(), "synthesis": SynthesisNet(settings.network.synthesis_width)})


def started(settings: SlowmoRecipe, weights: dict[str, Tensor]) -> nn.ModuleDict:
    """Both networks as a run that starts from `weights` begins, on the CPU."""
    nets = networks(settings)
    _begin_with(nets, weights, keep_flow=False)
    return nets.eval()


def start_run(settings: SlowmoRecipe, device: torch.device) -> Run:
    """A run at step 0; the seed decides the first weights and every crop."""
    torch.manual_seed(settings.seed)
    nets = networks(settings).to(device).to(memory_format=torch.channels_last)
    optimizer = muon.of_net(nets["flow"], _OUTER, settings.schedule.learning_rate, _WEIGHT_DECAY)
    rng = np.random.default_rng([settings.seed, 2])
    return Run(settings, nets, Ema(nets, settings.schedule.ema), optimizer, rng, device)


def progress(run: Run) -> float:
    """Share of the schedule that is done, 0 to 1: of the steps or of the minutes, whichever is farther."""
    schedule = run.settings.schedule
    by_clock = run.seconds / (60 * schedule.minutes) if schedule.minutes else 0.0
    return min(1.0, max(run.step / schedule.steps, by_clock))


def learning_rate(schedule: Schedule, step: int, done: float) -> float:
    """Rate at `step` with the share `done` behind it: a linear rise, then a cosine fall to a hundredth."""
    rise = min(1.0, (step + 1) / max(1, schedule.warm_up))
    return schedule.learning_rate * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done)))


def take_step(run: Run, pool: MomentPool) -> Judged:
    """One optimizer step."""
    schedule = run.settings.schedule
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, run.step, progress(run)) * (1.0 if group["inner"] else 0.5)
    batch = on_device(pool.sample(run.rng, schedule.batch, run.settings.data.real_share), run.device)
    judged = judge(run.nets, batch, schedule, autocast=True)
    run.optimizer.zero_grad(set_to_none=True)
    judged.loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.nets["flow"].parameters(), schedule.gradient_limit)
    run.optimizer.step()
    run.ema.update(run.nets)
    run.step += 1
    return judged


def on_device(batch: Batch, device: torch.device) -> Batch:
    """The batch with every tensor on `device`."""
    return Batch(*(getattr(batch, part.name).to(device) for part in dataclasses.fields(Batch)))


def train(
    settings: SlowmoRecipe,
    pool: MomentPool,
    out: str,
    *,
    device: str = "auto",
    resume: bool = False,
    weights: dict[str, Tensor] | None = None,
    keep_flow: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Run a recipe on `pool` to its end and return the run; its averaged weights are the model.

    `out` takes checkpoint.safetensors and training.csv; `weights` are those of a model to start from, of both networks
    or of the flow network alone; with `keep_flow` that stays as it is and only the synthesis network learns. Raises
    UsageError where `out` holds a run already and `resume` is not set, DiskError, and BipackError where the loss is no
    longer finite.
    """
    path = os.path.join(out, CHECKPOINT)
    if os.path.exists(path) and not resume:
        raise UsageError(f"{out} holds a run already. Go on with it by --resume, or give another --out.")
    os.makedirs(out, exist_ok=True)
    log.info("%d rendered moments of %d, %.0f MB", pool.count(RENDERED), len(pool), pool.megabytes)
    run = start_run(settings, pick_device(device))
    start: dict[str, Tensor] | None = None
    if weights is not None:
        _begin_with(run.nets, weights, keep_flow)
        run.ema = Ema(run.nets, settings.schedule.ema)
        start = {name: value.cpu() for name, value in run.ema.state().items()}
    if resume and os.path.exists(path):
        state = timed_run.restore(run, run.nets, path)
        log.info("going on from step %d", run.step)
        if state.extra.get("fitted"):
            return run
    rows = TrainingLog(os.path.join(out, LOG), _LOG_COLUMNS, run.step)
    if not keep_flow:
        _loop(run, pool, path, rows, stop)
    if keep_flow or progress(run) >= 1.0:
        _fit(run, pool, path, rows, start, stop)
    return run


def _begin_with(nets: nn.ModuleDict, weights: dict[str, Tensor], keep_flow: bool) -> None:
    """Start from weights; a network of another shape begins afresh, but for a synthesis network of 0.3.0.

    Raises ModelRefused where that is the flow network, and `keep_flow` is set.
    """
    for part in nets:
        prefix = f"{part}."
        own = {name[len(prefix) :]: value for name, value in weights.items() if name.startswith(prefix)}
        expected = {name: value.shape for name, value in nets[part].state_dict().items()}
        own = grown(own) if part == "synthesis" else own
        if {name: value.shape for name, value in own.items()} == expected:
            nets[part].load_state_dict(own)
        elif part == "flow" and keep_flow:
            raise ModelRefused("The model to start from has another flow network than the recipe.")
        else:
            log.info("The model to start from has another %s network than the recipe: it begins afresh.", part)


def _fit(
    run: Run,
    pool: MomentPool,
    path: str,
    rows: TrainingLog,
    start: dict[str, Tensor] | None,
    stop: Callable[[], bool],
) -> None:
    """Fit the synthesis network to what the finished flow network finds; where moments are held back, keep as much of
    all that was learned since `start` as is best for them."""
    begun, settings = time.monotonic(), run.settings
    nets = averaged(run)
    synthesis = nets["synthesis"]
    assert isinstance(synthesis, SynthesisNet)
    pixels = slowmo_synthesis.gather(nets["flow"], pool, settings.synthesis, settings.data.real_share, settings.seed)
    gain = slowmo_synthesis.learn(synthesis, pixels, settings.synthesis, settings.seed, stop)
    own = _chosen(nets, start, pool, settings.seed) if start and pool.count(HELD_BACK) else {}
    run.nets["synthesis"].load_state_dict(synthesis.state_dict())
    run.ema.load(nets.state_dict(), run.ema.updates)
    run.step += settings.synthesis.steps
    run.seconds += time.monotonic() - begun
    rows.add(run.step, f"{run.seconds / 60:.2f}", f"{-gain:.4f}", settings.synthesis.learning_rate, "")
    timed_run.save(run, run.nets, path, fitted="yes", flow_detail=settings.data.flow_detail, **own)


def _chosen(nets: nn.ModuleDict, start: dict[str, Tensor], pool: MomentPool, seed: int) -> dict[str, str]:
    """Bring `nets` back towards `start` as far as is best for the held-back moments; what the checkpoint says of it."""
    samples, learned = pool.samples(HELD_BACK), {name: value.clone() for name, value in nets.state_dict().items()}
    found: dict[float, float] = {}
    for share in _KEPT:
        nets.load_state_dict({name: torch.lerp(start[name], learned[name], share) for name in learned})
        found[share] = float(slowmo_synthesis.scores(nets, samples, seed).mean())
        log.info("%.0f%% of what was learned: %.3f dB on %d held-back crops", 100 * share, found[share], len(samples))
    best = max(found, key=found.__getitem__)
    nets.load_state_dict({name: torch.lerp(start[name], learned[name], best) for name in learned})
    if best == 0.0:
        log.warning("The clip taught nothing that helps its own held-back frames: the model stays what it was.")
    return {
        "kept": f"{best:g}",
        "held_back": str(len(samples)),
        "held_back_psnr": f"{found[best]:.2f}",
        "held_back_before": f"{found[0.0]:.2f}",
    }


def _loop(run: Run, pool: MomentPool, path: str, rows: TrainingLog, stop: Callable[[], bool]) -> None:
    settings = run.settings
    begun, earlier, saved = time.monotonic(), run.seconds, time.monotonic()
    losses: list[float] = []
    errors: list[Tensor] = []
    while progress(run) < 1.0:
        judged = take_step(run, pool)
        losses.append(float(judged.loss.detach()))
        errors.append(judged.error)
        run.seconds = earlier + time.monotonic() - begun
        ends = progress(run) >= 1.0
        if run.step % settings.log_every == 0 or ends:
            mean = finite(sum(losses) / len(losses), run.step)
            found = float((-10 * torch.log10(torch.cat(errors) + 1e-10)).mean())
            rate = float(run.optimizer.param_groups[0]["lr"])
            log.info("step %d  %.0f%%  loss %.5f  %.2f dB on crops", run.step, 100 * progress(run), mean, found)
            rows.add(run.step, f"{run.seconds / 60:.2f}", f"{mean:.6f}", f"{rate:.3e}", f"{found:.3f}")
            losses.clear()
            errors.clear()
        if ends or stop() or time.monotonic() - saved > settings.checkpoint_seconds:
            timed_run.save(run, run.nets, path)
            saved = time.monotonic()
            if stop():
                return


def averaged(run: Run) -> nn.ModuleDict:
    """Both networks with the moving average of their weights, on the CPU."""
    nets = networks(run.settings)
    run.ema.copy_to(nets)
    return nets.eval()


def averaged_from(path: str, settings: SlowmoRecipe) -> nn.ModuleDict:
    """The finished networks of the checkpoint at `path`, on the CPU."""
    nets = networks(settings)
    nets.load_state_dict(checkpoint.load_weights(path))
    return nets.eval()
