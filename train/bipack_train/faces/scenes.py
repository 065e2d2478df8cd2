"""Training pictures of the parser: rendered faces put before backgrounds, seen by a camera, with exact regions.

A scene is one to three faces of the pool at sizes from tiny to filling the picture, turned, mirrored, cut by the frame,
before a photograph or a drawn picture; then light, blur, noise and compression of a camera. Everything is made from
one generator: the same state makes the same scenes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import MissingInput
from bipack.imaging import color
from bipack_train import pictures
from bipack_train.faces import pool
from bipack_train.faces.mesh import Floats
from bipack_train.faces.pool import Faces
from bipack_train.faces.regions import INDEX, MIRRORED

FACE_REGIONS = tuple(index for name, index in INDEX.items() if name not in ("background", "hair", "neck"))

_SWAPPED = (1, 0, 2, 4, 3)
"""The five points in a mirrored picture."""

_HEAT = 0.06
"""Deviation of a point's heat-map, in widths of the face."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """A batch. Arrays are (batch, side, side, …)."""

    pictures: Floats
    """(…, 3) encoded."""

    labels: NDArray[np.uint8]
    """Region of each pixel; 255 where it is not known."""

    heat: Floats
    """(…, 5) 1 at the points; NaN where they are not known."""

    octaves: Floats
    """log2 of the width over 64 pixels on pixels of a face; NaN elsewhere."""


def backgrounds(
    data: str, folders: Sequence[str], drawn: int, seed: int, side: int, exclude: Sequence[str] = ()
) -> list[NDArray[np.uint8]]:
    """Encoded pictures (height, width, 3) as bytes, at least `side` high and wide. Raises MissingInput."""
    found = []
    for folder in folders:
        where = os.path.join(data, folder)
        names = [
            name
            for name in pictures.list_files(where, pictures.PHOTO_SUFFIXES)
            if os.path.normpath(os.path.join(folder, name)) not in exclude
        ]
        if not names:
            raise MissingInput(f"No photograph in {where}; the recipe names it as background.")
        for name in names:
            found.append(_coded(pictures.read_photo(os.path.join(where, name)), side))
    found += [_coded(pictures.draw(seed, index * 5 + index % 4, side + 64).pixels, side) for index in range(drawn)]
    return found


def _coded(pixels: Floats, side: int) -> NDArray[np.uint8]:
    scale = max(side / min(pixels.shape[:2]), min(1.0, 640 / max(pixels.shape[:2])))
    size = (max(side, round(pixels.shape[1] * scale)), max(side, round(pixels.shape[0] * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return np.asarray(np.round(np.clip(small, 0, 1) * 255), np.uint8)


@dataclass(frozen=True, eq=False)
class Stage:
    """What scenes are made of."""

    faces: Faces
    grounds: Sequence[NDArray[np.uint8]]
    side: int = 192
    widths: tuple[float, float] = (18.0, 130.0)
    """Narrowest and widest face in pixels."""

    def batch(self, rng: np.random.Generator, count: int) -> Scenes:
        """`count` scenes."""
        made = [self.scene(rng) for _ in range(count)]
        return Scenes(*(np.stack(planes) for planes in zip(*made, strict=True)))

    def scene(self, rng: np.random.Generator) -> tuple[Floats, NDArray[np.uint8], Floats, Floats]:
        """One scene: picture, labels, heat-maps, octaves; see Scenes."""
        side = self.side
        linear = self._ground(rng)
        labels = np.zeros((side, side), np.uint8)
        heat, octaves = np.zeros((side, side, 5), np.float32), np.full((side, side), np.nan, np.float32)
        for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.06, 0.66, 0.2, 0.08]))):
            self._place(rng, int(rng.integers(len(self.faces))), linear, labels, heat, octaves)
        return _camera(rng, linear), labels, heat, octaves

    def _ground(self, rng: np.random.Generator) -> Floats:
        """(side, side, 3) linear: a part of a background at some size, mirrored, often out of focus."""
        whole = self.grounds[int(rng.integers(len(self.grounds)))]
        most = min(whole.shape[:2])
        span = int(rng.integers(min(self.side // 2, most), most + 1))
        top, left = (int(rng.integers(0, size - span + 1)) for size in whole.shape[:2])
        part = whole[top : top + span, left : left + span]
        part = cv2.resize(part, (self.side, self.side), interpolation=cv2.INTER_AREA)
        if rng.random() < 0.5:
            part = part[:, ::-1]
        linear = color.decode(np.ascontiguousarray(part, np.float32) / np.float32(255))
        if rng.random() < 0.5:
            linear = cv2.GaussianBlur(linear, (0, 0), float(rng.uniform(0.5, 6)))
        return np.asarray(linear * np.float32(2.0 ** rng.normal(0, 0.5)), np.float32)

    def _place(
        self,
        rng: np.random.Generator,
        index: int,
        linear: Floats,
        labels: NDArray[np.uint8],
        heat: Floats,
        octaves: Floats,
    ) -> None:
        """Put face `index` of the pool into a scene, in place."""
        faces, side = self.faces, self.side
        width = float(np.exp(rng.uniform(*np.log(self.widths))))
        scale, flip = width / float(faces.width[index]), bool(rng.random() < 0.5)
        turn = np.radians(rng.normal(0, 14) if rng.random() < 0.9 else rng.uniform(-60, 60))
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        if flip:
            matrix = matrix @ np.diag([-1.0, 1.0])
        points = faces.points[index].astype(np.float64)
        middle = 0.5 * (points[:2].mean(0) + points[3:].mean(0))
        # Most faces lie wholly inside, some are cut by the frame.
        reach = 0.5 - 0.4 * min(1.0, width / side) if rng.random() < 0.8 else 0.5
        target = side * (0.5 + rng.uniform(-reach, reach, 2))
        if rng.random() < 0.5:
            # The body goes on below the picture, as it mostly does; the others are busts that end somewhere.
            target[1] = np.clip(side - (pool.SIDE - middle[1]) * scale, target[1], 0.9 * side)
        shift = target - matrix @ middle
        whole = np.concatenate([matrix, (shift + 0.5 * matrix.sum(1) - 0.5)[:, None]], 1)
        size, blurred = (side, side), min(1.0, scale)

        def moved(plane: NDArray[np.uint8], flags: int) -> NDArray[np.uint8]:
            if blurred < 0.75 and flags == cv2.INTER_LINEAR:
                plane = cv2.GaussianBlur(plane, (0, 0), 0.42 / blurred)
            return np.asarray(cv2.warpAffine(plane, whole, size, flags=flags))

        seen = moved(faces.color[index], cv2.INTER_LINEAR).astype(np.float32) * np.float32(pool.TOP / 255)
        alpha = moved(faces.alpha[index], cv2.INTER_LINEAR).astype(np.float32)[..., None] / 255
        gain = np.float32(2.0 ** rng.normal(0, 0.35)) * np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
        linear *= 1 - alpha
        linear += color.decode(seen) * gain
        mine = moved(faces.labels[index], cv2.INTER_NEAREST)
        if flip:
            mine = np.array(MIRRORED, np.uint8)[mine]
        covers = alpha[..., 0] > 0.5
        labels[covers] = mine[covers]
        octaves[covers] = np.nan
        face = covers & np.isin(mine, FACE_REGIONS)
        octaves[face] = np.log2(width / 64)
        # What this face hides of an earlier one is no point of that one any more.
        heat[covers] = 0
        placed = points @ matrix.T + shift
        _mark(heat, placed[list(_SWAPPED)] if flip else placed, _HEAT * width)


def _mark(heat: Floats, points: NDArray[np.float64], sigma: float) -> None:
    across = np.arange(heat.shape[1]) + 0.5
    for index, (x, y) in enumerate(points):
        row = np.exp(-0.5 * ((across - y) / sigma) ** 2)
        column = np.exp(-0.5 * ((across - x) / sigma) ** 2)
        np.maximum(heat[..., index], np.outer(row, column), out=heat[..., index])


def _camera(rng: np.random.Generator, linear: Floats) -> Floats:
    """Exposure, white, blur, noise, few colors, few pixels, few bits; the encoded picture."""
    white = np.exp(rng.normal(0, 0.08, 3)) * 2.0 ** rng.normal(0, 0.3)
    linear = linear * white.astype(np.float32)
    if rng.random() < 0.3:
        linear = cv2.GaussianBlur(linear, (0, 0), float(rng.uniform(0.4, 1.6)))
    encoded = color.encode(np.ascontiguousarray(linear, np.float32))
    if rng.random() < 0.5:
        encoded = np.clip(encoded, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < 0.12:
        encoded = np.repeat(encoded @ np.array([[0.3], [0.59], [0.11]], np.float32), 3, axis=2)
    if rng.random() < 0.2:
        small = round(encoded.shape[0] * float(rng.uniform(0.35, 0.8)))
        few = cv2.resize(encoded, (small, small), interpolation=cv2.INTER_AREA)
        encoded = cv2.resize(few, encoded.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.6:
        grain = rng.normal(0, float(rng.uniform(0.003, 0.05)), encoded.shape).astype(np.float32)
        if rng.random() < 0.4:
            grain = cv2.GaussianBlur(grain, (0, 0), 0.8) * 2
        encoded = encoded + grain
    if rng.random() < 0.35:
        encoded = _compressed(encoded, int(rng.integers(25, 92)))
    return np.asarray(encoded, np.float32)


def _compressed(encoded: Floats, quality: int) -> Floats:
    coded = np.asarray(np.round(np.clip(encoded, 0, 1) * 255), np.uint8)
    _, stream = cv2.imencode(".jpg", coded, [cv2.IMWRITE_JPEG_QUALITY, quality])
    back = cv2.imdecode(stream, cv2.IMREAD_COLOR)
    return np.asarray(back, np.float32) / np.float32(255)
