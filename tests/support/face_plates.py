"""Plates with faces painted in one color for each region, and a parser that reads these colors: exact, and no training.

The parser is a real ONNX model with a card, run by the real worker: distances to the colors by a 1x1 convolution, and
the width of the face by its area, so that one face can be in a picture.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bipack import card as cards
from bipack.card import Geometry, ModelCard, Port
from bipack.face_regions import POINTS, REGIONS
from bipack.imaging import color
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame

_CUBE = [np.array(one, np.float32) for one in itertools.product((0.1, 0.5, 0.9), repeat=3)]
_GREY = 13
COLORS = np.stack([_CUBE[_GREY], *(_CUBE[:_GREY] + _CUBE[_GREY + 1 :])[: len(REGIONS) - 1]])
"""(16, 3) encoded color of each region; background is grey."""

DOTS = np.stack((_CUBE[:_GREY] + _CUBE[_GREY + 1 :])[len(REGIONS) - 1 : len(REGIONS) - 1 + len(POINTS)])
"""(5, 3) encoded color of each point."""

OF_DOTS = tuple(REGIONS.index(name) for name in ("eye_l", "eye_r", "nose", "mouth", "mouth"))
"""Region that each point lies in."""

# Region, middle and half axes in widths of the face, from the middle between eyes and mouth; y down.
_SHAPES = (
    ("hair", 0, -0.35, 0.6, 0.6),
    ("neck", 0, 0.75, 0.3, 0.4),
    ("skin", 0, 0, 0.5, 0.65),
    ("forehead", 0, -0.45, 0.3, 0.1),
    ("cheek_r", -0.3, 0.1, 0.12, 0.12),
    ("cheek_l", 0.3, 0.1, 0.12, 0.12),
    ("chin", 0, 0.5, 0.2, 0.09),
    ("ear_r", -0.52, 0, 0.06, 0.12),
    ("ear_l", 0.52, 0, 0.06, 0.12),
    ("brow_r", -0.22, -0.36, 0.11, 0.03),
    ("brow_l", 0.22, -0.36, 0.11, 0.03),
    ("eye_r", -0.22, -0.24, 0.1, 0.07),
    ("eye_l", 0.22, -0.24, 0.1, 0.07),
    ("nose", 0, 0, 0.08, 0.14),
    ("mouth", 0, 0.24, 0.2, 0.07),
)
_PLACES = np.array([[0.22, -0.24], [-0.22, -0.24], [0.0, 0.03], [0.165, 0.24], [-0.165, 0.24]])
_DOT = 0.06
_AREA = 1.07
"""Pixels of face, without hair and neck, in square widths."""


def labels(height: int, width: int, faces: list[tuple[float, float, float, float]]) -> np.ndarray:
    """(height, width) region of each pixel, 16 and up for the points; `faces` are x, y, width and angle in degrees."""
    canvas = np.zeros((height * 2, width * 2), np.uint8)
    for x, y, wide, angle in faces:
        turn = math.radians(angle)
        matrix = 2 * wide * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        shapes = [(REGIONS.index(name), at, axes) for name, *at, a, b in _SHAPES for axes in [(a, b)]]
        shapes += [(len(REGIONS) + index, list(at), (_DOT, _DOT)) for index, at in enumerate(_PLACES)]
        for value, at, axes in shapes:
            middle = np.array([2 * x, 2 * y]) + matrix @ np.array(at)
            box = (tuple(middle - 0.5), (4 * wide * axes[0], 4 * wide * axes[1]), angle)
            cv2.ellipse(canvas, box, int(value), -1)
    return canvas[::2, ::2]


def regions(height: int, width: int, faces: list[tuple[float, float, float, float]]) -> np.ndarray:
    """(height, width) region of each pixel, the points as part of theirs."""
    return np.array([*range(len(REGIONS)), *OF_DOTS], np.uint8)[labels(height, width, faces)]


def linear(height: int, width: int, faces: list[tuple[float, float, float, float]]) -> np.ndarray:
    """(height, width, 3) scene-linear picture of painted faces."""
    return color.decode(np.concatenate([COLORS, DOTS])[labels(height, width, faces)])


def write_plate(path: Path, pixels: np.ndarray, kind: type = np.float16, shift: tuple[int, int] = (0, 0)) -> None:
    """Write (height, width, 3) as EXR with an alpha and a depth; `shift` moves the data window in a larger format."""
    height, width = pixels.shape[:2]
    channels = {name: pixels[..., index].astype(kind) for index, name in enumerate("RGB")}
    channels["A"] = np.ones((height, width), np.float16)
    window = Box(shift[0], shift[1], shift[0] + width - 1, shift[1] + height - 1)
    display = Box.of_size(width + 2 * shift[0], height + 2 * shift[1])
    write_frame(str(path), Frame([Part(channels, window, display, {"comments": "painted"})]))


def write_parser(folder: Path, name: str = "painted_parser") -> str:
    """Write the parser as a model folder; returns its path."""
    target = folder / name
    target.mkdir(parents=True)
    onnx.save(_graph(), str(target / "model.onnx"))
    card = ModelCard(
        name=name,
        title="Painted faces",
        version="1",
        purpose="A test.",
        file="model.onnx",
        sha256=cards.file_sha256(str(target / "model.onnx")),
        kind="parser",
        inputs=(Port("plate", 3),),
        outputs=(Port("regions", 16, "matte"), Port("points", 5, "matte"), Port("width", 1, "size")),
        geometry=Geometry("whole", 32, 64),
    )
    cards.save(card, str(target))
    return str(target)


def _graph() -> onnx.ModelProto:
    """regions = softmax of closeness; points = closeness to the dots, blurred; width = root of the area of face."""
    everything = np.concatenate([COLORS, DOTS])
    sharp = 60.0
    weights = np.concatenate([2 * everything * sharp, -sharp * np.ones_like(everything)], 1)[:, :, None, None]
    biases = -sharp * (everything**2).sum(1)
    # The dots belong to the regions that they lie in: their shares are added to these by a second convolution.
    merge = np.concatenate([np.eye(16), np.zeros((16, 5))], 1).astype(np.float32)
    for index, region in enumerate(OF_DOTS):
        merge[region, 16 + index] = 1
    pick = np.concatenate([np.zeros((5, 16)), np.eye(5)], 1).astype(np.float32)
    face = np.array([name not in ("background", "hair", "neck") for name in REGIONS], np.float32)
    constants = {
        "weights": weights.astype(np.float32),
        "biases": biases.astype(np.float32),
        "merge": merge[:, :, None, None],
        "pick": pick[:, :, None, None],
        "face": face[None, :, None, None],
        "area": np.array(1 / _AREA, np.float32),
        "axes": np.array([2, 3], np.int64),
        "gain": np.array(2.5, np.float32),
        "none": np.array(0, np.float32),
        "all": np.array(1, np.float32),
    }
    nodes = [
        helper.make_node("Mul", ["plate", "plate"], ["squares"]),
        helper.make_node("Concat", ["plate", "squares"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "weights", "biases"], ["closeness"]),
        helper.make_node("Softmax", ["closeness"], ["shares"], axis=1),
        helper.make_node("Conv", ["shares", "merge"], ["regions"]),
        helper.make_node("Conv", ["shares", "pick"], ["dots"]),
        helper.make_node("AveragePool", ["dots"], ["blurred"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Mul", ["blurred", "gain"], ["hot"]),
        helper.make_node("Clip", ["hot", "none", "all"], ["points"]),
        helper.make_node("Conv", ["regions", "face"], ["faces"]),
        helper.make_node("ReduceSum", ["faces", "axes"], ["total"], keepdims=1),
        helper.make_node("Mul", ["total", "area"], ["squared"]),
        helper.make_node("Sqrt", ["squared"], ["side"]),
        helper.make_node("Mul", ["faces", "none"], ["zero"]),
        helper.make_node("Add", ["zero", "side"], ["width"]),
    ]
    shape = [1, 3, "height", "width"]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count, "height", "width"])
        for name, count in (("regions", 16), ("points", 5), ("width", 1))
    ]
    graph = helper.make_graph(
        nodes,
        "painted",
        [helper.make_tensor_value_info("plate", TensorProto.FLOAT, shape)],
        outputs,
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model
