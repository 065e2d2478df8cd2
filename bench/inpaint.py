"""Inpaint measured through the worker: one frame, a moving camera, a still one, and seconds at 1080p and 4K.

    python bench/inpaint.py [--model inpaint] [--data FOLDER] [--look FOLDER] [--only single,moving,static,speed]

single: photographs and textures that training never saw, free-form holes over 10 to 30 % and a 96 pixel square, against
the better of OpenCV's two on each picture; the seam is the mean step across the hole's border over the plate's own.
moving, static: rendered shots with a thing on a known background, grain included; the share borrowed is of those pixels
that some other frame shows. speed: seconds a frame with a 200x200 hole, after the first. --look writes pictures.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from typing import Any

import cv2
import inpaint_shots as shots
import numpy as np

from bipack import messages
from bipack.errors import BipackError
from bipack.imaging import color
from bipack.imaging.frame import Frame, Pixels
from bipack.imaging.image_io import read_frame
from bipack.imaging.plate import take
from bipack.inpaint_knobs import MADE, SOURCE_CHANNEL
from bipack.worker.sequence import run_sequence
from bipack.worker.steps import open_step
from bipack_train import inpaint_recipe, inpaint_scores

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
RECIPE = os.path.join(ROOT, "train", "recipes", "inpaint.toml")
PARTS = ("single", "moving", "static", "speed")
SIZE = (360, 640)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="inpaint", help="catalogue name or model folder")
    parser.add_argument("--data", default=SHARED, help="folder of the pictures (default: the shared data folder)")
    parser.add_argument("--look", metavar="FOLDER", help="write pictures to look at")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, joined by commas")
    args = parser.parse_args()
    if not os.path.isdir(args.data):
        print(f"skipped: {args.data} is not there; name the folder of the pictures with --data", file=sys.stderr)
        return 0
    parts = {"single": single, "moving": moving, "static": static, "speed": speed}
    for name in args.only.split(","):
        parts[name](args.model, args.data, args.look)
    return 0


# One frame ----------------------------------------------------------------------------------------------------------


def single(model: str, data: str, look: str | None) -> None:
    settings = inpaint_recipe.load_recipe(RECIPE)
    print(f"{'PSNR in the hole, dB':34} {'hole':>9} {'Telea':>7} {'NS':>7} {'model':>7} {'gain':>6} {'seam':>5}")
    rows = []
    for case in inpaint_scores.cases(data, settings.data.held_out, settings.seed):
        row = inpaint_scores.score(model, case)
        rows.append(row)
        gain = row.model - row.best_other
        print(
            f"{row.name:34} {row.kind:>9} {row.telea:7.2f} {row.navier_stokes:7.2f} {row.model:7.2f} {gain:+6.2f} "
            f"{row.seam:5.2f}",
            flush=True,
        )
        if look:
            _look_at_case(model, case, os.path.join(look, f"single_{row.name}_{row.kind}.png"))
    for kind in ("free-form", "square", ""):
        chosen = [row for row in rows if kind in ("", row.kind)]
        ours, other, seam = inpaint_scores.means(chosen)
        label = f"mean of {len(chosen)} {kind or 'of all kinds'}"
        print(f"{label:44} {'':>7} {other:7.2f} {ours:7.2f} {ours - other:+6.2f} {seam:5.2f}")
    print()


def _look_at_case(model: str, case: inpaint_scores.Case, path: str) -> None:
    hole = case.hole[..., None]
    views = [
        np.where(hole, np.float32(0.5), case.picture),
        inpaint_scores.opencv(case.picture, case.hole, cv2.INPAINT_TELEA),
        inpaint_scores.fill(model, case.picture, case.hole),
        case.picture,
    ]
    write_png(path, np.hstack(views))


# Shots --------------------------------------------------------------------------------------------------------------


def moving_shots(folder: str, data: str) -> Iterable[shots.Shot]:
    """A building as a plane, bricks as a plane, and a room by a camera that turns."""
    count = 13
    for name, file in (("building", "photos/tt4_building_exterior.jpg"), ("bricks", "textures/skimage_brick.png")):
        picture = shots.photo(data, file, 560)
        if picture.shape[1] < 900:
            picture = np.ascontiguousarray(np.tile(picture, (1, 2, 1)))
        cameras = shots.plane_camera(SIZE, picture, count)
        yield shots.render(os.path.join(folder, name), name, picture, cameras, SIZE, 110)
    view, focal = shots.panorama(data, "hdri/vestibule_1k.exr", 1000)
    cameras = shots.turning_camera(SIZE, view, focal, count)
    yield shots.render(os.path.join(folder, "room"), "room, HDR", view, cameras, SIZE, 110)


def moving(model: str, data: str, look: str | None) -> None:
    print(
        f"{'moving camera, dB in the hole':34} {'OpenCV':>7} {'inpaint':>8} {'gain':>6} {'borrowed':>9} {'s/frame':>8}"
    )
    with tempfile.TemporaryDirectory(prefix="bipack-bench-") as room:
        for shot in moving_shots(room, data):
            began = time.monotonic()
            results = cook(model, shot.plate, shot.matte, os.path.join(room, "out", shot.name[:4]), shot.frames)
            seconds = (time.monotonic() - began) / len(shot.frames)
            ours, other, lent, there = [], [], 0, 0
            for index, result in enumerate(results):
                hole, truth = shot.holes[index], color.encode(shot.truth[index])
                plate = color.encode(take(read_frame(shot.plate % shot.frames[index])).pixels)
                ways = cv2.INPAINT_TELEA, cv2.INPAINT_NS
                grown = cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
                other.append(
                    max(inpaint_scores.psnr(inpaint_scores.opencv(plate, grown, way), truth, hole) for way in ways)
                )
                ours.append(inpaint_scores.psnr(color.encode(take(result).pixels), truth, hole))
                revealed = shot.revealed(index)
                lent += int((source(result)[revealed] != MADE).sum())
                there += int(revealed.sum())
            print(
                f"{shot.name:34} {np.mean(other):7.2f} {np.mean(ours):8.2f} {np.mean(ours) - np.mean(other):+6.2f} "
                f"{lent / max(there, 1):9.1%} {seconds:8.2f}",
                flush=True,
            )
            if look:
                _strip(shot, results, os.path.join(look, f"moving_{shot.name[:4]}.png"))
    print()


def static(model: str, data: str, look: str | None) -> None:
    """A still camera; the thing stands still too in one shot, so that all of it is made up."""
    print(f"{'still camera':34} {'variance over time, of the plate':>34} {'largest step':>13}")
    picture = shots.photo(data, "photos/tt4_building_exterior.jpg", 420)
    with tempfile.TemporaryDirectory(prefix="bipack-bench-") as room:
        for name, step in (("thing moves", (0.05, 0.0)), ("thing stands", (0.0, 0.0))):
            cameras = shots.still_camera(SIZE, picture, 13)
            folder = os.path.join(room, name[-5:].strip())
            shot = shots.render(folder, name, picture, cameras, SIZE, 110, step=step)
            for grain in ("made", "all", "off"):
                results = cook(model, shot.plate, shot.matte, os.path.join(folder, grain), shot.frames, grain=grain)
                filled = np.stack([color.encode(take(result).pixels) for result in results])
                truth = np.stack([color.encode(pixels) for pixels in shot.truth])
                inside = np.stack(shot.holes)
                ratio = variance(filled, inside) / variance(truth, inside)
                steps = float(np.abs(np.diff(filled, axis=0))[inside[1:] & inside[:-1]].max(initial=0.0))
                label = f"{name}, grain {grain}"
                print(f"{label:34} {ratio:34.2f} {steps:13.4f}", flush=True)
                if look:
                    _strip(shot, results, os.path.join(look, f"static_{name[-6:].strip()}_{grain}.png"))
    print()


def variance(values: np.ndarray, inside: np.ndarray) -> float:
    """Mean variance over the frames in which a pixel is `inside`, of pixels that are so at least twice."""
    weight = inside[..., None].astype(np.float64)
    count = weight.sum(axis=0)
    mean = (values * weight).sum(axis=0) / np.maximum(count, 1)
    spread = (np.square(values - mean) * weight).sum(axis=0) / np.maximum(count - 1, 1)
    return float(spread[(count[..., 0] >= 2)].mean())


def speed(model: str, data: str, look: str | None) -> None:
    print(f"{'200x200 hole, seconds a frame':34} {'first':>7} {'then':>7}")
    with tempfile.TemporaryDirectory(prefix="bipack-bench-") as room:
        for label, size in (("1080p", (1080, 1920)), ("4K", (2160, 3840))):
            picture = shots.photo(data, "photos/tt4_building_exterior.jpg", size[0] + 200)
            picture = np.ascontiguousarray(np.tile(picture, (1, 2, 1))[:, : size[1] + 300])
            for name, cameras, step in (
                ("camera moves", shots.plane_camera(size, picture, 6), 0.02),
                ("all made up", shots.still_camera(size, picture, 6), 0.0),
            ):
                folder = os.path.join(room, f"{label}_{name[:3]}")
                shot = shots.render(folder, name, picture, cameras, size, 200, step=(step, 0.0))
                times: list[float] = []
                cook(model, shot.plate, shot.matte, os.path.join(folder, "out"), shot.frames, times=times)
                gaps = np.diff(times)
                print(f"{label + ', ' + name:34} {times[1] - times[0]:7.2f} {np.mean(gaps[1:]):7.2f}", flush=True)


def cook(
    model: str,
    plate: str,
    matte: str,
    out: str,
    frames: tuple[int, ...],
    times: list[float] | None = None,
    **settings: Any,
) -> list[Frame]:
    """Run the shot through the worker; `times` takes the start and the end of every frame."""
    target = os.path.join(out, "out.%04d.exr")
    request = messages.Render("bench", model, plate, target, frames, matte, settings, device="cpu")
    marks = [] if times is None else times

    def hear(message: messages.Message) -> None:
        if isinstance(message, messages.FrameDone):
            marks.append(time.monotonic())

    step = open_step(request)
    marks.append(time.monotonic())
    try:
        run_sequence(request, step, hear, threading.Event())
    finally:
        step.close()
    return [read_frame(target % frame) for frame in frames]


def source(frame: Frame) -> np.ndarray:
    return np.asarray(frame.parts[0].channels[SOURCE_CHANNEL])


# Pictures -----------------------------------------------------------------------------------------------------------


def _strip(shot: shots.Shot, results: list[Frame], path: str) -> None:
    """Rows of plate, result, truth, and eight times the difference, around the hole, for a few frames at 200 %."""
    rows: list[list[Pixels]] = [[], [], [], []]
    for index in range(0, len(results), max(1, len(results) // 5)):
        ys, xs = np.nonzero(shot.holes[index])
        top, left = max(0, int(ys.mean()) - 80), int(np.clip(int(xs.mean()) - 90, 0, SIZE[1] - 180))
        area = slice(top, top + 160), slice(left, left + 180)
        plate = color.encode(take(read_frame(shot.plate % shot.frames[index])).pixels[area])
        result, truth = color.encode(take(results[index]).pixels[area]), color.encode(shot.truth[index][area])
        for row, view in zip(rows, (plate, result, truth, 0.5 + 8 * (result - truth)), strict=True):
            row.append(view)
    write_png(path, np.vstack([np.hstack(row) for row in rows]))


def write_png(path: str, encoded: Pixels) -> None:
    """An encoded picture at 200 %."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shown = np.clip(encoded, 0, 1).repeat(2, 0).repeat(2, 1)[..., ::-1]
    cv2.imwrite(path, np.round(shown * 255).astype(np.uint8))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BipackError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
