"""What is known of a tensor while a graph is walked: its shape, and where rows and columns of the plate went.

A dimension is a product of parts, outermost first: a picture `Axis`, or a `Plain` count (channels, heads, the phases of
a pixel shuffle). Kept apart like this, rows and columns are followed through Reshape, Transpose and flattened tokens,
so that a pixel shuffle written as three nodes, or a channels-last block, is understood and not merely recognised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Union

import numpy as np

from bipack.worker import axes
from bipack.worker.axes import Axis, Irregular, SizeMismatch


@dataclass(frozen=True)
class Plain:
    """A count that is no picture axis."""

    size: int
    uniform: bool = False
    """True where all entries along it are the same (a broadcast value)."""


Part = Union[Axis, Plain]
Dim = tuple[Part, ...]


@dataclass(frozen=True)
class Field:
    """A tensor that depends on the pixels or on a knob."""

    dims: tuple[Dim, ...]
    item_bytes: int = 4

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of every dimension."""
        return tuple(dim_size(dim) for dim in self.dims)

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return math.prod(self.shape) * self.item_bytes

    def spatial(self, index: int) -> bool:
        """True when dimension `index` holds a picture axis."""
        return any(isinstance(part, Axis) for part in self.dims[index])


class Const:
    """A tensor that does not depend on the pixels: a weight, a setting, or something computed from shapes."""

    def __init__(self, load: Callable[[], np.ndarray], shape: tuple[int, ...], from_shape: bool = False) -> None:
        self._load = load
        self.shape = shape
        self.from_shape = from_shape
        """True when it was computed from the size of the plate, so that it may differ from tile to tile."""

    @cached_property
    def array(self) -> Any:
        """The values; weights are decoded only where they are asked for."""
        return self._load()


def constant(array: Any, from_shape: bool = False) -> Const:
    """A Const of values at hand."""
    values = np.asarray(array)
    return Const(lambda: values, values.shape, from_shape)


@dataclass(frozen=True)
class Opaque:
    """A tensor of which nothing is known any more."""


Value = Union[Field, Const, Opaque]


def plain(size: int) -> Dim:
    """A dimension without a picture axis."""
    return (Plain(size),)


def dim_size(dim: Dim) -> int:
    """Entries of a dimension."""
    return math.prod(part.size for part in dim)


def join(parts: Sequence[Part]) -> Dim:
    """One dimension out of parts: counts are multiplied, and a count inside an axis makes the axis finer."""
    joined: list[Part] = []
    for part in parts:
        if isinstance(part, Plain) and part.size == 1:
            continue
        last = joined[-1] if joined else None
        if isinstance(part, Plain) and isinstance(last, Plain):
            joined[-1] = Plain(last.size * part.size, last.uniform and part.uniform)
        elif isinstance(part, Plain) and isinstance(last, Axis):
            joined[-1] = axes.spread(last, part.size)
        else:
            joined.append(part)
    return tuple(joined) or (Plain(1),)


def _divide(part: Part, outer: int) -> tuple[Part, Part]:
    """Split a part into `outer` groups."""
    if part.size % outer:
        raise Irregular("it regroups pixels across rows")
    inner = part.size // outer
    if isinstance(part, Plain):
        return Plain(outer, part.uniform), Plain(inner, part.uniform)
    return axes.split(part, inner), Plain(inner)


def _together(part: Part, following: Part) -> Plain | None:
    """Two counts as one; None where one of them is an axis."""
    if isinstance(part, Plain) and isinstance(following, Plain):
        return Plain(part.size * following.size, part.uniform and following.uniform)
    return None


def reshape(field: Field, shape: Sequence[int]) -> tuple[Field, list[int]]:
    """`field` in a new shape (no -1, no 0), and the sizes by which picture axes were split on the way.

    Raises SizeMismatch when the number of entries differs, Irregular when rows are broken up.
    """
    if math.prod(shape) != math.prod(field.shape):
        raise SizeMismatch(f"shape {field.shape} cannot become {tuple(shape)}")
    queue: list[Part] = [part for dim in field.dims for part in dim]
    splits: list[int] = []
    dims: list[Dim] = []
    for size in shape:
        taken: list[Part] = []
        missing = size
        while missing > 1:
            part = queue.pop(0)
            while queue and missing % part.size:
                together = _together(part, queue[0])
                if together is None:
                    break
                part = together
                del queue[0]
            if part.size <= missing and missing % part.size == 0:
                missing //= part.size
            else:
                outer, inner = _divide(part, missing)
                if isinstance(part, Axis):
                    splits.append(inner.size)
                queue.insert(0, inner)
                part, missing = outer, 1
            taken.append(part)
        dims.append(join(taken))
    return Field(tuple(dims), field.item_bytes), splits


def broadcast_dim(first: Dim, second: Dim) -> Dim:
    """A dimension of the result where two tensors meet entry by entry."""
    if dim_size(first) == 1 and not isinstance(first[0], Axis):
        return second
    if dim_size(second) == 1 and not isinstance(second[0], Axis):
        return first
    if dim_size(first) != dim_size(second):
        raise SizeMismatch(f"{dim_size(first)} entries meet {dim_size(second)}")
    if _is_uniform(first):
        return second
    if _is_uniform(second):
        return first
    if len(first) != len(second):
        raise Irregular("it joins tensors whose rows and columns are laid out differently")
    return tuple(_meet(a, b) for a, b in zip(first, second))


def _is_uniform(dim: Dim) -> bool:
    return all(isinstance(part, Plain) and part.uniform for part in dim)


def _meet(first: Part, second: Part) -> Part:
    if isinstance(first, Axis) and isinstance(second, Axis):
        return axes.merge(first, second)
    if isinstance(first, Plain) and isinstance(second, Plain) and first.size == second.size:
        return Plain(first.size, first.uniform and second.uniform)
    raise Irregular("it joins a picture axis with values of a fixed number")


def uniform_along(array: np.ndarray, dimension: int) -> bool:
    """True when all entries of `array` along `dimension` are the same."""
    if array.shape[dimension] == 1 or array.strides[dimension] == 0:
        return True
    first = np.take(array, [0], axis=dimension)
    return bool(np.array_equal(array, np.broadcast_to(first, array.shape), equal_nan=array.dtype.kind == "f"))
