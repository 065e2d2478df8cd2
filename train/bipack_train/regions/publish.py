"""From a finished region run to a model folder: export, verification through the worker, card with its sliders."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import numpy as np
import torch

from bipack.card import Geometry, Knob, ModelCard, Port, Score, Source
from bipack.imaging import color
from bipack.imaging.frame import Frame
from bipack_train import grain, provenance, verify
from bipack_train.grain import Repair
from bipack_train.models.region import Region, applied, gate
from bipack_train.publish_pairs import NOISE
from bipack_train.regions import axes, loop
from bipack_train.regions.material import RegionPair

BANDS_IN_TURN = "0 is the plate, 1 what the pairs show. In between form moves first and fine lines last."
AS_FACES_AGE = "0 is the plate, 1 all years taken off. In between what came last goes first: faint lines, small spots."
"""What the age slider does where all pairs show the whole way, and where they show stops on it."""

_PROOF = 96
_MEASURED = 6


def publish(
    run: loop.Run, pairs: Sequence[RegionPair], folder: str, name: str, watched: Sequence[RegionPair] = ()
) -> ModelCard:
    """Export, verify and publish the run as the model folder `folder`; returns its card.

    Raises ModelRefused where verification fails, DiskError; then `folder` is as it was before.
    """
    model = loop.averaged(run).cpu()
    found = axes.find(model.free, pairs, run.region)
    texture = grain.measure(repairs(model, pairs)) if run.settings.noise else None
    module = Region(model.net, axes.matrix(found, run.settings.codes), texture).eval()
    card = draft_card(run, name, pairs, found, texture is not None)
    if watched:
        card = dataclasses.replace(card, scores=_scores(model, watched))
    proof, matte = proof_frames(pairs[0])
    return verify.publish(module, card, folder, proof, readme, proof_matte=matte)


def repairs(model: loop.Coded, pairs: Sequence[RegionPair]) -> list[Repair]:
    """What the net makes of some pairs at their amount with their own codes, for measuring the texture it lacks."""
    made = []
    for one in [one for one in pairs if one.amount == 1.0][:_MEASURED]:
        plate, after, matte = loop.crop_of(one, model.net.multiple)
        with torch.no_grad():
            amount = torch.tensor([one.amount])
            change, sure, _ = model(plate, matte, amount, torch.tensor([one.code]))
            result = applied(plate, change * gate(sure), matte, amount)
        inside = (matte[0, 0] > 0.98).numpy()
        made.append(Repair(result[0].permute(1, 2, 0).numpy(), after[0].permute(1, 2, 0).numpy(), inside))
    return made


def draft_card(
    run: loop.Run, name: str, pairs: Sequence[RegionPair], found: Sequence[axes.Axis], grainy: bool
) -> ModelCard:
    """The card as far as the run knows it."""
    settings, progress = run.settings, run.progress
    sliders = [
        Knob(axis.name, "float", 0.0, axis.name.capitalize(), -1.0, 1.0, tooltip=axis.tooltip, input="z", index=1 + row)
        for row, axis in enumerate(found)
    ]
    covered = (0.0, max(1.0, round(max(float(one.pair.before.max()) for one in pairs), 2)))
    inputs = [
        Port("plate", 3, range=covered),
        Port("mask", 1, "matte", optional=True),
        Port("z", settings.codes, "latent", range=(-1.0, 1.0)),
    ]
    if grainy:
        inputs += [Port("noise", 1, "noise", range=(-4.0, 4.0)), Port("noise_amount", 1, "amount")]
    training = provenance.training(
        settings.sources or (Source("before/after crops of the artist", "as the shot", len(pairs)),),
        json.dumps(dataclasses.asdict(settings), sort_keys=True),
        seed=settings.seed,
        steps=progress.step,
        seconds=progress.seconds,
        base_model=run.base_model,
        pairs=() if settings.sources else [f"{one.pair.frame}: {one.pair.digest}" for one in pairs],
    )
    shipped = bool(settings.sources)
    return ModelCard(
        name=name,
        title=f"{settings.title}: {run.region}" if settings.title else name,
        version=settings.version,
        purpose=settings.purpose or f"Turns the region {run.region} of one face into what {len(pairs)} pairs show.",
        file="",
        sha256="",
        kind="region",
        inputs=tuple(inputs),
        outputs=(Port("result", 3, range=covered),),
        gizmo="BipackModel",
        geometry=Geometry(tile=512),
        knobs=(age_knob(pairs, run.model.net.way is not None), *sliders, *((NOISE,) if grainy else ())),
        training=training,
        limits=settings.limits
        or ("Made for one face, from the frames it was trained on; on another it may go wrong.",),
        author=provenance.AUTHOR if shipped else "",
        licence=provenance.LICENCE if shipped else "as the shot",
    )


def age_knob(pairs: Sequence[RegionPair], way: bool = False) -> Knob:
    """The slider, told as the pairs taught it, or the way that the net carries."""
    told = AS_FACES_AGE if way or any(0 < one.amount < 1 for one in pairs) else BANDS_IN_TURN
    return Knob("age", "float", 1.0, "Age", 0.0, 1.0, tooltip=told, input="z")


def _scores(model: loop.Coded, watched: Sequence[RegionPair]) -> tuple[Score, ...]:
    kept = loop.error_kept(model, watched)
    name = f"{len(watched)} pairs that were not learned"
    return (Score("error left inside the matte against the untouched plate, percent", name, round(100 * kept, 1)),)


def proof_frames(one: RegionPair) -> tuple[Frame, Frame]:
    """A small cut of the first plate around its region, half EXR, and the matte of it."""
    pair = one.pair
    spots = np.argwhere(pair.matte > 127)
    middle = spots[len(spots) // 2]
    window = []
    for place, size in zip(middle, pair.matte.shape, strict=True):
        low = int(np.clip(place - _PROOF // 2, 0, max(0, size - _PROOF)))
        window.append(slice(low, min(size, low + _PROOF)))
    rows, columns = window
    pixels = color.decode(np.ascontiguousarray(pair.before[rows, columns], np.float32))
    matte = pair.matte[rows, columns, None].astype(np.float32) / 255.0
    return verify.picture_frame(pixels, half=True), verify.picture_frame(matte, half=True)


def readme(card: ModelCard) -> str:
    """The page beside the model."""
    lines = [f"# {card.title}", "", card.purpose, "", "## Sliders", ""]
    lines += [f"- {knob.label or knob.name}: {knob.tooltip}" for knob in card.knobs]
    lines += ["", "## What it cannot do", "", *(f"- {limit}" for limit in card.limits)]
    if card.scores:
        lines += ["", "## Scores", "", *(f"- {one.metric}, {one.set}: {one.value:g}" for one in card.scores)]
    return "\n".join([*lines, ""])
