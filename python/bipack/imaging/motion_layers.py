"""What slow motion knows of a new frame, as layers of it: motion vectors and the hazard matte."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bipack.imaging.frame import Part, Pixels, Stored
from bipack.imaging.weave import STRIP_ROWS, Found, Strip
from bipack.slowmo_knobs import HAZARD_CHANNEL, VECTOR_CHANNELS


def motion_layers(found: Found, part: Part, on: float, back: float) -> dict[str, Stored]:
    """The channels of `forward` and `backward` as Nuke takes them: pixels, y upwards, half floats.

    `on` and `back` are the source frames to the result's next frame and from its previous one.
    """
    return _layers(found, part, VECTOR_CHANNELS, lambda strip: _vectors(strip.motion, on, back))


def hazard_layer(found: Found, part: Part) -> dict[str, Stored]:
    """The hazard matte as a channel."""
    return _layers(found, part, (HAZARD_CHANNEL,), lambda strip: strip.hazard[:, :, None])


def _vectors(motion: Pixels, on: float, back: float) -> Pixels:
    upwards = motion * np.array([1, -1], np.float32)
    return np.concatenate([upwards * np.float32(on), upwards * np.float32(-back)], axis=2)


def _layers(found: Found, part: Part, names: Sequence[str], values_of: Callable[[Strip], Pixels]) -> dict[str, Stored]:
    box = part.data_window
    channels: dict[str, Stored] = {name: np.empty((box.height, box.width), np.float16) for name in names}
    for top in range(0, box.height, STRIP_ROWS):
        rows = slice(top, min(top + STRIP_ROWS, box.height))
        values = values_of(Strip(found.between, found, box, rows))
        for index, name in enumerate(names):
            channels[name][rows] = values[:, :, index]
    return channels
