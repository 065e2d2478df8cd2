"""The very BipackBeauty against the numpy oracle, smoothing by bilateral and by median."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bipack.imaging.finishing.beauty import Look, beauty, skin_mask
from bipack.imaging.finishing.skin import SkinKey
from bipack.imaging.finishing.tent import tent
from finishing_scene import OFF_CENTRE, Scene

KEY = SkinKey(blur=3.0)
SIZES = {"smooth_size": 3.0, "shine_blur": 6.0}
RICH = {"detail": 0.7, "detail_blur": 2.0, "shine": 0.4, "shine_saturation": 0.4, "hue": 12.0, "saturation": 1.3}


@pytest.fixture
def gizmo(finishing: Callable[..., Scene], face: np.ndarray) -> Scene:
    scene = finishing("BipackBeauty")
    scene.feed(0, face, OFF_CENTRE)
    scene.set(skin_blur=3.0, **SIZES)
    return scene


def test_the_default_look_with_the_built_in_key(gizmo: Scene, face: np.ndarray) -> None:
    expected = beauty(face, None, Look(smoothing="bilateral", skin=KEY, **SIZES))
    np.testing.assert_allclose(gizmo.result(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("space", ["encoded", "linear"])
def test_every_step_with_a_matte(gizmo: Scene, face: np.ndarray, matte: np.ndarray, space: str) -> None:
    gizmo.feed(1, matte, OFF_CENTRE)
    gizmo.set(working_space=space, **RICH)
    result = gizmo.result()
    expected = beauty(face, matte, Look(smoothing="bilateral", **SIZES, **RICH), space)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)
    assert np.array_equal(result[matte == 0], face[matte == 0])


def test_median_smoothing_and_a_matte_that_limits_the_key(gizmo: Scene, face: np.ndarray, matte: np.ndarray) -> None:
    gizmo.feed(1, matte, OFF_CENTRE)
    gizmo.set(smoothing="median", median_size=5, matte_is="limit", matte_blur=2.5, mix=0.5)
    skin = tent(matte, 2.5) * skin_mask(face, KEY)
    worked = beauty(face, skin, Look(smoothing="median", median_size=5, **SIZES))
    np.testing.assert_allclose(gizmo.result(), face + 0.5 * (worked - face), rtol=1e-4, atol=1e-4)


def test_another_skin_color_and_weights(gizmo: Scene, face: np.ndarray) -> None:
    gizmo.set(skin_hue=3.0, skin_saturation=1.2, skin_value=2.0)
    for index, value in enumerate((0.45, 0.36, 0.4)):
        gizmo.node["skin_color"].setValue(value, index)
    key = SkinKey((0.45, 0.36, 0.4), 3.0, 1.2, 2.0, 3.0)
    gizmo.set(view="matte")
    np.testing.assert_allclose(gizmo.result()[..., 0], skin_mask(face, key), atol=1e-4)


def test_a_proxy_is_worked_on_with_smaller_sizes(gizmo: Scene) -> None:
    gizmo.set(regrain=0, smooth_size=4, shine_blur=8, skin_blur=6)
    small = gizmo.source(0, proxy=0.5)
    look = Look(smoothing="bilateral", smooth_size=2.0, shine_blur=4.0, regrain=0.0, skin=SkinKey(blur=3.0))
    np.testing.assert_allclose(gizmo.result(proxy=0.5), beauty(small, None, look), rtol=1e-3, atol=1e-3)


def test_a_reference_width_scales_the_sizes(gizmo: Scene, face: np.ndarray) -> None:
    gizmo.set(reference_width=2 * gizmo.size[0], smooth_size=4, shine_blur=8, skin_blur=6)
    look = Look(smoothing="bilateral", smooth_size=2.0, shine_blur=4.0, skin=SkinKey(blur=3.0))
    np.testing.assert_allclose(gizmo.result(), beauty(face, None, look), rtol=1e-3, atol=1e-3)


def test_nothing_asked_for_changes_nothing(gizmo: Scene, face: np.ndarray) -> None:
    gizmo.set(dark_spots=0, highlights=0, shine=0, regrain=0)
    np.testing.assert_allclose(gizmo.result(), face, rtol=1e-5, atol=1e-6)
