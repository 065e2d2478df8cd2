"""PNG, JPEG and TIFF through OpenCV: 8 and 16 bit, alpha, grey, and 32-bit float TIFF.

Files are read whole and decoded from memory, so that any path works on any system, and checked before that: sizes from
the header against the pixel cap, PNG by its checksums, JPEG by its end marker, since the decoders fill up a file that
was cut off rather than report it. OpenCV thinks in B, G, R; nobody outside this module has to.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np

from bipack import atomic
from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.imaging.frame import Box, Frame, Part, Stored

EXTENSIONS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff"}
JPEG_QUALITY = 95
_CHANNELS = {1: ("Y",), 2: ("Y", "A"), 3: ("B", "G", "R"), 4: ("B", "G", "R", "A")}
_SIGNATURES = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}


def read(path: str, file_type: str, max_pixels: int) -> Frame:
    """Read a PNG, JPEG or TIFF as a frame of one part with channels R, G, B(, A) or Y(, A).

    Raises MissingInput, and CorruptInput for a damaged file, an unknown sample type or more than `max_pixels` pixels.
    """
    data = read_bytes(path)
    width, height = size_of(data, path, file_type)
    if width * height > max_pixels:
        raise CorruptInput(
            f"{path} claims {width}x{height} pixels, more than the {max_pixels} allowed. "
            "If that is right, raise BIPACK_MAX_PIXELS; if not, the file is damaged."
        )
    if file_type == "png":
        _check_png(data, path)
    elif file_type == "jpeg" and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise _damaged(path, "the end of the picture is missing")
    pixels = _decoded(data, path)
    names = _CHANNELS.get(1 if pixels.ndim == 2 else pixels.shape[2])
    if names is None or pixels.dtype not in (np.uint8, np.uint16, np.float32, np.float64):
        raise CorruptInput(
            f"{path} holds {pixels.dtype} samples in {pixels.shape[2:] or 1} channels, which is not supported. "
            "Convert it to 8 or 16 bit or to EXR."
        )
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    planes = cv2.split(pixels)
    channels: dict[str, Stored] = {str(name): plane for name, plane in zip(names, planes)}
    ordered: dict[str, Stored] = {name: channels[name] for name in ("R", "G", "B", "Y", "A") if name in channels}
    box = Box.of_size(pixels.shape[1], pixels.shape[0])
    transfer = "linear" if pixels.dtype == np.float32 else "srgb"
    return Frame([Part(ordered, box, box)], transfer, file_type, pixels.dtype.itemsize * 8, path)


def write(path: str, channels: dict[str, Stored], file_type: str) -> None:
    """Write channels R, G, B(, A) or Y(, A) of one type to `path` atomically. JPEG keeps no alpha. Raises DiskError."""
    names: tuple[str, ...] = ("B", "G", "R") if "R" in channels else ("Y",)
    if "A" in channels and file_type != "jpeg":
        # No writer knows grey with alpha: grey becomes equal B, G, R.
        names = ("B", "G", "R", "A") if "R" in channels else ("Y", "Y", "Y", "A")
    pixels = cv2.merge([np.ascontiguousarray(channels[name]) for name in names])
    extension = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif"}[file_type]
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if file_type == "jpeg" else []
    done, data = cv2.imencode(extension, pixels, options)
    if not done:
        raise UsageError(f"{path} cannot be written as {file_type}: {pixels.dtype} of {pixels.shape} does not fit.")
    atomic.write_bytes(path, data.tobytes())


def read_bytes(path: str) -> bytes:
    """The whole file. Raises MissingInput, and CorruptInput when it cannot be read or is empty."""
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        raise MissingInput(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise MissingInput(f"{path} is a folder, not a file.") from None
    except OSError as error:
        raise CorruptInput(f"{path} cannot be read ({error.strerror or error}).") from error
    if not data:
        raise _damaged(path, "the file is empty")
    return data


def size_of(data: bytes, path: str, file_type: str) -> tuple[int, int]:
    """(width, height) from the header. Raises CorruptInput when the bytes are not of `file_type`."""
    if not data.startswith(_SIGNATURES[file_type]):
        raise CorruptInput(f"{path} is no {file_type.upper()} file: it starts with {data[:4]!r}. Check its extension.")
    try:
        return {"png": _png_size, "jpeg": _jpeg_size, "tiff": _tiff_size}[file_type](data)
    except (struct.error, ValueError, StopIteration) as error:
        raise _damaged(path, "it ends inside its header") from error


def _damaged(path: str, what: str) -> CorruptInput:
    return CorruptInput(f"{path} is damaged: {what}. Render or copy it again.")


def _decoded(data: bytes, path: str) -> Any:
    flags = cv2.IMREAD_UNCHANGED
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise _damaged(path, str(error)) from error
    if pixels is None or pixels.size == 0:
        raise _damaged(path, "it cannot be decoded")
    return pixels


def _png_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    for marker, offset in _jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, offset + 3)
            return width, height
    raise ValueError("no frame header")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """(marker, offset of its length field) of each segment up to the picture data."""
    position = 2
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            return
        marker = data[position + 1]
        if marker == 0xFF or 0xD0 <= marker <= 0xD8 or marker == 0x01:
            position += 1 if marker == 0xFF else 2
            continue
        yield marker, position + 2
        if marker in (0xDA, 0xD9):
            return
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]


def _tiff_size(data: bytes) -> tuple[int, int]:
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    if big:
        (start,) = struct.unpack_from(order + "Q", data, 8)
        (count,) = struct.unpack_from(order + "Q", data, start)
        entries, length, value_at = start + 8, 20, 12
    else:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        entries, length, value_at = start + 2, 12, 8
    sizes = {}
    for entry in range(entries, entries + min(count, 4096) * length, length):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257):
            code = {3: "H", 4: "I", 16: "Q"}.get(kind)
            if code is None:
                raise ValueError("size of unknown type")
            (sizes[tag],) = struct.unpack_from(order + code, data, entry + value_at)
    if len(sizes) != 2:
        raise ValueError("no size")
    return sizes[256], sizes[257]


def _check_png(data: bytes, path: str) -> None:
    """Every chunk whole and its checksum right, up to the end chunk."""
    view = memoryview(data)
    position = 8
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            break
        kind = data[position + 4 : position + 8]
        if zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise _damaged(path, f"the checksum of its {kind.decode('latin-1')} chunk is wrong")
        if kind == b"IEND":
            return
        position = end + 4
    raise _damaged(path, "it is cut off")


def header_bytes(path: str, limit: int = 1 << 20) -> bytes:
    """The start of a file, enough for the headers of most files; the rest is read where it is not."""
    if os.path.getsize(path) <= limit:
        return read_bytes(path)
    with open(path, "rb") as stream:
        return stream.read(limit)
