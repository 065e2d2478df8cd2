"""What the marks of a set of pairs are made of: whether they hide the plate, and whether its grain goes on over them.

Marks that are laid over other places must behave as they do where the artist found them. A rod hides what is behind
it; a blemish or a shadow lets texture through. Where marks were on set when the camera ran and the artist kept the
grain, Before and After have the same grain, and a model can keep it as well; where the fix was regrained it cannot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels
from bipack_train.pairs import Pair

ENOUGH = 300
"""Pixels inside marks below which nothing is said about them."""

GOES_ON = 0.4
"""Part of the grain on the marks from which it counts as that of the plate."""

SEE_THROUGH = (0.7, 1.45)
"""Detail on the marks over that of the plate, both relative to their level, where marks let the plate through."""

ALIKE = 0.6
"""Correlation of the two that this needs as well."""


@dataclass(frozen=True)
class Nature:
    """How marks are laid over other places."""

    opaque: float = 0.5
    """Share that hides what is below; the others scale it."""

    grain: float = 0.0
    """Sigma, encoded, of the grain that goes on over the marks; 0 where it does not."""


def coverage(before: Pixels, after: Pixels, matte: Pixels) -> Pixels:
    """(height, width) 0..1: how far the mark hides the plate, from encoded pictures and the matte.

    The difference against the largest one nearby, so that marks hide the plate where the two happen to be alike too.
    """
    size = np.abs(before - after).max(axis=-1)
    largest = cv2.dilate(size, _disc(9))
    cover = np.clip(2.0 * size / np.maximum(largest, 1e-4), 0.0, 1.0)
    cover = cv2.morphologyEx(cover, cv2.MORPH_CLOSE, _disc(9))
    # Where nothing nearby differs, the quotient is noise.
    return np.asarray(cover * np.clip(largest / 0.04 - 0.5, 0.0, 1.0) * (matte > 0), np.float32)


def measure(pairs: Sequence[Pair]) -> Nature:
    """The nature of the marks of `pairs`."""
    fine: list[Pixels] = []
    level: list[Pixels] = []
    for pair in pairs:
        both = [pair.before.astype(np.float32), pair.after.astype(np.float32)]
        cover = coverage(both[0], both[1], pair.matte.astype(np.float32) / 255.0)
        core = cv2.erode((cover > 0.95).astype(np.uint8), _disc(5)) > 0
        soft = [cv2.blur(picture, (3, 3)) for picture in both]
        fine.append(np.stack([(picture - blurred)[core] for picture, blurred in zip(both, soft, strict=True)]))
        level.append(np.stack([blurred[core] for blurred in soft]))
    inside = np.concatenate(fine, axis=1)
    if inside.shape[1] < ENOUGH:
        return Nature()
    opaque = (
        0.25 if _shines_through((inside / np.maximum(np.concatenate(level, axis=1), 0.02)).astype(np.float32)) else 0.9
    )
    # The middle of a mark is plain, so its finest detail is grain.
    grain = 1.4826 * float(np.median(np.abs(inside[0])))
    return Nature(opaque, grain if _goes_on(*inside) > GOES_ON else 0.0)


def _shines_through(detail: Pixels) -> bool:
    """True where the detail on the marks is that of the plate, scaled as the plate is: `detail` (2, pixels, 3)."""
    before, after = detail - detail.mean(axis=1, keepdims=True)
    calm = np.abs(before) <= 4 * np.median(np.abs(before))
    before, after = before[calm], after[calm]
    spread = float(np.sqrt(np.square(before).mean() * np.square(after).mean()))
    likeness = float((before * after).mean()) / max(spread, 1e-12)
    return likeness > ALIKE and SEE_THROUGH[0] < float(before.std() / max(after.std(), 1e-9)) < SEE_THROUGH[1]


def _goes_on(before: Pixels, after: Pixels) -> float:
    """How much of the fine detail on the marks is there in After as well: 1 = all of it, 0 = none.

    Edges are no grain: strong values are left out.
    """
    calm = np.abs(before) <= 4 * np.median(np.abs(before))
    return float((before[calm] * after[calm]).sum() / max(float(np.square(before[calm]).sum()), 1e-12))


def _disc(side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
