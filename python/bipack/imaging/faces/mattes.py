"""Mattes of regions at the plate's pixels, from what the parser says of a small crop.

The parser's shares are led to the edges of the picture by a guided filter (He, Sun and Tang 2010; its coefficients are
computed on the crop and enlarged, after He and Sun 2015): where the plate has an edge the matte has it too, where it
has none the matte stays soft. All regions of a face and what is none of them add up to 1 before growing and feathering.
"""

from __future__ import annotations

import cv2
import numpy as np

from bipack.imaging.faces import crop
from bipack.imaging.faces.square import Square
from bipack.imaging.frame import Pixels

REFERENCE = 1024
"""Grow and feather are in pixels of a crop of this size, so that they do not depend on how close the face is."""

_RADIUS = 2
"""Pixels of the crop within which an edge is looked for: further ones are not the region's own."""

_FLAT = 4e-4
"""Variance of the picture (encoded) from which it leads the matte."""

_GRAIN = 1.0
"""Deviation in pixels of the blur that takes grain out of the plate that leads the matte."""

_DOUBT = 0.01
"""Share below which a region is none."""

_LIKENESS = 0.06
"""Difference of two frames, encoded, at which the neighbour's say has fallen to a third."""


def steadied(shares: list[Pixels], pictures: list[Pixels]) -> Pixels:
    """The first of `shares` (size, size, n) averaged with the others where their pictures look alike.

    All are crops of the same face in neighbouring frames, stabilised, `pictures` (size, size, 3) encoded. What moves
    within the crop (a blink, a word) is not smeared: there the neighbour has no say.
    """
    total, weights = shares[0].copy(), np.ones(shares[0].shape[:2], np.float32)
    for share, picture in zip(shares[1:], pictures[1:]):
        away = cv2.GaussianBlur(np.abs(picture - pictures[0]).mean(axis=2), (0, 0), 2.0)
        weight = np.exp(-((away / _LIKENESS) ** 2)).astype(np.float32)
        total += share * weight[..., None]
        weights += weight
    return np.asarray(total / weights[..., None], np.float32)


def at_plate(shares: Pixels, picture: Pixels, plate: Pixels, square: Square) -> tuple[slice, slice, Pixels]:
    """Rows, columns and mattes (rows, columns, n) of all regions but the first, which is background.

    `shares` (size, size, 1 + n) belong to `picture` (size, size, 3), the encoded crop; `plate` (height, width, 3) is
    encoded too.
    """
    rows, columns = crop.window(square, *plate.shape[:2])
    guide = _luma(picture)
    slope, offset = _coefficients(guide, shares)
    led = crop.spread(slope, square, rows, columns)
    inside = crop.spread(crop.border(shares.shape[0])[..., None], square, rows, columns)
    # Led by the picture less its grain, which would else be in the matte and restless on every frame.
    led *= cv2.GaussianBlur(_luma(plate[rows, columns]), (0, 0), _GRAIN)[..., None] if led.size else 1.0
    led += crop.spread(offset, square, rows, columns)
    # The parser is never quite sure; without its doubts a matte ends, and a model works on its own region alone.
    led *= led >= _DOUBT
    total = led.sum(axis=2, keepdims=True)
    mattes = led[..., 1:] * (inside / np.maximum(total, 1e-4))
    return rows, columns, np.asarray(mattes, np.float32)


def shaped(matte: Pixels, side: float, grow: float, feather: float) -> Pixels:
    """A matte (height, width) grown (or shrunk, below 0) and feathered, both in pixels of a crop of REFERENCE.

    `side` is how many pixels of the plate the crop covers.
    """
    scale = side / REFERENCE
    radius = round(abs(grow) * scale)
    if radius:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        change = cv2.dilate if grow > 0 else cv2.erode
        matte = change(matte, kernel, borderType=cv2.BORDER_REPLICATE)
    sigma = feather * scale / 2
    if sigma > 0.3:
        matte = cv2.GaussianBlur(matte, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(matte, np.float32)


def _coefficients(guide: Pixels, shares: Pixels) -> tuple[Pixels, Pixels]:
    """Slope and offset (size, size, n) by which the picture gives the shares.

    Where the picture is flat it has nothing to say and the parser's share stays: brows and lips are small, and a plain
    guided filter would blur them away.
    """
    mean = _box(guide)
    variance = np.maximum(_box(guide * guide) - mean * mean, 0)
    trust = _box((variance / (variance + _FLAT)).astype(np.float32))
    # Each region's plane lies by itself in memory: all that follows works on one after another.
    slope, offset = np.empty((2, shares.shape[2], *shares.shape[:2]), np.float32).transpose(0, 2, 3, 1)
    for index in range(shares.shape[2]):
        share = np.ascontiguousarray(shares[..., index])
        middle = _box(share)
        a = ((_box(guide * share) - mean * middle) / (variance + 0.25 * _FLAT)).astype(np.float32)
        slope[..., index] = trust * _box(a)
        offset[..., index] = trust * _box((middle - a * mean).astype(np.float32)) + (1 - trust) * share
    return slope, offset


def _box(plane: Pixels) -> Pixels:
    side = 2 * _RADIUS + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _luma(encoded: Pixels) -> Pixels:
    return np.asarray(encoded @ np.array([0.3, 0.59, 0.11], np.float32), np.float32)
