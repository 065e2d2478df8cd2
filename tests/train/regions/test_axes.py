from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

import wrinkled
from bipack_train import pairs
from bipack_train.pairs import Pair
from bipack_train.regions import axes
from bipack_train.regions.material import RegionPair


def pair(code: int, detail: float, rng: np.random.Generator) -> RegionPair:
    old, young, matte = wrinkled.crop(1000 + code, side=64)
    after = young + detail * rng.normal(0, 0.01, young.shape)
    files = pairs.PairFiles(1000 + code, "", "")
    planes = (plane.astype(np.float16) for plane in (old, after))
    return RegionPair(Pair(files, *planes, (matte * 255).astype(np.uint8), 0.0, True, 0, ""), code=code)


def test_a_direction_that_foretells_the_texture_becomes_its_slider() -> None:
    rng = np.random.default_rng(4)
    amounts = np.linspace(0.2, 3.0, 10)
    shown = [pair(code, amount, rng) for code, amount in enumerate(amounts)]
    values = np.array([axes.fine_texture(one) for one in shown])
    free = rng.normal(0, 0.05, (10, 3))
    free[:, 1] += 0.3 * (values - values.mean())
    found = axes.find(torch.from_numpy(free), shown, "cheek_l")
    texture = next(axis for axis in found if axis.name == "texture")
    assert texture.explained > 0.7
    assert texture.direction[1] > 2 * np.abs(texture.direction[[0, 2]]).max()
    rows = axes.matrix(found, 4)
    assert torch.equal(rows[len(found) :], torch.zeros(3 - len(found), 3))


def test_codes_that_mean_nothing_make_no_slider() -> None:
    rng = np.random.default_rng(5)
    shown = [pair(code, amount, rng) for code, amount in enumerate(rng.permutation(np.linspace(0.2, 3.0, 10)))]
    assert axes.find(torch.from_numpy(rng.normal(0, 0.3, (10, 3))), shown, "cheek_l") == []
    assert axes.find(torch.zeros(3, 3), shown[:3], "cheek_l") == []


def test_the_spread_of_a_mouth_is_measured_where_the_region_is_a_mouth(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    shown = []
    for code in range(8):
        one = pair(code, 1.0, rng)
        one.pair.matte[:] = 0
        one.pair.matte[28:36, 30 - 3 * code : 34 + 3 * code] = 255
        shown.append(one)
    free = torch.zeros(8, 2)
    free[:, 0] = torch.linspace(-0.5, 0.5, 8)
    assert "smile" in [axis.name for axis in axes.find(free, shown, "mouth")]
    assert "smile" not in [axis.name for axis in axes.find(free, shown, "chin")]
