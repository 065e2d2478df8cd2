"""Cooking one node: Nuke renders its input into the cache, the worker makes the result, the node's Read shows it.

While the worker has frame n, Nuke renders the input of frame n+1. Whatever touches Nuke goes through `on_main`: in the
GUI the cook has a thread of its own and `on_main` hands calls to Nuke's main thread, so that the artist keeps working;
in terminal mode there is one thread and calls are made directly. Finished frames stay whatever happens.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Deque, Dict, List, Optional, Protocol, Sequence, Set

from bipack import messages
from bipack.client import Worker
from bipack.errors import BipackError, Cancelled
from bipack.frames import format_frames
from bipack.host import exr, graph, inputs
from bipack.host.cache import CookFolder
from bipack.host.node import BipackNode
from bipack.slowmo_knobs import FACTOR_MOST

log = logging.getLogger(__name__)

OnMain = Callable[[Callable[[], Any]], Any]
"""Runs a call where Nuke may be touched, and gives its result or raises its exception."""

_AHEAD = 2
"""Frames given to the worker at a time: the one that it has, and the next."""

_LISTEN_SECONDS = 0.2
_RETRY_SECONDS = 0.25
_SHOW_SECONDS = 2.0
"""Least time between two reloads of the Read while cooking: each makes the viewer draw again."""


class Report(Protocol):
    """Who hears how a cook goes, and can stop it. Called from the cooking thread."""

    def progress(self, fraction: float, text: str) -> None:
        """Take the part of all frames that is done (0..1) and one line on what is under way."""
        ...

    def notice(self, text: str) -> None:
        """Take one sentence that the user should read and that is no failure."""
        ...

    def cancelled(self) -> bool:
        """Has the user asked to stop?"""
        ...


@dataclass(frozen=True)
class _Job:
    """One frame of one view that the worker has."""

    identifier: str
    order: inputs.FrameOrder
    view: str

    @property
    def frame(self) -> int:
        return self.order.frame


class Cook:
    """One cook of one node. Made on the main thread, run on any."""

    def __init__(self, node: BipackNode, frames: Sequence[int], on_main: OnMain, report: Report) -> None:
        self.done: List[int] = []
        """Frames that are finished in every view."""

        self._node, self._name = node, node.name
        self._frames = sorted(set(frames))
        self._on_main, self._report = on_main, report
        self._worker = Worker.shared()
        self._jobs: Deque[_Job] = deque()
        self._views_left: Dict[int, Set[str]] = {}
        self._told: Set[str] = set()
        self._shown_at = time.monotonic()

    def run(self) -> None:
        """Cook all frames. Raises a BipackError that names frame and cause; what was finished before stays."""
        self._preparation: inputs.Preparation = self._on_main(lambda: inputs.prepare(self._node))
        try:
            for frame in self._frames:
                while len(self._jobs) >= _AHEAD * len(self._preparation.views or ("",)):
                    self._listen(self._jobs[0])
                self._submit(self._write_inputs_or_finish(frame))
            self._finish_jobs()
        finally:
            self._stop_jobs()
            shutil.rmtree(self._preparation.inputs, ignore_errors=True)
            # The node may be gone by now, which must not hide why the cook ended.
            with contextlib.suppress(BipackError):
                self._touch(inputs.finish)

    # -- Nuke's side -------------------------------------------------------------------------------------------------

    def _write_inputs_or_finish(self, frame: int) -> inputs.FrameOrder:
        """Let Nuke render the inputs of `frame`; when it cannot, the frames before are finished before that is told."""
        try:
            return self._write_inputs(frame)
        except Cancelled:
            raise
        except BipackError:
            self._finish_jobs()
            raise

    def _write_inputs(self, frame: int) -> inputs.FrameOrder:
        """Let Nuke render the inputs of `frame`; while the artist renders something else, wait for the end of it."""
        while True:
            self._check_cancelled()
            try:
                order = self._on_main(lambda: inputs.write(self._node, self._preparation, frame, self.done))
                assert isinstance(order, inputs.FrameOrder)
                return order
            except exr.NukeIsBusy:
                if threading.current_thread() is threading.main_thread():
                    raise
                self._report.progress(self._fraction(), f"{self._name}: waiting for Nuke to finish another render")
                time.sleep(_RETRY_SECONDS)

    def _touch(self, call: Callable[[BipackNode, CookFolder, Optional[int]], None]) -> None:
        """Run `inputs.show` or `inputs.finish` for this cook."""
        folder, scale = self._preparation.folder, self._preparation.chosen.scale
        self._on_main(lambda: call(self._node, folder, scale))
        self._shown_at = time.monotonic()

    # -- the worker's side -------------------------------------------------------------------------------------------

    def _finish_jobs(self) -> None:
        while self._jobs:
            self._listen(self._jobs[0])

    def _submit(self, order: inputs.FrameOrder) -> None:
        requests = order.requests(self._preparation)
        self._views_left[order.frame] = {view for view, _ in requests}
        for view, request in requests:
            self._jobs.append(_Job(self._worker.submit(request), order, view))

    def _listen(self, job: _Job) -> None:
        """Hear the worker on `job` for a moment, or until it is finished."""
        self._check_cancelled()
        for message in self._worker.answers(job.identifier, timeout_seconds=_LISTEN_SECONDS):
            if isinstance(message, messages.Progress):
                self._tell(job.frame, message.fraction)
            elif isinstance(message, messages.Notice):
                self._notice(message.text)
            elif isinstance(message, messages.FrameDone):
                self._frame_done(job, message.key)
            elif isinstance(message, messages.JobDone):
                self._jobs.remove(job)
            self._check_cancelled()

    def _frame_done(self, job: _Job, key: str) -> None:
        left = self._views_left[job.frame]
        left.discard(job.view)
        if left:
            return
        self._preparation.folder.write_record(job.frame, job.order.sources, key)
        self.done.append(job.frame)
        self._remove_inputs(job.frame)
        self._tell(job.frame, 0.0)
        if time.monotonic() - self._shown_at > _SHOW_SECONDS:
            self._touch(inputs.show)

    def _remove_inputs(self, finished: int) -> None:
        """Free the disk of inputs that no later frame of this cook needs."""
        window, reach = self._preparation.window(finished), self._preparation.reach
        # A retimed frame shares its plate frames with those around it, up to a whole factor away.
        ahead = window[-1] - window[0] if reach.retimed is None else 2 * FACTOR_MOST
        near = [frame for frame in self._frames if finished < frame <= finished + ahead]
        needed = {path for frame in near for other in self._preparation.window(frame) for path in self._files(other)}
        if finished != self._frames[-1]:
            keys = graph.key_frames(self._preparation.reach, self._preparation.plate_range)
            needed.update(path for key in keys for path in self._files(key))
        for frame in window:
            for path in set(self._files(frame)) - needed:
                if os.path.isfile(path):
                    os.unlink(path)

    def _files(self, frame: int) -> List[str]:
        return self._preparation.files(frame)

    def _stop_jobs(self) -> None:
        """Take back what the worker has not finished."""
        for job in self._jobs:
            self._worker.cancel(job.identifier)
        while self._jobs:
            job = self._jobs.popleft()
            try:
                for _ in self._worker.answers(job.identifier):
                    pass
            except BipackError as error:
                log.info("frame %d of %s was taken back: %s", job.frame, self._name, error)

    # -- what is told ------------------------------------------------------------------------------------------------

    def _check_cancelled(self) -> None:
        if self._report.cancelled():
            finished = format_frames(self.done) or "none"
            raise Cancelled(f"{self._name} was stopped. Finished frames stay: {finished}.")

    def _fraction(self, of_current: float = 0.0) -> float:
        return min(1.0, (len(self.done) + of_current) / len(self._frames))

    def _tell(self, frame: int, fraction: float) -> None:
        text = f"{self._name}: frame {frame}, {len(self.done)} of {len(self._frames)} done"
        self._report.progress(self._fraction(fraction), text)

    def _notice(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._report.notice(f"{self._name}: {text}")
