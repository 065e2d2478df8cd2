"""The farm runner: `nuke -t farm/bipack_farm.py script.nk -X Write1 -F 1001-1010`.

Cooks the Bipack nodes above the Writes, then runs the Writes. It finds the `bipack` package from its own place, so a
farm needs neither NUKE_PATH nor an installed gizmo. See docs/farm.md.
"""

import os
import sys

import nuke


def _own_path() -> str:
    """Where this file is. `nuke -t` does not always set `__file__`, but its command line names us."""
    candidates = [globals().get("__file__") or "", *sys.argv, *nuke.rawArgs]
    named = [path for path in candidates if os.path.basename(path) == "bipack_farm.py" and os.path.isfile(path)]
    if not named:
        sys.exit("bipack: the runner cannot find its own folder; call it by its whole path.")
    return os.path.abspath(named[0])


def _main() -> int:
    package = os.path.join(os.path.dirname(os.path.dirname(_own_path())), "python")
    if package not in sys.path:
        sys.path.insert(0, package)
    from bipack.client import Worker
    from bipack.host import farm, farm_console

    farm_console.start_log()
    try:
        return farm.main(farm.task_arguments(nuke.rawArgs, sys.argv))
    finally:
        # Not left to atexit: an application that embeds Python may end without it.
        Worker.shared().close()


# Whatever name `nuke -t` runs a script under: a runner that did nothing would look like a render that went well.
if __name__ != "bipack_farm":
    sys.exit(_main())
