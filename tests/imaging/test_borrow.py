"""Alignment and borrowing on drawn pictures: below a tenth of a pixel, never across a matte or beyond the values."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.imaging.borrow import Patch, lay_in, sampled, seen_at
from bipack.imaging.borrow_align import Alignment, View, align, is_locked
from bipack.imaging.smooth_fill import smooth_fill
from inpaint_scene import ground

BOX = (100, 60, 260, 200)
EVERYWHERE = np.ones((260, 360), bool)


def views(matrix: list[list[float]], moving: bool = True) -> tuple[View, View]:
    """Two looks at one ground, the second through `matrix` (target to source); a thing hides some of each."""
    wide = ground(400, 500, seed=3).mean(axis=-1)
    size = EVERYWHERE.shape[::-1]
    base = np.array([[1, 0, 60], [0, 1, 60], [0, 0, 1]], np.float64)
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    pictures = [
        cv2.warpPerspective(wide, base @ change, size, flags=flags)
        for change in (np.eye(3), np.linalg.inv(np.array(matrix, np.float64)))
    ]
    frees = []
    for index, picture in enumerate(pictures):
        free = EVERYWHERE.copy()
        left = 150 + 50 * index * moving
        free[110:150, left : left + 40] = False
        picture[~free] = 0.9 if index else 0.1
        frees.append(free)
    return tuple(View(np.asarray(p, np.float32), f) for p, f in zip(pictures, frees))  # type: ignore[return-value]


@pytest.mark.parametrize(
    "matrix",
    [
        [[1, 0, 3.4], [0, 1, -2.7], [0, 0, 1]],
        [[0.98, -0.03, 6], [0.03, 0.98, -4], [0, 0, 1]],
        [[1.01, 0.02, -3], [-0.01, 0.99, 5], [4e-5, -3e-5, 1]],
    ],
)
def test_a_plane_is_found_to_a_tenth_of_a_pixel_under_the_matte(matrix: list[list[float]]) -> None:
    target, source = views(matrix)
    assert not is_locked(target, source)
    found = align(target, source, BOX, ~target.free[60:200, 100:260], source.free)
    assert found is not None and found.kind == "plane"
    columns, rows = np.meshgrid(np.arange(100, 260), np.arange(60, 200))
    x, y, depth = np.einsum("ij,jhw->ihw", np.array(matrix), np.stack([columns, rows, np.ones_like(rows)]))
    away = np.hypot(found.x - x / depth, found.y - y / depth)
    assert away[~target.free[60:200, 100:260]].max() < 0.1


def test_a_still_camera_is_told_from_one_that_creeps() -> None:
    still, creeping = views([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), views([[1, 0, 0.4], [0, 1, 0], [0, 0, 1]])
    assert is_locked(*still)
    assert not is_locked(*creeping)


def test_a_source_that_hides_the_same_is_not_asked_further() -> None:
    target, source = views([[1, 0, 0], [0, 1, 0], [0, 0, 1]], moving=False)
    assert align(target, source, BOX, ~target.free[60:200, 100:260], source.free) is None


def test_other_ground_is_no_match() -> None:
    target, _ = views([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    other = View(ground(260, 360, seed=9).mean(axis=-1), EVERYWHERE)
    assert align(target, other, BOX, ~target.free[60:200, 100:260], EVERYWHERE) is None


def test_free_motion_is_followed_where_a_plane_does_not_fit() -> None:
    wide = ground(400, 500, seed=3).mean(axis=-1)
    rows, columns = np.mgrid[0:260, 0:360].astype(np.float32)
    bend = 4.0 * np.sin(rows / 30.0)
    target = np.ascontiguousarray(wide[60:320, 60:420])
    # The source shows at (x + bend, y) what the target shows at (x, y).
    source = cv2.remap(wide, columns + 60 - bend, rows + 60, cv2.INTER_CUBIC)
    free = EVERYWHERE.copy()
    free[110:150, 150:190] = False
    found = align(View(target, free), View(source, EVERYWHERE), BOX, ~free[60:200, 100:260], EVERYWHERE, "flow")
    assert found is not None and found.kind == "flow"
    hole = ~free[60:200, 100:260]
    assert np.abs(found.x - columns[60:200, 100:260] - bend[60:200, 100:260])[hole].mean() < 0.5


def test_whole_places_give_the_stored_bits_and_between_nothing_rings() -> None:
    values = np.zeros((40, 40, 3), np.float32)
    values[20:, :] = 5000.0
    rows, columns = np.mgrid[5:35, 5:35].astype(np.float32)
    np.testing.assert_array_equal(sampled(values, columns, rows), values[5:35, 5:35])
    between = sampled(values, columns + 0.5, rows + 0.5)
    assert between.min() >= 0.0 and between.max() <= 5000.0


def test_the_reach_of_the_kernel_keeps_off_the_matte() -> None:
    free = np.ones((40, 40), bool)
    free[10:20, 10:20] = False
    rows, columns = np.mgrid[0:40, 0:40].astype(np.float32)
    seen = seen_at(free, columns + 0.5, rows)
    assert not seen[12, 8:20].any()
    np.testing.assert_array_equal(seen_at(free, columns, rows), free)


def test_light_is_matched_smoothly_and_texture_is_left_alone() -> None:
    truth = ground(120, 120, seed=5)
    fall_off = np.linspace(0.8, 1.3, 120, dtype=np.float32)[None, :, None]
    hole = np.zeros((120, 120), bool)
    hole[40:80, 40:80] = True
    rows, columns = np.mgrid[0:120, 0:120].astype(np.float32)
    numbers = np.zeros((120, 120), np.float32)
    patch = Patch(
        (0, 0, 120, 120), np.where(hole[..., None], 9.0, truth).astype(np.float32), hole.copy(), ~hole, numbers
    )
    new = lay_in(patch, truth / fall_off, np.ones_like(hole), Alignment("locked", patch.box, columns, rows, 0.0), 7.0)
    assert new is not None and (new == hole).all()
    assert (numbers[hole] == 7).all()
    assert np.abs(patch.pixels / truth - 1)[hole].max() < 0.03
    assert not patch.open.any() and patch.known.all()


def test_light_is_not_matched_to_something_else() -> None:
    truth, other = ground(120, 120, seed=5), ground(120, 120, seed=6) ** 2
    hole = np.zeros((120, 120), bool)
    hole[40:80, 40:80] = True
    rows, columns = np.mgrid[0:120, 0:120].astype(np.float32)
    patch = Patch((0, 0, 120, 120), truth.copy(), hole.copy(), ~hole, np.zeros((120, 120), np.float32))
    lay_in(patch, other, np.ones_like(hole), Alignment("locked", patch.box, columns, rows, 0.0), 7.0)
    np.testing.assert_array_equal(patch.pixels[hole], other[hole])


def test_a_smooth_fill_of_a_ramp_is_the_ramp_and_ignores_the_hole() -> None:
    rows, columns = np.mgrid[0:90, 0:70].astype(np.float32)
    ramp = rows / 90 + columns / 140
    known = np.ones(ramp.shape, bool)
    known[30:60, 20:50] = False
    values = np.where(known, ramp, np.nan).astype(np.float32)
    assert np.abs(smooth_fill(values, known) - ramp).max() < 0.03
