"""BipackTrain in the stand-in for Nuke: pairs are written, the training runs as a process, the node is dropped."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bipack import catalog
from bipack.errors import MissingInput, UsageError
from bipack.imaging.image_io import read_frame
from bipack.imaging.plate import take
from painted import write

torch = pytest.importorskip("torch")


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training process takes one thread: many more are slower at this size, on a busy machine by far."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("BIPACK_PYTHON", sys.executable)


def train_node(scene: Any, frames: range = range(1001, 1004), painted: str = "1001,1003", **knobs: Any) -> Any:
    before, after = write(scene.folder / "shot", frames)
    node = scene.nuke.createNode("BipackTrain")
    for index, pattern in enumerate((before, after)):
        node.setInput(index, scene.read(pattern, frames))
    root = scene.nuke.root()
    root["first_frame"].setValue(frames[0])
    root["last_frame"].setValue(frames[-1])
    node["folder"].setValue(str(scene.folder / "runs").replace("\\", "/"))
    node["painted_frames"].setValue(painted)
    node["model_name"].setValue("dots")
    node["steps"].setValue(4)
    node["start_from"].setValue("none")
    for name, value in knobs.items():
        node[name].setValue(value)
    return node


def test_the_pairs_are_the_painted_frames_to_the_bit(terminal: Any) -> None:
    node = train_node(terminal)
    panel = terminal.host("train_panel")
    patterns = panel.write_pairs(panel.TrainNode(node))
    assert [Path(pattern).parent.name for pattern in patterns] == ["before", "after"]
    folder = Path(patterns[1]).parent
    assert sorted(path.name for path in folder.iterdir()) == ["after.1001.exr", "after.1003.exr"]
    source = take(read_frame(str(terminal.folder / "shot/after/after.1003.exr"))).pixels
    assert np.array_equal(take(read_frame(str(folder / "after.1003.exr"))).pixels, source)
    assert node.node("WriteAfter")["disable"].value() and not node.node("WriteAfter")["file"].value()


def test_the_whole_way_from_painted_frames_to_a_model(terminal: Any, one_thread: None) -> None:
    node = train_node(terminal)
    node["train"].execute()
    panel = terminal.host("train_panel")
    assert panel.wait(node) == 0, (Path(panel.TrainNode(node).folder) / "train.log").read_text()
    model = Path(panel.TrainNode(node).folder) / "dots"
    card = catalog.locate(str(model)).card
    assert card is not None and card.training.steps == 4 and len(card.training.pairs) == 2
    assert "done" in node["status"].value()
    node["drop_node"].execute()
    made = terminal.nuke.toNode("BipackPaintFix1")
    assert made["model_file"].value() == str(model / "model.onnx").replace("\\", "/")
    assert made.input(0).name() == node.input(0).name()


def test_stop_saves_and_resume_and_publish_go_on(terminal: Any, one_thread: None) -> None:
    node = train_node(terminal, steps=100000)
    node["train"].execute()
    panel, folder = terminal.host("train_panel"), terminal.folder / "runs" / "dots"
    deadline = time.monotonic() + 120
    while not (folder / "status.json").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    with pytest.raises(UsageError, match="is being trained"):
        node["resume"].execute()
    node["stop"].execute()
    assert panel.wait(node) == 130
    assert "Resume" in node["status"].value()
    node["publish"].execute()
    assert panel.wait(node) == 0, (folder / "train.log").read_text()
    assert catalog.locate(str(folder / "dots")).card is not None


def test_a_run_that_cannot_start_says_why_on_the_node(terminal: Any, one_thread: None) -> None:
    node = train_node(terminal, start_from="nothing_of_that_name")
    node["train"].execute()
    assert terminal.host("train_panel").wait(node) == MissingInput.exit_code
    assert "nothing_of_that_name" in node["status"].value()


def test_the_current_frame_is_put_on_the_list(terminal: Any) -> None:
    node = train_node(terminal, painted="1001")
    terminal.nuke.root()["frame"].setValue(1002)
    node["add_frame"].execute()
    assert node["painted_frames"].value() == "1001-1002"


@pytest.mark.parametrize(
    ("knobs", "said"),
    [({"model_name": "a/b"}, "letters, digits"), ({"painted_frames": ""}, "which frames are painted")],
)
def test_what_is_missing_is_said_before_anything_is_written(terminal: Any, knobs: dict[str, str], said: str) -> None:
    node = train_node(terminal, **knobs)
    with pytest.raises(UsageError, match=said):
        node["train"].execute()
    assert not os.path.exists(terminal.folder / "runs")


def test_a_node_without_a_painted_plate_says_so(terminal: Any) -> None:
    node = train_node(terminal)
    node.setInput(1, None)
    with pytest.raises(UsageError, match="after input"):
        node["train"].execute()
