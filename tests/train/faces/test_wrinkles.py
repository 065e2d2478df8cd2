from __future__ import annotations

import numpy as np

from bipack_train.faces import wrinkles


def test_lines_lie_on_the_face_on_both_sides_alike() -> None:
    lines = wrinkles.lines_of(np.random.default_rng(4)) + wrinkles.creases(np.random.default_rng(5), 1.0)
    places = np.concatenate([line.points for line in lines])
    assert places.min() > 0 and places.max() < 1
    assert 0.35 < np.mean([line.points[:, 0].mean() < 0.5 for line in lines]) < 0.65
    assert all(0 <= line.depth <= 1 and 0 <= line.start <= 1 for line in lines)


def test_crows_feet_set_in_at_the_corner_of_the_eye() -> None:
    lines = [line for line in wrinkles.lines_of(np.random.default_rng(4)) if line.start == 0 and line.width == 0.05]
    assert lines and all(abs(line.points[0, 0] - 0.5) < 0.25 for line in lines)
