"""Makes the second sample plate: nine frames of a slow pan over a footbridge, rendered from a lat-long HDRI (CC0).

    python samples/make_footbridge.py pedestrian_overpass_1k.exr

Panorama: "Pedestrian Overpass" by Poly Haven (polyhaven.com), CC0 1.0. The plate is what a demo should put to the
test: scene-linear half with highlights well above 1, thin rails and foliage, a key in alpha, an object id (uint32) as
an extra layer, overscan that is not the same on every side, and metadata.
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
YAW_DEGREES, PAN_DEGREES, PITCH_DEGREES = -97.0, 8.0, -7.0
FIELD_OF_VIEW_DEGREES = 84.0
SUPERSAMPLES = 4
HORIZON_ROW = 70
SKY_ID, BRIDGE_ID = 1, 2


def read_panorama(path: Path) -> np.ndarray:
    """The panorama as float32 (height, width, 3)."""
    with OpenEXR.File(str(path)) as file:
        channels = file.channels()
        if "RGB" in channels:
            return np.asarray(channels["RGB"].pixels, dtype=np.float32)
        return np.stack([np.asarray(channels[name].pixels, dtype=np.float32) for name in "RGB"], axis=-1)


def render(panorama: np.ndarray, yaw: float, pitch: float) -> np.ndarray:
    """A pinhole view with overscan: float32 (height, width, 3), averaged over SUPERSAMPLES² rays a pixel."""
    left, top, right, bottom = OVERSCAN
    focal = WIDTH / 2 / np.tan(np.radians(FIELD_OF_VIEW_DEGREES) / 2)  # in pixels
    fine = 1 / SUPERSAMPLES
    x = (np.arange(-left + fine / 2, WIDTH + right, fine) - WIDTH / 2) / focal
    y = (np.arange(-top + fine / 2, HEIGHT + bottom, fine) - HEIGHT / 2) / focal
    right_ward, down = np.meshgrid(x, y)
    tilt = np.radians(pitch)
    ahead = np.cos(tilt) + down * np.sin(tilt)
    down = down * np.cos(tilt) - np.sin(tilt)
    longitude = np.arctan2(right_ward, ahead) + np.radians(yaw)
    latitude = np.arctan2(down, np.hypot(right_ward, ahead))
    rows, columns = panorama.shape[:2]
    padding = 4
    wrapped = np.pad(panorama, ((0, 0), (padding, padding), (0, 0)), mode="wrap")
    u = (longitude / (2 * np.pi) + 0.5) % 1 * columns - 0.5 + padding
    v = (latitude / np.pi + 0.5) * rows - 0.5
    rays = cv2.remap(wrapped, u.astype(np.float32), v.astype(np.float32), cv2.INTER_LINEAR)
    height, width = HEIGHT + top + bottom, WIDTH + left + right
    return rays.reshape(height, SUPERSAMPLES, width, SUPERSAMPLES, 3).mean(axis=(1, 3))


def key(pixels: np.ndarray) -> np.ndarray:
    """A soft matte of all that is not sky, 0..1: float32 (height, width). Sky is bright, not warm, and high up."""
    red, blue = pixels[..., 0], pixels[..., 2]
    blueness = (blue - red) / np.maximum(blue + red, 1e-4)
    brightness = pixels.mean(axis=-1)
    sky = np.clip((blueness + 0.12) / 0.14, 0, 1) * np.clip((brightness - 0.22) / 0.14, 0, 1)
    sky[OVERSCAN[1] + HORIZON_ROW :] = 0
    return 1 - sky


def write(path: Path, pixels: np.ndarray, frame: int) -> None:
    """One frame: RGBA half (RGB by DWAA, so that it stays small), object.id uint32, overscan, metadata."""
    left, top, right, bottom = OVERSCAN
    matte = key(pixels).astype(np.float16)
    ids = np.where(matte > 0.5, BRIDGE_ID, SKY_ID).astype(np.uint32)
    channels = {name: np.ascontiguousarray(pixels[..., index].astype(np.float16)) for index, name in enumerate("RGB")}
    header = {
        "compression": OpenEXR.DWAA_COMPRESSION,
        "dwaCompressionLevel": 25.0,
        "type": OpenEXR.scanlineimage,
        "dataWindow": ((-left, -top), (WIDTH + right - 1, HEIGHT + bottom - 1)),
        "displayWindow": ((0, 0), (WIDTH - 1, HEIGHT - 1)),
        "framesPerSecond": Fraction(24),
        "comments": "Footbridge pan, rendered from Pedestrian Overpass by Poly Haven (CC0 1.0).",
        "frame": frame,
    }
    OpenEXR.File(header, {**channels, "A": matte, "object.id": ids}).write(str(path))


def main() -> None:
    """Write every frame beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("panorama", type=Path, help="pedestrian_overpass_1k.exr")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "footbridge")
    args = parser.parse_args()
    panorama = read_panorama(args.panorama)
    args.out.mkdir(parents=True, exist_ok=True)
    for index in range(COUNT):
        pixels = render(panorama, YAW_DEGREES + PAN_DEGREES * index / (COUNT - 1), PITCH_DEGREES)
        path = args.out / f"footbridge.{FIRST + index}.exr"
        write(path, pixels, FIRST + index)
        print(f"{path}  {path.stat().st_size // 1024} KB  peak {pixels.max():.2f}")


if __name__ == "__main__":
    main()
