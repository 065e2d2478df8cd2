"""BipackDeAge: up to eight region passes over the plate, mixed by their mattes so that they never add up beyond 1."""

from __future__ import annotations

import fragments as fr
from face_regions import Lines
from nk import Graph, Node, each, linked, quoted
from panel import group_text

from bipack.face_regions import MATTES

PASSES = range(1, 9)
HELP = (
    "Lays up to eight passes over the plate: the results of models for single regions of a face, each within its own "
    "matte, with its own strength, and only as much of its fine and broad changes as you like. Where mattes overlap, "
    "the passes share the pixel. Input 0 is the plate. Name a model and a region in each pass and press Make passes, "
    "or connect passes of your own, with their matte in alpha. Where no matte is white the plate stays as it is. "
    "Renders live from the passes' cooked frames."
)


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    passes = [fr.add_input(graph, f"pass{number}", number, 2 * number) for number in PASSES]
    plate = fr.add_input(graph, "plate", 0, 0)
    fr.sizes(graph, plate, {f"r{number}": f"parent.radius{number}" for number in PASSES}, {"solo": _any_solo()})
    before = fr.enter(graph, "Plate", plate)
    total: Node | None = None
    for number, given in zip(PASSES, passes):
        weighed = _weighed(graph, number, given, plate, before)
        # Red, green and blue add up the changes times their mattes, alpha the mattes.
        total = weighed if total is None else graph.add(
            "MergeExpression", f"Sum{number}", total, weighed, column=1, **each("A@+B@", "Aa+Ba")
        )  # fmt: skip
    assert total is not None
    shared = graph.add(
        "MergeExpression", "Shared", before, total, column=1,
        **each("B@+A@/(Aa>1?Aa:1)*parent.strength", "(Ar!=0||Ag!=0||Ab!=0)&&parent.strength!=0"),
    )  # fmt: skip
    shared = graph.add("CopyBBox", "SharedHere", shared, before, column=1)
    result = fr.where_marked(graph, "Mixed", fr.leave(graph, "Light", shared), plate)
    fr.finish(graph, result, plate, (fr.difference(graph, result, plate),))
    return group_text("BipackDeAge", HELP, "0x5c3d6cff", _panel(), graph.text(), preset=False)


def _weighed(graph: Graph, number: int, given: Node, plate: Node, before: Node) -> Node:
    """The change that one pass makes, by bands, times matte and strength; its alpha is its matte, where it counts."""
    column = 2 * number
    light = graph.add("Switch", f"Given{number}", plate, given, column=column, which=linked(fr.connected(number)))
    light = graph.add("CopyBBox", f"GivenHere{number}", light, plate, column=column)
    after = fr.enter(graph, f"Pass{number}", light, column)
    change = graph.add("MergeExpression", f"Change{number}", before, after, column=column, **each("A@-B@", "Aa"))
    broad = fr.tent(graph, f"Broad{number}", change, f"Sizes.r{number}", before, column=column + 1)
    routed = graph.add(
        "MergeExpression", f"Routed{number}", change, broad, column=column,
        **each(f"parent.fine{number}*(B@-A@)+parent.broad{number}*A@", "Ba"),
    )  # fmt: skip
    counts = f"({fr.connected(number)}&&parent.on{number}&&(Sizes.solo==0||parent.solo{number}))"
    gate = graph.add("NoOp", f"Gate{number}", routed, column=column)
    gate.user_knobs = ["addUserKnob {20 User}", "addUserKnob {7 counts}", "counts " + linked(counts)]
    strength = f"Gate{number}.counts*parent.strength{number}"
    return graph.add(
        "Expression", f"Weighed{number}", gate, column=column,
        **each(f"@*a*{strength}", f"a*Gate{number}.counts"),
    )  # fmt: skip


def _any_solo() -> str:
    return "+".join(f"parent.solo{number}*parent.on{number}" for number in PASSES)


def _panel() -> Lines:
    panel = Lines()
    panel.knob(7, "strength", "strength", "How much of all passes is laid over the plate.", "1", "R 0 1")
    panel.menu("view", "view", "result: the picture. difference: what is changed, on grey, four times magnified.",
               ("result", "difference"))  # fmt: skip
    panel.divider("passes_divider", "The passes and their models.")
    panel.button("make_passes", "Make passes", "Makes a BipackModel above every pass that names a model, fed by the "
                 "plate with the region's matte in alpha. Press it again after a change.", "passes")  # fmt: skip
    panel.button("cook_passes_frame", "Cook frame", "Cooks every pass that is not fresh at the frame that the viewer "
                 "is at.", "passes")  # fmt: skip
    panel.button("cook_passes_range", "Cook range", "Cooks every pass that is not fresh over the script's frame range.",
                 "passes")  # fmt: skip
    panel.button("cancel", "Cancel", "Stops the cook that is running. Finished frames stay.", "passes")
    for number in PASSES:
        name = f"pass{number}_group"
        panel.lines.append(f"addUserKnob {{20 {name} l {quoted(f'pass {number}')} n {1 if number < 3 else 2}}}")
        panel.knob(6, f"on{number}", "on", "Whether this pass counts.", "true", "+STARTLINE")
        panel.knob(6, f"solo{number}", "solo", "Show only the passes that are solo.", "false", "-STARTLINE")
        panel.knob(1, f"model{number}", "model", "Name or file of the model that makes this pass, such as "
                   "forehead_lines. Empty: what is connected is taken as it is.")  # fmt: skip
        panel.menu(f"region{number}", "region", "Region that the model works in: a matte of BipackFaceRegions' crops. "
                   "alpha: the plate's own alpha, such as a roto.", ("alpha", *MATTES))  # fmt: skip
        panel.knob(7, f"age{number}", "age", "How far the model of this pass goes: 0 is the plate, 1 all of it. May "
                   "be keyed; cook again after a change. Its other sliders are on its own node.",
                   "1", "R 0 1")  # fmt: skip
        panel.knob(7, f"strength{number}", "strength", "How much of this pass is taken; may be keyed, and may go "
                   "beyond 1.", "1", "R 0 1")  # fmt: skip
        panel.knob(7, f"fine{number}", "fine", "How much of its fine changes: wrinkles and lines. 0 keeps the plate's "
                   "texture.", "1", "R 0 1")  # fmt: skip
        panel.knob(7, f"broad{number}", "broad", "How much of its broad changes: shape, light and color.", "1", "R 0 1")
        panel.knob(7, f"radius{number}", "radius", "Pixels up to which a change counts as fine.", "6", "R 0 64")
        panel.end(name)
    panel.group("more_group", "more")
    panel.menu("working_space", "working space", "The values that the work is done in: encoded, as you see, or "
               "scene-linear.", ("encoded", "linear"))  # fmt: skip
    panel.knob(7, "reference_width", "reference width", "Width of the picture that the radii were chosen on; 0: they "
               "are pixels of this picture.", "0")  # fmt: skip
    panel.knob(7, "blur_size", "blur size", "Size of Nuke's Blur for a radius of one pixel. Leave it at 1.", "1",
               "R 0.5 2")  # fmt: skip
    panel.end("more_group")
    return panel
