"""From a matte to what is filled: how far it grows and fades, and that cost stays with it."""

from __future__ import annotations

import numpy as np

from bipack.imaging.hole import MARGIN, of_matte


def square(height: int = 300, width: int = 400) -> np.ndarray:
    matte = np.zeros((height, width), np.float32)
    matte[100:120, 150:180] = 1.0
    return matte


def test_the_hole_grows_and_then_fades_to_nothing() -> None:
    hole = of_matte(square(), grow=2, feather=3)
    line = hole.weight[110, 140:151]
    np.testing.assert_allclose(line, [0, 0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1])
    assert hole.covered[110, 148] and not hole.covered[110, 147]


def test_without_growth_and_feather_it_is_the_matte() -> None:
    hole = of_matte(square())
    np.testing.assert_array_equal(hole.covered, square() > 0)
    np.testing.assert_array_equal(hole.weight, square())


def test_a_faint_matte_counts_and_what_a_blur_leaves_does_not() -> None:
    assert of_matte(square() * 0.05).covered.sum() == 600
    assert of_matte(square() * 1e-4).is_empty


def test_holes_far_apart_get_boxes_of_their_own_and_near_ones_share() -> None:
    matte = square()
    matte[105:110, 190:195] = 1.0
    assert of_matte(matte).boxes == ((150 - MARGIN, 100 - MARGIN, 195 + MARGIN, 120 + MARGIN),)
    matte[280, 20] = 1.0
    boxes = of_matte(matte).boxes
    assert len(boxes) == 2
    assert (0, 280 - MARGIN, 21 + MARGIN, 300) in boxes


def test_a_matte_at_the_border_stays_inside() -> None:
    hole = of_matte(np.ones((30, 40), np.float32), grow=5, feather=5)
    assert hole.is_everything
    assert hole.boxes == ((0, 0, 40, 30),)
