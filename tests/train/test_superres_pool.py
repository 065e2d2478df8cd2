from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack_train import degrade, pictures
from bipack_train.pool import CropPool


def pool(shares: dict[str, float] | None = None) -> CropPool:
    made = CropPool(2, 16)
    made.add("photos", pictures.draw(1, 0, 64).pixels)
    made.add("lamps", pictures.draw(1, 4, 64).pixels, "light", hdr=True)
    made.finish(shares or {"photos": 0.5, "lamps": 0.5})
    return made


def test_small_and_sharp_crops_show_the_same_place() -> None:
    made = pool({"photos": 1.0, "lamps": 0.0})
    low, high = made.sample(np.random.default_rng(0), 12)
    assert low.shape == (12, 16, 16, 3)
    assert high.shape == (12, 32, 32, 3)
    for small, sharp in zip(low, high, strict=True):
        expected = degrade.shrink_coded(sharp, 2)
        inner = slice(4, -4)  # the picture goes on beyond a crop's border
        assert np.abs(small[inner, inner] - expected[inner, inner]).max() < 0.012  # 8 bits on both sides


def test_crops_depend_on_the_generator_alone() -> None:
    first = pool().sample(np.random.default_rng(7), 4)
    again = pool().sample(np.random.default_rng(7), 4)
    other = pool().sample(np.random.default_rng(8), 4)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_crops_below_0_are_darker_and_otherwise_the_same() -> None:
    made = pool({"photos": 1.0})
    plain, dark = made.sample(np.random.default_rng(0), 1), pool({"photos": 1.0})
    dark.below = 1.0
    low, high = dark.sample(np.random.default_rng(0), 1)
    step = float((plain[1] - high).mean())
    assert 0.01 < step < 1
    for usual, darker in zip(plain, (low, high), strict=True):
        assert np.allclose(usual - darker, step, atol=1e-5)
    assert min(dark.sample(np.random.default_rng(1), 8)[0].min(axis=(1, 2, 3))) < -0.1


def test_groups_are_drawn_by_their_shares() -> None:
    _, high = pool({"photos": 0.0, "lamps": 1.0}).sample(np.random.default_rng(0), 32)
    assert high.max() > 1.5
    _, high = pool({"photos": 1.0, "lamps": 0.0}).sample(np.random.default_rng(0), 32)
    assert high.max() < 1.3


def test_a_group_that_the_shares_do_not_name_is_never_drawn() -> None:
    _, high = pool({"photos": 1.0}).sample(np.random.default_rng(0), 32)
    assert high.max() < 1.3
    with pytest.raises(UsageError, match="no group"):
        pool({"photos": 0.0})


def test_detail_is_seen_more_often_than_flat_ground() -> None:
    flat = np.full((64, 128, 3), 0.5, np.float32)
    flat[:, :64] = np.random.default_rng(0).random((64, 64, 3))
    made = CropPool(2, 16)
    made.add("photos", flat)
    made.finish({"photos": 1.0})
    _, high = made.sample(np.random.default_rng(0), 200)
    busy = sum(crop.std() > 0.1 for crop in high)
    assert busy > 140


def test_a_picture_smaller_than_a_crop_is_left_out() -> None:
    made = CropPool(2, 16)
    assert not made.add("photos", np.zeros((30, 200, 3), np.float32))
    assert len(made) == 0


def test_an_empty_group_is_refused() -> None:
    made = CropPool(2, 16)
    made.add("photos", pictures.draw(1, 0, 64).pixels)
    with pytest.raises(UsageError, match="panoramas"):
        made.finish({"photos": 0.5, "panoramas": 0.5})
