"""Checking a model before it is trusted: card, hash, graph, tiling, range and parity, one finding each.

It is what `bipack models check` prints. Nothing stops at the first fault: a maker wants to see them all.
"""

from __future__ import annotations

import os

import numpy as np

from bipack import card as cards
from bipack.card import ModelCard, Painted
from bipack.catalog import Located
from bipack.errors import BipackError
from bipack.imaging import color, image_io
from bipack.imaging.frame import Box, Frame, Part
from bipack.worker import bare_card, devices, model_file, proof, slowmo_check
from bipack.worker.checks import NOTE, OK, TRIALS, WRONG, Check
from bipack.worker.graph import GraphFacts, analyse
from bipack.worker.model_step import ModelStep

PROVIDER_DEVICES = {"CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "cuda:0"}
DEFAULT_TOLERANCE = 1e-3
"""For a card that states none for a provider."""

TRIAL_SIZE = (67, 51)
"""Odd on purpose; (width, height)."""


def check(located: Located) -> list[Check]:
    """All findings about a model."""
    found = _card(located)
    facts, file_checks = _file(located)
    found += file_checks
    if facts is None:
        return found
    if located.card is not None and located.card.kind == "parser":
        return found + _parser(located)
    if located.card is not None and located.card.kind == "interpolate":
        return found + slowmo_check.check(located)
    try:
        step = ModelStep(located, "cpu")
    except BipackError as error:
        return [*found, Check(WRONG, "opens", str(error))]
    try:
        found.append(Check(OK, "opens", "with its card, on the CPU."))
        found += _tiling(step.card, facts)
        found += _range(step)
    finally:
        step.close()
    return found + _parity(located)


def _parser(located: Located) -> list[Check]:
    """A face parser makes no picture: it must open, and its shares must be shares whatever the plate holds."""
    from bipack.worker.faces.parser import Parser

    try:
        with Parser(located.folder, "cpu") as parser:
            found = [Check(OK, "opens", "with its card, on the CPU.")]
            for what, (low, high) in TRIALS.items():
                plate = np.random.default_rng(1).uniform(low, high, (TRIAL_SIZE[1], TRIAL_SIZE[0], 3))
                parsed = parser.parse(color.encode(plate.astype(np.float32)))
                off = float(np.abs(parsed.regions.sum(axis=2) - 1).max())
                sound = off < 1e-3 and bool(np.isfinite(parsed.points).all() and np.isfinite(parsed.width).all())
                text = f"{what}: regions add up to 1 within {off:.1g}."
                found.append(Check(OK if sound else WRONG, "range", text))
    except BipackError as error:
        return [Check(WRONG, "opens", str(error))]
    return found


def passes(checks: list[Check]) -> bool:
    """True where nothing is wrong."""
    return all(entry.outcome != WRONG for entry in checks)


def _card(located: Located) -> list[Check]:
    card = located.card
    if card is None:
        return [Check(NOTE, "card", "none: the model runs as unverified.")]
    missing = [
        name
        for name, value in (
            ("licence", card.licence),
            ("author", card.author),
            ("training.data", card.training.data),
            ("scores", card.scores),
            ("limits", card.limits),
            ("tolerance", card.tolerance),
        )
        if not value
    ]
    if missing:
        return [Check(NOTE, "card", f"says nothing of {', '.join(missing)}.")]
    return [Check(OK, "card", f"{card.title} {card.version}, {card.licence}.")]


def _file(located: Located) -> tuple[GraphFacts | None, list[Check]]:
    """Hash and graph of the model and of its half-precision twin; facts of the model itself."""
    card = located.card
    found = []
    if card is not None and card.fp16_file:
        found += _twin(located, card)
    if card is not None and card.painted is not None:
        found += _painted(located, card.painted)
    try:
        file = model_file.read(located.path, located.name, card.sha256 if card is not None else "")
        facts = analyse(file.proto)
    except BipackError as error:
        return None, [Check(WRONG, "file", str(error)), *found]
    text = f"{file.sha256[:16]}…, {len(file.data) / 1e6:.1f} MB, opset {facts.opset}"
    how = "as its card says" if card is not None else "with no card to hold it against"
    return facts, [Check(OK, "file", f"{text}, {how}."), *found]


def _twin(located: Located, card: ModelCard) -> list[Check]:
    path = os.path.join(located.folder, card.fp16_file)
    try:
        model_file.read(path, f"{located.name} (half precision)", card.fp16_sha256)
    except BipackError as error:
        return [Check(WRONG, "fp16 file", str(error))]
    return [Check(OK, "fp16 file", "as its card says.")]


def _painted(located: Located, painted: Painted) -> list[Check]:
    wrong = []
    for file in painted.files:
        path = os.path.join(located.folder, file.file)
        try:
            if cards.file_sha256(path) != file.sha256:
                wrong.append(Check(WRONG, "painted frame", f"{path} is not the file of the card."))
        except BipackError as error:
            wrong.append(Check(WRONG, "painted frame", str(error)))
    return wrong or [Check(OK, "painted frames", f"{len(painted.files)}, as the card says.")]


def _tiling(card: ModelCard, facts: GraphFacts) -> list[Check]:
    """What the card promises of tiles against what the graph shows."""
    derived = bare_card.geometry_of(facts)
    stated = card.geometry
    order = cards.TILING
    if order.index(stated.tiling) < order.index(derived.tiling):
        reason = facts.reasons[0] if facts.reasons else "the graph"
        text = f"the card says {stated.tiling}, the graph allows {derived.tiling} only ({reason})."
        return [Check(WRONG, "tiling", text)]
    for entry in ("multiple", "minimum", "halo"):
        said, needed = getattr(stated, entry), getattr(derived, entry)
        if said != needed:
            text = f"the card says {entry} {said}, the graph {needed}. The worker goes by the graph; mend the card."
            return [Check(WRONG, "tiling", text)]
    if derived.tiling == "exact":
        return [Check(OK, "tiling", f"exact, {derived.halo} pixels of overlap, sizes in steps of {derived.multiple}.")]
    reason = facts.reasons[0] if facts.reasons else "its card asks for it"
    return [Check(NOTE, "tiling", f"{derived.tiling}, because {reason}.")]


def _range(step: ModelStep) -> list[Check]:
    """Whether finite plates stay finite, bright and negative ones too."""
    width, height = TRIAL_SIZE
    least = max(1, step.card.geometry.minimum)
    width, height = max(width, least), max(height, least)
    for name, (low, high) in TRIALS.items():
        frames = {
            offset: _noise_plate(width, height, low, high, offset, step.card) for offset in {0, *step.frame_offsets}
        }
        try:
            result = proof.process(step, frames)
        except BipackError as error:
            return [Check(WRONG, "range", f"{name}: {error}")]
        picture = result.parts[0].channels.values()
        bad = sum(int((~np.isfinite(channel)).sum()) for channel in picture)
        if bad:
            return [Check(WRONG, "range", f"{name}: the model makes {bad} NaN or infinite samples out of finite ones.")]
    return [Check(OK, "range", f"finite for {', '.join(TRIALS)}, at {width}x{height}.")]


def _noise_plate(width: int, height: int, low: float, high: float, offset: int, card: ModelCard) -> Frame:
    """A plate of every value between `low` and `high`: (height, width) float32 channels."""
    port = next(port for port in card.inputs if port.role == "plate")
    values = np.random.default_rng(offset + 1000).random((port.channels, height, width), np.float32)
    names = "RGBA" if port.channels <= 4 else [f"layer.{index}" for index in range(port.channels)]
    names = "Y" if port.channels == 1 else names
    channels = {name: plane * np.float32(high - low) + np.float32(low) for name, plane in zip(names, values)}
    box = Box.of_size(width, height)
    return Frame([Part(channels, box, box)])


def _parity(located: Located) -> list[Check]:
    """The proof frames replayed on every device of this machine."""
    if located.card is None:
        return []
    if not proof.has_proof(located.folder):
        return [Check(NOTE, "parity", f"no {proof.input_name()} and {proof.RESULT} beside the model.")]
    found = []
    for provider, device in PROVIDER_DEVICES.items():
        if device != "cpu" and not devices.gpus():
            continue
        try:
            found.append(_replayed(located, located.card, provider, device))
        except BipackError as error:
            found.append(Check(WRONG, "parity", f"{provider}: {error}"))
    return found


def _replayed(located: Located, card: ModelCard, provider: str, device: str) -> Check:
    expected = image_io.read_frame(os.path.join(located.folder, proof.RESULT))
    allowed = card.tolerance.get(provider, DEFAULT_TOLERANCE) + proof.rounding_of(expected)
    step = ModelStep(located, device)
    try:
        difference = proof.largest_difference(step, proof.replay(step, located.folder), expected)
    finally:
        step.close()
    outcome = OK if difference <= allowed else WRONG
    return Check(outcome, "parity", f"{provider}: {difference:.2g} from the proof frame, {allowed:.2g} allowed.")
