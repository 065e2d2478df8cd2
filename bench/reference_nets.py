"""What the nets of OpenCV's dnn_superres reach when they learn what ours learn: same pictures, crops, steps, loss.

    python bench/reference_nets.py --data FOLDER [--recipe superres_x2_fast] [--steps 6000] [--nets fsrcnn espcn ours]

Prints PSNR-Y on the photographs that the recipe holds out, after a schedule cut down to the given steps: what counts is
the difference between the rows. FSRCNN and ESPCN see luma alone, as dnn_superres uses them. Their speed beside ours:
bench/speed_superres.py. The further columns are small pictures that went through H.264, which no net here was made for.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from bipack_train import degrade, metrics, scores, superres, superres_data, superres_recipe
from bipack_train.ema import Ema
from bipack_train.models.plain import SLOPE, PlainNet
from bipack_train.pool import CropPool
from bipack_train.superres_recipe import SuperresRecipe

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
RATE = 1e-3
"""Learning rate of Adam for the other nets."""

KINDS = (scores.CLEAN, "H.264 crf 28", "H.264 crf 35")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=SHARED, help="folder of the pictures (default: the shared data folder)")
    parser.add_argument("--recipe", default="superres_x2_fast")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--nets", nargs="+", choices=("fsrcnn", "espcn", "ours"), default=["ours", "fsrcnn", "espcn"])
    args = parser.parse_args()
    if not os.path.isdir(args.data):
        print(f"skipped: {args.data} is not there; name the folder of the pictures with --data", file=sys.stderr)
        return 0
    settings = superres_recipe.load_recipe(os.path.join(ROOT, "train", "recipes", f"{args.recipe}.toml"))
    settings = superres_recipe.shortened(settings, args.steps)
    pool = superres_data.fill_pool(settings, args.data)
    print(f"{args.recipe}, {args.steps} steps, mean PSNR-Y in dB on held-out photographs: bicubic, net, gain")
    print(f"{'net':10} {'weights':>8} {'CPU s':>6}   " + "".join(f"{kind:>24}" for kind in KINDS), flush=True)
    for name in args.nets:
        began = time.process_time()
        net = trained(name, settings, pool)
        spent = time.process_time() - began
        count = sum(value.numel() for value in net.parameters())
        cells = [score(net, name != "ours", settings, args.data, kind) for kind in KINDS]
        shown = "".join(f"{plain:9.2f} {own:7.2f} {own - plain:+6.2f} " for plain, own in cells)
        print(f"{name:10} {count:8} {spent:6.0f}   {shown}", flush=True)
    return 0


def trained(name: str, settings: SuperresRecipe, pool: CropPool) -> nn.Module:
    """The finished network of the recipe, or one of the others in its place."""
    run = superres.start_run(settings, torch.device("cpu"))
    if name != "ours":
        settings = dataclasses.replace(settings, schedule=dataclasses.replace(settings.schedule, learning_rate=RATE))
        torch.manual_seed(settings.seed)
        other = LumaNet(name, settings.scale).to(memory_format=torch.channels_last)
        adam = torch.optim.Adam(other.parameters(), lr=settings.schedule.learning_rate, betas=(0.9, 0.99), foreach=True)
        run = superres.Run(settings, cast(PlainNet, other), Ema(other, settings.schedule.ema), adam, run.device)
    while run.step < settings.schedule.steps:
        low, high = superres.crops(run, pool, run.step)
        superres.take_step(run, (low, high) if name == "ours" else (grey(low), grey(high)))
    net = superres.averaged(run)
    return net.fused() if name == "ours" else net


def score(net: nn.Module, luma: bool, settings: SuperresRecipe, data: str, kind: str) -> tuple[float, float]:
    """Mean PSNR-Y of bicubic and of `net` in dB over the held-out photographs."""
    found = []
    for name in settings.data.held_out:
        if name.endswith(".exr"):
            continue
        small, sharp = scores.small_and_sharp(os.path.join(data, name), settings.scale, kind)
        plate = torch.from_numpy(np.ascontiguousarray((grey(small) if luma else small).transpose(2, 0, 1)))[None]
        with torch.no_grad():
            result = net(plate)[0].permute(1, 2, 0).numpy()
        plain = scores.bicubic(small, settings.scale)
        found.append([metrics.psnr_y(picture, sharp, settings.scale) for picture in (plain, result)])
    return float(np.mean(found, axis=0)[0]), float(np.mean(found, axis=0)[1])


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
