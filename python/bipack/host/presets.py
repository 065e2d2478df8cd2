"""The preset menus of the finishing gizmos: what choosing one does to the other knobs."""

from __future__ import annotations

import re
from typing import Any

from bipack.finishing_presets import PRESETS

MENU = "preset"
NONE = "none"


def knob_changed(node: Any, knob: Any) -> None:
    """Called by Nuke for every knob that changes; only the preset menu matters."""
    if knob is None or knob.name() != MENU or knob.value() == NONE:
        return
    load(node, str(knob.value()))
    # Back to "none": were the name kept, a later change of the menu to the same preset would do nothing, and a Nuke
    # that calls knobChanged while it loads a script would undo what the artist changed since.
    knob.setValue(NONE)


def load(node: Any, preset: str) -> None:
    """Set the knobs of a preset that this gizmo has; the others stay."""
    for name, value in PRESETS[tool_of(node)].get(preset, {}).items():
        target = node.knob(name)
        if target is not None:
            target.setValue(value)


def tool_of(node: Any) -> str:
    """Name of the headless tool that a finishing gizmo is the twin of: BipackCleanPlate is clean_plate."""
    gizmo = str(node["bipack_tool"].value())[len("Bipack") :]
    return re.sub(r"(?<!^)(?=[A-Z])", "_", gizmo).lower()
