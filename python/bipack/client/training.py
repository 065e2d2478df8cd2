"""A training run as a process of its own: started from Nuke or anywhere, watched and stopped through its folder.

The run outlives whoever started it: closing Nuke does not end it, and another session may look at it or stop it. What
it says lies in `status.json`, `report.html` and `report.png` of its folder; a file called `stop` there ends it cleanly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence

from bipack import atomic, settings
from bipack.client import launcher
from bipack.errors import MissingInput

STATUS, STOP, REPORT, SHEET, LOG = "status.json", "stop", "report.html", "report.png", "train.log"
_ENTRY = (
    "import sys; sys.path[:0] = sys.argv[1:3]; del sys.argv[1:3]; "
    "from bipack_train.cli import main; sys.exit(main(sys.argv[1:]))"
)


@dataclass(frozen=True)
class Status:
    """How a run stands, as it last wrote it down."""

    step: int
    done: float
    """Part of the run that is done, 0..1."""

    seconds_left: Optional[float]
    phase: str
    """learning, last part…, trained, publishing or done."""

    held_out_psnr: Optional[float]
    model: str
    """Folder of the published model; empty until there is one."""

    pid: int = 0

    @property
    def sentence(self) -> str:
        """One line for a panel."""
        parts = [self.phase, f"step {self.step}", f"{self.done:.0%}"]
        if self.seconds_left is not None and self.phase not in ("done", "publishing"):
            parts.append(f"{max(1, round(self.seconds_left / 60))} min left")
        if self.held_out_psnr is not None:
            parts.append(f"held-out pair {self.held_out_psnr:.1f} dB")
        return ", ".join(parts)


def start(arguments: Sequence[str], folder: str, python: Optional[str] = None) -> subprocess.Popen[bytes]:
    """Start `bipack-train` with `arguments`; what it says goes to train.log in `folder`.

    Raises UsageError when no interpreter is found, DiskError when the folder cannot be written.
    """
    return launcher.in_background(command(arguments, python), os.path.join(folder, LOG))


def command(arguments: Sequence[str], python: Optional[str] = None) -> List[str]:
    """The whole argument list. The packages are taken from the suite that this file belongs to."""
    package_parent = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    trainer = os.path.join(settings.suite_root(), "train")
    return [python or settings.worker_python(), "-I", "-c", _ENTRY, package_parent, trainer, *arguments]


def status(folder: str) -> Optional[Status]:
    """What the run in `folder` last said; None before it has said anything."""
    try:
        with open(os.path.join(folder, STATUS), encoding="utf-8") as stream:
            data: Dict[str, Any] = json.load(stream)
    except (OSError, ValueError):
        return None
    left, score = data.get("seconds_left"), data.get("held_out_psnr")
    return Status(
        int(data.get("step", 0)),
        float(data.get("done", 0.0)),
        None if left is None else float(left),
        str(data.get("phase", "")),
        None if score is None else float(score),
        str(data.get("model", "")),
        int(data.get("pid", 0)),
    )


def stop(folder: str) -> None:
    """Ask the run in `folder` to save and end; it does so after its present step. Raises DiskError."""
    atomic.write_bytes(os.path.join(folder, STOP), b"")


def last_words(folder: str) -> str:
    """The last line that the run logged: why it ended, where it ended badly. Raises MissingInput without a log."""
    path = os.path.join(folder, LOG)
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            lines = [line.strip() for line in stream if line.strip()]
    except OSError as error:
        raise MissingInput(f"{path} cannot be read: {error.strerror}. The training was not started there.") from error
    return lines[-1] if lines else ""


def has_trainer(python: Optional[str] = None) -> bool:
    """True where the worker's interpreter can train (torch is installed in it)."""
    code = "import importlib.util as u, sys; sys.exit(not (u.find_spec('torch') and u.find_spec('safetensors')))"
    chosen = python or settings.worker_python()
    if os.path.abspath(chosen) == os.path.abspath(sys.executable):
        import importlib.util

        return importlib.util.find_spec("torch") is not None
    return subprocess.run([chosen, "-I", "-c", code], stdin=subprocess.DEVNULL, check=False).returncode == 0
