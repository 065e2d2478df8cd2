"""The encoding around the nets: its inverse over every finite half, its shape, and what must pass through it."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging import color

ALL_HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE_HALVES = ALL_HALVES[np.isfinite(ALL_HALVES)]


def test_every_finite_half_comes_back_as_itself():
    assert FINITE_HALVES.size == 63488
    back = color.decode(color.encode(FINITE_HALVES.astype(np.float32))).astype(np.float16)
    np.testing.assert_array_equal(back.view(np.uint16), FINITE_HALVES.view(np.uint16))


def test_the_inverse_error_over_the_half_range_is_a_hundredth_of_half_precision():
    linear = FINITE_HALVES.astype(np.float32)
    linear = linear[linear != 0]
    error = np.abs(color.decode(color.encode(linear)).astype(np.float64) / linear - 1.0).max()
    assert error < 2.0**-11 / 100


def test_the_inverse_error_of_floats_stays_below_two_in_a_hundred_thousand_up_to_1e30():
    linear = np.logspace(-30, 30, 400_001).astype(np.float32)
    back = color.decode(color.encode(linear)).astype(np.float64)
    assert np.abs(back / linear - 1.0).max() < 2e-5


def test_the_encoding_follows_its_definition():
    linear = np.concatenate([np.linspace(0, 1, 5001), np.logspace(0, 5, 2001)])
    toe = linear <= color.TOE_LINEAR
    with np.errstate(divide="ignore"):
        curve = np.where(toe, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
        expected = np.where(linear <= 1, curve, 1 + 1.055 / 2.4 * np.log(np.maximum(linear, 1e-30)))
    np.testing.assert_allclose(color.encode(linear.astype(np.float32)), expected, rtol=4e-6, atol=4e-7)


def test_negative_light_is_the_mirror_image_of_positive():
    linear = np.abs(FINITE_HALVES.astype(np.float32))
    np.testing.assert_array_equal(color.encode(-linear), -color.encode(linear))
    encoded = np.linspace(0, 8, 10_001, dtype=np.float32)
    np.testing.assert_array_equal(color.decode(-encoded), -color.decode(encoded))


def test_brighter_is_always_encoded_higher():
    linear = np.sort(FINITE_HALVES.astype(np.float32))
    linear = linear[np.diff(linear, prepend=-np.inf) > 0]
    assert (np.diff(color.encode(linear)) > 0).all()


def test_the_slope_has_no_step_at_one():
    step = 1e-3
    below, at, above = color.encode(np.array([1 - step, 1, 1 + step], np.float32)).astype(np.float64)
    left, right = (at - below) / step, (above - at) / step
    assert left == pytest.approx(1.055 / 2.4, rel=2e-3)
    assert right == pytest.approx(1.055 / 2.4, rel=2e-3)


def test_zero_and_one_are_fixed_points():
    values = np.array([0.0, -0.0, 1.0, -1.0], np.float32)
    for curve in (color.encode, color.decode, color.linear_to_srgb, color.srgb_to_linear):
        np.testing.assert_array_equal(curve(values).view(np.uint32), values.view(np.uint32))


def test_nan_and_infinities_pass_through_every_curve():
    values = np.array([np.nan, np.inf, -np.inf, 0.5], np.float32)
    for curve in (color.encode, color.decode, color.linear_to_srgb, color.srgb_to_linear):
        found = curve(values)
        assert np.isnan(found[0])
        assert found[1] == np.inf
        assert found[2] == -np.inf
        assert np.isfinite(found[3])


def test_half_input_gives_what_float_input_gives():
    from_half, from_float = color.encode(ALL_HALVES), color.encode(ALL_HALVES.astype(np.float32))
    np.testing.assert_array_equal(np.nan_to_num(from_half, nan=99), np.nan_to_num(from_float, nan=99))


def test_encoding_in_place_gives_the_same_values():
    pixels = np.random.default_rng(0).normal(0.5, 2, (37, 53, 3)).astype(np.float32)
    expected = color.encode(pixels)
    assert color.encode(pixels, out=pixels) is pixels
    np.testing.assert_array_equal(pixels, expected)


def test_a_result_array_that_is_not_contiguous_is_filled():
    pixels = np.random.default_rng(0).normal(0.5, 2, (8, 9, 3)).astype(np.float32)
    wide = np.zeros((8, 9, 4), np.float32)
    color.encode(pixels, out=wide[..., :3])
    np.testing.assert_array_equal(wide[..., :3], color.encode(pixels))
    assert not wide[..., 3].any()


def test_a_pixel_is_encoded_the_same_wherever_it_lies():
    # Tiles are cut anywhere; the same light must give the same bits in every tile.
    pixels = np.random.default_rng(0).normal(0.5, 2, (64, 301)).astype(np.float32)
    whole = color.encode(pixels)
    np.testing.assert_array_equal(color.encode(pixels[3:40, 7:120]), whole[3:40, 7:120])


def test_no_value_is_clamped():
    linear = np.array([-70000.0, -1.5, 1.5, 70000.0, 1e30], np.float32)
    np.testing.assert_allclose(color.decode(color.encode(linear)), linear, rtol=2e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_srgb_code_comes_back_as_itself(dtype):
    top = np.iinfo(dtype).max
    codes = np.arange(top + 1, dtype=dtype)
    back = np.rint(color.linear_to_srgb(color.codes_to_linear(codes)) * top)
    np.testing.assert_array_equal(back, codes)


def test_every_cineon_code_comes_back_as_itself():
    codes = np.arange(1 << 16, dtype=np.uint16)
    back = np.rint(color.linear_to_cineon(color.codes_to_linear(codes, "cineon")) * 65535)
    assert np.abs(back - codes).max() <= 1


def test_cineon_white_and_black_are_where_kodak_put_them():
    levels = np.array([95, 685], np.float64) / 1023 * 65535
    linear = color.codes_to_linear(np.rint(levels).astype(np.uint16), "cineon")
    np.testing.assert_allclose(linear, [0.0, 1.0], atol=1e-4)
