"""The shipped marker-removal model: trained on drawn markers, scored on looks and plates that it never saw.

The same loop, network and publishing as for an artist's pairs; only what it learns from is drawn, and what it finds is
filled by an inpaint model where the recipe names one.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bipack.card import ModelCard, Score
from bipack.errors import UsageError
from bipack.imaging import color
from bipack.imaging.plate import take
from bipack_train import init_weights, markers, paintfix_loop, paintfix_run, provenance, publish_pairs, verify
from bipack_train.grain import Grain
from bipack_train.marker_drawing import Marked
from bipack_train.markers import MarkerPool, Synthetic
from bipack_train.models.inpaint import InpaintNet
from bipack_train.models.marker import MarkerNet
from bipack_train.models.paintfix import SIZES, PaintFix, PaintFixNet, PaintFixUNet
from bipack_train.paintfix import PairsRecipe
from bipack_train.pairs import Pair, PairFiles

log = logging.getLogger(__name__)

LEFT = 0.25
"""Part of a marker's energy that may be left where it counts as found: half of its contrast."""

WATCHED = 8
"""Held-out frames that are watched while training runs."""


def material(settings: PairsRecipe, data: str) -> paintfix_loop.Material:
    """Everything that a run on drawn markers learns from and is watched on. Raises MissingInput, UsageError."""
    synthetic = _synthetic(settings)
    plates = markers.read_plates(synthetic, data)
    log.info("%d clean plates", len(plates))
    pool = MarkerPool(plates, settings.sampling.side, settings.sampling.batch, settings.seed)
    return paintfix_loop.Material(pool, None, watched_pairs(settings, data)[:WATCHED], f":{len(plates)} plates")


def watched_pairs(settings: PairsRecipe, data: str) -> list[Pair]:
    """The held-out frames in the form of an artist's pairs."""
    frames = markers.held_out_frames(_synthetic(settings), data)
    return [_as_pair(index, marked) for index, marked in enumerate(frames) if marked.matte.any()]


def _synthetic(settings: PairsRecipe) -> Synthetic:
    if settings.synthetic is None:
        raise UsageError(f"Recipe {settings.name} has no [synthetic] table: it learns from pairs.")
    if settings.synthetic.mender and settings.size not in SIZES:
        raise UsageError(
            f"Recipe {settings.name} fills with {settings.synthetic.mender} what a network of size {settings.size} "
            f"finds; that takes one of size {', '.join(SIZES)}."
        )
    return settings.synthetic


def _as_pair(index: int, marked: Marked) -> Pair:
    matte = np.rint(marked.matte * 255).astype(np.uint8)
    before, after = marked.before.astype(np.float16), marked.after.astype(np.float16)
    return Pair(PairFiles(index + 1, "drawn", "drawn"), before, after, matte, 0.0, False, 0, f"drawn {index}")


def finished(run: paintfix_run.Run, start: dict[str, Tensor] | None = None) -> tuple[PaintFixNet, str]:
    """The network that is published, and which inpaint model is part of it; `start` is what the run began from.

    Raises UsageError where the recipe keeps a share of a start that is not given, and as `init_weights.for_net`.
    """
    net, _ = publish_pairs.modules(run, None)
    synthetic = _synthetic(run.settings)
    if synthetic.kept:
        net.load_state_dict(_between(net.state_dict(), start, synthetic.kept))
    if not synthetic.mender:
        return net, ""
    assert isinstance(net, PaintFixUNet)  # by its size
    mender = InpaintNet()
    weights, label = init_weights.for_net(synthetic.mender, mender)
    mender.load_state_dict(weights)
    how = (synthetic.surer, synthetic.sure, synthetic.tighter, synthetic.looks)
    return MarkerNet(net, mender, *how).eval(), label


def _between(learned: dict[str, Tensor], start: dict[str, Tensor] | None, kept: float) -> dict[str, Tensor]:
    """A point between two states of one network: better on new material than either (Wortsman et al., 2022)."""
    if start is None:
        raise UsageError(f"The recipe keeps {kept:g} of the weights that the run began from. Name those with --init.")
    return {name: torch.lerp(value, start[name].to(value), kept) for name, value in learned.items()}


def publish(
    run: paintfix_run.Run,
    made: tuple[PaintFixNet, str],
    data: str,
    folder: str,
    grain: Grain | None,
    pairs: Sequence[Pair],
    recipe_path: str,
) -> ModelCard:
    """Export, verify, score and publish what `finished` made. Raises as `verify.publish`."""
    settings = run.settings
    net, mender = made
    module = PaintFix(net, grain).eval()
    draft = publish_pairs.draft_card(run, pairs, grain is not None, None)
    training = provenance.training(
        settings.sources,
        provenance.in_repository(recipe_path),
        seed=settings.seed,
        steps=run.progress.step,
        seconds=run.progress.seconds,
        base_model=", ".join(name for name in (run.base_model, mender) if name),
    )
    plate = dataclasses.replace(draft.inputs[0], range=(0.0, 3.5))
    draft = dataclasses.replace(
        draft,
        kind="image",
        training=training,
        inputs=(plate, *draft.inputs[1:]),
        author=provenance.AUTHOR,
        licence=provenance.LICENCE,
        limits=settings.limits,
    )

    def measure(model: str) -> Sequence[Score]:
        publish_pairs.prove_repairs(net, pairs, model)
        return score(model, settings, data)

    return verify.publish(module, draft, folder, publish_pairs.proof_frame(pairs[0]), readme, measure=measure)


def readme(card: ModelCard) -> str:
    """The page beside the model, for artists."""
    training = card.training
    rows = [
        f"| {score.metric} | {score.value:g} | {'' if score.baseline_value is None else f'{score.baseline_value:g}'} |"
        for score in card.scores
    ]
    lines = [f"# {card.title}", "", card.purpose, "", "## What it cannot do", ""]
    lines += [f"- {limit}" for limit in card.limits]
    lines += ["", "## Scores", "", "| | Model | OpenCV, given the true mask |", "|---|---|---|", *rows, ""]
    lines += [f"Measured on {card.scores[0].set}. Found is a mark that lost three quarters of its energy.", ""] * bool(
        rows
    )
    lines += [
        "## What it is",
        "",
        "A U-Net that finds markers, and an inpaint network that fills what was found from the picture around it. "
        "Where nothing was found the plate passes through bit for bit.",
        "",
        f"Made from {training.base_model}; trained for {training.steps} steps ({training.minutes:.0f} minutes, "
        f"{training.machine}) by the recipe `{training.recipe}`. It learned from markers drawn over:",
        "",
        *(
            f"- {source.name} ({source.licence}{', ' + source.credit if source.credit else ''})"
            for source in training.data
        ),
        "",
        f"Licence of the weights: {card.licence}.",
        "",
    ]
    return "\n".join(lines)


# Scores ---------------------------------------------------------------------------------------------------------------


def score(folder: str, settings: PairsRecipe, data: str) -> tuple[Score, ...]:
    """Recall, hole PSNR and false repairs on the held-out frames, run by the worker."""
    frames = markers.held_out_frames(_synthetic(settings), data)
    found = total = false = clean = known = 0
    error, plain, pixels = 0.0, 0.0, 0
    for index, marked in enumerate(frames):
        result = _rendered(folder, marked, index)
        hits, count = recall(marked, result)
        found, total = found + hits, total + count
        inpainted = _inpainted(marked)
        known += recall(marked, inpainted)[0]
        far = _far_from(marked.matte)
        false += int((np.abs(result - marked.before).max(axis=-1) > 1e-6)[far].sum())
        clean += int(far.sum())
        inside = marked.visible
        error += float(np.square(result - marked.after)[inside].sum())
        plain += float(np.square(inpainted - marked.after)[inside].sum())
        pixels += 3 * int(inside.sum())
    name = f"{len(frames)} held-out frames with marker looks and plates that training never saw"
    opencv = "OpenCV inpainting (better of Telea and Navier-Stokes), given the true mask"
    return (
        Score("marker recall", name, round(found / max(total, 1), 4), opencv, round(known / max(total, 1), 4)),
        Score("hole PSNR in dB, encoded values", name, _psnr(error, pixels), opencv, _psnr(plain, pixels)),
        Score("clean pixels changed, in percent", name, round(100.0 * false / max(clean, 1), 4)),
    )


def recall(marked: Marked, result: NDArray[np.float32]) -> tuple[int, int]:
    """(markers found, markers there): found is what has lost three quarters of its energy, as in bench/paintfix.py."""
    count, labels = cv2.connectedComponents(marked.visible.astype(np.uint8))
    before, after = (np.square(side - marked.after).mean(axis=-1) for side in (marked.before, result))
    found = total = 0
    for label in range(1, count):
        here = labels == label
        if int(here.sum()) < 6:
            continue
        total += 1
        found += float(after[here].mean()) < LEFT * float(before[here].mean())
    return found, total


def _psnr(error: float, pixels: int) -> float:
    return round(-10.0 * float(np.log10(max(error / max(pixels, 1), 1e-12))), 2)


def _far_from(matte: NDArray[np.float32]) -> NDArray[np.bool_]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
    return np.asarray(cv2.dilate((matte > 0).astype(np.uint8), disc) == 0)


def _rendered(folder: str, marked: Marked, index: int) -> NDArray[np.float32]:
    """The worker's result on a held-out frame, encoded."""
    frame = verify.picture_frame(color.decode(marked.before))
    answer = verify._render(folder, {verify.PROOF_IN: frame}, f"held_out_{index}", "auto")
    return color.encode(take(answer).pixels)


def _inpainted(marked: Marked) -> NDArray[np.float32]:
    """The better of OpenCV's two inpaintings of the visible marks, encoded values cut to 0..1."""
    codes = np.rint(np.clip(marked.before, 0, 1) * 255).astype(np.uint8)
    mask = cv2.dilate(marked.visible.astype(np.uint8), np.ones((3, 3), np.uint8))
    results = [
        np.asarray(cv2.inpaint(codes, mask, 3, method) / 255, np.float32)
        for method in (cv2.INPAINT_TELEA, cv2.INPAINT_NS)
    ]
    best = min(results, key=lambda one: float(np.square(one - marked.after)[marked.visible].sum()))
    return np.where(mask[..., None] > 0, best, marked.before).astype(np.float32)
