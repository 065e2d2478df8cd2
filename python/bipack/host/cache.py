"""Where cooked frames lie and how each remembers what it was made from.

    <cache>/<script>/<node>/<recipe>/out.1001.exr        the result that the gizmo's Read shows
                                    /recipe.json         what all its frames have in common
                                    /frames/1001.json    what this frame was made from: source files, worker's key
                                    /in-<process>/…      inputs on their way to the worker, removed after use

One folder for each recipe: frames that were cooked with different settings never lie side by side, so a sequence is
of one making or it has gaps, and a gap fails a render. One small file for each frame: several farm tasks may cook
into one folder without a lock. No Nuke here: paths and JSON only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple

from bipack import atomic, settings
from bipack.errors import UsageError
from bipack.frames import FramePath

RECIPE_FILE = "recipe.json"
_DIGEST_LETTERS = 16
_UNSAVED = f"untitled-{uuid.uuid4().hex[:8]}"
"""Scripts without a name get a folder of this session's own: two of them must not share one."""

_FORBIDDEN = '[]{}$%#"'
"""Letters that Nuke's file knobs read as Tcl or padding; a cache below them would never be found."""

Sources = Mapping[str, Tuple[int, int]]
"""Source files of one frame: modification time in nanoseconds and size in bytes, by path."""


def script_folder(script: str) -> str:
    """Folder name of the script saved at `script`; versions of one script share it, so that a version-up keeps frames.

    The letters at the end tell scripts of one name in two folders apart.
    """
    if not script:
        return _UNSAVED
    folder, name = os.path.split(os.path.abspath(script))
    stem = re.sub(r"[._-]?v\d+(?=\b|_|$)", "", os.path.splitext(name)[0], flags=re.IGNORECASE) or "script"
    return f"{safe(stem)}-{hashlib.sha256(f'{folder}/{stem}'.encode()).hexdigest()[:6]}"


def safe(name: str) -> str:
    """`name` as a folder name that Nuke, a shell and three operating systems leave alone; Unicode letters stay."""
    return re.sub(r"[^\w.-]", "_", name).strip(".") or "_"


def root_folder(chosen: str) -> str:
    """The cache: the node's own choice, else the setting; forward slashes.

    Raises UsageError for a folder whose name Nuke would take for an expression or a frame number.
    """
    folder = os.path.abspath(os.path.expanduser(chosen or settings.cache_folder())).replace("\\", "/")
    bad = sorted(set(folder) & set(_FORBIDDEN))
    if bad:
        raise UsageError(
            f"The cache folder {folder} contains {' '.join(bad)}, which Nuke reads as part of an expression or a frame "
            "number. Choose another folder in the node's 'cache folder' knob or with BIPACK_CACHE."
        )
    return folder


@dataclass(frozen=True)
class FrameRecord:
    """What one cooked frame was made from."""

    sources: Dict[str, Tuple[int, int]]
    key: str = ""
    """The worker's key of the frame: model, knobs and input pixels."""


@dataclass(frozen=True)
class CookFolder:
    """The frames of one node and one recipe."""

    path: str
    """Folder, with forward slashes."""

    views: Tuple[str, ...] = ()
    """Names of the script's views where it has more than one; else empty."""

    @classmethod
    def choose(cls, cache: str, script: str, node: str, digest: str, views: Tuple[str, ...]) -> CookFolder:
        """The folder for a recipe of `node` in `script`."""
        return cls("/".join((cache, script_folder(script), safe(node), digest[:_DIGEST_LETTERS])), views)

    @classmethod
    def of_pattern(cls, pattern: str, views: Tuple[str, ...]) -> Optional[CookFolder]:
        """The folder that a Read's file knob points into; None where it is not one of ours."""
        folder, name = os.path.split(pattern.replace("\\", "/"))
        return cls(folder, views) if name in ("out.%04d.exr", "out.%V.%04d.exr") else None

    @property
    def result(self) -> str:
        """File pattern of the result, as the Read takes it."""
        return f"{self.path}/out.%V.%04d.exr" if self.views else f"{self.path}/out.%04d.exr"

    def result_of(self, view: str) -> str:
        """File pattern of one view's result, as the worker takes it."""
        return self.result.replace("%V", view)

    def input_folder(self) -> str:
        """A new folder for inputs of this process; remove it after the cook."""
        return f"{self.path}/in-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def frames(self) -> Tuple[int, ...]:
        """Frames that are on disk in every view, sorted."""
        found = [set(FramePath.parse(self.result_of(view)).existing()) for view in self.views or ("",)]
        return tuple(sorted(set.intersection(*found)))

    def is_complete(self, frame: int) -> bool:
        """True when `frame` is on disk in every view."""
        return all(os.path.isfile(FramePath.parse(self.result_of(view)).path(frame)) for view in self.views or ("",))

    def size_bytes(self) -> int:
        """Size of all result files together."""
        return sum(entry.stat().st_size for entry in _entries(self.path) if entry.name.endswith(".exr"))

    # -- what the frames were made from ------------------------------------------------------------------------------

    def write_recipe(self, facts: Mapping[str, str], digest: str) -> None:
        """Store what all frames here have in common. Raises DiskError."""
        path = os.path.join(self.path, RECIPE_FILE)
        if not os.path.isfile(path):
            _write_json(path, {"digest": digest, "facts": dict(facts)})

    def read_recipe(self) -> Optional[Dict[str, str]]:
        """The stored facts; None where there are none that can be read."""
        data = _read_json(os.path.join(self.path, RECIPE_FILE))
        facts = data.get("facts") if data else None
        return {str(name): str(value) for name, value in facts.items()} if isinstance(facts, dict) else None

    def write_record(self, frame: int, sources: Sources, key: str) -> None:
        """Store what `frame` was made from. Raises DiskError."""
        _write_json(
            self._record(frame), {"sources": {path: list(facts) for path, facts in sources.items()}, "key": key}
        )

    def read_record(self, frame: int) -> Optional[FrameRecord]:
        """What `frame` was made from; None where that is not known."""
        data = _read_json(self._record(frame))
        if not data or not isinstance(data.get("sources"), dict):
            return None
        try:
            sources = {str(path): (int(facts[0]), int(facts[1])) for path, facts in data["sources"].items()}
        except (TypeError, ValueError, IndexError):
            return None
        return FrameRecord(sources, str(data.get("key", "")))

    def _record(self, frame: int) -> str:
        return os.path.join(self.path, "frames", f"{frame}.json")


def clear(node_folder: str) -> int:
    """Remove every recipe folder below `node_folder`; returns the bytes that were freed.

    Only folders that hold a recipe of ours are touched, whatever else somebody keeps beside them.
    """
    freed = 0
    for entry in _entries(node_folder):
        if entry.is_dir() and os.path.isfile(os.path.join(entry.path, RECIPE_FILE)):
            freed += CookFolder(entry.path).size_bytes()
            shutil.rmtree(entry.path, ignore_errors=True)
    return freed


def node_folder(cache: str, script: str, node: str) -> str:
    """Folder of all recipes of one node."""
    return "/".join((cache, script_folder(script), safe(node)))


def _entries(folder: str) -> List[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _write_json(path: str, data: Mapping[str, Any]) -> None:
    atomic.write_bytes(path, json.dumps(data, ensure_ascii=False, indent=1).encode("utf-8"))


def _read_json(path: str) -> Optional[Dict[str, Any]]:
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None
