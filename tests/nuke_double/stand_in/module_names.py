"""Which names the nuke module has: functions, classes, constants and the environment."""

from __future__ import annotations

import sys
from typing import Any

from . import (
    api,
    api_interface,
    curves,
    formats,
    frames,
    groups,
    gui,
    knob_arrays,
    knob_channels,
    knob_choices,
    knob_texts,
    knob_vectors,
    knobs,
    nodes,
    saver,
    session_graph,
    user_knobs,
)
from .channels import Layer
from .session import Session

KNOB_MODULES = (knobs, knob_texts, knob_arrays, knob_vectors, knob_choices, knob_channels)
OWN = {"Unsupported_Knob", "Matrix_Knob", "Colorspace_Knob"}  # the stand-in's, under other names in Nuke
KNOBS = tuple(
    found
    for module in KNOB_MODULES
    for found in vars(module).values()
    if isinstance(found, type) and found.__module__ == module.__name__ and issubclass(found, knobs.Knob)
    if found.__name__ not in OWN
)
CLASSES = (
    *KNOBS, nodes.Node, nodes.BackdropNode, nodes.Viewer, groups.Group, groups.Gizmo, groups.LiveGroup, groups.Precomp,
    groups.Root, formats.Format, formats.Box, frames.FrameRange, frames.FrameRanges, curves.AnimationCurve,
    curves.AnimationKey, Layer, gui.Menu, gui.MenuItem, gui.ProgressTask, gui.Undo,
)  # fmt: skip
FUNCTIONS = (
    "root", "toNode", "exists", "thisNode", "thisKnob", "thisClass", "thisGroup", "thisParent", "thisRoot",
    "thisView", "allNodes", "selectedNodes", "selectedNode", "selectAll", "createNode", "canCreateNode", "delete",
    "clone", "scriptOpen", "scriptReadFile", "scriptReadText", "scriptSource", "scriptSave", "scriptSaveAs",
    "scriptClear", "scriptClose", "scriptNew", "scriptName", "script_directory", "nodePaste", "nodeCopy", "modified",
    "execute", "render", "executeMultiple", "executing", "cancel", "frame", "sample", "filename", "expression",
    "expr", "tcl", "value", "numvalue", "executeInMainThread", "executeInMainThreadWithResult", "message", "ask",
    "tprint", "error", "warning", "debug", "critical", "pluginAddPath", "pluginAppendPath", "pluginPath",
    "pluginExists", "plugins", "load", "menu", "toolbar", "formats", "addFormat", "views", "layers", "channels",
    "getReadFileKnob", "dependencies", "dependentNodes", "show", "autoplace", "activeViewer", "usingOcio",
)  # fmt: skip
FLAGS = {
    "DISABLED": knobs.DISABLED, "NO_ANIMATION": knobs.NO_ANIMATION, "DO_NOT_WRITE": knobs.DO_NOT_WRITE,
    "INVISIBLE": knobs.INVISIBLE, "STARTLINE": knobs.STARTLINE, "ENDLINE": knobs.ENDLINE,
    "KNOB_CHANGED_ALWAYS": knobs.KNOB_CHANGED_ALWAYS, "NO_UNDO": knobs.NO_UNDO, "ALWAYS_SAVE": knobs.ALWAYS_SAVE,
    "READ_ONLY": knobs.READ_ONLY,
}  # fmt: skip
CONSTANTS = {
    **FLAGS,
    "TABKNOB": 0, "TABBEGINGROUP": 1, "TABBEGINCLOSEDGROUP": 2, "TABENDGROUP": -1,
    "EXPRESSIONS": session_graph.EXPRESSIONS, "INPUTS": session_graph.INPUTS,
    "HIDDEN_INPUTS": session_graph.HIDDEN_INPUTS, "LINKINPUTS": session_graph.LINKINPUTS,
    "TO_SCRIPT": saver.TO_SCRIPT, "TO_VALUE": saver.TO_VALUE, "WRITE_ALL": saver.WRITE_ALL,
    "WRITE_NON_DEFAULT_ONLY": saver.WRITE_NON_DEFAULT_ONLY, "WRITE_USER_KNOB_DEFS": saver.WRITE_USER_KNOB_DEFS,
    "REPLACE": 1, "VIEW_NAMES": 2,
}  # fmt: skip


class CancelledError(Exception):
    """nuke.CancelledError."""


class KnobType:
    """nuke.KnobType: the ids of addUserKnob."""


for _number, _class in user_knobs.CLASSES.items():
    setattr(KnobType, "eKnobType" + _class.__name__, _number)


def names(running: Session) -> dict[str, Any]:
    """Everything that the module holds for this session."""
    major, minor, release = running.version
    found: dict[str, Any] = {name: getattr(api, name, None) or getattr(api_interface, name) for name in FUNCTIONS}
    found.update(api_interface.callback_functions())
    found.update((cls.__name__, cls) for cls in CLASSES)
    found.update(CONSTANTS)
    found.update(
        nodes=api.Nodes(),
        CancelledError=CancelledError,
        GUI=running.gui,
        INTERACTIVE=running.gui,
        THREADS=2,
        NUM_CPUS=2,
        EXE_PATH=f"/usr/local/Nuke{major}.{minor}v{release}/Nuke{major}.{minor}",
        PLUGIN_EXT="so",
        NUKE_VERSION_MAJOR=major,
        NUKE_VERSION_MINOR=minor,
        NUKE_VERSION_RELEASE=release,
        NUKE_VERSION_STRING=f"{major}.{minor}v{release}",
        NUKE_VERSION_DATE="Jan  1 2025",
        rawArgs=list(running.raw_args),
        env=_environment(running),
    )
    return found


def _environment(running: Session) -> dict[str, Any]:
    major, minor, release = running.version
    return {
        "gui": running.gui,
        "interactive": running.gui,
        "nukex": False,
        "studio": False,
        "hiero": False,
        "assist": False,
        "indie": False,
        "nc": False,
        "ple": False,
        "threads": 2,
        "numCPUs": 2,
        "WIN32": sys.platform == "win32",
        "LINUX": sys.platform.startswith("linux"),
        "MACOS": sys.platform == "darwin",
        "64bit": True,
        "NukeVersionMajor": major,
        "NukeVersionMinor": minor,
        "NukeVersionRelease": release,
        "NukeVersionPhase": "",
        "NukeVersionPhaseNumber": 0,
        "NukeVersionString": f"{major}.{minor}v{release}",
        "NukeVersionDate": "Jan  1 2025",
        "ExecutablePath": f"/usr/local/Nuke{major}.{minor}v{release}/Nuke{major}.{minor}",
        "ExternalPython": False,
        "PluginExtension": "so",
    }
