"""A region without pairs: frames of the face today and frames of the face as it was, learned together, then distilled.

1. `learn`: one encoder, a decoder for each face (models.swap), on squares around the region, all errors weighted by its
   matte. Each face is brought to the mean and spread of today's one first, so that light is not taken for age.
2. `younger.pairs_of`: today's frames through the other decoder give the younger region under today's performance. Only
   the middle bands are taken from there. The finest are the plate's own, scaled to the younger face's energy, because a
   decoder knows no pores; color and light are the plate's own too, because no two clips have the same light and a
   decoder takes it for age. And only what takes detail of the plate off counts, as far as the decoders can be trusted
   (`younger.trust`). A starter fills in for the rest.
3. These pictures and today's are pairs, from which `regions.loop` distils the model that is published: a small change
   of the plate at full resolution, turned by the age slider.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bipack.errors import MissingInput, UsageError
from bipack.imaging import image_io
from bipack.imaging.frame import Pixels
from bipack_train import adversary, checkpoint, muon, paintfix, pairs, recipe
from bipack_train.devices import fast_type, pick_device
from bipack_train.ema import Ema
from bipack_train.models.swap import FACES, Swap, warped
from bipack_train.paintfix import Progress
from bipack_train.regions import material
from bipack_train.regions.recipe import Unpaired

log = logging.getLogger(__name__)

CHECKPOINT = "swap" + checkpoint.SUFFIX
MARGIN = 0.15
"""Room around the region's bounding square, as a part of it."""


@dataclass(eq=False)
class Face:
    """Frames of one face, encoded, with the region's matte of each."""

    frames: list[int]
    pixels: list[NDArray[np.float16]]
    """(height, width, 3) each."""

    mattes: list[Pixels]
    """(height, width) 0..1 each."""

    @property
    def digest(self) -> str:
        """What tells this clip from another."""
        return ",".join(f"{number}:{float(frame.astype(np.float64).sum()):.6e}" for number, frame in self._items())

    def _items(self) -> zip[tuple[int, NDArray[np.float16]]]:
        return zip(self.frames, self.pixels, strict=True)


def read_face(pattern: str, matte: str, region: str, side: str) -> Face:
    """Read a clip and its region mattes; frames without the region are left out. Raises MissingInput, CorruptInput."""
    files, mattes = pairs.files_of(pattern, side), pairs.files_of(matte, f"{side} matte")
    face = Face([], [], [])
    for number in sorted(set(files) & set(mattes)):
        pixels = pairs.encoded(image_io.read_frame(files[number]))[0]
        found = material.soft_matte(
            material.region_matte(mattes[number], region), pixels.shape, 0.0, f"Matte {mattes[number]}"
        )
        if int((found > 0.5).sum()) >= material.LEAST_AREA:
            face.frames.append(number)
            face.pixels.append(pixels.astype(np.float16))
            face.mattes.append(found)
    if not face.frames:
        raise MissingInput(f"No frame of {pattern} shows the region {region!r} in {matte}; check numbers and channels.")
    return face


# Squares around the region ------------------------------------------------------------------------------------------


def square(matte: Pixels) -> tuple[int, int, int]:
    """(left, top, side) of a square around a matte, with room; it may reach over the frame's border."""
    spots = np.argwhere(matte > 0.5)
    low, high = spots.min(axis=0), spots.max(axis=0) + 1
    middle, side = (low + high) / 2, int(np.ceil((high - low).max() * (1 + 2 * MARGIN)))
    return int(middle[1] - side / 2), int(middle[0] - side / 2), side


def cut(plane: Pixels, place: tuple[int, int, int], side: int) -> Pixels:
    """The square `place` of a plane, mirrored beyond the border, at `side` pixels; centred, area-averaged."""
    left, top, size = place
    height, width = plane.shape[:2]
    pads = max(0, -top), max(0, top + size - height), max(0, -left), max(0, left + size - width)
    wide = cv2.copyMakeBorder(plane, *pads, cv2.BORDER_REFLECT) if any(pads) else plane
    piece = wide[top + pads[0] : top + pads[0] + size, left + pads[2] : left + pads[2] + size]
    return resized(piece, side)


def resized(square: Pixels, side: int) -> Pixels:
    """A square (size, size) or (size, size, channels) at `side` pixels; centred, area-averaged."""
    kernel = cv2.INTER_AREA if side < len(square) else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (side, side), interpolation=kernel), np.float32)


@dataclass(frozen=True)
class Squares:
    """All squares of one face as tensors."""

    pixels: Tensor
    """(N, 3, side, side) encoded, brought to the first face's mean and spread."""

    mattes: Tensor
    """(N, 1, side, side)."""


def squares(face: Face, side: int, like: Squares | None = None) -> Squares:
    """The squares of `face`; with the mean and spread inside the matte that `like` has, channel by channel."""
    cuts = [cut(pixels.astype(np.float32), square(matte), side) for pixels, matte in _both(face)]
    mattes = [cut(matte, square(matte), side) for matte in face.mattes]
    pixels = torch.from_numpy(np.stack(cuts)).permute(0, 3, 1, 2).contiguous()
    found = Squares(pixels, torch.from_numpy(np.stack(mattes))[:, None])
    if like is None:
        return found
    (mean, spread), (wanted, width) = _moments(found), _moments(like)
    return Squares((pixels - mean) / spread * width + wanted, found.mattes)


def _both(face: Face) -> zip[tuple[NDArray[np.float16], Pixels]]:
    return zip(face.pixels, face.mattes, strict=True)


def _moments(given: Squares) -> tuple[Tensor, Tensor]:
    weight = given.mattes / given.mattes.sum().clamp(min=1.0)
    mean = (given.pixels * weight).sum(dim=(0, 2, 3), keepdim=True)
    spread = ((given.pixels - mean).square() * weight).sum(dim=(0, 2, 3), keepdim=True).clamp(min=1e-6).sqrt()
    return mean, spread


# Learning -----------------------------------------------------------------------------------------------------------


@dataclass
class Run:
    """One run of the two decoders."""

    settings: Unpaired
    net: Swap
    ema: Ema
    optimizer: torch.optim.Optimizer
    device: torch.device
    progress: Progress
    digest: str
    critics: list[adversary.Stage] = field(default_factory=list)


def learn(
    settings: Unpaired,
    today: Face,
    younger_face: Face,
    out: str,
    *,
    device: str = "auto",
    resume: bool = False,
    stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> Run:
    """Train encoder and decoders on both clips; face 0 is today's. Goes on bit for bit with `resume`.

    Raises UsageError where `out` holds a run already and `resume` is not set, DiskError.
    """
    path = os.path.join(out, CHECKPOINT)
    if os.path.exists(path) and not resume:
        raise UsageError(f"{out} holds a run already. Go on with it by --resume, or give another --out.")
    first = squares(today, settings.side)
    both = (first, squares(younger_face, settings.side, like=first))
    run = _build(settings, f"{today.digest}|{younger_face.digest}", pick_device(device))
    if resume and os.path.exists(path):
        _restore(run, path)
    schedule, begun, earlier, saved = settings.schedule, clock(), run.progress.seconds, time.monotonic()
    while not run.progress.over(schedule):
        loss = _step(run, both)
        run.progress.seconds = earlier + clock() - begun
        stopping, over = stop(), run.progress.over(schedule)
        if over or run.progress.step % 100 == 0:
            left = run.progress.seconds_left(schedule) or 0.0
            log.info("faces: step %d  loss %.4f  %.1f min left", run.progress.step, loss, left / 60)
        if over or stopping or time.monotonic() - saved > 45:
            _save(run, path)
            saved = time.monotonic()
        if stopping:
            break
    return run


def _build(settings: Unpaired, material_digest: str, device: torch.device) -> Run:
    torch.manual_seed(settings.seed)
    net = Swap(settings.width, settings.grid).to(device).to(memory_format=torch.channels_last)
    schedule = settings.schedule
    optimizer = muon.of_net(net, Swap.ENDS, schedule.learning_rate, schedule.weight_decay)
    digest = f"{recipe.digest(settings)}:{material_digest}"
    run = Run(settings, net, Ema(net, schedule.ema), optimizer, device, paintfix.start(schedule), digest)
    if settings.adversary.share > 0:
        run.critics = [adversary.Stage(settings.adversary, device) for _ in range(FACES)]
    return run


def _step(run: Run, both: Sequence[Squares]) -> float:
    """One optimizer step on squares of both faces; which ones depends on seed and step alone."""
    settings, progress, schedule = run.settings, run.progress, run.settings.schedule
    generator = torch.Generator().manual_seed((settings.seed << 24) + progress.step)
    torch.manual_seed((settings.seed << 24) + progress.step)
    for group in run.optimizer.param_groups:
        group["lr"] = progress.rate(schedule)
    fast = fast_type(run.device) if not progress.precise(schedule) else None
    late = bool(run.critics) and progress.done(schedule) >= progress.finish_to - settings.adversary.share
    total = torch.zeros((), device=run.device)
    for face, given in enumerate(both):
        chosen = torch.randint(len(given.pixels), (settings.batch,), generator=generator)
        gain = 1.0 + 0.1 * (torch.rand(settings.batch, 3, 1, 1, generator=generator) - 0.5)
        truth = (given.pixels[chosen] * gain).to(run.device)
        matte = given.mattes[chosen].to(run.device)
        seen = warped(truth, settings.warp, generator)
        with torch.autocast(run.device.type, torch.bfloat16, enabled=fast is not None):
            painted = run.net(seen, face)
        total = total + _error(painted, truth, matte)
        if late:
            total = total + run.critics[face].step(seen, painted, truth, matte)
    run.optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.net.parameters(), 1.0)
    run.optimizer.step()
    run.ema.update(run.net)
    progress.step += 1
    return float(total.detach())


def _error(painted: Tensor, truth: Tensor, matte: Tensor) -> Tensor:
    """Absolute error, whole and of two broader bands, weighted by the matte with a little of what surrounds it."""
    weight = matte + 0.1
    error = (painted - truth) * weight
    loss = error.abs().mean()
    for _ in range(2):
        error = functional.avg_pool2d(error, 2)
        loss = loss + error.abs().mean()
    return loss * matte.numel() / weight.sum()


def averaged(run: Run) -> Swap:
    """The network with the moving average of its weights, on the CPU."""
    net = Swap(run.settings.width, run.settings.grid)
    run.ema.copy_to(net)
    return net.eval()


# State on disk ------------------------------------------------------------------------------------------------------


def _modules(run: Run) -> tuple[nn.Module, dict[str, torch.optim.Optimizer]]:
    modules: dict[str, nn.Module] = {"net": run.net}
    optimizers: dict[str, torch.optim.Optimizer] = {"muon": run.optimizer}
    for index, critic in enumerate(run.critics):
        modules[f"critic{index}"], optimizers[f"critic{index}"] = critic.net, critic.optimizer
    return nn.ModuleDict(modules), optimizers


def _save(run: Run, path: str) -> None:
    model, optimizers = _modules(run)
    extra = {"progress": asdict(run.progress), "critics": [critic.state() for critic in run.critics]}
    checkpoint.save(
        path,
        step=run.progress.step,
        recipe_digest=run.digest,
        model=model,
        ema=run.ema,
        optimizers=optimizers,
        extra=extra,
    )


def _restore(run: Run, path: str) -> None:
    state = checkpoint.load(path)
    model, optimizers = _modules(run)
    checkpoint.restore(state, recipe_digest=run.digest, model=model, ema=run.ema, optimizers=optimizers)
    run.progress = replace(run.progress, **state.extra["progress"])
    for critic, kept in zip(run.critics, state.extra["critics"], strict=True):
        critic.load(kept)
