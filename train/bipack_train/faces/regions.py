"""The regions of a face, and the map that says which point of the mesh belongs to which.

The map is painted once in the UV of the mesh, from polygons that follow its 68 landmarks; every render looks its masks
up there, so they are exact for any identity, expression and pose. Left and right are the person's own.

What the regions mean, for labelling by hand too:

- `eye`: opening, lids and what lies up to the bone: from below the brow to the crease below the lower lid, from 7 mm
  inside the inner corner to 14 mm outside the outer one. It is what a model of eyes and bags works on.
- `nose`: from between the inner corners of the eyes down to the root of the lip, with both wings; beside the root it
  ends with the nostrils.
- `cheek`: from eye and nose out to the ear, down to a line from the corner of the mouth to the lobe of the ear.
- `mouth`: the lips and all between them. `chin`: from the lower lip and that line down to the edge of the jaw,
  as a level look sees it.
- `forehead`: from the brows to the hairline, as wide as the brows. `skin`: what is left: temples, the bridge between
  the brows, skin between a raised brow and the lids, the upper lip, a bald scalp.
- `hair`: hair of the head, and beards long enough to have a shape; stubble is skin. Glasses, hands, hats and clothes
  are `background`.
"""

from __future__ import annotations

import functools
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.face_regions import REGIONS
from bipack_train.faces import raster
from bipack_train.faces.mesh import Floats, Head

INDEX = {name: index for index, name in enumerate(REGIONS)}

Labels = NDArray[np.uint8]
Value = TypeVar("Value", bound=np.generic)

# The person's right half (left in UV), x and y of the face tile with y down.
_HALF = {
    "forehead": ((0.50, 0.00), (0.24, 0.00), (0.205, 0.09), (0.225, 0.195), (0.30, 0.20), (0.42, 0.20), (0.50, 0.21)),
    "cheek": (
        (0.112, 0.285), (0.29, 0.275), (0.36, 0.31), (0.46, 0.30), (0.46, 0.40), (0.415, 0.46), (0.385, 0.51),
        (0.365, 0.565), (0.27, 0.562), (0.128, 0.540), (0.122, 0.43),
    ),
    "chin": (
        (0.128, 0.540), (0.27, 0.562), (0.38, 0.568), (0.42, 0.60), (0.50, 0.62), (0.50, 0.736), (0.433, 0.735),
        (0.346, 0.740), (0.274, 0.719), (0.187, 0.653),
    ),
    "eye": (
        (0.268, 0.287), (0.272, 0.250), (0.285, 0.222), (0.335, 0.212), (0.385, 0.216), (0.410, 0.236), (0.422, 0.264),
        (0.424, 0.290), (0.412, 0.318), (0.384, 0.337), (0.350, 0.344), (0.312, 0.337), (0.282, 0.316),
    ),
    "nose": (
        (0.50, 0.262), (0.474, 0.262), (0.468, 0.30), (0.458, 0.35), (0.440, 0.39), (0.412, 0.412), (0.403, 0.427),
        (0.410, 0.441), (0.428, 0.447), (0.450, 0.449), (0.472, 0.454), (0.50, 0.458),
    ),
    "mouth": (
        (0.386, 0.560), (0.402, 0.533), (0.428, 0.508), (0.466, 0.490), (0.485, 0.488), (0.50, 0.492), (0.50, 0.642),
        (0.444, 0.638), (0.410, 0.617),
    ),
    "ear": ((0.0, 0.31), (0.05, 0.305), (0.095, 0.345), (0.122, 0.43), (0.115, 0.52), (0.075, 0.55), (0.0, 0.52)),
}  # fmt: skip

BROW = ((0.236, 0.214), (0.262, 0.201), (0.298, 0.190), (0.353, 0.190), (0.414, 0.197), (0.452, 0.206))
"""Middle line of the person's right brow, from its tail inwards, in UV with y down."""

JAW = ((0.05, 0.31), (0.11, 0.45), (0.118, 0.540), (0.187, 0.653), (0.274, 0.719), (0.346, 0.740), (0.50, 0.734))
"""Edge of the jaw, the person's right half: where a level look at the face sees it end. Below it is neck."""

_SEAM = ((0.386, 0.560, 0.560), (0.411, 0.560, 0.572), (0.455, 0.534, 0.605), (0.50, 0.531, 0.609))
"""u, and v where the upper and the lower lip end inside, the person's right half."""

_EAR_BACK = 7.4
"""Behind the ears the head tile is ear where it stands out further than this many cm from the middle."""


def mirrored(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The same line on the person's left half."""
    return tuple((1 - x, y) for x, y in points)


def fill(canvas: NDArray[np.uint8], points: tuple[tuple[float, float], ...], value: int) -> None:
    """Fill a polygon given in UV (y down) into a square canvas."""
    scaled = np.round(np.array(points) * canvas.shape[0] * 16 - 8).astype(np.int32)
    cv2.fillPoly(canvas, [scaled], value, cv2.LINE_8, 4)


@functools.lru_cache(maxsize=8)
def rest_map(head: Head, tile: int, side: int) -> Floats:
    """(side, side, 3) the place on the neutral head, in cm, of each texel of a UV tile; NaN where there is none."""
    chosen = head.tile == tile
    flat = head.corners_uv[chosen].reshape(-1, 2)
    points = np.stack([flat[:, 0] * side, (1 - flat[:, 1]) * side, np.ones(len(flat))], 1).astype(np.float32)
    triangles = np.arange(len(flat), dtype=np.int32).reshape(-1, 3)
    buffers = raster.rasterise(points, triangles, side, side)
    places = np.full((side, side, 3), np.nan, np.float32)
    places[buffers.covered] = buffers.interpolate(triangles, head.neutral[head.triangles[chosen].ravel()])
    # A margin, so that lookups at the border of the tile never fall outside.
    for _ in range(3):
        missing = np.isnan(places[..., 0])
        known = np.where(missing[..., None], 0, places)
        count = cv2.blur((~missing).astype(np.float32), (3, 3))
        spread = cv2.blur(known, (3, 3)) / np.maximum(count, 1e-6)[..., None]
        near = missing & (count > 0)
        places[near] = spread[near]
    return places


def face_labels(side: int, brow: tuple[float, ...] = (0.0, 0.013), lips: tuple[float, float] = (1.0, 1.0)) -> Labels:
    """(side, side) regions of the face tile without hair; `brow` and `lips` are those of the Skin."""
    labels = np.full((side, side), INDEX["neck"], np.uint8)
    face = [(0.0, 0.0), (0.0, 0.34), *JAW, *reversed(mirrored(JAW)), (1.0, 0.34), (1.0, 0.0)]
    fill(labels, tuple(face), INDEX["skin"])
    for name in ("forehead", "chin", "cheek", "ear", "nose", "mouth", "eye"):
        paired = name in ("cheek", "eye", "ear")
        layer = np.zeros((side, side), np.uint8)
        half = _thinner(_HALF[name], lips) if name == "mouth" else _HALF[name]
        for points, suffix in ((half, "_r"), (mirrored(half), "_l")):
            fill(layer, points, INDEX[name + suffix] if paired else INDEX[name])
        for value in np.unique(layer[layer > 0]):
            smooth = cv2.GaussianBlur((layer == value).astype(np.float32), (0, 0), side * 0.004)
            labels[smooth > 0.5] = value
    for points, name in ((BROW, "brow_r"), (mirrored(BROW), "brow_l")):
        labels[brow_shape(side, points, brow) > 0] = INDEX[name]
    return labels


def _thinner(points: tuple[tuple[float, float], ...], lips: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """The outline of the mouth for upper and lower lips of these shares of the mesh's thickness."""
    across, above, below = np.array(_SEAM).T
    found = []
    for x, y in points:
        upper, lower = np.interp(x, across, above), np.interp(x, across, below)
        share, seam = (lips[0], upper) if y < 0.5 * (upper + lower) else (lips[1], lower)
        found.append((x, float(seam + share * (y - seam))))
    return tuple(found)


def brow_shape(side: int, line: tuple[tuple[float, float], ...], brow: tuple[float, ...]) -> Floats:
    """(side, side) how far inside the brow a texel lies, 1 in its middle, 0 and less outside."""
    shift, half, arch, slope = (*brow, 0.0, 0.0)[:4]
    points = np.array(line, np.float32)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    x, y = (columns + 0.5) / side, (rows + 0.5) / side
    order = np.argsort(points[:, 0])
    inner, tail = points[-1, 0], points[0, 0]
    along = (x - tail) / (inner - tail)
    middle = np.interp(x, points[order, 0], points[order, 1] - shift)
    middle = middle - arch * np.sin(np.pi * np.clip(along, 0, 1)) - slope * (along - 0.5)
    # Thick over the inner two thirds, pointed at the tail.
    thickness = half * np.interp(along, [0, 0.35, 0.75, 1.0], [0.15, 0.75, 1.0, 0.8])
    inside = 1 - np.abs(y - middle) / np.maximum(thickness, 1e-6)
    return np.where((along < 0) | (along > 1), -1, inside).astype(np.float32)


def head_labels(places: Floats) -> Labels:
    """(side, side) regions of the head tile without hair, from its rest map: back of the ears, scalp, neck."""
    x, y, z = (np.nan_to_num(places[..., axis], nan=0.0) for axis in range(3))
    labels = np.where(y < -1.5, INDEX["neck"], INDEX["skin"]).astype(np.uint8)
    ear = (np.abs(x) > _EAR_BACK) & (y > -2) & (y < 3.8) & (z > -4) & (z < 3)
    labels[ear & (x > 0)] = INDEX["ear_l"]
    labels[ear & (x < 0)] = INDEX["ear_r"]
    return labels


def hairline(places: Floats, raise_front: float = 0.0, recede: float = 0.0) -> Floats:
    """How far above the hairline, in cm, places (…, 3) of the neutral head lie; negative is below it.

    `raise_front` lifts it over the forehead (cm), `recede` lifts it at the temples (cm).
    """
    x, y, z = places[..., 0], places[..., 1], places[..., 2]
    around = np.degrees(np.arctan2(np.abs(x), z))
    height = np.interp(
        around,
        [0, 22, 40, 52, 62, 72, 82, 92, 108, 130, 155, 180],
        [9.6 + raise_front, 9.5 + raise_front + 0.6 * recede, 8.8 + raise_front + 1.4 * recede, 7.4 + recede, 5.6,
         2.6, 1.6, 3.6, 1.4, -0.8, -2.6, -3.0],
    )  # fmt: skip
    return np.asarray(y - height, np.float32)


def texel(uv: Floats, side: int) -> tuple[Floats, Floats]:
    """Column and row (for cv2.remap) of UV (n, 2) in a square map with y down."""
    return uv[:, 0] * side - 0.5, (1 - uv[:, 1]) * side - 0.5


def look_up(image: NDArray[Value], uv: Floats, nearest: bool = False) -> NDArray[Value]:
    """Values of a square map at UV (n, 2): (n,) or (n, channels)."""
    if len(uv) == 0:
        return np.zeros((0, *image.shape[2:]), image.dtype)
    column, row = texel(uv, image.shape[0])
    # remap takes at most 32767 rows: fold the list into a picture.
    width = 1024
    height = -(-len(uv) // width)
    places = np.zeros((2, height * width), np.float32)
    places[0, : len(uv)], places[1, : len(uv)] = column, row
    folded = places.reshape(2, height, width)
    method = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    found = cv2.remap(image, folded[0], folded[1], method, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(height * width, *image.shape[2:])[: len(uv)])
