"""Candidates of a new frame, and what they are woven to."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging import weave
from bipack.imaging.candidates import candidates
from bipack.imaging.classical_flow import Between, Mix
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.weave import Found, Style, Weaver
from moving import picture

STEP = 6.0


def even(step: float, height: int = 64, width: int = 96) -> np.ndarray:
    flow = np.zeros((height, width, 4), np.float32)
    flow[:, :, 0], flow[:, :, 2] = -step, step
    return flow


@pytest.mark.parametrize("time", [0.25, 0.5, 0.8])
def test_all_four_lie_where_the_motion_puts_them(time):
    found = candidates(picture(0.0), picture(STEP), even(STEP), np.zeros((64, 96, 4), np.float32), time)
    truth = picture(time * STEP)
    inner = (slice(8, -8), slice(16, -16))
    for index in range(4):
        assert np.abs(found.moved[index] - truth)[inner].mean() < 0.003
    small = found.landed[4:-4, 8:-8]
    assert small[:, :, [0, 2]] == pytest.approx(-STEP / 2, abs=1e-4)
    assert small[:, :, 4:6] == pytest.approx(1, abs=1e-4) and not small[:, :, 6:].any()


@pytest.mark.parametrize("time", [0.25, 0.5, 0.8])
def test_motion_that_speeds_up_is_found_late(time):
    bend = 5.0
    curved = np.zeros((64, 96, 4), np.float32)
    curved[:, :, [0, 2]] = -bend  # the picture of `even` moves to the left
    found = candidates(picture(0.0), picture(STEP), even(STEP), curved, time)
    truth = picture(time * STEP + bend * (time * time - time) / 2)
    inner = (slice(8, -8), slice(16, -16))
    for index in range(4):
        assert np.abs(found.moved[index] - truth)[inner].mean() < 0.003
    assert found.landed[4:-4, 8:-8, [6, 8]] == pytest.approx(-bend / 2, abs=1e-3)
    straight = candidates(picture(0.0), picture(STEP), even(STEP), np.zeros_like(curved), time)
    assert np.abs(straight.moved[0] - truth)[inner].mean() > 0.006


def test_what_leaves_a_hole_is_filled_and_said():
    """The left half stands still and the right half moves away from it."""
    flow = np.zeros((32, 64, 4), np.float32)
    flow[:, 32:, 0], flow[:, 32:, 2] = 16, -16
    frames = np.random.default_rng(1).random((2, 32, 64, 3)).astype(np.float32)
    found = candidates(frames[0], frames[1], flow, np.zeros_like(flow), 0.5)
    cover = found.landed[:, :, 4]
    assert not cover[:, 17:19].any() and (cover[:, :15] == 1).all() and (cover[:, 21:] == 1).all()
    assert np.isfinite(found.landed).all() and np.isfinite(np.stack(found.moved)).all()
    assert found.landed_whole.shape == (32, 64, 10)


def frames_of(*values: np.ndarray) -> list[Frame]:
    box = Box.of_size(values[0].shape[1], values[0].shape[0])
    return [Frame([Part({name: plane.copy() for name in "RGB"}, box, box)]) for plane in values]


def woven(frames: list[Frame], mix: Mix, rows: int = weave.STRIP_ROWS) -> np.ndarray:
    height, width = frames[0].parts[0].channels["R"].shape
    zero = np.zeros((*mix.weights.shape[:2], 2), np.float32)
    between = Between(zero, zero, mix.weights[:, :, 0], zero[:, :, 0], mix)
    weaver = Weaver(*frames, Style())
    into = weaver.empty(summing=False)
    weaver.weave(Found(between, 0.5, frames[0].parts[0].data_window, (height, width)), into)
    return into[0]["R"]


def test_a_mix_is_the_sum_of_its_weights_times_what_each_place_shows():
    rng = np.random.default_rng(2)
    planes = rng.random((2, 24, 40)).astype(np.float32)
    shifts = []
    for pixels in (2, -1, 0, 3):
        shift = np.zeros((24, 40, 2), np.float32)
        shift[:, :, 0] = pixels
        shifts.append(shift)
    weights = rng.dirichlet(np.ones(6), (24, 40)).astype(np.float32)
    found = woven(frames_of(*planes), Mix(tuple(shifts), weights))
    padded = np.pad(planes, ((0, 0), (0, 0), (8, 8)), mode="edge")
    shown = [padded[index % 2][:, 8 + pixels : 48 + pixels] for index, pixels in enumerate((2, -1, 0, 3, 0, 0))]
    np.testing.assert_allclose(found, sum(weights[:, :, index] * shown[index] for index in range(6)), atol=1e-5)


def test_a_mix_of_what_is_the_same_is_that_exactly_and_strips_do_not_show(monkeypatch):
    rng = np.random.default_rng(3)
    plane = (rng.random((24, 40)) * 100).astype(np.float32)
    weights = rng.dirichlet(np.ones(6), (12, 20)).astype(np.float32)
    still = (np.zeros((12, 20, 2), np.float32),) * 4
    np.testing.assert_array_equal(woven(frames_of(plane, plane), Mix(still, weights)), plane)
    shifts = tuple(rng.normal(0, 3, (12, 20, 2)).astype(np.float32) for _ in range(4))
    whole = woven(frames_of(plane, plane[::-1]), Mix(shifts, weights))
    monkeypatch.setattr(weave, "STRIP_ROWS", 5)
    np.testing.assert_array_equal(woven(frames_of(plane, plane[::-1]), Mix(shifts, weights)), whole)
