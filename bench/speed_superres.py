"""Speed of super-res through `bipack run` against the nets of OpenCV's dnn_superres and bare loops, in one run.

    python bench/speed_superres.py [--models superres_x2 superres_x4] [--size 960x540] [--frames 3]

For each model: result pixels per second and per CPU-second of `bipack run` (EXR in, EXR out), of a bare `session.run`
loop on the same graph, and of nets of the FSRCNN and ESPCN shapes in ONNX Runtime and in OpenCV's dnn. Those two have
random weights (time does not depend on them) and see luma alone, as dnn_superres uses them; their color, a bicubic
resize of two planes, is timed with them. The last line is CPU-seconds for a frame of the given size, start left out.
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
from onnx import TensorProto, helper, numpy_helper
from run_speed import bipack_run, sequence

from bipack import catalog
from bipack.errors import BipackError

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["superres_x2", "superres_x4"])
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
    print(f"  {'':34} {'MP/s':>8} {'MP per CPU-s':>13}")
    wall, cpu = through_bipack(model, size, frames, folder)
    print(f"  {'bipack run, EXR to EXR':34} {pixels / wall:8.2f} {pixels / cpu:13.2f}")
    bare_wall, bare_cpu = timed(bare(path, size), frames)
    print(f"  {'bare ONNX Runtime, same graph':34} {pixels / bare_wall:8.2f} {pixels / bare_cpu:13.2f}")
    for name, build in (("FSRCNN", fsrcnn), ("ESPCN", espcn)):
        other = str(folder / f"{name}.onnx")
        onnx.save(build(scale, height, width), other)
        for engine, make in (("ONNX Runtime", luma_ort), ("OpenCV dnn", luma_opencv)):
            try:
                found = timed(make(other, size, scale), frames)
            except cv2.error as error:
                print(f"  {name + ', ' + engine:34} cannot run it: {str(error).splitlines()[0][:60]}")
                continue
            print(f"  {name + ', ' + engine:34} {pixels / found[0]:8.2f} {pixels / found[1]:13.2f}")
    print(f"  CPU-seconds a frame: bipack run {cpu:.2f}, bare {bare_cpu:.2f}\n", flush=True)


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
    """Luma through the net, chroma by bicubic, as dnn_superres does it."""
    session, luma = _session(path), _luma(size)

    def once() -> object:
        _chroma(size, scale)
        return session.run(None, {"luma": luma})

    return once


def luma_opencv(path: str, size: tuple[int, int], scale: int) -> Callable[[], object]:
    """The same in OpenCV's own engine."""
    net, luma = cv2.dnn.readNetFromONNX(path), _luma(size)

    def once() -> object:
        _chroma(size, scale)
        net.setInput(luma)
        return net.forward()

    return once


def _session(path: str) -> object:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _luma(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(0).random((1, 1, size[1], size[0]), np.float32)


def _chroma(size: tuple[int, int], scale: int) -> None:
    planes = np.zeros((size[1], size[0], 2), np.float32)
    cv2.resize(planes, (size[0] * scale, size[1] * scale), interpolation=cv2.INTER_CUBIC)


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
