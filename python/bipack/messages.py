"""What client and worker say to each other: one JSON object a line, over the worker's stdin and stdout.

Client to worker: Hello, Render, Cancel, Shutdown. Worker to client: Ready, Progress, Notice, FrameDone, Failed,
JobDone. Pixels never travel here, they are files. The first line each way carries the protocol and the suite's
version; a mismatch is fatal (a client and a worker of two installs must not cook one shot together).
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from bipack import __version__
from bipack.errors import BipackError, VersionSkew

PROTOCOL = 1
MAX_LINE_BYTES = 1 << 20
"""Longest line accepted; a longer one is not ours."""


@dataclass(frozen=True)
class Hello:
    """First line of the client."""

    protocol: int = PROTOCOL
    version: str = __version__


@dataclass(frozen=True)
class Ready:
    """First line of the worker: who it is and what it can use."""

    protocol: int = PROTOCOL
    version: str = __version__
    pid: int = 0
    providers: Tuple[str, ...] = ()
    device: str = ""
    """Name of the device that `auto` means here, e.g. `CPU (8 threads)`."""


@dataclass(frozen=True)
class Render:
    """Cook frames of one model. The same fields are the flags of `bipack run`."""

    job: str
    """Identifier chosen by the client; every answer carries it."""

    model: str
    """Catalogue name, folder with a card, .onnx file, or the name of a finishing tool."""

    input: str
    """File pattern of the plate."""

    output: str
    """File pattern of the result."""

    frames: Tuple[int, ...] = (1,)
    matte: Optional[str] = None
    """File pattern of the matte."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Knob values by name; a list gives one value a frame, in the order of `frames` (animated knobs)."""

    layer: str = "rgba"
    """Layer of the plate that the model works on."""

    device: str = "auto"
    require_gpu: bool = False
    tile: str = "auto"
    existing: str = "overwrite"
    """What to do with a finished frame: overwrite, or resume (skip it if it is whole and its key matches)."""

    missing: str = "error"
    """What to do without an input frame: error, black or hold (nearest earlier frame)."""

    source: Tuple[int, ...] = ()
    """For a step that retimes: first and last frame of the shot that is retimed; `frames` are those of the result.
    Empty: the frames that are on disk."""

    matte_channel: Optional[str] = None
    """Channel that is the matte; None takes alpha, the only one, or R."""

    channels: str = "all"
    """What of the result is written: all that the plate has, rgba or rgb."""


@dataclass(frozen=True)
class Cancel:
    """Stop a job at once."""

    job: str


@dataclass(frozen=True)
class Shutdown:
    """End the worker after the current job."""


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    job: str
    frame: int
    fraction: float
    """Part of the frame that is done, 0..1."""

    done: int
    """Frames finished."""

    total: int
    seconds_left: Optional[float] = None
    """Estimate for the whole job; None until there is something to go by."""


@dataclass(frozen=True)
class Notice:
    """Something that the user should know and that is no failure (a smaller tile, the CPU instead of a GPU…)."""

    job: str
    text: str
    frame: Optional[int] = None


@dataclass(frozen=True)
class FrameDone:
    """A frame is on disk, whole."""

    job: str
    frame: int
    output: str
    seconds: float
    skipped: bool = False
    """True when --resume found it finished."""

    key: str = ""
    """Hash of all that the frame depends on; also in its metadata as `bipack/key`."""


@dataclass(frozen=True)
class JobDone:
    """All frames of a job are on disk."""

    job: str
    done: int
    skipped: int
    seconds: float
    busy: Mapping[str, float] = field(default_factory=dict)
    """Seconds that reading, processing and writing were at work; they overlap."""


@dataclass(frozen=True)
class Failed:
    """A job ended without all its frames. `error` is the class name in `bipack.errors`."""

    job: str
    error: str
    message: str
    exit_code: int
    frame: Optional[int] = None


Message = Union[Hello, Ready, Render, Cancel, Shutdown, Progress, Notice, FrameDone, JobDone, Failed]
_KINDS: Dict[str, Any] = {kind.__name__: kind for kind in typing.get_args(Message)}


def encode(message: Message) -> bytes:
    """One line, newline included."""
    data = {"type": type(message).__name__, **dataclasses.asdict(message)}
    return (json.dumps(data, ensure_ascii=True, allow_nan=False) + "\n").encode("ascii")


def decode(line: bytes) -> Message:
    """Read one line. Raises BipackError for what is no message of this protocol."""
    if len(line) > MAX_LINE_BYTES:
        raise BipackError(f"A message of more than {MAX_LINE_BYTES} bytes was refused.")
    try:
        data = json.loads(line)
        kind = _KINDS[data.pop("type")]
        hints = typing.get_type_hints(kind)
        for name, value in data.items():
            if isinstance(value, list) and typing.get_origin(hints[name]) is tuple:
                data[name] = tuple(value)
        return typing.cast(Message, kind(**data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BipackError(f"A line was no message of the Bipack protocol: {line[:80]!r}.") from error


def check_versions(greeting: Union[Hello, Ready]) -> None:
    """Raise VersionSkew unless the other side is of this protocol and version."""
    if (greeting.protocol, greeting.version) != (PROTOCOL, __version__):
        raise VersionSkew(
            f"The other side is Bipack {greeting.version} (protocol {greeting.protocol}), this side {__version__} "
            f"(protocol {PROTOCOL}). Point NUKE_PATH and BIPACK_PYTHON at the same install and restart Nuke."
        )
