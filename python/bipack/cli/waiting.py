"""Waiting for long work without going deaf: the work runs in a second thread, this one hears Ctrl-C and SIGTERM."""

from __future__ import annotations

import threading
from typing import Any, Callable, List


def wait_for(work: Callable[[threading.Event], Any]) -> Any:
    """Result of `work(cancel)`; sets `cancel` on KeyboardInterrupt, waits for a clean end and raises it again.

    Raises what the work raised.
    """
    cancel, ended = threading.Event(), threading.Event()
    results: List[Any] = []
    errors: List[BaseException] = []

    def body() -> None:
        try:
            results.append(work(cancel))
        except BaseException as error:
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=body, name="bipack-work", daemon=True).start()
    # Not Thread.join: up to Python 3.12 a join that an exception interrupts takes the thread for ended ever after, and
    # the process would end under the work's feet.
    try:
        while not ended.wait(0.1):
            pass
    except KeyboardInterrupt:
        cancel.set()
        ended.wait()
        raise
    if errors:
        raise errors[0]
    return results[0]
