"""Operations that only rearrange: reshape, transpose, concat, split, slice, gather and the like."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bipack.worker import axes, fields
from bipack.worker.axes import Axis, Irregular, SizeMismatch
from bipack.worker.fields import Const, Dim, Field, Plain, Value, plain
from bipack.worker.operands import meet_constant, tensor, whole_numbers

if TYPE_CHECKING:
    from bipack.worker.walk import Node, Walk

Rule = Callable[["Walk", "Node", list[Any]], list[Value]]


def reshape(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Reshape, which may split or flatten picture axes."""
    value = tensor(inputs[0])
    wanted = whole_numbers(walk, inputs[1]) if len(inputs) > 1 else list(node.attributes["shape"])
    if not node.number("allowzero", 0):
        wanted = [value.shape[index] if size == 0 else size for index, size in enumerate(wanted)]
    return [_reshaped(walk, node, value, wanted)]


def _reshaped(walk: Walk, node: Node, value: Field, wanted: list[int]) -> Field:
    total = math.prod(value.shape)
    if -1 in wanted:
        known = -math.prod(wanted)
        if known == 0 or total % known:
            raise SizeMismatch(f"shape {value.shape} cannot become {wanted}")
        wanted[wanted.index(-1)] = total // known
    result, splits = fields.reshape(value, wanted)
    if splits:
        walk.record(node, *splits)
    return result


def flatten(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Flatten to two dimensions."""
    value = tensor(inputs[0])
    axis = node.number("axis", 1) % (len(value.shape) + 1)
    return [_reshaped(walk, node, value, [math.prod(value.shape[:axis]), math.prod(value.shape[axis:])])]


def _chosen_axes(walk: Walk, node: Node, inputs: list[Any]) -> list[int] | None:
    if len(inputs) > 1 and inputs[1] is not None:
        return whole_numbers(walk, inputs[1])
    chosen = node.attributes.get("axes")
    return None if chosen is None else list(chosen)


def squeeze(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Drop dimensions of one entry."""
    value = tensor(inputs[0])
    chosen = _chosen_axes(walk, node, inputs)
    rank = len(value.dims)
    drop = {axis % rank for axis in chosen} if chosen else {i for i, size in enumerate(value.shape) if size == 1}
    if any(value.shape[index] != 1 for index in drop):
        raise SizeMismatch(f"shape {value.shape} has no single entry to drop")
    return [replace(value, dims=tuple(dim for index, dim in enumerate(value.dims) if index not in drop))]


def unsqueeze(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Add dimensions of one entry."""
    value = tensor(inputs[0])
    chosen = _chosen_axes(walk, node, inputs) or []
    rank = len(value.dims) + len(chosen)
    dims = list(value.dims)
    for axis in sorted(axis % rank for axis in chosen):
        dims.insert(axis, plain(1))
    return [replace(value, dims=tuple(dims))]


def transpose(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Reorder dimensions; rows and columns keep their names."""
    value = tensor(inputs[0])
    order = node.attributes.get("perm") or list(range(len(value.dims)))[::-1]
    return [replace(value, dims=tuple(value.dims[index] for index in order))]


def expand(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Broadcast to a shape."""
    value = tensor(inputs[0])
    wanted = whole_numbers(walk, inputs[1])
    shape = [1] * (len(value.dims) - len(wanted)) + wanted
    dims = [plain(1)] * (len(shape) - len(value.dims)) + list(value.dims)
    return [
        replace(value, dims=tuple(fields.broadcast_dim(dim, (Plain(size, True),)) for dim, size in zip(dims, shape)))
    ]


def tile(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Repeat; a single entry becomes a broadcast value."""
    value = tensor(inputs[0])
    dims = []
    for dim, count in zip(value.dims, whole_numbers(walk, inputs[1])):
        size = fields.dim_size(dim)
        if count != 1 and size != 1 and any(isinstance(part, Axis) for part in dim):
            raise Irregular("it repeats the picture")
        dims.append(dim if count == 1 else (Plain(size * count, size == 1),))
    return [replace(value, dims=tuple(dims))]


def concat(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Join along channels; along a picture axis it is no tile's business."""
    rank = len(inputs[0].shape)
    axis = node.attributes["axis"] % rank
    present = [value for value in inputs if isinstance(value, Field)]
    if any(value.spatial(axis) for value in present):
        raise Irregular("it joins pictures side by side")
    others = [index for index in range(rank) if index != axis]
    if any(value.shape[index] != inputs[0].shape[index] for value in inputs for index in others):
        raise SizeMismatch("shapes " + ", ".join(str(value.shape) for value in inputs) + " do not fit together")
    dims: list[Dim] = list(present[0].dims)
    for value in present[1:]:
        for index in others:
            dims[index] = fields.broadcast_dim(dims[index], value.dims[index])
    dims[axis] = plain(1)
    for value in inputs:
        if isinstance(value, Const):
            for entry in range(value.shape[axis]):
                kept = tuple(slice(None) if index != axis else slice(entry, entry + 1) for index in range(rank))
                dims = meet_constant(walk, node, dims, fields.constant(value.array[kept], value.from_shape))
    dims[axis] = plain(sum(value.shape[axis] for value in inputs))
    return [Field(tuple(dims), max(value.item_bytes for value in present))]


def split(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Cut channels apart."""
    value = tensor(inputs[0])
    axis = node.number("axis", 0) % len(value.dims)
    total, count = value.shape[axis], len(node.outputs)
    if value.spatial(axis):
        raise Irregular("it cuts the picture at fixed places")
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = whole_numbers(walk, inputs[1])
    else:
        share = -(-total // count)
        sizes = list(node.attributes.get("split") or [*[share] * (count - 1), total - share * (count - 1)])
    if sum(sizes) != total:
        raise SizeMismatch(f"{total} entries cannot be split into {sizes}")
    return [replace(value, dims=(*value.dims[:axis], plain(size), *value.dims[axis + 1 :])) for size in sizes]


def slice_(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Cut out a range; on picture axes it must keep its distance from both borders."""
    value = tensor(inputs[0])
    if len(inputs) > 1:
        settings = [whole_numbers(walk, entry) if entry is not None else None for entry in inputs[1:]]
        settings += [None] * (4 - len(settings))
        starts, ends, chosen, steps = settings
    else:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        chosen, steps = node.attributes.get("axes"), None
    assert starts is not None and ends is not None
    dims = list(value.dims)
    for position, (start, end) in enumerate(zip(starts, ends)):
        index = (chosen[position] if chosen is not None else position) % len(dims)
        step = steps[position] if steps is not None else 1
        total = fields.dim_size(dims[index])
        kept = range(total)[slice(start, None if step < 0 and end < -total else end, step)]
        if kept == range(total):
            continue
        if not value.spatial(index):
            if not kept:
                raise SizeMismatch("a slice is empty")
            dims[index] = plain(len(kept))
            continue
        dim = dims[index]
        if len(dim) != 1 or not isinstance(dim[0], Axis):
            raise Irregular("it cuts rows and columns flattened into one dimension")
        if step < 0:
            raise Irregular("it turns the picture round")
        walk.record(node, kept.start, total - kept.stop)
        dims[index] = (axes.crop(dim[0], kept.start, step, len(kept)),)
    return [replace(value, dims=tuple(dims))]


def gather(walk: Walk, node: Node, inputs: list[Any]) -> list[Value]:
    """Pick channels by number, or look values up in a constant table."""
    data, indices = inputs[0], inputs[1]
    axis = node.number("axis", 0) % len(data.shape)
    if isinstance(data, Field) and data.spatial(axis):
        raise Irregular("it picks rows or columns by number")
    if isinstance(data, Field) and isinstance(indices, Field):
        raise Irregular("it picks values by the pixels' content")
    before = data.dims[:axis] if isinstance(data, Field) else tuple(plain(size) for size in data.shape[:axis])
    after = data.dims[axis + 1 :] if isinstance(data, Field) else tuple(plain(size) for size in data.shape[axis + 1 :])
    picked = indices.dims if isinstance(indices, Field) else tuple(plain(size) for size in indices.shape)
    return [Field((*before, *picked, *after), data.item_bytes if isinstance(data, Field) else 4)]


RULES: dict[str, Rule] = {
    "Concat": concat,
    "Expand": expand,
    "Flatten": flatten,
    "Gather": gather,
    "Reshape": reshape,
    "Slice": slice_,
    "Split": split,
    "Squeeze": squeeze,
    "Tile": tile,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
"""Rules of this file."""
