"""Makes the pictures of the inpaint page from the shipped samples: `python docs/make_inpaint_pictures.py`.

A sign on a pole is put over the footbridge shot, so that the true background is known, and `bipack run inpaint` takes
it away. The single frame is the otter with a stroke through fur and grass. Both are shown at 200 %.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

from bipack.imaging import color  # noqa: E402
from bipack.imaging.frame import Frame  # noqa: E402
from bipack.imaging.image_io import read_frame, write_frame  # noqa: E402
from bipack.imaging.plate import put, take  # noqa: E402
from bipack.inpaint_knobs import MADE, SOURCE_CHANNEL  # noqa: E402

IMAGES = ROOT / "docs/images/inpaint"
SHOT = str(ROOT / "samples/footbridge/footbridge.%04d.exr")
OTTER = str(ROOT / "samples/otter/otter.1005.exr")
FRAMES = range(1001, 1010)
SHOWN = (1002, 1005, 1008)

Picture = NDArray[Any]


def main() -> None:
    """Make both; another model may be named."""
    model = sys.argv[1] if len(sys.argv) > 1 else "inpaint"
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bipack-pictures-") as folder:
        shot(model, Path(folder))
        single(model, Path(folder))


def shot(model: str, folder: Path) -> None:
    """Plate, fill and source of three frames of a pan."""
    for frame in FRAMES:
        plate = read_frame(SHOT % frame)
        picture = take(plate)
        look, matte = _sign(picture.pixels.shape[:2], 70.0 + 16.0 * (frame - FRAMES[0]))
        covered = picture.pixels + matte[..., None] * (look - picture.pixels)
        write_frame(str(folder / f"plate.{frame}.exr"), put(plate, picture, covered.astype(np.float32)))
        write_frame(str(folder / f"matte.{frame}.exr"), _matte(plate, matte))
    run(model, folder / "plate.%04d.exr", folder / "clean.%04d.exr", folder / "matte.%04d.exr")
    rows = []
    for frame in SHOWN:
        result = read_frame(str(folder / f"clean.{frame}.exr"))
        before = color.encode(take(read_frame(str(folder / f"plate.{frame}.exr"))).pixels)
        rows.append([before, color.encode(take(result).pixels), _source(result, frame)])
    save("shot.png", [np.hstack(column) for column in zip(*rows, strict=True)])


def single(model: str, folder: Path) -> None:
    """One frame: hole, OpenCV, Bipack, truth."""
    plate = read_frame(OTTER)
    picture = take(plate)
    matte = np.zeros(picture.pixels.shape[:2], np.float32)
    height, width = matte.shape
    points = np.array([[0.1, 0.75], [0.35, 0.45], [0.55, 0.6], [0.85, 0.25]]) * (width, height)
    cv2.polylines(matte, [points.astype(np.int32)], False, 1.0, 18)
    covered = np.where(matte[..., None] > 0, np.float32(0.9), picture.pixels)
    write_frame(str(folder / "otter.exr"), put(plate, picture, covered.astype(np.float32)))
    write_frame(str(folder / "stroke.exr"), _matte(plate, matte))
    run(model, folder / "otter.exr", folder / "otter_clean.exr", folder / "stroke.exr")
    codes = np.round(np.clip(color.encode(covered.astype(np.float32)), 0, 1) * 255).astype(np.uint8)
    hole = cv2.dilate((matte > 0).astype(np.uint8), np.ones((5, 5), np.uint8))
    other = cv2.inpaint(codes, hole, 5, cv2.INPAINT_TELEA) / 255.0
    ours = color.encode(take(read_frame(str(folder / "otter_clean.exr"))).pixels)
    views = [codes / 255.0, other, ours, color.encode(picture.pixels)]
    save("single.png", [np.hstack(views[:2]), np.hstack(views[2:])])


def run(model: str, plate: Path, target: Path, matte: Path) -> None:
    """`bipack run MODEL …`."""
    command = [sys.executable, "-m", "bipack.cli", "run", model, str(plate), str(target), "--matte", str(matte)]
    subprocess.run([*command, "--device", "cpu"], check=True, stdout=subprocess.DEVNULL)


def _sign(size: tuple[int, ...], x: float) -> tuple[Picture, Picture]:
    """A round sign on a pole at column `x`: scene-linear picture and matte."""
    height, width = size
    matte, look = np.zeros((height, width), np.float32), np.zeros((height, width, 3), np.float32)
    centre = int(x * 16), int(height * 0.42 * 16)
    foot = int(x * 16), height * 16
    cv2.line(matte, centre, foot, 1.0, 5, cv2.LINE_AA, 4)
    cv2.circle(matte, centre, 26 * 16, 1.0, -1, cv2.LINE_AA, 4)
    look[:] = 0.25
    cv2.circle(look, centre, 26 * 16, (0.75, 0.04, 0.03), -1, cv2.LINE_AA, 4)
    cv2.circle(look, centre, 19 * 16, (0.85, 0.85, 0.82), -1, cv2.LINE_AA, 4)
    return look, matte


def _matte(plate: Frame, matte: Picture) -> Frame:
    part = dataclasses.replace(plate.parts[0], channels={"A": matte.astype(np.float16)})
    return dataclasses.replace(plate, parts=[part])


def _source(result: Frame, frame: int) -> Picture:
    """Grey where the plate stayed, from blue to orange by how far away the lender is, white where it was made up."""
    source = np.asarray(result.parts[0].channels[SOURCE_CHANNEL], np.float32)
    away = np.clip((source - frame) / 8.0, -1, 1)[..., None]
    shown = 0.5 + 0.5 * np.abs(away) * np.where(away > 0, [0.8, 0.1, -0.8], [-0.8, 0.1, 0.8])
    shown = np.where(source[..., None] == frame, 0.2, shown)
    return np.where(source[..., None] == MADE, 1.0, shown)


def save(name: str, rows: list[Picture]) -> None:
    """Rows of encoded pictures at 200 %."""
    shown = np.clip(np.vstack(rows), 0, 1).repeat(2, 0).repeat(2, 1)[..., ::-1]
    cv2.imwrite(str(IMAGES / name), np.round(shown * 255).astype(np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
