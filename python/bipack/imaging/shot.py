"""What a plate is like, in figures that a model's card can be held against: size, values, noise, banding, softness.

Everything is measured in encoded values (`imaging.color`), where training took place, on the plate as it is stored.
The estimates are simple on purpose and say what they are: they must never be wrong by a factor, and need not be exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color
from bipack.imaging.frame import Pixels

MAX_SIDE = 1024
"""Larger plates are measured on a centred window of this size, except for what must be counted everywhere."""

NOISE_BLOCK = 16
DETAIL_SIDE = 512
MAD_TO_SIGMA = 1.4826
"""Median absolute deviation to standard deviation, for normal noise."""


@dataclass(frozen=True)
class PlateFacts:
    """One frame, measured."""

    width: int
    height: int
    non_finite: float
    """Share of samples that are NaN or infinite, 0..1."""

    low: float
    """Lowest finite encoded value but for one sample in a thousand."""

    high: float
    """Highest finite encoded value but for one sample in a thousand."""

    peak: float
    """Highest finite scene-linear value."""

    grey: bool
    """True where the channels are alike in every pixel."""

    noise: float
    """Estimated standard deviation of noise or grain, in encoded units; 1/255 is one 8-bit step."""

    eight_bit: bool
    """True where every value lies on one of 256 sRGB or linear steps although the file could hold more."""

    detail: float
    """Amplitude of the finest frequencies over that of middle ones: 0.07 and more for sharp plates, below 0.04 for one
    that was enlarged by two or is out of focus."""

    measurable: bool
    """False where noise or emptiness hides how sharp the plate is."""


def outside(facts: PlateFacts, low: float, high: float) -> float:
    """How far the plate reaches beyond `low`..`high`, as a share of that range; 0 where it stays inside."""
    span = max(high - low, 1e-6)
    return max(0.0, low - facts.low, facts.high - high) / span


def measure(pixels: Pixels, integer: bool = False) -> PlateFacts:
    """Measure scene-linear (height, width, channels) float32. `integer`: the file holds 8- or 16-bit codes."""
    finite = np.isfinite(pixels)
    share = 1.0 - float(finite.mean())
    if share == 1.0:
        return PlateFacts(pixels.shape[1], pixels.shape[0], 1.0, 0.0, 0.0, 0.0, False, 0.0, False, 0.0, False)
    values = pixels if share == 0.0 else np.where(finite, pixels, np.float32(0))
    window = _centre(values)
    encoded = color.encode(np.ascontiguousarray(window))
    low, high = np.quantile(encoded, (0.001, 0.999))
    noise = noise_of(encoded)
    detail, measurable = _detail(encoded[..., min(1, encoded.shape[2] - 1)], noise)
    return PlateFacts(
        width=pixels.shape[1],
        height=pixels.shape[0],
        non_finite=share,
        low=float(low),
        high=float(high),
        peak=float(values.max()),
        grey=pixels.shape[2] > 1 and bool((values == values[..., :1]).all()),
        noise=noise,
        eight_bit=not integer and _on_eight_bit_steps(window),
        detail=detail,
        measurable=measurable,
    )


def noise_of(encoded: Pixels, share: float = 0.3) -> float:
    """Standard deviation of the noise in (height, width, channels) encoded values; the median of the channels.

    A mixed second difference (Immerkær's mask) nearly removes the picture and keeps noise. Its median is taken block by
    block, and of the blocks a low quantile: noise is everywhere, texture is not. Blocks without any variation are left
    out, for a clipped sky says nothing of the grain elsewhere; where most are like that, the picture is a drawn one.
    `share` is the quantile: lower where little of the picture is even.
    """
    rows = encoded[:-2] - 2 * encoded[1:-1] + encoded[2:]
    mixed = np.abs(rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:])
    height, width = (length // NOISE_BLOCK for length in mixed.shape[:2])
    if height == 0 or width == 0:
        return 0.0
    blocks = mixed[: height * NOISE_BLOCK, : width * NOISE_BLOCK]
    blocks = blocks.reshape(height, NOISE_BLOCK, width, NOISE_BLOCK, -1).transpose(4, 0, 2, 1, 3)
    medians = np.median(blocks.reshape(blocks.shape[0], height * width, -1), axis=-1)  # (channels, blocks)
    found = []
    for channel in medians:
        varied = channel[channel > 0]
        found.append(float(np.quantile(varied, share)) if 2 * varied.size > channel.size else 0.0)
    # The mask's coefficients have a square sum of 36.
    return float(np.median(found)) * MAD_TO_SIGMA / 6.0


def _detail(channel: NDArray[np.float32], noise: float) -> tuple[float, bool]:
    """Amplitude near the finest frequencies over that at middle ones, noise taken out; and whether that can be told."""
    height, width = (min(length, DETAIL_SIDE) for length in channel.shape)
    if min(height, width) < 32:
        return 0.0, False
    top, left = (channel.shape[0] - height) // 2, (channel.shape[1] - width) // 2
    part = channel[top : top + height, left : left + width]
    taper = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.rfft2((part - part.mean()) * taper)) ** 2 / (taper**2).sum()
    frequency = np.maximum(np.abs(np.fft.fftfreq(height))[:, None], np.fft.rfftfreq(width))  # cycles a pixel
    fine = float(power[frequency > 0.39].mean())
    middle = float(power[(frequency > 0.1) & (frequency < 0.2)].mean())
    # White noise has the same power everywhere; where it is most of what is seen, nothing can be said.
    if middle < 1e-7 or noise**2 > 0.5 * middle:
        return 0.0, False
    return float(np.sqrt(max(fine - noise**2, 0.0) / (middle - noise**2))), True


def _on_eight_bit_steps(pixels: Pixels) -> bool:
    """True where all values are 8-bit codes brought to float, as sRGB or as they were."""
    sample = pixels[np.isfinite(pixels)][:200_000]
    if sample.size == 0 or sample.min() < 0 or sample.max() > 1.001 or np.unique(sample).size < 16:
        return False
    for codes, slope in ((color.linear_to_srgb(sample) * 255, 255.0), (sample * 255, 255.0)):
        # Half floats place a code within 2^-12 of its value.
        slack = slope * 2.0**-11
        if np.abs(codes - np.rint(codes)).max() < max(slack, 0.02):
            return True
    return False


def _centre(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    top, left = max(0, height - MAX_SIDE) // 2, max(0, width - MAX_SIDE) // 2
    return pixels[top : top + MAX_SIDE, left : left + MAX_SIDE]
