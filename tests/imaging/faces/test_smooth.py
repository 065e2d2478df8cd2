from __future__ import annotations

import numpy as np

from bipack.imaging.faces.smooth import one_euro, zero_lag


def test_a_steady_motion_passes_without_delay_from_the_first_frame_to_the_last() -> None:
    ramp = np.outer(np.arange(40.0), [1.0, -0.3])
    assert np.abs(zero_lag(ramp, 0.02, 0.5) - ramp).max() < 1e-5
    assert np.abs(one_euro(ramp, 0.02, 0.5) - ramp)[20:].max() > 0.3


def test_jitter_is_smoothed_and_the_harder_the_lower_the_cutoff() -> None:
    noise = np.random.default_rng(3).normal(0, 0.01, (300, 1))
    soft, hard = zero_lag(noise, 0.15, 1.0), zero_lag(noise, 0.02, 1.0)
    assert hard.std() < 0.6 * soft.std() < 0.36 * noise.std()


def test_a_fast_move_is_followed() -> None:
    time = np.arange(60.0)
    move = 3 / (1 + np.exp(-(time - 30) / 2))[:, None]
    assert np.abs(zero_lag(move, 0.03, 2.0) - move).max() < 0.1


def test_time_reversal_changes_nothing() -> None:
    values = np.random.default_rng(1).normal(0, 1, (50, 2)).cumsum(0)
    assert np.allclose(zero_lag(values, 0.1, 1.0), zero_lag(values[::-1], 0.1, 1.0)[::-1])


def test_one_or_two_frames_stay_as_they_are() -> None:
    for count in (1, 2):
        values = np.random.default_rng(1).normal(0, 1, (count, 2))
        assert np.array_equal(zero_lag(values, 0.1, 1.0), values)
