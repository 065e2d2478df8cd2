from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_faces
from bipack.card import load as load_card
from bipack.catalog import locate
from bipack.errors import ModelRefused, UsageError
from bipack.face_regions import REGIONS
from bipack.worker.session import open_session
from bipack_train.faces import grown, parser, pool, publish, scenes
from bipack_train.faces.parser import Data, ParserRecipe, Schedule
from bipack_train.faces.regions import INDEX
from bipack_train.models import face_parser
from bipack_train.models.face_parser import Exported, FaceParserNet

GREY = [np.full((96, 120, 3), 90, np.uint8)]


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(face_parser.WIDTHS, "small", (8, 8, 12, 12, 16))


@pytest.fixture
def stage() -> scenes.Stage:
    return scenes.Stage(tiny_faces.faces(), GREY, 64, (24.0, 60.0))


def settings(steps: int) -> ParserRecipe:
    schedule = Schedule(
        steps=steps, batch=4, side=64, crop_batch=4, crop_side=64, learning_rate=2e-2, warm_up=2, ema=0.8
    )
    return ParserRecipe("tiny", "Tiny", "0.1", "A test.", data=Data(), schedule=schedule, log_every=10)


def test_training_learns_to_tell_regions_apart(stage: scenes.Stage, tmp_path: Path) -> None:
    recipe = settings(100)
    fresh = parser.start_run(recipe, torch.device("cpu"))
    before = parser.validate(parser.averaged(fresh), stage, 1, torch.device("cpu"), 64, 12)
    trained = parser.train(recipe, stage, stage, str(tmp_path), device="cpu")
    after = parser.validate(parser.averaged(trained), stage, 1, torch.device("cpu"), 64, 12)
    assert np.mean(list(after.values())) > np.mean(list(before.values())) + 0.07
    assert after["background"] > 0.8
    rows = (tmp_path / parser.LOG).read_text(encoding="utf-8").splitlines()
    assert rows[0].startswith("step,minutes,entropy") and len(rows) == 11 and float(rows[-1].split(",")[-1]) > 0.08


def test_a_stopped_run_goes_on_bit_for_bit(stage: scenes.Stage, tmp_path: Path) -> None:
    recipe = settings(8)
    whole = parser.train(recipe, stage, stage, str(tmp_path / "a"), device="cpu")
    count = iter(range(9))
    parser.train(recipe, stage, stage, str(tmp_path / "b"), device="cpu", stop=lambda: next(count) == 3)
    with pytest.raises(UsageError, match="--resume"):
        parser.train(recipe, stage, stage, str(tmp_path / "b"), device="cpu")
    resumed = parser.train(recipe, stage, stage, str(tmp_path / "b"), device="cpu", resume=True)
    for name, value in whole.ema.state().items():
        assert torch.equal(value, resumed.ema.state()[name]), name


def test_the_published_graph_is_the_network_and_starts_another_run(stage: scenes.Stage, tmp_path: Path) -> None:
    recipe = settings(4)
    run = parser.train(recipe, stage, stage, str(tmp_path), device="cpu")
    publish.publish(recipe, str(tmp_path / "recipe.toml"), str(tmp_path), stage)
    card = load_card(str(tmp_path / "tiny"))
    assert [knob.name for knob in card.knobs] == ["mirror"]
    assert card.kind == "parser" and card.scores[0].metric == "mean IoU"
    picture = np.random.default_rng(1).random((1, 3, 64, 96)).astype(np.float32)
    with open_session(locate(str(tmp_path / "tiny")), "cpu") as session:
        found = session.run({"plate": picture})
    expected = Exported(parser.averaged(run)).eval()(torch.from_numpy(picture))
    for name, value in zip(publish.PORTS, expected, strict=True):
        assert np.abs(found[name] - value.detach().numpy()).max() < 1e-3 * max(1.0, float(value.max()))
    assert np.allclose(found["regions"].sum(1), 1, atol=1e-5) and found["regions"].shape == (1, len(REGIONS), 64, 96)
    weights, label = publish.weights_of(str(tmp_path / "tiny"), "small")
    again = FaceParserNet("small").eval()
    again.load_state_dict(weights)
    assert label == f"tiny@{card.sha256}"
    for start in (tmp_path, tmp_path / parser.CHECKPOINT):
        assert publish.weights_of(str(start), "small")[1] == label
    same = Exported(again)(torch.from_numpy(picture))
    assert float((same[0] - expected[0]).abs().max()) < 1e-4
    # Folded filters may be tiny; the steps of the optimizer are not, and must not throw a net off what it has learned.
    for conv, norm in publish._order_of_use(again):
        if norm is not None:
            size = conv.weight.square().mean((1, 2, 3)).sqrt() * (conv.weight[0].numel() / 2) ** 0.5
            assert torch.allclose(size, torch.ones_like(size), atol=1e-3)
    with pytest.raises(ModelRefused, match="medium"):
        publish.weights_of(str(tmp_path / "tiny"), "medium")
    assert publish.weights_of(str(tmp_path), "medium")[1] == label


def test_a_run_with_held_statistics_learns_under_what_is_exported(stage: scenes.Stage) -> None:
    recipe = settings(4)
    held = dataclasses.replace(recipe, schedule=dataclasses.replace(recipe.schedule, held_statistics=True))
    for settled, kept in ((recipe, False), (held, True)):
        run = parser.start_run(settled, torch.device("cpu"))
        before = {name: value.clone() for name, value in run.net.state_dict().items()}
        parser.take_step(run, stage)
        after = run.net.state_dict()
        assert all(torch.equal(before[name], after[name]) for name in before if "running" in name) == kept
        assert not torch.equal(before["head.weight"], after["head.weight"])


def test_faces_that_are_no_close_ups_are_seen_in_crops_of_their_own_size(stage: scenes.Stage) -> None:
    recipe = settings(100)
    schedule = dataclasses.replace(recipe.schedule, crop_share=1.0, crop_side=128, crop_batch=1, far_side=64)
    near = dataclasses.replace(stage, close=dataclasses.replace(stage.faces))
    run = parser.start_run(dataclasses.replace(recipe, schedule=schedule), torch.device("cpu"))
    seen: list[tuple[bool, tuple[int, ...]]] = []

    class Watched(scenes.Stage):
        def crops(
            self, rng: np.random.Generator, count: int, side: int, faces: pool.Faces | None = None
        ) -> scenes.Scenes:
            made = super().crops(rng, count, side, faces)
            seen.append((faces is self.close, made.labels.shape))
            return made

    watched = Watched(near.faces, near.grounds, near.side, near.widths, near.close)
    for _ in range(8):
        parser.take_step(run, watched)
    assert set(seen) == {(True, (1, 128, 128)), (False, (4, 64, 64))}


def test_each_pixel_is_told_its_own_region() -> None:
    labels = torch.zeros(1, 4, 6, dtype=torch.int64)
    labels[0, :, 3:] = INDEX["nose"]
    labels[0, 3, 5] = scenes.UNKNOWN
    truth = torch.nn.functional.one_hot(labels.clamp(max=len(REGIONS) - 1), len(REGIONS)).permute(0, 3, 1, 2)
    sure = 20.0 * truth.float()
    entropy, overlap = parser._of_regions(sure, labels)
    assert float(entropy) < 1e-5 and float(overlap) < 1e-5
    # The same answer one pixel to the left: wrong beside the edge, where it wraps, and where it was made up.
    entropy, overlap = parser._of_regions(sure.roll(-1, 3), labels)
    wrong = 4 + 3 + 1
    assert float(entropy) == pytest.approx(20 * wrong / 23, rel=1e-3)
    assert float(overlap) > 0.2


def test_the_head_lays_four_pixels_where_they_belong() -> None:
    planes = torch.arange(4 * 2 * 2 * 3).float().view(1, 8, 2, 3)
    found = face_parser._four(planes)
    assert found.shape == (1, 2, 4, 6)
    for value in (0, 1):
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            expected = planes[:, 2 * (2 * row + column) + value]
            assert torch.equal(found[:, value, row::2, column::2], expected)


def test_what_is_unknown_teaches_nothing() -> None:
    regions, rest = torch.randn(2, 16, 16, 16, requires_grad=True), torch.randn(2, 6, 8, 8)
    nothing = scenes.Scenes(
        np.zeros((2, 16, 16, 3), np.float32),
        np.full((2, 16, 16), scenes.UNKNOWN, np.uint8),
        np.full((2, 16, 16, 5), np.nan, np.float32),
        np.full((2, 16, 16), np.nan, np.float32),
    )
    parts = parser.losses(regions, rest, nothing, torch.device("cpu"))
    assert float(parts["points"]) == 0 and float(parts["width"]) == 0
    (parts["entropy"] + parts["overlap"]).backward()
    assert regions.grad is not None and not regions.grad.any()


def test_a_larger_parser_begins_with_what_a_smaller_one_learned() -> None:
    torch.manual_seed(1)
    small = FaceParserNet("small").eval()
    torch.nn.init.normal_(small.finer.change[1].weight)
    large = FaceParserNet("medium").eval()
    large.load_state_dict(grown.grown(small.state_dict(), "medium"))
    picture = torch.rand(1, 3, 64, 96)
    for mine, wanted in zip(Exported(large)(picture), Exported(small)(picture), strict=True):
        assert torch.allclose(mine, wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="room"):
        grown.grown(large.state_dict(), "small")


def test_a_parser_that_gave_regions_at_half_size_gives_them_to_all_four_pixels() -> None:
    whole = FaceParserNet("small").eval()
    old = {name: value for name, value in whole.state_dict().items() if not name.startswith("finer.")}
    old["head.weight"], old["head.bias"] = torch.randn(22, 8, 1, 1), torch.randn(22)
    whole.load_state_dict(grown.grown(old, "small"))
    regions, _ = whole(torch.rand(1, 3, 64, 64))
    for row, column in ((0, 1), (1, 0), (1, 1)):
        assert torch.allclose(regions[..., row::2, column::2], regions[..., ::2, ::2], atol=1e-5)


def test_overlap_is_counted_per_region() -> None:
    truth, found = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    truth[:2], found[:1] = INDEX["nose"], INDEX["nose"]
    truth[3, 3] = scenes.UNKNOWN
    assert parser.overlaps(found, truth) == {"background": pytest.approx(7 / 11), "nose": 0.5}


def test_the_shipped_recipe_is_read() -> None:
    path = Path(__file__).parents[3] / "train" / "recipes" / "face_parser.toml"
    recipe = parser.load_recipe(str(path))
    assert recipe.name == "face_parser" and len(recipe.data.exclude) == 7 and recipe.schedule.watched_side == 288
