"""nuke.Format, nuke.Box and the formats that a session knows."""

from __future__ import annotations

from typing import Any

from .functions import as_text
from .tcl import split_list

BUILT_IN = (
    "640 480 0 0 640 480 1 PC_Video",
    "720 486 0 0 720 486 0.91 NTSC",
    "720 576 0 0 720 576 1.09 PAL",
    "1920 1080 0 0 1920 1080 1 HD_1080",
    "1280 720 0 0 1280 720 1 HD_720",
    "3840 2160 0 0 3840 2160 1 UHD_4K",
    "1024 778 0 0 1024 778 1 1K_Super_35(full-ap)",
    "914 778 0 0 914 778 2 1K_Cinemascope",
    "2048 1556 0 0 2048 1556 1 2K_Super_35(full-ap)",
    "1828 1556 0 0 1828 1556 2 2K_Cinemascope",
    "2048 1080 0 0 2048 1080 1 2K_DCP",
    "4096 3112 0 0 4096 3112 1 4K_Super_35(full-ap)",
    "3656 3112 0 0 3656 3112 2 4K_Cinemascope",
    "4096 2160 0 0 4096 2160 1 4K_DCP",
    "256 256 0 0 256 256 1 square_256",
    "512 512 0 0 512 512 1 square_512",
    "1024 1024 0 0 1024 1024 1 square_1K",
    "2048 2048 0 0 2048 2048 1 square_2K",
)
DEFAULT = "2K_Super_35(full-ap)"


class Format:
    """nuke.Format(width, height, x, y, r, t, pixelAspect)."""

    def __init__(self, width: int, height: int, x: int, y: int, r: int, t: int, pixelAspect: float) -> None:
        self._width, self._height = int(width), int(height)
        self._box = [int(x), int(y), int(r), int(t)]
        self._aspect = float(pixelAspect)
        self._name = ""

    def __repr__(self) -> str:
        return f"<Format object {self._script()!r}>"

    def width(self) -> int:
        return self._width

    def height(self) -> int:
        return self._height

    def x(self) -> int:
        return self._box[0]

    def y(self) -> int:
        return self._box[1]

    def r(self) -> int:
        return self._box[2]

    def t(self) -> int:
        return self._box[3]

    def pixelAspect(self) -> float:
        return self._aspect

    def name(self) -> str | None:
        return self._name or None

    def setName(self, name: str) -> None:
        self._name = name

    def setWidth(self, width: int) -> None:
        self._width = int(width)

    def setHeight(self, height: int) -> None:
        self._height = int(height)

    def setPixelAspect(self, aspect: float) -> None:
        self._aspect = float(aspect)

    def _script(self) -> str:
        numbers = [self._width, self._height, *self._box]
        return " ".join([*map(str, numbers), as_text(self._aspect), *([self._name] if self._name else [])])

    def _field(self, field: str) -> float:
        names = {
            "": self._width,
            "width": self._width,
            "w": self._width,
            "height": self._height,
            "h": self._height,
            "x": self._box[0],
            "y": self._box[1],
            "r": self._box[2],
            "t": self._box[3],
            "pixel_aspect": self._aspect,
        }
        return float(names[field])


def sized(width: int, height: int, aspect: float = 1.0) -> Format:
    """A format of this size without a name."""
    return Format(width, height, 0, 0, width, height, aspect)


class Formats:
    """The formats of a session, by name and in order."""

    def __init__(self) -> None:
        self._known: list[Format] = []
        for text in BUILT_IN:
            self.add(text)

    def all(self) -> list[Format]:
        return list(self._known)

    def add(self, text: str) -> Format | None:
        """`"w h x y r t aspect name"`, `"w h aspect name"` or `"w h name"`. A known name is redefined."""
        made = parse(text)
        if made is None:
            return None
        if made._name:
            self._known = [f for f in self._known if f._name != made._name]
        self._known.append(made)
        return made

    def find(self, name: str) -> Format | None:
        return next((f for f in self._known if f._name == name), None)

    def read(self, text: str) -> Format | None:
        """A format as a script holds it: a known name, or a full description, which becomes known."""
        found = self.find(text.strip())
        if found is not None:
            return found
        made = parse(text)
        if made is None:
            return None
        if made._name:
            self._known = [f for f in self._known if f._name != made._name]
            self._known.append(made)
        return made


def parse(text: str) -> Format | None:
    words = [word.text for word in split_list(text)]
    numbers: list[float] = []
    while words:
        try:
            numbers.append(float(words[0]))
        except ValueError:
            break
        words.pop(0)
    if len(numbers) not in (2, 3, 6, 7):
        return None
    whole = [int(n) for n in numbers]
    made = sized(whole[0], whole[1])
    if len(numbers) >= 6:
        made._box = whole[2:6]
    if len(numbers) in (3, 7):
        made._aspect = numbers[-1]
    made._name = " ".join(words)
    return made


class Box:
    """nuke.Box(x, y, r, t)."""

    def __init__(self, x: int = 0, y: int = 0, r: int = 1, t: int = 1) -> None:
        self._edges = [int(x), int(y), int(r), int(t)]

    def __repr__(self) -> str:
        return "<Box object {} {} {} {}>".format(*self._edges)

    def x(self) -> int:
        return self._edges[0]

    def y(self) -> int:
        return self._edges[1]

    def r(self) -> int:
        return self._edges[2]

    def t(self) -> int:
        return self._edges[3]

    def w(self) -> int:
        return self._edges[2] - self._edges[0]

    def h(self) -> int:
        return self._edges[3] - self._edges[1]

    def centerX(self) -> float:
        return (self._edges[0] + self._edges[2]) / 2

    def centerY(self) -> float:
        return (self._edges[1] + self._edges[3]) / 2

    def setX(self, value: int) -> None:
        self._edges[0] = int(value)

    def setY(self, value: int) -> None:
        self._edges[1] = int(value)

    def setR(self, value: int) -> None:
        self._edges[2] = int(value)

    def setT(self, value: int) -> None:
        self._edges[3] = int(value)

    def set(self, *arguments: Any) -> None:
        self._edges = [int(value) for value in arguments[:4]]
