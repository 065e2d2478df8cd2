"""Tracks as Nuke nodes: for every face a Tracker, the stabilised crop as Transform and Crop, and its way back.

The script is plain text of a kind that Nuke pastes and opens. y points up in Nuke; its pixel centres lie at .5 too.
Keys stand on the frames where the face is; before and after them Nuke holds the nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bipack import atomic
from bipack.face_regions import POINTS
from bipack.imaging.faces.track import Place, Track
from bipack.imaging.faces.track_file import TrackFile

_COLUMNS = (
    "5 1 20 enable enable 1",
    "3 1 75 name name 1",
    "2 1 58 track_x track_x 1",
    "2 1 58 track_y track_y 1",
    "2 1 63 offset_x offset_x 1",
    "2 1 63 offset_y offset_y 1",
    "4 1 27 T T 1",
    "4 1 27 R R 1",
    "4 1 27 S S 1",
    "2 0 45 error error 1",
    "1 1 0 error_min error_min 1",
    "1 1 0 error_max error_max 1",
    *(f"1 1 0 {area}_{side} {area}_{side} 1" for area in ("pattern", "search") for side in "xyrt"),
    "2 1 0 key_track key_track 1",
    *(f"2 1 0 key_{area}_{side} key_{area}_{side} 1" for area in ("search", "track") for side in "xyrt"),
    "2 1 0 key_centre_offset_x key_centre_offset_x 1",
    "2 1 0 key_centre_offset_y key_centre_offset_y 1",
)
"""Columns of the table inside a Tracker4, as Nuke writes them."""


def save(path: str, file: TrackFile, size: int) -> None:
    """Write the nodes for crops of `size` pixels, atomically. Raises DiskError."""
    atomic.write_bytes(path, script(file, size).encode("utf-8"))


def script(file: TrackFile, size: int) -> str:
    """The nodes as text."""
    blocks = ["#! nuke\n# Face tracks by bipack faces. Paste into a script and connect Stabilize to the plate.\n"]
    for column, track in enumerate(file.tracks):
        blocks += _nodes(track, file.height, size, 160 * column)
    return "".join(blocks)


def _nodes(track: Track, height: int, size: int, xpos: int) -> Iterable[str]:
    name = f"BipackFace{track.number}"
    if all(place.points is not None for place in track.places.values()):
        yield _node("Tracker4", 0, name + "_Tracker", xpos, -40, {"tracks": _table(track, height), **_reference(track)})
    at = _curves(track, lambda place: place.square.x), _curves(track, lambda place: height - place.square.y)
    half = size / 2
    yield _node(
        "Transform", 0, name + "_Stabilize", xpos, 40,
        {
            "translate": _braced(
                _curves(track, lambda place: half - place.square.x),
                _curves(track, lambda place: half - (height - place.square.y)),
            ),
            "rotate": _braced(_curves(track, lambda place: place.square.angle)),
            "scale": _braced(_curves(track, lambda place: size / place.square.side)),
            "center": _braced(*at),
            "black_outside": "false",
        },
    )  # fmt: skip
    yield _node(
        "Crop", 1, name + "_Crop", xpos, 80, {"box": f"{{0 0 {size} {size}}}", "reformat": "true", "crop": "true"}
    )
    yield _node("CornerPin2D", 1, name + "_PutBack", xpos, 120, _pins(track, height, size))


def _pins(track: Track, height: int, size: int) -> dict[str, str]:
    knobs = {}
    for index in range(4):

        def x(place: Place, corner: int = index) -> float:
            return float(place.square.corners()[corner, 0])

        def y(place: Place, corner: int = index) -> float:
            return height - float(place.square.corners()[corner, 1])

        knobs[f"to{index + 1}"] = _braced(_curves(track, x), _curves(track, y))
    for index, corner in enumerate(((0, 0), (size, 0), (size, size), (0, size)), 1):
        knobs[f"from{index}"] = _braced(*map(str, corner))
    return knobs


def _reference(track: Track) -> dict[str, str]:
    return {"reference_frame": str(next(iter(track.places)))}


def _table(track: Track, height: int) -> str:
    """The value of a Tracker4's `tracks`: sizes, columns, then one row a point."""
    first = next(iter(track.places))
    columns = " ".join(f"{{ {column} }}" for column in _COLUMNS)
    rows = []
    for index, name in enumerate(POINTS):
        across, up = _point(track, index, height)
        flat = f"{{curve x{first} 0}}"
        rows.append(
            f'{{ {{curve K x{first} 1}} "{name}" {across} {up} {flat} {flat} 1 1 1 {flat} 0 0 '
            "-32 -32 32 32 -22 -22 22 22 " + "{} " * 11 + "}"
        )
    return f"{{ {{ 1 {len(_COLUMNS)} {len(POINTS)} }} {{ {columns} }} {{ {' '.join(rows)} }} }}"


def _point(track: Track, index: int, height: int) -> tuple[str, str]:
    """Curves of x and y of one point of the face."""

    def at(place: Place, axis: int) -> float:
        return 0.0 if place.points is None else float(place.points[index, axis])

    return _curves(track, lambda place: at(place, 0)), _curves(track, lambda place: height - at(place, 1))


def _braced(*parts: str) -> str:
    return "{" + " ".join(parts) + "}"


def _curves(track: Track, value: Callable[[Place], float]) -> str:
    keys = " ".join(f"x{frame} {_text(value(place))}" for frame, place in track.places.items())
    return f"{{curve {keys}}}"


def _text(value: float) -> str:
    """A ten-thousandth of a pixel or degree; Nuke reads floats of 32 bits."""
    return f"{value:.5f}".rstrip("0").rstrip(".") or "0"


def _node(kind: str, inputs: int, name: str, xpos: int, ypos: int, knobs: dict[str, str]) -> str:
    lines = [f"{kind} {{"]
    if inputs == 0:
        lines.append(" inputs 0")
    lines += [f" {knob} {value}" for knob, value in knobs.items()]
    lines += [f" name {name}", f" xpos {xpos}", f" ypos {ypos}", "}", ""]
    return "\n".join(lines)
