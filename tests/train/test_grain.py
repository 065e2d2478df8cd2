from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch

from bipack_train.grain import Repair, measure


def repairs(sigma: float, soft: float, apart: bool = False) -> list[Repair]:
    """Repairs that lack grain of a known strength and softness inside many small holes."""
    rng = np.random.default_rng(4)
    made = []
    for _ in range(3):
        level = cv2.resize(rng.uniform(0.2, 0.8, (4, 4)).astype(np.float32), (192, 192), interpolation=cv2.INTER_LINEAR)
        result = np.repeat(level[..., None], 3, axis=2)
        planes = rng.normal(0, 1, (192, 192, 3 if apart else 1))
        noise = np.dstack([cv2.GaussianBlur(planes[..., i], (0, 0), soft) for i in range(planes.shape[2])])
        noise = np.broadcast_to(noise / noise.std(), result.shape)
        inside = np.zeros((192, 192), np.uint8)
        for place in rng.integers(10, 182, (60, 2)):
            cv2.circle(inside, [int(value) for value in place], 7, 1, -1)
        made.append(Repair(result, (result + sigma * noise).astype(np.float32), inside > 0))
    return made


def spectrum(plane: np.ndarray) -> np.ndarray:
    """Power in four rings, from fine to coarse."""
    power = np.abs(np.fft.fftshift(np.fft.fft2(plane))) ** 2
    axis = np.fft.fftshift(np.fft.fftfreq(plane.shape[0]))
    radius = np.hypot(axis[:, None], axis[None, :])
    edges = (0.5, 0.35, 0.22, 0.12, 0.06)
    return np.array([power[(radius <= high) & (radius > low)].mean() for high, low in itertools.pairwise(edges)])


@pytest.mark.parametrize("soft", [0.5, 0.8, 1.3])
def test_grain_made_again_has_the_measured_strength_and_spectrum(soft: float) -> None:
    grain = measure(repairs(0.02, soft))
    assert grain is not None
    noise = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (1, 1, 256, 256)).astype(np.float32))
    with torch.no_grad():
        made = grain(noise, torch.full((1, 3, 256, 256), 0.5))[0].numpy()
    assert made.std() == pytest.approx(0.02, rel=0.08)
    truth = cv2.GaussianBlur(np.random.default_rng(2).normal(0, 1, (256, 256)), (0, 0), soft)
    truth *= 0.02 / truth.std()
    ratio = spectrum(made[1]) / spectrum(truth)
    strong = spectrum(truth) > 0.02 * spectrum(truth).max()
    assert (np.abs(ratio[strong] - 1) < 0.25).all(), ratio


def test_channels_that_do_not_go_together_stay_apart() -> None:
    grain = measure(repairs(0.02, 0.6, apart=True))
    assert grain is not None
    noise = torch.from_numpy(np.random.default_rng(1).normal(0, 1, (1, 1, 200, 200)).astype(np.float32))
    with torch.no_grad():
        made = grain(noise, torch.full((1, 3, 200, 200), 0.5))[0].numpy().reshape(3, -1)
    assert np.abs(np.corrcoef(made) - np.eye(3)).max() < 0.1


def test_a_repair_that_lacks_nothing_gets_no_grain() -> None:
    assert measure(repairs(0.0, 0.6)) is None


def test_texture_that_a_net_made_up_is_not_added_once_more() -> None:
    made = repairs(0.02, 0.6)
    own = [Repair(one.result + (one.truth - one.result)[::-1, ::-1], one.truth, one.inside) for one in made]
    found = measure(own)
    assert found is None or float(found.strength.max()) < 0.012


def test_a_mark_that_still_stands_is_no_missing_texture() -> None:
    made = repairs(0.02, 0.6)
    standing = [Repair(one.truth - 0.3 * checks(one.truth.shape), one.truth, one.inside) for one in made]
    assert measure(standing) is None


def test_a_few_rims_that_show_do_not_hide_that_grain_is_missing() -> None:
    made = repairs(0.02, 0.6)
    for one in made:
        one.result[::16, ::2] -= 0.3
    plain, rims = measure(repairs(0.02, 0.6)), measure(made)
    assert plain is not None and rims is not None
    assert float(rims.strength.mean()) > 0.9 * float(plain.strength.mean())


def checks(shape: tuple[int, ...]) -> np.ndarray:
    """Squares of 3 pixels, 0 and 1."""
    rows, columns = np.indices(shape[:2]) // 3
    return np.repeat(((rows + columns) % 2)[..., None], 3, axis=2).astype(np.float32)
