"""nuke.AnimationCurve and nuke.AnimationKey: Python's view of one channel's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .animation import Channel

if TYPE_CHECKING:
    from .knob_arrays import Array_Knob


class AnimationKey:
    """nuke.AnimationKey."""

    def __init__(self, x: float, y: float) -> None:
        self.x = float(x)
        self.y = float(y)


class AnimationCurve:
    """nuke.AnimationCurve."""

    def __init__(self, knob: Array_Knob, index: int) -> None:
        self._knob = knob
        self._index = index

    @property
    def _channel(self) -> Channel:
        return self._knob._channels[self._index]

    def knob(self) -> Array_Knob:
        return self._knob

    def knobIndex(self) -> int:
        return self._index

    def size(self) -> int:
        return len(self._channel.keys)

    def keys(self) -> list[AnimationKey]:
        return [AnimationKey(key.x, key.y) for key in self._channel.keys]

    def evaluate(self, frame: float) -> float:
        return self._knob._channel(self._index, frame)

    def setKey(self, frame: float, value: float) -> AnimationKey:
        self._channel.set_key(float(frame), float(value))
        return AnimationKey(frame, value)

    def addKey(self, keys: list[AnimationKey]) -> None:
        for key in keys:
            self._channel.set_key(key.x, key.y)

    def removeKey(self, keys: Any) -> None:
        gone = {key.x for key in (keys if isinstance(keys, list) else [keys])}
        self._channel.keys = [key for key in self._channel.keys if key.x not in gone]

    def clear(self) -> None:
        self._channel.keys = []

    def expression(self) -> str:
        return self._channel.expression or "curve"

    def setExpression(self, expression: str) -> bool:
        return self._knob.setExpression(expression, self._index)

    def noExpression(self) -> bool:
        return not self._channel.expression

    def constant(self) -> bool:
        ys = {key.y for key in self._channel.keys}
        return not self._channel.expression and len(ys) <= 1

    def identity(self) -> bool:
        return self._channel.expression in ("x", "t", "frame")

    def toScript(self, selected: bool = False) -> str:
        return self._knob.toScript()
