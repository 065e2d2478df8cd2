"""The super-res network: a straight row of 3x3 convolutions whose result is added to the plate.

Two choices make it cheap and safe. While training, every inner convolution is a sum of linear branches (3x3, 1x1, an
expanded 1x1-3x3 pair and the identity), which descends faster than a bare one; because they are linear, they are one
3x3 kernel at any moment, so the branches cost almost nothing even in training and nothing in the exported graph. And
the network predicts only the difference to the plate repeated pixel by pixel: an upsample without overshoot, exact at
the frame's border and at any brightness, so that color and HDR values survive whatever the network thinks of them.

Enlarging sharpens, and beside a lamp that is 50,000 times as bright as its surroundings a little too much sharpening is
a halo brighter than the lamp. So the finished network holds its result near the range of the nine plate pixels around
it: as far beyond it as that range is wide in ordinary pictures, which is no limit at all in practice, and hardly beyond
it where the range is that of a light source. There it also keeps the light of every plate pixel, so that glints stay as
bright as they were. While training the limit is off, so that every pixel teaches.

A network of several frames begins with their mean, weighted at each pixel by what a few convolutions think of them. The
neighbours have been laid onto the current frame (bipack.imaging.neighbours).

With `skips` some of the convolutions stand in pairs whose result is added to what came in. A pair that gives nothing at
first makes a trained network deeper without a change of what it computes.

Receptive field: one place per convolution on each side, so a tile overlap of `depth` pixels is exact, and three more
with several frames.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from bipack.imaging.color import LOG_SCALE
from bipack_train.models.detail import SLOPE, Detail

LIMIT_FROM, LIMIT_FULL = 1.0, 1.5
"""Encoded brightness or contrast from which the limit closes in, and where it is tight (linear 1 and 3.1)."""

LIMIT_FLAT = 0.03
"""Least freedom in ordinary pictures, encoded: fine texture may appear on flat ground."""

LIMIT_TIGHT = 0.006
"""Freedom beside lights, encoded; above 1 it is 1.4 % of the light."""

DARKEST = 1e-30
"""Least light, relative to the brightest neighbour, that the balance of a block counts with."""


class BranchedConv(nn.Module):
    """A 3x3 convolution with bias and zero padding, trained as a sum of linear branches.

    `weight3` (out, in, 3, 3), `weight1` (out, in, 1, 1), `expand` (wide, in) followed by `gather` (out, wide, 3, 3),
    and the identity where in = out. The only bias is the sum's: with zero padding, a bias inside the pair would not
    be the same thing at the frame's border.
    """

    def __init__(self, inputs: int, outputs: int, expansion: int = 2, gain: float = 1.0) -> None:
        super().__init__()
        wide = expansion * max(inputs, outputs)
        self.skip = inputs == outputs
        spread = gain * (2 / (1 + SLOPE**2)) ** 0.5
        self.weight3 = nn.Parameter(torch.randn(outputs, inputs, 3, 3) * spread * 0.5 / (9 * inputs) ** 0.5)
        self.weight1 = nn.Parameter(torch.randn(outputs, inputs, 1, 1) * spread * 0.3 / inputs**0.5)
        self.expand = nn.Parameter(torch.randn(wide, inputs) / inputs**0.5)
        self.gather = nn.Parameter(torch.randn(outputs, wide, 3, 3) * spread * 0.5 / (9 * wide) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def kernel(self) -> Tensor:
        """The one kernel, (out, in, 3, 3), that all branches together are."""
        # In float32 even where the convolution itself runs in bfloat16: small branches would be rounded away.
        with torch.autocast(self.weight3.device.type, enabled=False):
            pair = torch.einsum("owyx,wi->oiyx", self.gather, self.expand)
            kernel = self.weight3 + pair + functional.pad(self.weight1, (1, 1, 1, 1))
            if self.skip:
                identity = torch.eye(kernel.shape[0], device=kernel.device, dtype=kernel.dtype)
                kernel = kernel + functional.pad(identity[:, :, None, None], (1, 1, 1, 1))
            return kernel

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, H, W)."""
        return functional.conv2d(pixels, self.kernel(), self.bias, padding=1)

    def branch_by_branch(self, pixels: Tensor) -> Tensor:
        """The same result computed one branch after another: what `kernel` is tested against."""
        wide = functional.conv2d(pixels, self.expand[:, :, None, None])
        total = functional.conv2d(pixels, self.weight3, self.bias, padding=1)
        total = total + functional.conv2d(pixels, self.weight1) + functional.conv2d(wide, self.gather, padding=1)
        return total + pixels if self.skip else total

    def fused(self) -> nn.Conv2d:
        """An ordinary convolution with this one's kernel."""
        conv = nn.Conv2d(self.weight3.shape[1], self.weight3.shape[0], 3, padding=1)
        with torch.no_grad():
            conv.weight.copy_(self.kernel())
            conv.bias.copy_(self.bias)  # type: ignore[union-attr]
        return conv


class Skip(nn.Sequential):
    """Two bare convolutions, (N, width, H, W) to the same, added to what came in; at first they add nothing."""

    def __init__(self, width: int) -> None:
        super().__init__(_bare(width, width, 1.0), nn.LeakyReLU(SLOPE), _bare(width, width, 0.0))

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, width, H, W) to the same."""
        result: Tensor = pixels + super().forward(pixels)  # type: ignore[no-untyped-call]
        return result


class PlainNet(nn.Module):
    """Super-res by `scale`, (N, C, H, W) encoded to (N, C, H*scale, W*scale) encoded; nothing is clamped.

    `depth` counts all convolutions; `width` is their channels. scale = 1 gives a restoration network.
    `skips` of two convolutions each, which count in `depth`, are spread over the row.
    """

    def __init__(
        self,
        scale: int = 2,
        width: int = 32,
        depth: int = 10,
        channels: int = 3,
        expansion: int = 2,
        *,
        frames: int = 1,
        noise: bool = False,
        branched: bool = True,
        balance: bool = True,
        skips: int = 0,
    ) -> None:
        super().__init__()
        self.scale, self.width, self.depth, self.channels = scale, width, depth, channels
        self.frames, self.balance = frames, balance

        def conv(inputs: int, outputs: int, gain: float = 1.0) -> nn.Module:
            return BranchedConv(inputs, outputs, expansion, gain) if branched else _bare(inputs, outputs, gain)

        inputs = channels * frames + channels * (frames > 1)
        self.weigh = FrameWeights(channels, frames) if frames > 1 else None
        layers: list[nn.Module] = [conv(inputs, width)]
        row = depth - 2 * skips
        places = [round((number + 1) * (row - 2) / (skips + 1)) for number in range(skips)]
        for place in range(row - 1):
            layers.append(nn.LeakyReLU(SLOPE))
            layers += [Skip(width) for _ in range(places.count(place))]
            if place < row - 2:
                layers.append(conv(width, width))
        # The small last layer starts the network near the plain upsample, where the first steps are calm.
        layers.append(conv(width, channels * scale**2, 0.1))
        self.body = nn.Sequential(*layers)
        self.shuffle = nn.PixelShuffle(scale)
        self.detail = Detail(width, scale, channels) if noise else None
        self.limited = False

    def forward(self, plate: Tensor, noise: Tensor | None = None, amount: Tensor | None = None) -> Tensor:
        """The enlarged plate.

        A network of several frames takes them as more channels, the current one first: it works on their weighted mean
        and sees each of them besides.

        A network that makes up detail takes noise (N, 1, H, W), unit normal, and the amount, (1,) or (N, 1, 1, 1): 1
        adds all of it, 0 nothing, and so does no noise. Detail teaches nothing to what it is added to.
        """
        base, seen = plate, plate
        if self.weigh is not None:
            base = self.weigh.mean(plate, self.weigh(plate))
            plate, seen = plate[:, : self.channels], torch.cat([base, plate], dim=1)
        features = self.body[:-1](seen)
        difference = self.body[-1](features)
        if difference.dtype != plate.dtype:  # bfloat16 inside autocast; a cast without need would end up in the graph
            difference = difference.to(plate.dtype)
        result: Tensor = repeat_pixels(base, self.scale) + self.shuffle(difference)
        if self.detail is not None and noise is not None and amount is not None:
            result = result.detach()
            result = result + amount.view(-1, 1, 1, 1) * self.detail(result, features.detach(), noise)
        return hold_lights(result, plate, self.scale, self.balance) if self.limited else result

    def fused(self) -> PlainNet:
        """A copy for export and inference: branches folded into plain convolutions, the limit on when enlarging."""
        twin = copy.deepcopy(self)
        twin.limited = self.scale > 1 or self.frames > 1
        twin.body = nn.Sequential(*(layer.fused() if isinstance(layer, BranchedConv) else layer for layer in self.body))
        return twin.eval()

    def half_twin(self) -> nn.Module:
        """The fused network with its convolutions in fp16; the plate that they add to stays float32."""
        twin = self if not any(isinstance(layer, BranchedConv) for layer in self.body) else self.fused()
        return _HalfBody(copy.deepcopy(twin))


class FrameWeights(nn.Module):
    """How much each frame of a stack counts at each pixel, so that the sharpest and cleanest one leads.

    A row of convolutions alone learns a mean of its inputs slowly: in trials it came to less than no neighbours did.
    """

    def __init__(self, channels: int, frames: int, width: int = 16) -> None:
        super().__init__()
        self.channels, self.frames = channels, frames
        self.body = nn.Sequential(
            _bare(channels * frames, width, 1.0),
            nn.LeakyReLU(SLOPE),
            _bare(width, width, 1.0),
            nn.LeakyReLU(SLOPE),
            _bare(width, frames, 0.1),
        )
        last = self.body[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None
        with torch.no_grad():
            last.bias[0] = 1.0  # the current frame leads from the start

    def forward(self, stack: Tensor) -> Tensor:
        """(N, C * frames, H, W) to weights (N, frames, H, W) whose sum is 1."""
        # In float32 always: in bfloat16 its gradients are noise, which drives the weights to one frame for good.
        with torch.autocast(stack.device.type, enabled=False):
            return torch.softmax(self.body(stack), dim=1)

    def mean(self, stack: Tensor, weights: Tensor) -> Tensor:
        """The weighted mean of the frames, (N, C, H, W)."""
        pieces = torch.split(stack, self.channels, dim=1)
        total = pieces[0] * weights[:, :1]
        for number in range(1, self.frames):
            total = total + pieces[number] * weights[:, number : number + 1]
        return total.to(stack.dtype)


class _HalfBody(nn.Module):
    """A fused PlainNet whose convolutions run in fp16: the sum with the plate keeps float32 precision."""

    def __init__(self, net: PlainNet) -> None:
        super().__init__()
        self.body = net.body.half()
        self.shuffle, self.scale, self.limited = net.shuffle, net.scale, net.limited
        self.channels, self.balance = net.channels, net.balance
        self.weigh = net.weigh.half() if net.weigh is not None else None
        self.detail = net.detail.half() if net.detail is not None else None

    def forward(self, plate: Tensor, noise: Tensor | None = None, amount: Tensor | None = None) -> Tensor:
        """As PlainNet.forward, float32 in and out."""
        base = seen = plate
        if self.weigh is not None:
            base = self.weigh.mean(plate, self.weigh(plate.half()).float())
            plate, seen = plate[:, : self.channels], torch.cat([base, plate], dim=1)
        features = self.body[:-1](seen.half())
        difference: Tensor = self.shuffle(self.body[-1](features)).float()
        result = repeat_pixels(base, self.scale) + difference
        if self.detail is not None and noise is not None and amount is not None:
            result = result + amount.view(-1, 1, 1, 1) * self.detail(result, features, noise)
        return hold_lights(result, plate, self.scale, self.balance) if self.limited else result


def _bare(inputs: int, outputs: int, gain: float) -> nn.Conv2d:
    """A 3x3 convolution as it is, started as wide as the branched one."""
    conv = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.normal_(conv.weight, std=gain * (2 / (1 + SLOPE**2)) ** 0.5 / (9 * inputs) ** 0.5)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def repeat_pixels(plate: Tensor, scale: int) -> Tensor:
    """Each pixel as a block of scale x scale: an upsample that is centred, exact at borders and without overshoot."""
    if scale == 1:
        return plate
    return functional.interpolate(plate, scale_factor=float(scale), mode="nearest")


def hold_lights(result: Tensor, plate: Tensor, scale: int, balance: bool = True) -> Tensor:
    """Keep an enlarged picture true to its plate beside lights, where a little sharpening is a lot of light.

    `result` (N, C, H*scale, W*scale) and `plate` (N, C, H, W) are encoded. Near lights each block of result pixels is
    brought to the light of its plate pixel, so that a glint is not dimmed by being spread; then every pixel is held
    near the range of the 3x3 plate pixels around it: as far beyond it as that range is wide while everything in it lies
    below LIMIT_FROM, and LIMIT_TIGHT beyond it from LIMIT_FULL on. Values of any size pass: all bounds come from the
    plate. Without `balance` blocks are not brought to the light of their plate pixel.
    """
    highest = functional.max_pool2d(plate, 3, stride=1, padding=1)
    lowest = -functional.max_pool2d(-plate, 3, stride=1, padding=1)
    contrast = highest - lowest
    strongest = torch.maximum(contrast, torch.maximum(highest, -lowest))
    ordinary = ((LIMIT_FULL - strongest) / (LIMIT_FULL - LIMIT_FROM)).clamp(0.0, 1.0)
    freedom = ordinary * contrast.clamp(min=LIMIT_FLAT) + LIMIT_TIGHT
    lower, upper = repeat_pixels(lowest - freedom, scale), repeat_pixels(highest + freedom, scale)
    held = torch.minimum(torch.maximum(result, lower), upper)
    if not balance:
        return held
    # Light relative to the brightest neighbour: the exponential never overflows, in half precision neither.
    light = functional.avg_pool2d(torch.exp((held - upper) / LOG_SCALE), scale)
    missing = plate - (highest + freedom) - LOG_SCALE * torch.log(light.clamp(min=DARKEST))
    held = held + repeat_pixels((1.0 - ordinary) * missing, scale)
    return torch.minimum(torch.maximum(held, lower), upper)
