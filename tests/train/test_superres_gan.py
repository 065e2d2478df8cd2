from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from bipack import catalog
from bipack.errors import UsageError
from bipack.imaging.image_io import read_frame
from bipack.worker import proof
from bipack.worker.model_step import ModelStep
from bipack_train import adversary, cli, superres, superres_data, superres_gan, superres_loss, superres_recipe
from bipack_train.models.detail import Detail
from bipack_train.models.plain import PlainNet, repeat_pixels
from bipack_train.paintfix import Adversary
from training import write_photos, write_recipe


def detailed(path: Path, steps: int = 12) -> str:
    """A recipe whose last half adds detail."""
    write_recipe(path, steps)
    text = path.read_text().replace("depth = 3", "depth = 3\nnoise = true")
    path.write_text(text.replace("[[sources]]", "[adversary]\nshare = 0.5\n\n[[sources]]"))
    return str(path)


def after(steps: int) -> Callable[[], bool]:
    """Says to stop after so many steps."""
    calls = iter(range(1, 1000))
    return lambda: next(calls) >= steps


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_photos(tmp_path_factory.mktemp("data"))


def test_amount_0_is_the_faithful_result_whatever_the_noise() -> None:
    net = PlainNet(2, 8, 3, noise=True).eval()
    plate, noise = torch.rand(1, 3, 8, 8), torch.randn(1, 1, 8, 8)
    without = net(plate)
    assert torch.equal(net(plate, noise, torch.zeros(1)), without)
    assert not torch.equal(net(plate, noise, torch.ones(1)), without)


def test_the_amount_mixes_the_faithful_result_and_all_of_the_detail() -> None:
    net = PlainNet(4, 8, 3, noise=True).eval()
    plate, noise = torch.rand(1, 3, 8, 8), torch.randn(1, 1, 8, 8)
    none, half, all_of_it = (net(plate, noise, torch.full((1,), amount)) for amount in (0.0, 0.5, 1.0))
    assert torch.allclose(half, (none + all_of_it) / 2, atol=1e-6)
    assert not torch.equal(all_of_it, net(plate, -noise, torch.ones(1)))


def test_no_place_in_an_enlarged_block_has_detail_of_its_own() -> None:
    """Moved by one result pixel, the detail of the same picture moves along: nothing is tied to the grid of blocks."""
    layers = Detail(8, 4).eval()
    result, features, noise = torch.rand(1, 3, 64, 64), torch.ones(1, 8, 16, 16), torch.ones(1, 1, 16, 16)
    with torch.no_grad():
        there = layers(result, features, noise)
        moved = layers(result.roll((1, 1), (2, 3)), features, noise)
    inside = (..., slice(10, 54), slice(10, 54))
    assert torch.allclose(moved.roll((-1, -1), (2, 3))[inside], there[inside], atol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_pattern_in_every_block_is_not_seen_by_the_layers_that_make_detail(scale: int) -> None:
    torch.manual_seed(2)
    layers = Detail(8, scale).eval()
    features, noise = torch.zeros(1, 8, 12, 12), torch.zeros(1, 1, 12, 12)
    flat, pattern = torch.full((1, 3, 12 * scale, 12 * scale), 0.5), torch.rand(1, 3, scale, scale)
    pattern = (pattern - pattern.mean(dim=(2, 3), keepdim=True)).repeat(1, 1, 12, 12)
    inside = (..., slice(3 * scale, -3 * scale), slice(3 * scale, -3 * scale))
    with torch.no_grad():
        seen, unseen = layers(flat + pattern, features, noise), layers(flat, features, noise)
    assert torch.allclose(seen[inside][..., 8:-8, 8:-8], unseen[inside][..., 8:-8, 8:-8], atol=1e-6)


def test_detail_is_learned_and_what_it_is_added_to_is_kept(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(detailed(tmp_path / "r.toml"))
    faithful = superres.train(settings, photos, str(tmp_path / "a"), device="cpu", stop=after(6))
    kept = {name: value.clone() for name, value in superres.averaged(faithful).body.state_dict().items()}
    made = superres.train(settings, photos, str(tmp_path / "a"), device="cpu", resume=True)
    assert made.net.detail is not None and faithful.net.detail is not None
    for name, value in made.net.body.state_dict().items():
        assert torch.equal(value, kept[name])
    first, last = (run.net.detail.last.weight for run in (faithful, made))
    assert not torch.equal(first, last)


def test_texture_counts_its_strength_and_not_where_it_lies() -> None:
    torch.manual_seed(2)
    truth = 0.5 + 0.1 * torch.randn(1, 3, 64, 64)
    other = 0.5 + 0.1 * torch.randn(1, 3, 64, 64)
    smooth = torch.full_like(truth, 0.5)
    moved, lost = (float(superres_gan.texture(picture, truth)) for picture in (other, smooth))
    assert float(superres_gan.texture(truth, truth)) < moved < 0.2 * lost
    coarse = 0.5 + 0.1 * torch.randn(1, 3, 16, 16)
    blocks = repeat_pixels(coarse, 4)
    blocks = (
        smooth + (blocks - 0.5) * superres_gan._differences(truth)[0].std() / superres_gan._differences(blocks)[0].std()
    )
    assert float(superres_gan.texture(blocks, truth, 4)) > 2 * float(superres_gan.texture(other, truth, 4)), "steps"
    board = 0.05 * ((torch.arange(64)[:, None] + torch.arange(64)) % 2 * 2.0 - 1)
    assert float(superres_gan.texture(smooth + board, smooth)) > 0.1, "a checkerboard is texture that is not there"


def test_what_comes_back_in_every_block_is_a_pattern_and_detail_is_none() -> None:
    torch.manual_seed(2)
    truth = torch.rand(1, 3, 96, 96)
    detail = 0.1 * torch.randn(1, 3, 96, 96)
    repeated = 0.1 * torch.randn(1, 3, 4, 4).repeat(1, 1, 24, 24)
    by_detail, by_pattern = (float(superres_gan.pattern(truth + added, truth, 4)) for added in (detail, repeated))
    assert superres_gan.pattern(truth, truth, 4) == 0
    assert by_pattern > 4 * by_detail


def test_detail_is_asked_for() -> None:
    torch.manual_seed(2)
    low, truth = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)

    def asked(result: torch.Tensor) -> float:
        stage = adversary.Stage(Adversary(share=1.0), torch.device("cpu"))
        return superres_gan.loss(stage, low, result, truth, truth.clone(), (1.0, 1.0, 1.0)).item()

    smooth = truth.mean(dim=(2, 3), keepdim=True).expand_as(truth).clone()
    assert asked(smooth) > asked(truth) + 0.1


def test_only_what_is_worse_than_the_steady_result_is_an_artefact() -> None:
    truth = torch.zeros(1, 3, 32, 32)
    steady = truth + 0.1
    result = truth.clone()
    result[..., 8:16, 8:16] = 0.5 * torch.rand(1, 3, 8, 8) + 0.2  # busy and wrong
    found = superres_gan.artefacts(result, truth, steady)
    assert (found[..., 9:15, 9:15] > 0).all()
    assert (found[..., 20:, 20:] == 0).all()


def test_the_stage_trains_both_sides_and_a_stopped_run_goes_on_bit_for_bit(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(detailed(tmp_path / "r.toml"))
    straight = superres.train(settings, photos, str(tmp_path / "a"), device="cpu")
    assert straight.critic is not None and straight.critic.steps == 6
    superres.train(settings, photos, str(tmp_path / "b"), device="cpu", stop=after(9))
    resumed = superres.train(settings, photos, str(tmp_path / "b"), device="cpu", resume=True)
    assert resumed.critic is not None
    for first, second in ((straight.net, resumed.net), (straight.critic.net, resumed.critic.net)):
        assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())


def test_a_model_that_adds_detail_is_published_with_its_knob(photos: str, tmp_path: Path) -> None:
    path = detailed(tmp_path / "r.toml", 4)
    out = tmp_path / "run"
    assert cli.main(["recipe", path, "--data", photos, "--out", str(out), "--device", "cpu", "--threads", "1"]) == 0
    card = catalog.locate(str(out / "tiny_x2")).card
    assert card is not None and card.verified
    assert [port.role for port in card.inputs] == ["plate", "noise", "amount"]
    assert [knob.name for knob in card.knobs] == ["detail"]
    assert card.geometry.tiling == "exact"
    with closing(ModelStep(catalog.locate(str(out / "tiny_x2")), "cpu")) as step:
        shown = read_frame(str(out / "tiny_x2" / proof.RESULT))
        again = proof.replay(step, str(out / "tiny_x2"))
        assert proof.largest_difference(step, again, shown) <= 1e-4 + proof.rounding_of(shown)
    by_amount = [score for score in card.scores if score.set.endswith(("detail 0", "detail 0.5", "detail 1"))]
    assert [score.metric for score in by_amount] == ["PSNR-Y", "texture", "consistency"] * 3
    assert all(score.value > 0 and score.baseline == "bicubic" for score in by_amount)


def test_detail_without_noise_is_refused(tmp_path: Path) -> None:
    path = Path(detailed(tmp_path / "r.toml"))
    path.write_text(path.read_text().replace("noise = true", "noise = false"))
    with pytest.raises(UsageError, match=r"network\.noise"):
        superres_recipe.load_recipe(str(path))


def test_worn_pictures_are_learned_from_as_they_are(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml"))
    wear = dataclasses.replace(settings.wear, crops=2, side=14, film=0.0, jpeg=1.0)
    data = dataclasses.replace(settings.data, drawn=0, shares=(1, 0, 0, 0), validation=())
    schedule = dataclasses.replace(settings.schedule, patch=14)
    settings = dataclasses.replace(settings, wear=wear, data=data, schedule=schedule)
    pool = superres_data.fill_pool(settings, photos)
    assert pool.count("photos") == len(pool) == 6
    low, _ = pool.sample(np.random.default_rng(0), 4)
    assert np.abs(low * 255 - np.rint(low * 255)).max() < 1e-3, "no gain and no color of its own"


def test_the_focal_frequency_loss_counts_the_worst_frequency_most() -> None:
    columns = torch.arange(32.0)
    wave = torch.sin(2 * torch.pi * 4 * columns / 32).expand(1, 1, 32, 32)
    spread = torch.randn(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    spread = spread * (wave.square().mean() / spread.square().mean()).sqrt()
    assert superres_loss.focal_frequency(wave) > 2 * superres_loss.focal_frequency(spread)
    truth = torch.rand(1, 3, 8, 8)
    plain, more = (superres_loss.loss_of(truth + 0.1, truth, False, weight) for weight in (0.0, 1.0))
    assert more > plain
