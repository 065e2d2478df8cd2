"""BipackFaceRegions: writes the plate, has `bipack faces` track it in the background, and shows mattes and track.

The command is a process of its own, as a training is; a thread looks whether it has ended and then brings the mattes
into the node's Read on Nuke's main thread.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from typing import Any, Dict, List

import nuke

from bipack.client import launcher
from bipack.errors import MissingInput, UsageError
from bipack.face_regions import MATTES
from bipack.host import cache, exr
from bipack.host.button import button
from bipack.host.node import ToolNode, no_undo, script_path, views

NAME = "BipackFaceRegions"
LOG = "faces.log"
LAYER = "other"
"""Layer in which Nuke puts channels that have none in the file."""

PUTTING_BACK = "putting back"
"""Status while edited crops go back into the plate."""

_LOOK_SECONDS = 1.0
_running: Dict[str, subprocess.Popen[bytes]] = {}
"""Processes that this session started, by folder."""


class FacesNode(ToolNode):
    """A BipackFaceRegions group in the script. Raises UsageError when made from any other node."""

    tool = NAME

    @property
    def folder(self) -> str:
        """Folder of plate, mattes and track: the node's own, else one in the cache."""
        chosen = self.text("folder")
        if chosen:
            return os.path.expanduser(chosen).replace("\\", "/")
        name = cache.safe(self.group.fullName())
        return os.path.join(cache.root_folder(""), cache.script_folder(script_path()), "faces", name).replace("\\", "/")

    @property
    def frames(self) -> range:
        """The frame range. Raises UsageError for an empty one."""
        root = nuke.root()
        script = bool(self.group["use_script_range"].value())
        first = int(root["first_frame"].value() if script else self.group["first"].value())
        last = int(root["last_frame"].value() if script else self.group["last"].value())
        if last < first:
            raise UsageError(f"The range {first}-{last} has no frame. Set first and last.")
        return range(first, last + 1)

    def say(self, sentence: str) -> None:
        """Show one line in the panel."""
        with no_undo():
            if self.group["status"].value() != sentence:
                self.group["status"].setValue(sentence)


@button(FacesNode)
def track(node: FacesNode) -> None:
    """Write the plate and have it tracked and cut; the node shows the mattes when they are there."""
    if is_running(node.folder):
        raise UsageError("This node's faces are being tracked. Stop it first, or wait for it.")
    write_plate(node)
    _start(node, arguments(node), "tracking")


@button(FacesNode)
def put_back(node: FacesNode) -> None:
    """Put the edited crops back into the plate that was tracked, in the background; a Read shows the result."""
    if is_running(node.folder):
        raise UsageError("This node's faces are being worked on. Stop it first, or wait for it.")
    _start(node, put_back_arguments(node), PUTTING_BACK)


@button(FacesNode)
def stop(node: FacesNode) -> None:
    """End the run; finished frames stay."""
    process = _running.get(node.folder)
    if process is None or process.poll() is not None:
        raise UsageError("Nothing is running.")
    process.terminate()
    node.say("stopping")


@button(FacesNode)
def show_mattes(node: FacesNode) -> None:
    """Look again what is in the folder, after a farm or another session has cooked it."""
    show(node)


@button(FacesNode)
def paste_track(node: FacesNode) -> None:
    """Put the track's nodes into the script: a Tracker, the crop and its way back."""
    path = os.path.join(node.folder, "out", "track.nk").replace("\\", "/")
    if not os.path.isfile(path):
        raise MissingInput("There is no track yet. Press Track and cut first.")
    nuke.scriptReadFile(path)


@button(FacesNode)
def make_read(node: FacesNode) -> None:
    """A Read of all region mattes beside the node, for roto, Shuffles and further nodes."""
    _read_beside(node, "regions", 120)


@button(FacesNode)
def read_crops(node: FacesNode) -> None:
    """A Read of the stabilised crop of the chosen face, for edits and models."""
    _read_beside(node, f"face{max(1, int(node.group['face'].value()))}", 240)


def _read_beside(node: FacesNode, what: str, right: int) -> None:
    pattern, frames = _cooked(node, what)
    read = nuke.nodes.Read()
    exr.show(read, pattern, frames[0], frames[-1])
    read.setXYpos(int(node.group.xpos()) + right, int(node.group.ypos()))


# -- writing and running ---------------------------------------------------------------------------------------------


def write_plate(node: FacesNode) -> str:
    """Render the plate of all frames; returns the pattern. Raises UsageError, MissingInput, Cancelled."""
    if views():
        raise UsageError("Faces are tracked in one view. Put a OneView above BipackFaceRegions.")
    if node.group.input(0) is None:
        raise UsageError(f"{node.group.fullName()} has nothing on its plate input.")
    pattern = f"{node.folder}/plate/plate.%04d.exr"
    shutil.rmtree(os.path.dirname(pattern), ignore_errors=True)
    write = node.group.node("WritePlate")
    exr.prepare_write(write, pattern, "rgb", "half")
    task = nuke.ProgressTask("Bipack: writing the plate") if nuke.GUI else None
    try:
        for done, frame in enumerate(node.frames):
            if task is not None:
                task.setMessage(str(frame))
                task.setProgress(int(100 * done / len(node.frames)))
            exr.render(write, pattern, frame, ())
    finally:
        exr.forget(write)
    return pattern


def arguments(node: FacesNode) -> List[str]:
    """What `bipack` is told."""
    group = node.group
    found = ["faces", f"{node.folder}/plate/plate.%04d.exr", f"{node.folder}/out"]
    found += ["--size", str(int(group["crop_size"].value())), "--steady", str(int(group["steady"].value()))]
    found += ["--grow", f"{float(group['grow'].value()):g}", "--feather", f"{float(group['feather'].value()):g}"]
    found += ["--device", str(group["device"].value())]
    if node.text("model"):
        found += ["--model", node.text("model")]
    if node.text("track_file"):
        found += ["--track", node.text("track_file")]
    if int(group["face"].value()) > 0:
        found += ["--face", str(int(group["face"].value()))]
    if not group["crops"].value():
        found.append("--no-crops")
    elif group["super_res"].value():
        found.append("--super-res")
    return found


def put_back_arguments(node: FacesNode) -> List[str]:
    """What `bipack` is told to put the edited crops back. Raises UsageError, MissingInput."""
    edited = node.text("edited")
    if not edited:
        raise UsageError("Name the edited crops in 'edited crops' first.")
    if not os.path.isfile(os.path.join(node.folder, "out", "track.json")):
        raise MissingInput("There is no track yet. Press Track and cut.")
    found = ["faces", f"{node.folder}/plate/plate.%04d.exr", f"{node.folder}/out", "--put-back", edited]
    return [*found, "--face", str(max(1, int(node.group["face"].value())))]


def _start(node: FacesNode, arguments: List[str], word: str) -> None:
    log_path = os.path.join(node.folder, LOG)
    if os.path.exists(log_path):
        os.unlink(log_path)
    process = launcher.in_background(launcher.bipack_command(arguments), log_path)
    _running[node.folder] = process
    node.say(word)
    if nuke.GUI:
        threading.Thread(
            target=_watch, args=(node.group.fullName(), node.folder, process), name="bipack-faces", daemon=True
        ).start()


def is_running(folder: str) -> bool:
    """True while a process of this session works in `folder`."""
    process = _running.get(folder)
    return process is not None and process.poll() is None


def wait(group: Any) -> int:
    """Wait for the run, in terminal mode or a test; returns its exit code."""
    node = FacesNode(group)
    process = _running.get(node.folder)
    if process is None:
        raise UsageError("Nothing was started by this session.")
    code = process.wait()
    ended(group.fullName(), node.folder, code)
    return code


def _watch(name: str, folder: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        nuke.executeInMainThread(_say, args=(name, last_words(folder)))
        time.sleep(_LOOK_SECONDS)
    nuke.executeInMainThread(ended, args=(name, folder, process.returncode))


def _say(name: str, sentence: str) -> None:
    group = nuke.toNode(name)
    if group is not None and sentence:
        FacesNode(group).say(sentence)


def ended(name: str, folder: str, code: int) -> None:
    """Bring the mattes into the node `name`, or say why there are none."""
    group = nuke.toNode(name)
    if group is None:
        return
    node = FacesNode(group)
    if code == 0 and "--put-back" in _command(folder):
        _read_beside(node, "put_back", 360)
        node.say("the edited crops are back in the plate")
    elif code == 0:
        show(node)
        node.say(faces_said(folder))
    elif code in (130, 143, -15):
        node.say("stopped; finished frames stay")
    else:
        node.say(last_words(folder) or f"bipack faces ended with {code}")


def _command(folder: str) -> List[str]:
    """What the process of `folder` was told."""
    process = _running.get(folder)
    return [str(word) for word in process.args] if process is not None and isinstance(process.args, list) else []


def last_words(folder: str) -> str:
    """The last line of the log; empty without one."""
    lines = _log(folder)
    return lines[-1] if lines else ""


def faces_said(folder: str) -> str:
    """What the log says of the faces that were found."""
    told = [line[len("note: ") :] for line in _log(folder) if line.startswith(("note: Face", "note: No face"))]
    return " ".join(told) or "done"


def _log(folder: str) -> List[str]:
    try:
        with open(os.path.join(folder, LOG), encoding="utf-8", errors="replace") as stream:
            return [line.strip() for line in stream if line.strip()]
    except OSError:
        return []


# -- showing -----------------------------------------------------------------------------------------------------------


def show(node: FacesNode) -> None:
    """Let the node's Read show the mattes on disk. Raises MissingInput where there are none."""
    pattern, frames = _cooked(node, "regions")
    exr.show(node.group.node("Mattes"), pattern, frames[0], frames[-1])
    with no_undo():
        node.group["cooked"].setValue(True)
    choose(node)


@button(FacesNode)
def region_chosen(node: FacesNode) -> None:
    """Another region was chosen in the menu."""
    if node.group["cooked"].value():
        choose(node)


def choose(node: FacesNode) -> None:
    """Put the chosen region's channel into the alpha that goes out."""
    region = str(node.group["region"].value())
    channel = f"{LAYER}.{region}" if region in MATTES else "rgba.alpha"
    # Channels must be known before a knob may name them; a Read makes them known only once it is evaluated.
    nuke.Layer(LAYER, [f"{LAYER}.{name}" for name in MATTES])
    with no_undo():
        node.group.node("PickRegion")["from0"].setValue(channel)


def _cooked(node: FacesNode, what: str) -> Any:
    from bipack.frames import FramePath

    pattern = f"{node.folder}/out/{what}.%04d.exr"
    frames = FramePath.parse(pattern).existing()
    if not frames:
        thing = "matte" if what == "regions" else f"{what}.%04d.exr"
        raise MissingInput(f"There is no {thing} in {node.folder}/out. Press Track and cut.")
    return pattern, frames
