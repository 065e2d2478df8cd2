"""EXR files through the official OpenEXR binding: every channel in its own type, every attribute, every part.

Read: half, float and uint channels, several parts, subsampled channels, any data window, tiled files (their full-size
level). Refused: deep files. Written: scan lines, ZIP unless told otherwise, because ZIP is the only common compression
whose checksum finds a damaged block. How a file was packed (compression, line order, tiles, mip levels) is not kept;
all other attributes are. Two things change on the way: text that is not UTF-8 is taken as Latin-1 and written as UTF-8,
and an attribute of a Python type that EXR has no word for is written as text.

Three habits of the binding (3.5.3) are guarded against here: it writes wrong pixels from arrays that are not contiguous
(openexr issue 1929), it leaves a part out that it cannot decode, and it then prints a line to stdout, which is the
worker's protocol.
"""

from __future__ import annotations

import io
import logging
import os
import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import Any, Optional, TextIO

import numpy as np
import OpenEXR

from bipack import atomic
from bipack.errors import CorruptInput, UsageError
from bipack.imaging import exr_header
from bipack.imaging.exr_header import PartHeader
from bipack.imaging.frame import Box, Frame, Part, Stored

log = logging.getLogger(__name__)

COMPRESSIONS = ("none", "rle", "zips", "zip", "piz", "pxr24", "b44", "b44a", "dwaa", "dwab")
"""Those that every reader knows; the newer ones of OpenEXR 3.4 and 3.5 are left out on purpose."""

_DTYPES = {"half": np.dtype(np.float16), "float": np.dtype(np.float32), "uint": np.dtype(np.uint32)}
_PACKING = frozenset({"channels", "chunkCount", "compression", "lineOrder", "tiles", "type"})
"""Attributes that describe the file and not the picture."""


def read(path: str, max_pixels: int) -> Frame:
    """Read the EXR at `path` with all its parts.

    Raises MissingInput, and CorruptInput for a deep, damaged or unreadable file and for one that claims more than
    `max_pixels` pixels in a part (checked before any pixel is decoded).
    """
    headers = exr_header.read_headers(path)
    for header in headers:
        _check_header(path, header, max_pixels)
    _use_cores()
    try:
        with _binding_kept_off_stdout():
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
    _use_cores()
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


_cores_lock = threading.Lock()


def _use_cores() -> None:
    """Let the library decode on as many threads as it may, at most four; it starts with none."""
    with _cores_lock:
        if OpenEXR.global_thread_count() == 0:
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            OpenEXR.set_global_thread_count(max(1, min(4, cores)))


def _readable(path: str, headers: list[PartHeader]) -> Any:
    """What to hand to the binding: the path, or the bytes with the attributes mended that it stumbles over."""
    patches = [
        (raw.offset, mended)
        for header in headers
        for raw in header.attributes.values()
        if (mended := _mended(raw.type, raw.value)) is not None
    ]
    if not patches:
        return path
    with open(path, "rb") as stream:
        data = bytearray(stream.read())
    for offset, value in patches:
        data[offset : offset + len(value)] = value
    return io.BytesIO(bytes(data))


def _mended(kind: str, value: bytes) -> Optional[bytes]:
    """Bytes of the same length that the binding can read, or None where it can read these."""
    if kind == "string" and not _is_utf8(value):
        return _ascii(value)
    if kind == "stringvector" and not all(_is_utf8(item) for item in _strings(value)):
        return b"".join(struct.pack("<i", len(item)) + _ascii(item) for item in _strings(value))
    if kind == "rational" and len(value) == 8 and value[4:] == b"\0\0\0\0":
        return value[:4] + b"\1\0\0\0"
    return None


def _ascii(value: bytes) -> bytes:
    return bytes(byte if byte < 0x80 else ord("?") for byte in value)


def _strings(value: bytes) -> list[bytes]:
    """The items of a string vector, each a length and that many bytes."""
    items = []
    position = 0
    while position + 4 <= len(value):
        (length,) = struct.unpack_from("<i", value, position)
        if length < 0 or position + 4 + length > len(value):
            break
        items.append(value[position + 4 : position + 4 + length])
        position += 4 + length
    return items


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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
        attributes=_attributes(header, part.header),
        subsampling=subsampling,
        perceptual=frozenset(name for name in channels if found[name].pLinear),
    )


def _attributes(header: PartHeader, found: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {}
    for name, value in found.items():
        if name in _PACKING or name in ("dataWindow", "displayWindow"):
            continue
        raw = header.attributes.get(name)
        if raw is not None:
            if raw.type == "string":
                value = exr_header.decode_text(raw.value)
            elif raw.type == "stringvector" and value:
                value = [exr_header.decode_text(item) for item in _strings(raw.value)]
            elif raw.type == "rational" and _mended(raw.type, raw.value) is not None:
                value = OpenEXR.OpaqueAttribute(raw.value, raw.type)
            elif isinstance(value, list) and not value:
                # An empty list has lost its type; the bytes have not.
                value = OpenEXR.OpaqueAttribute(raw.value, raw.type)
            elif raw.type == "rational":
                value = _exact_rational(raw.value, value)
        attributes[name] = value
    return attributes


def _exact_rational(raw: bytes, value: Any) -> Any:
    """The fraction, or the raw attribute where Python would cancel it (48000/2002 is not 24000/1001 to a header)."""
    numerator, denominator = struct.unpack("<iI", raw)
    if isinstance(value, Fraction) and (value.numerator, value.denominator) == (numerator, denominator):
        return value
    return OpenEXR.OpaqueAttribute(raw, "rational")


def _binding_part(path: str, part: Part, compression: str) -> Any:
    header = {
        name: _binding_value(path, name, value) for name, value in part.attributes.items() if name not in _PACKING
    }
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


def _binding_value(path: str, name: str, value: Any) -> Any:
    """`value` in a type that the binding writes; anything else as text, with a line in the log."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, (bool, int)) and -(2**31) <= value < 2**31:
        return int(value)
    if isinstance(value, bytes):
        return OpenEXR.Bytes(value)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return value
    if isinstance(value, list) and value and all(isinstance(item, (int, float)) for item in value):
        return [float(item) for item in value]
    if isinstance(value, np.ndarray) and _is_vector(value):
        return np.ascontiguousarray(value)
    if isinstance(value, (float, tuple, Fraction)) or type(value).__module__.startswith("OpenEXR"):
        return value
    log.warning("%s: attribute %r of type %s is written as text.", path, name, type(value).__name__)
    return str(value)


def _is_vector(value: np.ndarray[Any, Any]) -> bool:
    """True for what EXR calls v2, v3, m33, m44, double and floatvector."""
    if value.dtype == np.int32:
        return value.shape in ((2,), (3,))
    if value.dtype == np.float64:
        return value.shape in ((1,), (2,), (3,), (3, 3), (4, 4))
    return value.dtype == np.float32 and (value.shape in ((3, 3), (4, 4)) or (value.ndim == 1 and value.size > 0))


class _Hushed:
    """Stands in for stdout: lines of threads that are inside the binding go to the log, all others pass."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self.threads: dict[int, int] = {}

    def write(self, text: str) -> int:
        if threading.get_ident() not in self.threads:
            return self._stdout.write(text)
        if text.strip():
            log.debug("OpenEXR: %s", text.strip())
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


_hushed_lock = threading.Lock()


@contextmanager
def _binding_kept_off_stdout() -> Iterator[None]:
    """Send what the binding prints from this thread to the log."""
    thread = threading.get_ident()
    with _hushed_lock:
        if not isinstance(sys.stdout, _Hushed):
            sys.stdout = _Hushed(sys.stdout)
        hushed: Any = sys.stdout
        hushed.threads[thread] = hushed.threads.get(thread, 0) + 1
    try:
        yield
    finally:
        with _hushed_lock:
            del hushed.threads[thread]
            if not hushed.threads and sys.stdout is hushed:
                sys.stdout = hushed._stdout
