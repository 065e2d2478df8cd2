"""Where a face lies in a picture: a turned square, and the similarity between it and its crop.

Coordinates are pixels with y down and pixel centres at .5, from the top left corner of the format (the display
window). A square turned by a positive angle has turned clockwise as one sees it. All maps are exact similarities, so
that a crop is never sheared and its inverse is known in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bipack.errors import UsageError

Doubles = NDArray[np.float64]

SPAN = 2.4
"""Side of the crop in widths of the face, from ear to ear: room for hair, ears and neck."""

HEADROOM = 0.06
"""How far the middle of the crop lies above the middle of the face, as a share of the side: hair needs more room than
the neck."""


@dataclass(frozen=True)
class Square:
    """The place of a crop."""

    x: float
    """Middle, in pixels."""

    y: float
    side: float
    """Pixels of the picture that the crop's side covers."""

    angle: float = 0.0
    """Degrees, clockwise."""

    def matrix(self, size: int) -> Doubles:
        """(2, 3) the map from pixels of a crop of `size` to pixels of the picture, both with centres at .5."""
        scale, turn = self.side / size, math.radians(self.angle)
        cos, sin = scale * math.cos(turn), scale * math.sin(turn)
        half = size / 2
        return np.array([[cos, -sin, self.x - half * (cos - sin)], [sin, cos, self.y - half * (sin + cos)]])

    def inverse(self, size: int) -> Doubles:
        """(2, 3) the map from pixels of the picture to pixels of the crop."""
        turn = np.linalg.inv(self.matrix(size)[:, :2])
        shift = -turn @ self.matrix(size)[:, 2]
        return np.concatenate([turn, shift[:, None]], axis=1)

    def corners(self) -> Doubles:
        """(4, 2) its corners in the order of a corner pin: lower left, lower right, upper right, upper left."""
        unit = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float64)
        return mapped(self.matrix(1), unit)


def mapped(matrix: Doubles, points: NDArray[np.floating]) -> Doubles:
    """Points (n, 2) through a map (2, 3)."""
    return np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]


def from_points(points: NDArray[np.floating], width: float) -> Square:
    """The square round a face: its five points (5, 2) in the order of POINTS, and its width from ear to ear in pixels.

    The angle is that of the line from the eyes to the mouth, which a turn of the head to the side does not change; the
    size is that of the width, which does not depend on the pose either.
    """
    eyes, mouth = np.mean(points[:2], axis=0), np.mean(points[3:], axis=0)
    down = mouth - eyes
    angle = math.degrees(math.atan2(-down[0], down[1]))
    side = SPAN * width
    middle = (eyes + mouth) / 2 - HEADROOM * side * np.array([-math.sin(math.radians(angle)), _cos(angle)])
    return Square(float(middle[0]), float(middle[1]), float(side), angle)


def width_of(points: NDArray[np.floating]) -> float:
    """About the width of a face from ear to ear, by its five points (5, 2).

    A head that turns aside draws the eyes together, one that nods the line from the eyes to the mouth: the larger
    estimate of the two holds. Both ratios are means over the identities of the mesh, which differ by 4 %.
    """
    line = float(np.linalg.norm(points[3:].mean(axis=0) - points[:2].mean(axis=0)))
    return max(2.09 * line, 2.27 * float(np.linalg.norm(points[0] - points[1])))


def from_corners(corners: ArrayLike) -> Square:
    """The square that lies nearest to four corners (4, 2): lower left, lower right, upper right, upper left.

    Raises UsageError where they are no quadrilateral in that order.
    """
    given = np.asarray(corners, np.float64)
    if given.shape != (4, 2) or not np.isfinite(given).all():
        raise UsageError(f"Four corners of two finite numbers each are needed; {given.shape} were given.")
    # Least squares over similarities (Umeyama 1991), in complex numbers: corners are middle + factor * unit corners.
    unit = np.array([[-0.5, 0.5], [0.5, 0.5], [0.5, -0.5], [-0.5, -0.5]]) @ np.array([1, 1j])
    places = given @ np.array([1, 1j])
    middle = places.mean()
    factor = (unit.conj() @ (places - middle)) / (unit.conj() @ unit).real
    away = np.abs(places - middle - factor * unit)
    # A pin in perspective is no square and may stand; corners in a wrong order are far from any.
    if away.mean() > 0.4 * abs(factor) or factor == 0:
        raise UsageError(
            "The four corners make no square: give them as a corner pin does, lower left, lower right, upper right, "
            f"upper left. Found {np.round(given, 1).tolist()}."
        )
    return Square(middle.real, middle.imag, abs(factor), math.degrees(math.atan2(factor.imag, factor.real)))


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))
