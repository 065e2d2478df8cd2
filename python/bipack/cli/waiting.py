"""Waiting for long work without going deaf: the work runs in a second thread, this one hears Ctrl-C and SIGTERM."""

from __future__ import annotations

import threading
from typing import Any, Callable, List


def wait_for(work: Callable[[threading.Event], Any]) -> Any:
    """Result of `work(cancel)`; sets `cancel` on KeyboardInterrupt, waits for a clean end and raises it again.

    Raises what the work raised.
    """
    cancel = threading.Event()
    results: List[Any] = []
    errors: List[BaseException] = []

    def body() -> None:
        try:
            results.append(work(cancel))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body, name="bipack-work", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(timeout=0.1)
    except KeyboardInterrupt:
        cancel.set()
        thread.join()
        raise
    if errors:
        raise errors[0]
    return results[0]
