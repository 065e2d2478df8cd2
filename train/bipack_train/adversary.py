"""The late adversarial stage: a small discriminator that keeps repairs from being smoother than their surroundings.

A regression averages grain and pores away. The discriminator looks at a repaired crop together with its difference
from the plate, patch by patch; only patches that overlap the edit count. It is light on purpose (a few layers, hinge
loss, gradient penalty on real crops, both sides shifted, cut out and tinted alike at random), because there are a
handful of pairs and not thousands. What texture is still missing after it is measured and left to the noise input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

if TYPE_CHECKING:
    from bipack_train.paintfix import Adversary


class PatchCritic(nn.Module):
    """(N, 6, H, W), picture and difference, to one logit for each patch (N, 1, H/4, W/4)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(6, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, padding=1),
        )

    def forward(self, picture: Tensor) -> Tensor:
        """Logits: high for what looks painted by the artist."""
        return cast(Tensor, self.layers(picture))

    def activations(self, picture: Tensor) -> list[Tensor]:
        """What each convolution makes of it, the logits last."""
        found = []
        for layer in self.layers:
            picture = layer(picture)
            if not isinstance(layer, nn.Conv2d):
                found.append(picture)
        return [*found, picture]


class Stage:
    """The discriminator with its optimizer, and the loss that it gives the paint-fix net."""

    def __init__(self, settings: Adversary, device: torch.device) -> None:
        self.settings = settings
        self.net = PatchCritic().to(device)
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=settings.learning_rate, betas=(0.0, 0.99))
        self.steps = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps besides weights and moments."""
        return {"steps": self.steps}

    def load(self, state: dict[str, Any]) -> None:
        """Undo `state`."""
        self.steps = int(state["steps"])

    def step(self, plate: Tensor, fixed: Tensor, after: Tensor, matte: Tensor) -> Tensor:
        """Train the discriminator once and return the loss for the net, weighted.

        `plate`, `fixed`, `after` (N, 3, H, W) encoded, `matte` (N, 1, H, W).
        """
        repaired = plate + matte * (fixed - plate)
        count = functional.avg_pool2d(matte, 4)
        self.learn(plate, repaired.detach(), after, count)
        shape = _Change(plate.shape, plate.device)
        logits = self.net(shape.apply(seen(plate, repaired)))
        weight = functional.avg_pool2d(shape.move(matte), 4)
        asked: Tensor = -(logits * weight).sum() / (weight.sum() + 1e-6)
        return self.settings.weight * asked

    def learn(self, plate: Tensor, repaired: Tensor, after: Tensor, count: Tensor) -> None:
        """Train the discriminator once; `count` (N, 1, H/4, W/4) says how much each patch counts."""
        shape = _Change(plate.shape, plate.device)
        weight = functional.avg_pool2d(shape.move(functional.interpolate(count, scale_factor=4.0)), 4)
        total = weight.sum() + 1e-6
        penalised = self.steps % self.settings.penalty_every == 0
        real = shape.apply(seen(plate, after)).detach().requires_grad_(penalised)
        real_logits = self.net(real)
        loss = (functional.relu(1.0 - real_logits) * weight).sum() / total
        loss = loss + (functional.relu(1.0 + self.net(shape.apply(seen(plate, repaired)))) * weight).sum() / total
        if penalised:
            (slope,) = torch.autograd.grad((real_logits * weight).sum(), real, create_graph=True)
            loss = loss + 0.5 * self.settings.penalty * self.settings.penalty_every * slope.square().sum() / total
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._share_gradients()
        self.optimizer.step()
        self.net.zero_grad(set_to_none=True)
        self.steps += 1

    def _share_gradients(self) -> None:
        if not (distributed.is_available() and distributed.is_initialized()):
            return
        for parameter in self.net.parameters():
            if parameter.grad is not None:
                distributed.all_reduce(parameter.grad)
                parameter.grad /= distributed.get_world_size()


def seen(plate: Tensor, picture: Tensor) -> Tensor:
    """What the discriminator looks at, (N, 6, H, W): the picture, and by how much it differs from the plate."""
    return torch.cat([picture - 0.5, 4.0 * (picture - plate)], dim=1)


class _Change:
    """One random change for real and repaired crops alike: a shift, a hole, another brightness."""

    def __init__(self, shape: torch.Size, device: torch.device) -> None:
        height, width = shape[-2:]
        # Whole blocks of four: patches and their weights then stay aligned.
        self.shift = [4 * int(torch.randint(-side // 32, side // 32 + 1, ())) for side in (height, width)]
        self.brightness = 0.2 * (torch.rand(shape[0], 1, 1, 1, device=device) - 0.5)
        self.hole = torch.ones(1, 1, height, width, device=device)
        if torch.rand(()) < 0.5:
            size = height // 16 * 4
            top, left = (int(torch.randint(0, side - size + 1, ())) for side in (height, width))
            self.hole[..., top : top + size, left : left + size] = 0.0

    def move(self, matte: Tensor) -> Tensor:
        """The change of place alone, for weights; what is cut out counts nothing."""
        return torch.roll(matte, self.shift, (2, 3)) * self.hole

    def apply(self, seen: Tensor) -> Tensor:
        """The whole change of what the discriminator sees."""
        moved = torch.roll(seen, self.shift, (2, 3))
        tinted = torch.cat([moved[:, :3] + self.brightness, moved[:, 3:]], dim=1)
        return tinted * self.hole
