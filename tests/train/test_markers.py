"""Drawn markers: what is shown in training, what is kept for the test, and how finding is counted."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging import color
from bipack_train import covers, marker_model, markers
from bipack_train.marker_shapes import HELD_OUT_SHAPES, SHAPES
from bipack_train.markers import MarkerPool, mark


def wall(side: int = 128) -> np.ndarray:
    return np.full((side, side, 3), 0.5, np.float32)


def test_looks_of_the_test_are_never_trained_on() -> None:
    assert not set(SHAPES) & set(HELD_OUT_SHAPES)
    rng = np.random.default_rng(1)
    for kind, away in markers._HELD_OUT_INKS.items():
        for _ in range(200):
            coded = color.encode(markers._any_ink(kind, rng).astype(np.float32))
            assert np.sqrt(np.square(color.encode(np.array(away, np.float32)) - coded).sum(axis=1)).min() > 0.18


def test_outside_the_marks_before_and_after_are_the_same_bits() -> None:
    for seed in range(6):
        marked = mark(wall(), np.random.default_rng(seed), 5, SHAPES)
        assert marked.count > 0 and marked.visible.any()
        assert np.array_equal(marked.before[marked.matte == 0], marked.after[marked.matte == 0])
        assert (marked.matte[marked.visible] > 0.5).all()


def test_a_lamp_may_be_brighter_than_one() -> None:
    peaks = [mark(wall(), np.random.default_rng(seed), 5, ("dot",)).before.max() for seed in range(40)]
    assert max(peaks) > 1.2


def test_covers_hide_the_picture_and_are_not_to_be_found() -> None:
    pool = MarkerPool([np.full((200, 200, 3), 128, np.uint8)], 64, 8, seed=2)
    crops = [pool.crop(step, index) for step in range(6) for index in range(8)]
    hidden = [crop for crop in crops if not crop.marked]
    assert 4 <= len(hidden) <= 24
    assert sum(crop.visible.any() for crop in hidden) > len(hidden) / 2  # some wires pass by
    batch = pool.batch(0)
    for index in range(8):
        crop = pool.crop(0, index)
        assert float(batch.matte[index].max()) == pytest.approx(float(crop.matte.max()))
        assert float(batch.target[index].max()) == (pytest.approx(float(crop.matte.max())) if crop.marked else 0)


def test_a_strip_is_too_long_for_a_marker() -> None:
    for seed in range(20):
        strip = covers._strip(256, np.random.default_rng(seed)) > 0.5
        inside = strip[8:-8, 8:-8]
        if np.count_nonzero(inside) == np.count_nonzero(strip):
            rows, columns = np.nonzero(strip)
            assert np.hypot(np.ptp(rows), np.ptp(columns)) > 55


def test_the_same_seed_draws_the_same_crops() -> None:
    pools = [MarkerPool([np.full((200, 200, 3), 128, np.uint8)], 64, 2, seed=5) for _ in range(2)]
    assert np.array_equal(pools[0].crop(3, 1).before, pools[1].crop(3, 1).before)
    assert not np.array_equal(pools[0].crop(3, 1).before, pools[0].crop(4, 1).before)


def test_recall_counts_marks_that_lost_three_quarters_of_their_energy() -> None:
    marked = mark(wall(), np.random.default_rng(4), 5, ("dot",))
    none, total = marker_model.recall(marked, marked.before)
    every, _ = marker_model.recall(marked, marked.after)
    weaker = marked.after + 0.6 * (marked.before - marked.after)
    assert total >= 2 and none == 0 and every == total
    assert marker_model.recall(marked, weaker.astype(np.float32))[0] == 0
    weaker = marked.after + 0.4 * (marked.before - marked.after)
    assert marker_model.recall(marked, weaker.astype(np.float32))[0] == total
