"""Publishing a model: export, proof against PyTorch through the path that artists use, and only then the card.

Everything is made in a hidden folder beside the target. There the exported file is run by the real worker (frames from
disk, tiles, encoding, frames to disk), at odd and even sizes, whole and tiled, and compared with the network in
PyTorch. When one figure is out of bounds nothing is published and what was there before stays as it was. The card is
moved last: until it is, an older card's hash does not fit the new file, and the worker refuses the pair.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bipack import atomic, catalog, messages
from bipack import card as cards
from bipack.card import ModelCard, Port, Score
from bipack.errors import ModelRefused
from bipack.imaging import color, plate
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker import bare_card
from bipack.worker import proof as proofs
from bipack.worker.model_step import ModelStep
from bipack.worker.sequence import run_sequence
from bipack.worker.session import open_session
from bipack_train import export

log = logging.getLogger(__name__)

PROOF_IN, PROOF_MATTE, PROOF_OUT = "proof_in.exr", "proof_matte.exr", "proof_out.exr"
MODEL_NAME, TWIN_NAME, README = "model.onnx", "model_fp16.onnx", "README.md"

WORKER_LIMIT = 1e-4
"""Largest difference between PyTorch and the worker, in encoded values."""

TILING_LIMIT = 1e-5
"""Largest difference between tiled and whole, in encoded values, where tiling is exact (guarantee 3)."""

TWIN_LIMIT = 2e-2
"""Largest difference between the fp16 twin and float32, in encoded values."""

GPU_MARGIN = 4.0
"""A GPU sums in another order than the processor that the twin was measured on."""

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Check:
    """One figure of the verification, with its bound."""

    what: str
    worst: float
    limit: float

    @property
    def passed(self) -> bool:
        """True within the bound; never for NaN."""
        return self.worst <= self.limit


def publish(
    module: nn.Module,
    draft: ModelCard,
    folder: str,
    proof: Frame,
    readme: str | Callable[[ModelCard], str],
    *,
    proof_matte: Frame | None = None,
    half: bool = True,
    measure: Callable[[str], Sequence[Score]] | None = None,
    extra_files: Mapping[str, bytes] | None = None,
) -> ModelCard:
    """Export `module`, verify it through the worker and publish it as the model folder `folder`; returns its card.

    `module` takes the card's inputs in their order and gives its first output, encoded as the card says. `draft` is
    the card without what is found out here: file names and hashes, geometry, tolerances. `proof` is the frame (small,
    of clean licence) that any later install is checked against; `readme` is a text or makes one from the card;
    `measure` is given the folder of the verified model, to be run by the worker, and returns scores for the card;
    `extra_files` (name to content) go beside it, painted frames that the draft names among them.
    A half-precision twin that differs too much is left out, and the card says so: GPUs then run the model in float32.
    Raises ModelRefused naming every figure that is out of bounds, DiskError; then `folder` is as it was before.
    """
    folder = os.path.abspath(folder)
    workshop = os.path.join(os.path.dirname(folder), f".{os.path.basename(folder)}.{os.getpid()}.tmp")
    os.makedirs(workshop, exist_ok=True)
    try:
        for name, content in (extra_files or {}).items():
            atomic.write_bytes(os.path.join(workshop, name), content)
        shown = {PROOF_IN: proof} | ({PROOF_MATTE: proof_matte} if proof_matte is not None else {})
        card = _without_bad_twin(_build(module, draft, workshop, half), workshop, shown)
        checks = verify(module, workshop, shown)
        scores = tuple(measure(workshop)) if measure is not None else draft.scores
        card = dataclasses.replace(card, tolerance=_tolerances(checks), scores=scores)
        cards.save(card, workshop)
        _prove(workshop, proof, proof_matte)
        text = readme if isinstance(readme, str) else readme(card)
        atomic.write_bytes(os.path.join(workshop, README), text.encode("utf-8"))
        _move(workshop, folder)
    except OSError as error:
        raise atomic.disk_error(folder, error) from error
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return card


def verify(module: nn.Module, folder: str, shown: Mapping[str, Frame]) -> list[Check]:
    """Run every check of the model in `folder` against `module` and return the figures.

    `shown` holds the proof frames by file name, such as the model was made for: half precision is judged on them too.
    Raises ModelRefused, with every figure, where one is out of bounds.
    """
    located = catalog.locate(folder)
    card = located.card
    if card is None:
        raise ModelRefused(f"{folder} has no card to verify.")
    checks = [*_parity(module, located), *_twin(located, shown), *_through_worker(module, card, folder)]
    for check in checks:
        log.info("%s: %.2g (limit %.2g)", check.what, check.worst, check.limit)
    failed = [f"{check.what} {check.worst:.3g} (limit {check.limit:.3g})" for check in checks if not check.passed]
    if failed:
        raise ModelRefused(
            f"Model {card.name!r} failed its verification and was not published: {'; '.join(failed)}. "
            "Nothing was changed; export it again from a good checkpoint."
        )
    return checks


# Export and card ----------------------------------------------------------------------------------------------------


def _build(module: nn.Module, draft: ModelCard, workshop: str, half: bool) -> ModelCard:
    """Write both ONNX files and a first card with their hashes and the geometry of the graph."""
    module = module.eval()
    examples = [_example(port, draft.geometry.multiple) for port in draft.inputs]
    inputs, outputs = [port.name for port in draft.inputs], [port.name for port in draft.outputs]
    fixed: dict[str, dict[int, str]] = {port.name: {} for port in draft.inputs if port.role in ("amount", "latent")}
    metadata = {"name": draft.name, "version": draft.version}
    path, twin = os.path.join(workshop, MODEL_NAME), os.path.join(workshop, TWIN_NAME)
    export.export_onnx(module, path, examples, inputs, outputs, axes=fixed, metadata=metadata)
    if half:
        export.export_half_twin(module, twin, examples, inputs, outputs, axes=fixed, metadata=metadata)
    card = dataclasses.replace(
        draft,
        file=MODEL_NAME,
        sha256=cards.file_sha256(path),
        fp16_file=TWIN_NAME if half else "",
        fp16_sha256=cards.file_sha256(twin) if half else "",
        verified=True,
    )
    with open_session(catalog.Located(draft.name, path, None), "cpu") as session:
        found = bare_card.geometry_of(session.facts)
    card = dataclasses.replace(card, geometry=dataclasses.replace(found, tile=draft.geometry.tile))
    cards.save(card, workshop)
    return card


def _example(port: Port, multiple: int, size: int = 32) -> torch.Tensor:
    """An input of valid shape to trace the export with."""
    side = -(-size // multiple) * multiple
    return torch.from_numpy(_random_input(port, side, side, np.random.default_rng(0)))


def _random_input(port: Port, height: int, width: int, rng: np.random.Generator) -> Pixels:
    if port.role == "amount":
        return np.full((1,), 0.5, np.float32)
    if port.role == "latent":
        return rng.normal(0, 1, (1, port.channels)).astype(np.float32)
    channels = port.channels * len(port.frame_offsets) if port.role == "plate" else port.channels
    if port.role == "noise":
        return rng.normal(0, 1, (1, channels, height, width)).astype(np.float32)
    return rng.random((1, channels, height, width)).astype(np.float32)


def _without_bad_twin(card: ModelCard, workshop: str, shown: Mapping[str, Frame]) -> ModelCard:
    """`card`, or one without the fp16 twin where that lost too much; its file is removed then."""
    failed = [check for check in _twin(catalog.locate(workshop), shown) if not check.passed]
    if not failed:
        return card
    os.unlink(os.path.join(workshop, card.fp16_file))
    worst = f"{max(check.worst for check in failed):.3g}"
    log.warning("%s: no fp16 twin, it differs by %s (limit %.3g); GPUs run float32.", card.name, worst, TWIN_LIMIT)
    limit = f"Runs in float32 on GPUs too: in half precision it differs by {worst}."
    card = dataclasses.replace(card, fp16_file="", fp16_sha256="", limits=(*card.limits, limit))
    cards.save(card, workshop)
    return card


def _tolerances(checks: Sequence[Check]) -> dict[str, float]:
    """What a later install may differ by: the CPU's bound, and for GPUs what half precision was measured to cost."""
    twin = max((check.worst for check in checks if check.what.startswith("fp16")), default=0.0)
    gpu = float(f"{max(GPU_MARGIN * twin, 2e-3):.2g}")
    return {"CPUExecutionProvider": WORKER_LIMIT, "CUDAExecutionProvider": gpu, "TensorrtExecutionProvider": gpu}


# Checks -------------------------------------------------------------------------------------------------------------


def _sizes(card: ModelCard) -> list[tuple[int, int]]:
    """Even, odd and narrow sizes (height, width) that the graph takes without padding."""
    step, least = card.geometry.multiple, card.geometry.minimum
    return [tuple(max(least, -(-side // step) * step) for side in size) for size in ((48, 64), (33, 47), (1, 37))]  # type: ignore[misc]


def _reference(module: nn.Module, inputs: Sequence[Pixels]) -> Pixels:
    """The network's first output in PyTorch, float32 on the CPU."""
    with torch.no_grad():
        result = module(*(torch.from_numpy(value) for value in inputs))
    first: torch.Tensor = result if isinstance(result, torch.Tensor) else result[0]
    return np.ascontiguousarray(first.numpy())


def _parity(module: nn.Module, located: catalog.Located) -> list[Check]:
    """The exported graph against PyTorch, all inputs random, at several sizes."""
    card = located.card
    assert card is not None
    rng, checks = np.random.default_rng(1), []
    with open_session(located, "cpu") as session:
        for height, width in _sizes(card):
            inputs = [_random_input(port, height, width, rng) for port in card.inputs]
            named = {port.name: value for port, value in zip(card.inputs, inputs, strict=True)}
            result = session.run(named)[card.outputs[0].name]
            worst = _difference(result, _reference(module, inputs))
            checks.append(Check(f"PyTorch against the graph at {width}x{height}", worst, WORKER_LIMIT))
    return checks


def _twin(located: catalog.Located, shown: Mapping[str, Frame]) -> list[Check]:
    """The fp16 twin against the float32 file, on pictures; in white noise a gated network is never sure."""
    card = located.card
    assert card is not None
    if not card.fp16_file:
        return []
    drawn = _test_frames(card, *_sizes(card)[0])
    name, rng, checks = card.outputs[0].name, np.random.default_rng(2), []
    bare = catalog.Located(card.name, os.path.join(located.folder, card.fp16_file), None)
    with open_session(located, "cpu") as full, open_session(bare, "cpu") as half:
        for what, frames in (("a drawn picture", drawn), ("the proof frame", shown)):
            feeds = _feeds(card, frames, rng)
            worst = _difference(half.run(feeds)[name], full.run(feeds)[name])
            checks.append(Check(f"fp16 against float32 on {what}", worst, TWIN_LIMIT))
    return checks


def _feeds(card: ModelCard, frames: Mapping[str, Frame], rng: np.random.Generator) -> dict[str, Pixels]:
    """What the graph is fed for these frames: plate and matte cut to the size that it takes, the rest random."""
    seen = {port.name: _seen_by(port, card, frames) for port in card.inputs if port.role in ("plate", "matte")}
    step = card.geometry.multiple
    height, width = (side // step * step for side in next(iter(seen.values())).shape[2:])
    cut = {name: np.ascontiguousarray(planes[:, :, :height, :width]) for name, planes in seen.items()}
    rest = [port for port in card.inputs if port.name not in seen]
    return cut | {port.name: _random_input(port, height, width, rng) for port in rest}


def _through_worker(module: nn.Module, card: ModelCard, folder: str) -> list[Check]:
    """Frames on disk through the worker's whole path, against PyTorch and tiled against whole."""
    checks = []
    for height, width in [(61, 83), (64, 96)]:
        frames = _test_frames(card, height, width)
        whole = _render(folder, frames, "whole", "4096")
        if not any(port.role in ("noise", "amount", "latent") for port in card.inputs) and _fits(card, height, width):
            expected = _reference(module, _worker_inputs(card, frames))[0].transpose(1, 2, 0)
            worst = _difference(_seen(card, whole), expected)
            checks.append(Check(f"PyTorch against the worker at {width}x{height}", worst, WORKER_LIMIT))
        if card.geometry.tiling == "exact":
            tiled = _render(folder, frames, "tiled", str(2 * card.geometry.overlap + 16))
            worst = _difference(_seen(card, tiled), _seen(card, whole))
            checks.append(Check(f"tiled against whole at {width}x{height}", worst, TILING_LIMIT))
    return checks


def _fits(card: ModelCard, height: int, width: int) -> bool:
    """True where the worker feeds the plate as it is, without padding it to a multiple first."""
    step, least = card.geometry.multiple, card.geometry.minimum
    return height % step == 0 and width % step == 0 and min(height, width) >= least


def _difference(first: Pixels, second: Pixels) -> float:
    """Largest difference; infinite where the shapes differ or a value is not finite."""
    if first.shape != second.shape or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return float("inf")
    return float(np.abs(first - second).max())


# Frames -------------------------------------------------------------------------------------------------------------


def picture_frame(pixels: Pixels, attributes: Mapping[str, object] | None = None, half: bool = False) -> Frame:
    """A frame of one part from scene-linear pixels: (height, width, 3) as R, G, B; (height, width, 1) as Y."""
    height, width, count = pixels.shape
    names = ("R", "G", "B") if count == 3 else ("Y",) if count == 1 else tuple(f"C{index}" for index in range(count))
    kind = np.float16 if half else np.float32
    channels = {name: np.ascontiguousarray(pixels[:, :, index], kind) for index, name in enumerate(names)}
    box = Box(0, 0, width - 1, height - 1)
    return Frame([Part(channels, box, box, dict(attributes or {}), {})])


def _test_frames(card: ModelCard, height: int, width: int) -> dict[str, Frame]:
    """A plate with ramps, noise, lights of 5000 and values below 0, and a matte where the model takes one."""
    rng = np.random.default_rng([height, width])
    channels = next(port.channels for port in card.inputs if port.role == "plate")
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    base = 0.3 + 0.25 * np.sin(columns / 5) * np.cos(rows / 7)
    pixels = base[:, :, None] * np.linspace(0.6, 1.4, channels) + rng.normal(0, 0.05, (height, width, channels))
    pixels[height // 3 : height // 3 + 6, width // 2 : width // 2 + 9] = 5000.0
    pixels[height // 2 :, : width // 8] *= -1
    frames = {PROOF_IN: picture_frame(pixels.astype(np.float32))}
    if any(port.role == "matte" for port in card.inputs):
        matte = (np.hypot(rows - height / 2, columns - width / 2) < height / 3).astype(np.float32)
        frames[PROOF_MATTE] = picture_frame(matte[:, :, None])
    return frames


def _worker_inputs(card: ModelCard, frames: Mapping[str, Frame]) -> list[Pixels]:
    """What the network must see of these frames, made here independently of the worker."""
    return [_seen_by(port, card, frames) for port in card.inputs]


def _seen_by(port: Port, card: ModelCard, frames: Mapping[str, Frame]) -> Pixels:
    """The plate or matte input `port` for these frames: (1, channels, height, width)."""
    if port.role == "plate":
        pixels = plate.take(frames[PROOF_IN], "rgba", port.channels).pixels
        seen = color.encode(pixels) if card.color == "bipack" else pixels
        planes = np.concatenate([seen.transpose(2, 0, 1)] * len(port.frame_offsets))
    else:
        planes = plate.take_matte(frames[PROOF_MATTE])[None]
    return np.ascontiguousarray(planes[None], dtype=np.float32)


def _render(folder: str, frames: Mapping[str, Frame], label: str, tile: str) -> Frame:
    """Write the frames, let the worker's image path make the result on the CPU, and read it."""
    room = os.path.join(folder, f".{label}")
    try:
        for name, frame in frames.items():
            write_frame(os.path.join(room, name), frame)
        output = os.path.join(room, PROOF_OUT)
        matte = os.path.join(room, PROOF_MATTE) if PROOF_MATTE in frames else None
        plate_file, number = os.path.join(room, PROOF_IN), (proofs.FRAME,)  # noise is that of the frame
        request = messages.Render("verify", folder, plate_file, output, number, matte, device="cpu", tile=tile)
        step = ModelStep(catalog.locate(folder), "cpu")
        try:
            run_sequence(request, step, lambda message: None, threading.Event())
        finally:
            step.close()
        return read_frame(output)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _seen(card: ModelCard, frame: Frame) -> Pixels:
    """A result in the values that the network speaks, (height, width, channels)."""
    pixels = plate.take(frame, "rgba", card.outputs[0].channels).pixels
    return color.encode(pixels) if card.color == "bipack" else pixels


def _prove(workshop: str, proof: Frame, matte: Frame | None) -> None:
    """Write the proof frames: the input, and what the worker on the CPU makes of it.

    Of a model of several frames the neighbours are the input panned, a pixel a frame.
    """
    frames = {PROOF_IN: proof} | ({PROOF_MATTE: matte} if matte is not None else {})
    step = ModelStep(catalog.locate(workshop), "cpu")
    try:
        around = {offset: _panned(proof, offset) for offset in step.frame_offsets if offset}
        if around:
            shown = {offset: proofs.as_float(frame) for offset, frame in {0: proof, **around}.items()}
            result = proofs.process(step, shown, matte)
    finally:
        step.close()
    if not around:
        result = _render(workshop, frames, "proof", "auto")
    frames |= {proofs.input_name(offset): frame for offset, frame in around.items()}
    for name, frame in (*frames.items(), (PROOF_OUT, result)):
        write_frame(os.path.join(workshop, name), frame)


def _panned(frame: Frame, across: int) -> Frame:
    """The frame as a camera sees it that went `across` pixels to the right; the edge is repeated."""
    part = frame.parts[0]

    def pan(pixels: NDArray[Any]) -> NDArray[Any]:
        places = np.clip(np.arange(pixels.shape[1]) + across, 0, pixels.shape[1] - 1)
        return np.ascontiguousarray(pixels[:, places])

    channels = {name: pan(pixels) for name, pixels in part.channels.items()}
    return dataclasses.replace(frame, parts=[dataclasses.replace(part, channels=channels)])


def _move(workshop: str, folder: str) -> None:
    """Move every file into its final place, the card last."""
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(workshop), key=lambda name: (name == cards.CARD_NAME, name)):
        os.replace(os.path.join(workshop, name), os.path.join(folder, name))
