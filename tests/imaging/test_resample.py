"""Resizing: the phase, the kernel (against PyTorch, where it is installed), the edges, NaN, and bands."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging import resample

SIZES = [(64, 48), (63, 47), (65, 49)]


def zone_plate(height: int, width: int) -> np.ndarray:
    """Rings that reach half the Nyquist frequency in the corners."""
    rows, columns = np.mgrid[0:height, 0:width]
    y, x = rows - (height - 1) / 2, columns - (width - 1) / 2
    return (0.5 + 0.5 * np.cos(np.pi * (x * x / width + y * y / height) / 2)).astype(np.float32)


def shift_between(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """(rows, columns) by which b lies off a, to a thousandth of a pixel, by least squares on the gradients."""
    gradients = [gradient[2:-2, 2:-2].ravel() for gradient in np.gradient(a.astype(np.float64))]
    apart = (a - b).astype(np.float64)[2:-2, 2:-2].ravel()
    found, *_ = np.linalg.lstsq(np.stack(gradients, axis=1), apart, rcond=None)
    return float(found[0]), float(found[1])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", ["linear", "cubic", "lanczos3"])
@pytest.mark.parametrize("factor", [2, 3, 4])
def test_up_and_down_again_moves_nothing(size, kernel, factor):
    plate = zone_plate(*size)
    back = resample.resize(resample.upscale(plate, factor, kernel), size[1], size[0], kernel)
    rows, columns = shift_between(plate, back)
    assert abs(rows) < 1e-3
    assert abs(columns) < 1e-3


@pytest.mark.parametrize("kernel", ["linear", "cubic", "lanczos3"])
def test_the_shift_that_the_test_above_looks_for_would_be_seen(kernel):
    plate = zone_plate(64, 48)
    enlarged = np.roll(resample.upscale(plate, 2, kernel), 1, axis=1)
    _, columns = shift_between(plate, resample.resize(enlarged, 48, 64, kernel))
    assert abs(columns) > 0.3


@pytest.mark.parametrize(("width", "height"), [(24, 32), (31, 17), (50, 61), (128, 96), (97, 33)])
def test_cubic_is_what_pytorch_calls_bicubic_with_antialias(width, height):
    torch = pytest.importorskip("torch", reason="PyTorch is in the [train] extra")
    plate = np.random.default_rng(0).normal(0.5, 1.0, (64, 48, 3)).astype(np.float32)
    planar = torch.from_numpy(plate.transpose(2, 0, 1)[None].copy())
    theirs = torch.nn.functional.interpolate(
        planar, (height, width), mode="bicubic", align_corners=False, antialias=True
    )
    ours = resample.resize(plate, width, height)
    # PyTorch cuts the kernel at the edge of the picture and we repeat the edge, so the rim is left out.
    rim_y, rim_x = 3 * max(1, height // 64) + 1, 3 * max(1, width // 48) + 1
    inside = (slice(rim_y, -rim_y), slice(rim_x, -rim_x))
    np.testing.assert_allclose(ours[inside], theirs[0].numpy().transpose(1, 2, 0)[inside], atol=1e-4)


@pytest.mark.parametrize("kernel", resample.KERNELS)
@pytest.mark.parametrize("size", [(9, 7), (40, 50), (20, 15)])
def test_a_flat_picture_stays_flat_to_its_edges(kernel, size):
    flat = np.full((20, 15, 3), 0.7, np.float32)
    np.testing.assert_allclose(resample.resize(flat, size[1], size[0], kernel), 0.7, rtol=2e-6)


@pytest.mark.parametrize("kernel", ["linear", "cubic", "lanczos3"])
def test_a_ramp_stays_a_ramp_away_from_the_edges(kernel):
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32), (8, 40))
    enlarged = resample.resize(ramp, 80, 8, kernel)
    expected = (np.arange(80) + 0.5) / 2 - 0.5
    tolerance = 0.02 if kernel == "lanczos3" else 1e-4
    np.testing.assert_allclose(enlarged[4, 8:-8], expected[8:-8], atol=tolerance)


@pytest.mark.parametrize("kernel", resample.KERNELS)
def test_the_same_size_gives_the_same_pixels(kernel):
    plate = np.random.default_rng(0).normal(0, 1, (33, 21, 2)).astype(np.float32)
    np.testing.assert_allclose(resample.resize(plate, 21, 33, kernel), plate, atol=1e-6)


def test_shrinking_removes_what_the_smaller_picture_cannot_show():
    stripes = np.broadcast_to((np.arange(64) % 2).astype(np.float32), (16, 64))
    shrunk = resample.resize(stripes, 16, 4)
    assert np.abs(shrunk[:, 4:-4] - 0.5).max() < 0.02


def test_values_beyond_0_and_1_are_not_clamped():
    edge = np.zeros((8, 16), np.float32)
    edge[:, 8:] = 40.0
    enlarged = resample.upscale(edge, 2)
    assert enlarged.max() > 40.0
    assert enlarged.min() < 0.0


def test_nan_and_infinity_do_not_spread():
    plate = np.full((16, 16), 0.5, np.float32)
    plate[5, 6], plate[9, 9] = np.nan, np.inf
    enlarged = resample.upscale(plate, 2)
    assert np.isnan(enlarged[10:12, 12:14]).all()
    assert (enlarged[18:20, 18:20] == np.inf).all()
    assert np.isfinite(enlarged).sum() == enlarged.size - 8
    np.testing.assert_allclose(enlarged[np.isfinite(enlarged)], 0.5, atol=1e-6)


def test_bands_together_are_the_whole_picture(monkeypatch):
    plate = np.random.default_rng(0).normal(0, 1, (150, 40, 3)).astype(np.float32)
    whole = resample.resize(plate, 90, 333)
    monkeypatch.setattr(resample, "_BAND_SAMPLES", 1 << 12)
    bands = list(resample.resized_rows(plate, 90, 333))
    assert len(bands) > 3
    assert [first for first, _ in bands] == list(np.cumsum([0, *(len(rows) for _, rows in bands[:-1])]))
    np.testing.assert_allclose(np.concatenate([rows for _, rows in bands]), whole, atol=1e-6)


def test_a_picture_of_one_channel_keeps_its_shape():
    assert resample.upscale(np.zeros((5, 6), np.float32), 2).shape == (10, 12)
    assert resample.upscale(np.zeros((5, 6, 1), np.float32), 2).shape == (10, 12, 1)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_the_smallest_pictures_can_be_resized(size):
    plate = np.random.default_rng(0).normal(0, 1, (*size, 3)).astype(np.float32)
    assert np.isfinite(resample.upscale(plate, 3)).all()
    assert np.isfinite(resample.resize(plate, 1, 1)).all()


def test_nearest_repeats_every_pixel_of_any_type():
    ids = np.array([[1, 2], [3, 2**32 - 1]], np.uint32)
    enlarged = resample.resize_nearest(ids, 4, 4)
    np.testing.assert_array_equal(enlarged, ids.repeat(2, 0).repeat(2, 1))
    assert enlarged.dtype == np.uint32


def test_nearest_back_to_the_first_size_is_exact():
    ids = np.random.default_rng(0).integers(0, 2**32, (13, 11), dtype=np.uint32)
    np.testing.assert_array_equal(resample.resize_nearest(resample.resize_nearest(ids, 33, 39), 11, 13), ids)


def test_an_unknown_kernel_is_a_usage_error():
    with pytest.raises(UsageError, match="mitchell"):
        resample.resize(np.zeros((4, 4), np.float32), 8, 8, "mitchell")


def test_a_size_of_zero_is_a_usage_error():
    with pytest.raises(UsageError, match="0x4"):
        resample.resize(np.zeros((4, 4), np.float32), 0, 4)
