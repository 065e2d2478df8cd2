"""How a run is stopped from outside."""

from __future__ import annotations

import signal
from pathlib import Path

import tiny_paintfix
from bipack_train.run_panel import STOP, Panel


def test_a_stop_file_ends_a_run_as_an_interrupt_does(tmp_path: Path) -> None:
    panel = Panel(tiny_paintfix.recipe(3), [], [], str(tmp_path))
    with panel:
        assert not panel.stop()
        (tmp_path / STOP).write_text("")
        assert panel.stop()
    assert panel.signal == signal.SIGINT


def test_an_old_stop_file_does_not_end_a_new_run(tmp_path: Path) -> None:
    (tmp_path / STOP).write_text("")
    with Panel(tiny_paintfix.recipe(3), [], [], str(tmp_path)) as panel:
        assert not panel.stop()
