"""Pieces of graph that several finishing gizmos share: curves, tents, mattes, and the way in and out."""

from __future__ import annotations

from typing import Optional

from nk import Graph, Node, each, expression, linked, quoted

LUMA = "(0.2126*{p}r+0.7152*{p}g+0.0722*{p}b)"
"""Luma of the channels that begin with {p}: nothing in an Expression, A or B in a MergeExpression."""


def encode(value: str) -> str:
    """The encoding around every Bipack model, as an expression of `value`."""
    size = f"abs({value})"
    curve = (
        f"({size}<0.0031306684425?12.92*{size}:{size}<=1?1.055*pow({size},0.416666667)-0.055:1+0.439583333*log({size}))"
    )
    return f"({value}<0?-1:1)*{curve}"


def decode(value: str) -> str:
    """Undoes `encode`."""
    size = f"abs({value})"
    curve = f"({size}<0.04044823628?{size}/12.92:{size}<=1?pow(({size}+0.055)/1.055,2.4):exp(({size}-1)/0.439583333))"
    return f"({value}<0?-1:1)*{curve}"


def overlay(lower: str, upper: str) -> str:
    """Overlay of `upper` on `lower`, not clamped."""
    return f"({upper}<0.5?2*{lower}*{upper}:1-2*(1-{lower})*(1-{upper}))"


def add_input(graph: Graph, name: str, number: int, column: int) -> Node:
    """An input of the group."""
    return graph.add("Input", name, number=str(number), column=column)


def connected(number: int) -> str:
    """1 where something is connected to input `number` of the group."""
    return f"[exists parent.input{number}]"


def enter(graph: Graph, name: str, source: Node, column: int = 0) -> Node:
    """`source` in working values: encoded where the knob says so."""
    coded = graph.add("Expression", f"{name}Encode", source, column=column, **each(encode("@")))
    return graph.add("Switch", name, coded, source, column=column, which=linked("parent.working_space"))


def leave(graph: Graph, name: str, work: Node, column: int = 0) -> Node:
    """Working values as light again; alpha comes along."""
    light = graph.add("Expression", f"{name}Decode", work, column=column, **each(decode("@")))
    return graph.add("Switch", name, light, work, column=column, which=linked("parent.working_space"))


def sizes(
    graph: Graph,
    plate: Node,
    radii: dict[str, str],
    others: Optional[dict[str, str]] = None,
    reference: bool = True,
) -> Node:
    """A node that holds what the knobs come to: radii scaled by the reference width, and other numbers.

    `radii` are expressions in pixels of the reference; below 1 pixel a radius is 0, for then nothing is blurred.
    """
    node = graph.add("NoOp", "Sizes", plate, column=-3)
    lines = ["addUserKnob {20 User}"]
    if reference:
        scale = linked("parent.reference_width > 0 ? input.width / parent.reference_width : 1")
        lines += ["addUserKnob {7 scale}", f"scale {scale}"]
    for name, text in radii.items():
        scaled = f"{text}*scale"
        lines += [f"addUserKnob {{7 {name}}}", f"{name} " + linked(f"{scaled} < 1 ? 0 : {scaled}")]
    for name, text in (others or {}).items():
        lines += [f"addUserKnob {{7 {name}}}", f"{name} " + linked(text)]
    node.user_knobs = lines
    return node


def tent(graph: Graph, name: str, source: Node, size: str, like: Node, channels: str = "rgb", column: int = 0) -> Node:
    """`source` blurred by a tent of radius `size`; the box stays that of `like`, so that edges hold."""
    blurred = graph.add(
        "Blur",
        f"{name}Blur",
        source,
        channels=channels,
        size=linked(f"{size}*parent.blur_size"),
        filter="triangle",
        crop="false",
        column=column,
    )
    return graph.add("CopyBBox", name, blurred, like, column=column)


def matte(graph: Graph, source: Node, plate: Node, number: int, column: int) -> Node:
    """The matte, its chosen channel in alpha and its colors as they are; all 1 where none is connected.

    The node PickMatte is what the group's knob `matte_channel` is linked to.
    """
    picked = graph.add("Copy", "PickMatte", source, source, from0="rgba.alpha", to0="rgba.alpha", column=column)
    white = graph.add("Expression", "NoMatte", plate, column=column + 1, **expression("1", "1", "1", "1"))
    chosen = graph.add("Switch", "MatteOrAll", white, picked, which=linked(connected(number)), column=column)
    return graph.add("CopyBBox", "Matte", chosen, plate, column=column)


def with_alpha(graph: Graph, name: str, picture: Node, alpha: Node, column: int = 0) -> Node:
    """`picture` with the alpha of another."""
    return graph.add("Copy", name, picture, alpha, from0="rgba.alpha", to0="rgba.alpha", column=column)


def changed(channels: str = "A") -> str:
    """1 where any color of an input is not 0."""
    return f"({channels}r!=0||{channels}g!=0||{channels}b!=0)"


def where_marked(graph: Graph, name: str, light: Node, plate: Node, mix: str = "", column: int = 0) -> Node:
    """`light` where its alpha is above 0; elsewhere the plate, untouched."""
    inside = f"({mix}==1?A@:B@+{mix}*(A@-B@))" if mix else "A@"
    return graph.add("MergeExpression", name, plate, light, column=column, **each(f"Aa>0?{inside}:B@", "Ba"))


def difference(graph: Graph, result: Node, plate: Node, gain: float = 4.0) -> Node:
    """What was changed, in working values, on grey."""
    before = enter(graph, "ViewBefore", plate, column=5)
    after = enter(graph, "ViewAfter", result, column=4)
    return graph.add("MergeExpression", "Difference", before, after, column=4, **each(f"0.5+{gain:g}*(A@-B@)"))


def finish(graph: Graph, result: Node, plate: Node, views: tuple[Node, ...] = ()) -> None:
    """The result or what the knob `view` names, its colors put into the plate: all else of the plate passes through."""
    shown = graph.add("Switch", "View", result, *views, which=linked("parent.view")) if views else result
    colors = {
        f"{end}{index}": f"rgba.{name}" for end in ("from", "to") for index, name in enumerate(("red", "green", "blue"))
    }
    out = graph.add("Copy", "IntoPlate", plate, shown, **colors)
    out = graph.add("CopyBBox", "SameBox", out, plate)
    graph.add("Output", "Output1", out)


__all__ = [
    "LUMA", "add_input", "changed", "connected", "decode", "difference", "encode", "enter", "finish", "leave", "matte",
    "overlay", "quoted", "sizes", "tent", "where_marked", "with_alpha",
]  # fmt: skip
