"""`bipack-train suggest`: which frame to paint next."""

from __future__ import annotations

import argparse
import json
import logging
import os

from bipack.errors import MissingInput

log = logging.getLogger(__name__)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser("suggest", help="rank unpainted frames by how unsure a trained model is of them")
    parser.add_argument("model", metavar="MODEL", help="a run folder, a checkpoint or a published model")
    parser.add_argument("input", metavar="INPUT", help="plates: a pattern, folder or file")
    parser.add_argument("--after", metavar="P", help="painted frames, which are left out")
    parser.add_argument("--frames", help="look only at these frames")
    parser.add_argument("--top", type=int, default=5, help="how many to list (default 5)")
    parser.add_argument("--out", default=".", metavar="DIR", help="folder for suggest.html")
    parser.add_argument("--json", action="store_true", help="print the ranking as JSON")
    parser.set_defaults(run=run_suggest)


def run_suggest(args: argparse.Namespace) -> int:
    """Rank unpainted frames; returns the exit code. Raises a BipackError."""
    from bipack.frames import parse_frames
    from bipack_train import init_weights, pairs, suggest

    plates = pairs.files_of(args.input, "plate")
    painted = set(pairs.files_of(args.after, "after")) if args.after else set()
    wanted = parse_frames(args.frames) if args.frames else sorted(plates)
    left = [frame for frame in wanted if frame in plates and frame not in painted]
    if not left:
        raise MissingInput(f"No unpainted frame of {args.input} is left to look at.")
    net = init_weights.net_of(args.model)
    offsets = (0, *range(-(net.frames // 2), 0), *range(1, net.frames - net.frames // 2))
    files = [(frame, [pairs.nearest(plates, frame + offset) for offset in offsets]) for frame in left]
    ranked = suggest.rank(net, files)[: args.top]
    os.makedirs(args.out, exist_ok=True)
    path = suggest.write_page(ranked, os.path.basename(os.path.normpath(args.model)), args.out)
    listed = [{"frame": one.frame, "score": round(one.score, 4), "plate": one.path} for one in ranked]
    if args.json:
        # The one thing that goes to stdout: it is what was asked for.
        os.write(1, (json.dumps(listed) + "\n").encode("utf-8"))
    for one in ranked:
        log.info("frame %d: the model is unsure of %.1f %% of what it changes", one.frame, one.score)
    log.info("thumbnails are in %s", path)
    return 0
