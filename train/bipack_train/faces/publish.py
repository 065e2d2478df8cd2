"""From a finished parser run to a model folder: graph, proof against PyTorch, scores on held-out renders, the card."""

from __future__ import annotations

import logging
import os
import shutil

import numpy as np
import onnx
import torch

from bipack import atomic, catalog
from bipack import card as cards
from bipack.card import Geometry, ModelCard, Port, Score
from bipack.catalog import Located
from bipack.errors import ModelRefused
from bipack.face_regions import REGIONS
from bipack.worker.faces.parser import MIRROR
from bipack.worker.session import open_session
from bipack_train import checkpoint, export, pictures, provenance
from bipack_train.faces import grown, parser
from bipack_train.faces.parser import ParserRecipe
from bipack_train.faces.scenes import Stage
from bipack_train.models.face_parser import MULTIPLE, POINTS, Exported, FaceParserNet

log = logging.getLogger(__name__)

FILE = "model.onnx"
PORTS = ("regions", "points", "width")
LIMIT = 1e-3
"""Largest difference between PyTorch and ONNX Runtime in shares of regions and points; of the width relative."""


def publish(
    settings: ParserRecipe, recipe_path: str, out: str, watched: Stage | None, base_model: str = ""
) -> ModelCard:
    """Export, verify and score the last checkpoint in `out`; the model folder is <out>/<name>.

    Raises MissingInput where there is no checkpoint, ModelRefused where a check fails, DiskError.
    """
    path = os.path.join(out, parser.CHECKPOINT)
    net = parser.averaged_from(path, settings)
    folder = os.path.abspath(os.path.join(out, settings.name))
    workshop = os.path.join(os.path.dirname(folder), f".{settings.name}.{os.getpid()}.tmp")
    os.makedirs(workshop, exist_ok=True)
    try:
        _export(net, settings, os.path.join(workshop, FILE))
        worst = difference(net, os.path.join(workshop, FILE))
        log.info("PyTorch against ONNX Runtime: %.2g (limit %.2g)", worst, LIMIT)
        if not worst <= LIMIT:
            raise ModelRefused(f"Model {settings.name!r} differs by {worst:.3g} from PyTorch and was not published.")
        found = {} if watched is None else _scores(net, watched, settings)
        card = _card(settings, recipe_path, checkpoint.load(path), os.path.join(workshop, FILE), found, base_model)
        cards.save(card, workshop)
        atomic.write_bytes(os.path.join(workshop, "README.md"), readme(card, found).encode("utf-8"))
        with open(os.path.join(out, parser.LOG), "rb") as stream:
            atomic.write_bytes(os.path.join(workshop, parser.LOG), stream.read())
        _move(workshop, folder)
    except OSError as error:
        raise atomic.disk_error(folder, error) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return card


def _scores(net: FaceParserNet, watched: Stage, settings: ParserRecipe) -> dict[str, float]:
    """IoU of each region on crops of faces that training never saw."""
    return parser.validate(net, watched, settings.seed, torch.device("cpu"), settings.schedule.watched_side, 96)


def _export(net: FaceParserNet, settings: ParserRecipe, path: str) -> None:
    sides = {2: "height", 3: "width"}
    export.export_onnx(
        Exported(net),
        path,
        [torch.rand(1, 3, 64, 96)],
        ["plate"],
        PORTS,
        axes=dict.fromkeys(("plate", *PORTS), sides),
        metadata={"name": settings.name, "version": settings.version},
    )


def difference(net: FaceParserNet, path: str) -> float:
    """Largest difference between the network and the file at `path`, over a few sizes, run as the worker runs it."""
    module, worst = Exported(net).eval(), 0.0
    with open_session(Located("parser", path, None), "cpu") as session:
        for height, width in ((64, 96), (128, 64), (192, 256)):
            side = max(height, width)
            plate = pictures.draw(side, 0, side).pixels[:height, :width].transpose(2, 0, 1)[None]
            given = np.ascontiguousarray(plate, np.float32)
            found = session.run({"plate": given})
            with torch.no_grad():
                expected = [value.numpy() for value in module(torch.from_numpy(given))]
            for name, wanted in zip(PORTS, expected, strict=True):
                scale = np.maximum(wanted, 1.0)
                worst = max(worst, float((np.abs(found[name] - wanted) / scale).max()))
    return worst


def _card(
    settings: ParserRecipe,
    recipe_path: str,
    state: checkpoint.Checkpoint,
    file: str,
    found: dict[str, float],
    base_model: str,
) -> ModelCard:
    training = provenance.training(
        settings.sources,
        provenance.in_repository(recipe_path),
        seed=settings.seed,
        steps=state.step,
        seconds=float(state.extra["seconds"]),
        base_model=base_model,
    )
    scores: tuple[Score, ...] = ()
    if found:
        mean = float(np.mean(list(found.values())))
        scores = (Score("mean IoU", f"{len(found)} regions of rendered faces held out", round(mean, 3)),)
    return ModelCard(
        name=settings.name,
        title=settings.title,
        version=settings.version,
        purpose=settings.purpose,
        file=FILE,
        sha256=cards.file_sha256(file),
        kind="parser",
        inputs=(Port("plate", 3, range=(0.0, 2.0)),),
        outputs=(
            Port("regions", len(REGIONS), "matte"),
            Port("points", POINTS, "matte"),
            Port("width", 1, "size", range=(0.0, 4096.0)),
        ),
        gizmo="BipackFaceRegions",
        geometry=Geometry("whole", MULTIPLE, 2 * MULTIPLE),
        knobs=(MIRROR,),
        training=training,
        scores=scores,
        tolerance={
            "CPUExecutionProvider": LIMIT,
            "CUDAExecutionProvider": 0.02,
            "TensorrtExecutionProvider": 0.02,
        },
        limits=settings.limits,
        author=provenance.AUTHOR,
        licence=provenance.LICENCE,
    )


def readme(card: ModelCard, found: dict[str, float]) -> str:
    """The page beside the model."""
    lines = [
        f"# {card.title}",
        "",
        card.purpose,
        "",
        "## What it cannot do",
        "",
        *(f"- {text}" for text in card.limits),
    ]
    if found:
        lines += ["", "## Scores", "", "| Region | IoU on held-out renders |", "|---|---|"]
        lines += [f"| {name} | {value:.3f} |" for name, value in found.items()]
        lines += ["", "`bench/faces.py` prints these, and those of the hand-labelled photographs."]
    lines += [
        "",
        "## What it is",
        "",
        "A small U-Net of residual blocks, fully convolutional. It learned from rendered faces alone:",
        "",
        *(f"- {one.name} ({one.licence}{', ' + one.credit if one.credit else ''})" for one in card.training.data),
        "",
        f"Trained for {card.training.steps} steps ({card.training.minutes:.0f} minutes, {card.training.machine}); "
        f"`{parser.LOG}` is the log. Licence of the weights: {card.licence}.",
        "",
    ]
    return "\n".join(lines)


def weights_of(model: str, size: str) -> tuple[dict[str, torch.Tensor], str]:
    """(weights, name@sha256) of a parser to start from: a run's folder, a checkpoint, a model by name or folder.

    A published graph has its normalisation folded into the convolutions; here they are told apart again (`_of_onnx`).
    Raises MissingInput, ModelRefused.
    """
    for name in (os.path.join(model, parser.CHECKPOINT), model):
        if os.path.isfile(name) and name.endswith(checkpoint.SUFFIX):
            return _fitting(checkpoint.load_weights(name), size, name), _label(name)
    located = catalog.locate(model)
    if located.card is None or located.card.kind != "parser":
        raise ModelRefused(f"{model} is no face parser, so a run cannot start from it.")
    return _fitting(_of_onnx(located.path, size), size, located.name), f"{located.name}@{located.card.sha256}"


def _label(path: str) -> str:
    """Name and hash of what the checkpoint at `path` became: the model published beside it, else the file itself."""
    folder = os.path.dirname(os.path.abspath(path))
    for name in sorted(os.listdir(folder)):
        if os.path.isfile(os.path.join(folder, name, cards.CARD_NAME)):
            card = cards.load(os.path.join(folder, name))
            return f"{card.name}@{card.sha256}"
    return f"{os.path.basename(path)}@{cards.file_sha256(path)}"


def _of_onnx(path: str, size: str) -> dict[str, torch.Tensor]:
    """Folded weights back into a network that gives the same.

    Each filter gets the size of a fresh one, and its normalisation the rest: folded filters are up to ten times
    smaller, and the optimizer's steps, which are as large for all, would throw such a net off what it has learned.
    """
    graph = onnx.load(path, load_external_data=False).graph
    stored = {item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    net = FaceParserNet(size)
    order = _order_of_use(net)
    if len(order) != len(convolutions):
        raise ModelRefused(f"{path} is no face parser of size {size!r}, so a run cannot start from it.")
    with torch.no_grad():
        for (conv, norm), node in zip(order, convolutions, strict=True):
            weight, bias = stored[node.input[1]], stored[node.input[2]]
            if conv.weight.shape != weight.shape:
                raise ModelRefused(f"{path} is no face parser of size {size!r}, so a run cannot start from it.")
            if norm is None:
                assert conv.bias is not None
                conv.weight.copy_(weight)
                conv.bias.copy_(bias)
                continue
            norm.running_mean.zero_()  # type: ignore[union-attr]
            norm.running_var.fill_(1.0)  # type: ignore[union-attr]
            fresh = (2.0 / weight[0].numel()) ** 0.5
            gain = (weight.square().mean((1, 2, 3)).sqrt() / fresh).clamp(min=1e-6)
            conv.weight.copy_(weight / gain[:, None, None, None])
            norm.weight.copy_(gain * (1.0 + norm.eps) ** 0.5)
            norm.bias.copy_(bias)
    return net.state_dict()


def _order_of_use(net: FaceParserNet) -> list[tuple[torch.nn.Conv2d, torch.nn.BatchNorm2d | None]]:
    """Every convolution with the normalisation behind it, in the order in which they run."""
    used: list[tuple[torch.nn.Conv2d, torch.nn.BatchNorm2d | None]] = []

    def note(module: torch.nn.Module, *_: object) -> None:
        if isinstance(module, torch.nn.Conv2d):
            used.append((module, None))
        elif isinstance(module, torch.nn.BatchNorm2d):
            used[-1] = (used[-1][0], module)

    hooks = [module.register_forward_hook(note) for module in net.modules()]
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return used


def _fitting(weights: dict[str, torch.Tensor], size: str, label: str) -> dict[str, torch.Tensor]:
    """`weights` for a parser of `size`; those of a smaller one become a part of it."""
    torch.manual_seed(0)
    try:
        return grown.grown(weights, size)
    except ValueError as error:
        raise ModelRefused(
            f"{label} is no face parser of size {size!r} or smaller ({error}), so a run cannot start from it."
        ) from error


def _move(workshop: str, folder: str) -> None:
    """Move every file into its place, the card last."""
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(workshop), key=lambda name: (name == cards.CARD_NAME, name)):
        os.replace(os.path.join(workshop, name), os.path.join(folder, name))
