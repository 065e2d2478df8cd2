"""Threads: Nuke's main-thread queue, and which thread may touch the script.

With the GUI the event loop empties the queue; a test plays that loop with `pump`. Without the GUI nothing does, and
code that waits would wait for ever: here it raises instead.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any


class MainThread:
    """The queue of calls for the main thread."""

    def __init__(self, gui: bool) -> None:
        self.gui = gui
        self.identity = threading.get_ident()
        self.waiting: queue.Queue[Callable[[], None]] = queue.Queue()
        self.never_run: list[Callable[..., Any]] = []
        self.printed: list[str] = []

    def is_here(self) -> bool:
        return threading.get_ident() == self.identity

    def post(self, call: Any, args: Any = (), kwargs: Any = None) -> None:
        """executeInMainThread: returns at once; an exception in the call is printed and lost."""
        work = _call(call, args, kwargs)
        if not self.gui:
            self.never_run.append(call)
            return
        self.waiting.put(lambda: self._guarded(work))

    def ask(self, call: Any, args: Any = (), kwargs: Any = None) -> Any:
        """executeInMainThreadWithResult: waits for the result; an exception is printed and None comes back."""
        if self.is_here():
            raise RuntimeError(
                "executeInMainThreadWithResult from the main thread: Nuke would wait for itself for ever"
            )
        if not self.gui:
            raise RuntimeError("executeInMainThreadWithResult without the GUI: nothing would ever run the call")
        work = _call(call, args, kwargs)
        done, result = threading.Event(), []

        def run() -> None:
            try:
                result.append(self._guarded(work))
            finally:
                done.set()

        self.waiting.put(run)
        if not done.wait(60):
            raise RuntimeError("executeInMainThreadWithResult: the test never pumped the main thread")
        return result[0] if result else None

    def pump(self) -> int:
        """Run what is waiting, as the event loop would when idle. Returns how many calls ran."""
        if not self.is_here():
            raise RuntimeError("only the main thread pumps")
        count = 0
        while True:
            try:
                work = self.waiting.get_nowait()
            except queue.Empty:
                return count
            work()
            count += 1

    def pump_until(self, done: Callable[[], bool], timeout_seconds: float = 30.0) -> bool:
        """Pump until `done()`; False if that does not happen in time."""
        end = time.monotonic() + timeout_seconds
        while time.monotonic() < end:
            self.pump()
            if done():
                self.pump()
                return True
            time.sleep(0.005)
        return False

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception:
            self.printed.append(traceback.format_exc())
            return None


def _call(call: Any, args: Any, kwargs: Any) -> Callable[[], Any]:
    if not callable(call):
        raise TypeError("call must be a callable")
    if not isinstance(args, tuple):
        args = (args,)
    return lambda: call(*args, **(kwargs or {}))
