"""Pictures to learn from: photographs, HDR panoramas, and pictures drawn by a seed.

Photographs are shrunk before use, which hides their JPEG blocks and makes them sharp to the pixel. Panoramas bring
values far above 1 at several exposures. The drawn ones (overlapping leaves, type, grids in perspective, gratings,
lamps of up to 16 stops) hold what photographs have too little of: hard edges, letters, repeated structure and lights
beside black. The same seed always draws the same picture.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import CorruptInput, MissingInput
from bipack.imaging import color, image_io, plate, resample

Pixels = NDArray[np.float32]
"""(height, width, 3) float32 RGB, encoded by bipack.imaging.color unless said otherwise."""

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")
_SUPERSAMPLING = 4
"""Drawn pictures are painted this much larger and averaged down: soft pixel-exact edges."""


@dataclass(frozen=True)
class Picture:
    """One picture with the name that logs and tables show."""

    name: str
    pixels: Pixels
    hdr: bool = False
    """True where values above 1 are expected: such pictures are kept as half floats instead of 8 bits."""


def list_files(folder: str, suffixes: Sequence[str]) -> list[str]:
    """Names of the files in `folder` with one of the suffixes, sorted. Raises MissingInput where there is no folder."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise MissingInput(f"Picture folder {folder} cannot be read: {error.strerror}. Give it with --data.") from error
    return [name for name in names if name.lower().endswith(tuple(suffixes))]


def read_photo(path: str) -> Pixels:
    """An 8-bit photograph as display-coded values 0..1; a grey one gets three equal channels. Raises CorruptInput."""
    if not os.path.isfile(path):
        raise MissingInput(f"Photograph {path} does not exist. Give the folder of the pictures with --data.")
    stored = cv2.imread(path, cv2.IMREAD_COLOR)
    if stored is None:
        raise CorruptInput(f"Photograph {path} cannot be read as a picture.")
    return np.ascontiguousarray(stored[:, :, ::-1]).astype(np.float32) / np.float32(255)


def shrink_factor(height: int, width: int, compressed: bool) -> float:
    """How much a photograph is shrunk before use: 2 if large, 1.5 for a small JPEG, 1 for a small lossless one."""
    if max(height, width) >= 1000:
        return 2.0
    return 1.5 if compressed else 1.0


def shrunk(pixels: Pixels, factor: float, kernel: str = "lanczos3") -> Pixels:
    """Shrink coded values by `factor` and bring small overshoots of the kernel back to 0..1, as an 8-bit file would."""
    if factor == 1:
        return pixels
    height, width = (max(1, round(side / factor)) for side in pixels.shape[:2])
    small: Pixels = np.clip(resample.resize(pixels, width, height, kernel=kernel), 0, 1)
    return small


def original(path: str) -> Pixels:
    """The sharp original that is made of one photograph file: read, shrunk, rounded to 8 bits."""
    pixels = read_photo(path)
    height, width = pixels.shape[:2]
    factor = shrink_factor(height, width, compressed=not path.lower().endswith(".png"))
    return (np.round(shrunk(pixels, factor) * 255) / 255).astype(np.float32)


def read_panorama(path: str) -> Pixels:
    """An EXR panorama as scene-linear (height, width, 3); not encoded. Raises MissingInput, CorruptInput."""
    return plate.take(image_io.read_frame(path)).pixels


def exposed(linear: Pixels, stops: float) -> Pixels:
    """Encode scene-linear pixels with their median at 18 % grey and `stops` above or below."""
    middle = float(np.median(linear[np.isfinite(linear) & (linear > 0)])) if (linear > 0).any() else 0.18
    return color.encode(linear * np.float32(0.18 / middle * 2.0**stops))


# Drawn pictures -----------------------------------------------------------------------------------------------------


def draw(seed: int, index: int, size: int = 256) -> Picture:
    """Picture number `index` of the endless row that belongs to `seed`; the kinds take turns."""
    kinds = tuple(DRAWN)
    kind = kinds[index % len(kinds)]
    rng = np.random.default_rng([seed, index])
    linear_or_coded, hdr = DRAWN[kind](rng, size * _SUPERSAMPLING), kind == "lamps"
    small = cv2.resize(linear_or_coded, (size, size), interpolation=cv2.INTER_AREA)
    pixels = color.encode(small) if hdr else np.clip(small, 0, 1)
    return Picture(f"{kind}_{seed}_{index}", np.ascontiguousarray(pixels, dtype=np.float32), hdr)


def _leaves(rng: np.random.Generator, size: int) -> Pixels:
    """Overlapping shapes of all sizes with texture: the statistics of a cluttered scene, with sharp occlusions."""
    canvas = _texture(rng, size, size)
    smallest, largest = 10.0, size / 3
    count = int(rng.integers(250, 700))
    # Radii with density r^-3 look alike at every scale.
    radii = smallest / np.sqrt(1 - rng.random(count) * (1 - (smallest / largest) ** 2))
    for radius in radii:
        reach = int(np.ceil(radius * 1.5))
        x, y = (int(value) for value in rng.integers(-reach // 2, size + reach // 2, 2))
        left, right, top, bottom = max(0, x - reach), min(size, x + reach), max(0, y - reach), min(size, y + reach)
        if right <= left or bottom <= top:
            continue
        mask = np.zeros((bottom - top, right - left), np.uint8)
        _shape(rng, mask, (x - left, y - top), float(radius))
        canvas[top:bottom, left:right][mask > 0] = _texture(rng, bottom - top, right - left)[mask > 0]
    return canvas


def _shape(rng: np.random.Generator, mask: NDArray[np.uint8], centre: tuple[int, int], radius: float) -> None:
    """Fill an ellipse, a rectangle or a polygon in `mask`."""
    kind = rng.integers(4)
    if kind == 0:
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.3, 1))))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)
        return
    corners = 4 if kind == 1 else int(rng.integers(3, 9))
    angles = np.sort(rng.uniform(0, 2 * np.pi, corners)) if kind != 1 else np.arange(4) * np.pi / 2 + rng.uniform(0, 2)
    reach = radius * (rng.uniform(0.5, 1.4, corners) if kind == 3 else 1.0)
    stretch = (1.0, rng.uniform(0.3, 1.0)) if kind == 1 else (1.0, 1.0)
    across, down = np.cos(angles) * reach * stretch[0], np.sin(angles) * reach * stretch[1]
    cv2.fillPoly(mask, [np.round(np.stack([centre[0] + across, centre[1] + down], 1)).astype(np.int32)], 255)


def _color(rng: np.random.Generator) -> Pixels:
    """A random color of moderate saturation, as coded RGB."""
    grey = rng.beta(1.2, 1.2)
    tint: Pixels = np.clip(grey + rng.normal(0, 0.12, 3) * rng.integers(0, 2), 0, 1).astype(np.float32)
    return tint


def _texture(rng: np.random.Generator, height: int, width: int) -> Pixels:
    """A filling for a shape: flat, a ramp, stripes, or cloudy noise between two colors."""
    first, second = _color(rng), _color(rng)
    kind = rng.integers(5)
    if kind <= 1:
        return np.broadcast_to(first, (height, width, 3)).copy()
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    along = columns * np.float32(np.cos(angle)) + rows * np.float32(np.sin(angle))
    if kind == 2:
        blend = (along - along.min()) / max(float(np.ptp(along)), 1.0)
    elif kind == 3:
        blend = 0.5 + 0.5 * np.sin(along * np.float32(2 * np.pi / rng.uniform(9, 60)))
        if rng.random() < 0.5:
            blend = (blend > 0.5).astype(np.float32)
    else:
        blend = _clouds(rng, height, width)
    mixed: Pixels = (first + (second - first) * blend[:, :, None] * np.float32(rng.uniform(0.1, 1))).astype(np.float32)
    return mixed


def _clouds(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Noise with about a 1/f spectrum, 0..1: octaves of random grids, each half as strong and twice as fine."""
    total = np.zeros((height, width), np.float32)
    strength, cells = 1.0, 2
    while cells < max(height, width) // 3:
        grid = rng.random((cells, cells)).astype(np.float32)
        total += np.float32(strength) * cv2.resize(grid, (width, height), interpolation=cv2.INTER_LINEAR)
        strength, cells = strength * 0.6, cells * 2
    total -= total.min()
    total /= max(float(total.max()), 1e-6)
    return total


_GLYPHS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.,:;!?&%$#@()[]+-=/*"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
)


def _type(rng: np.random.Generator, size: int) -> Pixels:
    """Lines of type in several sizes and faces on a quiet ground."""
    canvas = _texture(rng, size, size)
    row = 0
    while row < size:
        font, height = _FONTS[rng.integers(len(_FONTS))], int(rng.integers(6, 40)) * _SUPERSAMPLING
        scale = cv2.getFontScaleFromHeight(font, int(height * 0.6))
        thickness = max(1, int(height * rng.uniform(0.04, 0.14)))
        text = "".join(_GLYPHS[i] if rng.random() > 0.15 else " " for i in rng.integers(0, len(_GLYPHS), 60))
        row += height
        start = (int(rng.integers(-height, height)), row)
        mask = np.zeros((size, size), np.uint8)
        cv2.putText(mask, text, start, font, scale, 255, thickness, cv2.LINE_AA)
        _paint(canvas, mask, _color(rng))
    return canvas


def _paint(canvas: Pixels, mask: NDArray[np.uint8], tint: Pixels) -> None:
    """Lay a color over the canvas where the mask (0..255) says."""
    left, top, width, height = cv2.boundingRect(mask)
    part = canvas[top : top + height, left : left + width]
    amount = mask[top : top + height, left : left + width, None] / np.float32(255)
    part += (tint - part) * amount


def _facade(rng: np.random.Generator, size: int) -> Pixels:
    """Grids of windows, bars and tiles in perspective: straight edges at every angle, repeated."""
    canvas = _texture(rng, size, size)
    for _ in range(int(rng.integers(2, 5))):
        flat = np.broadcast_to(_color(rng), (size, size, 3)).copy()
        pitch_x, pitch_y = (float(value) * _SUPERSAMPLING for value in rng.uniform(3, 24, 2))
        share_x, share_y = rng.uniform(0.2, 0.9, 2)
        rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
        inside = ((columns % pitch_x) < pitch_x * share_x) & ((rows % pitch_y) < pitch_y * share_y)
        flat[inside] = _texture(rng, size, size)[inside]
        corners = np.float32([[0, 0], [size, 0], [size, size], [0, size]])  # type: ignore[arg-type]
        target = (corners + rng.uniform(-0.35, 0.35, (4, 2)) * size).astype(np.float32)
        warp = cv2.getPerspectiveTransform(corners, target)
        warped = cv2.warpPerspective(flat, warp, (size, size), flags=cv2.INTER_AREA)
        mask = cv2.warpPerspective(np.ones((size, size), np.uint8), warp, (size, size), flags=cv2.INTER_NEAREST)
        canvas[mask > 0] = warped[mask > 0]
    return canvas


def _strokes(rng: np.random.Generator, size: int) -> Pixels:
    """Straight and curved strokes of all widths, hair-thin ones included: twigs, cables, fur."""
    canvas, mask = _texture(rng, size, size), np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(60, 220))):
        start = rng.uniform(-0.1, 1.1, 2) * size
        steps = int(rng.integers(2, 12))
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, rng.choice([0.0, 0.15, 0.4]), steps))
        path = start + np.cumsum(np.stack([np.cos(heading), np.sin(heading)], 1) * rng.uniform(0.02, 0.25) * size, 0)
        thickness = max(1, int(rng.uniform(0.3, 4.0) ** 1.5 * _SUPERSAMPLING))
        mask[:] = 0
        cv2.polylines(mask, [np.round(path).astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
        _paint(canvas, mask, _color(rng))
    return canvas


def _lamps(rng: np.random.Generator, size: int) -> Pixels:
    """Scene-linear: lights of up to 16 stops over a dim, cluttered ground, from glints below a pixel to panels."""
    ground = color.decode(_leaves(rng, size // 2)) * np.float32(2.0 ** rng.uniform(-8, 0))
    canvas: Pixels = np.asarray(cv2.resize(ground, (size, size), interpolation=cv2.INTER_NEAREST), np.float32)
    for _ in range(int(rng.integers(10, 80))):
        mask = np.zeros((size, size), np.uint8)
        centre = (int(rng.integers(size)), int(rng.integers(size)))
        if rng.random() < 0.3:
            end = (int(rng.integers(size)), int(rng.integers(size)))
            cv2.line(mask, centre, end, 255, max(1, int(rng.uniform(0.5, 6) * _SUPERSAMPLING)))
        else:
            _shape(rng, mask, centre, float(np.exp(rng.uniform(np.log(0.3), np.log(24))) * _SUPERSAMPLING))
        canvas[mask > 0] = np.float32(2.0 ** rng.uniform(-2, 16)) * (0.5 + 0.5 * _color(rng))
    return canvas


DRAWN: dict[str, Callable[[np.random.Generator, int], Pixels]] = {
    "leaves": _leaves,
    "type": _type,
    "facade": _facade,
    "strokes": _strokes,
    "lamps": _lamps,
}
"""Kinds of drawn pictures; `lamps` is scene-linear, the others are display-coded."""
