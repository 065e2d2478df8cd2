"""Frame ranges and padded paths."""

from __future__ import annotations

import os

import pytest

from bipack.errors import MissingInput, UsageError
from bipack.frames import FramePath, format_frames, parse_frames, resolve_frames


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("1001", (1001,)),
        ("1001-1003", (1001, 1002, 1003)),
        ("1-9x4", (1, 5, 9)),
        ("1-9:4", (1, 5, 9)),
        ("1-10x4", (1, 5, 9)),
        ("3-1", (3, 2, 1)),
        ("5-1x2", (5, 3, 1)),
        ("-5--3", (-5, -4, -3)),
        ("-1-1", (-1, 0, 1)),
        ("5-5", (5,)),
        ("1, 3 ,2-3", (1, 3, 2)),
        ("1,1,1", (1,)),
    ],
)
def test_a_range_names_its_frames_in_order_and_once(text, frames):
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "a", "1-", "1--", "1-2-3", "1x2", "1.5", "1-5x-1", "1,,2", "0x10", "1-5x"])
def test_what_is_no_range_is_refused_with_the_text(text):
    with pytest.raises(UsageError, match="cannot be read") as caught:
        parse_frames(text)
    assert caught.value.exit_code == 2


def test_a_step_of_zero_is_refused():
    with pytest.raises(UsageError, match="step of 0"):
        parse_frames("1-5x0")


def test_a_typing_slip_of_ten_million_frames_is_refused_at_once():
    with pytest.raises(UsageError, match="typing slip"):
        parse_frames("1-10000000")


@pytest.mark.parametrize("text", ["1001-1003,1010", "1", "", "-3--1,4"])
def test_formatted_frames_read_back_the_same(text):
    assert format_frames(parse_frames(text) if text else ()) == text


@pytest.mark.parametrize(
    ("pattern", "frame", "path"),
    [
        ("/a/plate.%04d.exr", 7, "/a/plate.0007.exr"),
        ("/a/plate.####.exr", 7, "/a/plate.0007.exr"),
        ("/a/plate.@@@@.exr", 12345, "/a/plate.12345.exr"),
        ("/a/plate.#.exr", 7, "/a/plate.7.exr"),
        ("/a/plate.%d.exr", 7, "/a/plate.7.exr"),
        ("/a/plate.%04d.exr", -7, "/a/plate.-007.exr"),
        ("/a/v2.%02d.plate.####.exr", 7, "/a/v2.%02d.plate.0007.exr"),
        ("/a/plate.exr", 7, "/a/plate.exr"),
        ("plate.%04d.exr", 7, "plate.0007.exr"),
        ("/a b/ž/plate.%04d.exr", 7, "/a b/ž/plate.0007.exr"),
    ],
)
def test_a_pattern_gives_the_path_of_a_frame(pattern, frame, path):
    assert FramePath.parse(pattern).path(frame) == path


def test_padding_in_a_folder_name_is_part_of_the_name():
    assert FramePath.parse("/shot#2/plate.exr").path(7) == "/shot#2/plate.exr"


def test_an_empty_path_is_refused():
    with pytest.raises(UsageError):
        FramePath.parse("")


def test_a_home_folder_is_expanded():
    assert FramePath.parse("~/plate.exr").path(1) == os.path.join(os.path.expanduser("~"), "plate.exr")


def test_only_frames_of_the_pattern_count_as_existing(tmp_path):
    for name in (
        "plate.1001.exr",
        "plate.1003.exr",
        "plate.0999.exr",
        "plate.12345.exr",
        ".plate.1004.exr",
        "plate.1005.exr.tmp",
        "plate.1006.png",
        "plate.01007.exr",
        "other.1008.exr",
        "plate.abc.exr",
    ):
        (tmp_path / name).touch()
    assert FramePath.parse(str(tmp_path / "plate.%04d.exr")).existing() == (999, 1001, 1003, 12345)


def test_a_folder_that_is_not_there_has_no_frames(tmp_path):
    assert FramePath.parse(str(tmp_path / "no/plate.%04d.exr")).existing() == ()


def test_without_a_range_all_frames_on_disk_are_meant(tmp_path):
    for frame in (1003, 1001):
        (tmp_path / f"p.{frame}.exr").touch()
    assert resolve_frames(FramePath.parse(str(tmp_path / "p.####.exr")), None) == (1001, 1003)


def test_a_range_wins_over_what_is_on_disk(tmp_path):
    assert resolve_frames(FramePath.parse(str(tmp_path / "p.####.exr")), "5-6") == (5, 6)


def test_a_single_file_is_frame_one(tmp_path):
    assert resolve_frames(FramePath.parse(str(tmp_path / "p.exr")), None) == (1,)


def test_a_sequence_without_a_frame_is_a_missing_input(tmp_path):
    with pytest.raises(MissingInput, match="No frame of"):
        resolve_frames(FramePath.parse(str(tmp_path / "p.####.exr")), None)
