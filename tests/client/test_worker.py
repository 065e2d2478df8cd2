"""Client and worker for real: a child process, pipes, EXR files and a tiny model."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bipack
import graphs
from bipack import messages
from bipack.client import Worker, launcher
from bipack.errors import Cancelled, MissingInput, ModelRefused, UsageError, VersionSkew, WorkerDied
from bipack.imaging.image_io import read_frame
from plates import write_sequence


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as running:
        yield running


@pytest.fixture
def identity(tmp_path: Path) -> str:
    return str(graphs.save(graphs.identity(channels=3), tmp_path / "identity.onnx"))


def request(model: str, pattern: str, folder: Path, **changes: Any) -> messages.Render:
    frames = changes.pop("frames", (1001, 1002, 1003))
    return messages.Render("", model, pattern, str(folder / "r.%04d.exr"), frames=frames, device="cpu", **changes)


def test_a_sequence_is_cooked_and_the_identity_is_exact(worker: Worker, identity: str, tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path)
    heard = list(worker.render(request(identity, pattern, tmp_path)))
    assert isinstance(heard[-1], messages.JobDone) and heard[-1].done == 3
    for frame in (1001, 1002, 1003):
        before = read_frame(pattern % frame).parts[0]
        after = read_frame(str(tmp_path / f"r.{frame}.exr")).parts[0]
        assert before.data_window == after.data_window and set(before.channels) == set(after.channels)
        for name, pixels in before.channels.items():
            np.testing.assert_array_equal(pixels, after.channels[name])


def test_one_process_serves_many_jobs(worker: Worker, identity: str, tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path)
    pids = set()
    for _ in range(2):
        list(worker.render(request(identity, pattern, tmp_path, frames=(1001,))))
        assert worker.ready is not None
        pids.add(worker.ready.pid)
    assert len(pids) == 1


def test_jobs_may_be_sent_before_earlier_ones_are_done(worker: Worker, identity: str, tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path)
    jobs = [worker.submit(request(identity, pattern, tmp_path, frames=(frame,))) for frame in (1001, 1002, 1003)]
    for job in reversed(jobs):
        assert isinstance(list(worker.answers(job))[-1], messages.JobDone)


def test_errors_arrive_as_the_class_that_was_raised(worker: Worker, identity: str, tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path)
    os.unlink(pattern % 1002)
    with pytest.raises(MissingInput, match="1002"):
        list(worker.render(request(identity, pattern, tmp_path)))
    (tmp_path / "no.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelRefused):
        list(worker.render(request(str(tmp_path / "no.onnx"), pattern, tmp_path, frames=(1001,))))
    assert worker.running


def test_a_cancel_stops_a_job_and_the_worker_lives_on(worker: Worker, tmp_path: Path) -> None:
    slow = str(graphs.save(graphs.plain_sr(scale=1, layers=24, channels=48, seed=1), tmp_path / "slow.onnx"))
    pattern = write_sequence(tmp_path, range(1001, 1004), width=1400, height=900)
    job = worker.submit(request(slow, pattern, tmp_path))
    answers = worker.answers(job)
    next(answers)
    began = time.monotonic()
    worker.cancel(job)
    with pytest.raises(Cancelled):
        list(answers)
    assert time.monotonic() - began < 8
    assert worker.running


def test_a_killed_worker_is_an_error_and_the_next_request_gets_a_fresh_one(identity: str, tmp_path: Path) -> None:
    slow = str(graphs.save(graphs.plain_sr(scale=1, layers=24, channels=48, seed=1), tmp_path / "slow.onnx"))
    pattern = write_sequence(tmp_path, width=1400, height=900)
    with Worker() as worker:
        first = worker.start().pid
        job = worker.submit(request(slow, pattern, tmp_path))
        os.kill(first, getattr(signal, "SIGKILL", signal.SIGTERM))
        with pytest.raises(WorkerDied, match="fresh"):
            list(worker.answers(job))
        small = write_sequence(tmp_path / "small")
        heard = list(worker.render(request(identity, small, tmp_path / "small")))
        assert heard[-1].done == 3
        assert worker.ready is not None and worker.ready.pid != first


def test_a_worker_without_its_client_ends(tmp_path: Path) -> None:
    process = subprocess.Popen(
        launcher.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(messages.encode(messages.Hello()))
    process.stdin.flush()
    assert isinstance(messages.decode(process.stdout.readline()), messages.Ready)
    process.stdin.close()
    assert process.wait(timeout=20) == 0


def test_a_client_of_another_version_is_refused(tmp_path: Path) -> None:
    process = subprocess.Popen(
        launcher.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    out, _ = process.communicate(messages.encode(messages.Hello(version="0.0.0")), timeout=20)
    answer = messages.decode(out.splitlines()[0])
    assert isinstance(answer, messages.Failed) and answer.exit_code == VersionSkew.exit_code
    assert bipack.__version__ in answer.message and process.returncode == VersionSkew.exit_code


def test_a_line_that_is_no_message_is_answered_and_does_no_harm(tmp_path: Path) -> None:
    process = subprocess.Popen(
        launcher.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    lines = messages.encode(messages.Hello()) + b"\x80\x04 a pickle\n" + messages.encode(messages.Shutdown())
    out, _ = process.communicate(lines, timeout=20)
    kinds = [type(messages.decode(line)).__name__ for line in out.splitlines()]
    assert kinds == ["Ready", "Failed"] and process.returncode == 0


def test_an_interpreter_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no-such-python"):
        Worker(python=str(tmp_path / "no-such-python")).start()


def test_an_interpreter_without_the_packages_tells_its_last_words(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'ModuleNotFoundError: numpy' >&2\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(WorkerDied, match="numpy"):
        Worker(python=str(script)).start()
