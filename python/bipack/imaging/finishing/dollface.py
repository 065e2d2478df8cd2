"""Smoothing that stops at edges, as Flame's beauty shader does it: across, then down, near colors only.

The weight of a neighbour is a Gaussian of its distance times (1 - color distance / sqrt 3)^threshold, and never less
than 0.001, so that a lone speck is still drawn towards what surrounds it. Weights are symmetrical: each is worked out
once and used from both ends. Meant for display or encoded values; beyond a color distance of sqrt 3 the least weight
holds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.frame import Pixels

LEAST_WEIGHT = 0.001
_SMALL_POWER = 31
"""Whole powers up to this are multiplied out; for others a logarithm and an exponential are faster by far."""

_UNIT = 1.0 / math.sqrt(3.0)
_STRIP = 24
"""Rows (or columns) worked on at a time, so that a dozen planes of a strip fit the cache."""


def dollface(pixels: Pixels, sigma: float, threshold: float, spacing: int = 1) -> Pixels:
    """Smooth (height, width, 3) float32 over about 3 `sigma` pixels; a new array.

    `threshold` is how alike colors must be: at 15 the weight halves at a color distance of 0.078. `spacing` 2 or 4
    skips taps as the shader's lower qualities do, reaching farther for the same `sigma` steps. Values must be finite.
    """
    taps = _taps(sigma, spacing)
    if not taps:
        return pixels.copy()
    height, width = pixels.shape[:2]
    result = np.empty_like(pixels)

    def rows(first: int, last: int) -> None:
        result[first:last] = cv2.merge(_smooth_rows(cv2.split(pixels[first:last]), taps, threshold))

    def columns(first: int, last: int) -> None:
        # Laid on their side, so that both passes read memory in order; a strip of columns needs no other.
        planes = cv2.split(cv2.transpose(result[:, first:last]))
        result[:, first:last] = cv2.transpose(cv2.merge(_smooth_rows(planes, taps, threshold)))

    in_strips(height, _STRIP, rows)
    in_strips(width, _STRIP * 2, columns)
    return result


def threshold_for(distance: float) -> float:
    """The threshold at which a color distance of `distance` gets half the weight."""
    return math.log(0.5) / math.log(1.0 - min(distance, 1.7) / math.sqrt(3.0))


def half_weight_distance(threshold: float) -> float:
    """The color distance that gets half the weight at `threshold`."""
    return math.sqrt(3.0) * (1.0 - math.pow(0.5, 1.0 / threshold))


def _raise_to(values: Pixels, power: float) -> None:
    """`values`, all above 0, to `power`, in place."""
    if power == int(power) and power <= _SMALL_POWER:
        cv2.pow(values, power, values)
        return
    cv2.log(values, values)
    np.multiply(values, np.float32(power), out=values)
    cv2.exp(values, values)


def _farthest(threshold: float) -> float:
    """The color distance, in units of sqrt 3, beyond which the least weight holds."""
    return float(1.0 - LEAST_WEIGHT ** (1.0 / threshold))


def _taps(sigma: float, spacing: int) -> list[tuple[int, float]]:
    """(offset, Gaussian weight) of one side. The Gaussian advances a tap at a time, as in the shader."""
    if sigma <= 0.0:
        return []
    offsets = range(1, int(3.0 * sigma) + 1, spacing)
    return [(offset, math.exp(-0.5 * (k / sigma) ** 2)) for k, offset in enumerate(offsets, start=1)]


def _smooth_rows(planes: Sequence[Pixels], taps: list[tuple[int, float]], threshold: float) -> list[Pixels]:
    """One pass along the rows of three planes."""
    reach, width = taps[-1][0], planes[0].shape[1]
    # Scaled once here, so that a difference is already in units of sqrt 3.
    padded = [
        cv2.copyMakeBorder(plane * np.float32(_UNIT), 0, 0, reach, reach, cv2.BORDER_REPLICATE) for plane in planes
    ]
    sums = [plane[:, reach : reach + width].copy() for plane in padded]
    total = np.ones_like(planes[0])
    scratch = np.empty_like(padded[0]), np.empty_like(padded[0])
    for offset, gaussian in taps:
        # Pair q joins padded pixel reach - offset + q with the one `offset` to its right.
        left = [plane[:, reach - offset : reach + width] for plane in padded]
        right = [plane[:, reach : reach + width + offset] for plane in padded]
        weight, difference = (plane[:, : width + offset] for plane in scratch)
        _pair_weights(left, right, threshold, gaussian, weight, difference)
        to_right, to_left = weight[:, offset:], weight[:, :width]
        for channel in range(3):
            cv2.accumulateProduct(right[channel][:, offset:], to_right, sums[channel])
            cv2.accumulateProduct(left[channel][:, :width], to_left, sums[channel])
        cv2.accumulate(to_right, total)
        cv2.accumulate(to_left, total)
    return [cv2.divide(plane, total, scale=1.0 / _UNIT) for plane in sums]


def _pair_weights(
    left: list[Pixels], right: list[Pixels], threshold: float, gaussian: float, weight: Pixels, difference: Pixels
) -> None:
    """Weights of pairs of pixels into `weight`; `difference` is scratch of the same shape."""
    cv2.subtract(left[0], right[0], difference)
    cv2.multiply(difference, difference, weight)
    for one, other in zip(left[1:], right[1:]):
        cv2.subtract(one, other, difference)
        cv2.accumulateSquare(difference, weight)
    # gaussian * max((1 - d)^threshold, least) in fewer steps: d is held below where the least weight begins, and the
    # Gaussian is part of what is raised to the threshold.
    cv2.threshold(weight, _farthest(threshold) ** 2, 0.0, cv2.THRESH_TRUNC, weight)
    cv2.sqrt(weight, weight)
    if threshold >= 1.0:
        base = gaussian ** (1.0 / threshold)
        cv2.addWeighted(weight, -base, weight, 0.0, base, weight)
        _raise_to(weight, threshold)
        return
    # A low threshold would make that base too small for a float, and the least weight come of a rounded 1 - d.
    np.subtract(np.float32(1.0), weight, out=weight)
    cv2.pow(weight, threshold, weight)
    np.multiply(weight, np.float32(gaussian), out=weight)
    cv2.max(weight, LEAST_WEIGHT * gaussian, weight)
