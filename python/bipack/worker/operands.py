"""What rules share: tensors and settings out of a node's inputs, broadcasting, and sliding over one axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from bipack.worker import fields
from bipack.worker.axes import Axis, Irregular, SizeMismatch
from bipack.worker.fields import Const, Dim, Field, Plain, plain

if TYPE_CHECKING:
    from bipack.worker.walk import Node, Walk


def meet(walk: Walk, node: Node, values: Sequence[Field | Const]) -> Field:
    """The tensor where `values` meet entry by entry; constants must not vary over the picture."""
    present = [value for value in values if isinstance(value, Field)]
    rank = max(len(value.shape) for value in values)
    dims: list[Dim] = [plain(1)] * rank
    for value in present:
        offset = rank - len(value.dims)
        for index, dim in enumerate(value.dims):
            dims[offset + index] = fields.broadcast_dim(dims[offset + index], dim)
    for other in values:
        if isinstance(other, Const):
            dims = meet_constant(walk, node, dims, other)
    return Field(tuple(dims), max(value.item_bytes for value in present))


def meet_constant(walk: Walk, node: Node, dims: list[Dim], value: Const) -> list[Dim]:
    """`dims` met by a constant, which may not vary over the picture; one that comes from sizes is put on record."""
    offset = len(dims) - len(value.shape)
    result = list(dims)
    uniform = []
    for index, size in enumerate(value.shape):
        dim = dims[offset + index]
        spatial = any(isinstance(part, Axis) for part in dim)
        grows = size > 1 and fields.dim_size(dim) == 1
        same = size > 1 and (spatial or grows) and fields.uniform_along(value.array, index)
        if spatial and size > 1 and not same:
            if fields.dim_size(dim) != size:
                raise SizeMismatch(f"{fields.dim_size(dim)} pixels meet {size} constants")
            raise Irregular("it uses constants that differ from place to place in the frame")
        uniform.append(same)
        result[offset + index] = fields.broadcast_dim(dim, (Plain(size, same),))
    if value.from_shape:
        index_of_first = tuple(slice(0, 1) if same else slice(None) for same in uniform)
        array = value.array[index_of_first]
        walk.record(node, array.tobytes() if array.size <= 4096 else array.shape)
    return result


def tensor(value: Any) -> Field:
    """`value` as a tensor of pixels; Irregular when it is a constant where pixels are expected."""
    if not isinstance(value, Field):
        raise Irregular("its first input does not depend on the pixels")
    return value


def whole_numbers(walk: Walk, value: Any) -> list[int]:
    """A setting that arrives as a tensor. Irregular when it depends on the pixels."""
    if not isinstance(value, Const):
        raise Irregular("its settings depend on the pixels")
    return [int(number) for number in value.array.reshape(-1)]


def over_picture(
    walk: Walk, value: Field, index: int, change: Callable[[Axis], Axis], neutral: bool, new_size: Callable[[int], int]
) -> Dim:
    """Dimension `index` of `value` after a sliding operation: `change` for an axis, `new_size` for a mere count.

    `neutral` says that the operation leaves this dimension as it is.
    """
    dim = value.dims[index]
    if neutral:
        return dim
    if len(dim) == 1 and isinstance(dim[0], Axis):
        return (change(dim[0]),)
    if any(isinstance(part, Axis) for part in dim):
        raise Irregular("it slides over rows and columns flattened into one dimension")
    part = dim[0]
    if isinstance(part, Plain) and part.uniform and part.size > 1 and len(value.dims) == 4:
        # One value spread over the picture: from here on it has borders, like the plate.
        name, plate = ("h", walk.plate[0]) if index == 2 else ("w", walk.plate[1])
        step = Fraction(plate, part.size)
        return (change(Axis(name, part.size, step, step.numerator, 0, part.size)),)
    size = new_size(fields.dim_size(dim))
    if size < 1:
        raise SizeMismatch(f"{fields.dim_size(dim)} entries leave none")
    return plain(size)
