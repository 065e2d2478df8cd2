"""A contact sheet: the same frame in several versions side by side, whole above and enlarged below.

It is what `bipack demo` ends with and what a model maker puts beside a model. Values are shown with the sRGB curve up
to a shoulder that lets highlights roll off; the same gain goes for every panel, so that they can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack import atomic
from bipack.imaging import color
from bipack.imaging.frame import Box, Pixels

Picture = NDArray[np.uint8]
"""Display pixels, (height, width, 3), red first."""

MARGIN = 24
CAPTION_HEIGHT = 40
LINE_HEIGHT = 30
SHOULDER = 0.75
"""Display value from which highlights are rolled off."""

BACKGROUND = (26, 26, 26)
TEXT = (224, 224, 224)
QUIET_TEXT = (150, 150, 150)
FRAME_COLOR = (255, 176, 32)


@dataclass(frozen=True)
class Panel:
    """One version of the frame."""

    caption: str
    """ASCII text under the picture."""

    pixels: Pixels
    """Scene-linear (height, width, 3)."""


def compose(
    panels: Sequence[Panel],
    crop: Box,
    title: str = "",
    notes: Sequence[str] = (),
    zoom: int = 2,
    gain: float | None = None,
) -> Picture:
    """The sheet: title, the panels whole, the `crop` of each enlarged `zoom` times, the notes.

    All panels are of one size; `crop` lies inside it. `gain` multiplies the light of all of them; None brings the first
    to middle grey. Raises ValueError where sizes or crop do not fit.
    """
    sizes = {panel.pixels.shape for panel in panels}
    if len(sizes) != 1:
        raise ValueError(f"panels must be of one size, not {sorted(sizes)}")
    height, width = panels[0].pixels.shape[:2]
    if crop.xmin < 0 or crop.ymin < 0 or crop.xmax >= width or crop.ymax >= height:
        raise ValueError(f"the crop {crop} does not lie inside {width}x{height}")
    gain = exposure_of(panels[0].pixels) if gain is None else gain
    pictures = [display(panel.pixels, gain) for panel in panels]
    rows = [_heading(title)] if title else []
    rows += [
        _row([_outlined(picture, crop) for picture in pictures], [panel.caption for panel in panels]),
        _row([_enlarged(picture, crop, zoom) for picture in pictures], [f"{zoom * 100} % of the frame above"]),
    ]
    if notes:
        rows.append(_notes(notes))
    return _stacked(rows)


def display(pixels: Pixels, gain: float = 1.0) -> Picture:
    """Scene-linear (height, width, 3) as 8-bit display values; NaN is shown as black, infinities at their end."""
    finite = np.nan_to_num(pixels * np.float32(gain), nan=0.0, posinf=65504.0, neginf=0.0)
    curve = color.linear_to_srgb(np.maximum(finite, 0.0).astype(np.float32))
    room = 1 - SHOULDER
    # Exponential shoulder: leaves SHOULDER with slope one and never reaches white.
    over = np.maximum(curve - SHOULDER, 0.0)
    rolled = np.minimum(curve, SHOULDER) + room * (1 - np.exp(-over / room))
    return np.asarray(np.rint(rolled * 255), dtype=np.uint8)


def exposure_of(pixels: Pixels, middle: float = 0.18) -> float:
    """The gain that brings the geometric mean of the picture to middle grey, at most two stops either way."""
    luminance = pixels.mean(axis=-1)
    usable = luminance[np.isfinite(luminance) & (luminance > 1e-4)]
    if usable.size == 0:
        return 1.0
    return float(np.clip(middle / np.exp(np.log(usable).mean()), 0.25, 4.0))


def busiest(first: Pixels, second: Pixels, width: int, height: int) -> Box:
    """The `width` by `height` rectangle in which two versions of a frame differ most to the eye."""
    rows, columns = first.shape[:2]
    width, height = min(width, columns), min(height, rows)
    gain = exposure_of(first)
    difference = cv2.absdiff(display(first, gain), display(second, gain)).astype(np.float32).mean(axis=-1)
    sums = cv2.integral(difference)
    inside = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    top, left = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return Box(int(left), int(top), int(left) + width - 1, int(top) + height - 1)


def write(path: str, sheet: Picture) -> None:
    """Write the sheet as PNG, atomically. Raises DiskError."""
    done, data = cv2.imencode(".png", sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if not done:
        raise ValueError("the sheet could not be encoded as PNG")
    atomic.write_bytes(path, data.tobytes())


def _outlined(picture: Picture, crop: Box) -> Picture:
    marked = picture.copy()
    cv2.rectangle(marked, (crop.xmin, crop.ymin), (crop.xmax, crop.ymax), FRAME_COLOR, 2)
    return marked


def _enlarged(picture: Picture, crop: Box, zoom: int) -> Picture:
    part = picture[crop.ymin : crop.ymax + 1, crop.xmin : crop.xmax + 1]
    return np.asarray(part.repeat(zoom, axis=0).repeat(zoom, axis=1))


def _row(pictures: Sequence[Picture], captions: Sequence[str]) -> Picture:
    """Pictures side by side with captions below; fewer captions than pictures leave the rest without."""
    height, width = pictures[0].shape[:2]
    sheet = _blank(height + CAPTION_HEIGHT, (width + MARGIN) * len(pictures) - MARGIN)
    for index, picture in enumerate(pictures):
        left = index * (width + MARGIN)
        sheet[:height, left : left + width] = picture
        if index < len(captions):
            _write_text(sheet, captions[index], (left, height + 26), TEXT, 0.62)
    return sheet


def _heading(title: str) -> Picture:
    sheet = _blank(44, 8 + 16 * len(title))
    _write_text(sheet, title, (0, 28), TEXT, 0.9)
    return sheet


def _notes(lines: Sequence[str]) -> Picture:
    sheet = _blank(LINE_HEIGHT * len(lines), 8 + 12 * max(len(line) for line in lines))
    for index, line in enumerate(lines):
        _write_text(sheet, line, (0, LINE_HEIGHT * index + 20), QUIET_TEXT, 0.58)
    return sheet


def _stacked(rows: Sequence[Picture]) -> Picture:
    """Rows one below another, with a margin all round."""
    width = max(row.shape[1] for row in rows) + 2 * MARGIN
    sheet = _blank(sum(row.shape[0] for row in rows) + MARGIN * 2, width)
    top = MARGIN
    for row in rows:
        sheet[top : top + row.shape[0], MARGIN : MARGIN + row.shape[1]] = row
        top += row.shape[0]
    return sheet


def _blank(height: int, width: int) -> Picture:
    return np.full((height, width, 3), BACKGROUND, dtype=np.uint8)


def _write_text(sheet: Picture, text: str, at: tuple[int, int], ink: tuple[int, int, int], size: float) -> None:
    drawn: Any = sheet
    cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
