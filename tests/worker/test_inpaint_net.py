"""Coarse to fine: which sizes the network is given, and that a hole of any width is filled."""

from __future__ import annotations

import numpy as np

from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask
from bipack.worker import inpaint_net


class Recorder:
    """A network that keeps its start, and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, ...]] = []

    def __call__(self, picture: Pixels, hole: Mask) -> Pixels:
        self.calls.append(hole.shape)
        return picture


def ramp(height: int, width: int) -> Pixels:
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([columns / width, rows / height, (rows + columns) / (height + width)], -1)


def test_a_narrow_hole_takes_one_pass_over_its_surroundings() -> None:
    picture, hole, network = ramp(700, 900), np.zeros((700, 900), bool), Recorder()
    hole[300:320, 400:600] = True
    result = inpaint_net.fill(picture, hole, network)
    assert network.calls == [(224, 416)] * 4
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    assert np.abs(result - picture).max() < 0.02


def test_a_wide_hole_is_solved_small_first_and_ends_where_it_began() -> None:
    picture, hole, network = ramp(640, 640), np.zeros((640, 640), bool), Recorder()
    hole[200:400, 220:420] = True
    result = inpaint_net.fill(picture, hole, network)
    assert len(network.calls) == 4 * 4
    assert network.calls[0] == (96, 96)
    np.testing.assert_array_equal(result[~hole], picture[~hole])
    # A ramp that was shifted by half a pixel at one of three sizes would be off by more.
    assert np.abs(result - picture)[hole].mean() < 0.003


def test_every_pass_is_the_mean_of_the_mirror_images() -> None:
    picture, hole = ramp(96, 96), np.zeros((96, 96), bool)
    hole[40:56, 30:50] = True
    across = np.linspace(-0.2, 0.2, 96, dtype=np.float32)[None, :, None]
    plain = inpaint_net.fill(picture, hole, lambda start, gap: start)
    leaning = inpaint_net.fill(picture, hole, lambda start, gap: start + across)
    np.testing.assert_allclose(leaning, plain, atol=1e-5)


def test_most_of_a_step_at_the_border_is_taken_out_of_the_hole() -> None:
    picture, hole = np.full((160, 160, 3), 0.5, np.float32), np.zeros((160, 160), bool)
    hole[60:84, 50:100] = True
    result = inpaint_net.fill(picture, hole, lambda start, gap: start + np.float32(0.1))
    np.testing.assert_allclose(result[hole], 0.53, atol=1e-3)
    np.testing.assert_array_equal(result[~hole], picture[~hole])


def test_odd_sizes_and_holes_at_the_border_are_filled() -> None:
    picture, hole, network = ramp(101, 67), np.zeros((101, 67), bool), Recorder()
    hole[:60, 20:] = True
    picture[hole] = 1e6
    result = inpaint_net.fill(picture, hole, network)
    assert np.isfinite(result).all()
    assert result.max() < 1.5
    assert all(side % 32 == 0 for shape in network.calls for side in shape)
