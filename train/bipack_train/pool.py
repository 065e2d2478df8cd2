"""Training crops from memory: pictures are prepared once, so that a batch costs no more than a few copies.

Each picture is kept as its sharp original (8 bits, or half floats where it holds HDR values) beside its small version
(half floats). Crops are drawn where there is something to learn: a cell of a picture is chosen in proportion to the
square root of the error that plain interpolation makes there, so that skies do not fill the batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack_train import degrade

_CELL = 16
"""Side of a cell, in pixels of the small picture."""

_FLOOR = 0.002
"""Least interpolation error that a cell counts with: flat areas are seen now and then."""


@dataclass(frozen=True)
class _Entry:
    high: NDArray[Any]  # (height*scale, width*scale, 3) uint8 or float16
    low: NDArray[Any]  # (height, width, 3) float16, or uint8 where worn
    hdr: bool

    @property
    def worn(self) -> bool:
        """Taken as it is, unless the pool says `turned`: an encoder's blocks and fields do not turn along."""
        return bool(self.low.dtype == np.uint8)


class CropPool:
    """Pairs of sharp and small pictures by group, and the crops drawn from them."""

    def __init__(self, scale: int, patch: int, frames: int = 1, *, turned: bool = False, below: float = 0.0) -> None:
        """`below`: share of crops that are made darker by up to 1, encoded, so that values below 0 are known."""
        self.scale, self.patch, self.frames, self.turned, self.below = scale, patch, frames, turned, below
        self._entries: list[_Entry] = []
        self._groups: list[str] = []
        self._details: list[NDArray[np.float64]] = []
        self._cells: list[NDArray[np.int32]] = []  # per entry (cells, 3): entry, row, column of the cell's centre
        self._table = np.zeros((0, 3), np.int32)
        self._cumulative = np.zeros(0)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def megabytes(self) -> float:
        """Memory of all pictures."""
        return sum(entry.high.nbytes + entry.low.nbytes for entry in self._entries) / 1e6

    def count(self, group: str) -> int:
        """Pictures in a group."""
        return self._groups.count(group)

    def add(self, group: str, pixels: degrade.Pixels, way: str = "coded", hdr: bool = False) -> bool:
        """Add a sharp picture (encoded, (height, width, 3)) shrunk in the given way; False where it is too small."""
        high = degrade.crop_to_multiple(pixels, self.scale)
        if min(high.shape[:2]) < self.patch * self.scale:
            return False
        low = degrade.SHRINK[way](high, self.scale)
        entry = _Entry(high.astype(np.float16) if hdr else _as_bytes(high), low.astype(np.float16), hdr)
        self._keep(group, entry, _detail(high, low))
        return True

    def add_worn(self, group: str, low: NDArray[np.uint8], pixels: degrade.Pixels) -> None:
        """Add a worn plate of 8 bits, 3 channels a frame, with its sharp truth, `scale` times as large."""
        small = low[:, :, :3].astype(np.float32) / np.float32(255)
        self._keep(group, _Entry(_as_bytes(pixels), low, hdr=False), _detail(pixels, small))

    def _keep(self, group: str, entry: _Entry, detail: NDArray[np.float64]) -> None:
        index = len(self._entries)
        self._entries.append(entry)
        self._groups.append(group)
        rows, columns = np.mgrid[0 : detail.shape[0], 0 : detail.shape[1]]
        centres = np.stack([np.full(rows.shape, index), rows * _CELL + _CELL // 2, columns * _CELL + _CELL // 2], -1)
        self._cells.append(centres.reshape(-1, 3).astype(np.int32))
        self._details.append(detail.ravel())

    def finish(self, shares: Mapping[str, float]) -> None:
        """Fix how often each group is drawn; `shares` need not sum to one.

        A group without a share is never drawn. Raises UsageError for a share of an empty group, or none at all.
        """
        for group, share in shares.items():
            if share > 0 and group not in self._groups:
                raise UsageError(f"The recipe wants pictures of the group {group!r}, and none were found.")
        if not any(share > 0 for share in shares.values()):
            raise UsageError("The recipe gives no group of pictures a share.")
        totals = dict.fromkeys(self._groups, 0.0)
        for group, detail in zip(self._groups, self._details, strict=True):
            totals[group] += float(detail.sum())
        weights = [
            detail * (shares.get(group, 0.0) / totals[group])
            for group, detail in zip(self._groups, self._details, strict=True)
        ]
        self._table = np.concatenate(self._cells)
        cumulative = np.cumsum(np.concatenate(weights))
        self._cumulative = cumulative / cumulative[-1]

    def sample(self, rng: np.random.Generator, batch: int) -> tuple[degrade.Pixels, degrade.Pixels]:
        """Draw augmented crops: (batch, patch, patch, 3) small and (batch, patch*scale, patch*scale, 3) sharp.

        With several frames the small ones have 3 channels for each; a picture that is no clip stands still in them.
        """
        side = self.patch * self.scale
        low = np.empty((batch, self.patch, self.patch, 3 * self.frames), np.float32)
        high = np.empty((batch, side, side, 3), np.float32)
        chosen = np.minimum(np.searchsorted(self._cumulative, rng.random(batch), "right"), len(self._table) - 1)
        for slot, (index, row, column) in enumerate(self._table[chosen]):
            entry = self._entries[index]
            top = _start(rng, int(row), self.patch, entry.low.shape[0])
            left = _start(rng, int(column), self.patch, entry.low.shape[1])
            small = entry.low[top : top + self.patch, left : left + self.patch].astype(np.float32)
            top, left = top * self.scale, left * self.scale
            sharp = entry.high[top : top + side, left : left + side].astype(np.float32)
            if entry.high.dtype == np.uint8:
                sharp /= np.float32(255)
            if entry.worn:
                small /= np.float32(255)
                low[slot], high[slot] = _turned(rng, small, sharp) if self.turned else (small, sharp)
            else:
                still, high[slot] = _augment(rng, small, sharp, entry.hdr)
                if self.below and rng.random() < self.below:
                    step = np.float32(rng.random())
                    still, high[slot] = still - step, high[slot] - step
                low[slot] = np.tile(still, (1, 1, self.frames))
        return low, high


def _as_bytes(pixels: degrade.Pixels) -> NDArray[np.uint8]:
    return np.round(np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def _detail(high: degrade.Pixels, low: degrade.Pixels) -> NDArray[np.float64]:
    """Square root of the RMS error of interpolation per cell of the small picture."""
    guess = cv2.resize(low, (high.shape[1], high.shape[0]), interpolation=cv2.INTER_CUBIC)
    # HDR errors are counted as they look after exposure: beyond 1 they would fill every batch with lamps.
    error = np.minimum(np.square(guess - high).mean(axis=2), 1.0)
    cells = (max(1, low.shape[1] // _CELL), max(1, low.shape[0] // _CELL))
    mean = cv2.resize(error, cells, interpolation=cv2.INTER_AREA)
    detail: NDArray[np.float64] = np.sqrt(np.maximum(np.sqrt(mean), _FLOOR)).astype(np.float64)
    return detail


def _start(rng: np.random.Generator, centre: int, patch: int, limit: int) -> int:
    """First pixel of a crop about `centre`, jittered by half a crop and kept inside the picture."""
    start = centre - patch // 2 + int(rng.integers(-patch // 4, patch // 4 + 1))
    return min(max(start, 0), limit - patch)


def _turned(
    rng: np.random.Generator, low: degrade.Pixels, high: degrade.Pixels
) -> tuple[degrade.Pixels, degrade.Pixels]:
    turns, flip = int(rng.integers(4)), rng.random() < 0.5
    low, high = np.rot90(low, turns), np.rot90(high, turns)
    return (low[:, ::-1], high[:, ::-1]) if flip else (low, high)


def _augment(
    rng: np.random.Generator, low: degrade.Pixels, high: degrade.Pixels, hdr: bool
) -> tuple[degrade.Pixels, degrade.Pixels]:
    """Flip, turn, swap channels, scale; the small picture is often rounded to 8 bits, as most plates once were."""
    low, high = _turned(rng, low, high)
    if rng.random() < 0.3:
        order = rng.permutation(3)
        low, high = low[:, :, order], high[:, :, order]
    if not hdr:
        if rng.random() < 0.5:
            gain = (rng.uniform(0.5, 1.1) * rng.uniform(0.85, 1.15, 3)).astype(np.float32)
            low, high = low * gain, high * gain
        if rng.random() < 0.7:
            low = degrade.to_8bit(low)
    return low, high
