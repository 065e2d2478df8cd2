"""A region without pairs: frames of the face today and frames of the face as it was, learned together, then distilled.

1. `learn`: one encoder, a decoder for each face (models.swap), on squares around the region, all errors weighted by its
   matte. Each face is brought to the mean and spread of today's one first, so that light is not taken for age.
2. `younger`: today's frames through the other decoder give the younger region under today's performance. Only the
   middle bands are taken from there. The finest are the plate's own, scaled to the younger face's energy, because a
   decoder knows no pores; color and light are the plate's own too, because no two clips have the same light and a
   decoder takes it for age. And only what takes detail of the plate off counts, as far as the decoders can be trusted
   (`trust`). A starter fills in for the rest.
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
from bipack_train.models.region import RegionNet
from bipack_train.models.swap import FACES, Swap, warped
from bipack_train.paintfix import Progress
from bipack_train.pairs import Pair, PairFiles
from bipack_train.regions import material
from bipack_train.regions.material import RegionPair
from bipack_train.regions.recipe import Unpaired

log = logging.getLogger(__name__)

CHECKPOINT = "swap" + checkpoint.SUFFIX
FINE_SIGMA = 1.5
"""Detail finer than this (pixels of the crop) stays the plate's own, scaled."""

BROAD = 0.06
"""What is broader than this part of the square is color and light, and stays the plate's own."""

AROUND = 4.0
"""Sigma in pixels of the surroundings in which change and detail are compared."""

LITTLE = 0.2
"""Trust below which the decoders are as good as untrained."""

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
    return np.asarray(cv2.resize(piece, (side, side), interpolation=_kernel(size, side)), np.float32)


def _kernel(source: int, result: int) -> int:
    return cv2.INTER_AREA if result < source else cv2.INTER_CUBIC


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


# Younger frames -----------------------------------------------------------------------------------------------------


@torch.no_grad()
def younger(net: Swap, today: Face, younger_face: Face, side: int, start: RegionNet | None = None) -> list[RegionPair]:
    """Today's frames and what they become, as pairs for `regions.loop`; outside the matte both are the same.

    `start` is a region model, such as a starter: it stands in for the decoders as far as they cannot be trusted.
    """
    first = squares(today, side)
    energy = _fine_energy(younger_face) / max(_fine_energy(today), 1e-12)
    kept = float(np.sqrt(min(1.0, energy)))
    compared = [
        _compared(pixels, matte, _change(net, first.pixels[index : index + 1]))
        for index, (pixels, matte) in enumerate(_both(today))
    ]
    sure = trust(net, first, squares(younger_face, side, like=first))
    log.info("the decoders are trusted by %.0f %%; fine detail is kept at %.0f %%", 100 * sure, 100 * kept)
    if sure < LITTLE and start is None:
        log.warning(
            "The two faces are hardly told apart yet: on the younger face's own frames today's decoder paints no more "
            "lines. The model will change next to nothing. Give it more minutes, or a starter with --init."
        )
    found = []
    for index, (pixels, matte) in enumerate(_both(today)):
        plate = pixels.astype(np.float32)
        smooth, along, whole = (
            cv2.GaussianBlur(plate, (0, 0), FINE_SIGMA),
            *(one.astype(np.float32) for one in compared[index]),
        )
        share = np.clip(along / (whole + 1e-7), 0.0, 1.0)[..., None]
        change = sure * ((kept - 1.0) * (plate - smooth) - share * _detail(plate, matte))
        if start is not None:
            change += (1.0 - sure) * _started(start, plate, matte)
        after = plate + matte[..., None] * change
        pair = Pair(
            PairFiles(today.frames[index], "", ""),
            pixels,
            after.astype(np.float16),
            np.rint(matte * 255).astype(np.uint8),
            0.0,
            True,
            0,
            f"unpaired {index}",
        )
        found.append(RegionPair(pair, code=index))
    return found


def _change(net: Swap, seen: Tensor) -> Pixels:
    """What the younger decoder paints otherwise than today's, (side, side, 3)."""
    return np.asarray((net(seen, 1) - net(seen, 0))[0].permute(1, 2, 0).numpy(), np.float32)


def _detail(plate: Pixels, matte: Pixels) -> Pixels:
    """The plate's own detail (height, width, 3) between pores and light."""
    smooth = cv2.GaussianBlur(plate, (0, 0), FINE_SIGMA)
    return np.asarray(smooth - _broad(plate, matte, BROAD * square(matte)[2]), np.float32)


def _compared(pixels: NDArray[np.float16], matte: Pixels, piece: Pixels) -> tuple[Pixels, Pixels]:
    """How much of the plate's detail a change takes off, place by place, and how much there is, (height, width) each.

    Age is lines and spots that go. So a change counts as far as it undoes detail of the plate: what else the decoders
    paint, such as patterns of their own, has no part in it. Where it adds detail, the first is negative.
    """
    plate, place = pixels.astype(np.float32), square(matte)
    change = _put(piece, place, matte.shape)
    change = cv2.GaussianBlur(change - _broad(change, matte, BROAD * place[2]), (0, 0), FINE_SIGMA)
    detail = _detail(plate, matte)
    along, whole = (
        cv2.GaussianBlur((part * detail).sum(axis=-1) * matte, (0, 0), AROUND) for part in (-change, detail)
    )
    return along, whole


@torch.no_grad()
def trust(net: Swap, first: Squares, second: Squares) -> float:
    """0..1 how far the decoders are to be believed: their difference on the younger face against that on today's.

    A decoder paints with more detail what it learned from, so on today's frames today's decoder has more anyway. Only
    if it also has more on the frames of the younger face are there lines that one face has and the other has not.
    """
    own, other = (_richer(net, given) for given in (first, second))
    return min(1.0, max(0.0, other / own)) if own > 0 else 0.0


def _richer(net: Swap, given: Squares) -> float:
    """Logarithm of the detail that today's decoder paints over that of the younger one."""
    energy = np.zeros(FACES)
    for index, matte in enumerate(given.mattes[:, 0].numpy()):
        for face in range(FACES):
            painted = net(given.pixels[index : index + 1], face)[0].permute(1, 2, 0).numpy()
            detail = painted - _broad(painted, matte, BROAD * len(matte))
            energy[face] += float((np.square(detail) * matte[..., None]).sum())
    return float(np.log(max(energy[0], 1e-12) / max(energy[1], 1e-12)))


def _started(start: RegionNet, plate: Pixels, matte: Pixels) -> Pixels:
    """The whole change (height, width, 3) that a region model makes of a plate."""
    height, width = matte.shape
    down, right = (-size % start.multiple for size in (height, width))
    planes = torch.from_numpy(cv2.copyMakeBorder(plate, 0, down, 0, right, cv2.BORDER_REFLECT)).permute(2, 0, 1)[None]
    mask = torch.from_numpy(cv2.copyMakeBorder(matte, 0, down, 0, right, cv2.BORDER_CONSTANT))[None, None]
    change = start(planes, mask, start.code(torch.ones(1), torch.zeros(1, start.codes - 1)))
    return np.asarray(change[0, :, :height, :width].permute(1, 2, 0).numpy(), np.float32)


def _put(piece: Pixels, place: tuple[int, int, int], shape: tuple[int, ...]) -> Pixels:
    """A change (side, side, 3) laid into an empty frame (height, width, 3) at the square it was cut from."""
    left, top, size = place
    wide = np.asarray(cv2.resize(piece, (size, size), interpolation=_kernel(piece.shape[0], size)), np.float32)
    result = np.zeros((*shape[:2], 3), np.float32)
    rows = slice(max(0, top), min(shape[0], top + size))
    columns = slice(max(0, left), min(shape[1], left + size))
    result[rows, columns] = wide[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return result


def _broad(change: Pixels, matte: Pixels, sigma: float) -> Pixels:
    """What is broader than `sigma` pixels in a change, looked at inside the matte alone."""
    weight = cv2.GaussianBlur(matte, (0, 0), sigma)[..., None]
    return np.asarray(cv2.GaussianBlur(change * matte[..., None], (0, 0), sigma) / (weight + 1e-3), np.float32)


def _fine_energy(face: Face) -> float:
    """Energy of the finest detail inside the matte, against the mean brightness squared: that of the middle frame.

    Light that rakes over the skin makes some frames of a clip ten times as rough as others; these do not count.
    """
    energies = []
    for pixels, matte in _both(face):
        plane = pixels.astype(np.float32)
        fine = plane - cv2.GaussianBlur(plane, (0, 0), FINE_SIGMA)
        inside = matte > 0.9
        if inside.any():
            energies.append(float(np.square(fine[inside]).mean() / max(float(np.square(plane[inside]).mean()), 1e-6)))
    return float(np.median(energies)) if energies else 0.0


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
