"""The page of a training run: where it stands, its curves, and before | after | prediction | difference | matte.

One HTML file that holds everything (pictures inside, no script, no network), so that it can be opened, mailed and kept;
it asks the browser to load it again while the run goes on. The same sheet lies beside it as a PNG. Both are replaced
atomically.
"""

from __future__ import annotations

import base64
import html
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack import atomic
from bipack.imaging.frame import Pixels
from bipack_train import paintfix_run, results
from bipack_train.pair_checks import Finding
from bipack_train.pairs import Pair

SHEET, PAGE = "report.png", "report.html"
COLUMNS = ("before", "after", "prediction", "difference x8", "matte")
CELL = 240
MOST_ROWS = 4
CHART = (720, 240)
"""Width and height of the curves."""

_Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class State:
    """What the page says besides the pictures."""

    name: str
    step: int
    minutes: float
    minutes_left: float | None
    phase: str
    facts: Sequence[tuple[str, str]] = ()
    findings: Sequence[Finding] = ()
    final: bool = False


def write(run: paintfix_run.Run, pairs: Sequence[Pair], state: State, out: str) -> None:
    """Write report.png and report.html into `out`. Raises DiskError."""
    sheet = png(contact_sheet(run, pairs))
    atomic.write_bytes(os.path.join(out, SHEET), sheet)
    atomic.write_bytes(os.path.join(out, PAGE), page(state, run.rows, sheet).encode("utf-8"))


# Contact sheet --------------------------------------------------------------------------------------------------------


def contact_sheet(run: paintfix_run.Run, pairs: Sequence[Pair]) -> _Picture:
    """A row for each of a few pairs, cut around the edit; display values, red first."""
    net = paintfix_run.averaged(run)
    chosen = [pairs[index] for index in np.unique(np.linspace(0, len(pairs) - 1, MOST_ROWS).round().astype(int))]
    rows = [_heading()]
    for pair in chosen:
        window = _densest(pair.matte)
        planes = results.stacked(pair)[window]
        fixed, factor = results.predict(net, planes)
        result = results.gated(planes, fixed, factor)
        after = pair.after[window].astype(np.float32)
        cells = [planes[..., :3], after, result, np.abs(result - after) * 8.0, np.repeat(factor[..., None], 3, -1)]
        rows.append(_row(cells, f"frame {pair.frame}"))
    return np.concatenate(rows, axis=0)


def _densest(matte: NDArray[np.uint8]) -> tuple[slice, slice]:
    """A square of at most CELL pixels with most of the edit in it."""
    side = (min(CELL, matte.shape[0]), min(CELL, matte.shape[1]))
    sums = cv2.boxFilter(matte.astype(np.float32), -1, (side[1], side[0]), borderType=cv2.BORDER_CONSTANT)
    middle = np.unravel_index(int(np.argmax(sums)), matte.shape)
    starts = [int(np.clip(middle[axis] - side[axis] // 2, 0, matte.shape[axis] - side[axis])) for axis in (0, 1)]
    return slice(starts[0], starts[0] + side[0]), slice(starts[1], starts[1] + side[1])


def _row(cells: Sequence[Pixels], label: str) -> _Picture:
    pictures = []
    for cell in cells:
        canvas = np.full((CELL, CELL, 3), 32, np.uint8)
        shown = np.rint(np.clip(cell, 0.0, 1.0) * 255).astype(np.uint8)
        canvas[: shown.shape[0], : shown.shape[1]] = shown
        pictures.append(cv2.copyMakeBorder(canvas, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(20, 20, 20)))
    row = np.concatenate(pictures, axis=1)
    cv2.putText(row, label, (8, CELL - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 176, 32), 1, cv2.LINE_AA)
    return np.asarray(row, np.uint8)


def _heading() -> _Picture:
    strip = np.full((26, (CELL + 4) * len(COLUMNS), 3), 20, np.uint8)
    for index, text in enumerate(COLUMNS):
        place = ((CELL + 4) * index + 6, 18)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (210, 210, 210), 1, cv2.LINE_AA)
    return strip


def png(picture: _Picture) -> bytes:
    """Display pixels, red first, as PNG."""
    done, data = cv2.imencode(".png", picture[..., ::-1])
    if not done:
        raise ValueError("the sheet could not be encoded as PNG")
    return data.tobytes()


# Page -----------------------------------------------------------------------------------------------------------------


def page(state: State, rows: Sequence[paintfix_run.Row], sheet: bytes) -> str:
    """The whole page as text; nothing in it is loaded from anywhere."""
    again = "" if state.final else '<meta http-equiv="refresh" content="15">'
    left = "finished" if state.final else _time_left(state.minutes_left)
    facts = [("state", state.phase), ("step", f"{state.step:,}"), ("time", f"{state.minutes:.1f} min, {left}")]
    listed = "".join(
        f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>" for key, value in [*facts, *state.facts]
    )
    found = "".join(
        f'<li class="{html.escape(finding.level)}">{html.escape(finding.text)}</li>' for finding in state.findings
    )
    picture = base64.b64encode(sheet).decode("ascii")
    losses = [(row.step, row.change_loss) for row in rows], [(row.step, row.matte_loss) for row in rows]
    scores = [(row.step, row.hole_psnr) for row in rows if row.hole_psnr is not None]
    charts = chart("loss", {"change": losses[0], "matte": losses[1]}, logarithmic=True)
    if scores:
        charts += chart("held-out pair: PSNR inside the matte, dB", {"held out": scores})
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">{again}
<title>{html.escape(state.name)}: training</title>
<style>
body {{ background: #16181b; color: #dcdcdc; font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 78rem;
  padding: 0 1rem }}
h1 {{ font-size: 1.3rem; font-weight: 600 }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.2rem }}
dt {{ color: #9a9a9a }} dd {{ margin: 0 }}
img, svg {{ max-width: 100%; display: block; margin: 1rem 0 }}
li.error, li.warning {{ color: #ffb020 }}
.charts {{ display: flex; flex-wrap: wrap; gap: 1rem }}
</style></head><body>
<h1>{html.escape(state.name)}</h1>
<dl id="state">{listed}</dl>
{f'<ul id="findings">{found}</ul>' if found else ""}
<img id="sheet" alt="before, after, prediction, difference, matte" src="data:image/png;base64,{picture}">
<div class="charts">{charts}</div>
</body></html>
"""


def _time_left(minutes: float | None) -> str:
    if minutes is None:
        return "time left not known yet"
    return f"about {max(1, round(minutes))} min left" if minutes >= 1 else "less than a minute left"


def chart(title: str, curves: dict[str, list[tuple[int, float]]], logarithmic: bool = False) -> str:
    """Curves over steps as SVG; smoothed values in front of the raw ones."""
    width, height = CHART
    values = [value for points in curves.values() for _, value in points if not logarithmic or value > 0]
    if len(values) < 2:
        return ""
    shape = math.log10 if logarithmic else float
    low, high = shape(min(values)), shape(max(values))
    last = max(step for points in curves.values() for step, _ in points) or 1
    room = (high - low) or 1.0

    def place(step: int, value: float) -> str:
        x = 52 + (width - 64) * step / last
        return f"{x:.1f},{height - 28 - (height - 56) * (shape(value) - low) / room:.1f}"

    inks = ("#4fb3ff", "#ffb020", "#7ddc7d")
    body = ""
    for (name, points), ink in zip(curves.items(), inks, strict=False):
        usable = [(step, value) for step, value in points if not logarithmic or value > 0]
        raw = " ".join(place(step, value) for step, value in usable)
        smooth = " ".join(place(step, value) for step, value in _smoothed(usable))
        body += f'<polyline points="{raw}" fill="none" stroke="{ink}" stroke-opacity=".25"/>'
        body += f'<polyline points="{smooth}" fill="none" stroke="{ink}" stroke-width="2"/>'
        body += f'<text x="{width - 12}" y="{20 + 16 * inks.index(ink)}" fill="{ink}" text-anchor="end">{name}</text>'
    labels = [(height - 24, min(values)), (34, max(values))]
    marks = "".join(f'<text x="46" y="{y}" fill="#9a9a9a" text-anchor="end">{value:.3g}</text>' for y, value in labels)
    return f"""<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" font-size="12" role="img">
<rect width="{width}" height="{height}" fill="#1e2125"/><text x="12" y="18" fill="#dcdcdc">{html.escape(title)}</text>
{marks}<text x="{width - 12}" y="{height - 8}" fill="#9a9a9a" text-anchor="end">step {last:,}</text>{body}</svg>"""


def _smoothed(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    smooth, value = [], None
    for step, now in points:
        value = now if value is None else 0.85 * value + 0.15 * now
        smooth.append((step, value))
    return smooth
