"""Where in a file a layer is: Nuke's and EXR's naming habits in one place.

`rgba` is the channels without a prefix; any other layer is `layer.channel`, in any part, or the bare channels of a part
that bears the layer's name (`depth_left` and `depth.left` are layer depth, view left).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Optional

from bipack.errors import ModelRefused
from bipack.imaging.frame import Frame, Part

_USUAL = {
    1: (("Y",),),
    2: (("u", "v"), ("U", "V"), ("x", "y"), ("X", "Y"), ("R", "G"), ("red", "green")),
    3: (("R", "G", "B"), ("red", "green", "blue"), ("r", "g", "b"), ("x", "y", "z"), ("X", "Y", "Z")),
    4: (("R", "G", "B", "A"), ("red", "green", "blue", "alpha"), ("r", "g", "b", "a")),
}
"""Channel names that make a layer, by how many are wanted, best first."""

_BESIDE = frozenset({"A", "a", "alpha", "Z"})
_MAIN = ("rgba", "rgb", "beauty", "")
_NOT_PICTURE = re.compile(
    r"^(?:z|zdepth|depth.*|deep.*|(?:[a-z]+_|obj|object|mat|material|asset|instance|mesh|prim|node)?ids?\d*|crypto.*|"
    r"p|pos|position.*|pworld|pref|n|normals?.*|motion.*|velocity.*|forward.*|backward.*|uv|st|stmap|mv|vectors?)$",
    re.IGNORECASE,
)


def find(frame: Frame, layer: str, channels: int) -> tuple[int, tuple[str, ...]]:
    """(part, channel names) of `layer` with exactly `channels` channels.

    Raises ModelRefused naming what is there.
    """
    for number, part in _by_preference(frame, layer):
        names = _choose(_members(part, layer), channels)
        if names is not None:
            return number, names
    raise ModelRefused(_refusal(frame, layer, channels))


def is_single(frame: Frame, layer: str) -> bool:
    """True where `layer` is one channel and nothing else that could be a picture."""
    try:
        find(frame, layer, 1)
    except ModelRefused:
        return False
    return True


def layers_of(frame: Frame) -> dict[str, list[str]]:
    """Channel names by layer over all parts, in file order."""
    found: dict[str, list[str]] = {}
    for part in frame.parts:
        for name in part.channels:
            found.setdefault(layer_of(part, name), []).append(name)
    return found


def layer_of(part: Part, channel: str) -> str:
    """The layer that `channel` belongs to: its prefix, the name of its part, or rgba."""
    prefix, _, _ = channel.rpartition(".")
    return prefix or (part.name if _part_layer(part) not in _MAIN else "rgba")


def is_data(part: Part, channel: str) -> bool:
    """True for channels that must not be mixed with their neighbours: ids, depth, positions, vectors, Cryptomatte."""
    prefix, _, bare = channel.rpartition(".")
    layer = prefix or _part_layer(part)
    if _NOT_PICTURE.match(layer) or (not prefix and bare in ("Z", "ZBack")):
        return True
    return any(_is_cryptomatte(layer, name, value) for name, value in part.attributes.items())


def _is_cryptomatte(layer: str, name: str, value: object) -> bool:
    """Cryptomatte declares its layers: `cryptomatte/<key>/name = CryptoObject` means CryptoObject, CryptoObject00…"""
    if not (name.startswith("cryptomatte/") and name.endswith("/name") and isinstance(value, str)):
        return False
    return layer.startswith(value) and (layer[len(value) :].isdigit() or layer == value)


def _part_layer(part: Part) -> str:
    """The part's name without its view: `depth.left`, `left.depth` and `depth_left` are depth."""
    name, view = part.name, str(part.attributes.get("view", ""))
    for separator in "._":
        if view and name.endswith(separator + view):
            return name[: -len(view) - 1]
        if view and name.startswith(view + separator):
            return name[len(view) + 1 :]
    return name


def _by_preference(frame: Frame, layer: str) -> Sequence[tuple[int, Part]]:
    """Parts to look in, best first.

    For rgba a part that calls itself so comes before those that bear another name, and a depth or position part, whose
    channels may well be called R, G and B, is never taken for the picture.
    """
    numbered = list(enumerate(frame.parts))
    if layer != "rgba":
        return numbered
    pictures = [(number, part) for number, part in numbered if not _NOT_PICTURE.match(_part_layer(part))]
    return sorted(pictures, key=lambda item: (_part_layer(item[1]) not in _MAIN, item[0]))


def _members(part: Part, layer: str) -> dict[str, str]:
    """Channels of `layer` in `part`: bare name → full name. Subsampled channels are no picture."""
    whole = [name for name in part.channels if name not in part.subsampling]
    if layer == "rgba":
        return {name: name for name in whole if "." not in name}
    prefixed = {name[len(layer) + 1 :]: name for name in whole if name.startswith(layer + ".")}
    if prefixed:
        return {bare: name for bare, name in prefixed.items() if "." not in bare}
    if layer in (part.name, _part_layer(part)):
        return {name.rpartition(".")[2]: name for name in whole}
    bare_layers = {"alpha": "A", "depth": "Z"}
    bare = bare_layers.get(layer, "")
    return {bare: bare} if bare in whole else {}


def _choose(members: dict[str, str], count: int) -> Optional[tuple[str, ...]]:
    for usual in _USUAL.get(count, ()):
        if all(name in members for name in usual):
            return tuple(members[name] for name in usual)
    # One channel beside alpha or depth is the picture; of R, G and B none is.
    picture = [full for bare, full in members.items() if bare not in _BESIDE]
    if len(picture) == count == 1:
        return (picture[0],)
    return tuple(members.values()) if len(members) == count else None


def _refusal(frame: Frame, layer: str, channels: int) -> str:
    source = os.path.basename(frame.source) or "the plate"
    found = layers_of(frame)
    listed = "; ".join(f"{name}: {', '.join(members)}" for name, members in list(found.items())[:12])
    more = f"; and {len(found) - 12} more" if len(found) > 12 else ""
    if any(part.subsampling for part in frame.parts):
        listed += "; some are luminance/chroma at less than full size: convert to RGB first"
    words = "1 channel" if channels == 1 else f"{channels} channels"
    return f"Layer {layer!r} with {words} is needed; {source} has {listed}{more}. Shuffle to it or name another layer."
