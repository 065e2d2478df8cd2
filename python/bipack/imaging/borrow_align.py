"""Where the background of one frame lies in another: a still camera first, then a plane, then free motion.

The matte of either frame is never followed. A plane is found from matched features and refined by least squares on the
pixels around the hole, at full size, together with a gain and an offset of light; so it is good to a small part of a
pixel just where it matters. Where that does not fit, dense motion is measured outside the hole and continued smoothly
under it.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.frame import Pixels
from bipack.imaging.smooth_fill import Mask, smooth_fill

Matrix = NDArray[np.float64]
"""(3, 3) homography from pixels of one frame to pixels of another; pixel centres are whole numbers."""

Box = tuple[int, int, int, int]
"""(left, top, right, bottom) in pixels of an array, the last two not inside."""

LOCKED_LIMIT = 0.12
"""Pixels, at the reduced size, that no corner may move in a shot that counts as locked off."""

POOR_RESIDUAL = 0.02
"""Encoded difference around the hole, beyond the noise, from which a match is poor."""

LOST_RESIDUAL = 0.06
_SMALL_WIDTH = 960
_FEATURES = 2000
_RATIO = 0.8
_FEWEST = 12
_STEPS = 12
_MOST_SAMPLES = 40_000
"""Pixels that one least-squares step looks at; of more, every so many-th."""


@dataclass(frozen=True, eq=False)
class View:
    """One frame as far as aligning looks at it."""

    tone: Pixels
    """Encoded luma (height, width)."""

    free: Mask
    """True where the background is seen: outside the matte, finite."""

    rough: MutableMapping[View, Matrix] = field(default_factory=WeakKeyDictionary)
    """The way to another view as features tell it."""

    locked: MutableMapping[View, bool] = field(default_factory=WeakKeyDictionary)
    """Whether the camera stood still between this and another view."""

    @cached_property
    def scale(self) -> float:
        """Size of `small` over that of `tone`."""
        return float(min(1.0, _SMALL_WIDTH / self.tone.shape[1]))

    @cached_property
    def small(self) -> tuple[Pixels, Mask]:
        """Tone and free pixels at the reduced size."""
        size = tuple(max(16, round(side * self.scale)) for side in self.tone.shape[::-1])
        tone = cv2.resize(self.tone, size, interpolation=cv2.INTER_AREA)
        covered = cv2.resize((~self.free).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        return np.asarray(tone, np.float32), np.asarray(covered <= 0.0)

    @cached_property
    def soft(self) -> Pixels:
        """`small` without its grain."""
        return np.asarray(cv2.GaussianBlur(self.small[0], (0, 0), 1.0), np.float32)

    @cached_property
    def features(self) -> tuple[Pixels, Optional[Pixels]]:
        """Places (count, 2) at full size and descriptors of features outside the matte."""
        tone, free = self.small
        picture = np.asarray(np.clip(tone * 255.0, 0, 255), np.uint8)
        mask = cv2.erode(free.astype(np.uint8) * 255, np.ones((7, 7), np.uint8))
        points, described = cv2.SIFT_create(_FEATURES, contrastThreshold=0.01).detectAndCompute(picture, mask)  # type: ignore[attr-defined]
        places = np.array([point.pt for point in points], np.float32).reshape(-1, 2)
        # Sizes scale about corners, and pixel centres are whole numbers.
        return (places + 0.5) / np.float32(self.scale) - 0.5, described


@dataclass(frozen=True)
class Alignment:
    """Where the pixels of a box of one frame lie in another."""

    kind: str
    """locked, plane or flow."""

    box: Box
    x: Pixels
    """Column (height, width of the box) in the other frame."""

    y: Pixels
    residual: float
    """Typical encoded difference around the hole, noise included."""


def is_locked(first: View, second: View) -> bool:
    """True when the camera did not move between two frames, measured on everything outside their mattes."""
    if second not in first.locked:
        first.locked[second] = _stands_still(first, second)
    return first.locked[second]


def _stands_still(first: View, second: View) -> bool:
    (a, free_a), (b, free_b) = first.small, second.small
    if first is second:
        return True
    if a.shape != b.shape:
        return False
    both = cv2.erode((free_a & free_b).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    found = _solve(first.soft, second.soft, both, _grid((0, 0, a.shape[1], a.shape[0])), planar=False)
    if found is None:
        return False
    change, residual = found
    corners = np.array([[-1, -1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1]], np.float64)
    half = max(a.shape) / 2
    moved = np.abs(corners @ (change[:2] - np.eye(3)[:2]).T * half).max()
    return bool(moved < LOCKED_LIMIT and residual < POOR_RESIDUAL)


def align(target: View, source: View, box: Box, wanted: Mask, shown: Mask, motion: str = "auto") -> Optional[Alignment]:
    """Where the pixels of `box` of `target` lie in `source`; None where they cannot be matched.

    None also where the way there, roughly known, already tells that none of the `wanted` pixels (of the box) is
    `shown` by the source (of its size). `motion` is auto, locked, plane or flow.
    """
    left, top, right, bottom = box
    columns, rows = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    if motion == "locked" or (motion == "auto" and is_locked(target, source)):
        if not _may_show(np.eye(3), columns[wanted], rows[wanted], shown):
            return None
        return Alignment("locked", box, columns, rows, _residual(target, source, box, columns, rows))
    matrix = _roughly(target, source)
    if not _may_show(matrix, columns[wanted], rows[wanted], shown):
        return None
    matrix = _refined(target, source, box, matrix)
    x, y = mapped(matrix, columns, rows)
    plane = Alignment("plane", box, x, y, _residual(target, source, box, x, y))
    noise = _noise(target, box)
    if motion == "plane" or (motion == "auto" and plane.residual < POOR_RESIDUAL + noise):
        return plane if plane.residual < LOST_RESIDUAL + noise else None
    flow = _by_flow(target, source, plane)
    better = flow if flow.residual < 0.8 * plane.residual or motion == "flow" else plane
    return better if better.residual < LOST_RESIDUAL + noise else None


def _may_show(matrix: Matrix, x: Pixels, y: Pixels, shown: Mask) -> bool:
    """True when one of these places, moved by `matrix`, is shown."""
    there_x, there_y = mapped(matrix, x, y)
    height, width = shown.shape
    inside = (there_x >= 0) & (there_y >= 0) & (there_x <= width - 1) & (there_y <= height - 1)
    columns, rows = (np.rint(place[inside]).astype(np.intp) for place in (there_x, there_y))
    return bool(shown[rows, columns].any())


def mapped(matrix: Matrix, x: Pixels, y: Pixels) -> tuple[Pixels, Pixels]:
    """Places moved by a homography, in double precision until the end."""
    wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
    across, down, depth = (row[0] * wide_x + row[1] * wide_y + row[2] for row in matrix)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = across / depth, down / depth
    return tuple(np.where(depth > 1e-6, place, -1e6).astype(np.float32) for place in found)  # type: ignore[return-value]


def _roughly(target: View, source: View) -> Matrix:
    """The way from one frame to another by features, else by a plain shift."""
    if source not in target.rough:
        matrix = _from_features(target, source)
        target.rough[source] = _from_shift(target, source) if matrix is None else matrix
    return target.rough[source]


def _from_features(target: View, source: View) -> Optional[Matrix]:
    found = plane_of(target, source, 1.5)
    return None if found is None else found[0]


def plane_of(target: View, source: View, near: float) -> Optional[tuple[Matrix, Pixels, Pixels]]:
    """The plane by which most matched features go from one frame to another, and where these features lie in both.

    `near`: how far, in pixels at the reduced size, a feature may lie off it. Places are (count, 2): x, y. None where
    too few match.
    """
    (places_a, described_a), (places_b, described_b) = target.features, source.features
    if described_a is None or described_b is None or min(len(places_a), len(places_b)) < _FEWEST:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(described_a, described_b, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
    if len(good) < _FEWEST:
        return None
    here = places_a[[match.queryIdx for match in good]]
    there = places_b[[match.trainIdx for match in good]]
    matrix, inside = cv2.findHomography(here, there, cv2.RANSAC, near / target.scale, maxIters=4000, confidence=0.999)
    if matrix is None or int(inside.sum()) < _FEWEST:
        return None
    fits = inside[:, 0] > 0
    return np.asarray(matrix, np.float64), here[fits], there[fits]


def _from_shift(target: View, source: View) -> Matrix:
    """A plain shift by phase correlation: all that even ground without features allows."""
    matrix = np.eye(3)
    (a, free_a), (b, free_b) = target.small, source.small
    if a.shape == b.shape:
        filled = [smooth_fill(tone, free, 2).astype(np.float64) for tone, free in ((a, free_a), (b, free_b))]
        window = cv2.createHanningWindow((a.shape[1], a.shape[0]), cv2.CV_64F)
        shift, strength = cv2.phaseCorrelate(filled[0], filled[1], window)
        if strength > 0.05:
            matrix[:2, 2] = np.asarray(shift) / target.scale
    return matrix


def _refined(target: View, source: View, box: Box, matrix: Matrix) -> Matrix:
    """`matrix` fitted to the pixels of `box` by least squares, from blurred to sharp."""
    left, top, right, bottom = box
    free = cv2.erode(target.free[top:bottom, left:right].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if np.count_nonzero(free) < 200:
        return matrix
    grid = _grid(box)
    columns, rows, to_pixels = grid
    usable = source.free.astype(np.float32)
    best, least = matrix, np.inf
    for sigma in (2.5, 1.0):
        a = cv2.GaussianBlur(target.tone[top:bottom, left:right], (0, 0), sigma)
        sources: Any = cv2.GaussianBlur(source.tone, (0, 0), sigma) if source.tone.size < 600_000 else None
        for _ in range(_STEPS):
            x, y = mapped(matrix, columns, rows)
            b, seen = _sampled(source.tone if sources is None else sources, usable, x, y)
            if sources is None:
                b = cv2.GaussianBlur(b, (0, 0), sigma)
            found = _solve(a, b, free & seen, grid, planar=True)
            if found is None:
                return best if least < np.inf else matrix
            change, residual = found
            step = to_pixels @ change @ np.linalg.inv(to_pixels)
            matrix = matrix @ step
            matrix = matrix / matrix[2, 2]
            corners = np.array([[left, top, 1], [right, top, 1], [left, bottom, 1], [right, bottom, 1]], np.float64)
            moved = corners @ step.T
            if np.abs(moved[:, :2] / moved[:, 2:] - corners[:, :2]).max() < 0.01:
                break
        best, least = matrix, residual
    return matrix


def _grid(box: Box) -> tuple[Pixels, Pixels, Matrix]:
    """Columns and rows of a box, and the matrix from places of about -1..1 to its pixels."""
    left, top, right, bottom = box
    columns, rows = np.meshgrid(np.arange(left, right, dtype=np.float32), np.arange(top, bottom, dtype=np.float32))
    half = max(right - left, bottom - top) / 2
    to_pixels = np.array([[half, 0, (left + right - 1) / 2], [0, half, (top + bottom - 1) / 2], [0, 0, 1]])
    return columns, rows, to_pixels


def _solve(
    a: Pixels, b: Pixels, where: Mask, grid: tuple[Pixels, Pixels, Matrix], planar: bool
) -> Optional[tuple[Matrix, float]]:
    """One Gauss-Newton step: the change of places under which `b` fits `a`, gain and offset aside, and the misfit."""
    spots = np.flatnonzero(where)
    if len(spots) < 100:
        return None
    # An odd stride, so that it does not pick out whole columns.
    spots = spots[:: (len(spots) // _MOST_SAMPLES) | 1]
    columns, rows, to_pixels = grid
    half, centre = to_pixels[0, 0], to_pixels[:2, 2]
    slope_x = cv2.Scharr(b, cv2.CV_32F, 1, 0, scale=1 / 32).ravel()[spots].astype(np.float64) * half
    slope_y = cv2.Scharr(b, cv2.CV_32F, 0, 1, scale=1 / 32).ravel()[spots].astype(np.float64) * half
    u, v = (columns.ravel()[spots] - centre[0]) / half, (rows.ravel()[spots] - centre[1]) / half
    values, wanted = b.ravel()[spots].astype(np.float64), a.ravel()[spots].astype(np.float64)
    parts = [slope_x * u, slope_x * v, slope_x, slope_y * u, slope_y * v, slope_y]
    if planar:
        along = slope_x * u + slope_y * v
        parts += [along * u, along * v]
    count = len(parts)
    system = np.stack([*parts, values - values.mean(), np.ones_like(values)], 1)
    miss = wanted - values
    weight = np.ones_like(miss)
    solution = np.zeros(count + 2)
    left = miss
    for _ in range(3):
        weighted = system * weight[:, None]
        normal = weighted.T @ system
        normal[np.diag_indices(count)] += 1e-5 * len(miss) * 1e-3 + 1e-9
        try:
            solution = np.linalg.solve(normal, weighted.T @ miss)
        except np.linalg.LinAlgError:
            return None
        left = miss - system @ solution
        spread = max(1.48 * float(np.median(np.abs(left))), 1e-4)
        # Huber's weights: what moves by itself is a few large errors.
        weight = np.minimum(1.0, 1.5 * spread / np.maximum(np.abs(left), 1e-9))
    change = np.eye(3)
    change[0] += solution[0:3]
    change[1] += solution[3:6]
    if planar:
        change[2, :2] -= solution[6:8]
    return change, float(np.median(np.abs(left)))


def _sampled(tone: Pixels, usable: Pixels, x: Pixels, y: Pixels) -> tuple[Pixels, Mask]:
    """`tone` at these places and where it may be used."""
    left, top = max(0, int(np.floor(x.min())) - 3), max(0, int(np.floor(y.min())) - 3)
    right, bottom = int(np.ceil(x.max())) + 4, int(np.ceil(y.max())) + 4
    part, there = tone[top:bottom, left:right], usable[top:bottom, left:right]
    if part.size == 0 or min(part.shape) < 2:
        return np.zeros_like(x), np.zeros(x.shape, bool)
    at_x, at_y = x - np.float32(left), y - np.float32(top)
    b = cv2.remap(part, at_x, at_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    seen = cv2.remap(there, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(b, np.float32), np.asarray(cv2.erode((seen > 0.99).astype(np.uint8), np.ones((5, 5))) > 0)


def _residual(target: View, source: View, box: Box, x: Pixels, y: Pixels) -> float:
    """Typical difference of the two outside both mattes, light matched; infinite where there is nothing to compare."""
    left, top, right, bottom = box
    a, free = target.tone[top:bottom, left:right], target.free[top:bottom, left:right]
    b, seen = _sampled(source.tone, source.free.astype(np.float32), x, y)
    both = free & seen
    if np.count_nonzero(both) < 50:
        return float("inf")
    difference = a[both] - b[both]
    difference -= np.median(difference)
    return float(np.sqrt(np.mean(np.minimum(np.abs(difference), 0.25) ** 2)))


def _noise(target: View, box: Box) -> float:
    """Strength of the grain in a box, encoded, doubled by the difference of two frames."""
    left, top, right, bottom = box
    tone = target.tone[top:bottom, left:right]
    if min(tone.shape) < 4:
        return 0.0
    rough = cv2.filter2D(tone, cv2.CV_32F, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32))
    return 1.414 * 1.48 * float(np.median(np.abs(rough))) / 6.0


def _by_flow(target: View, source: View, plane: Alignment) -> Alignment:
    """Dense motion on top of a plane, measured where both see the background and continued under the matte."""
    left, top, right, bottom = plane.box
    free = target.free[top:bottom, left:right]
    b, seen = _sampled(source.tone, source.free.astype(np.float32), plane.x, plane.y)
    a = target.tone[top:bottom, left:right]
    first, second = (np.asarray(np.clip(tone * 255, 0, 255), np.uint8) for tone in (a, b))
    if min(first.shape) < 32:
        return plane
    # What is under a matte would pull the motion around it: both get the same neutral ground there.
    for tone, known in ((first, free), (second, seen)):
        np.copyto(
            tone, np.asarray(np.clip(smooth_fill(tone.astype(np.float32), known, 2), 0, 255), np.uint8), where=~known
        )
    engine = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore[attr-defined]
    there, back = engine.calc(first, second, None), engine.calc(second, first, None)
    columns, rows = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in first.shape[::-1]))
    returned = cv2.remap(back, columns + there[..., 0], rows + there[..., 1], cv2.INTER_LINEAR)
    sure = free & seen & (np.hypot(*(there + returned).transpose(2, 0, 1)) < 0.7)
    sure = cv2.erode(sure.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    if np.count_nonzero(sure) < 100:
        return plane
    flow = smooth_fill(np.asarray(there, np.float32), sure)
    at_x, at_y = columns + flow[..., 0], rows + flow[..., 1]
    x, y = (
        cv2.remap(place, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for place in (plane.x, plane.y)
    )
    # Beyond the border of the box the plane goes on in a straight line.
    x, y = (
        x + np.where(at_x < 0, at_x, np.maximum(at_x - columns.max(), 0)),
        y + np.where(at_y < 0, at_y, np.maximum(at_y - rows.max(), 0)),
    )
    x, y = np.asarray(x, np.float32), np.asarray(y, np.float32)
    return Alignment("flow", plane.box, x, y, _residual(target, source, plane.box, x, y))
