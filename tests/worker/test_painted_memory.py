"""Painted frames beside a model: read once, held to the card, asked where the model changed something."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from bipack.card import ModelCard, Painted, PaintedFile, Port
from bipack.catalog import Located
from bipack.errors import ModelRefused
from bipack.imaging import color
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame
from bipack.worker.painted_memory import PaintedMemory
from bipack.worker.tiled import Region
from inpaint_scene import ground

HEIGHT, WIDTH = 264, 272


def model(folder: Path) -> tuple[Located, np.ndarray]:
    """A card with one finished frame, and that frame, encoded (3, height, width) as it is read."""
    pixels = color.decode(ground(HEIGHT, WIDTH, seed=4)).astype(np.float16)
    box = Box(0, 0, WIDTH - 1, HEIGHT - 1)
    channels = {name: np.ascontiguousarray(pixels[..., index]) for index, name in enumerate("RGB")}
    path = folder / "painted_1001.exr"
    write_frame(str(path), Frame([Part(channels, box, box, {}, {})]))
    file = PaintedFile(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), 1001)
    ports = (Port("plate", 3),), (Port("result", 3),)
    card = ModelCard("m", "M", "1", "a test", "model.onnx", "0" * 64, "pair", *ports, painted=Painted((file,), 0.01))
    return Located("m", str(folder / "model.onnx"), card), color.encode(pixels.astype(np.float32)).transpose(2, 0, 1)


def pieces(result: np.ndarray) -> list[tuple[Region, np.ndarray]]:
    """A result in two tiles."""
    halves = slice(0, 100), slice(100, HEIGHT)
    return [(Region(rows, slice(0, WIDTH), 0.5), result[:, rows]) for rows in halves]


def test_repairs_come_from_the_painted_frame_and_the_rest_keeps_its_bits(tmp_path: Path) -> None:
    located, truth = model(tmp_path)
    marks = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.line(marks, (120, 30), (150, 230), 1, 13)
    plate = np.where(marks > 0, np.float32(0.02), truth)
    net = np.where(marks > 0, truth[:, marks > 0].mean(axis=1)[:, None, None], plate).astype(np.float32)
    heard: list[str] = []
    memory = PaintedMemory(located)
    ((region, result),) = memory.looked_up(plate, iter(pieces(net)), {}, heard.append)
    assert (region.rows, region.columns) == (slice(0, HEIGHT), slice(0, WIDTH))
    assert (result.view(np.uint32) == plate.view(np.uint32))[:, marks == 0].all()
    errors = [float(np.square(picture - truth)[:, marks > 0].mean()) for picture in (result, net)]
    assert errors[0] < 0.25 * errors[1]
    unchanged = list(memory.looked_up(plate, iter(pieces(net)), {"painted": 0.0}, heard.append))
    assert [piece.shape for _, piece in unchanged] == [piece.shape for _, piece in pieces(net)]
    assert not heard


def test_a_plate_that_no_painted_frame_fits_keeps_the_nets_repair_and_says_so(tmp_path: Path) -> None:
    located, truth = model(tmp_path)
    plate = np.full_like(truth, 0.4)
    net = plate.copy()
    net[:, 100:120, 100:120] = 0.5
    heard: list[str] = []
    ((_, result),) = PaintedMemory(located).looked_up(plate, iter(pieces(net)), {}, heard.append)
    assert (result == net).all()
    assert heard == ["None of the painted frames can be laid over this one; its repairs are the network's own."]


def test_a_frame_that_is_not_the_cards_is_refused(tmp_path: Path) -> None:
    located, truth = model(tmp_path)
    memory = PaintedMemory(located)
    path = tmp_path / "painted_1001.exr"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ModelRefused, match="not the file of its card"):
        list(memory.looked_up(truth, iter(pieces(truth + np.float32(0.1))), {}, print))
    path.unlink()
    with pytest.raises(ModelRefused, match="not there"):
        PaintedMemory(located)
