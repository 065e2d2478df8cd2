"""Tracking a whole shot: every frame looked at once, the faces linked over them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from bipack.errors import BipackError, Cancelled, CorruptInput
from bipack.frames import FramePath
from bipack.imaging import color
from bipack.imaging.faces.track import Found, Track, link
from bipack.imaging.image_io import read_frame
from bipack.worker.faces import finder
from bipack.worker.faces.parser import Parser
from bipack.worker.faces.steps import linear

LONG_SHOT, LEAST_SEEN = 8, 3
"""In a shot of so many frames, a face that was seen in fewer than these is taken for a mistake."""


def track(
    parser: Parser,
    pattern: FramePath,
    frames: Sequence[int],
    layer: str,
    tell: Callable[[int, int], None],
    cancel: threading.Event,
) -> tuple[list[Track], tuple[int, int]]:
    """The faces of a shot, and its format (width, height) in pixels. `tell` takes a frame and how many faces it has.

    Raises MissingInput and CorruptInput naming the frame, ModelRefused, Cancelled.
    """
    found: dict[int, list[Found]] = {}
    size = (0, 0)
    for frame in frames:
        if cancel.is_set():
            raise Cancelled("Stopped on request; nothing was written yet.")
        try:
            faces, here = _look(parser, pattern.path(frame), layer, cancel)
        except BipackError as error:
            raise _about(error, frame) from error
        if size not in ((0, 0), here):
            raise CorruptInput(
                f"Frame {frame}: the format is {here[0]}x{here[1]} pixels, before it was {size[0]}x{size[1]}. "
                "Bring the shot to one size."
            )
        found[frame], size = faces, here
        tell(frame, len(faces))
    return _kept(found, len(frames)), size


def format_of(path: str) -> tuple[int, int]:
    """Width and height of a file's format. Raises MissingInput, CorruptInput."""
    box = read_frame(path).parts[0].display_window
    return box.width, box.height


def _look(parser: Parser, path: str, layer: str, cancel: threading.Event) -> tuple[list[Found], tuple[int, int]]:
    frame = read_frame(path)
    light, (x, y) = linear(frame, layer)
    faces = finder.find(parser, color.encode(light), cancel=cancel)
    box = frame.parts[0].display_window
    return [Found(face.points + np.array([x, y]), face.width, face.score) for face in faces], (box.width, box.height)


def _kept(found: dict[int, list[Found]], count: int) -> list[Track]:
    """Tracks of the shot without passing mistakes, numbered anew."""
    tracks = link(found)
    if count >= LONG_SHOT:
        tracks = [one for one in tracks if sum(place.how == "seen" for place in one.places.values()) >= LEAST_SEEN]
    return [Track(number, one.places) for number, one in enumerate(tracks, 1)]


def _about(error: BipackError, frame: int) -> BipackError:
    if error.frame is not None:
        return error
    told = type(error)(f"Frame {frame}: {error}")
    told.frame = frame
    return told
