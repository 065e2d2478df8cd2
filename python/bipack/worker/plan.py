"""What a run will do, worked out before any of it is done: which file each frame comes from and goes to.

Everything that can be wrong with a request, its paths and its frames is found here, before a model is run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bipack import atomic, messages
from bipack.errors import MissingInput, UsageError
from bipack.frames import FramePath, format_frames, resolve_frames
from bipack.retime import Moment
from bipack.worker.step import Retimes, Step

MISSING_POLICIES = ("error", "black", "hold")
EXISTING_POLICIES = ("overwrite", "resume")
_NETWORK_RETRY_SECONDS = (0.2, 0.5)


@dataclass(frozen=True)
class Task:
    """One output frame with where its inputs come from."""

    index: int
    """Position in the run, for animated knobs."""

    frame: int
    """Number of the result."""

    output: str
    inputs: Mapping[int, str]
    """File of each frame offset."""

    matte: str | None
    black: frozenset[int] = frozenset()
    """Offsets whose plate is missing, where black frames were asked for."""

    moment: Moment | None = None
    """For a step that retimes: what the result shows. Offsets count from its base, not from `frame`."""

    mattes: Mapping[int, str] = field(default_factory=dict)
    """For a step that retimes: matte file of each offset."""


def plan_tasks(request: messages.Render, step: Step, notice: Callable[[str, int], None]) -> list[Task]:
    """One task for each frame of `request`, in its order; `notice` is told of frames that are replaced.

    At the ends of a shot a step that needs neighbours gets the nearest frame there is. Raises UsageError for a request
    that makes no sense, MissingInput for missing frames, DiskError for an output that cannot be written.
    """
    _check_policies(request)
    if isinstance(step, Retimes):
        return _plan_moments(request, step, notice)
    plate, output = FramePath.parse(request.input), FramePath.parse(request.output)
    matte = FramePath.parse(request.matte) if request.matte else None
    _check_one_file(request, output)
    for frame in request.frames:
        if os.path.realpath(plate.path(frame)) == os.path.realpath(output.path(frame)):
            raise UsageError(f"The output {output.text} would overwrite the plate. Choose another name or folder.")
    missing = [frame for frame in request.frames if not _exists(plate.path(frame))]
    gaps = _gaps(plate, request.frames, step.frame_offsets)
    if gaps and request.missing == "error":
        raise MissingInput(_missing_sentence(plate, gaps))
    if missing and (request.missing == "error" or not plate.is_sequence or not plate.existing()):
        raise MissingInput(_missing_sentence(plate, missing))
    if matte is not None:
        without = [frame for frame in request.frames if not _exists(matte.path(frame))]
        if without:
            raise MissingInput(_missing_sentence(matte, without, "the matte "))
    _check_writable(output.path(request.frames[0]))
    tasks = []
    for index, frame in enumerate(request.frames):
        inputs = {offset: plate.path(_nearest(plate, frame + offset)) for offset in step.frame_offsets}
        black = frozenset([0]) if frame in missing and request.missing == "black" else frozenset[int]()
        if frame in missing:
            notice(_replaced(plate, frame, inputs[0], bool(black)), frame)
        tasks.append(Task(index, frame, output.path(frame), inputs, matte.path(frame) if matte else None, black))
    return tasks


def _plan_moments(request: messages.Render, step: Retimes, notice: Callable[[str, int], None]) -> list[Task]:
    """Tasks of a step that retimes: the plate frames around the moment that each result shows."""
    plate, output = FramePath.parse(request.input), FramePath.parse(request.output)
    matte = FramePath.parse(request.matte) if request.matte else None
    _check_one_file(request, output)
    source = source_range(plate, request.source)
    moments = step.plan_moments(request, source, lambda text: notice(text, request.frames[0]))
    needed = sorted({number for moment in moments.values() for number in moment.numbers.values()})
    results = {os.path.realpath(output.path(frame)) for frame in request.frames}
    if any(os.path.realpath(plate.path(frame)) in results for frame in range(source[0], source[1] + 1)):
        raise UsageError(f"The output {output.text} would overwrite the plate. Choose another name or folder.")
    missing = [frame for frame in needed if not _exists(plate.path(frame))]
    if missing and (request.missing == "error" or not plate.is_sequence or not plate.existing()):
        raise MissingInput(_missing_sentence(plate, missing))
    if matte is not None:
        without = [frame for frame in needed if not _exists(matte.path(frame))]
        if without:
            raise MissingInput(_missing_sentence(matte, without, "the matte "))
    is_black = request.missing == "black"
    for frame in missing:
        notice(_replaced(plate, frame, plate.path(_nearest(plate, frame)), is_black), frame)
    _check_writable(output.path(request.frames[0]))
    tasks = []
    for index, frame in enumerate(request.frames):
        moment = moments[frame]
        files = moment.numbers
        inputs = {offset: plate.path(_nearest(plate, number)) for offset, number in files.items()}
        beside = {offset: plate.path(moment.base + offset) for offset in moment.around}
        inputs |= {offset: path for offset, path in beside.items() if _exists(path)}
        black = frozenset(offset for offset, number in files.items() if is_black and number in missing)
        mattes = {offset: matte.path(number) for offset, number in files.items()} if matte is not None else {}
        tasks.append(Task(index, frame, output.path(frame), inputs, None, black, moment, mattes))
    return tasks


def source_range(plate: FramePath, given: Sequence[int]) -> tuple[int, int]:
    """First and last plate frame of a shot that is retimed. Raises MissingInput where no frame is on disk."""
    if given:
        return given[0], given[-1]
    if not plate.is_sequence:
        return 1, 1
    present = resolve_frames(plate, None)
    return present[0], present[-1]


def _check_one_file(request: messages.Render, output: FramePath) -> None:
    if len(request.frames) > 1 and not output.is_sequence:
        raise UsageError(
            f"{len(request.frames)} frames cannot go into the one file {output.text}. "
            "Give the output a frame number, such as result.%04d.exr."
        )


def _replaced(plate: FramePath, frame: int, stand_in: str, is_black: bool) -> str:
    what = "a black frame stands in" if is_black else f"{os.path.basename(stand_in)} is held"
    return f"Frame {frame} of {plate.text} is missing: {what}."


def _check_policies(request: messages.Render) -> None:
    if request.missing not in MISSING_POLICIES:
        raise UsageError(f"--missing is {request.missing!r}; choices: {', '.join(MISSING_POLICIES)}.")
    if request.existing not in EXISTING_POLICIES:
        raise UsageError(f"existing is {request.existing!r}; choices: {', '.join(EXISTING_POLICIES)}.")
    if not request.frames:
        raise UsageError("No frame was asked for.")


def _exists(path: str) -> bool:
    """Is the file there? A network folder is listed again before the answer is no."""
    if os.path.isfile(path):
        return True
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        return False
    for seconds in _NETWORK_RETRY_SECONDS if _is_network(folder) else ():
        time.sleep(seconds)
        if os.path.basename(path) in os.listdir(folder):
            return True
    return False


def _is_network(folder: str) -> bool:
    """True for folders of an NFS or SMB mount, whose listing may lag behind another machine's writes."""
    try:
        with open("/proc/mounts", encoding="utf-8", errors="replace") as stream:
            mounts = [line.split()[1:3] for line in stream]
    except OSError:
        return os.name == "nt" and os.path.abspath(folder).startswith("\\\\")
    path = os.path.realpath(folder)
    holding = [kind for point, kind in mounts if path == point or path.startswith(point.rstrip("/") + "/")]
    return bool(holding) and holding[-1].startswith(("nfs", "cifs", "smb"))


def _gaps(plate: FramePath, frames: tuple[int, ...], offsets: Sequence[int]) -> list[int]:
    """Neighbour frames that are missing inside the shot; before its first and after its last there is none to miss."""
    present = plate.existing() if len(offsets) > 1 else ()
    if not present:
        return []
    wanted = {frame + offset for frame in frames for offset in offsets}
    return sorted(frame for frame in wanted - set(present) if present[0] < frame < present[-1])


def _nearest(plate: FramePath, wanted: int) -> int:
    """`wanted`, or the frame nearest to it on disk, an earlier one first (the ends of a shot, a frame held)."""
    if not plate.is_sequence or os.path.isfile(plate.path(wanted)):
        return wanted
    present = plate.existing()
    earlier = [frame for frame in present if frame < wanted]
    return earlier[-1] if earlier else present[0]


def _missing_sentence(pattern: FramePath, frames: list[int], what: str = "") -> str:
    if not pattern.is_sequence:
        return f"{what.capitalize()}{pattern.text} does not exist. Check the path."
    present = format_frames(pattern.existing()) or "none"
    return (
        f"Frames {format_frames(frames)} of {what}{pattern.text} are missing; on disk: {present}. "
        "Render them, or choose --missing black or hold."
    )


def _check_writable(path: str) -> None:
    """Raise DiskError now rather than after the first frame's work."""
    probe = atomic.temporary_beside(os.path.abspath(path))
    try:
        os.makedirs(os.path.dirname(probe), exist_ok=True)
        with open(probe, "wb"):
            pass
        os.unlink(probe)
    except OSError as error:
        raise atomic.disk_error(path, error) from error
