"""Evaluation and execution: pictures out of the node graph, and files out of Write nodes.

Evaluation asks only for the inputs that are needed, at the frame at which they are needed, so a missing frame behind
a Switch does no harm, as in Nuke. Execution runs the callbacks in the documented order and refuses to be nested.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import writer
from .errors import ExpressionError, NotEvaluated, RenderError
from .formats import Format
from .frames import FrameRange, FrameRanges
from .groups import Group
from .image import Edges, Image
from .image_ops import OPERATORS
from .nodes import Node
from .operator import Op

if TYPE_CHECKING:
    from .session import Session

BUSY = "I'm already executing something else"
EXECUTABLE = {"Write"}
SKIPPED = {"DiskCache", "Precomp"}


@dataclass(frozen=True)
class Info:
    """What validation of a node tells, without its pixels."""

    format: Format
    bbox: Edges
    channels: tuple[str, ...]
    metadata: dict[str, Any]


class Renderer:
    """Evaluates nodes of a session and executes its Writes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.executing = False
        self.cancelled = False
        self.cooked: list[tuple[str, int]] = []
        self._cache: dict[tuple[int, float, float], Image] | None = None
        self._busy: set[tuple[int, float]] = set()

    # pixels

    def evaluate(self, node: Node, frame: float, proxy_scale: float | None = None) -> Image:
        """The picture of a node. Raises RenderError as Nuke shows it, NotEvaluated for an unknown operator."""
        scale = self.proxy_scale() if proxy_scale is None else proxy_scale
        outermost = self._cache is None
        if outermost:
            self._cache = {}
        try:
            return self.cook(node, frame, scale)
        finally:
            if outermost:
                self._cache = None

    def cook(self, node: Node, frame: float, scale: float) -> Image:
        """As evaluate, for operators: shares what this evaluation has cooked already."""
        assert self._cache is not None
        key = (id(node), frame, scale)
        if key in self._cache:
            return self._cache[key]
        if (id(node), frame) in self._busy:
            raise RenderError(f"{node.fullName()}: the node depends on itself")
        self._busy.add((id(node), frame))
        try:
            with self.session.at_frame(frame):
                image = self._one(Op(self, node, frame, scale))
        except (RenderError, NotEvaluated, ExpressionError):
            raise
        except RuntimeError as error:
            raise RenderError(f"{node.fullName()}: {error}") from error
        finally:
            self._busy.discard((id(node), frame))
        self._cache[key] = image
        return image

    def _one(self, op: Op) -> Image:
        node = op.node
        disable = node._knobs.get("disable")
        if disable is not None and disable.value():
            return op.image(0) if node._input_limit() or node._inputs else Image.black(op.format(), op.scale)
        if isinstance(node, Group):
            return self._group(op, node)
        operator = OPERATORS.get(node.Class())
        if operator is None:
            raise NotEvaluated(f"{node.fullName()}: the stand-in has no pixels for the class {node.Class()}")
        return operator(op)

    def _group(self, op: Op, group: Group) -> Image:
        output = group.output()
        if output is None:
            raise RenderError(f"{group.fullName()}: no Output node")
        return self.cook(output, op.frame, op.scale)

    def proxy_scale(self) -> float:
        """1, or the scale of proxy mode as the root has it."""
        root = self.session.root
        if not root.proxy():
            return 1.0
        if root["proxy_type"].value() == "scale":
            return float(root["proxy_scale"].value())
        proxy = root["proxy_format"].value()
        return float(proxy.width() / root["format"].value().width())

    def info(self, node: Node, frame: float) -> Info:
        """Format, box, channels and metadata. Raises RenderError where the picture would."""
        if node is self.session.root:
            made = self.session.default_format()
            return Info(made, Edges(0, 0, made.width(), made.height()), (), {})
        image = self._cook_or_evaluate(node, frame)
        return Info(image.format, image.outer, tuple(image.channels), image.metadata)

    def _cook_or_evaluate(self, node: Node, frame: float) -> Image:
        return self.evaluate(node, frame, 1.0)

    def fact(self, node: Node, fact: str, frame: float) -> float:
        """A number for expressions: width, bbox.x, format.r, first_frame …; of full size, also in proxy mode."""
        if fact in ("first_frame", "last_frame"):
            return float(self.frame_range(node)[fact == "last_frame"])
        info = self._info_or_format(node, frame)
        head, _, edge = fact.partition(".")
        if head == "bbox":
            box = info.bbox
            found = {"x": box.x, "y": box.y, "r": box.r, "t": box.t, "w": box.width, "h": box.height}
            return float(found[edge])
        return info.format._field(edge if head == "format" else head)

    def _info_or_format(self, node: Node, frame: float) -> Info:
        """As info, but a node that is being cooked right now answers with its input's format."""
        if (id(node), frame) in self._busy:
            source = node.input(0)
            if source is None or isinstance(node, Group) or node.Class() == "Input":
                made = self._group_format(node, frame)
                return Info(made, Edges(0, 0, made.width(), made.height()), (), {})
            return self._info_or_format(source, frame)
        try:
            return self.info(node, frame)
        except NotEvaluated:
            raise
        except RenderError:
            made = self.session.default_format()
            return Info(made, Edges(0, 0, made.width(), made.height()), (), {})

    def _group_format(self, node: Node, frame: float) -> Format:
        group = node if isinstance(node, Group) else node._parent
        source = group.input(0) if group is not None else None
        return self._info_or_format(source, frame).format if source is not None else self.session.default_format()

    def frame_range(self, node: Node) -> tuple[int, int]:
        """First and last frame: a Read's own, a TimeOffset's shifted, otherwise the input's or the root's."""
        kind = node.Class()
        if kind in ("Read", "FrameRange", "TimeClip"):
            first, last = ("first_frame", "last_frame") if kind == "FrameRange" else ("first", "last")
            return int(node[first].value()), int(node[last].value())
        if isinstance(node, Group) and node is not self.session.root:
            output = node.output()
            return self.frame_range(output) if output is not None else self._root_range()
        source = self._input_outside(node)
        if source is None:
            return self._root_range()
        first, last = self.frame_range(source)
        shift = int(node["time_offset"].value()) if kind == "TimeOffset" else 0
        return first + shift, last + shift

    def _input_outside(self, node: Node) -> Node | None:
        if node.Class() == "Input" and node._parent is not None:
            return node._parent.input(int(node["number"].value()))
        return node.input(0)

    def _root_range(self) -> tuple[int, int]:
        return self.session.root.firstFrame(), self.session.root.lastFrame()

    # execution

    def execute(
        self,
        name_or_node: Any,
        start: Any = None,
        end: Any = None,
        incr: Any = None,
        views: Any = None,
        continueOnError: bool = False,
    ) -> None:
        """nuke.execute(node, start, end, incr, views) or (node, FrameRanges, views)."""
        node = self._node(name_or_node)
        if isinstance(start, (FrameRange, FrameRanges)):
            views = end if views is None else views
        _need_views(views)
        ranges = self._ranges(start, end, incr)
        self._run([node], ranges, continueOnError)

    def execute_multiple(self, nodes: list[Node], ranges: Any, views: Any, continueOnError: bool) -> None:
        """nuke.executeMultiple: without nodes, all executables of the current group, by render order."""
        _need_views(views)
        chosen = nodes or [n for n in self.session.current_group()._nodes if n.Class() in EXECUTABLE]
        chosen = [n for n in chosen if n.Class() not in SKIPPED]
        if not chosen:
            raise RuntimeError("there is nothing to execute")
        self._run(chosen, self._multiple_ranges(ranges), continueOnError)

    def execute_all(self, ranges: FrameRanges, continueOnError: bool = False) -> None:
        """What `nuke -x` does: every active Write, also in groups, by render order; disabled ones are left out."""
        writes = [n for n in self.session.every_node() if n.Class() == "Write" and not n["disable"].value()]
        writes = [n for n in writes if not n["reading"].value()]
        if not writes:
            raise RuntimeError("No active Write operators in this script")
        self._run(sorted(writes, key=lambda n: n["render_order"].value()), ranges, continueOnError)

    def cancel(self) -> None:
        self.cancelled = True

    def reload(self, node: Node) -> None:
        """The reload button: the version counts up, so that caches forget the file."""
        node["version"].setValue(int(node["version"].value()) + 1)

    def _node(self, name_or_node: Any) -> Node:
        if isinstance(name_or_node, Node):
            return name_or_node
        if not isinstance(name_or_node, str):
            raise TypeError("argument 1 must be a node or the name of one")
        found = self.session.current_group().node(name_or_node) or self.session.root.node(name_or_node)
        if found is None:
            raise RuntimeError(f'Nothing is named "{name_or_node}"')
        return found

    def _ranges(self, start: Any, end: Any, incr: Any) -> FrameRanges:
        if isinstance(start, FrameRanges):
            return start
        if isinstance(start, FrameRange):
            return FrameRanges([start])
        first, last = self._root_range()
        for value in (start, end, incr):
            if value is not None and not isinstance(value, int):
                raise TypeError(f"an integer is required (got type {type(value).__name__})")
        first = first if start is None else start
        last = (last if start is None else first) if end is None else end
        return FrameRanges([FrameRange(first, last, incr or 1)])

    def _multiple_ranges(self, ranges: Any) -> FrameRanges:
        if ranges is None:
            return self._ranges(None, None, None)
        if isinstance(ranges, (FrameRange, FrameRanges)):
            return self._ranges(ranges, None, None)
        made = FrameRanges()
        for item in ranges:
            made.add(item if isinstance(item, FrameRange) else FrameRange(*[int(part) for part in item]))
        return made

    def _run(self, nodes: list[Node], ranges: FrameRanges, go_on: bool) -> None:
        self.session.require_main_thread("execute")
        with self._exclusively():
            failed: list[str] = []
            for node in nodes:
                self._need_executable(node)
                self._run_one(node, ranges, go_on, failed)
            if failed:
                raise RuntimeError("; ".join(failed))

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        if self.executing or self.session.in_knob_changed():
            raise RuntimeError(BUSY)
        self.executing = True
        self.cancelled = False
        try:
            yield
        finally:
            self.executing = False

    def _need_executable(self, node: Node) -> None:
        if node.Class() not in EXECUTABLE:
            raise RuntimeError(f"{node.fullName()} cannot be executed")
        if node["disable"].value():
            raise RuntimeError(f"{node.fullName()} is disabled")

    def _run_one(self, node: Node, ranges: FrameRanges, go_on: bool, failed: list[str]) -> None:
        callbacks = self.session.callbacks
        callbacks.run("beforeRender", node)
        for frame in ranges.toFrameList():
            if self.cancelled:
                raise RuntimeError("Cancelled")
            if _outside_limit(node, frame):
                continue
            try:
                with self.session.at_frame(frame):
                    callbacks.run("beforeFrameRender", node)
                    writer.write_frame(self, node, frame)
                    self.cooked.append((node.fullName(), frame))
                    callbacks.run("afterFrameRender", node)
                    callbacks.run("renderProgress", node)
            except NotEvaluated:
                raise
            except RuntimeError as error:
                if not go_on:
                    raise
                failed.append(str(error))
        node["version"]._channels[0].value += 1  # type: ignore[attr-defined]
        callbacks.run("afterRender", node)


def _need_views(views: Any) -> None:
    """Only the view `main` exists."""
    if views is not None and [view for view in views if view != "main"]:
        raise RuntimeError(f"there are no such views: {views}")


def _outside_limit(node: Node, frame: int) -> bool:
    if not node["use_limit"].value():
        return False
    return not int(node["first"].value()) <= frame <= int(node["last"].value())


_HASHES = re.compile(r"#+")


def expand_frame(path: str, frame: int) -> str:
    """#### and %04d to the frame's number, and %v, %V to the only view."""
    path = path.replace("%V", "main").replace("%v", "m")
    path = _HASHES.sub(lambda match: f"{frame:0{len(match[0])}d}", path)
    return re.sub(r"%(0?\d*)d", lambda match: f"%{match[1]}d" % frame, path)
