"""Looking behind marks in painted frames: a wall under other poses and light, with a rod in front of it."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import pytest

from bipack.imaging import painted
from bipack.imaging.painted import PaintedFrame, lay_in, look_up
from inpaint_scene import ground

SIZE = (288, 320)
"""Height and width of the plates."""


def wall(angle: float, shift: tuple[float, float], gain: float, seed: int = 5) -> np.ndarray:
    """A look at one wall, bent a little, in its own light; encoded."""
    wide = ground(500, 560, seed)
    turn = cv2.getRotationMatrix2D((280, 250), angle, 1.0)
    turn[:, 2] -= np.array([120, 106]) + np.array(shift)
    seen = cv2.warpAffine(wide, turn, SIZE[::-1], flags=cv2.INTER_CUBIC)
    columns, rows = np.meshgrid(*(np.arange(side, dtype=np.float32) for side in SIZE[::-1]))
    bend = 2.0 * np.sin(columns / 60 + angle), 2.0 * np.cos(rows / 50 + angle)
    bent = cv2.remap(seen, columns + bend[1], rows + bend[0], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    grain = np.random.default_rng(abs(int(10 * angle))).normal(0, 0.004, bent.shape)
    return ((bent + 0.055) * gain - 0.055 + grain).astype(np.float32)


@lru_cache
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[PaintedFrame, ...]]:
    """(plate, truth, marks, painted frames)."""
    truth = wall(0.0, (0, 0), 1.0)
    marks = np.zeros(SIZE, np.uint8)
    cv2.line(marks, (100, 0), (190, SIZE[0]), 1, 15)
    plate = np.where(marks[..., None] > 0, np.float32(0.05), truth)
    looks = ((4.0, (14, -9), 1.1), (-5.0, (-11, 12), 0.92), (2.0, (-18, -6), 1.0))
    return plate, truth, marks > 0, tuple(PaintedFrame(wall(*look)) for look in looks)


def error(picture: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.square(picture - truth)[where].mean())


def test_what_a_rod_hides_is_found_in_frames_of_other_pose_and_light() -> None:
    plate, truth, marks, frames = scene()
    found = look_up(plate, marks, frames)
    assert found is not None
    rows, columns = found.window
    inside = marks[rows, columns]
    missed = error(found.picture, truth[rows, columns], inside)
    # The wall's own contrast under the rod, and what is expected, for scale.
    assert missed < 0.03 * float(truth[marks].var(axis=0).mean())
    assert missed < 3.0 * float(found.error[inside].mean()) < 30.0 * missed


def test_a_net_that_knows_less_gives_way_and_nothing_outside_moves() -> None:
    plate, truth, marks, frames = scene()
    found = look_up(plate, marks, frames)
    assert found is not None
    net = plate.copy()
    net[marks] = truth[marks].mean(axis=0)
    joined = lay_in(net, marks, found, error(net, truth, marks))
    assert error(joined, truth, marks) < 0.15 * error(net, truth, marks)
    assert (joined.view(np.uint32) == plate.view(np.uint32))[~marks].all()
    half = lay_in(net, marks, found, error(net, truth, marks), 0.5)
    assert np.allclose(half, (net + joined) / 2, atol=1e-5)


def test_texture_comes_whole_from_a_painted_frame_when_it_is_asked_for() -> None:
    plate, truth, marks, frames = scene()
    found = look_up(plate, marks, frames)
    assert found is not None
    net = plate.copy()
    net[marks] = truth[marks].mean(axis=0)
    core = cv2.erode(marks.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0

    def energy(picture: np.ndarray) -> float:
        return float(np.square(picture - cv2.GaussianBlur(picture, (0, 0), 1.2))[core].mean())

    # The likeliest picture is a third the net's, which has no texture.
    level = 2.0 * float(found.error[marks[found.window]].mean())
    plain, textured = (lay_in(net, marks, found, level, texture=amount) for amount in (0.0, 1.0))
    assert energy(plain) < 0.7 * energy(truth)
    assert 0.8 * energy(truth) < energy(textured) < 1.2 * energy(truth)
    assert error(textured, truth, marks) < 0.3 * error(net, truth, marks)
    assert (textured.view(np.uint32) == plate.view(np.uint32))[~marks].all()


def test_a_net_that_knows_better_stands() -> None:
    plate, truth, marks, frames = scene()
    found = look_up(plate, marks, frames)
    assert found is not None
    net = np.where(marks[..., None], truth + np.float32(0.001), plate)
    assert error(lay_in(net, marks, found, 1e-6), truth, marks) < 4e-6


def test_frames_of_another_place_leave_the_net_alone() -> None:
    plate, truth, marks, _ = scene()
    stranger = PaintedFrame(wall(1.0, (0, 0), 1.0, seed=77))
    found = look_up(plate, marks, [stranger])
    if found is not None:
        net = np.where(marks[..., None], truth + np.float32(0.03), plate)
        assert error(lay_in(net, marks, found, 0.03**2), truth, marks) < 1.5 * 0.03**2


def test_one_stranger_among_the_frames_is_outvoted() -> None:
    plate, truth, marks, frames = scene()
    alone = look_up(plate, marks, frames)
    mixed = look_up(plate, marks, (*frames, PaintedFrame(wall(1.0, (0, 0), 1.0, seed=77))))
    assert alone is not None and mixed is not None
    rows, columns = alone.window
    inside, truth = marks[rows, columns], truth[rows, columns]
    assert error(mixed.picture, truth, inside) < 1.2 * error(alone.picture, truth, inside) + 1e-5


def test_large_plates_are_measured_at_a_smaller_size(monkeypatch: pytest.MonkeyPatch) -> None:
    plate, truth, marks, frames = scene()
    monkeypatch.setattr(painted, "_WORKING_SIDE", 200)
    found = look_up(plate, marks, frames)
    assert found is not None
    rows, columns = found.window
    assert error(found.picture, truth[rows, columns], marks[rows, columns]) < 0.1 * float(
        truth[marks].var(axis=0).mean()
    )


def test_the_middle_of_a_large_mark_is_left_to_the_net() -> None:
    _, truth, _, frames = scene()
    marks = np.zeros(SIZE, np.uint8)
    cv2.circle(marks, (160, 140), 60, 1, -1)
    plate = np.where(marks[..., None] > 0, np.float32(0.05), truth)
    found = look_up(plate, marks > 0, frames)
    assert found is not None
    rows, columns = found.window
    depth = cv2.distanceTransform(marks, cv2.DIST_L2, 3)[rows, columns]
    assert found.error[depth > 40].min() > 5e-3
    assert np.median(found.error[(depth > 0) & (depth < 8)]) < 1e-3
    # Motion and light are continued all the same.
    assert error(found.picture, truth[rows, columns], depth > 40) < 0.5 * float(truth[marks > 0].var(axis=0).mean())


def test_small_plates_and_clean_ones_are_not_looked_up() -> None:
    plate, _, marks, frames = scene()
    assert look_up(plate[:200], marks[:200], frames) is None
    assert look_up(plate, np.zeros_like(marks), frames) is None
    even = np.full((*SIZE, 3), 0.4, np.float32)
    assert look_up(even, marks, frames) is None
