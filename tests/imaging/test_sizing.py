"""Any factor: where windows go, and that nothing moves by a part of a pixel."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging import held_resize, resample, sizing
from bipack.imaging.enlarged import Enlarged
from bipack.imaging.frame import Box

DISPLAY = Box(0, 0, 99, 49)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_a_whole_factor_is_that_of_boxes(scale: int) -> None:
    size, data = sizing.by_scale(DISPLAY, scale), Box(-3, 2, 40, 60)
    assert size.window(data, DISPLAY) == data.scaled(scale)
    assert size.display(DISPLAY) == DISPLAY.scaled(scale)
    assert size.spans(data, DISPLAY) == (None, None)
    assert size.whole == scale


def test_a_window_grows_to_the_pixels_that_it_touches_and_its_span_says_where_they_lie() -> None:
    size, data = sizing.by_factor(DISPLAY, 1.5), Box(1, 1, 4, 5)
    assert size.display(DISPLAY) == Box(0, 0, 149, 74)
    assert size.window(data, DISPLAY) == Box(1, 1, 7, 8)  # 1.5..7.5 across, 1.5..9 down
    across, down = size.spans(data, DISPLAY)
    assert across == pytest.approx((1 / 1.5 - 1, 8 / 1.5 - 1))
    assert down == pytest.approx((1 / 1.5 - 1, 5))


@pytest.mark.parametrize("factor", [1.37, 2.5, 3.0])
def test_a_ramp_stays_in_its_place_whatever_the_factor_and_the_window(factor: float) -> None:
    """Value = place in the format, in source pixels; afterwards it must be the same place."""
    data = Box(11, 7, 60, 39)
    size = sizing.by_factor(DISPLAY, factor)
    ramp = np.broadcast_to(np.arange(11, 61, dtype=np.float32) + 0.5, (33, 50))
    window = size.window(data, DISPLAY)
    made = resample.resize(ramp, window.width, window.height, "cubic", size.spans(data, DISPLAY))
    there = (np.arange(window.xmin, window.xmax + 1) + 0.5) * (100 / size.across.result)
    inner = slice(6, -6)
    np.testing.assert_allclose(made[5, inner], there[inner], atol=1e-4)


def test_by_width_keeps_the_proportions_and_says_what_goes() -> None:
    assert sizing.by_width(DISPLAY, 250).display(DISPLAY) == Box(0, 0, 249, 124)
    with pytest.raises(UsageError, match="100 to 800"):
        sizing.by_width(DISPLAY, 99)


@pytest.mark.parametrize("factor", [0.5, 8.5, -1.0, float("nan")])
def test_a_factor_below_1_or_above_8_is_refused(factor: float) -> None:
    with pytest.raises(UsageError, match="1 to 8"):
        sizing.by_factor(DISPLAY, factor)


# Held resize --------------------------------------------------------------------------------------------------------


def held(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.concatenate([rows for _, rows in held_resize.resized_rows(plane, width, height)])


@pytest.mark.parametrize("width", [80, 110, 23])
def test_a_light_of_50000_to_1_does_not_ring(width: int) -> None:
    plane = np.full((32, 32), 0.18, np.float32)
    plane[:, 13:20] = 9000.0
    made, plain = held(plane, width, 32), resample.resize(plane, width, 32)
    assert plain.max() > 9000 * 1.02 or plain.min() < -100, "the plain kernel is what this is about"
    assert made.max() <= 9000 * 1.02
    assert made.min() >= 0.17


def test_a_soft_edge_before_a_light_is_no_excuse_to_ring() -> None:
    """The light lies two pixels away, at the end of the kernel; the pixel between them is nearly ordinary."""
    plane = np.full((16, 32), 0.18, np.float32)
    plane[:, 14] = 2.0
    plane[:, 15:] = 9000.0
    for width in (44, 80, 23):
        assert held(plane, width, 16).min() > 0.12
        assert resample.resize(plane, width, 16).min() < -100


def test_ordinary_pictures_are_resized_as_ever() -> None:
    plane = np.random.default_rng(0).random((40, 30), dtype=np.float32)
    np.testing.assert_array_equal(held(plane, 45, 61), resample.resize(plane, 45, 61))


def test_bands_are_held_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = np.random.default_rng(0).lognormal(0, 2, (90, 40)).astype(np.float32)
    whole = held(plane, 70, 200)
    monkeypatch.setattr(resample, "_BAND_SAMPLES", 1)
    np.testing.assert_array_equal(held(plane, 70, 200), whole)


def test_nan_and_inf_stay_in_their_places() -> None:
    plane = np.full((8, 8), 2.0, np.float32)
    plane[2, 3], plane[5, 5] = np.nan, np.inf
    made = held(plane, 12, 12)
    assert np.isnan(made[3, 5]) and np.isinf(made[8, 8])
    assert np.isfinite(made).sum() >= 144 - 8


# Back-projection ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("passes", [1, 4])
def test_back_projection_rings_beside_no_light(passes: int) -> None:
    rows, columns = np.mgrid[0:24, 0:24]
    plate = np.where(np.hypot(rows - 12, columns - 11) < 5, 9000.0, 0.18).astype(np.float32)
    plate[rows + columns == 30] = 2.0
    noise = np.random.default_rng(0).uniform(0.8, 1.25, (48, 48)).astype(np.float32)
    result = Enlarged(24, 24, 1, 2)
    result.store(slice(0, 48), slice(0, 48), (plate.repeat(2, 0).repeat(2, 1) * noise)[..., None])
    result.back_project(plate[..., None], passes)
    _, block = next(iter(result.bands()))
    assert block.max() <= 9000 * 1.02
    assert block[plate.repeat(2, 0).repeat(2, 1) < 1].min() > -2.0
    assert block[:8, :8].min() > 0
    assert result.error(plate[..., None])[1] < 1e-3


@pytest.mark.parametrize("passes", [1, 4])
def test_back_projection_returns_the_plate_and_moves_no_bright_pixel_far(passes: int) -> None:
    random = np.random.default_rng(0)
    plate = random.lognormal(-1, 1, (10, 14, 3)).astype(np.float32)
    result = Enlarged(10, 14, 3, 2)
    drifted = plate.repeat(2, 0).repeat(2, 1) * random.uniform(0.9, 1.1, (20, 28, 3)).astype(np.float32)
    result.store(slice(0, 20), slice(0, 28), drifted)
    assert result.error(plate)[1] > 5e-3
    result.back_project(plate, passes)
    assert result.error(plate)[1] < 1e-5
    rows, block = next(iter(result.bands()))
    assert rows == slice(0, 20)
    assert np.abs(block - drifted).max() < 0.4 * plate.max()
