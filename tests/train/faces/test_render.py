"""Renders need the face mesh of the shared data folder; without it these are skipped."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bipack_train.faces import light, mesh, people
from bipack_train.faces.extras import Extras
from bipack_train.faces.portrait import Camera, Person, Pose, Rendered, rotation
from bipack_train.faces.regions import INDEX
from bipack_train.faces.render import render, render_ages

DATA = Path(__file__).parents[4] / "shared" / "data"
needs_mesh = pytest.mark.skipif(
    not os.path.isfile(DATA / mesh.SUBSET), reason=f"the face mesh {mesh.SUBSET} is not beside the repository"
)
SMALL = Camera(size=96)


def lit() -> light.Light:
    return light.drawn(np.random.default_rng(2))


@pytest.fixture(scope="module")
def ages() -> list[Rendered]:
    return render_ages(mesh.load(str(DATA)), Person(), lit(), (0.0, 0.5, 1.0), camera=SMALL)


def test_positive_yaw_turns_to_the_persons_left_and_positive_pitch_down() -> None:
    ahead = np.array([0, 0, 1], np.float32)
    assert (rotation(Pose(yaw=30)) @ ahead)[0] > 0.4
    assert (rotation(Pose(pitch=30)) @ ahead)[1] < -0.4
    assert np.allclose(rotation(Pose(20, 10, 5)) @ rotation(Pose(20, 10, 5)).T, np.eye(3), atol=1e-6)


@needs_mesh
def test_masks_are_a_partition_and_lie_where_the_points_say(ages: list[Rendered]) -> None:
    seen = ages[0]
    assert np.allclose(seen.masks.sum(0), 1, atol=1e-5) and seen.masks.min() >= 0
    labels = seen.masks.argmax(0)
    found = [labels[int(y), int(x)] for x, y in seen.points]
    assert found[:3] == [INDEX["eye_l"], INDEX["eye_r"], INDEX["nose"]]
    # The person's left is on the right of the picture.
    assert seen.points[0, 0] > seen.points[1, 0] and seen.points[3, 0] > seen.points[4, 0]


@needs_mesh
def test_age_changes_skin_alone_and_one_way(ages: list[Rendered]) -> None:
    young, middle, old = ages
    assert np.array_equal(young.masks, old.masks) and np.array_equal(young.alpha, old.alpha)
    moved = np.abs(old.picture - young.picture).max(-1)
    assert moved[young.change > 0.5].mean() > 0.01 and moved[young.alpha == 0].max() == 0
    halfway = np.abs(middle.picture - young.picture).sum() / np.abs(old.picture - young.picture).sum()
    assert 0.3 < halfway < 0.7


@needs_mesh
def test_the_same_arguments_give_the_same_pixels() -> None:
    head, extras = mesh.load(str(DATA)), Extras(seed=3, glasses="thick", hand="mouth", hat="cap", microphone=True)
    who = people.person(np.random.default_rng(5))
    first, again = (render(head, who, lit(), camera=SMALL, extras=extras) for _ in range(2))
    assert np.array_equal(first.picture, again.picture) and np.array_equal(first.masks, again.masks)


@needs_mesh
def test_a_hand_before_the_mouth_is_no_mouth(ages: list[Rendered]) -> None:
    left = []
    for seed in (0, 3):
        covered = render(mesh.load(str(DATA)), Person(), lit(), camera=SMALL, extras=Extras(seed=seed, hand="mouth"))
        # All that the hand and the clothes hide is background, never another region.
        assert (covered.masks[1:] <= ages[0].masks[1:] + 1e-6).all()
        left.append(covered.masks[INDEX["mouth"]].sum() / ages[0].masks[INDEX["mouth"]].sum())
    assert max(left) < 0.3


@needs_mesh
def test_a_head_that_turns_to_its_left_shows_its_right_ear() -> None:
    seen = render(mesh.load(str(DATA)), Person(), lit(), camera=SMALL, pose=Pose(yaw=60))
    assert seen.masks[INDEX["ear_r"]].sum() > 20 * seen.masks[INDEX["ear_l"]].sum()
