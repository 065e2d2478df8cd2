"""`bipack-train superres`: train a super-res recipe, then verify and publish what came out of it."""

from __future__ import annotations

import argparse
import logging
import os

from bipack.errors import UsageError

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    from bipack_train import cli

    parser = subparsers.add_parser("superres", help="train a super-res model from clean pictures")
    parser.add_argument("recipe", metavar="FILE.toml", help="a recipe such as train/recipes/superres_x2.toml")
    parser.add_argument("--steps", type=int, help="scale the whole schedule to this many steps: for a quick trial")
    parser.add_argument("--compile", action="store_true", help="let torch.compile fuse the network: for a GPU")
    parser.add_argument(
        "--publish-only", action="store_true", help="export and verify the last checkpoint in --out, train no further"
    )
    cli.add_run_options(parser)
    parser.set_defaults(run=lambda args: run_recipe(args.recipe, args))


def run_recipe(path: str, args: argparse.Namespace) -> int:
    """Train the recipe at `path` to its end and publish the model into <out>/<name>. Raises a BipackError."""
    # Not at the top: torch takes seconds to import, and --help should not wait for it.
    import torch

    from bipack_train import processes, publish_superres, superres, superres_recipe

    settings = superres_recipe.load_recipe(path)
    if not args.data:
        raise UsageError("Say with --data which folder holds the pictures that the recipe names.")
    if getattr(args, "steps", None):
        settings = superres_recipe.shortened(settings, args.steps)
    if args.threads:
        torch.set_num_threads(args.threads)
    out = args.out or os.path.join("runs", settings.name)
    first = processes.join()
    if not getattr(args, "publish_only", False):
        compiled = getattr(args, "compile", False)
        superres.train(settings, args.data, out, device=args.device, resume=args.resume, compiled=compiled)
    if not first:
        return 0
    card = publish_superres.publish(settings, path, args.data, out)
    for score in card.scores:
        log.info(
            "%s on %s: %.2f (%s %.2f)",
            score.metric,
            score.set,
            score.value,
            score.baseline,
            score.baseline_value or 0.0,
        )
    log.info("%s is in %s. Copy the folder into onnx_models to install it.", card.name, os.path.join(out, card.name))
    return 0
