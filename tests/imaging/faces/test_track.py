from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from bipack.errors import BipackError, CorruptInput, MissingInput
from bipack.imaging.faces import track_file
from bipack.imaging.faces.square import Square
from bipack.imaging.faces.track import FILLED, GIVEN, PATIENCE, SEEN, Found, given, link, moved
from bipack.imaging.faces.track_file import TrackFile

POINTS = np.array([[20, -10], [-20, -10], [0, 10], [15, 32], [-15, 32]], np.float64)


def face(x: float, y: float, width: float = 90.0, jitter: float = 0.0, seed: int = 0) -> Found:
    shake = np.random.default_rng([seed, int(10 * x), int(10 * y)]).normal(0, jitter, (5, 2)) if jitter else 0
    return Found(POINTS * width / 90 + [x, y] + shake, width, 0.9)


def walking(frames: Iterable[int], x: float = 100, speed: float = 2.0, **more: float) -> dict[int, list[Found]]:
    return {frame: [face(x + speed * frame, 200, **more)] for frame in frames}


def test_one_face_is_one_track_and_its_crop_is_steadier_than_its_points() -> None:
    (track,) = link(walking(range(60), jitter=1.5))
    assert list(track.places) == list(range(60)) and {place.how for place in track.places.values()} == {SEEN}
    across = np.array([place.square.x for place in track.places.values()])
    nose = np.array([place.points[2, 0] for place in track.places.values() if place.points is not None])
    assert np.abs(np.diff(across, 2)).mean() < 0.3 * np.abs(np.diff(nose, 2)).mean()
    # No delay: the crop keeps up with a walk of two pixels a frame.
    assert np.abs(across - (100 + 2 * np.arange(60))).max() < 3


def test_what_one_frame_alone_says_moves_no_crop_and_a_steady_zoom_is_kept_up_with() -> None:
    found = walking(range(12), speed=0.0)
    for frame in (0, 3, 7, 11):
        found[frame] = [face(108, 195, width=82)]
    (track,) = link(found)
    squares = [place.square for place in track.places.values()]
    assert max(square.side for square in squares) - min(square.side for square in squares) < 1e-6
    assert max(square.x for square in squares) - min(square.x for square in squares) < 1e-6
    (nearer,) = link({frame: [face(100, 200, width=90 * 1.01**frame)] for frame in range(40)})
    sides = np.array([place.square.side for place in nearer.places.values()])
    assert np.abs(sides / (sides[20] * 1.01 ** (np.arange(40) - 20)) - 1).max() < 0.01


def test_two_faces_that_pass_each_other_stay_apart() -> None:
    found = {f: [face(100 + 6 * f, 200), face(400 - 6 * f, 260, 80)] for f in range(50)}
    large, small = link(found)
    assert large.number == 1 and large.places[49].square.x > 350 and small.places[49].square.x < 150
    assert len(large.places) == len(small.places) == 50


def test_a_lost_face_is_found_again_and_the_gap_is_filled_and_marked() -> None:
    found = walking([*range(10), *range(10 + PATIENCE, 40)])
    (track,) = link(found)
    assert [f for f, place in track.places.items() if place.how == FILLED] == list(range(10, 10 + PATIENCE))
    assert track.places[15].square.x == pytest.approx(130, abs=2)


def test_after_a_long_gap_or_a_jump_it_is_another_face() -> None:
    assert len(link(walking([*range(10), *range(12 + PATIENCE, 40)]))) == 2
    jump = {**walking(range(10)), **walking(range(10, 20), x=500)}
    assert len(link(jump)) == 2


def test_no_face_is_no_track() -> None:
    assert link({}) == [] and link({1: [], 2: []}) == []


def test_given_squares_are_keys_that_are_never_smoothed() -> None:
    track = given({10: Square(0, 0, 100, 170), 20: Square(50, 10, 200, -170)}, range(5, 26))
    assert track.places[5].square == Square(0, 0, 100, pytest.approx(170))
    middle = track.places[15].square
    assert (middle.x, middle.side, middle.angle % 360) == pytest.approx((25, 150, 180))
    assert track.places[10].how == GIVEN


def test_a_file_gives_back_the_same_track(tmp_path: Path) -> None:
    tracks = link(walking(range(5), jitter=1))
    path = str(tmp_path / "track.json")
    track_file.save(path, TrackFile(1920, 1080, tracks))
    back = track_file.load(path)
    assert (back.width, back.height) == (1920, 1080)
    for frame, place in tracks[0].places.items():
        again = back.tracks[0].places[frame]
        assert again.square == place.square and again.how == place.how
        assert again.points is not None and np.allclose(again.points, place.points)


def test_an_artists_corners_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    corners = Square(300, 200, 100, 10).corners().tolist()
    path.write_text(json.dumps({"frames": {"7": {"corners": corners}}}), encoding="utf-8")
    (track,) = track_file.load(str(path), [6, 7, 8]).tracks
    assert list(track.places) == [6, 7, 8] and track.places[8].square.side == pytest.approx(100)


@pytest.mark.parametrize(
    ("text", "word"),
    [("{", "JSON"), ("[]", "list"), ("{}", "frames"), ('{"frames": {}}', "square"), ('{"faces": [{}]}', "plate")],
)
def test_a_broken_file_is_refused_with_the_reason(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorruptInput, match=word):
        track_file.load(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"none\.json"):
        track_file.load(str(tmp_path / "none.json"))
    assert issubclass(MissingInput, BipackError)


def test_moving_a_track_moves_points_and_squares() -> None:
    (track,) = link(walking(range(3)))
    shifted = moved(track, -10, 5)
    before, after = track.places[1], shifted.places[1]
    assert (after.square.x, after.square.y) == (before.square.x - 10, before.square.y + 5)
    assert before.points is not None and after.points is not None
    assert np.allclose(after.points - before.points, [-10, 5])
