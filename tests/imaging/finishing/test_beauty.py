"""The eight steps of skin beauty against the formulas they come from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.imaging import color
from bipack.imaging.finishing import beauty as module
from bipack.imaging.finishing.beauty import Look, beauty, hue_matrix, overlay
from bipack.imaging.finishing.dollface import dollface
from bipack.imaging.finishing.skin import SkinKey, skin_matte
from bipack.imaging.finishing.tent import tent

SMALL = {"smooth_size": 3.0, "shine_blur": 7.0}


@pytest.fixture
def face() -> np.ndarray:
    """Skin-colored softness with grain, spots, a lamp and a value below 0."""
    random = np.random.default_rng(1)
    soft = cv2.GaussianBlur(random.normal(0, 1, (56, 72, 3)).astype(np.float32), (0, 0), 4)
    pixels = np.array([0.25, 0.14, 0.10], np.float32) * (1 + soft) + random.normal(0, 0.005, soft.shape)
    pixels[10, 12], pixels[30:32, 40:43], pixels[50:54, 60:64], pixels[2, 2] = 0.05, 0.6, 12.0, -0.02
    return pixels.astype(np.float32)


@pytest.fixture
def matte() -> np.ndarray:
    """0 on the left, soft in the middle, 1 on the right."""
    return np.clip(np.linspace(-1.0, 2.0, 72, dtype=np.float32), 0, 1)[None, :].repeat(56, 0)


def by_formula(plate: np.ndarray, skin: np.ndarray, look: Look) -> np.ndarray:
    """Steps 2 to 8 as the specification writes them, on encoded values, in double precision."""
    F, K = plate.astype(np.float64), skin[..., None].astype(np.float64)
    S = dollface(plate, look.smooth_size, look.smooth_threshold).astype(np.float64)
    A = F + look.dark_spots * K * (np.maximum(S, F) - F)
    luma = (np.abs(S - F) * np.array([0.2125, 0.7154, 0.0721])).sum(-1, keepdims=True)
    Q = (1 - np.clip(luma, 0, 1)) * K
    darker = np.where(S.sum(-1, keepdims=True) < A.sum(-1, keepdims=True), S, A)
    M = A + look.highlights * (darker - A)
    C = A + Q * (M - A)
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8.0
    H = 0.5 + 0.1 * look.detail * K * cv2.filter2D(F, -1, kernel, borderType=cv2.BORDER_REPLICATE)

    def over(s: np.ndarray, d: np.ndarray) -> np.ndarray:
        return np.where(d < 0.5, 2 * s * d, 1 - 2 * (1 - s) * (1 - d))

    E = over(C, H)
    G = E + look.shine * K * (over(E, tent(E.astype(np.float32), look.shine_blur)) - E)
    G = G + look.regrain * K * (F - dollface(plate, 2.0, 100.0))
    yuv = np.array([[0.299, 0.587, 0.114], [-0.14713, -0.28886, 0.436], [0.615, -0.51499, -0.10001]])
    Y, U, V = np.moveaxis(G @ yuv.T, -1, 0)
    cosine, sine = np.cos(np.radians(look.hue)), np.sin(np.radians(look.hue))
    s = look.saturation
    turned = np.stack([Y, s * cosine * U - sine * V, sine * U + s * cosine * V], axis=-1)
    return G + K * (turned @ np.linalg.inv(yuv).T - G)


@pytest.mark.parametrize(
    "look",
    [
        Look(**SMALL),
        Look(detail=0.8, hue=20.0, **SMALL),
        Look(shine=0.0, regrain=0.0, hue=-15.0, saturation=1.4, **SMALL),
    ],
)
def test_steps_are_those_of_the_specification(face: np.ndarray, matte: np.ndarray, look: Look) -> None:
    plate = color.encode(face)
    expected = by_formula(plate, matte, look)
    result = color.encode(beauty(face, matte, look))
    np.testing.assert_allclose(result, expected, atol=2e-5)


def test_where_the_matte_is_black_no_bit_changes(face: np.ndarray, matte: np.ndarray) -> None:
    result = beauty(face, matte, Look(detail=1.0, hue=10.0, **SMALL))
    outside = matte == 0.0
    assert outside.any() and result[outside].tobytes() == face[outside].tobytes()


def test_an_empty_matte_returns_the_plate(face: np.ndarray) -> None:
    assert np.array_equal(beauty(face, np.zeros(face.shape[:2], np.float32), Look()), face)


def test_a_small_matte_gives_what_a_whole_frame_would(face: np.ndarray) -> None:
    wide = np.tile(face, (3, 3, 1))
    matte = np.zeros(wide.shape[:2], np.float32)
    matte[70:90, 90:120] = 1.0
    whole = beauty(wide, np.maximum(matte, 1e-12), Look(**SMALL))
    inside = matte > 0
    np.testing.assert_allclose(beauty(wide, matte, Look(**SMALL))[inside], whole[inside], atol=1e-6)


def test_dark_and_bright_spots_come_nearer_to_the_skin_around_them() -> None:
    skin = np.full((60, 60, 3), (0.25, 0.14, 0.10), np.float32)
    skin[20:22, 20:22] *= 0.6
    skin[40:42, 40:42] *= 1.5
    result = beauty(skin, np.ones((60, 60), np.float32), Look(shine=0.0, regrain=0.0))
    assert (result[20, 20] > skin[20, 20] * 1.2).all()
    assert (result[40, 40] < skin[40, 40] * 0.9).all()
    np.testing.assert_allclose(result[5, 5], skin[5, 5], rtol=1e-3)


def test_highlights_far_above_one_come_through(face: np.ndarray) -> None:
    result = beauty(face, np.ones(face.shape[:2], np.float32), Look(**SMALL))
    assert np.isfinite(result).all() and result[52, 62].min() > 5.0


def test_overlay_by_grey_changes_nothing() -> None:
    lower = np.linspace(-1.0, 3.0, 90, dtype=np.float32).reshape(5, 6, 3)
    np.testing.assert_allclose(overlay(lower, np.full_like(lower, 0.5)), lower, atol=1e-6)


def test_the_key_finds_its_own_color_and_not_blue() -> None:
    key = SkinKey(blur=0.0)
    skin = np.full((4, 4, 3), key.color, np.float32)
    assert skin_matte(skin, key).min() == 1.0
    assert skin_matte(np.full((4, 4, 3), (0.2, 0.3, 0.7), np.float32), key).max() == 0.0


def test_the_key_is_its_formula() -> None:
    import colorsys

    pixels = np.random.default_rng(3).random((20, 20, 3)).astype(np.float32)
    key = SkinKey(blur=0.0, saturation=1.5)
    target = np.array(colorsys.rgb_to_hsv(*key.color))
    hsv = np.array([[colorsys.rgb_to_hsv(*map(float, pixel)) for pixel in row] for row in pixels])
    distance = np.sqrt(((np.array([6.0, 1.5, 3.0]) * (target - hsv)) ** 2).sum(-1))
    np.testing.assert_allclose(skin_matte(pixels, key), 1 - np.clip(3 * distance - 1.5, 0, 1), atol=1e-5)


def test_no_turn_of_the_hue_is_no_change() -> None:
    np.testing.assert_allclose(hue_matrix(0.0, 1.0), np.eye(3), atol=1e-12)
    np.testing.assert_allclose(hue_matrix(360.0, 1.0), np.eye(3), atol=1e-9)


def test_other_smoothings_are_at_hand(face: np.ndarray, matte: np.ndarray) -> None:
    results = [beauty(face, matte, Look(smoothing=name, **SMALL)) for name in module.SMOOTHINGS]
    assert not np.array_equal(results[0], results[1]) and not np.array_equal(results[1], results[2])
