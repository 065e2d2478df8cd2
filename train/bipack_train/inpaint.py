"""The inpaint trainer: its pictures and its loop.

The network sees pictures in the encoding of the worker. In part of the batches it starts from its own result at half
the size, enlarged, which is how the worker fills large holes. That result is made on a crop of twice the size, or it
would know less of the surroundings than the worker's, and the network would learn to distrust its start. Holes are
narrow at first and widen: with wide ones from the beginning nothing at all was learned in the first thousands of
crops. The error is counted in the hole alone.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack.errors import UsageError
from bipack_train import checkpoint, init_weights, inpaint_masks, muon, pictures, timed_run
from bipack_train.devices import pick_device
from bipack_train.ema import Ema
from bipack_train.inpaint_pool import InpaintPool
from bipack_train.inpaint_recipe import InpaintRecipe, Schedule
from bipack_train.models.inpaint import InpaintNet, smooth_fill
from bipack_train.training_log import TrainingLog, finite

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"
_LOG_COLUMNS = ("step", "minutes", "loss", "learning_rate", "validation_psnr", "validation_smooth")
_VALIDATION_SIDE = 256
_FIRST_WIDTH = 8.0
_FLOOR = 3e-5
"""Squared error below which nothing more is gained."""

_ENDS = ("stem", "change")


# Pictures -----------------------------------------------------------------------------------------------------------


def fill_pool(settings: InpaintRecipe, folder: str) -> InpaintPool:
    """Read and draw all training pictures. Raises MissingInput, CorruptInput, UsageError."""
    data = settings.data
    pool = InpaintPool(settings.schedule.patch)
    away = {os.path.normpath(name) for name in (*data.held_out, *data.validation, *data.exclude)}
    for photos in data.photos:
        for name in pictures.list_files(os.path.join(folder, photos), pictures.PHOTO_SUFFIXES):
            if os.path.normpath(os.path.join(photos, name)) not in away:
                pool.add_sizes("photos", pictures.original(os.path.join(folder, photos, name)))
    for index in range(data.drawn):
        drawn = pictures.draw(settings.seed, index, data.drawn_size)
        pool.add("drawn", drawn.pixels, drawn.hdr)
    rng = np.random.default_rng([settings.seed, 1])
    if data.panoramas:
        for name in pictures.list_files(os.path.join(folder, data.panoramas), (".exr",)):
            if os.path.normpath(os.path.join(data.panoramas, name)) in away:
                continue
            linear = pictures.read_panorama(os.path.join(folder, data.panoramas, name))
            if max(linear.shape[:2]) <= 2048:
                pool.add("panoramas", pictures.exposed(linear, float(rng.uniform(-1, 3))), hdr=True)
    pool.finish(dict(zip(("photos", "drawn", "panoramas"), data.shares, strict=True)))
    return pool


@dataclass(frozen=True)
class ValidationPicture:
    """One picture that training is watched on."""

    truth: Tensor  # (1, 3, side, side)
    known: Tensor  # (1, 1, side, side)


def validation_pictures(settings: InpaintRecipe, folder: str) -> list[ValidationPicture]:
    """The middle of each picture of the validation list with a free-form hole of 20 %."""
    watched = []
    for index, name in enumerate(settings.data.validation):
        pixels = pictures.original(os.path.join(folder, name))
        height, width = pixels.shape[:2]
        side = min(_VALIDATION_SIDE, height, width) // 32 * 32
        top, left = (height - side) // 2, (width - side) // 2
        rng = np.random.default_rng([settings.seed, 3, index])
        hole = inpaint_masks.of_kind(rng, inpaint_masks.free_form, side, settings.schedule.widest, 0.2)
        truth = torch.from_numpy(np.ascontiguousarray(pixels[top : top + side, left : left + side].transpose(2, 0, 1)))
        watched.append(ValidationPicture(truth[None], torch.from_numpy(~hole[None, None]).float()))
    return watched


@torch.no_grad()
def validate(net: InpaintNet, watched: list[ValidationPicture], device: torch.device) -> tuple[float, float]:
    """Mean PSNR in the holes, in dB: of `net`, and of the smooth fill that it starts from."""
    scores = []
    for picture in watched:
        truth, known = picture.truth.to(device), picture.known.to(device)
        start = smooth_fill(truth, known)
        hole = (known == 0).expand_as(truth)
        scores.append([_psnr(result[hole], truth[hole]) for result in (net(start, known), start)])
    found = np.mean(scores, axis=0) if scores else np.zeros(2)
    return float(found[0]), float(found[1])


def _psnr(result: Tensor, truth: Tensor) -> float:
    return -10 * math.log10(max(float((result - truth).square().mean()), 1e-10))


# The loop -----------------------------------------------------------------------------------------------------------


def learning_rate(schedule: Schedule, step: int) -> float:
    """Rate at `step` (from 0): a linear rise, a constant stretch, a cosine fall to zero."""
    if step < schedule.warm_up:
        return schedule.learning_rate * (step + 1) / schedule.warm_up
    if step < schedule.decay_from:
        return schedule.learning_rate
    done = (step - schedule.decay_from) / (schedule.steps - schedule.decay_from)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def widest_at(schedule: Schedule, step: int) -> float:
    """Width of the widest holes at `step`, in pixels."""
    return _FIRST_WIDTH + (schedule.widest - _FIRST_WIDTH) * min(1.0, step / schedule.narrow_until)


def loss_of(result: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Mean over the pictures (N, 3, H, W) of the error in the hole in nepers: what a mean of PSNRs is made of.

    Without the logarithm the pictures whose holes nobody can guess would drown those from which there is something to
    learn. Each picture is divided by its brightest value where that is above 1.
    """
    peak = truth.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    hole = 1 - known
    squared = ((result - truth) / peak * hole).square().sum(dim=(1, 2, 3))
    return 0.5 * torch.log(squared / (3 * hole.sum(dim=(1, 2, 3))).clamp(min=1.0) + _FLOOR).mean()


@dataclass
class Run:
    """One training run: everything that changes from step to step."""

    settings: InpaintRecipe
    net: InpaintNet
    ema: Ema
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    device: torch.device
    step: int = 0
    seconds: float = 0.0
    base: str = ""
    """name@sha256 of the model that it went on from."""


def start_run(settings: InpaintRecipe, device: torch.device, weights: Mapping[str, Tensor] | None = None) -> Run:
    """A run at step 0; the seed decides the first weights, where none are given, and every crop."""
    torch.manual_seed(settings.seed)
    net = InpaintNet()
    if weights is not None:
        net.load_state_dict(weights)
    net = net.to(device).to(memory_format=torch.channels_last)
    optimizer = muon.of_net(net, _ENDS, settings.schedule.learning_rate, settings.schedule.weight_decay)
    ema = Ema(net, settings.schedule.ema)
    return Run(settings, net, ema, optimizer, np.random.default_rng([settings.seed, 2]), device)


def take_step(run: Run, pool: InpaintPool) -> Tensor:
    """One optimizer step; the loss is returned as a tensor so that nothing has to wait for it."""
    schedule = run.settings.schedule
    guided = run.rng.random() < schedule.guided and run.step >= schedule.narrow_until
    halvings = int(run.rng.integers(1, 3)) if guided else 0
    side = 2 * schedule.patch if halvings and pool.fits(2 * schedule.patch) else schedule.patch
    crops, holes = pool.sample(run.rng, schedule.batch, widest_at(schedule, run.step) * 2**halvings, side)
    truth, known = _to_device(crops, run.device), 1 - _to_device(holes, run.device)
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, run.step)
    with torch.autocast(run.device.type, torch.bfloat16):
        start = coarse_start(run.net, truth, known, halvings)
        start, truth, known = windows(run.rng, schedule.patch, start, truth, known)
        result = run.net(start, known)
    loss = loss_of(result, truth, known)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.net.parameters(), schedule.gradient_limit)
    run.optimizer.step()
    run.ema.update(run.net)
    run.step += 1
    return loss.detach()


@torch.no_grad()
def coarse_start(net: InpaintNet, picture: Tensor, known: Tensor, halvings: int) -> Tensor:
    """Where a pass starts from: a smooth fill, or with `halvings` the result of the pass at half the size, enlarged."""
    if not halvings:
        return smooth_fill(picture, known)
    weight = functional.avg_pool2d(known, 2)
    small = functional.avg_pool2d(picture * known, 2) / weight.clamp(min=1e-6)
    small_known = (weight > 0).to(picture.dtype)
    filled = net(coarse_start(net, small, small_known, halvings - 1), small_known)
    filled = torch.where(small_known > 0, small, filled)
    large = functional.interpolate(filled, scale_factor=2.0, mode="bilinear", align_corners=False)
    return torch.where(known > 0, picture, large)


def windows(rng: np.random.Generator, side: int, start: Tensor, truth: Tensor, known: Tensor) -> tuple[Tensor, ...]:
    """Of each picture (N, C, H, W) the same square of `side` pixels in all three, around some pixel of its hole."""
    if known.shape[-1] <= side:
        return start, truth, known
    corners = []
    for hole in (known[:, 0] == 0).cpu().numpy():
        places = np.argwhere(hole)
        middle = places[int(rng.integers(len(places)))]
        corners.append(np.clip(middle - side // 2, 0, np.array(hole.shape) - side))
    cut = (
        torch.stack(
            [whole[y : y + side, x : x + side] for whole, (y, x) in zip(one.permute(0, 2, 3, 1), corners, strict=True)]
        )
        for one in (start, truth, known)
    )
    return tuple(one.permute(0, 3, 1, 2) for one in cut)


def _to_device(pixels: pictures.Pixels, device: torch.device) -> Tensor:
    """(N, H, W, C) to a channels-last (N, C, H, W) tensor."""
    return torch.from_numpy(pixels).to(device, non_blocking=True).permute(0, 3, 1, 2)


def train(
    settings: InpaintRecipe,
    folder: str,
    out: str,
    *,
    device: str = "auto",
    resume: bool = False,
    init: str = "",
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Run a recipe to its last step and return the run; its averaged weights are the model.

    `folder` holds the pictures, `out` takes checkpoint.safetensors and training.csv. `stop` is asked after each step;
    where it says yes, a checkpoint is written and the run returned as it is. `init` names a published inpaint model
    whose weights a new run starts from. Raises UsageError where `out` holds a
    run already and `resume` is not set, DiskError, MissingInput, and BipackError where the loss is no longer finite.
    """
    path = os.path.join(out, CHECKPOINT)
    if os.path.exists(path) and not resume:
        raise UsageError(f"{out} holds a run already. Go on with it by --resume, or give another --out.")
    pool = fill_pool(settings, folder)
    watched = validation_pictures(settings, folder)
    log.info("%d pictures, %.0f MB, %d watched", len(pool), pool.megabytes, len(watched))
    weights, base = init_weights.for_net(init, InpaintNet()) if init else (None, "")
    run = start_run(settings, pick_device(device), weights)
    run.base = base
    if resume and os.path.exists(path):
        run.base = str(timed_run.restore(run, run.net, path, "muon").extra.get("base", ""))
        log.info("going on from step %d", run.step)
    _loop(run, pool, watched, path, TrainingLog(os.path.join(out, LOG), _LOG_COLUMNS, run.step), stop)
    return run


def _loop(
    run: Run,
    pool: InpaintPool,
    watched: list[ValidationPicture],
    path: str,
    rows: TrainingLog,
    stop: Callable[[], bool],
) -> None:
    settings, schedule = run.settings, run.settings.schedule
    begun, earlier, saved = time.monotonic(), run.seconds, time.monotonic()
    losses: list[Tensor] = []
    while run.step < schedule.steps:
        losses.append(take_step(run, pool))
        run.seconds = earlier + time.monotonic() - begun
        last = run.step == schedule.steps
        if run.step % settings.log_every == 0 or last:
            loss = finite(float(torch.stack(losses).mean()), run.step)
            losses.clear()
            check = watched and (run.step % settings.validate_every == 0 or last)
            score = validate(averaged(run), watched, run.device) if check else None
            rate, tail = learning_rate(schedule, run.step - 1), [f"{value:.3f}" for value in score or ()] or ("", "")
            rows.add(run.step, f"{run.seconds / 60:.2f}", f"{loss:.6f}", f"{rate:.3e}", *tail)
            _say(run, loss, score)
        stopping = stop()
        if last or stopping or time.monotonic() - saved > settings.checkpoint_seconds:
            timed_run.save(run, run.net, path, "muon", base=run.base)
            saved = time.monotonic()
        if stopping:
            return


def averaged(run: Run) -> InpaintNet:
    """The network with the moving average of its weights, on the run's device."""
    net = InpaintNet().to(run.device)
    run.ema.copy_to(net)
    return net.eval()


def _say(run: Run, loss: float, score: tuple[float, float] | None) -> None:
    left = run.seconds / run.step * (run.settings.schedule.steps - run.step) / 60
    figures = f"step {run.step}/{run.settings.schedule.steps}  loss {loss:.5f}  {left:.0f} min left"
    if score:
        figures += f"  PSNR {score[0]:.2f} dB ({score[0] - score[1]:+.2f} over the smooth fill)"
    log.info("%s", figures)


def averaged_from(path: str, settings: InpaintRecipe) -> InpaintNet:
    """The finished network of the checkpoint at `path`, on the CPU."""
    run = start_run(settings, torch.device("cpu"))
    timed_run.restore(run, run.net, path, "muon")
    return averaged(run)
