"""`bipack preflight`: does this shot lie inside what the model was trained on? works, risky or no, and why.

A few frames are measured (`imaging.shot`) and held against the card. It judges only what can be known from the plate
and the card; what the card does not say is not guessed at. Nothing is cooked.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, List, Sequence, Tuple

from bipack import catalog
from bipack.card import ModelCard
from bipack.errors import ModelRefused
from bipack.frames import FramePath, format_frames, resolve_frames

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from bipack.imaging.shot import PlateFacts

VERDICTS = ("works", "risky", "no")
DEFAULT_FRAMES = 3
RANGE_SLACK = 0.02
"""Share of the trained range that a plate may reach beyond it without a word."""

NOISY = 2.0 / 255
"""Encoded noise from which an enlarged plate shows its grain; clean photographs lie below, scanned film above."""

SOFT = 0.045
"""Detail below which a plate was enlarged or is out of focus; sharp plates lie at 0.07 to 0.4, enlarged below 0.04."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    verdict: str
    """works, risky or no."""

    topic: str
    text: str


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "preflight",
        help="does this shot lie inside what the model was trained on?",
        description="Hold a shot against a model's card: works, risky or no, and why. Ends with 12 for a no.",
    )
    parser.add_argument("model", metavar="MODEL", help="catalogue name, folder with a card, or .onnx file")
    parser.add_argument("input", metavar="INPUT", help="plate.%%04d.exr, plate.####.exr or one file")
    parser.add_argument("--frames", metavar="RANGE", help="frames to look at; default: first, middle and last on disk")
    parser.add_argument("--layer", default="rgba", help="layer of the plate to work on (default rgba)")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Measure, judge and print. Returns 0, or 12 where the model cannot do this shot."""
    card = card_of(args.model)
    pattern = FramePath.parse(args.input)
    frames = resolve_frames(pattern, args.frames)
    looked_at = frames if args.frames else spread(frames, DEFAULT_FRAMES)
    findings = examine(card, pattern, looked_at, args.layer, len(frames))
    verdict = worst(findings)
    if args.json:
        report = {"model": card.name, "frames": looked_at, "verdict": verdict, "limits": card.limits}
        print(json.dumps({**report, "findings": [asdict(finding) for finding in findings]}, indent=2))
    else:
        print(as_text(card, looked_at, findings, verdict))
    return ModelRefused.exit_code if verdict == "no" else 0


def card_of(model: str) -> ModelCard:
    """The model's card; for a bare ONNX what its graph shows."""
    located = catalog.locate(model)
    if located.card is not None:
        return located.card
    from bipack.worker.session import open_session

    with open_session(located, device="cpu") as session:
        return session.card


def spread(frames: Sequence[int], count: int) -> Tuple[int, ...]:
    """`count` of `frames`, first and last among them, evenly spaced; all where there are no more."""
    if len(frames) <= count:
        return tuple(frames)
    return tuple(frames[round(index * (len(frames) - 1) / (count - 1))] for index in range(count))


def examine(
    card: ModelCard, pattern: FramePath, frames: Sequence[int], layer: str, frames_on_disk: int
) -> List[Finding]:
    """Read and measure `frames`, then judge. Raises MissingInput and CorruptInput."""
    from bipack.imaging import image_io, plate, shot, transfer

    port = next(port for port in card.inputs if port.role == "plate")
    measured = []
    for number in frames:
        frame = image_io.read_frame(pattern.path(number))
        try:
            look = plate.take_or_grey if card.kind == "image" else plate.take
            taken = look(frame, layer, port.channels)
        except ModelRefused as error:
            return [Finding("no", "channels", str(error))]
        integer = transfer.is_integer(frame.parts[taken.part].channels[taken.names[0]])
        measured.append(shot.measure(taken.pixels, integer))
    return judge(card, measured, frames_on_disk)


def judge(card: ModelCard, measured: Sequence[PlateFacts], frames_on_disk: int) -> List[Finding]:
    """Findings for frames that were measured, one for each topic, the worst frame speaking for all."""
    return [
        *_size(card, measured),
        *_motion(card, frames_on_disk),
        *_range(card, measured),
        *_non_finite(measured),
        *_noise(card, measured),
        *_softness(card, measured),
        *_source(measured),
        *_provenance(card),
    ]


def worst(findings: Sequence[Finding]) -> str:
    """The verdict over all findings."""
    return VERDICTS[max((VERDICTS.index(finding.verdict) for finding in findings), default=0)]


def as_text(card: ModelCard, frames: Sequence[int], findings: Sequence[Finding], verdict: str) -> str:
    """The verdict first, then why, the worst first, then the limits that the card states."""
    ordered = sorted(findings, key=lambda finding: -VERDICTS.index(finding.verdict))
    name = f"{card.title} {card.version}".strip()
    lines = [f"{verdict}: {name} on frame{'s'[: len(frames) > 1]} {format_frames(frames)}"]
    lines += [f"  {finding.verdict:<6} {finding.topic:<10} {finding.text}" for finding in ordered]
    if card.limits:
        lines += ["The card says:", *(f"  - {limit}" for limit in card.limits)]
    return "\n".join(lines)


def _size(card: ModelCard, measured: Sequence[PlateFacts]) -> List[Finding]:
    width, height = min(facts.width for facts in measured), min(facts.height for facts in measured)
    least = card.geometry.minimum
    if min(width, height) < least:
        text = f"{width}x{height} is below the {least} pixels that the model needs; it pads the plate by reflection."
        return [Finding("risky", "size", text)]
    reach = card.geometry.halo
    if reach and min(width, height) <= reach:
        return [Finding("risky", "size", f"{width}x{height} is smaller than what the model looks at ({reach} pixels).")]
    return [Finding("works", "size", f"{width}x{height}, to be {width * card.scale}x{height * card.scale}.")]


def _motion(card: ModelCard, frames_on_disk: int) -> List[Finding]:
    offsets = card.frame_offsets
    needed = max(offsets) - min(offsets) + 1 if offsets else 1
    if frames_on_disk < needed:
        text = f"the model looks at {needed} frames in a row; found: {frames_on_disk}. Use --missing hold or black."
        return [Finding("risky", "motion", text)]
    return []


def _range(card: ModelCard, measured: Sequence[PlateFacts]) -> List[Finding]:
    from bipack.imaging import shot

    low, high = next(port for port in card.inputs if port.role == "plate").range
    far = max(measured, key=lambda facts: shot.outside(facts, low, high))
    peak = max(facts.peak for facts in measured)
    if not card.verified:
        return [Finding("works", "range", f"values up to {peak:.3g}.")]
    if shot.outside(far, low, high) <= RANGE_SLACK:
        return [Finding("works", "range", f"values up to {peak:.3g}; the model was trained up to {_linear(high):.3g}.")]
    reached = [_linear(value) for value in (far.low, far.high)]
    return [
        Finding(
            "risky",
            "range",
            f"values from {reached[0]:.3g} to {reached[1]:.3g} (peak {peak:.3g}); the model was trained on "
            f"{_linear(low):.3g} to {_linear(high):.3g}. Nothing is clamped; look at highlights and blacks.",
        )
    ]


def _linear(encoded: float) -> float:
    import numpy as np

    from bipack.imaging import color

    return float(color.decode(np.array([encoded], np.float32))[0])


def _non_finite(measured: Sequence[PlateFacts]) -> List[Finding]:
    share = max(facts.non_finite for facts in measured)
    if share == 0:
        return []
    if share == 1:
        return [Finding("no", "NaN/Inf", "a frame has no finite value at all; the render that made it is broken.")]
    verdict = "risky" if share > 1e-3 else "works"
    percent = f"{share:.2%}" if share >= 1e-4 else "under 0.01%"
    text = f"{percent} of the samples are NaN or infinite; they are kept as they are, and filled in for the model."
    return [Finding(verdict, "NaN/Inf", text)]


def _noise(card: ModelCard, measured: Sequence[PlateFacts]) -> List[Finding]:
    noise = max(facts.noise for facts in measured)
    steps = f"{noise * 255:.1f} steps of 255"
    if noise <= NOISY:
        return [Finding("works", "noise", f"about {steps}.")]
    if card.scale > 1:
        text = f"about {steps}: grain is enlarged with the picture. Degrain first and regrain after, or test a frame."
        return [Finding("risky", "noise", text)]
    return [Finding("works", "noise", f"about {steps}; the card does not say which noise it was trained on.")]


def _softness(card: ModelCard, measured: Sequence[PlateFacts]) -> List[Finding]:
    sharp = [facts.detail for facts in measured if facts.measurable]
    if card.scale == 1 or not sharp:
        return []
    if max(sharp) < SOFT:
        text = "the plate is soft at its own size: it was enlarged before or is out of focus. Start from the original."
        return [Finding("risky", "detail", text)]
    return [Finding("works", "detail", "sharp at its own size.")]


def _source(measured: Sequence[PlateFacts]) -> List[Finding]:
    found = []
    if any(facts.eight_bit for facts in measured):
        text = "all values lie on 8-bit steps: this was an 8-bit picture. Banding and compression come along."
        found.append(Finding("risky", "source", text))
    if all(facts.grey for facts in measured):
        found.append(Finding("works", "color", "black and white; the result may take on a little color."))
    return found


def _provenance(card: ModelCard) -> List[Finding]:
    found = []
    if not card.verified:
        found.append(Finding("risky", "card", "the model has no card: nothing is known of what it was trained on."))
    if any(port.role == "matte" and not port.optional for port in card.inputs):
        found.append(Finding("works", "matte", "the model needs a matte: --matte PATTERN."))
    if card.likeness is not None:
        scope = f"{card.likeness.performer}, {card.likeness.show}"
        until = f", until {card.likeness.expiry}" if card.likeness.expiry else ""
        found.append(Finding("risky", "likeness", f"made for {scope}{until}; check that this shot is within it."))
    return found
