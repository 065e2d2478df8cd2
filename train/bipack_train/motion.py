"""Rendered motion with exact truth: layers of pictures that move, bend and hide each other, at any time.

A scene is a background and some layers, each a picture with a shape. A layer's place at time tau is a homography, and
its material bends by a smooth field; both are known functions of time, so that the frame at any time and the flow of
every pixel, hidden or not, follow from them; only the lookups round, to a thirtieth of a pixel (OpenCV's remap). The
same seed always makes the same scene.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
Flow = NDArray[np.float32]
"""(height, width, 2): x and y in pixels."""

_BEND_STEPS = 4
"""Lookups that undo the bending field; its slope stays below 0.2, so the rest is far below a hundredth of a pixel."""


@dataclass(frozen=True)
class Layer:
    """One picture with a shape, and how it moves."""

    texture: Pixels
    """(height, width, 3), encoded."""

    alpha: Pixels
    """(height, width), 0 to 1."""

    poses: tuple[NDArray[np.float64], NDArray[np.float64]]
    """Parameters of the pose at time 0 and 1: `_pose` turns them into a homography from texture to frame."""

    bend: Flow
    """Bending of the material at time 1, in texture pixels, on the texture's grid; none at time 0."""

    gain: tuple[float, float] = (1.0, 1.0)
    """Light at time 0 and 1, as a factor on encoded values."""

    ease: float = 0.0
    """How far the middle of the motion runs ahead of or behind constant speed, as a share of the whole."""

    def at(self, time: float) -> float:
        """Share of the motion that is done at `time`."""
        return time + 4 * self.ease * time * (1 - time)

    def pose(self, time: float) -> NDArray[np.float64]:
        """Homography from texture pixels to frame pixels."""
        share = self.at(time)
        return _homography(self.poses[0] * (1 - share) + self.poses[1] * share, self.texture.shape)


@dataclass(frozen=True)
class Scene:
    """Layers from back to front; the first fills the frame."""

    layers: tuple[Layer, ...]
    size: int

    def frame(self, time: float, shutter: float = 0.0, samples: int = 1) -> Pixels:
        """The picture at `time`; `shutter` is the time over which `samples` moments are averaged about it."""
        moments = time + (np.arange(samples) - (samples - 1) / 2) * (shutter / max(samples, 1))
        total = np.zeros((self.size, self.size, 3), np.float32)
        for moment in moments:
            total += self._moment(float(moment))
        return total / np.float32(samples)

    def _moment(self, time: float) -> Pixels:
        picture = np.zeros((self.size, self.size, 3), np.float32)
        for layer in self.layers:
            place = _texture_places(layer, self.size, time)
            color = _look_up(layer.texture, place, cv2.INTER_CUBIC, cv2.BORDER_REFLECT_101)
            alpha = _look_up(layer.alpha, place, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)[:, :, None]
            share = layer.at(time)
            color *= np.float32(layer.gain[0] * (1 - share) + layer.gain[1] * share)
            picture += (color - picture) * (alpha if layer is not self.layers[0] else np.float32(1))
        return picture

    def owners(self, time: float) -> NDArray[np.uint8]:
        """Index of the layer in front at each pixel."""
        front = np.zeros((self.size, self.size), np.uint8)
        for index, layer in enumerate(self.layers[1:], start=1):
            place = _texture_places(layer, self.size, time)
            front[_look_up(layer.alpha, place, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT) > 0.5] = index
        return front

    def flow(self, start: float, end: float) -> tuple[Flow, NDArray[np.bool_]]:
        """How each pixel of the frame at `start` moves until `end`, and whether it is still seen there."""
        front, later = self.owners(start), self.owners(end)
        rows, columns = np.mgrid[0 : self.size, 0 : self.size].astype(np.float32)
        flow = np.zeros((self.size, self.size, 2), np.float32)
        for index, layer in enumerate(self.layers):
            mine = front == index
            if mine.any():
                where = _frame_places(layer, _texture_places(layer, self.size, start), end)
                flow[mine] = where[mine]
        flow -= np.stack([columns, rows], 2)
        x, y = columns + flow[:, :, 0], rows + flow[:, :, 1]
        inside = (x >= 0) & (y >= 0) & (x <= self.size - 1) & (y <= self.size - 1)
        there = cv2.remap(later, x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return flow, inside & (there == front)


def _homography(parameters: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(x, y, angle, log scale, log stretch, tilt x, tilt y) about the texture's middle to a 3x3 matrix."""
    x, y, angle, grow, stretch, tilt_x, tilt_y = parameters
    height, width = shape[:2]
    middle = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    cosine, sine = np.cos(angle), np.sin(angle)
    across, down = np.exp(grow + stretch), np.exp(grow - stretch)
    turn = np.array([[cosine * across, -sine * down, 0], [sine * across, cosine * down, 0], [tilt_x, tilt_y, 1]])
    result: NDArray[np.float64] = np.array([[1, 0, x], [0, 1, y], [0, 0, 1]]) @ turn @ middle
    return result


def _apply(matrix: NDArray[np.float64], points: Flow) -> Flow:
    return np.asarray(cv2.perspectiveTransform(points.reshape(-1, 1, 2), matrix).reshape(points.shape), np.float32)


def _unbent(layer: Layer, size: int, time: float) -> Flow:
    """Texture places before bending, for each pixel of the frame."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    inverse: NDArray[np.float64] = np.asarray(np.linalg.inv(layer.pose(time)), np.float64)
    return _apply(inverse, np.stack([columns, rows], 2))


def _texture_places(layer: Layer, size: int, time: float) -> Flow:
    """Texture places, bending included, for each pixel of the frame: the bent place is where the material was."""
    return _material(layer, _unbent(layer, size, time), time)


def _bend_at(layer: Layer, places: Flow) -> Flow:
    return _look_up(layer.bend, places, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)


def _material(layer: Layer, places: Flow, time: float) -> Flow:
    return places + np.float32(layer.at(time)) * _bend_at(layer, places)


def _frame_places(layer: Layer, material: Flow, time: float) -> Flow:
    """Where in the frame at `time` a piece of material lies: the bending undone, then the pose."""
    share = np.float32(layer.at(time))
    places = material
    for _ in range(_BEND_STEPS if share else 0):
        places = material - share * _bend_at(layer, places)
    return _apply(layer.pose(time), places)


def _look_up(picture: NDArray[np.float32], places: Flow, how: int, border: int) -> NDArray[np.float32]:
    return np.asarray(cv2.remap(picture, places, None, how, borderMode=border), np.float32)
