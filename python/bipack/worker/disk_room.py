"""How many frames and bytes a retimed shot will take, told before it is cooked, and whether the disk can hold them.

One 8K shot in slow motion may come to terabytes. The first guess goes by the size of a plate frame on disk; once
frames are written their own size counts. A run stops before a disk that cannot hold the rest, with what is finished
kept.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence

from bipack import messages
from bipack.errors import DiskError
from bipack.worker.plan import Task
from bipack.worker.step import Retimes, Step, knob_values

_SPARE = 64 << 20
"""Bytes that stay free."""


class Room:
    """The disk that a run writes to, and what is still to come."""

    def __init__(self, folder: str, frames: int, bytes_each: float) -> None:
        self._folder, self._left, self._each = folder, frames, bytes_each
        self._written: list[int] = []
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise DiskError where the frames that are left do not fit."""
        needed, free = self._each * self._left, shutil.disk_usage(self._folder).free
        if self._left and needed + _SPARE > free:
            raise DiskError(
                f"{self._left} frames of about {size(self._each)} would take {size(needed)}, and {self._folder} has "
                f"{size(free)} free. Free some space, write elsewhere, or cook a part with --output-frames."
            )

    def wrote(self, path: str) -> None:
        """A frame was written; its size is the better guess for the others. Raises DiskError like `check`."""
        with self._lock:
            self._left -= 1
            self._written.append(os.path.getsize(path))
            # In-betweens are smoother and smaller than frames of the plate; the largest so far is the safe side.
            self._each = max(self._written[-16:])
        self.check()

    def kept(self) -> None:
        """A finished frame stays and takes no more room."""
        with self._lock:
            self._left -= 1


def look(request: messages.Render, step: Step, tasks: Sequence[Task], notice: Callable[[str], None]) -> Room | None:
    """Say what a step that retimes will write, and make sure that it fits; None for other steps. Raises DiskError."""
    if not isinstance(step, Retimes) or not tasks:
        return None
    finished = sum(os.path.isfile(task.output) for task in tasks)
    to_write = len(tasks) - (finished if request.existing == "resume" else 0)
    folder = os.path.dirname(os.path.abspath(tasks[0].output))
    sample = next(iter(tasks[0].inputs.values()))
    each = os.path.getsize(sample) * (1 + step.extra_bytes(knob_values(step.knobs, request.settings, 0, step.name)) / 8)
    free = shutil.disk_usage(folder).free
    kept = f" ({len(tasks) - to_write} are there already)" if to_write < len(tasks) else ""
    notice(
        f"{len(tasks)} frames will be made{kept}, about {size(each * to_write)} at {size(each)} a frame; "
        f"{folder} has {size(free)} free."
    )
    # Files that are overwritten give their own room back.
    held = sum(os.path.getsize(task.output) for task in tasks if os.path.isfile(task.output))
    room = Room(folder, to_write, max(each - held / max(1, to_write), 0.0))
    room.check()
    room._each = each
    return room


def size(count: float) -> str:
    """Bytes in words."""
    for unit in ("bytes", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"
