"""Rendered pairs kept on disk, so that a run that goes on, or trains its next region, renders nothing twice."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bipack import atomic
from bipack_train.pairs import Pair, PairFiles
from bipack_train.regions.material import RegionPair

_FIELDS = ("before", "after", "matte")


def pairs(
    path: str, digest: str, make: Callable[[], Mapping[str, Sequence[RegionPair]]], region: str
) -> list[RegionPair]:
    """The pairs of `region`: read from below `path` where they were kept under this digest, else made and kept.

    `make` gives the pairs of all regions, which are rendered together. Raises DiskError.
    """
    file = _file(path, digest, region)
    if not os.path.exists(file):
        for name, found in make().items():
            write(_file(path, digest, name), found)
    return read(file)


def _file(path: str, digest: str, region: str) -> str:
    return os.path.join(path, f"{region}.{digest}.npz")


def write(path: str, found: Sequence[RegionPair]) -> None:
    """Write pairs to one file, atomically; a Before that several share is written once. Raises DiskError."""
    named: dict[str, Any] = {
        "facts": np.array([[one.pair.frame, one.code, one.amount] for one in found], np.float64),
        "digests": np.array([one.pair.digest for one in found]),
    }
    for index, one in enumerate(found):
        shared = index > 0 and np.array_equal(one.pair.before, found[index - 1].pair.before)
        for field in _FIELDS[1:2] if shared else _FIELDS:
            named[f"{field}{index}"] = getattr(one.pair, field)
    packed = io.BytesIO()
    np.savez(packed, **named)
    atomic.write_bytes(path, packed.getvalue())


def read(path: str) -> list[RegionPair]:
    """The pairs of one file, as `write` was given them."""
    found: list[RegionPair] = []
    with np.load(path, allow_pickle=False) as stored:
        for index, (frame, code, amount) in enumerate(stored["facts"]):
            if f"before{index}" in stored:
                before, matte = stored[f"before{index}"], stored[f"matte{index}"]
            files, digest = PairFiles(int(frame), "", ""), str(stored["digests"][index])
            pair = Pair(files, before, stored[f"after{index}"], matte, 0.0, True, 0, digest)
            found.append(RegionPair(pair, float(amount), int(code)))
    return found
