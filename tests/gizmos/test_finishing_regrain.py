"""The very BipackRegrain against the numpy oracle: own grain, patches, synthetic grain, and what Measure fills in."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from bipack import grain_model
from bipack.imaging.finishing import grain, regrain, working_space
from finishing_scene import OFF_CENTRE, Scene

HEIGHT, WIDTH = 90, 130
SIZE = (160, 120)
COLUMNS = np.arange(OFF_CENTRE[0], OFF_CENTRE[0] + WIDTH)
ROWS = np.arange(SIZE[1] - 1 - OFF_CENTRE[1], SIZE[1] - 1 - OFF_CENTRE[1] - HEIGHT, -1)
BOX = (50, 60, 100, 110)
"""The sample box as Nuke counts: x y r t."""


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    random = np.random.default_rng(1)
    soft = cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 12)
    picture = (soft - soft.min()) / (soft.max() - soft.min()) * 0.8 + 0.05
    picture[5:9, 5:9], picture[20, 20] = 8.0, -0.1
    return picture.astype(np.float32)


@pytest.fixture(scope="module")
def grainy(clean: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(2)
    planes = [
        cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), s) for s in (0.6, 0.7, 1)
    ]
    noise = np.stack([0.02 * plane / plane.std() for plane in planes], axis=-1)
    return working_space.leave(working_space.enter(clean, "encoded") + noise, "encoded")


@pytest.fixture(scope="module")
def repaired(clean: np.ndarray) -> np.ndarray:
    return (clean * 0.9).astype(np.float32)


@pytest.fixture(scope="module")
def patch_matte() -> np.ndarray:
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    plane[40:60, 50:90] = 1.0
    return cv2.GaussianBlur(plane, (0, 0), 3) * (cv2.blur(plane, (19, 19)) > 0)


@pytest.fixture(scope="module")
def profile(grainy: np.ndarray, clean: np.ndarray) -> grain.GrainProfile:
    return grain.measure(working_space.enter(grainy, "encoded"), working_space.enter(clean, "encoded"))


@pytest.fixture
def gizmo(
    finishing: Callable[..., Scene],
    repaired: np.ndarray,
    grainy: np.ndarray,
    clean: np.ndarray,
    profile: grain.GrainProfile,
) -> Scene:
    from bipack.host import measure_grain

    scene = finishing("BipackRegrain", size=SIZE)
    for number, picture in enumerate((repaired, grainy, clean)):
        scene.feed(number, picture, OFF_CENTRE)
    scene.node["sample"].setValue(BOX)
    measure_grain.fill_in(scene.node, profile.sigma.tolist(), profile.mix.tolist(), profile.response.tolist())
    return scene


def unit(grainy: np.ndarray, clean: np.ndarray, profile: grain.GrainProfile) -> np.ndarray:
    return regrain.unit_grain(working_space.enter(grainy, "encoded"), working_space.enter(clean, "encoded"), profile)


def test_the_plates_own_grain(
    gizmo: Scene, repaired: np.ndarray, grainy: np.ndarray, clean: np.ndarray, profile: grain.GrainProfile
) -> None:
    expected = regrain.put_back(repaired, unit(grainy, clean, profile), profile)
    np.testing.assert_allclose(gizmo.result(), expected, rtol=1e-4, atol=1e-5)


def test_only_inside_the_matte(
    gizmo: Scene,
    repaired: np.ndarray,
    grainy: np.ndarray,
    clean: np.ndarray,
    profile: grain.GrainProfile,
    patch_matte: np.ndarray,
) -> None:
    gizmo.feed(3, patch_matte, OFF_CENTRE)
    gizmo.set(patches="off", amount=1.5)
    result = gizmo.result()
    expected = regrain.put_back(repaired, unit(grainy, clean, profile), profile, patch_matte, 1.5)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(result[patch_matte == 0], repaired[patch_matte == 0])


def test_patches_of_the_sample_box(
    gizmo: Scene,
    repaired: np.ndarray,
    grainy: np.ndarray,
    clean: np.ndarray,
    profile: grain.GrainProfile,
    patch_matte: np.ndarray,
) -> None:
    gizmo.feed(3, patch_matte, OFF_CENTRE)
    gizmo.set(patch_size=16, seed=3)
    for frame in (1, 7):
        scattered = unit(grainy, clean, profile)
        left, top = BOX[0] - OFF_CENTRE[0], int(ROWS[0]) + 1 - BOX[3]
        box = left, top, left + BOX[2] - BOX[0], top + BOX[3] - BOX[1]
        regrain.scatter(scattered, box, patch_matte, COLUMNS, ROWS, frame, 3, 16)
        expected = regrain.put_back(repaired, scattered, profile, patch_matte, own=False)
        np.testing.assert_allclose(gizmo.result(frame), expected, rtol=1e-4, atol=1e-5)


def test_synthetic_grain(
    gizmo: Scene, repaired: np.ndarray, profile: grain.GrainProfile, patch_matte: np.ndarray
) -> None:
    gizmo.feed(3, patch_matte, OFF_CENTRE)
    gizmo.set(grain_from="synthetic", seed=11)
    for frame in (1, 5):
        made = regrain.synthetic(profile, COLUMNS, ROWS, frame, 11)
        result = gizmo.result(frame)
        expected = regrain.put_back(repaired, made, profile, patch_matte, own=False)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
        assert np.array_equal(result[patch_matte == 0], repaired[patch_matte == 0])


def test_a_smoothed_plate_stands_in_for_the_degrained_one(gizmo: Scene, repaired: np.ndarray) -> None:
    gizmo.node.setInput(2, None)
    assert 0.005 < (gizmo.result() - repaired)[30:80].std() < 0.03


def test_gizmo_without_measurements_makes_a_fine_grain(finishing: Callable[..., Scene]) -> None:
    scene = finishing("BipackRegrain", size=SIZE)
    grey = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    scene.feed(0, grey, OFF_CENTRE)
    scene.set(grain_from="synthetic")
    encoded = working_space.enter(scene.result(), "encoded")
    np.testing.assert_allclose(encoded.std(axis=(0, 1)), [0.0111, 0.0111, 0.0144], rtol=0.06)
    plane = encoded[..., 0] - encoded[..., 0].mean()
    assert 0.4 < (plane[:, 1:] * plane[:, :-1]).mean() / (plane * plane).mean() < 0.75
    assert grain_model.KNOTS[5] == 0.5
