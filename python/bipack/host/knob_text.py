"""A node's knobs as Nuke itself would save them, without what is only for the eye.

`Node.writeKnobs` gives one `name value` entry after the other; a value may run over many lines, as a Roto's shapes do.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, Tuple

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


def shaping_knobs(node: Any) -> Dict[str, str]:
    """Knobs of `node` that are not at their default and may shape its picture: text as saved, by name."""
    text = node.writeKnobs(nuke.WRITE_NON_DEFAULT_ONLY | nuke.TO_SCRIPT)
    dropped = COSMETIC | _CLASS_COSMETIC.get(node.Class(), frozenset())
    return {
        name: value
        for name, value in entries(text)
        if name not in dropped and not name.endswith("_panelDropped") and not name.startswith("cached_")
    }


def entries(text: str) -> Iterator[Tuple[str, str]]:
    """Split what `writeKnobs` gave into names and values; lines inside braces or quotes belong to the value."""
    pending = ""
    for line in text.splitlines():
        pending = f"{pending}\n{line}" if pending else line.strip()
        if pending and _is_whole(pending):
            name, _, value = pending.partition(" ")
            yield name, value.strip()
            pending = ""
    if pending:
        name, _, value = pending.partition(" ")
        yield name, value.strip()


def _is_whole(text: str) -> bool:
    """True when every brace and quote is closed."""
    depth, quoted, escaped = 0, False, False
    for letter in text:
        if escaped:
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == '"' and depth == 0:
            quoted = not quoted
        elif not quoted and letter in "{}":
            depth += 1 if letter == "{" else -1
    return depth <= 0 and not quoted
