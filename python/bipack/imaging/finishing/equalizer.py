"""The texture equalizer: five bands of detail, each softened or sharpened, one after the other.

Every band is fed what the band before made of the picture: x <- x - b (x - T(x, r)). A positive amount b takes the
detail below radius r out (1 leaves the blur), a negative one adds to it. The change as a whole is then scaled by `gain`
and held inside the matte, channel by channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

from bipack.imaging.finishing.tent import tent
from bipack.imaging.frame import Pixels

RADII = (2.0, 4.0, 8.0, 16.0, 32.0)
"""Radii that the bands start from; their half-gain wavelengths are 4, 9, 18, 36 and 72 pixels."""


@dataclass(frozen=True)
class Band:
    """One band."""

    radius: float
    """Detail finer than about twice this many pixels is in the band; below 1 the band rests."""

    amount: float
    """1 takes the band's detail away, 0 leaves it, -1 doubles it."""


def equalize(
    pixels: Pixels,
    bands: Sequence[Band],
    gain: float = 1.0,
    matte: Optional[Pixels] = None,
    weight: Optional[Pixels] = None,
) -> Pixels:
    """Equalise (height, width, 3) float32; a new array.

    `matte` (height, width[, 3]) holds the whole change back where it is below 1; where it is 0 the pixels stay as they
    are, bit for bit. `weight` (height, width) multiplies every amount at its pixel instead. Values must be finite.
    """
    result = pixels.copy()
    for band in bands:
        _apply(result, band, weight)
    if gain != 1.0 or matte is not None:
        result -= pixels
        result *= np.float32(gain)
        if matte is not None:
            result *= _over_channels(matte)
        result += pixels
    if matte is not None:
        np.copyto(result, pixels, where=_over_channels(matte) == 0.0)
    return result


def band_texture(pixels: Pixels, bands: Sequence[Band], index: int, weight: Optional[Pixels] = None) -> Pixels:
    """The detail that band `index` (from 0) finds in what the bands before it left: x - T(x, r)."""
    before = equalize(pixels, bands[:index], weight=weight)
    before -= tent(before, bands[index].radius)
    return before


def band_change(pixels: Pixels, bands: Sequence[Band], index: int, weight: Optional[Pixels] = None) -> Pixels:
    """What band `index` (from 0) adds to the picture: -b (x - T(x, r))."""
    texture = band_texture(pixels, bands, index, weight)
    texture *= np.float32(-bands[index].amount)
    if weight is not None:
        texture *= _over_channels(weight)
    return texture


def _apply(pixels: Pixels, band: Band, weight: Optional[Pixels]) -> None:
    if band.amount == 0.0 or band.radius < 1.0:
        return
    change = tent(pixels, band.radius)
    change -= pixels
    change *= np.float32(band.amount)
    if weight is not None:
        change *= _over_channels(weight)
    pixels += change


def _over_channels(plane: Pixels) -> Pixels:
    return plane if plane.ndim == 3 else plane[..., np.newaxis]
