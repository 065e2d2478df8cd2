"""BipackRegrain: the plate's own grain, patches of it, or grain made from its measurements, on a repaired picture."""

from __future__ import annotations

import fragments as fr
import grain_nodes as gn
from nk import Graph, Node, each, expression, linked, quoted
from panel import Panel, callback, group_text

HELP = (
    "Puts grain back on a repaired picture, as strong as the plate's at each luma. First draw the sample box over an "
    "even part of the plate and press Measure, once for the shot. Without a degrained plate one is made by smoothing, "
    "which is rougher. Inside the matte patches of the sample box are scattered; without a matte the plate's grain "
    "goes back where it was. Renders live, without a worker; bipack run regrain measures by itself and does the same."
)
PATCH_X, PATCH_Y, ORIGIN = 8, 9, 10


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    matte_in = fr.add_input(graph, "matte", 3, 6)
    degrained_in = fr.add_input(graph, "degrained", 2, 3)
    plate_in = fr.add_input(graph, "plate", 1, 2)
    repaired = fr.add_input(graph, "repaired", 0, 0)
    patching = f"parent.grain_from == 0 && parent.patches == 0 && {fr.connected(3)}"
    fr.sizes(graph, repaired, {}, sampling(patching), reference=False)
    matte = fr.matte(graph, matte_in, repaired, 3, 6)
    source = graph.add("Switch", "PlateOrInput", repaired, plate_in, which=linked(fr.connected(1)), column=2)
    plate = fr.enter(graph, "Plate", source, column=2)
    clean = _degrained(graph, plate, degrained_in)
    unit = unit_grain(graph, plate, clean, repaired)
    patches = patched(graph, unit, matte)
    noise = gn.clumped(graph, gn.white(graph, repaired, 5), repaired, 5)
    grain = graph.add("Switch", "GrainFrom", patches, noise, which=linked("parent.grain_from"), column=3)
    before = fr.enter(graph, "Repaired", repaired)
    strength = gn.sigma(graph, "RepairedSigma", before, 0)
    added = graph.add("MergeExpression", "Strong", strength, grain, column=1, **each("A@*B@*parent.amount", "1"))
    own = "(parent.grain_from==0&&Sizes.patching==0)"
    inside = "clamp(Aa)"
    held = graph.add(
        "MergeExpression",
        "InMatte",
        added,
        matte,
        column=1,
        **each(f"B@*({own}?{inside}:sqrt({inside}*(2-{inside})))", "Aa>0"),
    )
    total = graph.add("MergeExpression", "Sum", before, held, **each("A@+B@", "Aa"))
    total = graph.add("CopyBBox", "SumHere", total, before)
    light = fr.leave(graph, "Light", total)
    result = fr.where_marked(graph, "Result", light, repaired)
    alone = graph.add("Expression", "GrainShown", grain, column=4, **each("0.5+0.1*@"))
    fr.finish(graph, result, repaired, (alone, fr.difference(graph, result, repaired)))
    return group_text("BipackRegrain", HELP, "0x5c5c5cff", _panel(), graph.text())


def sampling(patching: str) -> dict[str, str]:
    """Numbers for the node Sizes: the sample box, and constants of the noise for this frame."""
    others = {
        "size": "max(1,rint(parent.patch_size))",
        "left": "rint(parent.sample.x)",
        "low": "rint(parent.sample.y)",
        "roomX": "max(1,rint(parent.sample.r)-rint(parent.sample.x)-size+1)",
        "roomY": "max(1,rint(parent.sample.t)-rint(parent.sample.y)-size+1)",
        "patching": patching,
    }
    others |= gn.constants((0, 1, 2, 3, 4, 5, PATCH_X, PATCH_Y, ORIGIN))
    return others | {"startX": f"fmod(p{ORIGIN},size)", "startY": f"fmod(q{ORIGIN},size)"}


def _degrained(graph: Graph, plate: Node, degrained_in: Node) -> Node:
    """The degrained plate, or the plate smoothed."""
    given = fr.enter(graph, "Degrained", degrained_in, column=4)
    smooth = smoothed(graph, plate)
    return graph.add("Switch", "Clean", smooth, given, which=linked(fr.connected(2)), column=3)


def smoothed(graph: Graph, plate: Node) -> Node:
    """A degrained plate where the artist gives none."""
    return graph.add(
        "Bilateral",
        "Smoothed",
        plate,
        column=3,
        channels="rgb",
        Size="5",
        PositionalSigma="2.5",
        ColorSigma=linked("parent.degrain"),
    )


def unit_grain(graph: Graph, plate: Node, clean: Node, like: Node) -> Node:
    """The plate's grain divided by its strength."""
    grain = graph.add("MergeExpression", "Grain", clean, plate, column=2, **each("A@-B@", "1"))
    strength = gn.sigma(graph, "CleanSigma", clean, 3)
    unit = graph.add("MergeExpression", "UnitHere", strength, grain, column=2, **each("A@/B@", "1"))
    return graph.add("CopyBBox", "Unit", unit, like, column=2)


def patched(graph: Graph, unit: Node, matte: Node) -> Node:
    """Inside the matte, patches from random places of the sample box."""
    marked = fr.with_alpha(graph, "UnitMarked", unit, matte, column=2)
    x, y = "(floor(x)+Sizes.startX)", "(floor(y)+Sizes.startY)"
    cell_x, cell_y = f"floor({x}/Sizes.size)", f"floor({y}/Sizes.size)"
    from_x = f"Sizes.left+floor({gn.uniform(cell_x, cell_y, PATCH_X)}*Sizes.roomX)+{x}-{cell_x}*Sizes.size"
    from_y = f"Sizes.low+floor({gn.uniform(cell_x, cell_y, PATCH_Y)}*Sizes.roomY)+{y}-{cell_y}*Sizes.size"
    texts = [f"Sizes.patching&&a>0?{channel}({from_x},{from_y}):{channel}" for channel in "rgb"]
    return graph.add("Expression", "Patched", marked, column=2, **expression(*texts, "a"))


def measuring(panel: Panel) -> None:
    """The sample box and the Measure button."""
    absent = "nuke.message('Bipack is not installed in this Nuke. Add its folder to NUKE_PATH and start Nuke again.')"
    press = callback("measure_grain", "measure(nuke.thisNode())", absent)
    box = quoted("An even, unrepaired part of the plate: sky, a wall, a cheek out of focus. Large is good.")
    tip = quoted(
        "Measures the plate's grain at the current frame: strength by luma, size, and how channels go together."
    )
    told = quoted("What was measured, and when.")
    panel.raw(
        f'addUserKnob {{15 @sample l "sample box" t {box}}}',
        "@sample {64 64 320 320}",
        f"addUserKnob {{22 @measure l Measure t {tip} T {press} +STARTLINE}}",
        f'addUserKnob {{26 @measured l "" t {told} T "not measured: a fine grain is assumed" -STARTLINE}}',
    )


def strengths(panel: Panel) -> None:
    """What Measure fills in, and how a degrained plate is made where there is none."""
    panel.raw('addUserKnob {20 @strength l "strength, as measured" n 2}', *gn.sigma_knobs())
    tip = quoted("Without a degrained plate: color differences up to about this much are taken for grain.")
    panel.raw(f'addUserKnob {{7 @degrain l "degrain strength" t {tip} R 0 0.2}}', "@degrain 0.05")
    panel.raw("addUserKnob {20 @end_strength n -1}")


def _panel() -> Panel:
    panel = Panel("regrain")
    panel.tab("Bipack")
    panel.presets()
    panel.divider("measure")
    measuring(panel)
    panel.divider("grain")
    panel.knobs("grain_from", "patches", "patch_size", "amount", "seed")
    panel.divider("out")
    panel.matte_channel()
    panel.knobs("view", "working_space")
    strengths(panel)
    return panel
