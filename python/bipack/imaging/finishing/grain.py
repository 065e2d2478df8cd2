"""Measuring the grain of a plate: its strength against luma, how channels go together, how it clumps.

With a degrained plate at hand the grain is simply the difference. Without one it is what is left of even patches of the
plate when a smooth surface is taken out of each. Either way only the most even tiles of every luma are looked at, so
that texture is not taken for grain, and the cost does not grow with the frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from bipack import grain_model
from bipack.errors import UsageError
from bipack.imaging.finishing.working_space import luma
from bipack.imaging.frame import Pixels

_TILES = (64, 32)
"""Sides of a tile, the first that the picture has room for: a large one tells coarse grain from shading."""

_ROOM = 8
"""A picture has room for tiles when so many fit along its shorter side."""

_MOST_PIXELS = 100_000
"""Pixels looked at for each stretch of luma; so many tell a deviation to within 1 %."""

_ALIKE = 0.04
"""Tiles whose lumas differ by less are compared with one another…"""

_FEWEST = 8
"""…and with the nearest others, up to so many."""

_OUTLIER = 4.5
"""Grain beyond so many deviations is dust, or an edge that the degraining tool moved."""

Tiles = NDArray[np.float32]
"""(count, tile, tile, channels)."""


@dataclass(frozen=True, eq=False)
class GrainProfile:
    """The grain of one plate, in working values."""

    sigma: NDArray[np.float32]
    """(knots, 3) standard deviation at `grain_model.KNOTS` of luma."""

    mix: NDArray[np.float32]
    """(3, 3) lower triangle that mixes independent channels into this grain's."""

    response: NDArray[np.float32]
    """(3, rows, columns) what one point of white noise becomes, for each independent channel."""

    def sigma_at(self, tone: Pixels) -> Pixels:
        """(height, width, 3) standard deviation where the luma is `tone` (height, width)."""
        index, share = knot_shares(tone)
        variance = self.sigma * self.sigma
        low, high = variance[index], variance[index + 1]
        high -= low
        high *= share[..., np.newaxis]
        low += high
        return np.asarray(np.sqrt(low, out=low), np.float32)


def knot_shares(tone: Pixels) -> tuple[NDArray[np.intp], Pixels]:
    """For every luma the knot below it, and the share 0..1 of the next one; the ends go on flat."""
    knots = np.asarray(grain_model.KNOTS, np.float32)
    index = np.clip(np.searchsorted(knots, tone, side="right") - 1, 0, len(knots) - 2)
    share = (tone - knots[index]) / np.diff(knots)[index]
    return index, np.clip(share, 0.0, 1.0)


def measure(plate: Pixels, degrained: Optional[Pixels] = None, outside: Optional[Pixels] = None) -> GrainProfile:
    """The grain of `plate`, both (height, width, 3) float32 in working values.

    Pixels where `outside` (height, width) is above 0 are left out: what was repainted there is not the plate's grain.
    Raises UsageError when the picture is smaller than one tile or all of it is left out.
    """
    noise, tone = _even_tiles(plate, degrained, outside)
    sigma = _strength(noise, tone)
    kept = np.abs(noise / _sigma_of(sigma, tone)).max(axis=-1) < _OUTLIER
    sigma = _strength(noise, tone, kept)
    plain = GrainProfile(sigma, np.eye(3, dtype=np.float32), np.zeros((3, 1, 1), np.float32))
    unit = noise / plain.sigma_at(tone)
    unit *= kept[..., np.newaxis]
    count = max(float(kept.sum()), 1.0)
    mix = np.asarray(grain_model.cholesky(_correlation(unit, count).tolist()), np.float32)
    independent = unit @ np.linalg.inv(mix).T.astype(np.float32)
    responses = [
        grain_model.response(grain_model.autoregression(autocorrelation(independent[..., channel], kept)))
        for channel in range(3)
    ]
    return GrainProfile(sigma, mix, np.asarray(responses, np.float32))


def autocorrelation(tiles: Tiles, kept: Optional[NDArray[np.bool_]] = None) -> dict[grain_model.Lag, float]:
    """Autocorrelation of (count, tile, tile) at `grain_model.LAGS`, over the pixels that are `kept`."""
    valid = np.ones(tiles.shape, np.float32) if kept is None else kept.astype(np.float32)
    values = tiles * valid
    power = float((values * values).sum() / valid.sum())
    result = {}
    size = tiles.shape[1], tiles.shape[2]
    for dy, dx in grain_model.LAGS:
        here = (slice(None), slice(dy, None), slice(max(dx, 0), size[1] + min(dx, 0)))
        there = (slice(None), slice(0, size[0] - dy), slice(max(-dx, 0), size[1] - max(dx, 0)))
        pairs = float((valid[here] * valid[there]).sum())
        result[dy, dx] = float((values[here] * values[there]).sum()) / max(pairs, 1.0) / power
    return result


def strength_curve(noise: Pixels, tone: Pixels) -> NDArray[np.float32]:
    """(knots, 3) standard deviation of `noise` (…, 3) at the knots of luma, fitted over all its pixels."""
    return _strength(noise, tone)


def even_box(plate: Pixels, size: int, outside: Optional[Pixels] = None) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the most even square of about `size` pixels, the last two not inside.

    Squares that hold a pixel where `outside` (height, width) is above 0 come last.
    """
    height, width = plate.shape[:2]
    side = min(size, height, width)
    step = max(side // 2, 1)
    tops = list(range(0, height - side + 1, step))
    lefts = list(range(0, width - side + 1, step))
    # Grain alone makes neighbouring pixels differ everywhere; a feature makes distant ones differ too.
    coarse = luma(plate)

    def badness(corner: tuple[int, int]) -> tuple[bool, float]:
        here = slice(corner[0], corner[0] + side), slice(corner[1], corner[1] + side)
        return outside is not None and bool(outside[here].any()), _unevenness(coarse[here])

    top, left = min(((top, left) for top in tops for left in lefts), key=badness)
    return left, top, left + side, top + side


def _unevenness(patch: Pixels) -> float:
    cells = patch[: patch.shape[0] // 8 * 8, : patch.shape[1] // 8 * 8]
    cells = cells.reshape(cells.shape[0] // 8, 8, cells.shape[1] // 8, 8).mean(axis=(1, 3))
    return float(cells.std()) + 0.05 * abs(float(cells.mean()) - 0.45)


def _even_tiles(plate: Pixels, degrained: Optional[Pixels], outside: Optional[Pixels]) -> tuple[Tiles, Tiles]:
    """Grain (count, tile, tile, 3) and luma under it (count, tile, tile) of the most even tiles of every luma."""
    side = next((tile for tile in _TILES if min(plate.shape[:2]) >= _ROOM * tile), _TILES[-1])
    corners = list(_corners(plate.shape[0], plate.shape[1], side, outside))
    if not corners:
        raise UsageError(
            f"The grain of a plate of {plate.shape[1]}x{plate.shape[0]} cannot be measured: {side}x{side} pixels "
            "outside the matte are needed. Give a smaller matte, or a plate with more of the picture."
        )
    tiles = np.stack([plate[top : top + side, left : left + side] for top, left in corners])
    if degrained is None:
        under = _surfaces(tiles)
    else:
        under = np.stack([degrained[top : top + side, left : left + side] for top, left in corners])
    noise, tone = tiles - under, luma(under)
    mean = tone.mean(axis=(1, 2))
    variance = (noise * noise).sum(axis=-1).mean(axis=(1, 2))
    unevenness = variance if degrained is None else tone.std(axis=(1, 2))
    chosen = _choose(mean, unevenness, _near_the_quietest(mean, variance), _MOST_PIXELS // side**2)
    return noise[chosen], tone[chosen]


def _corners(height: int, width: int, side: int, outside: Optional[Pixels]) -> Iterator[tuple[int, int]]:
    """Corners (top, left) of a grid of tiles, at most about a thousand."""
    step = max(side, int((height * width / 1000) ** 0.5))
    for top in range(0, height - side + 1, step):
        for left in range(0, width - side + 1, step):
            if outside is None or not outside[top : top + side, left : left + side].any():
                yield top, left


def _surfaces(tiles: Tiles) -> Tiles:
    """The best quadratic surface of every tile and channel."""
    side = tiles.shape[1]
    axis = np.linspace(-1.0, 1.0, side)
    y, x = (grid.ravel() for grid in np.meshgrid(axis, axis, indexing="ij"))
    terms, _ = np.linalg.qr(np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1))
    basis = terms.astype(np.float32)
    flat = tiles.reshape(len(tiles), side * side, -1)
    fitted = np.einsum("pk,nkc->npc", basis, np.einsum("pk,npc->nkc", basis, flat, optimize=True), optimize=True)
    return np.asarray(fitted.reshape(tiles.shape), np.float32)


def _near_the_quietest(mean: NDArray[np.float32], variance: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tiles hardly louder than the quiet fifth of those of about their luma: grain alone varies by less than that."""
    accepted = np.zeros(len(mean), bool)
    for index in range(len(mean)):
        distance = np.abs(mean - mean[index])
        alike = distance <= max(_ALIKE, np.sort(distance)[min(_FEWEST, len(mean)) - 1])
        accepted[index] = variance[index] <= 1.5 * np.quantile(variance[alike], 0.2) + 1e-12
    return accepted


def _choose(
    mean: NDArray[np.float32], unevenness: NDArray[np.float32], accepted: NDArray[np.bool_], most: int
) -> NDArray[np.intp]:
    """Indices of the most even tiles of each stretch between two knots of luma."""
    knots = np.asarray(grain_model.KNOTS)
    stretch = np.clip(np.searchsorted(knots, mean, side="right") - 1, 0, len(knots) - 1)
    chosen = []
    for index in range(len(knots)):
        inside = np.flatnonzero((stretch == index) & accepted)
        chosen.append(inside[np.argsort(unevenness[inside], kind="stable")][: max(most, 1)])
    return np.concatenate(chosen)


def _strength(noise: Pixels, tone: Pixels, kept: Optional[NDArray[np.bool_]] = None) -> NDArray[np.float32]:
    """(knots, 3) deviations: least squares of the squared grain on the weights of the knots."""
    index, share = (part.ravel() for part in knot_shares(tone))
    power = (noise * noise).reshape(-1, 3)
    if kept is not None:
        index, share, power = index[kept.ravel()], share[kept.ravel()], power[kept.ravel()]
    size = len(grain_model.KNOTS)
    part = share.astype(np.float64)
    normal = np.zeros((size, size))
    for offset, weight in ((0, (1 - part) ** 2), (1, part**2)):
        normal[np.arange(size - 1) + offset, np.arange(size - 1) + offset] += np.bincount(index, weight, size - 1)
    between = np.bincount(index, part * (1 - part), size - 1)
    normal[np.arange(size - 1), np.arange(1, size)] += between
    normal[np.arange(1, size), np.arange(size - 1)] += between
    curves = []
    for channel in range(3):
        values = power[:, channel]
        right = np.zeros(size)
        right[:-1] += np.bincount(index, (1 - part) * values, size - 1)
        right[1:] += np.bincount(index, part * values, size - 1)
        curves.append(grain_model.variance_curve(normal.tolist(), right.tolist(), float(len(index))))
    return np.sqrt(np.asarray(curves, np.float64).T).astype(np.float32)


def _sigma_of(sigma: NDArray[np.float32], tone: Pixels) -> Pixels:
    return GrainProfile(sigma, np.eye(3, dtype=np.float32), np.zeros((3, 1, 1), np.float32)).sigma_at(tone)


def _correlation(unit: Pixels, count: float) -> NDArray[np.float64]:
    flat = unit.reshape(-1, 3).astype(np.float64)
    covariance = flat.T @ flat / count
    deviation = np.sqrt(np.diag(covariance))
    return np.asarray(covariance / np.outer(deviation, deviation))
