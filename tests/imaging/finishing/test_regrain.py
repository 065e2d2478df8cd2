"""Grain put back on a repaired picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging import color
from bipack.imaging.finishing import grain, regrain
from bipack.imaging.finishing.working_space import luma

HEIGHT, WIDTH = 400, 512
COLUMNS, ROWS = np.arange(WIDTH), np.arange(HEIGHT)[::-1]


@pytest.fixture(scope="module")
def clean() -> np.ndarray:
    """Working values: soft light with a dark feature in the middle."""
    random = np.random.default_rng(1)
    soft = cv2.GaussianBlur(random.random((HEIGHT, WIDTH, 1)).astype(np.float32), (0, 0), 50)
    soft = (soft - soft.min()) / (soft.max() - soft.min()) * 0.6 + 0.2
    picture = soft[..., None] * np.array([1.0, 0.9, 0.8], np.float32)
    picture[180:220, 240:280] *= 0.4
    return picture


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    random = np.random.default_rng(2)
    planes = [
        cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH)).astype(np.float32), (0, 0), s) for s in (0.6, 0.7, 1)
    ]
    return np.stack([0.02 * plane / plane.std() for plane in planes], axis=-1)


@pytest.fixture(scope="module")
def plate(clean: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return clean + noise


@pytest.fixture(scope="module")
def profile(plate: np.ndarray, clean: np.ndarray) -> grain.GrainProfile:
    return grain.measure(plate, clean)


@pytest.fixture(scope="module")
def repaired(clean: np.ndarray) -> np.ndarray:
    """Linear light: the feature painted out, without grain."""
    picture = clean.copy()
    picture[180:220, 240:280] /= 0.4
    return color.decode(picture)


@pytest.fixture(scope="module")
def matte() -> np.ndarray:
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    plane[140:260, 200:320] = 1.0
    return plane


def test_a_plates_own_grain_goes_back_where_it_was(
    clean: np.ndarray, plate: np.ndarray, noise: np.ndarray, profile: grain.GrainProfile
) -> None:
    unit = regrain.unit_grain(plate, clean, profile)
    result = color.encode(regrain.put_back(color.decode(clean.copy()), unit, profile))
    np.testing.assert_allclose(result - clean, noise, atol=2e-5)


def test_where_the_matte_is_black_no_bit_changes(
    repaired: np.ndarray, plate: np.ndarray, clean: np.ndarray, profile: grain.GrainProfile, matte: np.ndarray
) -> None:
    unit = regrain.unit_grain(plate, clean, profile)
    result = regrain.put_back(repaired, unit, profile, matte)
    outside = matte == 0.0
    assert result[outside].tobytes() == repaired[outside].tobytes()
    assert not np.array_equal(result[~outside], repaired[~outside])


def test_patches_hold_nothing_of_what_was_painted_out(
    plate: np.ndarray, profile: grain.GrainProfile, matte: np.ndarray
) -> None:
    """The degrained plate lost the feature's edges, so the plate's own grain there is a ghost of it."""
    soft = cv2.GaussianBlur(plate, (0, 0), 4)
    own = regrain.unit_grain(plate, soft, profile)
    patched = own.copy()
    regrain.scatter(patched, (20, 20, 180, 120), matte, COLUMNS, ROWS, 1001, 0, 32)
    ghost = np.abs(cv2.GaussianBlur(own, (0, 0), 3))[140:260, 200:320].max()
    assert ghost > 4 * np.abs(cv2.GaussianBlur(patched, (0, 0), 3))[140:260, 200:320].max()
    assert np.array_equal(patched[matte == 0], own[matte == 0])


@pytest.mark.parametrize("how", ["patches", "synthetic"])
def test_strength_and_clumping_match_the_plate(
    how: str, plate: np.ndarray, clean: np.ndarray, profile: grain.GrainProfile
) -> None:
    if how == "patches":
        unit = regrain.unit_grain(plate, clean, profile)
        everywhere = np.ones((HEIGHT, WIDTH), np.float32)
        regrain.scatter(unit, (0, 0, 236, 176), everywhere, COLUMNS, ROWS, 1001, 0, 32)
    else:
        unit = regrain.synthetic(profile, COLUMNS, ROWS, 1001, 0)
    result = color.encode(regrain.put_back(color.decode(clean.copy()), unit, profile))
    again = grain.strength_curve(result - clean, luma(clean))
    asked = grain.strength_curve(plate - clean, luma(clean))
    np.testing.assert_allclose(again[4:7], asked[4:7], rtol=0.05)
    for channel in range(3):
        for lag in ((0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (3, 0)):
            there = [_correlation(picture[..., channel], *lag) for picture in (result - clean, plate - clean)]
            assert abs(there[0] - there[1]) < 0.05


def _correlation(plane: np.ndarray, dy: int, dx: int) -> float:
    here, there = plane[dy:, dx:], plane[: HEIGHT - dy, : WIDTH - dx]
    return float((here * there).mean() / (plane * plane).mean())


def test_patches_differ_from_frame_to_frame(plate: np.ndarray, clean: np.ndarray, profile: grain.GrainProfile) -> None:
    everywhere = np.ones((HEIGHT, WIDTH), np.float32)
    fields = []
    for frame in (1001, 1002, 1001):
        unit = regrain.unit_grain(plate, clean, profile)
        regrain.scatter(unit, (10, 10, 200, 150), everywhere, COLUMNS, ROWS, frame, 0, 32)
        fields.append(unit)
    assert np.array_equal(fields[0], fields[2])
    assert abs(np.corrcoef(fields[0].ravel(), fields[1].ravel())[0, 1]) < 0.05


def test_patches_come_whole_from_the_sample_box() -> None:
    """Every pixel is numbered, so that a patch can be told from where it came."""
    numbers = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH, 1).repeat(3, 2)
    everywhere = np.ones((HEIGHT, WIDTH), np.float32)
    found = numbers.copy()
    regrain.scatter(found, (30, 40, 130, 120), everywhere, COLUMNS, ROWS, 7, 3, 16)
    rows, columns = np.divmod(found[..., 0].astype(int), WIDTH)
    assert rows.min() >= 40 and rows.max() < 120 and columns.min() >= 30 and columns.max() < 130
    across = np.diff(columns, axis=1) == 1
    assert across.mean() > 0.92, "within a patch neighbours stay neighbours"


def test_a_sample_box_smaller_than_a_patch_is_refused(plate: np.ndarray) -> None:
    with pytest.raises(UsageError, match="one patch"):
        regrain.scatter(plate.copy(), (0, 0, 20, 200), np.ones(plate.shape[:2], np.float32), COLUMNS, ROWS, 1, 0, 32)


def test_soft_mattes_keep_the_strength_of_grain() -> None:
    matte = np.linspace(0.0, 1.0, 11, dtype=np.float32)
    left = (1 - matte) ** 2
    np.testing.assert_allclose(left + regrain.blend_weight(matte, own=False) ** 2, 1.0, atol=1e-6)
    np.testing.assert_allclose((1 - matte) + regrain.blend_weight(matte, own=True), 1.0, atol=1e-6)


def test_degraining_leaves_edges_and_takes_most_grain(
    plate: np.ndarray, clean: np.ndarray, profile: grain.GrainProfile
) -> None:
    smooth = regrain.degrain(plate, profile)
    even = np.s_[20:120, 20:180]
    assert (smooth - clean)[even].std() < 0.5 * (plate - clean)[even].std()
    assert np.abs(smooth - clean)[185:215, 245:275].mean() < 0.02
