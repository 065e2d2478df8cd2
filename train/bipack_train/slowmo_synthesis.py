"""How the synthesis network learns: from single pixels of many moments, each with its candidates and its truth.

The network has no window of its own, so a pixel is all that it needs at a time: what it reads is prepared once for some
hundred pixels of each moment (more where the candidates differ), and the fit takes a minute. The candidates come from
the flow that the flow network finds, are moved and mixed as the host does it, as light, and compared with the truth
in the encoding of the worker. Each moment counts by the error that the first guess leaves in it, since what is judged
is a mean of PSNRs.
"""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bipack.errors import BipackError
from bipack.imaging import bending, color, lookup
from bipack.imaging.candidates import candidates
from bipack.imaging.classical_flow import places
from bipack_train.models import slowmo as model
from bipack_train.slowmo_pool import REAL, RENDERED, MomentPool, Sample, moment_of
from bipack_train.slowmo_recipe import Fit

log = logging.getLogger(__name__)

Array = NDArray[np.float32]

_MARGIN = 16
"""Pixels at the border of a moment that are not learned from: a crop hides where they come from."""

_FLOOR = 2e-4
"""Squared error of a moment below which it counts for no more: 37 dB."""

_UNIFORM = 0.4
_NOISE = 0.05
"""Standard deviations of noise on what is read, so that nothing is learned by heart."""

_AVERAGE = 0.01
_WARM_UP = 50


@dataclass(frozen=True)
class Pixels:
    """What is learned from, one row for each pixel."""

    features: Tensor
    """(n, FEATURES)."""

    guess: Tensor
    """(n, CANDIDATES): logarithms of the first weights."""

    light: Tensor
    """(n, CANDIDATES, 3): the candidates, scene-linear."""

    truth: Tensor
    """(n, 3), encoded."""

    weight: Tensor
    """(n,): how much each counts; 1 on average."""


def gather(flow_net: nn.Module, pool: MomentPool, fit: Fit, real_share: float, seed: int) -> Pixels:
    """Pixels of at most `fit.moments` moments of the pool. Both groups count by `real_share` where both are there."""
    rng = np.random.default_rng([seed, 3])
    groups = [(name, pool.samples(name)) for name in (REAL, RENDERED) if pool.count(name)]
    total = sum(len(samples) for _, samples in groups)
    begun, parts = time.monotonic(), []
    for name, samples in groups:
        share = 1.0 if len(groups) == 1 else real_share if name == REAL else 1 - real_share
        count = min(len(samples), max(1, round(fit.moments * len(samples) / total)))
        chosen = rng.permutation(len(samples))[:count]
        rows = [_pixels_of(flow_net, samples[int(index)], fit, rng) for index in chosen]
        weights = np.concatenate([row[4] for row in rows])
        weights *= np.float32(share / weights.sum())
        parts.append([*(np.concatenate([row[part] for row in rows]) for part in range(4)), weights])
    read = sum(len(part[4]) for part in parts) // fit.pixels
    log.info("read %d pixels of each of %d moments in %.0f s", fit.pixels, read, time.monotonic() - begun)
    joined = [torch.from_numpy(np.concatenate([part[index] for part in parts])) for index in range(5)]
    return Pixels(joined[0], joined[1], joined[2], joined[3], joined[4] / joined[4].mean())


@torch.no_grad()
def _pixels_of(flow_net: nn.Module, sample: Sample, fit: Fit, rng: np.random.Generator) -> tuple[Array, ...]:
    """Features, first guess, candidates, truth and weight of random pixels of one moment."""
    count, (darkest, brightest) = fit.pixels, fit.gain
    gain = darkest if darkest == brightest else math.exp(rng.uniform(math.log(darkest), math.log(brightest)))
    found = _found(flow_net, sample, rng, gain)
    error = found.error(torch.softmax(model.enlarge(found.guess), dim=1))
    row, column, chance = _places(found.moved, count, rng)
    at = 2 * row + rng.integers(0, 2, count), 2 * column + rng.integers(0, 2, count)
    return (
        _picture(found.features)[row, column],
        _picture(found.guess)[row, column],
        np.stack([one[at] for one in found.light], axis=1),
        found.between[at],
        (1 / chance / (error + _FLOOR)).astype(np.float32),
    )


@dataclass(frozen=True)
class _Found:
    """What the flow of one moment brings."""

    features: Tensor
    guess: Tensor
    """(1, FEATURES) and (1, CANDIDATES, height / 2, width / 2), as `model.read` gives them."""

    moved: Sequence[Array]
    light: Sequence[Array]
    """The candidates, (height, width, 3): encoded, of the moved ones alone; all of them, scene-linear."""

    between: Array
    """The true frame, encoded."""

    def error(self, weights: Tensor) -> float:
        """Mean squared error, encoded and away from the border, of the candidates mixed by weights (1, CANDIDATES,
        height, width)."""
        counts = _picture(weights)
        mixed = np.asarray(sum(counts[:, :, index, None] * one for index, one in enumerate(self.light)), np.float32)
        inner = (slice(_MARGIN, -_MARGIN), slice(_MARGIN, -_MARGIN))
        return float(np.square(color.encode(mixed) - self.between)[inner].mean())


@torch.no_grad()
def _found(flow_net: nn.Module, sample: Sample, rng: np.random.Generator, gain: float = 1.0) -> _Found:
    frame0, frame1, between, prior, around, moment = moment_of(sample, rng, model.MULTIPLE)
    if gain != 1.0:
        frame0, frame1, between = (one * np.float32(gain) for one in (frame0, frame1, between))
        around = around * np.array([1, 1, 1, 1, gain, gain, 1, 1], np.float32)
    flow, bend, _ = flow_net(*(_planes(one) for one in (frame0, frame1, prior, around)))
    measured = bending.steadied(around, frame0, frame1)
    found = candidates(frame0, frame1, _picture(flow), _picture(bend), moment, measured)
    pictures = _planes(np.concatenate([*found.moved, frame0, frame1], axis=2))
    features, guess = model.read(pictures, _planes(found.landed), torch.full((1, 1, 1, 1), moment))
    return _Found(features, guess, found.moved, _light(frame0, frame1, found.shifts), between)


@torch.no_grad()
def scores(nets: nn.ModuleDict, samples: Sequence[Sample], seed: int) -> Array:
    """PSNR in dB of each moment as both networks make it; the same `seed` judges the same."""
    synthesis, found = nets["synthesis"], []
    assert isinstance(synthesis, model.SynthesisNet)
    for index, sample in enumerate(samples):
        one = _found(nets["flow"], sample, np.random.default_rng([seed, 4, index]))
        change = synthesis.change(one.features)
        error = one.error(model.enlarge(torch.softmax(one.guess + change, dim=1)))
        found.append(-10 * math.log10(error + 1e-10))
    return np.array(found, np.float32)


def _places(moved: Sequence[Array], count: int, rng: np.random.Generator) -> tuple[NDArray[np.int64], ...]:
    """Rows and columns at half the size, and how much likelier than evenly each was drawn: more where candidates
    differ."""
    spread = np.stack(moved).std(axis=0).mean(axis=2)
    edge = _MARGIN // 2
    small = _picture(model.shrink(_planes(spread[:, :, None]), 2))[edge:-edge, edge:-edge, 0]
    likely = (small * (1 - _UNIFORM) / (small.mean() + 1e-6) + _UNIFORM).ravel()
    likely = likely / likely.mean()
    place = rng.choice(likely.size, count, p=likely / likely.sum())
    return place // small.shape[1] + edge, place % small.shape[1] + edge, likely[place]


def _light(frame0: Array, frame1: Array, shifts: Sequence[Array]) -> list[Array]:
    """The candidates as the host makes them, scene-linear."""
    columns, rows = places(*frame0.shape[:2])
    both = [color.decode(frame.copy()) for frame in (frame0, frame1)]
    moved = [
        lookup.looked_up(both[index % 2], columns + shift[:, :, 0], rows + shift[:, :, 1])
        for index, shift in enumerate(shifts)
    ]
    return [*moved, *both]


def _picture(planes: Tensor) -> Array:
    """(1, channels, height, width) as (height, width, channels)."""
    return np.ascontiguousarray(planes[0].permute(1, 2, 0).numpy())


def _planes(pixels: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32))


# The fit ------------------------------------------------------------------------------------------------------------


def learn(net: model.SynthesisNet, pixels: Pixels, fit: Fit, seed: int, stop: Callable[[], bool]) -> float:
    """Fit `net` in place; what comes out is the moving average of its weights. dB gained over where it began.

    Raises BipackError where the error is no longer finite.
    """
    torch.manual_seed(seed)
    middle, spread = pixels.features.mean(dim=0), pixels.features.std(dim=0) + 0.05
    _read_by(net, middle, spread)
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), fit.learning_rate, betas=(0.9, 0.98), weight_decay=0.02)
    features = (pixels.features - middle) / spread
    before = _error(net, pixels, features)
    for step in range(fit.steps):
        rise, fall = min(1.0, (step + 1) / _WARM_UP), 0.5 * (1 + math.cos(math.pi * step / fit.steps))
        for group in optimizer.param_groups:
            group["lr"] = fit.learning_rate * rise * (0.01 + 0.99 * fall)
        _step(net, optimizer, pixels, features, fit.batch)
        with torch.no_grad():
            for kept, new in zip(average.parameters(), net.parameters(), strict=True):
                kept.lerp_(new, max(_AVERAGE, 1 / (step + 2)))
        if stop():
            break
    after = _error(average, pixels, features)
    if not math.isfinite(after):
        raise BipackError("The fit of the synthesis network diverged. Lower synthesis.learning_rate in the recipe.")
    _read_by(average, -middle / spread, 1 / spread)
    net.load_state_dict(average.state_dict())
    gain = 10 * math.log10(before / after)
    log.info("synthesis: %d steps, %.2f dB better on what it learned from", step + 1, gain)
    return gain


def _step(
    net: model.SynthesisNet, optimizer: torch.optim.Optimizer, pixels: Pixels, features: Tensor, batch: int
) -> None:
    chosen = torch.randint(len(features), (batch,))
    noisy = features[chosen] + _NOISE * torch.randn(batch, model.FEATURES)
    loss = (pixels.weight[chosen] * _errors(net, noisy, pixels, chosen)).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@torch.no_grad()
def _read_by(net: model.SynthesisNet, middle: Tensor, spread: Tensor) -> None:
    """The same network for features of which `middle` was taken and which were divided by `spread`."""
    weight = net.enter.weight[:, :, 0, 0]
    assert net.enter.bias is not None
    net.enter.bias.add_(weight @ middle)
    net.enter.weight.mul_(spread[None, :, None, None])


def _errors(net: model.SynthesisNet, features: Tensor, pixels: Pixels, chosen: Tensor) -> Tensor:
    change = net.change(features[:, :, None, None])[:, :, 0, 0]
    weights = torch.softmax(pixels.guess[chosen] + change, dim=1)
    mixed = (pixels.light[chosen] * weights[:, :, None]).sum(dim=1)
    return (_encoded(mixed) - pixels.truth[chosen]).square().mean(dim=1)


@torch.no_grad()
def _error(net: model.SynthesisNet, pixels: Pixels, features: Tensor) -> float:
    rows = torch.arange(0, len(features), max(1, len(features) // 50_000))
    return float((pixels.weight[rows] * _errors(net, features[rows], pixels, rows)).mean())


def _encoded(light: Tensor) -> Tensor:
    """`color.encode` of light that is not negative, to be learned through."""
    low = 12.92 * light
    high = 1.055 * light.clamp(1e-3, 1.0).pow(1 / 2.4) - 0.055
    bright = 1 + color.LOG_SCALE * torch.log(light.clamp(min=1.0))
    return torch.where(light <= color.TOE_LINEAR, low, torch.where(light <= 1, high, bright))
