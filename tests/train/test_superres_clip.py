"""Super-res from several frames: what is learned from, what is published, and several processes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from bipack import catalog
from bipack.errors import UsageError
from bipack.imaging import image_io
from bipack.worker import model_check
from bipack_train import (
    checkpoint,
    cli,
    codecs,
    degrade,
    pictures,
    scores,
    superres,
    superres_data,
    superres_recipe,
    wear,
    wear_clips,
)
from bipack_train.models.plain import PlainNet
from bipack_train.pool import CropPool
from training import clip_recipe, write_photos, write_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_photos(tmp_path_factory.mktemp("data"), 112)


def test_a_network_of_three_frames_adds_to_their_weighted_mean() -> None:
    net = PlainNet(1, 8, 3, frames=3)
    torch.nn.init.zeros_(net.body[-1].weight3)
    for name in ("weight1", "expand"):
        torch.nn.init.zeros_(getattr(net.body[-1], name))
    frames = torch.rand(3, 1, 3, 6, 5)
    stack = torch.cat(list(frames), dim=1)
    weights = net.weigh(stack)
    assert (
        torch.allclose(weights.sum(1), torch.ones(1, 6, 5))
        and (weights[:, 0] > weights[:, 1:].amax(1)).float().mean() > 0.5
    )
    expected = sum(frames[number] * weights[:, number : number + 1] for number in range(3))
    assert torch.allclose(net(stack), expected, atol=1e-6)
    still = torch.cat([frames[0]] * 3, dim=1)
    assert torch.allclose(net.fused()(still), frames[0], atol=1e-6), "frames that repeat the current one change nothing"


def test_the_weighing_of_frames_is_learned_in_float32() -> None:
    """In bfloat16 the gradients of its first convolution were noise, and training ended with one frame alone."""
    torch.manual_seed(2)
    net, stack, truth = PlainNet(1, 8, 3, frames=3, branched=False), torch.rand(2, 9, 16, 16), torch.rand(2, 3, 16, 16)
    gradients = []
    for rounded in (True, False):
        net.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=rounded):
            weights = net.weigh(stack)
        assert weights.dtype == torch.float32
        (net.weigh.mean(stack, weights) - truth).square().mean().backward()
        gradients.append(torch.cat([one.grad.flatten() for one in net.weigh.parameters()]))
    assert torch.equal(*gradients)


def test_neighbours_come_in_the_order_of_the_card_laid_onto_the_current_frame() -> None:
    assert wear_clips.offsets(1) == (0,) and wear_clips.offsets(5) == (0, -1, 1, -2, 2)
    wide = np.rint(pictures.draw(1, 0, 128).pixels * 255).astype(np.uint8)
    clip = [np.ascontiguousarray(wide[2 * n : 2 * n + 90, 3 * n : 3 * n + 90]) for n in range(3)]
    found = wear_clips.stacked([clip[1], clip[0], clip[2]])
    assert found.shape == (90, 90, 9) and np.array_equal(found[:, :, :3], clip[1])
    for number, neighbour in enumerate((clip[0], clip[2]), 1):
        laid = np.abs(found[:, :, 3 * number : 3 * number + 3].astype(float) - clip[1])[8:-8, 8:-8].mean()
        assert laid < 0.2 * np.abs(neighbour.astype(float) - clip[1])[8:-8, 8:-8].mean()


@pytest.mark.parametrize("scale", [1, 2])
def test_the_camera_moves_by_fractions_and_truth_stands_where_the_plate_does(scale: int) -> None:
    settings = wear.Wear(crops=1, side=48 // scale, clean=1.0)
    found = wear_clips.worn_photo(pictures.draw(1, 0, 256).pixels, scale, settings, np.random.default_rng(2), 3)
    assert len(found) == wear_clips.OF_PHOTO
    assert not np.array_equal(found[0][1], found[1][1])
    for worn, truth in found:
        now = degrade.shrink_coded(truth, scale) if scale > 1 else truth
        assert np.abs(worn[:, :, :3] / 255.0 - now).mean() < 0.01
        assert np.abs(worn[:, :, 3:6].astype(float) - worn[:, :, :3]).mean() > 0.1


def test_a_photograph_too_small_for_the_camera_gives_none() -> None:
    settings = wear.Wear(crops=1, side=48)
    assert not wear_clips.worn_photo(pictures.draw(1, 0, 64).pixels, 1, settings, np.random.default_rng(2), 3)


def test_footage_gives_crops_with_their_own_truth() -> None:
    wide = pictures.draw(1, 0, 160).pixels
    clip = [wide[2 * n : 2 * n + 100, 3 * n : 3 * n + 110] for n in range(wear_clips.FRAMES)]
    found = wear_clips.worn_footage(clip, 1, wear.Wear(side=64, clean=1.0), np.random.default_rng(1), 5)
    for worn, truth in found:
        assert worn.shape == (64, 64, 15)
        assert np.abs(worn[:, :, :3] / 255.0 - truth).max() < 1 / 255


def test_other_colors_are_those_of_plate_and_truth() -> None:
    clip = [pictures.draw(1, 0, 64).pixels] * wear_clips.FRAMES
    settings = wear.Wear(side=64, clean=1.0, tint=1.0)
    found = [wear_clips.worn_shot(clip, 1, settings, np.random.default_rng(seed), 3, takes=1)[0] for seed in range(3)]
    for worn, truth in found:
        assert np.abs(worn[:, :, :3] / 255.0 - truth).max() < 1 / 255
        assert np.abs(truth - clip[0]).mean() > 0.02
    assert np.abs(found[0][1] - found[1][1]).mean() > 0.02


def test_turned_crops_are_worn_ones_seen_otherwise() -> None:
    rng = np.random.default_rng(3)
    low, high = rng.integers(0, 256, (24, 24, 9)).astype(np.uint8), rng.random((48, 48, 3), np.float32)
    drawn = []
    for turned in (False, True):
        pool = CropPool(2, 24, 3, turned=turned)
        pool.add_worn("photos", low, high)
        pool.finish({"photos": 1.0})
        drawn.append(pool.sample(np.random.default_rng(1), 40))
    assert all(np.array_equal(crop, low / np.float32(255)) for crop in drawn[0][0])
    ways = {crop.tobytes() for crop in drawn[1][0]}
    assert len(ways) == 8
    for small, sharp in zip(*drawn[1], strict=True):
        turns = [
            (np.rot90(side, n), np.rot90(truth, n))
            for n in range(4)
            for side, truth in ((low, high), (low[:, ::-1], high[:, ::-1]))
        ]
        way = next(n for n, (side, _) in enumerate(turns) if np.array_equal(side / np.float32(255), small))
        np.testing.assert_allclose(sharp, turns[way][1], atol=0.5 / 255 + 1e-6)


def test_pictures_that_are_no_clips_stand_still(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(clip_recipe(tmp_path / "r.toml"))
    pool = superres_data.fill_pool(settings, photos)
    low, _ = pool.sample(np.random.default_rng(0), 40)
    assert low.shape[-1] == 9
    still = [np.array_equal(crop[..., :3], crop[..., 3:6]) for crop in low]
    assert any(still) and not all(still)


def film(path: Path, seed: int, frames: int = 12) -> None:
    """A film file over which the camera moves, twice the size that training takes in."""
    wide = np.rint(pictures.draw(seed, 0, 160).pixels * 255).astype(np.uint8)
    shots = [np.ascontiguousarray(wide[2 * n : 2 * n + 112, 3 * n : 3 * n + 112]) for n in range(frames)]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(codecs._encode(shots, codecs.Film("h264", 10)))


def test_film_files_bring_crops_and_those_held_out_bring_none(photos: str, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="film files need PyAV (extra train)")
    for index, name in enumerate(("walk", "kept")):
        film(Path(photos) / "sequences" / f"{name}.mkv", index + 1)
    settings = superres_recipe.load_recipe(clip_recipe(tmp_path / "r.toml"))
    before = superres_data.fill_pool(settings, photos).count("photos")
    clips = ("sequences/walk.mkv", "sequences/kept.mkv")
    data = dataclasses.replace(settings.data, clips=clips, clip_crops=3, held_out=clips[1:] + settings.data.held_out)
    pool = superres_data.fill_pool(dataclasses.replace(settings, data=data), photos)
    assert pool.count("photos") == before + wear_clips.OF_FOOTAGE


def test_footage_comes_in_at_several_sizes(photos: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="film files need PyAV (extra train)")
    film(Path(photos) / "sequences" / "walk.mkv", 1)
    settings = superres_recipe.load_recipe(clip_recipe(tmp_path / "r.toml"))
    data = dataclasses.replace(settings.data, clips=("sequences/walk.mkv",), clip_crops=30, clip_shrinks=(1.0, 2.0))
    seen = []
    monkeypatch.setattr(wear_clips, "worn_footage", lambda clip, *_: seen.append(clip[0].shape) or [])
    superres_data.fill_pool(dataclasses.replace(settings, data=data), photos)
    assert set(seen) == {(112, 112, 3), (56, 56, 3)}


def test_training_is_watched_on_film_files_of_several_qualities(photos: str, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="film files need PyAV (extra train)")
    film(Path(photos) / "sequences" / "walk.mkv", 1)
    settings = superres_recipe.load_recipe(clip_recipe(tmp_path / "r.toml"))
    data = dataclasses.replace(settings.data, validation=("sequences/walk.mkv",))
    watched = superres_data.validation_pictures(dataclasses.replace(settings, data=data), photos)
    assert all(one.low.shape == (1, 9, 28, 28) and one.high.shape == (56, 56, 3) for one in watched)
    assert watched[0].bicubic > watched[-1].bicubic
    film(Path(photos) / "sequences" / "walk.mkv", 1, frames=11)
    with pytest.raises(UsageError, match="11 frames"):
        superres_data.validation_pictures(dataclasses.replace(settings, data=data), photos)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("[data]\nclip_shrinks = [0.5]", "clip_shrinks"),
        ("[wear]\ngroups = []", "groups"),
        ("[wear]\nturned = true\ninterlace = 0.1", "fields"),
        ("[wear]\ntint = 2.0", "tint"),
    ],
)
def test_shares_and_factors_that_make_no_sense_are_refused(tmp_path: Path, lines: str, words: str) -> None:
    path = Path(clip_recipe(tmp_path / "r.toml"))
    text = path.read_text()
    assert lines.split("\n")[0] in text
    path.write_text(text.replace(lines.split("\n")[0], lines, 1))
    with pytest.raises(UsageError, match=words):
        superres_recipe.load_recipe(str(path))


def test_a_film_file_is_a_test_clip_by_itself(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="film files need PyAV (extra train)")
    film(tmp_path / "walk.mkv", 1)
    small, sharp = scores.small_and_sharp(str(tmp_path / "walk.mkv"), 2, "H.264 crf 30")
    assert sharp.shape == (56, 56, 3) and small.shape == (28, 28, 3)
    assert np.abs(scores.bicubic(small, 2) - sharp).mean() < 0.1


def test_a_model_of_three_frames_is_trained_and_published(photos: str, tmp_path: Path) -> None:
    path, out = clip_recipe(tmp_path / "r.toml"), tmp_path / "run"
    text = Path(path).read_text().replace('held_out = ["photos/three.png"]', "held_out = []")
    Path(path).write_text(text)
    assert cli.main(["recipe", path, "--data", photos, "--out", str(out), "--device", "cpu", "--threads", "1"]) == 0
    card = catalog.locate(str(out / "tiny_x2")).card
    assert card is not None and card.verified
    assert card.inputs[0].frame_offsets == (0, -1, 1) and card.inputs[0].aligned
    assert not np.array_equal(
        *(
            image_io.read_frame(str(out / "tiny_x2" / f"proof_in{which}.exr")).parts[0].channels["G"]
            for which in ("-1", "+1")
        )
    )
    assert model_check.passes(model_check.check(catalog.locate(str(out / "tiny_x2"))))


def test_what_a_model_of_one_frame_knows_is_kept_and_only_the_weighing_learned(photos: str, tmp_path: Path) -> None:
    path = Path(clip_recipe(tmp_path / "r.toml"))
    text = path.read_text().replace("width = 8", "width = 16").replace("depth = 3", "depth = 8\nbranched = false")
    path.write_text(text.replace("scale = 2", 'scale = 2\ninit = "superres_x2_fast"\nkeep = true', 1))
    settings = superres_recipe.load_recipe(str(path))
    run = superres.start_run(settings, torch.device("cpu"))
    superres.start_from(run, settings.init)
    before = {name: value.clone() for name, value in run.net.state_dict().items()}
    trained = superres.train(settings, photos, str(tmp_path / "run"), device="cpu")
    after = trained.net.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("body."))
    assert not all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith("weigh."))
    assert superres.averaged_from(str(tmp_path / "run" / superres.CHECKPOINT), settings).frames == 3


def test_keep_without_something_to_keep_is_refused(tmp_path: Path) -> None:
    path = Path(clip_recipe(tmp_path / "r.toml"))
    path.write_text(path.read_text().replace("scale = 2", "scale = 2\nkeep = true", 1))
    with pytest.raises(UsageError, match="keep"):
        superres_recipe.load_recipe(str(path))


@pytest.mark.parametrize("scale", [1, 2])
def test_a_model_for_worn_pictures_has_a_figure_for_each_kind_of_file(photos: str, tmp_path: Path, scale: int) -> None:
    pytest.importorskip("av", reason="film encodes need PyAV (extra train)")
    path, out = clip_recipe(tmp_path / "r.toml", steps=4), tmp_path / "run"
    text = Path(path).read_text().replace("frames = 3", "frames = 1").replace("scale = 2", f"scale = {scale}")
    Path(path).write_text(text)
    assert cli.main(["recipe", path, "--data", photos, "--out", str(out), "--device", "cpu", "--threads", "1"]) == 0
    card = catalog.locate(str(out / "tiny_x2")).card
    assert card is not None and card.verified and card.scale == scale
    kinds = scores.FILES if scale == 2 else scores.FILES[1:]
    assert [score.metric for score in card.scores] == ["PSNR-Y"] * len(kinds) + ["flicker"]
    assert all(np.isfinite([score.value, score.baseline_value]).all() for score in card.scores)  # type: ignore[arg-type]
    assert {score.baseline for score in card.scores} == {"bicubic" if scale == 2 else "the plate"}


@pytest.mark.parametrize("line", ["frames = 2", "frames = 7"])
def test_other_counts_of_frames_are_refused(tmp_path: Path, line: str) -> None:
    path = Path(clip_recipe(tmp_path / "r.toml"))
    path.write_text(path.read_text().replace("frames = 3", line))
    with pytest.raises(UsageError, match=r"network\.frames"):
        superres_recipe.load_recipe(str(path))


def test_two_processes_train_one_model(photos: str, tmp_path: Path) -> None:
    """torchrun's environment, without torchrun: both end with the same weights, and only the first one writes."""
    path, out = write_recipe(tmp_path / "r.toml", steps=4), tmp_path / "run"
    room = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(20_000 + os.getpid() % 9000),
    }
    command = [sys.executable, "-m", "bipack_train.cli", "superres", path, "--data", photos, "--out", str(out)]
    started = [
        subprocess.Popen([*command, "--device", "cpu", "--threads", "1"], env={**room, "RANK": str(rank)})
        for rank in range(2)
    ]
    assert [process.wait(timeout=300) for process in started] == [0, 0]
    saved = checkpoint.load(str(out / superres.CHECKPOINT))
    assert saved.step == 4
    settings = superres_recipe.load_recipe(path)
    alone = superres.train(settings, photos, str(tmp_path / "alone"), device="cpu")
    same = [torch.equal(value, alone.ema.state()[name]) for name, value in saved.group("ema").items()]
    assert not all(same), "the other process brought crops of its own"
