from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_paintfix  # makes the size "tiny" known
from bipack.errors import UsageError
from bipack_train.models.region import Region, RegionNet, applied
from bipack_train.models.way import Way, share
from bipack_train.paintfix import Schedule
from bipack_train.pairs import Pair, PairFiles
from bipack_train.regions import init, loop, publish, recipe, way
from bipack_train.regions.material import RegionPair

SIDE = 64


def views(numbers: range) -> list[RegionPair]:
    """Faint spots that are gone at a third of the way, and deep ones that go in proportion: half-way and after."""
    found = []
    for number in numbers:
        rng = np.random.default_rng([3, number])
        young = np.full((SIDE, SIDE, 3), rng.uniform(0.4, 0.6), np.float32) + rng.normal(0, 0.002, (SIDE, SIDE, 3))
        faint, deep = np.zeros((SIDE, SIDE, 1), np.float32), np.zeros((SIDE, SIDE, 1), np.float32)
        for y, x in rng.integers(4, SIDE - 12, (14, 2)):
            (faint if rng.random() < 0.5 else deep)[y : y + 6, x : x + 6] = 1.0
        faint *= 1.0 - deep
        pictures = [young - 0.02 * left * faint - 0.1 * kept * deep for left, kept in ((1, 1), (0, 0.5), (0, 0))]
        before, between, after = (picture.astype(np.float16) for picture in pictures)
        matte = np.full((SIDE, SIDE), 255, np.uint8)
        for picture, amount in ((between, 0.5), (after, 1.0)):
            pair = Pair(PairFiles(number, "", ""), before, picture, matte, 0.0, True, 0, f"{number}/{amount}")
            found.append(RegionPair(pair, amount, number))
    return found


def test_a_change_begins_ends_and_never_goes_back() -> None:
    begin, end = torch.rand(1, 1, 32, 32) * 0.5, torch.rand(1, 1, 32, 32) * 0.5 + 0.5
    at = [share(begin, end, torch.tensor([tenths / 10])) for tenths in range(16)]
    assert torch.equal(at[0], torch.zeros_like(begin)) and torch.equal(at[10], torch.ones_like(begin))
    assert all(bool((late >= early).all()) for early, late in itertools.pairwise(at))
    assert float(at[-1].min()) == pytest.approx(1.5)


def test_what_goes_first_is_told_from_the_change_itself() -> None:
    found = {"cheek": views(range(12))}
    learned = way.learn(found, recipe.WayRecipe(steps=80, side=32, batch=4), 1)
    held = way.stops_of(views(range(50, 54)))
    pictures = [
        torch.from_numpy(np.stack([part.astype(np.float32) for part in parts])).permute(0, 3, 1, 2)
        for parts in zip(*((one.pair.before, one.pair.around[0], one.pair.after) for one in held), strict=True)
    ]
    matte, amount = torch.ones(len(held), 1, SIDE, SIDE), torch.full((len(held),), 0.5)
    before, between, after = pictures
    with torch.no_grad():
        missed = float(way.error(learned, *pictures, matte, amount))
    dissolved = float((0.5 * (after - before) - (between - before)).abs().sum() / (after - before).abs().sum())
    assert missed < 0.5 * dissolved
    with pytest.raises(UsageError, match="between"):
        way.learn({"cheek": [one for one in found["cheek"] if one.amount == 1.0]}, recipe.WayRecipe(steps=1), 1)


def test_a_net_carries_its_way_through_training_and_publishing(tmp_path: Path) -> None:
    settings = recipe.RegionsRecipe(name="tiny", regions=("cheek",), size="tiny", noise=False)
    sampling = dataclasses.replace(settings.sampling, side=32, batch=2)
    schedule = Schedule(steps=6, minutes=0.0, warm_up=2)
    settings = dataclasses.replace(settings, sampling=sampling, schedule=schedule)
    torch.manual_seed(2)
    start = RegionNet("tiny", 4, way=True)
    for parameter in start.parameters():
        # Equal weights become one in a graph.
        parameter.data += 0.01 * torch.randn_like(parameter)
    weights = {name: value.clone() for name, value in start.state_dict().items()}
    run = loop.train(settings, "cheek", views(range(4)), str(tmp_path / "run"), weights=weights, device="cpu")
    assert run.settings.between > 0 and len(run.model.free) == 4
    card = publish.publish(run, views(range(4)), str(tmp_path / "tiny_cheek"), "tiny_cheek")
    assert "what came last goes first" in card.knobs[0].tooltip
    for source in (tmp_path / "run", tmp_path / "tiny_cheek"):
        stored, _ = init.load(str(source), "tiny", 4)
        for name in weights:
            if name.startswith("way."):
                assert torch.equal(stored[name], weights[name]), name
        assert not torch.equal(stored["stem.weight"], weights["stem.weight"])
    again = loop.train(settings, "cheek", views(range(4)), str(tmp_path / "run"), resume=True, device="cpu")
    assert again.model.net.way is not None


def test_with_a_way_age_0_is_the_plate_and_1_the_whole_change() -> None:
    torch.manual_seed(1)
    net = RegionNet("tiny", 3, way=True).eval()
    torch.nn.init.normal_(net.way.last.weight, 0.0, 0.2)  # type: ignore[union-attr]
    plate, mask, free = torch.rand(1, 3, 32, 32), torch.rand(1, 1, 32, 32), torch.zeros(1, 2)
    module = Region(net).eval()
    with torch.no_grad():
        at = [module(plate, mask, torch.tensor([[amount, 0.0, 0.0]])) for amount in (0.0, 0.3, 0.7, 1.0)]
        change = net(plate, mask, torch.tensor([[1.0, 0.0, 0.0]]))
        whole = applied(plate, change, mask, torch.ones(1))
        assert torch.equal(net.result(plate, mask, torch.ones(1), free), at[-1])
    assert torch.equal(at[0], plate) and torch.allclose(at[-1], whole)
    moved = [(one - plate).abs() for one in at]
    assert all(bool((late >= early - 1e-6).all()) for early, late in itertools.pairwise(moved))
    assert not torch.allclose(at[1], plate + 0.3 * (whole - plate), atol=1e-4)
    assert isinstance(net.way, Way) and tiny_paintfix.SIZES["tiny"]
