"""The color encoding around every net, and the sRGB curve of 8- and 16-bit files.

Scene-linear light spans far more than a net can learn from, so pixels are encoded first: the sRGB curve up to 1.0,
above it 1 + s ln(x), where s = 1.055 / 2.4 makes the slope continuous. Both branches come from one logarithm and one
exponential. The curve is odd (negative light keeps its sign), rises everywhere and is never clamped; its inverse error
is far below half precision, so that a half plate passes through encode and decode unchanged.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels

LOG_SCALE = 1.055 / 2.4
"""Encoded units per e-fold of light above 1.0."""

TOE_LINEAR = 0.0031306684425
"""Linear value below which the curve is a straight line; here the two branches of sRGB meet exactly."""

TOE_ENCODED = 12.92 * TOE_LINEAR
_CINEON_GAMMA = 0.6
_CINEON_BLACK = 10.0 ** ((95.0 - 685.0) * 0.002 / _CINEON_GAMMA)
_SMALLEST = 1e-30
_SIGN = np.uint32(0x80000000)
_BLOCK = 1 << 16
"""Samples worked on at a time: all temporaries of a block stay in the processor's cache."""


def encode(linear: NDArray[Any], out: Optional[Pixels] = None) -> Pixels:
    """Encode scene-linear values of any shape, float32 or float16; returns float32.

    `out` takes the result and may be `linear` itself. 0 and 1 stay 0 and 1; 100 becomes about 3.02, 65504 about 5.87.
    NaN and infinities pass through.
    """
    if linear.dtype == np.float16:
        return _from_table(_encoded_halves(), linear, out)
    return _blockwise(_encode_block, linear, out)


def decode(encoded: Pixels, out: Optional[Pixels] = None) -> Pixels:
    """Undo `encode`: encoded values of any shape to scene-linear float32. `out` may be `encoded` itself."""
    return _blockwise(_decode_block, encoded, out)


def linear_to_srgb(linear: Pixels, out: Optional[Pixels] = None) -> Pixels:
    """Scene-linear to sRGB values, float32; beyond 0..1 the power curve goes on, odd-symmetric."""
    return _blockwise(_linear_to_srgb_block, linear, out)


def srgb_to_linear(srgb: Pixels, out: Optional[Pixels] = None) -> Pixels:
    """Undo `linear_to_srgb`."""
    return _blockwise(_srgb_to_linear_block, srgb, out)


def codes_to_linear(codes: NDArray[Any], transfer: str = "srgb") -> Pixels:
    """Code values (uint8 or uint16) to scene-linear; `transfer` is srgb (0..1) or cineon (up to about 13.5)."""
    return _from_table(_linear_of_codes(codes.dtype.itemsize * 8, transfer), codes, None)


def linear_to_cineon(linear: Pixels) -> Pixels:
    """Scene-linear to Cineon printing density, as a fraction of the code range: black 95, white 685 of 1023."""
    light = linear * np.float32(1.0 - _CINEON_BLACK) + np.float32(_CINEON_BLACK)
    density = np.log10(np.maximum(light, np.float32(1e-10))) * np.float32(_CINEON_GAMMA / 0.002)
    return np.asarray((density + np.float32(685.0)) * np.float32(1 / 1023), dtype=np.float32)


@functools.cache
def _encoded_halves() -> Pixels:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return encode(halves.astype(np.float32))


@functools.cache
def _linear_of_codes(bits: int, transfer: str) -> Pixels:
    codes = np.arange(1 << bits, dtype=np.float64) / ((1 << bits) - 1)
    if transfer == "cineon":
        light = 10.0 ** ((codes * 1023.0 - 685.0) * 0.002 / _CINEON_GAMMA)
        return np.asarray((light - _CINEON_BLACK) / (1.0 - _CINEON_BLACK), dtype=np.float32)
    power = ((codes + 0.055) / 1.055) ** 2.4
    return np.asarray(np.where(codes < TOE_ENCODED, codes / 12.92, power), dtype=np.float32)


def _from_table(table: Pixels, values: NDArray[Any], out: Optional[Pixels]) -> Pixels:
    index: NDArray[Any] = np.ascontiguousarray(values).view(np.uint16 if values.dtype.itemsize == 2 else np.uint8)
    result = np.empty(index.shape, np.float32) if out is None else out
    table.take(index, out=result, mode="clip")
    return result


_Convert = Callable[[Pixels, Pixels, Pixels], None]
"""convert(magnitudes, scratch, result): one branchless curve for magnitudes; all three are (1, n)."""


def _blockwise(convert: _Convert, values: NDArray[Any], out: Optional[Pixels]) -> Pixels:
    """Run `convert` over the magnitudes of `values` a block at a time and give the result their signs.

    NaN and infinities come through as they are: OpenCV's log and exp would make finite numbers of them. Signs are moved
    as bits and limits taken by OpenCV: numpy's copysign, maximum and `where` are five to ten times as slow.
    """
    source = np.ascontiguousarray(values, dtype=np.float32)
    result = np.empty_like(source) if out is None else out
    target = result if result.flags.c_contiguous else np.empty_like(source)
    flat_source, flat_target = source.reshape(1, -1), target.reshape(1, -1)
    buffers = np.empty((3, 1, max(2, min(_BLOCK, source.size))), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, source.size, _BLOCK):
            block = flat_source[:, start : start + _BLOCK]
            count = block.shape[1]
            # OpenCV takes an array of one sample for a scalar and then writes nowhere: such a block is doubled.
            magnitude, scratch, curve = buffers[:, :, : max(2, count)]
            np.abs(block, out=magnitude)
            convert(magnitude, scratch, curve)
            if not np.isfinite(magnitude.max()):
                np.copyto(curve, magnitude, where=~np.isfinite(magnitude))
            signs = np.bitwise_and(block.view(np.uint32), _SIGN, out=magnitude.view(np.uint32))
            target_bits = flat_target[:, start : start + _BLOCK].view(np.uint32)
            np.bitwise_or(curve[:, :count].view(np.uint32), signs[:, :count], out=target_bits)
    if target is not result:
        np.copyto(result, target)
    return result


def _encode_block(magnitude: Pixels, logs: Pixels, curve: Pixels) -> None:
    cv2.max(magnitude, _SMALLEST, logs)
    cv2.log(logs, logs)
    cv2.min(logs, 0.0, curve)
    curve *= np.float32(1 / 2.4)
    cv2.exp(curve, curve)
    _stretch(curve)
    cv2.max(logs, 0.0, logs)
    logs *= np.float32(LOG_SCALE)
    curve += logs
    _straight_toe(magnitude, logs, curve, 12.92, TOE_LINEAR)


def _decode_block(magnitude: Pixels, above: Pixels, curve: Pixels) -> None:
    cv2.min(magnitude, 1.0, curve)
    _unstretch(curve)
    cv2.log(curve, curve)
    curve *= np.float32(2.4)
    cv2.max(magnitude, 1.0, above)
    above -= 1.0
    above *= np.float32(1 / LOG_SCALE)
    curve += above
    cv2.exp(curve, curve)
    _straight_toe(magnitude, above, curve, 1 / 12.92, TOE_ENCODED)


def _linear_to_srgb_block(magnitude: Pixels, scratch: Pixels, curve: Pixels) -> None:
    cv2.max(magnitude, _SMALLEST, curve)
    cv2.log(curve, curve)
    curve *= np.float32(1 / 2.4)
    cv2.exp(curve, curve)
    _stretch(curve)
    _straight_toe(magnitude, scratch, curve, 12.92, TOE_LINEAR)


def _srgb_to_linear_block(magnitude: Pixels, scratch: Pixels, curve: Pixels) -> None:
    np.copyto(curve, magnitude)
    _unstretch(curve)
    cv2.log(curve, curve)
    curve *= np.float32(2.4)
    cv2.exp(curve, curve)
    _straight_toe(magnitude, scratch, curve, 1 / 12.92, TOE_ENCODED)


def _stretch(curve: Pixels) -> None:
    """1.055 x - 0.055 in place, written so that 1 gives exactly 1."""
    curve -= 1.0
    curve *= np.float32(1.055)
    curve += 1.0


def _unstretch(curve: Pixels) -> None:
    """(x + 0.055) / 1.055 in place, written so that 1 gives exactly 1."""
    curve -= 1.0
    curve *= np.float32(1 / 1.055)
    curve += 1.0


def _straight_toe(magnitude: Pixels, scratch: Pixels, curve: Pixels, slope: float, end: float) -> None:
    """The straight line below `end`."""
    np.multiply(magnitude, np.float32(slope), out=scratch)
    cv2.copyTo(scratch, (magnitude < np.float32(end)).view(np.uint8), curve)
