"""What an image operator sees of its node: knobs at its frame, inputs at any frame, masks and channels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import NotEvaluated, RenderError
from .formats import Format, sized
from .image import Edges, Image
from .nodes import Node

if TYPE_CHECKING:
    from .render import Renderer

RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")


class Op:
    """One node being cooked at one frame and proxy scale."""

    def __init__(self, renderer: Renderer, node: Node, frame: float, scale: float) -> None:
        self.renderer = renderer
        self.session = renderer.session
        self.node = node
        self.frame = frame
        self.scale = scale

    # inputs

    def connected(self, i: int) -> bool:
        return self.node.input(i) is not None

    def image(self, i: int = 0, frame: float | None = None) -> Image:
        """The picture of an input; black, of the script's format, where nothing is connected."""
        source = self.node.input(i)
        if source is None:
            return Image.black(self.format(), self.scale)
        return self.renderer.cook(source, self.frame if frame is None else frame, self.scale)

    def format(self) -> Format:
        """The script's format, at the proxy scale."""
        return scaled_format(self.session.default_format(), self.scale)

    # knobs

    def number(self, knob: str, index: int = 0) -> float:
        return self.node._number(knob, self.frame, index)

    def numbers(self, knob: str) -> list[float]:
        channels = self.node._knobs[knob]._channels  # type: ignore[attr-defined]
        return [self.number(knob, i) for i in range(len(channels))]

    def has(self, knob: str) -> bool:
        return knob in self.node._knobs

    def flag(self, knob: str) -> bool:
        return bool(self.number(knob))

    def choice(self, knob: str) -> str:
        return str(self.node._knobs[knob].value())

    def text(self, knob: str) -> str:
        return self.node._knobs[knob]._text()

    def only_default(self, *knobs: str) -> None:
        """Refuse settings that the operator does not know."""
        for name in knobs:
            knob = self.node._knobs.get(name)
            if knob is not None and not knob._is_default():
                raise NotEvaluated(f"{self.node.fullName()}: the stand-in does not know {self.node.Class()}.{name}")

    def fail(self, message: str) -> RenderError:
        return RenderError(f"{self.node.fullName()}: {message}")

    # channels

    def channels(self, knob: str, image: Image) -> list[str]:
        """The channels that a mask knob chooses of those that the picture has."""
        wanted = self.wanted(knob)
        if wanted == ["all"]:
            return list(image.channels)
        return [name for name in wanted if name in image.channels]

    def wanted(self, knob: str) -> list[str]:
        """The channels that a mask knob names; `["all"]` for all."""
        return self.node._knobs[knob]._expanded()  # type: ignore[attr-defined]

    def channel(self, knob: str) -> str:
        """The one channel of a channel knob, or "" for none."""
        names = self.wanted(knob)
        return names[0] if names else ""

    def color(self, knob: str) -> Callable[[str], float]:
        """The value of a color knob for a channel: by place in its layer, alpha last."""
        numbers = self.numbers(knob)

        def value(channel: str) -> float:
            return numbers[min(channel_place(self.session, channel), len(numbers) - 1)]

        return value

    # results

    def each(self, knob: str, change: Callable[[np.ndarray, str], np.ndarray], bbox: Edges | None = None) -> Image:
        """Input 0 with some channels changed pixel by pixel, then mask and mix."""
        source = self.image(0)
        out = source.over(bbox) if bbox is not None else source.with_()
        for name in self.channels(knob, source):
            out.channels[name] = np.asarray(change(out.channels[name], name), np.float32)
        return self.masked(source, out)

    def masked(self, source: Image, result: Image) -> Image:
        """`result` where mask × mix is 1, `source` where it is 0, exactly in both cases."""
        weight = self.weight(result.bbox)
        if weight is None:
            return result
        out = result.with_()
        for name, pixels in result.channels.items():
            before = source.array(name, result.bbox)
            if before is not pixels:
                out.channels[name] = blend(before, pixels, weight)
        return out

    def weight(self, box: Edges) -> np.ndarray | float | None:
        """mask × mix over a box; None where the result counts everywhere."""
        knobs = self.node._knobs
        mix = self.number("mix") if "mix" in knobs else 1.0
        mask = self._mask(box)
        if mask is None:
            return None if mix == 1.0 else mix
        return mask * np.float32(mix)

    def _mask(self, box: Edges) -> np.ndarray | None:
        knobs, place = self.node._knobs, self.node._node_class.mask
        if place is None or "maskChannelMask" not in knobs:
            return None
        if self.connected(place):
            image, name = self.image(place), self.channel("maskChannelMask")
        else:
            image, name = self.image(0), self.channel("maskChannelInput")
        if not name:
            return None
        mask = image.array(name, box)
        return 1 - mask if self.flag("invert_mask") else mask


def blend(before: np.ndarray, after: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """before + (after - before) × weight, but exactly `before` at 0 and `after` at 1, so that NaN stays where it is."""
    weight = np.asarray(weight, np.float32)
    with np.errstate(all="ignore"):
        mixed = before * (1 - weight) + after * weight
    return np.where(weight == 0, before, np.where(weight == 1, after, mixed)).astype(np.float32)


def channel_place(session: Any, channel: str) -> int:
    """0 to 3: which of red, green, blue and alpha a channel is treated as."""
    if channel in RGBA:
        return RGBA.index(channel)
    layer = session.channels.layers.get(channel.split(".")[0], [channel])
    return layer.index(channel) if channel in layer else 0


def scaled_format(of: Format, scale: float) -> Format:
    if scale == 1.0:
        return of
    width, height = max(1, round(of.width() * scale)), max(1, round(of.height() * scale))
    return sized(width, height, of.pixelAspect())
