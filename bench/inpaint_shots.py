"""Shots for bench/inpaint.py whose true background is known: a camera over a held-out picture, and a thing on it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import cv2
import numpy as np

from bipack.imaging import color
from bipack.imaging.frame import Pixels
from bipack.imaging.image_io import write_frame
from bipack_train import pictures
from bipack_train.verify import picture_frame

Matrix = np.ndarray
GRAIN = 0.008
"""Deviation of the grain, encoded."""


@dataclass(frozen=True)
class Shot:
    """Files of a shot and what is behind the thing."""

    name: str
    plate: str
    matte: str
    truth: list[Pixels]
    """Scene-linear with the grain of each frame, before the thing."""

    holes: list[np.ndarray]
    cameras: list[Matrix]
    """Frame pixel to picture pixel."""

    @property
    def frames(self) -> tuple[int, ...]:
        """Frame numbers."""
        return tuple(range(1001, 1001 + len(self.truth)))

    def revealed(self, index: int) -> np.ndarray:
        """Pixels of the hole whose background some other frame of the shot shows."""
        hole = self.holes[index]
        rows, columns = np.nonzero(hole)
        places = np.stack([columns, rows, np.ones_like(rows)]).astype(np.float64)
        seen = np.zeros(len(rows), bool)
        for other, camera in enumerate(self.cameras):
            if other == index:
                continue
            there = np.linalg.inv(camera) @ self.cameras[index] @ places
            x, y = np.rint(there[0] / there[2]).astype(int), np.rint(there[1] / there[2]).astype(int)
            inside = (x >= 2) & (y >= 2) & (x < hole.shape[1] - 2) & (y < hole.shape[0] - 2)
            # A feather and the reach of a kernel lie around every hole.
            wide = cv2.dilate(self.holes[other].astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
            seen[inside] |= ~wide[y[inside], x[inside]]
        found = np.zeros_like(hole)
        found[rows, columns] = seen
        return found


def photo(data: str, name: str, shorter: int) -> Pixels:
    """A picture of the data folder, encoded, its shorter side brought to `shorter` pixels."""
    pixels = pictures.original(os.path.join(data, name))
    scale = shorter / min(pixels.shape[:2])
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=way), np.float32)


def panorama(data: str, name: str, width: int) -> tuple[Pixels, float]:
    """A view of a panorama, scene-linear and encoded, 110 degrees wide, and its focal length in pixels."""
    linear = pictures.read_panorama(os.path.join(data, name))
    focal = width / 2 / np.tan(np.radians(55))
    height = int(width * 0.6)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    ray = np.stack([(columns - width / 2) / focal, (rows - height / 2) / focal, np.ones_like(rows)])
    across = np.arctan2(ray[0], ray[2]) / (2 * np.pi) + 0.5
    down = np.arctan2(ray[1], np.hypot(ray[0], ray[2])) / np.pi + 0.5
    at = (across * linear.shape[1] - 0.5).astype(np.float32), (down * linear.shape[0] - 0.5).astype(np.float32)
    view = cv2.remap(pictures.exposed(linear, 0.0), *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    return np.asarray(view, np.float32), float(focal)


def plane_camera(size: tuple[int, int], picture: Pixels, count: int) -> list[Matrix]:
    """A hand-held drift over a flat picture: pan, zoom, turn and a little perspective."""
    height, width = size
    paths = []
    for index in range(count):
        part = index / (count - 1)
        zoom, turn = 1.0 + 0.08 * part, 0.03 * np.sin(4 * part)
        x = 0.5 * (picture.shape[1] - width) + 90 * (part - 0.5) + 2.3 * np.sin(5.1 * index)
        y = 0.5 * (picture.shape[0] - height) + 24 * np.sin(3 * part) + 1.7 * np.cos(3.7 * index)
        c, s = np.cos(turn) / zoom, np.sin(turn) / zoom
        tilt = np.array([[1, 0, 0], [0, 1, 0], [4e-5 * part, -3e-5 * part, 1.0]])
        centre = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
        back = np.array([[1, 0, width / 2 + x], [0, 1, height / 2 + y], [0, 0, 1.0]])
        paths.append(back @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]) @ tilt @ centre)
    return paths


def turning_camera(size: tuple[int, int], picture: Pixels, focal: float, count: int) -> list[Matrix]:
    """A camera that turns on its tripod inside the view of a panorama."""
    height, width = size
    wide = np.array([[focal, 0, picture.shape[1] / 2], [0, focal, picture.shape[0] / 2], [0, 0, 1.0]])
    narrow = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    paths = []
    for index in range(count):
        pan, tilt = np.radians(12 * (index / (count - 1) - 0.5)), np.radians(1.5 * np.sin(index / 3))
        c, s, ct, st = np.cos(pan), np.sin(pan), np.cos(tilt), np.sin(tilt)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
        paths.append(wide @ turn @ np.linalg.inv(narrow))
    return paths


def still_camera(size: tuple[int, int], picture: Pixels, count: int) -> list[Matrix]:
    """A locked-off camera on the middle of the picture."""
    height, width = size
    x, y = (picture.shape[1] - width) // 2, (picture.shape[0] - height) // 2
    return [np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])] * count


def render(
    folder: str,
    name: str,
    picture: Pixels,
    cameras: list[Matrix],
    size: tuple[int, int],
    thing: int,
    start: tuple[float, float] = (0.2, 0.45),
    step: tuple[float, float] = (0.05, 0.01),
    grain: float = GRAIN,
) -> Shot:
    """Write a shot. `thing` is the thing's size in pixels; it starts at `start` and moves by `step`, of the frame."""
    os.makedirs(folder, exist_ok=True)
    height, width = size
    look = color.decode(np.ascontiguousarray(pictures.draw(5, 3, 256).pixels))
    look = cv2.resize(look, (thing, thing))
    truth, holes = [], []
    for index, camera in enumerate(cameras):
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        encoded = cv2.warpPerspective(picture, camera, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)
        rng = np.random.default_rng([7, index])
        encoded = np.asarray(encoded + rng.normal(0, grain, encoded.shape), np.float32)
        linear = color.decode(encoded)
        x, y = (start[0] + step[0] * index) * width, (start[1] + step[1] * index) * height
        matte = np.zeros((height, width), np.float32)
        centre = int(x * 16), int(y * 16)
        half = int(thing * 8), int(thing * 6.5)
        cv2.ellipse(matte, centre, half, 25, 0, 360, 1.0, -1, cv2.LINE_AA, 4)
        matte = np.asarray(cv2.GaussianBlur(matte, (0, 0), 0.8), np.float32)
        surface = np.tile(look, (height // thing + 2, width // thing + 2, 1))
        surface = np.roll(surface, (int(y), int(x)), (0, 1))[:height, :width]
        plate = linear + matte[..., None] * (surface - linear)
        frame = 1001 + index
        write_frame(os.path.join(folder, f"plate.{frame}.exr"), picture_frame(plate, half=True))
        write_frame(os.path.join(folder, f"matte.{frame}.exr"), picture_frame(matte[..., None]))
        truth.append(linear)
        holes.append(matte > 1e-3)
    patterns = (os.path.join(folder, f"{kind}.%04d.exr") for kind in ("plate", "matte"))
    return Shot(name, *patterns, truth, holes, cameras)
