from __future__ import annotations

from pathlib import Path

import numpy as np

from bipack_train.pairs import Pair, PairFiles
from bipack_train.regions import kept
from bipack_train.regions.material import RegionPair


def pair(number: int, amount: float, seed: int) -> RegionPair:
    before, after = (
        np.random.default_rng([number, part]).normal(0, 9, (6, 8, 3)).astype(np.float16) for part in (0, seed)
    )
    matte = np.full((6, 8), number, np.uint8)
    return RegionPair(
        Pair(PairFiles(number, "", ""), before, after, matte, 0.0, True, 0, f"{number}/{seed}"), amount, 4
    )


def test_pairs_come_back_as_they_were_and_are_made_once(tmp_path: Path) -> None:
    given = {"brow": [pair(1, 0.5, 1), pair(1, 1.0, 2), pair(2, 1.0, 1)], "lip": [pair(3, 1.0, 1)]}
    calls = []

    def make() -> dict[str, list[RegionPair]]:
        calls.append(1)
        return given

    for region in ("brow", "lip"):
        for wanted, found in zip(given[region], kept.pairs(str(tmp_path), "look", make, region), strict=True):
            assert (found.amount, found.code, found.pair.frame, found.pair.digest) == (
                wanted.amount,
                wanted.code,
                wanted.pair.frame,
                wanted.pair.digest,
            )
            for name in ("before", "after", "matte"):
                assert np.array_equal(getattr(found.pair, name), getattr(wanted.pair, name))
    assert len(calls) == 1
    kept.pairs(str(tmp_path), "another look", make, "lip")
    assert len(calls) == 2
