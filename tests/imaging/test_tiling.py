from __future__ import annotations

import math
import random

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging import tiling
from bipack.imaging.tiling import Margins, Tile, TileGeometry, plan

HALO = Margins(3, 3, 3, 3)


def coverage(tiles: list[Tile], height: int, width: int, scale: int = 1) -> np.ndarray:
    """How often (or with what weight) every result pixel is written."""
    total = np.zeros((height * scale, width * scale), np.float32)
    for tile in tiles:
        if tile.weights is None:
            total[tile.write] += 1
        else:
            total[tile.write] += tile.weights[0][:, None] * tile.weights[1][None, :]
    return total


def random_geometry(dice: random.Random, tiling_mode: str) -> TileGeometry:
    multiple = dice.choice([1, 1, 2, 4, 8])
    return TileGeometry(
        scale=dice.choice([1, 2, 3]),
        halo=Margins(*(dice.randrange(12) for _ in range(4))),
        border=dice.choice([Margins(), Margins(2, 2, 2, 2), Margins(1, 2, 0, 3)]),
        alignment=multiple * dice.choice([1, 1, 2]),
        multiple=multiple,
        minimum=multiple,
        tiling=tiling_mode,
        overlap=dice.choice([4, 16]),
    )


def test_a_small_frame_runs_as_one_whole_tile() -> None:
    (tile,) = plan(50, 60, TileGeometry(halo=HALO), 512)
    assert tile.read == tile.keep == tile.write == (slice(0, 50), slice(0, 60))
    assert tile.pad == ((0, 0), (0, 0))


def test_no_tile_size_means_the_whole_frame() -> None:
    assert len(plan(3000, 4000, TileGeometry(halo=HALO), None)) == 1


@pytest.mark.parametrize("seed", range(40))
def test_exact_plans_write_every_pixel_once(seed: int) -> None:
    dice = random.Random(seed)
    geometry = random_geometry(dice, "exact")
    height, width = dice.randrange(20, 300), dice.randrange(20, 300)
    size = tiling.smallest_tile(geometry) + dice.randrange(40)
    tiles = plan(height, width, geometry, size)
    assert np.all(coverage(tiles, height, width, geometry.scale) == 1)


@pytest.mark.parametrize("seed", range(40))
def test_exact_tiles_keep_their_halo_on_inner_sides_and_none_at_the_border(seed: int) -> None:
    dice = random.Random(seed)
    geometry = random_geometry(dice, "exact")
    height, width = dice.randrange(20, 300), dice.randrange(20, 300)
    sides = ((geometry.halo.top, geometry.halo.bottom), (geometry.halo.left, geometry.halo.right))
    borders = ((geometry.border.top, geometry.border.bottom), (geometry.border.left, geometry.border.right))
    for tile in plan(height, width, geometry, tiling.smallest_tile(geometry)):
        for axis, length in ((0, height), (1, width)):
            read, keep = tile.read[axis], tile.keep[axis]
            before = keep.start / geometry.scale
            after = tile.shape[axis] - sum(borders[axis]) - keep.stop / geometry.scale
            assert before >= sides[axis][0] or (before == 0 and read.start == tile.write[axis].start == 0)
            assert after >= sides[axis][1] or (after <= tile.pad[axis][1] and read.stop == length)


@pytest.mark.parametrize("seed", range(40))
def test_all_tiles_have_one_shape_and_aligned_origins(seed: int) -> None:
    dice = random.Random(seed)
    geometry = random_geometry(dice, dice.choice(["exact", "blend"]))
    tiles = plan(dice.randrange(20, 300), dice.randrange(20, 300), geometry, tiling.smallest_tile(geometry) + 9)
    assert len({tile.shape for tile in tiles}) == 1
    for tile in tiles:
        assert all(size % geometry.multiple == 0 for size in tile.shape)
        origins = (
            tile.read[0].start - tile.pad[0][0] + geometry.border.top,
            tile.read[1].start - tile.pad[1][0] + geometry.border.left,
        )
        assert all(origin % geometry.alignment == 0 for origin in origins)


@pytest.mark.parametrize("seed", range(40))
def test_blend_weights_sum_to_exactly_one_everywhere(seed: int) -> None:
    dice = random.Random(seed)
    geometry = random_geometry(dice, "blend")
    height, width = dice.randrange(20, 300), dice.randrange(20, 300)
    tiles = plan(height, width, geometry, tiling.smallest_tile(geometry) + dice.randrange(60))
    assert np.all(coverage(tiles, height, width, geometry.scale) == 1)


def test_a_cross_fade_rises_smoothly_over_the_overlap() -> None:
    geometry = TileGeometry(tiling="blend", overlap=16)
    first, second = plan(40, 200, geometry, 120)
    assert first.weights is not None and second.weights is not None
    fall, rise = first.weights[1][-16:], second.weights[1][:16]
    assert np.all(np.diff(rise) > 0) and rise[0] < 0.01 and rise[-1] > 0.99
    assert np.array_equal(fall, 1 - rise)


def test_a_frame_that_is_no_multiple_is_mirrored_at_the_right_and_bottom() -> None:
    (tile,) = plan(1080, 1918, TileGeometry(multiple=16, alignment=16), None)
    assert tile.pad == ((0, 8), (0, 2))
    assert tile.mode == ("reflect", "reflect")
    assert tile.write == (slice(0, 1080), slice(0, 1918))


def test_padding_of_tiles_equals_padding_of_the_whole() -> None:
    geometry = TileGeometry(halo=HALO, multiple=8, alignment=8)
    frame = np.random.default_rng(0).random((1, 61, 75))
    (whole,) = plan(61, 75, geometry, None)
    padded = tiling.pad(frame[:, whole.read[0], whole.read[1]], whole)
    for tile in plan(61, 75, geometry, 40):
        piece = tiling.pad(frame[:, tile.read[0], tile.read[1]], tile)
        top, left = tile.read[0].start, tile.read[1].start
        assert np.array_equal(piece, padded[:, top : top + piece.shape[1], left : left + piece.shape[2]])


def test_a_frame_too_small_to_be_mirrored_repeats_its_edge() -> None:
    (tile,) = plan(3, 5, TileGeometry(multiple=16, minimum=32, alignment=16), None)
    assert tile.mode == ("edge", "edge")
    assert tiling.pad(np.ones((1, 3, 5)), tile).shape == (1, 32, 32)


def test_a_tile_that_is_all_overlap_is_refused_with_the_smallest_that_is_not() -> None:
    geometry = TileGeometry(halo=Margins(31, 31, 31, 31), alignment=8, multiple=8)
    with pytest.raises(UsageError, match="too small") as caught:
        plan(500, 500, geometry, 64)
    advised = int(str(caught.value).split("Use ")[1].split()[0])
    assert len(plan(500, 500, geometry, advised)) > 1


@pytest.mark.parametrize("seed", range(20))
def test_the_smallest_tile_works_for_every_frame_size(seed: int) -> None:
    dice = random.Random(seed)
    geometry = random_geometry(dice, dice.choice(["exact", "blend"]))
    size = tiling.smallest_tile(geometry)
    for _ in range(10):
        height, width = dice.randrange(1, 200), dice.randrange(1, 200)
        assert np.all(coverage(plan(height, width, geometry, size), height, width, geometry.scale) == 1)


def test_a_fixed_input_size_is_kept_whatever_tile_is_asked_for() -> None:
    geometry = TileGeometry(halo=HALO, fixed=(64, 96))
    for tile in (None, 32, 500):
        tiles = plan(200, 300, geometry, tile)
        assert {entry.shape for entry in tiles} == {(64, 96)}
        assert np.all(coverage(tiles, 200, 300) == 1)


def test_a_model_that_is_never_tiled_gets_the_whole_frame() -> None:
    (tile,) = plan(700, 900, TileGeometry(tiling="whole"), 128)
    assert tile.shape == (700, 900)


def test_a_model_that_trims_its_input_gets_a_mirrored_rim() -> None:
    geometry = TileGeometry(border=Margins(4, 4, 4, 4), minimum=9)
    (tile,) = plan(50, 60, geometry, None)
    assert tile.shape == (58, 68)
    assert tile.write == (slice(0, 50), slice(0, 60))


def test_a_result_that_starts_early_is_cut_by_its_offset() -> None:
    geometry = TileGeometry(scale=3, border=Margins(1, 1, 1, 1), offset=(2, 1))
    (tile,) = plan(10, 10, geometry, None)
    assert tile.keep == (slice(2, 32), slice(1, 31))


def test_padded_size_is_what_the_plan_runs_at() -> None:
    for seed in range(30):
        dice = random.Random(seed)
        geometry = random_geometry(dice, "exact")
        height, width = dice.randrange(5, 200), dice.randrange(5, 200)
        (tile,) = plan(height, width, geometry, None)
        assert tile.shape == tiling.padded_size(height, width, geometry)
        assert math.prod(tile.shape) >= height * width
