"""The synthesis network of slow motion, once for each new frame, and what it shares with the flow network.

Neither network paints pixels. The flow network (`slowmo_flow`) settles the classical flow that the host hands in. The
host carries it forward to the new moment, which has no ONNX operator, and makes the candidates of every pixel
(`bipack.imaging.candidates`); `SynthesisNet` says what each of them counts for. The host mixes the plate's own pixels
by these weights, so that HDR, alpha and other channels survive.

Every learned part starts at zero and is added to what consistency and visibility say. What the flow network adds fades
to nothing where the two frames are the same, so still parts of a shot stay still to the bit.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

MULTIPLE = 16
"""Height and width of everything must be a multiple of this."""

MOVED = 8
"""Frames 0 and 1 moved by the flow that came from frame 0, then by the one from frame 1, along the settled path; the
same by all of the measured bending."""

CANDIDATES = MOVED + 2
"""These, and the two frames as they stand."""

_WEIGHTS_OF_LUMA = (0.299, 0.587, 0.114)


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


class SynthesisNet(nn.Module):
    """What each candidate for a pixel of the new frame counts for.

    It reads how far the candidates differ from each other over windows of several sizes, how much of each frame
    landed, how uneven motion and picture are, how far motion bends, and the time; all at half the size. There is no
    window in the network itself, so that it can be learned from single pixels.
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
        """The candidates, the encoded frames (N, 3, H, W) and the time (N, 1, 1, 1), 0 to 1, to weights.

        `moved` (N, 24, H, W) and `landed` (N, LANDED, H, W: each value on two by two pixels, so that all inputs are of
        one size) are those of `bipack.imaging.candidates`. The weights (N, CANDIDATES, H, W) are those of the eight of
        `moved`, of frame 0 and of frame 1; their sum is 1.
        """
        features, guess = read(torch.cat([moved, frame0, frame1], dim=1), shrink(landed, 2), time)
        return enlarge(torch.softmax(guess + self.change(features), dim=1))

    def change(self, features: Tensor) -> Tensor:
        """What is learned: (N, FEATURES, H, W) to what is added to the logarithms of the weights."""
        hidden = functional.leaky_relu(self.enter(features), 0.1)
        hidden = hidden + functional.leaky_relu(self.join(hidden), 0.1)
        result: Tensor = self.head(hidden)
        return result


FEATURES = 140


def grown(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a SynthesisNet of 0.3.0, which knew the settled path alone, as one of today: it judges that path as it
    did and the fully bent one by the same head, less likely. Others are returned as they are."""
    if "head.bias" not in weights or len(weights["head.bias"]) != len(_SETTLED):
        return weights
    enter = weights["enter.weight"]
    compared = [window * len(_PAIRS) + pair for window in range(_WINDOWS) for pair in range(_FULLY_BENT)]
    known = [*compared, *range(_WINDOWS * len(_PAIRS), FEATURES)]
    if enter.shape[1] != len(known):
        return weights
    wider = enter.new_zeros(enter.shape[0], FEATURES, 1, 1)
    wider[:, known] = enter
    heads = {name: weights[name][[*range(4), *range(4), 4, 5]] for name in ("head.weight", "head.bias")}
    return {**weights, **heads, "enter.weight": wider}


def read(pictures: Tensor, landed: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Candidates (N, 30, H, W) and `landed` (N, LANDED, H / 2, W / 2) to what SynthesisNet reads.

    Returns the features and the first guess of the weights' logarithms, both at half the size.
    """
    differences, luma = (functional.conv2d(pictures, weights.to(pictures.device)) for weights in (_DIFFERENCES, _LUMA))
    apart = functional.conv2d(shrink(differences.abs(), 2), _PLANE_MEANS.to(pictures.device))
    near = box(apart)
    windows = (apart, near, box(near), wide(apart, 1), wide(apart, 3))
    cover = landed[:, 4:6].clamp(0, 1)
    shown = box(cover)
    features = [
        *(torch.log(part + 0.003) + 3.5 for part in windows),
        *(2 * part - 1.5 for part in (cover, shown, wide(cover, 1))),
        *_texture(shrink(luma, 2), shrink(luma * luma, 2)),
        *_unevenness(landed[:, :4]),
        *(torch.log(share + 0.02).expand_as(cover[:, :1]) + 1 for share in (1 - time, time)),
        shrink(luma[:, :1], 2) * 3 - 1.2,
        *_bending(landed[:, 6:] * (0.5 * (time * time - time))),
    ]
    return torch.cat(features, dim=1), _first_guess(windows[2], shown, time)


def _comparison() -> tuple[Tensor, Tensor, Tensor]:
    """Weights of 1x1 convolutions: from 30 planes to all differences, to the luma of `_SETTLED`, and from the
    differences to their means over red, green and blue."""
    moved = torch.eye(CANDIDATES)[:4].mean(dim=0)
    ones = torch.eye(CANDIDATES)
    rows = [ones[first] - (moved if second is None else ones[second]) for first, second in _PAIRS]
    differences = torch.cat([torch.kron(row[None], torch.eye(3)) for row in rows])
    luma = torch.kron(ones[list(_SETTLED)], torch.tensor([_WEIGHTS_OF_LUMA]))
    means = torch.kron(torch.eye(len(_PAIRS)), torch.full((1, 3), 1 / 3))
    return differences[:, :, None, None], luma[:, :, None, None], means[:, :, None, None]


_SETTLED = (0, 1, 2, 3, MOVED, MOVED + 1)
"""Candidates along the settled path, and the two frames."""

_PAIRS = (
    *((0, 1), (2, 3), (8, 9), (0, 2), (1, 3), (0, 9), (1, 8)),
    *((index, None) for index in _SETTLED),
    *((4, 5), (6, 7), (4, 6), (5, 7)),
    *((index, index + 4) for index in range(4)),
)
"""Candidates whose difference is read; None is the mean of the four along the settled path."""

_FULLY_BENT = 13
"""The first of these pairs that is of the fully bent path."""

_WINDOWS = 5
"""Windows over which each difference is read."""

_LESS_LIKELY = 1.5
"""How much less the fully bent path counts at first, as a logarithm."""

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


def _bending(away: Tensor) -> list[Tensor]:
    """How far the bending took either motion from its straight path, and how far the two differ in that."""
    differ = (away[:, :2] - away[:, 2:]).square().sum(dim=1, keepdim=True)
    parts = torch.cat([_lengths(away.square()), differ], dim=1)
    return [torch.log(part + 0.01) * 0.5 + 1 for part in (parts, wide(parts, 1))]


def _lengths(squares: Tensor) -> Tensor:
    return torch.cat([squares[:, :2].sum(dim=1, keepdim=True), squares[:, 2:].sum(dim=1, keepdim=True)], dim=1)


def _first_guess(apart: Tensor, shown: Tensor, time: Tensor) -> Tensor:
    """Logarithms of weights: the nearer frame, the flow whose frames agree, and what really landed count for more."""
    share0, share1 = torch.log(1 - time + 1e-3), torch.log(time + 1e-3)
    seen = torch.log(shown.square() + 0.05)
    seen0, seen1 = seen[:, :1], seen[:, 1:]
    parts = []
    for first, less in ((0, 0.0), (_FULLY_BENT, _LESS_LIKELY)):
        miss0, miss1 = (20 * apart[:, at : at + 1] + less for at in (first, first + 1))
        parts += [
            share0 + 1.5 * seen0 - miss0,
            share1 + seen0 + 0.5 * seen1 - miss0,
            share0 + seen1 + 0.5 * seen0 - miss1,
            share1 + 1.5 * seen1 - miss1,
        ]
    return torch.cat([*parts, (share0 - 5).expand_as(seen0), (share1 - 5).expand_as(seen0)], dim=1)


def box(values: Tensor, side: int = 3) -> Tensor:
    """Mean over `side` by `side` pixels around each; beyond the border the border stands in."""
    padded = functional.pad(values, (side // 2,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, side, stride=1)


def wide(values: Tensor, side: int) -> Tensor:
    """About the mean over 4 * `side` pixels around each."""
    small = shrink(values, 4)
    small = box(small, side) if side > 1 else small
    return functional.interpolate(small, scale_factor=4.0, mode="bilinear", align_corners=False)
