"""Knobs that hold numbers: any count of channels, each of which may be animated or driven by an expression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

from . import animation
from .animation import Channel, Key
from .curves import AnimationCurve
from .knobs import Knob, _need_text
from .tcl import BARE, Word


class Array_Knob(Knob):
    """nuke.Array_Knob: the base of every numeric knob."""

    _names: tuple[str, ...] = ("value",)
    _collapses = True  # value() gives one number while all channels agree
    _whole = False  # integers
    _channels: list[Channel]
    _defaults: list[float]
    _minimum: float
    _maximum: float
    _ranged: bool

    def __init__(self, name: str, label: str | None = None, dimensions: int = 1) -> None:
        super().__init__(name, label)
        if not isinstance(dimensions, int) or dimensions < 1:
            raise TypeError("the number of dimensions must be a positive integer")
        self.__dict__.update(
            _channels=[Channel() for _ in range(dimensions)],
            _defaults=[0.0] * dimensions,
            _minimum=0.0,
            _maximum=1.0,
            _ranged=False,
        )

    # reading

    def value(self, index: int | None = None, view: str | None = None, time: float | None = None) -> Any:
        return self._value_at(self._frame() if time is None else time, index)

    def getValue(self, index: int | None = None, view: str | None = None, time: float | None = None) -> Any:
        return self.value(index, view, time)

    def valueAt(self, time: float, index: int | None = None) -> Any:
        return self._value_at(time, index)

    def getValueAt(self, time: float, index: int | None = None) -> Any:
        return self._value_at(time, index)

    def array(self) -> list[float]:
        return self._numbers(self._frame())

    def arraySize(self) -> int:
        return len(self._channels)

    def width(self) -> int:
        return len(self._channels)

    def height(self) -> int:
        return 1

    def dimensions(self) -> int:
        return 1

    def singleValue(self, view: str | None = None) -> bool:
        numbers = self._numbers(self._frame())
        return all(number == numbers[0] for number in numbers)

    def min(self) -> float:
        return self._minimum

    def max(self) -> float:
        return self._maximum

    def minimum(self) -> float:
        return self._minimum

    def maximum(self) -> float:
        return self._maximum

    def setRange(self, minimum: float, maximum: float) -> None:
        """Sets the slider's ends only; typed values are not clamped."""
        self._minimum, self._maximum = float(minimum), float(maximum)
        self._ranged = True

    def defaultValue(self, *_: Any) -> Any:
        return self._present(list(self._defaults), None)

    def setDefaultValue(self, values: Sequence[float]) -> None:
        if not isinstance(values, (list, tuple)):
            raise TypeError("setDefaultValue() needs a list")
        for i, value in enumerate(values[: len(self._defaults)]):
            self._defaults[i] = float(value)
            if not self._explicit:
                self._channels[i].value = float(value)

    def notDefault(self) -> bool:
        return not self._is_default()

    # writing

    def setValue(self, value: Any, index: int = -1, time: float | None = None, view: str | None = None) -> bool:
        self._check()
        numbers = self._accept(value, index)
        frame = self._frame() if time is None else float(time)
        changed = False
        for i, number in numbers:
            channel = self._channels[i]
            before = (channel.value, [(k.x, k.y) for k in channel.keys])
            if channel.keys or time is not None:
                channel.set_key(frame, number)
            else:
                channel.value = number
            changed = changed or before != (channel.value, [(k.x, k.y) for k in channel.keys])
        if changed:
            self._after_change()
        return True

    def setValueAt(self, value: Any, time: float, index: int = -1) -> bool:
        self._check()
        for i, number in self._accept(value, index):
            channel = self._channels[i]
            if channel.keys:
                channel.set_key(float(time), number)
            else:
                channel.value = number
        self._after_change()
        return True

    def setSingleValue(self, single: bool, view: str | None = None) -> None:
        if single:
            for channel in self._channels[1:]:
                channel.value = self._channels[0].value

    # animation

    def isAnimated(self, index: int = -1, view: str | None = None) -> bool:
        return any(self._channels[i].animated for i in self._indices(index))

    def hasExpression(self, index: int = -1) -> bool:
        return any(self._channels[i].expression for i in self._indices(index))

    def setAnimated(self, index: int = -1, view: str | None = None) -> bool:
        self._check()
        frame = self._frame()
        for i in self._indices(index):
            channel = self._channels[i]
            if not channel.keys:
                channel.keys = [Key(frame, self._channel(i, frame))]
        self._after_change()
        return True

    def clearAnimated(self, index: int = -1, view: str | None = None) -> bool:
        """Removes keys and expressions; the value at the current frame stays."""
        self._check()
        frame = self._frame()
        cleared = False
        for i in self._indices(index):
            if self._channels[i].animated:
                self._channels[i] = Channel(value=self._channel(i, frame))
                cleared = True
        if cleared:
            self._after_change()
        return cleared

    def setExpression(self, expression: str, channel: int = -1, view: str | None = None) -> bool:
        self._check()
        _need_text(expression)
        for i in self._indices(channel):
            self._channels[i].expression = expression
        self._after_change()
        return True

    def animation(self, index: int = 0, view: str | None = None) -> AnimationCurve | None:
        return AnimationCurve(self, index) if self._channels[index].animated else None

    def animations(self, view: str | None = None) -> list[AnimationCurve]:
        return [AnimationCurve(self, i) for i, channel in enumerate(self._channels) if channel.animated]

    def isKey(self, index: int = -1, view: str | None = None) -> bool:
        return self.isKeyAt(self._frame(), index)

    def isKeyAt(self, time: float, index: int = -1) -> bool:
        return any(key.x == time for i in self._indices(index) for key in self._channels[i].keys)

    def getNumKeys(self, index: int = -1) -> int:
        return max(len(self._channels[i].keys) for i in self._indices(index))

    def getKeyTime(self, key: int, channel: int = 0) -> float:
        return self._channels[channel].keys[key].x

    def getKeyList(self) -> list[float]:
        return sorted({key.x for channel in self._channels for key in channel.keys})

    def removeKeyAt(self, time: float, index: int = -1) -> bool:
        self._check()
        found = False
        for i in self._indices(index):
            keys = self._channels[i].keys
            found = found or any(key.x == time for key in keys)
            self._channels[i].keys = [key for key in keys if key.x != time]
        return found

    def removeKey(self, index: int = -1) -> bool:
        return self.removeKeyAt(self._frame(), index)

    def setKeyAt(self, time: float, index: int = -1) -> None:
        for i in self._indices(index):
            self._channels[i].set_key(float(time), self._channel(i, time))

    # scripts

    def toScript(self, *_: Any) -> str:
        words = [animation.format_channel(channel, len(self._channels) == 1) for channel in self._channels]
        if len(words) > 1 and self._collapses and len(set(words)) == 1 and not self._channels[0].animated:
            return words[0]
        if len(words) == 1 and not self._channels[0].animated:
            return words[0]
        return "{" + " ".join(words) + "}"

    def _read(self, word: Word, source: str = "") -> None:
        channels = (
            [animation.parse_channel(word, source)]
            if word.kind == BARE
            else animation.parse_channels(word.text, word.line, source)
        )
        if len(channels) > len(self._channels):
            self._resize(len(channels), word, source)
        if len(channels) == 1 and len(self._channels) > 1:
            channels = [Channel(c.value, list(c.keys), c.expression) for c in channels * len(self._channels)]
        for i, channel in enumerate(channels):
            if self._whole and not channel.animated:
                channel.value = float(int(channel.value))
            self._channels[i] = channel

    # the stand-in's own

    def _resize(self, count: int, word: Word, source: str) -> None:
        from .errors import ScriptError

        raise ScriptError(f"{self._name}: {count} values for {len(self._channels)} channels", word.line, source)

    def _frame(self) -> float:
        session = self._session
        return 0.0 if session is None else session.frame()

    def _indices(self, index: int | None) -> Iterable[int]:
        if index is None or index == -1:
            return range(len(self._channels))
        if not 0 <= index < len(self._channels):
            raise IndexError(f"{self._name} has {len(self._channels)} channels, no channel {index}")
        return (index,)

    def _channel(self, index: int, frame: float) -> float:
        channel = self._channels[index]
        if channel.expression and self._node is not None:
            return float(self._node._session.evaluate_expression(self, index, channel.expression, frame))
        value = channel.at(frame)
        return float(int(value)) if self._whole else value

    def _numbers(self, frame: float) -> list[float]:
        return [self._channel(i, frame) for i in range(len(self._channels))]

    def _value_at(self, frame: float, index: int | None) -> Any:
        self._check()
        if index is not None and index != -1:
            next(iter(self._indices(index)))
            return self._convert(self._channel(index, frame))
        return self._present(self._numbers(frame), frame)

    def _present(self, numbers: list[float], frame: float | None) -> Any:
        if len(numbers) == 1 or (self._collapses and all(n == numbers[0] for n in numbers)):
            return self._convert(numbers[0])
        return [self._convert(number) for number in numbers]

    def _convert(self, number: float) -> Any:
        return int(number) if self._whole else number

    def _accept(self, value: Any, index: int) -> list[tuple[int, float]]:
        indices = list(self._indices(index))
        if isinstance(value, (list, tuple)):
            if index != -1:
                raise TypeError("a list needs all channels, not one index")
            if len(value) > len(indices):
                raise ValueError(f"{self._name} has {len(indices)} channels, got {len(value)} values")
            return [(i, self._one(v)) for i, v in enumerate(value)]
        return [(i, self._one(value)) for i in indices]

    def _one(self, value: Any) -> float:
        if not isinstance(value, Real):
            raise TypeError(f"a float is required, not {type(value).__name__}")
        return float(value)

    def _is_default(self) -> bool:
        return not any(c.animated or c.value != d for c, d in zip(self._channels, self._defaults, strict=False))

    def _text(self) -> str:
        numbers = self._numbers(self._frame())
        if all(number == numbers[0] for number in numbers):
            numbers = numbers[:1]
        return " ".join(animation.format_number(number) for number in numbers)

    def _field(self, field: str, frame: float) -> float:
        if not field:
            return self._channel(0, frame)
        if field.isdigit() and int(field) < len(self._channels):
            return self._channel(int(field), frame)
        return self._channel(self._field_index(field), frame)

    def _field_index(self, field: str) -> int:
        if field not in self._names[: len(self._channels)]:
            raise KeyError(field)
        return self._names.index(field)

    def _definition(self) -> list[str]:
        count = ["n", str(len(self._channels))] if type(self) is Array_Knob else []
        if (self._minimum, self._maximum) == (0.0, 1.0) and not self._ranged:
            return count
        return [*count, "R", animation.format_number(self._minimum), animation.format_number(self._maximum)]


class Double_Knob(Array_Knob):
    """nuke.Double_Knob."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)


class Unsigned_Knob(Array_Knob):
    """nuke.Unsigned_Knob."""

    _whole = True

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)

    def _one(self, value: Any) -> float:
        if not isinstance(value, Real) or float(value) != int(value):
            raise TypeError("an integer is required")
        return float(value)


class Int_Knob(Unsigned_Knob):
    """nuke.Int_Knob."""


class Boolean_Knob(Array_Knob):
    """nuke.Boolean_Knob; expressions see 0 or 1, scripts hold true or false."""

    def __init__(self, name: str, label: str | None = None, value: bool = False) -> None:
        super().__init__(name, label)
        self._channels[0].value = float(bool(value))
        self._defaults = [float(bool(value))]

    def setValue(self, value: Any, *arguments: Any) -> bool:
        if not isinstance(value, (bool, int, float)):
            raise TypeError(f"a boolean is required, not {type(value).__name__}")
        return super().setValue(float(bool(value)), *arguments)

    def toScript(self, *_: Any) -> str:
        if self._channels[0].animated:
            return super().toScript()
        return "true" if self._channels[0].value else "false"

    def _read(self, word: Word, source: str = "") -> None:
        if word.kind != "braced" and word.text.lower() in ("true", "false", "on", "off", "yes", "no"):
            self._channels[0] = Channel(value=float(word.text.lower() in ("true", "on", "yes")))
        else:
            super()._read(word, source)

    def _convert(self, number: float) -> Any:
        return bool(number)

    def _text(self) -> str:
        return "true" if self._channel(0, self._frame()) else "false"

    def _definition(self) -> list[str]:
        return []


class Disable_Knob(Boolean_Knob):
    """nuke.Disable_Knob."""
