"""From a finished slow-motion run to a model folder: two graphs, proof against PyTorch, held-out scores, the card.

Everything is made in a hidden folder beside the target, as `verify` does it. Both graphs are run by the session that
the worker uses and compared with the networks at several sizes and times; still frames must come back untouched. When
one figure is out of bounds nothing is published.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bipack import atomic, catalog
from bipack import card as cards
from bipack.card import Geometry, GraphFile, ModelCard, Port, Score
from bipack.catalog import Located
from bipack.errors import ModelRefused
from bipack.imaging import bending, color
from bipack.imaging.candidates import candidates
from bipack.imaging.image_io import write_frame
from bipack.imaging.motion_search import prior_of
from bipack.worker import slowmo_check
from bipack.worker.session import Session, open_session
from bipack.worker.slowmo_step import SlowMoStep
from bipack_train import checkpoint, export, motion_scenes, pictures, provenance, slowmo, slowmo_scores, verify
from bipack_train.models.slowmo import MULTIPLE
from bipack_train.slowmo_recipe import SlowmoRecipe
from bipack_train.verify import Check

log = logging.getLogger(__name__)

FLOW, SYNTHESIS = "flow.onnx", "synthesis.onnx"
OPSET = 18

FLOW_LIMIT = 2e-3
"""Largest difference between PyTorch and ONNX Runtime, in pixels of flow (and in shares of visibility and mask)."""

_FLOW_PORTS = (("frame0", "frame1", "prior", "around"), ("flow", "bend", "reliability"))
_SYNTHESIS_PORTS = (("moved", "frame0", "frame1", "landed", "time"), ("weights",))

Arrays = Mapping[str, NDArray[np.float32]]


def publish(
    settings: SlowmoRecipe, recipe_path: str, data: str, out: str, base_model: str = "", moments: int = 12
) -> ModelCard:
    """Export, verify and score the last checkpoint in `out`; the model folder is <out>/<name>.

    `data` holds the held-out clips (empty: no scores); `base_model` is what the run started from. Raises
    MissingInput, ModelRefused where a figure is out of bounds, DiskError.
    """
    path = os.path.join(out, slowmo.CHECKPOINT)
    nets = slowmo.averaged_from(path, settings)
    folder = os.path.abspath(os.path.join(out, settings.name))
    workshop = os.path.join(os.path.dirname(folder), f".{os.path.basename(folder)}.{os.getpid()}.tmp")
    os.makedirs(workshop, exist_ok=True)
    try:
        _export(nets, settings, workshop)
        state = checkpoint.load(path)
        card = _card(settings, recipe_path, state, workshop, base_model)
        cards.save(card, workshop)
        _refuse_failures(card.name, checks(nets, workshop))
        table = slowmo_scores.table(workshop, data, moments) if data else []
        card = _scored(card, table, state.extra)
        cards.save(card, workshop)
        _prove(workshop, settings.seed)
        atomic.write_bytes(os.path.join(workshop, verify.README), readme(card, table).encode("utf-8"))
        with open(os.path.join(out, slowmo.LOG), "rb") as stream:
            atomic.write_bytes(os.path.join(workshop, slowmo.LOG), stream.read())
        _move(workshop, folder)
    except OSError as error:
        raise atomic.disk_error(folder, error) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return card


# Export and card ----------------------------------------------------------------------------------------------------


def _export(nets: nn.ModuleDict, settings: SlowmoRecipe, folder: str) -> None:
    feeds = _feeds(64, 80, 0.25)
    for name, file, (inputs, outputs) in (("flow", FLOW, _FLOW_PORTS), ("synthesis", SYNTHESIS, _SYNTHESIS_PORTS)):
        export.export_onnx(
            nets[name],
            os.path.join(folder, file),
            [torch.from_numpy(feeds[port]) for port in inputs],
            inputs,
            outputs,
            opset=OPSET,
            # One frame at a time; the names of the sides are shared, so that one promise of a size holds for all.
            axes={port: {} if port == "time" else {2: "height", 3: "width"} for port in (*inputs, *outputs)},
            metadata={"name": f"{settings.name} {name}", "version": settings.version},
        )


def _card(
    settings: SlowmoRecipe, recipe_path: str, state: checkpoint.Checkpoint, folder: str, base_model: str
) -> ModelCard:
    covered = (0.0, round(float(color.encode(np.array([64.0], np.float32))[0]), 2))
    return ModelCard(
        name=settings.name,
        title=settings.title,
        version=settings.version,
        purpose=settings.purpose,
        file=FLOW,
        sha256=cards.file_sha256(os.path.join(folder, FLOW)),
        graphs={"synthesis": GraphFile(SYNTHESIS, cards.file_sha256(os.path.join(folder, SYNTHESIS)))},
        kind="interpolate",
        inputs=(
            Port("frame0", 3, range=covered),
            Port("frame1", 3, range=covered),
            Port("prior", 4, "flow"),
            Port("around", bending.CHANNELS, "flow"),
        ),
        outputs=(Port("flow", 4, "flow"), Port("bend", 4, "flow"), Port("reliability", 2, "matte")),
        gizmo="BipackSlowMo",
        geometry=Geometry("whole", MULTIPLE, 2 * MULTIPLE),
        training=provenance.training(
            settings.sources,
            provenance.in_repository(recipe_path),
            seed=settings.seed,
            steps=state.step,
            seconds=float(state.extra["seconds"]),
            base_model=base_model,
        ),
        tolerance={
            "CPUExecutionProvider": FLOW_LIMIT,
            "CUDAExecutionProvider": 0.05,
            "TensorrtExecutionProvider": 0.05,
        },
        limits=(*settings.limits, "Runs in float32 on GPUs too: half precision cannot tell pixels beyond 2048 apart."),
        author=provenance.AUTHOR,
        licence=provenance.LICENCE,
        flow_detail=str(state.extra.get("flow_detail", cards.FLOW_DETAILS[0])),
    )


def _scored(card: ModelCard, table: Sequence[slowmo_scores.SetScore], extra: Mapping[str, Any]) -> ModelCard:
    """The card with the held-out sets and, where a clip was fitted, its own held-back frames."""
    scores = [
        Score("PSNR", f"{row.name} ({row.moments})", round(row.model, 2), "DIS", round(row.classical, 2))
        for row in table
    ]
    if "held_back" in extra:
        base = card.training.base_model.partition("@")[0]
        found, before = float(extra["held_back_psnr"]), float(extra["held_back_before"])
        scores.insert(0, Score("PSNR", f"held-back frames of the clip ({extra['held_back']})", found, base, before))
    return dataclasses.replace(card, scores=tuple(scores))


# Checks -------------------------------------------------------------------------------------------------------------


def checks(nets: nn.ModuleDict, folder: str) -> list[Check]:
    """Both graphs in `folder` against the networks, and what still frames come to."""
    found = []
    flow_file, synthesis_file = (Located(name, os.path.join(folder, name), None) for name in (FLOW, SYNTHESIS))
    with open_session(flow_file, "cpu") as flow, open_session(synthesis_file, "cpu") as synthesis:
        for height, width, time in ((48, 64, 0.5), (32, 96, 0.0625), (112, 80, 1.0)):
            feeds = _feeds(height, width, time)
            for name, session, (inputs, outputs) in (
                ("flow", flow, _FLOW_PORTS),
                ("synthesis", synthesis, _SYNTHESIS_PORTS),
            ):
                given = {port: feeds[port] for port in inputs}
                results = session.run(given)
                with torch.no_grad():
                    expected = nets[name](*(torch.from_numpy(given[port]) for port in inputs))
                expected = expected if isinstance(expected, tuple) else (expected,)
                worst = max(_difference(results[port], value) for port, value in zip(outputs, expected, strict=True))
                found.append(Check(f"PyTorch against {name}.onnx at {width}x{height}", worst, FLOW_LIMIT))
        found.append(Check("motion of still frames, pixels", _stillness(flow), 0.0))
    return found


def _stillness(flow: Session) -> float:
    """Longest motion that the graph sees between a frame and itself, whatever happens around them."""
    feeds = _feeds(64, 64, 0.375)
    frame, around = feeds["frame0"], feeds["around"]
    found = flow.run(
        {"frame0": frame, "frame1": frame, "prior": np.zeros((1, 4, 64, 64), np.float32), "around": around}
    )
    return max(float(np.abs(found[name]).max()) for name in ("flow", "bend"))


def _difference(result: NDArray[np.float32], expected: torch.Tensor) -> float:
    wanted = expected.numpy()
    if result.shape != wanted.shape or not np.isfinite(result).all():
        return float("inf")
    return float(np.abs(result - wanted).max())


def _refuse_failures(name: str, found: Sequence[Check]) -> None:
    for check in found:
        log.info("%s: %.2g (limit %.2g)", check.what, check.worst, check.limit)
    failed = [f"{check.what} {check.worst:.3g} (limit {check.limit:.3g})" for check in found if not check.passed]
    if failed:
        raise ModelRefused(
            f"Model {name!r} failed its verification and was not published: {'; '.join(failed)}. "
            "Nothing was changed; export it again from a good checkpoint."
        )


def _feeds(height: int, width: int, time: float) -> dict[str, NDArray[np.float32]]:
    """Inputs for both graphs: two moved pictures with their classical flow and those around, and a lamp of 64."""
    side = max(height, width)
    moving = _scene(height * 1000 + width, side)
    frames = [frame[:height, :width].copy() for frame in (moving.frame0, moving.frame1)]
    for frame in frames:
        frame[height // 2 : height // 2 + 3, width // 3 : width // 3 + 3] = 2.83
    prior = prior_of(frames[0], frames[1])
    before, after = (frame[:height, :width].copy() for frame in moving.around or frames)
    around = bending.measured(frames, prior, before, after)
    found = candidates(frames[0], frames[1], prior, around[:, :, :4], time, bending.steadied(around, *frames))
    arrays = {"frame0": frames[0], "frame1": frames[1], "prior": prior, "around": around}
    arrays |= {"moved": np.concatenate(found.moved, axis=2), "landed": found.landed_whole}
    planes = {name: np.ascontiguousarray(array.transpose(2, 0, 1)[None]) for name, array in arrays.items()}
    return {**planes, "time": np.full((1, 1, 1, 1), time, np.float32)}


def _scene(seed: int, side: int) -> motion_scenes.Moving:
    drawn = [pictures.draw(seed, index, side + 32).pixels for index in range(4)]
    return motion_scenes.render(drawn, np.random.default_rng(seed), side, time=0.5, around=True)


# Proof and page -----------------------------------------------------------------------------------------------------


def _prove(folder: str, seed: int) -> None:
    """Two drawn frames and the one halfway between them as the worker makes it, as half EXR."""
    moving = _scene(seed, 96)
    frames = [verify.picture_frame(color.decode(encoded), half=True) for encoded in (moving.frame0, moving.frame1)]
    step = SlowMoStep(catalog.locate(folder), "cpu")
    try:
        frames.append(slowmo_check.between(step, frames[0], frames[1]))
    finally:
        step.close()
    for name, frame in zip(slowmo_check.PROOFS, frames, strict=True):
        write_frame(os.path.join(folder, name), frame)


def readme(card: ModelCard, table: Sequence[slowmo_scores.SetScore]) -> str:
    """The page beside the model, for artists."""
    lines = [
        f"# {card.title}",
        "",
        card.purpose,
        "",
        "## What it cannot do",
        "",
        *(f"- {text}" for text in card.limits),
    ]
    if table:
        lines += [
            "",
            "## Scores",
            "",
            "| Set | Moments | Mixed | Classical (DIS) | Model | Gain |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {row.name} | {row.moments} "
            f"| {row.average:.2f} | {row.classical:.2f} | {row.model:.2f} | {row.gain:+.2f} |"
            for row in table
        ]
        lines += ["", "PSNR in dB of the found frame against the one that was left out, on clips and pictures that "
                  "training never saw. `bench/slowmo.py` prints the table."]  # fmt: skip
    sources = card.training.data
    lines += [
        "",
        "## What it is",
        "",
        f"Two graphs: `{FLOW}` settles a classical flow once for each pair of frames, and how it bends, which the "
        f"frames before and after tell; `{SYNTHESIS}` weighs, for each new frame, what that flow brings to every pixel "
        "from both frames. Neither paints: the plate's own pixels are moved and mixed. Where both frames are equal "
        "nothing moves.",
        "",
        f"Trained for {card.training.steps} steps ({card.training.minutes:.0f} minutes, {card.training.machine}); "
        f"`{slowmo.LOG}` is the log. It learned from:",
        "",
        *(f"- {source.name} ({source.licence}{', ' + source.credit if source.credit else ''})" for source in sources),
        "",
        f"Licence of the weights: {card.licence}.",
        "",
    ]
    return "\n".join(lines)


def _move(workshop: str, folder: str) -> None:
    """Move every file into its place, the card last."""
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(workshop), key=lambda name: (name == cards.CARD_NAME, name)):
        os.replace(os.path.join(workshop, name), os.path.join(folder, name))


def weights_of(folder: str) -> tuple[dict[str, torch.Tensor], str]:
    """(weights, name@sha256) of a published slow-motion model, by name or folder. Raises MissingInput, ModelRefused."""
    import onnx

    located = catalog.locate(folder)
    card = located.card
    if card is None or "synthesis" not in card.graphs:
        raise ModelRefused(f"{folder} is no slow-motion model, so a run cannot start from it.")
    weights: dict[str, torch.Tensor] = {}
    for part, file in (("flow", card.file), ("synthesis", card.graphs["synthesis"].file)):
        graph = onnx.load(os.path.join(located.folder, file), load_external_data=False).graph
        for tensor in graph.initializer:
            if tensor.name.endswith((".weight", ".bias")):
                weights[f"{part}.{tensor.name}"] = torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
    return weights, f"{card.name}@{card.sha256}"
