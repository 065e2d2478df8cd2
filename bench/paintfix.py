"""Paint-fix against OpenCV's inpainting: what `bipack-train pairs` learns in ten minutes from six pairs, or from one.

    python bench/paintfix.py --data <shared data folder>                    both sets, 6 pairs, 10 minutes
    python bench/paintfix.py --data … --kind rig --pairs 1 --minutes 30 …

Sets are written as half EXR, trained through the command's own code, published (verification included), and the test
frames go through the worker. Time is processor time for two cores (10 minutes = 1200 CPU-seconds), so that a busy
machine does not spoil the figure. OpenCV is given the true mask; Bipack finds the marks itself.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import paintfix_sets as sets
from paintfix_sets import Array, Shot

from bipack import catalog, messages
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import take
from bipack.worker.model_step import ModelStep
from bipack.worker.sequence import run_sequence
from bipack_train.cli import main as train_main
from bipack_train.verify import picture_frame

FIRST_TRAIN, FIRST_TEST = 1001, 2001


def write_pairs(shots: Sequence[Shot], folder: Path) -> None:
    for index, shot in enumerate(shots):
        for side, pixels in (("before", shot.before), ("after", shot.after)):
            name = folder / side / f"{side}.{FIRST_TRAIN + index}.exr"
            write_frame(str(name), picture_frame(pixels, half=True))


def psnr(total: float) -> float:
    return -10.0 * math.log10(max(total, 1e-12))


def opencv_score(shots: Sequence[Shot]) -> tuple[str, float]:
    """The better of Telea and Navier-Stokes over radii and mask growths, as hole PSNR in dB."""
    scores: dict[str, list[float]] = {}
    for shot in shots:
        coded = np.rint(np.clip(sets.to_coded(shot.before), 0, 1) * 255).astype(np.uint8)
        truth = sets.to_coded(shot.after)
        for name, method in (("Telea", cv2.INPAINT_TELEA), ("Navier-Stokes", cv2.INPAINT_NS)):
            for grow in (0, 1):
                mask = cv2.dilate(shot.mask.astype(np.uint8), np.ones((2 * grow + 1,) * 2, np.uint8))
                for radius in (3, 5):
                    filled = cv2.inpaint(coded, mask, radius, method).astype(np.float32) / 255
                    error = float(np.square(filled - truth)[shot.mask].mean())
                    scores.setdefault(f"{name} r{radius} +{grow}", []).append(error)
    best = min(scores, key=lambda name: float(np.mean(scores[name])))
    return best, psnr(float(np.mean(scores[best])))


def render(model: str, shots: Sequence[Shot], folder: Path, knobs: dict[str, float] | None = None) -> list[Array]:
    """The test frames through the worker, as they come back from EXR half."""
    for index, shot in enumerate(shots):
        write_frame(str(folder / f"plate.{FIRST_TEST + index}.exr"), picture_frame(shot.before, half=True))
    frames = tuple(range(FIRST_TEST, FIRST_TEST + len(shots)))
    request = messages.Render(
        "bench",
        model,
        str(folder / "plate.####.exr"),
        str(folder / "out.####.exr"),
        frames=frames,
        device="cpu",
        settings=knobs or {},
    )
    step = ModelStep(catalog.locate(model), "cpu")
    try:
        run_sequence(request, step, lambda message: None, threading.Event())
    finally:
        step.close()
    return [take(read_frame(str(folder / f"out.{frame}.exr"))).pixels for frame in frames]


def measure(shots: Sequence[Shot], results: Sequence[Array]) -> dict[str, float]:
    """Figures of the issue: hole PSNR, what moved outside the edit grown by 8 pixels, recall of marks."""
    holes, moved, means, worst, found, marks = [], [], [], [], 0, 0
    for shot, result in zip(shots, results, strict=True):
        coded, plate, truth = (sets.to_coded(pixels) for pixels in (result, shot.before, shot.after))
        holes.append(float(np.square(coded - truth)[shot.mask].mean()))
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
        far = cv2.dilate(shot.mask.astype(np.uint8), disc) == 0
        difference = np.abs(result - shot.before).max(axis=-1)[far]
        moved.append(float((difference > 0).mean()))
        means.append(float(np.abs(coded - plate)[far].mean()))
        worst.append(float(np.abs(coded - plate)[far].max()))
        count, labels = cv2.connectedComponents(shot.mask.astype(np.uint8))
        for label in range(1, count):
            here = labels == label
            before = float(np.square(plate - truth)[here].mean())
            found += float(np.square(coded - truth)[here].mean()) < 0.25 * before
            marks += 1
    return {
        "hole": psnr(float(np.mean(holes))),
        "untouched_outside": 100 * (1 - float(np.mean(moved))),
        "mean_outside": float(np.mean(means)),
        "worst_outside": float(np.max(worst)),
        "recall": found / max(1, marks),
    }


def spectrum_ratio(shots: Sequence[Shot], results: Sequence[Array]) -> float:
    """Worst ratio of the band powers of repaired and true texture inside the holes, over three bands above 1/16."""
    powers = np.zeros((2, 3))
    bands = [(0.6, 1.2), (1.2, 2.4), (2.4, 4.8)]
    for shot, result in zip(shots, results, strict=True):
        inner = cv2.erode(shot.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        for index, pixels in enumerate((result, shot.after)):
            coded = sets.to_coded(pixels)
            for band, (fine, coarse) in enumerate(bands):
                detail = cv2.GaussianBlur(coded, (0, 0), fine) - cv2.GaussianBlur(coded, (0, 0), coarse)
                if band == 0:
                    detail = coded - cv2.GaussianBlur(coded, (0, 0), coarse)
                powers[index, band] += float(np.square(detail)[inner].mean())
    ratios = powers[0] / powers[1]
    return float(ratios[np.argmax(np.abs(np.log(ratios)))])


def flicker(shots: Sequence[Shot], results: Sequence[Array]) -> float:
    """Change from frame to frame along the true motion inside the holes, over that of the clean plate."""
    moved = {"result": 0.0, "clean": 0.0}
    clean = [shot.after for shot in shots]
    for index in range(len(shots) - 1):
        place = sets.flow(shots[index], shots[index + 1])
        inside = shots[index].mask & (place.min(axis=-1) > 1) & (place.max(axis=-1) < sets.SIZE - 2)
        # Where the rig moves over the plate, what it newly covers or frees counts as well.
        for name, frames in (("result", results), ("clean", clean)):
            now, then = (sets.to_coded(frame) for frame in frames[index : index + 2])
            carried = cv2.remap(then, place[..., 0], place[..., 1], cv2.INTER_CUBIC)
            moved[name] += float(np.abs(carried - now)[inside].mean())
    return moved["result"] / moved["clean"]


def run(kind: str, pairs: int, args: argparse.Namespace) -> dict[str, object]:
    data = Path(args.data)
    made = sets.make(kind, data, args.picture, args.set_seed)
    name, plain = opencv_score(made["test"])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.keep) / f"{kind}_{pairs}" if args.keep else Path(temporary)
        write_pairs(made["train"][:pairs], folder)
        options = ["--minutes", str(args.minutes), "--cpu-time", "--size", args.size, "--threads", str(args.threads)]
        options += ["--seed", str(args.seed), "--init", args.init, *args.extra]
        begun, cpu = time.monotonic(), time.process_time()
        before, after = (str(folder / side / f"{side}.####.exr") for side in ("before", "after"))
        out = str(folder / "run")
        code = train_main(["pairs", "--before", before, "--after", after, "--name", "bench", "--out", out, *options])
        if code:
            raise SystemExit(code)
        spent, cpu = time.monotonic() - begun, time.process_time() - cpu
        model = str(Path(out) / "bench")
        results = render(model, made["test"], folder / "test")
        figures: dict[str, object] = dict(measure(made["test"], results))
        # A model whose repairs lack no texture has no grain input.
        card = catalog.locate(model).card
        assert card is not None
        grain = {"noise_amount": 1.0} if any(knob.name == "noise_amount" for knob in card.knobs) else {}
        grainy = render(model, made["test"], folder / "test", grain)
        figures["hole_with_grain"] = measure(made["test"], grainy)["hole"]
        alone = render(model, made["test"], folder / "test", {"painted": 0.0})
        figures["hole_of_the_net"] = measure(made["test"], alone)["hole"]
        moving = render(model, made["moving"], folder / "moving")
        figures["flicker"] = flicker(made["moving"], moving)
        moving = render(model, made["moving"], folder / "moving", grain)
        figures["flicker_with_grain"] = flicker(made["moving"], moving)
        figures["spectrum"] = spectrum_ratio(made["test"], grainy)
        figures["spectrum_without_grain"] = spectrum_ratio(made["test"], results)
        steps = card.training.steps
    gain = float(figures["hole"]) - plain  # type: ignore[arg-type]
    figures |= {"kind": kind, "pairs": pairs, "opencv": plain, "opencv_method": name, "gain": gain, "steps": steps}
    print(
        f"{kind:8} {pairs} pairs  {name} {plain:.2f} dB  Bipack {figures['hole']:.2f} dB ({gain:+.2f}; "
        f"the net alone {figures['hole_of_the_net']:.2f}, with grain {figures['hole_with_grain']:.2f})  "
        f"outside: same {figures['untouched_outside']:.3f} %, mean {figures['mean_outside']:.1e}, "
        f"worst {figures['worst_outside']:.3f}  marks {figures['recall']:.1%}  texture {figures['spectrum']:.2f} "
        f"(without grain {figures['spectrum_without_grain']:.2f})  flicker {figures['flicker']:.2f} "
        f"(with grain {figures['flicker_with_grain']:.2f})  {steps} steps, {cpu:.0f} CPU-s, {spent / 60:.0f} min",
        flush=True,
    )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with faces/, photos/ and textures/")
    parser.add_argument("--kind", choices=("markers", "rig"), action="append", help="default: both")
    parser.add_argument("--pairs", type=int, action="append", help="default: 6")
    parser.add_argument("--minutes", type=float, default=10.0, help="in two-core processor time (default 10)")
    parser.add_argument("--size", default="small")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--init", default="auto", help="model to start from, or none (default: the shipped start)")
    parser.add_argument("--picture", help="another picture below the data folder: name, or name@x,y,width,height")
    parser.add_argument("--set-seed", type=int, default=1)
    parser.add_argument("--keep", help="keep pairs, run and results in this folder")
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("extra", nargs="*", help="more options for bipack-train pairs, after --")
    args = parser.parse_args()
    logging.getLogger("bipack_train").setLevel(logging.INFO)
    rows = [run(kind, pairs, args) for kind in args.kind or ("markers", "rig") for pairs in args.pairs or (6,)]
    if args.json:
        Path(args.json).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
