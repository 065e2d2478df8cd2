"""BipackFrequencySplit: a picture without its texture, the texture alone, or one band of it."""

from __future__ import annotations

import fragments as fr
from nk import Graph, each, linked
from panel import Panel, group_text

HELP = (
    "Splits a picture by the size of its texture. low and high together are the picture again (Merge plus); so are the "
    "five bands and the base. Two of these nodes, one on low and one on high, let you paint color without touching "
    "pores, and pores without touching color. Renders live; bipack run frequency_split does the same without Nuke."
)
BANDS = range(1, 6)


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    plate = fr.add_input(graph, "plate", 0, 0)
    radii = {f"r{number}": f"parent.radius{number}" for number in BANDS} | {"split": "parent.radius"}
    fr.sizes(graph, plate, radii)
    work = fr.enter(graph, "Work", plate)
    low = fr.tent(graph, "Low", work, "Sizes.split", work)
    levels = [
        work,
        *(fr.tent(graph, f"Level{number}", work, f"Sizes.r{number}", work, column=number) for number in BANDS),
    ]
    grey = "A@-B@+0.5*parent.grey"
    high = graph.add("MergeExpression", "High", low, work, **each(grey))
    bands = [
        graph.add("MergeExpression", f"Band{number}", levels[number], levels[number - 1], column=number, **each(grey))
        for number in BANDS
    ]
    outputs = [fr.leave(graph, "LowLight", low), high, *bands, fr.leave(graph, "BaseLight", levels[-1], column=6)]
    chosen = graph.add("Switch", "Chosen", *outputs, which=linked("parent.output"))
    fr.finish(graph, chosen, plate)
    return group_text("BipackFrequencySplit", HELP, "0x3d5c7aff", _panel(), graph.text(), preset=False)


def _panel() -> Panel:
    panel = Panel("frequency_split")
    panel.tab("Bipack")
    panel.knobs("output", "radius", "grey")
    panel.group("bands", [f"radius{number}" for number in BANDS])
    panel.more("working_space", "reference_width")
    return panel
