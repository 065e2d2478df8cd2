"""The two networks of slow motion: flow once for a pair of frames, synthesis once for each new frame.

Neither paints pixels. `FlowNet` refines the classical flow that the host hands in and says how far it can be trusted;
`SynthesisNet` turns it into the two backward flows and the blending mask of one moment between the frames. The host
warps and blends the plate's own pixels with them, so that HDR, alpha and other channels survive.

Both networks begin as the classical method: every learned part starts at zero and is added to what flow, consistency
and visibility say. Learned parts also fade to nothing where the two frames are the same, so still parts of a shot stay
still to the bit. Forward projection of flow has no ONNX operator; the motion at time t is found by a fixed-point
iteration of lookups instead: m(x) = F01(x - t m(x)) from the first frame, m(x) = -F10(x + (1-t) m(x)) from the second.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 16
"""Height and width of everything must be a multiple of this."""

_ITERATIONS = 3
"""Lookups of the fixed-point iteration; more changed no result by 0.01 dB."""

_MEMORY = 16
"""Channels that one level of the flow network hands to the next."""

_MOTION_UNIT = 1 / 16
"""Pixels are scaled by this where a network reads them."""


def warp(picture: Tensor, shift: Tensor) -> Tensor:
    """`picture` (N, C, H, W) looked up bilinearly at x + shift(x) (N, 2, H, W: x and y in pixels); edges repeat.

    Always float32: half precision cannot tell pixels apart beyond 2048.
    """
    height, width = shift.shape[2], shift.shape[3]
    columns = torch.arange(width, device=shift.device).to(torch.float32).view(1, 1, -1)
    rows = torch.arange(height, device=shift.device).to(torch.float32).view(1, -1, 1)
    with torch.autocast(shift.device.type, enabled=False):
        shift = shift.float()
        x = (columns + shift[:, 0]) * (2.0 / (width - 1)) - 1.0
        y = (rows + shift[:, 1]) * (2.0 / (height - 1)) - 1.0
        grid = torch.stack([x, y], dim=3)
        return functional.grid_sample(
            picture.float().contiguous(), grid, mode="bilinear", padding_mode="border", align_corners=True
        )


def shrink(picture: Tensor, factor: int) -> Tensor:
    """Mean over squares of `factor` pixels."""
    return functional.avg_pool2d(picture, factor)


def enlarge(picture: Tensor) -> Tensor:
    """Twice as large, bilinear, pixel areas aligned."""
    return functional.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)


def difference_gate(frame0: Tensor, frame1: Tensor, factor: int) -> Tensor:
    """0 where the frames are equal for some pixels around, towards 1 where they differ; (N, 1, H/factor, W/factor)."""
    difference = (frame0 - frame1).abs().amax(dim=1, keepdim=True)
    worst = functional.max_pool2d(functional.max_pool2d(difference, factor), 5, stride=1, padding=2)
    return worst / (worst + 0.01)


def _length(vectors: Tensor) -> Tensor:
    """Length of (N, 2, H, W) vectors, as (N, 1, H, W); never exactly zero, so that its slope is finite."""
    return (vectors.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()


class _Stack(nn.Module):
    """3x3 convolutions with LeakyReLU between them; the last may start at zero."""

    def __init__(self, *widths: int, stride: int = 1, zero: bool = False, last_active: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(itertools.pairwise(widths)):
            layers.append(nn.Conv2d(before, after, 3, stride=stride if index == 0 else 1, padding=1))
            layers.append(nn.LeakyReLU(0.1))
        if not last_active:
            layers.pop()
        self.layers = nn.Sequential(*layers)
        if zero:
            last = [layer for layer in layers if isinstance(layer, nn.Conv2d)][-1]
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    def forward(self, picture: Tensor) -> Tensor:
        result: Tensor = self.layers(picture)
        return result


class _Refine(nn.Module):
    """One level of the flow network: what the warped features say about the flow that there is."""

    def __init__(self, features: int, width: int, depth: int, correlate: bool = True) -> None:
        super().__init__()
        self.correlate = correlate
        # features, warped features, correlations, flow, consistency, color difference, memory
        inputs = 2 * features + (9 if correlate else 0) + 2 + 2 + 3 + _MEMORY
        self.body = _Stack(inputs, *[width] * depth, _MEMORY)
        self.head = _Stack(_MEMORY, 3, zero=True, last_active=False)

    def forward(
        self,
        mine: Tensor,
        other: Tensor,
        flow: Tensor,
        back: Tensor,
        color: Tensor,
        other_color: Tensor,
        memory: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features, flow there and back, shrunk frames and memory to (change of flow, reliability logit, memory)."""
        channels, kept = other.shape[1], 2
        looked_up = warp(torch.cat([other.float(), back, other_color], dim=1), flow)
        there, returned = looked_up[:, :channels], looked_up[:, channels : channels + kept]
        seen = [
            mine,
            there,
            flow * _MOTION_UNIT,
            (flow + returned) * 0.25,
            looked_up[:, channels + kept :] - color,
            memory,
        ]
        if self.correlate:
            seen.append(_correlation(mine, there.to(mine.dtype)))
        hidden = self.body(torch.cat([part.to(mine.dtype) for part in seen], dim=1))
        result = self.head(hidden).float()
        return result[:, :2], result[:, 2:], hidden


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """Mean product of the features at each pixel with those one pixel away in all directions: (N, 9, H, W)."""
    height, width = first.shape[2], first.shape[3]
    padded = functional.pad(second, (1, 1, 1, 1))
    parts = [
        (first * padded[:, :, row : row + height, column : column + width]).mean(dim=1, keepdim=True)
        for row in range(3)
        for column in range(3)
    ]
    return torch.cat(parts, dim=1)


class FlowNet(nn.Module):
    """Refines a flow in both directions, from 1/8 to 1/2 of the resolution given, with the same weights both ways."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.at_half = _Stack(12, 24, 24)
        self.at_quarter = _Stack(24, width, width, stride=2)
        self.at_eighth = _Stack(width, 48, 48, stride=2)
        self.refine_eighth = _Refine(48, 48, 3)
        self.refine_quarter = _Refine(width, 48, 3)
        self.refine_half = _Refine(24, 32, 2, correlate=False)

    def forward(self, frame0: Tensor, frame1: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded frames (N, 3, H, W) and a flow (N, 4, H, W: 0 to 1 as x, y, then 1 to 0) to the refined flow of the
        same kind, in pixels, and the reliability (N, 2, H, W) of frame 0's and of frame 1's flow, 0 to 1.
        """
        # Both directions are one batch: the first half looks from frame 0 to 1, the second from 1 to 0.
        count = frame0.shape[0]
        frames = torch.cat([frame0, frame1])
        start = torch.cat([prior[:, :2], prior[:, 2:]])
        half = self.at_half(functional.pixel_unshuffle(frames, 2))
        quarter = self.at_quarter(half)
        eighth = self.at_eighth(quarter)
        change = torch.zeros_like(shrink(start, 8))
        certain = torch.zeros_like(change[:, :1])
        memory = torch.zeros_like(eighth[:, :_MEMORY])
        levels = ((8, eighth, self.refine_eighth), (4, quarter, self.refine_quarter), (2, half, self.refine_half))
        for factor, features, refine in levels:
            flow = shrink(start, factor) * (1 / factor) + change
            color = shrink(frames, factor)
            step, more, memory = refine(
                features, _swap(features, count), flow, _swap(flow, count), color, _swap(color, count), memory
            )
            change, certain = change + step, certain + more
            if factor > 2:
                change, certain, memory = enlarge(change) * 2.0, enlarge(certain), enlarge(memory)
        gate = enlarge(difference_gate(frame0, frame1, 2))
        flow = start + enlarge(change) * 2.0 * torch.cat([gate, gate])
        logit = enlarge(certain) * torch.cat([gate, gate]) + _agreement(shrink(flow, 2) * 0.5, count)
        reliability = torch.sigmoid(logit)
        return (
            torch.cat([flow[:count], flow[count:]], dim=1),
            torch.cat([reliability[:count], reliability[count:]], dim=1),
        )


def _swap(both: Tensor, count: int) -> Tensor:
    """The other direction in place of each."""
    return torch.cat([both[count:], both[:count]])


def _agreement(flow: Tensor, count: int) -> Tensor:
    """Logit of how well the flows there and back agree, at twice the size: 4 where they do, falling with the miss."""
    miss = _length(flow + warp(_swap(flow, count), flow))
    return enlarge(4.0 - 6.0 * miss / (1.0 + 0.1 * _length(flow)))


class SynthesisNet(nn.Module):
    """Where the pixels of a new frame lie in the two frames, and which of them to believe."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.enter = _Stack(27, width)
        self.down = _Stack(width, 48, 48, stride=2)
        self.across = _Stack(48, 48, 48)
        self.back = nn.Conv2d(48, width, 1)
        self.join = _Stack(width, width)
        self.head = _Stack(width, 24, zero=True, last_active=False)

    def forward(
        self, frame0: Tensor, frame1: Tensor, flow: Tensor, reliability: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Encoded frames (N, 3, H, W), what FlowNet gave for them, and the time (N, 1, 1, 1) from 0 to 1.

        Returns the flows (N, 2, H, W) from the new frame into frame 0 and into frame 1, in pixels, and the weight
        (N, 1, H, W) of frame 0 in the blend, 0 to 1.
        """
        count = frame0.shape[0]
        flow = flow.float()
        # One batch again: candidates found from frame 0, then candidates found from frame 1.
        motion = shrink(torch.cat([flow[:, :2], -flow[:, 2:]]), 2) * 0.5
        small0, small1 = shrink(frame0, 2), shrink(frame1, 2)
        trust0, trust1 = shrink(reliability[:, :1], 2), shrink(reliability[:, 1:], 2)
        back_share = torch.cat([-time, 1.0 - time])
        found = motion
        for _ in range(_ITERATIONS):
            found = warp(motion, back_share * found)
        slip = _length(warp(motion, back_share * found) - found)
        twice = torch.cat([time, time])
        from0 = warp(torch.cat([torch.cat([small0, trust0], dim=1)] * 2), -twice * found)
        from1 = warp(torch.cat([torch.cat([small1, trust1], dim=1)] * 2), (1.0 - twice) * found)
        error = (from0[:, :3] - from1[:, :3]).abs().mean(dim=1, keepdim=True)
        gate = difference_gate(frame0, frame1, 2)
        seen = [_side_by_side(part, count) for part in (from0, from1, found * _MOTION_UNIT, slip, error)]
        seen += [gate, time.expand_as(gate), error[:count] - error[count:]]
        entered = self.enter(torch.cat(seen, dim=1))
        deep = self.down(entered)
        deep = deep + self.across(deep)
        joined = self.join(entered + enlarge(self.back(deep)))
        learned = functional.pixel_shuffle(self.head(joined).float(), 2) * enlarge(gate)
        return self._blend(found, slip, from0[:, 3:], from1[:, 3:], error, learned, time)

    @staticmethod
    def _blend(
        found: Tensor, slip: Tensor, trust0: Tensor, trust1: Tensor, error: Tensor, learned: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose between the candidates and weigh the frames; `learned` (N, 6, H, W) shifts every decision."""
        count = time.shape[0]
        doubt = enlarge(2.0 * slip + 10.0 * error)
        share = torch.sigmoid(doubt[count:] - doubt[:count] + learned[:, 4:5])
        large = enlarge(found) * 2.0
        chosen = share * large[:count] + (1.0 - share) * large[count:]
        # What frame 1 shows here and frame 0 does not is taken from frame 1, and the other way round.
        seen0, seen1 = enlarge(trust1) + 0.01, enlarge(trust0) + 0.01
        only0 = share * seen0[:count] + (1.0 - share) * seen0[count:]
        only1 = share * seen1[:count] + (1.0 - share) * seen1[count:]
        weight0, weight1 = (1.0 - time + 0.001) * only0, (time + 0.001) * only1
        mask = torch.sigmoid(torch.log(weight0) - torch.log(weight1) + learned[:, 5:])
        return learned[:, :2] - time * chosen, learned[:, 2:4] + (1.0 - time) * chosen, mask


def _side_by_side(both: Tensor, count: int) -> Tensor:
    """Two halves of a batch as channels of one."""
    return torch.cat([both[:count], both[count:]], dim=1)


def blend(frame0: Tensor, frame1: Tensor, to0: Tensor, to1: Tensor, mask: Tensor) -> Tensor:
    """The new frame, as the host makes it: two warps, mixed; exactly the frames where they are the same."""
    first, second = warp(frame0, to0), warp(frame1, to1)
    return second + mask * (first - second)
