from __future__ import annotations

import numpy as np

from bipack_train.faces import light

SIX = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], np.float32)


def test_an_even_surrounding_lights_every_side_alike_and_has_no_key() -> None:
    even = light.from_panorama(np.full((32, 64, 3), 0.4, np.float32))
    assert np.allclose(even.ambient(SIX), 0.9, atol=0.02) and even.color.max() < 1e-3


def test_a_small_sun_becomes_the_key_and_shines_from_where_it_stands() -> None:
    picture = np.full((32, 64, 3), 0.1, np.float32)
    picture[8, 48] = 5000  # 45 degrees up, to the person's left
    sun = light.from_panorama(picture)
    assert sun.direction[0] > 0.6 and sun.direction[1] > 0.6 and abs(sun.direction[2]) < 0.1
    assert sun.color.mean() > 5 * sun.ambient(SIX).mean()


def test_scaling_scales_everything() -> None:
    drawn = light.drawn(np.random.default_rng(1))
    double = drawn.scaled(2.0)
    assert np.allclose(double.ambient(SIX), 2 * drawn.ambient(SIX))
    assert np.allclose(double.reflected(SIX), 2 * drawn.reflected(SIX)) and np.allclose(double.color, 2 * drawn.color)
