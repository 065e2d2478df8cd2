"""Training steps a second of the paint-fix networks, beside a plain U-Net of width 32, at equal pixels a step.

    python bench/paintfix_speed.py [--threads 2] [--steps 6]

The plain U-Net has five levels of two 3x3 convolutions (32 to 512 channels), as the small networks of trainers of this
kind have, and takes batches of 2 crops of 256 pixels; ours takes 8 of 128. Processor time is measured, so that other
work on the machine matters little. Each network is measured as its trainer runs it (ours in bfloat16 where the
processor computes with it), and the plain one in bfloat16 too, to tell network from arithmetic.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack_train import dataset, devices, paintfix, paintfix_loop, paintfix_run


class PlainUNet(nn.Module):
    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(self.double(a, b) for a, b in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * b, b, 2, stride=2) for b in widths[:-1])
        self.join = nn.ModuleList(self.double(2 * b, b) for b in widths[:-1])
        self.head = nn.Conv2d(width, 3, 1)

    @staticmethod
    def double(a: int, b: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for first in (a, b):
            layers += [nn.Conv2d(first, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        for level in reversed(range(4)):
            x = self.join[level](torch.cat([skips[level], self.up[level](x)], dim=1))
        return self.head(x)


def plain_step(net: PlainUNet, optimizer: torch.optim.Optimizer, fast: bool) -> None:
    before, after = torch.rand(2, 3, 256, 256), torch.rand(2, 3, 256, 256)
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        result = net(before)
    loss = (result.float() - after).abs().mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def seconds(step: object, count: int) -> float:
    for _ in range(2):
        step()  # type: ignore[operator]
    begun = time.process_time()
    for _ in range(count):
        step()  # type: ignore[operator]
    return (time.process_time() - begun) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=6)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    plain = PlainUNet()
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-4)
    reference = seconds(lambda: plain_step(plain, optimizer, False), args.steps)
    count = sum(part.numel() for part in plain.parameters())
    print(f"{'network':24} {'parameters':>11} {'CPU-s a step':>13} {'speed':>7}")
    print(f"{'plain U-Net, float32':24} {count:11,} {reference:13.3f} {1.0:7.2f}")
    fast = devices.fast_type(torch.device("cpu")) is not None
    if fast:
        quick = seconds(lambda: plain_step(plain, optimizer, True), args.steps)
        print(f"{'plain U-Net, bfloat16':24} {count:11,} {quick:13.3f} {reference / quick:7.2f}")
    for size in ("small", "medium"):
        run = paintfix_run.build(paintfix.PairsRecipe(name="speed", size=size), torch.device("cpu"))
        crops = [torch.rand(8, planes, 128, 128).contiguous(memory_format=torch.channels_last) for planes in (3, 3, 1)]
        batch = dataset.Batch(*crops)
        ours = seconds(lambda run=run, batch=batch: paintfix_loop.take_step(run, run.net, batch), args.steps)
        count = sum(part.numel() for part in run.net.parameters())
        label = f"{size}, {'bfloat16' if fast else 'float32'}"
        print(f"{label:24} {count:11,} {ours:13.3f} {reference / ours:7.2f}", flush=True)


if __name__ == "__main__":
    main()
