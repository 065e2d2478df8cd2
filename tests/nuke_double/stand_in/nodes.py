"""nuke.Node: knobs, inputs, and what Python may ask of any node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .formats import Box, Format
from .frames import FrameRange
from .knobs import Knob, _need_text
from .node_classes import NodeClass

if TYPE_CHECKING:
    from .groups import Group
    from .session import Session

_ALWAYS = {"_deleted", "__class__", "__dict__", "_name_if_deleted"}


class Node:
    """nuke.Node. After deletion every use raises ValueError, as in Nuke."""

    _is_group = False

    def __init__(self, session: Session, node_class: NodeClass, parent: Group | None) -> None:
        self._deleted = False
        self._session = session
        self._node_class = node_class
        self._parent = parent
        self._inputs: list[Node | None] = []
        self._knobs: dict[str, Knob] = {}
        self._user_knobs: list[Knob] = []
        self._own_callbacks: list[tuple[str, Any]] = []
        self._panel_open = False
        self._clones = 0
        for spec in node_class.knobs:
            knob = spec.make()
            knob._node = self
            self._knobs[spec.name] = knob

    def __getattribute__(self, name: str) -> Any:
        if name not in _ALWAYS and not name.startswith("__") and object.__getattribute__(self, "_deleted"):
            raise ValueError("A PythonObject is not attached to a node")
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return "<Node, deleted>" if self._deleted else f"<{self.Class()} {self.name()!r}>"

    # identity

    def Class(self) -> str:
        return self._node_class.name

    def name(self) -> str:
        return self._knobs["name"]._value  # type: ignore[attr-defined]

    def fullName(self) -> str:
        names = []
        here: Node | None = self
        while here is not None and here._parent is not None:
            names.append(here.name())
            here = here._parent
        return ".".join(reversed(names))

    def setName(self, name: str, uncollide: bool = True, updateExpressions: bool = False) -> None:
        _need_text(name)
        self._session.rename(self, name, uncollide)

    def help(self) -> str:
        return self._knobs["help"]._text()

    def parent(self) -> Group | None:
        return self._parent

    def rootNode(self) -> Node:
        return self._session.root

    # knobs

    def __getitem__(self, name: str) -> Knob:
        knob = self.knob(name)
        if knob is None:
            raise NameError(f"knob {name} does not exist")
        return knob

    def __len__(self) -> int:
        return len(self._knobs)

    def knob(self, name: str, follow_link: bool = True) -> Knob | None:
        _need_text(name)
        return self._knobs.get(name)

    def knobs(self) -> dict[str, Knob]:
        return dict(self._knobs)

    def allKnobs(self) -> list[Knob]:
        return [knob for knob in self._knobs.values() if knob not in self._user_knobs] + list(self._user_knobs)

    def numKnobs(self) -> int:
        return len(self._knobs)

    def getNumKnobs(self) -> int:
        return len(self._knobs)

    def addKnob(self, knob: Knob) -> None:
        if not isinstance(knob, Knob):
            raise TypeError(f"argument 1 must be Knob, not {type(knob).__name__}")
        if knob._node is not None and knob._node is not self:
            raise ValueError(f"knob {knob._name} already belongs to a node")
        if knob._name and knob._name in self._knobs:
            raise ValueError(f"knob {knob._name} already exists on {self.name()}")
        self._session.require_main_thread("addKnob")
        if not self._user_knobs and type(knob).__name__ != "Tab_Knob":
            self._attach_default_tab()
        self._attach(knob)

    def removeKnob(self, knob: Knob) -> None:
        if knob not in self._user_knobs:
            raise ValueError("only user knobs can be removed")
        self._user_knobs.remove(knob)
        if self._knobs.get(knob._name) is knob:
            del self._knobs[knob._name]
        knob._node = None

    def readKnobs(self, text: str) -> None:
        self._session.loader.read_knobs(self, text)

    def writeKnobs(self, what: int = 0) -> str:
        return self._session.saver.knob_lines(self, what)

    def resetKnobsToDefault(self) -> None:
        for spec in self._node_class.knobs:
            if spec.name not in ("name", "xpos", "ypos", "selected"):
                knob = spec.make()
                knob._node = self
                self._knobs[spec.name] = knob

    def linkableKnobs(self, knob_type: int) -> list[Any]:
        return []

    def setTab(self, index: int) -> None:
        if not isinstance(index, int):
            raise TypeError("an integer is required")

    # inputs

    def input(self, i: int) -> Node | None:
        return self._inputs[i] if 0 <= i < len(self._inputs) else None

    def inputs(self) -> int:
        return max((i + 1 for i, node in enumerate(self._inputs) if node is not None), default=0)

    def setInput(self, i: int, node: Node | None) -> bool:
        if node is not None and not isinstance(node, Node):
            raise TypeError(f"argument 2 must be Node or None, not {type(node).__name__}")
        self._session.require_main_thread("setInput")
        if not self.canSetInput(i, node):
            return False
        self._connect(i, node)
        self._session.input_changed(self)
        return True

    def canSetInput(self, i: int, node: Node | None) -> bool:
        if not 0 <= i < self._input_limit():
            return False
        if node is None:
            return True
        return node._parent is self._parent and not node._session.is_upstream(node, self)

    def connectInput(self, i: int, node: Node) -> bool:
        for index in range(i, self._input_limit()):
            if self.input(index) is None and self.setInput(index, node):
                return True
        return self.setInput(i, node)

    def maxInputs(self) -> int:
        return self._input_limit()

    def maximumInputs(self) -> int:
        return self._input_limit()

    def minInputs(self) -> int:
        return self._node_class.least

    def minimumInputs(self) -> int:
        return self._node_class.least

    def maxOutputs(self) -> int:
        return 0 if self.Class() in ("BackdropNode", "StickyNote", "Viewer", "Output") else 1

    def maximumOutputs(self) -> int:
        return self.maxOutputs()

    def optionalInput(self) -> int:
        return 0 if self._node_class.mask is None else self._node_class.mask

    def dependencies(self, what: int = 1 | 2 | 4 | 8) -> list[Node]:
        return self._session.dependencies(self, what)

    def dependent(self, what: int = 1 | 2 | 4 | 8, forceEvaluate: bool = True) -> list[Node]:
        return [n for n in self._session.every_node() if self in self._session.dependencies(n, what)]

    # node graph

    def xpos(self) -> int:
        return self._knobs["xpos"].value()

    def ypos(self) -> int:
        return self._knobs["ypos"].value()

    def setXpos(self, x: int) -> None:
        self._knobs["xpos"].setValue(x)

    def setYpos(self, y: int) -> None:
        self._knobs["ypos"].setValue(y)

    def setXYpos(self, x: int, y: int) -> None:
        self.setXpos(x)
        self.setYpos(y)

    def screenWidth(self) -> int:
        return 80

    def screenHeight(self) -> int:
        return 18

    def autoplace(self) -> None:
        pass

    def redraw(self) -> None:
        pass

    def isSelected(self) -> bool:
        return bool(self._knobs["selected"].value())

    def setSelected(self, selected: bool) -> None:
        self._knobs["selected"]._channels[0].value = float(bool(selected))  # type: ignore[attr-defined]

    def selectOnly(self) -> None:
        for node in self._parent._nodes if self._parent is not None else []:
            node.setSelected(node is self)

    def showControlPanel(self, forceFloat: bool = False) -> None:
        self._session.require_gui("showControlPanel")
        self._panel_open = True
        self._session.panel_opened(self)

    def hideControlPanel(self) -> None:
        self._session.require_gui("hideControlPanel")
        self._panel_open = False

    def shown(self) -> bool:
        return self._panel_open

    # picture

    def width(self) -> int:
        return self.format().width()

    def height(self) -> int:
        return self.format().height()

    def pixelAspect(self) -> float:
        return self.format().pixelAspect()

    def format(self) -> Format:
        return self._session.node_format(self)

    def bbox(self) -> Box:
        return self._session.node_bbox(self)

    def channels(self) -> list[str]:
        return self._session.node_channels(self)

    def metadata(self, *arguments: Any) -> Any:
        """metadata() for all, metadata(key), metadata(key, time), metadata(key, time, view)."""
        key = arguments[0] if arguments else None
        frame = float(arguments[1]) if len(arguments) > 1 else self._session.frame()
        found = self._session.node_metadata(self, frame)
        return dict(found) if key is None else found.get(key)

    def firstFrame(self) -> int:
        return self._session.node_range(self)[0]

    def lastFrame(self) -> int:
        return self._session.node_range(self)[1]

    def frameRange(self) -> FrameRange:
        return FrameRange(*self._session.node_range(self), 1)

    def sample(self, channel: str, x: float, y: float, *arguments: Any, **options: Any) -> float:
        return self._session.sample(self, channel, x, y, options.get("frame"))

    def hasError(self) -> bool:
        return self._session.node_error(self) is not None

    def error(self) -> bool:
        return self.hasError()

    def treeHasError(self) -> bool:
        return self.hasError()

    def forceValidate(self, *_: Any) -> None:
        self._session.validate(self, self._session.frame())

    def opHashes(self) -> list[int]:
        return self._session.op_hashes(self)

    def proxy(self) -> bool:
        return self._session.root.proxy()

    def running(self) -> None:
        return None

    def clones(self) -> int:
        return self._clones

    # callbacks of this node alone

    def addCallback(self, kind: str, call: Any) -> None:
        if not callable(call):
            raise ValueError("the callback is not callable")
        self._own_callbacks.append((kind, call))

    def removeCallback(self, kind: str, call: Any = None) -> None:
        self._own_callbacks = [(k, c) for k, c in self._own_callbacks if k != kind or call not in (None, c)]

    def clearCallbacks(self) -> None:
        self._own_callbacks = []

    def executePythonCallback(self, kind: str) -> Any:
        return self._session.callbacks.run_node_text(self, kind)

    def setCustomIcon(self, *_: Any) -> None:
        self._session.require_gui("setCustomIcon")

    def clearCustomIcon(self, *_: Any) -> None:
        self._session.require_gui("clearCustomIcon")

    # the stand-in's own

    def _input_limit(self) -> int:
        mask = self._node_class.mask
        return self._node_class.most + (0 if mask is None or self._node_class.most > mask else 1)

    def _connect(self, i: int, node: Node | None) -> None:
        while len(self._inputs) <= i:
            self._inputs.append(None)
        self._inputs[i] = node

    def _attach(self, knob: Knob) -> None:
        knob._node = self
        knob._user = True
        self._user_knobs.append(knob)
        if knob._name and knob._name not in self._knobs:
            self._knobs[knob._name] = knob

    def _attach_default_tab(self) -> None:
        from .knob_texts import Tab_Knob

        if "User" not in self._knobs:
            self._attach(Tab_Knob("User", "User"))

    def _rename_knob(self, knob: Knob, name: str) -> None:
        if self._knobs.get(knob._name) is knob:
            self._knobs = {(name if k is knob else n): k for n, k in self._knobs.items()}

    def _knob_was_set(self, knob: Knob) -> None:
        self._session.knob_was_set(self, knob)

    def _number(self, knob: str, frame: float, index: int = 0) -> float:
        return float(self._knobs[knob]._channel(index, frame))  # type: ignore[attr-defined]

    def _upstream(self) -> Iterator[Node]:
        seen: set[int] = set()
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield node
            stack.extend(n for n in node._inputs if n is not None)


class BackdropNode(Node):
    """nuke.BackdropNode."""

    def getNodes(self) -> list[Node]:
        """The nodes inside the backdrop; needs the GUI, as in Nuke."""
        self._session.require_gui("getNodes")
        left, bottom = self.xpos(), self.ypos()
        right, top = left + self["bdwidth"].value(), bottom + self["bdheight"].value()
        siblings = self._parent._nodes if self._parent is not None else []
        return [n for n in siblings if n is not self and left <= n.xpos() < right and bottom <= n.ypos() < top]

    def selectNodes(self, select: bool = True) -> None:
        for node in self.getNodes():
            node.setSelected(select)


class Viewer(Node):
    """nuke.Viewer."""
