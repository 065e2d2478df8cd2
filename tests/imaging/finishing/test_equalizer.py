"""The texture equalizer: its formula, its range and its mattes."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging.finishing import weights
from bipack.imaging.finishing.equalizer import RADII, Band, band_change, band_texture, equalize
from bipack.imaging.finishing.tent import tent


@pytest.fixture
def plate() -> np.ndarray:
    """Values from below 0 to far above 1."""
    pixels = np.random.default_rng(1).normal(0.4, 0.3, (48, 64, 3)).astype(np.float32)
    pixels[10:14, 20:24] = 30.0
    return pixels


def test_bands_follow_one_another(plate: np.ndarray) -> None:
    bands = [Band(2.0, 0.6), Band(8.0, -0.5)]
    first = plate - 0.6 * (plate - tent(plate, 2.0))
    second = first + 0.5 * (first - tent(first, 8.0))
    np.testing.assert_allclose(equalize(plate, bands), second, atol=1e-5)


def test_the_overall_gain_scales_the_whole_change(plate: np.ndarray) -> None:
    bands = [Band(radius, 0.3) for radius in RADII]
    once = equalize(plate, bands)
    np.testing.assert_allclose(equalize(plate, bands, gain=-2.5), plate - 2.5 * (once - plate), atol=2e-4)


def test_neutral_amounts_return_the_plate_bit_for_bit(plate: np.ndarray) -> None:
    assert np.array_equal(equalize(plate, [Band(radius, 0.0) for radius in RADII], gain=7.0), plate)


def test_where_the_matte_is_black_no_bit_changes(plate: np.ndarray) -> None:
    matte = np.zeros(plate.shape[:2], np.float32)
    matte[:, 32:] = 0.7
    plate[3, 3] = -0.0
    result = equalize(plate, [Band(8.0, 1.0)], gain=3.0, matte=matte)
    assert result[:, :32].tobytes() == plate[:, :32].tobytes()
    assert not np.array_equal(result[:, 32:], plate[:, 32:])


def test_a_colored_matte_holds_back_channels_by_themselves(plate: np.ndarray) -> None:
    matte = np.zeros(plate.shape, np.float32)
    matte[..., 2] = 1.0
    result = equalize(plate, [Band(4.0, 1.0)], matte=matte)
    assert np.array_equal(result[..., :2], plate[..., :2])
    np.testing.assert_allclose(result[..., 2], tent(plate, 4.0)[..., 2], atol=1e-5)


def test_values_above_one_and_below_zero_are_kept(plate: np.ndarray) -> None:
    result = equalize(plate, [Band(2.0, -1.0)])
    assert result.max() > 30.0 and result.min() < plate.min()


def test_a_weight_scales_amounts_pixel_by_pixel(plate: np.ndarray) -> None:
    weight = np.linspace(0.0, 1.0, plate.shape[1], dtype=np.float32)[None, :].repeat(len(plate), 0)
    result = equalize(plate, [Band(4.0, 1.0)], weight=weight)
    expected = plate - weight[..., None] * (plate - tent(plate, 4.0))
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_views_show_what_a_band_sees_and_does(plate: np.ndarray) -> None:
    bands = [Band(2.0, 0.5), Band(8.0, -0.4)]
    before = equalize(plate, bands[:1])
    np.testing.assert_allclose(band_texture(plate, bands, 1), before - tent(before, 8.0), atol=1e-5)
    np.testing.assert_allclose(band_change(plate, bands, 1), equalize(plate, bands) - before, atol=1e-5)


def test_a_tonal_range_is_one_inside_and_fades_outside() -> None:
    tone = np.array([[0.1, 0.25, 0.3, 0.5, 0.7, 0.75, 0.9]], np.float32)
    found = weights.tonal_range(tone, 0.3, 0.7, 0.1)
    np.testing.assert_allclose(found, [[0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.0]], atol=1e-6)


def test_edges_are_found_where_they_are_and_spared() -> None:
    picture = np.full((40, 60, 3), 0.1, np.float32)
    picture[:, 30:] = 0.6
    strength = weights.edge_strength(weights.encoded_luma(picture), 3.0, 20.0)
    assert strength[:, 29:31].min() == 1.0
    assert strength[:, :20].max() < 1e-5 and strength[:, 40:].max() < 1e-5
    assert weights.held_at_edges(strength, 1.0)[20, 30] == 0.0
    assert weights.held_at_edges(strength, -1.0)[20, 30] == 2.0
