from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import tiny_paintfix  # makes the size "tiny" known
import wrinkled
from bipack import card as cards
from bipack.errors import MissingInput, UsageError
from bipack_train import cli
from bipack_train.models.region import RegionNet
from bipack_train.models.swap import Swap, warped
from bipack_train.paintfix import Adversary, Schedule
from bipack_train.regions import unpaired, younger
from bipack_train.regions.recipe import Unpaired

SIDE = 32


def settings(steps: int, **changes: object) -> Unpaired:
    schedule = Schedule(steps=steps, minutes=0.0, warm_up=4, learning_rate=3e-3, ema=0.98)
    return dataclasses.replace(Unpaired(side=SIDE, batch=4, width=16, grid=16, schedule=schedule), **changes)  # type: ignore[arg-type]


def face(frames: range, amount: float, brighter: float = 1.0) -> unpaired.Face:
    """Frames of a face, `amount` of the way to young; encoded values do for the test."""
    found = unpaired.Face([], [], [])
    for frame in frames:
        old, after, matte = wrinkled.crop(frame, amount)
        pixels = old if amount == 0 else after
        found.frames.append(frame)
        found.pixels.append((brighter * pixels).astype(np.float16))
        found.mattes.append(matte)
    return found


def lines_left(net: Swap, today: unpaired.Face, then: unpaired.Face) -> float:
    """What is left of the lines inside the matte, 1 = all, over all of today's frames."""

    def detail(pixels: np.ndarray, inside: np.ndarray) -> np.ndarray:
        return (pixels - cv2.GaussianBlur(pixels, (0, 0), 6))[inside]

    left = []
    for one, plate in zip(younger.pairs_of(net, today, then, 64), today.pixels, strict=True):
        old, young, _ = wrinkled.crop(one.pair.frame)
        inside = one.pair.matte > 250
        after, old, young = (detail(part, inside) for part in (one.pair.after.astype(np.float32), old, young))
        left.append(np.abs(after - young).mean() / np.abs(old - young).mean())
        assert np.array_equal(one.pair.after[one.pair.matte == 0], plate[one.pair.matte == 0])
    return float(np.mean(left))


def test_the_younger_face_is_painted_over_todays_performance(tmp_path: Path) -> None:
    today, then = face(range(1, 9), 0.0), face(range(101, 109), 1.0, brighter=1.2)
    how = settings(160, side=64, grid=32)
    run = unpaired.learn(how, today, then, str(tmp_path), device="cpu")
    learned = lines_left(unpaired.averaged(run), today, then)
    untrained = lines_left(Swap(how.width, how.grid).eval(), today, then)
    assert learned < 0.6
    assert learned < 0.97 * untrained


def test_decoders_that_tell_nothing_apart_leave_the_plate_or_what_a_starter_makes_of_it() -> None:
    today, then = face(range(1, 3), 0.0), face(range(101, 103), 1.0)
    # Both decoders begin alike.
    net = Swap(16, 8).eval()
    for one, plate in zip(younger.pairs_of(net, today, then, SIDE), today.pixels, strict=True):
        assert np.array_equal(one.pair.after, plate)
    start = RegionNet("tiny", 4).eval()
    started = younger.pairs_of(net, today, then, SIDE, start)
    for one, plate, matte in zip(started, today.pixels, today.mattes, strict=True):
        before, mask = torch.from_numpy(plate.astype(np.float32)), torch.from_numpy(matte)[None, None]
        with torch.no_grad():
            made = start.result(before.permute(2, 0, 1)[None], mask, torch.ones(1), torch.zeros(1, 3))
        assert not np.array_equal(one.pair.after, plate)
        assert np.allclose(one.pair.after, made[0].permute(1, 2, 0).numpy(), atol=2e-3)


def test_decoders_are_trusted_only_if_today_has_more_lines_on_both_faces() -> None:
    today, then = face(range(1, 4), 0.0), face(range(101, 104), 1.0)
    first = unpaired.squares(today, SIDE)
    second = unpaired.squares(then, SIDE, like=first)

    def smoothed(region: torch.Tensor, strength: float) -> torch.Tensor:
        return region + strength * (torch.nn.functional.avg_pool2d(region, 5, 1, 2) - region)

    class Learned(Swap):
        """Today's decoder paints lines, whoever is seen, the other none."""

        def forward(self, region: torch.Tensor, face: int) -> torch.Tensor:
            lines = 0.1 * torch.sin(torch.arange(SIDE) * 2.0)[:, None]
            return smoothed(region, 1.0) + (1 - face) * lines

    class ByHeart(Swap):
        """Each decoder paints sharply only what it was shown."""

        def forward(self, region: torch.Tensor, face: int) -> torch.Tensor:
            own = face == (0 if any(torch.equal(region[0], one) for one in first.pixels) else 1)
            return smoothed(region, 0.0 if own else 0.8)

    assert younger.trust(Learned(16, 8), first, second) > 0.7
    assert younger.trust(ByHeart(16, 8), first, second) == 0.0


def test_light_is_not_taken_for_age() -> None:
    today, then = face(range(1, 5), 0.0), face(range(1, 5), 0.0, brighter=1.4)
    first = unpaired.squares(today, SIDE)
    second = unpaired.squares(then, SIDE, like=first)
    assert torch.allclose(first.pixels, second.pixels, atol=2e-3)


def test_squares_lie_where_they_were_cut_and_may_leave_the_frame() -> None:
    plane = np.zeros((60, 80, 3), np.float32)
    matte = np.zeros((60, 80), np.float32)
    matte[0:20, 60:80] = 1
    plane[0:20, 60:80] = 1
    place = unpaired.square(matte)
    back = younger._put(unpaired.cut(plane, place, 64), place, matte.shape)
    assert np.abs(back[2:18, 62:78] - 1).max() < 1e-3
    assert np.abs(back[30:]).max() == 0


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    clips = face(range(1, 4), 0.0), face(range(101, 104), 1.0)
    how = settings(8, adversary=Adversary(share=0.5))
    whole = unpaired.learn(how, *clips, str(tmp_path / "whole"), device="cpu")
    count = iter(range(100))
    unpaired.learn(how, *clips, str(tmp_path / "cut"), device="cpu", stop=lambda: next(count) >= 5)
    resumed = unpaired.learn(how, *clips, str(tmp_path / "cut"), device="cpu", resume=True)
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name


def test_the_network_keeps_size_and_the_warp_keeps_the_mean_place() -> None:
    net = Swap(16, 8)
    assert net(torch.rand(2, 3, 64, 64), 1).shape == (2, 3, 64, 64)
    picture = torch.rand(3, 3, 32, 32)
    assert torch.allclose(warped(picture, 0.0, torch.Generator()), picture, atol=1e-5)


def test_the_command_makes_a_model_from_two_clips(tmp_path: Path) -> None:
    before, after, mattes = wrinkled.write(tmp_path / "face", range(1001, 1004))
    text = """
kind = "regions"
name = "actor"
regions = ["cheek_l"]
size = "tiny"
[sampling]
side = 32
batch = 2
[sampling.augment]
transplant = 0.0
[schedule]
steps = 4
minutes = 0.0
[unpaired]
side = 32
batch = 2
width = 16
[unpaired.schedule]
steps = 4
minutes = 0.0
"""
    (tmp_path / "actor.toml").write_text(text)
    options = ["--before", before, "--mattes", mattes, "--out", str(tmp_path / "out"), "--device", "cpu"]
    clips = ["--younger", after, "--younger-mattes", mattes]
    recipe = ["--recipe", str(tmp_path / "actor.toml")]
    assert cli.main(["regions", *recipe, *options, *clips]) == 0
    model = str(tmp_path / "out" / "actor_cheek_l" / "actor_cheek_l")
    assert cards.load(model).kind == "region"
    options[options.index("--out") + 1] = str(tmp_path / "again")
    assert cli.main(["regions", *recipe, *options, *clips, "--init", model]) == 0
    again = cards.load(str(tmp_path / "again" / "actor_cheek_l" / "actor_cheek_l"))
    assert again.training is not None and again.training.base_model.startswith("actor_cheek_l@")
    assert cli.main(["regions", *recipe, *options, *clips, "--after", after]) == UsageError("").exit_code


def test_a_clip_without_the_region_is_named(tmp_path: Path) -> None:
    before, _, mattes = wrinkled.write(tmp_path / "face", range(1001, 1003))
    with pytest.raises(MissingInput, match="cheek_r"):
        unpaired.read_face(before, mattes, "cheek_r", "before")
    assert tiny_paintfix.SIZES["tiny"]
