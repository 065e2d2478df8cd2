"""High-speed shots of the bench: motion without jumps, two shots of a kind that share nothing, film that keeps all."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from bipack_train import pictures, slowmo_clips, slowmo_scores

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
import high_speed
import high_speed_film as film
from high_speed_kinds import KINDS

WIDTH = 96
pytestmark = pytest.mark.parametrize("kind", list(KINDS))


def shot(kind: str, seed: int) -> film.Shot:
    drawn = [pictures.draw(seed, index, 256).pixels for index in range(3)]
    return KINDS[kind](drawn[0], drawn[1:], np.random.default_rng(seed))


def test_motion_goes_on_without_a_jump(kind):
    moving = shot(kind, 1)
    for time in (0.0, 3.7, 11.2, 19.9):
        at, soon, later = (film.exposed(moving, moment, WIDTH) for moment in (time, time + 1e-5, time + 1.0))
        assert np.abs(soon - at).mean() < 1e-5 < 0.003 < np.abs(later - at).mean()


def test_things_move_fast_but_no_farther_in_a_frame_than_a_camera_that_follows_can_tell(kind):
    moving = shot(kind, 2)
    thumbs = [film.exposed(moving, index / film.STEPS, WIDTH) for index in range(2 * film.STEPS + 1)]
    near = [np.abs(after - before).mean() for before, after in itertools.pairwise(thumbs)]
    apart = np.abs(thumbs[film.STEPS] - thumbs[0]).mean()
    assert max(near) < 0.7 * apart


def test_two_shots_of_a_kind_share_no_picture_and_no_parameter(kind):
    learned, measured = (high_speed.PICTURES[kind][which] for which in "ab")
    assert not set(learned) & set(measured)
    assert set(measured) <= {*slowmo_scores.PICTURES, "photos/budgie_oakland_zoo_otters.jpg"}
    first, second = shot(kind, 3), shot(kind, 4)
    assert first.drift != second.drift
    numbers = [
        {name: value for name, value in vars(one).items() if isinstance(value, float) and abs(value) != 1.0}
        for one in (first, second)
    ]
    assert all(numbers[0][name] != numbers[1][name] for name in numbers[0])


def test_the_same_seed_makes_the_same_film_which_keeps_every_bit(kind, tmp_path):
    path = str(tmp_path / "fast.mkv")
    film.write(path, shot(kind, 5), 4, 7, WIDTH)
    clip, again = slowmo_clips.read(path), list(film.frames(shot(kind, 5), 4, 7, WIDTH))
    assert all(np.array_equal(np.round(clip[index] * 255), picture) for index, picture in enumerate(again))
    other = next(film.frames(shot(kind, 5), 1, 8, WIDTH))
    assert not np.array_equal(other, again[0]) and np.abs(other.astype(int) - again[0]).max() < 16


def test_every_eighth_frame_is_the_picture_at_a_key(kind):
    moving = shot(kind, 6)
    ninth = list(film.frames(moving, film.STEPS + 1, 9, WIDTH))[film.STEPS]
    key = film.color.encode(film.exposed(moving, 1.0, WIDTH))
    assert np.abs(ninth / 255.0 - np.clip(key, 0, 1)).mean() < 0.01
