"""An artist's own frames as lessons for the parser: plates with the mattes that he corrected.

The mattes are EXRs with one channel for each region, as `bipack faces` writes them. Points and widths are not known of
such frames and nothing is learned of them; the regions are.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.face_regions import MIRRORED, REGIONS
from bipack.frames import FramePath, parse_frames, resolve_frames
from bipack.imaging import color, nonfinite, plate
from bipack.imaging.image_io import read_frame
from bipack_train.faces.mesh import Floats
from bipack_train.faces.regions import INDEX
from bipack_train.faces.scenes import Scenes


@dataclass(frozen=True, eq=False)
class HandFrames:
    """Frames in memory."""

    pictures: list[Floats]
    """(height, width, 3) encoded."""

    labels: list[NDArray[np.uint8]]

    def batch(self, rng: np.random.Generator, count: int, side: int) -> Scenes:
        """`count` crops of `side` around the faces, at changing sizes, turned a little, half of them mirrored."""
        made = [self._crop(rng, side) for _ in range(count)]
        pictures, labels = (np.stack(planes) for planes in zip(*made, strict=True))
        unknown = np.full((count, side, side, 5), np.nan, np.float32)
        return Scenes(pictures, labels, unknown, unknown[..., 0])

    def _crop(self, rng: np.random.Generator, side: int) -> tuple[Floats, NDArray[np.uint8]]:
        index = int(rng.integers(len(self.pictures)))
        picture, labels = self.pictures[index], self.labels[index]
        spots = np.argwhere(labels > 0)
        low, high = spots.min(0), spots.max(0) + 1
        # From the whole head small in the crop to a part of it.
        scale = side / float((high - low).max()) * float(np.exp(rng.uniform(np.log(0.35), np.log(1.4))))
        turn = np.radians(rng.normal(0, 8))
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        flip = rng.random() < 0.5
        if flip:
            matrix = matrix @ np.diag([-1.0, 1.0])
        middle = (low + (high - low) * rng.uniform(0.25, 0.75, 2))[::-1]
        whole = np.concatenate([matrix, (side / 2 - matrix @ middle)[:, None]], 1)
        near = picture if scale > 0.75 else cv2.GaussianBlur(picture, (0, 0), 0.42 / scale)
        seen = cv2.warpAffine(near, whole, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mine = cv2.warpAffine(labels, whole, (side, side), flags=cv2.INTER_NEAREST, borderValue=255)
        if flip:
            known = mine != 255
            mine[known] = np.array(MIRRORED, np.uint8)[mine[known]]
        gain = np.exp(rng.normal(0, 0.1, 3) + rng.normal(0, 0.15)).astype(np.float32)
        noise = rng.normal(0, float(rng.uniform(0, 0.02)), seen.shape).astype(np.float32)
        return np.asarray(seen * gain + noise, np.float32), np.asarray(mine, np.uint8)


def load(plates: str, mattes: str, frames: str | None = None) -> HandFrames:
    """Read the frames that both patterns have. Raises MissingInput, CorruptInput, UsageError."""
    pattern, masks = FramePath.parse(plates), FramePath.parse(mattes)
    wanted = parse_frames(frames) if frames else resolve_frames(masks, None)
    pictures, labels = [], []
    for frame in wanted:
        picture = plate.take(read_frame(pattern.path(frame)), "rgba", 3).pixels
        label = _labels(masks.path(frame))
        if label.shape != picture.shape[:2]:
            raise CorruptInput(
                f"Frame {frame}: the mattes are {label.shape[1]}x{label.shape[0]} pixels, the plate "
                f"{picture.shape[1]}x{picture.shape[0]}. Bring them to one size."
            )
        if label.any():
            pictures.append(color.encode(nonfinite.hold_out(picture)[0]))
            labels.append(label)
    if not pictures:
        raise UsageError(f"No frame of {mattes} has anything in its region mattes; there is nothing to learn.")
    return HandFrames(pictures, labels)


def _labels(path: str) -> NDArray[np.uint8]:
    """The strongest region of each pixel; background where all together stay below a half."""
    channels = read_frame(path).parts[0].channels
    known = [name for name in REGIONS if name in channels]
    if not known:
        raise MissingInput(
            f"{path} has no region channel; it has {', '.join(channels)}. Write mattes as bipack faces does."
        )
    planes = np.stack([np.asarray(channels[name], np.float32) for name in known])
    ids = np.array([INDEX[name] for name in known], np.uint8)
    return np.where(planes.sum(0) >= 0.5, ids[planes.argmax(0)], 0).astype(np.uint8)
