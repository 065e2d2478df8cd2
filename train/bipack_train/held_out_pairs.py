"""Pairs that a paint-fix run is watched on: which, what of them, and how well the run repairs them."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bipack.errors import UsageError
from bipack_train.devices import fast_type
from bipack_train.models.finds import apply_gate, gate
from bipack_train.paintfix_run import Run, averaged
from bipack_train.pairs import Pair

log = logging.getLogger(__name__)

EVALUATE_EVERY = 0.05
"""Part of the run between two looks at the held-out pair."""

EVALUATED_PIXELS = 1 << 20
"""Most pixels of the held-out pair that are looked at."""


def index_of(pairs: Sequence[Pair], choice: str) -> int | None:
    """Which pair is held out: the named frame; for auto the middle one of four or more. Raises UsageError."""
    if choice == "none" or (choice == "auto" and len(pairs) < 4):
        return None
    if choice == "auto":
        return len(pairs) // 2
    for index, pair in enumerate(pairs):
        if str(pair.frame) == choice and len(pairs) > 1:
            return index
    raise UsageError(f"Frame {choice} cannot be held out: it is no pair of this run, or the only one.")


class Watched:
    """The part of a held-out pair around its edit, as tensors."""

    def __init__(self, pair: Pair, multiple: int) -> None:
        rows, columns = _window(pair.matte, multiple)
        self.before = _planes(np.concatenate([plane[rows, columns] for plane in (pair.before, *pair.around)], axis=-1))
        self.after = _planes(pair.after[rows, columns])
        self.inside = torch.from_numpy(np.ascontiguousarray(pair.matte[rows, columns] > 127))[None, None]


def _planes(pixels: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1), dtype=np.float32))[None]


def _window(matte: np.ndarray[Any, Any], multiple: int) -> tuple[slice, slice]:
    """The busiest window of at most EVALUATED_PIXELS, its sides multiples of `multiple`."""
    height, width = (side // multiple * multiple for side in matte.shape)
    side = int(math.sqrt(EVALUATED_PIXELS)) // multiple * multiple
    rows, columns = min(height, side), min(width, side)
    spots = np.argwhere(matte > 127)
    middle = spots.mean(axis=0) if len(spots) else np.array(matte.shape) / 2
    top = int(np.clip(middle[0] - rows / 2, 0, matte.shape[0] - rows))
    left = int(np.clip(middle[1] - columns / 2, 0, matte.shape[1] - columns))
    return slice(top, top + rows), slice(left, left + columns)


def look(run: Run, watched: list[Watched]) -> None:
    """Measure the held-out pair when it is time, and stop early when it no longer gets better."""
    schedule = run.settings.schedule
    done = run.progress.done(schedule)
    if not watched or run.progress.finishing(schedule) or done - run.looked_at < EVALUATE_EVERY:
        return
    run.looked_at = done
    score = hole_psnr(run, watched)
    if run.rows:
        run.rows[-1] = replace(run.rows[-1], hole_psnr=score)
    if run.progress.note_score(score, run.settings):
        log.info("the held-out pair no longer gets better: going on to the last part")


@torch.no_grad()
def hole_psnr(run: Run, watched: Sequence[Watched]) -> float:
    """PSNR in dB inside the mattes of the watched pairs, of the gated result, in encoded values."""
    net = averaged(run)
    total, count = 0.0, 0
    for part in watched:
        before = part.before.to(run.device)
        with torch.autocast(run.device.type, torch.bfloat16, enabled=fast_type(run.device) is not None):
            fixed, logit = net(before)
        result = apply_gate(before[:, :3], fixed, gate(logit)).cpu()
        error = (result - part.after).square().mean(dim=1, keepdim=True)[part.inside]
        total, count = total + float(error.sum()), count + error.numel()
    return -10.0 * math.log10(max(total / max(count, 1), 1e-10))
