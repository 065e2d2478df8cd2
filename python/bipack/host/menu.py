"""The Bipack menu of Nuke's node toolbar, made from what is there: gizmo files, and models whose card names a gizmo.

A new gizmo appears by lying in gizmos/, a new toolset by lying in gizmos/toolsets/. A gizmo's menu title, section and
place come from the table below; one that the table does not know is listed under its own name among the finishing
tools.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Callable, List, Tuple

import nuke

from bipack import settings
from bipack.host import knobs, model
from bipack.host.node import BipackNode, is_bipack

MODELS, FINISHING = "", "Finishing"
TOOLSETS = "Toolsets"
_TABLE = {
    "BipackSuperRes": (MODELS, 10, "Super-res"),
    "BipackSlowMo": (MODELS, 15, "Slow-mo"),
    "BipackModel": (MODELS, 20, "Model"),
    "BipackPaintFix": (MODELS, 30, "Paint-fix"),
    "BipackInpaint": (MODELS, 35, "Inpaint"),
    "BipackTrain": (MODELS, 40, "Train from pairs"),
    "BipackFaceRegions": (MODELS, 50, "Face regions"),
    "BipackDeAge": (FINISHING, 70, "De-age passes"),
    "BipackEqualizer": (FINISHING, 10, "Equalizer"),
    "BipackBeauty": (FINISHING, 20, "Beauty"),
    "BipackRegrain": (FINISHING, 30, "Regrain"),
    "BipackRecombine": (FINISHING, 40, "Recombine"),
    "BipackFrequencySplit": (FINISHING, 50, "Frequency split"),
    "BipackCleanPlate": (FINISHING, 60, "Clean plate"),
}
"""Gizmo: section, place in it, title."""

_LAST = 1000


@dataclass(frozen=True, order=True)
class Entry:
    """One gizmo of the menu."""

    section: str
    """Submenu; empty for the top."""

    place: int
    title: str
    gizmo: str
    tooltip: str


def entries(folder: str) -> List[Entry]:
    """The gizmos in `folder`, in menu order."""
    found = []
    for name in sorted(os.listdir(folder)):
        gizmo, extension = os.path.splitext(name)
        if extension == ".gizmo":
            section, place, title = _TABLE.get(gizmo, (FINISHING, _LAST, _title(gizmo)))
            found.append(Entry(section, place, title, gizmo, _first_sentence(os.path.join(folder, name))))
    return sorted(found)


def build() -> None:
    """Make the menu. Called again, it fills the same menu anew."""
    bar = nuke.menu("Nodes").addMenu("Bipack", icon="Bipack.png")
    bar.clearMenu()
    for entry in entries(os.path.join(settings.suite_root(), "gizmos")):
        menu = bar.addMenu(entry.section, icon="Bipack.png") if entry.section else bar
        menu.addCommand(entry.title, _creator(entry.gizmo), icon=f"{entry.gizmo}.png", tooltip=entry.tooltip)
    for title, path in toolsets():
        bar.addMenu(TOOLSETS).addCommand(title, _opener(path), tooltip=_first_sentence(path))
    for title, gizmo, name, purpose in installed_models():
        bar.addMenu("Models").addCommand(title, _creator(gizmo, name), icon=f"{gizmo}.png", tooltip=purpose)


def toolsets() -> List[Tuple[str, str]]:
    """Title and file of each toolset: `gizmos/toolsets/new_head.nk` is "New head"."""
    folder = os.path.join(settings.suite_root(), "gizmos", "toolsets")
    names = [os.path.splitext(name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
    return [
        (stem.replace("_", " ").capitalize(), os.path.join(folder, stem + extension).replace("\\", "/"))
        for stem, extension in names
        if extension == ".nk"
    ]


def installed_models() -> List[Tuple[str, str, str, str]]:
    """Title, gizmo, name and purpose of each installed model that names a gizmo we have."""
    folder = os.path.join(settings.suite_root(), "gizmos")
    found = []
    for located in model.installed(anew=True):
        card = located.card
        if card is not None and os.path.isfile(os.path.join(folder, f"{card.gizmo}.gizmo")):
            found.append((card.title, card.gizmo, located.name, card.purpose))
    return found


def create(gizmo: str, model_name: str = "") -> Any:
    """Make a node of `gizmo` as the toolbar does, with `model_name` chosen. Returns the node."""
    group = nuke.createNode(gizmo)
    if model_name and not is_bipack(group):
        # Takes a model without cooking it itself, as the parser of BipackFaceRegions.
        if group.knob("model") is not None:
            group["model"].setValue(model_name)
    elif model_name:
        node = BipackNode(group)
        knobs.refresh_menu(node, anew=True)
        node.set("model", model_name)
        knobs.load_model(node)
    return group


def _creator(gizmo: str, model_name: str = "") -> Callable[[], None]:
    def make() -> None:
        create(gizmo, model_name)

    return make


def _opener(path: str) -> Callable[[], None]:
    def read() -> None:
        nuke.scriptReadFile(path)

    return read


def _title(gizmo: str) -> str:
    """`BipackSkinTone` as `Skin tone`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", gizmo[len("Bipack") :] if gizmo.startswith("Bipack") else gizmo)
    return words.capitalize()


def _first_sentence(path: str) -> str:
    """The opening of the gizmo's help, for the menu's tooltip."""
    with open(path, encoding="utf-8") as stream:
        match = re.search(r'^ help "(.*?)(?<!\\)"$', stream.read(), re.MULTILINE)
    return match.group(1).split(". ")[0].replace('\\"', '"').rstrip(".") + "." if match else ""
