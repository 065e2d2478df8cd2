"""`bipack run`: one model or finishing tool over a sequence, in this very process, through the worker's image path.

The frames are cooked in a second thread, so that Ctrl-C and a farm's SIGTERM are heard while a model is in the middle
of a tile.
"""

from __future__ import annotations

import argparse
import threading
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Tuple

from bipack import catalog, messages, retime, settings
from bipack.cli.reports import JsonReport, Report, TextReport
from bipack.cli.waiting import wait_for
from bipack.errors import UsageError
from bipack.frames import FramePath, parse_frames, resolve_frames

if TYPE_CHECKING:
    from argparse import _SubParsersAction


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "run",
        help="cook frames: a model or a finishing tool over an image sequence",
        description="Cook frames: a model or a finishing tool over an image sequence.",
    )
    parser.add_argument("model", metavar="MODEL", help="catalogue name, folder with a card, .onnx file or tool")
    parser.add_argument("input", metavar="INPUT", help="plate.%%04d.exr, plate.####.exr or one file")
    parser.add_argument("output", metavar="OUTPUT", help="like INPUT; its extension decides the file type")
    parser.add_argument(
        "--frames", metavar="RANGE", help="frames of the input, such as 1001-1010x2,1020; default: all that are on disk"
    )
    parser.add_argument(
        "--output-frames",
        metavar="RANGE",
        help="slow motion: frames of the result to cook, for farm chunks; default: all that --frames gives",
    )
    parser.add_argument("--matte", metavar="PATTERN", help="matte; the result is kept where it is above 0")
    parser.add_argument(
        "--matte-channel", metavar="NAME", help="channel that is the matte (default: alpha, the only one, or R)"
    )
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a knob of the model or tool")
    parser.add_argument("--face-track", metavar="FILE", help="super-res: enlarge until this face is --face-width wide")
    parser.add_argument("--face-width", metavar="PIXELS", type=int, default=1024, help="with it (default 1024)")
    parser.add_argument("--layer", default="rgba", help="layer of the plate to work on (default rgba)")
    parser.add_argument(
        "--channels", choices=("all", "rgba", "rgb"), default="all", help="what to write of the plate's channels "
        "(default all)",
    )  # fmt: skip
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: the setting, else auto)")
    parser.add_argument("--require-gpu", action="store_true", help="stop with exit code 13 rather than use the CPU")
    parser.add_argument("--tile", help="auto or a size in plate pixels")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="skip frames that are finished and still true")
    existing.add_argument("--overwrite", action="store_true", help="cook every frame (the default)")
    parser.add_argument("--missing", choices=("error", "black", "hold"), default="error", help="without a plate frame")
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")


def run(args: argparse.Namespace) -> int:
    """Cook. Returns 0; raises BipackError or KeyboardInterrupt."""
    request = make_request(args)
    report: Report = JsonReport() if args.json else TextReport(len(request.frames))
    report(cook(request, report))
    return 0


def make_request(args: argparse.Namespace) -> messages.Render:
    """The request that the flags describe. Raises UsageError or MissingInput."""
    frames, chosen = resolve_frames(FramePath.parse(args.input), args.frames), parse_settings(args.set)
    if args.face_track:
        chosen["factor"] = _face_factor(args.face_track, frames, args.face_width, chosen)
    source: Tuple[int, ...] = ()
    if catalog.retimes(args.model):
        frames, source = _retimed(frames, chosen, args)
    elif args.output_frames:
        raise UsageError(f"--output-frames is for slow motion; {args.model} makes one frame of each frame.")
    return messages.Render(
        job="run",
        model=args.model,
        input=args.input,
        output=args.output,
        frames=frames,
        source=source,
        matte=args.matte,
        matte_channel=args.matte_channel,
        channels=args.channels,
        settings=chosen,
        layer=args.layer,
        device=settings.get("device", args.device),
        require_gpu=args.require_gpu or settings.get_flag("require_gpu"),
        tile=settings.get("tile", args.tile),
        existing="resume" if args.resume else "overwrite",
        missing=args.missing,
    )


def _face_factor(track: str, frames: Sequence[int], width: int, chosen: Mapping[str, str]) -> str:
    """The factor that makes the face of `track` so wide. Raises UsageError where the size is given already."""
    given = sorted({"factor", "width"} & set(chosen))
    if given:
        raise UsageError(f"--face-track decides the size, and so does --set {given[0]}. Leave one of them out.")
    from bipack.imaging.faces.face_size import factor_for

    return repr(factor_for(track, frames, width))


def _retimed(
    frames: Tuple[int, ...], knobs: Mapping[str, str], args: argparse.Namespace
) -> Tuple[Tuple[int, ...], Tuple[int, ...]]:
    """(frames of the result, first and last source frame) of a shot in slow motion."""
    first, last = min(frames), max(frames)
    if args.frames and len(frames) != last - first + 1:
        raise UsageError(f"--frames {args.frames} has gaps; slow motion takes a whole range such as {first}-{last}.")
    results = tuple(retime.of(knobs, first, last).frames)
    return (parse_frames(args.output_frames) if args.output_frames else results), (first, last)


def parse_settings(texts: List[str]) -> Dict[str, str]:
    """`["amount=0.6"]` as `{"amount": "0.6"}`. Raises UsageError for a text without `=`."""
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set {text!r} is no KEY=VALUE; write it like --set amount=0.6.")
        values[name.strip()] = value
    return values


def cook(request: messages.Render, emit: Any) -> messages.JobDone:
    """Run `request` in a second thread and wait. Raises what it raised; KeyboardInterrupt after a clean stop."""

    def body(cancel: threading.Event) -> messages.JobDone:
        from bipack.worker.sequence import run_sequence
        from bipack.worker.steps import open_step

        step = open_step(request)
        try:
            return run_sequence(request, step, emit, cancel)
        finally:
            step.close()

    done: messages.JobDone = wait_for(body)
    return done
