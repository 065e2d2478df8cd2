"""The Measure button of BipackRegrain and of the model gizmos: the plate's grain goes into the knobs.

A few thousand pixels are read, one by one, as a script may: a grid over the frame for the strength by luma, and one
block of the sample box for size and color. The numbers then stay in the node, so that a script renders the same
everywhere and on every frame.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import nuke

from bipack import grain_model
from bipack.errors import BipackError, Cancelled, UsageError

log = logging.getLogger(__name__)

GRID = 72
"""Pixels along each side of the grid over the frame."""

BLOCK = 64
"""Side of the block of the sample box, at most."""

_OUTLIER = 4.5
_SMALLEST = 24
_COLORS = ("rgba.red", "rgba.green", "rgba.blue")
_LUMA = (0.2126, 0.7152, 0.0722)

Color = List[float]


TAIL_KNOBS, TAIL_NODES = "finish_", "Finish"
"""Prefixes of the knobs and nodes where they are part of a gizmo that runs a model."""


def measure(group: Any) -> None:
    """Measure and fill in. Says in one sentence why it cannot; in terminal mode that is an exception."""
    try:
        fill_in(group, *read(group))
    except BipackError as error:
        log.info("%s", error)
        if not nuke.GUI:
            raise
        if not isinstance(error, Cancelled):
            nuke.message(str(error))


def read(group: Any) -> Tuple[List[Color], List[List[float]], List[List[List[float]]]]:
    """(strength at each knot, mixing matrix, response of each channel) of the plate at the current frame."""
    bounds = _block_bounds(group)
    progress = nuke.ProgressTask("Bipack: measuring grain") if nuke.GUI else None
    frame = list(_grid(group, progress))
    if len(frame) < GRID:
        raise UsageError("There is no plate to measure: connect the plate, and draw the matte smaller.")
    sigma = strength(frame)
    block = _block(group, bounds, progress)
    kept = [[_inside(pixel, sigma) for pixel in row] for row in block]
    unit = [[_unit(pixel, sigma) for pixel in row] for row in block]
    mix = grain_model.cholesky(_correlation(unit, kept))
    free = [[_unmixed(pixel, mix) for pixel in row] for row in unit]
    responses = [
        grain_model.response(grain_model.autoregression(_autocorrelation(free, kept, channel))) for channel in range(3)
    ]
    return sigma, mix, responses


def fill_in(
    group: Any, sigma: Sequence[Color], mix: Sequence[Sequence[float]], responses: Sequence[Sequence[Sequence[float]]]
) -> None:
    """Put measurements into the knobs and nodes of the gizmo."""
    with nuke.Undo():
        for index, color in enumerate(sigma):
            _set_numbers(_knob(group, f"sigma{index}"), color)
        for name, response in zip(("red", "green", "blue"), responses):
            rows = grain_model.matrix_rows(response)
            _set_numbers(_node(group, f"Clump_{name}")["matrix"], [value for row in rows for value in row])
        _set_numbers(_node(group, "GrainMix")["matrix"], [value for row in mix for value in row])
    middle = sigma[len(sigma) // 2]
    _knob(group, "measured").setValue(
        f"measured at frame {nuke.frame()}: {100 * sum(middle) / 3:.2f} % at a middle tone"
    )


Sample = Tuple[float, Color]
"""(luma under the grain, grain of each channel)."""


def strength(samples: Sequence[Sample]) -> List[Color]:
    """Standard deviation of each channel at the knots, outliers left out in a second look."""
    first = _fit(samples)
    return _fit([sample for sample in samples if _inside(sample, first)])


def _fit(samples: Sequence[Sample]) -> List[Color]:
    size = len(grain_model.KNOTS)
    normal = [[0.0] * size for _ in range(size)]
    right = [[0.0] * size for _ in range(3)]
    for tone, grain in samples:
        index, share = grain_model.knot_weights(tone)
        weights = ((index, 1.0 - share), (index + 1, share))
        for one, weight in weights:
            for other, second in weights:
                normal[one][other] += weight * second
            for channel in range(3):
                right[channel][one] += weight * grain[channel] ** 2
    curves = [grain_model.variance_curve(normal, values, float(len(samples))) for values in right]
    return [[curves[channel][index] ** 0.5 for channel in range(3)] for index in range(size)]


def sigma_at(tone: float, sigma: Sequence[Color]) -> Color:
    """Strength of each channel at a luma."""
    index, share = grain_model.knot_weights(tone)
    return [
        ((1.0 - share) * sigma[index][channel] ** 2 + share * sigma[index + 1][channel] ** 2) ** 0.5
        for channel in range(3)
    ]


def _unit(sample: Sample, sigma: Sequence[Color]) -> Color:
    return [grain / there for grain, there in zip(sample[1], sigma_at(sample[0], sigma))]


def _inside(sample: Sample, sigma: Sequence[Color]) -> bool:
    return max(abs(value) for value in _unit(sample, sigma)) < _OUTLIER


def _unmixed(pixel: Color, mix: Sequence[Sequence[float]]) -> Color:
    """Independent channels again: solves mix x = pixel for the lower triangle `mix`."""
    found: Color = []
    for row, value in zip(mix, pixel):
        known = sum(weight * other for weight, other in zip(row, found))
        found.append((value - known) / row[len(found)])
    return found


def _correlation(unit: Sequence[Sequence[Color]], kept: Sequence[Sequence[bool]]) -> List[List[float]]:
    pixels = [pixel for row, flags in zip(unit, kept) for pixel, flag in zip(row, flags) if flag]
    power = [[sum(pixel[a] * pixel[b] for pixel in pixels) for b in range(3)] for a in range(3)]
    return [[power[a][b] / (power[a][a] * power[b][b]) ** 0.5 for b in range(3)] for a in range(3)]


def _autocorrelation(
    pixels: Sequence[Sequence[Color]], kept: Sequence[Sequence[bool]], channel: int
) -> Dict[grain_model.Lag, float]:
    values = [[pixel[channel] if flag else 0.0 for pixel, flag in zip(row, flags)] for row, flags in zip(pixels, kept)]
    found = {}
    for dy, dx in grain_model.LAGS:
        total, pairs = 0.0, 0
        for y in range(dy, len(values)):
            here, there = values[y], values[y - dy]
            flags, others = kept[y], kept[y - dy]
            for x in range(max(dx, 0), len(here) + min(dx, 0)):
                if flags[x] and others[x - dx]:
                    total += here[x] * there[x - dx]
                    pairs += 1
        found[dy, dx] = total / max(pairs, 1)
    power = found[0, 0]
    return {lag: value / power for lag, value in found.items()}


def _grid(group: Any, progress: Optional[Any]) -> Iterator[Sample]:
    """Pixels spread over the plate, those of the matte left out."""
    box = _node(group, "Unit").bbox()
    # Beside a model the plate is whole; behind a repair the matte says where it is not.
    has_matte = not _is_tail(group) and group.input(3) is not None
    for row in range(GRID):
        _tell(progress, 50 * row // GRID)
        for column in range(GRID):
            # A little off the grid, or a screen or a weave in the plate would be met always at the same place.
            x = int(box.x() + (column + (row * 0.618) % 1.0) * box.w() / GRID)
            y = int(box.y() + (row + (column * 0.618) % 1.0) * box.h() / GRID)
            if not has_matte or _node(group, "Matte").sample("rgba.alpha", x + 0.5, y + 0.5) <= 0.0:
                yield _pixel(group, x, y)


Bounds = Tuple[int, int, int, int]
"""(left, low, width, height)."""


def _block_bounds(group: Any) -> Bounds:
    """The middle of the sample box."""
    left, low, right, top = (int(_knob(group, "sample").value(index)) for index in range(4))
    width, height = min(right - left, BLOCK), min(top - low, BLOCK)
    if min(width, height) < _SMALLEST:
        raise UsageError(f"The sample box is {right - left}x{top - low} pixels; {_SMALLEST}x{_SMALLEST} are needed.")
    return (left + right - width) // 2, (low + top - height) // 2, width, height


def _block(group: Any, bounds: Bounds, progress: Optional[Any]) -> List[List[Sample]]:
    """Pixels of a block, rows from the top."""
    left, low, width, height = bounds
    rows: List[List[Sample]] = []
    for y in range(low + height - 1, low - 1, -1):
        _tell(progress, 50 + 50 * len(rows) // height)
        rows.append([_pixel(group, x, y) for x in range(left, left + width)])
    return rows


def _pixel(group: Any, x: int, y: int) -> Sample:
    """Whole numbers are corners of pixels in Nuke, so half a pixel is added."""
    clean, grain = _node(group, "Clean"), _node(group, "Grain")
    tone = sum(weight * clean.sample(name, x + 0.5, y + 0.5) for weight, name in zip(_LUMA, _COLORS))
    return tone, [grain.sample(name, x + 0.5, y + 0.5) for name in _COLORS]


def _is_tail(group: Any) -> bool:
    return group.knob(TAIL_KNOBS + "sample") is not None


def _knob(group: Any, name: str) -> Any:
    return group[(TAIL_KNOBS if _is_tail(group) else "") + name]


def _node(group: Any, name: str) -> Any:
    return group.node((TAIL_NODES if _is_tail(group) else "") + name)


def _set_numbers(knob: Any, values: Sequence[float]) -> None:
    for index, value in enumerate(values):
        knob.setValue(value, index)


def _tell(progress: Optional[Any], percent: int) -> None:
    if progress is None:
        return
    if progress.isCancelled():
        raise Cancelled("Measuring was cancelled; the knobs are as they were.")
    progress.setProgress(percent)
