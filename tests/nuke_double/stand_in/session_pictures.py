"""What Python asks a session about the pictures of nodes: format, box, channels, metadata, errors, hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from .errors import NotEvaluated
from .formats import Box, Format
from .nodes import Node


class Pictures:
    """The part of a session that answers for the renderer."""

    def channels_seen(self, names: Iterable[str]) -> None:
        """Layers that a file brought along exist from now on."""
        for name in names:
            if not self.channels.is_channel(name):
                self.channels.add_layer(name.split(".")[0], [name])

    def expand_frame(self, path: str) -> str:
        from .render import expand_frame

        return expand_frame(path, round(self.frame()))

    def fact(self, node: Node, fact: str, frame: float) -> float:
        return self.renderer.fact(node, fact, frame)

    def node_format(self, node: Node) -> Format:
        """The format; a node that is in error has the script's."""
        return self.renderer._info_or_format(node, self.frame()).format

    def node_bbox(self, node: Node) -> Box:
        edges = self.renderer._info_or_format(node, self.frame()).bbox
        return Box(edges.x, edges.y, edges.r, edges.t)

    def node_channels(self, node: Node) -> list[str]:
        try:
            return sorted(self.renderer.info(node, self.frame()).channels)
        except NotEvaluated:
            raise
        except RuntimeError:
            return []

    def node_metadata(self, node: Node, frame: float) -> dict[str, Any]:
        self.validate(node, frame)
        return dict(self.renderer.info(node, frame).metadata)

    def node_range(self, node: Node) -> tuple[int, int]:
        return self.renderer.frame_range(node)

    def node_error(self, node: Node) -> str | None:
        try:
            self.renderer.info(node, self.frame())
        except NotEvaluated:
            raise
        except RuntimeError as error:
            return str(error)
        return None

    def sample(self, node: Node, channel: str, x: float, y: float, frame: float | None) -> float:
        image = self.renderer.evaluate(node, self.frame() if frame is None else frame)
        return image.sample(self.channels.full_name(channel), x, y)

    def validate(self, node: Node, frame: float) -> None:
        for upstream in node._upstream():
            self._validated.setdefault(id(upstream), set()).add(frame)

    def op_hashes(self, node: Node) -> list[int]:
        """Empty until validated and for Dot and Input; depends on the knobs upstream and the frame, not on files."""
        if node.Class() in ("Dot", "Input") or self.frame() not in self._validated.get(id(node), ()):
            return []
        text = [f"{self.frame()}"]
        for upstream in node._upstream():
            skip = ("name", "xpos", "ypos", "selected", "label")
            text += [f"{k} {knob.toScript()}" for k, knob in upstream._knobs.items() if k not in skip]
        return [int.from_bytes(hashlib.sha256("\n".join(text).encode()).digest()[:8], "big")]
