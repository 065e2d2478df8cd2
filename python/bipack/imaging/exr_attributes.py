"""Attributes of EXR headers, between the file, the OpenEXR binding and Python.

The binding reads nearly every type and writes nearly every type, but not all that it reads. What is mended here: text
that is not UTF-8 (taken as Latin-1, written as UTF-8), fractions that Python would cancel or cannot hold, lists that
lost their type by being empty. What Bipack's own code adds may be any string, number, list or small numpy array;
a value of another type is written as its text. Only a tile description under a name of its own cannot be carried.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Optional

import numpy as np
import OpenEXR

from bipack.imaging.exr_header import PartHeader, decode_text

log = logging.getLogger(__name__)

PACKING = frozenset({"channels", "chunkCount", "compression", "lineOrder", "tiles", "type"})
"""Attributes that describe the file and not the picture; they are not kept."""

_WINDOWS = frozenset({"dataWindow", "displayWindow"})


def mended(kind: str, value: bytes) -> Optional[bytes]:
    """Bytes of the same length that the binding can read in place of `value`, or None where it can read that."""
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


def from_binding(header: PartHeader, found: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a part without those of packing and windows; `found` is what the binding made of them."""
    attributes = {}
    for name, value in found.items():
        if name in PACKING or name in _WINDOWS:
            continue
        raw = header.attributes.get(name)
        if raw is not None:
            if raw.type == "string":
                value = decode_text(raw.value)
            elif raw.type == "stringvector" and value:
                value = [decode_text(item) for item in _strings(raw.value)]
            elif raw.type == "rational" and mended(raw.type, raw.value) is not None:
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


def to_binding(path: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """`attributes` in types that the binding writes to `path`; what has to change its type or be left out is logged."""
    made = {}
    for name, value in attributes.items():
        if name in PACKING or name in _WINDOWS:
            continue
        if isinstance(value, OpenEXR.TileDescription):
            log.warning("%s: attribute %r is a tile description and cannot be carried.", path, name)
            continue
        made[name] = _binding_value(path, name, value)
    return made


def _binding_value(path: str, name: str, value: Any) -> Any:
    """`value` in a type that the binding writes; anything else as text."""
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
