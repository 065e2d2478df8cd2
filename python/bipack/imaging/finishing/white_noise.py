"""White noise that a formula makes from place, frame and seed: the same in Nuke, on the farm and here.

Nuke's Expression node reckons in single floats, so the hash is built of small whole numbers only: four rounds of
squares modulo two primes, whose every intermediate value a float holds exactly. Two such numbers make one normally
distributed one. Places count as in Nuke: x to the right, y up, from the lower left corner of the format.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels

P, Q = 2039, 2029
"""The moduli; squares below 2**22 leave room in the 24 bits of a float."""

BIAS = 8192
"""Added to every place, so that overscan to the left of and below the format has no negative remainders."""

Integers = NDArray[np.integer]


def frame_constants(frame: int, seed: int, slot: int) -> tuple[int, int]:
    """The two numbers that make one hash of a frame differ from all others; each channel uses two slots."""
    return (1009 * frame + 331 * seed + 577 * slot) % P, (613 * frame + 47 * seed + 271 * slot + 5) % Q


def uniform(x: Integers, y: Integers, frame: int, seed: int, slot: int) -> Pixels:
    """Numbers in (0, 1) for the grid of columns `x` and rows `y`: (len(y), len(x)) float32."""
    first, second = frame_constants(frame, seed, slot)
    mod_p, mod_q, square_p, square_q = _tables()
    x, y = x + BIAS, y + BIAS
    a = _grid(67 * x % P, (131 * y + first) % P)
    a = np.take(mod_p, a)
    b = np.take(square_q, a) + ((89 * x + second) % Q).astype(np.int32)
    b = np.take(mod_q, b)
    d = np.take(square_p, b) + (97 * y % P).astype(np.int32)[:, np.newaxis]
    d += a
    d = np.take(mod_p, d)
    e = np.take(square_q, d) + b
    result = np.take(mod_q, e).astype(np.float32)
    result += np.float32(0.5)
    result /= np.float32(Q)
    return result


def normal(x: Integers, y: Integers, frame: int, seed: int, channel: int) -> Pixels:
    """Normally distributed numbers, mean 0 and variance 1, for the grid of columns `x` and rows `y`."""
    radius = uniform(x, y, frame, seed, 2 * channel)
    np.log(radius, out=radius)
    radius *= np.float32(-2.0)
    np.sqrt(radius, out=radius)
    angle = uniform(x, y, frame, seed, 2 * channel + 1)
    angle *= np.float32(2.0 * np.pi)
    radius *= np.cos(angle, out=angle)
    return radius


def _grid(columns: Integers, rows: Integers) -> Integers:
    return columns.astype(np.int32)[np.newaxis, :] + rows.astype(np.int32)[:, np.newaxis]


@functools.cache
def _tables() -> tuple[Integers, Integers, Integers, Integers]:
    """Remainders of sums and of squares, looked up: a division per pixel would take most of the time."""
    sums = np.arange(3 * max(P, Q), dtype=np.int32)
    values = np.arange(max(P, Q), dtype=np.int32)
    return sums % P, sums % Q, values * values % P, values * values % Q
