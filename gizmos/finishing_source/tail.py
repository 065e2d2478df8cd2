"""The finishing tail of gizmos that run models: bands of the result over the plate, then grain, before mix and matte.

It is written into a gizmo's text between the node ShownResult and the Dissolve that mixes it with the plate. Nodes and
knobs carry a prefix, so that they meet neither those of the gizmo nor the knobs that a model's card brings along.
Written again, it replaces what was written before.
"""

from __future__ import annotations

import re

import fragments as fr
import grain_nodes as gn
import recombine
import regrain
from nk import Graph, Node, each, expression, linked
from panel import Panel

NODES, KNOBS = "Finish", "finish_"
AFTER = "ShownResult"
RETIMED = "PlateRetimed"
PLATES = ("PlateResized", RETIMED)
"""The plate as it lies under the result: at its size, or at its time."""
BANDS = range(1, 6)
BEGIN_NODES, END_NODES = f"set N{NODES}Input [stack 0]\n", f"set N{NODES}End [stack 0]\n"
BEGIN_KNOBS = f" addUserKnob {{20 {KNOBS}group"
END_KNOBS = f" addUserKnob {{20 end_{KNOBS}group n -1}}\n"
OWN_KNOBS = (
    *(f"band{number}" for number in BANDS),
    *(f"radius{number}" for number in BANDS),
    *(f"sigma{number}" for number in range(8)),
    *("base", "route", "grain", "grain_on", "amount", "seed", "patch_size", "sample", "degrain", "working_space"),
    *("reference_width", "blur_size"),
)


def fits(text: str) -> bool:
    """Whether a gizmo lays its result over its plate."""
    return _has(text, AFTER) and any(_has(text, plate) for plate in PLATES)


def add_tail(text: str) -> str:
    """The text of a gizmo with the tail in it."""
    text = _without_tail(text)
    retimed = _has(text, RETIMED)
    after, name = _end_of(text, AFTER), RETIMED if retimed else PLATES[0]
    plate = re.match(r"set (N\w+) \[stack 0\]\n", text[_end_of(text, name) :])
    if plate is None:
        raise ValueError(f"the node {name} must be kept on the stack")
    text = text[:after] + BEGIN_NODES + _nodes(plate[1], retimed) + END_NODES + text[after:]
    # The panel's knobs end where the body begins; the model's own knobs are added behind them.
    place = text.index(" addUserKnob {20 cache_group")
    return text[:place] + "".join(f" {line}\n" for line in _panel(retimed).lines) + text[place:]


def _without_tail(text: str) -> str:
    for begin, end in ((BEGIN_NODES, END_NODES), (BEGIN_KNOBS, END_KNOBS)):
        if begin in text:
            text = text[: text.index(begin)] + text[text.index(end) + len(end) :]
    return text


def _has(text: str, node: str) -> bool:
    return f"\n  name {node}\n" in text


def _end_of(text: str, node: str) -> int:
    """Where the text of a node ends."""
    return text.index("\n }\n", text.index(f"\n  name {node}\n")) + len("\n }\n")


def _nodes(plate_handle: str, retimed: bool) -> str:
    """The tail's nodes. Behind a retime the node Timing says how much grain this frame lacks; on keys that is none."""
    graph = Graph(NODES, KNOBS, OWN_KNOBS)
    plate, result = graph.existing(plate_handle), graph.existing(f"N{NODES}Input")
    radii = {f"r{number}": f"parent.radius{number}" for number in BANDS}
    fr.sizes(graph, plate, radii, regrain.sampling("parent.grain==2"))
    bands = recombine.routed(graph, plate, result, None)
    routed = graph.add("Switch", "Bands", result, bands, which=linked("parent.route"))
    grainy = _with_grain(graph, plate, routed, "parent.amount*Timing.grain" if retimed else "parent.amount")
    lacks = "(parent.grain>0&&Timing.grain>0)" if retimed else "parent.grain>0"
    done = graph.add("Switch", "WithGrain", routed, grainy, which=linked(lacks))
    colors = {
        f"{end}{index}": f"rgba.{name}" for end in ("from", "to") for index, name in enumerate(("red", "green", "blue"))
    }
    put = graph.add("Copy", "Colors", result, done, **colors)
    # Without either of the two the result passes as it is, whatever its layers and box.
    graph.add("Switch", "ed", result, put, which=linked(f"parent.route||{lacks}"))
    return graph.text()


def _with_grain(graph: Graph, plate: Node, routed: Node, amount: str) -> Node:
    """Grain on the routed result; the nodes that Measure reads have the names of BipackRegrain's, with the prefix."""
    source = fr.enter(graph, "GrainPlate", plate, column=2)
    smooth = regrain.smoothed(graph, source)
    clean = graph.add("CopyBBox", "Clean", smooth, source, column=3)
    unit = regrain.unit_grain(graph, source, clean, plate)
    everywhere = graph.add("Expression", "Everywhere", plate, column=4, **expression("1", "1", "1", "1"))
    patches = regrain.patched(graph, unit, everywhere)
    made = gn.clumped(graph, gn.white(graph, plate, 5), plate, 5)
    grain = graph.add("Switch", "GrainFrom", unit, patches, made, which=linked("parent.grain-1"), column=3)
    before = fr.enter(graph, "GrainBefore", routed)
    strength = gn.sigma(graph, "ResultSigma", before, 0)
    added = graph.add("MergeExpression", "Strong", strength, grain, column=1, **each(f"A@*B@*{amount}", "1"))
    total = graph.add("MergeExpression", "GrainSum", before, added, **each("A@+B@", "1"))
    total = graph.add("CopyBBox", "GrainSumHere", total, before)
    return fr.leave(graph, "GrainLight", total)


def _panel(retimed: bool) -> Panel:
    """The group of knobs, closed: without a touch the tail does nothing."""
    panel = Panel("recombine", KNOBS)
    tip = "Finishing of the result before mix and matte: which sizes of texture are taken, and grain."
    panel.lines.append(f'addUserKnob {{20 {KNOBS}group l "bands and grain" t "{tip}" n 2}}')
    tip = "Take only the bands below from the result and keep the others of the plate, so that pores and grain stay."
    panel.lines.append(f'addUserKnob {{6 {KNOBS}route l "only some bands" t "{tip}" +STARTLINE}}')
    for number in BANDS:
        panel.row(f"band{number}", f"radius{number}")
    panel.knobs("base")
    grains = Panel("regrain", KNOBS)
    tip = (
        "Grain on the result. plate: the plate's own, where it was; right when only color was changed. patches: from "
        "the sample box. synthetic: made from the measurements, new on every frame."
    )
    grains.lines.append(
        f'addUserKnob {{4 {KNOBS}grain l grain t "{tip}" M {{off plate patches synthetic ""}} +STARTLINE}}'
    )
    if retimed:
        tip = (
            "in-betweens: only what mixing two frames has lost, nothing on frames of the plate, most halfway, so that "
            "the strength stays even. all frames: the same everywhere, for a plate that was degrained before."
        )
        grains.lines.append(
            f'addUserKnob {{4 {KNOBS}grain_on l "grain on" t "{tip}" M {{in-betweens "all frames" ""}} -STARTLINE}}'
        )
    regrain.measuring(grains)
    grains.knobs("amount", "seed", "patch_size")
    regrain.strengths(grains)
    panel.lines += grains.lines
    panel.knobs("working_space", "reference_width")
    panel.calibration()
    panel.lines.append(f"addUserKnob {{20 end_{KNOBS}group n -1}}")
    return panel
