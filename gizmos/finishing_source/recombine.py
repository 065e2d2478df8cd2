"""BipackRecombine: the bands that are wanted of a model's result, over the plate."""

from __future__ import annotations

import fragments as fr
from nk import Graph, Node, each
from panel import Panel, group_text

HELP = (
    "Takes some sizes of texture, and light and color, from a model's result and keeps the others of the plate: pores "
    "and grain stay the plate's own. A: the result. B: the plate. All at 1 is the result, all at 0 the plate. Renders "
    "live, without a worker; bipack run recombine does the same without Nuke."
)
BANDS = range(1, 6)


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    matte_in = fr.add_input(graph, "matte", 2, 4)
    result_in = fr.add_input(graph, "result", 1, 2)
    plate = fr.add_input(graph, "plate", 0, 0)
    fr.sizes(graph, plate, {f"r{number}": f"parent.radius{number}" for number in BANDS})
    matte = fr.matte(graph, matte_in, plate, 2, 4)
    light = routed(graph, plate, result_in, matte)
    fr.finish(graph, light, plate, (fr.difference(graph, light, plate),))
    return group_text("BipackRecombine", HELP, "0x3d5c7aff", _panel(), graph.text())


def routed(graph: Graph, plate: Node, result: Node, matte: Node | None) -> Node:
    """The plate with the wanted bands of `result`; needs the node Sizes and the knobs band1 to band5 and base.

    With a matte it is held inside that, and by the knob mix.
    """
    before = fr.enter(graph, "Plate", plate)
    after = fr.enter(graph, "Result", result, column=2)
    change = graph.add("MergeExpression", "Change", before, after, column=1, **each("A@-B@", "1"))
    change = graph.add("CopyBBox", "ChangeHere", change, before, column=1)
    taken = graph.add("Expression", "Taken0", change, column=1, **each("parent.band1*@", "1"))
    for number in BANDS:
        low = fr.tent(graph, f"Low{number}", change, f"Sizes.r{number}", before, column=2)
        following = f"parent.band{number + 1}" if number < BANDS[-1] else "parent.base"
        taken = graph.add(
            "MergeExpression",
            f"Taken{number}",
            taken,
            low,
            column=1,
            **each(f"B@+({following}-parent.band{number})*A@", "1"),
        )
    if matte is not None:
        taken = graph.add("MergeExpression", "InMatte", taken, matte, column=1, **each("B@*Aa*parent.mix", "1"))
    total = graph.add("MergeExpression", "Sum", before, taken, **each("A@+B@", fr.changed()))
    total = graph.add("CopyBBox", "SumHere", total, before)
    return fr.where_marked(graph, "Routed", fr.leave(graph, "Light", total), plate)


def _panel() -> Panel:
    panel = Panel("recombine")
    panel.tab("Bipack")
    panel.presets()
    panel.divider("from the result")
    for number in BANDS:
        panel.row(f"band{number}", f"radius{number}")
    panel.knobs("base")
    panel.divider("out")
    panel.matte_channel()
    panel.knobs("mix", "view")
    panel.more("working_space", "reference_width")
    return panel
