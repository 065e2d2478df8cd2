from __future__ import annotations

import _thread
import threading
import time

import pytest

from bipack.cli.waiting import wait_for
from bipack.errors import MissingInput


def test_the_result_of_the_work_comes_back() -> None:
    assert wait_for(lambda cancel: cancel.is_set()) is False


def test_an_error_of_the_work_comes_back() -> None:
    def fail(cancel: threading.Event) -> None:
        raise MissingInput("gone")

    with pytest.raises(MissingInput, match="gone"):
        wait_for(fail)


@pytest.mark.parametrize("attempt", range(5))
def test_ctrl_c_waits_until_the_work_has_ended_cleanly(attempt: int) -> None:
    events: list[str] = []

    def work(cancel: threading.Event) -> None:
        time.sleep(0.03 * attempt)
        _thread.interrupt_main()
        assert cancel.wait(10)
        time.sleep(0.2)
        events.append("ended")

    with pytest.raises(KeyboardInterrupt):
        wait_for(work)
    assert events == ["ended"]


def test_ctrl_c_while_the_thread_starts_waits_for_its_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    def work(cancel: threading.Event) -> None:
        assert cancel.wait(10)
        time.sleep(0.2)
        events.append("ended")

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wait_for(work)
    assert events == ["ended"]


def test_ctrl_c_before_there_is_a_thread_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bipack.cli.waiting._START_SECONDS", 0.05)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wait_for(lambda cancel: None)
