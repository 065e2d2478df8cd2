"""A session's plug-in path, and the start-up files on it."""

from __future__ import annotations

import os
import sys
from pathlib import Path


class Plugins:
    """The part of a session that knows where plug-ins are."""

    plugin_paths: list[str]

    def add_plugin_path(self, path: str, prepend: bool, to_sys_path: bool) -> None:
        """nuke.pluginAddPath: relative to the file that calls; an init.py inside an init.py's directory runs too."""
        frame = sys._getframe(2)
        caller = frame.f_globals.get("__file__", "")
        full = path.rstrip("/\\") or path
        if not os.path.isabs(full) and caller:
            full = os.path.join(os.path.dirname(os.path.abspath(caller)), full)
        full = os.path.normpath(full).replace("\\", "/")
        if full in self.plugin_paths:
            self.plugin_paths.remove(full)
        self.plugin_paths.insert(0 if prepend else len(self.plugin_paths), full)
        if to_sys_path and full not in sys.path:
            sys.path.insert(0, full)
        init = Path(full) / "init.py"
        if os.path.basename(caller) == "init.py" and init.is_file():
            self.run_file(init)

    def run_file(self, path: Path) -> None:
        """Run an init.py or menu.py as Nuke does at start."""
        scope = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), scope)

    def find_plugin(self, name: str) -> Path | None:
        for folder in self.plugin_paths:
            path = Path(folder) / name
            if path.is_file():
                return path
        return None
