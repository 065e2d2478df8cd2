"""EXR in and out: Bipack against the bare OpenEXR binding, same frame, same process.

    python bench/exr_io.py [--width 1920 --height 1080] [--repeat 5]

Prints milliseconds (best of N) and the ratio to the bare binding; the ratio is what matters on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import OpenEXR

from bipack.imaging import color, exr_io, plate, resample
from bipack.imaging.frame import Box, Frame, Part


def best(work: Callable[[], object], repeat: int) -> float:
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds) * 1000


def film_frame(width: int, height: int) -> Frame:
    """RGBA half with the noise of a scan, which is what compression has to work on."""
    random = np.random.default_rng(1)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    picture = 0.4 + 0.3 * np.sin(columns / 90) * np.cos(rows / 70)
    channels = {
        name: (picture * (1 - 0.2 * index) + random.normal(0, 0.01, picture.shape)).astype(np.float16)
        for index, name in enumerate("RGB")
    }
    channels["A"] = np.ones((height, width), np.float16)
    box = Box.of_size(width, height)
    return Frame([Part(channels, box, box)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    frame = film_frame(options.width, options.height)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "frame.exr")
        bare_path = os.path.join(folder, "bare.exr")
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}

        def write_bare() -> None:
            OpenEXR.File(header, dict(frame.parts[0].channels)).write(bare_path)

        exr_io.write(path, frame)
        bare_write = best(write_bare, options.repeat)
        bare_read = best(lambda: OpenEXR.File(bare_path, separate_channels=True), options.repeat)
        taken = plate.take(frame)
        rows = [
            ("write ZIP", best(lambda: exr_io.write(path, frame), options.repeat), bare_write),
            ("read ZIP", best(lambda: exr_io.read(path, 1 << 40), options.repeat), bare_read),
            ("take the plate", best(lambda: plate.take(frame), options.repeat), bare_read),
            ("encode", best(lambda: color.encode(taken.pixels), options.repeat), bare_read),
            ("decode", best(lambda: color.decode(taken.pixels), options.repeat), bare_read),
            ("put the result", best(lambda: plate.put(frame, taken, taken.pixels), options.repeat), bare_write),
            ("cubic x2", best(lambda: resample.upscale(taken.pixels, 2), options.repeat), bare_write),
        ]
        print(f"{options.width}x{options.height} RGBA half, {os.path.getsize(path) / 1e6:.1f} MB as ZIP")
        print(f"bare binding: write {bare_write:.0f} ms, read {bare_read:.0f} ms\n")
        print(f"{'step':<16}{'ms':>8}{'of bare':>10}")
        for name, taken_ms, bare in rows:
            print(f"{name:<16}{taken_ms:8.0f}{taken_ms / bare:10.2f}")


if __name__ == "__main__":
    main()
