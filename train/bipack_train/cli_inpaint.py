"""`bipack-train inpaint`: train an inpaint recipe, then verify and publish what came out of it."""

from __future__ import annotations

import argparse
import logging
import os

from bipack.errors import UsageError

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    from bipack_train import cli

    parser = subparsers.add_parser("inpaint", help="train the network that fills holes, from clean pictures")
    parser.add_argument("recipe", metavar="FILE.toml", help="a recipe such as train/recipes/inpaint.toml")
    parser.add_argument("--steps", type=int, help="scale the whole schedule to this many steps: for a quick trial")
    parser.add_argument(
        "--init", metavar="MODEL", default="", help="model, run or checkpoint that a new run starts from"
    )
    parser.add_argument(
        "--publish-only", action="store_true", help="export and verify the last checkpoint in --out, train no further"
    )
    cli.add_run_options(parser)
    parser.set_defaults(run=lambda args: run_recipe(args.recipe, args))


def run_recipe(path: str, args: argparse.Namespace) -> int:
    """Train the recipe at `path` to its end and publish the model into <out>/<name>. Raises a BipackError."""
    # Not at the top: torch takes seconds to import, and --help should not wait for it.
    import torch

    from bipack_train import inpaint, inpaint_recipe, publish_inpaint

    settings = inpaint_recipe.load_recipe(path)
    if not args.data:
        raise UsageError("Say with --data which folder holds the pictures that the recipe names.")
    if getattr(args, "steps", None):
        settings = inpaint_recipe.shortened(settings, args.steps)
    if args.threads:
        torch.set_num_threads(args.threads)
    out = args.out or os.path.join("runs", settings.name)
    if not getattr(args, "publish_only", False):
        init = getattr(args, "init", "")
        inpaint.train(settings, args.data, out, device=args.device, resume=args.resume, init=init)
    card = publish_inpaint.publish(settings, path, args.data, out)
    for score in card.scores:
        figures = score.metric, score.set, score.value, score.baseline, score.baseline_value or 0.0
        log.info("%s on %s: %.2f dB (%s %.2f dB)", *figures)
    log.info("%s is in %s. Copy the folder into onnx_models to install it.", card.name, os.path.join(out, card.name))
    return 0
