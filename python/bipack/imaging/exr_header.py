"""Headers of EXR files, read without the OpenEXR library.

A damaged or hostile file is met here first: its sizes are checked against the file's length before any pixel memory is
asked for, and what is in it (parts, channels, types, windows) is known for sure, so that a reader which quietly drops a
broken part is found out. It also serves `probe` and resume checks, which need no pixels. The layout is the one of the
OpenEXR file format documentation (openexr.com, "OpenEXR File Layout").
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from bipack.errors import CorruptInput, MissingInput
from bipack.imaging.frame import Box

MAGIC = b"\x76\x2f\x31\x01"
PIXEL_TYPES = ("uint", "half", "float")
_DEEP, _MULTI_PART = 0x800, 0x1000
_MAX_HEADER_BYTES = 256 << 20
_LINES_IN_CHUNK = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256}
"""Scan lines in a chunk, by compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA, DWAB."""


@dataclass(frozen=True)
class RawAttribute:
    """An attribute as it lies in the file."""

    type: str
    value: bytes
    offset: int
    """Position of the value in the file."""


@dataclass(frozen=True)
class HeaderChannel:
    """A channel as the header announces it."""

    name: str
    type: str
    """uint, half or float."""

    x_sampling: int
    y_sampling: int


@dataclass(frozen=True)
class PartHeader:
    """The header of one part."""

    attributes: dict[str, RawAttribute]
    channels: tuple[HeaderChannel, ...]
    data_window: Box
    display_window: Box
    deep: bool

    @property
    def name(self) -> str:
        """Name of the part; empty where there is none."""
        return str(self.simple_attributes().get("name", ""))

    def simple_attributes(self) -> dict[str, Any]:
        """The attributes that are strings, ints or floats, decoded."""
        decoded: dict[str, Any] = {}
        for name, raw in self.attributes.items():
            if raw.type == "string":
                decoded[name] = decode_text(raw.value)
            elif raw.type == "int" and len(raw.value) == 4:
                decoded[name] = struct.unpack("<i", raw.value)[0]
            elif raw.type == "float" and len(raw.value) == 4:
                decoded[name] = struct.unpack("<f", raw.value)[0]
        return decoded

    def least_bytes(self) -> int:
        """Fewest bytes that the pixels of this part can take in a file: for each chunk an offset and a head."""
        compression = self.attributes["compression"].value[:1]
        tiles = self.attributes.get("tiles")
        if tiles is not None and len(tiles.value) == 9:
            width, height = struct.unpack_from("<II", tiles.value)
            chunks = _ceil(self.data_window.width, max(width, 1)) * _ceil(self.data_window.height, max(height, 1))
        else:
            chunks = _ceil(self.data_window.height, _LINES_IN_CHUNK.get(compression[0] if compression else 0, 256))
        return chunks * 16


def decode_text(value: bytes) -> str:
    """Text of a header: UTF-8 as the format demands, else Latin-1 as some cameras write."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def read_headers(path: str) -> list[PartHeader]:
    """All part headers of the EXR at `path`.

    Raises MissingInput when there is no such file, CorruptInput when it is no EXR or its header makes no sense.
    """
    try:
        with open(path, "rb") as stream:
            return _Parser(stream, path).parts()
    except FileNotFoundError:
        raise MissingInput(f"{path} does not exist.") from None
    except IsADirectoryError:
        raise MissingInput(f"{path} is a folder, not a file.") from None
    except OSError as error:
        raise CorruptInput(f"{path} cannot be read ({error.strerror or error}).") from error


def _ceil(value: int, step: int) -> int:
    return -(-value // step)


class _Parser:
    """Reads header bytes on demand, never past the end of the file."""

    def __init__(self, stream: Any, path: str) -> None:
        self._stream = stream
        self._path = path
        self._data = b""
        self._position = 0

    def parts(self) -> list[PartHeader]:
        if self._take(4) != MAGIC:
            raise self._corrupt("it does not start as an EXR does")
        (version,) = struct.unpack("<I", self._take(4))
        if version & 0xFF != 2:
            raise self._corrupt(f"it says EXR version {version & 0xFF}, and only 2 exists")
        parts = []
        while True:
            attributes = self._attributes()
            if not attributes:
                break
            parts.append(self._part(attributes, bool(version & _DEEP)))
            if not version & _MULTI_PART:
                break
        if not parts:
            raise self._corrupt("it has no parts")
        return parts

    def _corrupt(self, what: str) -> CorruptInput:
        return CorruptInput(f"{self._path} is damaged or not an EXR: {what}. Render or copy it again.")

    def _take(self, count: int) -> bytes:
        end = self._position + count
        if end > _MAX_HEADER_BYTES:
            raise self._corrupt("its header is far too long")
        if end > len(self._data):
            self._data += self._stream.read(max(1 << 16, end - len(self._data)))
            if end > len(self._data):
                raise self._corrupt("it ends inside its header" if self._data else "the file is empty")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def _text(self) -> str:
        """A zero-terminated name; at most 255 bytes."""
        name = bytearray()
        while True:
            byte = self._take(1)
            if byte == b"\0":
                return decode_text(bytes(name))
            name += byte
            if len(name) > 255:
                raise self._corrupt("a name in its header is too long")

    def _attributes(self) -> dict[str, RawAttribute]:
        attributes = {}
        while name := self._text():
            kind = self._text()
            (size,) = struct.unpack("<i", self._take(4))
            if size < 0:
                raise self._corrupt(f"attribute {name!r} has a negative size")
            offset = self._position
            attributes[name] = RawAttribute(kind, self._take(size), offset)
        return attributes

    def _part(self, attributes: dict[str, RawAttribute], deep_file: bool) -> PartHeader:
        for needed in ("channels", "compression", "dataWindow", "displayWindow"):
            if needed not in attributes:
                raise self._corrupt(f"its header lacks {needed!r}")
        storage = attributes.get("type")
        deep = storage.value.startswith(b"deep") if storage else deep_file
        data_window = self._box(attributes, "dataWindow")
        if data_window.width < 1 or data_window.height < 1:
            raise self._corrupt("its data window is empty")
        channels = tuple(self._channels(attributes["channels"].value))
        if not channels:
            raise self._corrupt("it has no channels")
        return PartHeader(attributes, channels, data_window, self._box(attributes, "displayWindow"), deep)

    def _box(self, attributes: dict[str, RawAttribute], name: str) -> Box:
        value = attributes[name].value
        if attributes[name].type != "box2i" or len(value) != 16:
            raise self._corrupt(f"its {name!r} is no box")
        return Box(*struct.unpack("<4i", value))

    def _channels(self, value: bytes) -> list[HeaderChannel]:
        channels = []
        position = 0
        while value[position : position + 1] not in (b"\0", b""):
            end = value.find(b"\0", position)
            if end < 0 or end + 17 > len(value):
                raise self._corrupt("its channel list is cut off")
            kind, x_sampling, y_sampling = struct.unpack_from("<i4xii", value, end + 1)
            name = decode_text(value[position:end])
            if kind not in range(3) or x_sampling < 1 or y_sampling < 1:
                raise self._corrupt(f"channel {name!r} has type {kind} and sampling {x_sampling}x{y_sampling}")
            channels.append(HeaderChannel(name, PIXEL_TYPES[kind], x_sampling, y_sampling))
            position = end + 17
        return channels
