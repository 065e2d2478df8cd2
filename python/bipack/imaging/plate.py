"""The picture inside a frame: taken out as scene-linear floats, put back in the type that the file has.

What a model did not change keeps its stored bits; what it cannot know of (alpha, other layers and parts, attributes)
passes through, resized with the picture where the picture is.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from typing import Optional

import numpy as np
from numpy.typing import NDArray

from bipack.errors import ModelRefused
from bipack.imaging import held_resize, layers, resample, sizing, transfer
from bipack.imaging.frame import Box, Frame, Part, Pixels, Stored

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Plate:
    """The channels that a model works on."""

    part: int
    """Number of the part they come from."""

    names: tuple[str, ...]
    """Names of the channels, in the order of `pixels`."""

    pixels: Pixels
    """Scene-linear float32, (height, width, channels), C-contiguous; exactly what the file holds."""


def take(frame: Frame, layer: str = "rgba", channels: int = 3) -> Plate:
    """Take `channels` channels of `layer` out of `frame`.

    Raises ModelRefused, naming what the file has, when there is no such layer or it holds integer ids.
    """
    number, names = layers.find(frame, layer, channels)
    part = frame.parts[number]
    height, width = part.channels[names[0]].shape
    pixels = np.empty((height, width, channels), np.float32)
    for index, name in enumerate(names):
        stored = part.channels[name]
        if stored.dtype == np.uint32:
            raise ModelRefused(
                f"Channel {name!r} of {_source(frame)} holds integer ids, which are no picture. Name another layer."
            )
        if transfer.is_integer(stored):
            pixels[..., index] = transfer.to_float(stored, name, frame.transfer)
        else:
            pixels[..., index] = stored
    return Plate(number, names, pixels)


def take_or_grey(frame: Frame, layer: str, channels: int) -> Plate:
    """As `take`; where a model of RGB meets a layer of one channel, that channel alone, a grey picture."""
    try:
        return take(frame, layer, channels)
    except ModelRefused:
        if channels != 3 or not layers.is_single(frame, layer):
            raise
    return take(frame, layer, 1)


def take_matte(frame: Frame) -> Pixels:
    """The matte in `frame` as float32 (height, width): alpha if there is one, else the only channel, else R.

    Values are as stored (integer codes become 0..1, without any curve). Raises ModelRefused when there is none of them.
    """
    for part in frame.parts:
        for name in (*transfer.ALPHA, *(part.channels if len(part.channels) == 1 else ()), "R"):
            stored = part.channels.get(name)
            if stored is not None and name not in part.subsampling:
                return transfer.to_float(stored, name, "linear")
    found = ", ".join(name for part in frame.parts for name in part.channels)
    raise ModelRefused(f"No matte in {_source(frame)}: it has {found}. A matte is an alpha, one channel, or R.")


def matte_channel(frame: Frame, channel: str) -> Frame:
    """`frame` with `channel` alone, such as a region's matte in a crop of a face. Raises ModelRefused without it."""
    for part in frame.parts:
        if channel in part.channels:
            return replace(frame, parts=[replace(part, channels={channel: part.channels[channel]})])
    found = ", ".join(name for part in frame.parts for name in part.channels)
    raise ModelRefused(f"The matte {_source(frame)} has no channel {channel!r}; it has {found}.")


def only_channels(frame: Frame, channels: str) -> Frame:
    """`frame` with its R, G, B (and A, for rgba) alone, or as it is for all. Raises ModelRefused where none is left."""
    if channels == "all":
        return frame
    wanted = [name.upper() for name in channels]
    kept = [{name: part.channels[name] for name in part.channels if name in wanted} for part in frame.parts]
    parts = [replace(part, channels=found) for part, found in zip(frame.parts, kept) if found]
    if not parts:
        raise ModelRefused(f"{_source(frame)} has no {', '.join(wanted)}. Write all of its channels.")
    return replace(frame, parts=parts)


def put(frame: Frame, plate: Plate, result: Pixels, scale: int = 1, keep: Optional[NDArray[np.bool_]] = None) -> Frame:
    """A new frame with `result` in place of the plate's channels.

    `result` is scene-linear float32 (height * scale, width * scale, channels). At scale 1 every sample that equals the
    plate bit for bit, and every pixel where `keep` (height, width) is true, keeps its stored value. At a larger scale
    all other channels and parts are resized by the same geometry and the windows grow; attributes are carried. A finite
    value that the stored type cannot hold is counted and logged. `frame` is not changed; channels may be shared.
    """
    height, width = plate.pixels.shape[:2]
    expected = (height * scale, width * scale, len(plate.names))
    if result.shape != expected:
        raise ValueError(f"a result of {result.shape} was given for a plate that needs {expected}")
    canvas = Canvas(frame, plate, scale)
    canvas.store(slice(0, expected[0]), slice(0, expected[1]), result, keep)
    return canvas.finish()


class Canvas:
    """The result of one frame as it grows, block by block, already in the type that the file has.

    An 8K result never exists as floats: each block is rounded to the file's type on arrival.
    """

    def __init__(self, frame: Frame, plate: Plate, scale: int = 1, size: Optional[sizing.Sizing] = None) -> None:
        """A canvas `scale` times the size of `plate`, which was taken out of `frame`; or of any `size`."""
        self._frame, self._plate = frame, plate
        source = frame.parts[plate.part]
        self._size = size or sizing.by_scale(source.display_window, scale)
        self._same_size = self._size.whole == 1
        window = self._size.window(source.data_window, source.display_window)
        self._before = [source.channels[name] for name in plate.names]
        self._after: list[Stored] = [np.empty((window.height, window.width), old.dtype) for old in self._before]
        self._lost = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the result."""
        height, width = self._after[0].shape
        return height, width

    def store(self, rows: slice, columns: slice, block: Pixels, keep: Optional[NDArray[np.bool_]] = None) -> None:
        """Put `block`, scene-linear float32 (height, width, channels), at these result pixels; see `put` for `keep`."""
        for index, (name, before, after) in enumerate(zip(self._plate.names, self._before, self._after)):
            values = np.ascontiguousarray(block[..., index])
            stored, lost = transfer.to_stored(values, after.dtype, name, self._frame.transfer)
            self._lost += lost
            if self._same_size:
                plate = np.ascontiguousarray(self._plate.pixels[rows, columns, index])
                same = plate.view(np.uint32) == values.view(np.uint32)
                np.copyto(stored, before[rows, columns], where=same if keep is None else same | keep)
            after[rows, columns] = stored

    def finish(self) -> Frame:
        """The whole frame, all other channels and parts passed through or resized. Call it once, after every block."""
        frame, number = self._frame, self._plate.part
        parts = [
            part if self._same_size else _resized(part, self._size, self._plate.names * (index == number))
            for index, part in enumerate(frame.parts)
        ]
        channels = {**parts[number].channels, **dict(zip(self._plate.names, self._after))}
        ordered = {name: channels[name] for name in frame.parts[number].channels}
        # A copy of the attributes too: whoever writes the result adds to them.
        parts[number] = replace(parts[number], channels=ordered, attributes=dict(parts[number].attributes))
        if self._lost:
            kind = "integer file" if transfer.is_integer(self._after[0]) else "half float"
            log.warning("%s: %d samples of the result lie beyond what %s holds.", _source(frame), self._lost, kind)
        return replace(frame, parts=parts)


def _resized(part: Part, size: sizing.Sizing, replaced: tuple[str, ...]) -> Part:
    """`part` with windows and channels of another size; channels in `replaced` are left for the caller."""
    data, display = part.data_window, part.display_window
    window, spans = size.window(data, display), size.spans(data, display)
    return replace(
        part,
        channels={
            name: stored
            if name in replaced
            else _resized_channel(part, name, stored, _shape(part, name, window), spans)
            for name, stored in part.channels.items()
        },
        data_window=window,
        display_window=size.display(display),
        attributes=dict(part.attributes),
    )


def _shape(part: Part, name: str, window: Box) -> tuple[int, int]:
    """Rows and columns of a channel in the data window `window`; fewer where it is subsampled."""
    across, down = part.subsampling.get(name, (1, 1))
    return -(-window.height // down), -(-window.width // across)


def _resized_channel(part: Part, name: str, stored: Stored, shape: tuple[int, int], spans: resample.Spans) -> Stored:
    """One channel at another size: pictures by the cubic kernel, held beside lights; ids and data by repeating pixels.

    Alpha stays within the range that it had: the cubic kernel overshoots at hard edges, and an alpha of 1.05 breaks
    every merge that follows.
    """
    if stored.dtype == np.uint32 or layers.is_data(part, name):
        return resample.resize_nearest(stored, shape[1], shape[0], spans)
    if stored.size and stored.min() == stored.max():
        # A solid alpha, the commonest of all, stays solid whatever the kernel.
        return np.full(shape, stored.flat[0])
    linear = stored.astype(np.float32)
    low, high = -np.inf, np.inf
    if transfer.is_alpha(name) and np.isfinite(stored).all():
        low, high = float(stored.min()), float(stored.max())
    whole = transfer.is_integer(stored)
    made = (resample if whole else held_resize).resized_rows(linear, shape[1], shape[0], spans=spans)
    result = np.empty(shape, stored.dtype)
    for first, rows in made:
        if whole:
            rows = np.clip(np.rint(rows), 0, np.iinfo(stored.dtype).max)
        elif np.isfinite(high):
            rows = np.clip(rows, low, high)
        with np.errstate(over="ignore"):
            result[first : first + len(rows)] = rows
    return result


def _source(frame: Frame) -> str:
    return os.path.basename(frame.source) or "the plate"
