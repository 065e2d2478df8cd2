"""The inpaint trainer: its holes, its network, that it learns and goes on, and the folder that it publishes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from bipack import catalog
from bipack.card import ModelCard
from bipack.errors import ModelRefused
from bipack.worker.session import open_session
from bipack_train import (
    checkpoint,
    init_weights,
    inpaint,
    inpaint_masks,
    inpaint_recipe,
    inpaint_scores,
    pictures,
    publish_inpaint,
)
from bipack_train.inpaint_pool import InpaintPool
from bipack_train.models.inpaint import Inpaint, InpaintNet, smooth_fill

RECIPE = """
kind = "inpaint"
name = "tiny_inpaint"
title = "Tiny"
version = "1.0.0"
purpose = "Fills holes in tests."
seed = 3
limits = ["It is small."]
checkpoint_seconds = 0.0
log_every = 2
validate_every = 4

[data]
photos = ["photos"]
panoramas = ""
drawn = 2
drawn_size = 128
shares = [0.5, 0.5, 0.0]
held_out = ["photos/held.png"]
validation = ["photos/watched.png"]

[schedule]
steps = 6
batch = 2
patch = 128
warm_up = 1
decay_from = 3
narrow_until = 2
widest = 20.0
guided = 0.5

[[sources]]
name = "Drawn in the test"
licence = "Apache-2.0"
items = 3
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, and data of three photographs."""
    folder = tmp_path_factory.mktemp("inpaint")
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "data" / "photos").mkdir(parents=True)
    for index, name in enumerate(("held", "watched", "learned")):
        picture = pictures.draw(9, index, 144).pixels
        codes = np.round(np.clip(picture, 0, 1)[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / "data" / "photos" / f"{name}.png"), codes)
    return folder


@pytest.fixture(scope="module")
def finished(room: Path) -> inpaint.Run:
    """A run that was stopped after two steps and went on to its end."""
    settings = inpaint_recipe.load_recipe(str(room / "recipe.toml"))
    out = str(room / "run")
    steps: list[int] = []

    def stop() -> bool:
        steps.append(1)
        return len(steps) == 2

    assert inpaint.train(settings, str(room / "data"), out, device="cpu", stop=stop).step == 2
    return inpaint.train(settings, str(room / "data"), out, device="cpu", resume=True)


def test_a_run_goes_on_from_its_checkpoint_as_if_it_had_not_stopped(room: Path, finished: inpaint.Run) -> None:
    settings = inpaint_recipe.load_recipe(str(room / "recipe.toml"))
    whole = inpaint.train(settings, str(room / "data"), str(room / "whole"), device="cpu")
    assert finished.step == whole.step == 6
    for ours, theirs in zip(finished.net.parameters(), whole.net.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    rows = (room / "run" / inpaint.LOG).read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "2", "4", "6"]


@pytest.fixture(scope="module")
def published(room: Path, finished: inpaint.Run) -> tuple[ModelCard, Path]:
    """The finished run as a model: its card and folder."""
    settings = inpaint_recipe.load_recipe(str(room / "recipe.toml"))
    card = publish_inpaint.publish(settings, str(room / "recipe.toml"), str(room / "data"), str(room / "run"))
    return card, room / "run" / "tiny_inpaint"


def test_what_is_published_is_proved_scored_and_opens_as_inpaint(published: tuple[ModelCard, Path]) -> None:
    card, folder = published
    assert card.kind == "inpaint"
    assert [score.metric for score in card.scores] == ["PSNR in the hole"] * 2
    assert card.training.steps == 6
    for name in ("model.onnx", "card.json", "proof_in.exr", "proof_matte.exr", "proof_out.exr", "README.md"):
        assert (folder / name).is_file()
    with open_session(catalog.locate(str(folder)), "cpu") as session:
        assert session.facts.tiling == "exact"


def test_a_wrong_start_is_not_published(published: tuple[ModelCard, Path]) -> None:
    torch.manual_seed(1)
    with pytest.raises(ModelRefused, match="With a start"):
        publish_inpaint.prove_guided(Inpaint(InpaintNet()).eval(), str(published[1]))


def test_the_loss_falls_on_one_picture() -> None:
    torch.manual_seed(0)
    net = InpaintNet((8, 8, 8, 8, 8))
    truth = torch.from_numpy(pictures.draw(1, 0, 64).pixels.transpose(2, 0, 1).copy())[None]
    known = torch.ones(1, 1, 64, 64)
    known[..., 24:36, 20:40] = 0
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    start = smooth_fill(truth, known)
    losses = []
    for _ in range(40):
        loss = inpaint.loss_of(net(start, known), truth, known)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.3


def test_the_network_leaves_what_is_known_and_ignores_the_hole() -> None:
    torch.manual_seed(0)
    module = Inpaint(InpaintNet((8, 8, 8, 8, 8))).eval()
    plate = torch.rand(1, 3, 96, 64)
    matte = torch.zeros(1, 1, 96, 64)
    matte[..., 30:60, 20:40] = 1.0
    other = torch.where(matte > 0, torch.full_like(plate, 900.0), plate)
    with torch.no_grad():
        first, second = (module(picture, matte, torch.zeros(1)) for picture in (plate, other))
        guided = module(plate, matte, torch.ones(1))
    hole = (matte > 0).expand_as(plate)
    assert torch.equal(first[~hole], plate[~hole])
    assert torch.equal(first[hole], second[hole])
    assert not torch.equal(guided[hole], first[hole])


def test_the_smooth_fill_goes_on_from_the_border() -> None:
    rows = torch.linspace(0, 1, 128)[None, None, :, None].expand(1, 3, 128, 128).contiguous()
    known = torch.ones(1, 1, 128, 128)
    known[..., 40:80, 30:90] = 0
    assert (smooth_fill(rows, known) - rows).abs().max() < 0.12


@pytest.mark.parametrize("kind", [inpaint_masks.free_form, inpaint_masks.blob, inpaint_masks.wire, inpaint_masks.box])
def test_holes_keep_their_share_and_are_never_all(kind: inpaint_masks._Draw) -> None:
    for seed in range(4):
        hole = inpaint_masks.of_kind(np.random.default_rng(seed), kind, 128, 24.0, 0.2)
        assert 0.15 < hole.mean() < 0.75


def test_a_hole_is_as_wide_as_it_was_asked_for() -> None:
    for seed in range(6):
        hole = inpaint_masks.of_kind(np.random.default_rng(seed), inpaint_masks.box, 128, 16.0, 0.05)
        labels, count = cv2.connectedComponents(hole.astype(np.uint8))[::-1]
        assert labels.max() == count - 1
        widths = [min(np.ptp(places) + 1 for places in np.nonzero(labels == label)) for label in range(1, count)]
        assert min(widths) <= 18


def test_a_pool_gives_the_same_crops_for_the_same_seed() -> None:
    pool = InpaintPool(128)
    pool.add_sizes("drawn", pictures.draw(2, 0, 160).pixels)
    assert not pool.add("drawn", np.zeros((100, 200, 3), np.float32))
    pool.finish({"drawn": 1.0})
    first, second = (pool.sample(np.random.default_rng(5), 3, 16.0) for _ in range(2))
    for ours, theirs in zip(first, second, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert first[0].shape == (3, 128, 128, 3)


def test_every_size_of_a_photograph_is_drawn_and_large_crops_come_from_large_pictures() -> None:
    pool = InpaintPool(128)
    pool.add_sizes("drawn", pictures.draw(2, 0, 300).pixels)
    pool.finish({"drawn": 1.0})
    assert len(pool) == 3
    assert pool.fits(256) and not pool.fits(512)
    crops, holes = pool.sample(np.random.default_rng(5), 2, 100.0, 256)
    assert crops.shape == (2, 256, 256, 3) and holes.shape == (2, 256, 256, 1)


def test_a_window_lies_around_the_hole_and_is_the_same_in_all() -> None:
    truth = torch.rand(3, 3, 256, 256)
    known = torch.ones(3, 1, 256, 256)
    known[0, :, :9, :9], known[1, :, 100:200, 30:60], known[2, :, 250:, 250:] = 0, 0, 0
    start, cut, gap = inpaint.windows(np.random.default_rng(0), 128, 2 * truth, truth, known)
    assert start.shape == (3, 3, 128, 128) and gap.shape == (3, 1, 128, 128)
    assert torch.equal(start, 2 * cut)
    assert (gap == 0).flatten(1).any(1).all()


def test_a_run_starts_from_a_published_model_and_its_card_says_so(
    room: Path, published: tuple[ModelCard, Path], tmp_path: Path
) -> None:
    card, folder = published
    settings = inpaint_recipe.load_recipe(str(room / "recipe.toml"))
    given = init_weights.for_net(str(folder), InpaintNet())[0]
    for name, value in inpaint.averaged_from(str(room / "run" / inpaint.CHECKPOINT), settings).state_dict().items():
        torch.testing.assert_close(given[name], value)
    run = inpaint.train(settings, str(room / "data"), str(tmp_path), device="cpu", init=str(folder), stop=lambda: True)
    assert run.base == f"tiny_inpaint@{card.sha256}"
    draft = publish_inpaint.draft_card(settings, "recipe.toml", checkpoint.load(str(tmp_path / inpaint.CHECKPOINT)))
    assert draft.training.base_model == run.base
    with pytest.raises(ModelRefused, match="no model of this network"):
        init_weights.for_net(str(folder), InpaintNet((8, 8, 8, 8, 8)))


def test_scores_know_a_perfect_fill_and_a_seam() -> None:
    truth = pictures.draw(4, 0, 96).pixels
    hole = np.zeros((96, 96), bool)
    hole[30:60, 30:60] = True
    assert inpaint_scores.psnr(truth, truth, hole) == 100.0
    assert inpaint_scores.seam(truth, truth, hole) == pytest.approx(1.0)
    assert inpaint_scores.seam(np.where(hole[..., None], truth + 0.3, truth), truth, hole) > 1.3


def test_a_shortened_recipe_keeps_its_proportions(room: Path) -> None:
    settings = inpaint_recipe.load_recipe(str(room / "recipe.toml"))
    longer = inpaint_recipe.shortened(settings, 600)
    assert (longer.schedule.steps, longer.schedule.decay_from, longer.schedule.narrow_until) == (600, 300, 200)
    assert dataclasses.replace(longer, schedule=settings.schedule) == settings
