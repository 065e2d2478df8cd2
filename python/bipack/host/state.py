"""Is what the gizmo shows still what it would cook? Fresh, stale and missing frames, and why.

Looks at knobs and at file times only, so that a status line never renders anything.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Iterable, List, Optional, Tuple

from bipack.frames import format_frames
from bipack.host import graph, knobs, model, recipe
from bipack.host.cache import CookFolder, root_folder
from bipack.host.node import RESULT_READ, BipackNode, script_path, views

_REASONS_SHOWN = 3


@dataclass(frozen=True)
class State:
    """The frames of a node, sorted into what can be trusted and what cannot."""

    fresh: Tuple[int, ...]
    stale: Tuple[int, ...]
    missing: Tuple[int, ...]
    reasons: Tuple[str, ...]
    """Why frames are stale, in an artist's words."""

    @property
    def is_fresh(self) -> bool:
        """True when every frame that was asked for is fresh."""
        return not self.stale and not self.missing

    def sentence(self) -> str:
        """The status line."""
        parts = []
        if self.fresh:
            parts.append(f"fresh: {format_frames(self.fresh)}")
        if self.stale:
            told = "; ".join(self.reasons[:_REASONS_SHOWN])
            more = len(self.reasons) - _REASONS_SHOWN
            why = f" ({told}{f'; {more} more' if more > 0 else ''})" if told else ""
            parts.append(f"stale: {format_frames(self.stale)}{why}")
        if self.missing:
            everything = not self.fresh and not self.stale
            parts.append("not cooked yet" if everything else f"missing: {format_frames(self.missing)}")
        return " · ".join(parts) or "nothing to cook"


@dataclass(frozen=True)
class Outlook:
    """Where a node's frames would be cooked to, and from what."""

    chosen: model.ChosenModel
    recipe: recipe.Recipe
    folder: CookFolder


def outlook(node: BipackNode) -> Outlook:
    """What cooking `node` now would mean. Raises a BipackError when it cannot be cooked as it stands.

    A copied or renamed node, or a script under a new name, goes on in the folder that it shows for as long as the
    recipe stays the same.
    """
    chosen = model.chosen(node)
    found = recipe.of(node, chosen)
    cache = root_folder(node.text("cache"))
    folder = CookFolder.choose(cache, script_path(), node.name, found.digest, views())
    shown = shown_folder(node)
    if shown is not None and _recipe_name(shown) == _recipe_name(folder) and shown.path.startswith(cache + "/"):
        folder = shown
    return Outlook(chosen, found, folder)


def shown_folder(node: BipackNode) -> Optional[CookFolder]:
    """The folder that the node's Read shows; None before the first cook."""
    return CookFolder.of_pattern(str(node.inner(RESULT_READ)["file"].value() or ""), views())


def look(node: BipackNode, frames: Iterable[int], deep: bool = True) -> State:
    """Sort `frames` of what the node shows. Raises a BipackError when the node cannot be cooked as it stands.

    With `deep` the source files of every frame are looked at; without, only the recipe is compared, which is quick
    enough for a slider that is being dragged.
    """
    now = outlook(node)
    shown = shown_folder(node)
    frames = tuple(frames)
    if shown is None:
        return State((), (), frames, ())
    on_disk = set(shown.frames())
    missing = tuple(frame for frame in frames if frame not in on_disk)
    present = [frame for frame in frames if frame in on_disk]
    if _recipe_name(shown) != _recipe_name(now.folder):
        old = shown.read_recipe()
        reasons = recipe.differences(old, now.recipe.facts) if old is not None else ["their recipe is not known"]
        return State((), tuple(present), missing, tuple(reasons or ["the comp above was connected differently"]))
    if not deep:
        return State(tuple(present), (), missing, ())
    plate_range, reach = graph.plate_range(node), knobs.reach(node, now.chosen)
    changes = {frame: _source_change(shown, frame, now, reach, plate_range) for frame in present}
    fresh = tuple(frame for frame, reason in changes.items() if not reason)
    stale = tuple(frame for frame, reason in changes.items() if reason)
    return State(fresh, stale, missing, tuple(dict.fromkeys(changes[frame] for frame in stale)))


def _recipe_name(folder: CookFolder) -> str:
    return folder.path.rpartition("/")[2]


def _source_change(
    folder: CookFolder, frame: int, now: Outlook, reach: graph.Reach, plate_range: Tuple[int, int]
) -> str:
    """Which source file of a cooked frame is another one now; empty when none is."""
    record = folder.read_record(frame)
    if record is None:
        return "what it was made from is not known"
    sources = now.recipe.sources(graph.window(frame, reach, plate_range))
    for path in sorted(set(record.sources) | set(sources)):
        if record.sources.get(path) != sources.get(path):
            return f"{os.path.basename(path)} was rendered again"
    return ""


def on_disk_sentence(node: BipackNode, frames: Iterable[int]) -> str:
    """How much of the range is on disk and how large it is."""
    shown = shown_folder(node)
    wanted: List[int] = list(frames)
    if shown is None:
        return f"0 of {len(wanted)} frames"
    present = set(shown.frames())
    count = sum(frame in present for frame in wanted)
    return f"{count} of {len(wanted)} frames, {shown.size_bytes() / 1e6:.1f} MB in {shown.path}"
