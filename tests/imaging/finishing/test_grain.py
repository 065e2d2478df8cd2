"""Measuring grain, describing it, and making it again: within the tolerances that the suite promises."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack import grain_model
from bipack.errors import UsageError
from bipack.imaging.finishing import grain, regrain, white_noise
from bipack.imaging.finishing.working_space import luma

HEIGHT, WIDTH = 540, 720
SPREADS = (0.6, 0.8, 1.1)
"""Sizes of the test grain, pixels of a Gaussian, for red, green and blue."""


def true_strength(tone: np.ndarray) -> np.ndarray:
    """(…, 3) deviation of the test grain where the luma is `tone`."""
    return np.stack([0.010 + 0.016 * np.sqrt(tone), 0.008 + 0.02 * tone * (1.3 - tone), 0.016 + 0.01 * tone], axis=-1)


@pytest.fixture(scope="module")
def unit() -> np.ndarray:
    """Grain of variance 1, whose channels go together in part."""
    random = np.random.default_rng(1)
    planes = [cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), s) for s in SPREADS]
    free = np.stack([plane / plane.std() for plane in planes], axis=-1)
    return free @ np.array([[1, 0, 0], [0.5, 0.866, 0], [0.3, 0.3, 0.9055]], np.float32).T


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """A degrained plate, working values: a ramp of tones, gently shaded, with some texture in one corner."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    tone = 0.02 + 0.96 * columns / WIDTH + 0.01 * np.sin(rows / 90)
    picture = np.stack([tone, tone * 0.97, tone * 1.02], axis=-1)
    picture[:60, :200] += np.random.default_rng(2).random((60, 200, 1), np.float32) * 0.2
    return picture


@pytest.fixture(scope="module")
def plate(clean: np.ndarray, unit: np.ndarray) -> np.ndarray:
    return (clean + unit * true_strength(np.clip(luma(clean), 0, 1))).astype(np.float32)


def correlations(picture: np.ndarray) -> np.ndarray:
    """Autocorrelation of a plane at lags 1 to 3 across, down and along the diagonal."""
    power = np.abs(np.fft.fft2(picture - picture.mean())) ** 2
    found = np.fft.ifft2(power).real
    found /= found[0, 0]
    return np.array([[found[0, k], found[k, 0], found[k, k]] for k in (1, 2, 3)])


@pytest.mark.parametrize("with_degrained", [True, False])
def test_strength_is_measured_within_five_percent(plate: np.ndarray, clean: np.ndarray, with_degrained: bool) -> None:
    profile = grain.measure(plate, clean if with_degrained else None)
    tones = np.linspace(0.08, 0.92, 15, dtype=np.float32)[None]
    np.testing.assert_allclose(profile.sigma_at(tones), true_strength(tones), rtol=0.05)


@pytest.mark.parametrize("with_degrained", [True, False])
def test_channels_are_found_to_go_together(plate: np.ndarray, clean: np.ndarray, with_degrained: bool) -> None:
    mix = grain.measure(plate, clean if with_degrained else None).mix
    np.testing.assert_allclose(mix @ mix.T, [[1, 0.5, 0.3], [0.5, 1, 0.41], [0.3, 0.41, 1]], atol=0.03)


@pytest.mark.parametrize("with_degrained", [True, False])
def test_made_grain_clumps_like_the_plates(
    plate: np.ndarray, clean: np.ndarray, unit: np.ndarray, with_degrained: bool
) -> None:
    profile = grain.measure(plate, clean if with_degrained else None)
    made = regrain.synthetic(profile, np.arange(WIDTH), np.arange(HEIGHT)[::-1], 1001, 0)
    for channel in range(3):
        np.testing.assert_allclose(correlations(made[..., channel]), correlations(unit[..., channel]), atol=0.05)
    np.testing.assert_allclose(made.std(axis=(0, 1)), 1.0, atol=0.02)
    np.testing.assert_allclose(np.corrcoef(made.reshape(-1, 3).T), np.corrcoef(unit.reshape(-1, 3).T), atol=0.04)


def test_texture_is_not_taken_for_grain(plate: np.ndarray, clean: np.ndarray) -> None:
    busy = plate.copy()
    busy[:, ::3] += 0.05 * (np.mgrid[0:HEIGHT, 0:1][0][:, :, None] < 200)
    profile, quiet = grain.measure(busy), grain.measure(plate)
    np.testing.assert_allclose(profile.sigma[2:], quiet.sigma[2:], rtol=0.1)


def test_what_was_repainted_is_left_out(plate: np.ndarray, clean: np.ndarray) -> None:
    repainted = plate.copy()
    repainted[:, 200:500] = clean[:, 200:500]
    outside = np.zeros((HEIGHT, WIDTH), np.float32)
    outside[:, 200:500] = 1.0
    # Tones of the repainted part are unknown; the others are as they were.
    known = grain.measure(repainted, clean, outside).sigma_at(np.array([[0.1, 0.9]], np.float32))
    np.testing.assert_allclose(known, true_strength(np.array([[0.1, 0.9]])), rtol=0.05)


def test_a_plate_too_small_to_measure_says_so() -> None:
    with pytest.raises(UsageError, match="32x32 pixels"):
        grain.measure(np.zeros((20, 20, 3), np.float32))


def test_strength_between_knots_is_that_of_the_variance() -> None:
    sigma = np.arange(1.0, 9.0, dtype=np.float32)[:, None].repeat(3, 1)
    profile = grain.GrainProfile(sigma, np.eye(3, dtype=np.float32), np.zeros((3, 1, 1), np.float32))
    half = (grain_model.KNOTS[2] + grain_model.KNOTS[3]) / 2
    found = profile.sigma_at(np.array([[-1.0, grain_model.KNOTS[2], half, 5.0]], np.float32))[0, :, 0]
    np.testing.assert_allclose(found, [1.0, 3.0, np.sqrt((9 + 16) / 2), 8.0], rtol=1e-6)


def test_knot_weights_of_both_layers_agree() -> None:
    tones = np.linspace(-0.2, 1.4, 41, dtype=np.float32)
    index, share = grain.knot_shares(tones)
    for tone, low, part in zip(tones, index, share, strict=True):
        plain_index, plain_share = grain_model.knot_weights(float(tone))
        sigma = np.arange(8.0)
        mine = sigma[low] * (1 - part) + sigma[low + 1] * part
        plain = sigma[plain_index] * (1 - plain_share) + sigma[plain_index + 1] * plain_share
        assert mine == pytest.approx(plain, abs=1e-5)


def test_white_noise_is_white_and_normal() -> None:
    noise = white_noise.normal(np.arange(512), np.arange(512), 1001, 7, 0)
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01
    assert abs((noise**4).mean() - 3) < 0.1
    found = np.fft.ifft2(np.abs(np.fft.fft2(noise)) ** 2).real / noise.size
    found[0, 0] = 0.0
    assert np.abs(found).max() < 6 / 512


def test_white_noise_differs_by_frame_seed_and_channel() -> None:
    x = y = np.arange(256)
    first = white_noise.normal(x, y, 1001, 0, 0)
    for other in (
        white_noise.normal(x, y, 1002, 0, 0),
        white_noise.normal(x, y, 1001, 1, 0),
        white_noise.normal(x, y, 1001, 0, 1),
    ):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.02
    assert np.array_equal(first, white_noise.normal(x, y, 1001, 0, 0))


def test_white_noise_belongs_to_places_not_to_arrays() -> None:
    x, y = np.arange(-40, 60), np.arange(50, -30, -1)
    whole = white_noise.uniform(x, y, 5, 2, 3)
    part = white_noise.uniform(x[10:30], y[20:44], 5, 2, 3)
    assert np.array_equal(whole[20:44, 10:30], part)


def test_single_floats_reckon_the_same_noise() -> None:
    """Nuke's Expression node has nothing better than single floats."""
    f = np.float32
    x, y = np.meshgrid(np.arange(-200, 9000, 37), np.arange(-100, 9000, 41))
    first, second = white_noise.frame_constants(100861, 99, 5)
    X, Y = x.astype(f) + f(white_noise.BIAS), y.astype(f) + f(white_noise.BIAS)
    a = np.fmod(f(67) * X + f(131) * Y + f(first), f(white_noise.P))
    b = np.fmod(a * a + f(89) * X + f(second), f(white_noise.Q))
    d = np.fmod(b * b + f(97) * Y + a, f(white_noise.P))
    e = np.fmod(d * d + b, f(white_noise.Q))
    single = (e + f(0.5)) / f(white_noise.Q)
    np.testing.assert_array_equal(single, white_noise.uniform(x[0], y[:, 0], 100861, 99, 5))


def test_the_even_box_avoids_features() -> None:
    picture = np.random.default_rng(4).random((200, 300, 3)).astype(np.float32)
    picture[100:180, 150:260] = 0.45
    left, top, right, bottom = grain.even_box(picture, 40)
    assert left >= 150 and right <= 260 and top >= 100 and bottom <= 180
