from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bipack.errors import MissingInput
from bipack_train.faces import people, pool
from bipack_train.faces.portrait import Rendered


def rendered(side: int = 8) -> Rendered:
    rng = np.random.default_rng(1)
    masks = rng.random((16, side, side)).astype(np.float32)
    return Rendered(
        picture=rng.random((side, side, 3)).astype(np.float32),
        alpha=rng.random((side, side)).astype(np.float32),
        masks=masks / masks.sum(0),
        uv=np.zeros((side, side, 3), np.float32),
        change=np.zeros((side, side), np.float32),
        points=rng.random((5, 2)).astype(np.float32),
        width=5.5,
        center=(4.0, 4.0),
    )


def test_packing_keeps_a_face_to_a_byte() -> None:
    from bipack.imaging import color

    face = rendered()
    packed = pool.packed([face, face])
    assert len(packed) == 2
    back = packed.color[0].astype(np.float32) / 255 * pool.TOP
    assert np.abs(back - color.encode(face.picture)).max() <= pool.TOP / 255 / 2 + 1e-6
    assert np.array_equal(packed.labels[1], face.masks.argmax(0)) and np.allclose(packed.points[0], face.points)


def test_an_interrupted_pool_goes_on_and_a_finished_one_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def shard(studio: object, seed: int, number: int, count: int = pool.SHARD, close: bool = False) -> pool.Faces:
        made.append(number)
        return pool.packed([rendered()] * 2)

    monkeypatch.setattr(pool, "render_shard", shard)
    studio: object = None
    pool.make(studio, str(tmp_path), 1, pool.SHARD, 1.0)  # type: ignore[arg-type]
    pool.make(studio, str(tmp_path), 1, 3 * pool.SHARD, 1.0)  # type: ignore[arg-type]
    assert made == [0, 1, 2] and len(pool.load(str(tmp_path))) == 6
    assert pool.make(studio, str(tmp_path), 1, 9 * pool.SHARD, 0.0) == 3 * pool.SHARD  # type: ignore[arg-type]


def test_an_empty_pool_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="render-only"):
        pool.load(str(tmp_path / "none"))


def test_varied_people_keep_their_face_and_differ_in_brows_and_hair() -> None:
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        who = people.person(rng)
        new = people.varied(rng, who)
        assert np.array_equal(new.identity, who.identity) and new.skin.tone == who.skin.tone
        assert len(new.skin.brow) == 4 and 0.006 <= new.skin.brow[1] <= 0.024
        found.append(new)
    assert 2 < sum(one.hair.style == "bangs" for one in found) < 20
    assert np.std([one.skin.brow[2] for one in found]) > 0.003
    assert np.std([one.skin.lips for one in found], axis=0).min() > 0.1 and {one.lashes for one in found} == {
        True,
        False,
    }
    assert min(one.hair.fineness for one in found) == 1 and 2 < max(one.hair.fineness for one in found) <= 3
