"""The very BipackEqualizer, evaluated in the stand-in for Nuke, against the numpy oracle."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bipack.imaging import resample
from bipack.imaging.finishing import weights, working_space
from bipack.imaging.finishing.equalizer import RADII, Band, band_change, band_texture, equalize
from finishing_scene import OFF_CENTRE, Scene

AMOUNTS = (0.6, -0.4, 0.5, 0.2, -0.3)
CHAIN = [Band(radius, amount) for radius, amount in zip(RADII, AMOUNTS, strict=True)]


@pytest.fixture
def gizmo(finishing: Callable[..., Scene], plate: np.ndarray) -> Scene:
    scene = finishing("BipackEqualizer")
    scene.feed(0, plate, OFF_CENTRE)
    scene.set(**{f"amount{number}": amount for number, amount in enumerate(AMOUNTS, start=1)})
    return scene


def test_bands_are_the_oracles(gizmo: Scene, plate: np.ndarray) -> None:
    np.testing.assert_allclose(gizmo.result(), equalize(plate, CHAIN), rtol=1e-5, atol=1e-5)


def test_radii_between_whole_pixels_and_below_one(gizmo: Scene, plate: np.ndarray) -> None:
    gizmo.set(radius1=0.6, radius2=2.5, radius3=11.3)
    chain = [Band(r, a) for r, a in zip((0.6, 2.5, 11.3, 16.0, 32.0), AMOUNTS, strict=True)]
    np.testing.assert_allclose(gizmo.result(), equalize(plate, chain), rtol=1e-5, atol=1e-5)


def test_the_overall_gain_runs_from_minus_ten_to_ten(gizmo: Scene, plate: np.ndarray) -> None:
    for gain in (-10.0, 0.0, 10.0):
        gizmo.set(gain=gain)
        np.testing.assert_allclose(gizmo.result(), equalize(plate, CHAIN, gain), rtol=1e-4, atol=1e-4)


def test_where_the_matte_is_black_no_bit_changes(gizmo: Scene, plate: np.ndarray, matte: np.ndarray) -> None:
    gizmo.feed(1, matte, OFF_CENTRE)
    for space in ("linear", "encoded"):
        gizmo.set(working_space=space)
        result = gizmo.result()
        assert np.array_equal(result[matte == 0], plate[matte == 0])
        working = working_space.enter(plate, space)
        expected = working_space.leave(equalize(working, CHAIN, matte=matte), space)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_a_colored_matte_works_channel_by_channel(gizmo: Scene, plate: np.ndarray, matte: np.ndarray) -> None:
    colors = np.stack([matte, 1 - matte, np.zeros_like(matte), matte], axis=-1)
    gizmo.feed(1, colors, OFF_CENTRE)
    gizmo.set(matte_channels="rgb")
    np.testing.assert_allclose(gizmo.result(), equalize(plate, CHAIN, matte=colors[..., :3]), rtol=1e-5, atol=1e-5)


def test_areas_by_luma_and_spared_edges(gizmo: Scene, plate: np.ndarray) -> None:
    gizmo.set(areas="luma", area_low=0.3, area_high=0.8, area_softness=0.2, edges=0.7, edge_size=2.0, edge_gain=9.0)
    tone = weights.encoded_luma(plate)
    weight = weights.tonal_range(tone, 0.3, 0.8, 0.2)
    weight *= weights.held_at_edges(weights.edge_strength(tone, 2.0, 9.0), 0.7)
    np.testing.assert_allclose(gizmo.result(), equalize(plate, CHAIN, weight=weight), rtol=1e-4, atol=1e-4)


def test_areas_by_matte_weigh_the_amounts(gizmo: Scene, plate: np.ndarray, matte: np.ndarray) -> None:
    gizmo.feed(1, matte, OFF_CENTRE)
    gizmo.set(areas="matte")
    np.testing.assert_allclose(gizmo.result(), equalize(plate, CHAIN, weight=matte), rtol=1e-5, atol=1e-5)


def test_views_show_texture_change_and_difference(gizmo: Scene, plate: np.ndarray) -> None:
    gizmo.set(view="texture", view_band=3, view_gain=2.0)
    np.testing.assert_allclose(gizmo.result(), 0.5 + 2 * band_texture(plate, CHAIN, 2), rtol=1e-4, atol=1e-4)
    gizmo.set(view="change", view_band=2)
    np.testing.assert_allclose(gizmo.result(), 0.5 + 2 * band_change(plate, CHAIN, 1), rtol=1e-4, atol=1e-4)
    gizmo.set(view="difference")
    np.testing.assert_allclose(gizmo.result(), 0.5 + 2 * (equalize(plate, CHAIN) - plate), rtol=1e-4, atol=1e-4)


def test_a_reference_width_scales_the_radii(gizmo: Scene, plate: np.ndarray) -> None:
    gizmo.set(reference_width=2 * gizmo.size[0])
    chain = [Band(radius / 2, amount) for radius, amount in zip(RADII, AMOUNTS, strict=True)]
    np.testing.assert_allclose(gizmo.result(), equalize(plate, chain), rtol=1e-5, atol=1e-5)


def test_a_proxy_is_worked_on_with_smaller_radii(gizmo: Scene) -> None:
    small = gizmo.source(0, proxy=0.5)
    chain = [Band(radius / 2, amount) for radius, amount in zip(RADII, AMOUNTS, strict=True)]
    np.testing.assert_allclose(gizmo.result(proxy=0.5), equalize(small, chain), rtol=1e-4, atol=1e-4)


def test_a_proxy_looks_like_the_full_picture_made_small(finishing: Callable[..., Scene]) -> None:
    soft = resample.resize(np.random.default_rng(5).random((12, 16, 3)).astype(np.float32), 128, 96)
    gizmo = finishing("BipackEqualizer", size=(128, 96))
    gizmo.feed(0, soft)
    gizmo.set(radius4=12.0, amount4=1.0)
    full = resample.resize(gizmo.result(), 64, 48)
    np.testing.assert_allclose(gizmo.result(proxy=0.5)[8:-8, 8:-8], full[8:-8, 8:-8], atol=0.01)


def test_alpha_and_other_channels_pass_through(finishing: Callable[..., Scene], plate: np.ndarray) -> None:
    alpha = np.random.default_rng(6).random(plate.shape[:2]).astype(np.float32)
    gizmo = finishing("BipackEqualizer")
    gizmo.feed(0, np.concatenate([plate, alpha[..., None]], axis=-1), OFF_CENTRE)
    gizmo.set(amount3=1.0)
    image = gizmo.image()
    assert np.array_equal(image.array("rgba.alpha")[::-1], alpha)
    top = gizmo.size[1] - OFF_CENTRE[1]
    box = image.bbox
    assert (box.x, box.y, box.r, box.t) == (9, top - plate.shape[0], 9 + plate.shape[1], top)


def test_the_blur_size_knob_makes_up_for_another_nuke(gizmo: Scene, plate: np.ndarray) -> None:
    from stand_in.image_ops import kernels

    expected = equalize(plate, CHAIN)
    kernels.width_factor = 1.25
    try:
        assert np.abs(gizmo.result() - expected).max() > 0.01
        gizmo.set(blur_size=0.8)
        np.testing.assert_allclose(gizmo.result(), expected, rtol=1e-4, atol=1e-4)
    finally:
        kernels.width_factor = 1.0
