from __future__ import annotations

import torch
from torch import nn

from bipack_train import muon


def test_singular_values_come_close_to_one_whatever_they_were() -> None:
    torch.manual_seed(0)
    left, _ = torch.linalg.qr(torch.randn(3, 24, 24))
    right, _ = torch.linalg.qr(torch.randn(3, 90, 24))
    values = torch.linspace(0.05, 1.0, 24)
    for matrices in (left @ (values[:, None] * right.mT), (left @ (values[:, None] * right.mT)).mT):
        found = torch.linalg.svdvals(muon.orthogonal(matrices))
        assert found.min() > 0.5 and found.max() < 1.3


def test_no_gradient_means_no_step() -> None:
    assert not muon.orthogonal(torch.zeros(2, 8, 72)).any()


def test_steps_are_as_large_as_those_of_adam() -> None:
    torch.manual_seed(0)
    inner, plain = nn.Parameter(torch.zeros(32, 32, 3, 3)), nn.Parameter(torch.zeros(400))
    optimizer = muon.Muon([inner], [plain], learning_rate=0.1, weight_decay=0.0)
    inner.grad, plain.grad = torch.randn_like(inner), torch.randn_like(plain)
    optimizer.step()
    assert 0.01 < float(inner.detach().square().mean().sqrt()) < 0.04
    assert torch.allclose(plain.detach().abs(), torch.full((400,), 0.1), atol=1e-3)


def test_state_that_is_put_back_goes_on_bit_for_bit() -> None:
    def net() -> nn.Sequential:
        torch.manual_seed(1)
        return nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))

    def steps(module: nn.Module, optimizer: muon.Muon, numbers: range) -> None:
        for number in numbers:
            torch.manual_seed(number)
            module(torch.randn(2, 4, 8, 8)).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

    whole = net()
    steps(whole, muon.of_net(whole, ("0",), 1e-2, 0.1), range(6))
    first = net()
    optimizer = muon.of_net(first, ("0",), 1e-2, 0.1)
    steps(first, optimizer, range(3))
    kept = optimizer.state_dict()
    again = muon.of_net(first, ("0",), 1e-2, 0.1)
    again.load_state_dict(kept)
    steps(first, again, range(3, 6))
    for one, other in zip(whole.parameters(), first.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_has_no_gradient_stays() -> None:
    layer = nn.Conv2d(2, 2, 3)
    before = layer.weight.detach().clone()
    muon.of_net(layer, (), 0.1, 0.1).step()
    assert torch.equal(layer.weight, before)
