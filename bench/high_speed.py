"""What fitting slow motion to a high-speed clip brings on another one of the same kind of motion.

    python bench/high_speed.py --work FOLDER [--kinds gallop wheels wings gravity] [--moments 16] [--recipe R]

For each kind of motion (`high_speed_kinds`) two films are rendered, 240 frames a second: one to learn from, one to
measure on, with other pictures and other parameters. The shipped model is fitted to the first by the documented command
(`bipack-train slowmo --clip A --skip 8`, or another recipe), and both are scored on the second as `bench/slowmo.py`
does (PSNR in dB of encoded values, of frames in the middle between keys). What is in FOLDER already is not made again.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys

import high_speed_film as film
import numpy as np
import slowmo as bench
from high_speed_kinds import KINDS

from bipack.errors import BipackError
from bipack_train import pictures, slowmo_scores

SEED = 31
KEYS = {"a": 75, "b": 50}
"""Key intervals of the film that is learned from, and of the one that is measured on."""

PICTURES = {
    "gallop": {
        "a": ("photos/fluttergallery_landscape_06.jpg", "photos/skimage_chelsea.png", "photos/datacarpentry_tree.jpg"),
        "b": ("photos/fluttergallery_landscape_11.jpg", "photos/met_435809.jpg", "photos/tt4_building_exterior.jpg"),
    },
    "wheels": {
        "a": ("photos/udacity_test2.jpg", "photos/wct_speedtripleatristspoint.jpg", "textures/skimage_brick.png"),
        "b": ("photos/wct_van.jpg", "photos/skimage_coffee.png", "photos/tt4_building_exterior.jpg"),
    },
    "wings": {
        "a": ("photos/wcs_landscape_4.jpg", "photos/wcs_abstract_7.jpg", "photos/budgie_blue_periwinkle.jpg"),
        "b": ("photos/budgie_oakland_zoo_otters.jpg", "photos/wcs_nature_4.jpg", "photos/met_435809.jpg"),
    },
    "gravity": {
        "a": ("photos/tt4_museum.jpg", "photos/wct_hero.jpg", "textures/materialx_wood_color.jpg"),
        "b": ("photos/pop_spacex_81773.jpg", "photos/skimage_coffee.png", "photos/wcs_nature_4.jpg"),
    },
}
"""Background, then coats; those of b are never learned from by any shipped slow motion (`slowmo_scores.PICTURES`)."""


def shot(kind: str, which: str, data: str, seed: int = SEED) -> film.Shot:
    """The shot that is learned from (a) or measured on (b)."""
    ground, *coats = (pictures.original(os.path.join(data, name)) for name in PICTURES[kind][which])
    rng = np.random.default_rng([seed, list(KINDS).index(kind), "ab".index(which)])
    return KINDS[kind](ground, coats, rng)


def rendered(kind: str, which: str, data: str, folder: str, seed: int = SEED) -> str:
    """The film of a shot, made where it is not there."""
    path = os.path.join(folder, f"{kind}_{which}.mkv")
    if not os.path.exists(path):
        number = 10 * list(KINDS).index(kind) + "ab".index(which)
        film.write(path + ".part.mkv", shot(kind, which, data, seed), KEYS[which] * film.STEPS + 1, seed + number)
        os.replace(path + ".part.mkv", path)
    return path


def fitted(clip: str, folder: str, name: str, more: list[str]) -> tuple[str, float | None]:
    """Fit the shipped model to a film: the model's folder, and CPU minutes where it was not there already."""
    out = os.path.join(folder, name)
    model = os.path.join(out, name)
    if os.path.exists(os.path.join(model, "card.json")):
        return model, None
    before = _cpu_seconds()
    command = [sys.executable, "-m", "bipack_train.cli", "slowmo", "--clip", clip, "--skip", str(film.STEPS)]
    subprocess.run([*command, "--name", name, "--out", out, *more], check=True)
    return model, (_cpu_seconds() - before) / 60


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def scored(model: str, clip: str, moments: int, look: str | None) -> np.ndarray:
    """PSNR of each moment: (moments, 3): frames mixed, classical, model."""
    held_out = slowmo_scores.HeldOut(os.path.basename(clip), os.path.abspath(clip), film.STEPS, count=2000)
    found = slowmo_scores.clip_moments("", held_out, moments)
    return np.array(list(bench._scores(bench.open_step(model), held_out.name, found, look)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", required=True, metavar="FOLDER", help="films, runs and models are kept here")
    parser.add_argument("--data", default=bench.SHARED, help="folder of the pictures (default: the shared data folder)")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--steps", type=int, default=0, help="let the flow network learn for so many steps first")
    parser.add_argument("--recipe", help="fit by this recipe (default: that of bipack-train slowmo --clip)")
    parser.add_argument("--moments", type=int, default=16)
    parser.add_argument("--look", metavar="FOLDER", help="write strips to look at")
    args = parser.parse_args()
    if not os.path.isdir(args.data):
        print(f"skipped: {args.data} is not there; name the folder of the pictures with --data", file=sys.stderr)
        return 0
    os.makedirs(args.work, exist_ok=True)
    print(f"{'PSNR in dB':10} {'moments':>7} {'mixed':>7} {'classical':>9} {'shipped':>8} {'fitted':>7} {'gain':>6}")
    gains = []
    for kind in args.kinds:
        clips = {which: rendered(kind, which, args.data, args.work) for which in "ab"}
        stem = os.path.splitext(os.path.basename(args.recipe))[0] if args.recipe else "clip"
        more = ["--threads", "1", "--device", "cpu"]
        more += ["--recipe", args.recipe] if args.recipe else []
        more += ["--steps", str(args.steps)] if args.steps else []
        model, minutes = fitted(clips["a"], args.work, f"{kind}_{stem}_{args.steps}", more)
        looks = [args.look and os.path.join(args.look, name) for name in ("shipped", "fitted")]
        before = scored("slowmo", clips["b"], args.moments, looks[0])
        after = scored(model, clips["b"], args.moments, looks[1])
        gains.append(float((after - before)[:, 2].mean()))
        error = float((after - before)[:, 2].std() / np.sqrt(len(before)))
        mixed, classical, shipped = before.mean(axis=0)
        took = f"{minutes:.1f} CPU minutes" if minutes else "fitted before"
        print(
            f"{kind:10} {len(before):7} {mixed:7.2f} {classical:9.2f} {shipped:8.2f} {after[:, 2].mean():7.2f} "
            f"{gains[-1]:+6.2f} +-{error:.2f}, {took}",
            flush=True,
        )
    print(f"mean gain by the fit: {np.mean(gains):+.2f} dB; least {min(gains):+.2f} dB")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BipackError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
