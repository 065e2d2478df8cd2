"""Everything that is wrong with a gizmo, found without a test for each knob.

Links must lead somewhere, expressions and Tcl labels must evaluate, buttons and callbacks must compile, the graph
must hang together: one Output, Inputs numbered without gaps, no knob that the stand-in knows only by name.
"""

from __future__ import annotations

from collections.abc import Iterator

from .errors import NotEvaluated
from .groups import Group
from .knob_texts import EvalString_Knob, Link_Knob, PyScript_Knob, PythonKnob, Script_Knob
from .knobs import Knob, Unsupported_Knob
from .nodes import Node
from .session import current


def audit(node: Node) -> list[str]:
    """One sentence per fault, the node's own first and then those inside it."""
    return list(_node(node))


def _node(node: Node) -> Iterator[str]:
    for knob in node.allKnobs():
        for fault in _knob(node, knob):
            yield f"{node.fullName()}.{knob.name()}: {fault}"
    if isinstance(node, Group):
        yield from _group(node)
        for inner in node._nodes:
            yield from _node(inner)


def _knob(node: Node, knob: Knob) -> Iterator[str]:
    if isinstance(knob, Link_Knob):
        if knob.getLinkedKnob() is None:
            yield f'linked knob "{knob.getLink()}" not found'
        return
    if isinstance(knob, (PyScript_Knob, PythonKnob)):
        yield from _python(knob._value)
    elif isinstance(knob, Unsupported_Knob):
        if not knob._is_default() and knob.name() != "metadata":
            yield "the stand-in knows this knob by name only"
    elif (
        isinstance(knob, EvalString_Knob) and not isinstance(knob, Script_Knob) and "[" in knob._value
    ) or _has_expression(knob):
        yield from _evaluated(knob)


def _has_expression(knob: Knob) -> bool:
    return bool(getattr(knob, "_expression", "")) or any(c.expression for c in getattr(knob, "_channels", None) or [])


def _evaluated(knob: Knob) -> Iterator[str]:
    try:
        if isinstance(knob, EvalString_Knob):
            knob.evaluate()
        else:
            knob.value()
    except NotEvaluated:
        return
    except Exception as error:
        yield f"{type(error).__name__}: {error}"


def _python(text: str) -> Iterator[str]:
    try:
        compile(text, "button", "exec")
    except SyntaxError as error:
        yield f"line {error.lineno} is no Python: {error.msg}"


def _group(group: Group) -> Iterator[str]:
    if group is current().root:
        return
    outputs = [node for node in group._nodes if node.Class() == "Output"]
    if len(outputs) != 1:
        yield f"{group.fullName()}: {len(outputs)} Output nodes instead of one"
    elif outputs[0].input(0) is None:
        yield f"{group.fullName()}: the Output is not connected"
    numbers = sorted(int(node["number"].value()) for node in group._nodes if node.Class() == "Input")
    if numbers != list(range(len(numbers))):
        yield f"{group.fullName()}: the Inputs are numbered {numbers}"
