"""The analysis held against the runtime: random networks, run tiled and whole, and poked one pixel at a time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnxruntime
import pytest

from bipack.imaging import tiling
from bipack.worker.graph import GraphFacts, analyse
from graphs import Builder, plain_sr, unet
from random_graphs import random_graph

SEEDS = range(60)


def runner(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda picture: session.run(None, {"input": picture})[0]


def assemble(run: Any, frame: np.ndarray, facts: GraphFacts, tile: int | None) -> np.ndarray:
    """Tiles put together without any of the worker's code but the plan."""
    g = facts.geometry
    height, width = frame.shape[2:]
    out = np.full((3, height * g.scale, width * g.scale), np.nan, np.float32)
    for entry in tiling.plan(height, width, g, tile):
        piece = run(np.ascontiguousarray(tiling.pad(frame[..., entry.read[0], entry.read[1]], entry)))[0]
        out[:, entry.write[0], entry.write[1]] = piece[:, entry.keep[0], entry.keep[1]]
    return out


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_called_exact_is_the_same_tiled_and_whole(seed: int) -> None:
    model = random_graph(seed, layers=2 + seed % 5)
    facts = analyse(model)
    if facts.tiling != "exact":
        pytest.skip(f"called {facts.tiling}: {facts.reasons[0]}")
    run = runner(model)
    rng = np.random.default_rng(seed)
    small = tiling.smallest_tile(facts.geometry)
    height, width = (int(size) for size in rng.integers(small + 4, small + 8 + 16 // facts.geometry.scale, 2))
    frame = rng.random((1, 3, height, width), np.float32)
    whole = assemble(run, frame, facts, None)
    assert np.isfinite(whole).all()
    for tile in (small, small + 5):
        difference = np.abs(assemble(run, frame, facts, tile) - whole).max()
        assert difference <= 1e-5 * max(1.0, float(np.abs(whole).max()))


def moved(run: Any, frame: np.ndarray, row: int, column: int) -> tuple[range, range]:
    """Rows and columns of the result that change with one pixel of the frame; empty where nothing does."""
    changed = np.zeros(1, bool)
    for amount in (1.0, -3.0, 9.0):
        poked = frame.copy()
        poked[..., row, column] += np.float32(amount)
        changed = changed | (np.abs(run(poked) - run(frame)).max(axis=(0, 1)) > 0)
    spans = []
    for axis in (1, 0):
        found = np.nonzero(changed.any(axis=axis))[0]
        spans.append(range(int(found[0]), int(found[-1]) + 1) if len(found) else range(0))
    return spans[0], spans[1]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pixel_beyond_a_tile_moves_no_result_inside_its_halo(seed: int) -> None:
    model = random_graph(seed, layers=2 + seed % 5)
    facts = analyse(model)
    if facts.tiling != "exact":
        pytest.skip(f"called {facts.tiling}: {facts.reasons[0]}")
    run, g, period = runner(model), facts.geometry, facts.alignment
    size = -(-(2 * tiling.smallest_tile(g)) // period) * period
    frame = np.random.default_rng(seed).random((1, 3, size, size), np.float32)
    cut = size // 2 // period * period
    before, after = moved(run, frame, cut - 1, cut - 1), moved(run, frame, cut, cut)
    sides = ((g.halo.top, g.halo.bottom, g.border.top + g.border.bottom),
             (g.halo.left, g.halo.right, g.border.left + g.border.right))  # fmt: skip
    for axis, (low, high, trimmed) in enumerate(sides):
        # A tile that starts at the cut, and one that ends there.
        assert all(index < (cut + low) * g.scale + g.offset[axis] for index in before[axis])
        assert all(index >= (cut - trimmed - high) * g.scale + g.offset[axis] for index in after[axis])


@pytest.mark.parametrize(("layers", "kernel", "dilation"), [(1, 3, 1), (3, 3, 1), (2, 5, 1), (2, 3, 3)])
def test_the_halo_of_convolutions_is_tight(layers: int, kernel: int, dilation: int) -> None:
    b = Builder()
    x = "input"
    for _ in range(layers):
        x = b.conv(x, 3, 3, kernel, dilations=[dilation, dilation])
    model = b.model(x)
    rows, columns = moved(runner(model), np.random.default_rng(0).random((1, 3, 64, 64), np.float32), 32, 32)
    reach = analyse(model).halo.left
    assert (rows, columns) == (range(32 - reach, 33 + reach), range(32 - reach, 33 + reach))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_halo_of_a_strided_u_net_is_tight_at_aligned_cuts(depth: int) -> None:
    model = unet(depth)
    facts = analyse(model)
    run, cut = runner(model), 64
    rows = []
    for seed in range(3):
        frame = np.random.default_rng(seed).random((1, 3, 128, 128), np.float32)
        rows.append((moved(run, frame, cut - 1, cut - 1)[0], moved(run, frame, cut, cut)[0]))
    assert max(before[-1] for before, _ in rows) == cut + facts.halo.top - 1
    assert min(after[0] for _, after in rows) == cut - facts.halo.bottom


def test_one_pixel_of_halo_less_would_show() -> None:
    model = plain_sr(scale=2, layers=5)
    facts, run = analyse(model), runner(model)
    frame = np.random.default_rng(1).random((1, 3, 40, 40), np.float32)
    whole = assemble(run, frame, facts, None)
    lacking = dataclasses.replace(facts, halo=tiling.Margins(4, 5, 5, 5))
    assert np.abs(assemble(run, frame, facts, 24) - whole).max() <= 1e-6
    assert np.abs(assemble(run, frame, lacking, 24) - whole).max() > 1e-3
