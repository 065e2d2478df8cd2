"""Differences between frames: all are found, none are made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import OpenEXR
import pytest

from bipack.imaging import compare
from bipack.imaging.frame import Box, Frame, Part


def frame(**changes: object) -> Frame:
    box = Box.of_size(4, 3)
    channels = {"R": np.ones((3, 4), np.float16), "id": np.arange(12, dtype=np.uint32).reshape(3, 4)}
    return Frame([replace(Part(channels, box, box, {"owner": "x", "rate": 24.0}), **changes)])


def test_a_frame_is_the_same_as_its_copy():
    assert compare.differences(frame(), frame()) == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"data_window": Box(1, 0, 4, 2)}, "data window"),
        ({"display_window": Box(0, 0, 9, 9)}, "display window"),
        ({"attributes": {"owner": "x"}}, "attribute rate is lost"),
        ({"attributes": {"owner": "y", "rate": 24.0}}, "attribute owner: 'x' became 'y'"),
        ({"attributes": {"owner": "x", "rate": 24}}, "attribute rate: 24.0 became 24"),
        ({"attributes": {"owner": "x", "rate": 24.0, "z": 1}}, "attribute z is new"),
        ({"channels": {"R": np.ones((3, 4), np.float16)}}, "channels"),
        ({"subsampling": {"R": (2, 2)}}, "subsampling"),
    ],
)
def test_each_difference_is_named(changes, line):
    assert line in " ".join(compare.differences(frame(), frame(**changes)))


def test_one_changed_sample_is_counted_with_its_size():
    other = frame()
    other.parts[0].channels["R"][1, 2] = 1.5
    assert compare.differences(frame(), other) == ["part 0: channel R: 1 samples differ, by up to 0.5"]


def test_bipacks_own_attributes_do_not_count():
    other = frame()
    other.parts[0].attributes["bipack/key"] = "1"
    assert compare.differences(frame(), other) == []


def test_a_missing_part_is_a_difference():
    assert compare.differences(frame(), Frame([])) == ["1 parts became 0"]


def test_nan_equals_nan_but_minus_zero_is_not_zero():
    nan, other_nan = np.array([0x7E00, 0x7E01], np.uint16).view(np.float16)
    assert compare.same_pixels(np.array([nan]), np.array([other_nan]))
    assert not compare.same_pixels(np.array([0.0], np.float16), np.array([-0.0], np.float16))
    assert not compare.same_pixels(np.array([1.0], np.float16), np.array([1.0], np.float32))


def time_code(last: int) -> OpenEXR.TimeCode:
    return OpenEXR.TimeCode(1, 2, 3, 4, *[0] * 13, last)


def preview(red: int) -> OpenEXR.PreviewImage:
    made = OpenEXR.PreviewImage(2, 2)
    for name in "rgba":
        made.pixels[name] = red
    return made


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        (time_code(0), time_code(0), time_code(1)),
        (preview(1), preview(1), preview(2)),
        (OpenEXR.OpaqueAttribute(b"a", "t"), OpenEXR.OpaqueAttribute(b"a", "t"), OpenEXR.OpaqueAttribute(b"b", "t")),
        (OpenEXR.OpaqueAttribute(b"a", "t"), OpenEXR.OpaqueAttribute(b"a", "t"), OpenEXR.OpaqueAttribute(b"a", "u")),
        (OpenEXR.Bytes(b"a", "h"), OpenEXR.Bytes(b"a", "h"), OpenEXR.Bytes(b"a", "i")),
        (OpenEXR.ENVMAP_CUBE, OpenEXR.ENVMAP_CUBE, OpenEXR.ENVMAP_LATLONG),
        (np.array([1, 2], np.int32), np.array([1, 2], np.int32), np.array([1, 2], np.float32)),
        ((np.array([1]), 2.0), (np.array([1]), 2.0), (np.array([2]), 2.0)),
        (["a", "b"], ["a", "b"], ["a"]),
        (float("nan"), float("nan"), 0.0),
    ],
)
def test_header_values_of_every_type_are_told_apart(one, same, other):
    assert compare.same_attribute(one, same)
    assert not compare.same_attribute(one, other)
