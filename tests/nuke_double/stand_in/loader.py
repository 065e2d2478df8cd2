"""Statements to nodes: the stack machine that a script is.

Every node pops its inputs and is pushed; the top of the stack is input 0, a mask is popped last. A group has a stack
of its own until its end_group. In strict mode an unknown class, knob, value or command is an error with the file's
line, as it must be for our gizmos; in lenient mode, for other people's files, it is recorded as a problem, the text
is kept, and no callback runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import node_classes, script_parser, user_knobs
from .errors import ScriptError
from .groups import Gizmo, Group
from .knobs import Unsupported_Knob
from .nodes import Node
from .script_parser import AddLayer, CloneBlock, EndGroup, KnobLine, NodeBlock, Push, Script, SetStack, Version
from .session_graph import NOT_SHARED
from .tables.common import COMMON

if TYPE_CHECKING:
    from .session import Session

GROUPS = {"Group", "Gizmo", "LiveGroup"}
_IGNORED = {"define_window_layout_xml", "add_format", "python", "load", "menu"}
_NOT_KNOBS = {"inputs", "addUserKnob"}
_NEVER_KEPT = {spec.name for spec in COMMON}  # these keep their default rather than become mere text
RENAMED = {("FrameHold", "first_frame"): "firstFrame", ("FrameHold", "firstFrame"): "first_frame"}


@dataclass
class _Level:
    """One open group: where nodes go, and its stack."""

    group: Group
    stack: list[Node | None] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    block: NodeBlock | None = None


@dataclass
class Problem:
    """Something that only lenient mode lets pass."""

    line: int
    message: str


class Loader:
    """Makes nodes from script text in a session."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def load(
        self,
        script: Script,
        into: Group,
        top: Node | None = None,
        with_root: bool = False,
        gizmo_class: str = "",
        callbacks: bool = True,
    ) -> list[Node]:
        """Run the script inside a group. `top` is what `push $cut_paste_input` gives. Returns the outermost nodes."""
        return _Run(self, script, into, top, with_root, gizmo_class, callbacks).run()

    def read_knobs(self, node: Node, text: str, source: str = "") -> None:
        """Knob lines, as nuke.createNode's second argument and Node.readKnobs take them."""
        for line in script_parser.parse_knobs(text, source=source):
            self.read_knob(node, line, source)

    def read_knob(self, node: Node, line: KnobLine, source: str) -> Problem | None:
        """One knob line onto a node; in lenient mode a line that does not fit becomes a kept text and a problem."""
        try:
            self._read_strictly(node, line, source)
            return None
        except ScriptError as error:
            if self.session.strict:
                raise
            self._keep(node, line)
            return Problem(line.value.line, str(error))

    def _read_strictly(self, node: Node, line: KnobLine, source: str) -> None:
        if line.ragged:
            raise ScriptError(f'knob "{line.name}": one value was expected', line.value.line, source)
        if line.name == "inputs":
            return
        if line.name == "addUserKnob":
            self._add_user_knob(node, line, source)
            return
        knob = node._knobs.get(line.name) or node._knobs.get(RENAMED.get((node.Class(), line.name), ""))
        if knob is None:
            raise ScriptError(f'{node.Class()}: there is no knob "{line.name}"', line.value.line, source)
        knob._explicit = True
        knob._read(line.value, source)

    def _add_user_knob(self, node: Node, line: KnobLine, source: str) -> None:
        knob = user_knobs.read(line.value, self.session.strict, source)
        if knob._name and knob._name in node._knobs and self.session.strict:
            raise ScriptError(f'{node.Class()}: knob "{knob._name}" exists already', line.value.line, source)
        node._attach(knob)

    def _keep(self, node: Node, line: KnobLine) -> None:
        if line.name == "addUserKnob" or line.name in _NEVER_KEPT or node is self.session.root:
            return
        knob = Unsupported_Knob(line.name)
        knob._node = node
        knob._read(line.value)
        node._knobs[line.name] = knob


class _Run:
    def __init__(
        self,
        loader: Loader,
        script: Script,
        into: Group,
        top: Node | None,
        with_root: bool,
        gizmo_class: str,
        callbacks: bool,
    ) -> None:
        self.loader = loader
        self.session = loader.session
        self.script = script
        self.source = script.source
        self.with_root = with_root
        self.gizmo_class = gizmo_class
        self.callbacks = callbacks
        self.levels = [_Level(into, [] if top is None else [top], {node.name() for node in into._nodes})]
        self.variables: dict[str, Node | None] = {"cut_paste_input": top}
        self.outermost: list[Node] = []

    @property
    def level(self) -> _Level:
        return self.levels[-1]

    def run(self) -> list[Node]:
        for statement in self.script.statements:
            self._one(statement)
        if len(self.levels) > 1:
            block = self.level.block
            self._problem("end_group is missing", block.line if block else 0)
            while len(self.levels) > 1:
                self._end_group()
        return self.outermost

    def _one(self, statement: script_parser.Statement) -> None:
        if isinstance(statement, NodeBlock):
            self._node(statement)
        elif isinstance(statement, CloneBlock):
            self._clone(statement)
        elif isinstance(statement, SetStack):
            stack = self.level.stack
            self.variables[statement.name] = stack[-1 - statement.depth] if len(stack) > statement.depth else None
        elif isinstance(statement, Push):
            if statement.name and statement.name not in self.variables:
                self._problem(f'no such variable "{statement.name}"', statement.line)
            self.level.stack.append(self.variables.get(statement.name))
        elif isinstance(statement, EndGroup):
            if len(self.levels) == 1:
                self._problem("end_group without a group", statement.line)
            else:
                self._end_group()
        elif isinstance(statement, AddLayer):
            self.session.channels.add_layer(statement.name, statement.channels)
        elif not isinstance(statement, Version) and statement.words[0] not in _IGNORED:
            self._problem(f"{statement.words[0]}: Unknown command", statement.line)

    def _node(self, block: NodeBlock) -> None:
        if block.node_class == "Root":
            self._root(block)
            return
        node = self._make(block.node_class, block.line)
        self._fill(node, block.knobs, block.line)
        if block.node_class in GROUPS and isinstance(node, Group):
            self.levels.append(_Level(node, block=block))
            return
        self.level.stack.append(node)
        self._created(node)

    def _root(self, block: NodeBlock) -> None:
        for line in block.knobs:
            if self.with_root:
                self._read(self.session.root, line)

    def _make(self, name: str, line: int) -> Node:
        node = None
        if name == "Gizmo":
            node = self.session.make_node("Gizmo", self.level.group)
            if isinstance(node, Gizmo):
                node._class_name = self.gizmo_class
                node._file = self.source
        else:
            node = self.session.make_node(name, self.level.group, callbacks=self.callbacks)
        if node is not None:
            return node
        self._problem(f"{name}: Unknown command", line)
        unknown = node_classes.NodeClass(name, 0, 1000, None, tuple(node_classes.COMMON), documented=False)
        return self.session.instantiate(unknown, self.level.group)

    def _fill(self, node: Node, lines: tuple[KnobLine, ...], line: int) -> None:
        inputs = next((knob.value.text for knob in lines if knob.name == "inputs"), "1")
        wanted = next((knob.value.text for knob in lines if knob.name == "name"), "")
        self.session.name_new_node(node, wanted, self.level.taken)
        for knob in lines:
            if knob.name != "name":
                self._read(node, knob)
        self._connect(node, inputs, line)

    def _connect(self, node: Node, inputs: str, line: int) -> None:
        main, _, masks = inputs.partition("+")
        try:
            count, mask_count = int(main), int(masks or 0)
        except ValueError:
            self._problem(f"inputs {inputs}: not a number", line)
            return
        mask = node._node_class.mask
        if not node._is_group and count > max(node._input_limit(), 1) and node._node_class.documented:
            self._problem(f"{node.Class()} takes {node._input_limit()} inputs, not {count}", line)
        if mask is not None and not mask_count and count == node._input_limit() and count > mask:
            count, mask_count = count - 1, 1  # all inputs counted as one, as old scripts have it
        places = [i for i in range(count + 1) if i != mask][:count]
        for place in places:
            self._plug(node, place)
        for number in range(mask_count):
            self._plug(node, (count if mask is None else mask) + number)

    def _plug(self, node: Node, place: int) -> None:
        stack = self.level.stack
        source = stack.pop() if stack else None
        if source is not None:
            node._connect(place, source)

    def _clone(self, block: CloneBlock) -> None:
        original = self.variables.get(block.reference)
        if original is None:
            if not block.node_class:
                self._problem(f'clone of an unknown "{block.reference}"', block.line)
                self.level.stack.append(None)
                return
            self._node(NodeBlock(block.node_class, block.knobs, block.line))
            self.variables[block.reference] = self.level.stack[-1] if self.level.stack else None
            return
        twin = self.session.twin(original, self.level.group)
        for line in block.knobs:
            if line.name in NOT_SHARED:
                self._read(twin, line)
        inputs = next((knob.value.text for knob in block.knobs if knob.name == "inputs"), "1")
        self._connect(twin, inputs, block.line)
        self.level.stack.append(twin)
        self._created(twin)

    def _end_group(self) -> None:
        done = self.levels.pop()
        group = done.group
        self.level.stack.append(group)
        self._created(group)

    def _created(self, node: Node) -> None:
        if len(self.levels) == 1:
            self.outermost.append(node)
        if self.callbacks:
            self.session.node_created(node)

    def _read(self, node: Node, line: KnobLine) -> None:
        problem = self.loader.read_knob(node, line, self.source)
        if problem is not None:
            self.session.problems.append(problem)

    def _problem(self, message: str, line: int) -> None:
        if self.session.strict:
            raise ScriptError(message, line, self.source)
        self.session.problems.append(Problem(line, message))
