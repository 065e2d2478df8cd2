"""Slow motion over files: where keys and in-betweens are, and on which frames they depend."""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bipack import card as cards
from bipack import catalog
from bipack.frames import FramePath
from bipack.imaging import weave
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker import slowmo_check
from bipack.worker.slowmo_step import SlowMoStep
from moving import WIDTH, frame, install_slowmo, picture, write_shot
from slowmo_cook import STEP, cook, made, notices


@pytest.mark.parametrize("kind", ["classical", "model"])
def test_keys_are_the_plate_and_what_lies_between_is_where_it_should_be(kind, shot, tmp_path, network):
    told = cook(shot, tmp_path, network if kind == "model" else None, factor=4)
    assert told[-1].done == 9
    for number, source in ((1001, 1001), (1005, 1002), (1009, 1003)):
        before = read_frame(FramePath.parse(shot).path(source)).parts[0].channels
        for name, pixels in before.items():
            np.testing.assert_array_equal(made(tmp_path, number)[name], pixels)
    for number in (1002, 1003, 1004, 1006):
        truth = picture((number - 1001) / 4 * STEP)[8:-8, 12:-12]
        found = np.stack([made(tmp_path, number)[name] for name in "RGB"], 2)[8:-8, 12:-12].astype(np.float32)
        mixed = picture(0.0)[8:-8, 12:-12]
        assert np.abs(found - truth).mean() < 0.01 < np.abs(mixed - truth).mean()


FASTER = [0.0, 2.0, 8.0, 18.0, 32.0]
"""Places of a window that gets faster by 4 pixels a frame: 2 * frame ** 2."""

HALVES = {1004: 4.5, 1006: 12.5}
"""Results at factor 2 that have a frame before and after their pair, and where the window is then."""


def off(out: Path, number: int) -> float:
    """How far a result between frames is from the truth, away from the edges."""
    found = np.stack([made(out, number)[name] for name in "RGB"], 2).astype(np.float32)
    return float(np.abs(found - picture(HALVES[number]))[8:-8, 24:-24].mean())


def straight(tmp_path: Path, shot: str, **options: Any) -> Path:
    """Results of a model that knows nothing of the frames around."""
    step = SlowMoStep(catalog.locate(str(install_slowmo(tmp_path / "old", bends=False))), "cpu")
    cook(shot, tmp_path / "straight", step, factor=2, **options)
    step.close()
    return tmp_path / "straight"


def test_motion_that_gets_faster_is_followed_and_a_part_of_a_shot_is_as_the_whole(tmp_path, network):
    shot = write_shot(tmp_path / "in", FASTER)
    cook(shot, tmp_path, network, factor=2)
    plain = straight(tmp_path, shot)
    for number in HALVES:
        assert off(tmp_path, number) < 0.5 * off(plain, number)
    for number, source in ((1003, 1002), (1005, 1003)):
        before = read_frame(FramePath.parse(shot).path(source)).parts[0].channels
        assert all((made(tmp_path, number)[name] == pixels).all() for name, pixels in before.items())
    cook(shot, tmp_path / "part", network, frames=[1006], factor=2)
    for name, pixels in made(tmp_path / "part", 1006).items():
        np.testing.assert_array_equal(pixels, made(tmp_path, 1006)[name])


def test_a_synthesis_network_may_choose_all_of_the_measured_bending(tmp_path, network):
    shot = write_shot(tmp_path / "in", FASTER)
    cook(shot, tmp_path, network, factor=2)
    step = SlowMoStep(catalog.locate(str(install_slowmo(tmp_path / "new", chooses=True))), "cpu")
    cook(shot, tmp_path / "chosen", step, factor=2, vectors=True)
    step.close()
    plain = straight(tmp_path, shot)
    for number in HALVES:
        assert off(tmp_path / "chosen", number) < 0.5 * off(plain, number)
        assert off(tmp_path / "chosen", number) == pytest.approx(off(tmp_path, number), abs=1e-3)


@pytest.mark.parametrize("what", ["gone", "of another size", "another shot", "the same again"])
def test_frames_around_that_tell_nothing_leave_motion_straight(what, tmp_path, network):
    shot = write_shot(tmp_path / "in", FASTER[:4])
    for number, next_to in ((1001, 1002), (1004, 1003)):
        path = FramePath.parse(shot).path(number)
        if what == "gone":
            os.remove(path)
        elif what == "of another size":
            write_frame(path, frame(0.0, width=WIDTH + 16))
        elif what == "another shot":
            write_frame(path, frame(0.0, seed=7))
        else:
            shutil.copy(FramePath.parse(shot).path(next_to), path)
    source = (1001, 1004)
    told = cook(shot, tmp_path, network, frames=[1004], factor=2, source=source)
    assert told[-1].done == 1
    plain = straight(tmp_path, shot, frames=[1004], source=source)
    for name, pixels in made(plain, 1004).items():
        np.testing.assert_array_equal(made(tmp_path, 1004)[name], pixels)


def test_data_takes_values_of_the_plate_only_and_moves_with_the_picture(shot, tmp_path):
    cook(shot, tmp_path, factor=2)
    channels = made(tmp_path, 1002)
    assert set(np.unique(channels["depth.Z"])) == {100.0, 2000.0}
    assert set(np.unique(channels["id.X"])) == {7, 4_000_000_001}
    truth = frame(STEP / 2).parts[0].channels
    for name in ("depth.Z", "id.X"):
        assert channels[name].dtype == truth[name].dtype
        assert (channels[name] == truth[name])[8:-8, 12:-12].mean() > 0.95
    assert channels["A"].min() >= 0 and channels["A"].max() <= 1


def test_identical_frames_give_the_same_frame_at_every_time(tmp_path, network):
    shot = write_shot(tmp_path / "in", [3.0, 3.0])
    for number, step in enumerate((None, network)):
        told = cook(shot, tmp_path / str(number), step, factor=3)
        before = read_frame(FramePath.parse(shot).path(1001)).parts[0].channels
        for result in (1002, 1003):
            for name, pixels in before.items():
                np.testing.assert_array_equal(made(tmp_path / str(number), result)[name], pixels)
        del told


def test_frames_without_a_name_are_never_taken_for_earlier_ones(network):
    """Frames that are made and dropped may have the address of the ones before."""
    for at in range(6):
        made_here = slowmo_check.between(network, frame(10.0 * at), frame(10.0 * at + STEP))
        green = made_here.parts[0].channels["G"].astype(np.float32)
        assert np.abs(green - picture(10.0 * at + STEP / 2)[:, :, 1])[8:-8, 12:-12].mean() < 0.01
        del made_here, green


def test_a_lamp_of_10000_nits_moves_over_black_and_keeps_its_peak(tmp_path, network):
    folder = tmp_path / "in"
    folder.mkdir()
    rows, columns = np.mgrid[0:64, 0:96]
    for number, at in ((1, 30), (2, 36)):
        black = frame(0.0)
        lamp = np.exp(-((((columns - at) / 5.0) ** 2 + ((rows - 32) / 5.0) ** 2) ** 2))
        for name in "RGB":
            black.parts[0].channels[name] = (100.0 * lamp).astype(np.float16)
        write_frame(str(folder / f"lamp.{number:04d}.exr"), black)
    for number, step in enumerate((None, network)):
        out = tmp_path / str(number)
        cook(str(folder / "lamp.%04d.exr"), out, step, factor=4)
        for result in (2, 3, 4):
            green = made(out, result)["G"].astype(np.float32)
            assert np.isfinite(green).all() and green.min() >= 0
            assert green.max() == pytest.approx(100.0, rel=0.01)
            assert (green * columns).sum() / green.sum() == pytest.approx(30 + 6 * (result - 1) / 4, abs=0.5)


def test_nan_and_infinity_stay_in_the_keys_and_out_of_the_in_betweens(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (1, 2):
        picture_frame = frame(STEP * number)
        picture_frame.parts[0].channels["R"][20, 30 + number] = np.nan
        picture_frame.parts[0].channels["G"][21, 31] = np.inf
        write_frame(str(folder / f"bad.{number:04d}.exr"), picture_frame)
    told = cook(str(folder / "bad.%04d.exr"), tmp_path, factor=2)
    assert np.isnan(made(tmp_path, 1)["R"]).sum() == 1 and np.isinf(made(tmp_path, 3)["G"]).sum() == 1
    assert all(np.isfinite(made(tmp_path, 2)[name]).all() for name in "RGB")
    assert "kept out of the in-betweens" in notices(told)


def test_strips_do_not_show(shot, tmp_path, monkeypatch):
    cook(shot, tmp_path / "whole", factor=2)
    monkeypatch.setattr(weave, "STRIP_ROWS", 7)
    cook(shot, tmp_path / "strips", factor=2)
    for name, pixels in made(tmp_path / "whole", 1002).items():
        np.testing.assert_array_equal(made(tmp_path / "strips", 1002)[name], pixels)


def test_motion_found_at_a_smaller_size_moves_the_same_pixels(shot, tmp_path):
    cook(shot, tmp_path, factor=2, flow_size=48)
    truth = picture(STEP / 2)[8:-8, 12:-12]
    found = np.stack([made(tmp_path, 1002)[name] for name in "RGB"], 2)[8:-8, 12:-12].astype(np.float32)
    assert np.abs(found - truth).mean() < 0.02


def test_the_card_says_how_finely_motion_is_looked_for_and_the_knob_overrules_it(tmp_path):
    shot = write_shot(tmp_path / "in", FASTER)
    found = {}
    for said in ("half", "full"):
        folder = str(install_slowmo(tmp_path / said))
        cards.save(dataclasses.replace(cards.load(folder), flow_detail=said), folder)
        step = SlowMoStep(catalog.locate(folder), "cpu")
        for asked in ("auto", "half", "full"):
            cook(shot, tmp_path / f"{said}_{asked}", step, factor=2, frames=[1004], flow_detail=asked)
            found[said, asked] = made(tmp_path / f"{said}_{asked}", 1004)["G"]
        step.close()
    assert np.array_equal(found["half", "auto"], found["full", "half"])
    assert np.array_equal(found["full", "auto"], found["half", "full"])
    assert not np.array_equal(found["half", "auto"], found["full", "auto"])


def test_what_moves_farther_than_its_size_is_led_to_by_the_model_and_not_by_dis(tmp_path, network):
    """A square of 14 pixels that moves 24: at the middle it is in one place, and not twice half there."""
    rng = np.random.default_rng(3)
    ground = picture(0.0, width=240, height=100) * 0.3
    coat = rng.uniform(0.5, 1.0, (7, 7, 3)).repeat(2, axis=0).repeat(2, axis=1).astype(np.float32)
    (tmp_path / "in").mkdir()
    for number, left in ((1001, 90), (1002, 114)):
        shown = ground.copy()
        shown[40:54, left : left + 14] = coat
        window = Box(0, 0, 239, 99)
        channels = {name: np.ascontiguousarray(shown[:, :, at]) for at, name in enumerate("RGB")}
        write_frame(str(tmp_path / "in" / f"shot.{number}.exr"), Frame([Part(channels, window, window)]))
    shot, errors = str(tmp_path / "in" / "shot.%04d.exr"), {}
    for name, step in (("dis", None), ("led", network)):
        cook(shot, tmp_path / name, step, factor=2)
        found = np.stack([made(tmp_path / name, 1002)[channel] for channel in "RGB"], 2)
        errors[name] = float(np.abs(found[42:52, 104:114] - coat[2:12, 2:12]).mean())
    assert errors["led"] < 0.05 < 0.2 < errors["dis"]
