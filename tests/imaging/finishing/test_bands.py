"""The six bands of a picture, and a result taken over a plate band by band."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging import color
from bipack.imaging.finishing.bands import band, recombine
from bipack.imaging.finishing.equalizer import RADII
from bipack.imaging.finishing.tent import tent


@pytest.fixture
def plate() -> np.ndarray:
    pixels = np.random.default_rng(1).normal(0.4, 0.3, (48, 64, 3)).astype(np.float32)
    pixels[10:14, 20:24] = 30.0
    return pixels


@pytest.fixture
def result(plate: np.ndarray) -> np.ndarray:
    return plate * 1.2 + np.random.default_rng(2).normal(0, 0.05, plate.shape).astype(np.float32)


def test_bands_and_base_are_the_picture(plate: np.ndarray) -> None:
    parts = [band(plate, RADII, index) for index in range(5)]
    np.testing.assert_allclose(sum(parts) + tent(plate, RADII[-1]), plate, atol=1e-5)


@pytest.mark.parametrize("space", ["encoded", "linear"])
def test_weights_choose_bands_of_the_result(plate: np.ndarray, result: np.ndarray, space: str) -> None:
    weights = (0.3, 0.1, 0.7, 0.2, 0.9, 0.4)
    to, back = (color.encode, color.decode) if space == "encoded" else (np.array, np.array)
    change = to(result) - to(plate)
    expected = to(plate) + weights[5] * tent(change, RADII[-1])
    for index in range(5):
        expected = expected + weights[index] * band(change, RADII, index)
    found = recombine(plate, result, RADII, weights, space=space)
    np.testing.assert_allclose(found, back(expected.astype(np.float32)), rtol=2e-5, atol=2e-5)


def test_all_bands_are_the_result(plate: np.ndarray, result: np.ndarray) -> None:
    np.testing.assert_allclose(recombine(plate, result, RADII, (1.0,) * 6), result, rtol=2e-5, atol=2e-6)


def test_no_bands_are_the_plate_bit_for_bit(plate: np.ndarray, result: np.ndarray) -> None:
    assert recombine(plate, result, RADII, (0.0,) * 6).tobytes() == plate.tobytes()


def test_where_the_matte_is_black_no_bit_changes(plate: np.ndarray, result: np.ndarray) -> None:
    matte = np.zeros(plate.shape[:2], np.float32)
    matte[:, 40:] = 0.5
    found = recombine(plate, result, RADII, (0.0, 0.0, 1.0, 1.0, 1.0, 1.0), matte)
    assert found[:, :40].tobytes() == plate[:, :40].tobytes()
    assert not np.array_equal(found[:, 40:], plate[:, 40:])


def test_fine_texture_stays_the_plates_own() -> None:
    random = np.random.default_rng(3)
    light = np.linspace(0.1, 0.5, 96, dtype=np.float32)[None, :, None].repeat(96, 0).repeat(3, 2)
    grain = random.normal(0, 0.02, light.shape).astype(np.float32)
    found = recombine(light + grain, light * 1.3, RADII, (0, 0, 1, 1, 1, 1), space="linear")
    fine = (found - tent(found, 2.0))[20:-20, 20:-20]
    own = (grain - tent(grain, 2.0))[20:-20, 20:-20]
    assert np.corrcoef(fine.ravel(), own.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(tent(found, 24.0)[48, 30:60], tent(light * 1.3, 24.0)[48, 30:60], rtol=0.03)
