"""The super-res trainer: what its recipe may say, the pictures it learns from, and the loop.

Train in the encoding of the worker (bipack.imaging.color), so that HDR values are seen as they will come. First a
Charbonnier loss at a constant rate, then the rate falls to zero while the loss turns into the squared error that PSNR
is made of; what is exported is the moving average of the weights. Any checkpoint goes on bit for bit.
"""

from __future__ import annotations

import csv
import dataclasses
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from bipack.card import Source
from bipack.errors import BipackError, UsageError
from bipack.imaging import resample
from bipack_train import checkpoint, degrade, metrics, pictures, recipe
from bipack_train.ema import Ema
from bipack_train.models.plain import PlainNet
from bipack_train.pool import CropPool

log = logging.getLogger(__name__)

KIND = "superres"
CHECKPOINT = "checkpoint" + checkpoint.SUFFIX
LOG = "training.csv"
_LOG_COLUMNS = ("step", "minutes", "loss", "learning_rate", "validation_psnr_y", "validation_bicubic")
_VALIDATION_SIDE = 192
"""Validation looks at a square of this many sharp pixels in the middle of each picture."""


@dataclass(frozen=True)
class Network:
    """Size of the network."""

    width: int = 32
    """Channels of each inner convolution."""

    depth: int = 10
    """Convolutions in all; also the tile overlap that makes tiling exact."""

    expansion: int = 2
    """Width of the expanded training branch over `width`; nothing of it is left after export."""


@dataclass(frozen=True)
class Data:
    """What is learned from. Folders are relative to the data folder."""

    photos: tuple[str, ...] = ("photos", "textures")
    """Folders of photographs."""

    panoramas: str = "hdri"
    """Folder of scene-linear EXR panoramas; empty for none."""

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
    """Files that are never trained on and whose PSNR the log shows while training runs."""

    exclude: tuple[str, ...] = ()
    """Files that are left out for what they are: soft, noisy, or a near twin of a held-out one."""


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
    network: Network = field(default_factory=Network)
    data: Data = field(default_factory=Data)
    schedule: Schedule = field(default_factory=Schedule)
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
    return settings


# Pictures -----------------------------------------------------------------------------------------------------------


def fill_pool(settings: SuperresRecipe, folder: str) -> CropPool:
    """Read, draw and shrink all training pictures. Raises MissingInput, CorruptInput, UsageError."""
    data = settings.data
    pool = CropPool(settings.scale, settings.schedule.patch)
    away = {os.path.normpath(name) for name in (*data.held_out, *data.validation, *data.exclude)}
    for photos in data.photos:
        for name in pictures.list_files(os.path.join(folder, photos), pictures.PHOTO_SUFFIXES):
            if os.path.normpath(os.path.join(photos, name)) not in away:
                _add_photo(pool, os.path.join(folder, photos, name))
    if data.panoramas:
        _add_panoramas(pool, settings, folder, away)
    for index in range(data.drawn):
        drawn = pictures.draw(settings.seed, index, data.drawn_size)
        if drawn.hdr:
            # One in three is shrunk the way files are shrunk, halo and all, so that both kinds of edge are known.
            pool.add("lamps", drawn.pixels, "light" if index % 3 else "coded", hdr=True)
        else:
            pool.add("drawn", drawn.pixels)
    groups = ("photos", "drawn", "panoramas", "lamps")
    pool.finish({group: share for group, share in zip(groups, data.shares, strict=True) if share > 0})
    return pool


def _add_photo(pool: CropPool, path: str) -> None:
    """Add a photograph at its sharp size, and a large one once more, smaller: more detail per pixel."""
    pool.add("photos", pictures.original(path))
    whole = pictures.read_photo(path)
    if max(whole.shape[:2]) >= 2000:
        pool.add("photos", pictures.shrunk(whole, 3.3, "cubic"))


def _add_panoramas(pool: CropPool, settings: SuperresRecipe, folder: str, away: set[str]) -> None:
    rng = np.random.default_rng([settings.seed, 1])
    for name in pictures.list_files(os.path.join(folder, settings.data.panoramas), (".exr",)):
        if os.path.normpath(os.path.join(settings.data.panoramas, name)) in away:
            continue
        linear = pictures.read_panorama(os.path.join(folder, settings.data.panoramas, name))
        if max(linear.shape[:2]) > 2048:
            continue
        for index in range(settings.data.exposures):
            way = "light" if index % 2 else "coded"
            pool.add("panoramas", pictures.exposed(linear, float(rng.uniform(-2, 4))), way, hdr=True)


@dataclass(frozen=True)
class ValidationPicture:
    """One picture that training is watched on."""

    name: str
    low: Tensor  # (1, 3, side/scale, side/scale)
    high: degrade.Pixels  # (side, side, 3)
    bicubic: float  # PSNR-Y of plain interpolation


def validation_pictures(settings: SuperresRecipe, folder: str) -> list[ValidationPicture]:
    """The middle of each picture of the validation list, shrunk and rounded to 8 bits."""
    result = []
    for name in settings.data.validation:
        pixels = pictures.original(os.path.join(folder, name))
        height, width = pixels.shape[:2]
        side = min(_VALIDATION_SIDE, height, width) // settings.scale * settings.scale
        top, left = (height - side) // 2, (width - side) // 2
        high = np.ascontiguousarray(pixels[top : top + side, left : left + side])
        low = degrade.to_8bit(np.clip(degrade.shrink_coded(high, settings.scale), 0, 1))
        plain = resample.resize(low, side, side, kernel="cubic")
        tensor = torch.from_numpy(np.ascontiguousarray(low.transpose(2, 0, 1)))[None]
        result.append(ValidationPicture(name, tensor, high, metrics.psnr_y(plain, high, settings.scale)))
    return result


@torch.no_grad()
def validate(net: PlainNet, watched: list[ValidationPicture], device: torch.device) -> float:
    """Mean PSNR-Y of `net` in dB on the validation pictures; 0 where there are none."""
    fused = net.fused().to(device)
    scores = []
    for picture in watched:
        result = fused(picture.low.to(device))[0].permute(1, 2, 0).float().cpu().numpy()
        scores.append(metrics.psnr_y(result, picture.high, net.scale))
    return float(np.mean(scores)) if scores else 0.0


# The loop -----------------------------------------------------------------------------------------------------------


def learning_rate(schedule: Schedule, step: int) -> float:
    """Rate at `step` (from 0): a linear rise, a constant stretch, a cosine fall to zero."""
    if step < schedule.warm_up:
        return schedule.learning_rate * (step + 1) / schedule.warm_up
    if step < schedule.decay_from:
        return schedule.learning_rate
    done = (step - schedule.decay_from) / (schedule.steps - schedule.decay_from)
    return schedule.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def loss_of(result: Tensor, truth: Tensor, squared: bool) -> Tensor:
    """Mean error over RGB and luma, each picture divided by its brightest value where that is above 1.

    Without the division one lamp of 16 stops would outweigh all photographs of a batch. (N, 3, H, W) encoded.
    """
    peak = truth.amax(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    difference = (result - truth) / peak
    weights = torch.tensor((0.299, 0.587, 0.114), device=result.device).view(1, 3, 1, 1)
    bright = (difference * weights).sum(dim=1, keepdim=True)
    if squared:
        # Scaled to about the size of the first loss, so that the rate means the same in both.
        return 20.0 * (difference.square().mean() + 2.0 * bright.square().mean())
    return _charbonnier(difference) + _charbonnier(bright)


def _charbonnier(difference: Tensor) -> Tensor:
    return (difference.square() + 1e-6).sqrt().mean()


@dataclass
class Run:
    """One training run: everything that changes from step to step."""

    settings: SuperresRecipe
    net: PlainNet
    ema: Ema
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    device: torch.device
    step: int = 0
    seconds: float = 0.0


def start_run(settings: SuperresRecipe, device: torch.device) -> Run:
    """A run at step 0; the seed decides the first weights and every crop."""
    torch.manual_seed(settings.seed)
    size = settings.network
    net = PlainNet(settings.scale, size.width, size.depth, expansion=size.expansion).to(device)
    net = net.to(memory_format=torch.channels_last)  # 1.5 to 2 times as fast, on CPU and GPU
    optimizer = torch.optim.Adam(net.parameters(), lr=settings.schedule.learning_rate, betas=(0.9, 0.99), foreach=True)
    ema = Ema(net, settings.schedule.ema)
    return Run(settings, net, ema, optimizer, np.random.default_rng([settings.seed, 2]), device)


def take_step(run: Run, pool: CropPool) -> Tensor:
    """One optimizer step; the loss is returned as a tensor so that nothing has to wait for it."""
    schedule = run.settings.schedule
    low, high = (_to_device(pixels, run.device) for pixels in pool.sample(run.rng, schedule.batch))
    for group in run.optimizer.param_groups:
        group["lr"] = learning_rate(schedule, run.step)
    with torch.autocast(run.device.type, torch.bfloat16, enabled=run.step < schedule.precise_from):
        result = run.net(low)
    loss = loss_of(result, high, squared=run.step >= schedule.squared_from)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.net.parameters(), schedule.gradient_limit)
    run.optimizer.step()
    run.ema.update(run.net)
    run.step += 1
    return loss.detach()


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
    stop: Callable[[], bool] = lambda: False,
) -> Run:
    """Run a recipe to its last step and return the run; its averaged weights are the model.

    `folder` holds the pictures, `out` takes checkpoint.safetensors and training.csv. `stop` is asked after each step;
    where it says yes, a checkpoint is written and the run returned as it is. Raises UsageError where `out` holds a
    run already and `resume` is not set, DiskError, MissingInput, and BipackError where the loss is no longer finite.
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
    rows = _LogFile(os.path.join(out, LOG), run.step)
    _loop(run, pool, watched, path, rows, stop)
    return run


def _loop(
    run: Run,
    pool: CropPool,
    watched: list[ValidationPicture],
    path: str,
    rows: _LogFile,
    stop: Callable[[], bool],
) -> None:
    settings, schedule = run.settings, run.settings.schedule
    bicubic = float(np.mean([picture.bicubic for picture in watched])) if watched else 0.0
    begun, earlier, saved = time.monotonic(), run.seconds, time.monotonic()
    losses: list[Tensor] = []
    while run.step < schedule.steps:
        losses.append(take_step(run, pool))
        run.seconds = earlier + time.monotonic() - begun
        last = run.step == schedule.steps
        if run.step % settings.log_every == 0 or last:
            loss = _finite(float(torch.stack(losses).mean()), run.step)
            losses.clear()
            score = _score(run, watched) if run.step % settings.validate_every == 0 or last else None
            rows.add(run.step, run.seconds, loss, learning_rate(schedule, run.step - 1), score, bicubic)
            _say(run, loss, score, bicubic)
        stopping = stop()
        if last or stopping or time.monotonic() - saved > settings.checkpoint_seconds:
            _save(run, path)
            saved = time.monotonic()
        if stopping:
            return


def _score(run: Run, watched: list[ValidationPicture]) -> float:
    return validate(averaged(run), watched, run.device)


def averaged(run: Run) -> PlainNet:
    """The network with the moving average of its weights, on the run's device, branches not yet folded."""
    size = run.settings.network
    net = PlainNet(run.settings.scale, size.width, size.depth, expansion=size.expansion).to(run.device)
    run.ema.copy_to(net)
    return net.eval()


def _finite(loss: float, step: int) -> float:
    if not math.isfinite(loss):
        raise BipackError(
            f"Training diverged: the loss is {loss} at step {step}. "
            "Lower schedule.learning_rate in the recipe and start afresh; the last checkpoint was kept."
        )
    return loss


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
        model=run.net,
        ema=run.ema,
        optimizers={"adam": run.optimizer},
        generators={"crops": run.rng},
        extra={"seconds": run.seconds},
    )


def _restore(run: Run, path: str) -> None:
    state = checkpoint.load(path)
    checkpoint.restore(
        state,
        recipe_digest=recipe.digest(run.settings),
        model=run.net,
        ema=run.ema,
        optimizers={"adam": run.optimizer},
        generators={"crops": run.rng},
    )
    run.step, run.seconds = state.step, float(state.extra["seconds"])


def averaged_from(path: str, settings: SuperresRecipe) -> PlainNet:
    """The finished network of the checkpoint at `path`, on the CPU."""
    run = start_run(settings, torch.device("cpu"))
    _restore(run, path)
    return averaged(run)


def pick_device(device: str) -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU. Raises UsageError for a GPU that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"Device {device} was asked for and torch sees no GPU here. Use --device cpu.")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"Device {device!r} is none of auto, cpu, cuda:N.") from error


class _LogFile:
    """The CSV beside the checkpoint; rows later than the step that a run goes on from are dropped."""

    def __init__(self, path: str, step: int) -> None:
        self._path = path
        kept: list[list[str]] = []
        if step and os.path.exists(path):
            with open(path, encoding="utf-8", newline="") as stream:
                kept = [row for row in csv.reader(stream) if row and row[0].isdigit() and int(row[0]) <= step]
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([list(_LOG_COLUMNS), *kept])

    def add(self, step: int, seconds: float, loss: float, rate: float, score: float | None, bicubic: float) -> None:
        """Append one row; the last two columns stay empty where nothing was validated."""
        tail = (f"{score:.3f}", f"{bicubic:.3f}") if score else ("", "")
        with open(self._path, "a", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerow(
                [step, f"{seconds / 60:.2f}", f"{loss:.6f}", f"{rate:.3e}", *tail]
            )


def shortened(settings: SuperresRecipe, steps: int) -> SuperresRecipe:
    """The same recipe with its whole schedule scaled to `steps`: for trials and tests."""
    schedule = settings.schedule
    share = steps / schedule.steps
    marks = {
        name: max(1, round(getattr(schedule, name) * share))
        for name in ("warm_up", "decay_from", "squared_from", "precise_from")
    }
    return dataclasses.replace(settings, schedule=dataclasses.replace(schedule, steps=steps, **marks))
