"""The lines on a node that say how it stands."""

from __future__ import annotations

from bipack import __version__
from bipack.errors import BipackError
from bipack.host import retiming, state
from bipack.host.node import BipackNode


def update(node: BipackNode, deep: bool = True) -> None:
    """Write the node's status lines from what is on disk and what the comp says. Renders nothing, never raises.

    Without `deep` no source file is looked at; see `state.look`.
    """
    try:
        first, last = node.cook_range()
        frames = range(first, last + 1)
        sentence = state.look(node, frames, deep).sentence()
        on_disk = state.on_disk_sentence(node, frames)
    except BipackError as error:
        sentence, on_disk = str(error), ""
    if retiming.is_retimer(node):
        node.set("retimed", retiming.sentence(node))
    node.set("status", sentence)
    node.set("frames_on_disk", on_disk)
    node.set("version", f"Bipack {__version__}")
