"""`bipack prove`: does tiling show? One frame through a model whole and in tiles of several sizes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, List

from bipack import catalog, settings
from bipack.cli.run import parse_settings
from bipack.cli.waiting import wait_for
from bipack.errors import MissingInput, ModelRefused, UsageError
from bipack.frames import FramePath, resolve_frames

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from bipack.worker.model_step import ModelStep
    from bipack.worker.prove import Proof
    from bipack.worker.step import StepInput


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "prove",
        help="compare tiled with whole frame and write a heat-map",
        description="Run one frame whole and in tiles of several sizes; print the largest difference and where it is. "
        "Ends with 12 when a model that claims exact tiles is not exact.",
    )
    parser.add_argument("model", metavar="MODEL", help="catalogue name, folder with a card, or .onnx file")
    parser.add_argument("input", metavar="INPUT", help="one file, or a sequence of which one frame is taken")
    parser.add_argument("--out", metavar="DIR", help="folder for heat-map and numbers (default: prove_MODEL)")
    parser.add_argument("--frame", type=int, metavar="N", help="frame of a sequence; default: the first on disk")
    parser.add_argument(
        "--tile", type=int, action="append", default=[], metavar="PIXELS", help="a tile size; repeatable"
    )
    parser.add_argument("--matte", metavar="PATTERN", help="matte, for a model that takes one")
    parser.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help="a knob of the model")
    parser.add_argument("--layer", default="rgba", help="layer of the plate to work on (default rgba)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: the setting, else auto)")
    parser.add_argument("--require-gpu", action="store_true", help="stop with exit code 13 rather than use the CPU")
    parser.add_argument("--json", action="store_true", help="the numbers as JSON on stdout")


def run(args: argparse.Namespace) -> int:
    """Prove. Returns 0, or 12 when the model's claim does not hold."""
    if any(size < 1 for size in args.tile):
        raise UsageError("--tile needs a number of pixels above 0.")
    located = catalog.locate(args.model)
    pattern = FramePath.parse(args.input)
    frame = _frame(args, pattern)
    folder = args.out or f"prove_{located.name}"
    proof, notices = wait_for(lambda cancel: _prove(args, located, pattern, frame, folder, cancel))
    if args.json:
        from bipack.worker.prove import as_data

        print(json.dumps({**as_data(proof), "notices": notices, "out": os.path.abspath(folder)}, indent=2))
    else:
        for line in [f"note: {text}" for text in notices] + as_text(proof, folder):
            print(line)
    return 0 if proof.holds else ModelRefused.exit_code


def _frame(args: argparse.Namespace, pattern: FramePath) -> int:
    if args.frame is not None:
        return int(args.frame)
    if pattern.is_sequence and not pattern.existing():
        raise MissingInput(f"No frame of {pattern.text} is on disk. Check the path.")
    return pattern.existing()[0] if pattern.is_sequence else resolve_frames(pattern, None)[0]


def _prove(
    args: argparse.Namespace,
    located: catalog.Located,
    pattern: FramePath,
    frame: int,
    folder: str,
    cancel: threading.Event,
) -> Any:
    from bipack.worker.model_step import ModelStep
    from bipack.worker.prove import prove
    from bipack.worker.step import StepControl

    device = settings.get("device", args.device)
    step = ModelStep(located, device, args.require_gpu or settings.get_flag("require_gpu"))
    try:
        notices: List[str] = list(step.notices)
        control = StepControl(_progress, notices.append, cancel)
        proof = prove(step, _given(args, step, pattern, frame), control, args.tile, folder)
        return proof, notices + step.session.notices
    finally:
        step.close()


def _given(args: argparse.Namespace, step: ModelStep, pattern: FramePath, frame: int) -> StepInput:
    """The frame with its neighbours, matte and knobs, as a cook would see them."""
    from bipack.imaging.image_io import read_frame
    from bipack.worker.step import StepInput, knob_values

    present = pattern.existing() if pattern.is_sequence else ()
    frames = {}
    for offset in sorted({0, *step.frame_offsets}):
        wanted = frame + offset
        if offset and present and wanted not in present:
            wanted = min(present, key=lambda number: abs(number - (frame + offset)))
        frames[offset] = read_frame(pattern.path(wanted))
    matte = read_frame(FramePath.parse(args.matte).path(frame)) if args.matte else None
    knobs = knob_values(step.knobs, parse_settings(args.set), 0, step.name)
    return StepInput(frame=frame, frames=frames, matte=matte, knobs=knobs, layer=args.layer)


def _progress(fraction: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{fraction:4.0%}" if fraction < 1 else "\r\033[K")
        sys.stderr.flush()


def as_text(proof: Proof, folder: str) -> List[str]:
    """The report, line by line."""
    from bipack.worker.prove import HEAT_MAP, NUMBERS, TOLERANCE

    lines = [
        f"{proof.model} on {proof.width}x{proof.height}, x{proof.scale}, {proof.device}",
        f"tiling: {proof.tiling}; one result pixel sees {proof.reach} plate pixels around; tile origins in steps of "
        f"{proof.alignment}; padding: {proof.padding}",
        *(f"  because {reason}" for reason in proof.reasons),
    ]
    for trial in proof.trials:
        lines.append(
            f"tile {trial.tile}: {trial.tiles} tiles of {trial.shape[1]}x{trial.shape[0]}, largest difference "
            f"{trial.largest:.3g} at {trial.at[0]},{trial.at[1]}, average {trial.mean:.3g}"
        )
    if not proof.trials:
        lines.append("nothing to compare: this frame is run whole at every tile size")
    elif not proof.claims_exact:
        lines.append(f"largest difference {proof.largest:.3g}; this model does not claim exact tiles")
    elif proof.holds:
        lines.append(f"holds: tiled and whole agree within {TOLERANCE:g} (largest {proof.largest:.3g})")
    else:
        lines.append(f"DOES NOT HOLD: tiled and whole differ by {proof.largest:.3g}, more than {TOLERANCE:g}")
    return [*lines, f"written: {os.path.join(folder, HEAT_MAP)}, {os.path.join(folder, NUMBERS)}"]
