from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack_train import augment, marks
from bipack_train.augment import Crop
from bipack_train.marks import Nature
from bipack_train.pairs import Pair, PairFiles


def pair(seed: int, kind: str, grain: str = "none") -> Pair:
    """A textured plate of 160 x 200 with nine marks of 16 pixels; ink that hides it, or a shadow that does not."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.normal(0, 1, (160, 200, 3)), (0, 0), 2.0)
    after = (0.45 + 0.08 * texture / texture.std()).astype(np.float32)
    mask = np.zeros((160, 200), np.float32)
    for y in range(30, 160, 50):
        for x in range(40, 200, 60):
            cv2.circle(mask, (x, y), 8, 1.0, -1, cv2.LINE_AA)
    cover = mask[..., None]
    before = after * (1 - cover) + 0.15 * cover if kind == "ink" else after * (1 - 0.25 * cover)
    noise = rng.normal(0, 0.012, (2, 160, 200, 3))
    if grain != "none":
        before = before + noise[0]
        after = np.where(cover > 0, after + noise[0 if grain == "kept" else 1], after + noise[0])
    matte = np.rint(255 * cv2.dilate(mask, np.ones((5, 5)))).astype(np.uint8)
    files = PairFiles(seed, "before", "after")
    return Pair(files, before.astype(np.float32), after.astype(np.float32), matte, 0.0, False, 0, f"{seed}")


def test_ink_hides_the_plate_and_a_shadow_does_not() -> None:
    assert marks.measure([pair(1, "ink")]).opaque > 0.8
    assert marks.measure([pair(1, "shadow")]).opaque < 0.5


@pytest.mark.parametrize(("grain", "kept"), [("kept", True), ("renewed", False)])
def test_grain_that_goes_on_over_the_marks_is_told_from_grain_that_was_renewed(grain: str, kept: bool) -> None:
    nature = marks.measure([pair(seed, "ink", grain) for seed in (1, 2)])
    assert (nature.grain > 0) is kept
    if kept:
        assert nature.grain == pytest.approx(0.012, rel=0.15)


def test_too_little_to_measure_says_nothing() -> None:
    plate = pair(1, "ink")
    plate.matte[:] = 0
    assert marks.measure([plate]) == Nature()


def test_marks_laid_where_they_came_from_look_as_they_did() -> None:
    crop = crop_of(pair(1, "ink"))
    laid = augment.transplant(crop_of(pair(1, "ink"), clean=True), crop, np.ones(3), Nature(1.0), Unmirrored())
    assert np.abs(laid.before - crop.before).max() < 0.01


def test_opaque_marks_let_nothing_through_even_where_they_are_as_bright_as_the_plate() -> None:
    donor = pair(1, "ink")
    donor.before[..., :] = np.where(donor.before == donor.after, donor.before, 0.4)
    bright = Crop(
        np.full((160, 200, 3), 5.0, np.float32), np.full((160, 200, 3), 5.0, np.float32), np.zeros((160, 200))
    )
    laid = augment.transplant(bright, crop_of(donor), np.ones(3), Nature(1.0), Unmirrored())
    middles = laid.before[30:160:50, 40:200:60]
    assert middles.max() < 0.6


def test_marks_that_brighten_laid_on_each_other_stay_within_what_the_frames_hold() -> None:
    lamp = pair(1, "shadow")
    lamp.before[..., :] = np.where(lamp.matte[..., None] > 0, lamp.after * 4.0, lamp.after)
    crop = crop_of(pair(1, "shadow"), clean=True)
    for _ in range(4):
        crop = augment.transplant(crop, crop_of(lamp), np.ones(3), Nature(0.0), Unmirrored())
    assert float(crop.before.max()) == pytest.approx(float(lamp.before.max()))


def test_grain_that_goes_on_is_that_of_the_new_place() -> None:
    one, other = pair(1, "ink", "kept"), pair(2, "ink", "kept")
    there = Crop(other.after, other.after, np.zeros(other.matte.shape, np.float32))
    core = cv2.erode(one.matte, np.ones((9, 9))) > 0
    likeness = []
    for sigma in (0.0, 0.012):
        laid = augment.transplant(there, crop_of(one), np.ones(3), Nature(1.0, sigma), Unmirrored())
        fine = [(part - cv2.blur(part, (3, 3)))[core].ravel() for part in (laid.before, other.after)]
        likeness.append(np.corrcoef(*fine)[0, 1])
    assert likeness[0] < 0.2 and likeness[1] > 0.6


class Unmirrored(np.random.Generator):
    """Random numbers that mirror nothing."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def choice(self, *args: object, **kwargs: object) -> np.ndarray:  # type: ignore[override]
        return np.array([1, 1])


def crop_of(source: Pair, clean: bool = False) -> Crop:
    before = source.after if clean else source.before
    matte = source.matte.astype(np.float32) / 255.0
    return Crop(before, source.after, np.zeros_like(matte) if clean else matte)
