"""`bipack-train faces`: the parser that finds faces and their regions, from renders or with an artist's mattes."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
from typing import TYPE_CHECKING

from bipack.errors import UsageError

if TYPE_CHECKING:
    from bipack_train.faces.parser import ParserRecipe

log = logging.getLogger(__name__)

RECIPE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "recipes", "face_parser.toml")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    from bipack_train import cli

    parser = subparsers.add_parser("faces", help="train the parser of faces, on renders and on a shot's own mattes")
    parser.add_argument("--recipe", metavar="FILE.toml", help="settings (default: recipes/face_parser.toml)")
    parser.add_argument("--plates", metavar="P", help="frames of a shot whose mattes were corrected by hand")
    parser.add_argument("--mattes", metavar="P", help="those mattes: EXRs with a channel for each region")
    parser.add_argument("--frames", metavar="RANGE", help="use only these of them")
    parser.add_argument("--name", help="name of the model (default: the recipe's)")
    parser.add_argument("--init", metavar="MODEL", help="parser to start from; default with --plates: face_parser")
    parser.add_argument("--pool", metavar="DIR", help="folder of rendered faces (default: <out>/pool)")
    parser.add_argument("--render-only", action="store_true", help="render the pool and stop")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="train for so long")
    length.add_argument("--steps", type=int, help="train for so many steps: repeatable bit for bit")
    parser.add_argument("--publish-only", action="store_true", help="export the last checkpoint, train no further")
    cli.add_run_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the subcommand. Raises a BipackError."""
    return run_recipe(args.recipe or RECIPE, args)


def run_recipe(path: str, args: argparse.Namespace) -> int:
    """Render what is missing in the pool, train and publish into <out>/<name>. Raises a BipackError."""
    # Not at the top: torch takes seconds to import, and --help should not wait for it.
    import torch

    from bipack_train.faces import hand, parser, people, pool, publish, scenes

    if not args.data:
        raise UsageError("Say with --data which folder holds faces/ict_facekit, the photographs and the panoramas.")
    plates, mattes = getattr(args, "plates", None), getattr(args, "mattes", None)
    if bool(plates) != bool(mattes):
        raise UsageError("--plates and --mattes go together: frames, and their mattes by hand.")
    settings = _with_options(parser.load_recipe(path), args)
    if args.threads:
        torch.set_num_threads(args.threads)
    out = args.out or os.path.join("runs", settings.name)
    folder = getattr(args, "pool", None) or os.path.join(out, "pool")
    data = settings.data
    if not getattr(args, "pool", None) or getattr(args, "render_only", False):
        studio = people.studio(args.data, data.panoramas, data.exclude)
        pool.make(studio, folder, settings.seed, data.faces, minutes=1e6)
        if data.close:
            pool.make(studio, os.path.join(folder, pool.CLOSE_UPS), settings.seed, data.close, 1e6, close=True)
    if getattr(args, "render_only", False):
        return 0
    faces = pool.load(folder)
    if len(faces) <= data.held_out:
        raise UsageError(f"The pool {folder} has {len(faces)} faces; more than {data.held_out} held out are needed.")
    close = pool.load(os.path.join(folder, pool.CLOSE_UPS)) if data.close else None
    if settings.sources:
        # The card counts what was there, which may be less than the recipe asks for.
        count = len(faces) - data.held_out + (0 if close is None else len(close))
        rendered = dataclasses.replace(settings.sources[0], items=count)
        settings = dataclasses.replace(settings, sources=(rendered, *settings.sources[1:]))
    first = len(faces) - data.held_out
    side = max(settings.schedule.side, settings.schedule.crop_side)
    grounds = scenes.backgrounds(args.data, data.photos, data.drawn, settings.seed, side, data.exclude)
    stage = scenes.Stage(faces.part(0, first), grounds, settings.schedule.side, close=close, empty=data.empty)
    watched = scenes.Stage(faces.part(first, len(faces)), grounds[::7], side=settings.schedule.side)
    start = getattr(args, "init", None) or ("face_parser" if plates else "none")
    weights, base = (None, "") if start == "none" else publish.weights_of(start, settings.size)
    lessons = hand.load(plates, mattes, args.frames) if plates and mattes else None
    if not getattr(args, "publish_only", False):
        parser.train(
            settings, stage, watched, out, device=args.device, resume=args.resume, weights=weights, hand=lessons
        )
    card = publish.publish(settings, path, out, watched, base)
    for score in card.scores:
        log.info("%s on %s: %.3f", score.metric, score.set, score.value)
    log.info("%s is in %s. Copy the folder into onnx_models to install it.", card.name, os.path.join(out, card.name))
    return 0


def _with_options(settings: ParserRecipe, args: argparse.Namespace) -> ParserRecipe:
    """The recipe with what the command line says instead."""
    schedule = settings.schedule
    if getattr(args, "minutes", None):
        schedule = dataclasses.replace(schedule, minutes=args.minutes)
    if getattr(args, "steps", None):
        schedule = dataclasses.replace(schedule, minutes=0.0, steps=args.steps)
    return dataclasses.replace(settings, name=getattr(args, "name", None) or settings.name, schedule=schedule)
