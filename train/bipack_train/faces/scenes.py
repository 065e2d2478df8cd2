"""Training pictures of the parser: rendered faces put before backgrounds, seen by a camera, with exact regions.

There are two kinds. A scene is one to three faces of the pool at sizes from tiny to filling the picture, turned,
mirrored, cut by the frame, before a photograph or a drawn picture: it teaches to find faces. A crop is one face as the
finder cuts it out, which is where mattes come from; others may stand behind it. Camera and light are in camera.py.
Everything is made from one generator: the same state makes the same pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import MissingInput
from bipack.face_regions import MIRRORED
from bipack.imaging import color
from bipack.imaging.faces.square import HEADROOM, SPAN
from bipack_train import pictures
from bipack_train.faces import camera, pool
from bipack_train.faces.camera import Planes
from bipack_train.faces.mesh import Floats
from bipack_train.faces.pool import Faces
from bipack_train.faces.regions import INDEX

FACE_REGIONS = tuple(index for name, index in INDEX.items() if name not in ("background", "hair", "neck"))

UNKNOWN = 255
"""Label of a pixel of which nothing is learned."""

_SWAPPED = (1, 0, 2, 4, 3)
"""The five points in a mirrored picture."""

_HEAT = 0.06
"""Deviation of a point's heat-map, in widths of the face."""

_PATTERNED = 0.4
"""Share of the faces whose clothes, hats and glasses get the pattern of a background."""


_DYED = 0.5
"""Share of the faces whose hair gets another color and streaks."""


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
class Placing:
    """Where a face goes."""

    width: float
    """From ear to ear, in pixels."""

    turn: float
    """Radians, clockwise."""

    middle: NDArray[np.float64]
    """(2,) x and y of the middle between eyes and mouth, in pixels."""

    seated: bool = False
    """Moved down, where need be, until the end of its bust lies below the picture."""

    held: bool = False
    """Where the rendered picture ends it is held, and what it shows there is not known."""


@dataclass(frozen=True, eq=False)
class Standing:
    """One of the faces of a pool where it goes."""

    index: int
    flip: bool
    scale: float
    """Pixels of the picture for one of the pool's."""

    matrix: NDArray[np.float64]
    """(2, 3) from pixels of the pool's picture to those of the picture, both with centres at .5."""

    points: NDArray[np.float64]
    """(5, 2) the face's points there."""


@dataclass(frozen=True, eq=False)
class Stage:
    """What scenes are made of."""

    faces: Faces
    grounds: Sequence[NDArray[np.uint8]]
    side: int = 192
    widths: tuple[float, float] = (18.0, 130.0)
    """Narrowest and widest face in pixels."""

    close: Faces | None = None
    """Close-ups, which half of all crops are made from where there are any."""

    empty: float = 0.06
    """Share of the scenes that nobody is in."""

    def batch(self, rng: np.random.Generator, count: int) -> Scenes:
        """`count` scenes."""
        made = [self.scene(rng) for _ in range(count)]
        return Scenes(*(np.stack(planes) for planes in zip(*made, strict=True)))

    def crops(self, rng: np.random.Generator, count: int, side: int, faces: Faces | None = None) -> Scenes:
        """`count` crops of `side`, as the finder cuts them, of `faces` (default: of all that there are)."""
        made = [self.crop(rng, side, faces) for _ in range(count)]
        return Scenes(*(np.stack(planes) for planes in zip(*made, strict=True)))

    def scene(self, rng: np.random.Generator) -> Planes:
        """One scene: picture, labels, heat-maps, octaves; see Scenes."""
        planes = self._empty(rng, self.side)
        crowd = np.array([0.0, 0.7, 0.215, 0.085]) * (1 - self.empty)
        crowd[0] = self.empty
        for _ in range(int(rng.choice(4, p=crowd))):
            where = self._anywhere(rng)
            self._draw(rng, planes, self._stand(rng, where, self.faces), where, self.faces)
        return camera.seen(rng, planes)

    def crop(self, rng: np.random.Generator, side: int, faces: Faces | None = None) -> Planes:
        """One crop of `side`: a face in its middle, seldom another one behind it."""
        planes = self._empty(rng, side)
        if rng.random() < 0.12:
            behind = Placing(side / SPAN * float(rng.uniform(0.5, 1.0)), 0.0, side * rng.uniform(0, 1, 2), held=True)
            self._draw(rng, planes, self._stand(rng, behind, self.faces), behind, self.faces)
        middle = side * (np.array([0.5, 0.5 + HEADROOM]) + rng.normal(0, 0.025, 2))
        width = side / SPAN * float(np.exp(rng.normal(0, 0.15)))
        if faces is None:
            faces = self.close if self.close is not None and rng.random() < 0.5 else self.faces
        where = Placing(width, np.radians(rng.normal(0, 5)), middle, held=True)
        standing = self._stand(rng, where, faces)
        moved = camera.brow_pull(rng, side, standing.points, width) if rng.random() < 0.9 else None
        if rng.random() < 0.5:
            bend = camera.pull(rng, side, 0.035 * width)
            moved = bend if moved is None else camera.after(moved, bend)
        self._draw(rng, planes, standing, where, faces, moved)
        if rng.random() < 0.2:
            camera.hide(rng, planes, self._ground(rng, side), width)
        if rng.random() < 0.12:
            planes = camera.cut(rng, planes, UNKNOWN)
        return camera.seen(rng, planes)

    def _empty(self, rng: np.random.Generator, side: int) -> Planes:
        """A background with nobody before it, linear."""
        heat, octaves = np.zeros((side, side, 5), np.float32), np.full((side, side), np.nan, np.float32)
        return self._ground(rng, side), np.zeros((side, side), np.uint8), heat, octaves

    def _anywhere(self, rng: np.random.Generator) -> Placing:
        """A place in a scene."""
        side = self.side
        width = float(np.exp(rng.uniform(*np.log(self.widths))))
        turn = np.radians(rng.normal(0, 14) if rng.random() < 0.9 else rng.uniform(-60, 60))
        # Most faces lie wholly inside, some are cut by the frame.
        reach = 0.5 - 0.4 * min(1.0, width / side) if rng.random() < 0.8 else 0.5
        # The body goes on below the picture, as it mostly does; the others are busts that end somewhere.
        return Placing(width, turn, side * (0.5 + rng.uniform(-reach, reach, 2)), rng.random() < 0.5)

    def _ground(self, rng: np.random.Generator, side: int) -> Floats:
        """(side, side, 3) linear: a part of a background at some size, mirrored, often out of focus."""
        whole = self.grounds[int(rng.integers(len(self.grounds)))]
        most = min(whole.shape[:2])
        span = int(rng.integers(min(side // 2, most), most + 1))
        top, left = (int(rng.integers(0, size - span + 1)) for size in whole.shape[:2])
        part = whole[top : top + span, left : left + span]
        part = cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA)
        if rng.random() < 0.5:
            part = part[:, ::-1]
        linear = color.decode(np.ascontiguousarray(part, np.float32) / np.float32(255))
        if rng.random() < 0.5:
            linear = cv2.GaussianBlur(linear, (0, 0), float(rng.uniform(0.5, 6)))
        return np.asarray(linear * np.float32(2.0 ** rng.normal(0, 0.5)), np.float32)

    def _stand(self, rng: np.random.Generator, where: Placing, faces: Faces) -> Standing:
        """One of `faces`, somebody at random, at this place."""
        index, flip = int(rng.integers(len(faces))), bool(rng.random() < 0.5)
        scale, turn = where.width / float(faces.width[index]), where.turn
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        # Heads are longer or rounder than those of the mesh.
        stretch, lean = np.exp(rng.normal(0, 0.05)), rng.normal(0, 0.03)
        matrix = matrix @ np.array([[stretch, lean], [0.0, 1 / stretch]]) @ np.diag([-1.0 if flip else 1.0, 1.0])
        points = faces.points[index].astype(np.float64)
        middle = 0.5 * (points[:2].mean(0) + points[3:].mean(0))
        target = where.middle.copy()
        if where.seated:
            target[1] = np.clip(self.side - (faces.side - middle[1]) * scale, target[1], 0.9 * self.side)
        shift = target - matrix @ middle
        placed: NDArray[np.float64] = points @ matrix.T + shift
        placed = placed[list(_SWAPPED)] if flip else placed
        return Standing(index, flip, scale, np.concatenate([matrix, shift[:, None]], 1), placed)

    def _draw(
        self,
        rng: np.random.Generator,
        planes: Planes,
        one: Standing,
        where: Placing,
        faces: Faces,
        moved: camera.Pull | None = None,
    ) -> None:
        """Put a face into `planes`, in place, pulled as `moved` says."""
        linear, labels, heat, octaves = planes
        side = len(labels)
        places = _places(one.matrix, side, moved)
        beyond = cv2.BORDER_REPLICATE if where.held else cv2.BORDER_CONSTANT

        def sampled(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
            if one.scale < 0.75:
                plane = cv2.GaussianBlur(plane, (0, 0), 0.42 / one.scale)
            return np.asarray(cv2.remap(plane, places, None, cv2.INTER_LINEAR, borderMode=beyond))

        seen = sampled(faces.color[one.index]).astype(np.float32) * np.float32(pool.TOP / 255)
        alpha = sampled(faces.alpha[one.index]).astype(np.float32)[..., None] / 255
        gain = np.float32(2.0 ** rng.normal(0, 0.35)) * np.exp(rng.normal(0, 0.07, 3)).astype(np.float32)
        mine = _strongest(faces.labels[one.index], sampled)
        mine = np.array(MIRRORED, np.uint8)[mine] if one.flip else mine
        if where.held:
            shown = np.ones((faces.side, faces.side), np.uint8)
            mine[cv2.remap(shown, places, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT) == 0] = UNKNOWN
        light = color.decode(seen) * gain
        if rng.random() < _PATTERNED:
            # Rendered clothes are of one color; real ones are not.
            cloth = self._ground(rng, side)
            worn = (mine == 0) | (mine == UNKNOWN)
            light *= np.where(worn[..., None], cloth / (cloth.mean() + np.float32(1e-3)), np.float32(1))
        if rng.random() < _DYED:
            light *= camera.dye(rng, mine == INDEX["hair"])
        linear *= 1 - alpha
        linear += light
        covers = alpha[..., 0] > 0.5
        labels[covers] = mine[covers]
        octaves[covers] = np.nan
        face = covers & np.isin(mine, FACE_REGIONS)
        octaves[face] = np.log2(where.width / 64)
        # What this face hides of an earlier one is no point of that one any more.
        heat[covers] = 0
        points = one.points if moved is None else camera.pulled_points(one.points, moved)
        _mark(heat, points, _HEAT * where.width)


def _places(matrix: NDArray[np.float64], side: int, moved: camera.Pull | None) -> Floats:
    """(side, side, 2) x and y, counted from pixel centres, of what `matrix` (2, 3), then `moved`, bring to each pixel
    of a picture."""
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    if moved is not None:
        columns, rows = columns + moved[0], rows + moved[1]
    turn = np.linalg.inv(matrix[:, :2])
    shift = turn @ (0.5 - matrix[:, 2]) - 0.5
    found = [(row[0] * columns + row[1] * rows + by).astype(np.float32) for row, by in zip(turn, shift, strict=True)]
    return np.ascontiguousarray(np.stack(found, 2))


def _strongest(
    labels: NDArray[np.uint8], sampled: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    """The region that covers most of each pixel, where `sampled` brings a plane of bytes to other pixels.

    The nearest label would lie up to half a pixel beside the picture, which is sampled in between.
    """
    best, most = np.zeros(0, np.uint8), np.zeros(0, np.uint8)
    for region in np.flatnonzero(np.bincount(labels.ravel())):
        share = sampled(np.asarray(cv2.compare(labels, int(region), cv2.CMP_EQ), np.uint8))
        if not most.size:
            best, most = np.full(share.shape, region, np.uint8), share
            continue
        more = share > most
        best[more], most[more] = region, share[more]
    return best


def _mark(heat: Floats, points: NDArray[np.float64], sigma: float) -> None:
    across = np.arange(heat.shape[1]) + 0.5
    for index, point in enumerate(points):
        # Six deviations away there is nothing any more.
        low, high = (np.clip(np.round(point + reach), 0, len(across)).astype(int) for reach in (-6 * sigma, 6 * sigma))
        column, row = (
            np.exp(-0.5 * ((across[first:last] - place) / sigma) ** 2)
            for first, last, place in zip(low, high, point, strict=True)
        )
        part = heat[low[1] : high[1], low[0] : high[0], index]
        np.maximum(part, np.outer(row, column), out=part)
