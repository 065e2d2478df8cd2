"""A copy of the suite as git would give it to a user: tracked files, nothing that lies about."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def copy_tracked(target: Path) -> Path:
    """Copy every tracked file that exists into `target`; outside a git clone, every file but caches."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    names = [name for name in os.fsdecode(listed.stdout).split("\0") if name and (ROOT / name).is_file()]
    if listed.returncode != 0 or not names:
        hidden = shutil.ignore_patterns(".venv", "__pycache__", ".git", ".*_cache", "*.egg-info", "demo_out", "runs")
        return Path(shutil.copytree(ROOT, target, ignore=hidden))
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, path)
    return target
