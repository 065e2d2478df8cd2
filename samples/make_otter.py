"""Makes the sample plate: nine frames of a slow push-in on an otter, from one photograph (CC0).

    python samples/make_otter.py budgie_oakland_zoo_otters.jpg

Photograph: "Oakland Zoo Otters" of the Budgie backgrounds, CC0 1.0, 2048x1152. The plate is what a demo should put to
the test: fur, whiskers, grass and glints that a small format can barely hold; scene-linear half with highlights above
1 (the photograph's are opened by a curve, as an 8-bit picture has none); the otter's matte in alpha, an object id
(uint32) as an extra layer, overscan that is not the same on every side, and metadata.
"""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

WIDTH, HEIGHT = 320, 180
OVERSCAN = (14, 6, 10, 4)  # left, top, right, bottom: unlike on purpose
FIRST, COUNT = 1001, 9
START, END = (1060.0, 560.0, 1600.0), (1110.0, 580.0, 1460.0)
"""Centre and width of the view in the photograph, in its pixels, at the first and the last frame."""

SUPERSAMPLES = 6
OPENED_FROM, OPENED_BY = 0.5, 6.0
"""Linear value from which highlights are opened, and how many times their value is added at 1."""

BACKGROUND_ID, OTTER_ID = 1, 2
OUTLINE = (
    (310, 180), (345, 160), (400, 175), (470, 230), (560, 270), (700, 255), (800, 300), (850, 330), (940, 290),
    (950, 310), (880, 380), (800, 400), (700, 410), (560, 400), (430, 390), (420, 330), (400, 290), (370, 250),
    (320, 215),
)  # fmt: skip
"""Roughly around the otter, at half the photograph's size; GrabCut finds the edge."""


def scene_linear(photograph: np.ndarray) -> np.ndarray:
    """8-bit sRGB (height, width, 3), blue first, as scene-linear float32, red first, with opened highlights."""
    codes = photograph[..., ::-1].astype(np.float32) / 255
    linear = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    rise = np.clip((linear.mean(axis=-1, keepdims=True) - OPENED_FROM) / (1 - OPENED_FROM), 0, 1)
    return (linear * (1 + OPENED_BY * rise**2 * (3 - 2 * rise))).astype(np.float32)


def otter_matte(photograph: np.ndarray) -> np.ndarray:
    """1 on the otter, 0 elsewhere: float32 of the photograph's size."""
    height, width = photograph.shape[:2]
    half = cv2.resize(photograph, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    labels = np.full(half.shape[:2], cv2.GC_BGD, np.uint8)
    labels[150:445, 300:960] = cv2.GC_PR_BGD
    cv2.fillPoly(labels, [np.array(OUTLINE, np.int32)], cv2.GC_PR_FGD)
    cv2.ellipse(labels, (620, 340), (150, 40), 8, 0, 360, cv2.GC_FGD, -1)
    cv2.ellipse(labels, (385, 205), (35, 25), 0, 0, 360, cv2.GC_FGD, -1)
    cv2.setRNGSeed(1)
    cv2.grabCut(half, labels, None, np.zeros((1, 65)), np.zeros((1, 65)), 6, cv2.GC_INIT_WITH_MASK)
    inside = np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    inside = cv2.morphologyEx(inside, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(inside), [max(outlines, key=cv2.contourArea)], 0, 1, cv2.FILLED)
    return cv2.resize(filled.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def view(picture: np.ndarray, centre_x: float, centre_y: float, span: float) -> np.ndarray:
    """The frame with overscan, (height, width[, channels]): the mean of SUPERSAMPLES² samples a pixel."""
    left, top, right, bottom = OVERSCAN
    height, width = HEIGHT + top + bottom, WIDTH + left + right
    step = span / WIDTH  # photograph pixels for one plate pixel
    fine = (np.arange(max(width, height) * SUPERSAMPLES) + 0.5) / SUPERSAMPLES
    x = centre_x + (fine[: width * SUPERSAMPLES] - left - WIDTH / 2) * step - 0.5
    y = centre_y + (fine[: height * SUPERSAMPLES] - top - HEIGHT / 2) * step - 0.5
    columns, rows = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    samples = cv2.remap(picture, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return samples.reshape(height, SUPERSAMPLES, width, SUPERSAMPLES, *picture.shape[2:]).mean(axis=(1, 3))


def write(path: Path, pixels: np.ndarray, matte: np.ndarray, frame: int) -> None:
    """One frame: RGBA half (RGB by DWAA, so that it stays small), object.id uint32, overscan, metadata."""
    left, top, right, bottom = OVERSCAN
    ids = np.where(matte > 0.5, OTTER_ID, BACKGROUND_ID).astype(np.uint32)
    channels = {name: np.ascontiguousarray(pixels[..., index].astype(np.float16)) for index, name in enumerate("RGB")}
    header = {
        "compression": OpenEXR.DWAA_COMPRESSION,
        "dwaCompressionLevel": 28.0,
        "type": OpenEXR.scanlineimage,
        "dataWindow": ((-left, -top), (WIDTH + right - 1, HEIGHT + bottom - 1)),
        "displayWindow": ((0, 0), (WIDTH - 1, HEIGHT - 1)),
        "framesPerSecond": Fraction(24),
        "comments": "Otter, push-in. From Oakland Zoo Otters of the Budgie backgrounds (CC0 1.0).",
        "frame": frame,
    }
    OpenEXR.File(header, {**channels, "A": matte.astype(np.float16), "object.id": ids}).write(str(path))


def main() -> None:
    """Write every frame beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photograph", type=Path, help="budgie_oakland_zoo_otters.jpg")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "otter")
    args = parser.parse_args()
    photograph = cv2.imread(str(args.photograph), cv2.IMREAD_COLOR)
    if photograph is None:
        parser.error(f"{args.photograph} cannot be read")
    linear, matte = scene_linear(photograph), otter_matte(photograph)
    args.out.mkdir(parents=True, exist_ok=True)
    for index in range(COUNT):
        part = index / (COUNT - 1)
        place = [start + (end - start) * part for start, end in zip(START, END)]
        pixels = view(linear, *place)
        path = args.out / f"otter.{FIRST + index}.exr"
        write(path, pixels, view(matte, *place), FIRST + index)
        print(f"{path}  {path.stat().st_size // 1024} KB  peak {pixels.max():.2f}")


if __name__ == "__main__":
    main()
