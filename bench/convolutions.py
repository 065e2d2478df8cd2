"""How to train convolutions: one recipe with branched ones by Adam, bare ones by Muon, and bare ones with tied weights.

    python bench/convolutions.py --data FOLDER [--recipe superres_x2] [--steps 3000] [--seeds 1]

Same crops, steps and schedule, from nothing, each at the rate that suits its optimizer; prints PSNR-Y on the watched
pictures and the CPU-seconds of each. In the end all are the same graph of 3x3 convolutions; what counts is the gain for
the same CPU time.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
import time

import numpy as np
import torch

from bipack_train import superres, superres_data, superres_recipe
from bipack_train.pool import CropPool

KINDS = {
    "branched": ({"branched": True, "equivariant": False, "skips": 0}, 1e-3),
    "bare": ({"branched": False, "equivariant": False}, 3e-3),
    "equivariant": ({"branched": False, "equivariant": True}, 3e-3),
}
"""What each kind changes in the recipe's network, and its learning rate."""

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=SHARED, help="folder of the pictures (default: the shared data folder)")
    parser.add_argument("--recipe", default="superres_x2")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    if not os.path.isdir(args.data):
        print(f"skipped: {args.data} is not there; name the folder of the pictures with --data", file=sys.stderr)
        return 0
    settings = superres_recipe.load_recipe(os.path.join(ROOT, "train", "recipes", f"{args.recipe}.toml"))
    settings = superres_recipe.shortened(settings, args.steps)
    pool = superres_data.fill_pool(settings, args.data)
    watched = superres_data.validation_pictures(settings, args.data)
    plain = np.mean([picture.bicubic for picture in watched])
    print(f"{args.recipe}, {args.steps} steps, bicubic {plain:.2f} dB")
    print(f"{'seed':>4} {'convolutions':>13} {'PSNR-Y':>8} {'gain':>7} {'CPU s':>8} {'steps per CPU s':>16}")
    for seed in range(1, args.seeds + 1):
        for name in KINDS:
            score, seconds = trained(settings, pool, watched, seed, name)
            print(
                f"{seed:4} {name:>13} {score:8.2f} {score - plain:+7.2f} {seconds:8.0f} {args.steps / seconds:16.2f}",
                flush=True,
            )
    return 0


def trained(
    settings: superres_recipe.SuperresRecipe,
    pool: CropPool,
    watched: list[superres_data.ValidationPicture],
    seed: int,
    kind: str,
) -> tuple[float, float]:
    """PSNR-Y at the end and the CPU-seconds that the steps took."""
    changes, rate = KINDS[kind]
    network = dataclasses.replace(settings.network, **changes)
    schedule = dataclasses.replace(settings.schedule, learning_rate=rate)
    changed = dataclasses.replace(settings, seed=seed, network=network, schedule=schedule)
    run = superres.start_run(changed, torch.device("cpu"))
    began = time.process_time()
    while run.step < run.settings.schedule.steps:
        superres.take_step(run, superres.crops(run, pool, run.step))
    return superres.validate(superres.averaged(run), watched, run.device), time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
