"""PNG, JPEG and TIFF through OpenCV: 8 and 16 bit, alpha, grey, and 32-bit float TIFF.

Files are read whole and decoded from memory, so that any path works on any system, and checked before that: sizes from
the header against the pixel cap, and all that the format can tell of damage. OpenCV thinks in B, G, R; nobody outside
this module has to.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from bipack import atomic
from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.imaging import raster_check
from bipack.imaging.frame import Box, Frame, Part, Stored

EXTENSIONS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".tif": "tiff", ".tiff": "tiff"}
_OPTIONS = {
    "png": [],
    # Full color resolution: the usual 4:2:0 halves it.
    "jpeg": [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444],
    # Deflate, the only TIFF compression with a checksum.
    "tiff": [cv2.IMWRITE_TIFF_COMPRESSION, 8],
}
_CHANNELS = {1: ("Y",), 2: ("Y", "A"), 3: ("B", "G", "R"), 4: ("B", "G", "R", "A")}


def read(path: str, file_type: str, max_pixels: int) -> Frame:
    """Read a PNG, JPEG or TIFF as a frame of one part with channels R, G, B(, A) or Y(, A).

    Raises MissingInput, and CorruptInput for a damaged file, an unknown sample type or more than `max_pixels` pixels.
    """
    data = read_bytes(path)
    width, height = raster_check.size_of(data, path, file_type)
    if width * height > max_pixels:
        raise CorruptInput(
            f"{path} claims {width}x{height} pixels, more than the {max_pixels} allowed. "
            "If that is right, raise BIPACK_MAX_PIXELS; if not, the file is damaged."
        )
    raster_check.check_whole(data, path, file_type)
    if file_type == "tiff":
        data = raster_check.with_plain_alpha(data)
    pixels = _decoded(data, path)
    if file_type == "tiff" and raster_check.tiff_samples(data) > pixels.size // (pixels.shape[0] * pixels.shape[1]):
        raise CorruptInput(
            f"{path} holds {raster_check.tiff_samples(data)} samples a pixel, which cannot all be read. "
            "Convert it to RGB, RGBA or EXR."
        )
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
    done, data = cv2.imencode(extension, pixels, _OPTIONS[file_type])
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
        raise raster_check.damaged(path, "the file is empty")
    return data


def _decoded(data: bytes, path: str) -> Any:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise raster_check.damaged(path, str(error)) from error
    if pixels is None or pixels.size == 0:
        raise raster_check.damaged(path, "it cannot be decoded")
    return pixels
