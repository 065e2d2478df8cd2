"""`bipack farm`: a job bundle for OpenJD farms, and the command that its tasks run.

Other engines need no bundle: their task is `bipack farm cook SCRIPT.nk --frames A-B`, or Nuke's own command line with
farm/bipack_farm.py. Nothing here passes through a shell, so that no file name or parameter is ever run as code.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, List, Optional

from bipack import settings
from bipack.cli import farm_bundle
from bipack.errors import MissingInput, UsageError
from bipack.frames import format_frames, parse_frames

if TYPE_CHECKING:
    from argparse import _SubParsersAction

STEPS = ("all", "cook", "render")
HEARTBEAT_SECONDS = 20.0
_STOP_SECONDS = 4.0
_SPARED_EXIT_CODES = (33, 137)
"""Farms read them as "out of memory" and retry without end."""


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "farm",
        help="make a job bundle for a farm, or cook as its task",
        description="Make a job bundle for a farm, or cook as its task.",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    bundle = verbs.add_parser("bundle", help="write an OpenJD job bundle for a Nuke script")
    bundle.add_argument("script", metavar="SCRIPT.nk")
    bundle.add_argument("folder", metavar="OUTDIR", help="made if need be; files of an earlier bundle are replaced")
    bundle.add_argument("--frames", metavar="RANGE", help="default: the script's own range")
    bundle.add_argument("--write", metavar="NAMES", default="", help="Writes, joined by commas; default: all active")
    bundle.add_argument("--name", help="name of the job; default: the script's")
    bundle.add_argument("--chunk", metavar="N", type=int, default=10, help="frames of a task (default 10)")
    bundle.add_argument("--gpus", metavar="N", type=int, default=0, help="GPUs that the cook step asks for (default 0)")
    bundle.add_argument(
        "--cache", metavar="DIR", default="", help="folder for cooked frames that all workers can reach"
    )
    bundle.add_argument("--nuke", help="Nuke's executable on the workers (default: the setting, else nuke)")
    bundle.add_argument("--bipack", default="bipack", help="the bipack command on the workers (default: bipack)")
    cook = verbs.add_parser("cook", help="what a task runs: cook and render some frames of a Nuke script")
    cook.add_argument("script", metavar="SCRIPT.nk")
    cook.add_argument("--frames", metavar="RANGE", required=True)
    cook.add_argument("--write", metavar="NAMES", default="", help="Writes, joined by commas; default: all active")
    cook.add_argument("--step", choices=STEPS, default="all", help="cook the Bipack nodes, render the Writes, or both")
    cook.add_argument("--cache", metavar="DIR", default="", help="folder for cooked frames")
    cook.add_argument("--nuke", help="Nuke's executable (default: the setting, else nuke)")


def run(args: argparse.Namespace) -> int:
    """Dispatch to the verb. Returns the exit code; raises BipackError or KeyboardInterrupt."""
    return _bundle(args) if args.verb == "bundle" else _cook(args)


def _bundle(args: argparse.Namespace) -> int:
    _check_script(args.script)
    if args.chunk < 1 or args.gpus < 0:
        raise UsageError("--chunk takes 1 or more, --gpus 0 or more.")
    frames = args.frames or farm_bundle.script_range(args.script)
    job = farm_bundle.Job(
        script=os.path.abspath(args.script),
        frames=format_frames(parse_frames(frames)),
        writes=args.write,
        name=args.name or os.path.splitext(os.path.basename(args.script))[0],
        chunk=args.chunk,
        gpus=args.gpus,
        cache=args.cache,
        nuke=settings.get("nuke", args.nuke),
        bipack=args.bipack,
    )
    for path in farm_bundle.write(job, args.folder):
        sys.stdout.write(f"{path}\n")
    return 0


def _check_script(script: str) -> None:
    if not os.path.isfile(script):
        raise MissingInput(f"Script {script} does not exist. Check the path, and the farm's path mapping.")


# -- a task ----------------------------------------------------------------------------------------------------------


def _cook(args: argparse.Namespace) -> int:
    _check_script(args.script)
    environment = dict(os.environ)
    if args.cache:
        environment["BIPACK_CACHE"] = args.cache
    command = nuke_command(args.script, args.frames, args.write, args.step, settings.get("nuke", args.nuke))
    try:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise UsageError(
            f"Nuke cannot be started as {command[0]!r} ({error.strerror}). Give its path with --nuke or BIPACK_NUKE."
        ) from error
    try:
        code = _wait(process)
    except BaseException:
        _stop(process)
        raise
    if code < 0 or code in _SPARED_EXIT_CODES:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        sys.stderr.write(f"bipack: Nuke {ended}. Look for the cause in the log above, memory first.\n")
        return 1
    return code


def nuke_command(script: str, frames: str, writes: str, step: str, nuke: str) -> List[str]:
    """Argument list for one task. Ranges of OpenJD (`1-9:2`) are translated into Nuke's."""
    runner = os.path.join(settings.suite_root(), "farm", "bipack_farm.py")
    # Nuke takes a range that ends its command line for itself, so the frames are one word and come first.
    command = [nuke, "-t", runner, os.path.abspath(script), f"--frames={format_frames(parse_frames(frames))}"]
    command += {"cook": ["--cook-only"], "render": ["--render-only"], "all": []}[step]
    return command + [word for name in writes.split(",") if name for word in ("-X", name)]


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for Nuke, with a sign of life while it loads or waits for a licence."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(timeout=HEARTBEAT_SECONDS)
        sys.stdout.write(f"bipack: Nuke is running (process {process.pid})\n")
        sys.stdout.flush()


def _stop(process: subprocess.Popen[bytes], seconds: Optional[float] = None) -> None:
    process.terminate()
    try:
        process.wait(timeout=_STOP_SECONDS if seconds is None else seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
