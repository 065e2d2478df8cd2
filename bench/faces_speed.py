"""What six region models cost on a face in a 4K plate, against six bare runs of them on 1024 x 1024.

Both are measured in one run, in CPU seconds on one thread. Bare is onnxruntime on an array that is there already. The
way of an artist's farm is from file to file: the crop and its mattes are cut out of the plate (`bipack faces` with the
track), each model runs on the crop within its region (`bipack run`), and all six changes go back into the plate
(`bipack faces --put-back`). Finding the face is counted apart. The models are of the trainer's own kind and size; what
they learned changes no time. A shot of a few frames, since a model is opened once for all of them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from bipack import card as cards
from bipack.card import Geometry, Knob, ModelCard, Port
from bipack.catalog import locate
from bipack.cli.main import main as bipack
from bipack.imaging import plate
from bipack.imaging.faces import crop
from bipack.imaging.faces.track_file import load
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.session import open_session
from bipack_train import export
from bipack_train.models.region import Region, RegionNet

LABELS = Path(__file__).resolve().parents[1] / "tests" / "data" / "faces"
REGIONS = ("forehead", "eye_l", "eye_r", "cheek_l", "cheek_r", "mouth")
LIMIT = 1.3
CROP = 1024
FRAMES = 6
PLATE = (2160, 4096)
PHOTO, WINDOW = "photolab_03.jpg", 2.4 / 1.9
"""Whose face it is, and how wide its crop is in its label's window."""


def measure(data: str, folder: str, parser: str, size: str = "small") -> dict[str, float]:
    """CPU seconds a frame of the bare runs and of each part of the way; `folder` takes what is written."""
    model = _model(Path(folder) / "region", size)
    shot = _plate(data, folder)
    found = {"bare": _bare(model)}
    out, number = os.path.join(folder, "out"), ".%d.exr"
    cut, track = os.path.join(out, "face1" + number), os.path.join(out, "track.json")
    faces = ["faces", shot, out, "--face", "1"]
    found["find"] = _cpu([*faces, "--model", parser, "--track-only"])
    found["cut"] = _cpu([*faces, "--model", parser, "--track", track, "--size", str(CROP), "--crops-only"])
    edited, found["models"] = [], 0.0
    for region in REGIONS:
        target = os.path.join(folder, region + number)
        found["models"] += _cpu(
            ["run", model, cut, target, "--matte", cut, "--matte-channel", region, "--channels", "rgb"]
        )
        edited += ["--put-back", target]
    found["back"] = _cpu([*faces, "--track", track, *edited])
    _harmless(shot % 1, os.path.join(out, "put_back.1.exr"), out)
    found["all"] = found["cut"] + found["models"] + found["back"]
    return found


def show(data: str, parser: str) -> None:
    """Print what `measure` finds."""
    with tempfile.TemporaryDirectory() as folder:
        found = measure(data, folder, parser)
    print(f"\n4K plate, six regions of a face {CROP} pixels wide in its crop, CPU seconds a frame of {FRAMES}")
    print("  " + "  ".join(f"{name} {found[name]:.2f}" for name in ("cut", "models", "back")))
    times = found["all"] / found["bare"]
    print(f"  together {found['all']:.2f}, six bare runs on {CROP} x {CROP} {found['bare']:.2f}: {times:.2f} times")
    print(f"  (asked: at most {LIMIT}; finding the face takes {found['find']:.2f} more)")


def _cpu(command: list[str]) -> float:
    """CPU seconds of a command line, in this process. Raises RuntimeError where it fails."""
    said, began = io.StringIO(), time.process_time()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = bipack([*command, "--device", "cpu"] if "--put-back" not in command else command)
    if code:
        raise RuntimeError(f"bipack {' '.join(command)} ended with {code}: {said.getvalue()}")
    return (time.process_time() - began) / FRAMES


def _bare(model: str) -> float:
    """CPU seconds of six runs on 1024 x 1024, nothing else."""
    rng = np.random.default_rng(1)
    feeds = {
        "plate": rng.random((1, 3, CROP, CROP), np.float32),
        "mask": np.ones((1, 1, CROP, CROP), np.float32),
        "z": np.array([[1, 0, 0, 0]], np.float32),
    }
    with open_session(locate(model), "cpu") as session:
        began = time.process_time()
        for _ in REGIONS:
            session.run(feeds)
        return time.process_time() - began


def _model(folder: Path, size: str) -> str:
    """A region model as the trainer exports it, not trained."""
    folder.mkdir(parents=True)
    torch.manual_seed(1)
    path = folder / "model.onnx"
    inputs = [torch.rand(1, 3, 64, 64), torch.rand(1, 1, 64, 64), torch.rand(1, 4)]
    axes = {"z": {0: "batch"}}
    export.export_onnx(Region(RegionNet(size)), str(path), inputs, ["plate", "mask", "z"], ["result"], axes=axes)
    card = ModelCard(
        name="region",
        title="Region",
        version="1",
        purpose="Measures time.",
        file="model.onnx",
        sha256=cards.file_sha256(str(path)),
        kind="region",
        inputs=(Port("plate", 3), Port("mask", 1, "matte", optional=True), Port("z", 4, "latent", range=(-1.0, 1.0))),
        outputs=(Port("result", 3),),
        geometry=Geometry(tile=512),
        knobs=(Knob("age", "float", 1.0, "Age", 0.0, 1.0, tooltip="Amount.", input="z"),),
    )
    cards.save(card, str(folder))
    return str(folder)


def _plate(data: str, folder: str) -> str:
    """A 4K shot, half EXR: a photographed face whose crop is about CROP pixels wide, before a blur, under grain."""
    height, width = PLATE
    photo = plate.take(read_frame(os.path.join(data, "faces", PHOTO)), "rgba", 3).pixels
    label = json.loads((LABELS / f"{Path(PHOTO).stem}.json").read_text(encoding="utf-8"))
    scale = CROP / WINDOW / (label["window"][2] - label["window"][0])
    near = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    light = cv2.resize(cv2.blur(photo, (99, 99)), (width, height))
    top, left = (height - near.shape[0]) // 2, (width - near.shape[1]) // 2
    light[top : top + near.shape[0], left : left + near.shape[1]] = near
    path, box = os.path.join(folder, "plate.%d.exr"), Box.of_size(width, height)
    for frame in range(1, FRAMES + 1):
        grain = np.random.default_rng(frame).normal(0, 0.004, light.shape).astype(np.float32)
        channels = {name: np.ascontiguousarray((light + grain)[..., i], np.float16) for i, name in enumerate("RGB")}
        write_frame(path % frame, Frame([Part(channels, box, box)]))
    return path


def _harmless(before: str, after: str, out: str) -> None:
    """Raises RuntimeError where anything changed outside of the crop, or nothing did."""
    first, last = (read_frame(path).parts[0].channels for path in (before, after))
    square = load(os.path.join(out, "track.json")).tracks[0].places[1].square
    rows, columns = crop.window(square, *PLATE)
    changed = np.any([first[name] != last[name] for name in "RGB"], axis=0)
    inside = int(changed[rows, columns].sum())
    if not inside or int(changed.sum()) != inside:
        raise RuntimeError("The plate changed outside of the crop, or nowhere.")
