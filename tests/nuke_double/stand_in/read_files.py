"""`python -m stand_in.read_files PATH…`: reads .nk and .gizmo files as the stand-in reads them, and says how it went.

Run it in tests/nuke_double, on files or on folders. Every file is loaded in lenient mode, as other people's files
must be: what the stand-in does not know is counted as a problem, and only a file that cannot be read at all fails.
With `--strict` an unknown class, knob or value fails too, as it does for our own gizmos.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from . import scripts, session


def main(arguments: list[str]) -> int:
    """Prints a line for each file that failed or has problems, and a summary; 1 if any file failed."""
    strict = "--strict" in arguments
    files = [file for argument in arguments if not argument.startswith("--") for file in _files(Path(argument))]
    failed = nodes = problems = 0
    started = time.monotonic()
    for file in files:
        running = session.start(strict=strict)
        try:
            scripts.read_file(running, str(file))
        except Exception as error:
            failed += 1
            _say(f"FAILED {file}: {type(error).__name__}: {error}")
            continue
        nodes += sum(1 for _ in running.every_node())
        problems += len(running.problems)
        if running.problems:
            first = running.problems[0]
            _say(f"{file}: {len(running.problems)} not known, first in line {first.line}: {first.message}")
    _say(f"{len(files)} files, {failed} failed, {nodes} nodes, {problems} things not known, "
         f"{time.monotonic() - started:.1f} s")  # fmt: skip
    return 1 if failed else 0


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.suffix in (".nk", ".gizmo"))


def _say(text: str) -> None:
    sys.stdout.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
