"""How motion bends: measured where a neighbour is there, and nothing where none is."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging import bending
from bipack.imaging.motion_search import prior_of
from moving import picture

INNER = (slice(12, -12), slice(24, -24))


def test_motion_that_speeds_up_is_measured_from_both_sides():
    """Places 0, 3, 8, 15: steps of 3, 5 and 7 pixels to the left."""
    before, first, second, after = (picture(place) for place in (0.0, 3.0, 8.0, 15.0))
    found = bending.measured((first, second), prior_of(first, second), before, after)
    middle = np.median(found[INNER], axis=(0, 1))
    assert middle[[0, 2]] == pytest.approx(-2, abs=0.3) and middle[[1, 3]] == pytest.approx(0, abs=0.3)
    assert middle[4:6].max() < 0.02 and (found[:, :, 6:] == 1).all()


def test_a_side_that_is_not_there_is_zero():
    first, second, after = (picture(place) for place in (0.0, 4.0, 12.0))
    prior = prior_of(first, second)
    found = bending.measured((first, second), prior, None, after)
    assert not found[:, :, [0, 1, 4, 6]].any() and found[:, :, 7].all()
    assert np.median(found[INNER][:, :, 2]) == pytest.approx(-4, abs=0.4)
    assert not bending.measured((first, second), prior, None, None).any()
