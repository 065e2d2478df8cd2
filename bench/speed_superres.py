"""Speed of super-res through `bipack run` against the nets of OpenCV's dnn_superres and bare loops, in one run.

    python bench/speed_superres.py [--models superres_x2 superres_x4 …] [--size 960x540] [--frames 3]

For each model: CPU-seconds a frame and result pixels per CPU-second of `bipack run` (EXR in, EXR out), of a bare
`session.run` loop on the same graph, and of nets of the FSRCNN and ESPCN shapes in ONNX Runtime and in OpenCV's dnn.
Those two have random weights (time does not depend on them; what they reach: bench/reference_nets.py) and are used as
dnn_superres uses them: 8-bit BGR in and out, the net for luma, a bicubic resize for chroma. They work in memory; "with
files" adds what reading and writing the same EXR files costs, measured by itself. Seconds of wall time are in brackets.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from run_speed import bipack_run, plate, sequence

from bipack import catalog
from bipack.errors import BipackError
from bipack.imaging.image_io import read_frame, write_frame

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", default=["superres_x2", "superres_x2_fast", "superres_x4", "superres_x4_fast"]
    )
    parser.add_argument("--size", default="960x540", help="plate, such as 960x540")
    parser.add_argument("--frames", type=int, default=3)
    args = parser.parse_args()
    width, height = (int(side) for side in args.size.split("x"))
    cv2.setNumThreads(THREADS)
    for model in args.models:
        try:
            located = catalog.locate(model)
        except BipackError as error:
            print(f"{model}: skipped, {error}")
            continue
        assert located.card is not None
        with tempfile.TemporaryDirectory(prefix="bipack-bench-") as folder:
            measure(model, located.path, located.card.scale, (width, height), args.frames, Path(folder))
    return 0


def measure(model: str, path: str, scale: int, size: tuple[int, int], frames: int, folder: Path) -> None:
    width, height = size
    pixels = width * height * scale**2 / 1e6
    print(f"{model}: {width}x{height} -> {width * scale}x{height * scale}, {frames} frames, {THREADS} threads")
    print(f"  {'':30} {'CPU s':>7} {'(s)':>8} {'MP per CPU-s':>13} {'with files':>11}")
    files = timed(exr_files(size, scale, folder), frames)[1]

    def row(label: str, wall: float, cpu: float, inclusive: bool = False) -> None:
        both = cpu if inclusive else cpu + files
        alone = " " * 13 if inclusive else f"{pixels / cpu:13.2f}"
        print(f"  {label:30} {cpu:7.3f} {f'({wall:.3f})':>8} {alone} {pixels / both:11.2f}", flush=True)

    row("bipack run, EXR to EXR", *through_bipack(model, size, frames, folder), inclusive=True)
    row("bare ONNX Runtime, same graph", *timed(bare(path, size), frames))
    for name, build in (("FSRCNN", fsrcnn), ("ESPCN", espcn)):
        other = str(folder / f"{name}.onnx")
        onnx.save(build(scale, height, width), other)
        for engine, make in (("ONNX Runtime", luma_ort), ("OpenCV dnn", luma_opencv)):
            try:
                row(f"{name}, {engine}", *timed(make(other, size, scale), frames))
            except cv2.error as error:
                print(f"  {name + ', ' + engine:30} cannot run it: {str(error).splitlines()[0][:60]}")
    print(f"  {'the EXR files alone':30} {files:7.3f}\n", flush=True)


def exr_files(size: tuple[int, int], scale: int, folder: Path) -> Callable[[], object]:
    """Read a plate, write a result: half RGBA with the work of a film plate, ZIP."""
    source, target = str(folder / "small.exr"), str(folder / "large.exr")
    write_frame(source, plate(*size))
    result = plate(size[0] * scale, size[1] * scale)

    def once() -> object:
        write_frame(target, result)
        return read_frame(source)

    return once


def through_bipack(model: str, size: tuple[int, int], frames: int, folder: Path) -> tuple[float, float]:
    """(seconds, CPU-seconds) a frame; what start and stop cost is taken off by a run of one frame."""
    found = []
    for count in (1, 1 + frames):
        pattern = sequence(folder / f"plate{count}", count, *size)
        _, wall, cpu, _ = bipack_run(model, pattern, folder / f"out{count}")
        found.append((wall, cpu))
    return (found[1][0] - found[0][0]) / frames, (found[1][1] - found[0][1]) / frames


def timed(once: Callable[[], object], count: int) -> tuple[float, float]:
    """(seconds, CPU-seconds) of one call."""
    once()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        once()
    return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count


def bare(path: str, size: tuple[int, int]) -> Callable[[], object]:
    """session.run on whole random frames."""
    session = _session(path)
    feed = {session.get_inputs()[0].name: np.random.default_rng(0).random((1, 3, size[1], size[0]), np.float32)}
    return lambda: session.run(None, feed)


def luma_ort(path: str, size: tuple[int, int], scale: int) -> Callable[[], object]:
    """A whole frame, as dnn_superres does it."""
    session = _session(path)
    return _superres(size, scale, lambda luma: session.run(None, {"luma": luma})[0])


def luma_opencv(path: str, size: tuple[int, int], scale: int) -> Callable[[], object]:
    """The same in OpenCV's own engine."""
    net = cv2.dnn.readNetFromONNX(path)

    def run(luma: np.ndarray) -> np.ndarray:
        net.setInput(luma)
        return net.forward()

    return _superres(size, scale, run)


def _session(path: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _superres(size: tuple[int, int], scale: int, net: Callable[[np.ndarray], np.ndarray]) -> Callable[[], object]:
    """The steps of dnn_superres around `net`, which takes and gives luma (1, 1, H, W) of 0..1."""
    width, height = size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)

    def once() -> object:
        seen = cv2.cvtColor(picture.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2YCrCb)
        luma, *chroma = cv2.split(seen)
        planes = [cv2.resize(plane, (width * scale, height * scale), interpolation=cv2.INTER_CUBIC) for plane in chroma]
        result = cv2.merge([net(luma[None, None])[0, 0], *planes])
        return cv2.convertScaleAbs(cv2.cvtColor(result, cv2.COLOR_YCrCb2BGR), alpha=255)

    return once


# The other nets -----------------------------------------------------------------------------------------------------


class _Net:
    """Convolutions one after another, random weights."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.last, self._rng = "luma", np.random.default_rng(0)

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        values = self._rng.normal(0, (np.prod(shape[1:])) ** -0.5, shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def op(self, kind: str, *inputs: str, **attributes: object) -> None:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, [self.last, *inputs], [name], **attributes))
        self.last = name

    def conv(self, inputs: int, outputs: int, kernel: int) -> None:
        self.op("Conv", self.weight(outputs, inputs, kernel, kernel), self.weight(outputs), pads=[kernel // 2] * 4)

    def model(self, shape: tuple[int, int], scale: int) -> onnx.ModelProto:
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 1, shape[0] * factor, shape[1] * factor))
            for name, factor in (("luma", 1), (self.last, scale))
        ]
        graph = helper.make_graph(self.nodes, "net", ends[:1], ends[1:], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def fsrcnn(scale: int, height: int, width: int) -> onnx.ModelProto:
    """FSRCNN(56, 12, 4): Dong, Loy, Tang, 2016; LeakyReLU for its PReLU."""
    net = _Net()
    for inputs, outputs, kernel in ((1, 56, 5), (56, 12, 1), *((12, 12, 3),) * 4, (12, 56, 1)):
        net.conv(inputs, outputs, kernel)
        net.op("LeakyRelu", alpha=0.1)
    pads = [4, 4, 4 - (scale - 1), 4 - (scale - 1)]
    net.op("ConvTranspose", net.weight(56, 1, 9, 9), net.weight(1), strides=[scale] * 2, pads=pads)
    return net.model((height, width), scale)


def espcn(scale: int, height: int, width: int) -> onnx.ModelProto:
    """ESPCN: Shi and others, 2016."""
    net = _Net()
    for inputs, outputs, kernel in ((1, 64, 5), (64, 32, 3)):
        net.conv(inputs, outputs, kernel)
        net.op("Tanh")
    net.conv(32, scale**2, 3)
    net.op("DepthToSpace", blocksize=scale, mode="CRD")
    return net.model((height, width), scale)


if __name__ == "__main__":
    sys.exit(main())
