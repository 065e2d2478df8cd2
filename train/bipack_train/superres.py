"""The super-res trainer's loop.

Train in the encoding of the worker (bipack.imaging.color), so that HDR values are seen as they will come. First a
Charbonnier loss at a constant rate, then the rate falls to zero while the loss turns into the squared error that PSNR
is made of; what is exported is the moving average of the weights. A recipe may end with a stage that adds detail
(superres_gan). The crops of a step depend on seed, step and process alone, so any checkpoint goes on bit for bit.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from bipack.errors import ModelRefused, UsageError
from bipack_train import adversary, checkpoint, degrade, metrics, muon, processes, recipe, superres_gan, superres_init
from bipack_train.devices import pick_device
from bipack_train.ema import Ema
from bipack_train.models import equivariant
from bipack_train.models.plain import PlainNet
from bipack_train.pool import CropPool
from bipack_train.superres_data import ValidationPicture, fill_pool, validation_pictures
from bipack_train.superres_loss import loss_of
from bipack_train.superres_recipe import SuperresRecipe, learning_rate
from bipack_train.training_log import TrainingLog, finite

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"
_LOG_COLUMNS = ("step", "minutes", "loss", "learning_rate", "validation_psnr_y", "validation_bicubic")
_ROUNDING = 1e-3
"""How far weights that were tied may have come apart, in a file of any precision."""

_AHEAD = 4
"""Batches that are cut while a GPU works."""

Crops = tuple[degrade.Pixels, degrade.Pixels]


@torch.no_grad()
def validate(net: PlainNet, watched: list[ValidationPicture], device: torch.device) -> float:
    """Mean PSNR-Y of `net` in dB on the validation pictures; 0 where there are none."""
    fused = net.fused().to(device)
    scores = []
    for picture in watched:
        result = fused(picture.low.to(device))[0].permute(1, 2, 0).float().cpu().numpy()
        scores.append(metrics.psnr_y(result, picture.high, net.scale))
    return float(np.mean(scores)) if scores else 0.0


@dataclass
class Run:
    """One training run: everything that changes from step to step."""

    settings: SuperresRecipe
    net: PlainNet
    ema: Ema
    optimizer: torch.optim.Optimizer
    device: torch.device
    step: int = 0
    seconds: float = 0.0
    critic: adversary.Stage | None = None
    """The discriminator of a recipe that has one."""

    ties: equivariant.Ties | None = None
    """The tied weights of an equivariant network."""

    base_model: str = ""
    """The model that it started from, as the card names it; empty for random weights."""

    model: nn.Module = field(init=False)
    """What a step calls: the net, or what compiles it or shares it among processes."""

    def __post_init__(self) -> None:
        self.model = self.net

    @property
    def adding_detail(self) -> bool:
        """True in the late stage."""
        return self.critic is not None and self.step >= self.detail_from

    @property
    def detail_from(self) -> int:
        """The first step of the late stage."""
        return math.ceil((1 - self.settings.adversary.share) * self.settings.schedule.steps)


def build_net(settings: SuperresRecipe) -> PlainNet:
    """The network of a recipe, at random."""
    size = settings.network
    return PlainNet(
        settings.scale,
        size.width,
        size.depth,
        expansion=size.expansion,
        frames=size.frames,
        noise=size.noise,
        branched=size.branched,
        balance=size.balance,
        skips=size.skips,
    )


def start_run(settings: SuperresRecipe, device: torch.device) -> Run:
    """A run at step 0; the seed decides the first weights and every crop."""
    torch.manual_seed(settings.seed)
    net = build_net(settings).to(device)
    net = net.to(memory_format=torch.channels_last)  # 1.5 to 2 times as fast, on CPU and GPU
    ties = equivariant.Ties(net) if settings.network.equivariant else None
    critic = adversary.Stage(settings.adversary, device) if settings.adversary.share else None
    if critic is not None:
        critic.net.to(memory_format=torch.channels_last)
    optimizer = optimizer_of(net, settings)
    return Run(settings, net, Ema(net, settings.schedule.ema), optimizer, device, critic=critic, ties=ties)


def optimizer_of(net: PlainNet, settings: SuperresRecipe) -> torch.optim.Optimizer:
    """Adam for branched convolutions, Muon for bare ones: branches under Muon learned far less in trials."""
    rate = settings.schedule.learning_rate
    if settings.keep:
        net.body.requires_grad_(False)
    if _by_adam(settings):
        learned = [one for one in net.parameters() if one.requires_grad]
        return torch.optim.Adam(learned, lr=rate, betas=(0.9, 0.99), foreach=True)
    ends = ("weigh.", "body.0.", f"body.{len(net.body) - 1}.", "detail.context.", "detail.first.", "detail.last.")
    return muon.of_net(net, ends, rate, weight_decay=0.0)


def _by_adam(settings: SuperresRecipe) -> bool:
    return settings.network.branched or settings.keep


def start_from(run: Run, source: str) -> None:
    """Take what fits of the model `source` over, before the first step. Raises MissingInput, ModelRefused."""
    run.base_model = superres_init.start_from(run.net, source)
    if run.ties is not None and run.ties.apart() > _ROUNDING:
        raise ModelRefused(
            f"{source} was not trained with network.equivariant, so an equivariant network cannot start from it. Name "
            "one that was, or leave init out."
        )
    run.ema = Ema(run.net, run.settings.schedule.ema)
    log.info("starting from %s", run.base_model)


def speed_up(run: Run, compiled: bool) -> None:
    """Let torch.compile fuse the net where asked, and share gradients where there are several processes."""
    if compiled:
        run.model = torch.compile(run.model)  # type: ignore[assignment]
    if processes.rank()[1] > 1:
        run.model = processes.wrapped(run.model, run.device, by_parts=run.critic is not None)


def crops(run: Run, pool: CropPool, step: int) -> Crops:
    """What this process learns from in `step`: its share of the batch."""
    rank, ranks = processes.rank()
    _, count = processes.share(run.settings.schedule.batch, rank, ranks)
    return pool.sample(np.random.default_rng([run.settings.seed, 2, step, rank]), count)


def take_step(run: Run, batch: Crops) -> Tensor:
    """One optimizer step; the loss is returned as a tensor so that nothing has to wait for it."""
    schedule = run.settings.schedule
    low, high = (_to_device(pixels, run.device) for pixels in batch)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, run.step)
    if run.adding_detail and run.step == run.detail_from:
        run.ema.copy_to(run.net)  # the faithful part learns no more, and its average is what will be exported
    loss = _loss(run, low, high)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if run.ties is not None:
        run.ties.gradients()
    nn.utils.clip_grad_norm_(run.net.parameters(), schedule.gradient_limit)
    run.optimizer.step()
    if run.ties is not None:
        run.ties.hold()
    run.ema.update(run.net)
    run.step += 1
    return loss.detach()


def _loss(run: Run, low: Tensor, high: Tensor) -> Tensor:
    settings, schedule = run.settings, run.settings.schedule
    squared = run.step >= schedule.squared_from
    autocast = torch.autocast(run.device.type, torch.bfloat16, enabled=run.step < schedule.precise_from)
    if not run.adding_detail:
        with autocast:
            result = run.model(low)
        return loss_of(result, high, squared, schedule.frequency, by_crop=schedule.by_crop)
    assert run.critic is not None
    with autocast:
        result = run.model(low, torch.randn_like(low[:, :1]), torch.ones(1, device=low.device))
        with torch.no_grad():
            faithful = run.net(low)
    weights = settings.suppression, settings.texture, settings.matching
    return superres_gan.loss(run.critic, low, result, high, faithful, weights)


def _to_device(pixels: degrade.Pixels, device: torch.device) -> Tensor:
    """(N, H, W, 3) to a channels-last (N, 3, H, W) tensor."""
    return torch.from_numpy(pixels).to(device, non_blocking=True).permute(0, 3, 1, 2)


def train(
    settings: SuperresRecipe,
    folder: str,
    out: str,
    *,
    device: str = "auto",
    resume: bool = False,
    compiled: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Run a recipe to its last step and return the run; its averaged weights are the model.

    `folder` holds the pictures, `out` takes checkpoint.safetensors and training.csv. `stop` is asked after each step;
    where it says yes, a checkpoint is written and the run returned as it is. Under torchrun every process calls this,
    and the first one writes. Raises UsageError where `out` holds a run already and `resume` is not set, DiskError,
    MissingInput, and BipackError where the loss is no longer finite.
    """
    path = os.path.join(out, CHECKPOINT)
    if os.path.exists(path) and not resume:
        raise UsageError(f"{out} holds a run already. Go on with it by --resume, or give another --out.")
    pool = fill_pool(settings, folder)
    watched = validation_pictures(settings, folder)
    log.info("%d pictures, %.0f MB, %d watched", len(pool), pool.megabytes, len(watched))
    run = start_run(settings, pick_device(device))
    if resume and os.path.exists(path):
        _restore(run, path)
        log.info("going on from step %d", run.step)
    elif settings.init:
        start_from(run, settings.init)
    speed_up(run, compiled)
    rows = TrainingLog(os.path.join(out, LOG), _LOG_COLUMNS, run.step) if processes.rank()[0] == 0 else None
    _loop(run, pool, watched, path, rows, stop)
    return run


def _batches(run: Run, pool: CropPool) -> Iterator[Crops]:
    """The batches from the run's step on; for a GPU some are cut ahead by other threads."""
    first, last = run.step, run.settings.schedule.steps
    if run.device.type == "cpu":
        yield from (crops(run, pool, step) for step in range(first, last))
        return
    with ThreadPoolExecutor(_AHEAD, "crops") as executor:
        waiting = [executor.submit(crops, run, pool, step) for step in range(first, min(first + _AHEAD, last))]
        for step in range(first, last):
            if step + _AHEAD < last:
                waiting.append(executor.submit(crops, run, pool, step + _AHEAD))
            yield waiting.pop(0).result()


def _loop(
    run: Run,
    pool: CropPool,
    watched: list[ValidationPicture],
    path: str,
    rows: TrainingLog | None,
    stop: Callable[[], bool],
) -> None:
    """To the last step; `rows` is there in the process that writes."""
    settings, last_step = run.settings, run.settings.schedule.steps
    ranks = processes.rank()[1]
    bicubic = float(np.mean([picture.bicubic for picture in watched])) if watched else 0.0
    begun, earlier, saved = time.monotonic(), run.seconds, time.monotonic()
    losses: list[Tensor] = []
    for batch in _batches(run, pool):
        losses.append(take_step(run, batch))
        run.seconds = earlier + time.monotonic() - begun
        last = run.step == last_step
        if run.step % settings.log_every == 0 or last:
            loss = finite(float(torch.stack(losses).mean()), run.step)
            losses.clear()
            if rows is not None:
                score = _score(run, watched) if run.step % settings.validate_every == 0 or last else None
                rate = learning_rate(settings.schedule, run.step - 1)
                tail = (f"{score:.3f}", f"{bicubic:.3f}") if score else ("", "")
                rows.add(run.step, f"{run.seconds / 60:.2f}", f"{loss:.6f}", f"{rate:.3e}", *tail)
                _say(run, loss, score, bicubic)
        stopping = processes.agreed(float(stop()), ranks) > 0
        if rows is not None and (last or stopping or time.monotonic() - saved > settings.checkpoint_seconds):
            _save(run, path)
            saved = time.monotonic()
        if stopping:
            return


def _score(run: Run, watched: list[ValidationPicture]) -> float:
    return validate(averaged(run), watched, run.device)


def averaged(run: Run) -> PlainNet:
    """The network with the moving average of its weights, on the run's device, branches not yet folded."""
    net = copy.deepcopy(run.net)  # and not a new one, which would draw from the generator that makes the noise
    run.ema.copy_to(net)
    return net.eval()


def _say(run: Run, loss: float, score: float | None, bicubic: float) -> None:
    left = run.seconds / run.step * (run.settings.schedule.steps - run.step) / 60
    figures = f"step {run.step}/{run.settings.schedule.steps}  loss {loss:.5f}  {left:.0f} min left"
    if score:
        figures += f"  PSNR-Y {score:.2f} dB ({score - bicubic:+.2f} over bicubic)"
    log.info("%s", figures)


def _save(run: Run, path: str) -> None:
    checkpoint.save(
        path,
        step=run.step,
        recipe_digest=recipe.digest(run.settings),
        model=_modules(run),
        ema=run.ema,
        optimizers=_optimizers(run),
        extra={
            "seconds": run.seconds,
            "base_model": run.base_model,
            "critic": run.critic.state() if run.critic else None,
        },
    )


def _restore(run: Run, path: str) -> None:
    state = checkpoint.load(path)
    checkpoint.restore(
        state,
        recipe_digest=recipe.digest(run.settings),
        model=_modules(run),
        ema=run.ema,
        optimizers=_optimizers(run),
    )
    run.step, run.seconds = state.step, float(state.extra["seconds"])
    run.base_model = str(state.extra.get("base_model", ""))
    if run.critic is not None:
        run.critic.load(state.extra["critic"])


def _modules(run: Run) -> nn.Module:
    return run.net if run.critic is None else nn.ModuleDict({"net": run.net, "critic": run.critic.net})


def _optimizers(run: Run) -> dict[str, torch.optim.Optimizer]:
    name = "adam" if _by_adam(run.settings) else "muon"
    return {name: run.optimizer} | ({"critic": run.critic.optimizer} if run.critic else {})


def averaged_from(path: str, settings: SuperresRecipe) -> PlainNet:
    """The finished network of the checkpoint at `path`, on the CPU.

    With `start_share` that is mixed with what the run started from. Raises UsageError where this is another model now.
    """
    run = start_run(settings, torch.device("cpu"))
    _restore(run, path)
    net = averaged(run)
    if settings.start_share:
        start = start_run(settings, torch.device("cpu"))
        start_from(start, settings.init)
        if start.base_model != run.base_model:
            raise UsageError(
                f"{path} started from {run.base_model}, and {settings.init} is {start.base_model} now. For start_share "
                "name the model that it started from as init."
            )
        with torch.no_grad():
            for weight, first in zip(net.parameters(), start.net.parameters(), strict=True):
                weight.lerp_(first, settings.start_share)
    return net
