from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.imaging.faces import mattes
from bipack.imaging.faces.square import Square


def edge(size: int, at: float) -> np.ndarray:
    """A picture that is bright left of a slanted edge, with a little grain."""
    rows, columns = (np.mgrid[0:size, 0:size] + 0.5) / size
    bright = np.clip((at + 0.1 * (rows - 0.5) - columns) * size + 0.5, 0, 1)
    grain = np.random.default_rng(1).normal(0, 0.004, (size, size, 3))
    return (np.repeat(0.3 + 0.4 * bright[..., None], 3, 2) + grain).astype(np.float32)


def test_a_soft_matte_follows_the_edge_of_the_plate() -> None:
    small, plate = edge(128, 0.5), edge(512, 0.5)
    inside = (small[..., 0] > 0.5).astype(np.float32)
    share = cv2.GaussianBlur(inside, (0, 0), 1.5)
    shares = np.stack([1 - share, share], -1)
    rows, columns, found = mattes.at_plate(shares, small, plate, Square(256, 256, 512))
    truth = plate[..., 0] > 0.5
    assert (rows, columns) == (slice(0, 512), slice(0, 512)) and found.shape == (512, 512, 1)
    middle = slice(64, 448), slice(64, 448)
    plain = cv2.resize(share, (512, 512), interpolation=cv2.INTER_LINEAR)
    wrong = [np.abs(one - truth)[middle].mean() for one in (found[..., 0], plain)]
    # Taking the grain out of what leads costs a little of the edge.
    assert wrong[0] < 0.8 * wrong[1]
    assert found.min() >= 0 and found.max() <= 1


def test_all_regions_and_the_background_add_up_to_one() -> None:
    shares = np.random.default_rng(2).dirichlet(np.ones(4), (64, 64)).astype(np.float32)
    picture = np.random.default_rng(3).random((64, 64, 3)).astype(np.float32)
    plate = np.random.default_rng(4).random((128, 128, 3)).astype(np.float32)
    _, _, found = mattes.at_plate(shares, picture, plate, Square(64, 64, 128, 15))
    assert found.sum(-1).max() <= 1 + 1e-5


def test_a_face_cut_by_the_frame_has_mattes_in_the_frame_only() -> None:
    shares = np.zeros((64, 64, 2), np.float32)
    shares[..., 1] = 1
    picture, plate = np.full((64, 64, 3), 0.5, np.float32), np.full((100, 80, 3), 0.5, np.float32)
    rows, columns, found = mattes.at_plate(shares, picture, plate, Square(0, 50, 60))
    assert (rows.start, columns.start) == (19, 0) and found.shape[:2] == (rows.stop - 19, columns.stop)
    assert found[30, 0, 0] == pytest.approx(1, abs=1e-3)
    assert mattes.at_plate(shares, picture, plate, Square(-200, 50, 60))[2].size == 0


def test_growing_and_feathering_are_in_pixels_of_a_large_crop() -> None:
    matte = np.zeros((200, 200), np.float32)
    matte[80:120, 80:120] = 1
    grown = mattes.shaped(matte, 512, 20, 0)
    assert (grown[100] > 0.5).sum() == 60 and (mattes.shaped(matte, 512, -20, 0)[100] > 0.5).sum() == 20
    soft = mattes.shaped(matte, 1024, 0, 16)
    assert soft[100, 80] == pytest.approx(0.5, abs=0.06) and soft[100, 100] > 0.95
    assert np.array_equal(mattes.shaped(matte, 512, 0, 0), matte)


def test_neighbours_steady_a_matte_only_where_nothing_moves() -> None:
    rng = np.random.default_rng(1)
    still, moving = np.full((64, 64, 3), 0.5, np.float32), np.full((64, 64, 3), 0.5, np.float32)
    moving[:, 32:] = 0.9
    noisy = [np.clip(0.5 + rng.normal(0, 0.2, (64, 64, 1)), 0, 1).astype(np.float32) for _ in range(3)]
    steady = mattes.steadied(noisy, [still, moving, moving])
    assert np.abs(steady - 0.5)[:, :24].mean() < 0.7 * np.abs(noisy[0] - 0.5)[:, :24].mean()
    assert np.allclose(steady[:, 44:], noisy[0][:, 44:], atol=1e-3)
    assert np.array_equal(mattes.steadied(noisy[:1], [still]), noisy[0])
