"""A tiny inpaint model, and shots whose true background is known: a camera over a drawn ground, a thing on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

import graphs
from bipack.card import ModelCard, Port, file_sha256, save
from bipack.imaging import color
from bipack.imaging.frame import Box, Frame, Part, Pixels
from bipack.imaging.image_io import write_frame
from bipack.inpaint_knobs import INPAINT

MADE_UP = 0.25
"""What the tiny model fills every hole with, encoded."""


def install_model(folder: Path) -> str:
    """A model of the kind `inpaint` that fills holes with one even grey; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    b = graphs.Builder()
    hole = b.op("Cast", b.op("Greater", "matte", b.const(0.0)), to=1)
    grey = b.op("Add", b.op("Mul", "guided", b.const(0.0)), b.const(MADE_UP))
    # Averages of three pixels, so that there is a field of view to find out.
    seen = b.op("Mul", b.op("AveragePool", "plate", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), b.const(0.0))
    filled = b.op("Add", seen, b.op("Reshape", grey, b.ints([1, 1, 1, 1])))
    result = b.op("Add", b.op("Mul", "plate", b.op("Sub", b.const(1.0), hole)), b.op("Mul", filled, hole))
    shapes = [("plate", (1, 3, "H", "W")), ("matte", (1, 1, "H", "W")), ("guided", (1,))]
    path = graphs.save(b.model(result, shapes, (1, 3, "H", "W"), names=("result",)), folder / "model.onnx")
    save(
        ModelCard(
            name=folder.name,
            title="Tiny inpaint",
            version="1",
            purpose="a test",
            file="model.onnx",
            sha256=file_sha256(path),
            kind="inpaint",
            inputs=(Port("plate", 3), Port("matte", 1, "matte"), Port("guided", 1, "amount")),
            outputs=(Port("result", 3),),
            gizmo="BipackInpaint",
            knobs=INPAINT,
        ),
        str(folder),
    )
    return str(folder)


def ground(height: int, width: int, seed: int = 0, even: bool = False) -> Pixels:
    """An encoded picture (height, width, 3) with structure at every size and corners, or an `even` one."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cell in (64,) if even else (64, 32, 16, 8, 4):
        size = height // cell + 2, width // cell + 2
        noise = rng.normal(0, 0.03 * cell**0.25, (*size, 3)).astype(np.float32)
        picture += cv2.resize(noise, (size[1] * cell, size[0] * cell), interpolation=cv2.INTER_CUBIC)[:height, :width]
    for _ in range(0 if even else height * width // 1500):
        left, top = int(rng.integers(0, width)), int(rng.integers(0, height))
        right, bottom = left + int(rng.integers(4, 24)), top + int(rng.integers(4, 24))
        picture[top:bottom, left:right] += rng.uniform(-0.15, 0.15, 3).astype(np.float32)
    return np.asarray(np.clip(picture + 0.45, 0.05, 0.95), np.float32)


@dataclass(frozen=True)
class Scene:
    """Files of a shot, and what is behind the thing."""

    plate: str
    matte: str
    truth: dict[int, Pixels]
    """Scene-linear (height, width, 3) by frame."""

    mattes: dict[int, Pixels]


def write_scene(
    folder: Path,
    count: int = 9,
    size: tuple[int, int] = (160, 224),
    camera: tuple[float, float] = (0.0, 0.0),
    thing: tuple[float, float] = (9.0, 0.0),
    side: int = 28,
    grain: float = 0.0,
    exposure: float = 0.0,
    even: bool = False,
    dtype: type = np.float16,
) -> Scene:
    """A shot of `count` frames from 1001. `camera` and `thing` move by so many pixels (x, y) a frame.

    `exposure` is by how many stops the light changes from frame to frame. Each file has alpha and depth as well.
    """
    folder.mkdir(parents=True, exist_ok=True)
    height, width = size
    wide = ground(height + 160, width + 160, even=even)
    truth, mattes = {}, {}
    for index in range(count):
        x, y = 60 + camera[0] * index, 60 + camera[1] * index
        shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        linear = color.decode(np.ascontiguousarray(cv2.warpAffine(wide, shift, (width, height), flags=flags)))
        linear *= np.float32(2.0 ** (exposure * index))
        rng = np.random.default_rng(index)
        linear = color.decode(color.encode(linear) + rng.normal(0, grain, linear.shape).astype(np.float32))
        left, top = (round(40 + thing[axis] * index) for axis in (0, 1))
        matte = np.zeros((height, width), np.float32)
        matte[top : top + side, left : left + side] = 1.0
        frame = 1001 + index
        truth[frame], mattes[frame] = linear, matte
        shown = np.where(matte[..., None] > 0, np.float32(3.0), linear)
        depth = np.where(matte > 0, np.float32(1.0), np.float32(50.0) + np.arange(width, dtype=np.float32)[None])
        write_frame(str(folder / f"plate.{frame}.exr"), _frame(shown, matte * 0.5, depth, dtype))
        write_frame(str(folder / f"matte.{frame}.exr"), matte_frame(matte))
    return Scene(str(folder / "plate.%04d.exr"), str(folder / "matte.%04d.exr"), truth, mattes)


def _frame(pixels: Pixels, alpha: Pixels, depth: Pixels, dtype: type) -> Frame:
    height, width = alpha.shape
    channels = {name: np.ascontiguousarray(pixels[..., index], dtype) for index, name in enumerate("RGB")}
    channels |= {"A": alpha.astype(dtype), "depth.Z": depth.astype(np.float32)}
    window = Box(5, 3, 5 + width - 1, 3 + height - 1)
    return Frame([Part(channels, window, Box(0, 0, width + 9, height + 9), {"owner": "tests"}, {})])


def matte_frame(matte: Pixels) -> Frame:
    """A matte in the windows of the scene's plates."""
    height, width = matte.shape
    window = Box(5, 3, 5 + width - 1, 3 + height - 1)
    return Frame([Part({"A": matte.astype(np.float16)}, window, Box(0, 0, width + 9, height + 9), {}, {})])
