"""What six region models cost on a face in a 4K plate, against six bare runs of them on 1024 x 1024.

Both are measured in one run, in CPU seconds on one thread. Bare is onnxruntime on an array that is there already. The
way of an artist's farm is from file to file: the crop and its mattes are cut out of the plate (`bipack faces` with a
track), each model runs on the crop within its region (`bipack run`), and all six changes go back into the plate
(`bipack faces --put-back`). The models are of the trainer's own kind and size; what they learned changes no time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from bipack import card as cards
from bipack.card import Geometry, Knob, ModelCard, Port
from bipack.catalog import locate
from bipack.cli.main import main as bipack
from bipack.imaging.faces.square import Square
from bipack.imaging.faces.track import given
from bipack.imaging.faces.track_file import TrackFile, save
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.session import open_session
from bipack_train import export
from bipack_train.models.region import Region, RegionNet

REGIONS = ("forehead", "eye_l", "eye_r", "cheek_l", "cheek_r", "mouth")
LIMIT = 1.3
CROP = 1024
PLATE = (2160, 4096)


def measure(folder: str, parser: str, size: str = "small") -> dict[str, float]:
    """CPU seconds of the bare runs and of each part of the way; `folder` takes what is written."""
    model = _model(Path(folder) / "region", size)
    plate = _plate(folder)
    found = {"bare": _bare(model)}
    out, crop = os.path.join(folder, "out"), os.path.join(folder, "out", "face1.exr")
    track = os.path.join(folder, "track.json")
    found["cut"] = _cpu(["faces", plate, out, "--track", track, "--model", parser, "--size", str(CROP), "--face", "1"])
    edited = []
    began = time.process_time()
    for region in REGIONS:
        target = os.path.join(folder, f"{region}.exr")
        _cpu(["run", model, crop, target, "--matte", crop, "--matte-channel", region])
        edited += ["--put-back", target]
    found["models"] = time.process_time() - began
    found["back"] = _cpu(["faces", plate, out, "--track", track, *edited])
    found["all"] = found["cut"] + found["models"] + found["back"]
    _unharmed(plate, os.path.join(out, "put_back.exr"))
    return found


def _cpu(command: list[str]) -> float:
    """CPU seconds of a command line, in this process. Raises RuntimeError where it fails."""
    said, began = io.StringIO(), time.process_time()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = bipack([*command, "--device", "cpu"] if "--put-back" not in command else command)
    if code:
        raise RuntimeError(f"bipack {' '.join(command)} ended with {code}: {said.getvalue()}")
    return time.process_time() - began


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


def _plate(folder: str) -> str:
    """A 4K plate of texture and grain, half EXR, with a face's track over its middle."""
    height, width = PLATE
    rng = np.random.default_rng(2)
    pixels = cv2.resize(rng.uniform(0.05, 0.7, (40, 76, 3)).astype(np.float32), (width, height))
    pixels += rng.normal(0, 0.01, pixels.shape).astype(np.float32)
    channels = {name: np.ascontiguousarray(pixels[..., index], np.float16) for index, name in enumerate("RGB")}
    box = Box.of_size(width, height)
    path = os.path.join(folder, "plate.exr")
    write_frame(path, Frame([Part(channels, box, box)]))
    track = given({1: Square(2011.3, 1033.8, float(CROP), 2.4)}, (1,))
    save(os.path.join(folder, "track.json"), TrackFile(width, height, [track]))
    return path


def _unharmed(plate: str, result: str) -> None:
    """Raises RuntimeError where anything changed outside the crop."""
    before, after = (read_frame(path).parts[0].channels for path in (plate, result))
    reach = round(CROP * 0.75)
    for name in "RGB":
        changed = before[name] != after[name]
        changed[1034 - reach : 1034 + reach, 2011 - reach : 2011 + reach] = False
        if changed.any():
            raise RuntimeError("The plate changed outside of the crop.")


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as where:
        print(json.dumps({name: round(value, 2) for name, value in measure(where, "face_parser").items()}))
