"""EXR files through the official OpenEXR binding: every channel in its own type, every attribute, every part.

Read: half, float and uint channels, several parts, subsampled channels, any data window, tiled files (their full-size
level). Refused: deep files. Written: scan lines, ZIP unless told otherwise, because ZIP is the only common compression
whose checksum finds a damaged block. How a file was packed (compression, line order, tiles, mip levels) is not kept;
all other attributes are, with the few exceptions that `exr_attributes` names.

What ZIP cannot tell: a block of pure noise that does not get smaller is stored raw, without a checksum, and no EXR has
one for its header.

Three habits of the binding (3.5.3) are guarded against here: it writes wrong pixels from arrays that are not contiguous
(openexr issue 1929), it leaves a part out that it cannot decode, and it then prints a line to stdout, which is the
worker's protocol.
"""

from __future__ import annotations

import ctypes
import io
import os
import threading
from typing import Any

import numpy as np
import OpenEXR

from bipack import atomic
from bipack.errors import CorruptInput, UsageError
from bipack.imaging import exr_attributes, exr_header
from bipack.imaging.exr_header import PartHeader
from bipack.imaging.exr_stdout import kept_off_stdout
from bipack.imaging.frame import Box, Frame, Part, Stored

COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
"""Those that every reader knows; the newer ones of OpenEXR 3.4 and 3.5 are left out on purpose."""

_DTYPES = {"half": np.dtype(np.float16), "float": np.dtype(np.float32), "uint": np.dtype(np.uint32)}


def read(path: str, max_pixels: int) -> Frame:
    """Read the EXR at `path` with all its parts.

    Raises MissingInput, and CorruptInput for a deep, damaged or unreadable file and for one that claims more than
    `max_pixels` pixels in a part (checked before any pixel is decoded).
    """
    headers = exr_header.read_headers(path)
    for header in headers:
        _check_header(path, header, max_pixels)
    _set_up_library()
    try:
        with kept_off_stdout():
            parts = OpenEXR.File(_readable(path, headers), separate_channels=True).parts
    except Exception as error:  # The binding has no error type of its own.
        raise _damaged(path, str(error)) from error
    if len(parts) != len(headers):
        raise _damaged(path, f"only {len(parts)} of {len(headers)} parts can be decoded")
    depth = 32 if any(channel.type != "half" for header in headers for channel in header.channels) else 16
    read_parts = [_part(path, header, part) for header, part in zip(headers, parts)]
    return Frame(read_parts, transfer="linear", file_type="exr", bit_depth=depth, source=path)


def write(path: str, frame: Frame, compression: str = "zip") -> None:
    """Write `frame` to `path` atomically, each channel in the type that it has.

    The same frame gives the same bytes every time. Raises DiskError; UsageError for an unknown compression and for
    channels or attributes that EXR cannot hold.
    """
    if compression not in COMPRESSIONS:
        raise UsageError(f"Compression {compression!r} is unknown. Use one of: {', '.join(COMPRESSIONS)}.")
    _set_up_library()
    parts = [_binding_part(path, part, compression) for part in frame.parts]
    with atomic.replacing(path) as temporary, open(temporary, "wb") as stream:
        try:
            OpenEXR.File(parts).write(stream)
        except OSError:
            raise
        except Exception as error:
            raise UsageError(f"{path} cannot be written as EXR: {error}.") from error


def _damaged(path: str, what: str) -> CorruptInput:
    return CorruptInput(f"{path} is damaged: {what.rstrip('.')}. Render or copy it again.")


def _check_header(path: str, header: PartHeader, max_pixels: int) -> None:
    if header.deep:
        part = f" (part {header.name!r})" if header.name else ""
        raise CorruptInput(
            f"{path} is a deep EXR{part}; deep images are not supported. Flatten it with DeepToImage first."
        )
    width, height = header.data_window.width, header.data_window.height
    if width * height > max_pixels:
        raise CorruptInput(
            f"{path} claims {width}x{height} pixels, more than the {max_pixels} allowed. "
            "If that is right, raise BIPACK_MAX_PIXELS; if not, the file is damaged."
        )
    if header.least_bytes() > os.path.getsize(path):
        raise _damaged(path, f"it claims {width}x{height} pixels and is only {os.path.getsize(path)} bytes long")


_library_lock = threading.Lock()

ZIP_LEVEL = 1
"""How hard ZIP tries. On a 4K half plate with grain: level 1 takes 433 ms of CPU and 28.4 MB, level 4, which is the
library's own default, 574 ms and 27.8 MB. Both are as good a checksum, and no reader can tell them apart."""


def _set_up_library() -> None:
    """Let the library work on as many threads as it may, at most four (it starts with none), and set ZIP's level."""
    with _library_lock:
        if OpenEXR.global_thread_count() == 0:
            # The binding has no name for it; the library it brings along does (openexr_base.h).
            set_level = getattr(ctypes.CDLL(OpenEXR.__file__), "exr_set_default_zip_compression_level", None)
            if set_level is not None:
                set_level(ZIP_LEVEL)
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            OpenEXR.set_global_thread_count(max(1, min(4, cores)))


def _readable(path: str, headers: list[PartHeader]) -> Any:
    """What to hand to the binding: the path, or the bytes with the attributes mended that it stumbles over."""
    patches = [
        (raw.offset, value)
        for header in headers
        for raw in header.attributes.values()
        if (value := exr_attributes.mended(raw.type, raw.value)) is not None
    ]
    if not patches:
        return path
    with open(path, "rb") as stream:
        data = bytearray(stream.read())
    for offset, value in patches:
        data[offset : offset + len(value)] = value
    return io.BytesIO(bytes(data))


def _part(path: str, header: PartHeader, part: Any) -> Part:
    channels: dict[str, Stored] = {}
    subsampling = {}
    found = part.channels
    window = header.data_window
    for channel in header.channels:
        sampling = (channel.x_sampling, channel.y_sampling)
        shape = (window.height // sampling[1], window.width // sampling[0])
        pixels = found[channel.name].pixels if channel.name in found else None
        if pixels is None or pixels.dtype != _DTYPES[channel.type] or pixels.shape != shape:
            raise _damaged(path, f"channel {channel.name!r} cannot be decoded as {channel.type} {shape[1]}x{shape[0]}")
        channels[channel.name] = pixels
        if sampling != (1, 1):
            subsampling[channel.name] = sampling
    return Part(
        channels=channels,
        data_window=window,
        display_window=header.display_window,
        attributes=exr_attributes.from_binding(header, part.header),
        subsampling=subsampling,
        perceptual=frozenset(name for name in channels if found[name].pLinear),
    )


def _binding_part(path: str, part: Part, compression: str) -> Any:
    header = exr_attributes.to_binding(path, part.attributes)
    header["dataWindow"] = _binding_box(part.data_window)
    header["displayWindow"] = _binding_box(part.display_window)
    header["type"] = OpenEXR.scanlineimage
    header["compression"] = getattr(
        OpenEXR, "NO_COMPRESSION" if compression == "none" else f"{compression.upper()}_COMPRESSION"
    )
    for name, pixels in part.channels.items():
        shape = _stored_shape(part, name)
        if pixels.shape != shape or pixels.dtype not in _DTYPES.values():
            raise UsageError(
                f"{path} cannot be written: channel {name!r} is {pixels.dtype} of {pixels.shape}, "
                f"and EXR needs half, float or uint of {shape}."
            )
    try:
        return OpenEXR.Part(header, _binding_channels(part, spread=False))
    except ValueError:
        if not part.subsampling:
            raise
        return OpenEXR.Part(header, _binding_channels(part, spread=True))


def _stored_shape(part: Part, name: str) -> tuple[int, int]:
    x_sampling, y_sampling = part.subsampling.get(name, (1, 1))
    return part.data_window.height // y_sampling, part.data_window.width // x_sampling


def _binding_channels(part: Part, spread: bool) -> dict[str, Any]:
    """Channels as the binding wants them.

    Binding 3.5.3 reads subsampled channels at their own size and refuses to write them so ("channel shapes differ").
    It takes them from the start of an array of full size: that is what `spread` makes.
    """
    channels = {}
    for name, stored in part.channels.items():
        pixels = np.ascontiguousarray(stored)
        if spread and name in part.subsampling:
            full = np.zeros((part.data_window.height, part.data_window.width), stored.dtype)
            full.reshape(-1)[: stored.size] = pixels.reshape(-1)
            pixels = full
        x_sampling, y_sampling = part.subsampling.get(name, (1, 1))
        channels[name] = OpenEXR.Channel(pixels, x_sampling, y_sampling, name in part.perceptual)
    return channels


def _binding_box(box: Box) -> tuple[Any, Any]:
    return np.array([box.xmin, box.ymin], np.int32), np.array([box.xmax, box.ymax], np.int32)
