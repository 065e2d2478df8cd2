"""Array knobs with named channels: positions, sizes, boxes, colors, matrices."""

from __future__ import annotations

from typing import Any

from . import animation
from .animation import Channel
from .knob_arrays import Array_Knob, Unsigned_Knob
from .knobs import Knob
from .tcl import BRACED, Word, quote, split_list


class XY_Knob(Array_Knob):
    """nuke.XY_Knob: a position in pixels."""

    _names = ("x", "y")
    _collapses = False

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label, 2)

    def x(self, *_: Any) -> float:
        return self._channel(0, self._frame())

    def y(self, *_: Any) -> float:
        return self._channel(1, self._frame())

    def names(self, n: int) -> str:
        return self._names[n]

    def _definition(self) -> list[str]:
        return []


class XYZ_Knob(Array_Knob):
    """nuke.XYZ_Knob."""

    _names = ("x", "y", "z")
    _collapses = False

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label, 3)

    def x(self, *_: Any) -> float:
        return self._channel(0, self._frame())

    def y(self, *_: Any) -> float:
        return self._channel(1, self._frame())

    def z(self, *_: Any) -> float:
        return self._channel(2, self._frame())

    def names(self, n: int) -> str:
        return self._names[n]

    def _definition(self) -> list[str]:
        return []


class WH_Knob(Array_Knob):
    """nuke.WH_Knob: one size, or a width and a height."""

    _names = ("w", "h")

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label, 2)

    def x(self, *_: Any) -> float:
        return self._channel(0, self._frame())

    def y(self, *_: Any) -> float:
        return self._channel(1, self._frame())

    def names(self, n: int) -> str:
        return self._names[n]


class Scale_Knob(WH_Knob):
    """nuke.Scale_Knob."""


class UV_Knob(Array_Knob):
    """nuke.UV_Knob."""

    _names = ("u", "v")
    _collapses = False

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label, 2)

    def names(self, n: int) -> str:
        return self._names[n]


class BBox_Knob(Array_Knob):
    """nuke.BBox_Knob: x, y, r, t of a box in pixels."""

    _names = ("x", "y", "r", "t")
    _collapses = False

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label, 4)

    def x(self) -> float:
        return self._channel(0, self._frame())

    def y(self) -> float:
        return self._channel(1, self._frame())

    def r(self) -> float:
        return self._channel(2, self._frame())

    def t(self) -> float:
        return self._channel(3, self._frame())

    def setX(self, value: float) -> None:
        self.setValue(value, 0)

    def setY(self, value: float) -> None:
        self.setValue(value, 1)

    def setR(self, value: float) -> None:
        self.setValue(value, 2)

    def setT(self, value: float) -> None:
        self.setValue(value, 3)

    def toDict(self) -> dict[str, float]:
        return dict(zip(self._names, self._numbers(self._frame()), strict=True))

    def fromDict(self, box: dict[str, float]) -> None:
        self.setValue([box[name] for name in self._names])

    def names(self, n: int) -> str:
        return self._names[n]

    def _definition(self) -> list[str]:
        return []


class Color_Knob(Array_Knob):
    """nuke.Color_Knob: red, green, blue."""

    _names = ("r", "g", "b")

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label, 3)

    def names(self, n: int) -> str:
        return self._names[n]

    def inputNumber(self) -> int:
        return 0

    def _field_index(self, field: str) -> int:
        return super()._field_index({"red": "r", "green": "g", "blue": "b", "alpha": "a"}.get(field, field))

    def _definition(self) -> list[str]:
        return []


class AColor_Knob(Color_Knob):
    """nuke.AColor_Knob: red, green, blue, alpha."""

    _names = ("r", "g", "b", "a")

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._channels.append(Channel())
        self._defaults.append(0.0)


class ColorChip_Knob(Unsigned_Knob):
    """nuke.ColorChip_Knob: 0xrrggbbaa."""

    def toScript(self, *_: Any) -> str:
        return f"0x{int(self._channels[0].value):x}" if self._channels[0].value else "0"


class Matrix_Knob(Array_Knob):
    """The numbers of a Matrix or ColorMatrix node, row by row; any count that a script holds."""

    _collapses = False

    def __init__(self, name: str, label: str | None = None, dimensions: int = 9) -> None:
        super().__init__(name, label, dimensions)

    def Class(self) -> str:
        return "IArray_Knob"

    def toScript(self, *_: Any) -> str:
        row = max(1, round(len(self._channels) ** 0.5))
        words = [animation.format_channel(channel, False) for channel in self._channels]
        rows = [words[i : i + row] for i in range(0, len(words), row)]
        return "{\n" + "\n".join("     {" + " ".join(part) + "}" for part in rows) + "\n   }"

    def _read(self, word: Word, source: str = "") -> None:
        found = []
        for part in split_list(word.text, word.line, source):
            is_row = part.kind == BRACED and len(split_list(part.text)) > 1 and "curve" not in part.text
            inner = split_list(part.text, part.line, source) if is_row else [part]
            found.extend(animation.parse_channel(w, source) for w in inner)
        self._channels = found or self._channels


class Axis_Knob(Knob):
    """nuke.Axis_Knob and the 2-D transform handle: the text is kept as it is."""

    def __init__(self, name: str, label: str | None = None) -> None:
        super().__init__(name, label)
        self._raw = ""

    def value(self) -> str:
        return self._raw

    def toScript(self, *_: Any) -> str:
        return quote(self._raw)

    def _read(self, word: Word, source: str = "") -> None:
        self._raw = word.text

    def _is_default(self) -> bool:
        return not self._raw
