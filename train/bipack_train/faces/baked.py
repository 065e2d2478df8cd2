"""What is worked out once for a skin or a head and kept from call to call: maps, their slopes, how much sky is seen."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from bipack_train.faces import mesh, raster, regions, skin, years
from bipack_train.faces.mesh import Floats, Head
from bipack_train.faces.skin import Skin, SkinMaps


@functools.lru_cache(maxsize=2)
def maps(head: Head, look: Skin, side: int) -> SkinMaps:
    """The maps of a skin for a face tile of `side` texels."""
    return skin.make(look, side, regions.rest_map(head, 0, side), regions.rest_map(head, 1, min(512, side)))


@functools.lru_cache(maxsize=4)
def aged(head: Head, look: Skin, side: int, age: float) -> tuple[Floats, Floats]:
    """Slope of the skin at an age, (side, side, 2) height over u and over v (v up), and the tint it has by then."""
    painted = maps(head, look, side)
    height, tint = years.at(painted.signs, age)
    return _slope(painted.height + height), tint


def _slope(height: Floats) -> Floats:
    rise_v, rise_u = np.gradient(height * height.shape[0])
    return np.stack([rise_u, -rise_v], -1).astype(np.float32)


@functools.lru_cache(maxsize=2)
def change(head: Head, look: Skin, side: int) -> Floats:
    """(side, side) 0..1 how much a texel changes with age: by its color or by its slope."""
    height, tint = years.at(maps(head, look, side).signs, 1.0)
    color = np.abs(tint).max(axis=-1) / 0.15
    slope = np.linalg.norm(_slope(height), axis=-1) / years.CM_ACROSS / 0.12
    soft = cv2.GaussianBlur(np.maximum(color, slope), (0, 0), max(0.5, side / 700))
    return np.asarray(np.clip(soft, 0, 1), np.float32)


def on_vertices(head: Head, face: Floats, back: Floats | None) -> Floats:
    """Values of a map of the face tile (and of the head tile) at the vertices; -1 or 0 where a vertex has no UV."""
    values = np.full(len(head.neutral), -1.0 if back is not None else 0.0, np.float32)
    start, stop = mesh.PARTS["face"]
    values[start:stop] = regions.look_up(face, np.nan_to_num(head.vertex_uv[start:stop]))
    if back is not None:
        start, stop = mesh.PARTS["head"]
        values[start:stop] = regions.look_up(back, np.nan_to_num(head.vertex_uv[start:stop]))
    return values


@functools.lru_cache(maxsize=2)
def occluded(head: Head) -> Floats:
    """(vertices,) 0..1 how much of the sky each vertex of the neutral head sees, weighted by the cosine."""
    normals = head.normals(head.neutral)
    total, seen = np.zeros(len(normals), np.float32), np.zeros(len(normals), np.float32)
    side, count = 160, 40
    for index in range(count):
        # A Fibonacci sphere: directions evenly spread.
        y = 1 - 2 * (index + 0.5) / count
        around = index * 2.399963
        toward = np.array([np.sqrt(1 - y * y) * np.cos(around), y, np.sqrt(1 - y * y) * np.sin(around)])
        first = np.cross(toward, [0.0, 1.0, 0.0])
        first /= np.linalg.norm(first) + 1e-9
        basis = np.stack([first, np.cross(toward, first), -toward])
        local = (head.neutral @ basis.T).astype(np.float32)
        local[:, :2] = (local[:, :2] / 44 + 0.5) * side
        local[:, 2] += 100
        depth = raster.rasterise(local, head.triangles, side, side).depth
        column, row = (np.clip(local[:, axis].astype(int), 0, side - 1) for axis in range(2))
        weight = np.maximum(normals @ toward, 0).astype(np.float32)
        total += weight
        seen += weight * (local[:, 2] - depth[row, column] < 0.35)
    # The lips of a closed mouth and the rims of the eyes would be black.
    return np.clip(seen / np.maximum(total, 1e-6), 0.12, 1).astype(np.float32)
