"""Slow motion over files: cuts and repeats, shutter, vectors and mattes, parts of a job, and what is refused."""

from __future__ import annotations

import os
import shutil
import threading

import numpy as np
import pytest

from bipack import messages
from bipack.errors import CorruptInput, DiskError, MissingInput, UsageError
from bipack.frames import FramePath
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.sequence import run_sequence
from bipack.worker.slowmo_step import SlowMoStep
from moving import WIDTH, frame, picture, write_shot
from slowmo_cook import STEP, cook, made, notices


def test_nothing_crosses_a_cut_and_a_cut_every_frame_holds_every_frame(tmp_path):
    shot = write_shot(tmp_path / "in", [0.0])
    for number in (1002, 1003):
        write_frame(FramePath.parse(shot).path(number), frame(0.0, seed=number))
    told = cook(shot, tmp_path, factor=3)
    for number in range(1001, 1007):
        before = read_frame(FramePath.parse(shot).path(1001 + (number - 1001) // 3)).parts[0].channels["R"]
        np.testing.assert_array_equal(made(tmp_path, number)["R"], before)
    assert "The shot changes at frame 1002" in notices(told) and "at frame 1003" in notices(told)
    told = cook(shot, tmp_path, factor=3, cuts="ignore")
    assert "The shot changes" not in notices(told)
    assert not np.array_equal(made(tmp_path, 1002)["R"], made(tmp_path, 1001)["R"])


def test_a_listed_cut_is_one(shot, tmp_path):
    cook(shot, tmp_path, factor=2, cut_frames="1002")
    np.testing.assert_array_equal(made(tmp_path, 1002)["R"], made(tmp_path, 1001)["R"])
    assert not np.array_equal(made(tmp_path, 1004)["R"], made(tmp_path, 1003)["R"])


def test_animation_on_twos_stands_still_or_runs_evenly(tmp_path):
    shot = write_shot(tmp_path / "in", [0.0, 0.0, STEP, STEP])
    told = cook(shot, tmp_path, factor=2)
    np.testing.assert_array_equal(made(tmp_path, 1002)["R"], made(tmp_path, 1001)["R"])
    assert "Frame 1002 repeats" in notices(told)
    told = cook(shot, tmp_path, factor=2, repeats="smooth")
    assert "1002,1004 repeat" in notices(told)
    for number, at in ((1002, 0.25), (1003, 0.5), (1004, 0.75)):
        found = made(tmp_path, number)["R"].astype(np.float32)[8:-8, 12:-12]
        assert np.abs(found - picture(at * STEP)[8:-8, 12:-12, 0]).mean() < 0.01
    np.testing.assert_array_equal(made(tmp_path, 1007)["R"], frame(STEP).parts[0].channels["R"])


def test_a_shutter_averages_light(tmp_path):
    shot = write_shot(tmp_path / "in", [0.0, STEP, 2 * STEP])
    cook(shot, tmp_path, speed=100, shutter=360, samples=16)
    truth = np.mean([picture(STEP + STEP * (moment - 7.5) / 16) for moment in range(16)], axis=0)[8:-8, 16:-16]
    found = np.stack([made(tmp_path, 1002)[name] for name in "RGB"], 2)[8:-8, 16:-16].astype(np.float32)
    sharp = picture(STEP)[8:-8, 16:-16]
    assert np.abs(found - truth).mean() < 0.35 * np.abs(sharp - truth).mean()
    still = write_shot(tmp_path / "still", [5.0, 5.0, 5.0])
    cook(still, tmp_path / "held", speed=100, shutter=720)
    np.testing.assert_array_equal(made(tmp_path / "held", 1002)["R"], frame(5.0).parts[0].channels["R"])


def test_vectors_are_pixels_to_the_next_and_the_previous_frame_of_the_result(shot, tmp_path):
    cook(shot, tmp_path, factor=2, vectors=True, hazard=True)
    for number in (1001, 1002, 1003, 1005):
        channels = made(tmp_path, number)
        inner = (slice(16, -16), slice(24, -24))
        assert np.median(channels["forward.u"][inner]) == pytest.approx(-STEP / 2, abs=0.1)
        assert np.median(channels["backward.u"][inner]) == pytest.approx(STEP / 2, abs=0.1)
        assert abs(np.median(channels["forward.v"][inner])) < 0.1
        assert channels["hazard.red"].min() >= 0 and channels["hazard.red"].max() <= 1
    np.testing.assert_array_equal(made(tmp_path, 1003)["R"], frame(STEP).parts[0].channels["R"])


def test_vectors_point_up_where_the_picture_moves_up(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number, down in ((1, 8), (2, 5)):
        tall = picture(0.0, height=80)
        moved = frame(0.0)
        for index, name in enumerate("RGB"):
            moved.parts[0].channels[name] = tall[16 - down : 80 - down, :, index].astype(np.float16)
        write_frame(str(folder / f"up.{number:04d}.exr"), moved)
    cook(str(folder / "up.%04d.exr"), tmp_path, factor=2, vectors=True)
    assert np.median(made(tmp_path, 2)["forward.v"][20:-20, 20:-20]) == pytest.approx(1.5, abs=0.1)


def test_a_straight_alpha_keeps_color_from_bleeding_in(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (1, 2):
        straight = frame(number * STEP)
        channels = straight.parts[0].channels
        hidden = channels["A"] == 0
        for name in "RGB":
            channels[name] = np.where(hidden, np.float16(50.0), np.float16(0.25))
        write_frame(str(folder / f"s.{number:04d}.exr"), straight)
    for premultiplied in (True, False):
        cook(str(folder / "s.%04d.exr"), tmp_path, factor=2, premultiplied=premultiplied, cuts="ignore")
        channels = made(tmp_path, 2)
        seen = channels["A"] > 0.02
        worst = np.abs(channels["G"][seen].astype(np.float32) - 0.25).max()
        assert worst > 1 if premultiplied else worst < 0.01


def test_a_matte_splits_a_foreground_that_moves_against_its_background(tmp_path):
    for folder in ("in", "matte"):
        (tmp_path / folder).mkdir()
    for number in (1, 2):
        whole, cover = frame(-6.0 * number), frame(0.0)
        front = picture(6.0 * number, seed=9)
        columns = np.arange(WIDTH) + 6.0 * (number - 1.5)
        inside = np.broadcast_to((columns > 36) & (columns < 60), (64, WIDTH))
        for index, name in enumerate("RGB"):
            pixels = whole.parts[0].channels[name]
            whole.parts[0].channels[name] = np.where(inside, front[:, :, index], pixels).astype(np.float16)
        cover.parts[0].channels["A"] = inside.astype(np.float16)
        write_frame(str(tmp_path / f"in/s.{number:04d}.exr"), whole)
        write_frame(str(tmp_path / f"matte/m.{number:04d}.exr"), cover)
    cook(str(tmp_path / "in/s.%04d.exr"), tmp_path, factor=2, cuts="ignore", matte=str(tmp_path / "matte/m.%04d.exr"))
    truth = np.where(
        ((np.arange(WIDTH) > 36) & (np.arange(WIDTH) < 60))[None, :, None], picture(9.0, seed=9), picture(-9.0)
    )
    split = np.abs(np.stack([made(tmp_path, 2)[name] for name in "RGB"], 2) - truth)[8:-8, 16:-16].mean()
    cook(str(tmp_path / "in/s.%04d.exr"), tmp_path, factor=2, cuts="ignore")
    plain = np.abs(np.stack([made(tmp_path, 2)[name] for name in "RGB"], 2) - truth)[8:-8, 16:-16].mean()
    assert split < 0.8 * plain


@pytest.mark.parametrize("fallback", ["blend", "nearest", "warp"])
def test_a_fallback_stands_only_where_the_hazard_is(fallback, tmp_path):
    shot = write_shot(tmp_path / "in", [0.0])
    torn = frame(STEP)
    for name in "RGB":
        torn.parts[0].channels[name][20:40, 40:60] = 3.0
    write_frame(FramePath.parse(shot).path(1002), torn)
    cook(shot, tmp_path / "none", factor=4, hazard=True)
    cook(shot, tmp_path / "other", factor=4, hazard=True, fallback=fallback)
    hazard = made(tmp_path / "none", 1002)["hazard.red"]
    differ = np.abs(made(tmp_path / "none", 1002)["G"] - made(tmp_path / "other", 1002)["G"]) > 1e-3
    assert differ.any() and hazard[differ].min() >= 0.45
    assert not differ[hazard < 0.4].any()


def test_a_chunk_needs_its_own_frames_and_gives_the_same_pixels(tmp_path):
    shot = write_shot(tmp_path / "in", [0.0, STEP, 2 * STEP, 3 * STEP])
    cook(shot, tmp_path / "whole", factor=4)
    for number in (1001, 1004):
        os.unlink(FramePath.parse(shot).path(number))
    told = cook(shot, tmp_path / "chunk", factor=4, frames=range(1005, 1010), source=(1001, 1004))
    assert told[-1].done == 5
    for number in range(1005, 1010):
        for name, pixels in made(tmp_path / "whole", number).items():
            np.testing.assert_array_equal(made(tmp_path / "chunk", number)[name], pixels)


def test_resume_keeps_what_is_true_and_makes_the_rest(shot, tmp_path):
    cook(shot, tmp_path, factor=4)
    os.unlink(tmp_path / "out.1004.exr")
    assert cook(shot, tmp_path, factor=4, existing="resume")[-1].skipped == 8
    # At another speed the same numbers are other moments, but for the first frame.
    assert cook(shot, tmp_path, factor=8, existing="resume")[-1].skipped == 1
    write_frame(FramePath.parse(shot).path(1003), frame(3 * STEP))
    told = cook(shot, tmp_path, factor=8, existing="resume")
    assert told[-1].skipped == 9, "1001 to 1009 do not look at frame 1003"


def test_it_says_what_it_will_write_and_stops_before_a_disk_that_is_too_small(shot, tmp_path, monkeypatch):
    told = cook(shot, tmp_path, factor=16)
    assert "33 frames will be made, about" in notices(told) and "free" in notices(told)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=70 << 20))
    with pytest.raises(DiskError, match="1921 frames of about") as refused:
        cook(write_shot(tmp_path / "long", [0.0] * 31), tmp_path / "new", factor=64)
    assert refused.value.exit_code == 15
    assert not list((tmp_path / "new").glob("out.*"))


def test_one_frame_is_held(tmp_path):
    told = cook(write_shot(tmp_path / "in", [0.0]), tmp_path, factor=16)
    assert told[-1].done == 1 and "nothing lies between" in notices(told)
    np.testing.assert_array_equal(made(tmp_path, 1001)["R"], frame(0.0).parts[0].channels["R"])


def test_two_sizes_are_refused_with_both(tmp_path):
    shot = write_shot(tmp_path / "in", [0.0])
    write_frame(FramePath.parse(shot).path(1002), frame(0.0, width=80))
    with pytest.raises(CorruptInput, match="1001 is 96x64 pixels and frame 1002 is 80x64"):
        cook(shot, tmp_path, factor=2)


def test_data_windows_that_differ_are_joined(tmp_path):

    shot = write_shot(tmp_path / "in", [0.0, STEP])
    whole = frame(STEP).parts[0]
    cropped = {name: np.ascontiguousarray(pixels[4:, 6:]) for name, pixels in whole.channels.items()}
    part = Part(cropped, Box(6, 4, WIDTH - 1, 63), whole.display_window, {})
    write_frame(FramePath.parse(shot).path(1002), Frame([part]))
    cook(shot, tmp_path, factor=2, cuts="ignore")
    result = read_frame(str(tmp_path / "out.1002.exr")).parts[0]
    assert result.data_window == Box.of_size(WIDTH, 64)
    found = result.channels["R"].astype(np.float32)[12:-8, 20:-12]
    assert np.abs(found - picture(STEP / 2)[12:-8, 20:-12, 0]).mean() < 0.02


def test_a_missing_frame_inside_the_range_is_named_held_or_black(tmp_path):
    shot = write_shot(tmp_path / "in", [0.0, STEP, 2 * STEP])
    os.unlink(FramePath.parse(shot).path(1002))
    with pytest.raises(MissingInput, match=r"Frames 1002 of .* are missing"):
        cook(shot, tmp_path, factor=2)
    told = cook(shot, tmp_path, factor=2, missing="hold")
    assert "1001.exr is held" in notices(told)
    np.testing.assert_array_equal(made(tmp_path, 1003)["R"], frame(0.0).parts[0].channels["R"])
    told = cook(shot, tmp_path, factor=2, missing="black")
    assert "black frame" in notices(told) and not made(tmp_path, 1003)["R"].any()


@pytest.mark.parametrize(("width", "height"), [(60, 40), (17, 9), (33, 2)])
def test_tiny_frames_work(width, height, tmp_path, network):
    shot = write_shot(tmp_path / "in", [0.0, 2.0], width=width, height=height)
    for number, step in enumerate((None, network)):
        assert cook(shot, tmp_path / str(number), step, factor=3, cuts="ignore")[-1].done == 4
        assert made(tmp_path / str(number), 1002)["R"].shape == (height, width)


def test_factor_1_copies_and_a_frame_beyond_the_result_is_refused(shot, tmp_path):
    assert cook(shot, tmp_path, factor=1)[-1].done == 3
    np.testing.assert_array_equal(made(tmp_path, 1002)["R"], frame(STEP).parts[0].channels["R"])
    with pytest.raises(UsageError, match="Frame 1006 is not part of the result, which has frames 1001-1005"):
        cook(shot, tmp_path, factor=2, frames=[1006])


def test_a_curve_outside_the_range_holds_and_says_so(shot, tmp_path):
    told = cook(shot, tmp_path, curve="1=990 2=1001.5 3=1010")
    assert "2 keys of the timing curve lie outside frames 1001-1003" in notices(told)
    np.testing.assert_array_equal(made(tmp_path, 1)["R"], frame(0.0).parts[0].channels["R"])
    np.testing.assert_array_equal(made(tmp_path, 3)["R"], frame(2 * STEP).parts[0].channels["R"])


def test_the_output_may_not_be_the_plate(shot, tmp_path):
    with pytest.raises(UsageError, match="would overwrite the plate"):
        request = messages.Render("job", "slowmo", shot, shot, (1001, 1002), source=(1001, 1003))
        run_sequence(request, SlowMoStep(None), lambda message: None, threading.Event())
