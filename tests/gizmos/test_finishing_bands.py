"""The very BipackRecombine and BipackFrequencySplit against the numpy oracle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bipack.imaging.finishing import bands, working_space
from bipack.imaging.finishing.tent import tent
from finishing_scene import OFF_CENTRE, Scene

RADII = (2.0, 4.0, 8.0, 16.0, 20.0)
WEIGHTS = (0.3, 0.0, 1.0, 0.5, 0.8, 0.9)


@pytest.fixture
def result(plate: np.ndarray) -> np.ndarray:
    return (plate * 1.3 + np.random.default_rng(8).normal(0, 0.05, plate.shape)).astype(np.float32)


@pytest.fixture
def recombine(finishing: Callable[..., Scene], plate: np.ndarray, result: np.ndarray) -> Scene:
    scene = finishing("BipackRecombine")
    scene.feed(0, plate, OFF_CENTRE)
    scene.feed(1, result, OFF_CENTRE)
    scene.set(radius5=20.0, base=WEIGHTS[5], **{f"band{number}": WEIGHTS[number - 1] for number in range(1, 6)})
    return scene


@pytest.mark.parametrize("space", ["encoded", "linear"])
def test_chosen_bands_of_the_result(recombine: Scene, plate: np.ndarray, result: np.ndarray, space: str) -> None:
    recombine.set(working_space=space)
    expected = bands.recombine(plate, result, RADII, WEIGHTS, space=space)
    np.testing.assert_allclose(recombine.result(), expected, rtol=1e-4, atol=1e-4)


def test_mix_and_matte(recombine: Scene, plate: np.ndarray, result: np.ndarray, matte: np.ndarray) -> None:
    recombine.feed(2, matte, OFF_CENTRE)
    recombine.set(mix=0.6)
    found = recombine.result()
    expected = bands.recombine(plate, result, RADII, WEIGHTS, matte, 0.6)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert np.array_equal(found[matte == 0], plate[matte == 0])


def test_a_proxy_is_split_with_smaller_radii(recombine: Scene) -> None:
    small, other = recombine.source(0, proxy=0.5), recombine.source(1, proxy=0.5)
    expected = bands.recombine(small, other, [radius / 2 for radius in RADII], WEIGHTS)
    np.testing.assert_allclose(recombine.result(proxy=0.5), expected, rtol=1e-4, atol=1e-4)


def test_no_band_is_the_plate_bit_for_bit(recombine: Scene, plate: np.ndarray) -> None:
    recombine.set(base=0, **{f"band{number}": 0 for number in range(1, 6)})
    assert np.array_equal(recombine.result(), plate)


@pytest.mark.parametrize("space", ["encoded", "linear"])
def test_outputs_of_the_split(finishing: Callable[..., Scene], plate: np.ndarray, space: str) -> None:
    split = finishing("BipackFrequencySplit")
    split.feed(0, plate, OFF_CENTRE)
    split.set(working_space=space, radius5=20.0)
    working = working_space.enter(plate, space)
    texture = {"high": working - tent(working, 8.0), "band1": bands.band(working, RADII, 0)}
    texture["band4"] = bands.band(working, RADII, 3)
    for output, expected in texture.items():
        split.set(output=output)
        np.testing.assert_allclose(split.result(), expected, rtol=1e-5, atol=1e-5)
    for output, radius in (("low", 8.0), ("base", 20.0)):
        split.set(output=output)
        expected = working_space.leave(tent(working, radius), space)
        np.testing.assert_allclose(split.result(), expected, rtol=1e-4, atol=1e-5)


def test_low_plus_high_is_the_picture(finishing: Callable[..., Scene], plate: np.ndarray) -> None:
    split = finishing("BipackFrequencySplit")
    split.feed(0, plate, OFF_CENTRE)
    low = split.result()
    split.set(output="high")
    np.testing.assert_allclose(low + split.result(), plate, rtol=1e-6, atol=1e-5)
    split.set(grey=True)
    np.testing.assert_allclose(low + split.result() - 0.5, plate, rtol=1e-6, atol=1e-5)
