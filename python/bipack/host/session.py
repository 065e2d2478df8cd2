"""What Bipack asks of a whole Nuke session: to be told before a render and before a script goes.

Registering is cheap and may happen again; nothing here looks at pixels or starts a worker.
"""

from __future__ import annotations

import logging

import nuke

from bipack.errors import BipackError
from bipack.host import graph, running, state
from bipack.host.node import RESULT_READ, SHOW_PLATE, BipackNode, is_bipack

log = logging.getLogger(__name__)


def register() -> None:
    """Hook up the callbacks; Nuke puts one that is there already at the end rather than in twice."""
    nuke.addBeforeRender(before_render)
    nuke.addOnScriptClose(script_closes)


def before_render() -> None:
    """Stop a render in the GUI that would quietly take the plate, or stale frames, for the result.

    Outside the GUI the gizmo itself takes the result always, and a frame that is not cooked fails in its Read. Nuke
    aborts the render with the sentence of the exception.
    """
    write = nuke.thisNode()
    # A cook brings the nodes above up to date itself, before its helper Write runs.
    if not nuke.GUI or is_bipack(graph.parent_of(write)):
        return
    for node in graph.upstream(write):
        if is_bipack(node):
            fault = _fault(BipackNode(node))
            if fault:
                raise RuntimeError(fault)


def script_closes() -> None:
    """A script that closes takes its cook with it. Not waited for: the cook may be waiting for this very thread."""
    running.cancel()


def _fault(node: BipackNode) -> str:
    """Why a render through `node` would not be what the artist means; empty when it would."""
    if node.is_disabled():
        return ""
    if not str(node.inner(RESULT_READ)["file"].value() or ""):
        return f"{node.name} has no cooked frames. Cook its range, or disable it, and render again."
    if node.value("show") == SHOW_PLATE:
        return f"{node.name} shows the plate. Set 'viewer shows' to result, or disable it, and render again."
    if node.value("stale_frames") == "use":
        return ""
    try:
        first, last = node.cook_range()
        found = state.look(node, range(first, last + 1), deep=False)
    except BipackError as error:
        log.info("%s could not be checked before the render: %s", node.name, error)
        return ""
    if found.stale:
        why = "; ".join(found.reasons[:3])
        return f"{node.name} is stale ({why}). Cook its range, or set 'stale frames' to use, and render again."
    return ""
