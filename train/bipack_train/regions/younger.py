"""Today's frames with the younger face under today's performance: pairs for `regions.loop` (see regions.unpaired)."""

from __future__ import annotations

import logging

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bipack.imaging.frame import Pixels
from bipack_train.models.region import RegionNet
from bipack_train.models.swap import FACES, Swap
from bipack_train.pairs import Pair, PairFiles
from bipack_train.regions.material import RegionPair
from bipack_train.regions.unpaired import Face, Squares, resized, square, squares

log = logging.getLogger(__name__)

FINE_SIGMA = 1.5
"""Detail finer than this (pixels of the crop) stays the plate's own, scaled."""

BROAD = 0.06
"""What is broader than this part of the square is color and light, and stays the plate's own."""

AROUND = 4.0
"""Sigma in pixels of the surroundings in which change and detail are compared."""

LITTLE = 0.2
"""Trust below which the decoders are as good as untrained."""


@torch.no_grad()
def pairs_of(net: Swap, today: Face, younger_face: Face, side: int, start: RegionNet | None = None) -> list[RegionPair]:
    """Today's frames and what they become, as pairs for `regions.loop`; outside the matte both are the same.

    `start` is a region model, such as a starter: it stands in for the decoders as far as they cannot be trusted.
    """
    first = squares(today, side)
    energy = _fine_energy(younger_face) / max(_fine_energy(today), 1e-12)
    kept = float(np.sqrt(min(1.0, energy)))
    compared = [
        _compared(pixels, matte, _change(net, first.pixels[index : index + 1]))
        for index, (pixels, matte) in enumerate(zip(today.pixels, today.mattes, strict=True))
    ]
    sure = trust(net, first, squares(younger_face, side, like=first))
    log.info("the decoders are trusted by %.0f %%; fine detail is kept at %.0f %%", 100 * sure, 100 * kept)
    if sure < LITTLE and start is None:
        log.warning(
            "The two faces are hardly told apart yet: on the younger face's own frames today's decoder paints no more "
            "lines. The model will change next to nothing. Give it more minutes, or a starter with --init."
        )
    found = []
    for index, (pixels, matte) in enumerate(zip(today.pixels, today.mattes, strict=True)):
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
    wide = resized(piece, size)
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
    for pixels, matte in zip(face.pixels, face.mattes, strict=True):
        plane = pixels.astype(np.float32)
        fine = plane - cv2.GaussianBlur(plane, (0, 0), FINE_SIGMA)
        inside = matte > 0.9
        if inside.any():
            energies.append(float(np.square(fine[inside]).mean() / max(float(np.square(plane[inside]).mean()), 1e-6)))
    return float(np.median(energies)) if energies else 0.0
