"""Smoothing that stops at edges, against slow but plain formulas."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging.finishing.dollface import dollface, half_weight_distance, threshold_for
from bipack.imaging.finishing.neighbourhood import bilateral, median


@pytest.fixture
def skin() -> np.ndarray:
    """Soft noise with a hard edge and a value far above 1."""
    pixels = (np.random.default_rng(1).random((47, 61, 3)) * 0.2 + 0.4).astype(np.float32)
    pixels[20:30, 30:] = 1.5
    pixels[5, 5] = 9.0
    return pixels


def plain_dollface(pixels: np.ndarray, sigma: float, threshold: float, spacing: int) -> np.ndarray:
    def along_rows(source: np.ndarray) -> np.ndarray:
        total, weights = source.copy(), np.ones((*source.shape[:2], 1))
        columns = np.arange(source.shape[1])
        for k, offset in enumerate(range(1, int(3 * sigma) + 1, spacing), start=1):
            for side in (-offset, offset):
                there = source[:, np.clip(columns + side, 0, len(columns) - 1)]
                far = np.sqrt(((there - source) ** 2).sum(-1, keepdims=True)) / np.sqrt(3)
                weight = np.clip(np.maximum(1 - far, 0) ** threshold, 0.001, 1) * np.exp(-0.5 * (k / sigma) ** 2)
                total += weight * there
                weights += weight
        return total / weights

    return along_rows(along_rows(pixels.astype(np.float64)).transpose(1, 0, 2)).transpose(1, 0, 2)


@pytest.mark.parametrize(("sigma", "threshold", "spacing"), [(10, 15, 1), (2, 100, 1), (2.5, 20, 2), (4.2, 7.3, 4)])
def test_dollface_is_the_shader(skin: np.ndarray, sigma: float, threshold: float, spacing: int) -> None:
    expected = plain_dollface(skin, sigma, threshold, spacing)
    np.testing.assert_allclose(dollface(skin, sigma, threshold, spacing), expected, rtol=2e-6, atol=5e-6)


def test_dollface_keeps_edges_and_takes_noise() -> None:
    pixels = np.random.default_rng(2).normal(0.3, 0.01, (60, 80, 3)).astype(np.float32)
    pixels[:, 40:] += 0.5
    smooth = dollface(pixels, 5.0, 15.0)
    assert smooth[:, 5:30].std() < 0.2 * pixels[:, 5:30].std()
    assert abs((smooth[:, 40] - smooth[:, 39]).mean() - 0.5) < 0.02


def test_a_sigma_of_zero_changes_nothing(skin: np.ndarray) -> None:
    assert np.array_equal(dollface(skin, 0.0, 15.0), skin)


def test_half_the_weight_lies_where_the_documents_say() -> None:
    assert half_weight_distance(15.0) == pytest.approx(0.078, abs=0.001)
    assert threshold_for(half_weight_distance(37.0)) == pytest.approx(37.0)


def test_bilateral_is_its_formula(skin: np.ndarray) -> None:
    size, place, tone = 3, 2.0, 0.1
    padded = np.pad(skin.astype(np.float64), ((size, size), (size, size), (0, 0)), mode="edge")
    total, weights = np.zeros(skin.shape), np.zeros((*skin.shape[:2], 1))
    for dy in range(2 * size + 1):
        for dx in range(2 * size + 1):
            there = padded[dy : dy + skin.shape[0], dx : dx + skin.shape[1]]
            far = ((there - skin) ** 2).sum(-1, keepdims=True)
            weight = np.exp(-((dy - size) ** 2 + (dx - size) ** 2) / (2 * place**2) - far / (2 * tone**2))
            total += weight * there
            weights += weight
    np.testing.assert_allclose(bilateral(skin, 3.9, place, tone), total / weights, atol=5e-6)


@pytest.mark.parametrize("size", [3, 5, 7, 8])
def test_median_is_the_middle_of_the_square(skin: np.ndarray, size: int) -> None:
    reach = size // 2
    padded = np.pad(skin, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1), axis=(0, 1))
    np.testing.assert_array_equal(median(skin, size), np.median(windows, axis=(-2, -1)).astype(np.float32))
