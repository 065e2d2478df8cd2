from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from bipack.errors import MissingInput, ModelRefused, UsageError
from bipack_train import checkpoint, export, superres, superres_init, superres_recipe
from bipack_train.models.plain import PlainNet
from training import write_photos, write_recipe


@pytest.fixture
def given(tmp_path: Path) -> tuple[PlainNet, str]:
    """A network of 8 channels by 4 convolutions as it would come out of a run, and its file."""
    torch.manual_seed(3)
    net = PlainNet(2, 8, 4)
    path = str(tmp_path / "given.onnx")
    export.export_onnx(net.fused(), path, [torch.rand(1, 3, 12, 12)], ["plate"], ["result"])
    return net, path


def result(net: PlainNet, plate: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        value: torch.Tensor = net(plate)
    return value


@pytest.mark.parametrize("branched", [True, False])
def test_a_network_of_the_same_size_starts_as_the_model_was(given: tuple[PlainNet, str], branched: bool) -> None:
    torch.manual_seed(4)
    net, plate = PlainNet(2, 8, 4, branched=branched), torch.rand(1, 3, 9, 11)
    assert not torch.allclose(result(net, plate), result(given[0], plate), atol=1e-3)
    assert superres_init.start_from(net, given[1]) == "given"
    torch.testing.assert_close(result(net, plate), result(given[0], plate), atol=1e-6, rtol=0)


def test_a_model_that_makes_up_detail_takes_and_gives_what_is_faithful(
    given: tuple[PlainNet, str], tmp_path: Path
) -> None:
    net, plate = PlainNet(2, 8, 4, noise=True), torch.rand(1, 3, 9, 11)
    superres_init.start_from(net, given[1])
    torch.testing.assert_close(result(net, plate), result(given[0], plate), atol=1e-6, rtol=0)
    path = str(tmp_path / "detailed.onnx")
    inputs = [torch.rand(1, 3, 12, 12), torch.randn(1, 1, 12, 12), torch.ones(1)]
    export.export_onnx(net.fused(), path, inputs, ["plate", "noise", "amount"], ["result"], axes={"amount": {}})
    other = PlainNet(2, 8, 4)
    superres_init.start_from(other, path)
    torch.testing.assert_close(result(other, plate), result(given[0], plate), atol=1e-6, rtol=0)


def test_how_frames_are_weighed_is_taken_from_a_model_of_as_many(tmp_path: Path) -> None:
    torch.manual_seed(3)
    net, path = PlainNet(1, 8, 4, frames=3, branched=False), str(tmp_path / "clip.onnx")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    export.export_onnx(net.fused(), path, [torch.rand(1, 9, 12, 12)], ["plate"], ["result"])
    torch.manual_seed(4)
    twin, other, plate = PlainNet(1, 8, 4, frames=3, branched=False), PlainNet(1, 8, 4), torch.rand(1, 9, 9, 11)
    assert not torch.allclose(result(twin, plate), result(net, plate), atol=1e-3)
    superres_init.start_from(twin, path)
    torch.testing.assert_close(result(twin, plate), result(net, plate), atol=1e-6, rtol=0)
    with pytest.raises(ModelRefused, match="cannot start"):
        superres_init.start_from(other, path)


def test_another_scale_and_depth_take_the_inner_convolutions(given: tuple[PlainNet, str]) -> None:
    net = PlainNet(4, 8, 5)
    fresh = [layer.kernel().detach().clone() for layer in net.body[::2]]  # type: ignore[operator, union-attr]
    superres_init.start_from(net, given[1])
    kernels = [layer.kernel() for layer in net.body[::2]]  # type: ignore[operator, union-attr]
    wanted = [layer.kernel() for layer in given[0].body[::2]]  # type: ignore[operator, union-attr]
    for index in range(3):
        torch.testing.assert_close(kernels[index], wanted[index], atol=1e-6, rtol=0)
    for index in (3, 4):
        assert torch.equal(kernels[index], fresh[index])


@pytest.mark.parametrize("branched", [True, False])
def test_a_wider_network_starts_as_the_model_was(given: tuple[PlainNet, str], branched: bool) -> None:
    torch.manual_seed(4)
    wide, plate = PlainNet(2, 12, 4, branched=branched), torch.rand(1, 3, 9, 11)
    superres_init.start_from(wide, given[1])
    torch.testing.assert_close(result(wide, plate), result(given[0], plate), atol=1e-6, rtol=0)


def test_a_wider_and_deeper_network_starts_as_the_model_was_and_learns_with_all_weights(
    given: tuple[PlainNet, str], tmp_path: Path
) -> None:
    torch.manual_seed(4)
    grown, plate = PlainNet(2, 12, 8, branched=False, skips=2), torch.rand(1, 3, 9, 11)
    superres_init.start_from(grown, given[1])
    torch.testing.assert_close(result(grown, plate), result(given[0], plate), atol=1e-6, rtol=0)
    before = {name: value.detach().clone() for name, value in grown.named_parameters()}
    optimizer = torch.optim.Adam(grown.parameters(), lr=1e-3)
    for _ in range(2):  # what has no say hears of its error once that has changed
        optimizer.zero_grad()
        (grown(plate) - 0.5).square().mean().backward()
        optimizer.step()
    assert all((value != before[name]).float().mean() > 0.9 for name, value in grown.named_parameters())

    path = str(tmp_path / "grown.onnx")
    export.export_onnx(grown.fused(), path, [torch.rand(1, 3, 12, 12)], ["plate"], ["result"])
    twin = PlainNet(2, 12, 8, branched=False, skips=2)
    superres_init.start_from(twin, path)
    torch.testing.assert_close(result(twin, plate), result(grown, plate), atol=1e-6, rtol=0)


def test_a_narrower_network_is_refused(given: tuple[PlainNet, str]) -> None:
    with pytest.raises(ModelRefused, match="at most 6 channels"):
        superres_init.start_from(PlainNet(2, 6, 4), given[1])


def test_a_graph_without_convolutions_is_refused(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, None, None)) for name in ("plate", "result")]
    graph = helper.make_graph([helper.make_node("Identity", ["plate"], ["result"])], "net", ends[:1], ends[1:])
    path = tmp_path / "same.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]).SerializeToString())
    with pytest.raises(ModelRefused, match="no super-res model"):
        superres_init.start_from(PlainNet(2, 8, 4), str(path))


def test_a_run_starts_from_it_and_remembers(given: tuple[PlainNet, str], tmp_path: Path) -> None:
    text = Path(write_recipe(tmp_path / "r.toml", steps=4)).read_text()
    text = text.replace("seed =", f'init = "{given[1]}"\nseed =', 1).replace("depth = 3", "depth = 4")
    text = text.replace("learning_rate = 3e-3", "learning_rate = 1e-5")
    (tmp_path / "r.toml").write_text(text)
    settings = superres_recipe.load_recipe(str(tmp_path / "r.toml"))
    photos = write_photos(tmp_path / "data")
    run = superres.train(settings, photos, str(tmp_path / "run"), device="cpu", stop=lambda: True)
    plate = torch.from_numpy(np.random.default_rng(0).random((1, 3, 9, 11), np.float32))
    assert float((result(superres.averaged(run), plate) - result(given[0], plate)).abs().max()) < 5e-3
    state = checkpoint.load(str(tmp_path / "run" / superres.CHECKPOINT))
    assert state.extra["base_model"] == "given"
    resumed = superres.train(settings, photos, str(tmp_path / "run"), device="cpu", resume=True)
    assert (resumed.step, resumed.base_model) == (4, "given")


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        superres_init.start_from(PlainNet(2, 8, 4), str(tmp_path / "nowhere.onnx"))


def test_the_models_that_the_recipes_start_from_fit_them() -> None:
    recipes = Path(superres.__file__).parents[1] / "recipes"
    started = 0
    for path in (*recipes.glob("superres_*.toml"), *recipes.glob("deartifact*.toml")):
        settings = superres_recipe.load_recipe(str(path))
        if settings.init:
            net = superres.build_net(settings)
            superres_init.start_from(net, settings.init)
            started += 1
    assert started > 4


def test_a_share_of_the_start_is_mixed_into_the_finished_weights(given: tuple[PlainNet, str], tmp_path: Path) -> None:
    folder, recipe_file = write_photos(tmp_path / "data"), Path(write_recipe(tmp_path / "r.toml"))
    recipe_file.write_text(recipe_file.read_text().replace("seed =", f'init = "{given[1]}"\nseed =', 1))
    settings = superres_recipe.shortened(superres_recipe.load_recipe(str(recipe_file)), 8)
    superres.train(settings, folder, str(tmp_path / "run"), device="cpu")
    path = str(tmp_path / "run" / superres.CHECKPOINT)
    start = superres.start_run(settings, torch.device("cpu"))
    superres.start_from(start, settings.init)
    end = dict(superres.averaged_from(path, settings).named_parameters())
    mixed = superres.averaged_from(path, dataclasses.replace(settings, start_share=0.25))
    first = dict(start.net.named_parameters())
    assert any(not torch.equal(end[name], first[name]) for name in first)
    for name, weight in mixed.named_parameters():
        torch.testing.assert_close(weight, 0.75 * end[name] + 0.25 * first[name])
    other = str(tmp_path / "other.onnx")
    shutil.copy(given[1], other)
    with pytest.raises(UsageError, match="started from given"):
        superres.averaged_from(path, dataclasses.replace(settings, start_share=0.25, init=other))


def test_a_share_of_no_start_is_refused(tmp_path: Path) -> None:
    recipe_file = Path(write_recipe(tmp_path / "r.toml"))
    recipe_file.write_text(recipe_file.read_text().replace("seed =", "start_share = 0.5\nseed =", 1))
    with pytest.raises(UsageError, match="start_share"):
        superres_recipe.load_recipe(str(recipe_file))
