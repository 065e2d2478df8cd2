"""A farm task inside Nuke: cook the Bipack nodes above some Writes in graph order, then run the Writes.

    nuke -t farm/bipack_farm.py script.nk -X Write1 -F 1001-1010

Only the task's frames are cooked, with the window of neighbours that a model needs; frames that are fresh in the cache
are kept. A frame that cannot be had ends the task with the exit code of `bipack.errors`.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from typing import Any, Iterator, List, Sequence, Tuple

import nuke

from bipack.errors import BipackError, Cancelled, MissingInput, UsageError
from bipack.frames import format_frames, parse_frames
from bipack.host import graph, running
from bipack.host.farm_console import Console, FarmReport
from bipack.host.node import is_bipack

SIGTERM_EXIT = 143

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run one task; returns the exit code: 0, one of `bipack.errors`, 1 for an error of Nuke, 143 for SIGTERM.

    The worker is left running; who ends the process closes it.
    """
    console = Console()
    stop = _listen_for_signals()
    try:
        with console:
            _run(_parse(arguments), console, stop)
        return 0
    except _Usage as usage:
        return usage.code
    except BipackError as error:
        console.failed(str(error))
        return stop.exit_code or error.exit_code
    except RuntimeError as error:
        console.failed(str(error))
        return stop.exit_code or 1
    except Exception as error:
        # Whatever Nuke makes of an exception in a script, the task must not look as if it went well.
        log.exception("the task met an unexpected fault")
        console.failed(f"an unexpected fault ({type(error).__name__}: {error}); the log above has more.")
        return stop.exit_code or 1


def _run(args: argparse.Namespace, console: Console, stop: Stop) -> None:
    if nuke.GUI:
        raise UsageError("The farm runner is for `nuke -t`; in the GUI use the nodes' own buttons.")
    _open(args.script)
    writes = _writes(args.write)
    views = [view for view in (args.view or "").split(",") if view]
    jobs = [(write, _frames(args.frames, write)) for write in writes]
    report = FarmReport(console, stop.is_set)
    needs = {write.fullName(): graph.needs(write, frames, running.window_of) for write, frames in jobs}
    report.total = sum(len(need.frames) for found in needs.values() for need in found) * (not args.render_only)
    report.total += sum(len(frames) for _, frames in jobs) * (not args.cook_only)
    for write, frames in jobs:
        for need in needs[write.fullName()]:
            if need.whole_range:
                console.say(f"{need.node.name} is needed over its whole range: a node after it warps time.")
            _cook(need, args, report)
        if not args.cook_only:
            _render(write, frames, views, report, stop)
    console.say("done")


def _open(script: str) -> None:
    if not os.path.isfile(script):
        raise MissingInput(f"Script {script} does not exist. Check the path, and the farm's path mapping.")
    nuke.scriptOpen(script.replace("\\", "/"))


# -- what to do ------------------------------------------------------------------------------------------------------


class _Usage(Exception):
    """argparse has printed what is wrong."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nuke -t bipack_farm.py", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("script", help="the .nk file")
    parser.add_argument("-X", dest="write", action="append", default=[], help="Write to run; repeat or join by commas")
    parser.add_argument("-F", "--frames", dest="frames", action="append", default=[], help="1001-1010 or 1001-1010x2")
    parser.add_argument("--view", help="views to render, joined by commas; default: each Write's own")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--cook-only", action="store_true", help="cook, run no Write")
    which.add_argument("--render-only", action="store_true", help="run the Writes over frames that are cooked already")
    try:
        args, unknown = parser.parse_known_args(list(arguments))
    except SystemExit as request:
        raise _Usage(int(request.code or 0)) from None
    if unknown:
        log.warning("switches that are not for this runner were left aside: %s", " ".join(unknown))
    return args


def task_arguments(raw: Sequence[str], given: Sequence[str]) -> List[str]:
    """The runner's own arguments: all that follows its name in Nuke's raw command line, else `given` (sys.argv).

    Nuke takes a range at the end of the line for itself and leaves a lone -F in sys.argv.
    """
    for arguments in (raw, given):
        names = [index for index, word in enumerate(arguments) if os.path.basename(word) == "bipack_farm.py"]
        if names:
            return list(arguments[names[-1] + 1 :])
    return list(given)


def _writes(names: Sequence[str]) -> List[Any]:
    """The Writes asked for, else all that are active, in render order."""
    asked = [name for text in names for name in text.split(",") if name]
    if asked:
        found = []
        for name in asked:
            with nuke.root():
                node = nuke.toNode(name)
            if node is None:
                raise UsageError(f"The script has no node named {name}. Check -X, with the group's name before it.")
            if node.Class() != "Write":
                raise UsageError(f"{name} is a {node.Class()}, not a Write. Name a Write with -X.")
            found.append(node)
    else:
        found = [node for node in _active_writes(nuke.root()) if not node["reading"].value()]
        if not found:
            raise UsageError("The script has no active Write. Name one with -X.")
    return sorted(found, key=lambda node: float(node["render_order"].value()))


def _active_writes(group: Any) -> Iterator[Any]:
    """Writes that are not switched off, in groups too, but never the helper Writes of our own nodes."""
    for node in nuke.allNodes(group=group):
        if node.knob("disable") is not None and node["disable"].value():
            continue
        if node.Class() == "Write":
            yield node
        elif isinstance(node, nuke.Group) and not is_bipack(node):
            yield from _active_writes(node)


def _frames(ranges: Sequence[str], write: Any) -> Tuple[int, ...]:
    if ranges:
        return parse_frames(",".join(ranges))
    if write["use_limit"].value():
        return tuple(range(int(write["first"].value()), int(write["last"].value()) + 1))
    return tuple(range(int(nuke.root().firstFrame()), int(nuke.root().lastFrame()) + 1))


# -- doing it --------------------------------------------------------------------------------------------------------


def _cook(need: graph.Need, args: argparse.Namespace, report: FarmReport) -> None:
    name = need.node.name
    waiting = running.frames_to_cook(need)
    if args.render_only:
        if waiting:
            raise MissingInput(f"{name} lacks fresh frames {format_frames(waiting)}. Run the cook step for them first.")
        return
    kept = len(need.frames) - len(waiting)
    if kept:
        report.console.say(f"{name}: {kept} of {len(need.frames)} frames are fresh in the cache")
    report.begin(kept, len(waiting))
    if waiting:
        running.cook_one(need.node, waiting, lambda call: call(), report)
    report.end()


def _render(write: Any, frames: Sequence[int], views: List[str], report: FarmReport, stop: Stop) -> None:
    name = write.fullName()
    for first, last in runs(frames):
        report.console.say(f"{name}: rendering {first}-{last}")
        report.begin(0, last - first + 1)
        if views:
            nuke.execute(write, first, last, 1, views)
        else:
            nuke.execute(write, first, last, 1)
        report.end()
        stop.check()


def runs(frames: Sequence[int]) -> List[Tuple[int, int]]:
    """`frames` as first and last of runs without gaps."""
    found: List[Tuple[int, int]] = []
    for frame in sorted(set(frames)):
        if found and frame == found[-1][1] + 1:
            found[-1] = (found[-1][0], frame)
        else:
            found.append((frame, frame))
    return found


# -- being stopped ---------------------------------------------------------------------------------------------------


class Stop:
    """Set by SIGTERM or Ctrl-C; the cook looks at it between two messages of the worker."""

    def __init__(self) -> None:
        self.exit_code = 0

    def handle(self, number: int, _frame: Any) -> None:
        """Signal handler."""
        self.exit_code = SIGTERM_EXIT if number == signal.SIGTERM else Cancelled.exit_code

    def is_set(self) -> bool:
        """Did a signal come?"""
        return bool(self.exit_code)

    def check(self) -> None:
        """Raise Cancelled when a signal came."""
        if self.exit_code:
            raise Cancelled("Stopped by a signal; finished frames stay.")


def _listen_for_signals() -> Stop:
    stop = Stop()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop.handle)
    return stop
