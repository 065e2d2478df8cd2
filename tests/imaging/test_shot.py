"""Measuring a plate: estimates that must not be wrong by a factor."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.imaging import color, image_io, plate, resample, shot
from bipack.settings import suite_root

SAMPLE = f"{suite_root()}/samples/otter/otter.1005.exr"


@pytest.fixture(scope="module")
def encoded() -> np.ndarray:
    """The sample plate, encoded: sharp, with highlights and hardly any noise."""
    return color.encode(plate.take(image_io.read_frame(SAMPLE)).pixels)


def measured(encoded: np.ndarray, **options: bool) -> shot.PlateFacts:
    return shot.measure(color.decode(np.ascontiguousarray(encoded, np.float32)), **options)


@pytest.mark.parametrize("steps", [1.0, 3.0, 8.0])
def test_noise_is_found_within_a_quarter(encoded, steps):
    noise = np.random.default_rng(1).normal(0, steps / 255, encoded.shape)
    assert measured(encoded + noise).noise * 255 == pytest.approx(steps, rel=0.25)


def test_a_clean_plate_has_hardly_any_noise(encoded):
    assert measured(encoded).noise * 255 < 0.6


def test_a_clipped_sky_does_not_hide_the_grain_below_it(encoded):
    noisy = encoded + np.random.default_rng(1).normal(0, 4 / 255, encoded.shape)
    noisy[: noisy.shape[0] // 3] = 1.0
    assert measured(noisy).noise * 255 == pytest.approx(4, rel=0.25)


def test_a_drawn_picture_has_no_noise():
    drawn = np.zeros((128, 128, 3), np.float32)
    drawn[::16], drawn[:, ::24] = 1, 0.5
    assert shot.measure(drawn).noise == 0


def test_detail_tells_a_sharp_plate_from_an_enlarged_and_a_blurred_one(encoded):
    assert measured(encoded).detail > 0.1
    for kernel in ("linear", "cubic", "lanczos3"):
        assert measured(resample.upscale(encoded, 2, kernel)).detail < 0.03
    assert measured(cv2.GaussianBlur(encoded, (0, 0), 1.5)).detail < 0.01


def test_noise_is_not_taken_for_detail(encoded):
    enlarged = resample.upscale(encoded, 2)
    noisy = enlarged + np.random.default_rng(1).normal(0, 3 / 255, enlarged.shape)
    assert measured(noisy).detail < 0.05


def test_sharpness_that_noise_hides_is_not_judged(encoded):
    soft = cv2.GaussianBlur(encoded, (0, 0), 6)
    noisy = soft + np.random.default_rng(1).normal(0, 8 / 255, soft.shape)
    assert not measured(noisy).measurable


def test_an_empty_plate_cannot_be_judged():
    assert not shot.measure(np.full((64, 64, 3), 0.2, np.float32)).measurable


@pytest.mark.parametrize("curve", ["srgb", "linear"])
def test_an_8_bit_picture_in_a_half_file_is_recognised(encoded, curve):
    linear = np.clip(color.decode(encoded), 0, 1)
    if curve == "srgb":
        linear = color.srgb_to_linear((np.rint(color.linear_to_srgb(linear) * 255) / 255).astype(np.float32))
    else:
        linear = (np.rint(linear * 255) / 255).astype(np.float32)
    assert shot.measure(linear.astype(np.float16).astype(np.float32)).eight_bit


def test_a_camera_plate_is_not_taken_for_an_8_bit_picture(encoded):
    assert not measured(encoded).eight_bit
    assert not measured(np.clip(encoded, 0, 1)).eight_bit


def test_an_integer_file_is_8_bit_by_nature_and_no_finding(encoded):
    stepped = (np.rint(np.clip(encoded, 0, 1) * 255) / 255).astype(np.float32)
    assert not shot.measure(color.srgb_to_linear(stepped), integer=True).eight_bit


def test_nan_and_infinity_are_counted_and_kept_out_of_the_rest(encoded):
    pixels = color.decode(encoded.copy())
    pixels[0, :10] = np.nan
    pixels[1, :5] = np.inf
    found = shot.measure(pixels)
    assert found.non_finite == pytest.approx(45 / pixels.size)
    assert np.isfinite([found.low, found.high, found.peak, found.noise, found.detail]).all()


def test_a_plate_without_one_finite_value_says_only_that():
    found = shot.measure(np.full((8, 8, 3), np.nan, np.float32))
    assert found.non_finite == 1 and not found.measurable


def test_values_above_one_show_in_peak_and_range(encoded):
    found = measured(encoded)
    assert found.peak == pytest.approx(3.4, abs=0.2)
    assert shot.outside(found, -0.1, 2) == 0
    assert shot.outside(found, 0, 1) > 0.05


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (15, 200), (17, 17)])
def test_tiny_plates_are_measured_without_complaint(size):
    assert shot.measure(np.random.default_rng(0).random((*size, 3), np.float32)).height == size[0]


def test_grey_is_grey_in_every_pixel(encoded):
    grey = encoded[..., :1].repeat(3, -1)
    assert measured(grey).grey
    grey[5, 5, 2] += 0.1
    assert not measured(grey).grey
    assert not measured(encoded[..., :1]).grey
