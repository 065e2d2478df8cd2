"""`bipack-train slowmo`: train slow motion from a recipe, or make it fit one's own high-frame-rate clip."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
from typing import TYPE_CHECKING

from bipack.errors import UsageError

if TYPE_CHECKING:
    from bipack_train.slowmo_recipe import SlowmoRecipe

log = logging.getLogger(__name__)

BASE = "slowmo"
"""Catalogue name of the model that a clip's run starts from."""

_RECIPES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "recipes")
CLIP_RECIPE = os.path.join(_RECIPES, "slowmo_clip.toml")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    from bipack_train import cli

    parser = subparsers.add_parser("slowmo", help="train slow motion, or make it fit a high-frame-rate clip")
    parser.add_argument("--recipe", metavar="FILE.toml", help="a recipe such as train/recipes/slowmo.toml")
    parser.add_argument(
        "--clip", metavar="P", action="append", default=[],
        help="high-frame-rate footage to learn from: fast.%%04d.exr or a film file; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--skip", type=int, default=16, metavar="N", help="frames of the clip from one key to the next (default 16)"
    )
    parser.add_argument("--name", help="name of the model (default: the recipe's)")
    parser.add_argument("--minutes", type=float, help="train the flow network for so long")
    parser.add_argument("--steps", type=int, help="train it for so many steps: repeatable bit for bit")
    parser.add_argument(
        "--init", metavar="MODEL", help="model to start from; default with --clip: slowmo; none = afresh"
    )
    parser.add_argument(
        "--keep-flow", action="store_true",
        help="leave the flow network of the model that it starts from as it is: only the synthesis network learns, "
        "which takes a few minutes; with --clip this is so unless --minutes or --steps says otherwise",
    )  # fmt: skip
    parser.add_argument(
        "--publish-only", action="store_true", help="export and verify the last checkpoint in --out, train no further"
    )
    cli.add_run_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand. Raises a BipackError."""
    if not args.recipe and not args.clip:
        raise UsageError("Say with --clip which footage to learn from, or with --recipe which recipe to run.")
    return run_recipe(args.recipe or CLIP_RECIPE, args)


def run_recipe(path: str, args: argparse.Namespace) -> int:
    """Train the recipe at `path` to its end and publish the model into <out>/<name>. Raises a BipackError."""
    # Not at the top: torch takes seconds to import, and --help should not wait for it.
    import torch

    from bipack_train import publish_slowmo, slowmo, slowmo_material, slowmo_pool, slowmo_recipe

    clips = list(getattr(args, "clip", []))
    settings = _with_options(slowmo_recipe.load_recipe(path), args)
    if not args.data and (settings.data.scenes or not clips):
        raise UsageError("Say with --data which folder holds the pictures and clips that the recipe names.")
    if args.threads:
        torch.set_num_threads(args.threads)
    out = args.out or os.path.join("runs", settings.name)
    start = getattr(args, "init", None) or (BASE if clips else "none")
    weights, base = (None, "") if start == "none" else publish_slowmo.weights_of(start)
    if not getattr(args, "publish_only", False):
        begins = None if weights is None else slowmo.started(settings, weights)
        settings = slowmo_material.with_detail(settings, args.data or "", begins)
        pool = slowmo_material.pool_for(settings, args.data or "", out)
        if not pool.count(slowmo_pool.REAL) + pool.count(slowmo_pool.RENDERED):
            raise UsageError("The clips have no motion to learn from: only cuts or held frames, or fewer than --skip.")
        keep_flow = _keeps_flow(args, weights is not None)
        slowmo.train(settings, pool, out, device=args.device, resume=args.resume, weights=weights, keep_flow=keep_flow)
    card = publish_slowmo.publish(settings, path, args.data or "", out, base)
    for score in card.scores:
        log.info("%s: %.2f dB (%s %.2f dB)", score.set, score.value, score.baseline, score.baseline_value or 0.0)
    log.info("%s is in %s. Copy the folder into onnx_models to install it.", card.name, os.path.join(out, card.name))
    return 0


def _keeps_flow(args: argparse.Namespace, starts_from_model: bool) -> bool:
    """Whether the flow network stays what it was. Raises UsageError where there is none."""
    if getattr(args, "keep_flow", False):
        if not starts_from_model:
            raise UsageError("--keep-flow needs a model to start from: name it with --init.")
        return True
    timed = bool(getattr(args, "minutes", None) or getattr(args, "steps", None))
    return bool(getattr(args, "clip", [])) and starts_from_model and not timed


def _with_options(settings: SlowmoRecipe, args: argparse.Namespace) -> SlowmoRecipe:
    """The recipe with what the command line says instead."""
    from bipack_train.slowmo_recipe import ClipUse

    schedule, data = settings.schedule, settings.data
    if getattr(args, "minutes", None):
        schedule = dataclasses.replace(schedule, minutes=args.minutes)
    if getattr(args, "steps", None):
        schedule = dataclasses.replace(schedule, minutes=0.0, steps=args.steps)
    clips = list(getattr(args, "clip", []))
    if clips:
        if args.skip < 2:
            raise UsageError(f"--skip is {args.skip}; at least 2 are needed, so that a frame lies in between.")
        # Absolute, so that joining with --data changes nothing. All frames, and pairs enough for a short run.
        uses = tuple(ClipUse(os.path.abspath(clip), (args.skip,), pairs=160, count=2000) for clip in clips)
        data = dataclasses.replace(data, clips=uses)
    name = getattr(args, "name", None) or settings.name
    return dataclasses.replace(settings, name=name, schedule=schedule, data=data)
