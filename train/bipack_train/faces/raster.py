"""A z-buffer in numpy: triangles in, the nearest triangle of every pixel and the place in it out.

Triangles are sorted into classes by the size of their bounding box; a class is tested as one array (triangles, side,
side). What lies inside becomes a fragment, and one scatter of (depth, fragment) keys keeps the nearest per pixel. For
the thousands of small triangles of a head that is as fast as a loop in C over pixels would be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_CHUNK = 1 << 21
"""Pixel tests made at once: bounds memory to some 60 MB."""

_FAR = np.uint64(0xFFFFFFFFFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Buffers:
    """What every pixel sees."""

    triangle: Ints
    """(height, width) index of the nearest triangle, -1 where there is none."""

    weights: Floats
    """(height, width, 3) barycentric weights in it; they add up to 1."""

    depth: Floats
    """(height, width) depth of the surface; infinite where there is none."""

    def interpolate(self, triangles: Ints, values: Floats) -> Floats:
        """Values (vertices, channels) at every covered pixel, (covered, channels); see `covered`."""
        seen = self.covered
        weights = self.weights[seen]
        corners = triangles[self.triangle[seen]]
        total = values[corners[:, 0]] * weights[:, :1]
        total += values[corners[:, 1]] * weights[:, 1:2]
        total += values[corners[:, 2]] * weights[:, 2:]
        return np.asarray(total, np.float32)

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(height, width) True where there is a triangle."""
        return self.triangle >= 0


def rasterise(
    points: Floats, triangles: Ints, height: int, width: int, cull: NDArray[np.bool_] | bool = False
) -> Buffers:
    """Draw triangles (n, 3) of `points` (vertices, 3): x, y in pixels (centres at .5), z the depth, near is small.

    Points with a depth of 0 or less lie behind the camera; triangles that touch one are left out, and so are those
    flagged in `cull` (or all, with True) that turn clockwise in the picture (y down): their backs.
    """
    corners = points[triangles]
    flat = corners[..., :2]
    low, high = flat.min(axis=1), flat.max(axis=1)
    # Double the signed area; y points down, so that anticlockwise outside becomes negative here.
    first, second = flat[:, 1] - flat[:, 0], flat[:, 2] - flat[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    keep = (np.abs(area) > 1e-9) & (corners[..., 2].min(axis=1) > 0)
    keep &= (high >= 0).all(axis=1) & (low[:, 0] < width) & (low[:, 1] < height)
    keep &= ~((area > 0) & cull)
    left = np.clip(np.ceil(low[:, 0] - 0.5), 0, width).astype(np.int32)
    top = np.clip(np.ceil(low[:, 1] - 0.5), 0, height).astype(np.int32)
    right = np.clip(np.floor(high[:, 0] - 0.5), -1, width - 1).astype(np.int32)
    bottom = np.clip(np.floor(high[:, 1] - 0.5), -1, height - 1).astype(np.int32)
    side = np.maximum(right - left, bottom - top) + 1
    keep &= (right >= left) & (bottom >= top)
    chosen = np.flatnonzero(keep)
    nearest = np.full(height * width, _FAR, np.uint64)
    found: list[tuple[Ints, Ints, Floats, Floats]] = []
    count, least = 0, 0
    for size in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512, 1024, 4096):
        group = chosen[(side[chosen] > least) & (side[chosen] <= size)]
        least = size
        step = max(1, _CHUNK // (size * size))
        for start in range(0, len(group), step):
            part = group[start : start + step]
            fragment = _fragments(part, corners, area, left, top, right, bottom, size, width)
            if fragment is None:
                continue
            pixel, triangle, weight, depth = fragment
            # Depths are positive, so their bits as integers are in the same order.
            key = depth.view(np.uint32).astype(np.uint64) << np.uint64(32)
            key |= np.arange(count, count + len(pixel), dtype=np.uint64)
            np.minimum.at(nearest, pixel, key)
            found.append((pixel, triangle, weight, depth))
            count += len(pixel)
    return _resolve(nearest, found, height, width)


def _fragments(
    part: NDArray[np.intp],
    corners: Floats,
    area: Floats,
    left: Ints,
    top: Ints,
    right: Ints,
    bottom: Ints,
    size: int,
    width: int,
) -> tuple[Ints, Ints, Floats, Floats] | None:
    """Pixel index, triangle, two weights and depth of every pixel centre inside the triangles `part`."""
    span = np.arange(size, dtype=np.int32)
    # About the first corner, so that float32 keeps its precision in large pictures.
    origin = corners[part, 0]
    one, two = corners[part, 1, :2] - origin[:, :2], corners[part, 2, :2] - origin[:, :2]
    inverse = 1 / area[part]
    x = (left[part, None] + span + np.float32(0.5)) - origin[:, :1]
    y = (top[part, None] + span + np.float32(0.5)) - origin[:, 1:2]
    u = ((two[:, 1] * inverse)[:, None] * x)[:, None, :] - ((two[:, 0] * inverse)[:, None] * y)[:, :, None]
    v = ((one[:, 0] * inverse)[:, None] * y)[:, :, None] - ((one[:, 1] * inverse)[:, None] * x)[:, None, :]
    inside = (u >= 0) & (v >= 0) & (u + v <= 1)
    inside &= ((left[part, None] + span) <= right[part, None])[:, None, :]
    inside &= ((top[part, None] + span) <= bottom[part, None])[:, :, None]
    which, row, column = np.nonzero(inside)
    if not which.size:
        return None
    u, v = u[which, row, column].astype(np.float32), v[which, row, column].astype(np.float32)
    pixel = (top[part[which]] + row) * width + left[part[which]] + column
    depths = corners[part, :, 2]
    depth = depths[which, 0] * (1 - u - v) + depths[which, 1] * u + depths[which, 2] * v
    weight = np.stack([u, v], axis=1)
    return pixel.astype(np.int32), part[which].astype(np.int32), weight, np.maximum(depth, 1e-6).astype(np.float32)


def _resolve(
    nearest: NDArray[np.uint64], found: list[tuple[Ints, Ints, Floats, Floats]], height: int, width: int
) -> Buffers:
    triangle = np.full(height * width, -1, np.int32)
    weights = np.zeros((height * width, 3), np.float32)
    depth = np.full(height * width, np.inf, np.float32)
    if found:
        seen = nearest != _FAR
        index = (nearest[seen] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        triangles = np.concatenate([part[1] for part in found])
        inner = np.concatenate([part[2] for part in found])[index]
        triangle[seen] = triangles[index]
        weights[seen, 1:] = inner
        weights[seen, 0] = 1 - inner.sum(axis=1)
        depth[seen] = np.concatenate([part[3] for part in found])[index]
    return Buffers(triangle.reshape(height, width), weights.reshape(height, width, 3), depth.reshape(height, width))
