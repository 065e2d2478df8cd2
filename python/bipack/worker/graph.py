"""What a model needs of its input, derived from the ONNX graph itself.

The graph is walked (`bipack.worker.walk`) at several concrete sizes. What every size agrees on becomes a fact: scale,
halo, alignment of tile origins, multiple and minimum of the size. What they do not agree on is a reason not to tile,
and so is every operation that looks at the whole picture or that is not known. A graph is called exact only when each
node on the way was understood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import onnx

from bipack.imaging.tiling import Margins
from bipack.worker.axes import Axis, SizeMismatch, plate_axis
from bipack.worker.facts import GraphFacts, TensorFacts
from bipack.worker.fields import Dim, Field, Value, plain
from bipack.worker.walk import Network, Walk

__all__ = ["GraphFacts", "TensorFacts", "analyse"]

ALLOCATION_SLACK = 1.25
"""What the runtime's allocator takes over the tensors themselves: copies in another layout, gaps. Measured on the CPU
provider with nets of 6 to 64 channels, the whole is 0.8 to 1.6 of the estimate."""

LARGEST_WALK = 1 << 15
PROBES = (512, 5040, 672, 960)
"""Sizes to find one that the graph runs at: powers of two, then multiples of 3, 5, 7 and 9."""


def analyse(source: Any) -> GraphFacts:
    """Facts of a model: a path, its bytes, or a parsed ModelProto.

    Never fails for a graph that it does not understand; such a graph is `whole`, with the reason.
    """
    if isinstance(source, str):
        source = onnx.load(source, load_external_data=False)
    elif isinstance(source, bytes):
        source = onnx.load_model_from_string(source)
    return _Analysis(source).facts()


@dataclass(frozen=True)
class _Seen:
    """What one walk found."""

    size: tuple[int, int]
    walk: Walk
    outputs: dict[str, Value]

    def axes(self, name: str) -> tuple[Axis, Axis] | None:
        """Rows and columns of an output, where it is a picture."""
        value = self.outputs[name]
        if not isinstance(value, Field) or len(value.dims) != 4:
            return None
        rows, columns = value.dims[2], value.dims[3]
        if len(rows) != 1 or len(columns) != 1:
            return None
        if not isinstance(rows[0], Axis) or not isinstance(columns[0], Axis):
            return None
        return (rows[0], columns[0]) if (rows[0].name, columns[0].name) == ("h", "w") else None

    @property
    def signature(self) -> Any:
        """What must not change with the size."""
        relations = []
        for name in self.outputs:
            found = self.axes(name)
            if found:
                relations.append([(axis.step, size - axis.size * axis.step) for axis, size in zip(found, self.size)])
        return self.walk.log, relations, len(self.walk.blend), len(self.walk.whole)


class _Analysis:
    """The walks of one graph."""

    def __init__(self, model: Any) -> None:
        self.network = Network(model)
        self.inputs = [_declared(entry) for entry in self.network.inputs]
        self.pictures = [entry for entry in self.inputs if entry.picture]
        self.fixed = (self._fixed(2), self._fixed(3))
        self.reasons: list[str] = []

    def _fixed(self, index: int) -> int | None:
        sizes = {entry.shape[index] for entry in self.pictures} - {None}
        return max(size for size in sizes if size is not None) if sizes else None

    def walk(self, height: int, width: int, cut: str | None = None) -> _Seen:
        """Walk at one size. `cut` names the only input that is a tile of a larger frame; None means all are."""
        height, width = self.fixed[0] or height, self.fixed[1] or width
        feeds: dict[str, Value] = {}
        for entry in self.inputs:
            dims: list[Dim] = [plain(size or 1) for size in entry.shape]
            if entry.picture:
                isolated = cut in (None, entry.name)
                dims[1] = plain(self._channels(entry) or 3)
                dims[2:] = [(plate_axis("h", height, isolated),), (plate_axis("w", width, isolated),)]
            feeds[entry.name] = Field(tuple(dims), 2 if entry.kind == "float16" else 4)
        walk = Walk(self.network, (height, width))
        return _Seen((height, width), walk, walk.run(feeds))

    def attempt(self, size: int) -> _Seen | None:
        """A walk at `size` squared, or None when the graph cannot run at it."""
        try:
            return self.walk(size, size)
        except SizeMismatch:
            return None

    def _channels(self, entry: TensorFacts) -> int | None:
        if entry.channels:
            return entry.channels
        for node in self.network.nodes:
            weight = self.network.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
            if node.operation == "Conv" and node.inputs[0] == entry.name and hasattr(weight, "shape"):
                return int(weight.shape[1]) * node.number("group", 1)  # type: ignore[union-attr]
        return None

    # -- facts -----------------------------------------------------------------------------------------------------

    def facts(self) -> GraphFacts:
        """See `analyse`."""
        seen = next((found for found in map(self.attempt, PROBES) if found), None) if self.pictures else None
        if seen is None:
            reason = "the graph cannot be followed at any size that was tried" if self.pictures else "no picture input"
            return self._unknown([reason])
        multiple, alignment = 1, seen.walk.period
        if not self.exact_size:
            multiple = self._multiple(seen)
            alignment = math.lcm(alignment, multiple)
            seen = self._interior(seen, alignment)
        reasons, tiling = self._tiling(seen, multiple, alignment)
        shape = seen.axes(self.main) if self.main else None
        margins = self._margins(seen, self.main) if shape and self.main else _Margins()
        return GraphFacts(
            inputs=tuple(self._input(entry, seen) for entry in self.inputs),
            outputs=tuple(self._output(entry, seen) for entry in self.network.outputs),
            scale=1 / shape[0].step if shape and shape[0].step == shape[1].step else None,
            multiple=multiple,
            minimum=1 if self.exact_size else self._minimum(multiple),
            halo=margins.halo,
            border=margins.border,
            offset=margins.offset,
            alignment=alignment,
            tiling=tiling,
            reasons=tuple(dict.fromkeys(reasons)),
            fixed=self.fixed,
            opset=self.network.opsets.get("", 0),
            bytes_per_pixel=ALLOCATION_SLACK * seen.walk.peak_bytes / math.prod(seen.size),
        )

    @property
    def exact_size(self) -> bool:
        """True when the graph declares height and width."""
        return None not in self.fixed

    @cached_property
    def main(self) -> str | None:
        """The output that is the result: the first with four dimensions, else the first."""
        names = [entry.name for entry in self.network.outputs]
        four = [entry.name for entry in self.network.outputs if len(_shape(entry)) == 4]
        return str((four or names)[0]) if names else None

    def _multiple(self, seen: _Seen) -> int:
        """Smallest multiple of the size at which every size behaves like the next."""
        period = seen.walk.period
        candidates = {value for value in range(1, min(period, 4096) + 1) if period % value == 0}
        candidates |= {2**power for power in range(9)} | {period * 2, period * 4} | {7 * 2**power for power in range(5)}
        for candidate in sorted(candidates):
            if self._steady(candidate, period):
                return candidate
        return period

    def _steady(self, multiple: int, period: int) -> bool:
        """True when all sizes that are multiples of `multiple` behave alike."""
        cycle = math.lcm(multiple, period)
        base = math.ceil(PROBES[0] / cycle) * cycle
        first = self.attempt(base)
        if first is None:
            return False
        count = min(cycle // multiple, 16)
        sizes = [base + multiple * (index + 1) for index in range(count)] + [base + cycle + multiple]
        for size in sizes:
            found = self.attempt(size)
            if found is None or found.signature != first.signature:
                return False
        return True

    def _interior(self, seen: _Seen, alignment: int) -> _Seen:
        """A walk that is large enough for a tile's middle to be clean."""
        size = math.ceil(PROBES[0] / alignment) * alignment
        while size <= LARGEST_WALK:
            try:
                found = self.walk(size, size + alignment)
            except SizeMismatch:
                return seen
            clean = [_clean(axis) for name in found.outputs for axis in found.axes(name) or ()]
            if all(middle > size // 4 for middle in clean):
                return found
            seen, size = found, size * 4
        self.reasons.append(f"one result pixel sees more than {size // 8} plate pixels around")
        return seen

    def _tiling(self, seen: _Seen, multiple: int, alignment: int) -> tuple[list[str], str]:
        blend, whole = list(seen.walk.blend), list(seen.walk.whole) + self.reasons
        shape = seen.axes(self.main) if self.main else None
        if shape is None and not whole:
            whole.append("the result is no picture laid out as (N, C, H, W)")
        if not self.exact_size and not whole and not self._steady(multiple, alignment):
            whole.append(self._difference(multiple))
        if shape and any(_clean(axis) <= 0 for axis in shape):
            blend.append("one result pixel sees more than the whole input")
        if whole and self.exact_size:
            # The graph leaves no choice: frames larger than its input can only be cross-faded.
            return blend + whole, "blend"
        if whole:
            return whole + blend, "whole"
        return blend, "blend" if blend else "exact"

    def _difference(self, multiple: int) -> str:
        """A sentence for the first thing that depends on the size."""
        base = math.ceil(PROBES[0] / multiple) * multiple
        first, second = self.attempt(base), self.attempt(base + multiple)
        if first and second:
            for (label, before), (_, after) in zip(first.walk.log, second.walk.log):
                if before != after:
                    return f"{label} depends on the size of the frame"
        return "the graph behaves differently from size to size"

    def _margins(self, seen: _Seen, name: str) -> _Margins:
        """What lies around one output."""
        shape = seen.axes(name)
        assert shape is not None
        rows, columns = (_rim(axis, size) for axis, size in zip(shape, seen.size))
        return _Margins(
            Margins(columns.halo[0], columns.halo[1], rows.halo[0], rows.halo[1]),
            Margins(columns.border[0], columns.border[1], rows.border[0], rows.border[1]),
            (rows.offset, columns.offset),
        )

    def _minimum(self, multiple: int) -> int:
        for count in range(1, 65):
            if self.attempt(multiple * count):
                return multiple * count
        return next((size for size in range(65 * multiple, PROBES[0] + 1, multiple) if self.attempt(size)), multiple)

    def _input(self, entry: TensorFacts, seen: _Seen) -> TensorFacts:
        if not entry.picture:
            return entry
        halo = Margins()
        alone = seen if len(self.pictures) == 1 else self.walk(*seen.size, cut=entry.name)
        if self.main and alone.axes(self.main):
            halo = self._margins(alone, self.main).halo
        return TensorFacts(entry.name, entry.kind, entry.shape, self._channels(entry), True, Fraction(1), halo)

    def _output(self, entry: Any, seen: _Seen) -> TensorFacts:
        shape = _shape(entry)
        kind = _kind(entry)
        value, found = seen.outputs[entry.name], seen.axes(entry.name)
        channels = value.shape[1] if isinstance(value, Field) and len(value.dims) == 4 else None
        if channels is None and len(shape) == 4:
            channels = shape[1]
        if found is None:
            return TensorFacts(entry.name, kind, shape, channels, len(shape) == 4)
        scale = 1 / found[0].step if found[0].step == found[1].step else None
        return TensorFacts(entry.name, kind, shape, channels, True, scale, self._margins(seen, entry.name).halo)

    def _unknown(self, reasons: list[str]) -> GraphFacts:
        """Facts of a graph that could not be walked: whole, everything else to be found out by running it."""
        outputs = tuple(
            TensorFacts(
                entry.name,
                _kind(entry),
                _shape(entry),
                _shape(entry)[1] if len(_shape(entry)) == 4 else None,
                len(_shape(entry)) == 4,
            )
            for entry in self.network.outputs
        )
        return GraphFacts(
            inputs=tuple(self.inputs),
            outputs=outputs,
            scale=None,
            multiple=1,
            minimum=1,
            halo=Margins(),
            border=Margins(),
            offset=(0, 0),
            alignment=1,
            tiling="whole",
            reasons=tuple(reasons),
            fixed=self.fixed,
            opset=self.network.opsets.get("", 0),
            bytes_per_pixel=1024.0,
        )


@dataclass(frozen=True)
class _Margins:
    """What lies around one output."""

    halo: Margins = field(default_factory=Margins)
    border: Margins = field(default_factory=Margins)
    offset: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Rim:
    """The same along one axis, on its low and high side."""

    halo: tuple[int, int]
    border: tuple[int, int]
    offset: int


def _rim(axis: Axis, size: int) -> _Rim:
    """Rims of an output for an input of `size` pixels.

    A result smaller (or larger) than size × scale is taken to be cut (or grown) by the same amount on both sides, as
    convolutions without padding do it; the odd sample is missing at the end.
    """
    missing = math.floor(size / axis.step) - axis.size
    low, high = missing // 2, missing - missing // 2
    before, after = (max(0, math.ceil(side * axis.step)) for side in (low, high))
    offset = math.floor(before / axis.step) - low
    clean_to = axis.size if axis.clean_to is None else axis.clean_to
    good = math.floor((clean_to - offset) * axis.step)
    halo_low = max(0, math.ceil(((axis.clean_from or 0) - offset) * axis.step))
    return _Rim((halo_low, max(0, size - before - after - good)), (before, after), offset)


def _clean(axis: Axis) -> Fraction:
    """Plate pixels in the middle of a tile that are as in the uncut frame."""
    end = axis.size if axis.clean_to is None else axis.clean_to
    return (end - (axis.clean_from or 0)) * axis.step


def _declared(entry: Any) -> TensorFacts:
    shape = _shape(entry)
    picture = len(shape) == 4 and shape[2:] != (1, 1)
    channels = shape[1] if picture else None
    return TensorFacts(entry.name, _kind(entry), shape, channels, picture, Fraction(1) if picture else None)


def _shape(entry: Any) -> tuple[int | None, ...]:
    return tuple(
        dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None
        for dim in entry.type.tensor_type.shape.dim
    )


def _kind(entry: Any) -> str:
    number = entry.type.tensor_type.elem_type
    return (
        str(onnx.TensorProto.DataType.Name(number)).lower().replace("float", "float32")
        if number == 1
        else (onnx.TensorProto.DataType.Name(number).lower())
    )
