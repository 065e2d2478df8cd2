"""Time and memory of the finishing tools on one 4K frame: `bench/finishing.py [--size 4096x2160] [TOOL …]`.

Each case runs in a process of its own, from the frame in memory to the result in memory (files are left out). CPU time
over two is what a frame takes on two idle cores; the wall time of a busy machine says little. Memory is the peak above
the inputs, in frame buffers of float32 RGB.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from bipack.imaging import color
from bipack.imaging.finishing.tent import tent
from bipack.imaging.frame import Box, Frame, Part
from bipack.worker import tools
from bipack.worker.step import StepControl, StepInput, knob_values

CORES = 2
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "equalizer": ("equalizer", {"amount1": -0.5, "amount2": 0.35, "amount3": 0.5, "amount4": 0.25, "amount5": 0.2}),
    "equalizer, encoded, edges, luma": (
        "equalizer",
        {"amount1": 0.5, "amount3": 0.5, "amount5": 0.2, "working_space": "encoded", "edges": 1, "areas": "luma"},
    ),
    "beauty, a face": ("beauty", {}),
    "beauty, the whole frame": ("beauty", {}),
    "beauty, bilateral, a face": ("beauty", {"smoothing": "bilateral"}),
    "beauty, median, a face": ("beauty", {"smoothing": "median"}),
    "regrain, patches": ("regrain", {}),
    "regrain, synthetic": ("regrain", {"grain_from": "synthetic"}),
    "regrain, no degrained plate": ("regrain", {}),
    "recombine": ("recombine", {}),
    "frequency_split": ("frequency_split", {"output": "high"}),
    "clean_plate, 5 frames, locked off": ("clean_plate", {"align": "none"}),
    "clean_plate, 5 frames, perspective": ("clean_plate", {}),
}


def main() -> None:
    """Run every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tools", nargs="*", help="names that a case begins with; none means all")
    parser.add_argument("--size", default="4096x2160")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    if options.case:
        print(json.dumps(measured(options.case, width, height)))
        return
    print(f"{'case':36} {'CPU s':>7} {f'CPU/{CORES} s':>8} {'wall s':>7} {'buffers':>8}   ({options.size})")
    for case in CASES:
        if options.tools and not any(case.startswith(name) for name in options.tools):
            continue
        command = [sys.executable, __file__, "--case", case, "--size", options.size]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{case:36} {found['cpu']:7.2f} {found['cpu'] / CORES:8.2f} {found['wall']:7.2f} {found['buffers']:8.1f}")


def measured(case: str, width: int, height: int) -> dict[str, float]:
    """CPU and wall seconds (the better of two runs) and peak memory of one case."""
    tool, settings = CASES[case]
    picture = plate(width, height)
    frame = frame_of(picture)
    step = tools.open_tool(tool, settings)
    given = StepInput(
        frame=1001,
        frames=neighbours(frame, step.frame_offsets),
        matte=matte_of(width, height, whole="whole" in case) if case.startswith(("beauty", "regrain")) else None,
        sides=sides(case, picture),
        knobs=knob_values(step.knobs, settings, 0, tool),
    )
    del picture
    control = StepControl(lambda part: None, lambda text: None, threading.Event())
    runs = []
    reset_peak()
    before = memory("VmRSS")
    for _ in range(2):
        began = time.process_time(), time.perf_counter()
        step.process(given, control)
        runs.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    peak = memory("VmHWM") - before
    return {
        "cpu": min(run[0] for run in runs),
        "wall": min(run[1] for run in runs),
        "buffers": peak / (width * height * 12),
    }


def plate(width: int, height: int) -> np.ndarray:
    """Skin-like softness with grain and a few highlights above 1; scene-linear float32."""
    random = np.random.default_rng(1)
    coarse = random.random((height, width), np.float32)
    picture = np.repeat(tent(coarse, 40.0)[..., None], 3, axis=-1)
    picture -= picture.mean()
    picture *= 8.0
    picture += np.array([0.55, 0.42, 0.36], np.float32)
    for channel in range(3):
        picture[..., channel] += 0.02 * random.standard_normal((height, width), np.float32)
    picture[coarse > 0.99999] = 1.6
    return color.decode(picture, out=picture)


def frame_of(picture: np.ndarray) -> Frame:
    """A half-float frame."""
    height, width = picture.shape[:2]
    window = Box.of_size(width, height)
    channels = {name: picture[..., index].astype(np.float16) for index, name in enumerate("RGB")}
    return Frame([Part(channels, window, window)])


def matte_of(width: int, height: int, whole: bool) -> Frame:
    """A matte over everything, or over a face that fills half of the height."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    distance = ((columns - width / 2) / (0.36 * height)) ** 2 + ((rows - height / 2) / (0.45 * height)) ** 2
    pixels = np.ones((height, width), np.float16) if whole else np.clip(4 * (1 - distance), 0, 1).astype(np.float16)
    window = Box.of_size(width, height)
    return Frame([Part({"A": pixels}, window, window)])


def sides(case: str, picture: np.ndarray) -> dict[str, Frame]:
    """Other pictures that the case looks at."""
    if case.startswith("recombine"):
        return {"result": frame_of(tent(picture, 3.0))}
    if case.startswith("regrain"):
        found = {"plate": frame_of(picture)}
        return found if "no degrained" in case else {**found, "degrained": frame_of(tent(picture, 3.0))}
    return {}


def neighbours(frame: Frame, offsets: tuple[int, ...]) -> dict[int, Frame]:
    """The same picture moved a little for every neighbour."""
    found = {}
    for offset in offsets:
        part = frame.parts[0]
        moved = {name: np.roll(stored, offset, axis=1) for name, stored in part.channels.items()}
        found[offset] = frame if offset == 0 else Frame([Part(moved, part.data_window, part.display_window)])
    return found


def reset_peak() -> None:
    """Start the kernel's peak of this process anew, where it can be done."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory(field: str) -> float:
    """VmRSS or VmHWM in bytes; without /proc the peak of the whole process."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0
    return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith(field + ":"))


if __name__ == "__main__":
    main()
