"""Clips and the pool of moments: what is left out, and that turning a crop turns its truth with it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.imaging import bending, color, motion_search
from bipack.imaging.image_io import write_frame
from bipack_train import slowmo_clips, slowmo_material, slowmo_recipe
from bipack_train.slowmo_pool import HELD_BACK, REAL, RENDERED, MomentPool, crops_of
from bipack_train.verify import picture_frame
from moments import SIDE, rendered_pool, sliding, texture


def test_a_cut_and_a_held_frame_are_left_out():
    frames = sliding(6) + sliding(6, seed=9)
    clip = slowmo_clips.Clip("cut", frames)
    assert {moment.first for moment in clip.moments(2)} == {0, 1, 2, 3, 6, 7, 8, 9}
    held = sliding(8)
    held[4] = held[3]
    assert {moment.first for moment in slowmo_clips.Clip("held", held).moments(2)} == {0, 1, 4, 5}


def test_exr_frames_are_read_encoded_with_their_highlights(tmp_path):
    for number in range(1001, 1004):
        write_frame(str(tmp_path / f"fast.{number}.exr"), picture_frame(np.full((32, 40, 3), 7.0, np.float32)))
    clip = slowmo_clips.read(str(tmp_path / "fast.%04d.exr"))
    assert len(clip) == 3
    assert np.allclose(color.decode(clip[0]), 7.0, rtol=0.01)


def test_a_gap_in_a_sequence_and_a_missing_clip_are_named(tmp_path):
    for number in (1001, 1002, 1004, 1005):
        write_frame(str(tmp_path / f"fast.{number}.exr"), picture_frame(np.zeros((32, 40, 3), np.float32)))
    with pytest.raises(MissingInput, match="lacks frames between 1001 and 1005"):
        slowmo_clips.read(str(tmp_path / "fast.%04d.exr"))
    with pytest.raises(MissingInput, match="No frame of"):
        slowmo_clips.read(str(tmp_path / "slow.%04d.exr"))
    with pytest.raises(MissingInput, match="does not exist"):
        slowmo_clips.read(str(tmp_path / "fast.mp4"))


def test_held_back_frames_are_not_learned_from(monkeypatch):
    frames = sliding(18, step=1.5)
    for index, frame in enumerate(frames):
        frame[:, :, 2] = 10 * index
    clip = slowmo_clips.Clip("slide", frames)
    monkeypatch.setattr(slowmo_clips, "read", lambda *_: clip)
    uses = (slowmo_recipe.ClipUse("fast.mp4", (2, 4), pairs=20),)
    data = slowmo_recipe.Data(clips=uses, scenes=0, scene_size=SIDE, crops_per_pair=1, held_back=1 / 3)
    schedule = slowmo_recipe.Schedule(crop=SIDE)
    settings = slowmo_recipe.SlowmoRecipe("a", "A", "1", "A test.", data=data, schedule=schedule)
    pool = slowmo_material.make_pool(settings, "")
    assert pool.count(REAL) == 2 * (4 + 2) and pool.count(HELD_BACK) == 4 + 2
    for group, allowed in ((REAL, {*range(6), *range(12, 18)}), (HELD_BACK, {*range(6, 12)})):
        used = {int(value) // 10 for sample in pool.samples(group) for value in np.unique(sample.frames[:, :, 2::3])}
        assert used == allowed
    for share, skip in ((1 / 3, 6), (0.0, 2)):
        assert slowmo_material._held_back(18, share, skip) == (0, 0), "too few, or not wanted"


def test_crops_hold_the_frame_that_lies_at_their_time():
    clip = slowmo_clips.Clip("slide", sliding(9))
    rng = np.random.default_rng(0)
    found = list(crops_of(clip, 4, 5, 2, SIDE, rng))
    assert len(found) == 10
    assert len({time for *_, time in found}) > 1
    for (first, second, between), prior, bend, time in found:
        assert np.allclose(np.median(bend[:, :, :4], axis=(0, 1)), 0, atol=0.3)
        # The window slides by 2 pixels a frame, so the picture by 8 to the left over the pair.
        assert np.median(prior[:, :, 0]) == pytest.approx(-8, abs=0.3)
        moved = round(8 * time)
        assert np.allclose(between[:, : SIDE - 8], first[:, moved : moved + SIDE - 8], atol=0.03)
        assert first.shape == second.shape == (SIDE, SIDE, 3)


def test_a_clip_smaller_than_a_crop_is_refused():
    with pytest.raises(UsageError, match="64x64"):
        list(crops_of(slowmo_clips.Clip("small", sliding(5)), 2, 1, 1, 80, np.random.default_rng(0)))


def test_the_frames_around_a_moment_are_of_its_shot():
    clip = slowmo_clips.Clip("cut", sliding(6) + sliding(8, seed=9))
    known = {
        (moment.first, *(frame is not None for frame in clip.around(moment)))
        for moment in (slowmo_clips.Between(first, first + 2, first + 1) for first in (0, 2, 3, 6, 8, 10, 11))
    }
    assert known == {
        (0, False, True), (2, True, False), (3, True, False), (6, False, True), (8, True, True), (10, True, False),
        (11, True, False),
    }  # fmt: skip


def test_what_the_frames_around_say_is_turned_with_a_crop():
    """A picture that speeds up to the right by 4 pixels a frame, seen in crops turned in all ways."""
    clip = slowmo_clips.Clip("faster", _speeding_up(4.0))
    pool = MomentPool(SIDE)
    moment = slowmo_clips.Between(1, 2, 1)
    prior = motion_search.prior_of(clip[1], clip[2])
    bend = bending.measured((clip[1], clip[2]), prior, *clip.around(moment))
    pool.add_real((clip[1], clip[2], clip[1]), prior, bend, 0.5)
    batch = pool.sample(np.random.default_rng(1), 40, 1.0)
    known = 0
    for index in range(40):
        found, flow = batch.bend[index].numpy(), batch.prior[index].numpy()
        # Played forwards it moves and speeds up the same way; backwards it slows down.
        forwards = bool((batch.between[index] == batch.frame0[index]).all())
        for side, sign in ((0, 1), (1, -1)):
            bend, along = (np.median(part[2 * side : 2 * side + 2], axis=(1, 2)) for part in (found, flow))
            if not found[6 + side].any():
                assert not found[2 * side : 2 * side + 2].any() and not found[4 + side].any()
                continue
            known += 1
            assert np.hypot(*bend) == pytest.approx(4, abs=0.5)
            assert sign * np.dot(bend, along) / np.hypot(*along) == pytest.approx(4 if forwards else -4, abs=0.5)
    assert 60 < known < 80


def _speeding_up(bend: float) -> list[np.ndarray]:
    whole = np.clip(texture(3, 240), 0, 1)
    places = [120 - 10 * index - bend / 2 * index * (index - 1) for index in range(-1, 3)]
    return [np.round(cv2.getRectSubPix(whole, (80, 80), (place, 100.0)) * 255).astype(np.uint8) for place in places]


def test_every_augmented_crop_keeps_its_truth():
    batch = rendered_pool().sample(np.random.default_rng(1), 24, 0.0)
    for index in range(24):
        frames = [getattr(batch, name)[index].numpy().transpose(1, 2, 0) for name in ("frame0", "frame1")]
        flow = batch.flow[index].numpy().transpose(1, 2, 0)
        rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
        for there, (mine, other) in enumerate(((0, 1), (1, 0))):
            x, y = columns + flow[:, :, 2 * there], rows + flow[:, :, 2 * there + 1]
            looked_up = cv2.remap(frames[other], x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-9)
            seen = batch.seen[index, there].numpy() > 0.5
            seen &= looked_up.min(axis=2) > -0.5  # the crop cuts some motion off
            after = np.median(np.abs(looked_up - frames[mine])[seen])
            before = np.median(np.abs(frames[0] - frames[1])[seen])
            # Noise and the blocks of a JPEG stay in the difference.
            assert after < 0.02 + 0.2 * before


def test_a_pool_comes_back_from_disk_as_it_was(tmp_path):
    pool = rendered_pool()
    path = str(tmp_path / "moments.npz")
    pool.save(path)
    again = MomentPool.load(path, SIDE)
    assert again.count(RENDERED) == 4
    first, second = (one.sample(np.random.default_rng(3), 4, 0.5) for one in (pool, again))
    assert all(
        bool((getattr(first, name) == getattr(second, name)).all())
        for name in ("frame0", "prior", "flow", "seen", "bend")
    )
    with open(path, "r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(CorruptInput, match="Delete it"):
        MomentPool.load(path, SIDE)
