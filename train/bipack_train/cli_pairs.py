"""`bipack-train pairs`: from an artist's frames to a published model.

The run's folder holds everything: checkpoint, log, report page, status for a panel, and the finished model.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bipack.errors import MissingInput, UsageError

if TYPE_CHECKING:
    from bipack_train import paintfix, paintfix_run, pair_checks
    from bipack_train.pairs import Pair

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    from bipack_train import cli

    parser = subparsers.add_parser("pairs", help="train a model from an artist's before/after frames")
    parser.add_argument(
        "--before", metavar="P", help="plates: a pattern (plate.%%04d.exr, plate.####.exr), folder or file"
    )
    parser.add_argument("--after", metavar="P", help="the painted frames; only these need to be there")
    parser.add_argument("--matte", metavar="P", help="the artist's mattes, instead of the difference")
    parser.add_argument("--frames", help="use only these painted frames: 1001,1010-1020x5")
    parser.add_argument("--name", help="name of the model")
    parser.add_argument("--title", help="title for artists (default: the name)")
    parser.add_argument("--recipe", metavar="FILE.toml", help="settings to start from; options go before it")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="train for so long (default 20)")
    length.add_argument("--steps", type=int, help="train for so many steps: repeatable bit for bit")
    parser.add_argument(
        "--size", choices=("small", "deep", "medium", "large", "context"), help="size of the network (default small)"
    )
    parser.add_argument("--crop", type=int, metavar="PIXELS", help="side of a training crop (default 128)")
    parser.add_argument("--batch", type=int, help="crops in a step (default 8)")
    parser.add_argument("--neighbours", metavar="-1,1", help="also show the net the frames at these offsets")
    parser.add_argument("--val-before", metavar="P", help="plates of pairs that are only watched, never learned")
    parser.add_argument("--val-after", metavar="P", help="their painted frames")
    parser.add_argument(
        "--hold-out", metavar="FRAME", help="pair to watch: auto (from four pairs on), none, or a frame"
    )
    parser.add_argument(
        "--init", metavar="MODEL", help="start from a model, checkpoint or run folder; auto (default), none"
    )
    parser.add_argument("--texture", action="store_true", help="end with the adversarial stage: keeps pores and weave")
    parser.add_argument(
        "--painted",
        type=int,
        help="painted frames that go along with the model, to look behind marks (default 6; 0 = none)",
    )
    parser.add_argument("--seed", type=int, help="start of all random choices (default 1)")
    parser.add_argument("--check", action="store_true", help="only look at the pairs and say what is wrong with them")
    parser.add_argument("--publish-only", action="store_true", help="publish the last checkpoint, train no further")
    parser.add_argument("--tensorboard", action="store_true", help="also write TensorBoard logs (needs tensorboard)")
    parser.add_argument("--cpu-time", action="store_true", help="count --minutes in processor time, two cores at once")
    cli.add_run_options(parser)
    parser.set_defaults(run=run)


def run_recipe(path: str, args: argparse.Namespace) -> int:
    """Run a pairs recipe, its patterns taken below --data. Raises a BipackError."""
    given = argparse.Namespace(**{**_NOTHING, **vars(args), "recipe": path})
    return run(given)


_NOTHING: dict[str, Any] = dict.fromkeys(
    (
        *("before", "after", "matte", "frames", "name", "title", "minutes", "steps", "size", "crop", "batch"),
        *("neighbours", "val_before", "val_after", "hold_out", "init", "seed", "painted"),
    )
) | {"texture": False, "check": False, "publish_only": False, "tensorboard": False, "cpu_time": False}


def run(args: argparse.Namespace) -> int:
    """Check the pairs, train, verify, publish; returns the exit code. Raises a BipackError."""
    # Not at the top: torch takes seconds to import, and --help should not wait for it.
    import torch

    from bipack_train import paintfix_loop, paintfix_run, processes, publish_pairs, results
    from bipack_train.grain import measure
    from bipack_train.run_panel import Panel

    if args.threads:
        torch.set_num_threads(args.threads)
    settings = settings_of(args)
    if settings.synthetic is not None:
        return run_markers(args, settings)
    pairs, validation, findings = gather(args, settings)
    if args.check:
        return 0
    out = args.out or os.path.join("runs", settings.name)
    first = processes.join()
    weights, base = _start(args, settings)
    panel = Panel(settings, pairs, findings, out, quiet=not first, tensorboard=args.tensorboard)
    clock = _cpu_clock if args.cpu_time else time.monotonic
    with panel:
        if args.publish_only:
            done = last_run(settings, pairs, out, args.device)
        else:
            done = paintfix_loop.train(
                settings,
                pairs,
                out,
                device=args.device,
                resume=args.resume,
                weights=weights,
                base_model=base,
                watcher=panel,
                validation=validation,
                clock=clock,
            )
    if panel.signal and not args.publish_only:
        log.info("stopped at step %d; go on with --resume, or publish with --publish-only", done.progress.step)
        return 128 + panel.signal
    if not first:
        return 0
    panel.say(done, "publishing")
    net = paintfix_run.averaged(done)
    grain = measure(results.repairs(net, pairs)) if settings.noise else None
    card = publish_pairs.publish(done, pairs, os.path.join(out, settings.name), grain)
    panel.say(done, "done", model=os.path.join(out, settings.name))
    for score in card.scores:
        log.info("%s, %s: %.2f dB", score.metric, score.set, score.value)
    log.info("%s is verified and lies in %s", card.name, os.path.join(out, settings.name))
    return 0


def run_markers(args: argparse.Namespace, settings: paintfix.PairsRecipe) -> int:
    """Train on drawn markers and publish the model with its scores; returns the exit code. Raises a BipackError."""
    from bipack_train import marker_model, paintfix_loop, processes, results
    from bipack_train.grain import measure
    from bipack_train.run_panel import Panel

    if not args.data:
        raise UsageError("Say with --data which folder holds the pictures that the recipe names.")
    out = args.out or os.path.join("runs", settings.name)
    first = processes.join()
    material = marker_model.material(settings, args.data)
    shown = marker_model.watched_pairs(settings, args.data)
    # A resumed run needs its start too: a share of it may be part of what is published.
    weights, base = _start(argparse.Namespace(resume=False, publish_only=False), settings)
    panel = Panel(settings, shown[:8], [], out, quiet=not first, tensorboard=args.tensorboard)
    with panel:
        done = paintfix_loop.train_on(
            settings,
            material,
            out,
            device=args.device,
            resume=args.resume or args.publish_only,
            weights=weights,
            base_model=base,
            watcher=panel,
        )
    if panel.signal:
        log.info("stopped at step %d; go on with --resume", done.progress.step)
        return 128 + panel.signal
    if first:
        made = marker_model.finished(done, weights if done.base_model == base else None)
        grain = measure(results.repairs(made[0], shown)) if settings.noise else None
        folder = os.path.join(out, settings.name)
        card = marker_model.publish(done, made, args.data, folder, grain, shown, args.recipe)
        panel.say(done, "done", model=folder)
        for score in card.scores:
            log.info("%s: %g (%s %s)", score.metric, score.value, score.baseline, score.baseline_value)
    return 0


def last_run(settings: paintfix.PairsRecipe, pairs: Sequence[Pair], out: str, device: str) -> paintfix_run.Run:
    """The run in `out` as it was saved last. Raises MissingInput where there is none."""
    from bipack_train import paintfix_run
    from bipack_train.devices import pick_device

    path = os.path.join(out, paintfix_run.CHECKPOINT)
    if not os.path.isfile(path):
        raise MissingInput(f"{out} holds no checkpoint to publish. Train first, or name the run's folder with --out.")
    run = paintfix_run.build(settings, pick_device(device), paintfix_run.pairs_digest(pairs))
    paintfix_run.restore(run, path)
    return run


def settings_of(args: argparse.Namespace) -> paintfix.PairsRecipe:
    """The recipe that file and options make together; options win. Raises UsageError."""
    from bipack_train import paintfix

    settings = paintfix.load_recipe(args.recipe) if args.recipe else paintfix.PairsRecipe(name="")
    plain = {
        key: value
        for key in ("name", "title", "size", "init", "seed", "painted", "before", "after", "matte", "frames")
        if (value := getattr(args, key)) is not None
    }
    if not args.recipe and args.init is None:
        plain["init"] = "auto"
    data = getattr(args, "data", None)
    for key in ("before", "after", "matte"):
        if key not in plain and data and getattr(settings, key):
            plain[key] = os.path.join(data, getattr(settings, key))
    settings = dataclasses.replace(settings, **plain)
    if not settings.name or os.path.basename(settings.name) != settings.name:
        raise UsageError("Give the model a plain name with --name, such as --name sc020_markers.")
    schedule, sampling, offsets = settings.schedule, settings.sampling, settings.frame_offsets
    if args.steps is not None:
        schedule = dataclasses.replace(schedule, steps=args.steps, minutes=0.0)
    if args.minutes is not None:
        schedule = dataclasses.replace(schedule, steps=0, minutes=args.minutes)
    if args.crop is not None:
        sampling = dataclasses.replace(sampling, side=args.crop)
    if args.batch is not None:
        sampling = dataclasses.replace(sampling, batch=args.batch)
    if args.neighbours is not None:
        try:
            offsets = (0, *(int(text) for text in args.neighbours.split(",") if int(text) != 0))
        except ValueError:
            raise UsageError(f"--neighbours {args.neighbours} cannot be read; write offsets such as -1,1.") from None
    hold_out = dataclasses.replace(settings.hold_out, frame=args.hold_out) if args.hold_out else settings.hold_out
    adversary = settings.adversary
    if args.texture and adversary.share == 0:
        adversary = dataclasses.replace(adversary, share=0.25)
    changed = dataclasses.replace(
        settings,
        schedule=schedule,
        sampling=sampling,
        frame_offsets=offsets,
        hold_out=hold_out,
        adversary=adversary,
    )
    return paintfix.check(changed, args.recipe or "the options")


def gather(
    args: argparse.Namespace, settings: paintfix.PairsRecipe
) -> tuple[list[Pair], list[Pair], list[pair_checks.Finding]]:
    """Match, read and check all pairs; findings are logged. Raises a BipackError where training makes no sense."""
    from bipack_train import pair_checks, pairs

    if not settings.before or not settings.after:
        raise UsageError("Name the plates with --before and the painted frames with --after.")
    matched = pairs.match(
        settings.before, settings.after, settings.matte or None, settings.frames or None, settings.frame_offsets
    )
    read = [pairs.read(files) for files in matched.pairs]
    findings = [*pair_checks.check_matching(matched), *pair_checks.check_pairs(read)]
    for finding in findings:
        log.log(logging.INFO if finding.level == "note" else logging.WARNING, "%s: %s", finding.level, finding.text)
    used = pair_checks.usable(read)
    covered = sum(pair.coverage for pair in used) / len(used)
    log.info("%d pairs; the edit covers %.2f %% of a frame", len(used), 100 * covered)
    validation: list[Pair] = []
    if args.val_before or args.val_after:
        if not (args.val_before and args.val_after):
            raise UsageError("--val-before and --val-after belong together.")
        watched = pairs.match(args.val_before, args.val_after, offsets=settings.frame_offsets)
        validation = pair_checks.usable([pairs.read(files) for files in watched.pairs])
    return used, validation, findings


def _start(args: argparse.Namespace, settings: paintfix.PairsRecipe) -> tuple[Any, str]:
    """(weights, what they are) that the run starts from."""
    from bipack_train import init_weights

    frames = len(settings.frame_offsets)
    if args.resume or args.publish_only or settings.init in ("", "none"):
        return None, ""
    if settings.init == "auto":
        weights, base = init_weights.default(settings.size, frames)
    else:
        weights, base = init_weights.load(settings.init, settings.size, frames)
    if base:
        log.info("starting from %s", base.split("@")[0])
    return weights, base


def _cpu_clock() -> float:
    """Processor time as if two cores were free for it, in seconds."""
    return time.process_time() / 2.0
