"""Shots that move in a known way, and a slow-motion model of a few nodes, for tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

import graphs
from bipack import card as cards
from bipack.card import Geometry, GraphFile, ModelCard, Port, Training
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame

WIDTH, HEIGHT = 96, 64


def texture(seed: int = 1, width: int = 400, height: int = 120) -> np.ndarray:
    """Scene-linear RGB that repeats nowhere."""
    cells = np.random.default_rng(seed).random((height // 8, width // 8, 3)).astype(np.float32)
    return cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC) * 0.8 + 0.05


def picture(at: float, seed: int = 1, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """The window of the texture whose left edge is `at`: what is shown moves left as `at` grows."""
    centre = (at + (width - 1) / 2 + 40, 56.0)
    return cv2.getRectSubPix(texture(seed), (width, height), centre)


def frame(at: float, seed: int = 1, width: int = WIDTH, height: int = HEIGHT, alpha: bool = True) -> Frame:
    """`picture` as half EXR with alpha, ids and depth, of which depth moves with the picture."""
    pixels = picture(at, seed, width, height)
    channels = {name: pixels[:, :, index].astype(np.float16) for index, name in enumerate("RGB")}
    if alpha:
        channels["A"] = (pixels[:, :, 0] > 0.4).astype(np.float16)
    channels["depth.Z"] = np.where(pixels[:, :, 1] > 0.45, 2000.0, 100.0).astype(np.float32)
    channels["id.X"] = np.where(pixels[:, :, 1] > 0.45, 4_000_000_001, 7).astype(np.uint32)
    window = Box.of_size(width, height)
    return Frame([Part(channels, window, window, {"owner": "tests"})])


def write_shot(folder: Path, places: list[float], first: int = 1001, **options: int) -> str:
    """One frame for each place of the window; returns the pattern."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, at in enumerate(places, start=first):
        write_frame(str(folder / f"shot.{number}.exr"), frame(at, **options))
    return str(folder / "shot.%04d.exr")


def install_slowmo(folder: Path, bends: bool = True, chooses: bool = False) -> Path:
    """A model that believes the classical flow at `folder`: both flows count the same. Needs sizes of 16.

    With `bends` it believes as well how the frames around say that motion bends; without it is as models before 0.3.0.
    With `chooses` its flow graph takes motion as straight, and its synthesis graph believes the fully bent path alone;
    without it is as models before 0.4.0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plane, flow = (1, 3, "H", "W"), (1, 4, "H", "W")
    b = graphs.Builder()
    zero = b.op("Mul", b.op("Add", "frame0", "frame1"), b.const(0.0))
    trust = b.op("Add", b.op("Slice", zero, b.ints([0]), b.ints([2]), b.ints([1])), b.const(1.0))
    results, taken = [b.op("Identity", "prior"), trust], [("frame0", plane), ("frame1", plane), ("prior", flow)]
    if bends:
        bend = b.op("Slice", "around", b.ints([0]), b.ints([4]), b.ints([1]))
        results.append(b.op("Mul", bend, b.const(0.0 if chooses else 1.0)))
        taken.append(("around", (1, 8, "H", "W")))
    first = b.model(results, taken, (1, "C", "H", "W"), names=("flow", "reliability", "bend")[: len(results)])
    b = graphs.Builder()
    every = b.op("Concat", "moved", "frame0", "frame1", "landed", axis=1)
    none = b.op("Mul", b.op("Slice", every, b.ints([0]), b.ints([1]), b.ints([1])), b.const(0.0))
    later = b.op("Add", none, "time")
    sooner = b.op("Sub", b.const(1.0), later)
    half = b.const(0.5)
    shares = [b.op("Mul", share, half) for share in (sooner, later)]
    weights = b.op("Concat", *[none] * 4 * chooses, *shares, *shares, none, none, axis=1)
    inputs = [
        ("moved", (1, 24 if chooses else 12, "H", "W")),
        ("frame0", plane),
        ("frame1", plane),
        ("landed", (1, 10 if bends else 6, "H", "W")),
    ]
    second = b.model([weights], [*inputs, ("time", (1, 1, 1, 1))], (1, "C", "H", "W"), names=("weights",))
    paths = [graphs.save(model, folder / name) for model, name in ((first, "flow.onnx"), (second, "synthesis.onnx"))]
    card = ModelCard(
        name=folder.name,
        title="Slow motion for tests",
        version="1.0.0",
        purpose="For tests.",
        file="flow.onnx",
        sha256=cards.file_sha256(paths[0]),
        graphs={"synthesis": GraphFile("synthesis.onnx", cards.file_sha256(paths[1]))},
        kind="interpolate",
        inputs=(
            Port("frame0", 3),
            Port("frame1", 3),
            Port("prior", 4, "flow"),
            *([Port("around", 8, "flow")] if bends else []),
        ),
        outputs=(
            Port("flow", 4, "flow"),
            Port("reliability", 2, "matte"),
            *([Port("bend", 4, "flow")] if bends else []),
        ),
        gizmo="BipackSlowMo",
        geometry=Geometry("whole", 16, 32),
        training=Training(),
    )
    cards.save(card, str(folder))
    return folder
