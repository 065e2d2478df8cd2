"""What the OpenEXR binding prints is sent to the log.

The binding (3.5.3) reports a part that it cannot decode with a line on stdout. Stdout is the worker's protocol and the
JSON of `--json`, so nothing else may be said there. Other threads that print meanwhile are not touched.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

log = logging.getLogger(__name__)


class _Hushed:
    """Stands in for stdout: lines of threads that are inside the binding go to the log, all others pass."""

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        self.threads: dict[int, int] = {}

    def write(self, text: str) -> int:
        if threading.get_ident() not in self.threads:
            return self._stdout.write(text)
        if text.strip():
            log.debug("OpenEXR: %s", text.strip())
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stdout, name)


_hushed_lock = threading.Lock()


@contextmanager
def kept_off_stdout() -> Iterator[None]:
    """Send what the binding prints from this thread to the log."""
    thread = threading.get_ident()
    with _hushed_lock:
        if not isinstance(sys.stdout, _Hushed):
            sys.stdout = _Hushed(sys.stdout)
        hushed: Any = sys.stdout
        hushed.threads[thread] = hushed.threads.get(thread, 0) + 1
    try:
        yield
    finally:
        with _hushed_lock:
            del hushed.threads[thread]
            if not hushed.threads and sys.stdout is hushed:
                sys.stdout = hushed._stdout
