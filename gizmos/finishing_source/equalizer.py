"""BipackEqualizer: five tents in a row, each taking out or adding to the texture of its size."""

from __future__ import annotations

import fragments as fr
from nk import Graph, Node, each, expression, linked
from panel import Panel, group_text

HELP = (
    "Texture equalizer: softens or sharpens five sizes of texture, one after the other. Band 1 is grain and pores, "
    "band 5 blotches and light. Above 0 softens, below 0 brings out. Values above 1 and below 0 are kept, and where "
    "the matte is black nothing changes. Renders live, without a worker; bipack run equalizer does the same without "
    "Nuke."
)
BANDS = range(1, 6)


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    matte_in = fr.add_input(graph, "matte", 1, 3)
    plate = fr.add_input(graph, "plate", 0, 0)
    radii = {f"r{number}": f"parent.radius{number}" for number in BANDS} | {"edge": "parent.edge_size"}
    fr.sizes(graph, plate, radii)
    matte = fr.matte(graph, matte_in, plate, 1, 3)
    source = fr.enter(graph, "Source", plate)
    weight = _weight(graph, plate, matte)
    levels = [fr.with_alpha(graph, "Level0", source, weight)]
    tents = []
    for number in BANDS:
        soft = fr.tent(graph, f"Tent{number}", levels[-1], f"Sizes.r{number}", source, column=1)
        step = graph.add(
            "MergeExpression", f"Band{number}", soft, levels[-1], **each(f"A@-parent.amount{number}*Aa*(A@-B@)", "Aa")
        )
        tents.append(soft)
        levels.append(graph.add("CopyBBox", f"Level{number}", step, source))
    change = graph.add("MergeExpression", "Change", source, levels[-1], **each("parent.gain*(A@-B@)", "1"))
    held = graph.add(
        "MergeExpression",
        "InMatte",
        change,
        matte,
        **each("B@*(parent.areas==2?1:parent.matte_channels==1?A@:Aa)", "1"),
    )
    total = graph.add("MergeExpression", "Sum", source, held, **each("A@+B@", fr.changed()))
    light = fr.leave(graph, "Light", total)
    result = fr.where_marked(graph, "Result", light, plate)
    fr.finish(graph, result, plate, _views(graph, levels, tents, held, weight))
    return group_text("BipackEqualizer", HELP, "0x7a5c3dff", _panel(), graph.text())


def _weight(graph: Graph, plate: Node, matte: Node) -> Node:
    """Alpha: how much the bands act at each pixel, from areas and edges."""
    tone = graph.add(
        "Expression", "Tone", plate, column=2, **expression(fr.encode(fr.LUMA.format(p="")), "0", "0", "0")
    )
    soft = fr.tent(graph, "ToneSoft", tone, "Sizes.edge", plate, "{rgba.red}", column=2)
    detail = graph.add("MergeExpression", "ToneDetail", soft, tone, column=2, **expression("abs(Ar-Br)", "0", "0", "0"))
    edge = fr.tent(graph, "EdgeSoft", detail, "Sizes.edge", plate, "{rgba.red}", column=2)
    ramp = "max(parent.area_softness,0.000001)"
    tones = f"(clamp((Ar-parent.area_low)/{ramp}+1)*clamp((parent.area_high-Ar)/{ramp}+1))"
    spared = "(1-parent.edges*clamp(parent.edge_gain*Br-0.2))"
    weight = graph.add(
        "MergeExpression",
        "TonesAndEdges",
        edge,
        tone,
        column=2,
        **expression("0", "0", "0", f"(parent.areas==1?{tones}:1)*{spared}"),
    )
    return graph.add(
        "MergeExpression",
        "Weight",
        weight,
        matte,
        column=2,
        **expression("0", "0", "0", "parent.areas==2?Aa*Ba:Ba"),
    )


def _views(graph: Graph, levels: list[Node], tents: list[Node], held: Node, weight: Node) -> tuple[Node, ...]:
    which = linked("parent.view_band-1")
    before = graph.add("Switch", "ViewBefore", *levels[:-1], which=which, column=4)
    after = graph.add("Switch", "ViewAfter", *levels[1:], which=which, column=4)
    soft = graph.add("Switch", "ViewTent", *tents, which=which, column=4)
    grey = "0.5+parent.view_gain*(A@-B@)"
    texture = graph.add("MergeExpression", "Texture", soft, before, column=4, **each(grey))
    change = graph.add("MergeExpression", "BandChange", before, after, column=4, **each(grey))
    difference = graph.add("Expression", "Difference", held, column=4, **each("0.5+parent.view_gain*@"))
    shown = graph.add("Expression", "WeightShown", weight, column=4, **expression("a", "a", "a"))
    return texture, change, difference, shown


def _panel() -> Panel:
    panel = Panel("equalizer")
    panel.tab("Bipack")
    panel.presets()
    panel.divider("bands")
    for number in BANDS:
        panel.row(f"amount{number}", f"radius{number}")
    panel.knobs("gain")
    panel.divider("where")
    panel.matte_channel()
    panel.knobs("matte_channels", "areas")
    panel.row("area_low", "area_high", "area_softness")
    panel.knobs("edges")
    panel.row("edge_size", "edge_gain")
    panel.divider("view")
    panel.knobs("view")
    panel.row("view_band", "view_gain")
    panel.more("working_space", "reference_width")
    return panel
