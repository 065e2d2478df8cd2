"""Operators and functions of Nuke's expressions, on floats and on float32 arrays alike.

The list is the one in Foundry's "Adding Mathematical Functions to Expressions"; a name that is not there does not
exist. noise, fBm, turbulence and random are repeatable and have the documented range and shape, but not Nuke's own
numbers, so no test may depend on their exact values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import ExpressionError

Value = Any
CONSTANTS = {"pi": math.pi, "PI": math.pi, "true": 1.0, "false": 0.0}


def truth(value: Value) -> bool:
    """Whether a single value counts as true; Tcl's words for it are understood."""
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in ("true", "yes", "on"):
            return True
        if lowered in ("false", "no", "off", ""):
            return False
        try:
            return float(lowered) != 0
        except ValueError:
            raise ExpressionError(f'expected boolean value but got "{value}"') from None
    return bool(value != 0)


def number(value: Value) -> Value:
    """A number from a number or from Tcl text. Raises ExpressionError for any other text."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in ("true", "false"):
        return 1.0 if text == "true" else 0.0
    try:
        return float(text)
    except ValueError:
        raise ExpressionError(f'"{value}" is not a number') from None


def unary(symbol: str, value: Value) -> Value:
    if symbol == "!":
        if isinstance(value, np.ndarray):
            return (value == 0).astype(np.float32)
        return 0.0 if truth(value) else 1.0
    value = number(value)
    return -value if symbol == "-" else value


def binary(symbol: str, left: Value, right: Value) -> Value:
    if isinstance(left, str) or isinstance(right, str):
        return _binary_text(symbol, left, right)
    return _flat(_OPERATORS[symbol](left, right))


def _binary_text(symbol: str, left: Value, right: Value) -> Value:
    try:
        if symbol not in ("eq", "ne"):
            return _flat(_OPERATORS[symbol](number(left), number(right)))
    except ExpressionError:
        if symbol not in ("==", "!="):
            raise
    return float((as_text(left) == as_text(right)) == (symbol in ("==", "eq")))


def as_text(value: Value) -> str:
    """A value as Tcl prints it: whole numbers without a point."""
    if isinstance(value, str):
        return value
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else f"{value:.9g}"


def _flat(value: Value) -> Value:
    """Booleans to 0 and 1; arrays to float32, single values to Python floats."""
    if isinstance(value, np.ndarray) and value.ndim:
        return value.astype(np.float32, copy=False)
    return float(value)


def _divide(a: Value, b: Value) -> Value:
    return np.divide(np.asarray(a, np.float32) if isinstance(a, np.ndarray) else a, b)


_OPERATORS: dict[str, Callable[[Value, Value], Value]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": np.fmod,
    "**": lambda a, b: np.power(np.asarray(a, np.float32 if isinstance(a, np.ndarray) else np.float64), b),
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "&&": np.logical_and,
    "||": np.logical_or,
}


def clamp(x: Value, low: Value = 0.0, high: Value = 1.0) -> Value:
    return np.minimum(np.maximum(x, low), high)


def smoothstep(low: Value, high: Value, x: Value) -> Value:
    t = clamp(np.divide(np.subtract(x, low), np.subtract(high, low)))
    return t * t * (3 - 2 * t)


def from_srgb(x: Value) -> Value:
    return np.where(np.less_equal(x, 0.04045), np.divide(x, 12.92), np.power((np.maximum(x, 0) + 0.055) / 1.055, 2.4))


def to_srgb(x: Value) -> Value:
    return np.where(
        np.less_equal(x, 0.0031308), np.multiply(x, 12.92), 1.055 * np.power(np.maximum(x, 0), 1 / 2.4) - 0.055
    )


def from_rec709(x: Value) -> Value:
    return np.where(np.less(x, 0.081), np.divide(x, 4.5), np.power((np.maximum(x, 0) + 0.099) / 1.099, 1 / 0.45))


def to_rec709(x: Value) -> Value:
    return np.where(np.less(x, 0.018), np.multiply(x, 4.5), 1.099 * np.power(np.maximum(x, 0), 0.45) - 0.099)


def _hash(x: Value, y: Value, z: Value) -> Value:
    """A repeatable number in [0, 1) for each integer lattice point."""
    with np.errstate(all="ignore"):
        h = (
            np.asarray(x, np.float64).astype(np.int64) * 374761393
            + np.asarray(y, np.float64).astype(np.int64) * 668265263
            + np.asarray(z, np.float64).astype(np.int64) * 2147483647
        )
        h = (h ^ (h >> 13)) * 1274126177
        h = h ^ (h >> 16)
    return (h & 0xFFFFFF) / float(0x1000000)


def random(x: Value = 0.0, y: Value = 0.0, z: Value = 0.0) -> Value:
    scale = 1e6
    return _hash(np.floor(np.multiply(x, scale)), np.floor(np.multiply(y, scale)), np.floor(np.multiply(z, scale)))


def noise(x: Value, y: Value = 0.0, z: Value = 0.0) -> Value:
    """Value noise in about [-1, 1], zero at whole lattice points as gradient noise is."""
    fx, fy, fz = (np.asarray(v, np.float64) for v in (x, y, z))
    ix, iy, iz = np.floor(fx), np.floor(fy), np.floor(fz)
    total: Value = 0.0
    for dx in (0, 1):
        for dy in (0, 1):
            for dz in (0, 1):
                wx, wy, wz = (_fade(np.abs(1 - d - (f - i))) for d, f, i in ((dx, fx, ix), (dy, fy, iy), (dz, fz, iz)))
                cx, cy, cz = ix + dx, iy + dy, iz + dz
                slope = [2 * _hash(cx + 17 * k, cy + 31 * k, cz + 57 * k) - 1 for k in range(3)]
                total = total + wx * wy * wz * (slope[0] * (fx - cx) + slope[1] * (fy - cy) + slope[2] * (fz - cz))
    return total


def _fade(t: Value) -> Value:
    return t * t * t * (t * (t * 6 - 15) + 10)


def fbm(x: Value, y: Value, z: Value, octaves: Value, lacunarity: Value, gain: Value) -> Value:
    total: Value = 0.0
    for i in range(int(np.max(octaves))):
        scale = np.power(lacunarity, i)
        total = total + noise(np.multiply(x, scale), np.multiply(y, scale), np.multiply(z, scale)) * np.power(gain, i)
    return total


def turbulence(x: Value, y: Value, z: Value, octaves: Value, lacunarity: Value, gain: Value) -> Value:
    total: Value = 0.0
    for i in range(int(np.max(octaves))):
        s = np.power(lacunarity, i)
        total = total + np.abs(noise(np.multiply(x, s), np.multiply(y, s), np.multiply(z, s))) * np.power(gain, i)
    return total


def _fold(function: Callable[[Value, Value], Value]) -> Callable[..., Value]:
    def folded(first: Value, *others: Value) -> Value:
        for other in others:
            first = function(first, other)
        return first

    return folded


# name: (function, fewest arguments, most arguments)
_FUNCTIONS: dict[str, tuple[Callable[..., Value], int, int]] = {
    "abs": (np.abs, 1, 1),
    "acos": (np.arccos, 1, 1),
    "asin": (np.arcsin, 1, 1),
    "atan": (np.arctan, 1, 1),
    "atan2": (np.arctan2, 2, 2),
    "ceil": (np.ceil, 1, 1),
    "clamp": (clamp, 1, 3),
    "cos": (np.cos, 1, 1),
    "cosh": (np.cosh, 1, 1),
    "degrees": (np.degrees, 1, 1),
    "exp": (np.exp, 1, 1),
    "exponent": (lambda x: np.frexp(x)[1] + np.multiply(x, 0), 1, 1),
    "fBm": (fbm, 6, 6),
    "fabs": (np.abs, 1, 1),
    "false": (lambda: 0.0, 0, 0),
    "floor": (np.floor, 1, 1),
    "fmod": (np.fmod, 2, 2),
    "from_byte": (lambda x: from_srgb(np.divide(x, 255.0)), 1, 1),
    "from_rec709f": (from_rec709, 1, 1),
    "from_sRGB": (from_srgb, 1, 1),
    "hypot": (np.hypot, 2, 2),
    "int": (np.trunc, 1, 1),
    "isinf": (np.isinf, 1, 1),
    "isnan": (np.isnan, 1, 1),
    "ldexp": (lambda x, n: np.multiply(x, np.power(2.0, n)), 2, 2),
    "lerp": (lambda a, b, x: np.add(a, np.multiply(np.subtract(b, a), x)), 3, 3),
    "log": (np.log, 1, 1),
    "log10": (np.log10, 1, 1),
    "logb": (lambda x: np.floor(np.log2(np.abs(x))), 1, 1),
    "mantissa": (lambda x: np.frexp(x)[0], 1, 1),
    "max": (_fold(np.maximum), 1, 99),
    "min": (_fold(np.minimum), 1, 99),
    "mix": (lambda a, b, x: np.add(a, np.multiply(np.subtract(b, a), x)), 3, 3),
    "noise": (noise, 1, 3),
    "pi": (lambda: math.pi, 0, 0),
    "pow": (lambda x, y: np.power(np.asarray(x, np.float32 if isinstance(x, np.ndarray) else np.float64), y), 2, 2),
    "pow2": (lambda x: np.multiply(x, x), 1, 1),
    "radians": (np.radians, 1, 1),
    "random": (random, 0, 3),
    "rint": (lambda x: np.floor(np.add(x, 0.5)), 1, 1),
    "sin": (np.sin, 1, 1),
    "sinh": (np.sinh, 1, 1),
    "smoothstep": (smoothstep, 3, 3),
    "sqrt": (np.sqrt, 1, 1),
    "step": (lambda a, x: np.greater_equal(x, a), 2, 2),
    "tan": (np.tan, 1, 1),
    "tanh": (np.tanh, 1, 1),
    "to_byte": (lambda x: np.multiply(to_srgb(x), 255.0), 1, 1),
    "to_rec709f": (to_rec709, 1, 1),
    "to_sRGB": (to_srgb, 1, 1),
    "true": (lambda: 1.0, 0, 0),
    "trunc": (np.trunc, 1, 1),
    "turbulence": (turbulence, 6, 6),
}


def known(name: str) -> bool:
    return name in _FUNCTIONS


def apply(name: str, arguments: list[Value]) -> Value:
    """Call a function by its Nuke name. Raises ExpressionError for a wrong number of arguments."""
    function, fewest, most = _FUNCTIONS[name]
    if not fewest <= len(arguments) <= most:
        raise ExpressionError(f"{name}() takes {fewest} to {most} arguments, not {len(arguments)}")
    with np.errstate(all="ignore"):
        return _flat(function(*[number(a) for a in arguments]))
