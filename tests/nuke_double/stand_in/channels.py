"""Layers and channels: which exist, and which channels a knob's words mean.

The shorthand is Nuke's: `rgb`, `alpha`, `all`, `none`, a layer (`depth`), a channel (`rgba.red`), or several.
"""

from __future__ import annotations

from collections.abc import Iterable

RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")

BUILT_IN: dict[str, tuple[str, ...]] = {
    "rgb": RGBA[:3],
    "rgba": RGBA,
    "alpha": RGBA[3:],
    "depth": ("depth.Z",),
    "motion": ("forward.u", "forward.v", "backward.u", "backward.v"),
    "forward": ("forward.u", "forward.v"),
    "backward": ("backward.u", "backward.v"),
    "mask": ("mask.a",),
    "rotopaint_mask": ("rotopaint_mask.a",),
    "mask_splinewarp": ("mask_splinewarp.a",),
    "disparity": ("disparityL.x", "disparityL.y", "disparityR.x", "disparityR.y"),
    "disparityL": ("disparityL.x", "disparityL.y"),
    "disparityR": ("disparityR.x", "disparityR.y"),
    "deep": ("deep.front", "deep.back"),
}

_SHORT = {"red": RGBA[0], "green": RGBA[1], "blue": RGBA[2], "r": RGBA[0], "g": RGBA[1], "b": RGBA[2], "a": RGBA[3]}
_FIELDS = {"r": "red", "g": "green", "b": "blue", "a": "alpha"}


class Channels:
    """The layers that a session knows; scripts and Python may add to them."""

    def __init__(self) -> None:
        self.layers: dict[str, list[str]] = {name: list(channels) for name, channels in BUILT_IN.items()}

    def add_layer(self, name: str, channels: Iterable[str]) -> None:
        full = [c if "." in c else f"{name}.{c}" for c in channels]
        known = self.layers.setdefault(name, [])
        known.extend(channel for channel in full if channel not in known)
        for channel in full:
            own = self.layers.setdefault(channel.split(".")[0], [])
            if channel not in own:
                own.append(channel)

    def full_name(self, word: str) -> str:
        """`red` or `rgba.r` to `rgba.red`; other channels as they are."""
        if word in _SHORT:
            return _SHORT[word]
        layer, dot, field = word.partition(".")
        if dot and layer == "rgba" and field in _FIELDS:
            return f"rgba.{_FIELDS[field]}"
        if dot and layer in ("rgb", "alpha"):
            return f"rgba.{_FIELDS.get(field, field)}"
        return word

    def is_channel(self, word: str) -> bool:
        name = self.full_name(word)
        return "." in name and any(name in channels for channels in self.layers.values())

    def unknown(self, text: str) -> list[str]:
        """The words that are neither layer nor channel."""
        words = [w for w in text.split() if w not in ("none", "all")]
        return [w for w in words if w not in self.layers and not self.is_channel(w)]

    def canonical(self, text: str) -> str:
        """The words with channels spelled out: `alpha` stays, `red` becomes `rgba.red`."""
        words = [w if w in self.layers or w in ("none", "all") else self.full_name(w) for w in text.split()]
        return " ".join(words) or "none"

    def expand(self, text: str) -> list[str]:
        """The channels that the words mean, in order; `all` stays one word."""
        found: list[str] = []
        for word in text.split():
            if word == "none":
                continue
            if word == "all":
                return ["all"]
            for channel in self.layers.get(word, [self.full_name(word)]):
                if channel not in found:
                    found.append(channel)
        return found

    def layer_of(self, text: str) -> list[str]:
        """The channels of a layer knob, as Shuffle's in and out hold it."""
        return [] if text == "none" else list(self.layers.get(text, [self.full_name(text)]))


class Layer:
    """nuke.Layer(name, channels)."""

    def __init__(self, name: str, channels: list[str]) -> None:
        from .session import current

        self._name = name
        current().channels.add_layer(name, channels)

    def name(self) -> str:
        return self._name

    def channels(self) -> list[str]:
        from .session import current

        return list(current().channels.layers[self._name])

    def visible(self) -> bool:
        return True
