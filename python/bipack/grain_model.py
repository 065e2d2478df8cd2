"""How Bipack describes the grain of a plate, and the small sums behind it.

Three facts describe it: how strong it is at each luma, in each channel (the curve at KNOTS); how the channels go
together (a mixing matrix); and how it clumps (an autoregressive model, kept as the response of that model to one point,
so that grain is white noise filtered once). The worker and the gizmo's Measure button share these functions; hence no
numpy here.
"""

from __future__ import annotations

import math
from typing import Callable, Dict, List, Sequence, Tuple

KNOTS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)
"""Encoded luma values at which the strength of the grain is given. Between them its square is interpolated."""

REACH = 3
"""The model draws on neighbours up to this far: AV1 and HEVC grain use the same."""

ROWS, COLUMNS = 6, 11
"""Size of the response of one point: it lies in the middle of the first row and spreads sideways and down."""

Lag = Tuple[int, int]
"""(rows down, columns right)."""

NEIGHBOURS: Tuple[Lag, ...] = tuple(
    (dy, dx) for dy in range(REACH + 1) for dx in range(-REACH, REACH + 1) if dy > 0 or dx > 0
)
"""Offsets back to the pixels that a pixel is predicted from: those above it, and to its left."""

LAGS: Tuple[Lag, ...] = tuple(
    (dy, dx) for dy in range(REACH + 1) for dx in range(-2 * REACH, 2 * REACH + 1) if dy > 0 or dx >= 0
)
"""The lags at which `autoregression` needs the autocorrelation; (-dy, -dx) has the same value."""


def knot_weights(tone: float) -> Tuple[int, float]:
    """(index of the knot below `tone`, share of the next one); the ends go on flat."""
    for index in range(len(KNOTS) - 1):
        low, high = KNOTS[index], KNOTS[index + 1]
        if tone < high or index == len(KNOTS) - 2:
            return index, min(max((tone - low) / (high - low), 0.0), 1.0)
    raise AssertionError("unreachable")


def variance_curve(normal: Sequence[Sequence[float]], right: Sequence[float], samples: float) -> List[float]:
    """Variances at KNOTS from the normal equations of a least-squares fit to squared grain.

    A knot without samples of its luma takes over from its neighbours, and none strays far from the plain mean of the
    samples around it, as a fit to few samples would. Raises ZeroDivisionError without any sample.
    """
    size = len(KNOTS)
    overall = sum(right) / sum(map(sum, normal))
    matrix = [list(row) for row in normal]
    # A whisper of "neighbours are alike" decides where there is no data and is not heard where there is.
    stiffness = 1e-4 * samples / size
    for index in range(size - 1):
        matrix[index][index] += stiffness
        matrix[index + 1][index + 1] += stiffness
        matrix[index][index + 1] -= stiffness
        matrix[index + 1][index] -= stiffness
    means = [(value + stiffness * overall) / (sum(row) + stiffness) for row, value in zip(normal, right)]
    return [max(min(value, 4.0 * mean), 0.25 * mean, 1e-12) for value, mean in zip(solve(matrix, right), means)]


def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> List[float]:
    """Solve a small square system by elimination with pivoting."""
    rows = [[*map(float, row), float(value)] for row, value in zip(matrix, right)]
    size = len(rows)
    for column in range(size):
        best = max(range(column, size), key=lambda index: abs(rows[index][column]))
        rows[column], rows[best] = rows[best], rows[column]
        for index in range(column + 1, size):
            factor = rows[index][column] / rows[column][column]
            if factor:
                rows[index] = [value - factor * pivot for value, pivot in zip(rows[index], rows[column])]
    solution = [0.0] * size
    for column in reversed(range(size)):
        known = sum(rows[column][other] * solution[other] for other in range(column + 1, size))
        solution[column] = (rows[column][size] - known) / rows[column][column]
    return solution


def cholesky(correlation: Sequence[Sequence[float]]) -> List[List[float]]:
    """Lower triangle L with L L^T = `correlation`: mixes independent channels into correlated ones."""
    size = len(correlation)
    lower = [[0.0] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            rest = correlation[row][column] - sum(lower[row][k] * lower[column][k] for k in range(column))
            if row == column:
                lower[row][row] = math.sqrt(max(rest, 1e-6))
            else:
                lower[row][column] = rest / lower[column][column]
    return lower


def autoregression(correlation: Dict[Lag, float]) -> List[float]:
    """Weights of NEIGHBOURS that predict a pixel best, given the autocorrelation at LAGS (Yule-Walker)."""
    at = _symmetric(correlation)
    matrix = [[at((a[0] - b[0], a[1] - b[1])) for b in NEIGHBOURS] for a in NEIGHBOURS]
    for index in range(len(NEIGHBOURS)):
        # Measured correlations are noisy; this little is enough to keep the model from ringing.
        matrix[index][index] += 1e-3
    return solve(matrix, [at(lag) for lag in NEIGHBOURS])


def response(weights: Sequence[float]) -> List[List[float]]:
    """What one point of white noise becomes, ROWS by COLUMNS, scaled to unit energy: filtered noise has variance 1."""
    middle = COLUMNS // 2
    grid = [[0.0] * COLUMNS for _ in range(ROWS)]
    for row in range(ROWS):
        for column in range(COLUMNS):
            value = 1.0 if (row, column) == (0, middle) else 0.0
            for (dy, dx), weight in zip(NEIGHBOURS, weights):
                if row - dy >= 0 and 0 <= column - dx < COLUMNS:
                    value += weight * grid[row - dy][column - dx]
            grid[row][column] = value
    energy = math.sqrt(sum(value * value for line in grid for value in line))
    return [[value / energy for value in line] for line in grid]


def matrix_rows(point: Sequence[Sequence[float]]) -> List[List[float]]:
    """The response of one point as the rows of a Nuke Matrix node, highest first: square, the pixel in the middle."""
    above = [list(reversed(row)) for row in reversed(point)]
    return above + [[0.0] * COLUMNS for _ in range(ROWS - 1)]


def _symmetric(correlation: Dict[Lag, float]) -> Callable[[Lag], float]:
    def at(lag: Lag) -> float:
        return correlation[lag] if lag in correlation else correlation[-lag[0], -lag[1]]

    return at
