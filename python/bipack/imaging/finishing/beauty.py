"""Skin beauty in eight steps: smooth out dark spots and hot spots, add detail, shine and grain, shift the hue.

The order and the formulas are those of Flame's beauty shader, on encoded values (`working_space`). All of it happens
inside the skin matte; where that is 0 the pixels stay as they are, bit for bit, and only the matte's surroundings are
worked on at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Optional

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.imaging.finishing import working_space
from bipack.imaging.finishing.dollface import dollface, half_weight_distance
from bipack.imaging.finishing.neighbourhood import bilateral, median
from bipack.imaging.finishing.skin import SkinKey, skin_matte
from bipack.imaging.finishing.strips import in_strips
from bipack.imaging.finishing.tent import tent
from bipack.imaging.frame import Pixels

SMOOTHINGS = ("dollface", "bilateral", "median")
LUMA = (0.2125, 0.7154, 0.0721)
"""Luma weights of the shader."""

_ROWS = 32

BILATERAL_REACH = 1.2
"""Half side of the bilateral's square in sizes: far enough to see past a blemish, near enough to be live in Nuke."""

GRAIN_SIGMA, GRAIN_THRESHOLD = 2.0, 100.0
"""The degrained plate that step 7 compares with."""

_YUV = np.array(
    [[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]],
)


@dataclass(frozen=True)
class Look:
    """The artist's settings; sizes in pixels of this picture."""

    smoothing: str = "dollface"
    """One of SMOOTHINGS."""

    smooth_size: float = 10.0
    """Reach of the smoothing; a tenth of a face is much."""

    smooth_threshold: float = 15.0
    """How alike colors must be to be mixed; higher keeps more edges."""

    median_size: float = 5.0
    """Side of the median's square, for that smoothing."""

    dark_spots: float = 0.8
    highlights: float = 0.5
    detail: float = 0.0
    detail_blur: float = 0.0
    shine: float = 0.2
    shine_blur: float = 30.0
    shine_saturation: float = 1.0
    """1 keeps the overlay's color, 0 makes the bleach-bypass neutral."""

    regrain: float = 1.0
    hue: float = 0.0
    """Degrees."""

    saturation: float = 1.0
    skin: SkinKey = field(default_factory=SkinKey)


def beauty(pixels: Pixels, matte: Optional[Pixels], look: Look, space: str = "encoded") -> Pixels:
    """Beautify scene-linear (height, width, 3) float32 inside `matte` (height, width); a new array.

    Without a matte the built-in skin key is used. Values must be finite.
    """
    keep = skin_mask(pixels, look.skin, space) if matte is None else np.clip(matte, 0.0, 1.0)
    box = _box_of(keep, _margin(look))
    if box is None:
        return pixels.copy()
    inside = keep[box][..., np.newaxis]
    worked = _eight_steps(working_space.enter(pixels[box], space), inside, look)
    worked = working_space.leave(worked, space)
    result = pixels.copy()
    touched = result[box]

    def strip(first: int, last: int) -> None:
        np.copyto(touched[first:last], worked[first:last], where=inside[first:last] > 0.0)

    in_strips(len(worked), _ROWS, strip)
    return result


def skin_mask(pixels: Pixels, key: SkinKey, space: str = "encoded") -> Pixels:
    """The built-in skin matte of scene-linear `pixels`, blurred: (height, width) 0..1."""
    return skin_matte(working_space.enter(pixels, space), key)


def overlay(lower: Pixels, upper: Pixels) -> Pixels:
    """2 s d where d < 0.5, else 1 - 2 (1 - s)(1 - d); s is `lower`, d is `upper`. Not clamped."""
    dark = lower * upper
    dark *= np.float32(2.0)
    # The light branch turned round: 1 - 2 (1 - s)(1 - d) = 2 (s + d) - 1 - 2 s d.
    light = lower + upper
    light *= np.float32(2.0)
    light -= np.float32(1.0)
    light -= dark
    np.copyto(light, dark, where=upper < 0.5)
    return light


def hue_matrix(hue: float, saturation: float) -> NDArray[np.float64]:
    """The 3x3 matrix on working RGB that turns U and V by `hue` degrees and scales them; luma stays.

    As in Flame, `saturation` scales what stays of U and V and not what turns over from one to the other.
    """
    angle = math.radians(hue)
    cosine, sine = saturation * math.cos(angle), math.sin(angle)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    return np.asarray(np.linalg.inv(_YUV) @ turn @ _YUV)


def _eight_steps(plate: Pixels, skin: Pixels, look: Look) -> Pixels:
    """Steps 2 to 8 on working values; `skin` is the matte of step 1, (height, width, 1)."""
    # Where the matte is 0, step 4 puts the plate back, whatever the smoothing made of it.
    result = smoothed(plate, look, skin[..., 0])
    _remove_spots(result, plate, skin, look)
    if look.detail:
        _add_detail(result, plate, skin, look)
    if look.shine:
        _add_shine(result, skin, look)
    if look.regrain:
        _add_grain(result, plate, skin, look)
    if look.hue or look.saturation != 1.0:
        _turn_hue(result, skin, look)
    return result


def smoothed(plate: Pixels, look: Look, inside: Optional[Pixels] = None) -> Pixels:
    """Step 2: the skin under its spots, from and in working values; where `inside` is 0 it may stay as it is."""
    if look.smoothing == "median":
        return median(plate, look.median_size)
    if look.smoothing == "bilateral":
        reach = BILATERAL_REACH * look.smooth_size
        return bilateral(plate, reach, look.smooth_size, bilateral_color_sigma(look.smooth_threshold), inside)
    return dollface(plate, look.smooth_size, look.smooth_threshold)


def bilateral_color_sigma(threshold: float) -> float:
    """The color sigma whose Gaussian halves at the same color distance as `threshold` does."""
    return half_weight_distance(threshold) / math.sqrt(2.0 * math.log(2.0))


def _remove_spots(smooth: Pixels, plate: Pixels, skin: Pixels, look: Look) -> None:
    """Steps 3 and 4, from `smooth` into it: lift what is darker than its surroundings, bring down what is brighter."""

    def strip(first: int, last: int) -> None:
        soft, source, keep = smooth[first:last], plate[first:last], skin[first:last]
        lifted = np.maximum(soft, source)
        lifted -= source
        lifted *= np.float32(look.dark_spots)
        lifted *= keep
        lifted += source
        difference = working_space.luma(cv2.absdiff(soft, source), LUMA)
        alike = (1.0 - np.clip(difference, 0.0, 1.0)) * np.float32(look.highlights) * keep[..., 0]
        alike *= _sum(soft) < _sum(lifted)
        soft -= lifted
        soft *= alike[..., np.newaxis]
        soft += lifted

    in_strips(len(smooth), _ROWS, strip)


def _add_detail(result: Pixels, plate: Pixels, skin: Pixels, look: Look) -> None:
    """Step 5: overlay with 0.5 + 0.1 amount K (8 F - the eight neighbours), blurred if asked."""
    kernel = np.full((3, 3), -1.0, np.float32)
    kernel[1, 1] = 8.0
    detail = cv2.filter2D(plate, -1, kernel, borderType=cv2.BORDER_REPLICATE)

    def strength(first: int, last: int) -> None:
        detail[first:last] *= np.float32(0.1 * look.detail)
        detail[first:last] *= skin[first:last]
        detail[first:last] += np.float32(0.5)

    in_strips(len(result), _ROWS, strength)
    detail = tent(detail, look.detail_blur) if look.detail_blur >= 1.0 else detail

    def strip(first: int, last: int) -> None:
        result[first:last] = overlay(result[first:last], detail[first:last])

    in_strips(len(result), _ROWS, strip)


def _add_shine(result: Pixels, skin: Pixels, look: Look) -> None:
    """Step 6: overlay with its own blur, the soft bleach-bypass."""
    blurred = tent(result, look.shine_blur)

    def strip(first: int, last: int) -> None:
        shine = overlay(result[first:last], blurred[first:last])
        if look.shine_saturation != 1.0:
            grey = working_space.luma(shine, LUMA)[..., np.newaxis]
            shine -= grey
            shine *= np.float32(look.shine_saturation)
            shine += grey
        shine -= result[first:last]
        shine *= np.float32(look.shine)
        shine *= skin[first:last]
        result[first:last] += shine

    in_strips(len(result), _ROWS, strip)


def _add_grain(result: Pixels, plate: Pixels, skin: Pixels, look: Look) -> None:
    """Step 7: what a gentle smoothing takes out of the plate is its grain; put that back."""
    if look.smoothing == "dollface":
        smooth = dollface(plate, GRAIN_SIGMA, GRAIN_THRESHOLD)
    else:
        sigma = bilateral_color_sigma(GRAIN_THRESHOLD)
        smooth = bilateral(plate, 2.0 * GRAIN_SIGMA, GRAIN_SIGMA, sigma, skin[..., 0])

    def strip(first: int, last: int) -> None:
        grain = plate[first:last] - smooth[first:last]
        grain *= np.float32(look.regrain)
        grain *= skin[first:last]
        result[first:last] += grain

    in_strips(len(result), _ROWS, strip)


def _turn_hue(result: Pixels, skin: Pixels, look: Look) -> None:
    """Step 8: turn and scale the color difference U, V."""
    matrix = (hue_matrix(look.hue, look.saturation) - np.eye(3)).astype(np.float32)

    def strip(first: int, last: int) -> None:
        change = cv2.transform(result[first:last], matrix)
        change *= skin[first:last]
        result[first:last] += change

    in_strips(len(result), _ROWS, strip)


def _sum(pixels: Pixels) -> Pixels:
    return pixels[..., 0] + pixels[..., 1] + pixels[..., 2]


def _margin(look: Look) -> int:
    """Pixels around the matte that its inside depends on."""
    reach = {"median": look.median_size, "bilateral": BILATERAL_REACH * look.smooth_size}.get(
        look.smoothing, 3 * look.smooth_size
    )
    return math.ceil(max(reach, look.shine_blur + look.detail_blur + 1, 3 * GRAIN_SIGMA)) + 1


def _box_of(keep: Pixels, margin: int) -> Optional[tuple[slice, slice]]:
    """The part of the picture that the matte touches, with a margin; None for an empty matte."""
    rows, columns = np.flatnonzero(keep.any(axis=1)), np.flatnonzero(keep.any(axis=0))
    if not len(rows):
        return None
    height, width = keep.shape
    return (
        slice(max(0, rows[0] - margin), min(height, rows[-1] + 1 + margin)),
        slice(max(0, columns[0] - margin), min(width, columns[-1] + 1 + margin)),
    )
