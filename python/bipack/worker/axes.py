"""One picture axis (rows or columns) on its way through a network.

The plate is thought of as a tile cut out of a larger frame. An `Axis` says how the samples of one tensor lie over the
plate (`step`), after how many plate pixels its pattern repeats (`period`, which tile origins must honour), and which of
its samples are the ones that the uncut frame would have (`clean`). Sizes are concrete: the graph is walked for a few
sizes and the answers compared, which also settles everything that a graph computes from shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

MAX_PERIOD = 4096


class SizeMismatch(Exception):
    """The graph cannot run at the size that is being tried."""


class Irregular(Exception):
    """The operation treats samples differently by their place in the frame, so that tiles cannot be exact."""


@dataclass(frozen=True)
class Axis:
    """Rows (`name` "h") or columns ("w") of one tensor."""

    name: str
    size: int
    """Samples."""

    step: Fraction
    """Plate pixels from one sample to the next."""

    period: int = 1
    """Plate pixels after which the sampling pattern repeats; a whole number of samples."""

    clean_from: int | None = 0
    """First sample that a cut on the low side does not touch; None where that side is not cut."""

    clean_to: int | None = None
    """End (exclusive) of the samples that a cut on the high side does not touch; None where it is not cut."""


def plate_axis(name: str, size: int, cut: bool = True) -> Axis:
    """The axis of a graph input: a tile cut on both sides, or an input that is not cut at all."""
    return Axis(name, size, Fraction(1), 1, 0 if cut else None, size if cut else None)


def _settled(axis: Axis, size: int, step: Fraction, clean_from: int | None, clean_to: int | None) -> Axis:
    """`axis` with new sampling; the period grows until it holds a whole number of the new samples."""
    if size < 1:
        raise SizeMismatch(f"{axis.size} samples leave none")
    period = axis.period * (axis.period / step).denominator
    if period > MAX_PERIOD:
        raise Irregular(f"its sampling pattern repeats after more than {MAX_PERIOD} pixels only")
    if clean_from is not None:
        clean_from = max(0, clean_from)
    if clean_to is not None:
        clean_to = min(size, clean_to)
    return Axis(axis.name, size, step, period, clean_from, clean_to)


def merge(first: Axis, second: Axis) -> Axis:
    """Samples of two tensors meet one to one. Raises SizeMismatch, or Irregular when they lie differently."""
    if first.size != second.size:
        raise SizeMismatch(f"{first.size} samples meet {second.size}")
    if first.name != second.name or first.step != second.step:
        raise Irregular("it joins tensors whose samples lie differently over the plate")
    period = math.lcm(first.period, second.period)
    if period > MAX_PERIOD:
        raise Irregular(f"its sampling pattern repeats after more than {MAX_PERIOD} pixels only")
    froms = [axis.clean_from for axis in (first, second) if axis.clean_from is not None]
    tos = [axis.clean_to for axis in (first, second) if axis.clean_to is not None]
    return replace(
        first,
        period=period,
        clean_from=max(froms) if froms else None,
        clean_to=min(tos) if tos else None,
    )


def window(axis: Axis, kernel: int, stride: int, dilation: int, pads: tuple[int, int], round_up: bool = False) -> Axis:
    """Convolution or pooling: sample j reads samples j*stride - pads[0] … + (kernel-1)*dilation."""
    low, high = pads
    reach = (kernel - 1) * dilation + 1
    room = axis.size + low + high - reach
    if room < 0:
        raise SizeMismatch(f"{axis.size} samples are fewer than the window of {reach}")
    size = (math.ceil(room / stride) if round_up else room // stride) + 1
    if round_up and (size - 1) * stride >= axis.size + low:
        size -= 1
    return _settled(
        axis,
        size,
        axis.step * stride,
        None if axis.clean_from is None else -((-axis.clean_from - low) // stride),
        None if axis.clean_to is None else (axis.clean_to - reach + low) // stride + 1,
    )


def same_pads(size: int, kernel: int, stride: int, dilation: int, upper: bool) -> tuple[int, int]:
    """Padding of auto_pad SAME_UPPER or SAME_LOWER."""
    reach = (kernel - 1) * dilation + 1
    total = max(0, (math.ceil(size / stride) - 1) * stride + reach - size)
    small, large = total // 2, total - total // 2
    return (small, large) if upper else (large, small)


def transposed_window(axis: Axis, kernel: int, stride: int, dilation: int, pads: tuple[int, int], extra: int) -> Axis:
    """Transposed convolution: sample i reaches samples i*stride - pads[0] … + (kernel-1)*dilation."""
    low, high = pads
    reach = (kernel - 1) * dilation + 1
    size = (axis.size - 1) * stride + reach + extra - low - high
    return _settled(
        axis,
        size,
        axis.step / stride,
        None if axis.clean_from is None else (axis.clean_from - 1) * stride + reach - low,
        None if axis.clean_to is None else axis.clean_to * stride - low,
    )


def crop(axis: Axis, start: int, step: int, size: int) -> Axis:
    """Samples start, start + step, … (`size` of them)."""
    if step < 1:
        raise Irregular("it turns the picture round")
    return _settled(
        axis,
        size,
        axis.step * step,
        None if axis.clean_from is None else -((start - axis.clean_from) // step),
        None if axis.clean_to is None else -((start - axis.clean_to) // step),
    )


def padded(axis: Axis, low: int, high: int, reflected: bool) -> Axis:
    """Padding (constant, mirrored or edge); a negative amount cuts off."""
    if reflected and max(low, high) >= axis.size:
        raise SizeMismatch(f"{axis.size} samples cannot be mirrored by {max(low, high)}")
    clean_from, clean_to = axis.clean_from, axis.clean_to
    return _settled(
        axis,
        axis.size + low + high,
        axis.step,
        None if clean_from is None else clean_from + low,
        None if clean_to is None else clean_to + low,
    )


def split(axis: Axis, inner: int) -> Axis:
    """Every `inner` samples become one (space to depth)."""
    if axis.size % inner:
        raise SizeMismatch(f"{axis.size} samples cannot be split by {inner}")
    return _settled(
        axis,
        axis.size // inner,
        axis.step * inner,
        None if axis.clean_from is None else -(-axis.clean_from // inner),
        None if axis.clean_to is None else axis.clean_to // inner,
    )


def spread(axis: Axis, inner: int) -> Axis:
    """Every sample becomes `inner` (depth to space)."""
    return _settled(
        axis,
        axis.size * inner,
        axis.step / inner,
        None if axis.clean_from is None else axis.clean_from * inner,
        None if axis.clean_to is None else axis.clean_to * inner,
    )


def resample(axis: Axis, factor: Fraction, size: int, reads: Callable[[int], tuple[int, int]]) -> Axis:
    """Resize by `factor` to `size` samples; `reads(j)` gives the first and last sample that sample j reads."""

    def first_clean(limit: int) -> int:
        index = max(0, int(limit * factor) - int(8 * factor) - 8)
        while reads(index)[0] < limit:
            index += 1
        return index

    def end_clean(limit: int) -> int:
        index = int(limit * factor) + int(8 * factor) + 8
        while index > 0 and reads(index - 1)[1] >= limit:
            index -= 1
        return index

    return _settled(
        axis,
        size,
        axis.step / factor,
        None if axis.clean_from is None else first_clean(axis.clean_from),
        None if axis.clean_to is None else end_clean(axis.clean_to),
    )
