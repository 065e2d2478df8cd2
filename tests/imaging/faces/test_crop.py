from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging.faces import crop
from bipack.imaging.faces.square import Square

SQUARES = [Square(60.3, 41.7, 50.0, 12.0), Square(64, 48, 160.0, -30.0), Square(5.0, 90.0, 70.0, 0.0)]
"""Inside, larger than the picture, and cut by its edge."""


def picture(height: int = 96, width: int = 128) -> np.ndarray:
    """Noise with values above 1 and below 0."""
    return np.random.default_rng(2).normal(0.4, 1.5, (height, width, 3)).astype(np.float32)


def smooth(height: int = 96, width: int = 128) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    return np.stack([np.sin(columns / 9), np.cos(rows / 11), columns / width], -1).astype(np.float32)


def test_a_ramp_is_sampled_at_the_exact_place() -> None:
    rows, columns = np.mgrid[0:96, 0:128] + 0.5
    ramp = np.stack([columns, rows], -1).astype(np.float32)
    square = Square(64.37, 48.21, 40.0, 23.0)
    found = crop.cut(ramp, square, 64)
    y, x = np.mgrid[0:64, 0:64] + 0.5
    expected = np.stack([x, y], -1) @ square.matrix(64)[:, :2].T + square.matrix(64)[:, 2]
    assert np.abs(found - expected).max() < 2e-4


def test_an_upright_crop_on_whole_pixels_is_the_picture_itself() -> None:
    pixels = picture()
    assert np.array_equal(crop.cut(pixels, Square(40, 50, 32), 32), pixels[34:66, 24:56])


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("size", [32, 128])
def test_an_unedited_crop_put_back_changes_no_bit(square: Square, size: int) -> None:
    pixels = picture()
    pixels[3, 3] = np.nan
    taken = crop.cut(pixels, square, size)
    back = crop.put_back(pixels, square, taken, taken)
    assert np.array_equal(back.view(np.uint32), pixels.view(np.uint32)) and back is not pixels


def test_only_what_the_edit_reaches_changes() -> None:
    pixels, square = picture(), SQUARES[0]
    taken = crop.cut(pixels, square, 64)
    edited = taken.copy()
    edited[20:30, 30:40] += 1
    changed = (crop.put_back(pixels, square, taken, edited) != pixels).any(-1)
    rows, columns = np.nonzero(changed)
    middle = square.matrix(64)[:, :2] @ [35, 25] + square.matrix(64)[:, 2]
    assert np.hypot(columns + 0.5 - middle[0], rows + 0.5 - middle[1]).max() < 10
    assert 40 < changed.sum() < 200


@pytest.mark.parametrize(("square", "size"), [(Square(60, 48, 60, 9.0), 60), (Square(60, 48, 60, -20.0), 150)])
def test_a_smooth_edit_arrives_where_and_as_it_was_made(square: Square, size: int) -> None:
    pixels = smooth()
    taken = crop.cut(pixels, square, size)
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size - 0.5
    edit = np.exp(-(x**2 + y**2) / 0.02).astype(np.float32)
    back = crop.put_back(pixels, square, taken, taken + edit[..., None]) - pixels
    rows, columns = np.mgrid[0:96, 0:128] + 0.5
    far = ((columns - square.x) ** 2 + (rows - square.y) ** 2) / square.side**2
    assert np.abs(back - np.exp(-far / 0.02)[..., None]).max() < 0.02


def test_an_edit_fades_at_the_border_of_the_crop() -> None:
    pixels, square = np.zeros((96, 128, 1), np.float32), Square(64, 48, 60)
    taken = crop.cut(pixels, square, 120)
    back = crop.put_back(pixels, square, taken, taken + 1)[48, :, 0]
    steps = np.abs(np.diff(back))
    assert steps.max() < 0.75 and back[64] == pytest.approx(1) and back[0] == 0


def test_nan_in_an_edited_crop_counts_as_no_edit() -> None:
    pixels, square = picture(), SQUARES[0]
    taken = crop.cut(pixels, square, 64)
    edited = taken.copy()
    edited[30, 30] = np.nan
    assert np.array_equal(crop.put_back(pixels, square, taken, edited), pixels)


def test_beyond_the_picture_it_is_held_or_black() -> None:
    pixels = np.ones((20, 20, 1), np.float32)
    square = Square(0, 10, 20)
    assert np.allclose(crop.cut(pixels, square, 20), 1)
    assert np.array_equal(crop.cut(pixels, square, 20, "black")[10, :, 0], [0] * 10 + [1] * 10)


def test_planes_spread_over_the_picture_lie_where_their_crop_was_cut() -> None:
    square = Square(40, 30, 32)
    rows, columns = crop.window(square, 60, 80)
    found = np.zeros((60, 80), np.float32)
    found[rows, columns] = crop.spread(np.ones((64, 64, 2), np.float32), square, rows, columns)[..., 1]
    assert found[30, 40] == pytest.approx(1) and found[10, 40] == 0 and found[30, 10] == 0
    assert found.sum() == pytest.approx(32 * 32, rel=0.05)
    y, x = np.nonzero(found > 0.5)
    assert (x.mean() + 0.5, y.mean() + 0.5) == (40, 30)


def test_a_square_beside_the_picture_touches_nothing() -> None:
    rows, columns = crop.window(Square(500, 30, 32), 60, 80)
    assert crop.spread(np.ones((8, 8, 1), np.float32), Square(500, 30, 32), rows, columns).size == 0
    assert np.array_equal(
        crop.cut(np.ones((60, 80, 1), np.float32), Square(500, 30, 32), 8, "black"), np.zeros((8, 8, 1))
    )


def test_a_crop_of_a_part_is_that_of_the_whole_picture() -> None:
    pixels = picture(200, 300)
    square = Square(150.3, 99.1, 90, 20)
    whole = crop._sampled(crop._kept_from_aliasing(pixels, 90 / 40), square.matrix(40), (0, 40), (0, 40), "hold")
    assert np.abs(crop.cut(pixels, square, 40) - whole).max() < 1e-4


@pytest.mark.parametrize("size", [64, 200])
def test_only_the_part_that_an_edit_reaches_is_sampled(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.random.default_rng(5).normal(0.5, 1, (110, 160, 3)).astype(np.float32)
    square = Square(70.3, 52.8, 97.3, 11.0)
    before = crop.cut(picture, square, size)
    after = before.copy()
    after[size // 2 : size // 2 + 3, size // 3 : size // 3 + 2] += 2.0
    part = crop.put_back(picture, square, before, after)
    monkeypatch.setattr(crop, "_touched", lambda edit, square, height, width: crop._covered(square, height, width))
    assert np.array_equal(part, crop.put_back(picture, square, before, after))
    assert 0 < (part != picture).sum() < 0.05 * picture.size


def test_any_number_of_channels_is_cut_alike_at_the_edges_too() -> None:
    picture = np.random.default_rng(6).normal(0.5, 1, (40, 50, 7)).astype(np.float32)
    square = Square(44.2, 3.1, 30.7, -20.0)
    whole = crop.cut(picture, square, 33)
    for first, last in ((0, 3), (3, 4), (4, 7)):
        assert np.array_equal(whole[..., first:last], crop.cut(picture[..., first:last], square, 33))
