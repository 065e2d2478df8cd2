"""DPX through OpenImageIO, which is an extra: `pip install "bipack[io]"`.

Codes of 8, 10, 12 and 16 bit are held as uint8 or uint16 (spread over the whole range) and written back at the depth
that they had. A header that says printing density or logarithmic means the Cineon curve; all others are taken as sRGB,
like every integer file.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from bipack import atomic
from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.imaging.frame import Box, Frame, Part, Stored

_LOGARITHMIC = ("Printing density", "Logarithmic")
_DEFAULT_BITS = 10
_NAME_OFFSET, _NAME_BYTES, _TIME_BYTES = 36, 100, 24
"""Where SMPTE 268M has the file's own name, and the time of creation behind it."""

_OF_THE_WRITER = frozenset({"DateTime", "Software", "oiio:subimages"})
"""Attributes that OpenImageIO makes itself; left out so that the same frame gives the same bytes."""


def read(path: str, max_pixels: int) -> Frame:
    """Read a DPX. Raises UsageError without OpenImageIO, MissingInput, CorruptInput."""
    oiio = _library()
    source = _opened(oiio, path)
    try:
        spec = source.spec()
        if spec.width * spec.height > max_pixels:
            raise CorruptInput(
                f"{path} claims {spec.width}x{spec.height} pixels, more than the {max_pixels} allowed. "
                "If that is right, raise BIPACK_MAX_PIXELS; if not, the file is damaged."
            )
        names = ["Y"] if spec.nchannels == 1 else list(spec.channelnames)
        bits = int(spec.getattribute("oiio:BitsPerSample") or spec.format.basesize() * 8)
        kind = oiio.UINT8 if bits <= 8 else oiio.UINT16
        pixels = source.read_image(kind)
        if pixels is None:
            raise CorruptInput(f"{path} is damaged: {source.geterror() or 'no pixels'}. Render or copy it again.")
    finally:
        source.close()
    pixels = pixels.reshape(spec.height, spec.width, -1)
    channels: dict[str, Stored] = {name: np.ascontiguousarray(pixels[..., i]) for i, name in enumerate(names)}
    box = Box.of_size(spec.width, spec.height)
    transfer = "cineon" if spec.getattribute("dpx:Transfer") in _LOGARITHMIC else "srgb"
    return Frame([Part(channels, box, box, _attributes(spec))], transfer, "dpx", bits, path)


def size(path: str) -> tuple[int, int]:
    """(width, height) from the header. Raises as `read`."""
    source = _opened(_library(), path)
    spec = source.spec()
    source.close()
    return spec.width, spec.height


def write(path: str, channels: dict[str, Stored], attributes: dict[str, Any], bits: int) -> None:
    """Write channels (uint8 or uint16, R, G, B(, A) or Y) at `bits` a sample, atomically. Raises DiskError."""
    oiio = _library()
    pixels = np.ascontiguousarray(np.stack(list(channels.values()), axis=-1))
    height, width, count = pixels.shape
    kind = oiio.UINT8 if pixels.dtype == np.uint8 else oiio.UINT16
    spec = oiio.ImageSpec(width, height, count, kind)
    for name, value in attributes.items():
        if isinstance(value, (str, int, float)):
            spec.attribute(name, value)
    spec.attribute("oiio:BitsPerSample", 8 if pixels.dtype == np.uint8 else bits)
    spec.attribute("Software", "Bipack")
    with atomic.replacing(path) as temporary:
        target = oiio.ImageOutput.create(temporary)
        # OpenImageIO says False where others raise, and close() can say True on a full disk.
        done = target.open(temporary, spec) and target.write_image(pixels) and target.close()
        if not done:
            raise OSError(0, target.geterror() or "OpenImageIO could not write it")
        _name_itself(temporary, os.path.basename(path))


def _name_itself(written: str, name: str) -> None:
    """Put `name` into the header, which holds the temporary file's name and the time of writing."""
    field = name.encode("utf-8")[: _NAME_BYTES - 1].ljust(_NAME_BYTES + _TIME_BYTES, b"\0")
    with open(written, "rb+") as stream:
        stream.seek(_NAME_OFFSET)
        stream.write(field)


def default_bits(frame: Frame) -> int:
    """Depth for a frame that is written as DPX: its own where it was one, else 10."""
    return frame.bit_depth if frame.file_type == "dpx" else _DEFAULT_BITS


def _library() -> Any:
    try:
        import OpenImageIO
    except ImportError:
        raise UsageError(
            'DPX needs OpenImageIO, which is not installed. Run `pip install "bipack[io]"`, or convert to EXR.'
        ) from None
    return OpenImageIO


def _opened(oiio: Any, path: str) -> Any:
    if not os.path.isfile(path):
        raise MissingInput(f"{path} does not exist.")
    source = oiio.ImageInput.open(path)
    if source is None or source.format_name() != "dpx":
        raise CorruptInput(f"{path} is damaged or not a DPX: {oiio.geterror() or 'another format'}. Copy it again.")
    return source


def _attributes(spec: Any) -> dict[str, Any]:
    return {item.name: item.value for item in spec.extra_attribs if item.name not in _OF_THE_WRITER}
