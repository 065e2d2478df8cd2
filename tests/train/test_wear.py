from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging import color
from bipack_train import pictures, wear
from bipack_train.wear import Wear

NOTHING = Wear(
    crops=1, side=32, clean=0, blur=0, noise=0, ringing=0, interlace=0, chroma=0, jpeg=0, film=0, again=0,
    kernels=("box",),
)  # fmt: skip
SWITCHES = {
    "blur": 1.0,
    "noise": 1.0,
    "ringing": 1.0,
    "interlace": 1.0,
    "chroma": 1.0,
    "jpeg": 1.0,
    "film": 1.0,
}


def worn(settings: Wear, scale: int = 2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    sharp = pictures.draw(1, 0, 128).pixels
    found = wear.worn_crop(sharp, scale, settings, np.random.default_rng(seed))
    assert found is not None
    return found


@pytest.mark.parametrize("scale", [1, 2])
def test_without_any_stage_the_plate_is_the_sharp_picture_shrunk(scale: int) -> None:
    low, high = worn(NOTHING, scale)
    assert low.shape == (32, 32, 3) and high.shape == (32 * scale, 32 * scale, 3)
    light = color.decode(high).reshape(32, scale, 32, scale, 3).mean(axis=(1, 3))
    assert np.abs(low / 255.0 - color.encode(light.astype(np.float32))).max() < 0.6 / 255


@pytest.mark.parametrize("scale", [1, 2])
def test_a_plate_shrunk_on_display_values_is_the_mean_of_those(scale: int) -> None:
    low, high = worn(dataclasses.replace(NOTHING, coded=1.0), scale)
    mean = high.reshape(32, scale, 32, scale, 3).mean(axis=(1, 3))
    assert np.abs(low / 255.0 - mean).max() < 0.6 / 255


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_each_stage_has_a_switch_of_its_own(name: str) -> None:
    if name == "film":
        pytest.importorskip("av", reason="film encodes need PyAV (extra train)")
    settings = dataclasses.replace(NOTHING, **{name: SWITCHES[name]})  # type: ignore[arg-type]
    low, high = worn(settings)
    light = color.decode(high).reshape(32, 2, 32, 2, 3).mean(axis=(1, 3))
    plain = color.encode(light.astype(np.float32)) * 255
    assert np.abs(low - plain).mean() > 0.15
    assert abs(float((low - plain).mean())) < 4.0


def test_crops_depend_on_the_generator_alone() -> None:
    settings = Wear(crops=1, side=32, film=0.0)
    first, again, other = worn(settings, seed=3), worn(settings, seed=3), worn(settings, seed=4)
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[1], other[1])


def test_a_picture_too_small_for_a_crop_gives_none() -> None:
    assert wear.worn_crop(pictures.draw(1, 0, 64).pixels, 2, NOTHING, np.random.default_rng(0)) is None


@pytest.mark.parametrize("scale", [1, 2])
def test_footage_is_worn_as_it_moves_and_truth_is_its_own_frame(scale: int) -> None:
    wide = pictures.draw(1, 0, 128).pixels
    clip = [wide[2 * n : 2 * n + 80, 5 * n : 5 * n + 90] for n in range(wear.CLIP_FRAMES)]
    found = wear.worn_footage(clip, scale, NOTHING, np.random.default_rng(1))
    assert found is not None
    low, high = found
    assert low.shape == (32, 32, 3) and high.shape == (32 * scale, 32 * scale, 3)
    light = color.decode(high).reshape(32, scale, 32, scale, 3).mean(axis=(1, 3))
    assert np.abs(low / 255.0 - color.encode(light.astype(np.float32))).max() < 0.6 / 255
    assert wear.worn_footage([frame[:40] for frame in clip], 2, NOTHING, np.random.default_rng(1)) is None


def test_the_blur_keeps_light_and_place() -> None:
    light = np.zeros((33, 33, 3), np.float32)
    light[16, 16] = 4.0
    result = wear.blur(light, np.array([1.5, 0.7]), 0.5)
    assert result.sum() == pytest.approx(light.sum(), rel=1e-4)
    rows, columns = np.mgrid[0:33, 0:33]
    assert (result[:, :, 0] * rows).sum() / 4 == pytest.approx(16, abs=1e-3)
    assert (result[:, :, 0] * columns).sum() / 4 == pytest.approx(16, abs=1e-3)


def test_noise_has_the_variance_that_was_asked_for() -> None:
    light = np.full((128, 128, 3), 0.25, np.float32)
    noise = wear.add_noise(light, 0.01, 0.02, False, np.random.default_rng(0)) - light
    assert noise.std() == pytest.approx(np.sqrt(0.01 * 0.25 + 0.02**2), rel=0.02)
    assert abs(float(noise.mean())) < 1e-3


def test_sensor_noise_is_correlated_with_its_neighbours_and_white_noise_is_not() -> None:
    light = np.full((128, 128, 3), 0.25, np.float32)
    for bayer, least, most in ((False, -0.05, 0.05), (True, 0.3, 0.9)):
        noise = (wear.add_noise(light, 0.0, 0.02, bayer, np.random.default_rng(0)) - light)[:, :, 0]
        assert least < np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1] < most


def test_a_field_keeps_its_lines_and_moves_nothing() -> None:
    picture = np.random.default_rng(0).random((8, 5, 3), dtype=np.float32)
    for first in (0, 1):
        result = wear.one_field(picture, first)
        assert np.array_equal(result[first::2], picture[first::2])
        inner = range(2 if first else 1, 7, 2)
        for row in inner:
            np.testing.assert_allclose(result[row], (picture[row - 1] + picture[row + 1]) / 2, rtol=1e-6)
    ramp = np.repeat(np.linspace(0, 1, 16, dtype=np.float32)[:, None, None], 3, axis=2)
    np.testing.assert_allclose(wear.one_field(ramp, 0)[1:-1], ramp[1:-1], atol=1e-6)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"film": 0.7, "jpeg": 0.7}, "jpeg"),
        ({"blur": 1.5}, "blur"),
        ({"kernels": ("sharp",)}, "sharp"),
        ({"codecs": ("av2",)}, "av2"),
        ({"presets": ("hasty",)}, "hasty"),
        ({"presets": ()}, "nothing"),
        ({"coded": -0.1}, "coded"),
        ({"side": 33}, "even"),
    ],
)
def test_stages_that_make_no_sense_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        wear.check(dataclasses.replace(NOTHING, **change), 2, "r.toml")  # type: ignore[arg-type]
