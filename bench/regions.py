"""Region models measured on rendered faces that no training saw: other people, other poses, a light kept back.

    python bench/regions.py [--data FOLDER] [--models DIR] [--region R]… [--only starters,actor,unpaired]
                            [--look FOLDER] [--keep FOLDER]

starters: each shipped starter on people it never saw. Error left inside the matte (100 = the untouched plate); on the
way (age 0.25, 0.5, 0.75) the error of the slider against that of two dissolves: of the plate into the slider's own end,
which is what a mix knob gives, and into the true young face, which nobody has; and of the way alone, on the true
change; fine detail between the lines against the plate's; what the edit flickers over fresh grain against the grain;
wrinkle energy at ages 0 to 1.
actor: 8 pairs of one person, 6 held out under other pose and light. Trained from nothing, and from the starter in half
and a quarter of the steps, or (--minutes) from the starter for so many CPU minutes of one thread; the slider as above.
unpaired: `bipack-train regions --younger` on a clip of a face today and one of it younger, in other poses and lights,
by the decoders alone and from the starter. Error left against the true young face by the distilled model, on the clip
and on frames that it never saw. --keep keeps renders and runs, so that a second call goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "train")]

from bipack import catalog, messages  # noqa: E402
from bipack.imaging import color  # noqa: E402
from bipack.imaging.frame import Pixels  # noqa: E402
from bipack.imaging.image_io import read_frame, write_frame  # noqa: E402
from bipack.imaging.plate import take  # noqa: E402
from bipack.worker.model_step import ModelStep  # noqa: E402
from bipack.worker.sequence import run_sequence  # noqa: E402
from bipack_train import cli, pictures, verify  # noqa: E402
from bipack_train.faces import mesh  # noqa: E402
from bipack_train.models.region import RegionNet  # noqa: E402
from bipack_train.models.way import share  # noqa: E402
from bipack_train.paintfix import Schedule  # noqa: E402
from bipack_train.regions import init, kept, loop, recipe, rendered, unpaired  # noqa: E402
from bipack_train.regions.material import RegionPair  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"
HELD_OUT = "pedestrian_overpass_1k.exr"
AGES = (0.25, 0.5, 0.75, 1.0)
PEOPLE, PAIRS, AWAY, CLIP = 4, 8, 6, 12
SEED = 700_001
SIZE, CODES = "light", 4


# Material -----------------------------------------------------------------------------------------------------------


def strangers(data: str, keep: str) -> dict[str, list[RegionPair]]:
    """People that no starter saw, at all of `AGES`."""

    def make() -> dict[str, list[RegionPair]]:
        rng = np.random.default_rng([SEED, 1])
        people = [rendered.somebody(rng) for _ in range(PEOPLE)]
        shown = rendered.views(mesh.load(data), people, 2, SEED, [_panorama(data)])
        return rendered.pairs_of(
            mesh.load(data), shown, list(rendered.REGIONS), [AGES] * len(shown), seed=SEED, threads=1
        )

    return {region: kept.pairs(keep, f"strangers-{rendered.LOOK}", make, region) for region in rendered.REGIONS}


def actor(data: str, keep: str) -> tuple[dict[str, list[RegionPair]], dict[str, list[RegionPair]]]:
    """Pairs of one person, those at age 1 to learn from, and others of him under the light that is kept back."""
    head, person = mesh.load(data), rendered.somebody(np.random.default_rng([SEED, 2]))

    def make(count: int, seed: int, panoramas: Sequence[Pixels], ages: Sequence[float]) -> dict[str, list[RegionPair]]:
        shown = rendered.views(head, [person], count, seed, panoramas)
        return rendered.pairs_of(head, shown, list(rendered.REGIONS), [ages] * count, seed=seed, threads=1)

    learned, away = {}, {}
    for region in rendered.REGIONS:
        first = lambda: make(PAIRS, SEED + 3, rendered.read_panoramas(data), AGES)  # noqa: E731
        others = lambda: make(AWAY, SEED + 4, [_panorama(data)], AGES)  # noqa: E731
        learned[region] = kept.pairs(keep, f"actorages-{rendered.LOOK}", first, region)
        away[region] = kept.pairs(keep, f"awayages-{rendered.LOOK}", others, region)
    return learned, away


def _panorama(data: str) -> Pixels:
    return pictures.read_panorama(os.path.join(data, "hdri", HELD_OUT))


# Measures -----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def result(net: RegionNet, one: RegionPair, age: float, plate: Pixels | None = None) -> tuple[Pixels, ...]:
    """Result, plate, truth and matte of a crop round the region; `plate` stands in for Before."""
    if plate is not None:
        one = dataclasses.replace(one, pair=dataclasses.replace(one.pair, before=plate))
    before, after, matte = loop.crop_of(one, net.multiple)
    made = net.result(before, matte, torch.tensor([age]), torch.zeros(1, net.codes - 1))
    return tuple(part[0].permute(1, 2, 0).numpy() for part in (made, before, after, matte))


def error(first: Pixels, second: Pixels, matte: Pixels) -> float:
    return float((np.abs(first - second) * matte).sum())


def energy(picture: Pixels, inside: np.ndarray, fine: float, broad: float) -> float:
    """Mean square of the detail between two sizes, in pixels (0 = all that is finer)."""
    upper = cv2.GaussianBlur(picture, (0, 0), fine) if fine > 0 else picture
    return float(np.square(upper - cv2.GaussianBlur(picture, (0, 0), broad))[inside].mean())


def detail(net: RegionNet, full: Sequence[RegionPair]) -> float:
    """Energy of the two finest bands at age 1 against the plate's, where the truth does not change."""
    made_sum = plate_sum = 0.0
    for one in full:
        made, plate, truth, matte = result(net, one, 1.0)
        changed = cv2.dilate(np.abs(plate - truth).max(-1), np.ones((9, 9), np.uint8)) > 0.006
        inside = (matte[..., 0] > 0.9) & ~changed
        if inside.sum() > 200:
            made_sum += energy(made, inside, 0.0, 2.0)
            plate_sum += energy(plate, inside, 0.0, 2.0)
    return made_sum / plate_sum


def flicker(net: RegionNet, one: RegionPair, frames: int = 6) -> float:
    """Change of the edit from frame to frame of a still face with fresh grain, against that of the grain."""
    rng, still = np.random.default_rng(5), color.decode(one.pair.before.astype(np.float32))
    edits, plates = [], []
    for _ in range(frames):
        grain = 0.004 * np.sqrt(np.maximum(still, 0) + 0.02) * rng.normal(0, 1, still.shape)
        made, plate, _, matte = result(net, one, 1.0, color.encode((still + grain).astype(np.float32)))
        edits.append(made - plate)
        plates.append(plate)
    moved = [sum(error(a, b, matte) for a, b in zip(part[1:], part[:-1], strict=True)) for part in (edits, plates)]
    return moved[0] / moved[1]


def exact(model: str, one: RegionPair) -> tuple[int, int]:
    """Samples that the worker changes at age 0, and outside the matte at age 1."""
    with tempfile.TemporaryDirectory() as folder:
        plate, matte, out = (os.path.join(folder, f"{name}.exr") for name in ("plate", "matte", "out"))
        mask = one.pair.matte.astype(np.float32)[..., None] / 255.0
        write_frame(plate, verify.picture_frame(color.decode(one.pair.before.astype(np.float32)), half=True))
        write_frame(matte, verify.picture_frame(mask, half=True))
        stored, made = take(read_frame(plate)).pixels, []
        step = ModelStep(catalog.locate(model), "cpu")
        for age in (0.0, 1.0):
            request = messages.Render("bench", model, plate, out, device="cpu", matte=matte, settings={"age": age})
            run_sequence(request, step, lambda _: None, threading.Event())
            made.append(take(read_frame(out)).pixels)
        step.close()
    return int((made[0] != stored).sum()), int((made[1] != stored)[mask[..., 0] == 0].sum())


# Parts --------------------------------------------------------------------------------------------------------------


def way_rows(net: RegionNet, found: Sequence[RegionPair]) -> str:
    """At each quarter the error to the true picture, in percent of the whole change: of the slider, of a dissolve into
    the slider's own end, of a dissolve into the true young face, and of the net's way on the true change."""
    full, rows = [one for one in found if one.amount == 1.0], []
    for age in AGES[:3]:
        errors = np.zeros(5)
        for one, end in zip([one for one in found if one.amount == age], full, strict=True):
            made, plate, truth, matte = result(net, one, age)
            own, _, young, _ = result(net, end, 1.0)
            mixed, dissolved = plate + age * (own - plate), plate + age * (young - plate)
            parts = (made, mixed, dissolved, _on_its_way(net, plate, young, matte, age))
            errors += [error(part, truth, matte) for part in parts] + [error(plate, young, matte)]
        rows.append("/".join(f"{100 * value / errors[-1]:.1f}" for value in errors[:-1]))
    return "   ".join(rows)


@torch.no_grad()
def _on_its_way(net: RegionNet, plate: Pixels, young: Pixels, matte: Pixels, age: float) -> Pixels:
    """The plate with so much of the true change as the net would have made by now of a change that it knew."""
    before, after, mask = (torch.from_numpy(part).permute(2, 0, 1)[None] for part in (plate, young, matte))
    change, amount = after - before, torch.tensor([age])
    come = age if net.way is None else share(*net.way(before, mask, change), amount)
    return np.asarray((before + come * change)[0].permute(1, 2, 0).numpy())


def starters(args: argparse.Namespace) -> None:
    print(f"starters on {PEOPLE} people never seen ({args.models})")
    print(f"{'region':15s} {'left %':>7s}  slider, mix, true dissolve, way at 0.25 0.5 0.75 (% of the change)"
          "        detail  flicker  wrinkles at 0 … 1                 changed at 0, outside")  # fmt: skip
    found = strangers(args.data, args.keep)
    for region in args.region:
        model = os.path.join(args.models, region)
        net = _load(model)
        full = [one for one in found[region] if one.amount == 1.0]
        left = 100 * loop.error_kept(_coded(net), full)
        rows = way_rows(net, found[region])
        lines = [
            np.mean([_wrinkles(*result(net, one, age)) if age else 1.0 for one in full])
            for age in np.arange(0, 1.1, 0.1)
        ]
        steps = [a - b for a, b in itertools.pairwise(lines)]
        falling = "falls" if min(steps) > 0 else "never rises" if min(steps) >= -1e-6 else "NOT monotone"
        print(f"{region:15s} {left:7.1f}  {rows:80s} {detail(net, full):6.3f}  "
              f"{flicker(net, full[0]):7.2f}  {lines[5]:.2f} at half, {lines[10]:.2f} at 1, {falling:13s} "
              f"{exact(model, full[0])}", flush=True)  # fmt: skip
        if args.look:
            look(os.path.join(args.look, f"{region}.png"), net, found[region])


def _wrinkles(made: Pixels, plate: Pixels, truth: Pixels, matte: Pixels) -> float:
    """Wrinkle energy: detail of 1 to 4 pixels where the truth changes, of the result against the plate."""
    inside = (cv2.GaussianBlur(np.abs(plate - truth).max(-1), (0, 0), 2.0) > 0.01) & (matte[..., 0] > 0.5)
    return energy(made, inside, 1.0, 4.0) / energy(plate, inside, 1.0, 4.0) if inside.any() else 1.0


def trained(args: argparse.Namespace) -> None:
    learned, away = actor(args.data, args.keep)
    print(f"\none person, {PAIRS} pairs, {AWAY} held out; error left inside the matte, % of the untouched plate; then "
          "slider, mix, true dissolve, way at 0.25 0.5 0.75, % of the change")  # fmt: skip
    for region in args.region:
        model = os.path.join(args.models, region)
        if os.path.isdir(model):
            _told(region, "untrained starter", _load(model), away[region])
        starts = [one for one in ((1, ""), (4, model), (2, model)) if not one[1] or os.path.isdir(one[1])]
        for share_of, start in starts[-1:] if args.minutes else starts:
            run = _run(
                args, region, learned[region], away[region], 0 if args.minutes else args.steps // share_of, start
            )
            net = loop.averaged(run).net
            _told(region, "from the starter" if start else "from nothing", net, away[region], run)
            _told(region, "  on what it learned", net, learned[region])


def _told(region: str, what: str, net: RegionNet, shown: list[RegionPair], run: loop.Run | None = None) -> None:
    """One line: what is left at the end of the slider, and how near it comes on the way."""
    left = 100 * loop.error_kept(_coded(net), [one for one in shown if one.amount == 1.0])
    length = f"{run.progress.step} steps, {run.progress.seconds / 60:.1f} min" if run is not None else ""
    print(f"{region:15s} {what:20s} {length:20s} {left:5.1f}   {way_rows(net, shown)}", flush=True)


def _run(
    args: argparse.Namespace,
    region: str,
    learned: list[RegionPair],
    away: list[RegionPair],
    steps: int,
    start: str,
) -> loop.Run:
    minutes = 0.0 if steps else args.minutes
    schedule = Schedule(steps=steps, minutes=minutes, learning_rate=args.rate, warm_up=30, ema=0.99)
    settings = recipe.RegionsRecipe(name="actor", regions=(region,), schedule=schedule, seed=3)
    weights = init.load(start, SIZE, CODES) if start else (None, "")
    out = os.path.join(args.keep, f"{region}_{steps or f'{minutes:g}min'}{'_init' if start else ''}")
    watched = [one for one in away if one.amount == 1.0]
    learned = [one for one in learned if one.amount == 1.0]
    learned = [dataclasses.replace(one, code=index) for index, one in enumerate(learned)]
    return loop.train(settings, region, learned, out, watched=watched, device="cpu", resume=True, weights=weights[0],
                      base_model=weights[1], clock=time.process_time)  # fmt: skip


def unpaired_clips(args: argparse.Namespace) -> None:
    """The way from two clips to a model, by the command."""
    head, person = mesh.load(args.data), rendered.somebody(np.random.default_rng([SEED, 6]))
    region = args.region[0]

    def make(count: int, seed: int) -> dict[str, list[RegionPair]]:
        shown = rendered.views(head, [person], count, seed, rendered.read_panoramas(args.data))
        return rendered.pairs_of(head, shown, [region], [(1.0,)] * count, seed=seed, threads=1)

    clips = {
        name: kept.pairs(args.keep, f"{name}-{rendered.LOOK}", lambda n=count, s=seed: make(n, SEED + s), region)
        for name, count, seed in (("today", CLIP, 7), ("younger", CLIP, 8), ("unseen", AWAY, 9))
    }
    folder = os.path.join(args.keep, "unpaired")
    patterns = [_clip(folder, "today", clips["today"], True), _clip(folder, "younger", clips["younger"], False)]
    (today, mattes), (younger, younger_mattes) = patterns
    model = os.path.join(args.models, region)
    for what, start in (("alone", ""), *([("starter", model)] if os.path.isdir(model) else [])):
        settings, out = os.path.join(folder, f"{what}.toml"), os.path.join(folder, what)
        Path(settings).write_text(UNPAIRED.format(steps=args.steps, init=start), encoding="utf-8")
        if start:
            # The two faces are learned alike with and without a starter.
            swap = os.path.join(out, *RUN, unpaired.CHECKPOINT)
            os.makedirs(os.path.dirname(swap), exist_ok=True)
            shutil.copy(os.path.join(folder, "alone", *RUN, unpaired.CHECKPOINT), swap)
        command = ["regions", "--recipe", settings, "--before", today, "--mattes", mattes, "--younger", younger]
        command += ["--younger-mattes", younger_mattes, "--region", "matte", "--name", "clip", "--device", "cpu"]
        command += ["--threads", str(args.threads), "--out", out, "--resume"]
        began = time.process_time()
        code = cli.main(command)
        minutes = (time.process_time() - began) / 60
        net = _load(os.path.join(out, "clip_matte", "clip_matte"))
        left = [100 * loop.error_kept(_coded(net), clips[name]) for name in ("today", "unseen")]
        print(f"\nunpaired, {region}, {what}: exit {code}, {CLIP} frames of each face, {minutes:.1f} CPU minutes; "
              f"error left {left[0]:.1f} % on the clip, {left[1]:.1f} % on {AWAY} frames never seen; "
              f"detail between the lines {detail(net, clips['unseen']):.3f}", flush=True)  # fmt: skip
        if args.look:
            look(os.path.join(args.look, f"unpaired_{what}.png"), net, clips["unseen"])


RUN = ("clip_matte", "run")

UNPAIRED = """kind = "regions"
name = "clip"
regions = ["matte"]
init = "{init}"
feather = 0.0
[schedule]
steps = {steps}
minutes = 0.0
[unpaired.schedule]
steps = {steps}
minutes = 0.0
learning_rate = 1e-3
"""


def _clip(folder: str, name: str, pairs: Sequence[RegionPair], old: bool) -> tuple[str, str]:
    """A clip and its mattes as EXRs; returns their patterns."""
    os.makedirs(folder, exist_ok=True)
    patterns = os.path.join(folder, f"{name}.%04d.exr"), os.path.join(folder, f"{name}_matte.%04d.exr")
    for number, one in enumerate(pairs, 1001):
        picture = color.decode((one.pair.before if old else one.pair.after).astype(np.float32))
        write_frame(patterns[0] % number, verify.picture_frame(picture, half=True))
        mask = one.pair.matte.astype(np.float32)[..., None] / 255.0
        write_frame(patterns[1] % number, verify.picture_frame(mask, half=True))
    return patterns


def _load(model: str) -> RegionNet:
    return init.net(model, SIZE, CODES)


def _coded(net: RegionNet) -> loop.Coded:
    model = loop.Coded(SIZE, CODES, 1)
    model.net = net
    return model.eval()


def look(path: str, net: RegionNet, found: Sequence[RegionPair], count: int = 4) -> None:
    """A row for each of some people, at 200 %: old, young truth, result, slider at the quarters, difference x8."""
    rows = []
    for one in [one for one in found if one.amount == 1.0][:: max(1, len(found) // len(AGES) // count)][:count]:
        made, plate, truth, matte = result(net, one, 1.0)
        between = [result(net, one, age)[0] for age in AGES[:3]]
        differences = [0.5 + 8 * (made - plate), 0.5 + 8 * matte * (made - truth)]
        rows.append(np.hstack([plate, truth, made, *between, *differences]))
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
    sheet = (np.clip(np.vstack(padded), 0, 1) * 255).astype(np.uint8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    cv2.imwrite(path, cv2.resize(sheet, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)[..., ::-1])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", default=str(SHARED), help="folder with faces/ and hdri/")
    arguments.add_argument("--models", default=str(ROOT / "onnx_models"), help="folder that holds the starters")
    arguments.add_argument("--region", action="append", choices=list(rendered.REGIONS))
    arguments.add_argument("--only", default="starters,actor,unpaired")
    arguments.add_argument("--steps", type=int, default=600, help="steps from nothing (default 600)")
    arguments.add_argument(
        "--minutes", type=float, default=0.0, help="actor: so many CPU minutes from the starter instead"
    )
    arguments.add_argument("--rate", type=float, default=4e-3, help=argparse.SUPPRESS)
    arguments.add_argument("--look", default="", metavar="FOLDER", help="write pictures to look at")
    arguments.add_argument("--keep", metavar="FOLDER", default="", help="keep renders and runs here")
    arguments.add_argument("--threads", type=int, default=1)
    args = arguments.parse_args()
    args.region = args.region or list(rendered.REGIONS)
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    loop.SAY_EVERY = 50
    with tempfile.TemporaryDirectory() as scratch:
        args.keep = args.keep or scratch
        for part, work in (("starters", starters), ("actor", trained), ("unpaired", unpaired_clips)):
            if part in args.only.split(","):
                work(args)


if __name__ == "__main__":
    main()
