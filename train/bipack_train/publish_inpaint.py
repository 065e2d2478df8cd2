"""From a finished inpaint run to a model folder: draft of the card, proof frame, held-out scores, README."""

from __future__ import annotations

import os

import numpy as np
import torch

from bipack import catalog
from bipack.card import Geometry, ModelCard, Port, Score
from bipack.errors import ModelRefused
from bipack.imaging import color
from bipack.imaging.frame import Frame
from bipack.inpaint_knobs import INPAINT
from bipack.worker.session import open_session
from bipack_train import checkpoint, inpaint, inpaint_scores, pictures, provenance, verify
from bipack_train.inpaint_recipe import InpaintRecipe
from bipack_train.models.inpaint import Inpaint

_PROOF_WIDTH, _PROOF_HEIGHT = 96, 64
BASELINE = "the better of OpenCV's Telea and Navier-Stokes on each"


def publish(settings: InpaintRecipe, recipe_path: str, data: str, out: str) -> ModelCard:
    """Export, verify and score the last checkpoint in `out`; the model folder is <out>/<name>.

    Raises MissingInput where there is no checkpoint, ModelRefused where verification fails, DiskError.
    """
    path = os.path.join(out, inpaint.CHECKPOINT)
    module = Inpaint(inpaint.averaged_from(path, settings)).eval()

    def measure(folder: str) -> list[Score]:
        prove_guided(module, folder)
        return scores_of(folder, data, settings)

    with open(os.path.join(out, inpaint.LOG), "rb") as stream:
        training_log = stream.read()
    plate, matte = proof_frames(settings.seed)
    return verify.publish(
        module,
        draft_card(settings, recipe_path, checkpoint.load(path)),
        os.path.join(out, settings.name),
        plate,
        lambda card: readme(card, settings),
        proof_matte=matte,
        measure=measure,
        extra_files={inpaint.LOG: training_log},
    )


def prove_guided(module: Inpaint, folder: str) -> None:
    """Hold the graph in `folder` against PyTorch where the hole is a start, as every pass but the first has it.

    Raises ModelRefused where they differ.
    """
    rng = np.random.default_rng(4)
    plate = rng.random((1, 3, 96, 64)).astype(np.float32)
    matte = (rng.random((1, 1, 96, 64)) < 0.3).astype(np.float32)
    given = {"plate": plate, "matte": matte, "guided": np.ones(1, np.float32)}
    with torch.no_grad():
        expected = module(*(torch.from_numpy(value) for value in given.values())).numpy()
    with open_session(catalog.locate(folder), "cpu") as session:
        worst = float(np.abs(session.run(given)["result"] - expected).max())
    if not worst <= verify.WORKER_LIMIT:
        raise ModelRefused(
            f"With a start the graph differs from PyTorch by {worst:.3g} (limit {verify.WORKER_LIMIT:g}). Nothing was "
            "published."
        )


def scores_of(folder: str, data: str, settings: InpaintRecipe) -> list[Score]:
    """The card's scores, by kind of hole."""
    rows = [
        inpaint_scores.score(folder, case) for case in inpaint_scores.cases(data, settings.data.held_out, settings.seed)
    ]
    found = []
    for kind, words in (("free-form", "free-form holes over 10 to 30 %"), ("square", "a square hole of 96 pixels")):
        chosen = [row for row in rows if row.kind == kind]
        if chosen:
            model, other, _ = inpaint_scores.means(chosen)
            name = f"{len(chosen)} photographs held out by the recipe, {words}"
            found.append(Score("PSNR in the hole", name, round(model, 2), BASELINE, round(other, 2)))
    return found


def draft_card(settings: InpaintRecipe, recipe_path: str, state: checkpoint.Checkpoint) -> ModelCard:
    """The card as far as the recipe and the run know it; `verify.publish` fills in the rest."""
    training = provenance.training(
        settings.sources,
        provenance.in_repository(recipe_path),
        seed=settings.seed,
        steps=state.step,
        seconds=float(state.extra["seconds"]),
        base_model=str(state.extra.get("base", "")),
    )
    covered = (0.0, round(float(color.encode(np.array([65504.0], np.float32))[0]), 2))
    return ModelCard(
        name=settings.name,
        title=settings.title,
        version=settings.version,
        purpose=settings.purpose,
        file="",
        sha256="",
        kind="inpaint",
        inputs=(Port("plate", 3, range=covered), Port("matte", 1, "matte"), Port("guided", 1, "amount")),
        outputs=(Port("result", 3, range=covered),),
        gizmo="BipackInpaint",
        geometry=Geometry(tile=512),
        knobs=INPAINT,
        training=training,
        limits=settings.limits,
        author=provenance.AUTHOR,
        licence=provenance.LICENCE,
    )


def proof_frames(seed: int) -> tuple[Frame, Frame]:
    """A drawn plate with a lamp in it, half EXR, and a matte with a stroke and a block."""
    encoded = pictures.draw(seed, 0, _PROOF_WIDTH).pixels[:_PROOF_HEIGHT].copy()
    encoded[4:10, 80:90] = color.encode(np.array([40.0], np.float32))
    matte = np.zeros((_PROOF_HEIGHT, _PROOF_WIDTH, 1), np.float32)
    matte[20:44, 30:54] = 1.0
    rows, columns = np.mgrid[0:_PROOF_HEIGHT, 0:_PROOF_WIDTH]
    matte[np.abs(rows - 0.6 * columns) < 2.5] = 1.0
    attributes = {"comments": "Proof plate of Bipack, drawn by seed"}
    return verify.picture_frame(color.decode(encoded), attributes, half=True), verify.picture_frame(matte)


def readme(card: ModelCard, settings: InpaintRecipe) -> str:
    """The page beside the model, for artists."""
    base = card.training.base_model
    lines = [f"# {card.title}", "", card.purpose, "", "## What it cannot do", ""]
    lines += [f"- {limit}" for limit in card.limits]
    lines += ["", "## Scores", "", "| Metric | Pictures | Model | OpenCV |", "|---|---|---|---|"]
    lines += [
        f"| {score.metric} | {score.set} | {score.value:.2f} dB | {score.baseline_value or 0:.2f} dB |"
        for score in card.scores
    ]
    lines += [
        "",
        f"OpenCV: {BASELINE}. Measured through the worker with nothing to borrow from; `bench/inpaint.py` prints the "
        "whole table.",
        "",
        "## What it is",
        "",
        "A smooth fill of the hole, made inside the graph, and a U-Net of five levels with dilated convolutions that "
        f"adds what is missing; a result pixel sees {card.geometry.halo} pixels to each side. Holes wider than "
        f"{settings.schedule.widest:.0f} pixels are solved at a smaller size first, enlarged, and solved again with "
        "that as the start (input `guided` = 1).",
        "",
        "`bipack run inpaint` and the gizmo BipackInpaint borrow from other frames before they ask this network: "
        "docs/inpaint.md.",
        "",
        "Each pass is the mean of four mirror images, and most of the step left at the border of the hole is taken "
        "out of it smoothly.",
        "",
        *([f"It started from {base[: base.find('@') + 13]}."] if base else []),
        f"Trained for {card.training.steps} steps ({card.training.minutes:.0f} minutes, {card.training.machine}); "
        f"`{inpaint.LOG}` is the log. It learned from:",
        "",
        *(
            f"- {source.name} ({source.licence}{', ' + source.credit if source.credit else ''})"
            for source in card.training.data
        ),
        "",
        "To make it again, as the recipe says:",
        "",
        f"    bipack-train inpaint {card.training.recipe}{' --init <first stage>' if base else ''} --data <folder>",
        "",
        f"Licence of the weights: {card.licence}.",
        "",
    ]
    return "\n".join(lines)
