"""docs/nuke_checklist.py runs from end to end on the stand-in, in the GUI and in terminal mode, and finds no fault."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable

import pytest

from host_scene import ROOT, Scene


@pytest.mark.parametrize("gui", [True, False])
def test_the_checklist_passes_and_leaves_nothing_behind(
    start: Callable[..., Scene], capsys: pytest.CaptureFixture[str], gui: bool
) -> None:
    scene = start(bipack=False, gui=gui)
    found = runpy.run_path(str(ROOT / "docs/nuke_checklist.py"))
    scene.session.main_thread.pump()
    out = capsys.readouterr().out
    assert found["FAILED"] == 0, out
    assert out.count("\nPASS ") + out.count("\nINFO ") == len(found["CHECKS"])
    assert scene.nuke.allNodes() == []
    assert not os.path.exists(found["FOLDER"])
    assert found["FOLDER"] in sys.path
    sys.path.remove(found["FOLDER"])
