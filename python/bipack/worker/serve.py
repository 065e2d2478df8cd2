"""The persistent worker: reads requests from stdin, answers on stdout, one JSON line each; the log goes to stderr.

One thread listens, so that a Cancel reaches a running job; the main thread cooks one job after another. When stdin
closes, because Nuke ended however it ended, the worker stops too: it never outlives its client.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
from typing import BinaryIO

from bipack import messages, settings
from bipack.errors import BipackError, Cancelled
from bipack.worker import devices, runtime
from bipack.worker.sequence import run_sequence
from bipack.worker.steps import StepCache

log = logging.getLogger(__name__)


class Server:
    """Answers one client over a pair of byte streams."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests = requests
        self._answers = answers
        self._write_lock = threading.Lock()
        self._jobs: queue.Queue[messages.Render | None] = queue.Queue()
        self._cancels: dict[str, threading.Event] = {}
        self._cancels_lock = threading.Lock()

    def send(self, message: messages.Message) -> None:
        """Write one line, whole."""
        with self._write_lock:
            self._answers.write(messages.encode(message))
            self._answers.flush()

    def run(self) -> int:
        """Greet, then cook until the client shuts down or goes away. Returns the exit code."""
        try:
            greeting = messages.decode(self._requests.readline())
            if not isinstance(greeting, messages.Hello):
                raise BipackError("The first line was no greeting.")
            messages.check_versions(greeting)
        except BipackError as error:
            self.send(_failed("", error))
            return error.exit_code
        self.send(
            messages.Ready(
                pid=os.getpid(), providers=tuple(runtime.load().get_available_providers()), device=devices.describe()
            )
        )
        threading.Thread(target=self._listen, name="bipack-listen", daemon=True).start()
        cache = StepCache()
        while (request := self._jobs.get()) is not None:
            self._cook(request, cache)
        cache.close()
        return 0

    def _listen(self) -> None:
        """Sort the client's lines until it shuts down; its silence for good cancels all."""
        for line in iter(lambda: self._requests.readline(messages.MAX_LINE_BYTES + 1), b""):
            try:
                message = messages.decode(line)
            except BipackError as error:
                self.send(_failed("", error))
                continue
            if isinstance(message, messages.Render):
                self._cancel_of(message.job)
                self._jobs.put(message)
            elif isinstance(message, messages.Cancel):
                self._cancel_of(message.job).set()
            elif isinstance(message, messages.Shutdown):
                self._jobs.put(None)
                return
        with self._cancels_lock:
            for cancel in self._cancels.values():
                cancel.set()
        self._jobs.put(None)

    def _cancel_of(self, job: str) -> threading.Event:
        with self._cancels_lock:
            return self._cancels.setdefault(job, threading.Event())

    def _cook(self, request: messages.Render, cache: StepCache) -> None:
        cancel = self._cancel_of(request.job)
        try:
            if cancel.is_set():
                raise Cancelled("Stopped on request before it began.")
            self.send(run_sequence(request, cache.get(request), self.send, cancel))
        except BipackError as error:
            log.info("job %s: %s", request.job, error, exc_info=True)
            self.send(_failed(request.job, error))
        except BrokenPipeError:
            # The client is gone; _listen sees the end of stdin and ends the worker.
            log.info("the client went away during job %s", request.job)
        except Exception as error:
            log.exception("job %s", request.job)
            cache.drop(request)
            told = BipackError(f"An unexpected fault stopped the job: {error!r}. The worker's log has the details.")
            self.send(_failed(request.job, told))
        finally:
            with self._cancels_lock:
                self._cancels.pop(request.job, None)


def _failed(job: str, error: BipackError) -> messages.Failed:
    return messages.Failed(job, type(error).__name__, str(error), error.exit_code, error.frame)


def _protect_stdout() -> BinaryIO:
    """Keep the real stdout for the protocol; whatever else prints there, native libraries too, goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return answers


def _free_dll_directory() -> None:
    """On Windows undo the DLL folder that a child inherits from Nuke, or its libraries win over the worker's own."""
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.kernel32.SetDllDirectoryW(None)


def main() -> int:
    """Entry of the worker process."""
    _free_dll_directory()
    # Ctrl-C in the terminal that started Nuke reaches this process too; stopping is the client's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = _protect_stdout()
    logging.basicConfig(level=settings.get("log").upper(), format="%(asctime)s %(name)s: %(message)s")
    try:
        return Server(sys.stdin.buffer, answers).run()
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
