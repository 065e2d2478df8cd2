"""From what was found in single frames to tracks: the same face linked over the shot, gaps closed, smoothed.

A face that is lost for at most `PATIENCE` frames goes on as the same face, and the frames between are filled by
interpolation and marked so; after a longer gap, a cut or a jump it is another face. Points are smoothed a little, the
crop's square much harder, both without delay. What is given by hand is never smoothed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bipack.imaging.faces.smooth import Doubles, zero_lag
from bipack.imaging.faces.square import Square, from_points

PATIENCE = 12
"""Frames for which a face may be lost and still be the same face."""

REACH = 0.7
"""How far a face may move from frame to frame, in widths of itself."""

SEEN, FILLED, GIVEN = "seen", "filled", "given"
"""How a frame's place is known: found in the picture, between two found ones, given by the artist."""

_POINTS_FILTER = (0.15, 8.0)
_CROP_FILTER = (0.03, 2.0)
"""Least cutoff in cycles a frame, and how it grows with the speed in widths of the face a frame."""


@dataclass(frozen=True, eq=False)
class Found:
    """A face in one frame."""

    points: Doubles
    """(5, 2) pixels, in the order of POINTS."""

    width: float
    """Pixels from ear to ear, whatever the pose."""

    score: float
    """0..1 how sure it is."""

    @property
    def middle(self) -> Doubles:
        """(2,) between eyes and mouth."""
        return np.asarray(0.5 * (self.points[:2].mean(axis=0) + self.points[3:].mean(axis=0)))


@dataclass(frozen=True, eq=False)
class Place:
    """A face's place in one frame of its track."""

    square: Square
    """The stabilised crop."""

    points: Doubles | None = None
    """(5, 2) smoothed points; None where the artist gave the square alone."""

    score: float = 1.0
    how: str = GIVEN


@dataclass(frozen=True, eq=False)
class Track:
    """One face over the shot."""

    number: int
    """1 is the largest and longest."""

    places: Mapping[int, Place]
    """By frame, in order."""


def link(found: Mapping[int, Sequence[Found]]) -> list[Track]:
    """Tracks of all faces in `found`, by frame number; the largest and longest first."""
    chains: list[dict[int, Found]] = []
    for frame in sorted(found):
        _extend(chains, frame, list(found[frame]))
    chains.sort(key=lambda chain: -sum(face.width * face.score for face in chain.values()))
    return [Track(number, _smoothed(chain)) for number, chain in enumerate(chains, 1)]


def _extend(chains: list[dict[int, Found]], frame: int, faces: list[Found]) -> None:
    """Give each face of a frame to the chain that it continues, nearest pairs first; the others begin chains."""
    distances = []
    for index, chain in enumerate(chains):
        last = max(chain)
        if frame - last <= PATIENCE + 1:
            for number, face in enumerate(faces):
                far = _distance(chain, last, frame, face)
                if far < REACH:
                    distances.append((far, index, number))
    used_chains, used_faces = set[int](), set[int]()
    for _, index, number in sorted(distances):
        if index not in used_chains and number not in used_faces:
            used_chains.add(index)
            used_faces.add(number)
            chains[index][frame] = faces[number]
    chains.extend({frame: face} for number, face in enumerate(faces) if number not in used_faces)


def _distance(chain: Mapping[int, Found], last: int, frame: int, face: Found) -> float:
    """How unlike the chain's continuation a face is, in widths: its place and twice the octaves of its size."""
    before = chain[last]
    speed = np.zeros(2)
    if last - 1 in chain:
        speed = before.middle - chain[last - 1].middle
    # Nobody keeps a speed for long: it counts for three frames.
    expected = before.middle + speed * min(frame - last, 3)
    moved = float(np.linalg.norm(face.middle - expected)) / before.width
    return moved + 2 * abs(float(np.log2(face.width / before.width)))


def _smoothed(chain: Mapping[int, Found]) -> dict[int, Place]:
    """The chain with its gaps filled, its points smoothed a little and its squares harder."""
    seen = sorted(chain)
    frames = np.arange(seen[0], seen[-1] + 1)
    rows = np.array([[*chain[frame].points.ravel(), chain[frame].width, chain[frame].score] for frame in seen])
    whole = np.stack([np.interp(frames, seen, column) for column in rows.T], axis=1)
    unit = float(np.median(rows[:, 10]))
    points = zero_lag(whole[:, :10] / unit, *_POINTS_FILTER) * unit
    widths = np.exp2(zero_lag(_agreed(np.log2(whole[:, 10:11])), *_CROP_FILTER)[:, 0])
    squares = [from_points(row[:10].reshape(5, 2), width) for row, width in zip(whole, widths)]
    steady = _steadied(squares, unit)
    known = set(seen)
    return {
        int(frame): Place(square, point.reshape(5, 2), float(row[11]), SEEN if int(frame) in known else FILLED)
        for frame, square, point, row in zip(frames, steady, points, whole)
    }


def _agreed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(frames, k) with each value the median of three frames': what one frame alone says moves no crop.

    A steady motion stays as it is. Fewer than five frames are taken as they are.
    """
    if len(values) < 5:
        return values
    middle = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    # Beyond an end the track would go on as it does beside it.
    first = np.median(np.stack([values[0], middle[0], 2 * middle[0] - middle[1]]), axis=0)
    last = np.median(np.stack([values[-1], middle[-1], 2 * middle[-1] - middle[-2]]), axis=0)
    return np.concatenate([first[None], middle, last[None]])


def _steadied(squares: Sequence[Square], unit: float) -> list[Square]:
    """Squares with their middle and angle smoothed hard; sizes are smooth already."""
    angles = np.unwrap(np.radians([square.angle for square in squares]))
    # An angle of one radian counts as a way of one width.
    motion = np.stack([[square.x / unit for square in squares], [square.y / unit for square in squares], angles], 1)
    smooth = zero_lag(_agreed(np.asarray(motion)), *_CROP_FILTER)
    return [
        Square(float(x * unit), float(y * unit), square.side, float(np.degrees(angle)))
        for (x, y, angle), square in zip(smooth, squares)
    ]


def given(squares: Mapping[int, Square], frames: Sequence[int]) -> Track:
    """A track by the artist's own squares; between keys they are interpolated, before and after them held.

    Raises ValueError for no square at all.
    """
    if not squares:
        raise ValueError("a track needs at least one square")
    keys = sorted(squares)
    turns = np.unwrap(np.radians([squares[key].angle for key in keys]))
    columns: list[NDArray[np.float64]] = [
        np.array([getattr(squares[key], name) for key in keys], np.float64) for name in ("x", "y", "side")
    ]
    values = [np.interp(frames, keys, column) for column in (*columns, turns)]
    return Track(
        1,
        {
            frame: Place(Square(float(x), float(y), float(side), float(np.degrees(turn))))
            for frame, x, y, side, turn in zip(frames, *values)
        },
    )


def moved(track: Track, x: float, y: float) -> Track:
    """The same track `x` and `y` pixels further: from the format's corner to that of a data window, or back."""
    return replace(
        track,
        places={
            frame: replace(
                place,
                square=replace(place.square, x=place.square.x + x, y=place.square.y + y),
                points=None if place.points is None else place.points + np.array([x, y]),
            )
            for frame, place in track.places.items()
        },
    )
