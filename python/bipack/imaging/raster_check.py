"""What can be known of a PNG, JPEG or TIFF before it is decoded: its size, and whether it is whole.

Decoders fill up what is missing from a file that was cut off, and most do not look at checksums. So sizes are read here
(the pixel cap must hold before memory is asked for), PNG and deflated TIFF are held against their checksums, and JPEG
against its end marker. A JPEG or an LZW TIFF with a wrong bit in its middle cannot be told from a right one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from bipack.errors import CorruptInput

_SIGNATURES = {
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpeg": (b"\xff\xd8\xff",),
    "tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
_TIFF_SIZES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_WIDTH, _HEIGHT, _COMPRESSION, _SAMPLES, _EXTRA_SAMPLES = 256, 257, 259, 277, 338
_STRIPS, _TILES = (273, 279), (324, 325)
_DEFLATE = (8, 32946)
_PIECE = 1 << 20


def size_of(data: bytes, path: str, file_type: str) -> tuple[int, int]:
    """(width, height) from the header. Raises CorruptInput when the bytes are not of `file_type`."""
    if not data.startswith(_SIGNATURES[file_type]):
        raise CorruptInput(f"{path} is no {file_type.upper()} file: it starts with {data[:4]!r}. Check its extension.")
    try:
        return {"png": _png_size, "jpeg": _jpeg_size, "tiff": _tiff_size}[file_type](data)
    except (struct.error, ValueError, StopIteration) as error:
        raise damaged(path, "it ends inside its header") from error


def check_whole(data: bytes, path: str, file_type: str) -> None:
    """Raise CorruptInput when the file is cut off, or damaged in a way that its format can show."""
    try:
        {"png": _check_png, "jpeg": _check_jpeg, "tiff": _check_tiff}[file_type](data, path)
    except (struct.error, ValueError) as error:
        raise damaged(path, "it ends inside its header") from error


def tiff_samples(data: bytes) -> int:
    """Samples of a pixel that a TIFF declares."""
    return _tiff_tags(data).get(_SAMPLES, (1,))[0]


def with_plain_alpha(data: bytes) -> bytes:
    """The TIFF with alpha declared as being of unknown kind.

    Told that alpha is unassociated, libtiff multiplies 8-bit color by it on the way in, and nobody asked it to.
    """
    for tag, values, position in _tiff_entries(data):
        if tag == _EXTRA_SAMPLES and values:
            patched = bytearray(data)
            patched[position : position + 2 * len(values)] = bytes(2 * len(values))
            return bytes(patched)
    return data


def damaged(path: str, what: str) -> CorruptInput:
    """The error for a file that cannot be trusted."""
    return CorruptInput(f"{path} is damaged: {what}. Render or copy it again.")


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
    tags = _tiff_tags(data)
    if not tags.get(_WIDTH) or not tags.get(_HEIGHT):
        raise ValueError("no size")
    return tags[_WIDTH][0], tags[_HEIGHT][0]


def _tiff_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    return {tag: values for tag, values, _ in _tiff_entries(data)}


def _tiff_entries(data: bytes) -> Iterator[tuple[int, tuple[int, ...], int]]:
    """(tag, values, position of the values) of the whole-number tags of the first picture in a TIFF or BigTIFF."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    number, entry_size = ("Q", 20) if big else ("I", 12)
    (start,) = struct.unpack_from(order + number, data, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, start)
    entries = start + (8 if big else 2)
    inline = 8 if big else 4
    for entry in range(entries, entries + min(count, 4096) * entry_size, entry_size):
        tag, kind, items = struct.unpack_from(order + "HH" + number, data, entry)
        code = _TIFF_SIZES.get(kind)
        if code is None or items > len(data):
            continue
        position = entry + entry_size - inline
        if items * struct.calcsize(code) > inline:
            (position,) = struct.unpack_from(order + number, data, position)
        yield tag, struct.unpack_from(f"{order}{items}{code}", data, position), position


def _check_tiff(data: bytes, path: str) -> None:
    """Every strip or tile inside the file, and deflated ones right."""
    tags = _tiff_tags(data)
    places, lengths = _TILES if _TILES[0] in tags else _STRIPS
    deflated = tags.get(_COMPRESSION, (1,))[0] in _DEFLATE
    view = memoryview(data)
    for place, length in zip(tags.get(places, ()), tags.get(lengths, ())):
        if place + length > len(data):
            raise damaged(path, "it is cut off")
        if deflated and not _inflates(view[place : place + length]):
            raise damaged(path, "a part of the picture does not decompress")


def _inflates(data: memoryview) -> bool:
    """True when `data` is one whole zlib stream with the right checksum; looked through in small pieces."""
    stream = zlib.decompressobj()
    rest: bytes | memoryview = data
    try:
        while rest and not stream.eof:
            stream.decompress(rest, _PIECE)
            rest = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof


def _check_jpeg(data: bytes, path: str) -> None:
    if data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda"):
        raise damaged(path, "the end of the picture is missing")


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
            raise damaged(path, f"the checksum of its {kind.decode('latin-1')} chunk is wrong")
        if kind == b"IEND":
            return
        position = end + 4
    raise damaged(path, "it is cut off")
