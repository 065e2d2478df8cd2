"""Renders need the face mesh of the shared data folder; without it these are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack_train.faces import mesh
from bipack_train.regions import rendered

DATA = Path(__file__).parents[4] / "shared" / "data"
needs_mesh = pytest.mark.skipif(
    not os.path.isfile(DATA / mesh.SUBSET), reason=f"the face mesh {mesh.SUBSET} is not beside the repository"
)


@needs_mesh
def test_old_and_young_differ_in_the_region_and_the_way_is_one_way() -> None:
    head, rng = mesh.load(str(DATA)), np.random.default_rng(3)
    shown = rendered.views(head, [rendered.somebody(rng)], 1, 5)
    half, whole = rendered.pairs_of(head, shown, ["forehead_lines"], [(0.5, 1.0)], side=96)["forehead_lines"]
    assert (half.amount, whole.amount) == (0.5, 1.0) and half.code == whole.code == 0
    assert np.array_equal(half.pair.before, whole.pair.before)
    inside = whole.pair.matte > 127
    old, middle, young = (plane.astype(np.float32) for plane in (whole.pair.before, half.pair.after, whole.pair.after))
    far, near = (np.abs(plane - young)[inside].mean() for plane in (old, middle))
    assert 0.1 * far < near < 0.7 * far and far > 0.002
    # Pores and mottling between the lines are no part of the change.
    assert np.median(np.abs(old - young)[inside]) < 0.3 * far


@needs_mesh
def test_a_region_that_cannot_be_rendered_is_named() -> None:
    with pytest.raises(UsageError, match="forehead_lines"):
        rendered.pairs_of(mesh.load(str(DATA)), [], ["elbow"], [])
