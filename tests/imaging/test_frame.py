"""Boxes: the windows of a picture that grows."""

from __future__ import annotations

from bipack.imaging.frame import Box


def test_a_box_counts_its_last_pixel():
    assert (Box(-2, 3, 4, 3).width, Box(-2, 3, 4, 3).height) == (7, 1)


def test_scaling_a_box_multiplies_its_size_and_its_place():
    scaled = Box(-2, 3, 4, 9).scaled(2)
    assert scaled == Box(-4, 6, 9, 19)
    assert (scaled.width, scaled.height) == (14, 14)


def test_a_box_of_a_size_starts_at_the_origin():
    assert Box.of_size(1920, 1080) == Box(0, 0, 1919, 1079)
