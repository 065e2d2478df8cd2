"""Block matching: what moves far is found, both ways, and nothing else is made up."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging import block_match
from bipack.imaging.block_match import REACH, matched

SIDE = 12
"""Pixels of the square that moves, less than the way it goes."""


def picture(left: int, top: int, height: int = 90, width: int = 120) -> np.ndarray:
    """A square with a pattern of its own before a pattern that stands still."""
    ground = np.random.default_rng(1).uniform(0.2, 0.6, (height, width, 3)).astype(np.float32)
    ground[top : top + SIDE, left : left + SIDE] = np.random.default_rng(2).uniform(0.4, 1.0, (SIDE, SIDE, 3))
    return ground


@pytest.mark.parametrize("offset", [(20, 0), (-17, 9), (REACH, -REACH), (3, 22)])
def test_a_thing_that_moves_farther_than_its_size_is_found_both_ways(offset):
    x, y = offset
    there, back = matched(picture(50, 40), picture(50 + x, 40 + y))
    here = there[40 + 4 : 40 + SIDE - 4, 50 + 4 : 50 + SIDE - 4]
    assert (here == np.array([x, y])).all()
    came = back[40 + y + 4 : 40 + y + SIDE - 4, 50 + x + 4 : 50 + x + SIDE - 4]
    assert (came == -np.array([x, y])).all()


def test_what_stands_still_has_no_offset():
    there, back = matched(picture(50, 40), picture(50, 40))
    assert not there.any() and not back.any()


def test_flat_pictures_take_the_shortest_offset():
    flat = np.full((60, 80, 3), 0.5, np.float32)
    assert not matched(flat, flat)[0].any()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (7, 7), (41, 9)])
def test_small_and_narrow_pictures_are_matched(size):
    there, back = matched(*(np.full((*size, 3), level, np.float32) for level in (0.3, 0.3)))
    assert there.shape == back.shape == (*size, 2) and not there.any() and not back.any()


def test_large_pictures_are_matched_reduced():
    """480 pixels wide, matched at 240: 40 pixels are an offset of 20."""
    whole = [np.repeat(np.repeat(picture(at, 40), 4, axis=0), 4, axis=1) for at in (50, 60)]
    there, _ = matched(*whole)
    assert there.shape == (180, 240, 2)
    assert (there[88:96, 108:116] == np.array([20, 0])).all()


def test_reduced_keeps_what_is_small_enough():
    small = picture(50, 40)
    assert block_match.reduced(small, 120) is small
    assert block_match.reduced(small, 60).shape == (45, 60, 3)
