"""Animation of one channel of a knob: a static value, keys, or an expression.

The text form is what a script holds inside a channel's braces: `curve x1 0 x10 5`, `"frame*2"`, `parent.size i`.
Interpolation between keys is Nuke's default smooth one (slopes through the neighbours, flat at extremes and ends),
or constant (K) or linear (L) where the keys say so; a smooth curve's exact in-between values are an assumption.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from .errors import ScriptError
from .functions import as_text
from .tcl import BARE, Word, split_list

SMOOTH, CONSTANT, LINEAR = "smooth", "constant", "linear"


@dataclass
class Key:
    x: float
    y: float
    kind: str = SMOOTH


@dataclass
class Channel:
    """One channel: `expression` wins over `keys`, `keys` over `value`."""

    value: float = 0.0
    keys: list[Key] = field(default_factory=list)
    expression: str = ""

    @property
    def animated(self) -> bool:
        return bool(self.keys or self.expression)

    def at(self, frame: float) -> float:
        """Value of the keys, or the static value; the expression is the knob's business."""
        return interpolate(self.keys, frame) if self.keys else self.value

    def set_key(self, frame: float, value: float) -> None:
        for key in self.keys:
            if key.x == frame:
                key.y = value
                return
        kind = self.keys[-1].kind if self.keys else SMOOTH
        self.keys.append(Key(frame, value, kind))
        self.keys.sort(key=lambda key: key.x)


def interpolate(keys: list[Key], frame: float) -> float:
    """The curve at a frame: held before the first and after the last key."""
    if frame <= keys[0].x or len(keys) == 1:
        return keys[0].y
    if frame >= keys[-1].x:
        return keys[-1].y
    i = bisect_right([key.x for key in keys], frame) - 1
    left, right = keys[i], keys[i + 1]
    if left.kind == CONSTANT:
        return left.y
    span = right.x - left.x
    t = (frame - left.x) / span
    if left.kind == LINEAR:
        return left.y + (right.y - left.y) * t
    a, b = _slope(keys, i) * span, _slope(keys, i + 1) * span
    t2, t3 = t * t, t * t * t
    return (2 * t3 - 3 * t2 + 1) * left.y + (t3 - 2 * t2 + t) * a + (3 * t2 - 2 * t3) * right.y + (t3 - t2) * b


def _slope(keys: list[Key], i: int) -> float:
    """Slope of a smooth key: along its neighbours, flat at the ends and at a local extreme."""
    if i == 0 or i == len(keys) - 1:
        return 0.0
    before, here, after = keys[i - 1], keys[i], keys[i + 1]
    if (here.y - before.y) * (after.y - here.y) <= 0:
        return 0.0
    return (after.y - before.y) / (after.x - before.x)


def parse_channels(text: str, line: int = 1, source: str = "") -> list[Channel]:
    """The channels in a knob's value text: `5`, `5 3`, `{parent.x} 2`, `{curve x1 0 x9 1}`."""
    return [parse_channel(word, source) for word in split_list(text, line, source)]


def parse_channel(word: Word, source: str = "") -> Channel:
    if word.kind == BARE:
        return Channel(value=_number(word, source))
    words = split_list(word.text, word.line, source)
    if not words:
        return Channel()
    if words[0].text == "curve":
        return _with_keys(Channel(), words[1:], source)
    spoken = []
    for position, part in enumerate(words):
        if (
            position
            and _is_key_word(part.text)
            and all(_is_key_word(w.text) or _is_number(w.text) for w in words[position:])
        ):
            return _with_keys(Channel(expression=" ".join(spoken)), words[position:], source)
        spoken.append(part.text)
    return Channel(expression=" ".join(spoken))


def _is_key_word(text: str) -> bool:
    return (len(text) == 1 and text.isalpha() and text not in "xyt") or (text[:1] in "xst" and _is_number(text[1:]))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _with_keys(channel: Channel, words: list[Word], source: str) -> Channel:
    frame, kind = 0.0, SMOOTH
    for word in words:
        text = word.text
        if text.startswith("x") and _is_number(text[1:]):
            frame = float(text[1:]) - 1
            continue
        if _is_number(text):
            frame += 1
            channel.keys.append(Key(frame, float(text), kind))
        elif text in ("K", "k"):
            kind = CONSTANT
        elif text in ("L", "l"):
            kind = LINEAR
        elif len(text) == 1 and text.isalpha():
            kind = SMOOTH
        elif not (text[:1].isalpha() and _is_number(text[1:])):
            raise ScriptError(f'bad curve: "{text}"', word.line, source)
    return channel


def _number(word: Word, source: str) -> float:
    text = word.text
    if text in ("true", "false"):
        return float(text == "true")
    try:
        if text[:1] in ("x", "X") and len(text) == 9:
            return _hex_float(text[1:])
        return float(int(text, 16)) if text[:2].lower() == "0x" else float(text)
    except ValueError:
        raise ScriptError(f'expected a number but got "{text}"', word.line, source) from None


def _hex_float(digits: str) -> float:
    import struct

    return float(struct.unpack(">f", bytes.fromhex(digits))[0])


def format_number(value: float) -> str:
    return as_text(value)


def format_channel(channel: Channel, alone: bool) -> str:
    """The channel as a word of the value list; `alone` if it is the only one, as for a scalar knob."""
    if channel.expression:
        text = channel.expression
        inner = f'"{_escaped(text)}"' if any(c in text for c in ' \t"{}[]\\') else text
        return "{" + inner + _format_keys(channel) + "}"
    if channel.keys:
        return "{curve" + _format_keys(channel) + "}"
    return format_number(channel.value)


def _escaped(text: str) -> str:
    return "".join("\\" + c if c in '[{}"\\' else c for c in text)


def _format_keys(channel: Channel) -> str:
    out, kind = "", SMOOTH
    for key in channel.keys:
        if key.kind != kind:
            kind = key.kind
            out += {CONSTANT: " K", LINEAR: " L", SMOOTH: " C"}[kind]
        out += f" x{format_number(key.x)} {format_number(key.y)}"
    return out
