"""The search for motion: DIS, and what block matching leads it to."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.imaging import motion_search
from bipack.imaging.motion_search import dis_of, prior_of
from moving import picture

FAR = 28
"""Pixels that the ball moves; it is 20 wide."""


def noise(seed: int, height: int, width: int, grain: float) -> np.ndarray:
    """A soft pattern around 0.5."""
    found = np.random.default_rng(seed).normal(0, 1, (height, width, 3)).astype(np.float32)
    found = cv2.GaussianBlur(found, (0, 0), grain)
    return np.asarray(0.5 + 0.15 * found / found.std(), np.float32)


def ball(left: int, height: int = 180, width: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """A ball before a pattern, and where it is."""
    ground, coat = noise(1, height, width, 3.0), noise(2, 20, 20, 2.0) * np.array([1.6, 0.8, 0.4], np.float32)
    rows, columns = np.mgrid[:height, :width]
    inside = np.hypot(rows - 90, columns - left - 10) < 9.5
    ground[80:100, left : left + 20] = np.where(
        inside[80:100, left : left + 20, None], coat, ground[80:100, left : left + 20]
    )
    return ground, inside


def test_a_small_thing_that_moves_far_is_found_where_dis_loses_it():
    (first, here), (second, there) = ball(100), ball(100 + FAR)
    plain, found = dis_of(first, second), prior_of(first, second)
    truth = np.array([FAR, 0], np.float32)
    missed = np.median(np.linalg.norm(plain[here][:, :2] - truth, axis=1))
    assert missed > 0.9 * FAR
    # The search that follows evens the motion out towards what lies around the ball.
    assert np.median(np.linalg.norm(found[here][:, :2] - truth, axis=1)) < 0.3 * FAR
    assert np.median(np.linalg.norm(found[there][:, 2:] + truth, axis=1)) < 0.3 * FAR
    still = ~cv2.dilate((here | there).astype(np.uint8), np.ones((61, 61))).astype(bool)
    assert np.abs(found[still]).max() < 0.5


@pytest.mark.parametrize("detail", ["half", "full"])
def test_still_frames_do_not_move(detail):
    first, _ = ball(100)
    assert not prior_of(first, first, detail).any()


def test_an_even_pan_is_found_as_dis_finds_it():
    frames = picture(0.0), picture(5.0)
    inner = (slice(12, -12), slice(24, -24))
    assert np.abs(prior_of(*frames) - dis_of(*frames))[inner].max() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (5, 90), (60, 47), (301, 7)])
def test_any_size_is_searched(size):
    frames = [noise(seed, *size, 1.0) * 3 for seed in (1, 2)]
    found = prior_of(*frames)
    assert found.shape == (*size, 4) and np.isfinite(found).all()


def test_small_pictures_are_continued_by_their_edges():
    looked = motion_search.for_search(np.full((10, 100, 3), 0.5, np.float32))
    assert looked.shape == (48, 100) and (looked == 128).all()
