"""Writing files so that no half file is ever visible: a hidden temporary beside the target, then a rename."""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import contextmanager
from typing import Iterator

from bipack.errors import DiskError


def temporary_beside(path: str) -> str:
    """A hidden name in the folder of `path` that no sequence pattern matches; the extension is kept for writers."""
    folder, name = os.path.split(path)
    stem, extension = os.path.splitext(name)
    return os.path.join(folder, f".{stem}.{os.getpid()}-{uuid.uuid4().hex[:8]}.tmp{extension}")


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Yield a temporary path; on success it is flushed to disk and renamed to `path`, on failure removed.

    Raises DiskError when the disk is full or the folder cannot be written; any other error of the body passes through.
    """
    path = os.path.abspath(path)
    temporary = temporary_beside(path)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        yield temporary
        # Opened for writing: Windows refuses to flush a handle that is read-only.
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def write_bytes(path: str, data: bytes) -> None:
    """Write `data` to `path` atomically. Raises DiskError."""
    with replacing(path) as temporary, open(temporary, "wb") as stream:
        stream.write(data)


def disk_error(path: str, error: OSError) -> DiskError:
    """The sentence for an operating system error while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(f"The disk is full: {path} could not be written. Free some space and run again with --resume.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DiskError(f"{path} cannot be written ({error.strerror}). Check the folder's permissions.")
    return DiskError(f"{path} could not be written: {error.strerror or error}.")
