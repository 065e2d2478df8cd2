"""When is a frame on disk the frame that this run would make? When it decodes and carries the same key.

The key hashes what a result depends on: the model, the suite's version, the knobs, the layer and the pixels that went
in. Times and file names are left out on purpose: copies, touches and renames change no pixel. EXR files carry the key
in their header, integer files in a hidden file beside them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from bipack import __version__, atomic
from bipack.errors import BipackError
from bipack.imaging.frame import Frame
from bipack.imaging.image_io import read_frame

ATTRIBUTE = "bipack/key"


def pixel_hash(frame: Frame) -> str:
    """Hash of every channel's name, type, place and values, over all parts of `frame`."""
    digest = hashlib.sha256(frame.transfer.encode())
    for part in frame.parts:
        digest.update(repr((part.data_window, part.display_window)).encode())
        for name in sorted(part.channels):
            pixels = np.ascontiguousarray(part.channels[name])
            digest.update(f"{name} {pixels.dtype.str} {pixels.shape}".encode())
            digest.update(pixels.data)
    return digest.hexdigest()


def frame_key(identity: str, knobs: Mapping[str, Any], layer: str, hashes: Iterable[str]) -> str:
    """Key of one result; `hashes` are those of its inputs in a fixed order."""
    facts = [__version__, identity, sorted((name, repr(value)) for name, value in knobs.items()), layer, list(hashes)]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def is_finished(path: str, key: str) -> bool:
    """True when `path` decodes as a whole frame and was made with `key`."""
    if not os.path.isfile(path):
        return False
    try:
        found = read_frame(path)
    except BipackError:
        return False
    if found.file_type == "exr":
        return str(found.parts[0].attributes.get(ATTRIBUTE, "")) == key
    try:
        with open(_sidecar(path), encoding="ascii") as stream:
            return stream.read().strip() == key
    except (OSError, UnicodeDecodeError):
        return False


def remember(path: str, key: str) -> None:
    """Store `key` for a file whose format has no room for it. Raises DiskError."""
    if not path.lower().endswith(".exr"):
        atomic.write_bytes(_sidecar(path), key.encode("ascii"))


def _sidecar(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.bipack-key")
