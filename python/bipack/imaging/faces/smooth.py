"""Smoothing a track without delay: the One-Euro filter (Casiez, Roussel and Vogel 2012) run forwards and backwards.

Each run alone lags behind; the mean of both does not, for their lags are opposite. Beyond both ends the track is
continued by its own point reflection, so that the first and last frames lag no more than the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

_BEYOND = 48
"""Frames that are continued beyond each end."""


def one_euro(values: Doubles, least_cutoff: float, beta: float, speed_cutoff: float = 0.06) -> Doubles:
    """(frames, k) smoothed in one direction. Cutoffs are in cycles a frame; `beta` raises the cutoff with the speed.

    A slow track is smoothed by `least_cutoff`; at a speed of v units a frame the cutoff is least_cutoff + beta * v.
    """
    smooth = np.array(values, np.float64)
    speed = np.zeros(smooth.shape[1:])
    keep = _share(np.asarray(speed_cutoff))
    for index in range(1, len(smooth)):
        step = values[index] - smooth[index - 1]
        # The speed of the values themselves: that of the filtered track would fall behind and choke the filter.
        speed = speed + keep * (values[index] - values[index - 1] - speed)
        smooth[index] = smooth[index - 1] + _share(least_cutoff + beta * np.abs(speed)) * step
    return smooth


def zero_lag(values: Doubles, least_cutoff: float, beta: float) -> Doubles:
    """(frames, k) smoothed without delay; as many frames come out as go in. See `one_euro`."""
    values = np.asarray(values, np.float64)
    if len(values) < 3:
        return values.copy()
    count = min(_BEYOND, len(values) - 1)
    before = 2 * _end(values) - values[count:0:-1]
    after = 2 * _end(values[::-1]) - values[-2 : -2 - count : -1]
    longer = np.concatenate([before, values, after])
    forwards = one_euro(longer, least_cutoff, beta)
    backwards = one_euro(longer[::-1], least_cutoff, beta)[::-1]
    return np.asarray((forwards + backwards)[count : count + len(values)] / 2)


def _end(values: Doubles) -> Doubles:
    """(k,) where the first few values lie by a straight line: a single one may be far off."""
    count = min(9, len(values))
    return np.asarray(np.polyfit(np.arange(count), values[:count], 1)[1])


def _share(cutoff: Doubles) -> Doubles:
    """How much of a new value a low pass of this cutoff takes in."""
    turn = 2 * np.pi * np.asarray(cutoff, np.float64)
    return turn / (turn + 1)
