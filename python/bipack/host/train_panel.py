"""BipackTrain: writes the painted frames of a comp as pairs, trains in the background, and drops the finished node.

Writing the pairs takes Nuke itself and happens at once; the training is a process of its own (`client.training`), so
that the artist keeps working and may even close Nuke. A thread looks at the run's folder now and then and brings what
it finds to the node's panel on Nuke's main thread.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

import nuke

from bipack.client import training
from bipack.errors import MissingInput, UsageError
from bipack.frames import format_frames, parse_frames
from bipack.host import cache, exr
from bipack.host.button import button
from bipack.host.node import ToolNode, no_undo, script_path, views

log = logging.getLogger(__name__)

NAME = "BipackTrain"
SIDES: Tuple[Tuple[str, int, str], ...] = (("before", 0, "WriteBefore"), ("after", 1, "WriteAfter"))
MATTE_SIDE = ("matte", 2, "WriteMatte")
_LOOK_SECONDS = 2.0
_THUMBNAIL_WIDTH = 640
_watched: Dict[str, subprocess.Popen[bytes]] = {}
"""Processes that this session started, by run folder."""


class TrainNode(ToolNode):
    """A BipackTrain group in the script. Raises UsageError when made from any other node."""

    tool = NAME

    @property
    def model_name(self) -> str:
        """Name of the model to be made. Raises UsageError for one that is no plain file name."""
        name = self.text("model_name")
        if not name or not all(letter.isalnum() or letter in "_-." for letter in name) or name.startswith("."):
            raise UsageError("Give the model a name of letters, digits and _ - . such as sc020_markers.")
        return name

    @property
    def folder(self) -> str:
        """Folder of the run: the node's own, else one in the cache."""
        chosen = self.text("folder")
        if chosen:
            return os.path.join(os.path.expanduser(chosen), self.model_name).replace("\\", "/")
        script = os.path.splitext(os.path.basename(script_path()))[0] or "unsaved"
        return os.path.join(cache.root_folder(""), "training", script, self.model_name).replace("\\", "/")

    @property
    def frames(self) -> Tuple[int, ...]:
        """The painted frames. Raises UsageError when there are none."""
        text = self.text("painted_frames")
        if not text:
            raise UsageError("Say which frames are painted, such as 1001,1024,1050-1052.")
        return tuple(sorted(parse_frames(text)))

    def say(self, sentence: str) -> None:
        """Show one line in the panel."""
        with no_undo():
            if self.group["status"].value() != sentence:
                self.group["status"].setValue(sentence)


@button(TrainNode)
def add_frame(node: TrainNode) -> None:
    """Put the current frame on the list of painted frames."""
    text = node.text("painted_frames")
    frames = set(parse_frames(text)) if text else set()
    node.group["painted_frames"].setValue(format_frames(frames | {int(nuke.frame())}))


@button(TrainNode)
def train(node: TrainNode) -> None:
    """Write the pairs and start training them afresh."""
    _not_running(node)
    if os.path.isfile(os.path.join(node.folder, "checkpoint.safetensors")):
        if nuke.GUI and not nuke.ask(f"{node.folder} holds an earlier run. Start afresh and remove it?"):
            return
        shutil.rmtree(node.folder, ignore_errors=True)
    write_pairs(node)
    _start(node, [])


@button(TrainNode)
def check_pairs(node: TrainNode) -> None:
    """Write the pairs and say what is wrong with them, without training."""
    _not_running(node)
    write_pairs(node)
    path = os.path.join(node.folder, training.LOG)
    if os.path.exists(path):
        os.unlink(path)
    process = training.start([*arguments(node), "--check"], node.folder)
    process.wait()
    with open(path, encoding="utf-8", errors="replace") as stream:
        said = stream.read().strip()
    node.say(said.splitlines()[-1] if said else "no finding")
    if nuke.GUI:
        nuke.message(said or "The pairs are fine.")


@button(TrainNode)
def stop(node: TrainNode) -> None:
    """Ask the run to save and end."""
    training.stop(node.folder)
    node.say("stopping after this step")


@button(TrainNode)
def resume(node: TrainNode) -> None:
    """Go on with a run that was stopped or killed."""
    _not_running(node)
    _start(node, ["--resume"])


@button(TrainNode)
def publish(node: TrainNode) -> None:
    """Make a model of the last checkpoint, training no further."""
    _not_running(node)
    _start(node, ["--publish-only"])


@button(TrainNode)
def open_report(node: TrainNode) -> None:
    """Open the run's page in the browser."""
    path = os.path.join(node.folder, training.REPORT)
    if not os.path.isfile(path):
        raise MissingInput("There is no report yet. It appears about half a minute after training has begun.")
    import webbrowser

    webbrowser.open("file://" + os.path.abspath(path).replace("\\", "/"))


@button(TrainNode)
def drop_node(node: TrainNode) -> None:
    """Make a BipackPaintFix node with the published model."""
    state = training.status(node.folder)
    model = state.model if state is not None else ""
    if not model or not os.path.isdir(model):
        raise MissingInput("No model has been published yet. Wait for the training to end, or press Publish.")
    _drop(node, model)


# -- writing pairs ----------------------------------------------------------------------------------------------------


def write_pairs(node: TrainNode) -> List[str]:
    """Render Before, After and (where connected) the matte of the painted frames; returns the patterns.

    Raises UsageError where an input is missing, exr.NukeIsBusy, Cancelled, MissingInput.
    """
    if views():
        raise UsageError("Training takes one view. Put a OneView above both inputs of BipackTrain.")
    sides = [*SIDES, MATTE_SIDE] if node.group.input(MATTE_SIDE[1]) is not None else list(SIDES)
    for name, index, _ in SIDES:
        if node.group.input(index) is None:
            raise UsageError(
                f"{node.group.fullName()} has nothing on its {name} input. Connect plate and painted plate."
            )
    patterns = []
    task: Optional[Any] = nuke.ProgressTask("Bipack: writing pairs") if nuke.GUI else None
    frames = node.frames
    for name, _, write_name in sides:
        pattern = f"{node.folder}/pairs/{name}/{name}.%04d.exr"
        shutil.rmtree(os.path.dirname(pattern), ignore_errors=True)
        write = node.group.node(write_name)
        exr.prepare_write(write, pattern, "rgba" if name == "matte" else "rgb", "half")
        try:
            for done, frame in enumerate(frames):
                if task is not None:
                    task.setMessage(f"{name} {frame}")
                    task.setProgress(int(100 * done / len(frames)))
                exr.render(write, pattern, frame, ())
        finally:
            exr.forget(write)
        patterns.append(pattern)
    return patterns


def arguments(node: TrainNode) -> List[str]:
    """What `bipack-train` is told, without resume and publish flags."""
    folder = node.folder
    found = ["pairs", "--name", node.model_name, "--out", folder]
    found += ["--before", f"{folder}/pairs/before/before.%04d.exr", "--after", f"{folder}/pairs/after/after.%04d.exr"]
    if os.path.isdir(f"{folder}/pairs/matte"):
        found += ["--matte", f"{folder}/pairs/matte/matte.%04d.exr"]
    steps = int(node.group["steps"].value())
    found += ["--steps", str(steps)] if steps > 0 else ["--minutes", f"{float(node.group['minutes'].value()):g}"]
    found += ["--size", str(node.group["size"].value()), "--seed", str(int(node.group["seed"].value()))]
    found += ["--device", str(node.group["device"].value())]
    start = node.text("start_from")
    if start:
        found += ["--init", start]
    if node.group["texture"].value():
        found.append("--texture")
    return found


# -- the run ----------------------------------------------------------------------------------------------------------


def is_running(folder: str) -> bool:
    """True while a process of this session trains in `folder`."""
    process = _watched.get(folder)
    return process is not None and process.poll() is None


def _not_running(node: TrainNode) -> None:
    if is_running(node.folder):
        raise UsageError(f"{node.model_name} is being trained. Stop it first, or wait for it.")


def _start(node: TrainNode, extra: List[str]) -> None:
    folder = node.folder
    if not os.path.isdir(os.path.join(folder, "pairs")):
        raise MissingInput("There are no pairs yet. Press Train, which writes them first.")
    stale = os.path.join(folder, training.STATUS)
    if os.path.exists(stale):
        os.unlink(stale)
    process = training.start([*arguments(node), *extra], folder)
    _watched[folder] = process
    node.say("starting")
    if nuke.GUI:
        threading.Thread(
            target=_watch, args=(node.group.fullName(), folder, process), name="bipack-train", daemon=True
        ).start()


def wait(group: Any) -> int:
    """Wait for the run of a BipackTrain node, in terminal mode or a test; returns its exit code."""
    node = TrainNode(group)
    process = _watched.get(node.folder)
    if process is None:
        raise UsageError(f"{node.model_name} is not being trained by this session.")
    code = process.wait()
    show(group.fullName(), node.folder, code)
    return code


def _watch(name: str, folder: str, process: subprocess.Popen[bytes]) -> None:
    """Bring the state of the run to the panel until it ends."""
    while process.poll() is None:
        nuke.executeInMainThread(show, args=(name, folder, None))
        time.sleep(_LOOK_SECONDS)
    nuke.executeInMainThread(show, args=(name, folder, process.returncode))
    if process.returncode == 0:
        nuke.executeInMainThread(_finished, args=(name, folder))


def show(name: str, folder: str, code: Optional[int]) -> None:
    """Show how the run in `folder` stands on the node `name`; `code` is its exit code once it has ended."""
    group = nuke.toNode(name)
    if group is None:
        return
    node, state = TrainNode(group), training.status(folder)
    if code is None:
        node.say(state.sentence if state is not None else "starting")
    elif code == 0:
        node.say(f"done: the model is in {state.model}" if state is not None and state.model else "done")
    elif code in (130, 143):
        node.say("stopped; Resume goes on, Publish makes a model of what is there")
    else:
        node.say(training.last_words(folder))
    _show_sheet(node, folder)


def _show_sheet(node: TrainNode, folder: str) -> None:
    """The contact sheet in the panel. Under a new name each time: Qt keeps pictures by name."""
    sheet = os.path.join(folder, training.SHEET)
    if not nuke.GUI or not os.path.isfile(sheet):
        return
    shown = os.path.join(folder, "panel")
    os.makedirs(shown, exist_ok=True)
    copy = os.path.join(shown, f"{int(os.path.getmtime(sheet) * 1000)}.png").replace("\\", "/")
    if not os.path.exists(copy):
        for old in os.listdir(shown):
            os.unlink(os.path.join(shown, old))
        shutil.copyfile(sheet, copy)
        with no_undo():
            node.group["sheet"].setValue(f'<img src="{copy}" width="{_THUMBNAIL_WIDTH}">')


def _finished(name: str, folder: str) -> None:
    group = nuke.toNode(name)
    state = training.status(folder)
    if group is not None and state is not None and state.model and group["drop"].value():
        _drop(TrainNode(group), state.model)


def _drop(node: TrainNode, model: str) -> None:
    """A BipackPaintFix on the node's plate, with the model chosen."""
    from bipack.host import knobs
    from bipack.host.node import BipackNode

    made = nuke.createNode("BipackPaintFix", inpanel=False)
    made.setInput(0, node.group.input(0))
    made.setXYpos(int(node.group.xpos()) + 120, int(node.group.ypos()) + 60)
    fix = BipackNode(made)
    fix.set("model", "file")
    fix.set("model_file", os.path.join(model, "model.onnx").replace("\\", "/"))
    knobs.load_model(fix)
