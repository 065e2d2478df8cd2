"""Neighbour frames moved onto the current one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.imaging import neighbours


def picture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """Soft random shapes, encoded."""
    noise = np.random.default_rng(seed).random((height, width, 3), np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 4) + 0.3 * cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.ascontiguousarray((soft - soft.min()) / np.ptp(soft), np.float32)


def shifted(frame: np.ndarray, across: float, down: float) -> np.ndarray:
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float64)
    size = frame.shape[1], frame.shape[0]
    return cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def test_what_moved_is_laid_onto_the_current_frame() -> None:
    current = picture(1)
    neighbour = shifted(current, 3.4, -1.7)
    found = neighbours.onto(current, neighbour)
    inner = np.s_[12:-12, 12:-12]
    assert np.abs(neighbour - current)[inner].mean() > 0.03
    assert np.abs(found - current)[inner].mean() < 0.003


def test_noise_of_the_neighbour_stays_its_own() -> None:
    """Frames are averaged against noise: what the neighbour brings must not be the current frame once more."""
    clean = picture(2)
    current, neighbour = (
        clean + np.random.default_rng(seed).normal(0, 0.02, clean.shape).astype(np.float32) for seed in (3, 4)
    )
    found = neighbours.onto(current, neighbour)
    noise = np.corrcoef((found - clean).ravel(), (current - clean).ravel())[0, 1]
    assert noise < 0.3
    assert np.sqrt(np.mean(((current + found) / 2 - clean) ** 2)) < 0.016


def test_another_shot_says_nothing() -> None:
    current = picture(5)
    assert neighbours.onto(current, picture(6)) is current


def test_another_shot_of_like_light_and_dark_says_nothing_either() -> None:
    """What a thumbnail takes for motion: the same large shapes, filled with other things."""
    broad = cv2.GaussianBlur(picture(11), (0, 0), 12)
    one, two = (broad + 0.5 * (picture(seed) - 0.5) for seed in (12, 13))
    assert neighbours.onto(one, two) is one


def test_a_held_frame_is_the_current_one_bit_for_bit() -> None:
    current = picture(7)
    assert np.array_equal(neighbours.onto(current, current.copy()), current)


def test_what_a_neighbour_does_not_show_is_the_current_frame_bit_for_bit() -> None:
    current = picture(8)
    neighbour = current + np.float32(0.001)
    current[40:80, 60:100] = [0.95, 0.1, 0.05]
    found = neighbours.onto(current, neighbour)
    assert np.array_equal(found[50:70, 70:90], current[50:70, 70:90])
    assert not np.array_equal(found[:20], current[:20])


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 37, 3), (3, 2, 1), (60, 80, 1)])
def test_every_size_and_grey_come_back_finite(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(9)
    current, neighbour = rng.random(shape, np.float32), rng.random(shape, np.float32)
    found = neighbours.onto(current, neighbour)
    assert found.shape == shape and found.dtype == np.float32 and np.isfinite(found).all()


def test_lamps_and_negative_values_stay_what_they_are() -> None:
    current = picture(10)
    current[30:40, 50:60], current[80:90, 20:30] = 5.5, -0.4
    neighbour = shifted(current, 2, 1)
    found = neighbours.onto(current, neighbour)
    assert np.abs(found[33:37, 53:57] - 5.5).max() < 0.05
    assert np.abs(found[83:87, 23:27] + 0.4).max() < 0.05
