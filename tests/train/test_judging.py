from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

import tiny_paintfix
from bipack_train import judging, results
from bipack_train.models.finds import NEVER_ASKED
from bipack_train.models.paintfix import PaintFix, PaintFixUNet
from bipack_train.pairs import Pair, PairFiles

EDIT = (slice(20, 32), slice(24, 40))


class Told(PaintFixUNet):
    """A net whose matte says what its plate's red says: a logit of 20 at 1, of -20 at -1."""

    def forward(self, plate: Tensor) -> tuple[Tensor, Tensor]:
        return plate[:, :3] + 0.25, 20.0 * plate[:, :1]


def told() -> Told:
    assert "tiny" in tiny_paintfix.SIZES
    return Told("tiny").eval()


def pair(logit: float, speck: float | None = None) -> Pair:
    """A pair whose edit a `Told` net finds with this logit, and a speck of 1 pixel in its matte with another."""
    before = np.full((64, 80, 3), -0.5, np.float16)
    matte = np.zeros((64, 80), np.uint8)
    before[EDIT], matte[EDIT] = logit / 20, 255
    if speck is not None:
        before[50, 60], matte[50, 60] = speck / 20, 255
    return Pair(PairFiles(1, "told", "told"), before, before, matte, 0.01, False, 0, "told")


def test_finds_are_judged_where_the_pairs_own_edits_are_surer_than_that() -> None:
    net = told()
    assert judging.settle(net, [pair(8.0), pair(7.0)]) and net.sure == judging.SURE
    assert judging.settle(net, [pair(8.0, speck=-20.0)])


def test_a_weak_edit_or_none_keeps_finds_from_being_judged() -> None:
    net = told()
    for pairs in ([pair(8.0), pair(4.0)], [pair(-0.5)], [pair(-10.0)], [pair(8.0), pair(8.0, speck=5.0), pair(3.0)]):
        assert not judging.settle(net, pairs) and net.sure == NEVER_ASKED


def test_a_judged_net_leaves_weak_finds_alone_in_what_is_exported_and_in_the_trainer() -> None:
    net = told()
    judging.settle(net, [pair(8.0)])
    planes = np.full((64, 80, 3), -0.5, np.float32)
    planes[EDIT] = 0.4
    planes[EDIT[0], 40:44] = -0.05  # the weak rim of a sure find
    planes[50:56, 60:70] = 0.02  # open, but nowhere sure
    plate = torch.from_numpy(planes.transpose(2, 0, 1))[None]
    with torch.no_grad():
        result, matte = PaintFix(net)(plate)
    assert torch.equal(result[..., 45:, :], plate[..., 45:, :]) and not matte[..., 45:, :].any()
    assert (matte[0, 0][EDIT] == 1).all() and (matte[0, 0][EDIT[0], 40:44] > 0).all()
    assert np.array_equal(results.predict(net, planes)[1], matte[0, 0].numpy())
