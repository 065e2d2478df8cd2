"""BipackDeAge: the passes that its panel names are made as nodes above it, and cooked from its buttons.

A pass is a BipackModel like any other, fed by the plate with the region's matte in alpha, so that it cooks, goes stale
and is rendered on the farm as all of them do. BipackDeAge itself only mixes what they give.
"""

from __future__ import annotations

import os
from typing import Any, List, Tuple

import nuke

from bipack import catalog
from bipack.errors import MissingInput, UsageError
from bipack.host import menu, running
from bipack.host.button import button
from bipack.host.faces_panel import LAYER
from bipack.host.node import LOADED, MODEL_FILE_CHOICE, MODEL_KNOB_PREFIX, TOOL, BipackNode, ToolNode, no_undo

NAME = "BipackDeAge"
PASS_GIZMO = "BipackModel"
COUNT = 8
ALPHA = "alpha"
"""Region that means: the plate's own alpha is the matte."""

_APART = 110
"""Pixels of the node graph from pass to pass."""


class DeAgeNode(ToolNode):
    """A BipackDeAge group in the script. Raises UsageError when made from any other node."""

    tool = NAME

    @property
    def plate(self) -> Any:
        """What is connected to the plate input. Raises UsageError where nothing is."""
        found = self.group.input(0)
        if found is None:
            raise UsageError(f"{self.group.fullName()} has nothing on its plate input.")
        return found

    def named(self) -> List[Tuple[int, str, str]]:
        """Number, model and region of each pass that names a model."""
        found = []
        for number in range(1, COUNT + 1):
            model = self.text(f"model{number}")
            if model:
                found.append((number, model, str(self.group[f"region{number}"].value())))
        return found


@button(DeAgeNode)
def make_passes(node: DeAgeNode) -> None:
    """Make a BipackModel for every pass that names a model, or bring the one that is there up to date.

    All is looked at before anything is made. Raises UsageError, MissingInput, ModelRefused.
    """
    plate, wanted = node.plate, node.named()
    if not wanted:
        raise UsageError("No pass names a model. Open a pass and give the name of one, such as forehead_lines.")
    for number, model, region in wanted:
        catalog.locate(model)
        _matte_of(plate, region, number)
        above = node.group.input(number)
        if above is not None and not _is_pass(above):
            raise UsageError(
                f"Pass {number} names a model, but {above.fullName()} is connected to it. Disconnect that, or clear "
                "the name of the model."
            )
    for number, model, region in wanted:
        _make(node, number, model, region)


@button(DeAgeNode)
def cook_passes_frame(node: DeAgeNode) -> None:
    """Cook every pass that is not fresh at the frame that the script is at."""
    running.start_sources(node.group, [int(nuke.frame())])


@button(DeAgeNode)
def cook_passes_range(node: DeAgeNode) -> None:
    """Cook every pass that is not fresh over the script's range."""
    root = nuke.root()
    first, last = int(root["first_frame"].value()), int(root["last_frame"].value())
    running.start_sources(node.group, range(first, last + 1))


@button(DeAgeNode)
def cancel(node: DeAgeNode) -> None:
    """Stop the cook that is running."""
    if not running.cancel():
        raise UsageError("Nothing is cooking.")


def _make(node: DeAgeNode, number: int, model: str, region: str) -> None:
    above = node.group.input(number)
    feed = _feed(node, number, region, above)
    if above is None:
        above = menu.create(PASS_GIZMO)
        above.setName(f"{node.group.name()}_pass{number}", uncollide=True)
        above.setXYpos(*_place(node, number, 2))
    above.setInput(0, feed)
    above.setInput(1, feed)
    _choose(BipackNode(above), model)
    node.group.setInput(number, above)
    age = above.knob(MODEL_KNOB_PREFIX + "age")
    if age is not None:
        age.setExpression(f"{node.group.name()}.age{number}")


def _choose(made: BipackNode, model: str) -> None:
    """Let a pass run `model`: a name of the catalogue, or a path."""
    from bipack.host import knobs

    by_path = os.path.exists(os.path.expanduser(model))
    with no_undo():
        if by_path:
            made.set("model_file", model)
        knobs.refresh_menu(made, anew=True)
        made.set("model", MODEL_FILE_CHOICE if by_path else model)
    knobs.load_model(made)
    with no_undo():
        # The matte is laid in once, by BipackDeAge; twice would square its soft edges.
        made.set("restrict", False)


def _feed(node: DeAgeNode, number: int, region: str, above: Any) -> Any:
    """The plate with the region's matte in alpha: a Copy of this pass, which is used again where it is there."""
    channel = _matte_of(node.plate, region, number)
    if not channel:
        return node.plate
    copy = above.input(0) if above is not None else None
    # The plate may be a Copy itself, from when this pass took the plate's own alpha.
    if copy is None or copy.Class() != "Copy" or copy.fullName() == node.plate.fullName():
        copy = nuke.nodes.Copy()
        copy.setXYpos(*_place(node, number, 1))
    copy.setInput(0, node.plate)
    copy.setInput(1, node.plate)
    copy["from0"].setValue(channel)
    copy["to0"].setValue("rgba.alpha")
    copy["label"].setValue(region)
    return copy


def _matte_of(plate: Any, region: str, number: int) -> str:
    """Channel of the plate that is the region's matte; empty where its alpha is. Raises MissingInput."""
    if region == ALPHA:
        return ""
    channel = f"{LAYER}.{region}"
    if channel not in plate.channels():
        raise MissingInput(
            f"Pass {number} wants the matte of {region}, but {plate.fullName()} has no channel {channel}. Connect the "
            "crops that BipackFaceRegions reads (Read crops), or choose alpha and give a roto there."
        )
    return channel


def _is_pass(above: Any) -> bool:
    """Is it a BipackModel, in its own right and no other gizmo that cooks?"""
    return above.knob(LOADED) is not None and above[TOOL].value() == PASS_GIZMO


def _place(node: DeAgeNode, number: int, row: int) -> Tuple[int, int]:
    return int(node.group.xpos()) + _APART * number, int(node.group.ypos()) + (row - 4) * 90
