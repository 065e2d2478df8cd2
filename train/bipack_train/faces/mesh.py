"""The head: USC's ICT FaceKit mesh (MIT), its identities and expressions, and where its parts lie.

Units are centimetres; +y is up, +z is where the face looks, +x is the person's own left. Left and right mean the
person's own everywhere in this package.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bipack.errors import CorruptInput, MissingInput

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Numbers = NDArray[np.floating]
"""Read only, in any precision."""

SUBSET = os.path.join("faces", "ict_facekit", "ict_facekit_light_subset.npz")
"""Where the mesh lies in the data folder."""

IDENTITIES = 30
"""Identity deltas; coefficients are drawn from about -1.5 to 1.5."""

PARTS = {
    "face": (0, 9409),
    "head": (9409, 11248),
    "socket": (11248, 13294),
    "lids_l": (13294, 13678),
    "lids_r": (13678, 14062),
    "gums": (14062, 17039),
    "teeth": (17039, 21451),
    "eyeball_l": (21451, 23021),
    "eyeball_r": (23021, 24591),
    "lashes_l": (25351, 26035),
    "lashes_r": (26035, 26719),
}
"""Vertex ranges of the parts that are drawn. What lies between them (tear film, occlusion cards) is left out."""

FACE_TILE, HEAD_TILE, OTHER_TILE = 0, 1, 2
"""UV tiles: the front of the head with the ears, the back of the head with neck and shoulders, all the rest."""


@dataclass(frozen=True, eq=False)
class Head:
    """The mesh as triangles, and its deltas."""

    neutral: Floats
    """(vertices, 3) in cm."""

    triangles: Ints
    """(triangles, 3) indices of vertices; anticlockwise seen from outside."""

    corners_uv: Floats
    """(triangles, 3, 2) UV of each corner inside its own tile, 0..1, v up."""

    tile: NDArray[np.uint8]
    """(triangles,) FACE_TILE, HEAD_TILE or OTHER_TILE."""

    part: NDArray[np.uint8]
    """(triangles,) index into PARTS."""

    identity: Floats
    """(30, vertices, 3) deltas in cm."""

    expression: Floats
    """(17, vertices, 3) deltas in cm."""

    expressions: tuple[str, ...]
    """Names of the expression deltas: browDown_L, eyeBlink_R, jawOpen, mouthSmile_L, …"""

    landmarks: Ints
    """(68,) vertices in the order that is common to face trackers."""

    landmarks_uv: Floats
    """(68, 2) their places in the face tile."""

    vertex_uv: Floats
    """(vertices, 2) UV in the vertex's own tile; NaN where it has none."""

    def shape(self, identity: Floats, expression: Floats) -> Floats:
        """Vertices (n, 3) in cm for coefficients (30,) and (17,), the latter 0..1."""
        shaped = self.neutral + np.tensordot(identity.astype(np.float32), self.identity, 1)
        used = np.flatnonzero(expression)
        if used.size:
            shaped = shaped + np.tensordot(expression[used].astype(np.float32), self.expression[used], 1)
        return np.asarray(shaped, np.float32)

    def points(self, vertices: Floats) -> Floats:
        """(5, 3) the five points in the order of bipack.face_regions.POINTS."""
        marks = vertices[self.landmarks]
        return np.stack([marks[42:48].mean(0), marks[36:42].mean(0), marks[30], marks[54], marks[48]])

    def normals(self, vertices: Floats) -> Floats:
        """(n, 3) unit vertex normals, weighted by area."""
        corners = vertices[self.triangles]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        total = np.empty_like(vertices)
        index = self.triangles.T.ravel()
        for axis in range(3):
            total[:, axis] = np.bincount(index, np.tile(across[:, axis], 3), len(vertices))
        return np.asarray(total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-9), np.float32)


@functools.lru_cache(maxsize=2)
def load(data: str) -> Head:
    """Read the mesh from the data folder `data`. Raises MissingInput, CorruptInput."""
    path = os.path.join(data, SUBSET)
    if not os.path.isfile(path):
        raise MissingInput(f"The face mesh {path} does not exist. Give the folder that holds {SUBSET} with --data.")
    try:
        with np.load(path) as stored:
            return _build({name: stored[name] for name in stored.files})
    except (KeyError, ValueError, OSError) as error:
        raise CorruptInput(f"The face mesh {path} cannot be read: {error}.") from error


def _build(stored: dict[str, NDArray[np.generic]]) -> Head:
    neutral = stored["vertices"].astype(np.float32)
    quads, quad_uvs = stored["quads"].astype(np.int32), stored["quad_uvs"].astype(np.int32)
    uvs = stored["uvs"].astype(np.float32)
    owner = np.full(len(neutral), 255, np.uint8)
    for index, (start, stop) in enumerate(PARTS.values()):
        owner[start:stop] = index
    halves, half_uvs = [quads[:, :3]], [quad_uvs[:, :3]]
    full = quads[:, 3] >= 0
    halves.append(quads[full][:, [0, 2, 3]])
    half_uvs.append(quad_uvs[full][:, [0, 2, 3]])
    triangles, triangle_uvs = np.concatenate(halves), np.concatenate(half_uvs)
    # A quad that joins two parts belongs to the later one: the ring inside the lips to the socket.
    part = owner[triangles].max(axis=1)
    drawn = part != 255
    triangles, corners, part = triangles[drawn], uvs[triangle_uvs[drawn]], part[drawn]
    # Tile by the middle of the triangle; eyeballs, teeth and lashes are shaded by place, not by UV.
    tile = np.minimum(np.floor(corners.mean(axis=1)[:, 0]), OTHER_TILE).astype(np.uint8)
    tile[part > 1] = OTHER_TILE
    local = corners - np.floor(corners.mean(axis=1, keepdims=True)) * [1, 0]
    vertex_uv = np.full((len(neutral), 2), np.nan, np.float32)
    skin = part <= 1
    vertex_uv[triangles[skin].ravel()] = local[skin].reshape(-1, 2)
    names = [str(name) for name in stored["delta_names"]]
    deltas = stored["deltas"].astype(np.float32)
    is_identity = np.array([name.startswith("identity") for name in names])
    landmarks = stored["landmarks68"].astype(np.int32)
    return Head(
        neutral=neutral,
        triangles=triangles,
        corners_uv=local.astype(np.float32),
        tile=tile,
        part=part,
        identity=deltas[is_identity],
        expression=deltas[~is_identity],
        expressions=tuple(name for name, flag in zip(names, is_identity, strict=True) if not flag),
        landmarks=landmarks,
        landmarks_uv=vertex_uv[landmarks],
        vertex_uv=vertex_uv,
    )
