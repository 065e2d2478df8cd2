"""Finding the faces of one frame with the parser.

The frame is parsed at a few small sizes. Every hot spot of the nose's heat-map is a candidate, with the width that the
parser gives there; the other points are looked for around it. Each candidate is then seen again in an upright crop of
its own, at the size that the parser knows best, which gives its exact points or shows that it is no face.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

from bipack.face_regions import REGIONS
from bipack.imaging.faces import crop
from bipack.imaging.faces.square import Doubles, from_points, mapped
from bipack.imaging.faces.track import Found
from bipack.imaging.frame import Pixels
from bipack.worker.faces.parser import Parsed, Parser

SIZES = (192, 384, 768)
"""Longer sides at which a frame is parsed: for faces from half of the frame down to a fortieth of it."""

CROP = 256
"""Side of the upright crop that a face is seen again in."""

CLOSER = 384
"""Side of that crop for a face that was faint in the first: a profile has small eyes and little nose."""

KNOWN = (16.0, 200.0)
"""Widths in pixels that training covered."""

_HOT, _WARM = 0.2, 0.08
_MOST_PEAKS = 64
_LEAST_SCORE = 0.35
"""Mean heat of the points below which it is no face."""

_LEAST_FACE = 0.3
"""Share of a small disk round the middle that must be face: a hand may hide much of one."""

_SHAPE = np.array([[0.22, -0.24], [-0.22, -0.24], [0.0, 0.03], [0.165, 0.24], [-0.165, 0.24]])
"""Points of an upright face from its middle, in widths: for points that cannot be seen."""

_FACE = tuple(REGIONS.index(name) for name in REGIONS if name not in ("background", "hair", "neck"))


_AT_POINTS = tuple(REGIONS.index(name) for name in ("eye_l", "eye_r", "nose", "mouth"))

_TAKEN_FOR = 0.85
"""What a face counts whose eyes are taken for each other."""


def find(parser: Parser, encoded: Pixels, most: int = 16, cancel: threading.Event | None = None) -> list[Found]:
    """Faces in an encoded picture (height, width, 3), the surest first; at most `most`. Raises Cancelled."""
    longer = max(encoded.shape[:2])
    candidates: list[Found] = []
    for size in SIZES:
        # A picture is enlarged once at most, and never to more than twice its size.
        if size > SIZES[0] and size > 2 * longer:
            break
        small = _resized(encoded, size / longer)
        scale = np.array(small.shape[1::-1]) / np.array(encoded.shape[1::-1])
        candidates += [_scaled(one, scale) for one in candidates_in(parser.parse(small, cancel))]
    seen_again = [
        found for one in _apart(candidates)[: 2 * most] if (found := _again(parser, encoded, one, cancel)) is not None
    ]
    return _apart(seen_again)[:most]


def candidates_in(parsed: Parsed) -> list[Found]:
    """Faces that one parsed picture shows, each as far as it can be told."""
    nose = parsed.points[..., 2]
    peaks = (nose >= _HOT) & (nose >= cv2.dilate(nose, np.ones((5, 5), np.uint8)))
    # A flat top is one spot.
    count, _, _, middles = cv2.connectedComponentsWithStats(peaks.astype(np.uint8), connectivity=8)
    spots = np.round(middles[1:count, ::-1]).astype(int)
    # The hottest first, and not without end: a parser that was badly trained is warm everywhere.
    spots = spots[np.argsort(-nose[spots[:, 0], spots[:, 1]], kind="stable")][:_MOST_PEAKS]
    found = []
    for row, column in spots:
        one = _around(parsed, int(row), int(column))
        if one is not None and KNOWN[0] <= one.width <= KNOWN[1]:
            found.append(one)
    return found


def _around(parsed: Parsed, row: int, column: int) -> Found | None:
    """The face whose nose is at this pixel; None where there is too little of one."""
    face = parsed.regions[..., _FACE].sum(axis=2)
    near = slice(max(0, row - 2), row + 3), slice(max(0, column - 2), column + 3)
    weight = face[near] + 1e-3
    width = float((parsed.width[near] * weight).sum() / weight.sum())
    if not np.isfinite(width) or width <= 0:
        return None
    disk = _disk(face, (column + 0.5, row + 0.5), 0.3 * width)
    if disk < _LEAST_FACE:
        return None
    points, heat = np.full((5, 2), np.nan), np.zeros(5)
    for index in range(5):
        reach = 0.12 * width if index == 2 else 0.75 * width
        points[index], heat[index] = _peak(parsed.points[..., index], column + 0.5, row + 0.5, reach, 0.12 * width)
    points[heat < _WARM] = np.nan
    if np.isfinite(points[:, 0]).sum() < 3:
        return None
    return Found(completed(points, width), width, float(heat.mean()) * _fits(parsed, points, width))


def _fits(parsed: Parsed, points: Doubles, width: float) -> float:
    """0..1 how well the regions at the points are those of a face: both eyes, nose and mouth, the worst left out.

    A hand or a pot may be warm at five places; it has no nose between two eyes. One may be hidden. In profile a point
    lies on the outline or behind it, so each region is looked for a little way around its own; and the near eye may be
    taken for the far one, which counts a little less.
    """
    places = (points[0], points[1], points[2], 0.5 * (points[3] + points[4]))

    def share(regions: tuple[int, ...]) -> float:
        found = [
            _most(parsed.regions[..., region], (float(x), float(y)), width) if np.isfinite(x + y) else 0.0
            for region, (x, y) in zip(regions, places)
        ]
        return float(np.mean(sorted(found)[1:]))

    left, right, nose, mouth = _AT_POINTS
    return max(share(_AT_POINTS), _TAKEN_FOR * share((right, left, nose, mouth)))


def _most(plane: Pixels, middle: tuple[float, float], width: float) -> float:
    """Greatest mean of `plane` over a square of 0.06 widths within a reach of 0.15 widths."""
    reach, radius = 0.15 * width, max(1, round(0.03 * width))
    top, left = (max(0, int(place - reach)) for place in (middle[1], middle[0]))
    part = plane[top : max(0, int(middle[1] + reach)) + 1, left : max(0, int(middle[0] + reach)) + 1]
    if not part.size:
        return 0.0
    side = 2 * radius + 1
    return float(cv2.blur(np.ascontiguousarray(part), (side, side), borderType=cv2.BORDER_CONSTANT).max())


def _peak(heat: Pixels, x: float, y: float, reach: float, spread: float) -> tuple[Doubles, float]:
    """Place of the greatest heat within `reach` of x, y, to a part of a pixel, and how hot it is there."""
    top, left = max(0, int(y - reach)), max(0, int(x - reach))
    part = heat[top : int(y + reach) + 1, left : int(x + reach) + 1]
    row, column = divmod(int(part.argmax()), part.shape[1])
    r = max(1, round(spread))
    first, start = max(0, row - r), max(0, column - r)
    weight = part[first : row + r + 1, start : column + r + 1].astype(np.float64)
    weight = np.maximum(weight - 0.3 * part[row, column], 0)
    total = weight.sum()
    if total <= 0:
        return np.array([left + column + 0.5, top + row + 0.5]), float(part[row, column])
    across = (weight.sum(axis=0) * np.arange(weight.shape[1])).sum() / total
    down = (weight.sum(axis=1) * np.arange(weight.shape[0])).sum() / total
    return np.array([left + start + across + 0.5, top + first + down + 0.5]), float(part[row, column])


def completed(points: Doubles, width: float) -> Doubles:
    """Points (5, 2) with the unknown ones (NaN) put where an upright face has them, turned as the known ones are."""
    known = np.isfinite(points[:, 0])
    if known.all():
        return points
    here, there = _SHAPE[known] @ np.array([1, 1j]) * width, points[known] @ np.array([1, 1j])
    middle, target = here.mean(), there.mean()
    turn = ((here - middle).conj() * (there - target)).sum()
    turn = turn / abs(turn) if abs(turn) > 0 else 1.0
    placed = (_SHAPE @ np.array([1, 1j]) * width - middle) * turn + target
    whole = np.stack([placed.real, placed.imag], axis=1)
    whole[known] = points[known]
    return whole


def _again(parser: Parser, encoded: Pixels, face: Found, cancel: threading.Event | None) -> Found | None:
    """The face as it is seen in an upright crop of its own; None where that shows none in its middle.

    A faint one is looked at a second time, more closely and from where the first look puts it: a crop that is off its
    face shows less.
    """
    best = _look(parser, encoded, face, cancel)
    if best is not None and best.score < _LEAST_SCORE:
        best = _look(parser, encoded, best, cancel, CLOSER)
    return best if best is not None and best.score >= _LEAST_SCORE else None


def _look(
    parser: Parser, encoded: Pixels, face: Found, cancel: threading.Event | None, side: int = CROP
) -> Found | None:
    """The surest face in the middle of an upright crop of `side` pixels round `face`."""
    square = from_points(face.points, face.width)
    parsed = parser.parse(crop.cut(encoded, square, side), cancel)
    scale = square.side / side
    near = [
        one
        for one in candidates_in(parsed)
        if np.linalg.norm(one.middle - side * np.array([0.5, 0.56])) < 0.5 * one.width
    ]
    if not near:
        return None
    best = max(near, key=lambda one: one.score)
    return Found(mapped(square.matrix(side), best.points), best.width * scale, best.score)


def _apart(faces: list[Found]) -> list[Found]:
    """The surest of those that lie upon each other."""
    kept: list[Found] = []
    for one in sorted(faces, key=lambda face: -face.score):
        if all(np.linalg.norm(one.middle - other.middle) > 0.5 * max(one.width, other.width) for other in kept):
            kept.append(one)
    return kept


def _disk(plane: Pixels, middle: tuple[float, float], radius: float) -> float:
    """Mean of `plane` over a disk."""
    top, left = max(0, int(middle[1] - radius)), max(0, int(middle[0] - radius))
    part = plane[top : int(middle[1] + radius) + 1, left : int(middle[0] + radius) + 1]
    rows, columns = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
    inside = (columns + 0.5 - middle[0]) ** 2 + (rows + 0.5 - middle[1]) ** 2 <= max(radius, 1.0) ** 2
    return float(part[inside].mean()) if inside.any() else 0.0


def _resized(encoded: Pixels, scale: float) -> Pixels:
    size = tuple(max(1, round(side * scale)) for side in encoded.shape[1::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(encoded, size, interpolation=method), np.float32)


def _scaled(face: Found, scale: Doubles) -> Found:
    """A face of the small picture in pixels of the large one."""
    return Found(face.points / scale, face.width / float(scale.mean()), face.score)
