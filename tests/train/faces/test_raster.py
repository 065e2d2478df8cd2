from __future__ import annotations

import numpy as np

from bipack_train.faces import raster

# A square of two triangles, 2..6 pixels, at depth 10.
POINTS = np.array([[2, 2, 10], [6, 2, 10], [6, 6, 10], [2, 6, 10]], np.float32)
SQUARE = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_exactly_the_pixels_whose_centre_lies_inside_are_covered() -> None:
    seen = raster.rasterise(POINTS, SQUARE, 8, 8)
    expected = np.zeros((8, 8), bool)
    expected[2:6, 2:6] = True
    assert np.array_equal(seen.covered, expected)
    assert np.all(np.isinf(seen.depth[~expected])) and np.allclose(seen.depth[expected], 10)


def test_every_pixel_agrees_with_a_test_of_each_triangle_by_itself() -> None:
    rng = np.random.default_rng(4)
    points = np.concatenate([rng.uniform(-6, 30, (60, 2)), rng.uniform(1, 9, (60, 1))], 1).astype(np.float32)
    triangles = np.arange(60, dtype=np.int32).reshape(20, 3)
    seen = raster.rasterise(points, triangles, 24, 20)
    rows, columns = np.mgrid[0:24, 0:20] + 0.5
    nearest = np.full((24, 20), np.inf)
    for triangle in triangles:
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = points[triangle].astype(np.float64)
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        u = ((columns - ax) * (cy - ay) - (rows - ay) * (cx - ax)) / area
        v = ((bx - ax) * (rows - ay) - (by - ay) * (columns - ax)) / area
        depth = az + u * (bz - az) + v * (cz - az)
        nearest = np.where((u >= 0) & (v >= 0) & (u + v <= 1), np.minimum(nearest, depth), nearest)
    assert np.array_equal(np.isfinite(nearest), seen.covered)
    assert np.allclose(seen.depth[seen.covered], nearest[seen.covered], atol=1e-4)


def test_values_are_interpolated_along_the_surface() -> None:
    seen = raster.rasterise(POINTS, SQUARE, 8, 8)
    places = seen.interpolate(SQUARE, POINTS[:, :2])
    rows, columns = np.nonzero(seen.covered)
    assert np.allclose(places, np.stack([columns, rows], 1) + 0.5, atol=1e-5)
    assert np.allclose(seen.weights[seen.covered].sum(1), 1)


def test_the_nearer_surface_hides_the_farther_one_whatever_the_order() -> None:
    near = POINTS - np.array([0, 0, 5], np.float32)
    points, triangles = np.concatenate([POINTS, near]), np.concatenate([SQUARE, SQUARE + 4])
    for order in (triangles, triangles[::-1]):
        assert np.allclose(raster.rasterise(points, order, 8, 8).depth[3, 3], 5)


def test_backs_are_left_out_on_request_and_what_is_behind_the_camera_always() -> None:
    front, back = SQUARE[:, ::-1], SQUARE
    assert raster.rasterise(POINTS, front, 8, 8, cull=True).covered.any()
    assert not raster.rasterise(POINTS, back, 8, 8, cull=True).covered.any()
    behind = POINTS * np.array([1, 1, -1], np.float32)
    assert not raster.rasterise(behind, SQUARE, 8, 8).covered.any()
