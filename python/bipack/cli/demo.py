"""`bipack demo`: the main job on the shipped sample frames, ending in a picture to look at.

The frames go through the same path as `bipack run`; then one is shown as it was, enlarged by the usual bicubic kernel,
and as the model made it, with what came along beside the picture. The first frames also go through the whole chain for
archive footage: artefacts removed, enlarged, slowed down.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING, Any, Dict, List, Sequence

from bipack import messages, retime, settings, slowmo_knobs
from bipack.errors import MissingInput
from bipack.frames import FramePath, format_frames, resolve_frames

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from bipack.imaging.frame import Frame

MODEL = "superres_x2"
CLEANER = "deartifact"
SAMPLES = os.path.join("samples", "otter", "otter.%04d.exr")
SHEET = "contact_sheet.png"
CROP = (77, 36, 114, 76)
"""What is shown enlarged: left, top, width and height in plate pixels (the head, for people look at faces first)."""

ZOOM = 3
SLOW_FACTOR = 4
CHAIN_FRAMES = 3
"""Frames that go through the chain: enough to see, and a matter of seconds."""


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "demo",
        help="super-res and slow motion on the shipped sample frames, ending in a picture to look at",
        description="Super-res on the shipped sample frames; the chain of artefact removal, super-res and slow motion "
        "on the first of them; and a contact sheet: before, bicubic, result.",
    )
    parser.add_argument("outdir", metavar="OUTDIR", help="folder for the frames and the contact sheet")
    parser.add_argument("--model", default=MODEL, help=f"a super-res model (default {MODEL})")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N (default: the setting, else auto)")


def run(args: argparse.Namespace) -> int:
    """Cook the sample frames and write the sheet; its path is the last line. Returns 0."""
    from bipack.imaging import contact_sheet

    source = FramePath.parse(os.path.join(settings.suite_root(), SAMPLES))
    frames = _frames(source)
    result = _cooked(args, args.model, source, "frames", frames)
    _chain(args, source, frames[:CHAIN_FRAMES])
    middle = frames[len(frames) // 2]
    sheet = os.path.join(os.path.abspath(args.outdir), SHEET)
    contact_sheet.write(sheet, picture(source.path(middle), result.path(middle), args.model, middle))
    print(f"Look at {sheet}")
    return 0


def _chain(args: argparse.Namespace, source: FramePath, frames: Sequence[int]) -> None:
    """Artefacts removed, enlarged, slowed down: as gizmos/examples/archive_clip.nk does it."""
    clean = _cooked(args, CLEANER, source, os.path.join("chain", "clean"), frames)
    large = _cooked(args, args.model, clean, os.path.join("chain", "large"), frames)
    chosen: Dict[str, Any] = {"factor": SLOW_FACTOR, "vectors": True}
    ends = frames[0], frames[-1]
    slow = tuple(retime.of(chosen, *ends).frames)
    _cooked(args, slowmo_knobs.NAME, large, os.path.join("chain", "slow"), slow, source=ends, settings=chosen)


def _cooked(
    args: argparse.Namespace, model: str, plate: FramePath, folder: str, frames: Sequence[int], **fields: Any
) -> FramePath:
    """`plate` through `model` as `bipack run` does it; where the results are."""
    from bipack.cli import run as cooking

    result = FramePath.parse(os.path.join(os.path.abspath(args.outdir), folder, "otter.%04d.exr"))
    print(f"{model}, {len(frames)} frames, from {plate.text}")
    started = time.monotonic()
    request = messages.Render(
        "demo",
        model,
        plate.text,
        result.text,
        tuple(frames),
        device=settings.get("device", args.device),
        tile=settings.get("tile"),
        **fields,
    )
    done = cooking.cook(request, _report)
    print(f"{done.done} frames in {time.monotonic() - started:.1f} s: {result.text}")
    return result


def _frames(source: FramePath) -> tuple[int, ...]:
    try:
        return resolve_frames(source, None)
    except MissingInput:
        raise MissingInput(f"The sample frames {source.text} are not there; this install is not whole.") from None


def _report(message: messages.Message) -> None:
    """Notices and finished frames, one line each."""
    if isinstance(message, messages.Notice):
        print(f"  {message.text}", flush=True)
    elif isinstance(message, messages.FrameDone):
        print(f"  frame {message.frame}", flush=True)


def picture(before: str, after: str, model: str, number: int) -> Any:
    """The contact sheet of one frame: (height, width, 3) uint8. The result may be of any whole scale."""
    from bipack.imaging import color, contact_sheet, image_io, resample
    from bipack.imaging.frame import Box
    from bipack.imaging.plate import take

    plate_frame, result_frame = image_io.read_frame(before), image_io.read_frame(after)
    plate, result = take(plate_frame).pixels, take(result_frame).pixels
    scale = result.shape[0] // plate.shape[0]
    # Both the baseline and the model work on encoded values; on linear light the kernel would ring around highlights.
    bicubic = color.decode(resample.upscale(color.encode(plate), scale))
    pixels = plate.repeat(scale, axis=0).repeat(scale, axis=1)
    left, top, width, height = CROP
    size = f"{result.shape[1]} x {result.shape[0]}"
    return contact_sheet.compose(
        [
            contact_sheet.Panel(f"Before: {plate.shape[1]} x {plate.shape[0]}, its pixels enlarged", pixels),
            contact_sheet.Panel(f"Bicubic: {size}", bicubic),
            contact_sheet.Panel(f"Bipack {model}: {size}", result),
        ],
        Box(left * scale, top * scale, (left + width) * scale - 1, (top + height) * scale - 1),
        title=f"Bipack {model} on the sample plate, frame {format_frames([number])}",
        notes=what_came_along(plate_frame, result_frame),
        zoom=ZOOM,
        gain=1.0,
    )


def what_came_along(before: Frame, after: Frame) -> List[str]:
    """Lines on what the files hold beside the picture, read from the files themselves."""
    from bipack.imaging.plate import take

    old, new = before.parts[0], after.parts[0]
    peaks = [float(take(frame).pixels.max()) for frame in (before, after)]
    kinds = ", ".join(f"{name} {channel.dtype}" for name, channel in new.channels.items())
    lines = [f"Scene-linear: peak {peaks[0]:.2f} in the plate, {peaks[1]:.2f} in the result; nothing is clamped."]
    missing = sorted(set(old.channels) - set(new.channels))
    lines.append(f"Channels: {kinds}." + (f" Missing: {', '.join(missing)}." if missing else ""))
    windows = [f"({w.xmin} {w.ymin} {w.xmax} {w.ymax})" for w in (old.data_window, new.data_window)]
    lines.append(f"Data window: {windows[0]} became {windows[1]}; the metadata came along.")
    return lines
