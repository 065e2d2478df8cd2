"""`bipack-train`: the trainers behind one command.

Each subcommand lives in the module of its trainer; torch is imported only once one of them runs, so that `--help` and
a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import logging
import sys
from collections.abc import Callable, Sequence

import bipack
from bipack import settings
from bipack.errors import BipackError, UsageError

_COMMANDS = (
    "bipack_train.cli_pairs",
    "bipack_train.cli_suggest",
    "bipack_train.cli_inpaint",
    "bipack_train.cli_faces",
    "bipack_train.cli_regions",
    "bipack_train.cli_slowmo",
    "bipack_train.cli_superres",
)
"""Modules with a subcommand each."""

_TRAINERS = {
    "faces": "bipack_train.cli_faces",
    "slowmo": "bipack_train.cli_slowmo",
    "superres": "bipack_train.cli_superres",
    "inpaint": "bipack_train.cli_inpaint",
    "pairs": "bipack_train.cli_pairs",
    "regions": "bipack_train.cli_regions",
}
"""Module that runs a recipe of each kind; it has `run_recipe(path, args) -> int`."""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line. Subcommands whose module is not installed are left out."""
    parser = argparse.ArgumentParser(prog="bipack-train", description="Train the models that Bipack runs.")
    parser.add_argument("--version", action="version", version=f"bipack-train {bipack.__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module).add_parser(subparsers)
    _add_recipe_parser(subparsers)
    return parser


def _add_recipe_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("recipe", help="run a recipe file: reproduces a shipped model")
    parser.add_argument("recipe", metavar="FILE.toml")
    add_run_options(parser)
    parser.set_defaults(run=_run_recipe)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that every trainer takes."""
    parser.add_argument("--data", metavar="FOLDER", help="folder that the recipe's pictures lie in")
    parser.add_argument("--out", metavar="DIR", help="folder for checkpoints, log and the finished model")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N (default: auto)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all cores granted to the process")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --out")


def _run_recipe(args: argparse.Namespace) -> int:
    from bipack_train import recipe

    kind = recipe.kind_of(recipe.read(args.recipe), args.recipe)
    if kind not in _TRAINERS:
        raise UsageError(f"Recipe {args.recipe} is of kind {kind!r}. Known: {', '.join(sorted(_TRAINERS))}.")
    run: Callable[[str, argparse.Namespace], int] = importlib.import_module(_TRAINERS[kind]).run_recipe
    return run(args.recipe, args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code (see bipack.errors)."""
    args = build_parser().parse_args(argv)
    level = settings.get("log").upper()
    logging.basicConfig(level=level if level != "WARNING" else "INFO", format="%(message)s", stream=sys.stderr)
    try:
        code: int = args.run(args)
        return code
    except BipackError as error:
        sys.stderr.write(f"bipack-train: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("bipack-train: stopped; the last checkpoint stays, go on with --resume.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
