"""BipackBeauty: the eight steps of Flame's skin beauty in Nuke's own nodes."""

from __future__ import annotations

import math

import fragments as fr
import numpy as np
from nk import Graph, Node, each, expression, linked
from panel import Panel, group_text

HELP = (
    "Skin beauty: lifts dark spots, calms hot spots, adds detail, shine and the plate's own grain, and turns the hue, "
    "all inside the skin. Connect a skin matte, or let the built-in key find the skin and a matte limit it. Work from "
    "the top down, with view on matte first. Renders live, without a worker; bipack run beauty does the same without "
    "Nuke, with Flame's own smoothing."
)
LUMA = "(0.2125*{p}r+0.7154*{p}g+0.0721*{p}b)"
_YUV = np.array([[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])
_MOST = "max({p}r,max({p}g,{p}b))"
_SPREAD = f"({_MOST}-min({{p}}r,min({{p}}g,{{p}}b)))"
HUE = (
    f"({_SPREAD}>0?({{p}}r=={_MOST}?({{p}}g-{{p}}b)/{_SPREAD}:{{p}}g=={_MOST}?2+({{p}}b-{{p}}r)/{_SPREAD}:"
    f"4+({{p}}r-{{p}}g)/{_SPREAD})/6:0)"
)
SATURATION = f"({_SPREAD}/(abs({_MOST})+0.00000012))"


def build() -> str:
    """The text of the gizmo."""
    graph = Graph()
    matte_in = fr.add_input(graph, "matte", 1, 3)
    plate = fr.add_input(graph, "plate", 0, 0)
    _sizes(graph, plate)
    work = fr.enter(graph, "Work", plate)
    skin = _skin(graph, work, matte_in, plate)
    front = fr.with_alpha(graph, "Front", work, skin)
    smooth = _smooth(graph, work)
    calm = _without_spots(graph, front, smooth)
    crisp = _with_detail(graph, front, calm)
    shiny = _with_shine(graph, front, crisp)
    grainy = _with_grain(graph, work, shiny)
    turned = graph.add("Expression", "Hue", grainy, **_turn())
    light = fr.leave(graph, "Light", turned)
    result = fr.where_marked(graph, "Result", light, plate, "parent.mix")
    fr.finish(graph, result, plate, _views(graph, plate, result, skin, smooth))
    return group_text("BipackBeauty", HELP, "0x8a5060ff", _panel(), graph.text())


def _sizes(graph: Graph, plate: Node) -> None:
    radii = {
        "key": "parent.skin_blur",
        "matte": "parent.matte_blur",
        "detail": "parent.detail_blur",
        "shine": "parent.shine_blur",
    }
    # The same distance of color that gets half the weight in Flame's smoothing gets it in the bilateral.
    alike = f"{math.sqrt(3.0 / (2.0 * math.log(2.0))):.9g}*(1-pow(0.5,1/max(parent.smooth_threshold,0.01)))"
    others = {
        "smooth": "parent.smooth_size*scale",
        "alike": alike,
        "median": "parent.median_size*scale",
        "skinHue": (HUE + "-floor(" + HUE + ")").format(p="parent.skin_color."),
        "skinSaturation": SATURATION.format(p="parent.skin_color."),
        "skinValue": _MOST.format(p="parent.skin_color."),
        "turn": "parent.saturation*cos(radians(parent.hue))-1",
        "swing": "sin(radians(parent.hue))",
    }
    fr.sizes(graph, plate, radii, others)


def _skin(graph: Graph, work: Node, matte_in: Node, plate: Node) -> Node:
    """Step 1: the matte in alpha."""
    hsv = graph.add(
        "Expression",
        "SkinHSV",
        work,
        column=2,
        **expression(*(text.format(p="") for text in (HUE, SATURATION, _MOST)), "0"),
    )
    hue = "parent.skin_hue*(r-floor(r)-Sizes.skinHue)"
    saturation = "parent.skin_saturation*(g-Sizes.skinSaturation)"
    value = "parent.skin_value*(b-Sizes.skinValue)"
    distance = "sqrt(" + "+".join(f"{part}*{part}" for part in (hue, saturation, value)) + ")"
    key = graph.add("Expression", "SkinKey", hsv, column=2, **expression("0", "0", "0", f"clamp(2.5-3*{distance})"))
    key = fr.tent(graph, "SkinSoft", key, "Sizes.key", work, "alpha", column=2)
    matte = fr.matte(graph, matte_in, plate, 1, 3)
    soft = fr.tent(graph, "MatteSoft", matte, "Sizes.matte", work, "alpha", column=3)
    given = graph.add(
        "MergeExpression",
        "MatteAndKey",
        key,
        soft,
        column=3,
        **expression("0", "0", "0", "clamp(Aa*(parent.matte_is==1?Ba:1))"),
    )
    return graph.add("Switch", "Skin", key, given, which=linked(fr.connected(1)), column=2)


def _smooth(graph: Graph, work: Node) -> Node:
    """Step 2: the skin under its spots."""
    bilateral = graph.add(
        "Bilateral",
        "SmoothBilateral",
        work,
        column=1,
        channels="rgb",
        Size=linked("1.2*Sizes.smooth"),
        PositionalSigma=linked("Sizes.smooth"),
        ColorSigma=linked("Sizes.alike"),
    )
    median = graph.add("Median", "SmoothMedian", work, column=1, channels="rgb", size=linked("Sizes.median"))
    return graph.add("Switch", "Smooth", bilateral, median, which=linked("parent.smoothing"), column=1)


def _without_spots(graph: Graph, front: Node, smooth: Node) -> Node:
    """Steps 3 and 4. Alpha of the result is the skin."""
    far = "(0.2125*abs(Ar-Br)+0.7154*abs(Ag-Bg)+0.0721*abs(Ab-Bb))"
    alike = graph.add(
        "MergeExpression", "Alike", front, smooth, column=1, **each("A@", f"(1-clamp({far}))*Ba*parent.highlights")
    )
    lifted = graph.add(
        "MergeExpression", "Lifted", front, smooth, **each("B@+parent.dark_spots*Ba*(max(A@,B@)-B@)", "Ba")
    )
    return graph.add("MergeExpression", "Calmed", lifted, alike, **each("B@+(Ar+Ag+Ab<Br+Bg+Bb?Aa:0)*(A@-B@)", "Ba"))


def _with_detail(graph: Graph, front: Node, calm: Node) -> Node:
    """Step 5."""
    edges = graph.add(
        "Matrix",
        "Edges",
        front,
        column=1,
        channels="rgb",
        matrix="{\n    {-1 -1 -1}\n    {-1 8 -1}\n    {-1 -1 -1}\n  }",
    )
    grey = graph.add("MergeExpression", "Detail", front, edges, column=1, **each("0.5+0.1*parent.detail*Ba*A@", "Ba"))
    soft = fr.tent(graph, "DetailSoft", grey, "Sizes.detail", front, column=1)
    over = graph.add(
        "MergeExpression", "WithDetail", calm, soft, **each("parent.detail==0?B@:" + fr.overlay("B@", "A@"), "Ba")
    )
    return graph.add("CopyBBox", "Crisp", over, front)


def _with_shine(graph: Graph, front: Node, crisp: Node) -> Node:
    """Step 6: the soft bleach-bypass."""
    soft = fr.tent(graph, "ShineSoft", crisp, "Sizes.shine", front, column=1)
    over = graph.add("MergeExpression", "Overlay", crisp, soft, column=1, **each(fr.overlay("B@", "A@"), "Ba"))
    grey = LUMA.format(p="A")
    return graph.add(
        "MergeExpression",
        "Shiny",
        crisp,
        over,
        **each(f"B@+parent.shine*Ba*({grey}+parent.shine_saturation*(A@-{grey})-B@)", "Ba"),
    )


def _with_grain(graph: Graph, work: Node, shiny: Node) -> Node:
    """Step 7: what a gentle smoothing takes out of the plate goes back on top."""
    sigma = f"{math.sqrt(3.0 / (2.0 * math.log(2.0))) * (1 - 0.5**0.01):.9g}"
    gentle = graph.add(
        "Bilateral",
        "Degrained",
        work,
        column=1,
        channels="rgb",
        Size="4",
        PositionalSigma="2",
        ColorSigma=sigma,
    )
    grain = graph.add("MergeExpression", "Grain", gentle, work, column=1, **each("A@-B@", "0"))
    return graph.add("MergeExpression", "Grainy", shiny, grain, **each("B@+parent.regrain*Ba*A@", "Ba"))


def _turn() -> dict[str, str]:
    """Step 8: M - 1 = (s cos - 1) A + sin B for the matrices A and B of the color difference."""
    inverse = np.linalg.inv(_YUV)
    along = inverse @ np.diag([0.0, 1.0, 1.0]) @ _YUV
    across = inverse @ np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]) @ _YUV
    rows = []
    for index, name in enumerate("rgb"):
        parts = (
            "(" + "+".join(f"{value:.9g}*{channel}" for value, channel in zip(matrix[index], "rgb")) + ")"
            for matrix in (along, across)
        )
        rows.append("{}+a*(Sizes.turn*{}+Sizes.swing*{})".format(name, *parts).replace("+-", "-"))
    return expression(*rows, "a")


def _views(graph: Graph, plate: Node, result: Node, skin: Node, smooth: Node) -> tuple[Node, ...]:
    matte = graph.add("Expression", "SkinShown", skin, column=4, **expression("a", "a", "a"))
    under = fr.leave(graph, "SmoothShown", smooth, column=4)
    return matte, under, fr.difference(graph, result, plate)


def _panel() -> Panel:
    panel = Panel("beauty")
    panel.tab("Bipack")
    panel.presets()
    panel.divider("skin")
    panel.knobs("matte_is")
    panel.matte_channel()
    panel.knobs("matte_blur")
    panel.color("skin_color")
    panel.group("key", ("skin_hue", "skin_saturation", "skin_value", "skin_blur"))
    panel.divider("spots")
    panel.choice("smoothing", ("bilateral", "median"), "bilateral")
    panel.knobs("smooth_size", "smooth_threshold", "median_size", "dark_spots", "highlights")
    panel.divider("finish")
    panel.knobs("detail", "detail_blur", "shine", "shine_blur", "shine_saturation", "regrain", "hue", "saturation")
    panel.divider("out")
    panel.knobs("mix", "view")
    panel.more("working_space", "reference_width")
    return panel
