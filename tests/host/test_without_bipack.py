"""Scripts with Bipack nodes in a Nuke that has no Bipack: they open, render cooked frames, and say what is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from host_scene import Scene, channel_of, gain_card, gain_model, install_model
from nuke_fixture import DOUBLE
from plates import plate as plate_frame


@pytest.fixture
def saved(start: Callable[..., Scene], tmp_path: Path) -> Callable[..., Path]:
    """A saved script with a cooked node between a plate and Write1, in a folder with a space and an umlaut."""

    def make(cook: bool = True, **knobs: Any) -> Path:
        folder = tmp_path / "früh stück"
        folder.mkdir(exist_ok=True)
        scene = start(gui=True)
        scene.folder = folder
        model = install_model(folder / "gain", gain_model(), **gain_card()) / "model.onnx"
        node = scene.bipack(scene.plate(), str(model))
        node["card_gain"].setValue(2.0)
        for name, value in knobs.items():
            node[name].setValue(value)
        scene.write(node)
        if cook:
            scene.press(node, "cook_range")
        scene.nuke.scriptSaveAs(str(folder / "shot_v001.nk"), 1)
        return folder / "shot_v001.nk"

    return make


@pytest.fixture
def bare(start: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scene]:
    """A Nuke where the package cannot be imported."""

    def make(**settings: Any) -> Scene:
        scene = start(bipack=False, **settings)
        monkeypatch.setitem(sys.modules, "bipack.host", None)
        return scene

    return make


def render_on_a_farm(script: Path, frames: str) -> subprocess.CompletedProcess[str]:
    """`nuke -x -X Write1` without NUKE_PATH, as a submitter that knows nothing of Bipack runs it."""
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {DOUBLE!r}); sys.modules['bipack'] = None; "
               "from stand_in import terminal; sys.exit(terminal.main(sys.argv[1:]))"]  # fmt: skip
    return subprocess.run(
        [*command, "-x", "-X", "Write1", "-F", frames, str(script)], capture_output=True, text=True, timeout=60
    )


def test_a_farm_without_bipack_renders_cooked_frames(saved: Callable[..., Path]) -> None:
    script = saved()
    done = render_on_a_farm(script, "1001-1003")
    assert done.returncode == 0, done.stderr
    for frame in (1001, 1002, 1003):
        before = plate_frame(seed=frame).parts[0].channels["R"].astype(np.float32)
        np.testing.assert_allclose(channel_of(f"{script.parent}/final/final.{frame}.exr"), before * 2, rtol=2e-3)


def test_what_the_viewer_shows_does_not_matter_on_a_farm(saved: Callable[..., Path]) -> None:
    script = saved()
    script.write_text(script.read_text(encoding="utf-8").replace(" show result\n", " show plate\n"), encoding="utf-8")
    assert render_on_a_farm(script, "1001").returncode == 0
    before = plate_frame(seed=1001).parts[0].channels["R"].astype(np.float32)
    np.testing.assert_allclose(channel_of(f"{script.parent}/final/final.1001.exr"), before * 2, rtol=2e-3)


def test_a_missing_frame_fails_on_a_farm_and_never_passes_the_plate(saved: Callable[..., Path]) -> None:
    script = saved()
    for cooked in Path(os.environ["BIPACK_CACHE"]).rglob("out.1002.exr"):
        cooked.unlink()
    done = render_on_a_farm(script, "1001-1003")
    assert done.returncode == 1
    assert not (script.parent / "final/final.1002.exr").exists()


def test_a_node_that_was_never_cooked_fails_on_a_farm(saved: Callable[..., Path]) -> None:
    script = saved(cook=False)
    assert render_on_a_farm(script, "1001").returncode == 1
    assert not (script.parent / "final/final.1001.exr").exists()


@pytest.mark.parametrize("choice", ["black", "checkerboard", "nearest frame"])
def test_a_gap_that_the_artist_wants_is_filled_as_chosen(saved: Callable[..., Path], choice: str) -> None:
    script = saved(missing=choice)
    for cooked in Path(os.environ["BIPACK_CACHE"]).rglob("out.1002.exr"):
        cooked.unlink()
    assert render_on_a_farm(script, "1002").returncode == 0
    assert (script.parent / "final/final.1002.exr").exists()


@pytest.mark.parametrize("gui", [True, False])
def test_a_script_opens_and_keeps_its_values(saved: Callable[..., Path], bare: Callable[..., Scene], gui: bool) -> None:
    script = saved()
    scene = bare(gui=gui)
    scene.nuke.scriptOpen(str(script))
    assert scene.session.problems == []
    node = scene.nuke.toNode("BipackModel1")
    assert node["card_gain"].value() == 2.0
    assert node["status"].value() == "fresh: 1001-1003"


def test_every_button_says_that_bipack_is_missing(saved: Callable[..., Path], bare: Callable[..., Scene]) -> None:
    script = saved()
    scene = bare(gui=True)
    scene.nuke.scriptOpen(str(script))
    node = scene.nuke.toNode("BipackModel1")
    buttons = [name for name, knob in node.knobs().items() if knob.Class() == "PyScript_Knob"]
    assert len(buttons) >= 7
    for name in buttons:
        scene.session.messages.clear()
        node[name].execute()
        assert scene.session.messages == [
            "Bipack is not installed in this Nuke. Add its folder to NUKE_PATH and start Nuke again."
        ], name


def test_changing_knobs_raises_nothing(saved: Callable[..., Path], bare: Callable[..., Scene]) -> None:
    script = saved()
    scene = bare(gui=True, knob_changed="any")
    scene.nuke.scriptOpen(str(script))
    node = scene.nuke.toNode("BipackModel1")
    scene.session.user_sets(node, "card_gain", 3.0)
    node.showControlPanel()
    assert scene.session.messages == []


def test_saved_again_without_bipack_it_still_cooks_with_it(
    saved: Callable[..., Path], bare: Callable[..., Scene], start: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = saved()
    scene = bare(gui=True)
    scene.nuke.scriptOpen(str(script))
    scene.nuke.toNode("BipackModel1")["card_gain"].setValue(3.0)
    scene.nuke.scriptSaveAs(str(script), 1)
    monkeypatch.undo()
    monkeypatch.setenv("BIPACK_CACHE", str(script.parent / "cache"))
    again = start(gui=True)
    again.nuke.scriptOpen(str(script))
    node = again.nuke.toNode("BipackModel1")
    again.press(node, "cook_range")
    assert again.session.messages == []
    before = plate_frame(seed=1001).parts[0].channels["R"].astype(np.float32)
    np.testing.assert_allclose(again.result(node, 1001).astype(np.float32), before * 3, rtol=2e-3)
