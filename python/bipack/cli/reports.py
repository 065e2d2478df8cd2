"""What a running job says on stdout: a line for people, or one JSON object for scripts, per message."""

from __future__ import annotations

import sys
import time
from typing import Optional, Union

from bipack import messages

HEARTBEAT_SECONDS = 20.0
"""Longest silence in a log: render farms kill what is silent for long."""


class JsonReport:
    """Every message as one line."""

    def __call__(self, message: messages.Message) -> None:
        """Print it."""
        sys.stdout.write(messages.encode(message).decode("ascii"))
        sys.stdout.flush()


class TextReport:
    """One line a frame; on a terminal also a line that counts along, in a log a sign of life now and then."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._terminal = sys.stdout.isatty()
        self._last = time.monotonic()

    def __call__(self, message: messages.Message) -> None:
        """Print what `message` has to say."""
        if isinstance(message, messages.Progress):
            self._progress(message)
        elif isinstance(message, messages.Notice):
            self.line(f"note: {message.text}")
        elif isinstance(message, messages.FrameDone):
            how = "kept, already finished" if message.skipped else f"{message.seconds:.1f} s"
            self.line(f"frame {message.frame}: {message.output} ({how})")
        elif isinstance(message, messages.JobDone):
            kept = f", {message.skipped} of them kept" if message.skipped else ""
            self.line(f"{message.done} of {self._total} frames done in {message.seconds:.1f} s{kept}")

    def _progress(self, message: messages.Progress) -> None:
        if not self._terminal and time.monotonic() - self._last < HEARTBEAT_SECONDS:
            return
        text = f"frame {message.frame}: {message.fraction:4.0%}, {message.done}/{message.total} done{_left(message)}"
        if self._terminal:
            sys.stdout.write(f"\r\033[K{text}")
            sys.stdout.flush()
        else:
            self.line(text)

    def line(self, text: str) -> None:
        """Print one line."""
        clear = "\r\033[K" if self._terminal else ""
        sys.stdout.write(f"{clear}{text}\n")
        sys.stdout.flush()
        self._last = time.monotonic()


Report = Union[JsonReport, TextReport]


def _left(message: messages.Progress) -> str:
    seconds: Optional[float] = message.seconds_left
    if seconds is None:
        return ""
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f", {hours}:{minutes:02d}:{rest:02d} left" if hours else f", {minutes}:{rest:02d} left"
