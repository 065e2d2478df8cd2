"""The tent against its definition, tap by tap."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging.finishing.tent import scaled_radius, taps, tent


def by_definition(pixels: np.ndarray, radius: float) -> np.ndarray:
    """Across, then down: weights 1 - |k| / r for whole k up to r, normalised, edges repeated; in double precision."""
    reach = np.arange(-int(radius), int(radius) + 1)
    weights = 1.0 - np.abs(reach) / radius
    weights /= weights.sum()
    result = pixels.astype(np.float64)
    for axis in (1, 0):
        places = np.clip(np.arange(result.shape[axis])[:, None] + reach, 0, result.shape[axis] - 1)
        result = np.moveaxis(np.tensordot(np.take(result, places, axis=axis), weights, (axis + 1, 0)), -1, -1)
    return result


@pytest.mark.parametrize("radius", [1.0, 1.5, 2.0, 3.0, 7.3, 16.0, 63.9, 64.0, 65.0, 90.5, 256.0])
def test_tent_is_what_its_definition_says(radius: float) -> None:
    pixels = np.random.default_rng(1).normal(0.5, 4.0, (41, 53, 3)).astype(np.float32)
    np.testing.assert_allclose(tent(pixels, radius), by_definition(pixels, radius), atol=3e-6)


def test_a_radius_below_one_changes_nothing() -> None:
    pixels = np.random.default_rng(2).normal(size=(5, 6, 3)).astype(np.float32)
    result = tent(pixels, 0.99)
    assert np.array_equal(result, pixels) and result is not pixels


@pytest.mark.parametrize(("radius", "sigma"), [(2, 0.71), (4, 1.58), (8, 3.24), (16, 6.52), (32, 13.06)])
def test_width_of_the_default_radii_is_the_one_in_the_documents(radius: int, sigma: float) -> None:
    weights = taps(radius).astype(np.float64)
    places = np.arange(len(weights)) - len(weights) // 2
    assert np.sqrt((weights * places**2).sum()) == pytest.approx(sigma, abs=0.006)


def test_a_flat_picture_stays_flat_up_to_its_edges() -> None:
    pixels = np.full((30, 40, 3), 7.25, np.float32)
    np.testing.assert_allclose(tent(pixels, 12.5), pixels, rtol=1e-6)


def test_planes_work_like_pictures() -> None:
    plane = np.random.default_rng(3).normal(size=(33, 21)).astype(np.float32)
    np.testing.assert_allclose(tent(plane, 5.0), tent(np.repeat(plane[..., None], 3, 2), 5.0)[..., 0], atol=1e-6)


def test_large_frames_are_cut_into_strips_without_a_seam() -> None:
    pixels = np.random.default_rng(4).normal(size=(700, 9, 3)).astype(np.float32)
    np.testing.assert_allclose(tent(pixels, 40.0), by_definition(pixels, 40.0), atol=3e-6)


def test_a_reference_width_scales_radii() -> None:
    assert scaled_radius(16.0, 2048, 4096) == 8.0
    assert scaled_radius(16.0, 2048, 0.0) == 16.0
