"""What `bipack run` costs beside the model itself: speed, memory, start.

    python bench/run_speed.py [MODEL] [--quick]

Prints four figures, each against a baseline measured in the same run:
  1. plate pixels per second of `bipack run` on a 1080p sequence against a bare `session.run` loop on the best tile of
     the same model, with no reading or writing; and where the rest goes,
  2. peak memory while a 4096x2160 plate becomes a result, against 2048x1080: the part beyond the frame buffers,
  3. the model in ONNX Runtime against the same network in eager PyTorch on the whole frame,
  4. seconds from the start of the process to its first inference.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bipack import catalog
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="superres_x2")
    parser.add_argument("--quick", action="store_true", help="3 frames, one repeat")
    parser.add_argument("--only", choices=("speed", "memory", "torch", "start"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bipack-bench-") as folder:
        for name, measure in (("speed", speed), ("memory", memory), ("torch", against_torch), ("start", start)):
            if args.only in (None, name):
                measure(args.model, Path(folder) / name, args.quick)
    return 0


def plate(width: int, height: int, seed: int = 0) -> Frame:
    """Half RGBA with structure at several scales and grain, so that ZIP has a film plate's work to do."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width), np.float32)
    for scale in (8, 32, 128):
        coarse = random.normal(0.3, 0.15, (height // scale + 2, width // scale + 2)).astype(np.float32)
        picture += np.kron(coarse, np.ones((scale, scale), np.float32))[:height, :width] / 3
    channels = {}
    for name in "RGB":
        channels[name] = (picture + random.normal(0, 0.01, picture.shape).astype(np.float32)).astype(np.float16)
    channels["A"] = np.ones((height, width), np.float16)
    window = Box(0, 0, width - 1, height - 1)
    return Frame([Part(channels, window, window, {"pixelAspectRatio": 1.0}, {})])


def sequence(folder: Path, count: int, width: int, height: int) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    pattern = str(folder / "plate.%04d.exr")
    for index in range(count):
        write_frame(pattern % (1001 + index), plate(width, height, index))
    return pattern


def bipack_run(model: str, pattern: str, folder: Path, *flags: str) -> tuple[dict, float, float, float]:
    """Run the command; returns its closing message, wall seconds, CPU seconds and peak RSS in MiB."""
    script = (
        "import resource, sys, json\nfrom bipack.cli.main import main\ncode = main(sys.argv[1:])\n"
        "u = resource.getrusage(resource.RUSAGE_SELF)\n"
        "peak = next(int(s.split()[1]) for s in open('/proc/self/status') if s.startswith('VmHWM'))\n"
        "sys.stderr.write('\\n' + json.dumps([u.ru_utime + u.ru_stime, peak / 1024]))\nsys.exit(code)\n"
    )
    command = [sys.executable, "-c", script, "run", model, pattern, str(folder / "out.%04d.exr"), "--json", *flags]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - began
    cpu, rss = json.loads(done.stderr.splitlines()[-1])
    return json.loads(done.stdout.splitlines()[-1]), wall, cpu, rss


def bare_loop(model: str, tile: tuple[int, int], count: int) -> tuple[float, float]:
    """Plate pixels per second, and per CPU second, of session.run alone on one tile shape."""
    import onnxruntime as ort

    located = catalog.locate(model)
    options = ort.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    session = ort.InferenceSession(located.path, options, providers=["CPUExecutionProvider"])
    rows, columns = tile
    feed = {session.get_inputs()[0].name: np.random.default_rng(0).random((1, 3, rows, columns), np.float32)}
    session.run(None, feed)
    walls, cpu_began = [], time.process_time()
    for _ in range(count):
        began = time.perf_counter()
        session.run(None, feed)
        walls.append(time.perf_counter() - began)
    cpu = (time.process_time() - cpu_began) / count
    return rows * columns / statistics.median(walls), rows * columns / cpu


def speed(model: str, folder: Path, quick: bool) -> None:
    width, height, count = 1920, 1080, 3 if quick else 10
    pattern = sequence(folder, count, width, height)
    tiles = [(1080, 1920), (540, 1920), (270, 1920), (135, 1920), (256, 256), (512, 512)]
    rates, ours = {}, []
    for _ in range(1 if quick else 3):
        for tile in tiles:
            rates.setdefault(tile, []).append(bare_loop(model, tile, 2 if quick else 4))
        closing, _, cpu, _ = bipack_run(model, pattern, folder)
        ours.append((count * width * height / closing["seconds"], closing, cpu))
    medians = {
        tile: [statistics.median(column) for column in zip(*values, strict=True)] for tile, values in rates.items()
    }
    best, best_cpu = (max(column) for column in zip(*medians.values(), strict=True))
    rate, closing, cpu = sorted(ours, key=lambda entry: entry[0])[len(ours) // 2]
    busy = closing["busy"]
    print(f"speed, {count} frames of {width}x{height} with {model}")
    for tile, (wall_rate, cpu_rate) in medians.items():
        print(
            f"  bare session.run on {tile[1]}x{tile[0]}: {wall_rate / 1e6:6.2f} MP/s, "
            f"{cpu_rate / 1e6:6.2f} MP per CPU second"
        )
    print(f"  bipack run: {rate / 1e6:6.2f} MP/s, ratio to the best bare loop {rate / best:.3f} (wanted: at least 0.9)")
    print(
        f"  seconds a frame: wall {closing['seconds'] / count:.3f}, reading {busy['read'] / count:.3f}, "
        f"processing {busy['process'] / count:.3f}, writing {busy['write'] / count:.3f} (they overlap); "
        f"bare inference {width * height / best:.3f}; CPU {cpu / count:.3f}, "
        f"of which bare inference {width * height / best_cpu:.3f}"
    )


def memory(model: str, folder: Path, quick: bool) -> None:
    print(f"memory, one frame with {model}")
    beyond = []
    for width, height in ((2048, 1080), (4096, 2160)):
        pattern = sequence(folder / str(width), 1, width, height)
        scale = _scale(model)
        rss = bipack_run(model, pattern, folder / str(width))[3]
        # Half RGBA in and out, and the float RGB that goes into the net.
        buffers = (width * height * (4 * 2 + 3 * 4) + width * height * scale * scale * 4 * 2) / 2**20
        beyond.append(rss - buffers)
        print(
            f"  {width}x{height} -> {width * scale}x{height * scale}: peak {rss:.0f} MiB, "
            f"frame buffers {buffers:.0f} MiB, beyond them {rss - buffers:.0f} MiB"
        )
    print(f"  ratio of what is beyond: {beyond[1] / beyond[0]:.3f} (wanted: at most 1.15); peak wanted below 3072 MiB")


def _scale(model: str) -> int:
    """Result size over plate size; a bare ONNX is asked itself."""
    from bipack.worker.graph import analyse

    located = catalog.locate(model)
    return located.card.scale if located.card else int(analyse(located.path).scale)


def against_torch(model: str, folder: Path, quick: bool) -> None:
    """The exported graph rebuilt layer by layer from its own weights in eager PyTorch, on a whole 1080p frame."""
    import torch
    from eager import EagerGraph

    width, height = 1920, 1080
    located = catalog.locate(model)
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    network = EagerGraph(located.path)
    picture = torch.rand(1, 3, height, width)
    ratios = []
    with torch.inference_mode():
        network(picture)
        for _ in range(2 if quick else 4):
            began = time.perf_counter()
            network(picture)
            eager = width * height / (time.perf_counter() - began)
            ratios.append(max(bare_loop(model, tile, 2)[0] for tile in ((270, 1920), (1080, 1920))) / eager)
    print(
        f"torch: ONNX Runtime is {statistics.median(ratios):.2f} times eager PyTorch on {width}x{height} (wanted: 1.5)"
    )


def start(model: str, folder: Path, quick: bool) -> None:
    pattern = sequence(folder, 1, 32, 32)
    times = []
    for _ in range(3 if quick else 7):
        _, wall, _, _ = bipack_run(model, pattern, folder)
        times.append(wall)
    print(f"start: a whole `bipack run` of one 32x32 frame takes {statistics.median(times):.2f} s (wanted: below 1.5)")


if __name__ == "__main__":
    sys.exit(main())
