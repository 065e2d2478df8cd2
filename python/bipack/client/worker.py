"""The client's end of the worker: start it, send requests, hear its answers, survive its death.

One thread listens to the worker and sorts its lines by job, so that several jobs can be under way and a cancel can be
sent from anywhere. A worker that dies fails its open jobs with `WorkerDied`; the next request starts a fresh one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import subprocess
import threading
import time
import uuid
from dataclasses import replace
from typing import Dict, Iterator, Optional

from bipack import errors, messages, settings
from bipack.client import launcher
from bipack.errors import BipackError, UsageError, WorkerDied

START_SECONDS = 60.0
CANCEL_GRACE_SECONDS = 10.0
_LOG_TAIL_BYTES = 2000


class Worker:
    """One worker process and its jobs. Use it as a context manager, or `Worker.shared()` for one per session."""

    _shared: Optional[Worker] = None
    _shared_lock = threading.Lock()

    def __init__(self, python: Optional[str] = None) -> None:
        """`python` is the worker's interpreter; None takes the setting. Nothing is started yet."""
        self._python = python
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._jobs: Dict[str, queue.Queue[messages.Message]] = {}
        self._lock = threading.RLock()
        self.ready: Optional[messages.Ready] = None
        self.log_path = os.path.join(settings.cache_folder(), "logs", f"worker-{os.getpid()}.log")

    @classmethod
    def shared(cls) -> Worker:
        """The worker of this Nuke session, made at the first call and closed at exit."""
        with cls._shared_lock:
            if cls._shared is None:
                cls._shared = cls()
                atexit.register(cls._shared.close)
            return cls._shared

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """True while the process is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> messages.Ready:
        """Start the process unless it runs, and greet it.

        Raises UsageError (no interpreter), VersionSkew, or WorkerDied with the end of its log.
        """
        with self._lock:
            if self.running and self.ready is not None:
                return self.ready
            self._stop_process()
            try:
                process = launcher.start(self._python, self.log_path)
            except OSError as error:
                raise UsageError(
                    f"The worker cannot be started: {error}. Check BIPACK_PYTHON and run `bipack doctor`."
                ) from error
            self._process = process
            greetings: queue.Queue[messages.Message] = queue.Queue()
            self._jobs[""] = greetings
            threading.Thread(target=self._listen, args=(process,), name="bipack-client", daemon=True).start()
            self._send(messages.Hello())
            try:
                answer = greetings.get(timeout=START_SECONDS)
            except queue.Empty:
                self._stop_process()
                raise WorkerDied(f"The worker gave no answer in {START_SECONDS:.0f} s. See {self.log_path}.") from None
            if isinstance(answer, messages.Failed):
                raise errors.from_name(answer.error, answer.message)
            if not isinstance(answer, messages.Ready):
                raise BipackError(f"The worker greeted with {type(answer).__name__}; see {self.log_path}.")
            messages.check_versions(answer)
            self.ready = answer
            return answer

    def submit(self, request: messages.Render) -> str:
        """Send `request`, starting a worker where none runs; returns the job (made here when the field is empty)."""
        with self._lock:
            self.start()
            job = request.job or uuid.uuid4().hex
            self._jobs[job] = queue.Queue()
            self._send(replace(request, job=job))
            return job

    def answers(self, job: str, timeout_seconds: Optional[float] = None) -> Iterator[messages.Message]:
        """Answers for `job` as they come, JobDone last. Raises the job's error when it fails.

        With `timeout_seconds` the iterator ends early when nothing came for that long; call it again to go on.
        """
        answers = self._jobs.get(job)
        if answers is None:
            raise UsageError(f"The worker knows no job {job!r}; its answers may have been read to the end already.")
        while True:
            try:
                message = answers.get(timeout=timeout_seconds)
            except queue.Empty:
                return
            if isinstance(message, messages.Failed):
                self._jobs.pop(job, None)
                error = errors.from_name(message.error, message.message)
                error.frame = message.frame
                raise error
            yield message
            if isinstance(message, messages.JobDone):
                self._jobs.pop(job, None)
                return

    def render(self, request: messages.Render) -> Iterator[messages.Message]:
        """Submit and iterate over the answers."""
        yield from self.answers(self.submit(request))

    def cancel(self, job: str) -> None:
        """Ask the worker to stop `job`; a worker that does not answer in a few seconds is killed."""
        if not self.running or job not in self._jobs:
            return
        self._send(messages.Cancel(job))
        timer = threading.Timer(CANCEL_GRACE_SECONDS, self._kill_if_open, args=(job, self._process))
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End the worker: politely, then firmly. Open jobs fail with WorkerDied."""
        with self._lock:
            if self.running:
                with contextlib.suppress(WorkerDied):
                    self._send(messages.Shutdown())
            self._stop_process(wait_seconds=2.0)

    # -- inner -----------------------------------------------------------------------------------------------------

    def _send(self, message: messages.Message) -> None:
        process = self._process
        assert process is not None and process.stdin is not None
        try:
            process.stdin.write(messages.encode(message))
            process.stdin.flush()
        except (OSError, ValueError) as error:
            raise WorkerDied(self._obituary(process)) from error

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        """Sort the worker's lines by job until it ends; then fail what is still open."""
        assert process.stdout is not None
        for line in iter(process.stdout.readline, b""):
            try:
                message = messages.decode(line)
            except BipackError:
                continue
            answers = self._jobs.get(getattr(message, "job", ""))
            if answers is not None:
                answers.put(message)
        process.wait()
        if process is self._process:
            self.ready = None
            text = self._obituary(process)
            for job, answers in list(self._jobs.items()):
                answers.put(messages.Failed(job, "WorkerDied", text, WorkerDied.exit_code))

    def _kill_if_open(self, job: str, process: Optional[subprocess.Popen[bytes]]) -> None:
        if job in self._jobs and process is not None and process is self._process:
            process.kill()

    def _stop_process(self, wait_seconds: float = 0.0) -> None:
        process, self.ready = self._process, None
        if process is None:
            return
        deadline = time.monotonic() + wait_seconds
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def _obituary(self, process: subprocess.Popen[bytes]) -> str:
        """One sentence on how the worker ended, with the last line of its log."""
        try:
            code = process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            code = None
        try:
            with open(self.log_path, "rb") as stream:
                stream.seek(0, os.SEEK_END)
                stream.seek(max(0, stream.tell() - _LOG_TAIL_BYTES))
                lines = stream.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        last = f" Its last words: {lines[-1].strip()}" if lines else ""
        ended = (
            "closed its pipe" if code is None else f"ended by signal {-code}" if code < 0 else f"ended with code {code}"
        )
        return (
            f"The worker {ended} before it had answered; the next cook starts a fresh one.{last} "
            f"The whole log: {self.log_path}."
        )
