"""Nuke's command line: `python -m stand_in.terminal -t script.py args` and `-x script.nk`, with Nuke's exit codes.

-t runs Python with sys.argv set to the script and its arguments, of which a last frame range is taken away, as Nuke
does it; -x renders all active Writes, -X only the named one. Both start from NUKE_PATH as Nuke does: init.py of every
folder on it, no menu.py.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path

from . import scripts, session
from .frames import FrameRange, FrameRanges
from .session import Session

_FRAMES = re.compile(r"-?\d+(,-?\d+)*(--?\d+)?(x\d+)?$|-?\d+--?\d+(x\d+)?$")
_WITH_VALUE = {"-F", "-X", "-m", "-c", "-V", "--view", "--remap", "-s", "-P"}
OK, RENDER_ERROR, USAGE = 0, 1, 1


@dataclass
class Switches:
    """The command line, taken apart."""

    mode: str = ""
    ranges: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    go_on: bool = False
    proxy: bool | None = None
    rest: list[str] = field(default_factory=list)


def parse(arguments: list[str]) -> Switches:
    """Switches come before the script; everything after it is the script's, but for a frame range at the end."""
    found, position = Switches(), 0
    while position < len(arguments) and arguments[position].startswith("-"):
        word = arguments[position]
        position += 1
        value = ""
        if word in _WITH_VALUE:
            value = arguments[position]
            position += 1
        if word in ("-t", "-x", "-ti", "-xi", "--tg"):
            found.mode = "t" if "t" in word else "x"
        elif word == "-X":
            found.mode = "x"
            found.names += value.split(",")
        elif word == "-F":
            found.ranges.append(value)
        elif word == "--cont":
            found.go_on = True
        elif word in ("-p", "-f"):
            found.proxy = word == "-p"
        elif word not in _WITH_VALUE and word not in ("--sro", "-q", "--gpu", "--safe", "--nukex", "-i"):
            raise SystemExit(f"unknown switch {word}")
    found.rest = arguments[position:]
    if len(found.rest) > 1 and _FRAMES.match(found.rest[-1]):
        found.ranges.append(found.rest.pop())
    return found


def main(arguments: list[str]) -> int:
    """Run one command line in this process; the exit code."""
    switches = parse(arguments)
    sys.modules.pop("nuke", None)
    running = session.start(gui=False, raw_args=["Nuke", *arguments])
    _startup(running)
    if switches.proxy is not None:
        running.root.setProxy(switches.proxy)
    return _python(switches) if switches.mode == "t" else _render(running, switches)


def _startup(running: Session) -> None:
    folders = [folder for folder in os.environ.get("NUKE_PATH", "").split(os.pathsep) if folder]
    running.plugin_paths = [folder.replace("\\", "/") for folder in folders]
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
        init = Path(folder) / "init.py"
        if init.is_file():
            running.run_file(init)


def _python(switches: Switches) -> int:
    script = Path(switches.rest[0])
    sys.argv = list(switches.rest)
    scope = {"__name__": "__main__", "__file__": str(script)}
    try:
        exec(compile(script.read_text(encoding="utf-8"), str(script), "exec"), scope)
    except SystemExit as leaving:
        code = leaving.code
        return code if isinstance(code, int) else (0 if code is None else 1)
    except BaseException:
        traceback.print_exc()
        return RENDER_ERROR
    return OK


def _render(running: Session, switches: Switches) -> int:
    try:
        scripts.open_script(running, switches.rest[0])
        ranges = _ranges(running, switches)
        if not switches.names:
            running.renderer.execute_all(ranges, switches.go_on)
        for name in switches.names:
            running.renderer.execute(name, ranges, continueOnError=switches.go_on)
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return RENDER_ERROR
    return OK


def _ranges(running: Session, switches: Switches) -> FrameRanges:
    if switches.ranges:
        return FrameRanges(switches.ranges)
    return FrameRanges([FrameRange(running.root.firstFrame(), running.root.lastFrame(), 1)])


if __name__ == "__main__":
    # the module that Python runs is called __main__; hand over to the one that the rest of the package imports
    from stand_in import terminal

    sys.exit(terminal.main(sys.argv[1:]))
