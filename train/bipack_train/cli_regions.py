"""`bipack-train regions`: one model for each region of a face, from before/after crops and the regions' mattes.

The crops and the mattes are what `bipack faces` writes: stabilised, of one size, with one channel for each region.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from bipack.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    from bipack_train.regions.material import RegionPair
    from bipack_train.regions.recipe import RegionsRecipe

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    from bipack_train import cli

    parser = subparsers.add_parser("regions", help="train one model for each region of a face")
    parser.add_argument("--before", metavar="P", help="stabilised crops: a pattern, folder or file")
    parser.add_argument(
        "--younger", metavar="P", help="instead of --after: a clip of the face as it was; no pairs needed"
    )
    parser.add_argument("--younger-mattes", metavar="P", help="the regions' mattes of that clip")
    parser.add_argument("--after", metavar="P", help="the same crops as they shall become")
    parser.add_argument(
        "--mattes", metavar="P", help="EXRs with a channel for each region, as bipack faces writes them"
    )
    parser.add_argument(
        "--region", action="append", metavar="R", help="a region, such as mouth or cheek_l+cheek_r; once for each model"
    )
    parser.add_argument("--frames", help="use only these frames: 1001,1010-1020x5")
    parser.add_argument("--name", help="start of the models' names; the region follows it")
    parser.add_argument("--recipe", metavar="FILE.toml", help="settings to start from; options go before it")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="train each region for so long (default 10)")
    length.add_argument("--steps", type=int, help="train each region for so many steps: repeatable bit for bit")
    parser.add_argument(
        "--size", choices=("light", "small", "medium", "large"), help="size of the networks (default light)"
    )
    parser.add_argument("--init", metavar="MODEL", help="start from this region model, such as a shipped starter")
    parser.add_argument("--hold-out", metavar="FRAMES", default="", help="pairs that are watched and never learned")
    parser.add_argument("--seed", type=int, help="start of all random choices (default 1)")
    parser.add_argument("--cpu-time", action="store_true", help="count --minutes in processor time, two cores at once")
    cli.add_run_options(parser)
    parser.set_defaults(run=run)


_NOTHING = dict.fromkeys(
    (
        "before",
        "after",
        "younger",
        "younger_mattes",
        "mattes",
        "region",
        "frames",
        "name",
        "minutes",
        "steps",
        "size",
        "init",
        "seed",
    )
)


def run_recipe(path: str, args: argparse.Namespace) -> int:
    """Run a region recipe, its patterns taken below --data. Raises a BipackError."""
    return run(argparse.Namespace(**{**_NOTHING, "hold_out": "", "cpu_time": False, **vars(args), "recipe": path}))


def run(args: argparse.Namespace) -> int:
    """Train, verify and publish every region; returns the exit code. Raises a BipackError."""
    # Not at the top: torch takes seconds to import, and --help should not wait for it.
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    settings = settings_of(args)
    out = args.out or os.path.join("runs", settings.name)
    with _Stop() as stop:
        for region in settings.regions:
            _train_one(args, settings, region, out, stop)
            if stop.signal:
                log.info("stopped; go on with --resume")
                return 128 + stop.signal
    return 0


def _train_one(args: argparse.Namespace, settings: RegionsRecipe, region: str, out: str, stop: _Stop) -> None:
    from bipack.frames import parse_frames
    from bipack_train.regions import init, loop, publish

    name = region if settings.rendered.people else f"{settings.name}_{region.replace('+', '_')}"
    folder = os.path.join(out, name)
    clock = _cpu_clock if args.cpu_time else time.monotonic
    found = _pairs(args, settings, region, out, os.path.join(folder, "run"), stop, clock)
    if stop.signal:
        return
    if settings.rendered.people:
        watched = [one for one in found if one.code >= settings.rendered.people]
        shown = [one for one in found if one.code < settings.rendered.people]
    else:
        away = set(parse_frames(args.hold_out)) if args.hold_out else set()
        watched = [one for one in found if one.pair.frame in away]
        shown = [one for one in found if one.pair.frame not in away]
    if not shown:
        raise UsageError("All pairs are held out; at least one must be learned from.")
    weights, base = None, ""
    started = os.path.isfile(os.path.join(folder, "run", loop.CHECKPOINT))
    if settings.init and not (args.resume and started):
        weights, base = init.load(settings.init.replace("{region}", region), settings.size, settings.codes)
        log.info("%s: starting from %s", region, base.split("@")[0])
        if settings.way.steps:
            weights |= {f"way.{name}": value for name, value in _way(args, settings, out).items()}
    log.info("%s: %d pairs, %d watched", region, len(shown), len(watched))
    done = loop.train(
        settings,
        region,
        shown,
        os.path.join(folder, "run"),
        watched=watched,
        device=args.device,
        resume=args.resume,
        weights=weights,
        base_model=base,
        stop=lambda: bool(stop.signal),
        clock=clock,
    )
    if stop.signal:
        return
    card = publish.publish(done, shown, os.path.join(folder, name), name, watched)
    for score in card.scores:
        log.info("%s, %s: %g", score.metric, score.set, score.value)
    log.info("%s is verified and lies in %s", card.name, os.path.join(folder, name))


def _pairs(
    args: argparse.Namespace,
    settings: RegionsRecipe,
    region: str,
    out: str,
    folder: str,
    stop: _Stop,
    clock: Callable[[], float],
) -> list[RegionPair]:
    """The pairs of a region: the artist's, rendered, or made from a clip of the younger face."""
    from bipack_train import pairs
    from bipack_train.regions import init, material, unpaired, younger

    if settings.rendered.people:
        return _rendered(args, settings, region, out)
    if not settings.younger:
        matched = pairs.match(settings.before, settings.after, frames=settings.frames or None).pairs
        return material.read(matched, settings.matte, region, settings.feather)
    today = unpaired.read_face(settings.before, settings.matte, region, "before")
    other = unpaired.read_face(settings.younger, settings.younger_matte, region, "younger")
    log.info("%s: %d frames of today, %d of the younger face", region, len(today.frames), len(other.frames))
    done = unpaired.learn(
        settings.unpaired,
        today,
        other,
        folder,
        device=args.device,
        resume=args.resume,
        stop=lambda: bool(stop.signal),
        clock=clock,
    )
    start = (
        init.net(settings.init.replace("{region}", region), settings.size, settings.codes) if settings.init else None
    )
    return younger.pairs_of(unpaired.averaged(done), today, other, settings.unpaired.side, start)


def _way(args: argparse.Namespace, settings: RegionsRecipe, out: str) -> dict[str, Tensor]:
    """Weights of the way over all regions of the recipe: learned, or read where they were kept for the first region."""
    from bipack_train import checkpoint, recipe
    from bipack_train.regions import way

    digest = recipe.digest(settings.way)[:12]
    path = os.path.join(out, "pairs", f"way.{digest}.safetensors")
    if not os.path.exists(path):
        found = {region: _rendered(args, settings, region, out) for region in settings.regions}
        learned = {
            region: [one for one in pairs if one.code < settings.rendered.people] for region, pairs in found.items()
        }
        checkpoint.save_weights(path, way.learn(learned, settings.way, settings.seed).state_dict())
    return checkpoint.load_weights(path)


def _rendered(args: argparse.Namespace, settings: RegionsRecipe, region: str, out: str) -> list[RegionPair]:
    """The rendered pairs of one region, read where they were kept."""
    from bipack_train.regions import kept, rendered

    if not args.data:
        raise UsageError("Say with --data which folder holds the face mesh and the panoramas.")
    how, seed, threads = settings.rendered, settings.seed, args.threads or 0

    def render() -> dict[str, list[RegionPair]]:
        return rendered.material(how, seed, settings.regions, args.data, threads)

    return kept.pairs(os.path.join(out, "pairs"), rendered.digest(how, seed), render, region)


def _cpu_clock() -> float:
    """Processor time as if two cores were free for it, in seconds."""
    return time.process_time() / 2.0


def settings_of(args: argparse.Namespace) -> RegionsRecipe:
    """The recipe that file and options make together; options win. Raises UsageError."""
    from bipack_train.regions import recipe

    settings = recipe.load_recipe(args.recipe) if args.recipe else recipe.RegionsRecipe(name="")
    given = {
        "name": args.name,
        "before": args.before,
        "after": args.after,
        "matte": args.mattes,
        "younger": args.younger,
        "younger_matte": args.younger_mattes,
        "frames": args.frames,
        "size": args.size,
        "init": args.init,
        "seed": args.seed,
        "regions": tuple(args.region) if args.region else None,
    }
    data = getattr(args, "data", None)
    for key in ("before", "after", "matte", "younger", "younger_matte"):
        if given[key] is None and data and getattr(settings, key):
            given[key] = os.path.join(data, getattr(settings, key))
    settings = dataclasses.replace(settings, **{key: value for key, value in given.items() if value is not None})
    schedule = settings.schedule
    if args.steps is not None:
        schedule = dataclasses.replace(schedule, steps=args.steps, minutes=0.0)
    if args.minutes is not None:
        schedule = dataclasses.replace(schedule, steps=0, minutes=args.minutes)
    settings = recipe.check(dataclasses.replace(settings, schedule=schedule), args.recipe or "the options")
    if not settings.name or os.path.basename(settings.name) != settings.name:
        raise UsageError("Give the models a plain name with --name, such as --name actor_young.")
    if settings.younger and settings.after:
        raise UsageError("Give --after or --younger, not both: pairs, or a clip of the younger face.")
    if settings.rendered.people:
        return settings
    wanted = (("younger", "--younger"), ("younger_matte", "--younger-mattes")) if settings.younger else ()
    for key, option in (("before", "--before"), *(wanted or (("after", "--after"),)), ("matte", "--mattes")):
        if not getattr(settings, key):
            raise UsageError(f"Name the {key} frames with {option}.")
    return settings


class _Stop:
    """Remembers Ctrl-C and SIGTERM while a run goes on; the loop asks after every step."""

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> _Stop:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
