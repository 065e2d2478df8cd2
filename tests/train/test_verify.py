from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bipack import card as cards
from bipack import catalog
from bipack.card import Knob, ModelCard, Port, Score
from bipack.errors import ModelRefused
from bipack.imaging import color, plate
from bipack.imaging.image_io import read_frame
from bipack_train import export, verify
from bipack_train.models.plain import PlainNet

DRAFT = ModelCard(
    "tiny_x2", "Tiny", "1", "A test.", "", "", "image", (Port("plate", 3),), (Port("result", 3),), scale=2
)


def net() -> PlainNet:
    torch.manual_seed(0)
    made = PlainNet(2, width=8, depth=3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return made.fused()


def proof() -> verify.Frame:
    pixels = np.random.default_rng(1).random((12, 20, 3), dtype=np.float32) * 3
    return verify.picture_frame(pixels, half=True)


def published(folder: Path, module: nn.Module | None = None, draft: ModelCard = DRAFT, **options: object) -> ModelCard:
    return verify.publish(module or net(), draft, str(folder / draft.name), proof(), "# Tiny\n", **options)  # type: ignore[arg-type]


def test_a_verified_model_is_published_whole(tmp_path: Path) -> None:
    card = published(tmp_path, extra_files={"training.csv": b"step\n"})
    assert os.listdir(tmp_path) == ["tiny_x2"]
    names = {"card.json", "model.onnx", "model_fp16.onnx", "proof_in.exr", "proof_out.exr", "README.md", "training.csv"}
    assert set(os.listdir(tmp_path / "tiny_x2")) == names
    found = catalog.locate(str(tmp_path / "tiny_x2"))
    assert found.card == card
    assert card.sha256 == cards.file_sha256(found.path)
    assert card.geometry == cards.Geometry("exact", 1, 1, 3, 512, 3)
    assert card.tolerance["CPUExecutionProvider"] == verify.WORKER_LIMIT
    assert card.tolerance["CUDAExecutionProvider"] >= 2e-3


def test_the_proof_frame_is_what_the_network_makes_of_its_input(tmp_path: Path) -> None:
    published(tmp_path)
    given = plate.take(read_frame(str(tmp_path / "tiny_x2" / "proof_in.exr"))).pixels
    result = plate.take(read_frame(str(tmp_path / "tiny_x2" / "proof_out.exr"))).pixels
    with torch.no_grad():
        encoded = net()(torch.from_numpy(color.encode(given).transpose(2, 0, 1)[None].copy()))
    assert np.allclose(color.encode(result), encoded[0].permute(1, 2, 0).numpy(), atol=2e-3)  # half EXR


class Drifting(nn.Module):
    """Another network each time it is run: what an export that went wrong looks like from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, pixels: Tensor) -> Tensor:
        if not torch.jit.is_tracing():
            pixels = pixels + 0.01
        result: Tensor = self.net(pixels)
        return result


def test_a_model_that_differs_from_pytorch_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="failed its verification"):
        published(tmp_path, Drifting(), half=False)
    assert os.listdir(tmp_path) == []


def test_a_failed_publication_leaves_the_model_that_was_there(tmp_path: Path) -> None:
    published(tmp_path)
    before = {name: (tmp_path / "tiny_x2" / name).read_bytes() for name in os.listdir(tmp_path / "tiny_x2")}
    with pytest.raises(ModelRefused):
        published(tmp_path, Drifting(), half=False)
    after = {name: (tmp_path / "tiny_x2" / name).read_bytes() for name in os.listdir(tmp_path / "tiny_x2")}
    assert after == before


def test_a_network_with_a_nan_is_not_published(tmp_path: Path) -> None:
    broken = net()
    with torch.no_grad():
        broken.body[0].bias[0] = float("nan")
    with pytest.raises(ModelRefused):
        published(tmp_path, broken)
    assert os.listdir(tmp_path) == []


def test_a_card_that_promises_another_scale_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused):
        published(tmp_path, draft=dataclasses.replace(DRAFT, scale=3))
    assert os.listdir(tmp_path) == []


def test_a_twin_that_lost_too_much_is_left_out_and_the_card_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(module: nn.Module, *rest: object, **options: object) -> None:
        other = net()
        with torch.no_grad():
            other.body[-1].bias += 0.1
        export.export_onnx(other, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(export, "export_half_twin", spoiled)
    card = published(tmp_path)
    assert card.fp16_file == "" and "half precision" in card.limits[-1]
    (folder,) = os.listdir(tmp_path)
    assert verify.TWIN_NAME not in os.listdir(tmp_path / folder)


class _FailsOnGreen(nn.Module):
    """A network that is out by 0.1 where green is well above red and blue, which the drawn test picture never is."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, plate: Tensor) -> Tensor:
        green = plate[:, 1:2] - torch.maximum(plate[:, 0:1], plate[:, 2:3]) > 0.3
        result: Tensor = self.net(plate)
        return result + 0.1 * nn.functional.interpolate(green.to(plate.dtype), scale_factor=2.0)


def test_a_twin_that_fails_on_the_proof_frame_alone_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoiled(module: nn.Module, *rest: object, **options: object) -> None:
        export.export_onnx(_FailsOnGreen(), *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(export, "export_half_twin", spoiled)
    card = published(tmp_path)
    assert card.fp16_file == "" and "differs by 0.1" in card.limits[-1]


def test_scores_are_measured_on_the_verified_model_and_end_in_card_and_readme(tmp_path: Path) -> None:
    seen = []

    def measure(folder: str) -> list[Score]:
        found = catalog.locate(folder).card
        assert found is not None and found.sha256
        seen.append(folder)
        return [Score("PSNR-Y", "test", 30.0)]

    card = verify.publish(
        net(), DRAFT, str(tmp_path / "m"), proof(), lambda card: f"{card.scores[0].value}", measure=measure
    )
    assert len(seen) == 1
    assert card.scores == (Score("PSNR-Y", "test", 30.0),)
    assert (tmp_path / "m" / "README.md").read_text() == "30.0"


class Masked(nn.Module):
    """Brightens inside the matte by an amount."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, pixels: Tensor, matte: Tensor, amount: Tensor) -> Tensor:
        delta: Tensor = self.conv(torch.cat([pixels, matte], 1)) * matte * amount
        return pixels + delta


def test_a_model_with_matte_and_amount_is_verified_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    draft = dataclasses.replace(
        DRAFT,
        name="masked",
        kind="masked",
        scale=1,
        inputs=(Port("plate", 3), Port("matte", 1, "matte"), Port("amount", 1, "amount")),
        knobs=(Knob("amount", "float", 1.0, input="amount"),),
    )
    card = published(tmp_path, Masked(), draft, proof_matte=verify.picture_frame(np.ones((12, 20, 1), np.float32)))
    assert card.geometry.halo == 1
    assert (tmp_path / "masked" / "proof_matte.exr").exists()
