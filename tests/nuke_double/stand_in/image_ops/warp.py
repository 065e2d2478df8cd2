"""CornerPin2D: four points of a picture to four places, by the one projective map that does it."""

from __future__ import annotations

import numpy as np

from ..errors import RenderError
from ..image import Edges, Image
from ..operator import Op
from . import kernels

_REACH = 2


def corner_pin(op: Op) -> Image:
    """The picture with from1…from4 moved to to1…to4; outside it black. The identity copies exactly."""
    op.only_default("motionblur", "clamp", "invert")
    source = op.image(0).with_(black_outside=op.flag("black_outside") or op.image(0).black_outside)
    before, after = (
        [[v * op.scale for v in op.numbers(f"{end}{i}")[:2]] for i in range(1, 5)] for end in ("from", "to")
    )
    if before == after:
        return source
    forward = _map(np.array(before), np.array(after), op)
    box = _moved(source.bbox, forward)
    name = op.choice("filter")
    channels = {n: _sampled(source, n, box, np.linalg.inv(forward), name) for n in source.channels}
    return source.with_(bbox=box, channels=channels)


def _map(before: np.ndarray, after: np.ndarray, op: Op) -> np.ndarray:
    rows = []
    for (x, y), (u, v) in zip(before, after, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    matrix = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    if abs(np.linalg.det(matrix)) < 1e-12:
        raise RenderError(f"{op.node.fullName()}: the four corners lie on a line")
    return np.asarray(matrix / matrix[2, 2])


def _moved(box: Edges, forward: np.ndarray) -> Edges:
    corners = np.array([[x, y, 1.0] for x in (box.x, box.r) for y in (box.y, box.t)]) @ forward.T
    places = corners[:, :2] / corners[:, 2:]
    low, high = np.floor(places.min(axis=0) + 1e-6), np.ceil(places.max(axis=0) - 1e-6)
    return Edges(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _sampled(image: Image, channel: str, box: Edges, back: np.ndarray, name: str) -> np.ndarray:
    y, x = np.mgrid[box.y : box.t, box.x : box.r] + 0.5
    w = back[2, 0] * x + back[2, 1] * y + back[2, 2]
    u = (back[0, 0] * x + back[0, 1] * y + back[0, 2]) / w
    v = (back[1, 0] * x + back[1, 1] * y + back[1, 2]) / w
    if name == "Impulse":
        return image.at(channel, u, v)
    left, low = np.floor(u - 0.5), np.floor(v - 0.5)
    total, weights = np.zeros(u.shape), np.zeros(u.shape)
    for j in range(1 - _REACH, _REACH + 1):
        for i in range(1 - _REACH, _REACH + 1):
            weight = kernels.weight(name, u - 0.5 - (left + i)) * kernels.weight(name, v - 0.5 - (low + j))
            weights += weight
            total += weight * image.at(channel, left + i, low + j)
    return (total / weights).astype(np.float32)


OPERATORS = {"CornerPin2D": corner_pin}
