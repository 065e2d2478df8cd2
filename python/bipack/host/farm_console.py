"""What a farm engine reads: progress, heartbeats, notices that it must not take for failures, and the one failure.

Deadline Cloud fails a task on any line that looks like an error message, Afanasy on sentences of its own, OpenCue on
silence; OpenJD reads progress from lines that begin in column 0.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from typing import Callable, Dict, Optional

from bipack import settings

HEARTBEAT_SECONDS = 20.0
"""A farm may take a silent task for a dead one; OpenCue's example limit is 30 s."""


class Console:
    """Lines for a farm's log. Those of OpenJD begin in column 0."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._doing = "starting"
        self._alive = threading.Event()
        self._beats: Optional[threading.Thread] = None

    def say(self, text: str) -> None:
        """One line that is no failure."""
        self._doing = text
        self._write(f"bipack: {harmless(text)}")

    def progress(self, fraction: float, text: str) -> None:
        """How far the task is; also the text of the next heartbeat."""
        self._doing = text
        self._write(f"openjd_progress: {100 * fraction:.1f}")

    def failed(self, text: str) -> None:
        """The one line that says why the task failed."""
        self._write(f"openjd_fail: {text}")
        self._write(f"bipack: the task failed. {text}")

    def __enter__(self) -> Console:
        """While in `with`, a line at least every HEARTBEAT_SECONDS."""
        self._beats = threading.Thread(target=self._beat, name="bipack-heartbeat", daemon=True)
        self._beats.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._alive.set()

    def _beat(self) -> None:
        while not self._alive.wait(HEARTBEAT_SECONDS):
            self._write(f"bipack: working ({harmless(self._doing)})")

    def _write(self, line: str) -> None:
        with self._lock:
            sys.stdout.write(line.replace("\n", " ") + "\n")
            sys.stdout.flush()


class FarmReport:
    """Progress of the whole task over several cooks and renders; a cook.Report."""

    def __init__(self, console: Console, is_stopped: Callable[[], bool]) -> None:
        self.console = console
        self.total = 0
        """Frames to cook and to render, all nodes together."""

        self._is_stopped = is_stopped
        self._done = self._coming = 0
        self._last = -1.0

    def begin(self, kept: int, coming: int) -> None:
        """`kept` frames are there already, `coming` are worked on next."""
        self._done += kept
        self._coming = coming

    def end(self) -> None:
        """What was coming is done."""
        self._done += self._coming
        self._coming = 0
        self._tell(0.0, "")

    def progress(self, fraction: float, text: str) -> None:
        """See cook.Report."""
        self._tell(fraction * self._coming, text)

    def notice(self, text: str) -> None:
        """See cook.Report."""
        self.console.say(text)

    def cancelled(self) -> bool:
        """See cook.Report."""
        return self._is_stopped()

    def _tell(self, extra: float, text: str) -> None:
        fraction = min(1.0, (self._done + extra) / max(1, self.total))
        if fraction >= self._last + 0.005 or fraction == 1.0 > self._last:
            self._last = fraction
            self.console.progress(fraction, text)


_HARMLESS: Dict[str, str] = {
    r"(?i)\berror(s?)\s*:": r"problem\1 -",
    r"(?i)error\s*:": "Problem -",
    r"(?i)worker process failed": "worker stopped",
    r"(?i)node execution error": "node problem",
}


def harmless(text: str) -> str:
    """`text` without the words by which Deadline Cloud and Afanasy take a line for a failure."""
    for pattern, replacement in _HARMLESS.items():
        text = re.sub(pattern, replacement, text)
    return text


class HarmlessFormatter(logging.Formatter):
    """Log lines, tracebacks too, that no farm takes for a failure: whether the task failed is told by its exit code."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        return harmless(super().format(record))


def start_log() -> None:
    """Send the log to stderr at the level of the setting."""
    handler = logging.StreamHandler()
    handler.setFormatter(HarmlessFormatter("%(levelname)s %(name)s - %(message)s"))
    logging.basicConfig(level=settings.get("log").upper(), handlers=[handler])
