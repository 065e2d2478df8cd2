"""What the text in the gizmos calls: one function for each button and callback.

Here an error becomes one sentence for the artist: a dialog in the GUI, an exception that ends the script in terminal
mode. Callbacks that Nuke calls by itself say nothing and never raise.
"""

from __future__ import annotations

import logging
import os
from typing import Any, Callable

import nuke

from bipack.client import Worker
from bipack.errors import BipackError, UsageError
from bipack.host import cache, inputs, knobs, running, status
from bipack.host.button import button
from bipack.host.node import LOADED, BipackNode, script_path

log = logging.getLogger(__name__)

_QUIET_KNOBS = frozenset(
    [
        "xpos",
        "ypos",
        "selected",
        "name",
        "label",
        "status",
        "frames_on_disk",
        "version",
        "show",
        "factor",
        "retimed",
        LOADED,
    ]
)
_LOADING_KNOBS = frozenset(["model", "model_file", "layer", *knobs.SIZE_KNOBS])


@button(BipackNode)
def cook_frame(node: BipackNode) -> None:
    """Cook the frame that the script is at."""
    running.start(node, [int(nuke.frame())])


@button(BipackNode)
def cook_range(node: BipackNode) -> None:
    """Cook the node's range."""
    first, last = node.cook_range()
    running.start(node, range(first, last + 1))


@button(BipackNode)
def cancel(node: BipackNode) -> None:
    """Stop the cook that is running."""
    if not running.cancel():
        raise UsageError("Nothing is cooking.")


@button(BipackNode)
def check(node: BipackNode) -> None:
    """Look at every frame of the range again; show the frames of this very recipe if they are in the cache."""
    knobs.refresh_menu(node, anew=True)
    inputs.attach(node)
    status.update(node)


@button(BipackNode)
def load_model(node: BipackNode) -> None:
    """Make the knobs of the chosen model."""
    try:
        knobs.load_model(node)
    finally:
        status.update(node)


@button(BipackNode)
def clear_cache(node: BipackNode) -> None:
    """Remove all cooked frames of this node, after asking."""
    if running.is_cooking():
        raise UsageError("A cook is running. Cancel it, or wait for it, before clearing the cache.")
    folder = cache.node_folder(cache.root_folder(node.text("cache")), script_path(), node.name)
    if nuke.GUI and not nuke.ask(f"Remove all cooked frames of {node.name}?\n{folder}"):
        return
    cache.clear(folder)
    status.update(node)


@button(BipackNode)
def open_log(node: BipackNode) -> None:
    """Show the worker's log in the system's viewer; in terminal mode its path is logged."""
    path = Worker.shared().log_path
    if not os.path.isfile(path):
        raise UsageError("There is no log yet: the worker has not been started in this session.")
    log.warning("the worker's log: %s", path)
    if nuke.GUI:
        import nukescripts

        nukescripts.start(path)


# -- called by Nuke itself -------------------------------------------------------------------------------------------


def created(group: Any) -> None:
    """A node was made, loaded or pasted: fill its menu and say how it stands. In terminal mode nothing is needed."""
    if nuke.GUI:
        _quietly(group, _refresh)


def knob_changed(group: Any, knob: Any) -> None:
    """A knob was changed, the panel opened, or an input connected. Only knobs and status lines are touched."""
    name = knob.name() if knob is not None else ""
    if not nuke.GUI or name in _QUIET_KNOBS or running.is_cooking():
        return
    if name in _LOADING_KNOBS:
        _quietly(group, _fit)
    else:
        _quietly(group, lambda node: status.update(node, deep=name == "showPanel"))


def _refresh(node: BipackNode) -> None:
    knobs.refresh_menu(node)
    _fit(node)


def _fit(node: BipackNode) -> None:
    try:
        knobs.load_model(node)
    except BipackError as error:
        log.info("%s", error)
    status.update(node, deep=False)


def _quietly(group: Any, action: Callable[[BipackNode], None]) -> None:
    try:
        action(BipackNode(group))
    except Exception:
        # Nuke shows every exception of a callback as a dialog; a status line is not worth one.
        log.debug("callback", exc_info=True)
