"""Networks with tied weights: what they answer to mirrored and turned pictures, at the start and after real steps."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from bipack.errors import ModelRefused, UsageError
from bipack_train import export, superres, superres_recipe
from bipack_train.models.equivariant import WAYS, Ties, back, turned
from bipack_train.models.plain import PlainNet

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]


def recipe(**network: object) -> superres_recipe.SuperresRecipe:
    size = superres_recipe.Network(width=16, depth=6, skips=1, branched=False, equivariant=True)
    schedule = superres_recipe.Schedule(
        steps=40, batch=2, patch=12, warm_up=2, decay_from=10, precise_from=20, learning_rate=3e-3
    )
    return superres_recipe.SuperresRecipe(
        name="tied",
        title="Tied",
        version="1",
        purpose="a test",
        scale=2,
        network=dataclasses.replace(size, **network),
        schedule=schedule,
    )


def batch(seed: int, scale: int = 2, planes: int = 3) -> superres.Crops:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(2, 12, 12, planes, generator=generator)
    return low.numpy(), torch.rand(2, 12 * scale, 12 * scale, 3, generator=generator).numpy()


@torch.no_grad()
def worst(net: PlainNet, planes: int = 3) -> float:
    """Greatest difference, over the eight ways, between the answer turned and the answer to the picture turned."""
    picture = torch.rand(1, planes, 14, 11, generator=torch.Generator().manual_seed(5))
    plain = net(picture)
    return max(float((turned(net(turned(picture, way)), back(way)) - plain).abs().max()) for way in range(WAYS))


@pytest.mark.parametrize("way", range(WAYS))
def test_every_way_is_undone(way: int) -> None:
    picture = torch.rand(1, 2, 3, 5)
    assert torch.equal(turned(turned(picture, way), back(way)), picture)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_turned_picture_has_the_turned_answer(scale: int) -> None:
    torch.manual_seed(scale)
    net = PlainNet(scale, 16, 6, branched=False, skips=1)
    for parameter in net.parameters():  # no layer may pass for silent
        torch.nn.init.normal_(parameter, std=0.1)
    assert worst(net) > 1e-3
    Ties(net)
    assert worst(net) < 1e-5
    assert worst(net.fused()) < 1e-5


def test_frames_are_weighed_alike_whichever_way_they_are_seen() -> None:
    torch.manual_seed(0)
    net = PlainNet(1, 16, 4, frames=3, branched=False)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    assert worst(net, planes=9) > 1e-3
    Ties(net)
    assert worst(net, planes=9) < 1e-5


def test_first_weights_stay_as_large_as_they_were() -> None:
    torch.manual_seed(0)
    net = PlainNet(2, 16, 4, branched=False)
    before = [parameter.detach().norm() for parameter in net.parameters()]
    Ties(net)
    after = [parameter.detach().norm() for parameter in net.parameters()]
    torch.testing.assert_close(after, before)


def test_it_learns_and_stays_tied() -> None:
    run = superres.start_run(recipe(), CPU)
    first = [parameter.detach().clone() for parameter in run.net.parameters()]
    losses = [float(superres.take_step(run, batch(step % 2))) for step in range(40)]
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])
    assert all(not torch.equal(one, was) for one, was in zip(run.net.parameters(), first, strict=True))
    assert worst(run.net) < 1e-5
    assert worst(superres.averaged(run)) < 1e-5


def test_gradients_are_those_of_the_tied_weights() -> None:
    """Along the mean gradient the loss falls as a small step of the tied weights says."""
    torch.manual_seed(0)
    net = PlainNet(2, 8, 3, branched=False).double()
    ties = Ties(net)
    picture, wanted = torch.rand(1, 3, 9, 9).double(), torch.rand(1, 3, 18, 18).double()

    def loss() -> torch.Tensor:
        return (net(picture) - wanted).square().mean()

    loss().backward()
    ties.gradients()
    length = sum(float(one.grad.square().sum()) for one in net.parameters() if one.grad is not None)
    before = loss().item()
    with torch.no_grad():
        for one in net.parameters():
            assert one.grad is not None
            one -= 1e-5 / length * one.grad
    assert ties.apart() < 1e-9
    assert before - loss().item() == pytest.approx(1e-5, rel=1e-2)


def exported(net: PlainNet, path: Path) -> str:
    export.export_onnx(net.fused(), str(path), [torch.rand(1, 3, 12, 12)], ["plate"], ["result"])
    return str(path)


def test_it_starts_from_a_tied_model_and_from_no_other(tmp_path: Path) -> None:
    first = superres.start_run(recipe(), CPU)
    for step in range(3):
        superres.take_step(first, batch(step))
    tied = exported(first.net, tmp_path / "tied.onnx")
    second = superres.start_run(dataclasses.replace(recipe(), seed=9), CPU)
    superres.start_from(second, tied)
    picture = torch.rand(1, 3, 12, 12)
    with torch.no_grad():
        torch.testing.assert_close(second.net(picture), first.net(picture), atol=1e-5, rtol=0)
    loose = exported(superres.start_run(recipe(equivariant=False), CPU).net, tmp_path / "loose.onnx")
    with pytest.raises(ModelRefused, match=r"network\.equivariant"):
        superres.start_from(second, loose)


@pytest.mark.parametrize("change", ["width = 60", "branched = true", "noise = true"])
def test_what_cannot_be_tied_is_refused(tmp_path: Path, change: str) -> None:
    text = (ROOT / "train/recipes/superres_x2.toml").read_text(encoding="utf-8")
    name = change.split(" ")[0]
    lines = [line for line in text.splitlines() if not line.startswith((f"{name} =", "equivariant ="))]
    lines.insert(lines.index("[network]") + 1, f"equivariant = true\n{change}")
    (tmp_path / "tied.toml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UsageError, match=r"network\.equivariant"):
        superres_recipe.load_recipe(str(tmp_path / "tied.toml"))
