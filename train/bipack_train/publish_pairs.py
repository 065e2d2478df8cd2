"""From a finished pairs run to a model folder: card, proof, scores, and the same weights for Nuke alone and for Flame.

Everything is written by `verify.publish`, which exports, proves and only then publishes. Beside the ONNX go a
TorchScript file with the script that makes Nuke's own `.cat` of it, and Flame's JSON sidecar; both come from the same
module, in the same encoding, and say what has to be done around it.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
import tempfile
import warnings
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bipack.card import Geometry, Knob, ModelCard, Port, Score, Source
from bipack.errors import ModelRefused
from bipack.imaging import color
from bipack.imaging.frame import Frame
from bipack.imaging.plate import take
from bipack_train import export, judging, painted_files, paintfix_run, provenance, results, verify
from bipack_train.grain import Grain
from bipack_train.models import networks
from bipack_train.models.paintfix import PaintFix, PaintFixNet
from bipack_train.pairs import Pair

TORCHSCRIPT, CAT_SCRIPT = "model_nuke.pt", "make_cat.nk"
FLAME_MODEL, FLAME_SIDECAR = "flame.onnx", "flame.json"
_PROOF = 96

REPAIR_LIMIT = 2e-3
"""Largest difference of a repair, encoded: two steps of half precision at white, which both sides are rounded to."""

NOISE = Knob(
    "noise_amount",
    "float",
    0.0,
    "Grain",
    0.0,
    1.0,
    tooltip="Grain and fine texture in the repair, as measured on the pairs, or as a painted frame shows it where one "
    "fits. 0 is the likeliest picture, the same on every render.",
    input="noise_amount",
)


def publish(
    run: paintfix_run.Run, pairs: Sequence[Pair], folder: str, grain: Grain | None, minutes: float | None = None
) -> ModelCard:
    """Export, verify and publish the run as the model folder `folder`.

    Raises ModelRefused where verification fails, DiskError; then `folder` is as it was before.
    """
    net, module = modules(run, grain)
    judging.settle(net, pairs)
    card = draft_card(run, pairs, grain is not None, minutes)
    frames = painted_files.of_pairs(pairs, run.settings.painted)
    card = painted_files.on_card(card, frames, painted_files.expected_error(run, net, pairs))
    files = {painted.file: content for painted, content in frames}
    files |= {TORCHSCRIPT: torchscript(net), CAT_SCRIPT: cat_script(card).encode("utf-8")}
    if net.frames == 1:
        files |= {FLAME_MODEL: flame_model(net), FLAME_SIDECAR: flame_sidecar(card, net.multiple).encode("utf-8")}

    def measure(model: str) -> Sequence[Score]:
        prove_repairs(net, pairs, model)
        return card.scores

    return verify.publish(module, card, folder, proof_frame(pairs[0]), readme, measure=measure, extra_files=files)


def modules(run: paintfix_run.Run, grain: Grain | None) -> tuple[PaintFixNet, PaintFix]:
    """The averaged network on the CPU, and what is exported of it."""
    net = networks.build(run.settings.size, len(run.settings.frame_offsets))
    run.ema.copy_to(net)
    return net.eval(), PaintFix(net, grain).eval()


def prove_repairs(net: PaintFixNet, pairs: Sequence[Pair], folder: str) -> None:
    """Hold the model in `folder`, run by the worker on cuts of real plates, against the network in PyTorch.

    Random plates hold no marks, so there the gate is shut and a broken repair would pass. Here it is open, at an odd
    and an even size, from half EXR to half EXR. Raises ModelRefused where repairs differ, or where a pixel outside
    the edit is not the plate's to the bit.
    """
    for pair, side in zip((pairs[0], pairs[-1]), (2 * _PROOF, 2 * _PROOF + 37), strict=True):
        rows, columns = _cut(pair, side)
        frame = _plate_frame(pair, rows, columns)
        frames = {verify.PROOF_IN: frame}
        answer = verify._render(folder, frames, "repairs", "auto")
        plate = take(frame).pixels
        planes = results.stacked(pair)[rows, columns]
        planes[..., :3] = color.encode(plate)
        for index in range(1, net.frames):
            # One file stands for all frames here, as in the worker's own checks.
            planes[..., 3 * index : 3 * index + 3] = planes[..., :3]
        fixed, factor = results.predict(net, planes)
        expected = color.decode(results.gated(planes, fixed, factor)).astype(np.float16).astype(np.float32)
        result = take(answer).pixels
        worst = float(np.abs(color.encode(result) - color.encode(expected)).max())
        moved = int((result[factor == 0] != plate[factor == 0]).any(axis=-1).sum())
        if not worst <= REPAIR_LIMIT or moved:
            raise ModelRefused(
                f"On frame {pair.frame} the worker's repair differs from the trained network by {worst:.3g} (limit "
                f"{REPAIR_LIMIT:g}), and {moved} pixels outside the edit were touched. Nothing was published."
            )


def draft_card(run: paintfix_run.Run, pairs: Sequence[Pair], grain: bool, minutes: float | None) -> ModelCard:
    """The card as far as the run knows it."""
    settings, progress = run.settings, run.progress
    training = provenance.training(
        (Source("before/after pairs of the artist", "as the shot", len(pairs)),),
        json.dumps(dataclasses.asdict(settings), sort_keys=True),
        seed=settings.seed,
        steps=progress.step,
        seconds=progress.seconds if minutes is None else 60 * minutes,
        base_model=run.base_model,
        pairs=[f"{pair.frame}: {pair.digest}" for pair in pairs],
    )
    covered = (0.0, max(1.0, round(max(float(pair.before.max()) for pair in pairs), 2)))
    offsets = settings.frame_offsets
    inputs = [Port("plate", 3, frame_offsets=offsets, range=covered)]
    knobs: tuple[Knob, ...] = ()
    if grain:
        inputs += [Port("noise", 1, "noise", range=(-4.0, 4.0)), Port("noise_amount", 1, "amount")]
        knobs = (NOISE,)
    return ModelCard(
        name=settings.name,
        title=settings.title or settings.name,
        version=settings.version,
        purpose=settings.purpose or f"Repeats on a shot what an artist painted on {len(pairs)} of its frames.",
        file="",
        sha256="",
        kind="pair",
        inputs=tuple(inputs),
        outputs=(Port("result", 3, range=covered), Port("matte", 1, "matte")),
        gizmo="BipackPaintFix",
        geometry=Geometry(tile=768),
        knobs=knobs,
        training=training,
        scores=_scores(run),
        limits=settings.limits or _limits(pairs),
        author=provenance.AUTHOR if settings.limits else "",
        licence="as the shot" if not settings.limits else provenance.LICENCE,
    )


def _scores(run: paintfix_run.Run) -> tuple[Score, ...]:
    if run.progress.best < 0:
        return ()
    name = "the held-out pair, before it joined the training"
    return (Score("PSNR inside the matte, encoded values", name, round(run.progress.best, 2)),)


def _limits(pairs: Sequence[Pair]) -> tuple[str, ...]:
    frames = ", ".join(str(pair.frame) for pair in pairs[:12]) + ("…" if len(pairs) > 12 else "")
    return (
        f"Made for one shot, from frames {frames}; on other material it may miss marks or change what it should not.",
        "Works frame by frame: what was never seen behind a mark is made up from its surroundings.",
    )


def proof_frame(pair: Pair) -> Frame:
    """A small cut of the first plate around its edit, half EXR."""
    return _plate_frame(pair, *_cut(pair, _PROOF))


def _plate_frame(pair: Pair, rows: slice, columns: slice) -> Frame:
    pixels = color.decode(np.ascontiguousarray(pair.before[rows, columns], np.float32))
    return verify.picture_frame(pixels, {"comments": f"Frame {pair.frame}, cut for the proof"}, half=True)


def _cut(pair: Pair, side: int) -> tuple[slice, slice]:
    """A square of at most `side` pixels with an edited pixel in its middle."""
    spots = np.argwhere(pair.matte > 127)
    middle = spots[len(spots) // 2] if len(spots) else np.array(pair.matte.shape) // 2
    sides = []
    for place, size in zip(middle, pair.matte.shape, strict=True):
        start = int(np.clip(place - side // 2, 0, max(0, size - side)))
        sides.append(slice(start, min(size, start + side)))
    return sides[0], sides[1]


# The same weights elsewhere -------------------------------------------------------------------------------------------


class SceneLinear(nn.Module):
    """The net with the encoding inside, for hosts where nothing of ours runs around it; no noise."""

    def __init__(self, net: PaintFixNet) -> None:
        super().__init__()
        self.model = PaintFix(net)

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3 * frames, H, W) scene-linear to the result, scene-linear, and the matte (N, 1, H, W)."""
        result, matte = self.model(_encode(plate))
        return torch.where(matte > 0, _decode(result), plate[:, :3]), matte


class AnySize(nn.Module):
    """A traced `SceneLinear` for Nuke's Inference node: pads to what the net needs and cuts it off again."""

    def __init__(self, traced: torch.jit.ScriptModule, multiple: int) -> None:
        super().__init__()
        self.traced = traced
        self.multiple = multiple

    def forward(self, plate: Tensor) -> Tensor:
        """(N, 3 * frames, H, W) scene-linear to (N, 4, H, W): R, G, B and the matte as alpha."""
        height, width = plate.shape[2], plate.shape[3]
        down = (self.multiple - height % self.multiple) % self.multiple
        right = (self.multiple - width % self.multiple) % self.multiple
        padded = functional.pad(plate, [0, right, 0, down], mode="replicate")
        result, matte = self.traced(padded)
        return torch.cat([result, matte], dim=1)[:, :, :height, :width]


def _encode(linear: Tensor) -> Tensor:
    size = linear.abs()
    low = 1.055 * size.clamp(color.TOE_LINEAR, 1.0) ** (1 / 2.4) - 0.055
    curve = torch.where(size < color.TOE_LINEAR, 12.92 * size, low) + color.LOG_SCALE * size.clamp(min=1.0).log()
    return torch.sign(linear) * curve


def _decode(encoded: Tensor) -> Tensor:
    size = encoded.abs()
    low = ((size.clamp(color.TOE_ENCODED, 1.0) + 0.055) / 1.055) ** 2.4
    curve = torch.where(size < color.TOE_ENCODED, size / 12.92, low)
    return torch.sign(encoded) * curve * ((size.clamp(min=1.0) - 1.0) / color.LOG_SCALE).exp()


def torchscript(net: PaintFixNet) -> bytes:
    """The net as TorchScript for any frame size. The part that depends on the size is scripted, the rest traced."""
    inner = SceneLinear(net).eval()
    example = torch.rand(1, 3 * net.frames, 2 * net.multiple, 2 * net.multiple)
    with torch.no_grad(), warnings.catch_warnings():
        # TorchScript is announced to go; Nuke's Inference node takes nothing else.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(inner, example, check_trace=False)  # type: ignore[no-untyped-call]
        module = torch.jit.script(AnySize(cast(torch.jit.ScriptModule, traced), net.multiple))
        stream = io.BytesIO()
        torch.jit.save(module, stream)
    return stream.getvalue()


def flame_model(net: PaintFixNet) -> bytes:
    """The ONNX for Flame: one scene-linear picture in, result and matte out (its inference node has no noise input)."""
    side = 2 * net.multiple
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, FLAME_MODEL)
        module = SceneLinear(net).eval()
        export.export_onnx(module, path, [torch.rand(1, 3 * net.frames, side, side)], ["plate"], ["result", "matte"])
        with open(path, "rb") as stream:
            return stream.read()


def cat_script(card: ModelCard) -> str:
    """A Nuke script with the CatFileCreator that makes `model.cat`, and an Inference node that will use it.

    Nuke's own nodes need a press of the button "Create .cat file": it cannot be pressed outside Nuke.
    """
    channels = "rgba.red, rgba.green, rgba.blue"
    if len(card.inputs[0].frame_offsets) > 1:
        channels = ", ".join(
            f"frame{index}.{name}"
            for index in range(len(card.inputs[0].frame_offsets))
            for name in ("red", "green", "blue")
        )
    return f"""# {card.title} {card.version}, made by Bipack: the same weights for Nuke's own Inference node.
# 1. Open this script in the folder that it lies in.  2. Press "Create .cat file".  3. Use the Inference node.
# Plate: scene-linear. Result: RGB and the edit matte in alpha. No grain knob here: that is Bipack's.
CatFileCreator {{
 inputs 0
 torchScriptFile "\\[file dirname \\[value root.name]]/{TORCHSCRIPT}"
 catFile "\\[file dirname \\[value root.name]]/model.cat"
 channelsIn "{channels}"
 channelsOut "rgba.red, rgba.green, rgba.blue, rgba.alpha"
 modelId 1
 name CatFileCreator_{_identifier(card.name)}
 xpos 0
 ypos 0
}}
Inference {{
 inputs 0
 modelFile "\\[file dirname \\[value root.name]]/model.cat"
 name Inference_{_identifier(card.name)}
 xpos 150
 ypos 0
}}
"""


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def flame_sidecar(card: ModelCard, multiple: int) -> str:
    """Flame's JSON beside its ONNX: sockets, channels and padding, in the terms of its inference node."""
    plate = {"Name": "plate", "Description": "Scene-linear plate", "Type": "Front", "Gain": 1.0, "Channels": "RGB"}
    result = {"Name": "result", "Description": "Fixed plate", "Type": "Result", "Channels": "RGB"}
    matte = {"Name": "matte", "Description": "Edit matte", "Type": "OutMatte", "Channels": "A"}
    data = {
        "ModelDescription": {
            "MinimumVersion": "2025.2",
            "Name": card.title,
            "Description": card.purpose,
            "SupportsSceneLinear": True,
            "KeepAspectRatio": True,
            "Padding": multiple,
            "Inputs": [plate],
            "Outputs": [{**output, "InverseGain": 1.0, "ScalingFactor": 1.0} for output in (result, matte)],
        }
    }
    return json.dumps(data, indent=2) + "\n"


def _painted_line(card: ModelCard) -> list[str]:
    if card.painted is None:
        return []
    return [
        "- `painted_*.exr`: finished frames of the shot, in which Bipack looks up what marks hide. They are "
        "pictures of the shot: hand the folder on only to who may see it.",
    ]


def readme(card: ModelCard) -> str:
    """The page beside the model."""
    lines = [f"# {card.title}", "", card.purpose, "", "## What it cannot do", ""]
    lines += [f"- {limit}" for limit in card.limits]
    if card.scores:
        lines += ["", "## Scores", ""]
        lines += [f"- {score.metric}, {score.set}: {score.value:.2f} dB" for score in card.scores]
    lines += [
        "",
        "## In this folder",
        "",
        "- `model.onnx`, `model_fp16.onnx`, `card.json`: for Bipack (BipackPaintFix, `bipack run`).",
        f"- `{TORCHSCRIPT}`, `{CAT_SCRIPT}`: for Nuke's own Inference node, without Bipack.",
        f"- `{FLAME_MODEL}`, `{FLAME_SIDECAR}`: for Flame's inference node (models of one input frame).",
        *_painted_line(card),
        "- `proof_in.exr`, `proof_out.exr`: `bipack models check` holds an install against them.",
        "",
    ]
    return "\n".join(lines)
