"""BipackSlowMo's finishing tail: its result over the plate in the same timing, held to `bipack.retime`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bipack import retime
from bipack.imaging.finishing import bands
from bipack.imaging.finishing.equalizer import RADII
from bipack.imaging.frame import Box, Frame
from bipack.imaging.image_io import write_frame
from finishing_scene import OFF_CENTRE, Scene, frame_of

HEIGHT, WIDTH = 40, 52
FIRST, LAST = 11, 15
RESULT = range(FIRST, 42)
CURVE = {11: 15.0, 12: 13.5, 13: 13.5, 14: 13.5, 15: 11.0, 16: 11.75, 17: 12.0, 18: 19.0, 19: 2.0}
"""Backwards, a freeze, on a key, and beyond both ends of the plate."""

RATES = {"source_fps": 23.976, "target_fps": 60}

TIMINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "factor": ({"timing_by": "factor", "slow_factor": 3}, {"factor": 3}),
    "most": ({"timing_by": "factor", "slow_factor": 7}, {"factor": 7}),
    "slow": ({"timing_by": "speed", "speed": 40}, {"speed": 40}),
    "fast": ({"timing_by": "speed", "speed": 150}, {"speed": 150}),
    "backwards": ({"timing_by": "speed", "speed": -30}, {"speed": -30}),
    "rate": ({"timing_by": "frame rate", **RATES}, RATES),
    "curve": ({"timing_by": "curve"}, {"curve": " ".join(f"{frame}={time}" for frame, time in CURVE.items())}),
}  # fmt: skip


@pytest.fixture(scope="module")
def shot() -> dict[int, np.ndarray]:
    """The plate's frames: a lamp, values below 0, and grain of its own on each."""
    frames = {}
    for frame in range(FIRST, LAST + 1):
        frames[frame] = np.random.default_rng(frame).normal(0.4, 0.15, (HEIGHT, WIDTH, 4)).astype(np.float32)
        frames[frame][5:9, 5 + frame - FIRST : 9 + frame - FIRST] = 12.0
    return frames


@pytest.fixture
def slow(finishing: Callable[..., Scene], shot: dict[int, np.ndarray]) -> Scene:
    """The gizmo with its plate."""
    scene = finishing("BipackSlowMo", size=(WIDTH, HEIGHT))
    scene.feed(0, shot)
    return scene


def retimed(scene: Scene, name: str, source: tuple[int, int] = (FIRST, LAST)) -> retime.Retime:
    """Set the knobs of a timing; gives what the worker makes of it."""
    knobs, settings = TIMINGS[name]
    if name == "curve":
        root, curve = scene.nuke.root(), scene.node["timing"]
        root["first_frame"].setValue(min(CURVE))
        root["last_frame"].setValue(max(CURVE))
        curve.clearAnimated()
        curve.setAnimated()
        for frame, time in CURVE.items():
            curve.setValueAt(time, frame)
    scene.set(**knobs)
    return retime.of(settings, *source)


def cook(scene: Scene, frames: range = RESULT, corner: tuple[int, int] = (0, 0)) -> dict[int, np.ndarray]:
    """Files as the worker leaves them, shown by the gizmo; not what a worker would make, so that nobody mistakes it."""
    made = {}
    for frame in frames:
        made[frame] = np.random.default_rng(1000 + frame).normal(0.5, 0.2, (HEIGHT, WIDTH, 4)).astype(np.float32)
        path = scene.folder / f"cooked.{frame:04d}.exr"
        write_frame(str(path), frame_of(made[frame], corner, scene.size), compression="none")
    show(scene, frames)
    return made


def show(scene: Scene, frames: range) -> None:
    read = scene.node.node("Cooked")
    read["file"].setValue(str(scene.folder / "cooked.%04d.exr"))
    for knob, place in (("first", 0), ("last", -1), ("origfirst", 0), ("origlast", -1)):
        read[knob].setValue(frames[place])


def rgba(image: Any) -> np.ndarray:
    return np.stack([image.array(f"rgba.{name}")[::-1] for name in ("red", "green", "blue", "alpha")], axis=-1)


def plate_at(shot: dict[int, np.ndarray], time: float, between: str) -> np.ndarray:
    """The plate without a new frame in it."""
    before, share = math.floor(time), np.float32(time - math.floor(time))
    if share == 0 or between == "earlier":
        return shot[before]
    if between == "nearest":
        return shot[math.floor(time + 0.5)]
    return (1 - share) * shot[before] + share * shot[before + 1]


@pytest.mark.parametrize("between", ["nearest", "blend", "earlier"])
@pytest.mark.parametrize("name", TIMINGS)
def test_mix_0_is_the_plate_in_the_workers_timing(
    slow: Scene, shot: dict[int, np.ndarray], name: str, between: str
) -> None:
    timing = retimed(slow, name)
    cook(slow)
    slow.set(mix=0, plate_between=between)
    first, last = timing.frames[0], timing.frames[-1]
    assert (slow.node.firstFrame(), slow.node.lastFrame()) == (first, last)
    for frame in {first - 3, *timing.frames, last + 5}:
        time = timing.time(min(max(frame, first), last))
        found, expected = rgba(slow.image(frame)), plate_at(shot, float(time), between)
        if time.denominator == 1 or between != "blend":
            assert np.array_equal(found, expected), f"{name}, frame {frame}, time {float(time)}"
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_part_of_the_plate(slow: Scene, shot: dict[int, np.ndarray]) -> None:
    slow.set(use_plate_range=False, first=12, last=14, mix=0)
    timing = retimed(slow, "backwards", (12, 14))
    cook(slow)
    assert (slow.node.firstFrame(), slow.node.lastFrame()) == (timing.frames[0], timing.frames[-1])
    for frame in timing.frames:
        assert np.array_equal(rgba(slow.image(frame)), plate_at(shot, float(timing.time(frame)), "nearest"))


def test_the_viewer_shows_the_same_plate_before_anything_is_cooked(
    start_nuke: Callable[..., Any], tmp_path: Path, shot: dict[int, np.ndarray]
) -> None:
    scene = Scene(start_nuke(gui=True), "BipackSlowMo", tmp_path, (WIDTH, HEIGHT))
    scene.feed(0, shot)
    timing = retimed(scene, "curve")
    for frame in timing.frames:
        assert np.array_equal(rgba(scene.image(frame)), plate_at(shot, float(timing.time(frame)), "nearest"))


def layered(seed: int, corner: tuple[int, int] = OFF_CENTRE) -> Frame:
    """A frame with depth and an id beside its colors, off the format's centre."""
    random = np.random.default_rng(seed)
    frame = frame_of(random.normal(0.4, 0.2, (HEIGHT, WIDTH, 4)).astype(np.float32), corner, (84, 60))
    part = frame.parts[0]
    data = {
        "depth.Z": np.full((HEIGHT, WIDTH), float(seed), np.float32),
        "other.id": random.integers(0, 9, (HEIGHT, WIDTH)).astype(np.float32),
    }
    part = replace(part, channels={**part.channels, **data}, attributes={**part.attributes, "shot": f"take {seed}"})
    return replace(frame, parts=[part])


@pytest.fixture
def layers(finishing: Callable[..., Scene]) -> Scene:
    """The gizmo over a plate with layers, cooked with a factor of 4."""
    scene = finishing("BipackSlowMo", size=(84, 60))
    for frame in range(FIRST, LAST + 1):
        write_frame(str(scene.folder / f"input0.{frame:04d}.exr"), layered(frame), compression="none")
    for frame in range(FIRST, FIRST + 17):
        write_frame(str(scene.folder / f"cooked.{frame:04d}.exr"), layered(100 + frame), compression="none")
    read = scene.nuke.nodes.Read(file=str(scene.folder / "input0.%04d.exr"), raw=True, first=FIRST, last=LAST)
    scene.node.setInput(0, read)
    show(scene, range(FIRST, FIRST + 17))
    return scene


def planes(image: Any) -> dict[str, np.ndarray]:
    names = {"rgba.red": "R", "rgba.green": "G", "rgba.blue": "B", "rgba.alpha": "A"}
    return {names.get(name, name): image.array(name)[::-1] for name in image.channels}


def same(image: Any, expected: Frame) -> None:
    part = expected.parts[0]
    found = planes(image)
    assert set(found) == set(part.channels)
    for name, pixels in part.channels.items():
        assert np.array_equal(found[name], pixels), name
    box = image.bbox
    window = Box(box.x, 60 - box.t, box.r - 1, 60 - box.y - 1)
    assert window == part.data_window
    assert (image.format.width(), image.format.height()) == (84, 60)
    assert any(value == part.attributes["shot"] for value in image.metadata.values())


def test_untouched_the_result_passes_with_all_its_layers_window_and_metadata(layers: Scene) -> None:
    for frame in (FIRST, FIRST + 1, FIRST + 4, FIRST + 16):
        same(layers.image(frame), layered(100 + frame))


def test_so_does_the_plate_in_its_place(layers: Scene) -> None:
    layers.set(mix=0)
    for frame, source in ((FIRST, 11), (FIRST + 1, 11), (FIRST + 2, 12), (FIRST + 7, 13), (FIRST + 16, 15)):
        same(layers.image(frame), layered(source))


def test_blending_mixes_colors_and_alpha_and_no_data(layers: Scene) -> None:
    layers.set(mix=0, plate_between="blend")
    found = planes(layers.image(FIRST + 3))
    before, after = layered(11).parts[0].channels, layered(12).parts[0].channels
    for name in "RGBA":
        np.testing.assert_allclose(found[name], 0.25 * before[name] + 0.75 * after[name], rtol=1e-5, atol=1e-6)
    for name in ("depth.Z", "other.id"):
        assert np.array_equal(found[name], after[name])


def test_the_mask_goes_by_the_results_frames(slow: Scene, shot: dict[int, np.ndarray]) -> None:
    timing, cooked = retimed(slow, "factor"), cook(slow)
    masks = {}
    for frame in timing.frames:
        masks[frame] = np.zeros((HEIGHT, WIDTH), np.float32)
        masks[frame][:, frame : frame + 9] = 1.0
        masks[frame][:, frame + 9 : frame + 12] = 0.25
    slow.feed(2, masks)
    for frame in timing.frames:
        found, plate = rgba(slow.image(frame)), plate_at(shot, float(timing.time(frame)), "nearest")
        mask = masks[frame]
        assert np.array_equal(found[mask == 0], plate[mask == 0])
        assert np.array_equal(found[mask == 1], cooked[frame][mask == 1])
        soft = 0.75 * plate + 0.25 * cooked[frame]
        np.testing.assert_allclose(found[mask == 0.25], soft[mask == 0.25], rtol=1e-5, atol=1e-5)


def test_the_matte_for_the_worker_restricts_nothing(slow: Scene) -> None:
    cooked = cook(slow)
    slow.feed(1, np.zeros((HEIGHT, WIDTH), np.float32))
    assert np.array_equal(rgba(slow.image(FIRST + 1)), cooked[FIRST + 1])


@pytest.mark.parametrize("between", ["nearest", "blend"])
def test_only_some_bands_over_the_plate_in_the_same_timing(
    slow: Scene, shot: dict[int, np.ndarray], between: str
) -> None:
    timing, cooked = retimed(slow, "curve"), cook(slow)
    weights = (0.0, 0.3, 1.0, 1.0, 0.5, 0.9)
    slow.set(plate_between=between, finish_route=True, finish_base=weights[5], finish_working_space="encoded")
    slow.set(**{f"finish_band{number}": weights[number - 1] for number in range(1, 6)})
    for frame in (11, 12, 16, 17):
        plate = np.ascontiguousarray(plate_at(shot, float(timing.time(frame)), between)[..., :3])
        expected = bands.recombine(plate, np.ascontiguousarray(cooked[frame][..., :3]), RADII, weights)
        np.testing.assert_allclose(slow.result(frame), expected, rtol=1e-4, atol=1e-4)
        assert np.array_equal(rgba(slow.image(frame))[..., 3], cooked[frame][..., 3]), "alpha is the result's"


def test_grain_fills_up_what_mixing_lost(slow: Scene) -> None:
    retimed(slow, "factor")
    cooked = cook(slow)
    slow.set(finish_grain="synthetic", finish_seed=4, finish_working_space="linear", finish_grain_on="all frames")
    whole = {frame: slow.result(frame) - cooked[frame][..., :3] for frame in range(11, 15)}
    assert all(whole[frame].std() > 0.005 for frame in whole)
    for one in whole:
        for other in whole:
            if one < other:
                assert abs(np.corrcoef(whole[one].ravel(), whole[other].ravel())[0, 1]) < 0.2, "another on every frame"
    slow.set(finish_grain_on="in-betweens")
    for frame in (11, 14):
        assert np.array_equal(rgba(slow.image(frame)), cooked[frame]), "a frame of the plate has its grain"
    for frame, share in ((12, 1 / 3), (13, 2 / 3)):
        expected = math.sqrt(2 * share * (1 - share)) * whole[frame]
        np.testing.assert_allclose(slow.result(frame) - cooked[frame][..., :3], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("how", ["plate", "patches"])
def test_the_plates_own_grain_is_that_of_the_frame_shown(slow: Scene, how: str) -> None:
    retimed(slow, "factor")
    cooked = cook(slow)
    slow.set(finish_grain=how, finish_patch_size=8, finish_grain_on="all frames")
    slow.node["finish_sample"].setValue((8, 8, 40, 30))
    added = {frame: slow.result(frame) - cooked[frame][..., :3] for frame in (11, 12, 13)}
    alike = np.corrcoef(added[11].ravel(), added[12].ravel())[0, 1]
    assert alike > 0.6 if how == "plate" else alike < 0.3, "patches are strewn anew on every frame"
    assert abs(np.corrcoef(added[12].ravel(), added[13].ravel())[0, 1]) < 0.3


def test_in_proxy_mode_it_is_the_same_moment(slow: Scene, shot: dict[int, np.ndarray]) -> None:
    timing = retimed(slow, "backwards")
    cook(slow)
    slow.set(mix=0)
    for frame in timing.frames:
        source = math.floor(timing.time(frame) + Fraction(1, 2))
        assert np.array_equal(slow.result(frame, proxy=0.5), slow.source(0, source, proxy=0.5))
