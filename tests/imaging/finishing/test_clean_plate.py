"""The clean plate: medians, alignment and hold-outs."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging.finishing.clean_plate import ALIGNMENTS, NETWORKS, align, lay_over, median_of, window


@pytest.fixture(scope="module")
def wall() -> np.ndarray:
    """A background with detail at all sizes."""
    random = np.random.default_rng(1)
    layers = [cv2.GaussianBlur(random.normal(size=(300, 420, 3)).astype(np.float32), (0, 0), s) * s for s in (2, 6, 20)]
    picture = sum(layers)
    return ((picture - picture.min()) / (picture.max() - picture.min())).astype(np.float32)


@pytest.mark.parametrize("count", NETWORKS)
def test_networks_find_the_median_of_every_order(count: int) -> None:
    orders = np.array(list(itertools.permutations(range(count))), np.float32)
    values = [orders[:, index].copy() for index in range(count)]
    for low, high in NETWORKS[count]:
        values[low], values[high] = np.minimum(values[low], values[high]), np.maximum(values[low], values[high])
    assert (values[count // 2] == count // 2).all()


@pytest.mark.parametrize("count", [3, 5, 7])
def test_what_passes_by_is_gone(count: int) -> None:
    background = np.random.default_rng(2).random((20, 90, 3)).astype(np.float32)
    frames = []
    for index in range(count):
        frame = background.copy()
        frame[5:15, 10 * index : 10 * index + 10] = 40.0
        frames.append(frame)
    assert np.array_equal(median_of(frames, [None] * count, frames[count // 2]), background)


def test_held_out_samples_do_not_count() -> None:
    random = np.random.default_rng(3)
    frames = [random.random((12, 14, 3)).astype(np.float32) for _ in range(5)]
    masks = [(random.random((12, 14)) < 0.5).astype(np.uint8) for _ in range(5)]
    result = median_of(frames, masks, frames[2])
    for y, x in itertools.product(range(12), range(14)):
        known = [frame[y, x] for frame, mask in zip(frames, masks, strict=True) if not mask[y, x]]
        expected = np.sort(known, axis=0)[(len(known) - 1) // 2] if known else frames[2][y, x]
        assert np.array_equal(result[y, x], expected)


def test_four_frames_have_no_median_here() -> None:
    frame = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(UsageError, match="3, 5 or 7"):
        median_of([frame] * 4, [None] * 4, frame)


@pytest.mark.parametrize("how", ALIGNMENTS[1:])
def test_a_moved_frame_is_laid_over_within_a_tenth_of_a_pixel(how: str, wall: np.ndarray) -> None:
    motion = {
        "move": np.array([[1, 0, 5.3], [0, 1, -3.6], [0, 0, 1]]),
        "turn": np.array([[1.01, 0.012, 4.1], [-0.009, 0.99, -2.2], [0, 0, 1]]),
        "perspective": np.array([[1.004, 0.006, 5.3], [-0.004, 0.998, -3.7], [8e-6, -5e-6, 1]]),
    }[how]
    there = cv2.warpPerspective(wall, motion, (420, 300), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    found = align(wall, there, how)
    corners = np.array([[[0, 0], [419, 0], [0, 299], [419, 299], [210, 150]]], np.float64)
    moved = [cv2.perspectiveTransform(corners, matrix) for matrix in (found, motion)]
    assert np.abs(moved[0] - moved[1]).max() < 0.1
    over, unknown = lay_over(there, found)
    inside = np.s_[30:-30, 30:-30]
    assert np.abs(over - wall)[inside].mean() < 0.01
    assert unknown[inside].max() == 0 and unknown.max() > 0


def test_an_actor_in_front_does_not_mislead_the_alignment(wall: np.ndarray) -> None:
    current, there = wall.copy(), np.roll(wall, (0, 6), (0, 1))
    matte = np.zeros(wall.shape[:2], np.float32)
    current[60:240, 100:250], matte[60:240, 100:250] = 3.0, 1.0
    there[60:240, 140:290] = 3.0
    found = align(current, there, "move", matte, np.roll(matte, 40, 1))
    assert abs(found[0, 2] - 6.0) < 0.5


def test_a_locked_off_camera_is_not_touched(wall: np.ndarray) -> None:
    same, unknown = lay_over(wall, align(wall, np.roll(wall, 9, 1), "none"))
    assert same is wall and not unknown.any()


def test_frames_that_cannot_be_matched_say_so() -> None:
    black = np.zeros((100, 100, 3), np.float32)
    with pytest.raises(UsageError, match="too different or too even"):
        align(black, black, "perspective")


def test_the_window_slides_at_the_ends_of_the_shot() -> None:
    assert window(1010, 4, 5, 1001, 1100) == [1002, 1006, 1010, 1014, 1018]
    assert window(1001, 4, 5, 1001, 1100) == [1001, 1005, 1009, 1013, 1017]
    assert window(1099, 2, 3, 1001, 1100) == [1096, 1098, 1100]
