"""What a cooked frame depends on: model, settings, the comp above, and the files that the comp reads.

The recipe is what all frames have in common; its digest names the cache folder. Node names are left out of it, so that
renaming or moving a node cooks nothing again. What differs from frame to frame, the source files with their times and
sizes, is compared frame by frame. Nuke's own op hashes are not used: they do not see a file that was rendered over,
and may differ between two sessions, which would cook a whole shot again on the farm.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

import nuke

from bipack import __version__
from bipack.errors import BipackError
from bipack.frames import FramePath
from bipack.host import graph, model, retiming
from bipack.host.knob_text import shaping_knobs
from bipack.host.node import (
    INSIDE_MASK,
    INSIDE_MATTE,
    LAYER_ONLY,
    MODEL_KNOB_PREFIX,
    RESULT_READ,
    BipackNode,
    is_bipack,
    views,
)

_COLOR_KNOBS = ("colorManagement", "OCIO_config", "customOCIOConfigPath", "workingSpaceLUT")
_DOWNSTREAM_KNOBS = ("mix", "restrict", "factor", "plate_between")
"""Knobs of a Bipack node that change what it hands on, besides its recipe."""

_FINISHING = "finish_"
"""Beginning of the names of those that finish the result."""

_DOWNSTREAM_NODES = (
    LAYER_ONLY, INSIDE_MATTE, INSIDE_MASK, "FinishClump_red", "FinishClump_green", "FinishClump_blue", "FinishGrainMix",
)  # fmt: skip
"""Nodes in it that hold what else does: channels, and the grain that was measured."""


@dataclass(frozen=True)
class SourceFile:
    """A file or sequence that the comp above reads."""

    pattern: str
    exact: bool
    """True when frame n of the comp reads frame n of this sequence, False when time is shifted on the way."""


@dataclass(frozen=True)
class Recipe:
    """What all frames of a cook have in common."""

    facts: Mapping[str, str]
    """Each thing by a name that an artist knows, with its value or a hash of it; only for telling what changed."""

    digest: str
    """Hash of everything that shapes the result but the contents of source files."""

    files: Tuple[SourceFile, ...]

    def sources(self, frames: Tuple[int, ...]) -> Dict[str, Tuple[int, int]]:
        """Time and size of the files that the comp reads for `frames` (a frame and its window)."""
        found: Dict[str, Tuple[int, int]] = {}
        for file in self.files:
            for pattern in _of_views(file.pattern):
                found.update(_signature(pattern, frames, file.exact))
        return found


def of(node: BipackNode, chosen: model.ChosenModel) -> Recipe:
    """The recipe of `node` as the script stands. Raises UsageError when no plate is connected."""
    sources = [source for source in (node.plate, node.matte) if source is not None]
    nodes: Dict[str, Any] = {}
    for source in sources:
        for found in graph.upstream(source):
            nodes.setdefault(found.fullName(), found)
    digests: Dict[str, str] = {}
    facts = _own_facts(node, chosen)
    shape = dict(facts)
    for name, found in nodes.items():
        text = _node_text(found)
        facts[f"node {name}"] = _hash(text)
        digests[name] = _hash([text, [digests[source.fullName()] for source in graph.inputs_of(found)]])
    shape["plate"] = digests[node.plate.fullName()]
    shape["matte"] = digests[node.matte.fullName()] if node.matte is not None else ""
    exact = not graph.shifts_time(nodes.values())
    files = [SourceFile(pattern, exact and own) for found in nodes.values() for pattern, own in _files_of(found)]
    return Recipe(facts, _hash(shape), tuple(dict.fromkeys(files)))


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> List[str]:
    """What changed from one recipe's facts to another's, in an artist's words."""
    told = []
    for name in sorted(set(old) | set(new)):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        kind, _, rest = name.partition(" ")
        if kind == "node":
            told.append(f"{rest} " + ("was added" if before is None else "was removed" if after is None else "changed"))
        elif kind == "setting":
            told.append(f"{rest} changed")
        elif kind == "Bipack":
            told.append(f"Bipack is {after} now, was {before}")
        else:
            told.append(f"{name} changed")
    return told


# -- facts of the node itself ----------------------------------------------------------------------------------------


def _own_facts(node: BipackNode, chosen: model.ChosenModel) -> Dict[str, str]:
    facts = {
        "Bipack": __version__,
        "model": chosen.identity,
        "layer": str(node.value("layer")),
        "cache depth": str(node.value("depth")),
        "views": " ".join(views()),
    }
    for knob in chosen.knobs:
        found = node.group.knob(MODEL_KNOB_PREFIX + knob.name)
        if found is None:
            facts[f"setting {knob.name}"] = str(knob.default)
        else:
            facts[f"setting {knob.name}"] = _saved(found)
    if node.matte is not None and chosen.takes_matte:
        knob = node.inner(INSIDE_MATTE)["maskChannel"] if node.has_inner(INSIDE_MATTE) else node.group["matte_channel"]
        facts["matte channel"] = str(knob.value())
    if retiming.is_retimer(node):
        facts["timing"] = retiming.facts(node)
    root = nuke.root()
    color = [str(root.knob(name).value()) for name in _COLOR_KNOBS if root.knob(name) is not None]
    facts["color management"] = " ".join(color)
    return facts


def _saved(knob: Any) -> str:
    """A knob's value, or its keys and expressions: the same on whatever frame the script is."""
    return str(knob.toScript() if graph.varies(knob) else knob.value())


# -- facts of the comp above -----------------------------------------------------------------------------------------


def _node_text(node: Any) -> List[Any]:
    """All that `node` itself adds to the picture, the pictures of its inputs aside."""
    kind = node.Class()
    used = [node.input(index) is not None for index in range(node.inputs())]
    if graph.is_off(node):
        return ["off"]
    if is_bipack(node):
        return [used, *_bipack_text(BipackNode(node))]
    if kind == "Write" and not _is_reading(node):
        return [kind]
    return [kind, used, shaping_knobs(node), _linked(node)]


def _is_reading(write: Any) -> bool:
    knob = write.knob("reading")
    return bool(knob is not None and knob.value())


def _bipack_text(node: BipackNode) -> List[Any]:
    """A Bipack node above: its recipe, not the state of its cache, and what it does with the result."""
    try:
        facts: Any = _own_facts(node, model.chosen(node))
    except BipackError as error:
        # It cannot be cooked as it stands; that is said when it is its turn, not when this node's status is asked for.
        facts = str(error)
    after: List[Any] = [_saved(node.group[name]) for name in _DOWNSTREAM_KNOBS if node.has(name)]
    after += _finishing(node.group)
    inside = [node.inner(name) for name in _DOWNSTREAM_NODES if node.has_inner(name)]
    return [node.tool, facts, after, [shaping_knobs(found) for found in inside]]


def _finishing(group: Any) -> List[List[str]]:
    """Name and value of every knob that finishes the result; not which of its groups are open, nor what is told."""
    found = [item for item in shaping_knobs(group).items() if item[0].startswith(_FINISHING)]
    return [[name, value] for name, value in sorted(found) if group[name].Class() not in ("Tab_Knob", "Text_Knob")]


def _linked(node: Any) -> List[Any]:
    """Nodes whose knobs this one's expressions read, and theirs in turn."""
    seen: Dict[str, Any] = {}
    waiting = [node]
    while waiting:
        for found in waiting.pop().dependencies(nuke.EXPRESSIONS | nuke.LINKINPUTS):
            name = found.fullName()
            if name not in seen and found.Class() not in ("Root", "Viewer") and name != node.fullName():
                seen[name] = found
                waiting.append(found)
    return [[found.Class(), shaping_knobs(found)] for _, found in sorted(seen.items())]


def _files_of(node: Any) -> List[Tuple[str, bool]]:
    """Files that `node` reads, each with whether frame n reads file n."""
    if graph.is_off(node):
        return []
    if is_bipack(node):
        return [(str(BipackNode(node).inner(RESULT_READ)["file"].value() or ""), True)]
    if node.Class() == "Write" and not _is_reading(node):
        return []
    if node.Class() == "Read":
        moved = any(node.knob(name) is not None and node[name].notDefault() for name in ("frame_mode", "frame"))
        found = [(_pattern(node, "file"), not moved)]
    else:
        names = [name for name, knob in node.knobs().items() if knob.Class() == "File_Knob"]
        found = [(_pattern(node, name), True) for name in names]
    return [(pattern, exact) for pattern, exact in found if pattern]


def _pattern(node: Any, name: str) -> str:
    """A file knob's text with its Tcl evaluated and its padding kept."""
    text = str(node[name].value() or "")
    if "[" not in text:
        return text
    return str((nuke.filename(node) if name == "file" else node[name].getEvaluatedValue()) or "")


# -- source files ----------------------------------------------------------------------------------------------------


def _of_views(pattern: str) -> List[str]:
    if "%V" not in pattern and "%v" not in pattern:
        return [pattern]
    return [pattern.replace("%V", view).replace("%v", view[:1]) for view in nuke.views()]


def _signature(pattern: str, frames: Tuple[int, ...], exact: bool) -> Dict[str, Tuple[int, int]]:
    path = FramePath.parse(pattern)
    files = [path.path(frame) for frame in frames]
    found = {file: facts for file, facts in ((file, _stat(file)) for file in files) if facts is not None}
    if (exact and len(found) == len(set(files))) or not path.is_sequence:
        return found
    # Another frame of it may be shown: any change of the sequence counts.
    facts = [facts for facts in (_stat(path.path(frame)) for frame in path.existing()) if facts is not None]
    return {pattern: (max((time for time, _ in facts), default=0), sum(size for _, size in facts))}


def _stat(path: str) -> Optional[Tuple[int, int]]:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=True).encode("ascii")).hexdigest()
