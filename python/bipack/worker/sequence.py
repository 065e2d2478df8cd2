"""The one image path: a sequence goes in, a sequence comes out, whatever the step between.

Three threads overlap: one reads and hashes the next frame, the caller's runs the step, one writes the last result. The
queues between them hold one frame each, so memory stays bounded however long the shot is. A frame is on disk whole or
not at all, and what was finished before an error stays.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bipack import __version__, messages
from bipack.errors import BipackError, Cancelled
from bipack.imaging.frame import Frame
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import matte_channel, only_channels
from bipack.worker import disk_room, frame_key
from bipack.worker.plan import Task, plan_tasks
from bipack.worker.step import HasSides, Retimes, SeesShot, Step, StepControl, StepInput, knob_values

_DONE = object()

Emit = Callable[[messages.Message], None]


@dataclass(frozen=True)
class _Loaded:
    task: Task
    given: StepInput
    key: str
    began: float


@dataclass(frozen=True)
class _Result:
    task: Task
    frame: Frame
    key: str
    began: float


def run_sequence(request: messages.Render, step: Step, emit: Emit, cancel: threading.Event) -> messages.JobDone:
    """Cook every frame of `request` with `step`; `emit` gets Progress, Notice and FrameDone, possibly from two threads.

    Returns the closing message (which is not emitted). Raises a BipackError that names the frame; `Cancelled` when
    `cancel` is set. Frames that were finished before stay on disk.
    """
    return _Run(request, step, emit, cancel).run()


class _Run:
    """The state of one run: its plan, its queues and what it has to tell."""

    def __init__(self, request: messages.Render, step: Step, emit: Emit, cancel: threading.Event) -> None:
        self.request = request
        self.step = step
        self.cancel = cancel
        self.stop = threading.Event()
        self.loaded: queue.Queue[Any] = queue.Queue(maxsize=1)
        self.results: queue.Queue[Any] = queue.Queue(maxsize=1)
        self.seconds = {"read": 0.0, "process": 0.0, "write": 0.0}
        self.done = self.skipped = 0
        self.began = time.monotonic()
        self.error: BaseException | None = None
        self.writer_ended = threading.Event()
        self._emit = emit
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, tuple[Frame, str]] = OrderedDict()
        self.kept = 1
        """Frames that are kept for the frames to come."""

        self.room: disk_room.Room | None = None

    def emit(self, message: messages.Message) -> None:
        """Pass a message on, one at a time."""
        with self._lock:
            self._emit(message)

    def notice(self, text: str, frame: int | None = None) -> None:
        """Tell the user something that is no failure."""
        self.emit(messages.Notice(self.request.job, text, frame))

    def run(self) -> messages.JobDone:
        """See `run_sequence`."""
        if isinstance(self.step, SeesShot):
            self.step.begin(self.request)
        tasks = plan_tasks(self.request, self.step, self.notice)
        of_step = self.step.kept_files if isinstance(self.step, SeesShot) else len(self.step.frame_offsets)
        self.kept = max([of_step, *(len(task.inputs) + len(task.mattes) for task in tasks)])
        self.room = disk_room.look(self.request, self.step, tasks, self.notice)
        for text in self.step.notices:
            self.notice(text)
        threads = [
            threading.Thread(target=self._guarded, args=(self._read_all, tasks), name="bipack-read", daemon=True),
            threading.Thread(target=self._guarded, args=(self._write_all,), name="bipack-write", daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            self._process_all()
        except BaseException as error:
            self._fail(error)
        self._put_result(_DONE)
        threads[1].join()
        self.stop.set()
        threads[0].join()
        if self.error is not None:
            raise self.error
        seconds = time.monotonic() - self.began
        return messages.JobDone(self.request.job, self.done, self.skipped, seconds, dict(self.seconds))

    # -- read ------------------------------------------------------------------------------------------------------

    def _read_all(self, tasks: list[Task]) -> None:
        for task in tasks:
            if self.stop.is_set() or self.cancel.is_set():
                return
            began = time.monotonic()
            try:
                item: Any = self._load(task, began)
            except BipackError as error:
                # Sent down the line, so that the frames before it are finished first.
                self._put(self.loaded, _about_frame(error, task.frame))
                return
            self.seconds["read"] += time.monotonic() - began
            if item is None:
                if self.room is not None:
                    self.room.kept()
                self._frame_done(task, began, skipped=True)
            elif not self._put(self.loaded, item):
                return
        self._put(self.loaded, _DONE)

    def _load(self, task: Task, began: float) -> _Loaded | None:
        """Read and hash the inputs; None when the finished output can stay."""
        frames, hashes, of_offset = {}, [], {}
        for offset, path in task.inputs.items():
            frames[offset], pixels = self._read(path)
            hashes.append(pixels)
            of_offset[offset] = pixels
        for offset in sorted(task.black):
            frames[offset] = _black(frames[offset])
            hashes.append("black" if offset == 0 else f"black {offset}")
            of_offset[offset] += " black"
        matte = None
        if task.matte is not None:
            # A crop of a face holds its own mattes: a file that was read just now is not read again.
            same = next((offset for offset, path in task.inputs.items() if path == task.matte), None)
            known = None if same is None or same in task.black else (frames[same], of_offset[same])
            matte, pixels = self._matte(*(known or self._read(task.matte)))
            hashes.append("matte " + pixels)
        knobs = knob_values(self.step.knobs, self.request.settings, task.index, self.step.name)
        sides = {}
        if isinstance(self.step, HasSides) and not (isinstance(self.step, SeesShot) and self.step.is_idle(matte)):
            for name, path in self.step.side_files(task.frame, knobs).items():
                sides[name], pixels = self._read(path)
                hashes.append(f"{name} {pixels}")
        mattes = {}
        for offset, path in task.mattes.items():
            mattes[offset], pixels = self._matte(*self._read(path))
            hashes.append(f"matte {offset} {pixels}")
        key_knobs: Mapping[str, Any] = knobs
        if isinstance(self.step, Retimes) and task.moment is not None:
            hashes.append(task.moment.fact)
            key_knobs = self.step.key_knobs(knobs)
        if self.request.channels != "all":
            hashes.append("channels " + self.request.channels)
        key = frame_key.frame_key(self.step.identity, key_knobs, self.request.layer, hashes)
        if self.request.existing == "resume" and frame_key.is_finished(task.output, key):
            return None
        given = StepInput(
            task.frame,
            frames,
            matte,
            sides,
            knobs,
            self.request.layer,
            self.request.tile,
            mattes,
            of_offset,
            task.moment,
        )
        return _Loaded(task, given, key, began)

    def _matte(self, frame: Frame, pixels: str) -> tuple[Frame, str]:
        """Of a file with its hash the channel that is the matte."""
        channel = self.request.matte_channel
        if not channel:
            return frame, pixels
        return matte_channel(frame, channel), f"{channel} {pixels}"

    def _read(self, path: str) -> tuple[Frame, str]:
        """A frame with its pixel hash; as many as a step's window needs are kept for its next frames."""
        if path in self._recent:
            self._recent.move_to_end(path)
            return self._recent[path]
        frame = read_frame(path)
        entry = frame, frame_key.pixel_hash(frame)
        if self.kept > 1:
            self._recent[path] = entry
            while len(self._recent) > self.kept:
                self._recent.popitem(last=False)
        return entry

    # -- process ---------------------------------------------------------------------------------------------------

    def _process_all(self) -> None:
        while True:
            item = self._take_loaded()
            if item is _DONE:
                return
            if isinstance(item, BipackError):
                raise item
            began = time.monotonic()
            control = StepControl(self._progress_of(item.task.frame), self._notice_of(item.task.frame), self.cancel)
            try:
                frame = only_channels(self.step.process(item.given, control), self.request.channels)
            except BipackError as error:
                raise _about_frame(error, item.task.frame) from error
            self.seconds["process"] += time.monotonic() - began
            self._put_result(_Result(item.task, frame, item.key, item.began))
            del item, frame  # a frame of 8K is not kept while the next one is awaited

    def _progress_of(self, frame: int) -> Callable[[float], None]:
        return lambda fraction: self._progress(frame, fraction)

    def _notice_of(self, frame: int) -> Callable[[str], None]:
        return lambda text: self.notice(text, frame)

    def _progress(self, frame: int, fraction: float) -> None:
        total, elapsed = len(self.request.frames), time.monotonic() - self.began
        worked = self.done - self.skipped + fraction
        left = elapsed / worked * (total - self.done - fraction) if worked > 0.02 else None
        self.emit(messages.Progress(self.request.job, frame, fraction, self.done, total, left))

    # -- write -----------------------------------------------------------------------------------------------------

    def _write_all(self) -> None:
        try:
            while (result := self.results.get()) is not _DONE:
                began = time.monotonic()
                try:
                    self._write(result)
                except BipackError as error:
                    raise _about_frame(error, result.task.frame) from error
                self.seconds["write"] += time.monotonic() - began
                self._frame_done(result.task, result.began, key=result.key)
                del result
        finally:
            self.writer_ended.set()

    def _write(self, result: _Result) -> None:
        first = result.frame.parts[0]
        first.attributes[frame_key.ATTRIBUTE] = result.key
        first.attributes["bipack/model"] = self.step.name
        first.attributes["bipack/version"] = __version__
        write_frame(result.task.output, result.frame)
        frame_key.remember(result.task.output, result.key)
        if self.room is not None:
            self.room.wrote(result.task.output)

    def _frame_done(self, task: Task, began: float, skipped: bool = False, key: str = "") -> None:
        with self._lock:
            self.done += 1
            self.skipped += skipped
        seconds = time.monotonic() - began
        self.emit(messages.FrameDone(self.request.job, task.frame, task.output, seconds, skipped, key))

    # -- threads ---------------------------------------------------------------------------------------------------

    def _guarded(self, body: Callable[..., None], *arguments: Any) -> None:
        try:
            body(*arguments)
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self.error is None:
                self.error = error
        self.stop.set()

    def _put(self, target: queue.Queue[Any], item: Any) -> bool:
        """Hand `item` on; False when the run stopped meanwhile."""
        while not (self.stop.is_set() or self.cancel.is_set()):
            try:
                target.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def _put_result(self, item: Any) -> None:
        """Hand a result to the writer, which finishes what was processed, also after an error or a cancel."""
        while not self.writer_ended.is_set():
            try:
                self.results.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def _take_loaded(self) -> Any:
        while not self.cancel.is_set():
            try:
                return self.loaded.get(timeout=0.1)
            except queue.Empty:
                if self.stop.is_set():
                    return _DONE
        raise Cancelled("Stopped on request; finished frames are kept.")


def _black(frame: Frame) -> Frame:
    """A frame of the same shape with every channel zero."""
    parts = [
        dataclasses.replace(part, channels={name: np.zeros_like(pixels) for name, pixels in part.channels.items()})
        for part in frame.parts
    ]
    return dataclasses.replace(frame, parts=parts)


def _about_frame(error: BipackError, frame: int) -> BipackError:
    """The same error, its sentence opening with the frame that it is about."""
    if error.frame is not None:
        return error
    told = type(error)(f"Frame {frame}: {error}")
    told.frame = frame
    told.__cause__ = error.__cause__
    return told
