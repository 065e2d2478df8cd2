"""BipackCleanPlate: the median of frames around the current one, laid over it by a track."""

from __future__ import annotations

import fragments as fr
from nk import Graph, Node, each, expression, linked, quoted
from panel import ROOT, Panel, group_text  # noqa: F401

from bipack.imaging.finishing.clean_plate import NETWORKS

HELP = (
    "Makes a clean plate from the frames around: what covers a pixel in fewer than half of them is gone. For a moving "
    "camera give a track of the background, one point or four corners, from a Tracker or a planar track. A hold-out "
    "matte keeps an actor out altogether. The median has less grain than the plate: BipackRegrain puts it back. "
    "Renders live; bipack run clean_plate aligns the frames by itself."
)
SAMPLES = 7
FAR = "1e30"
KNOWN = "0.999"


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    matte_in = fr.add_input(graph, "matte", 2, 9)
    holdout = fr.add_input(graph, "holdout", 1, 4)
    plate = fr.add_input(graph, "plate", 0, 0)
    _times(graph, plate)
    matte = fr.matte(graph, matte_in, plate, 2, 9)
    known = _known(graph, plate, holdout)
    # The outer frames come first: those that are not wanted cancel out, one low and one high.
    samples: list[Node] = []
    count: Node | None = None
    for place in (-3, 3, -2, 2, -1, 0, 1):
        moved = _laid_over(graph, known, place)
        count = _counted(graph, moved, count, place, plate)
        samples.append(count)
    middle = _median(graph, samples)
    assert count is not None
    median = fr.with_alpha(graph, "MedianCount", middle, count, column=1)
    clean = graph.add("MergeExpression", "Filled", plate, median, **each(f"Aa>{SAMPLES - 0.5}?B@:A@"))
    marked = fr.with_alpha(graph, "CleanInMatte", clean, matte)
    mixed = "Aa*parent.mix"
    result = graph.add(
        "MergeExpression",
        "Result",
        plate,
        marked,
        **each(f"{mixed}==0?B@:{mixed}==1?A@:B@+clamp(Aa)*parent.mix*(A@-B@)"),
    )
    missing = graph.add("Expression", "MissingShown", count, column=2, **each(f"a>{SAMPLES - 0.5}"))
    fr.finish(graph, result, plate, (missing,))
    return group_text("BipackCleanPlate", HELP, "0x6a6a3dff", _panel(), graph.text(), preset=False)


def _name(place: int) -> str:
    return f"{'M' if place < 0 else 'P'}{abs(place)}"


def _times(graph: Graph, plate: Node) -> None:
    """A node with the frame offset of every sample; near the ends of the shot all of them slide inwards."""
    others = {
        "reach": "max(1,parent.step)*(parent.frames+1)",
        "begin": "parent.first == 0 ? root.first_frame : parent.first",
        "end": "parent.last == 0 ? root.last_frame : parent.last",
        "middle": "min(max(frame,begin+reach),max(end-reach,begin))-frame",
    }
    for place in range(-3, 4):
        others[f"o{_name(place)}"] = f"middle+{place}*max(1,parent.step)".replace("+-", "-")
    fr.sizes(graph, plate, {}, others, reference=False)


def _known(graph: Graph, plate: Node, holdout: Node) -> Node:
    """The plate with alpha 1 where it may be used."""
    free = graph.add("Expression", "NoHoldout", plate, column=3, **expression("0", "0", "0", "0"))
    chosen = graph.add("Switch", "Holdout", free, holdout, which=linked(fr.connected(1)), column=3)
    held = fr.with_alpha(graph, "WithHoldout", plate, chosen, column=1)
    return graph.add("Expression", "Known", held, column=1, **expression("r", "g", "b", "a>0?0:1"))


def _laid_over(graph: Graph, known: Node, place: int) -> Node:
    """Another frame in the place of this one."""
    column = place + 4
    offset = f"Sizes.o{_name(place)}"
    there = f"frame+{offset}"
    node = graph.add("TimeOffset", f"Frame{_name(place)}", known, column=column, time_offset=linked(f"0-{offset}"))
    x, y = (f"parent.track.{axis}-parent.track.{axis}({there})" for axis in "xy")
    by_point = graph.add(
        "Transform",
        f"Move{_name(place)}",
        node,
        column=column,
        translate="{" + linked(x)[1:-1] + " " + linked(y)[1:-1] + "}",
    )
    pins = {}
    for corner in range(1, 5):
        name = f"parent.corner{corner}"
        pins[f"to{corner}"] = f"{{{{{name}.x}} {{{name}.y}}}}"
        pins[f"from{corner}"] = f"{{{{{name}.x({there})}} {{{name}.y({there})}}}}"
    by_corners = graph.add("CornerPin2D", f"Pin{_name(place)}", node, column=column, **pins)
    return graph.add(
        "Switch", f"Laid{_name(place)}", node, by_point, by_corners, column=column, which=linked("parent.track_by")
    )


def _counted(graph: Graph, moved: Node, before: Node | None, place: int, plate: Node) -> Node:
    """A sample that does not count made very low or very high by turns; alpha counts those so far."""
    column = place + 4
    outer = f"parent.frames<{abs(place) - 1}||" if abs(place) > 1 else ""
    gone = f"({outer}Aa<{KNOWN})"
    if before is None:
        before = graph.add("Expression", "NoneYet", plate, column=0, **expression("0", "0", "0", "0"))
    node = graph.add(
        "MergeExpression",
        f"Count{_name(place)}",
        before,
        moved,
        column=column,
        **each(f"{gone}?(fmod(Ba,2)<0.5?-{FAR}:{FAR}):A@", f"Ba+{gone}"),
    )
    return graph.add("CopyBBox", f"Sample{_name(place)}", node, plate, column=column)


def _median(graph: Graph, samples: list[Node]) -> Node:
    """The middle of seven, by Merges that take the smaller and the larger of two."""
    nodes = list(samples)
    for number, (low, high) in enumerate(NETWORKS[SAMPLES]):
        pair = nodes[low], nodes[high]
        nodes[low] = graph.add("Merge2", f"Min{number}", *pair, operation="min", column=low)
        nodes[high] = graph.add("Merge2", f"Max{number}", *pair, operation="max", column=high)
    return nodes[SAMPLES // 2]


def _panel() -> Panel:
    panel = Panel("clean_plate")
    panel.tab("Bipack")
    panel.knobs("frames", "step", "first", "last")
    panel.divider("background")
    tip = "How the background moves: not at all (a locked-off camera), with one track, or with four."
    panel.raw(f'addUserKnob {{4 track_by l moves t {quoted(tip)} M {{nothing "with a point" "with four corners" ""}}}}')
    tip = "A track of one point of the background. Ctrl-drag a Tracker's animation onto it."
    panel.raw(f"addUserKnob {{12 track l point t {quoted(tip)}}}")
    start = ((0, 0), (1920, 0), (1920, 1080), (0, 1080))
    for number, (x, y) in enumerate(start, start=1):
        tip = "A corner of a planar track of the background."
        panel.raw(
            f"addUserKnob {{12 corner{number} l {quoted(f'corner {number}')} t {quoted(tip)}}}",
            f"corner{number} {{{x} {y}}}",
        )
    panel.divider("out")
    panel.matte_channel()
    panel.knobs("mix", "view")
    return panel
