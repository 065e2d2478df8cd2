"""From a finished super-res run to a model folder: draft of the card, proof frame, held-out scores, README."""

from __future__ import annotations

import os

import numpy as np

from bipack.card import Geometry, Knob, ModelCard, Port, Score
from bipack.imaging import color
from bipack.imaging.frame import Frame
from bipack_train import (
    checkpoint,
    footage_scores,
    pictures,
    provenance,
    scores,
    slowmo_clips,
    superres,
    verify,
    wear_clips,
)
from bipack_train.superres_recipe import SuperresRecipe

_PROOF_WIDTH, _PROOF_HEIGHT = 96, 64
_FLICKER_PHOTOS = 6
_MOVING = "H.264 crf 30"
"""Kind of file of the clips that a camera makes by moving over a photograph."""

_NEIGHBOURS = (
    "The neighbour frames are moved onto the current one along their motion, on the whole plate, before tiles are cut; "
    "where one does not show the same (a cut, something uncovered, the ends of the shot) the current frame stands in. "
    "Three small convolutions weigh the frames at each pixel; the row works on their mean and adds to it. "
)
_DETAIL = (
    "Detail is made by further convolutions at the result's own size, which see the result, the last features and the "
    "noise, all averaged over a block so that no pattern of blocks is drawn; the amount says how much of it is added. "
)
_EQUIVARIANT = "A mirrored or turned plate has the mirrored or turned result: the weights are tied that way. "
_NOISE_PORTS = (Port("noise", 1, role="noise"), Port("amount", 1, role="amount"))
_NOISE_KNOBS = (
    Knob(
        "detail",
        "float",
        0.5,
        "Added detail",
        0.0,
        1.0,
        tooltip="How much detail is made up. 0 is the faithful result. Every seed makes up another.",
        input="amount",
    ),
)


def publish(settings: SuperresRecipe, recipe_path: str, data: str, out: str) -> ModelCard:
    """Export, verify and score the last checkpoint in `out`; the model folder is <out>/<name>.

    Raises MissingInput where there is no checkpoint, ModelRefused where verification fails, DiskError.
    """
    path = os.path.join(out, superres.CHECKPOINT)
    net = superres.averaged_from(path, settings).fused()

    def measure(folder: str) -> list[Score]:
        return _scores(folder, data, settings)

    with open(os.path.join(out, superres.LOG), "rb") as stream:
        training_log = stream.read()
    return verify.publish(
        net,
        draft_card(settings, recipe_path, checkpoint.load(path)),
        os.path.join(out, settings.name),
        proof_frame(settings.seed),
        lambda card: readme(card, settings),
        measure=measure,
        extra_files={superres.LOG: training_log},
    )


def _scores(folder: str, data: str, settings: SuperresRecipe) -> list[Score]:
    """Mean PSNR-Y on the held-out photographs; of a model for worn pictures, one for each kind of file.

    Where the recipe names footage it is scored on that instead: photographs do not move as films do.
    """
    if settings.data.footage:
        return _footage(folder, data, settings)
    kinds = scores.FILES if settings.wear.crops else (scores.CLEAN,)
    if settings.network.noise:
        kinds = tuple(kind for kind in kinds if kind != _detail_kind(settings))  # that one by amount
    if settings.scale == 1:
        kinds = tuple(kind for kind in kinds if kind != scores.CLEAN)  # there the plate itself is the truth
    what = "photographs"
    if any(name.endswith(slowmo_clips.FILM_SUFFIXES) for name in settings.data.held_out):
        what += " and clips"
    found = []
    for kind in kinds:
        table = scores.score_photos(folder, data, settings.data.held_out, settings.scale, kind=kind)
        if table:
            value, plain = scores.mean(table)
            label = f"{len(table)} {what} held out by the recipe" + (f", {kind}" if kind != scores.CLEAN else "")
            baseline = "bicubic" if settings.scale > 1 else "the plate"
            found.append(Score("PSNR-Y", label, round(value, 2), baseline, round(plain, 2)))
    found += _detail(folder, data, settings, what) if settings.network.noise else []
    return found + (_flicker(folder, data, settings) if settings.wear.crops else [])


def _detail_kind(settings: SuperresRecipe) -> str:
    """The kind of file that added detail is measured on."""
    return "H.264 crf 28" if settings.wear.crops else scores.CLEAN


def _detail(folder: str, data: str, settings: SuperresRecipe, what: str) -> list[Score]:
    """What added detail costs and gives: at the knob's default, and beside it the faithful result."""
    names = [name for name in settings.data.held_out if not name.endswith(".exr")]
    kind = _detail_kind(settings)
    found = []
    for amount in (0.0, _NOISE_KNOBS[0].default, 1.0):
        knobs = {_NOISE_KNOBS[0].name: float(amount)}
        rows = [scores.score_detail(folder, os.path.join(data, name), settings.scale, kind, knobs) for name in names]
        label = f"{len(rows)} {what} held out by the recipe, {kind}, detail {amount:g}"
        for metric, figure in (("PSNR-Y", "psnr"), ("texture", "texture"), ("consistency", "consistency")):
            value, plain = np.mean([getattr(row, figure) for row in rows], axis=0)
            found.append(Score(metric, label, round(float(value), 2), "bicubic", round(float(plain), 2)))
    return found


def _flicker(folder: str, data: str, settings: SuperresRecipe) -> list[Score]:
    """How steady moving clips of the first held-out photographs are, against the plate enlarged by interpolation."""
    moving = (".exr", *slowmo_clips.FILM_SUFFIXES)
    photos = [name for name in settings.data.held_out if not name.endswith(moving)][:_FLICKER_PHOTOS]
    rows = [scores.flicker(folder, os.path.join(data, name), settings.scale, _MOVING) for name in photos]
    if not rows:
        return []
    value, plain = (round(float(np.mean(column)), 2) for column in zip(*rows, strict=True))
    baseline = "bicubic" if settings.scale > 1 else "the plate"
    return [Score("flicker", f"{len(rows)} moving clips, {_MOVING}, RMS in 1/255", value, baseline, plain)]


def _footage(folder: str, data: str, settings: SuperresRecipe) -> list[Score]:
    """Every frame of the held-out film clips, against interpolation and against the model of one frame."""
    models = [folder, settings.single] if settings.single else [folder]
    baselines = ["bicubic" if settings.scale > 1 else "the plate", settings.single]
    found = []
    for kind in footage_scores.KINDS:
        paths = [os.path.join(data, name) for name in settings.data.footage]
        psnr, flicker = footage_scores.means(
            [footage_scores.score_clip(models, path, settings.scale, kind) for path in paths]
        )
        label = f"every frame of {len(paths)} film clips, {kind}"
        for metric, what, (plain, own, *single) in (
            ("PSNR-Y", label, psnr),
            ("flicker", f"{label}, RMS change of the error in 1/255", flicker),
        ):
            for baseline, value in zip(baselines, (plain, *single), strict=False):
                found.append(Score(metric, what, round(own, 2), baseline, round(value, 2)))
    return found


def draft_card(settings: SuperresRecipe, recipe_path: str, state: checkpoint.Checkpoint) -> ModelCard:
    """The card as far as the recipe and the run know it; `verify.publish` fills in the rest."""
    training = provenance.training(
        settings.sources,
        provenance.in_repository(recipe_path),
        seed=settings.seed,
        steps=state.step,
        seconds=float(state.extra["seconds"]),
        base_model=str(state.extra.get("base_model", "")),
    )
    # Training covered the encoding of 0 to about 65000.
    covered = (0.0, round(float(color.encode(np.array([65504.0], np.float32))[0]), 2))
    return ModelCard(
        name=settings.name,
        title=settings.title,
        version=settings.version,
        purpose=settings.purpose,
        file="",
        sha256="",
        kind="image",
        inputs=(
            Port(
                "plate",
                3,
                frame_offsets=wear_clips.offsets(settings.network.frames),
                aligned=settings.network.frames > 1,
                range=covered,
            ),
            *(_NOISE_PORTS if settings.network.noise else ()),
        ),
        outputs=(Port("result", 3, range=covered),),
        gizmo="BipackSuperRes",
        knobs=_NOISE_KNOBS if settings.network.noise else (),
        scale=settings.scale,
        geometry=Geometry(tile=512),
        training=training,
        limits=settings.limits,
        author=provenance.AUTHOR,
        licence=provenance.LICENCE,
        equivariant=settings.network.equivariant,
    )


def proof_frame(seed: int) -> Frame:
    """A drawn plate (leaves, strokes, and lamps in one corner) that any install can be checked against; half EXR."""
    leaves = pictures.draw(seed, 0, _PROOF_WIDTH).pixels[:_PROOF_HEIGHT]
    strokes = pictures.draw(seed, 3, _PROOF_WIDTH).pixels[:_PROOF_HEIGHT]
    lamps = pictures.draw(seed, 4, _PROOF_WIDTH).pixels[:_PROOF_HEIGHT]
    encoded = leaves.copy()
    encoded[:, 32:64] = strokes[:, 32:64]
    # Lamps of 4000 at most: what sharpening adds at their edges must still fit into half floats.
    encoded[:, 64:] = np.minimum(lamps[:, 64:], color.encode(np.array([4000.0], np.float32)))
    return verify.picture_frame(color.decode(encoded), {"comments": "Proof plate of Bipack, drawn by seed"}, half=True)


def readme(card: ModelCard, settings: SuperresRecipe) -> str:
    """The page beside the model, for artists."""
    lines = [f"# {card.title}", "", card.purpose, "", "## What it cannot do", ""]
    lines += [f"- {limit}" for limit in card.limits]
    lines += ["", "## Scores", "", "| Metric | Pictures | Model | Without it |", "|---|---|---|---|"]
    lines += [
        f"| {score.metric} | {score.set} | {_figure(score, score.value)} | "
        f"{score.baseline}: {_figure(score, score.baseline_value)} |"
        for score in card.scores
    ]
    geometry, size, sources = card.geometry, settings.network, card.training.data
    lines += [
        "",
        "Measured through the worker on pictures that training never saw: shrunk by antialiased bicubic to 8 bits, "
        f"BT.601 luma, {card.scale} pixels cut off at the border. `bench/superres.py` prints the table.",
        "",
        "## What it is",
        "",
        f"{size.depth} convolutions of 3x3 with {size.width} channels"
        + (f", {2 * size.skips} of them in pairs that are added to what came in" if size.skips else "")
        + "; the result is added to the repeated pixels of the plate. "
        + (_DETAIL if size.noise else "")
        + f"A result pixel sees {geometry.halo} plate pixels to each side, so tiles overlap by that and are "
        "exact. "
        + (_NEIGHBOURS if size.frames > 1 else "")
        + (_EQUIVARIANT if size.equivariant else "")
        + "Values above 1 and below 0 pass through the color encoding, and no fixed range is imposed. Beside "
        "lights the result keeps to the range of the plate pixels around it, so that nothing rings"
        + (", and to their light, so that glints stay as bright as they were." if size.balance else "."),
        "",
        f"Trained for {card.training.steps} steps ({card.training.minutes:.0f} minutes, {card.training.machine}); "
        f"`{superres.LOG}` is the log. It learned from:",
        "",
        *(f"- {source.name} ({source.licence}{', ' + source.credit if source.credit else ''})" for source in sources),
        "",
        "To make it again:",
        "",
        f"    bipack-train recipe {card.training.recipe} --data <folder>",
        "",
        f"Licence of the weights: {card.licence}.",
        "",
    ]
    return "\n".join(lines)


def _figure(score: Score, value: float | None) -> str:
    value = value or 0.0
    return f"{value:.2f} dB" if score.metric.startswith("PSNR") else f"{value:.2f}"
