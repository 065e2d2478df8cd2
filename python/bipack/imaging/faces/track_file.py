"""Tracks as JSON: what `bipack faces` writes, and reads again.

Everything is in pixels of the format with y down; docs/faces.md describes the file for other people's tools.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bipack import atomic
from bipack.errors import CorruptInput, MissingInput
from bipack.face_regions import POINTS
from bipack.imaging.faces.square import Square, from_corners
from bipack.imaging.faces.track import GIVEN, Place, Track, given

VERSION = 1


@dataclass(frozen=True)
class TrackFile:
    """A file of tracks."""

    width: int
    """Format of the plate in pixels."""

    height: int
    tracks: Sequence[Track]


def save(path: str, file: TrackFile) -> None:
    """Write `file` as JSON, atomically. Raises DiskError."""
    data = {
        "bipack_track": VERSION,
        "coordinates": "pixels of the format, y down, pixel centres at .5; angle in degrees clockwise",
        "plate": {"width": file.width, "height": file.height},
        "faces": [
            {"face": track.number, "frames": {str(frame): _data(place) for frame, place in track.places.items()}}
            for track in file.tracks
        ],
    }
    atomic.write_bytes(path, (json.dumps(data, indent=1) + "\n").encode("utf-8"))


def _data(place: Place) -> dict[str, Any]:
    square = place.square
    data: dict[str, Any] = {
        "how": place.how,
        "score": round(place.score, 4),
        "crop": {"x": square.x, "y": square.y, "side": square.side, "angle": square.angle},
    }
    if place.points is not None:
        data["points"] = {name: [float(x), float(y)] for name, (x, y) in zip(POINTS, place.points)}
    return data


def load(path: str, frames: Sequence[int] = ()) -> TrackFile:
    """Read a file of `save`, or an artist's own: {"frames": {"1001": {"corners": [[x, y], …4]}}}.

    An artist's corners are keys, interpolated over `frames`. Raises MissingInput, CorruptInput naming the entry.
    """
    data = _parsed(path)
    try:
        if "faces" in data:
            plate = data["plate"]
            tracks = [_track(entry) for entry in data["faces"]]
            return TrackFile(int(plate["width"]), int(plate["height"]), tracks)
        squares = {int(frame): from_corners(np.array(entry["corners"])) for frame, entry in data["frames"].items()}
        return TrackFile(0, 0, [given(squares, list(frames) or sorted(squares))])
    except KeyError as error:
        raise CorruptInput(f"The track {path} lacks the entry {error}; docs/faces.md shows the file.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise CorruptInput(f"The track {path} cannot be read: {error}.") from error


def _parsed(path: str) -> dict[str, Any]:
    if not os.path.isfile(path):
        raise MissingInput(f"The track {path} does not exist.")
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
    except (OSError, ValueError) as error:
        raise CorruptInput(f"The track {path} is no JSON: {error}.") from error
    if not isinstance(data, dict):
        raise CorruptInput(f"The track {path} holds a {type(data).__name__} where an object is needed.")
    return data


def _track(entry: dict[str, Any]) -> Track:
    places = {int(frame): _place(place) for frame, place in entry["frames"].items()}
    return Track(int(entry["face"]), dict(sorted(places.items())))


def _place(data: dict[str, Any]) -> Place:
    crop, points = data["crop"], data.get("points")
    square = Square(*(float(crop[name]) for name in ("x", "y", "side", "angle")))
    if not all(math.isfinite(value) for value in (square.x, square.y, square.side, square.angle)) or square.side <= 0:
        raise ValueError(f"a crop of side {square.side} at {square.x}, {square.y} is no place")
    known = None if points is None else np.array([points[name] for name in POINTS], np.float64).reshape(5, 2)
    return Place(square, known, float(data.get("score", 1.0)), str(data.get("how", GIVEN)))
