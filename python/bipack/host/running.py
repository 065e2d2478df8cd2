"""Starting and stopping cooks from the node's buttons: in the GUI in the background, in terminal mode at once.

There is one cook at a time in a session, as there is one worker. Nodes above that are not fresh are cooked first.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from typing import Any, Callable, List, Optional, Sequence

import nuke

from bipack.errors import BipackError, Cancelled, UsageError
from bipack.host import graph, inputs, knobs, model, state, status
from bipack.host.cook import Cook, OnMain, Report
from bipack.host.node import SHOW_RESULT, BipackNode

log = logging.getLogger(__name__)

_cook: Optional[BackgroundCook] = None


def cook_with_sources(node: BipackNode, frames: Sequence[int], on_main: OnMain, report: Report) -> int:
    """Cook `node`, and before it every Bipack node above it that is not fresh. Returns the number of frames cooked.

    Raises a BipackError; finished frames stay.
    """
    return cook_sources(node.group, frames, on_main, report) + cook_one(node, frames, on_main, report)


def cook_sources(group: Any, frames: Sequence[int], on_main: OnMain, report: Report) -> int:
    """Cook every Bipack node above any node that is not fresh. Returns the number of frames cooked.

    Raises a BipackError; finished frames stay.
    """
    count = 0
    for need in on_main(lambda: graph.needs(group, frames, window_of)):
        stale = on_main(functools.partial(frames_to_cook, need))
        if stale:
            count += cook_one(need.node, stale, on_main, report)
    return count


def frames_to_cook(need: graph.Need) -> List[int]:
    """Frames of a needed node that are missing or stale."""
    inputs.attach(need.node)
    # What is shown is what the next node would be cooked from.
    need.node.set("show", SHOW_RESULT)
    found = state.look(need.node, need.frames)
    return sorted(found.missing + found.stale)


def window_of(node: BipackNode) -> graph.Reach:
    """Which frames of its plate the node's model needs."""
    return knobs.reach(node, model.chosen(node))


def cook_one(node: BipackNode, frames: Sequence[int], on_main: OnMain, report: Report) -> int:
    """Cook one node and write its status line. Returns the number of frames cooked; raises a BipackError."""
    cook = on_main(lambda: Cook(node, frames, on_main, report))
    try:
        cook.run()
    finally:
        # The node may be gone by now, which must not hide why the cook ended.
        with contextlib.suppress(BipackError):
            on_main(lambda: status.update(node))
    return len(cook.done)


# -- from a button ---------------------------------------------------------------------------------------------------


def start(node: BipackNode, frames: Sequence[int]) -> None:
    """Cook `frames` of `node`: in the GUI in the background (returns at once), in terminal mode here and now.

    Raises UsageError while another cook runs or, in terminal mode, while Nuke renders; there also what the cook raises.
    """
    _start(node.name, functools.partial(cook_with_sources, node, list(frames)))


def start_sources(group: Any, frames: Sequence[int]) -> None:
    """Cook what is not fresh above `group`, a node that cooks nothing itself; else as `start`."""
    _start(str(group.fullName()), functools.partial(cook_sources, group, list(frames)))


def _start(name: str, work: Callable[[OnMain, Report], int]) -> None:
    global _cook
    if not nuke.GUI:
        work(_directly, LogReport())
        return
    if _cook is not None and _cook.is_alive():
        raise UsageError(f"{_cook.node_name} is cooking. Wait for it, or press Cancel there.")
    _cook = BackgroundCook(name, work)
    _cook.start()


def cancel() -> bool:
    """Ask the running cook to stop; False when none runs."""
    if _cook is None or not _cook.is_alive():
        return False
    _cook.stop.set()
    return True


def is_cooking() -> bool:
    """True while a background cook runs."""
    return _cook is not None and _cook.is_alive()


class BackgroundCook(threading.Thread):
    """The thread of one cook in the GUI. Made on the main thread."""

    def __init__(self, name: str, work: Callable[[OnMain, Report], int]) -> None:
        # A daemon: quitting Nuke must not wait for it; the worker ends with Nuke.
        super().__init__(name="bipack-cook", daemon=True)
        self.node_name = name
        self.stop = threading.Event()
        self._work = work

    def run(self) -> None:
        """Cook, and tell the artist in one sentence when it went wrong."""
        report = TaskReport(self.node_name, self.stop)
        try:
            self._work(through_main_thread, report)
        except Cancelled as error:
            log.info("%s", error)
        except BipackError as error:
            log.info("cook failed", exc_info=True)
            self._tell(str(error))
        except Exception as error:
            log.exception("cook failed")
            self._tell(f"{self.node_name}: an unexpected fault ({type(error).__name__}: {error}). The log has more.")
        finally:
            report.close()

    def _tell(self, sentence: str) -> None:
        nuke.executeInMainThread(nuke.message, args=(sentence,))


class TaskReport:
    """A bar in Nuke's progress panel, with its Cancel button."""

    def __init__(self, title: str, stop: threading.Event) -> None:
        self._task: Optional[nuke.ProgressTask] = nuke.ProgressTask(f"Bipack {title}")
        self._stop = stop

    def progress(self, fraction: float, text: str) -> None:
        """See cook.Report."""
        if self._task is not None:
            self._task.setMessage(text)
            self._task.setProgress(int(100 * fraction))

    def notice(self, text: str) -> None:
        """Notices go to Nuke's error console; they are no failures."""
        nuke.executeInMainThread(nuke.warning, args=(text,))

    def cancelled(self) -> bool:
        """Cancel in the progress panel and on the node are the same."""
        return self._stop.is_set() or self._task is None or bool(self._task.isCancelled())

    def close(self) -> None:
        """Nuke closes the bar when the object goes."""
        self._task = None


class LogReport:
    """For terminal mode: a log line for each frame."""

    def __init__(self) -> None:
        self._last = ""

    def progress(self, fraction: float, text: str) -> None:
        """See cook.Report."""
        if text != self._last:
            self._last = text
            log.info("%3.0f %% %s", 100 * fraction, text)

    def notice(self, text: str) -> None:
        """See cook.Report."""
        log.warning("%s", text)

    def cancelled(self) -> bool:
        """Ctrl-C does that in terminal mode."""
        return False


def through_main_thread(call: Callable[[], Any]) -> Any:
    """Run `call` on Nuke's main thread and wait; its exception is raised here. Never call it on the main thread.

    Nuke's own function prints exceptions and gives None, so both travel in a box. A node that the artist has deleted
    meanwhile is a UsageError.
    """
    box: List[Any] = []

    def guarded() -> None:
        try:
            box.append((call(), None))
        except BaseException as error:
            box.append((None, error))

    nuke.executeInMainThreadWithResult(guarded)
    if not box:
        raise Cancelled("Nuke is closing.")
    result, error = box[0]
    if isinstance(error, ValueError) and "not attached" in str(error):
        raise UsageError("A node was deleted while it cooked. Its finished frames stay in the cache.") from error
    if error is not None:
        raise error
    return result


def _directly(call: Callable[[], Any]) -> Any:
    return call()
