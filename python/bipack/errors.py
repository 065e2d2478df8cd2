"""The one error tree of Bipack, and the exit code that each branch ends a process with.

    BipackError                 1    (never raised itself)
    ├── UsageError              2    the command, knob or setting makes no sense
    ├── MissingInput           10    a frame, matte or file that should be there is not
    ├── CorruptInput           11    it is there and cannot be read
    ├── ModelRefused           12    the model or its card cannot be trusted, or does not fit the plate
    ├── GpuUnavailable         13    a GPU was asked for and cannot be used
    ├── GpuOutOfMemory         14    not even the smallest tile fits
    ├── DiskError              15    full disk, unwritable folder
    ├── VersionSkew            16    client and worker are of different versions
    ├── WorkerDied              1    the worker process ended without an answer
    └── Cancelled             130    the user asked to stop

33 and 137 are never used: render farms read them as "out of memory" and retry without end.
A message says what failed, on which frame, file or model, what was found and what to do next.
"""

from __future__ import annotations

from typing import Optional


class BipackError(Exception):
    """Base of every error that Bipack raises on purpose; `exit_code` is what a process ends with."""

    exit_code = 1
    frame: Optional[int] = None
    """The frame that it is about, where there is one."""


class UsageError(BipackError):
    """The command line, a knob or a setting makes no sense."""

    exit_code = 2


class MissingInput(BipackError):
    """A frame, matte or file that should exist does not."""

    exit_code = 10


class CorruptInput(BipackError):
    """A file exists and cannot be read as what it claims to be."""

    exit_code = 11


class ModelRefused(BipackError):
    """The model or its card cannot be trusted or run, or does not fit this plate."""

    exit_code = 12


class GpuUnavailable(BipackError):
    """A GPU was asked for and cannot be used."""

    exit_code = 13


class GpuOutOfMemory(BipackError):
    """Device memory ran out at the smallest tile, or at the tile that the user fixed."""

    exit_code = 14


class DiskError(BipackError):
    """The disk is full, or the output cannot be written."""

    exit_code = 15


class VersionSkew(BipackError):
    """Client and worker speak different versions."""

    exit_code = 16


class WorkerDied(BipackError):
    """The worker process ended without an answer; the next request starts a fresh one."""


class Cancelled(BipackError):
    """The user asked to stop; finished frames stay."""

    exit_code = 130


_BY_NAME = {
    error.__name__: error
    for error in (
        UsageError,
        MissingInput,
        CorruptInput,
        ModelRefused,
        GpuUnavailable,
        GpuOutOfMemory,
        DiskError,
        VersionSkew,
        WorkerDied,
        Cancelled,
    )
}


def from_name(name: str, message: str) -> BipackError:
    """Rebuild an error that crossed a process boundary; an unknown name becomes a plain BipackError."""
    return _BY_NAME.get(name, BipackError)(message)
