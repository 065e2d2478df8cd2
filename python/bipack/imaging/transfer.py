"""Between scene-linear floats and the sRGB integers of PNG, JPEG, TIFF and DPX.

Integer files cannot hold light below 0 or above 1: such samples end at the nearest code, and every time this happens it
is counted and logged. Alpha is never put through the curve.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bipack.errors import ModelRefused, UsageError
from bipack.imaging import color, layers
from bipack.imaging.frame import Frame, Part, Pixels, Stored

log = logging.getLogger(__name__)

ALPHA = ("A", "alpha", "a")


def is_integer(stored: Stored) -> bool:
    """True for the samples of integer picture files (not for the uint ids of EXR)."""
    return stored.dtype in (np.uint8, np.uint16)


def to_float(stored: Stored, name: str, transfer: str) -> Pixels:
    """One stored channel as scene-linear float32; alpha keeps its values (codes become 0..1)."""
    if not is_integer(stored):
        return stored.astype(np.float32)
    if transfer != "linear" and not is_alpha(name):
        return color.codes_to_linear(stored, transfer)
    return stored.astype(np.float32) * np.float32(1.0 / np.iinfo(stored.dtype).max)


def to_codes(linear: Pixels, dtype: np.dtype[Any], name: str, transfer: str) -> tuple[NDArray[Any], int]:
    """(rounded codes, samples that did not fit) for one scene-linear channel; NaN becomes 0 and is counted."""
    values = linear
    if not is_alpha(name) and transfer != "linear":
        values = color.linear_to_cineon(linear) if transfer == "cineon" else color.linear_to_srgb(linear)
    top = np.float32(np.iinfo(dtype).max)
    values = values * top
    with np.errstate(invalid="ignore"):
        outside = int(np.count_nonzero(~((values >= -0.5) & (values < top + 0.5))))
    np.rint(values, out=values)
    return np.nan_to_num(np.clip(values, 0.0, top), copy=False, nan=0.0).astype(dtype), outside


def to_stored(linear: Pixels, dtype: np.dtype[Any], name: str, transfer: str) -> tuple[NDArray[Any], int]:
    """(channel in the stored type, samples that it cannot hold) for scene-linear float32.

    For floats those are finite values that became infinite.
    """
    if dtype in (np.uint8, np.uint16):
        return to_codes(linear, dtype, name, transfer)
    if dtype == np.float32:
        return np.array(linear, dtype=np.float32, order="C"), 0
    with np.errstate(over="ignore"):
        stored = linear.astype(dtype)
    lost = 0
    # The extremes are found four times as fast as a mask, and carry NaN; only a reason to look makes the mask.
    if linear.size and not max(linear.max(), -linear.min()) < np.finfo(dtype).max:
        lost = int(np.count_nonzero(np.isinf(stored) & np.isfinite(linear)))
    return np.ascontiguousarray(stored), lost


def to_linear(frame: Frame) -> Frame:
    """`frame` for EXR: integer channels become scene-linear half, all others stay as they are."""
    return replace(frame, parts=[_linear_part(part, frame.transfer) for part in frame.parts], transfer="linear")


def _linear_part(part: Part, transfer: str) -> Part:
    channels = {
        name: to_float(stored, name, transfer).astype(np.float16) if is_integer(stored) else stored
        for name, stored in part.channels.items()
    }
    return replace(part, channels=channels)


def picture_channels(path: str, frame: Frame, file_type: str) -> dict[str, Stored]:
    """The channels of `frame` that a PNG, JPEG, TIFF or DPX at `path` gets, over the whole display window.

    What such a file cannot hold (other layers and parts, values outside 0..1) is named in the log.
    """
    part, names = _picture(path, frame)
    if file_type == "jpeg":
        names = tuple(name for name in names if not is_alpha(name))
    _name_what_is_left_out(path, frame, names)
    channels = {}
    outside = 0
    for name in names:
        stored = part.channels[name]
        if stored.dtype == np.float32 and frame.file_type == "tiff" and file_type == "tiff":
            channel = stored
        elif is_integer(stored):
            channel = _at_depth(stored, 8 if file_type == "jpeg" else stored.dtype.itemsize * 8)
        else:
            dtype = np.dtype(np.uint8 if file_type == "jpeg" else np.uint16)
            linear = stored.astype(np.float32)
            channel, lost = to_codes(linear, dtype, name, "cineon" if frame.transfer == "cineon" else "srgb")
            outside += lost
        channels[name] = _on_display_window(part, channel)
    if outside:
        log.warning(
            "%s: %d samples lie outside 0..1 and end at black or white; a %s file cannot hold them, EXR can.",
            path,
            outside,
            file_type.upper(),
        )
    return channels


def _picture(path: str, frame: Frame) -> tuple[Part, tuple[str, ...]]:
    for count in (4, 3, 1):
        try:
            number, names = layers.find(frame, "rgba", count)
        except ModelRefused:
            continue
        part = frame.parts[number]
        if count == 1:
            # One channel is a grey picture, whatever it is called.
            renamed = {"Y": part.channels[names[0]]}
            if "A" in part.channels and names[0] != "A":
                renamed["A"] = part.channels["A"]
            return replace(part, channels=renamed), tuple(renamed)
        return part, names
    raise UsageError(f"{path} cannot be written: the frame has no R, G, B or Y channel. Write EXR instead.")


def _name_what_is_left_out(path: str, frame: Frame, names: tuple[str, ...]) -> None:
    total = sum(len(part.channels) for part in frame.parts)
    if total > len(names):
        held = "color without alpha" if path.lower().endswith((".jpg", ".jpeg")) else "one picture"
        log.warning("%s: %d other channels are left out; such a file holds %s.", path, total - len(names), held)


def _at_depth(stored: Stored, bits: int) -> Stored:
    """Integer codes at another depth, exactly scaled and rounded."""
    if stored.dtype.itemsize * 8 == bits:
        return stored
    if bits == 8:
        return ((stored.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return stored.astype(np.uint16) * np.uint16(257)


def _on_display_window(part: Part, channel: Stored) -> Stored:
    """The channel over the display window: what lies outside is cut off, what is missing is 0."""
    data, display = part.data_window, part.display_window
    if data == display or display.width < 1 or display.height < 1:
        return channel
    left, top = max(data.xmin, display.xmin), max(data.ymin, display.ymin)
    right, bottom = min(data.xmax, display.xmax) + 1, min(data.ymax, display.ymax) + 1
    placed = np.zeros((display.height, display.width), channel.dtype)
    if right > left and bottom > top:
        placed[top - display.ymin : bottom - display.ymin, left - display.xmin : right - display.xmin] = channel[
            top - data.ymin : bottom - data.ymin, left - data.xmin : right - data.xmin
        ]
    return placed


def is_alpha(name: str) -> bool:
    """True for a channel that holds coverage and not light."""
    return name.rpartition(".")[2] in ALPHA
