"""Slow motion over files in tests: one call cooks a shot, and its frames and messages are at hand."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from bipack import messages, retime
from bipack.frames import FramePath
from bipack.imaging.image_io import read_frame
from bipack.worker.sequence import run_sequence
from bipack.worker.slowmo_step import SlowMoStep

STEP = 4.0
"""Pixels that the shots of these tests move in a frame."""


def cook(pattern: str, out: Path, step: SlowMoStep | None = None, frames: Any = None, **options: Any) -> list[Any]:
    """Run slow motion; `options` are knobs, or fields of the request. All messages, the closing one last."""
    fields = {name: options.pop(name) for name in ("matte", "missing", "existing", "source") if name in options}
    present = FramePath.parse(pattern).existing()
    source = fields.pop("source", (present[0], present[-1]))
    wanted = tuple(frames or retime.of(options, *source).frames)
    request = messages.Render(
        "job", "slowmo", pattern, str(out / "out.%04d.exr"), wanted, source=source, settings=options, **fields
    )
    told: list[Any] = []
    told.append(run_sequence(request, step or SlowMoStep(None), told.append, threading.Event()))
    return told


def made(out: Path, number: int) -> dict[str, np.ndarray]:
    """Channels of one frame of the result."""
    return read_frame(str(out / f"out.{number:04d}.exr")).parts[0].channels


def notices(told: list[Any]) -> str:
    """What the user was told, a line each."""
    return "\n".join(message.text for message in told if isinstance(message, messages.Notice))
