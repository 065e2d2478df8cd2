"""Drawn markers: what is shown in training, what is kept for the test, how finding is counted; the model of them."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from bipack import catalog
from bipack.errors import ModelRefused, UsageError
from bipack.imaging import color
from bipack.worker.session import open_session
from bipack_train import checkpoint, export, init_weights, marker_drawing, marker_model, markers, paintfix
from bipack_train.marker_drawing import mark
from bipack_train.marker_shapes import FURTHER_SHAPES, HELD_OUT_SHAPES, SHAPES
from bipack_train.markers import MarkerPool
from bipack_train.models.finds import decided, gate
from bipack_train.models.inpaint import InpaintNet
from bipack_train.models.marker import MarkerNet
from bipack_train.models.paintfix import PaintFix, PaintFixUNet

ROOT = Path(__file__).parents[2]


def wall(side: int = 128) -> np.ndarray:
    return np.full((side, side, 3), 0.5, np.float32)


def test_looks_of_the_test_are_never_trained_on() -> None:
    assert not {*SHAPES, *FURTHER_SHAPES} & set(HELD_OUT_SHAPES)
    rng = np.random.default_rng(1)
    for kind, away in marker_drawing._HELD_OUT_INKS.items():
        for _ in range(200):
            coded = color.encode(marker_drawing._any_ink(kind, rng).astype(np.float32))
            assert np.sqrt(np.square(color.encode(np.array(away, np.float32)) - coded).sum(axis=1)).min() > 0.18


def test_outside_the_marks_before_and_after_are_the_same_bits() -> None:
    for seed in range(6):
        marked = mark(wall(), np.random.default_rng(seed), 5, SHAPES)
        assert marked.count > 0 and marked.visible.any()
        assert np.array_equal(marked.before[marked.matte == 0], marked.after[marked.matte == 0])
        assert (marked.matte[marked.visible] > 0.5).all()


def test_a_lamp_may_be_brighter_than_one() -> None:
    peaks = [mark(wall(), np.random.default_rng(seed), 5, ("dot",)).before.max() for seed in range(40)]
    assert max(peaks) > 1.2


def test_marks_stand_out_from_what_they_lie_on() -> None:
    plate = np.clip(0.5 + np.random.default_rng(0).normal(0, 0.06, (128, 128, 3)), 0, 1).astype(np.float32)
    texture = float(np.square(plate - plate.mean()).mean())
    drawn = 0
    for seed in range(12):
        marked = mark(plate, np.random.default_rng(seed), 4, ("dot", "square"), stands_out=16.0)
        drawn += marked.count
        energy = np.square(marked.before - marked.after).mean(axis=-1)
        if marked.count:
            assert np.percentile(energy[energy > 0], 95) > 10 * texture
    assert drawn >= 12


def test_a_tenth_and_more_of_all_crops_has_no_mark() -> None:
    pool = MarkerPool([np.full((200, 200, 3), 128, np.uint8)], 64, 8, seed=2)
    crops = [pool.crop(step, index) for step in range(6) for index in range(8)]
    clean = [crop for crop in crops if not crop.count]
    assert 3 <= len(clean) <= 20
    assert all(np.array_equal(crop.before, crop.after) and not crop.matte.any() for crop in clean)
    batch = pool.batch(0)
    assert all(
        float(batch.matte[index].max()) == pytest.approx(float(pool.crop(0, index).matte.max())) for index in range(8)
    )


def test_crops_are_turned_and_recolored_but_no_color_is_made_up() -> None:
    plate = np.zeros((4, 4, 3), np.float32)
    plate[:2], plate[2:] = (0.1, 0.2, 0.6), (0.5, 0.7, 0.9)
    crops = [markers._varied(plate, np.random.default_rng(seed)) for seed in range(60)]
    assert any((crop[0] != crop[3]).all() for crop in crops) and any((crop[:, 0] != crop[:, 3]).all() for crop in crops)
    assert any((crop[..., 0] > crop[..., 2]).all() for crop in crops)
    gray = [crop for crop in crops if (crop[..., 0] == crop[..., 1]).all()]
    assert 1 <= len(gray) <= 15
    means = np.sort(plate.mean(axis=-1).ravel())
    assert all(np.allclose(np.sort(crop.mean(axis=-1).ravel()), means, atol=1e-6) for crop in crops)


def test_a_screen_is_green_or_blue_all_over() -> None:
    for seed in range(6):
        shade = markers.screen(64, np.random.default_rng(seed))
        assert (shade[..., 1:].max(axis=-1) > shade[..., 0]).all()


def test_the_same_seed_draws_the_same_crops() -> None:
    pools = [MarkerPool([np.full((200, 200, 3), 128, np.uint8)], 64, 2, seed=5) for _ in range(2)]
    assert np.array_equal(pools[0].crop(3, 1).before, pools[1].crop(3, 1).before)
    assert not np.array_equal(pools[0].crop(3, 1).before, pools[0].crop(4, 1).before)


def test_recall_counts_marks_that_lost_three_quarters_of_their_energy() -> None:
    marked = mark(wall(), np.random.default_rng(4), 5, ("dot",))
    none, total = marker_model.recall(marked, marked.before)
    every, _ = marker_model.recall(marked, marked.after)
    weaker = marked.after + 0.6 * (marked.before - marked.after)
    assert total >= 2 and none == 0 and every == total
    assert marker_model.recall(marked, weaker.astype(np.float32))[0] == 0
    weaker = marked.after + 0.4 * (marked.before - marked.after)
    assert marker_model.recall(marked, weaker.astype(np.float32))[0] == total


# The model ------------------------------------------------------------------------------------------------------------


def marker_net() -> MarkerNet:
    torch.manual_seed(3)
    return MarkerNet(PaintFixUNet("small"), InpaintNet((8, 8, 8, 8, 8))).eval()


def test_a_fill_does_not_know_what_it_replaces() -> None:
    net = marker_net()
    plate = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        net.matte.weight.zero_()
        net.matte.bias.fill_(-9.0)
        assert torch.equal(PaintFix(net)(plate)[0], plate)
        net.matte.bias.fill_(9.0)
        assert torch.equal(net(plate)[0], net(1.0 - plate)[0])


def test_a_surer_model_finds_less() -> None:
    finder, plate = PaintFixUNet("small"), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        finder.matte.bias.fill_(1.0)
        nets = [MarkerNet(finder, InpaintNet((8, 8, 8, 8, 8)), surer).eval() for surer in (0.0, 2.0, 9.0)]
        plain, surer, never = (net(plate)[1] for net in nets)
    assert torch.allclose(surer, plain - 2.0, atol=1e-5) and not gate(never).any()


def test_mirror_images_are_looked_at_and_laid_back_in_place() -> None:
    torch.manual_seed(5)
    finder, mender, plate = PaintFixUNet("small"), InpaintNet((8, 8, 8, 8, 8)), torch.rand(1, 3, 64, 96)
    finder.matte.weight.data *= 20.0
    with torch.no_grad():
        one, four = (MarkerNet(finder, mender, looks=looks).eval() for looks in (1, 4))
        plain, mean = (net._looked(plate) for net in (one, four))
        looks = [one._looked(plate.flip(axes)).flip(axes) for axes in ((3,), (2,), (2, 3))]
        assert min(float((plain - look).abs().max()) for look in looks) > 0.1
        assert torch.allclose(mean, (plain + sum(looks)) / 4, atol=1e-4)
        for axes in ((2,), (3,), (2, 3)):
            assert torch.allclose(four(plate.flip(axes))[1].flip(axes), four(plate)[1], atol=1e-4)


def test_mirror_images_leave_the_tiles_exact_and_the_file_as_small(tmp_path: Path) -> None:
    sizes, found = [], []
    for looks in (1, 4):
        module = PaintFix(MarkerNet(PaintFixUNet("small"), InpaintNet((8, 8, 8, 8, 8)), looks=looks)).eval()
        path = str(tmp_path / f"looks{looks}.onnx")
        export.export_onnx(module, path, [torch.rand(1, 3, 64, 64)], ["plate"], ["result", "matte"])
        sizes.append(os.path.getsize(path))
        with open_session(catalog.Located("looks", path, None), "cpu") as session:
            found.append(session.facts)
    assert sizes[1] < 1.05 * sizes[0]
    assert [facts.tiling for facts in found] == ["exact", "exact"] and found[0].halo == found[1].halo


def test_a_weak_rim_stays_where_the_mark_is_sure_and_weak_spots_fade() -> None:
    logit = torch.full((1, 1, 96, 96), -6.0)
    logit[..., 30:38, 20:68] = -0.5  # as long as marks get
    logit[..., 34, 22] = 3.0
    logit[..., 70:80, 70:80] = 1.7
    left = decided(logit, 2.0, 0)
    assert torch.equal(left[..., 30:38, 20:68], logit[..., 30:38, 20:68])
    assert 0 < float(gate(left)[..., 75, 75]) < float(gate(logit)[..., 75, 75])
    assert not gate(decided(logit, 3.0, 0))[..., 66:, :].any()
    assert torch.equal(decided(logit, 1.5, 0)[..., 70:80, 70:80], logit[..., 70:80, 70:80])


def test_a_tighter_model_leaves_the_rim_of_a_find_alone_but_not_the_border_of_the_frame() -> None:
    logit = torch.full((1, 1, 64, 64), -6.0)
    logit[..., 20:34, 0:17] = 4.0
    open_at = decided(logit, 2.0, 2) > 0
    assert open_at[..., 22:32, 0:15].all() and int(open_at.sum()) == 10 * 15


def test_a_share_of_the_start_is_kept_and_the_start_must_be_named() -> None:
    learned, start = ({"a": torch.full((2,), value)} for value in (4.0, 0.0))
    assert torch.equal(marker_model._between(learned, start, 0.25)["a"], torch.full((2,), 3.0))
    with pytest.raises(UsageError, match="--init"):
        marker_model._between(learned, None, 0.25)


def test_a_recipe_that_fills_what_a_far_seeing_network_finds_is_refused_before_it_reads_plates() -> None:
    settings = paintfix.load_recipe(str(ROOT / "train" / "recipes" / "marker_removal.toml"))
    assert settings.synthetic is not None and settings.synthetic.mender
    with pytest.raises(UsageError, match="size context finds; that takes one of size small"):
        marker_model.material(dataclasses.replace(settings, size="context"), "no such folder")


def test_a_net_with_more_blocks_starts_as_the_one_it_starts_from_and_never_with_fewer(tmp_path: Path) -> None:
    torch.manual_seed(7)
    small, deep, plate = PaintFixUNet("small"), PaintFixUNet("deep"), torch.rand(1, 3, 64, 64)
    checkpoint.save_weights(str(tmp_path / "small.safetensors"), small.state_dict())
    deep.load_state_dict(init_weights.load(str(tmp_path / "small.safetensors"), "deep", 1)[0])
    with torch.no_grad():
        assert all(torch.equal(*both) for both in zip(small(plate), deep(plate), strict=True))
    checkpoint.save_weights(str(tmp_path / "deep.safetensors"), deep.state_dict())
    with pytest.raises(ModelRefused, match="size 'small'"):
        init_weights.load(str(tmp_path / "deep.safetensors"), "small", 1)
    assert init_weights.net_of(str(tmp_path / "deep.safetensors")).size == "deep"
    assert init_weights.net_of(str(tmp_path / "small.safetensors")).size == "small"
    with pytest.raises(ModelRefused, match="size 'medium'"):
        init_weights.load(str(tmp_path / "small.safetensors"), "medium", 1)


def test_runs_start_from_a_model_that_only_finds() -> None:
    net = marker_net()
    weights = {f"net.{name}": value for name, value in net.state_dict().items() if not name.startswith("change")}
    fitted = init_weights._fitted(weights, "markers", PaintFixUNet("small"))
    fresh = PaintFixUNet("small")
    fresh.load_state_dict(fitted)
    assert torch.equal(fresh.stem.weight, net.stem.weight) and fresh.change.weight.any()
