"""The texture that a repair lacks, measured and made again from a plane of white noise.

A repair that is learned by regression is the average of what could be there: without grain, and without the part of
skin or stone that cannot be foretold. What is missing is known exactly on the training pairs: the artist's After minus
the net's answer, inside the edit. Its strength at each brightness, its reach (autocorrelation) and how its channels go
together make a small filter, once, in closed form, which turns the worker's noise plane into texture of the same
spectrum.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bipack.imaging.frame import Pixels

REACH = 4
"""Texture filters are (2 REACH + 1) squared."""

LEVELS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.2)
"""Encoded brightness at which the strength is measured; in between it is interpolated, beyond it is held."""

ENOUGH = 400
"""Pixels of repair below which nothing is measured."""


class Grain(nn.Module):
    """Noise (N, 1, H, W), unit normal, and a picture (N, 3, H, W) to texture (N, 3, H, W), encoded, of mean 0."""

    kernel: Tensor
    strength: Tensor

    def __init__(self, kernel: Pixels, strength: Pixels) -> None:
        """`kernel` (3, 1, height, width) of unit energy per channel; `strength` (3, levels) sigma, encoded."""
        super().__init__()
        self.register_buffer("kernel", torch.from_numpy(np.ascontiguousarray(kernel, np.float32)))
        self.register_buffer("strength", torch.from_numpy(np.ascontiguousarray(strength, np.float32)))

    def forward(self, noise: Tensor, picture: Tensor) -> Tensor:
        """Texture for `picture` out of `noise`."""
        height, width = self.kernel.shape[-2:]
        pattern = functional.conv2d(noise, self.kernel, padding=(height // 2, width // 2))
        sigma = self.strength[:, 0].view(1, 3, 1, 1)
        # A polyline as a sum of clipped ramps: plain operators, the same on every provider.
        for index, (low, high) in enumerate(itertools.pairwise(LEVELS)):
            slope = (self.strength[:, index + 1] - self.strength[:, index]).view(1, 3, 1, 1) / (high - low)
            sigma = sigma + slope * (picture.clamp(low, high) - low)
        return pattern * sigma


@dataclass(frozen=True, eq=False)
class Repair:
    """One repaired picture and the truth, encoded."""

    result: Pixels
    """(height, width, 3) without texture."""

    truth: Pixels
    """(height, width, 3)."""

    inside: NDArray[np.bool_]
    """(height, width): the middle of the edit."""


def measure(repairs: Sequence[Repair]) -> Grain | None:
    """The texture that `repairs` lack; None where there is too little of them, or nothing is lacking."""
    errors = np.concatenate([(one.truth - one.result)[one.inside] for one in repairs])
    levels = np.concatenate([one.result[one.inside] for one in repairs])
    if len(errors) < ENOUGH:
        return None
    strength = _strength(errors, levels) * _missing(repairs)
    if float(strength.max()) < 2e-4:
        return None
    scaled = [_scaled(one, strength) for one in repairs]
    kernels = np.stack([_kernel(scaled, channel) for channel in range(3)])[:, None]
    correlation = np.corrcoef(errors.T)
    return Grain(_apart(kernels, min(correlation[0, 1], correlation[2, 1])), strength)


def _missing(repairs: Sequence[Repair]) -> float:
    """Part of the error's strength that is missing texture: all of it after a regression, none before it has learned.

    A net that was taught to make texture up has some of its own, in the wrong place; adding all of the error on top
    would give too much. A net that has not yet learned its marks leaves them standing: that is no texture. Medians
    are compared, so that a rim that still shows here and there does not hide the grain that is missing everywhere.
    """
    fine: list[list[Pixels]] = [[], [], []]
    for one in repairs:
        for kept, picture in zip(fine, (one.truth, one.result, one.truth - one.result), strict=True):
            detail = picture - cv2.GaussianBlur(picture, (0, 0), REACH / 2)
            kept.append(np.square(detail[one.inside]))
    truth, result, error = (float(np.median(np.concatenate(kept))) for kept in fine)
    return float(np.sqrt(np.clip((truth - result) / max(error, 1e-12), 0.0, 1.0)))


def _strength(errors: Pixels, levels: Pixels) -> Pixels:
    """(3, levels): sigma of the error near each level; where a level is rare, that of its neighbours."""
    strength = np.zeros((3, len(LEVELS)), np.float32)
    for channel in range(3):
        for index, level in enumerate(LEVELS):
            # A soft window that always holds some of the nearest samples.
            distance = np.abs(levels[:, channel] - level)
            reach = max(0.08, float(np.partition(distance, min(ENOUGH, len(distance)) - 1)[:ENOUGH].max()))
            weight = np.exp(-0.5 * (distance / reach) ** 2)
            square = np.minimum(np.square(errors[:, channel]), np.quantile(np.square(errors[:, channel]), 0.995))
            strength[channel, index] = float(np.sqrt((weight * square).sum() / weight.sum()))
    return strength


def _scaled(one: Repair, strength: Pixels) -> tuple[Pixels, Pixels]:
    """The error of a repair at unit strength, 0 outside, and the mask as float."""
    sigma = np.stack([np.interp(one.result[..., channel], LEVELS, strength[channel]) for channel in range(3)], axis=-1)
    mask = one.inside.astype(np.float32)
    return (mask[..., None] * (one.truth - one.result) / np.maximum(sigma, 1e-5)).astype(np.float32), mask


def _kernel(scaled: Sequence[tuple[Pixels, Pixels]], channel: int) -> Pixels:
    """The filter whose output has the autocorrelation of the errors: the square root of their spectrum, zero phase.

    Autocorrelation over a mask of any shape: products of pixels at each distance, divided by how many there are.
    """
    side = 4 * REACH
    products = np.zeros((2 * side + 1, 2 * side + 1))
    counts = np.zeros_like(products)
    for error, mask in scaled:
        products += _lags(error[..., channel], side)
        counts += _lags(mask, side)
    correlation = products / np.maximum(counts, 1.0)
    correlation /= max(correlation[side, side], 1e-9)
    taper = np.clip(1.2 - np.abs(np.arange(-side, side + 1)) / (2.0 * REACH + 1.0), 0.0, 1.0)
    tapered = correlation * np.outer(taper, taper)
    spectrum = np.maximum(np.real(np.fft.fft2(np.fft.ifftshift(tapered))), 0.0)
    root = np.fft.fftshift(np.real(np.fft.ifft2(np.sqrt(spectrum))))
    kernel = root[side - REACH : side + REACH + 1, side - REACH : side + REACH + 1]
    return np.asarray(kernel / np.sqrt(np.square(kernel).sum()), np.float32)


def _lags(plane: Pixels, side: int) -> NDArray[np.float64]:
    """Sums of products of `plane` with itself at all distances up to `side`, (2 side + 1) squared."""
    rows, columns = plane.shape
    shape = (rows + side, columns + side)
    spectrum = np.fft.rfft2(plane, shape)
    full = np.fft.irfft2(np.abs(spectrum) ** 2, shape)
    return np.roll(full, (side, side), (0, 1))[: 2 * side + 1, : 2 * side + 1]


def _apart(kernels: Pixels, correlation: float) -> Pixels:
    """Put the filters of R, G and B side by side where the channels of the error hardly go together.

    One white plane read at two places gives independent values, so a shift makes another channel without a second
    plane.
    """
    if correlation > 0.5:
        return kernels
    side = kernels.shape[-1]
    wide = np.zeros((3, 1, side, 3 * side), np.float32)
    for channel in range(3):
        wide[channel, 0, :, channel * side : (channel + 1) * side] = kernels[channel, 0]
    return wide
