"""How finely the flow is looked for: what the clip says."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest

from bipack.imaging import motion_search
from bipack_train import slowmo, slowmo_clips, slowmo_material, slowmo_recipe
from bipack_train.slowmo_recipe import AUTO, ClipUse, Data, Schedule, SlowmoRecipe
from moments import texture

SETTINGS = SlowmoRecipe(
    "a", "A", "1", "A test.",
    data=Data(clips=(ClipUse("fast.mp4", (4,)),), scenes=0, scene_size=96, flow_detail=AUTO),
    schedule=Schedule(crop=48),
)  # fmt: skip

HEAD = {"kind": "slowmo", "name": "a", "title": "A", "version": "1", "purpose": "x"}


def turning(noise: float) -> list[np.ndarray]:
    """Bytes of fine squares that swing about their middle, five degrees a frame, before a pattern, with grain."""
    ground = np.clip(texture(5, 200), 0, 1)[:120, :160]
    coat = np.kron(np.random.default_rng(4).random((40, 40, 3)), np.ones((3, 3, 1))).astype(np.float32)
    frames = []
    for index in range(14):
        turned = cv2.getRotationMatrix2D((60, 60), 5 * index, 0.7)
        turned[:, 2] += (20, 0)
        here = cv2.warpAffine(coat, turned, (160, 120), flags=cv2.INTER_CUBIC)
        there = cv2.warpAffine(np.ones((120, 120), np.float32), turned, (160, 120))[:, :, None]
        frame = ground * (1 - there) + here
        frame = frame + np.random.default_rng([6, index]).normal(0, noise, frame.shape)
        frames.append(np.round(np.clip(frame, 0, 1) * 255).astype(np.uint8))
    return frames


def nets(settings: SlowmoRecipe):
    return slowmo.networks(settings).eval()


@pytest.mark.parametrize(("noise", "detail"), [(0.0, "full"), (0.15, "half")])
def test_a_clean_clip_asks_for_full_detail_and_a_noisy_one_does_not(monkeypatch, noise, detail):
    clip = slowmo_clips.Clip("turning", turning(noise))
    monkeypatch.setattr(slowmo_clips, "read", lambda *_: clip)
    found = slowmo_material.with_detail(SETTINGS, "", nets(SETTINGS))
    assert found.data.flow_detail == detail
    assert found == dataclasses.replace(SETTINGS, data=dataclasses.replace(SETTINGS.data, flow_detail=detail))


def test_without_networks_or_moments_it_is_half(monkeypatch):
    clip = slowmo_clips.Clip("short", turning(0.0)[:3])
    monkeypatch.setattr(slowmo_clips, "read", lambda *_: clip)
    assert slowmo_material.with_detail(SETTINGS, "", None).data.flow_detail == "half"
    assert slowmo_material.with_detail(SETTINGS, "", nets(SETTINGS)).data.flow_detail == "half"


def test_a_recipe_that_says_it_is_not_asked(monkeypatch):
    monkeypatch.setattr(slowmo_clips, "read", lambda *_: pytest.fail("no clip is read"))
    decided = dataclasses.replace(SETTINGS, data=dataclasses.replace(SETTINGS.data, flow_detail="full"))
    assert slowmo_material.with_detail(decided, "", nets(SETTINGS)) is decided


def test_the_pool_holds_flow_of_that_detail(monkeypatch):
    clip = slowmo_clips.Clip("turning", turning(0.0))
    monkeypatch.setattr(slowmo_clips, "read", lambda *_: clip)
    pools = {}
    for detail in ("half", "full"):
        data = dataclasses.replace(SETTINGS.data, flow_detail=detail, crops_per_pair=1)
        pools[detail] = slowmo_material.make_pool(dataclasses.replace(SETTINGS, data=data), "")
    half, full = (pools[detail].samples("real")[0] for detail in ("half", "full"))
    assert not np.array_equal(half.prior, full.prior) and not np.array_equal(half.bend, full.bend)


def test_recipes_are_checked(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        'kind = "slowmo"\nname = "a"\ntitle = "A"\nversion = "1"\npurpose = "x"\n[data]\nflow_detail = "fine"\n'
    )
    with pytest.raises(slowmo_recipe.UsageError, match="flow_detail"):
        slowmo_recipe.load_recipe(str(path))


def test_detail_is_where_the_search_ends():
    frames = [frame.astype(np.float32) / 255 for frame in turning(0.0)[:5:4]]
    half, full = (motion_search.prior_of(*frames, detail) for detail in ("half", "full"))
    errors = [np.abs(frames[0] - motion_search.warp(frames[1], flow[:, :, :2])).mean() for flow in (half, full)]
    assert errors[1] < 0.95 * errors[0]
