"""The front door of `bipack`: finds the subcommand, turns errors into one sentence and an exit code.

Subcommands live in modules of their own and only the one that was asked for is imported, so that `bipack run` never
pays for what `bipack doctor` needs. Each module has `add_parser(subparsers)` and `run(args) -> int`.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import signal
import sys
from types import FrameType, ModuleType
from typing import List, Optional, Sequence

import bipack
from bipack import settings
from bipack.errors import BipackError, UsageError

COMMANDS = {
    "run": "cook frames: a model or a finishing tool over an image sequence",
    "faces": "track faces; write mattes of their regions, and stabilised crops",
    "models": "list the models, show one, or check a file",
    "prove": "compare tiled with whole frame and write a heat-map",
    "preflight": "does this shot lie inside what the model was trained on?",
    "farm": "make a job bundle for a farm, or cook as its task",
    "doctor": "versions, devices, paths, licences and settings of this install",
    "demo": "super-res on the shipped sample frames, ending in a picture to look at",
}
"""Name and one line for each subcommand; `bipack.cli.<name>` is its module."""

SIGTERM_EXIT = 143
INTERRUPT_EXIT = 130
BROKEN_PIPE_EXIT = 141
LOG_LEVELS = ("debug", "info", "warning", "error")

log = logging.getLogger("bipack")


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A KeyboardInterrupt, so that all that cleans up after Ctrl-C cleans up after it too."""


class _Signals:
    """Remembers that SIGTERM came, whatever the subcommand made of the exception."""

    terminated = False

    def handle(self, number: int, frame: Optional[FrameType]) -> None:
        self.terminated = True
        raise Terminated


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command line and return the exit code of `bipack.errors` (2 usage, 130 Ctrl-C, 143 SIGTERM)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    signals = _Signals()
    previous = _listen_for_sigterm(signals)
    for stream in (sys.stdout, sys.stderr):
        # A path may hold letters that a terminal's encoding lacks; that must not end a run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        _say("stopped; finished frames stay.")
        return SIGTERM_EXIT if signals.terminated else INTERRUPT_EXIT
    except BipackError as error:
        log.debug("the error in full", exc_info=True)
        _say(str(error))
        return SIGTERM_EXIT if signals.terminated else error.exit_code
    except BrokenPipeError:
        # The reader of our output went away (`bipack models | head`); keep Python from failing once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE_EXIT
    except ModuleNotFoundError as error:
        log.debug("the import that failed", exc_info=True)
        _say(
            f"the Python package {error.name!r} is missing from {sys.executable}. "
            "Run `python3 bootstrap.py install` in the suite's folder, or call the `bipack` of its .venv."
        )
        return 1
    except Exception as error:
        log.error("unexpected %s", type(error).__name__, exc_info=True)
        _say(f"an unexpected fault ({type(error).__name__}: {error}). Please report it with `bipack doctor --json`.")
        return 1
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for this command line; only the subcommand that `arguments` name is imported."""
    parser = argparse.ArgumentParser(
        prog="bipack",
        description="ONNX models for compositors: super-res, paint-fix and finishing.",
        epilog="Exit codes: 0 ok, 2 usage, 10 missing input, 11 corrupt input, 12 model refused, 13 no GPU, "
        "14 GPU out of memory, 15 disk, 16 version skew, 130/143 stopped.",
    )
    parser.add_argument("--version", action="version", version=f"bipack {bipack.__version__}")
    parser.add_argument(
        "--log", choices=LOG_LEVELS, default=None, help="how much is logged to stderr (BIPACK_LOG, default warning)"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = _asked_command(arguments)
    for name, summary in COMMANDS.items():
        if name == asked:
            _module(name).add_parser(subparsers)
        else:
            subparsers.add_parser(name, help=summary)
    return parser


def _dispatch(arguments: List[str]) -> int:
    parser = build_parser(arguments)
    try:
        args = parser.parse_args(arguments)
    except SystemExit as exit_request:  # argparse has printed its usage line already
        return int(exit_request.code or 0)
    _start_log(args.log)
    code = _module(args.command).run(args)
    sys.stdout.flush()
    return int(code)


def _asked_command(arguments: Sequence[str]) -> Optional[str]:
    """The first word that is a subcommand; options before it are ours and take at most one word."""
    return next((word for word in arguments if word in COMMANDS), None)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"bipack.cli.{name}")


def _start_log(level: Optional[str]) -> None:
    found = settings.find("log", level)
    if found.value not in LOG_LEVELS:
        raise UsageError(f"Setting log is {found.value!r} ({found.source}); allowed: {', '.join(LOG_LEVELS)}.")
    logging.basicConfig(stream=sys.stderr, level=found.value.upper(), format="%(levelname)s %(name)s: %(message)s")


def _listen_for_sigterm(signals: _Signals) -> Optional[signal.Handlers]:
    """Install the handler; None where Python allows none (a thread other than the main one)."""
    try:
        previous = signal.signal(signal.SIGTERM, signals.handle)
    except ValueError:
        return None
    return previous if previous is not None else signal.SIG_DFL  # type: ignore[return-value]


def _say(sentence: str) -> None:
    """One sentence for the user, on stderr; never with a prefix that farm engines take for a failed task."""
    sys.stderr.write(f"bipack: {sentence}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
