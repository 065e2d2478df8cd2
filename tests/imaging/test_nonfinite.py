"""NaN and infinities: held out without a trace, filled from their neighbours, put back where they were."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from bipack.imaging import nonfinite


def plate(height: int = 24, width: int = 31) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.4, 0.6, (height, width, 3)).astype(np.float32)


def test_a_finite_picture_is_handed_back_as_it_is():
    pixels = plate()
    clean, bad, count = nonfinite.hold_out(pixels)
    assert clean is pixels
    assert bad is None
    assert count == 0


def test_bad_pixels_are_counted_once_however_many_channels_are_bad():
    pixels = plate()
    pixels[3, 4] = np.nan
    pixels[7, 8, 1] = np.inf
    _, bad, count = nonfinite.hold_out(pixels)
    assert count == 2
    assert bad.sum() == 4


def test_only_bad_samples_are_filled_and_the_fill_is_like_its_neighbours():
    pixels = plate()
    pixels[3:6, 4:9, 0] = np.nan
    pixels[10, 10, 2] = -np.inf
    clean, bad, _ = nonfinite.hold_out(pixels)
    np.testing.assert_array_equal(clean[~bad], pixels[~bad])
    assert clean[bad].min() > 0.4
    assert clean[bad].max() < 0.6


def test_a_bright_neighbour_does_not_drown_the_fill():
    pixels = np.full((9, 9, 1), 0.5, np.float32)
    pixels[4, 3], pixels[4, 4] = 65504.0, np.nan
    clean, _, _ = nonfinite.hold_out(pixels)
    assert clean[4, 4, 0] < 600.0


def test_a_picture_without_any_good_sample_is_filled_with_zero():
    clean, _, count = nonfinite.hold_out(np.full((5, 6, 3), np.nan, np.float32))
    assert count == 30
    assert not clean.any()


@pytest.mark.parametrize("size", [(1, 1), (1, 8), (7, 1), (5, 5), (16, 33)])
def test_any_size_can_be_filled(size):
    pixels = np.full((*size, 3), 0.5, np.float32)
    pixels[0, 0, 0] = np.inf
    clean, _, _ = nonfinite.hold_out(pixels)
    assert np.isfinite(clean).all()


def test_the_fill_fades_between_its_two_sides():
    pixels = np.full((16, 48, 1), 0.1, np.float32)
    pixels[:, 24:] = 0.9
    pixels[:, 8:40] = np.nan
    clean, _, _ = nonfinite.hold_out(pixels)
    row = clean[8, :, 0]
    assert row[9] < 0.3 < 0.6 < row[38]


def test_restoring_puts_the_same_bits_back():
    pixels = plate()
    pixels[2, 3], pixels[5, 6, 1] = np.nan, -np.inf
    clean, bad, _ = nonfinite.hold_out(pixels)
    restored = nonfinite.restore(clean.copy(), pixels, bad)
    np.testing.assert_array_equal(restored.view(np.uint32), pixels.view(np.uint32))


def test_restoring_in_a_larger_result_fills_the_whole_block():
    pixels = plate()
    pixels[2, 3, 1] = np.inf
    _, bad, _ = nonfinite.hold_out(pixels)
    result = np.zeros((48, 62, 3), np.float32)
    nonfinite.restore(result, pixels, bad, scale=2)
    assert (result[4:6, 6:8, 1] == np.inf).all()
    assert np.isfinite(result).sum() == result.size - 4


def test_a_matte_without_a_channel_axis_works_too():
    matte = np.full((8, 9), 0.5, np.float32)
    matte[1, 1] = np.nan
    clean, bad, count = nonfinite.hold_out(matte)
    assert clean.shape == bad.shape == (8, 9)
    assert count == 1
    assert clean[1, 1] == pytest.approx(0.5, abs=1e-5)


def test_no_warning_is_given_for_what_is_handled():
    pixels = plate()
    pixels[0, 0], pixels[0, 1], pixels[0, 2] = np.nan, np.inf, 3e38
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean, bad, _ = nonfinite.hold_out(pixels)
        nonfinite.restore(clean, pixels, bad)
