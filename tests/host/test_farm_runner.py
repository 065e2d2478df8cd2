"""The farm runner: farm/bipack_farm.py under `nuke -t`, with the real worker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphs
from bipack.card import Knob
from host_scene import ROOT, Scene, channel_of, gain_card, gain_model, install_model
from nuke_fixture import DOUBLE
from plates import plate as plate_frame

RUNNER = ROOT / "farm/bipack_farm.py"
FAILURE_WORDS = re.compile(r".*ERROR:.*|.*Error:.*|.*Error :.*|.*Worker process failed.*|.*Node execution error:.*")
"""What Deadline Cloud and Afanasy take for a failure."""


class Script:
    """A saved script that tasks are run on."""

    def __init__(self, path: Path, scene: Scene, capture: pytest.CaptureFixture[str], start: Callable[..., Scene]):
        self.path = path
        self.final = f"{scene.folder}/final/final.%04d.exr"
        self.out = ""
        self._capture, self._start = capture, start

    def run(self, *arguments: str) -> int:
        """One task in a fresh Nuke without Bipack on its path; returns the exit code, `out` is what it printed."""
        self._capture.readouterr()
        raw = ["nuke", "-t", str(RUNNER), *arguments]
        self.scene = self._start(bipack=False, gui=False, raw_args=raw)
        code = self.scene.host("farm").main(self.scene.host("farm").task_arguments(raw, []))
        self.out = self._capture.readouterr().out
        return int(code)


@pytest.fixture
def save(
    start: Callable[..., Scene], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Script]:
    """Saves what `build(scene)` makes; whatever it returns is fed into a Write called Write1."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers[number])

    def make(build: Callable[[Scene], Any], name: str = "shot.nk") -> Script:
        scene = start(gui=False)
        last = build(scene)
        if last is not None:
            scene.write(last)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        scene.nuke.scriptSaveAs(str(path), 1)
        return Script(path, scene, capsys, start)

    return make


@pytest.fixture
def gain(tmp_path: Path) -> str:
    return str(install_model(tmp_path / "models" / "gain", gain_model(), **gain_card()) / "model.onnx")


def doubled(scene: Scene, plate: Any, gain: str) -> Any:
    node = scene.bipack(plate, gain)
    node["card_gain"].setValue(2.0)
    return node


def assert_times(pattern: str, frames: range, factor: float) -> None:
    for frame in frames:
        before = plate_frame(seed=frame).parts[0].channels["R"].astype(np.float32)
        np.testing.assert_allclose(channel_of(pattern % frame), before * factor, rtol=4e-3)


def test_a_task_cooks_its_frames_and_renders_them(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(frames=range(1001, 1006)), gain))
    assert script.run(str(script.path), "-X", "Write1", "-F", "1002-1003") == 0, script.out
    assert_times(script.final, range(1002, 1004), 2.0)
    assert not os.path.exists(script.final % 1001)
    cooked = script.scene.nuke.toNode("BipackModel1").node("Cooked")["file"].value()
    assert [frame for frame in range(1001, 1006) if os.path.exists(cooked % frame)] == [1002, 1003]


def test_the_tasks_log_has_progress_and_no_word_of_failure(save: Callable[..., Script], tmp_path: Path) -> None:
    bare = graphs.save(graphs.identity(), tmp_path / "bare.onnx")
    script = save(lambda scene: scene.bipack(scene.plate(), bare))
    assert script.run(str(script.path), "-X", "Write1", "-F", "1001-1003") == 0
    lines = script.out.splitlines()
    progress = [float(line.split(": ")[1]) for line in lines if line.startswith("openjd_progress: ")]
    assert progress == sorted(progress)
    assert progress[-1] == 100.0
    assert len(progress) >= 4
    assert any("unverified" in line for line in lines), "a notice of the worker reaches the log"
    assert not [line for line in lines if FAILURE_WORDS.match(line)]


def test_frames_that_are_fresh_are_kept(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    assert script.run(str(script.path), "-F", "1001-1002") == 0
    cooked = script.scene.nuke.toNode("BipackModel1").node("Cooked")["file"].value()
    times = {frame: os.stat(cooked % frame).st_mtime_ns for frame in (1001, 1002)}
    assert script.run(str(script.path), "-F", "1001-1003") == 0
    assert "2 of 3 frames are fresh in the cache" in script.out
    assert {frame: os.stat(cooked % frame).st_mtime_ns for frame in times} == times


def test_nodes_in_a_row_are_cooked_in_graph_order(save: Callable[..., Script], gain: str) -> None:
    def build(scene: Scene) -> Any:
        first = doubled(scene, scene.plate(), gain)
        return doubled(scene, scene.nuke.nodes.Dot(inputs=[first]), gain)

    script = save(build)
    assert script.run(str(script.path), "-F", "1001") == 0, script.out
    assert_times(script.final, range(1001, 1002), 4.0)


def test_a_write_that_another_writes_files_feed_comes_after_it(save: Callable[..., Script], gain: str) -> None:
    def build(scene: Scene) -> Any:
        plate = scene.plate()
        first = scene.write(doubled(scene, plate, gain), "first")
        first["render_order"].setValue(1)
        later = doubled(scene, scene.read(first["file"].value(), range(1001, 1004)), gain)
        scene.write(later)["render_order"].setValue(2)

    script = save(build)
    assert script.run(str(script.path), "-F", "1001-1002") == 0, script.out
    assert_times(script.final, range(1001, 1003), 4.0)


def test_a_write_in_a_group_is_named_with_its_group(save: Callable[..., Script], gain: str) -> None:
    def build(scene: Scene) -> Any:
        node, group = doubled(scene, scene.plate(), gain), scene.nuke.nodes.Group(name="Deliver")
        with group:
            source = scene.nuke.nodes.Input()
            scene.write(source)
            scene.nuke.nodes.Output(inputs=[source])
        group.setInput(0, node)

    script = save(build)
    assert script.run(str(script.path), "-X", "Deliver.Write1", "-F", "1001") == 0, script.out
    assert_times(script.final, range(1001, 1002), 2.0)


def test_without_names_all_active_writes_run_and_helper_writes_do_not(save: Callable[..., Script], gain: str) -> None:
    def build(scene: Scene) -> Any:
        node = doubled(scene, scene.plate(), gain)
        scene.write(node, "off", disable=True)
        scene.write(node, "second")
        return node

    script = save(build)
    assert script.run(str(script.path), "-F", "1001") == 0, script.out
    assert os.path.exists(script.final % 1001)
    assert os.path.exists((script.final % 1001).replace("final", "second"))
    assert not os.path.exists((script.final % 1001).replace("final", "off"))


def test_without_frames_the_scripts_range_is_rendered(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    assert script.run(str(script.path)) == 0
    assert_times(script.final, range(1001, 1004), 2.0)


def test_the_two_halves_of_a_job_run_one_after_the_other(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    assert script.run(str(script.path), "--render-only", "-F", "1001-1002") == 10
    assert "lacks fresh frames 1001-1002" in script.out
    assert script.run(str(script.path), "--cook-only", "-F", "1001-1002") == 0
    assert not os.path.exists(script.final % 1001)
    assert script.run(str(script.path), "--render-only", "-F", "1001-1002") == 0
    assert_times(script.final, range(1001, 1003), 2.0)


def test_a_missing_plate_frame_fails_the_task_and_keeps_the_others(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    (script.path.parent / "plate" / "plate.1003.exr").unlink()
    assert script.run(str(script.path), "-F", "1001-1003") == 10
    assert any(line.startswith("openjd_fail: ") and "1003" in line for line in script.out.splitlines())
    assert not os.path.exists(script.final % 1001), "nothing is rendered with a gap"
    assert script.run(str(script.path), "-F", "1001-1002") == 0
    assert "2 of 2 frames are fresh" in script.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-X", "Write9"], 2, "no node named Write9"),
        (["-X", "Read1"], 2, "Read1 is a Read, not a Write"),
        (["-F", "10-x"], 2, "cannot be read"),
        (["-F"], 2, ""),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(
    save: Callable[..., Script], gain: str, arguments: list[str], code: int, words: str
) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    assert script.run(str(script.path), *arguments) == code
    assert words in script.out


def test_a_script_that_is_not_there_is_missing_input(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    assert script.run("/no/such/script.nk", "-F", "1") == 10


def test_a_refused_model_has_its_own_exit_code(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    Path(gain).write_bytes(Path(gain).read_bytes() + b"\0")
    assert script.run(str(script.path), "-F", "1001") == 12


def test_a_model_with_a_window_gets_neighbours_of_the_task_only(save: Callable[..., Script], tmp_path: Path) -> None:
    from bipack.card import Port

    b = graphs.Builder()
    early, middle, late = b.op("Split", "input", outputs=3, axis=1, num_outputs=3)
    total = b.op("Add", b.op("Add", early, middle), late)
    graph = b.model(total, [("input", (1, 9, "H", "W"))], (1, 3, "H", "W"))
    port = Port("input", 3, frame_offsets=(-1, 0, 1))
    folder = install_model(tmp_path / "sum", graph, color="linear", inputs=(port,))

    def build(scene: Scene) -> Any:
        plate = scene.plate(frames=range(1001, 1008))
        return scene.bipack(doubled_by_nuke(scene, plate), str(folder / "model.onnx"))

    script = save(build)
    # A frame beyond the window is not there: whoever asks for it fails.
    for frame in (1001, 1002, 1006, 1007):
        (tmp_path / "plate" / f"plate.{frame}.exr").unlink()
    assert script.run(str(script.path), "-F", "1004") == 0, script.out
    red = [plate_frame(seed=frame).parts[0].channels["R"].astype(np.float32) for frame in (1003, 1004, 1005)]
    np.testing.assert_allclose(channel_of(script.final % 1004), 2 * sum(red), rtol=5e-3, atol=1e-2)


def doubled_by_nuke(scene: Scene, plate: Any) -> Any:
    return scene.nuke.nodes.Multiply(channels="rgb", value=2.0, inputs=[plate])


def test_ranges_at_the_end_of_the_line_survive_nuke(start: Callable[..., Scene]) -> None:
    farm = start(gui=False).host("farm")
    raw = ["nuke", "-V", "0", "-t", "/a b/farm/bipack_farm.py", "s.nk", "-X", "W", "-F", "1-5"]
    assert farm.task_arguments(raw, ["s.nk", "-X", "W", "-F"]) == ["s.nk", "-X", "W", "-F", "1-5"]
    assert farm.task_arguments(["nuke"], ["s.nk", "-F", "1-5"]) == ["s.nk", "-F", "1-5"]


def test_frames_are_rendered_in_runs(start: Callable[..., Scene]) -> None:
    assert start(gui=False).host("farm").runs([5, 1, 2, 3, 9, 8]) == [(1, 3), (5, 5), (8, 9)]


def test_a_silent_task_gives_signs_of_life(
    start: Callable[..., Scene], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console = start(gui=False).host("farm_console")
    monkeypatch.setattr(console, "HEARTBEAT_SECONDS", 0.05)
    with console.Console() as lines:
        lines.say("rendering 1-10")
        time.sleep(0.3)
    assert capsys.readouterr().out.count("bipack: working (rendering 1-10)") >= 2


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError: no such device",
        "ERROR: falling back",
        "Error : odd",
        "Worker process failed",
        "Node execution error: x",
    ],
)
def test_a_notice_never_looks_like_a_failure(start: Callable[..., Scene], text: str) -> None:
    harmless = start(gui=False).host("farm_console").harmless
    assert not FAILURE_WORDS.match(harmless(f"WARNING bipack - {text}"))
    assert harmless("frame 5: half way, no errors so far") == "frame 5: half way, no errors so far"


# -- as a process ----------------------------------------------------------------------------------------------------


def process(arguments: list[str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "stand_in.terminal", "-t", str(RUNNER), *arguments]
    environment = {**os.environ, "PYTHONPATH": DOUBLE}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def test_the_runner_runs_as_nuke_starts_it(save: Callable[..., Script], gain: str) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain), "früh stück/shot 1.nk")
    running = process([str(script.path), "-X", "Write1", "-F", "1001-1002"])
    out, _ = running.communicate(timeout=120)
    assert running.returncode == 0, out
    assert_times(script.final, range(1001, 1003), 2.0)
    assert "openjd_progress: 100.0" in out.splitlines()
    missing = process([str(script.path), "-X", "Write1", "-F", "2001-2002", "--render-only"])
    out, _ = missing.communicate(timeout=120)
    assert missing.returncode == 10, out


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM to handle on Windows")
def test_sigterm_ends_a_task_with_its_own_code_and_keeps_finished_frames(
    save: Callable[..., Script], gain: str
) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(frames=range(1001, 1101)), gain))
    running = process([str(script.path), "--frames=1001-1100"])
    assert running.stdout is not None
    for line in running.stdout:
        if line.startswith("openjd_progress: ") and float(line.split(": ")[1]) > 1:
            break
    running.send_signal(signal.SIGTERM)
    out, _ = running.communicate(timeout=60)
    assert running.returncode == 143, out
    assert script.run(str(script.path), "--cook-only", "-F", "1001") == 0
    assert "1 of 1 frames are fresh" in script.out


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Nuke's executable is a shell script")
def test_a_farm_task_from_bundle_to_frames(save: Callable[..., Script], gain: str, tmp_path: Path) -> None:
    script = save(lambda scene: doubled(scene, scene.plate(), gain))
    nuke = tmp_path / "nuke"
    nuke.write_text(f'#!/bin/sh\nPYTHONPATH="{DOUBLE}" exec "{sys.executable}" -m stand_in.terminal "$@"\n')
    nuke.chmod(0o755)
    command = [sys.executable, "-m", "bipack.cli", "farm", "cook", str(script.path), "--nuke", str(nuke)]
    for step, exists in (("cook", False), ("render", True)):
        options = [
            "--frames=1001-1003:2",
            "--step",
            step,
            "--write",
            "Write1",
            "--cache",
            str(tmp_path / "shared cache"),
        ]
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert os.path.exists(script.final % 1001) is exists
    assert not os.path.exists(script.final % 1002)
    assert_times(script.final, range(1003, 1004), 2.0)


def test_the_passes_of_a_de_age_node_are_cooked_with_their_ages_of_each_frame(
    save: Callable[..., Script], tmp_path: Path
) -> None:
    card = {**gain_card(), "knobs": (Knob("age", "float", 1.0, "Age", 0.0, 1.0, input="gain"),)}
    model = str(install_model(tmp_path / "models" / "darker", gain_model(), **card))

    def build(scene: Scene) -> Any:
        node = scene.nuke.createNode("BipackDeAge")
        node.setInput(0, scene.plate(frames=range(1001, 1004)))
        node["working_space"].setValue("linear")
        node["model2"].setValue(model)
        node["region2"].setValue("alpha")
        node["make_passes"].execute()
        node["age2"].setAnimated()
        node["age2"].setValueAt(1.0, 1001)
        node["age2"].setValueAt(0.25, 1003)
        return node

    script = save(build)
    assert script.run(str(script.path), "-X", "Write1", "-F", "1001-1003") == 0, script.out
    for frame, age in ((1001, 1.0), (1003, 0.25)):
        plate = plate_frame(seed=frame).parts[0].channels
        red, matte = (plate[name].astype(np.float32) for name in ("R", "A"))
        expected = red + matte * (age * red - red)
        np.testing.assert_allclose(channel_of(script.final % frame), expected, rtol=4e-3, atol=1e-3)
