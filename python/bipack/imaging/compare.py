"""What differs between two frames, in words: for identity checks, proofs and tests.

Pixels are compared by their bits, except that any NaN equals any NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bipack.imaging.frame import Frame, Part, Stored


def differences(before: Frame, after: Frame, ignore: str = "bipack/") -> list[str]:
    """Every difference, one line each; empty when the frames are the same.

    Attributes whose names start with `ignore` do not count: they are what Bipack itself adds.
    """
    if len(before.parts) != len(after.parts):
        return [f"{len(before.parts)} parts became {len(after.parts)}"]
    found = []
    for number, (old, new) in enumerate(zip(before.parts, after.parts)):
        found += [f"part {old.name or number}: {line}" for line in _part_differences(old, new, ignore)]
    return found


def same_pixels(before: Stored, after: Stored) -> bool:
    """True when type, size and bits are the same, any NaN being equal to any NaN."""
    if before.dtype != after.dtype or before.shape != after.shape:
        return False
    if before.tobytes() == after.tobytes():
        return True
    if before.dtype.kind != "f":
        return False
    bits = np.dtype(f"u{before.dtype.itemsize}")
    both_nan = np.isnan(before) & np.isnan(after)
    same = np.ascontiguousarray(before).view(bits) == np.ascontiguousarray(after).view(bits)
    return bool((same | both_nan).all())


def same_attribute(before: Any, after: Any) -> bool:
    """True when two header values are the same in type and value; some of the binding's have no equality."""
    if isinstance(before, (np.ndarray, np.generic)) or isinstance(after, (np.ndarray, np.generic)):
        old, new = np.asarray(before), np.asarray(after)
        return old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes()
    if type(before) is not type(after):
        return False
    if isinstance(before, (tuple, list)):
        return len(before) == len(after) and all(map(same_attribute, before, after))
    if isinstance(before, memoryview):
        return bytes(before) == bytes(after)
    if before == after or (before != before and after != after):
        return True
    return "__eq__" not in vars(type(before)) and _same_state(before, after)


def _same_state(before: Any, after: Any) -> bool:
    """Compare two objects without equality (PreviewImage, OpaqueAttribute, Bytes…) by what they hold."""
    fields = [name for name in dir(before) if not name.startswith("_") and not callable(getattr(before, name))]
    return bool(fields) and all(same_attribute(getattr(before, name), getattr(after, name)) for name in fields)


def _part_differences(old: Part, new: Part, ignore: str) -> Iterator[str]:
    for label, before, after in (
        ("data window", old.data_window, new.data_window),
        ("display window", old.display_window, new.display_window),
        ("subsampling", old.subsampling, new.subsampling),
        ("channels", list(old.channels), list(new.channels)),
    ):
        if before != after:
            yield f"{label} {before} became {after}"
    for name in old.channels.keys() & new.channels.keys():
        if not same_pixels(old.channels[name], new.channels[name]):
            yield f"channel {name}: {_pixel_difference(old.channels[name], new.channels[name])}"
    for name in sorted(old.attributes.keys() | new.attributes.keys()):
        if name.startswith(ignore):
            continue
        if name not in new.attributes:
            yield f"attribute {name} is lost"
        elif name not in old.attributes:
            yield f"attribute {name} is new"
        elif not same_attribute(old.attributes[name], new.attributes[name]):
            yield f"attribute {name}: {old.attributes[name]!r} became {new.attributes[name]!r}"


def _pixel_difference(before: Stored, after: Stored) -> str:
    if before.dtype != after.dtype or before.shape != after.shape:
        return f"{before.dtype} {before.shape} became {after.dtype} {after.shape}"
    with np.errstate(invalid="ignore"):
        apart = np.abs(before.astype(np.float64) - after.astype(np.float64))
    changed = np.count_nonzero(~(apart == 0) & ~(np.isnan(before) & np.isnan(after)))
    return f"{changed} samples differ, by up to {np.nanmax(apart, initial=0.0):g}"
