"""Slow motion measured through the worker: quality, time and memory beside the classical method.

    python bench/slowmo.py [--model slowmo] [--data FOLDER] [--moments 6] [--look FOLDER]
    python bench/slowmo.py --speed            time per in-between, `bipack run` against bare inference, 1080p EXR
    python bench/slowmo.py --memory           8K: peak memory of `bipack run` at x16, a few frames of it
    python bench/slowmo.py --behaviour        a light of 10,000 nits over black, flicker between keys and in-betweens
    python bench/slowmo.py --clip P --skip N  quality on one clip, for a model that was fitted to it
    python bench/slowmo.py --ends             quality as at the ends of a shot: by turns no frame before, none after

Quality: frames of clips that training never saw are left out and found again (PSNR in dB of encoded values). `mixed` is
both frames laid over each other, `classical` DIS flow both ways. --look writes strips: key, truth, classical, model,
and what differs from the truth, times eight.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack import catalog
from bipack.errors import BipackError
from bipack.imaging import color
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import take
from bipack.retime import Moment
from bipack.worker.slowmo_step import SlowMoStep
from bipack.worker.step import StepControl, StepInput, knob_values

if TYPE_CHECKING:
    from bipack_train import slowmo_scores

Pixels = NDArray[np.float32]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
FACTOR = 16


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="slowmo", help="catalogue name or model folder; none = classical alone")
    parser.add_argument("--data", default=SHARED, help="folder of the clips (default: the shared data folder)")
    parser.add_argument("--moments", type=int, default=6, help="moments of each clip; four times as many rendered ones")
    parser.add_argument("--clip", help="measure this clip alone, a film or a padded sequence")
    parser.add_argument("--skip", type=int, default=2, help="distance of its keys")
    parser.add_argument("--ends", action="store_true", help="hide the frame before or the one after, by turns")
    parser.add_argument("--look", metavar="FOLDER", help="write strips to look at")
    parser.add_argument("--speed", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--behaviour", action="store_true")
    args = parser.parse_args()
    if args.speed:
        print_speed(args.model)
    if args.memory:
        print_memory(args.model)
    if args.behaviour:
        print_behaviour(args.model)
    if args.speed or args.memory or args.behaviour:
        return 0
    if not args.clip and not os.path.isdir(args.data):
        print(f"skipped: {args.data} is not there; name the folder of the clips with --data", file=sys.stderr)
        return 0
    print_quality(args)
    return 0


# Quality ------------------------------------------------------------------------------------------------------------


def print_quality(args: argparse.Namespace) -> None:
    # The trainer's own list of what it never learns from; the package needs torch, so only here.
    from bipack_train import slowmo_scores

    if args.clip:
        held_out = slowmo_scores.HeldOut(os.path.basename(args.clip), os.path.abspath(args.clip), args.skip, count=2000)
        sets = [(held_out.name, slowmo_scores.clip_moments("", held_out, args.moments))]
    else:
        sets = [
            (held_out.name, slowmo_scores.clip_moments(args.data, held_out, args.moments))
            for held_out in slowmo_scores.CLIPS
        ]
        sets.append(("rendered motion", slowmo_scores.rendered_moments(args.data, 4 * args.moments)))
    step = open_step(args.model)
    print(f"{'PSNR in dB':32} {'moments':>7} {'mixed':>7} {'classical':>9} {'model':>7} {'gain':>6}")
    gains = []
    for name, moments in sets:
        if args.ends:
            moments = map(_at_an_end, range(24 * args.moments), moments)
        rows = list(_scores(step, name, moments, args.look))
        mixed, classical, model = np.mean(rows, axis=0)
        gains.append(model - classical)
        print(f"{name:32} {len(rows):7} {mixed:7.2f} {classical:9.2f} {model:7.2f} {gains[-1]:+6.2f}", flush=True)
    print(f"mean gain over the classical method: {np.mean(gains):+.2f} dB; least {min(gains):+.2f} dB")


def _at_an_end(index: int, moment: slowmo_scores.Moment) -> slowmo_scores.Moment:
    """The moment without the frame before it or without the one after it."""
    before, after = moment.around
    return dataclasses.replace(moment, around=(None, after) if index % 2 else (before, None))


def _scores(step: SlowMoStep, name: str, moments: Iterator, look: str | None) -> Iterator[tuple[float, float, float]]:
    from bipack_train.slowmo_scores import psnr

    for index, moment in enumerate(moments):
        frames = [frame_of(color.decode(encoded)) for encoded in (moment.frame0, moment.frame1)]
        # Named, since frames made after each other may have one address, by which motion would be found again.
        key = f"{name} {index}"
        around = {
            at: frame_of(color.decode(one.copy()))
            for at, one in zip((-1, 2), moment.around, strict=True)
            if one is not None
        }
        found = [
            encoded_of(between(step, frames, moment.time, method, key, beside))
            for method, beside in (("classical", {}), ("auto", around))
        ]
        mixed = moment.frame0 * np.float32(1 - moment.time) + moment.frame1 * np.float32(moment.time)
        if look and index < 3:
            _write_strip(look, f"{name} {index}", moment.frame0, moment.truth, *found)
        yield psnr(mixed, moment.truth), psnr(found[0], moment.truth), psnr(found[1], moment.truth)


def _write_strip(folder: str, name: str, key: Pixels, truth: Pixels, *found: Pixels, side: int = 256) -> None:
    """The square of most difference: key, truth, results; below it the differences to the truth, times eight."""
    error = cv2.GaussianBlur(np.abs(found[0] - truth).mean(axis=2), (0, 0), 24)
    side = min(side, *truth.shape[:2])
    half = side // 2
    inner = error[half : error.shape[0] - half or None, half : error.shape[1] - half or None]
    row, column = np.unravel_index(int(inner.argmax()), inner.shape) if inner.size else (0, 0)
    window = (slice(int(row), int(row) + side), slice(int(column), int(column) + side))
    views = [view[window] for view in (key, truth, *found)]
    apart = [np.clip(np.abs(view - views[1]) * 8, 0, 1) for view in views]
    sheet = np.vstack([np.hstack(views), np.hstack(apart)]).repeat(2, 0).repeat(2, 1)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "".join(letter if letter.isalnum() else "_" for letter in name) + ".png")
    cv2.imwrite(path, np.round(np.clip(sheet, 0, 1) * 255).astype(np.uint8)[:, :, ::-1])


# Time ---------------------------------------------------------------------------------------------------------------


def print_speed(model: str) -> None:
    """Time of the first in-between of a pair and of the others; then the whole of `bipack run` against inference."""
    shot = moving_shot(1920, 1080, 3)
    step = open_step(model)
    _, seconds = _timed_pair(step, shot[:2])
    later = float(np.median(seconds[1:]))
    print(
        f"1080p, x{FACTOR}: first in-between {seconds[0]:.2f} s, each later one {later:.2f} s: {later / seconds[0]:.2f}"
    )
    bare = _bare_inference(step, shot)
    with tempfile.TemporaryDirectory() as folder:
        write_shot(folder, shot)
        whole, busy = _run(model, folder)
    print(
        f"bipack run, 3 plate frames, {2 * FACTOR + 1} results: {whole:.1f} s; inference alone {bare:.1f} s: "
        f"{bare / whole:.2f} of its speed"
    )
    print("seconds at work: " + ", ".join(f"{name} {value:.1f}" for name, value in busy.items()))


def _timed_pair(step: SlowMoStep, frames: Sequence[Frame]) -> tuple[Frame, list[float]]:
    seconds = []
    for index in range(1, 6):
        begun = time.perf_counter()
        result = between(step, frames, index / FACTOR)
        seconds.append(time.perf_counter() - begun)
    return result, seconds


def _bare_inference(step: SlowMoStep, shot: Sequence[Frame]) -> float:
    """Finding motion and moving pixels, without files: what no run can do without."""
    begun = time.perf_counter()
    for first in range(len(shot) - 1):
        around = {at: shot[first + at] for at in (-1, 2) if 0 <= first + at < len(shot)}
        for index in range(1, FACTOR):
            between(step, shot[first : first + 2], index / FACTOR, key="bare", around=around, first=first)
    return time.perf_counter() - begun


def _run(model: str, folder: str, *more: str) -> tuple[float, dict[str, float]]:
    name, method = ("slowmo", "classical") if model == "none" else (model, "auto")
    command = [sys.executable, "-m", "bipack.cli", "run", name, f"{folder}/shot.%04d.exr", f"{folder}/out.%04d.exr"]
    command += ["--set", f"factor={FACTOR}", "--set", f"method={method}", "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    last = json.loads(done.stdout.strip().splitlines()[-1])
    return float(last["seconds"]), dict(last["busy"])


# Memory -------------------------------------------------------------------------------------------------------------


def print_memory(model: str, results: int = 4) -> None:
    """Peak resident memory of a run over the middle two of four 8K frames."""
    with tempfile.TemporaryDirectory() as folder:
        shot = moving_shot(7680, 4320, 4, alpha=True)
        write_shot(folder, shot)
        shot.clear()
        seconds, _ = _run(model, folder, "--output-frames", f"{FACTOR + 1}-{FACTOR + results}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 2**30
    print(f"8K RGBA half, x{FACTOR}: {results} frames in {seconds:.0f} s, peak memory {peak:.2f} GiB")


# Behaviour ----------------------------------------------------------------------------------------------------------


def print_behaviour(model: str) -> None:
    """HDR and flicker, through the whole step."""
    step = open_step(model)
    rows, columns = np.mgrid[0:270, 0:480].astype(np.float32)
    lamps = []
    for at in (180.0, 216.0):
        lamp = 100 * np.exp(-(((np.square(columns - at) + np.square(rows - 135)) / 400.0) ** 2))
        lamps.append(frame_of(np.repeat(lamp[:, :, None], 3, axis=2).astype(np.float32)))
    peaks = [float(linear_of(between(step, lamps, index / FACTOR)).max()) for index in range(1, FACTOR)]
    print(f"light of 10,000 nits over black, 36 pixels a frame: peak {min(peaks):.2f} to {max(peaks):.2f} of 100")
    shot = moving_shot(960, 540, 2)
    keys = [_look_of(linear_of(frame)) for frame in shot]
    found = [_look_of(linear_of(between(step, shot, index / FACTOR))) for index in range(1, FACTOR)]
    for index, name in enumerate(("mean level", "sharpness")):
        key = np.mean([look[index] for look in keys])
        worst = max(abs(look[index] / key - 1) for look in found)
        print(f"flicker between keys and in-betweens, {name}: {100 * worst:.2f} % at most")


def _look_of(linear: Pixels) -> tuple[float, float]:
    """Mean level, and strength of fine detail, away from the edges of the frame."""
    inner = color.encode(np.ascontiguousarray(linear[32:-32, 32:-32]))
    return float(inner.mean()), float(np.abs(inner - cv2.GaussianBlur(inner, (0, 0), 2)).mean())


# The step -----------------------------------------------------------------------------------------------------------


def open_step(model: str) -> SlowMoStep:
    return SlowMoStep(None if model == "none" else catalog.locate(model))


def between(
    step: SlowMoStep,
    frames: Sequence[Frame],
    at: float,
    method: str = "auto",
    key: str = "",
    around: Mapping[int, Frame] | None = None,
    first: int = 0,
) -> Frame:
    """The frame at `at`, 0 to 1, between two, as `bipack run` makes it; `around` are the frames before (-1) and after
    (2) where they are there. The same `key` means the same shot, of which `first` is the first frame."""
    knobs = knob_values(step.knobs, {"method": method, "cuts": "ignore"}, 0, "slowmo")
    control = StepControl(lambda fraction: None, lambda text: None, threading.Event())
    given = {**dict(enumerate(frames)), **(around or {})}
    hashes = {offset: f"{key} {first + offset}" if key else f"{id(frame)}" for offset, frame in given.items()}
    moment = Moment(1, at, at, at, 0.0, 0.0, (0, 1), around=tuple(around or ()))
    return step.process(StepInput(1, given, knobs=knobs, hashes=hashes, moment=moment), control)


def frame_of(linear: Pixels) -> Frame:
    height, width = linear.shape[:2]
    window = Box.of_size(width, height)
    channels = {name: np.ascontiguousarray(linear[:, :, index]) for index, name in enumerate("RGB")}
    return Frame([Part(channels, window, window, {})])


def linear_of(frame: Frame) -> Pixels:
    return take(frame).pixels


def encoded_of(frame: Frame) -> Pixels:
    return color.encode(linear_of(frame))


def moving_shot(width: int, height: int, count: int, alpha: bool = False) -> list[Frame]:
    """Half-float frames of a textured picture that moves by a hundredth of its width in a frame."""
    rng = np.random.default_rng(1)
    step = width // 100
    cells = rng.random((height // 12, (width + count * step) // 12 + 1, 3)).astype(np.float32)
    whole = cv2.resize(cells, (width + count * step, height), interpolation=cv2.INTER_CUBIC)
    window, shot = Box.of_size(width, height), []
    for index in range(count):
        view = whole[:, index * step : index * step + width]
        channels = {name: view[:, :, plane].astype(np.float16) for plane, name in enumerate("RGB")}
        if alpha:
            channels["A"] = np.ones((height, width), np.float16)
        shot.append(Frame([Part(channels, window, window, {})]))
    return shot


def write_shot(folder: str, shot: Sequence[Frame]) -> None:
    for number, frame in enumerate(shot, start=1):
        write_frame(f"{folder}/shot.{number:04d}.exr", frame)
    assert read_frame(f"{folder}/shot.0001.exr").parts


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BipackError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
