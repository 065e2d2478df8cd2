"""What the nets of OpenCV's dnn_superres reach when they learn what ours learn: same pictures, crops, steps, loss.

    python bench/reference_nets.py --data FOLDER [--recipe NAME] [--steps 10000] [--nets shipped fsrcnn espcn]
        [--footage sequences/bee_cc0.mp4 ...]

Prints PSNR-Y on the photographs that the recipe (default: superres_x2_fast) holds out, after its schedule scaled to the
given steps: what counts is the difference between the columns. `shipped` is the model of the catalogue as it is, `ours`
its network trained anew. FSRCNN and ESPCN see luma alone, as dnn_superres uses them. Their speed beside ours:
bench/speed_superres.py. The further rows are small pictures that went through H.264, which no net here was made for;
with --footage, every frame of film clips as well, the mean over the clips.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from collections.abc import Callable
from typing import cast

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from bipack import catalog
from bipack_train import degrade, footage_scores, metrics, scores, superres, superres_data, superres_recipe
from bipack_train.ema import Ema
from bipack_train.models.plain import SLOPE, PlainNet
from bipack_train.pool import CropPool
from bipack_train.superres_recipe import SuperresRecipe

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
RATE = 1e-3
"""Learning rate of Adam for the other nets."""

Enlarge = Callable[[degrade.Pixels], degrade.Pixels]
"""(height, width, 3) encoded to its enlarged twin."""

NETS = ("shipped", "ours", "fsrcnn", "espcn")
KINDS = (scores.CLEAN, *footage_scores.KINDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=SHARED, help="folder of the pictures (default: the shared data folder)")
    parser.add_argument("--recipe", default="superres_x2_fast")
    parser.add_argument("--steps", type=int, default=10000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=["shipped", "fsrcnn", "espcn"])
    parser.add_argument("--footage", nargs="*", default=[], metavar="FILE", help="film files, relative to --data")
    args = parser.parse_args()
    if not os.path.isdir(args.data):
        print(f"skipped: {args.data} is not there; name the folder of the pictures with --data", file=sys.stderr)
        return 0
    torch.set_num_threads(args.threads)
    settings = superres_recipe.load_recipe(os.path.join(ROOT, "train", "recipes", f"{args.recipe}.toml"))
    settings = superres_recipe.shortened(settings, args.steps)
    pool = superres_data.fill_pool(settings, args.data)
    nets = {name: shipped(args.recipe) if name == "shipped" else trained(name, settings, pool) for name in args.nets}
    print(f"{args.recipe}, {args.steps} steps, mean PSNR-Y in dB on held-out photographs: bicubic, net, gain")
    print(f"{'file':14}" + "".join(f"{name:>24}" for name in nets), flush=True)
    for kind in KINDS:
        print_row(kind, score(nets, settings, args.data, kind))
    if args.footage:
        print(f"every frame of {len(args.footage)} film clips")
        paths = [os.path.join(args.data, name) for name in args.footage]
        for kind in footage_scores.KINDS:
            print_row(kind, score_footage(nets, settings.scale, paths, kind))
    return 0


def print_row(kind: str, means: list[float]) -> None:
    """Bicubic, net and gain of every net; `means` begins with bicubic."""
    plain = means[0]
    cells = "".join(f"{plain:9.2f} {own:7.2f} {own - plain:+6.2f} " for own in means[1:])
    print(f"{kind:14}{cells}", flush=True)


def shipped(recipe: str) -> Enlarge:
    """The model of the catalogue that has the recipe's name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(catalog.locate(recipe).path, options, providers=["CPUExecutionProvider"])
    (plate,) = session.get_inputs()
    return lambda small: np.asarray(session.run(None, {plate.name: _planes(small)})[0])[0].transpose(1, 2, 0)


def trained(name: str, settings: SuperresRecipe, pool: CropPool) -> Enlarge:
    """The finished network of the recipe, or one of the others in its place."""
    began = time.process_time()
    run = superres.start_run(settings, torch.device("cpu"))
    if name != "ours":
        settings = dataclasses.replace(settings, schedule=dataclasses.replace(settings.schedule, learning_rate=RATE))
        torch.manual_seed(settings.seed)
        other = LumaNet(name, settings.scale).to(memory_format=torch.channels_last)
        adam = torch.optim.Adam(other.parameters(), lr=settings.schedule.learning_rate, betas=(0.9, 0.99), foreach=True)
        run = superres.Run(settings, cast(PlainNet, other), Ema(other, settings.schedule.ema), adam, run.device)
    prepared = _unchanged if name == "ours" else grey
    while run.step < settings.schedule.steps:
        low, high = superres.crops(run, pool, run.step)
        superres.take_step(run, (prepared(low), prepared(high)))
    weights = sum(value.numel() for value in run.net.parameters())
    print(f"{name}: {weights} weights, {time.process_time() - began:.0f} CPU-seconds", file=sys.stderr, flush=True)
    net = superres.averaged(run)
    return _with(net.fused() if name == "ours" else net, prepared)


def _with(net: nn.Module, prepared: Callable[[degrade.Pixels], degrade.Pixels]) -> Enlarge:
    @torch.no_grad()
    def enlarge(small: degrade.Pixels) -> degrade.Pixels:
        return np.asarray(net(torch.from_numpy(_planes(prepared(small))))[0].permute(1, 2, 0).numpy())

    return enlarge


def score(nets: dict[str, Enlarge], settings: SuperresRecipe, data: str, kind: str) -> list[float]:
    """Mean PSNR-Y of bicubic and of each net in dB over the held-out photographs."""
    found = []
    for name in settings.data.held_out:
        if name.endswith(".exr"):
            continue
        small, sharp = scores.small_and_sharp(os.path.join(data, name), settings.scale, kind)
        found.append(psnr(nets, settings.scale, small, sharp))
    return [float(value) for value in np.mean(found, axis=0)]


def score_footage(nets: dict[str, Enlarge], scale: int, paths: list[str], kind: str) -> list[float]:
    """As `score`, over the film files `paths`: the mean of each one's frames, then of the files."""
    clips = [footage_scores.clip(path, scale, kind) for path in paths]
    means = [np.mean([psnr(nets, scale, *pair) for pair in zip(*clip, strict=True)], axis=0) for clip in clips]
    return [float(value) for value in np.mean(means, axis=0)]


def psnr(nets: dict[str, Enlarge], scale: int, small: degrade.Pixels, sharp: degrade.Pixels) -> list[float]:
    """PSNR-Y of one picture in dB: bicubic, then each net."""
    results = [scores.bicubic(small, scale), *(enlarge(small) for enlarge in nets.values())]
    return [metrics.psnr_y(picture, sharp, scale) for picture in results]


def _planes(pixels: degrade.Pixels) -> degrade.Pixels:
    """(height, width, 3) to (1, 3, height, width)."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def _unchanged(pixels: degrade.Pixels) -> degrade.Pixels:
    return pixels


def grey(pixels: degrade.Pixels) -> degrade.Pixels:
    """Luma of (…, 3) in all three channels."""
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.ascontiguousarray(np.repeat(luma[..., None], 3, axis=-1), np.float32)


class LumaNet(nn.Module):
    """FSRCNN(56, 12, 4) (Dong, Loy and Tang, 2016) or ESPCN (Shi and others, 2016), grey to grey in three channels.

    They learn what to add to bicubic: from nothing they need far more steps to get there.
    """

    def __init__(self, kind: str, scale: int) -> None:
        super().__init__()
        self.scale = scale
        sizes = {
            "fsrcnn": ((1, 56, 5), (56, 12, 1), *((12, 12, 3),) * 4, (12, 56, 1)),
            "espcn": ((1, 64, 5), (64, 32, 3)),
        }
        layers: list[nn.Module] = []
        for inputs, outputs, kernel in sizes[kind]:
            layers += [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)]
            layers += [nn.LeakyReLU(SLOPE) if kind == "fsrcnn" else nn.Tanh()]
        if kind == "fsrcnn":
            layers += [nn.ConvTranspose2d(56, 1, 9, stride=scale, padding=4, output_padding=scale - 1)]
        else:
            layers += [nn.Conv2d(32, scale**2, 3, padding=1), nn.PixelShuffle(scale)]
        self.body = nn.Sequential(*layers)

    def forward(self, plate: Tensor) -> Tensor:
        """(N, 3, H, W) grey to (N, 3, H*scale, W*scale)."""
        luma = plate[:, :1]
        plain = nn.functional.interpolate(luma, scale_factor=self.scale, mode="bicubic")
        return (cast(Tensor, self.body(luma)).float() + plain).expand(-1, 3, -1, -1)


if __name__ == "__main__":
    sys.exit(main())
