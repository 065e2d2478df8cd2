"""Where things went from one frame to the next: DIS flow, led to what it misses by block matching.

DIS goes from coarse to fine, and loses what is small and moves farther than its own size. Block matching
(`block_match`) finds that, and much that is not there. So where its offset, forward and backward alike, leaves clearly
less difference than the flow does, the flow takes it as a start and is looked for once more. Pictures are encoded
(`imaging.color`) and at the size at which motion is looked for.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging import block_match
from bipack.imaging.classical_flow import warp
from bipack.imaging.frame import Pixels

_LEAST_SIDE = 48
"""DIS finds nothing in smaller pictures; they are continued by their edges."""

_COMPARED = 480
"""Both are compared at this many pixels on the longer side."""

_WINDOW = 7

_BOUND = 0.3
"""A difference of encoded RGB, summed, counts for no more."""

_CLEARLY = 0.04
"""The mean difference over the window is less by so much where block matching is followed."""

_RETURNS = 1.5
"""Offset and the offset back from where it leads cancel to so many pixels of the matched size."""

_STEADY = 5
"""Most of so many pixels in a square agree on following it."""

Search = NDArray[np.uint8]


def prior_of(frame0: Pixels, frame1: Pixels, detail: str = "half") -> Pixels:
    """Flow between encoded frames, (height, width, 4): 0 to 1 as x and y, then 1 to 0, in pixels.

    With `detail` "half" it is looked for down to half the size, with "full" down to single pixels: clean footage is
    followed better so, and noise is, too.
    """
    plain = dis_of(frame0, frame1)
    led = _led(frame0, frame1, plain)
    if led is None and detail == "half":
        return plain
    led = led or (plain[:, :, :2], plain[:, :, 2:])
    height, width = frame0.shape[:2]
    first, second = for_search(frame0), for_search(frame1)
    starts = [_whole(start, first.shape) for start in led]
    both = _search(first, second, starts[0], detail), _search(second, first, starts[1], detail)
    return np.concatenate(both, axis=2)[:height, :width]


def dis_of(frame0: Pixels, frame1: Pixels) -> Pixels:
    """The same by DIS alone (Kroeger et al. 2016, OpenCV's medium preset)."""
    first, second = (for_search(frame) for frame in (frame0, frame1))
    height, width = frame0.shape[:2]
    return np.concatenate([_search(first, second), _search(second, first)], axis=2)[:height, :width]


def for_search(frame: Pixels) -> Search:
    """What DIS looks at of an encoded frame: its luma, continued by its edges where it is too small."""
    luma = _luma(frame)
    down, right = (max(0, _LEAST_SIDE - length) for length in luma.shape)
    return np.pad(luma, ((0, down), (0, right)), mode="edge") if down or right else luma


def _luma(frame: Pixels) -> Search:
    """BT.601 luma of encoded RGB, 0 to 1 on 8 bits."""
    grey = frame @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.round(np.clip(grey, 0, 1) * 255).astype(np.uint8)


def _search(first: Search, second: Search, start: Pixels | None = None, detail: str = "half") -> Pixels:
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(1 if detail == "half" else 0)
    return np.asarray(search.calc(first, second, None if start is None else start.copy()), np.float32)


def _led(frame0: Pixels, frame1: Pixels, plain: Pixels) -> tuple[Pixels, Pixels] | None:
    """`plain`, there and back, with the offsets of block matching where these are followed; None where nowhere."""
    small0, small1 = (block_match.reduced(frame, _COMPARED) for frame in (frame0, frame1))
    height, width = small0.shape[:2]
    matches = block_match.matched(frame0, frame1)
    to_small, to_whole = (
        np.array([across / matches[0].shape[1], down / matches[0].shape[0]], np.float32)
        for across, down in ((width, height), frame0.shape[1::-1])
    )
    returned = [_returned(match, back) for match, back in zip(matches, matches[::-1], strict=True)]
    flows = _resized(plain, (height, width), cv2.INTER_LINEAR)
    flows *= np.array([width / frame0.shape[1], height / frame0.shape[0]] * 2, np.float32)
    led = []
    followed = False
    for side, (mine, other) in enumerate(((small0, small1), (small1, small0))):
        here = slice(2 * side, 2 * side + 2)
        offset = _resized(matches[side], (height, width), cv2.INTER_NEAREST) * to_small
        better = _difference(mine, other, offset) < _difference(mine, other, flows[:, :, here]) - _CLEARLY
        takes = better & (_resized(returned[side], (height, width), cv2.INTER_NEAREST) > 0)
        share = cv2.blur(takes.astype(np.float32), (_STEADY, _STEADY), borderType=cv2.BORDER_REPLICATE)
        takes = _resized((share > 0.5).astype(np.float32), frame0.shape[:2], cv2.INTER_NEAREST) > 0
        followed |= bool(takes.any())
        offset = _resized(matches[side], frame0.shape[:2], cv2.INTER_NEAREST) * to_whole
        led.append(np.where(takes[:, :, None], offset, plain[:, :, here]))
    return (led[0], led[1]) if followed else None


def _returned(match: Pixels, back: Pixels) -> Pixels:
    """1 where an offset and the one back from where it leads cancel, (h, w)."""
    apart = np.linalg.norm(match + warp(back, match), axis=2)
    return np.asarray(apart < _RETURNS, np.float32)


def _difference(mine: Pixels, other: Pixels, flow: Pixels) -> Pixels:
    apart = np.minimum(np.abs(mine - warp(other, flow)).sum(axis=2), np.float32(_BOUND))
    return np.asarray(cv2.blur(apart, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REPLICATE), np.float32)


def _resized(picture: Pixels, size: tuple[int, int], filtering: int) -> Pixels:
    """`picture` at (height, width)."""
    return np.array(cv2.resize(picture, size[::-1], interpolation=filtering), np.float32)


def _whole(start: Pixels, size: tuple[int, ...]) -> Pixels:
    """A start continued by its edges to what DIS looks at."""
    down, right = size[0] - start.shape[0], size[1] - start.shape[1]
    return np.pad(start, ((0, down), (0, right), (0, 0)), mode="edge")
