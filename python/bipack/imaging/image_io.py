"""The door to picture files: read a frame, write a frame, look into one, by extension.

EXR is scene-linear and keeps everything that it holds. PNG, JPEG and TIFF of 8 or 16 bit hold sRGB; a linear frame that
is written to them goes through the sRGB curve and is rounded, and a frame that came from them is made linear half for
EXR. All writing is atomic.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, Optional

from bipack import settings
from bipack.errors import UsageError
from bipack.imaging import exr_header, exr_io, raster_check, raster_io, transfer
from bipack.imaging.frame import Box, Frame

EXTENSIONS = {".exr": "exr", ".sxr": "exr", ".dpx": "dpx", **raster_io.EXTENSIONS}
"""File type by extension."""


@dataclass(frozen=True)
class PartInfo:
    """What the header says of one part."""

    name: str
    channels: dict[str, str]
    """Type of each channel by name: half, float, uint, uint8 or uint16; empty for files that tell only when decoded."""

    data_window: Box
    display_window: Box
    deep: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)
    """Strings, ints and floats of the header."""


@dataclass(frozen=True)
class FileInfo:
    """What the header of a file says."""

    path: str
    file_type: str
    parts: tuple[PartInfo, ...]


def file_type_of(path: str) -> str:
    """File type by extension. Raises UsageError for one that Bipack does not read."""
    extension = os.path.splitext(path)[1].lower()
    if extension not in EXTENSIONS:
        raise UsageError(f"{path}: extension {extension!r} is unknown. Use one of: {', '.join(sorted(EXTENSIONS))}.")
    return EXTENSIONS[extension]


def read_frame(path: str, max_pixels: Optional[int] = None) -> Frame:
    """Read a whole file. `max_pixels` is the largest part accepted; None takes the setting.

    Raises MissingInput when it is not there, CorruptInput when it cannot be read as what it claims to be, UsageError
    for an unknown extension.
    """
    file_type = file_type_of(path)
    limit = settings.get_int("max_pixels") if max_pixels is None else max_pixels
    if file_type == "exr":
        return exr_io.read(path, limit)
    if file_type == "dpx":
        from bipack.imaging import dpx_io

        return dpx_io.read(path, limit)
    return raster_io.read(path, file_type, limit)


def write_frame(path: str, frame: Frame, compression: str = "zip") -> None:
    """Write `frame` to `path` atomically, in the type that the extension names. `compression` is for EXR.

    Raises DiskError when it cannot be written, UsageError when the frame does not fit the type.
    """
    file_type = file_type_of(path)
    if file_type == "exr":
        exr_io.write(path, transfer.to_linear(frame), compression)
    elif file_type == "dpx":
        from bipack.imaging import dpx_io

        channels = transfer.picture_channels(path, frame, file_type)
        dpx_io.write(path, channels, frame.parts[0].attributes, dpx_io.default_bits(frame))
    else:
        raster_io.write(path, transfer.picture_channels(path, frame, file_type), file_type)


def probe(path: str) -> FileInfo:
    """What the header of `path` says, without decoding a pixel. Raises as `read_frame`."""
    file_type = file_type_of(path)
    if file_type == "exr":
        parts = tuple(
            PartInfo(
                header.name,
                {channel.name: channel.type for channel in header.channels},
                header.data_window,
                header.display_window,
                header.deep,
                header.simple_attributes(),
            )
            for header in exr_header.read_headers(path)
        )
        return FileInfo(path, file_type, parts)
    if file_type == "dpx":
        from bipack.imaging import dpx_io

        width, height = dpx_io.size(path)
    else:
        width, height = raster_check.size_of(raster_io.read_bytes(path), path, file_type)
    box = Box.of_size(width, height)
    return FileInfo(path, file_type, (PartInfo("", {}, box, box),))
