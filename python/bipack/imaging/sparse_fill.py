"""Filling a hole with what continues through it: edges, stripes, rows of windows, weave.

The picture is taken to be sparse: any square of it is a sum of few cosines. From a start that is smooth, every round
transforms overlapping squares, keeps the strong coefficients alone, puts the squares together again and sets what is
known back. The bound between strong and weak falls round by round, so that large structure finds its way through the
hole first and detail follows (Guleryuz, "Nonlinear approximation based image recovery using adaptive sparse
reconstructions and iterated denoising", 2006). A wide hole is solved at a small size first.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Optional

import cv2
import numpy as np

from bipack.errors import Cancelled
from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask, smooth_fill


@dataclass(frozen=True)
class Rounds:
    """How a hole is solved at one size."""

    side: int = 32
    """Side of the squares, in pixels."""

    stride: int = 8
    """Distance of the squares; it divides `side`. Their grid lies elsewhere every round."""

    count: int = 24
    first: float = 0.45
    """Bound of the first round, as a share of the contrast times `side`."""

    last: float = 0.015


COARSE = Rounds()
FINE = Rounds(count=8, first=0.1)
WIDEST = 30.0
"""Pixels that a hole may be wide at the size where it is solved first."""

_MOST_HALVINGS = 5


def fill(picture: Pixels, hole: Mask, cancel: Optional[threading.Event] = None) -> Pixels:
    """`picture`, encoded (height, width, 3), with its `hole` filled; a new array, the known part unchanged.

    What lies in the hole has no influence and may be NaN. Raises Cancelled when `cancel` is set.
    """
    if not hole.any():
        return picture.copy()
    if hole.all():
        return np.zeros_like(picture)
    wide = 2.0 * float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max())
    if wide <= WIDEST or min(hole.shape) < 4 * COARSE.side:
        return _solved(picture, hole, smooth_fill(picture, ~hole), COARSE, cancel)
    return _from_coarse(picture, hole, cancel, _MOST_HALVINGS)


def _from_coarse(picture: Pixels, hole: Mask, cancel: Optional[threading.Event], left: int) -> Pixels:
    """Solve at half the size, enlarge, and solve again with that as the start."""
    wide = 2.0 * float(cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 5).max())
    if wide <= WIDEST or left == 0 or min(hole.shape) < 2 * COARSE.side:
        return _solved(picture, hole, smooth_fill(picture, ~hole), COARSE, cancel)
    height, width = hole.shape
    size = (width + 1) // 2, (height + 1) // 2
    weight = _halved((~hole).astype(np.float32), size)
    sums = _halved(np.where(hole[..., np.newaxis], np.float32(0.0), picture), size)
    small = sums / np.maximum(weight, 1e-6)[..., np.newaxis]
    filled = _from_coarse(small, weight <= 0.0, cancel, left - 1)
    enlarged = cv2.resize(filled, (2 * size[0], 2 * size[1]), interpolation=cv2.INTER_CUBIC)[:height, :width]
    start = np.where(hole[..., np.newaxis], np.asarray(enlarged, np.float32), picture)
    return _solved(picture, hole, start, FINE, cancel)


def _halved(values: Pixels, size: tuple[int, int]) -> Pixels:
    height, width = values.shape[:2]
    padded = cv2.copyMakeBorder(values, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA), np.float32)


def _solved(picture: Pixels, hole: Mask, start: Pixels, rounds: Rounds, cancel: Optional[threading.Event]) -> Pixels:
    """The rounds at one size."""
    side, stride = rounds.side, rounds.stride
    height, width = hole.shape
    inside = hole[..., np.newaxis]
    current = np.where(inside, start, picture)
    contrast = max(float(picture[~hole].std()), 0.02)
    cosines = _cosines(side)
    generator = np.random.default_rng(1)
    # Squares that touch the hole are all that matter; where they lie is worked out anew every round.
    for number in range(rounds.count):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Stopped on request; finished frames are kept.")
        bound = contrast * side * rounds.first * (rounds.last / rounds.first) ** (number / (rounds.count - 1))
        top, left = (int(value) for value in generator.integers(0, stride, 2))
        below, right = side + (-(height + top)) % stride, side + (-(width + left)) % stride
        padded = np.pad(
            current,
            ((side + top, below), (side + left, right), (0, 0)),
            "symmetric" if min(height, width) > 2 * side else "edge",
        )
        marked = np.pad(hole, ((side + top, below), (side + left, right)))
        sums, weights = _round(padded, marked, cosines, stride, bound)
        area = slice(side + top, side + top + height), slice(side + left, side + left + width)
        np.copyto(current, sums[area] / np.maximum(weights[area], 1e-12)[..., np.newaxis], where=inside)
    return current


def _round(padded: Pixels, marked: Mask, cosines: Pixels, stride: int, bound: float) -> tuple[Pixels, Pixels]:
    """Weighted sums of the shrunk squares that touch the hole, and their weights."""
    side = len(cosines)
    windows = np.lib.stride_tricks.sliding_window_view(marked, (side, side))[::stride, ::stride]
    rows, columns = np.nonzero(windows.any(axis=(2, 3)))
    squares = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(0, 1))[::stride, ::stride]
    taken = np.ascontiguousarray(squares[rows, columns])  # (count, 3, side, side)
    coefficients = cosines @ taken @ cosines.T
    strong = np.sqrt(np.square(coefficients).mean(axis=1, keepdims=True)) > bound
    strong[..., 0, 0] = True
    weight = (1.0 / strong.sum(axis=(1, 2, 3))).astype(np.float32)
    shrunk = cosines.T @ (coefficients * strong) @ cosines
    shrunk *= weight[:, np.newaxis, np.newaxis, np.newaxis]
    sums, weights = np.zeros_like(padded), np.zeros(padded.shape[:2], np.float32)
    for row, column, square, share in zip(rows * stride, columns * stride, shrunk, weight):
        sums[row : row + side, column : column + side] += square.transpose(1, 2, 0)
        weights[row : row + side, column : column + side] += share
    return sums, weights


def _cosines(side: int) -> Pixels:
    """The orthonormal DCT of `side` samples as a matrix."""
    place = np.arange(side)
    matrix = np.cos(np.pi * (2 * place[np.newaxis] + 1) * place[:, np.newaxis] / 2 / side) * np.sqrt(2 / side)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, np.float32)
