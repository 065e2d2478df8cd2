"""How the worker process is started: which interpreter, which environment, which flags.

Nuke's own environment must not leak into it: PYTHONPATH and PYTHONHOME would give the worker Nuke's modules, Qt and
Tcl variables Nuke's libraries, and library paths inside Nuke's folder its CUDA. Nothing here goes through a shell.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Dict, List, Mapping, Optional, Sequence

from bipack import atomic, settings

_DROPPED = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "QT_PLUGIN_PATH",
    "QT_QPA_PLATFORM_PLUGIN_PATH",
    "QML2_IMPORT_PATH",
    "TCL_LIBRARY",
    "TK_LIBRARY",
    # It would let a model's session read settings from the model file itself.
    "ORT_LOAD_CONFIG_FROM_MODEL",
)
_LIBRARY_PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "PATH")
_ENTRY = "import sys; sys.path.insert(0, sys.argv[1]); from bipack.worker.serve import main; sys.exit(main())"


def command(python: Optional[str] = None) -> List[str]:
    """Argument list of the worker. Raises UsageError when no interpreter is found.

    The package is taken from the client's own folder, so that both sides are of one version by construction.
    """
    package_parent = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [python or settings.worker_python(), "-I", "-c", _ENTRY, package_parent]


def environment(base: Mapping[str, str], host_folder: str) -> Dict[str, str]:
    """`base` without what belongs to the host application in `host_folder` (Nuke's install folder)."""
    result = {name: value for name, value in base.items() if name not in _DROPPED}
    for name in _LIBRARY_PATHS:
        if name in result:
            kept = [entry for entry in result[name].split(os.pathsep) if not _inside(entry, host_folder)]
            result[name] = os.pathsep.join(kept)
    result["PYTHONNOUSERSITE"] = "1"
    result["PYTHONIOENCODING"] = "utf-8"
    return result


def _inside(path: str, folder: str) -> bool:
    path, folder = os.path.normcase(os.path.abspath(path)), os.path.normcase(os.path.abspath(folder))
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _host_folder() -> str:
    """Folder of the application that we run in; nothing for a plain Python, whose libraries are not in the way."""
    if os.path.basename(sys.executable).lower().startswith("python") or not sys.executable:
        return os.path.join(os.path.dirname(os.path.abspath(__file__)), "no-host")
    return os.path.dirname(os.path.abspath(sys.executable))


def start(python: Optional[str], log_path: str) -> subprocess.Popen[bytes]:
    """Start the worker with pipes for the protocol; its stderr is appended to `log_path`.

    Raises UsageError when no interpreter is found, OSError when it cannot be started.
    """
    os.makedirs(os.path.dirname(log_path), exist_ok=True)
    with open(log_path, "ab") as log:
        return subprocess.Popen(
            command(python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(os.environ, _host_folder()),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )


def bipack_command(arguments: Sequence[str], python: Optional[str] = None) -> List[str]:
    """Argument list of a `bipack` command in the worker's interpreter. Raises UsageError when none is found."""
    package_parent = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    entry = "import sys; sys.path.insert(0, sys.argv.pop(1)); from bipack.cli.main import main; sys.exit(main())"
    return [python or settings.worker_python(), "-I", "-c", entry, package_parent, *arguments]


def in_background(arguments: Sequence[str], log_path: str) -> subprocess.Popen[bytes]:
    """Start a long command that goes on without Nuke; all that it says is appended to `log_path`. Raises DiskError."""
    try:
        os.makedirs(os.path.dirname(log_path), exist_ok=True)
        with open(log_path, "ab") as log:
            return subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(os.environ, _host_folder()),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
                # A Ctrl-C in the terminal that Nuke was started from is not meant for it.
                start_new_session=True,
            )
    except OSError as error:
        raise atomic.disk_error(os.path.dirname(log_path), error) from error
