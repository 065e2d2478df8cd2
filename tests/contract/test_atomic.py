"""Atomic writing: whole files or none."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from bipack import atomic
from bipack.errors import DiskError
from bipack.frames import FramePath


def test_the_file_appears_whole(tmp_path):
    atomic.write_bytes(str(tmp_path / "new/folder/a.bin"), b"whole")
    assert (tmp_path / "new/folder/a.bin").read_bytes() == b"whole"
    assert os.listdir(tmp_path / "new/folder") == ["a.bin"]


def test_nothing_is_visible_while_it_is_written(tmp_path):
    target = tmp_path / "plate.1001.exr"
    with atomic.replacing(str(target)) as temporary:
        with open(temporary, "wb") as stream:
            stream.write(b"half")
        assert not target.exists()
        assert FramePath.parse(str(tmp_path / "plate.%04d.exr")).existing() == ()
    assert target.read_bytes() == b"half"


def test_a_failed_write_keeps_the_old_file_and_leaves_no_temporary(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic.replacing(str(target)) as temporary:
        with open(temporary, "wb") as stream:
            stream.write(b"new")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_temporary_keeps_the_extension_that_writers_go_by():
    name = os.path.basename(atomic.temporary_beside("/x/plate.1001.exr"))
    assert name.startswith(".") and name.endswith(".exr")
    assert name != os.path.basename(atomic.temporary_beside("/x/plate.1001.exr"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_a_disk_error_that_says_so(tmp_path):
    with pytest.raises(DiskError, match="disk is full"), atomic.replacing(str(tmp_path / "a")) as temporary:
        os.symlink("/dev/full", temporary)
        with open(temporary, "wb") as stream:
            stream.write(b"x" * 100)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="file"):
        atomic.write_bytes(str(tmp_path / "file/inside/a.bin"), b"")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_missing_permission_speaks_of_permissions(code):
    assert "permissions" in str(atomic.disk_error("/x/a.exr", OSError(code, os.strerror(code))))


WRITER = """
import sys
from bipack import atomic
while True:
    atomic.write_bytes(sys.argv[1], sys.argv[2].encode() * 200000)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_two_writers_and_a_kill_never_show_half_a_file(tmp_path):
    target = tmp_path / "a.bin"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(target), letter]) for letter in "ab"]
    try:
        deadline = time.monotonic() + 20
        while not target.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(50):
            content = target.read_bytes()
            assert content in (b"a" * 200000, b"b" * 200000)
    finally:
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
    assert target.read_bytes() in (b"a" * 200000, b"b" * 200000)
