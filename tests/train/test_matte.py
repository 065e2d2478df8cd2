from __future__ import annotations

import cv2
import numpy as np

from bipack.imaging import color
from bipack_train import matte
from painted import shot


def encoded_shot() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    before, after, mask = shot(1, (160, 160), 8)
    return color.encode(before.astype(np.float32)), color.encode(after.astype(np.float32)), mask


def test_an_exact_pair_gives_the_painted_pixels_and_a_rim() -> None:
    before, after, mask = encoded_shot()
    found = matte.difference(before, after)
    assert found.noise == 0.0
    assert (found.matte[mask] > 0.99).all()
    wide = cv2.dilate(mask.astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
    assert not found.matte[~wide].any()


def test_fresh_grain_on_the_after_is_not_taken_for_paint() -> None:
    before, after, mask = encoded_shot()
    grainy = after + np.random.default_rng(0).normal(0, 0.01, after.shape).astype(np.float32)
    found = matte.difference(before, grainy)
    assert 0.008 < found.noise < 0.012
    assert (found.matte[mask] > 0.9).mean() > 0.98
    wide = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert (found.matte[~wide] > 0).mean() < 0.003


def test_identical_pictures_have_no_matte() -> None:
    _, after, _ = encoded_shot()
    assert not matte.difference(after, after).matte.any()


def test_pixels_that_say_nothing_are_left_out() -> None:
    before, after, mask = encoded_shot()
    found = matte.difference(before, after, usable=~mask)
    assert not found.core.any()
