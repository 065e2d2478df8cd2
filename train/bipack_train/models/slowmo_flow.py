"""The flow network of slow motion: once for a pair of frames, it settles how every pixel moves and how that bends.

It starts from the classical flow both ways and from the bending that the frames around the pair tell of
(`bipack.imaging.bending`), and works from coarse to fine: at each level the other frame's features are moved by the
flow that there is and compared with a window around, and what is learned is added. It starts at no change: the
classical flow, bent half as much as measured. Nothing moves where both frames are the same, and nothing bends where
neither neighbour is known.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack_train.models.slowmo import difference_gate, enlarge, shrink, warp

_LEVELS = (16, 8, 4)
_REACH = (4, 3, 2)
"""Pixels of the level in all directions that are compared, per level."""

_FEATURES = (64, 48, 32)
_WIDTHS = (96, 64, 48)
_COMPARED = (16, 16, 12)
"""Features that are compared, fewer than there are."""

_MEMORY = 32
"""Channels that one level hands to the next."""

_SHOWN = 1 / 16
"""Pixels are scaled by this where a network reads them."""


def _active(values: Tensor) -> Tensor:
    return functional.leaky_relu(values, 0.1)


class _Features(nn.Module):
    """Two convolutions of one level."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(before, after, 3, stride=stride, padding=1)
        self.again = nn.Conv2d(after, after, 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        return _active(self.again(_active(self.enter(picture))))


class _Settle(nn.Module):
    """One level: what the frames say about the motion that there is."""

    def __init__(self, features: int, compared: int, reach: int, width: int, scale: float, depth: int = 2) -> None:
        super().__init__()
        self.reach = reach
        self.scale = scale
        self.compare = nn.Conv2d(features, compared, 1)
        # features, moved features, comparisons, flow, its consistency, bending from both, its errors, what is known,
        # memory
        inputs = 2 * features + (2 * reach + 1) ** 2 + 2 + 2 + 4 + 2 + 2 + _MEMORY
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.middle = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(depth))
        self.leave = nn.Conv2d(width, _MEMORY, 3, padding=1)
        self.head = nn.Conv2d(_MEMORY, 6, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(
        self, mine: Tensor, other: Tensor, flow: Tensor, back: Tensor, bend: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Features, flow and the other's, bending (`_of_both`) and memory to (changes, memory).

        Changes: flow (2), reliability logit (1), bending (2), logit of how much of the measured bending holds (1).
        """
        count = other.shape[1]
        moved = warp(torch.cat([other.float(), back], dim=1), flow)
        there, returned = moved[:, :count].to(mine.dtype), moved[:, count:]
        shown = _SHOWN * self.scale
        motions = [flow * shown, (flow + returned) * 0.25, bend[:, :4] * shown, bend[:, 4:]]
        parts = [mine, there, _apart(self.compare(mine), self.compare(there), self.reach), *motions, memory]
        hidden = _active(self.enter(torch.cat([part.to(mine.dtype) for part in parts], dim=1)))
        for layer in self.middle:
            hidden = hidden + _active(layer(hidden))
        hidden = _active(self.leave(hidden))
        return self.head(hidden).float(), hidden


def _apart(first: Tensor, second: Tensor, reach: int) -> Tensor:
    """How far each pixel's features differ from those up to `reach` pixels away: (N, (2 reach + 1)^2, H, W)."""
    height, width = first.shape[2], first.shape[3]
    padded = functional.pad(second, (reach,) * 4, mode="replicate")
    window = range(2 * reach + 1)
    parts = [
        (first - padded[:, :, row : row + height, column : column + width]).abs().mean(dim=1, keepdim=True)
        for row in window
        for column in window
    ]
    return torch.cat(parts, dim=1)


class FlowNet(nn.Module):
    """Settles flow and bending of a pair, both ways with the same weights."""

    def __init__(self) -> None:
        super().__init__()
        sixteenth, eighth, quarter = _FEATURES
        self.at_quarter = _Features(48, quarter, 1)
        self.at_eighth = _Features(quarter, eighth, 2)
        self.at_sixteenth = _Features(eighth, sixteenth, 2)
        self.levels = nn.ModuleList(
            _Settle(features, compared, reach, width, level / 4)
            for features, compared, reach, width, level in zip(
                _FEATURES, _COMPARED, _REACH, _WIDTHS, _LEVELS, strict=True
            )
        )

    def forward(self, frame0: Tensor, frame1: Tensor, prior: Tensor, around: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Encoded frames (N, 3, H, W), a flow (N, 4, H, W: 0 to 1 as x, y, then 1 to 0) and what the frames around say
        (N, 8, H, W, `bipack.imaging.bending`) to the settled flow of the same kind, in pixels; how it bends (N, 4, H,
        W: at frame 0, at frame 1), in pixels for each frame squared; and the reliability (N, 2, H, W) of frame 0's and
        of frame 1's flow, 0 to 1.
        """
        # Both directions are one batch: the first half looks from frame 0 to 1, the second from 1 to 0.
        count = frame0.shape[0]
        start = torch.cat([prior[:, :2], prior[:, 2:]])
        turned = torch.cat([around, around[:, [2, 3, 0, 1, 5, 4, 7, 6]]])
        quarter = self.at_quarter(functional.pixel_unshuffle(torch.cat([frame0, frame1]) * 2 - 0.8, 4))
        eighth = self.at_eighth(quarter)
        features = (self.at_sixteenth(eighth), eighth, quarter)
        changes = memory = torch.zeros(0)
        for factor, mine, settle in zip(_LEVELS, features, self.levels, strict=True):
            plain = shrink(start, factor) * (1 / factor)
            if factor == _LEVELS[0]:
                changes, memory = torch.zeros_like(plain).repeat(1, 3, 1, 1), torch.zeros_like(mine[:, :_MEMORY])
            else:
                changes, memory = _up(changes), enlarge(memory)
            flow = plain + changes[:, :2]
            both = _of_both(shrink(turned, factor), flow, factor)
            more, memory = settle(mine, _swap(mine, count), flow, _swap(flow, count), both, memory)
            changes = changes + more
        return self._outputs(difference_gate(frame0, frame1, 4), start, turned, changes, count)

    def _outputs(
        self, gate: Tensor, start: Tensor, around: Tensor, changes: Tensor, count: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        gate = torch.cat([gate, gate])
        flow = start + 4 * _four(changes[:, :2] * gate)
        near = shrink(start, 4) * 0.25 + changes[:, :2]
        both = _of_both(shrink(around, 4), near, 4)
        known0, known1 = both[:, 6:7], both[:, 7:8]
        measured = (both[:, :2] * known0 + both[:, 2:4] * known1) / (known0 + known1).clamp(min=1)
        bend = torch.maximum(known0, known1) * (measured * torch.sigmoid(changes[:, 5:6]) + changes[:, 3:5])
        logit = _four(changes[:, 2:3] * gate) + _agreement(shrink(flow, 2) * 0.5, count)
        reliability = torch.sigmoid(logit)
        return tuple(  # type: ignore[return-value]
            torch.cat([both[:count], both[count:]], dim=1) for both in (flow, 4 * _four(bend * gate), reliability)
        )


def _up(changes: Tensor) -> Tensor:
    """Changes of one level at the next: vectors are in its pixels."""
    large = enlarge(changes)
    return torch.cat([2 * large[:, :2], large[:, 2:3], 2 * large[:, 3:5], large[:, 5:6]], dim=1)


def _four(values: Tensor) -> Tensor:
    """Four times as large."""
    return functional.interpolate(values, scale_factor=4.0, mode="bilinear", align_corners=False)


def _of_both(around: Tensor, flow: Tensor, factor: int) -> Tensor:
    """The bending seen from one frame, and what the other says of the same points: (N, 8, h, w), vectors in pixels of
    this size."""
    other = warp(around[:, [2, 3, 5]], flow)
    vectors = torch.cat([around[:, :2], other[:, :2]], dim=1) * (1 / factor)
    return torch.cat([vectors, 10 * around[:, 4:5], 10 * other[:, 2:], around[:, 6:8]], dim=1)


def _swap(both: Tensor, count: int) -> Tensor:
    """The other direction in place of each."""
    return torch.cat([both[count:], both[:count]])


def _agreement(flow: Tensor, count: int) -> Tensor:
    """Logit of how well the flows there and back agree, at twice the size: 4 where they do, falling with the miss."""
    miss = _length(flow + warp(_swap(flow, count), flow))
    return enlarge(4.0 - 6.0 * miss / (1.0 + 0.1 * _length(flow)))


def _length(vectors: Tensor) -> Tensor:
    """Length of (N, 2, H, W) vectors, as (N, 1, H, W); never exactly zero, so that its slope is finite."""
    return (vectors.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
