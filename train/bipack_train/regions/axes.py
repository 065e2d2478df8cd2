"""What the free codes turned out to mean: directions along which a measured property of the pairs changes.

Codes are learned without names. After training each property of the targets is regressed on the codes of their pairs;
where the codes foretell it, the direction becomes a slider, scaled so that -1 and 1 span what the pairs showed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bipack.imaging.frame import Pixels
from bipack_train.regions.material import RegionPair

FEWEST = 4
"""Codes below which nothing can be said."""

EXPLAINED = 0.3
"""Part of a property's variance that the codes must foretell for it to become a slider."""

RIDGE = 1e-3


@dataclass(frozen=True, eq=False)
class Axis:
    """One slider."""

    name: str
    tooltip: str
    direction: NDArray[np.float64]
    """(codes - 1,): what the slider at 1 adds to the free code."""

    explained: float
    """Part of the property's variance that the codes foretell, 0..1."""


def fine_texture(one: RegionPair) -> float:
    """Energy of the finest detail of After inside the matte, against that of Before, as a logarithm."""
    return float(np.log(_fine(one.pair.after, one.pair.matte) / _fine(one.pair.before, one.pair.matte)))


def brightness(one: RegionPair) -> float:
    """How much brighter After is than Before inside the matte, encoded."""
    inside = one.pair.matte > 127
    change = one.pair.after[inside].astype(np.float32) - one.pair.before[inside].astype(np.float32)
    return float(change.mean())


def corner_spread(one: RegionPair) -> float:
    """Width of the matte against its height: of a mouth, how far its corners are apart."""
    spots = np.argwhere(one.pair.matte > 127)
    height, width = spots.max(axis=0) - spots.min(axis=0) + 1
    return float(width / height)


PROPERTIES: tuple[tuple[str, str, Callable[[RegionPair], float]], ...] = (
    ("texture", "Less or more fine detail in the result, as far as the pairs differ in it.", fine_texture),
    ("brightness", "Darker or brighter skin in the result, as far as the pairs differ in it.", brightness),
)
MOUTH = ("smile", "Corners of the mouth nearer together or farther apart, as in the pairs.", corner_spread)


def _fine(picture: NDArray[np.floating], matte: NDArray[np.uint8]) -> float:
    pixels: Pixels = picture.astype(np.float32)
    fine = pixels - cv2.GaussianBlur(pixels, (0, 0), 1.5)
    return float(np.square(fine[matte > 127]).mean()) + 1e-9


def find(free: Tensor, pairs: Sequence[RegionPair], region: str) -> list[Axis]:
    """Sliders for the learned codes `free` (pairs, codes - 1), best foretold first and at most codes - 1 of them."""
    used = sorted({one.code for one in pairs})
    if len(used) < FEWEST:
        return []
    codes = free.detach().double().numpy()[used]
    centred = codes - codes.mean(axis=0)
    properties = (*PROPERTIES, MOUTH) if "mouth" in region else PROPERTIES
    found = []
    for name, tooltip, measure in properties:
        values = np.array([np.mean([measure(one) for one in pairs if one.code == code]) for code in used])
        axis = _axis(name, tooltip, centred, values - values.mean())
        if axis is not None:
            found.append(axis)
    return sorted(found, key=lambda axis: -axis.explained)[: codes.shape[1]]


def _axis(name: str, tooltip: str, codes: NDArray[np.float64], values: NDArray[np.float64]) -> Axis | None:
    """The direction along which `values` grow; None where the codes do not foretell them.

    Each value is foretold from the others (leave one out), so that many codes cannot explain few pairs by chance.
    """
    if float(np.square(values).sum()) < 1e-12:
        return None
    gram = codes.T @ codes + RIDGE * np.eye(codes.shape[1])
    slope = np.linalg.solve(gram, codes.T @ values)
    leverage = np.einsum("ij,jk,ik->i", codes, np.linalg.inv(gram), codes)
    missed = (values - codes @ slope) / np.maximum(1.0 - leverage, 1e-6)
    explained = 1.0 - float(np.square(missed).sum() / np.square(values).sum())
    if explained < EXPLAINED:
        return None
    direction = slope / np.linalg.norm(slope)
    return Axis(name, tooltip, direction * float(np.abs(codes @ direction).max()), explained)


def matrix(axes: Sequence[Axis], codes: int) -> Tensor:
    """(codes - 1, codes - 1) for `models.region.Region`: one row for each slider, 0 for those that mean nothing."""
    rows = torch.zeros(codes - 1, codes - 1)
    for index, axis in enumerate(axes):
        rows[index] = torch.from_numpy(axis.direction).float()
    return rows
