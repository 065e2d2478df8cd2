"""Crops to learn inpainting from: photographs at several sizes, panoramas and drawn pictures, kept in memory."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack_train import inpaint_masks
from bipack_train.pictures import Pixels


@dataclass(frozen=True)
class _Entry:
    stored: NDArray[np.uint8] | NDArray[np.float16]
    weight: float


class InpaintPool:
    """Pictures by group; `sample` cuts squares of `patch` pixels and draws a hole into each."""

    def __init__(self, patch: int) -> None:
        self.patch = patch
        self._groups: dict[str, list[_Entry]] = {}
        self._shares: list[tuple[str, float]] = []

    def __len__(self) -> int:
        return sum(len(entries) for entries in self._groups.values())

    @property
    def megabytes(self) -> float:
        """Memory of all pictures."""
        return sum(entry.stored.nbytes for entries in self._groups.values() for entry in entries) / 1e6

    def add(self, group: str, pixels: Pixels, hdr: bool = False) -> bool:
        """Add an encoded picture (height, width, 3); False where it is smaller than a crop."""
        if min(pixels.shape[:2]) < self.patch:
            return False
        stored: NDArray[np.uint8] | NDArray[np.float16]
        stored = pixels.astype(np.float16) if hdr else np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)
        # By the square root of the area: a large picture holds more, and a small one must still be seen.
        self._groups.setdefault(group, []).append(_Entry(stored, float(np.sqrt(pixels.shape[0] * pixels.shape[1]))))
        return True

    def add_sizes(self, group: str, pixels: Pixels) -> None:
        """Add a photograph at its size and at halves of it, while a crop still fits."""
        while self.add(group, pixels):
            size = (pixels.shape[1] // 2, pixels.shape[0] // 2)
            pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)

    def finish(self, shares: dict[str, float]) -> None:
        """Fix how often each group is drawn. Raises UsageError for an empty group."""
        for group, share in shares.items():
            if share > 0 and not self._groups.get(group):
                raise UsageError(f"The recipe wants pictures of the group {group!r}, and none were found.")
        total = sum(shares.values())
        self._shares = [(group, share / total) for group, share in shares.items() if share > 0]

    def sample(self, rng: np.random.Generator, batch: int, widest: float) -> tuple[Pixels, Pixels]:
        """Crops (batch, patch, patch, 3), encoded, and holes (batch, patch, patch, 1), `widest` pixels at most."""
        side = self.patch
        crops, holes = np.empty((batch, side, side, 3), np.float32), np.empty((batch, side, side, 1), np.float32)
        chances = [share for _, share in self._shares]
        for slot in range(batch):
            entries = self._groups[self._shares[int(rng.choice(len(chances), p=chances))][0]]
            weights = np.array([entry.weight for entry in entries])
            stored = entries[int(rng.choice(len(entries), p=weights / weights.sum()))].stored
            top, left = (int(rng.integers(0, length - side + 1)) for length in stored.shape[:2])
            crop = stored[top : top + side, left : left + side].astype(np.float32)
            if stored.dtype == np.uint8:
                crop /= np.float32(255)
            crops[slot] = _augmented(rng, crop)
            holes[slot, :, :, 0] = inpaint_masks.draw(rng, side, widest)
        return crops, holes


def _augmented(rng: np.random.Generator, crop: Pixels) -> Pixels:
    """Mirrored, now and then turned, its channels swapped or its gain changed. Up stays mostly up."""
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    if rng.random() < 0.3:
        crop = np.rot90(crop, int(rng.integers(1, 4)))
    if rng.random() < 0.15:
        crop = crop[:, :, rng.permutation(3)]
    if rng.random() < 0.3:
        crop = crop * (rng.uniform(0.6, 1.15) * rng.uniform(0.92, 1.08, 3)).astype(np.float32)
    return crop
