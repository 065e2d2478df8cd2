"""The two ends of the EXR road inside a gizmo: the Write that puts inputs into the cache, the Read that shows results.

Pixels must not change on the way: raw, scene-linear as they are, no cropping, lossless ZIP. Labels of EXR knobs differ
between versions of Nuke, so values are looked up in the knob's own list by how they begin.
"""

from __future__ import annotations

import contextlib
import os
from typing import Any, Iterator, Sequence

import nuke

from bipack.errors import BipackError, Cancelled, MissingInput, UsageError
from bipack.frames import FramePath
from bipack.host.node import no_undo

_RAW_SPACES = ("raw", "data", "utility - raw", "none")
_BUSY = "already executing"


class NukeIsBusy(BipackError):
    """Nuke is rendering something else just now; trying again later may succeed."""


def prepare_write(write: Any, pattern: str, channels: str, depth: str) -> None:
    """Set a helper Write up for `pattern`: EXR of `depth` (half or float), every pixel as it is."""
    _set(write, "file_type", "exr")
    _set(write, "file", pattern)
    _set(write, "channels", channels)
    _set(write, "raw", True)
    _set(write, "create_directories", True)
    _set(write, "autocrop", False)
    _set(write, "use_limit", False)
    _set(write, "reading", False)
    _choose(write, "datatype", "16 bit" if depth == "half" else "32 bit")
    # ZIP finds every damaged bit; see the tests of imaging.
    _choose(write, "compression", "Zip (16 scanline")
    _choose_raw_space(write)


def forget(write: Any) -> None:
    """Leave no path in a helper Write."""
    with no_undo():
        _set(write, "file", "")


def render(write: Any, pattern: str, frame: int, views: Sequence[str]) -> None:
    """Run a helper Write, set up for `pattern`, for one frame in full resolution; leave script and Write as they were.

    Raises NukeIsBusy, Cancelled, or MissingInput when the comp above cannot be rendered.
    """
    if nuke.executing():
        raise NukeIsBusy("Nuke is rendering something else. Wait for it to end, then cook again.")
    with no_undo(), _full_resolution(), _enabled(write):
        try:
            if views:
                nuke.execute(write, frame, frame, 1, list(views))
            else:
                nuke.execute(write, frame, frame, 1)
        except RuntimeError as error:
            raise _meaning(error, frame) from error
    for view in views or ("",):
        path = FramePath.parse(pattern.replace("%V", view)).path(frame)
        if not os.path.isfile(path):
            raise MissingInput(f"Nuke rendered frame {frame} and wrote no {path}. Check the disk and the cache folder.")


def show(read: Any, pattern: str, first: int, last: int) -> None:
    """Let the Read show `pattern` over `first`-`last`, as it is on disk now."""
    with no_undo():
        _set(read, "file", pattern)
        for knob, value in (("first", first), ("last", last), ("origfirst", first), ("origlast", last)):
            _set(read, knob, value)
        _set(read, "raw", True)
        _choose_raw_space(read)
        read["reload"].execute()


@contextlib.contextmanager
def _full_resolution() -> Iterator[None]:
    """Proxy mode off: a model has to see every pixel, and nuke.execute has no argument for it."""
    root = nuke.root()
    proxy = bool(root.knob("proxy").value())
    if proxy:
        root.setProxy(False)
    try:
        yield
    finally:
        if proxy:
            root.setProxy(True)


@contextlib.contextmanager
def _enabled(write: Any) -> Iterator[None]:
    """The helper Write is disabled but here, so that neither `-x` nor "render all" ever runs it."""
    write["disable"].setValue(False)
    try:
        yield
    finally:
        write["disable"].setValue(True)


def _meaning(error: RuntimeError, frame: int) -> BipackError:
    text = str(error).strip()
    if text.startswith("Cancelled"):
        return Cancelled("Stopped on request; finished frames stay.")
    if _BUSY in text:
        return NukeIsBusy("Nuke is rendering something else. Wait for it to end, then cook again.")
    told = MissingInput(f"Frame {frame} of the plate could not be rendered: {text}")
    told.frame = frame
    return told


def _set(node: Any, name: str, value: Any) -> None:
    """Set a knob that this version of Nuke has, when it differs."""
    knob = node.knob(name)
    if knob is not None and knob.value() != value:
        knob.setValue(value)


def _choose(node: Any, name: str, beginning: str) -> None:
    """Pick the entry of a menu that begins with `beginning`. Raises UsageError when there is none."""
    knob = node.knob(name)
    if knob is None:
        return
    for entry in knob.values():
        if str(entry).lower().startswith(beginning.lower()):
            if knob.value() != entry:
                knob.setValue(entry)
            return
    raise UsageError(f"This Nuke's EXR writer offers no {name} {beginning!r}; it has {', '.join(knob.values())}.")


def _choose_raw_space(node: Any) -> None:
    """`raw` alone should do; some OCIO set-ups still look at the colorspace knob."""
    knob = node.knob("colorspace")
    if knob is None or not hasattr(knob, "values"):
        return
    for entry in knob.values():
        if str(entry).split("\t")[0].split("/")[-1].strip().lower() in _RAW_SPACES:
            if knob.value() != entry:
                knob.setValue(entry)
            return
