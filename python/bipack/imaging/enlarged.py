"""A result at the model's own scale while something remains to be done to it as a whole.

Most results go straight to their file, tile by tile. One that is to be brought back to the plate, or to another size,
waits here in float32, a plane a channel, and is worked on in bands of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bipack.imaging import color, held_resize, resample
from bipack.imaging.frame import Pixels
from bipack.imaging.resample import Spans

_BAND_SAMPLES = 1 << 22
_SMALLEST = np.float32(1e-12)
_TIGHT = 0.014
"""Freedom beside lights: that of the models themselves."""


class Enlarged:
    """Scene-linear light of `scale` times the size of a plate."""

    def __init__(self, height: int, width: int, channels: int, scale: int) -> None:
        """For a plate of `height` by `width` pixels."""
        self.scale = scale
        self._planes = [np.empty((height * scale, width * scale), np.float32) for _ in range(channels)]

    def store(self, rows: slice, columns: slice, block: Pixels) -> None:
        """Put `block` (height, width, channels) at these result pixels."""
        for index, plane in enumerate(self._planes):
            plane[rows, columns] = block[..., index]

    def bands(self) -> Iterator[tuple[slice, Pixels]]:
        """(rows, block) from the top; whole plate pixels each. What is changed is stored again with `store`."""
        height, width = self._planes[0].shape
        step = self.scale * max(1, _BAND_SAMPLES // (width * self.scale * len(self._planes)))
        for first in range(0, height, step):
            rows = slice(first, min(first + step, height))
            yield rows, np.stack([plane[rows] for plane in self._planes], axis=-1)

    def missing(self, plate: Pixels) -> Pixels:
        """The finite plate (height, width, channels) less the result averaged down to it, in light."""
        return plate - np.stack([_averaged(plane, self.scale) for plane in self._planes], axis=-1)

    def error(self, plate: Pixels) -> tuple[float, float]:
        """(mean, largest) difference, encoded, between the result averaged down in light and the plate."""
        difference = np.abs(color.encode(plate - self.missing(plate)) - color.encode(plate))
        return float(difference.mean()), float(difference.max())

    def back_project(self, plate: Pixels, passes: int) -> None:
        """Bring the result to the plate, within the range of the plate pixels around: nothing starts to ring.

        What is missing is first spread by the linear kernel, which has no lobes; at last each block is moved towards
        the bound that it needs until its average is exact.
        """
        for index, plane in enumerate(self._planes):
            wanted = np.ascontiguousarray(plate[..., index])
            lowest, highest = held_resize.extremes(wanted, [1, 1])
            strongest = np.maximum(highest, -lowest)
            lower, upper = held_resize.bounds(lowest, highest, strongest, highest - lowest, _TIGHT)
            for _ in range(passes - 1):
                missing = wanted - _averaged(plane, self.scale)
                for first, rows in resample.resized_rows(missing, plane.shape[1], plane.shape[0], "linear"):
                    plane[first : first + len(rows)] += rows
                self._each_band(plane, _clip, lower, upper)
            self._each_band(plane, _clip, lower, upper)
            self._each_band(plane, _settle, lower, upper, wanted, _averaged(plane, self.scale))

    def _each_band(self, plane: Pixels, work: Callable[..., None], *coarse: Pixels) -> None:
        """Let `work` change `plane` in place, band by band, beside `coarse` planes with their pixels repeated."""
        scale = self.scale
        step = max(1, _BAND_SAMPLES // (plane.shape[1] * scale))
        for first in range(0, coarse[0].shape[0], step):
            rows = slice(first, first + step)
            fine = [array[rows].repeat(scale, axis=0).repeat(scale, axis=1) for array in coarse]
            work(plane[first * scale : (first + step) * scale], *fine)

    def resized_rows(self, height: int, width: int, spans: Spans) -> Iterator[tuple[int, Pixels]]:
        """(first row, rows) of the result at another size, from the top; each channel's plane is given up at the end.

        `spans` are in result pixels.
        """
        channels = [held_resize.resized_rows(plane, width, height, spans) for plane in self._planes]
        for found in zip(*channels, strict=True):
            yield found[0][0], np.stack([rows for _, rows in found], axis=-1)


def _clip(band: Pixels, lower: Pixels, upper: Pixels) -> None:
    np.clip(band, lower, upper, out=band)


def _settle(band: Pixels, lower: Pixels, upper: Pixels, wanted: Pixels, average: Pixels) -> None:
    """Move samples towards a bound so that their block's `average` becomes `wanted`; none goes beyond its bound."""
    up = (wanted - average) / np.maximum(upper - average, _SMALLEST)
    down = (average - wanted) / np.maximum(average - lower, _SMALLEST)
    band += np.where(wanted > average, np.clip(up, 0, 1) * (upper - band), -np.clip(down, 0, 1) * (band - lower))


def _averaged(plane: Pixels, scale: int) -> Pixels:
    """Mean of each block of scale x scale, summed in double precision row by row of blocks."""
    height, width = plane.shape[0] // scale, plane.shape[1] // scale
    result = np.empty((height, width), np.float32)
    step = max(1, _BAND_SAMPLES // (plane.shape[1] * scale))
    for first in range(0, height, step):
        last = min(first + step, height)
        blocks = plane[first * scale : last * scale].reshape(last - first, scale, width, scale)
        result[first:last] = blocks.mean(axis=(1, 3), dtype=np.float64)
    return result
