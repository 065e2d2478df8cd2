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
        self._groups.setdefault(group, []).append(_Entry(stored))
        return True

    def add_sizes(self, group: str, pixels: Pixels) -> None:
        """Add a photograph at its size, at halves of it, and so small that a crop holds all of one side.

        All are drawn alike. Small ones matter: that is how the worker shows the network a plate with a wide hole.
        """
        whole = pixels
        while self.add(group, pixels):
            pixels = _shrunk(pixels, 0.5)
        if min(pixels.shape[:2]) < self.patch < min(whole.shape[:2]):
            self.add(group, _shrunk(whole, self.patch / min(whole.shape[:2])))

    def finish(self, shares: dict[str, float]) -> None:
        """Fix how often each group is drawn. Raises UsageError for an empty group."""
        for group, share in shares.items():
            if share > 0 and not self._groups.get(group):
                raise UsageError(f"The recipe wants pictures of the group {group!r}, and none were found.")
        total = sum(shares.values())
        self._shares = [(group, share / total) for group, share in shares.items() if share > 0]

    def fits(self, side: int) -> bool:
        """Whether every group that is drawn from has a picture of at least `side` pixels each way."""
        return all(any(_holds(entry, side) for entry in self._groups[group]) for group, _ in self._shares)

    def sample(
        self, rng: np.random.Generator, batch: int, widest: float, side: int | None = None
    ) -> tuple[Pixels, Pixels]:
        """Crops (batch, side, side, 3), encoded, and holes (batch, side, side, 1), `widest` pixels at most.

        Without a `side` crops are of the pool's patch; see `fits` for larger ones.
        """
        side = self.patch if side is None else side
        crops, holes = np.empty((batch, side, side, 3), np.float32), np.empty((batch, side, side, 1), np.float32)
        chances = [share for _, share in self._shares]
        for slot in range(batch):
            group = self._groups[self._shares[int(rng.choice(len(chances), p=chances))][0]]
            entries = [entry for entry in group if _holds(entry, side)]
            stored = entries[int(rng.integers(len(entries)))].stored
            top, left = (int(rng.integers(0, length - side + 1)) for length in stored.shape[:2])
            crop = stored[top : top + side, left : left + side].astype(np.float32)
            if stored.dtype == np.uint8:
                crop /= np.float32(255)
            crops[slot] = _augmented(rng, crop)
            holes[slot, :, :, 0] = inpaint_masks.draw(rng, side, widest)
        return crops, holes


def _shrunk(pixels: Pixels, factor: float) -> Pixels:
    size = (int(pixels.shape[1] * factor + 0.001), int(pixels.shape[0] * factor + 0.001))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.float32)


def _holds(entry: _Entry, side: int) -> bool:
    return bool(min(entry.stored.shape[:2]) >= side)


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
