"""Slow motion over files: what each frame of the result is, on which frames it depends, and what is refused."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bipack import card as cards
from bipack import catalog, messages, retime
from bipack.errors import CorruptInput, DiskError, MissingInput, UsageError
from bipack.frames import FramePath
from bipack.imaging import weave
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker import slowmo_check
from bipack.worker.sequence import run_sequence
from bipack.worker.slowmo_step import SlowMoStep
from moving import WIDTH, frame, install_slowmo, picture, write_shot

STEP = 4.0
"""Pixels that the shots of these tests move in a frame."""


def cook(pattern: str, out: Path, step: SlowMoStep | None = None, frames: Any = None, **options: Any) -> list[Any]:
    """Run slow motion; `options` are knobs, or fields of the request. All messages, the closing one last."""
    fields = {name: options.pop(name) for name in ("matte", "missing", "existing", "source") if name in options}
    present = FramePath.parse(pattern).existing()
    source = fields.pop("source", (present[0], present[-1]))
    wanted = tuple(frames or retime.of(options, *source).frames)
    request = messages.Render(
        "job", "slowmo", pattern, str(out / "out.%04d.exr"), wanted, source=source, settings=options, **fields
    )
    told: list[Any] = []
    told.append(run_sequence(request, step or SlowMoStep(None), told.append, threading.Event()))
    return told


def made(out: Path, number: int) -> dict[str, np.ndarray]:
    return read_frame(str(out / f"out.{number:04d}.exr")).parts[0].channels


def notices(told: list[Any]) -> str:
    return "\n".join(message.text for message in told if isinstance(message, messages.Notice))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    step = SlowMoStep(catalog.locate(str(install_slowmo(tmp_path_factory.mktemp("models") / "slowmo"))), "cpu")
    yield step
    step.close()


@pytest.fixture
def shot(tmp_path: Path) -> str:
    return write_shot(tmp_path / "in", [0.0, STEP, 2 * STEP])


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
    from bipack.imaging.frame import Box, Frame, Part

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
