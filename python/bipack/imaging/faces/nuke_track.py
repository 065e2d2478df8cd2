"""An artist's own track out of a Nuke script: the first CornerPin2D, Tracker4 or Tracker3 that holds keys.

What the node means: a corner pin's `to1`…`to4`, or four tracks, are the corners of the crop round the face (lower left,
lower right, upper right, upper left); five tracks are the points of the face (eye_l, eye_r, nose, mouth_l, mouth_r).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Union

import numpy as np

from bipack.errors import CorruptInput, MissingInput
from bipack.imaging.faces.square import Doubles, Square, from_corners, from_points, width_of
from bipack.imaging.faces.track import Track, given

Item = Union[str, "list[Item]"]
Curve = "dict[int, float]"

_WORDS = re.compile(r'"(?:\\.|[^"\\])*"|[{}]|[^\s{}]+')


def load(path: str, height: int, frames: Sequence[int]) -> Track:
    """The track in the script at `path`, for a plate of `height` pixels, over `frames`.

    Raises MissingInput, CorruptInput when the script holds no track that can be used, saying what it holds.
    """
    if not os.path.isfile(path):
        raise MissingInput(f"The track {path} does not exist.")
    with open(path, encoding="utf-8", errors="replace") as stream:
        text = stream.read()
    seen = []
    for kind, knobs in _nodes(text):
        curves = _curves_of(kind, knobs)
        seen.append(kind)
        if curves:
            return given(_squares(curves, height, path), frames)
    found = f"it holds {', '.join(sorted(set(seen)))} without one" if seen else "it holds no such node"
    raise CorruptInput(
        f"No track in {path}: {found}. Give a CornerPin2D with keys on to1 to to4, or a Tracker with four tracks "
        "(corners of the crop) or five (eye_l, eye_r, nose, mouth_l, mouth_r)."
    )


def _squares(curves: list[tuple[dict[int, float], dict[int, float]]], height: int, path: str) -> dict[int, Square]:
    """A square for every frame that has a key on any of the curves (n of x and y)."""
    if len(curves) not in (4, 5):
        raise CorruptInput(
            f"The tracker in {path} has {len(curves)} tracks. Four are the corners of the crop (lower left, lower "
            "right, upper right, upper left), five the points eye_l, eye_r, nose, mouth_l, mouth_r."
        )
    keys = sorted({frame for pair in curves for curve in pair for frame in curve})
    places = np.empty((len(keys), len(curves), 2))
    for index, pair in enumerate(curves):
        for axis, curve in enumerate(pair):
            own = sorted(curve)
            places[:, index, axis] = np.interp(keys, own, [curve[frame] for frame in own])
    places[..., 1] = height - places[..., 1]
    make = from_corners if len(curves) == 4 else _from_five
    return {frame: make(row) for frame, row in zip(keys, places)}


def _from_five(points: Doubles) -> Square:
    return from_points(points, width_of(points))


def _curves_of(kind: str, knobs: dict[str, list[Item]]) -> list[tuple[dict[int, float], dict[int, float]]]:
    """x and y by frame of every point of a node; empty where it has none."""
    if kind == "CornerPin2D":
        values = [knobs.get(f"to{index}") for index in range(1, 5)]
    elif kind == "Tracker3":
        values = [knobs[name] for name in (f"track{index}" for index in range(1, 5)) if name in knobs]
    else:
        return _rows_of_tracker4(knobs.get("tracks", []))
    found = []
    for value in values:
        if value is None:
            return []
        items = value[0] if len(value) == 1 and isinstance(value[0], list) else value
        if len(items) != 2:
            return []
        found.append((_curve(items[0]), _curve(items[1])))
    return found if len(found) == 4 else []


def _rows_of_tracker4(value: list[Item]) -> list[tuple[dict[int, float], dict[int, float]]]:
    table = value[0] if len(value) == 1 and isinstance(value[0], list) else value
    if len(table) < 3 or not isinstance(table[2], list):
        return []
    rows = [row for row in table[2] if isinstance(row, list) and len(row) > 3]
    return [(_curve(row[2]), _curve(row[3])) for row in rows]


def _curve(item: Item) -> dict[int, float]:
    """Values by frame; a bare number is a key on frame 0. Words after `x` and a frame follow frame by frame."""
    if isinstance(item, str):
        return {0: float(item)}
    keys, frame = {}, 0
    for word in item:
        if not isinstance(word, str) or word == "curve":
            continue
        if re.fullmatch(r"x-?\d+(\.\d+)?", word):
            frame = round(float(word[1:]))
        elif re.fullmatch(r"-?\d+(\.\d*)?([eE][-+]?\d+)?", word):
            keys[frame] = float(word)
            frame += 1
    if not keys:
        raise CorruptInput(f"A track is driven by an expression ({' '.join(map(str, item))}); bake it into keys first.")
    return keys


# The script ---------------------------------------------------------------------------------------------------------


def _nodes(text: str) -> Iterator[tuple[str, dict[str, list[Item]]]]:
    """Class and knobs of every tracking node, groups looked into."""
    for match in re.finditer(r"^\s*(CornerPin2D|Tracker4|Tracker3)\s*\{", text, re.MULTILINE):
        body = _block(text, match.end())
        yield match.group(1), _knobs(body)


def _block(text: str, start: int) -> list[Item]:
    """Items up to the brace that closes the one before `start`."""
    stack: list[list[Item]] = [[]]
    for match in _WORDS.finditer(text, start):
        word = match.group(0)
        if word == "{":
            stack.append([])
        elif word == "}":
            done = stack.pop()
            if not stack:
                return done
            stack[-1].append(done)
        else:
            stack[-1].append(word.strip('"'))
    raise CorruptInput("The script ends inside a node: a closing brace is missing.")


def _knobs(body: list[Item]) -> dict[str, list[Item]]:
    """Knob values: a node's text is a flat list of names and values, a value being one item or one list."""
    knobs: dict[str, list[Item]] = {}
    index = 0
    while index + 1 < len(body):
        name, value = body[index], body[index + 1]
        if isinstance(name, str):
            knobs[name] = value if isinstance(value, list) else [value]
        index += 2
    return knobs
