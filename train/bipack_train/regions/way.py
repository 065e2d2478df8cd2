"""Learning when each part of a change comes (models.way), from people who are rendered at ages in between.

It is learned once, over all regions together, from changes that are known exactly; region nets then carry it along.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bipack.errors import UsageError
from bipack_train import augment, muon
from bipack_train.augment import Augment
from bipack_train.dataset import tensor
from bipack_train.ema import Ema
from bipack_train.models.way import Way, share
from bipack_train.pairs import Pair
from bipack_train.regions.material import RegionPair
from bipack_train.regions.recipe import WayRecipe

log = logging.getLogger(__name__)

LEAK = 0.1
"""Slope of a change outside of its span while it is learned: else a wrong span could not be found out."""

LATE = 0.7
"""Amount from which on nearly all is gone; such views say little and are drawn less often."""


@dataclass(frozen=True, eq=False)
class Stop:
    """One face before, half-way and after."""

    pair: Pair
    """Before and After of the whole change; `around` holds the one picture in between."""

    amount: float


def stops_of(found: Sequence[RegionPair]) -> list[Stop]:
    """All pictures in between, each with both ends of its own view."""
    whole = {one.pair.frame: one.pair for one in found if one.amount == 1.0}
    return [
        Stop(dataclasses.replace(whole[one.pair.frame], around=(one.pair.after,)), one.amount)
        for one in found
        if 0 < one.amount < 1 and one.pair.frame in whole
    ]


def learn(found: Mapping[str, Sequence[RegionPair]], how: WayRecipe, seed: int) -> Way:
    """The way of all regions in `found`, with the moving average of its weights, on the CPU.

    Raises UsageError where no pair lies in between.
    """
    stops = [stop for pairs in found.values() for stop in stops_of(pairs)]
    if not stops:
        raise UsageError("No rendered pair lies between the ends; rendered.amounts needs stops below 1.")
    places = [np.argwhere(stop.pair.matte > 127) for stop in stops]
    torch.manual_seed(seed)
    net = Way()
    average, optimizer = Ema(net, 0.98), muon.of_net(net, Way.ENDS, how.learning_rate, 1e-4)
    total = 0.0
    for step in range(how.steps):
        for group in optimizer.param_groups:
            group["lr"] = how.learning_rate * _rate(step, how.steps)
        before, between, after, matte, amount = _batch(stops, places, how, seed, step)
        loss = error(net, before, between, after, matte, amount, LEAK)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        average.update(net)
        total += float(loss.detach())
        if (step + 1) % 100 == 0:
            log.info("way: step %d  error %.1f %% of the change", step + 1, total)
            total = 0.0
    learned = Way()
    average.copy_to(learned)
    return learned.eval()


def error(
    net: Way, plate: Tensor, between: Tensor, after: Tensor, matte: Tensor, amount: Tensor, leak: float = 0.0
) -> Tensor:
    """Error of what the way makes of the change from `plate` to `after` at `amount`, as a part of the change."""
    change = after - plate
    begin, end = net(plate, matte, change)
    made = share(begin, end, amount, leak) * change
    return ((made - (between - plate)).abs() * matte).sum() / ((change.abs() * matte).sum() + 1.0)


def _rate(step: int, steps: int) -> float:
    """Part of the learning rate: up at once, then down along a cosine."""
    late = max(0.0, (step / steps - 0.3) / 0.7)
    return min(1.0, (step + 1) / 30) * 0.5 * (1.0 + math.cos(math.pi * late))


def _batch(stops: Sequence[Stop], places: Sequence[np.ndarray], how: WayRecipe, seed: int, step: int) -> list[Tensor]:
    """Before, between, after (N, 3, side, side), matte (N, 1, side, side) and amount (N,) of one step."""
    light, crops, amounts = Augment(transplant=0.0, bend=1.0), [], []
    for index in range(how.batch):
        rng = np.random.default_rng([seed, step, index])
        number = int(rng.integers(len(stops)))
        if stops[number].amount > LATE and rng.random() < 0.7:
            number = int(rng.integers(len(stops)))
        y, x = places[number][int(rng.integers(len(places[number])))] + rng.integers(-how.side // 3, how.side // 3, 2)
        crop = augment.cut(stops[number].pair, int(x), int(y), how.side, rng, light)
        crops.append(augment.relight(crop, rng, light) if rng.random() < light.light else crop)
        amounts.append(stops[number].amount)
    pictures = tensor([crop.before for crop in crops])
    ends = tensor([crop.after for crop in crops]), tensor([crop.matte[..., None] for crop in crops])
    return [pictures[:, :3], pictures[:, 3:], *ends, torch.tensor(amounts, dtype=torch.float32)]
