"""What dotted names mean in knob expressions and Tcl: knobs, fields, nodes and the few facts that nodes tell.

Foundry's rule: the first word is looked for among the fields of the current knob, the knobs of the current node, the
nodes in its group (or in the node, if it is a group), and so on up to the root; `root`, `parent`, `this`, `input` and
`inputN` are fixed. A name found nowhere is an error: it never silently becomes 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import functions
from .errors import ExpressionError
from .knobs import Knob

if TYPE_CHECKING:
    from .nodes import Node
    from .session import Session

FACTS = {"width", "height", "pixel_aspect", "first_frame", "last_frame"}
BOXES = {"bbox", "format"}


@dataclass(frozen=True)
class Found:
    """What a name refers to: a node; a knob and perhaps a field of it; or a fact about a node's picture."""

    node: Node
    knob: Knob | None = None
    field: str = ""
    fact: str = ""


def find(name: str, node: Node, knob: Knob | None = None) -> Found | None:
    """The thing called `name`, seen from a knob of a node; None if there is none."""
    words = name.split(".")
    if knob is not None and len(words) == 1 and words[0] in getattr(knob, "_names", ()) and words[0] != "value":
        return Found(node, knob, words[0])
    fixed = _fixed(words[0], node)
    if fixed is not None:
        return _inside(fixed[0], words[1:]) if fixed[0] is not None else None
    here: Node | None = node
    while here is not None:
        found = _knob_of(here, words) or _fact_of(here, words)
        if found is not None:
            return found
        for group in (here, here._parent):
            child = group._child(words[0]) if group is not None and group._is_group else None
            if child is not None:
                found = _inside(child, words[1:])
                if found is not None:
                    return found
        here = here._parent
    return None


def _fixed(word: str, node: Node) -> tuple[Node | None] | None:
    """A one-tuple with the node that a fixed word means (it may be None), or None if the word is not fixed."""
    if word == "root":
        return (node._session.root,)
    if word == "parent":
        return (node._parent,)
    if word == "this":
        return (node,)
    if word.startswith("input") and (word == "input" or word[5:].isdigit()):
        number = int(word[5:] or 0)
        return (node._inputs[number] if number < len(node._inputs) else None,)
    return None


def _inside(node: Node, words: list[str]) -> Found | None:
    if not words:
        return Found(node)
    found = _knob_of(node, words)
    if found is not None:
        return found
    fixed = _fixed(words[0], node) if words[0] != "this" else None
    if fixed is not None:
        return _inside(fixed[0], words[1:]) if fixed[0] is not None else None
    found = _fact_of(node, words)
    if found is not None:
        return found
    child = node._child(words[0]) if node._is_group else None
    return _inside(child, words[1:]) if child is not None else None


def _knob_of(node: Node, words: list[str]) -> Found | None:
    for count in range(len(words), max(0, len(words) - 3), -1):
        knob = node._knobs.get(".".join(words[:count]))
        if knob is not None and len(words) - count <= 1:
            return Found(node, knob, ".".join(words[count:]))
    return None


def _fact_of(node: Node, words: list[str]) -> Found | None:
    if len(words) == 1 and words[0] in FACTS:
        return Found(node, fact=words[0])
    if len(words) == 2 and words[0] in BOXES:
        return Found(node, fact=".".join(words))
    return None


class KnobNames:
    """Names inside the expression of one channel of a knob, at one frame."""

    def __init__(self, session: Session, node: Node, knob: Knob | None, index: int, frame: float) -> None:
        self.session = session
        self.node = node
        self.knob = knob
        self.index = index
        self.frame = frame

    def name(self, name: str) -> float:
        if name in ("frame", "t", "x"):
            return float(self.frame)
        if name in ("y", "curve"):
            return self._keys(self.frame)
        if name in functions.CONSTANTS:
            return functions.CONSTANTS[name]
        if name == "$gui":  # Foundry support, Q100349: 1 in the GUI, 0 when rendering without it
            return float(self.session.gui)
        return self.number(name, self.frame)

    def number(self, name: str, frame: float) -> float:
        found = find(name, self.node, self.knob)
        if found is None:
            raise ExpressionError(f'{self.where()}: nothing is named "{name}"')
        if found.fact:
            return self.session.fact(found.node, found.fact, frame)
        if found.knob is None:
            raise ExpressionError(f'{self.where()}: "{name}" is a node, not a number')
        try:
            return float(found.knob._field(found.field, frame))
        except KeyError:
            raise ExpressionError(f'{self.where()}: "{name}" is no number') from None

    def call(self, name: str, arguments: list[Any]) -> Any:
        if name in ("frame",) and not arguments:
            return float(self.frame)
        if name in ("curve", "y"):
            return self._keys(float(arguments[0]) if arguments else self.frame)
        if functions.known(name):
            return functions.apply(name, arguments)
        if len(arguments) == 1 and find(name, self.node, self.knob) is not None:
            return self.number(name, float(arguments[0]))
        raise ExpressionError(f'{self.where()}: there is no function "{name}"')

    def command(self, text: str) -> Any:
        return functions.number(self.session.run_tcl(text, self.node, self.knob, self.frame))

    def where(self) -> str:
        return self.node.fullName() + ("" if self.knob is None else f".{self.knob.name()}")

    def _keys(self, frame: float) -> float:
        channels = getattr(self.knob, "_channels", None)
        return 0.0 if channels is None else channels[self.index].at(frame)
