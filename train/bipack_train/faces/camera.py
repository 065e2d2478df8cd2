"""What lies between a face and its picture: light and shadow, things in front, the lens, the film, the file.

None of it needs the mesh, so it is drawn anew for every training picture. It covers what photographs have and renders
lack: uneven light, faces of other proportions, hard contrast, sharpening, noise, few pixels, few bits.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import color
from bipack_train.faces.mesh import Floats

Planes = tuple[Floats, NDArray[np.uint8], Floats, Floats]
"""Picture, labels, heat-maps and octaves of one scene; see scenes.Scenes."""

Pull = tuple[Floats, Floats]
"""How far across and how far down, in pixels, lies what a picture shows at each place once it is pulled."""

_EDGE = cv2.BORDER_REPLICATE

LUMA = np.array([[0.3], [0.59], [0.11]], np.float32)


def hide(rng: np.random.Generator, planes: Planes, cover: Floats, width: float) -> None:
    """Lay a smooth shape before a face of `width` pixels, in place: of `cover`, or of the color of what it hides."""
    linear, labels, heat, octaves = planes
    side = len(labels)
    shape = field(rng, side, side / (width * rng.uniform(0.3, 0.8)))
    x, y = side * rng.uniform(0.25, 0.75, 2)
    rows, columns = np.mgrid[0:side, 0:side]
    away = np.hypot(columns - x, rows - y) / (width * rng.uniform(0.25, 0.5))
    shape = cv2.GaussianBlur((shape * 0.4 + 1 > away).astype(np.float32), (0, 0), float(rng.uniform(0.5, 2)))
    if rng.random() < 0.4:
        # A hand or an arm has the color of skin, and its light and shade.
        cover = linear[int(y), int(x)] * np.exp(0.5 * field(rng, side, 4.0) + rng.normal(0, 0.2))[..., None]
    linear += (cover - linear) * shape[..., None]
    hidden = shape > 0.5
    labels[hidden], octaves[hidden], heat[hidden] = 0, np.nan, 0


def dye(rng: np.random.Generator, hair: NDArray[np.bool_]) -> Floats:
    """(side, side, 3) gains that give what is `hair` (side, side) another color, and streaks of light and dark."""
    side = len(hair)
    stops = rng.normal(0, 0.7) + rng.normal(0, 0.12, 3)
    # Streaks run mostly down, as hair does.
    across = max(2, round(side / float(rng.uniform(2, 12))))
    streaks = cv2.resize(rng.normal(0, 1, (5, across)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    amount = float(rng.uniform(0, 0.6)) * (rng.random() < 0.5)
    share = cv2.GaussianBlur(hair.astype(np.float32), (0, 0), 0.6)[..., None]
    change = share * (stops.astype(np.float32) + np.float32(amount) * streaks[..., None])
    return np.asarray(np.exp2(change), np.float32)


def cut(rng: np.random.Generator, planes: Planes, unknown: int) -> Planes:
    """The crop of a face that the plate's frame cuts: beyond it the plate's edge is repeated, and nothing is known."""
    side, turn = len(planes[1]), int(rng.integers(4))
    first = round(side * float(rng.uniform(0.5, 0.9)))
    picture, labels, heat, octaves = planes[0].copy(), planes[1].copy(), planes[2].copy(), planes[3].copy()
    beyond = np.rot90(picture, turn)
    beyond[first:] = beyond[first - 1]
    np.rot90(labels, turn)[first:] = unknown
    np.rot90(heat, turn)[first:] = np.nan
    np.rot90(octaves, turn)[first:] = np.nan
    return picture, labels, heat, octaves


def pull(rng: np.random.Generator, side: int, reach: float) -> Pull:
    """A cloth of `side` pixels that was pulled at: places move by about `reach` pixels, neighbours alike."""
    cells = float(rng.uniform(2, 5))
    across, down = (np.float32(reach) * field(rng, side, cells) for _ in range(2))
    return across, down


def brow_pull(rng: np.random.Generator, side: int, points: NDArray[np.float64], width: float) -> Pull:
    """The face at `points` (5, 2), `width` pixels wide, with its brows nearer to the eyes or further from them.

    The mesh has their middle 0.176 widths (24 mm) above the pupils, people anywhere from there down to 0.09: 0.115 is
    the mean of eleven photographs. The forehead gives way above, the upper half of the eye's region below.
    """
    eyes, mouth = points[:2].mean(0), points[3:].mean(0)
    turn = (mouth - eyes) / (np.linalg.norm(mouth - eyes) + 1e-6)
    rows, columns = np.mgrid[0:side, 0:side].astype(np.float32)
    height = ((columns + 0.5 - eyes[0]) * turn[0] + (rows + 0.5 - eyes[1]) * turn[1]) / width
    # Less steep than 1, so that nothing is folded.
    share = np.interp(height, [-0.45, -0.22, -0.14, -0.03], [0, 1, 1, 0])
    lower = width * float(np.clip(rng.normal(0.06, 0.03), -0.02, 0.09)) * share
    across, down = ((-lower * one).astype(np.float32) for one in turn)
    return across, down


def after(first: Pull, second: Pull) -> Pull:
    """What `first` and then `second` do, as one: a picture is then sampled once."""
    across, down = (cv2.remap(one, *_reached(second), cv2.INTER_LINEAR, borderMode=_EDGE) for one in first)
    return across + second[0], down + second[1]


def pulled_points(points: NDArray[np.float64], moved: Pull) -> NDArray[np.float64]:
    """Where `points` (n, 2) of a picture lie after it was pulled."""
    found = points.copy()
    for _ in range(4):
        places = (found - 0.5).astype(np.float32)[None]
        shift = [cv2.remap(one, places, None, cv2.INTER_LINEAR, borderMode=_EDGE)[0] for one in moved]
        found = points - np.stack(shift, 1)
    return found


def _reached(moved: Pull) -> Pull:
    rows, columns = np.mgrid[0 : len(moved[0]), 0 : len(moved[0])].astype(np.float32)
    return columns + moved[0], rows + moved[1]


def field(rng: np.random.Generator, side: int, cells: float) -> Floats:
    """(side, side) smooth noise of deviation about 1, with so many cells across."""
    count = max(2, round(cells) + 1)
    small = rng.normal(0, 1, (count, count)).astype(np.float32)
    return np.asarray(1.4 * cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)


def seen(rng: np.random.Generator, planes: Planes) -> Planes:
    """The scene as a camera gives it: its picture encoded, all else as it was."""
    linear = _lit(rng, planes[0])
    return _camera(rng, linear), *planes[1:]


def _lit(rng: np.random.Generator, linear: Floats) -> Floats:
    """Uneven light, and now and then the edge of a shadow, over everything."""
    side = len(linear)
    if rng.random() < 0.4:
        stops = rng.uniform(0.1, 0.6) * field(rng, side, float(rng.uniform(1, 4)))
        linear = linear * np.exp2(stops)[..., None]
    if rng.random() < 0.12:
        turn, rows, columns = rng.uniform(0, 2 * np.pi), *np.mgrid[0:side, 0:side]
        away = (columns - side / 2) * np.cos(turn) + (rows - side / 2) * np.sin(turn) + rng.normal(0, 0.15 * side)
        away = away + 0.05 * side * field(rng, side, 4.0)
        share = 1 / (1 + np.exp(-away / float(rng.uniform(0.5, 8))))
        linear = linear * (1 - float(rng.uniform(0.3, 0.8)) * share.astype(np.float32))[..., None]
    return np.asarray(linear, np.float32)


def _camera(rng: np.random.Generator, linear: Floats) -> Floats:
    """Exposure, white, blur, noise, few colors, few pixels, few bits; the encoded picture."""
    white = np.exp(rng.normal(0, 0.08, 3)) * 2.0 ** rng.normal(0, 0.3)
    linear = linear * white.astype(np.float32)
    if rng.random() < 0.3:
        linear = cv2.GaussianBlur(linear, (0, 0), float(rng.uniform(0.4, 1.6)))
    encoded = color.encode(np.ascontiguousarray(linear, np.float32))
    if rng.random() < 0.5:
        encoded = np.clip(encoded, 0, 1) ** np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.04, 3)).astype(np.float32)
    if rng.random() < 0.3:
        grey = encoded @ LUMA
        encoded = np.asarray(grey + (encoded - grey) * np.float32(rng.uniform(0.3, 1.5)), np.float32)
    if rng.random() < 0.12:
        encoded = np.repeat(encoded @ LUMA, 3, axis=2)
    if rng.random() < 0.25:
        blurred = cv2.GaussianBlur(encoded, (0, 0), float(rng.uniform(0.7, 2.0)))
        encoded = encoded + np.float32(rng.uniform(0.3, 1.5)) * (encoded - blurred)
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
