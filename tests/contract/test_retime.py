"""Times of a retimed shot: which moment each frame shows, and what it needs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from bipack import retime
from bipack.errors import MissingInput, UsageError


@pytest.mark.parametrize("factor", [1, 2, 3, 16, 64])
def test_a_range_gives_factor_times_its_steps_plus_one_and_every_key_is_exact(factor):
    timing = retime.of({"factor": str(factor)}, 1001, 1005)
    assert (timing.frames[0], len(timing.frames)) == (1001, 4 * factor + 1)
    for source in range(1001, 1006):
        moment = timing.moment(1001 + (source - 1001) * factor)
        assert (moment.base, moment.share, moment.is_key, moment.offsets) == (source, 0.0, True, (0,))
    if factor > 1:
        assert timing.moment(1002).share == 1 / factor
        assert timing.needed(1002) == (1001, 1002)


@pytest.mark.parametrize(
    ("settings", "frames", "times"),
    [
        ({"speed": "50"}, 5, {1001: 1001, 1002: Fraction(2003, 2), 1005: 1003}),
        ({"speed": "-100"}, 3, {1001: 1003, 1002: 1002, 1003: 1001}),
        ({"speed": "200"}, 2, {1001: 1001, 1002: 1003}),
        ({"speed": "33.3"}, 7, {1001: 1001, 1002: 1001 + Fraction("0.333")}),
        ({"source_fps": "23.976", "target_fps": "59.94"}, 6, {1002: 1001 + Fraction(2, 5), 1006: 1003}),
        ({}, 5, {1002: 1001 + Fraction(1, 2)}),
    ],
)
def test_speed_and_frame_rates(settings, frames, times):
    timing = retime.of(settings, 1001, 1003)
    assert len(timing.frames) == frames
    assert {frame: timing.time(frame) for frame in times} == times


def test_a_curve_freezes_reverses_ramps_and_is_held_beyond_its_keys(tmp_path: Path):
    path = tmp_path / "curve.csv"
    path.write_text("frame,time\n# a comment\n1001,1001\n\n1005,1003\n1007,1003\n1009,1001.5\n")
    timing = retime.of({"curve": str(path)}, 1001, 1004)
    assert timing.frames == range(1001, 1010)
    assert [float(timing.time(frame)) for frame in range(1001, 1010)] == [
        1001, 1001.5, 1002, 1002.5, 1003, 1003, 1003, 1002.25, 1001.5,
    ]  # fmt: skip
    assert timing.moment(1006).is_key
    assert timing.moment(1008, vectors=True).on == -0.75


def test_a_curve_outside_the_range_holds_the_ends_and_says_how_often():
    timing = retime.of({"curve": "1=990 11=1010"}, 1000, 1004)
    assert timing.outside == 2
    assert (float(timing.time(1)), float(timing.time(11))) == (1000, 1004)
    assert float(timing.time(6)) == 1000
    assert float(timing.time(7)) == 1002


def test_floats_of_a_drawn_curve_still_fall_on_frames():
    timing = retime.of({"curve": "1=1001.0000000001 2=1001.9999999999 3=1002.3333333"}, 1001, 1004)
    assert timing.moment(1).is_key and timing.moment(2).base == 1002 and timing.moment(2).is_key
    assert not timing.moment(3).is_key


def test_a_shutter_sees_the_frames_that_it_is_open_for():
    timing = retime.of({"factor": 4}, 1001, 1004)
    moment = timing.moment(1005, shutter=180)
    assert (moment.base, moment.opens, moment.closes, moment.offsets) == (1002, -0.0625, 0.0625, (-1, 0, 1))
    first = timing.moment(1001, shutter=360)
    assert (first.opens, first.closes) == (0.0, 0.125)
    fast = retime.of({"speed": 400}, 1001, 1021).moment(1003, shutter=360)
    assert (fast.opens, fast.closes, fast.offsets) == (-2.0, 2.0, (-2, -1, 0, 1, 2))
    with pytest.raises(UsageError, match="would average"):
        retime.of({"speed": 2000}, 1001, 1081).moment(1003, shutter=720)


def test_vectors_need_a_neighbour_at_a_source_frame_too():
    timing = retime.of({"factor": 2}, 1001, 1003)
    assert timing.needed(1001, vectors=True) == (1001, 1002)
    assert timing.needed(1005, vectors=True) == (1002, 1003)
    assert timing.moment(1005, vectors=True).base == 1003


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"factor": 65}, "factor is 65"),
        ({"factor": 2.5}, "whole number"),
        ({"factor": "many"}, "a number is needed"),
        ({"factor": -2}, "factor is -2"),
        ({"factor": 2, "speed": 50}, "twice, by factor and by speed"),
        ({"speed": "0.0001"}, "frames would be made"),
        ({"target_fps": 48, "source_fps": -1}, "above 0"),
        ({"curve": "1001=1001 1001=1002"}, "1001 twice"),
        ({"curve": "1001=here"}, "1001=here"),
        ({"curve": "1001.5=1001"}, "whole output frame"),
        ({"curve": "1=1 3000000=2"}, "typing slip"),
    ],
)
def test_timings_that_make_no_sense_say_what_was_found(settings, says):
    with pytest.raises(UsageError, match=says):
        retime.of(settings, 1001, 1003 if "0.0001" not in str(settings) else 1203)


def test_curves_that_cannot_be_read_name_file_and_line(tmp_path: Path):
    with pytest.raises(MissingInput, match=r"nowhere\.csv"):
        retime.of({"curve": str(tmp_path / "nowhere.csv")}, 1, 2)
    path = tmp_path / "bad.csv"
    path.write_text("frame,time\n1001\n")
    with pytest.raises(UsageError, match="line 2"):
        retime.of({"curve": str(path)}, 1, 2)
    path.write_text("frame,time\n")
    with pytest.raises(UsageError, match="has no line"):
        retime.of({"curve": str(path)}, 1, 2)


def test_a_shutter_beyond_720_degrees_is_refused():
    with pytest.raises(UsageError, match="721"):
        retime.shutter_of({"shutter": "721"})


def test_the_frames_around_a_moment_are_asked_for_inside_the_source_and_not_at_keys():
    timing = retime.of({"factor": 2}, 1001, 1004)
    assert [timing.moment(frame, around=True).around for frame in range(1001, 1008)] == [
        (), (2,), (), (-1, 2), (), (-1,), ()
    ]  # fmt: skip
    assert timing.needed(1004, around=True) == (1001, 1002, 1003, 1004)
    assert timing.needed(1004) == (1002, 1003)
    wide = timing.moment(1004, shutter=720, around=True)
    assert set(wide.around).isdisjoint(wide.offsets) and {wide.base + at for at in wide.around} == {1001, 1004}
