"""Convolutions that answer a mirrored or turned picture with the mirrored or turned answer.

Channels come in groups of eight, one for each way of looking at a picture (mirrored, turned by quarters, both). What
one sees in a picture, its twins see in the turned ones, so their weights are the same, turned: a p4m-equivariant
network (Cohen, Welling, "Group equivariant convolutional networks", 2016). The graph is that of any convolution; only
the weights are tied. So each crop teaches all eight ways at once, and a mean over mirrored looks changes nothing.

Weights are tied by projection: of the first ones, of every gradient, and of what each step leaves of rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bipack_train.models.plain import PlainNet, Skip

WAYS = 8
"""Mirror left to right (1), top to bottom (2), exchange rows and columns (4), and their sums, applied in this order."""

PICTURE, TWINS, BLOCKS = "picture", "twins", "blocks"
"""What channels are: the same whichever way one looks; groups of twins; pixels of a block that is shuffled out."""


def turned(pixels: Tensor, way: int) -> Tensor:
    """The last two axes of `pixels` seen in one of the eight ways."""
    if way & 1:
        pixels = pixels.flip(-1)
    if way & 2:
        pixels = pixels.flip(-2)
    return pixels.transpose(-1, -2) if way & 4 else pixels


def back(way: int) -> int:
    """The way that undoes `way`."""
    return next(other for other in range(WAYS) if torch.equal(turned(turned(_GRID, way), other), _GRID))


_GRID = torch.arange(9).view(3, 3)


def _after(second: int, first: int) -> int:
    """The way that `first` and then `second` come to."""
    wanted = turned(turned(_GRID, first), second)
    return next(way for way in range(WAYS) if torch.equal(turned(_GRID, way), wanted))


def _channels(count: int, kind: str, way: int, scale: int) -> Tensor:
    """From which of `count` channels each one comes when the picture is seen in `way`."""
    if kind == PICTURE:
        return torch.arange(count)
    if kind == TWINS:
        twins = torch.tensor([_after(back(way), twin) for twin in range(WAYS)])
        return (torch.arange(0, count, WAYS)[:, None] + twins).reshape(-1)
    block = turned(torch.arange(scale**2).view(scale, scale), way).reshape(-1)
    return (torch.arange(0, count, scale**2)[:, None] + block).reshape(-1)


class Ties:
    """Which weights of a network of bare convolutions are the same, turned."""

    def __init__(self, net: PlainNet) -> None:
        """`net.width` must be a multiple of 8. Its weights become tied, about as large as they were."""
        self._tied: list[tuple[Tensor, _Orbits]] = []
        for conv, inputs, outputs in _roles(net):
            assert conv.bias is not None
            count, depth = conv.weight.shape[:2]
            into = [_channels(count, outputs, way, net.scale) for way in range(WAYS)]
            out_of = [_channels(depth, inputs, way, net.scale) for way in range(WAYS)]
            numbers = torch.arange(conv.weight.numel()).view(conv.weight.shape)
            places = [turned(numbers[into[way]][:, out_of[way]], way).reshape(-1) for way in range(WAYS)]
            self._tied.append((conv.weight, _Orbits(torch.stack(places, dim=1))))
            self._tied.append((conv.bias, _Orbits(torch.stack(into, dim=1))))
        sizes = [values.detach().norm() for values, _ in self._tied]
        self.hold()
        with torch.no_grad():
            for (values, _), size in zip(self._tied, sizes, strict=True):
                values.mul_(size / values.norm().clamp(min=1e-12))

    @torch.no_grad()
    def hold(self) -> None:
        """Tie the weights again, which rounding drives apart."""
        for values, orbits in self._tied:
            values.copy_(orbits.mean(values))

    @torch.no_grad()
    def apart(self) -> float:
        """How far weights that are tied have come apart, relative to the size of all."""
        off = sum(float((values - orbits.mean(values)).square().sum()) for values, orbits in self._tied)
        return math.sqrt(off / max(sum(float(values.square().sum()) for values, _ in self._tied), 1e-12))

    @torch.no_grad()
    def gradients(self) -> None:
        """Make each gradient that of the tied weights: the mean over the eight ways."""
        for values, orbits in self._tied:
            if values.grad is not None:
                values.grad.copy_(orbits.mean(values.grad))


class _Orbits:
    """Sets of places of a tensor that the eight ways exchange."""

    def __init__(self, places: Tensor) -> None:
        """`places` (numel, 8) are where each element comes from, by way."""
        first = places.min(dim=1).values
        heads, self._of = torch.unique(first, return_inverse=True)
        self._members = places[heads]

    def mean(self, values: Tensor) -> Tensor:
        """`values` with each element replaced by the mean of its orbit."""
        if self._of.device != values.device:
            self._of, self._members = self._of.to(values.device), self._members.to(values.device)
        return values.reshape(-1)[self._members].mean(1)[self._of].view(values.shape)


def _roles(net: PlainNet) -> Iterator[tuple[nn.Conv2d, str, str]]:
    """Every convolution with what its inputs and outputs are."""
    for row, last in ((net.body, BLOCKS), *([(net.weigh.body, PICTURE)] if net.weigh is not None else [])):
        convolutions = list(_convolutions(row))
        for place, conv in enumerate(convolutions):
            yield conv, TWINS if place else PICTURE, last if conv is convolutions[-1] else TWINS


def _convolutions(row: nn.Sequential) -> Iterator[nn.Conv2d]:
    for layer in row:
        if isinstance(layer, Skip):
            yield from _convolutions(layer)
        elif isinstance(layer, nn.Conv2d):
            yield layer
