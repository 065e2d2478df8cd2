"""A script in the stand-in for Nuke with plates, models and Bipack nodes, as the tests of host/ need it."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import graphs
from bipack import card as cards
from bipack.card import Knob, ModelCard, Port
from bipack.imaging.image_io import read_frame
from plates import write_sequence

ROOT = Path(__file__).resolve().parents[2]


class Scene:
    """One session of the stand-in with Bipack on its path."""

    def __init__(self, nuke: Any, folder: Path) -> None:
        from stand_in import session

        self.nuke = nuke
        self.session: Any = session.current()
        self.folder = folder

    def install(self) -> None:
        """What Nuke does at start with NUKE_PATH pointing at the suite."""
        self.session.run_file(ROOT / "init.py")
        if self.session.gui:
            self.session.run_file(ROOT / "menu.py")

    def host(self, name: str) -> ModuleType:
        """A module of bipack.host that belongs to this session."""
        return importlib.import_module(f"bipack.host.{name}")

    def plate(self, name: str = "plate", frames: range = range(1001, 1004), **options: Any) -> Any:
        """A Read of a new sequence; the script's range becomes that of the plate."""
        pattern = write_sequence(self.folder / name, frames, **options)
        root = self.nuke.root()
        root["first_frame"].setValue(frames[0])
        root["last_frame"].setValue(frames[-1])
        root["frame"].setValue(frames[0])
        return self.read(pattern, frames)

    def read(self, pattern: str, frames: Iterable[int]) -> Any:
        """A Read of an existing sequence."""
        numbers = list(frames)
        node = self.nuke.nodes.Read(file=pattern.replace("\\", "/"), raw=True)
        for knob, value in (("first", 0), ("last", -1), ("origfirst", 0), ("origlast", -1)):
            node[knob].setValue(numbers[value])
        node["reload"].execute()
        return node

    def bipack(self, plate: Any, model: str, matte: Any = None, gizmo: str = "BipackModel") -> Any:
        """A Bipack node on `plate` with the model file loaded by its button."""
        node = self.nuke.createNode(gizmo)
        node.setInput(0, plate)
        node.setInput(1, matte)
        if "model_file" in node.knobs():
            node["model"].setValue("file")
            node["model_file"].setValue(str(model).replace("\\", "/"))
            node["load"].execute()
        else:
            node["model"].setValue(model)
        return node

    def write(self, source: Any, name: str = "final", **knobs: Any) -> Any:
        """A Write below `source`."""
        node = self.nuke.nodes.Write(
            file=f"{self.folder}/{name}/{name}.%04d.exr".replace("\\", "/"),
            file_type="exr",
            channels="all",
            raw=True,
            create_directories=True,
            datatype="32 bit float",
            inputs=[source],
        )
        for knob, value in knobs.items():
            node[knob].setValue(value)
        return node

    def press(self, node: Any, button: str, seconds: float = 60.0) -> None:
        """Press a button; in the GUI, play Nuke's event loop until the cook that it started has ended."""
        node[button].execute()
        if self.session.gui:
            running = self.host("running")
            assert self.session.main_thread.pump_until(lambda: not running.is_cooking(), seconds), (
                "the cook never ended"
            )

    def status(self, node: Any) -> str:
        """The node's status line."""
        return str(node["status"].value())

    def result(self, node: Any, frame: int, channel: str = "R") -> np.ndarray:
        """A channel of a cooked frame, straight from its file."""
        return channel_of(node.node("Cooked")["file"].value() % frame, channel)


def channel_of(path: str, channel: str = "R") -> np.ndarray:
    """One channel of an EXR file, as stored."""
    for part in read_frame(path).parts:
        if channel in part.channels:
            return part.channels[channel]
    raise AssertionError(f"{path} has no channel {channel}")


def install_model(folder: Path, graph: Any, **changes: Any) -> Path:
    """A model folder with a card. `changes` are fields of the card."""
    folder.mkdir(parents=True, exist_ok=True)
    path = graphs.save(graph, folder / "model.onnx")
    card = ModelCard(
        name=folder.name,
        title=folder.name.replace("_", " ").capitalize(),
        version="1.0.0",
        purpose="For tests.",
        file="model.onnx",
        sha256=cards.file_sha256(path),
        kind="image",
        inputs=(Port("input", 3),),
        outputs=(Port("output", 3),),
        training=cards.Training(),
    )
    cards.save(dataclasses.replace(card, **changes), str(folder))
    return folder


def gain_model() -> Any:
    """output = input * gain, with `gain` a graph input of one number."""
    b = graphs.Builder()
    return b.model(
        b.op("Mul", "input", "gain"),
        [("input", (1, 3, "H", "W")), ("gain", (1,))],
        (1, 3, "H", "W"),
    )


def gain_card() -> dict[str, Any]:
    """Fields of a card for `gain_model`, working in linear light so that numbers can be checked."""
    return {
        "color": "linear",
        "inputs": (Port("input", 3), Port("gain", 1, role="amount")),
        "knobs": (Knob("gain", "float", 1.0, "gain", 0.0, 4.0, tooltip="Times this.", input="gain"),),
    }
