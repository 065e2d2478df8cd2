"""What each node class is: its inputs, its knobs and their defaults.

Classes that Bipack's gizmos may use have a table below. Every other class of the vocabulary exists too, with exactly
the knob names that real files hold, but no defaults. A class or knob in neither place does not exist.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from . import tables
from .knob_specs import Spec, kept
from .tables.common import COMMON

VOCABULARY_FILE = Path(__file__).with_name("vocabulary.json")
NO_KNOBS = frozenset({"inputs", "addUserKnob"})


@dataclass(frozen=True)
class NodeClass:
    """A class: `most` inputs at all, `mask` the index of the mask input if there is one."""

    name: str
    least: int
    most: int
    mask: int | None
    knobs: tuple[Spec, ...]
    documented: bool


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, tuple[str, ...]]:
    """Class name to the knob names seen in real files."""
    data = json.loads(VOCABULARY_FILE.read_text(encoding="utf-8"))
    return {name: tuple(names) for name, names in data.items()}


@cache
def find(name: str) -> NodeClass | None:
    """The class of this name, or None if there is none."""
    table = tables.CLASSES.get(name)
    seen = vocabulary().get(name)
    if table is None and seen is None:
        return None
    specs: dict[str, Spec] = {spec.name: spec for spec in COMMON}
    if table is not None:
        specs.update((spec.name, spec) for spec in table.knobs)
        for gone in table.without:
            specs.pop(gone, None)
    for knob_name in seen or ():
        if knob_name not in specs and knob_name not in NO_KNOBS:
            specs[knob_name] = kept(knob_name)
    if table is None:
        return NodeClass(name, 1, 100, None, tuple(specs.values()), documented=False)
    return NodeClass(name, table.least, table.most, table.mask, tuple(specs.values()), documented=True)


def names() -> list[str]:
    """Every class that exists."""
    return sorted({*vocabulary(), *tables.CLASSES})
