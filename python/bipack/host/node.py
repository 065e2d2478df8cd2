"""What a Bipack node is to the rest of the host code: a Group with known knobs outside and known nodes inside.

The gizmos are text; this module is the one place that knows the names in them. A node that cooks a model is recognised
by its hidden knob `bipack_loaded`, whatever file its body came from, so that scripts open and cook where no gizmo file
is installed. The finishing gizmos have none: to all that is here they are groups of Nuke's own nodes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, Optional, Tuple

import nuke

from bipack.errors import UsageError

TOOL = "bipack_tool"
"""Hidden knob with the gizmo's name."""

LOADED = "bipack_loaded"
"""Hidden knob that marks our nodes: name and hash of the model that the knobs of its card were made for."""

TIMING_BY = "timing_by"
"""Knob of a node that retimes: by what it is said which moment of the plate each frame shows."""

PLATE_WRITE = "CookPlate"
MATTE_WRITE = "CookMatte"
RESULT_READ = "Cooked"
LAYER_ONLY = "LayerOnly"
INSIDE_MATTE = "InsideMatte"
INSIDE_MASK = "InsideMask"

PLATE_INPUT, MATTE_INPUT = 0, 1
MASK_INPUT = 2
"""Of a node that retimes: where its result is kept. It goes by the result's frames, plate and matte by the plate's."""

SHOW_RESULT, SHOW_PLATE = "result", "plate"

MODEL_KNOB_PREFIX = "card_"
"""Knobs made from a card carry it, so that a model's `mix` or `label` never meets the node's own."""

MODEL_FILE_CHOICE = "file"
"""Entry of the model menu that means: the file named below."""


class ToolNode:
    """A group of one gizmo that cooks nothing itself. Raises UsageError when made from any other node."""

    tool = ""
    """Name of the gizmo."""

    def __init__(self, group: Any) -> None:
        knob = group.knob(TOOL)
        if knob is None or knob.value() != self.tool:
            raise UsageError(f"{group.fullName()} is no {self.tool} node.")
        self.group = group

    def text(self, knob: str) -> str:
        """Value of a text knob."""
        return str(self.group[knob].value() or "").strip()


class BipackNode:
    """A Bipack group in the script. Raises UsageError when made from any other node."""

    def __init__(self, group: Any) -> None:
        if not is_bipack(group):
            raise UsageError(f"{group.fullName()} is no Bipack node.")
        self.group = group

    @property
    def name(self) -> str:
        """Full name in the script, e.g. `Group1.BipackModel1`."""
        return str(self.group.fullName())

    @property
    def tool(self) -> str:
        """Name of the gizmo that it was made from."""
        return str(self.value(TOOL))

    def has(self, knob: str) -> bool:
        """Does the node have this knob?"""
        return self.group.knob(knob) is not None

    def value(self, knob: str) -> Any:
        """Value of a knob that every Bipack node has. Raises UsageError where it was removed from the node."""
        found = self.group.knob(knob)
        if found is None:
            raise UsageError(f"{self.name} lacks its knob {knob!r}. Make the node anew from the Bipack menu.")
        return found.value()

    def text(self, knob: str) -> str:
        """Value of a string knob with expressions evaluated."""
        found = self.group.knob(knob)
        if found is None:
            raise UsageError(f"{self.name} lacks its knob {knob!r}. Make the node anew from the Bipack menu.")
        plain = str(found.value() or "")
        # Only where there is Tcl: evaluating would eat the backslashes of a Windows path. Plain string knobs cannot.
        has_tcl = "[" in plain and hasattr(found, "evaluate")
        return str(found.evaluate() or "" if has_tcl else plain).strip()

    def set(self, knob: str, value: Any) -> None:
        """Set a knob when it is there and differs; not an undo step, not a change that the user made."""
        found = self.group.knob(knob)
        if found is not None and found.value() != value:
            with no_undo():
                found.setValue(value)

    def inner(self, name: str) -> Any:
        """The node `name` inside the group. Raises UsageError where it was removed."""
        found = self.group.node(name)
        if found is None:
            raise UsageError(f"{self.name} lacks its inner node {name!r}. Make the node anew from the Bipack menu.")
        return found

    def has_inner(self, name: str) -> bool:
        """Is there a node `name` inside the group? Not every gizmo has all of them."""
        return self.group.node(name) is not None

    @property
    def plate(self) -> Any:
        """The node that feeds the plate. Raises UsageError when nothing is connected."""
        found = self.group.input(PLATE_INPUT)
        if found is None:
            raise UsageError(f"{self.name} has no plate. Connect its first input.")
        return found

    @property
    def matte(self) -> Optional[Any]:
        """The node that feeds the matte, if any."""
        return self.group.input(MATTE_INPUT)

    def is_disabled(self) -> bool:
        """True when the node is switched off and passes its plate on."""
        knob = self.group.knob("disable")
        return bool(knob is not None and knob.value())

    def cook_range(self) -> Tuple[int, int]:
        """First and last frame to cook: the script's, or the node's own; of a node that retimes, those of its result.

        Raises UsageError when they are the wrong way round.
        """
        if self.has(TIMING_BY):
            # Not at the top: what a node is comes before what its timing means.
            from bipack.host import retiming

            frames = retiming.of(self).frames
            return frames[0], frames[-1]
        if self.value("use_script_range"):
            first, last = int(nuke.root().firstFrame()), int(nuke.root().lastFrame())
        else:
            first, last = int(self.value("first")), int(self.value("last"))
        if last < first:
            raise UsageError(f"{self.name} is to cook frames {first}-{last}; the last frame comes before the first.")
        return first, last


def is_bipack(node: Any) -> bool:
    """True for a node of ours that cooks a model."""
    return node is not None and node.knob(LOADED) is not None


def script_path() -> str:
    """Path of the script; empty while it has no name."""
    name = str(nuke.root().name())
    return "" if name in ("", "Root") else name


def views() -> Tuple[str, ...]:
    """The script's views where it has more than one; else empty."""
    found = tuple(str(view) for view in nuke.views())
    return found if len(found) > 1 else ()


@contextmanager
def no_undo() -> Iterator[None]:
    """Keep what Bipack sets by itself out of the artist's undo list."""
    undo = nuke.Undo()
    undo.disable()
    try:
        yield
    finally:
        undo.enable()
