"""A node's knobs as Nuke itself would save them, without what is only for the eye.

`Node.writeKnobs` gives one `name value` entry after the other; a value may run over many lines, as a Roto's shapes do.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Iterator, Mapping, Tuple

import nuke

_COSMETIC = """
    name xpos ypos selected label note_font note_font_size note_font_color tile_color gl_color postage_stamp
    postage_stamp_frame hide_input dope_sheet bookmark cached mapsize indicators icon autolabel help onCreate onDestroy
    knobChanged updateUI lifetimeStart lifetimeEnd lifetimeEffect lock_connections panel toolbar_visibility
    toolbar_visibility_roto toolbar_auto_hide feather_link_lock view_inputs gizmo_file rootNodeUpdated
"""
COSMETIC = frozenset(_COSMETIC.split())
"""Knobs that change no pixel."""

_CLASS_COSMETIC = {
    "Read": frozenset({"version", "origset", "origfirst", "origlast", "localizationPolicy", "proxy", "proxy_format"}),
    "Write": frozenset({"version"}),
}

_TURNS = re.compile(r'\\.|["{}\n]', re.DOTALL)
"""All that can open or close a value; an escaped letter counts for nothing."""


def shaping_knobs(node: Any) -> Mapping[str, str]:
    """Knobs of `node` that are not at their default and may shape its picture: text as saved, by name."""
    return _shaping(node.Class(), node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT))


@lru_cache(maxsize=2048)
def _shaping(kind: str, text: str) -> Mapping[str, str]:
    """Kept, because a comp is asked for every frame of a cook and a Roto's shapes are megabytes of text."""
    dropped = COSMETIC | _CLASS_COSMETIC.get(kind, frozenset())
    return {
        name: value
        for name, value in entries(text)
        if name not in dropped and not name.endswith("_panelDropped") and not name.startswith("cached_")
    }


def entries(text: str) -> Iterator[Tuple[str, str]]:
    """Split what `writeKnobs` gave into names and values; a line end inside braces or quotes belongs to the value."""
    begin, depth, quoted = 0, 0, False
    for match in _TURNS.finditer(text + "\n"):
        letter = match.group()
        if letter == '"' and depth == 0:
            quoted = not quoted
        elif letter in "{}" and not quoted:
            depth += 1 if letter == "{" else -1
        elif letter == "\n" and depth <= 0 and not quoted:
            name, _, value = text[begin : match.start()].strip().partition(" ")
            if name:
                yield name, value.strip()
            begin, depth = match.end(), 0
