"""Inpaint on files: what is borrowed, what is made up, what stays, and what a bad matte does."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bipack import messages
from bipack.errors import CorruptInput, UsageError
from bipack.imaging import color
from bipack.imaging.frame import Box, Frame
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import take
from bipack.inpaint_knobs import MADE, SOURCE_CHANNEL
from bipack.worker.sequence import run_sequence
from bipack.worker.steps import open_step
from inpaint_scene import MADE_UP, Scene, install_model, matte_frame, write_scene


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return install_model(tmp_path_factory.mktemp("models") / "inpaint")


def cook(
    model: str, scene: Scene, out: Path, frames: tuple[int, ...], matte: str | None = "", **settings: Any
) -> tuple[dict[int, Frame], list[str]]:
    """Results by frame, and what the user was told."""
    given = scene.matte if matte == "" else matte
    target = str(out / "out.%04d.exr")
    request = messages.Render(
        "job", model, scene.plate, target, frames, given, {"grain": "off", **settings}, device="cpu"
    )
    told: list[messages.Message] = []
    step = open_step(request)
    try:
        run_sequence(request, step, told.append, threading.Event())
    finally:
        step.close()
    texts = [message.text for message in told if isinstance(message, messages.Notice)]
    return {frame: read_frame(target % frame) for frame in frames}, texts


def pull(made: Frame, smooth: Frame, scene: Scene, number: int) -> float:
    """How far from the smooth fill of the hole towards MADE_UP, which alone the model of these tests paints; 0 to 1.

    A step at the border is mostly taken out of the hole, so that three tenths of the way are left.
    """
    hole = scene.mattes[number] > 0
    shown, even = (color.encode(take(frame).pixels)[hole] for frame in (made, smooth))
    return float((shown - even).mean() / (MADE_UP - even).mean())


def source(frame: Frame) -> np.ndarray:
    return np.asarray(frame.parts[0].channels[SOURCE_CHANNEL])


def error_in(frame: Frame, scene: Scene, number: int) -> float:
    """Root of the mean squared error in the hole, encoded."""
    hole = scene.mattes[number] > 0
    difference = color.encode(take(frame).pixels) - color.encode(scene.truth[number])
    return float(np.sqrt(np.square(difference[hole]).mean()))


def test_a_still_camera_borrows_the_background_bit_for_bit(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot")
    results, _ = cook(model, scene, tmp_path, (1004, 1005))
    for number, result in results.items():
        hole = scene.mattes[number] > 0
        stored = np.float16(scene.truth[number])
        for index, name in enumerate("RGB"):
            np.testing.assert_array_equal(result.parts[0].channels[name][hole], stored[hole][:, index])
        assert (source(result)[hole] != MADE).all()
        assert (source(result)[hole] != number).all()


@pytest.mark.parametrize("motion", ["auto", "plane"])
def test_a_moving_camera_is_followed_below_a_pixel(model: str, tmp_path: Path, motion: str) -> None:
    scene = write_scene(tmp_path / "shot", camera=(2.37, -1.21))
    results, _ = cook(model, scene, tmp_path, (1005,), motion=motion)
    hole = scene.mattes[1005] > 0
    assert np.mean(source(results[1005])[hole] != MADE) > 0.99
    # Half a pixel of shift would cost more than twice as much.
    assert error_in(results[1005], scene, 1005) < 0.012


def test_flicker_is_matched(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", exposure=0.12)
    matched, _ = cook(model, scene, tmp_path / "a", (1005,))
    plain, _ = cook(model, scene, tmp_path / "b", (1005,), match=0)
    assert error_in(matched[1005], scene, 1005) < 0.006
    assert error_in(plain[1005], scene, 1005) > 0.02


def test_outside_the_feathered_matte_every_bit_stays(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", camera=(1.5, 0.0))
    results, _ = cook(model, scene, tmp_path, (1003,), grow=2, feather=3)
    before, after = read_frame(scene.plate % 1003).parts[0], results[1003].parts[0]
    rows, columns = np.nonzero(scene.mattes[1003])
    far = np.ones(scene.mattes[1003].shape, bool)
    far[rows.min() - 6 : rows.max() + 7, columns.min() - 6 : columns.max() + 7] = False
    for name, pixels in before.channels.items():
        np.testing.assert_array_equal(pixels[far], after.channels[name][far])
        assert pixels.dtype == after.channels[name].dtype
    assert (before.data_window, before.display_window) == (after.data_window, after.display_window)
    assert after.attributes["owner"] == "tests"
    assert (source(results[1003])[far] == 1003).all()


def test_alpha_and_depth_come_from_the_same_places(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot")
    results, _ = cook(model, scene, tmp_path, (1005,))
    hole = scene.mattes[1005] > 0
    channels = results[1005].parts[0].channels
    np.testing.assert_array_equal(channels["A"][hole], 0)
    expected = np.broadcast_to(50.0 + np.arange(hole.shape[1], dtype=np.float32), hole.shape)
    np.testing.assert_array_equal(channels["depth.Z"][hole], expected[hole])
    kept, _ = cook(model, scene, tmp_path, (1005,), layers=0)
    np.testing.assert_array_equal(kept[1005].parts[0].channels["depth.Z"][hole], 1.0)


def test_what_no_frame_shows_is_made_up_once_for_the_shot(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", thing=(0.0, 0.0), grain=0.01)
    results, _ = cook(model, scene, tmp_path, (1002, 1007))
    hole = scene.mattes[1002] > 0
    first, second = (take(result).pixels[hole] for result in results.values())
    np.testing.assert_array_equal(first, second)
    smooth, _ = cook(model, scene, tmp_path / "smooth", (1002,), make_up=0)
    assert 0.25 < pull(results[1002], smooth[1002], scene, 1002) < 0.35
    assert (source(results[1002])[hole] == MADE).all()


def test_a_part_of_a_shot_comes_out_like_the_whole(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", thing=(2.0, 0.0), camera=(1.1, 0.3))
    whole, _ = cook(model, scene, tmp_path / "whole", (1004, 1005, 1006))
    alone, _ = cook(model, scene, tmp_path / "alone", (1006,))
    for name in ("R", SOURCE_CHANNEL):
        np.testing.assert_array_equal(whole[1006].parts[0].channels[name], alone[1006].parts[0].channels[name])


def test_one_frame_alone_is_made_up(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=1)
    single = Scene(scene.plate % 1001, scene.matte % 1001, scene.truth, scene.mattes)
    results, _ = cook(model, single, tmp_path, (1001,))
    smooth, _ = cook(model, single, tmp_path / "smooth", (1001,), make_up=0)
    assert error_in(smooth[1001], scene, 1001) < 0.15
    assert 0.25 < pull(results[1001], smooth[1001], scene, 1001) < 0.35


def test_an_empty_matte_gives_the_plate_and_reads_no_other_frame(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=3)
    write_frame(scene.matte % 1002, matte_frame(np.zeros_like(scene.mattes[1002])))
    (tmp_path / "shot" / "plate.1003.exr").write_bytes(b"damaged")
    results, _ = cook(model, scene, tmp_path, (1002,))
    for name, pixels in read_frame(scene.plate % 1002).parts[0].channels.items():
        np.testing.assert_array_equal(pixels, results[1002].parts[0].channels[name])
    assert (source(results[1002]) == 1002).all()


def test_a_matte_over_everything_keeps_the_plate_and_says_so(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=3)
    full = str(tmp_path / "full.exr")
    write_frame(full, matte_frame(np.ones_like(scene.mattes[1001])))
    results, told = cook(model, scene, tmp_path, (1002,), matte=full)
    np.testing.assert_array_equal(
        results[1002].parts[0].channels["R"], read_frame(scene.plate % 1002).parts[0].channels["R"]
    )
    assert any("covers all of the frame" in text for text in told)


def test_a_matte_of_another_size_is_refused_with_both_sizes(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=1)
    other = str(tmp_path / "other.exr")
    write_frame(other, matte_frame(np.ones((40, 50), np.float32)))
    with pytest.raises(CorruptInput, match=r"60x50.*234x170"):
        cook(model, scene, tmp_path, (1001,), matte=other)


def test_without_a_matte_it_says_what_is_missing(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=1)
    with pytest.raises(UsageError, match="--matte"):
        cook(model, scene, tmp_path, (1001,), matte=None)


def test_a_soft_matte_is_filled_whole(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=1)
    soft = str(tmp_path / "soft.exr")
    write_frame(soft, matte_frame(scene.mattes[1001] * 0.3))
    results, _ = cook(model, scene, tmp_path, (1001,), matte=soft)
    smooth, _ = cook(model, scene, tmp_path / "smooth", (1001,), matte=soft, make_up=0)
    assert 0.25 < pull(results[1001], smooth[1001], scene, 1001) < 0.35


def test_nan_under_the_matte_is_gone_and_beside_it_stays(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=5)
    frame = read_frame(scene.plate % 1003)
    rows, columns = np.nonzero(scene.mattes[1003])
    frame.parts[0].channels["G"][rows[5], columns[5]] = np.nan
    frame.parts[0].channels["G"][2, 3] = np.inf
    write_frame(scene.plate % 1003, frame)
    results, _ = cook(model, scene, tmp_path, (1003,))
    green = results[1003].parts[0].channels["G"]
    assert np.isinf(green[2, 3])
    assert np.isfinite(green[scene.mattes[1003] > 0]).all()
    assert error_in(results[1003], scene, 1003) < 1e-3


def test_frames_with_other_data_windows_lend_at_the_right_place(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=5, thing=(40.0, 0.0))
    for number in (1001, 1002, 1004, 1005):
        frame = read_frame(scene.plate % number)
        part = frame.parts[0]
        window = part.data_window
        smaller = Box(window.xmin + 7, window.ymin + 4, window.xmax - 3, window.ymax - 9)
        cut = {name: np.ascontiguousarray(pixels[4:-9, 7:-3]) for name, pixels in part.channels.items()}
        write_frame(scene.plate % number, Frame([replace(part, channels=cut, data_window=smaller)]))
    results, _ = cook(model, scene, tmp_path, (1003,))
    hole = scene.mattes[1003] > 0
    stored = np.float16(scene.truth[1003])
    np.testing.assert_array_equal(results[1003].parts[0].channels["G"][hole], stored[hole][:, 1])


def test_eight_bit_files_are_filled_and_get_no_source_channel(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=5, thing=(40.0, 0.0))
    for number, linear in scene.truth.items():
        coded = np.where(scene.mattes[number][..., None] > 0, np.float32(1), color.linear_to_srgb(linear))
        cv2.imwrite(str(tmp_path / f"plate.{number}.png"), np.round(coded[..., ::-1] * 255).clip(0, 255))
        cv2.imwrite(str(tmp_path / f"matte.{number}.png"), scene.mattes[number] * 255)
    request = messages.Render(
        "job", model, str(tmp_path / "plate.%04d.png"), str(tmp_path / "out.%04d.png"), (1003,),
        str(tmp_path / "matte.%04d.png"), {"grain": "off"}, device="cpu",
    )  # fmt: skip
    step = open_step(request)
    run_sequence(request, step, lambda message: None, threading.Event())
    step.close()
    result = cv2.imread(str(tmp_path / "out.1003.png"))[..., ::-1].astype(int)
    expected = np.round(color.linear_to_srgb(scene.truth[1003]) * 255)
    assert np.abs(result - expected)[scene.mattes[1003] > 0].max() <= 1


def test_a_frame_without_a_matte_does_not_lend(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=5)
    for number in (1001, 1002, 1004):
        (tmp_path / "shot" / f"matte.{number}.exr").unlink()
    results, _ = cook(model, scene, tmp_path, (1003,))
    hole = scene.mattes[1003] > 0
    assert set(np.unique(source(results[1003])[hole])) <= {1005.0, float(MADE)}


def test_grain_goes_on_what_was_made_up(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=1, grain=0.02, size=(224, 224), side=48, even=True)
    assert 0.016 < grain_put_on(model, scene, tmp_path) < 0.024


def test_texture_around_the_hole_is_not_taken_for_grain(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=1, grain=0.01, size=(224, 224), side=48)
    # The drawn ground varies by ten times as much within a few pixels.
    assert 0.005 < grain_put_on(model, scene, tmp_path) < 0.025


def grain_put_on(model: str, scene: Scene, out: Path) -> float:
    """Deviation, encoded, of what the knob `grain` adds in the hole of the first frame."""
    hole = scene.mattes[1001] > 0
    bare, grainy = (cook(model, scene, out / grain, (1001,), grain=grain)[0][1001] for grain in ("off", "made"))
    return float((color.encode(take(grainy).pixels[hole]) - color.encode(take(bare).pixels[hole])).std())


def test_mix_lays_the_fill_over_the_plate_in_part(model: str, tmp_path: Path) -> None:
    scene = write_scene(tmp_path / "shot", count=3, thing=(40.0, 0.0))
    half, _ = cook(model, scene, tmp_path / "a", (1002,), mix=0.5)
    none, _ = cook(model, scene, tmp_path / "b", (1002,), mix=0)
    hole = scene.mattes[1002] > 0
    expected = 0.5 * (np.float32(3.0) + np.float32(np.float16(scene.truth[1002][hole])))
    np.testing.assert_allclose(take(half[1002]).pixels[hole], expected, rtol=2e-3)
    np.testing.assert_array_equal(take(none[1002]).pixels, take(read_frame(scene.plate % 1002)).pixels)
