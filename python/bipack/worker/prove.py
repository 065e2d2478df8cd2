"""Proving that tiles do not show: one frame through a model whole, then tiled, and the largest difference.

The model sees exactly what it sees in a cook. Values are compared as the network gives them, before decoding. Several
tile sizes are tried, odd ones too, since a mistake in alignment hides at powers of two.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from bipack import atomic
from bipack.errors import UsageError
from bipack.imaging import contact_sheet, tiling
from bipack.imaging.tiling import TileGeometry
from bipack.worker import tiled
from bipack.worker.model_step import ModelStep, Picture
from bipack.worker.step import StepControl, StepInput

TOLERANCE = 1e-5
"""Largest difference, in the network's values, at which tiled and whole count as the same."""

MOST_TILES = 80
"""A size that cuts the frame into more tiles is not tried unless it is asked for."""

HEAT_RANGE = (1e-8, 1e-1)
"""Differences from black to white of the heat-map, on a logarithmic scale."""

NUMBERS, HEAT_MAP = "prove.json", "prove_heatmap.png"


@dataclass(frozen=True)
class Trial:
    """One tile size against the whole frame."""

    tile: int
    """Largest tile in plate pixels, overlap included."""

    tiles: int
    """How many the frame was cut into."""

    shape: tuple[int, int]
    """Height and width that the model saw."""

    largest: float
    """Largest difference, in the network's values."""

    at: tuple[int, int]
    """Where, in result pixels (x, y) from the top left."""

    mean: float
    """Average difference."""


@dataclass(frozen=True)
class Proof:
    """What was found."""

    model: str
    sha256: str
    device: str
    tiling: str
    """exact, blend or whole, as the graph allows."""

    claims_exact: bool
    """True when the card or the graph says that tiled equals whole."""

    reasons: tuple[str, ...]
    height: int
    width: int
    scale: int
    reach: int
    """Plate pixels that one result pixel sees on the farthest side."""

    alignment: int
    multiple: int
    padding: str
    trials: tuple[Trial, ...]

    @property
    def largest(self) -> float:
        """Largest difference of all trials; 0 where nothing could be tiled."""
        return max((trial.largest for trial in self.trials), default=0.0)

    @property
    def holds(self) -> bool:
        """False when a model that claims exact tiles is not exact."""
        return not self.claims_exact or self.largest <= TOLERANCE


def prove(
    step: ModelStep,
    given: StepInput,
    control: StepControl,
    sizes: Sequence[int] = (),
    out: str | None = None,
) -> Proof:
    """Run `given` whole and tiled; `sizes` are tile sizes, empty for a choice of five.

    With `out`, writes `prove.json` and `prove_heatmap.png` (the trial with the largest difference) there. Raises what a
    run raises; UsageError for a size that is all overlap.
    """
    session = step.session
    picture = Picture(step.card, step.knobs, given)
    height, width = picture.plate.pixels.shape[:2]
    geometry, facts = session.facts.geometry, session.facts
    sizes = sizes or default_sizes(height, width, geometry)
    runs = len(sizes) + 1

    def at_size(index: int, tile: int) -> np.ndarray:
        done = lambda fraction: control.progress((index + fraction) / runs)  # noqa: E731
        return _run(step, picture, height, width, tile, done, control)

    heat = np.zeros((height * geometry.scale, width * geometry.scale), np.float32)
    trials: list[Trial] = []
    whole = at_size(0, max(height, width) * 2 + tiling.smallest_tile(geometry)) if sizes else heat[None]
    for index, size in enumerate(sizes):
        tiles = tiling.plan(height, width, geometry, size)
        difference = _difference(at_size(index + 1, size), whole)
        trial = _trial(size, len(tiles), tiles[0].shape, difference)
        if not trials or trial.largest > max(earlier.largest for earlier in trials):
            heat = difference
        trials.append(trial)
    proof = Proof(
        model=step.name,
        sha256=session.sha256,
        device=session.device,
        tiling=facts.tiling,
        claims_exact="exact" in (facts.tiling, step.card.geometry.tiling if step.card.verified else ""),
        reasons=facts.reasons,
        height=height,
        width=width,
        scale=geometry.scale,
        reach=facts.reach,
        alignment=facts.alignment,
        multiple=facts.multiple,
        padding=facts.padding,
        trials=tuple(trials),
    )
    if out is not None:
        _write(proof, heat, out)
    return proof


def default_sizes(height: int, width: int, geometry: TileGeometry) -> tuple[int, ...]:
    """Up to five tile sizes that cut the frame, from half of it downwards, every second one odd."""
    if geometry.tiling == "whole":
        return ()
    least, longest = tiling.smallest_tile(geometry), max(height, width)
    wanted = (longest * 3 // 5, longest // 2 | 1, longest // 3, longest // 4 | 1, longest // 7 | 1)
    sizes = []
    for size in sorted({max(least, size) for size in wanted}, reverse=True):
        try:
            count = len(tiling.plan(height, width, geometry, size))
        except UsageError:
            continue
        if 1 < count <= MOST_TILES:
            sizes.append(size)
    return tuple(sizes)


def _run(
    step: ModelStep,
    picture: Picture,
    height: int,
    width: int,
    tile: int,
    progress: Callable[[float], None],
    control: StepControl,
) -> np.ndarray:
    """The network's result (channels, rows, columns)."""
    scale = step.card.scale
    result: np.ndarray | None = None
    for region, piece in tiled.iterate(step.session, picture.feeds, height, width, tile, control.cancel):
        if result is None:
            result = np.empty((len(piece), height * scale, width * scale), np.float32)
        result[:, region.rows, region.columns] = piece
        progress(region.fraction)
    assert result is not None
    return result


def _difference(found: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Largest absolute difference over the channels, (rows, columns); infinite where only one of the two is finite."""
    with np.errstate(invalid="ignore"):
        difference = np.abs(found - whole)
    difference[(found == whole) | (np.isnan(found) & np.isnan(whole))] = 0
    return np.asarray(np.nan_to_num(difference, nan=np.inf, posinf=np.inf).max(axis=0))


def _trial(size: int, tiles: int, shape: tuple[int, int], difference: np.ndarray) -> Trial:
    row, column = np.unravel_index(int(np.argmax(difference)), difference.shape)
    return Trial(
        tile=size,
        tiles=tiles,
        shape=shape,
        largest=float(difference[row, column]),
        at=(int(column), int(row)),
        mean=float(difference.mean(dtype=np.float64)),
    )


# -- report --------------------------------------------------------------------------------------------------------


def as_data(proof: Proof) -> dict[str, Any]:
    """The proof as JSON values."""
    return {
        **dataclasses.asdict(proof),
        "largest": _finite(proof.largest),
        "holds": proof.holds,
        "tolerance": TOLERANCE,
        "trials": [
            {**dataclasses.asdict(trial), "largest": _finite(trial.largest), "mean": _finite(trial.mean)}
            for trial in proof.trials
        ],
    }


def _finite(value: float) -> float | str:
    """JSON knows no infinity."""
    return value if np.isfinite(value) else "infinite"


def _write(proof: Proof, heat: np.ndarray, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    text = json.dumps(as_data(proof), indent=2, ensure_ascii=False)
    atomic.write_bytes(os.path.join(folder, NUMBERS), (text + "\n").encode("utf-8"))
    contact_sheet.write(os.path.join(folder, HEAT_MAP), heat_map(proof, heat))


def heat_map(proof: Proof, heat: np.ndarray) -> contact_sheet.Picture:
    """The differences (rows, columns) as a picture on a logarithmic scale, with a legend below."""
    low, high = (np.log10(value) for value in HEAT_RANGE)
    with np.errstate(divide="ignore"):
        level = (np.log10(heat) - low) / (high - low)
    codes = np.rint(np.clip(level, 0, 1) * 255).astype(np.uint8)
    picture = np.asarray(cv2.applyColorMap(codes, cv2.COLORMAP_INFERNO))[..., ::-1]
    return np.concatenate([picture, _legend(proof, picture.shape[1])])


def _legend(proof: Proof, width: int) -> np.ndarray:
    """A strip as wide as the picture: the scale in decades and the largest difference in words."""
    strip: Any = np.full((72, width, 3), contact_sheet.BACKGROUND, np.uint8)
    ramp = np.linspace(0, 255, width).astype(np.uint8)[None].repeat(14, axis=0)
    strip[6:20] = np.asarray(cv2.applyColorMap(ramp, cv2.COLORMAP_INFERNO))[..., ::-1]
    first, last = (round(float(np.log10(value))) for value in HEAT_RANGE)
    decades = range(first, last + 1, 1 if width > 700 else 2)
    for power in decades:
        left = round((power - first) / (last - first) * (width - 60)) + 4
        cv2.putText(strip, f"1e{power}", (left, 38), cv2.FONT_HERSHEY_SIMPLEX, 0.42, contact_sheet.TEXT, 1, cv2.LINE_AA)
    text = f"largest {proof.largest:.2g}, {len(proof.trials)} tile sizes, {proof.tiling}"
    cv2.putText(strip, text, (4, 62), cv2.FONT_HERSHEY_SIMPLEX, 0.42, contact_sheet.QUIET_TEXT, 1, cv2.LINE_AA)
    return np.asarray(strip)
