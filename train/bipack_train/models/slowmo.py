"""The two networks of slow motion: flow once for a pair of frames, synthesis once for each new frame.

Neither paints pixels. `FlowNet` refines the classical flow that the host hands in and says how far it can be trusted.
The host carries flow forward to the new moment, which has no ONNX operator, and makes the candidates of every pixel
(`bipack.imaging.candidates`); `SynthesisNet` says what each of them counts for. The host mixes the plate's own pixels
by these weights, so that HDR, alpha and other channels survive.

Every learned part starts at zero and is added to what consistency and visibility say. What FlowNet adds fades to
nothing where the two frames are the same, so still parts of a shot stay still to the bit.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 16
"""Height and width of everything must be a multiple of this."""

CANDIDATES = 6
"""Frames 0 and 1 moved by the flow that came from frame 0, by the one from frame 1, and as they stand."""

_WEIGHTS_OF_LUMA = (0.299, 0.587, 0.114)

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
    """What each candidate for a pixel of the new frame counts for.

    It reads how far the candidates differ from each other over windows of several sizes, how much of each frame
    landed, how uneven motion and picture are, and the time; all at half the size. There is no window in the network
    itself, so that it can be learned from single pixels.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.enter = nn.Conv2d(FEATURES, width, 1)
        self.join = nn.Conv2d(width, width, 1)
        self.head = nn.Conv2d(width, CANDIDATES, 1)
        for layer in (self.enter, self.join):
            nn.init.kaiming_normal_(layer.weight, 0.1)
        for layer in (self.enter, self.join, self.head):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.head.weight)

    def forward(self, moved: Tensor, frame0: Tensor, frame1: Tensor, landed: Tensor, time: Tensor) -> Tensor:
        """The candidates, the encoded frames (N, 3, H, W) and the time (N, 1, 1, 1), 0 to 1, to weights (N, 6, H, W).

        `moved` (N, 12, H, W) and `landed` (N, 6, H, W: each value on two by two pixels, so that all inputs are of one
        size) are those of `bipack.imaging.candidates`. The weights are those of the four of `moved`, of frame 0 and of
        frame 1; their sum is 1.
        """
        features, guess = read(torch.cat([moved, frame0, frame1], dim=1), shrink(landed, 2), time)
        return enlarge(torch.softmax(guess + self.change(features), dim=1))

    def change(self, features: Tensor) -> Tensor:
        """What is learned: (N, FEATURES, H, W) to what is added to the logarithms of the weights."""
        hidden = functional.leaky_relu(self.enter(features), 0.1)
        hidden = hidden + functional.leaky_relu(self.join(hidden), 0.1)
        result: Tensor = self.head(hidden)
        return result


FEATURES = 94


def read(pictures: Tensor, landed: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates (N, 18, H, W) and `landed` (N, 6, H / 2, W / 2) to what SynthesisNet reads.

    Returns the features and the first guess of the weights' logarithms, both at half the size.
    """
    differences, luma = (functional.conv2d(pictures, weights.to(pictures.device)) for weights in (_DIFFERENCES, _LUMA))
    apart = functional.conv2d(shrink(differences.abs(), 2), _PLANE_MEANS.to(pictures.device))
    near = box(apart)
    windows = (apart, near, box(near), wide(apart, 1), wide(apart, 3))
    cover = landed[:, 4:].clamp(0, 1)
    shown = box(cover)
    features = [
        *(torch.log(part + 0.003) + 3.5 for part in windows),
        *(2 * part - 1.5 for part in (cover, shown, wide(cover, 1))),
        *_texture(shrink(luma, 2), shrink(luma * luma, 2)),
        *_unevenness(landed[:, :4]),
        *(torch.log(share + 0.02).expand_as(cover[:, :1]) + 1 for share in (1 - time, time)),
        shrink(luma[:, :1], 2) * 3 - 1.2,
    ]
    return torch.cat(features, dim=1), _first_guess(windows[2], shown, time)


def _comparison() -> tuple[Tensor, Tensor, Tensor]:
    """Weights of 1x1 convolutions: from 18 planes to all differences, to the luma of each candidate, and from the
    differences to their means over red, green and blue."""
    moved = torch.eye(CANDIDATES)[:4].mean(dim=0)
    ones = torch.eye(CANDIDATES)
    rows = [ones[first] - (moved if second is None else ones[second]) for first, second in _PAIRS]
    differences = torch.cat([torch.kron(row[None], torch.eye(3)) for row in rows])
    luma = torch.kron(ones, torch.tensor([_WEIGHTS_OF_LUMA]))
    means = torch.kron(torch.eye(len(_PAIRS)), torch.full((1, 3), 1 / 3))
    return differences[:, :, None, None], luma[:, :, None, None], means[:, :, None, None]


_PAIRS = (
    *((0, 1), (2, 3), (4, 5), (0, 2), (1, 3), (0, 5), (1, 4)),
    *((index, None) for index in range(CANDIDATES)),
)
"""Candidates whose difference is read; None is the mean of the four moved ones."""

_DIFFERENCES, _LUMA, _PLANE_MEANS = _comparison()


def _texture(luma: Tensor, squares: Tensor) -> list[Tensor]:
    """Contrast around each pixel of each candidate."""
    variance = (box(squares) - box(luma).square()).clamp(min=0)
    return [torch.log(part + 1e-5) * 0.5 + 4 for part in (variance, wide(variance, 1))]


def _unevenness(motion: Tensor) -> list[Tensor]:
    """How far the two motions differ, how long they are, and how they change from pixel to pixel."""
    differ = (motion[:, :2] - motion[:, 2:]).square().sum(dim=1, keepdim=True)
    rough = _lengths((motion - box(motion)).square())
    parts = (differ, wide(differ, 1), _lengths(motion.square()), rough, wide(rough, 1))
    return [torch.log(part + 0.01) * 0.5 for part in parts]


def _lengths(squares: Tensor) -> Tensor:
    return torch.cat([squares[:, :2].sum(dim=1, keepdim=True), squares[:, 2:].sum(dim=1, keepdim=True)], dim=1)


def _first_guess(apart: Tensor, shown: Tensor, time: Tensor) -> Tensor:
    """Logarithms of weights: the nearer frame, the flow whose frames agree, and what really landed count for more."""
    share0, share1 = torch.log(1 - time + 1e-3), torch.log(time + 1e-3)
    seen = torch.log(shown.square() + 0.05)
    seen0, seen1 = seen[:, :1], seen[:, 1:]
    miss0, miss1 = 20 * apart[:, :1], 20 * apart[:, 1:2]
    parts = [
        share0 + 1.5 * seen0 - miss0,
        share1 + seen0 + 0.5 * seen1 - miss0,
        share0 + seen1 + 0.5 * seen0 - miss1,
        share1 + 1.5 * seen1 - miss1,
        (share0 - 5).expand_as(seen0),
        (share1 - 5).expand_as(seen0),
    ]
    return torch.cat(parts, dim=1)


def box(values: Tensor, side: int = 3) -> Tensor:
    """Mean over `side` by `side` pixels around each; beyond the border the border stands in."""
    padded = functional.pad(values, (side // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, side, stride=1)


def wide(values: Tensor, side: int) -> Tensor:
    """About the mean over 4 * `side` pixels around each."""
    small = shrink(values, 4)
    small = box(small, side) if side > 1 else small
    return functional.interpolate(small, scale_factor=4.0, mode="bilinear", align_corners=False)
