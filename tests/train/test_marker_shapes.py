"""Shapes of markers: every one is drawn, inside its patch."""

from __future__ import annotations

import numpy as np
import pytest

from bipack_train.marker_shapes import FURTHER_SHAPES, HELD_OUT_SHAPES, SHAPES, draw


@pytest.mark.parametrize("shape", (*SHAPES, *FURTHER_SHAPES, *HELD_OUT_SHAPES))
def test_every_shape_covers_something_and_stays_inside_its_patch(shape: str) -> None:
    coverage, tone = draw(shape, 9.0, np.random.default_rng(3))
    assert coverage.max() > 0.6 and tone.min() >= 0 and tone.max() <= 1
    rim = np.concatenate([coverage[0], coverage[-1], coverage[:, 0], coverage[:, -1]])
    assert rim.max() == 0
