from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging import color, resample
from bipack_train import degrade


def picture(height: int = 24, width: int = 36) -> degrade.Pixels:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_the_coded_way_is_the_bicubic_of_imaging(factor: int) -> None:
    found = degrade.shrink_coded(picture(), factor)
    assert np.array_equal(found, resample.resize(picture(), 36 // factor, 24 // factor, kernel="cubic"))


def test_the_coded_way_is_the_antialiased_keys_kernel() -> None:
    # Eight taps of Keys' kernel (a = -0.5) stretched by two, as published tables use it: worked out by hand.
    line = np.zeros((16, 16, 1), np.float32)
    line[:, 7] = 1.0
    taps = degrade.shrink_coded(line, 2)[4, :, 0]
    expected = np.array([-0.01171875, -0.03515625, 0.11328125, 0.43359375])
    assert np.allclose(taps[[5, 2, 4, 3]], expected, atol=1e-6)
    assert taps.sum() == pytest.approx(0.5, abs=1e-6)


def test_the_light_way_averages_light() -> None:
    linear = np.zeros((2, 2, 1), np.float32)
    linear[0, 0] = 4000.0
    small = color.decode(degrade.shrink_light(color.encode(linear), 2))
    assert small[0, 0, 0] == pytest.approx(1000.0, rel=1e-4)


def test_the_light_way_makes_no_halo() -> None:
    encoded = np.full((16, 16, 1), 0.1, np.float32)
    encoded[:, 7:] = 5.0
    small = degrade.shrink_light(encoded, 2)
    assert small.min() >= 0.1 - 1e-6
    assert small.max() <= 5.0 + 1e-5


@pytest.mark.parametrize("way", sorted(degrade.SHRINK))
def test_shrinking_keeps_the_phase(way: str) -> None:
    ramp = np.broadcast_to(np.linspace(0.2, 0.8, 32, dtype=np.float32)[None, :, None], (32, 32, 1)).copy()
    small = degrade.SHRINK[way](ramp, 2)[8, 4:-4, 0]
    assert np.allclose(small, (ramp[16, 8:-8:2, 0] + ramp[16, 9:-8:2, 0]) / 2, atol=1e-3)


def test_a_side_that_is_no_multiple_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be divided"):
        degrade.shrink_coded(picture(25, 36), 2)
    assert degrade.crop_to_multiple(picture(25, 37), 2).shape == (24, 36, 3)


def test_rounding_to_8_bits_leaves_values_outside_alone() -> None:
    values = np.array([0.1234, 0.0, 1.0, 1.7, -0.3], np.float32)
    rounded = degrade.to_8bit(values)
    assert rounded[0] == pytest.approx(31 / 255)
    assert np.array_equal(rounded[1:], values[1:])
