"""Waiting for long work without going deaf: the work runs in a second thread, this one hears Ctrl-C and SIGTERM."""

from __future__ import annotations

import threading
from typing import Any, Callable, List

_START_SECONDS = 2.0


def wait_for(work: Callable[[threading.Event], Any]) -> Any:
    """Result of `work(cancel)`; sets `cancel` on KeyboardInterrupt, waits for a clean end and raises it again.

    Raises what the work raised.
    """
    cancel, begun, ended = threading.Event(), threading.Event(), threading.Event()
    results: List[Any] = []
    errors: List[BaseException] = []

    def body() -> None:
        begun.set()
        try:
            results.append(work(cancel))
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=body, name="bipack-work", daemon=True)
    # Not Thread.join: up to Python 3.12 a join that an exception interrupts takes the thread for ended ever after, and
    # the process would end under the work's feet.
    try:
        thread.start()
        while not ended.wait(0.1):
            pass
    except KeyboardInterrupt:
        cancel.set()
        # Ctrl-C may come while the thread starts, and there may never be one. One that starts later finds `cancel` set.
        if begun.wait(_START_SECONDS):
            ended.wait()
        raise
    if errors:
        raise errors[0]
    return results[0]
