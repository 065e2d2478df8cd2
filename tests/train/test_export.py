from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from bipack import catalog
from bipack.errors import DiskError
from bipack.worker.session import open_session
from bipack_train import export
from bipack_train.models.plain import PlainNet


def net(scale: int = 2) -> PlainNet:
    torch.manual_seed(0)
    made = PlainNet(scale, width=8, depth=3)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return made.fused()


def exported(path: Path, module: nn.Module, half: bool = False) -> str:
    write = export.export_half_twin if half else export.export_onnx
    write(module, str(path), [torch.rand(1, 3, 16, 16)], ["plate"], ["result"], metadata={"name": "test"})
    return str(path)


def run(path: str, plate: np.ndarray) -> np.ndarray:
    with open_session(catalog.Located("test", path, None), "cpu") as session:
        return session.run({"plate": plate})["result"]


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (1, 1), (5, 40)])
def test_the_exported_graph_gives_what_pytorch_gives_at_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    module = net()
    plate = np.random.default_rng(0).random((1, 3, *size), dtype=np.float32) * 6 - 1
    with torch.no_grad():
        expected = module(torch.from_numpy(plate)).numpy()
    assert np.abs(run(exported(tmp_path / "m.onnx", module), plate) - expected).max() < 1e-5


def test_the_graph_is_plain(tmp_path: Path) -> None:
    path = exported(tmp_path / "m.onnx", net())
    kinds = export.operators(path)
    assert kinds[:8] == ["Conv", "LeakyRelu", "Conv", "LeakyRelu", "Conv", "Resize", "DepthToSpace", "Add"]
    # What follows is the limit: neighbours' extremes and arithmetic, no shape computation and nothing global.
    assert set(kinds[8:]) <= {
        "MaxPool",
        "AveragePool",
        "Neg",
        "Sub",
        "Add",
        "Mul",
        "Div",
        "Max",
        "Min",
        "Clip",
        "Resize",
        "Exp",
        "Log",
        "Pad",
    }


def test_the_graph_can_be_tiled_exactly(tmp_path: Path) -> None:
    with open_session(catalog.Located("test", exported(tmp_path / "m.onnx", net()), None), "cpu") as session:
        assert session.facts.tiling == "exact"
        assert session.facts.scale == 2
        assert session.facts.reach == 3


def test_the_file_stands_alone_and_is_of_opset_18_or_later(tmp_path: Path) -> None:
    path = exported(tmp_path / "m.onnx", net())
    model = onnx.load(path, load_external_data=False)
    assert os.listdir(tmp_path) == ["m.onnx"]
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    assert model.opset_import[0].version >= 18
    assert {entry.key: entry.value for entry in model.metadata_props} == {"name": "test"}


def test_exporting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = exported(tmp_path / "a.onnx", net()), exported(tmp_path / "b.onnx", net())
    assert Path(first).read_bytes() == Path(second).read_bytes()


def test_the_half_twin_is_close_takes_float32_and_is_half_the_size(tmp_path: Path) -> None:
    full, twin = exported(tmp_path / "m.onnx", net()), exported(tmp_path / "h.onnx", net(), half=True)
    plate = np.random.default_rng(0).random((1, 3, 20, 24), dtype=np.float32)
    assert np.abs(run(full, plate) - run(twin, plate)).max() < 5e-3
    types = {
        tensor.type.tensor_type.elem_type for tensor in (*onnx.load(twin).graph.input, *onnx.load(twin).graph.output)
    }
    assert types == {onnx.TensorProto.FLOAT}
    assert Path(twin).stat().st_size < 0.75 * Path(full).stat().st_size


def test_any_module_has_a_half_twin(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 1))
    full, twin = exported(tmp_path / "m.onnx", module), exported(tmp_path / "h.onnx", module, half=True)
    plate = np.random.default_rng(0).random((1, 3, 9, 9), dtype=np.float32)
    assert np.abs(run(full, plate) - run(twin, plate)).max() < 5e-3
    assert next(module.parameters()).dtype == torch.float32


def test_exporting_leaves_a_training_module_in_training(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Dropout(0.5)).train()
    exported(tmp_path / "m.onnx", module)
    assert module.training
    assert "Dropout" not in export.operators(str(tmp_path / "m.onnx"))


def test_an_unwritable_place_is_a_disk_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskError):
        exported(tmp_path / "file" / "m.onnx", net())
