from __future__ import annotations

import math

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging.faces.square import HEADROOM, SPAN, Square, from_corners, from_points, mapped, width_of

UPRIGHT = np.array([[120, 90], [80, 90], [100, 110], [115, 132], [85, 132]], np.float64)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Points turned clockwise about the origin, as one sees it with y down."""
    angle = math.radians(degrees)
    return points @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


def test_the_inverse_is_exact() -> None:
    square, rng = Square(310.7, 201.3, 422.9, 17.3), np.random.default_rng(1)
    places = rng.uniform(-100, 900, (50, 2))
    assert np.allclose(mapped(square.matrix(1024), mapped(square.inverse(1024), places)), places, atol=1e-9)


def test_an_upright_face_lies_below_the_middle_of_its_crop() -> None:
    square = from_points(UPRIGHT, 50)
    assert square.angle == 0 and square.side == SPAN * 50
    assert (square.x, square.y) == pytest.approx((100, 111 - HEADROOM * square.side))


@pytest.mark.parametrize("degrees", [-80, -15, 30, 170])
def test_a_face_that_leans_takes_its_crop_along(degrees: float) -> None:
    upright, leaning = from_points(UPRIGHT, 50), from_points(turned(UPRIGHT, degrees), 50)
    assert leaning.angle == pytest.approx(degrees)
    before = mapped(upright.inverse(256), UPRIGHT)
    assert np.allclose(mapped(leaning.inverse(256), turned(UPRIGHT, degrees)), before, atol=1e-6)


@pytest.mark.parametrize("angle", [0.0, -33.0, 120.0])
def test_corners_there_and_back(angle: float) -> None:
    square = Square(200.5, 100.25, 80.0, angle)
    found = from_corners(square.corners())
    assert (found.x, found.y, found.side, found.angle) == pytest.approx((200.5, 100.25, 80.0, angle))


def test_corners_are_in_the_order_of_a_corner_pin() -> None:
    assert Square(50, 50, 100).corners().tolist() == [[0, 100], [100, 100], [100, 0], [0, 0]]


@pytest.mark.parametrize("order", [(0, 2, 1, 3), (3, 2, 1, 0)])
def test_corners_in_another_order_are_refused(order: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="lower left"):
        from_corners(Square(50, 50, 100).corners()[list(order)])


def test_turning_aside_does_not_make_a_face_smaller() -> None:
    aside = UPRIGHT.copy()
    aside[[0, 3], 0], aside[[1, 4], 0] = 108, 97
    assert width_of(aside) > 0.95 * width_of(UPRIGHT)
