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
from bipack_train import (
    checkpoint,
    cli,
    codecs,
    pictures,
    scores,
    superres,
    superres_data,
    superres_recipe,
    wear,
)
from bipack_train.models.plain import PlainNet
from training import write_photos, write_recipe


def clip_recipe(path: Path, steps: int = 6) -> str:
    """Three frames, worn by JPEG alone; the watched picture is too small for a worn crop and left out."""
    write_recipe(path, steps)
    text = path.read_text().replace("depth = 3", "depth = 3\nframes = 3")
    text = text.replace('validation = ["photos/four.png"]', "validation = []").replace("patch = 16", "patch = 12")
    text = text.replace("drawn_size = 48", "drawn_size = 64")
    text = text.replace("[[sources]]", "[wear]\ncrops = 2\nside = 12\nfilm = 0.0\njpeg = 1.0\n\n[[sources]]", 1)
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_photos(tmp_path_factory.mktemp("data"))


def test_a_network_of_three_frames_adds_to_the_current_one() -> None:
    net = PlainNet(2, 8, 3, frames=3).fused()
    for layer in net.body:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.zeros_(layer.weight)
            torch.nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    stacked = torch.rand(1, 9, 6, 5)
    assert torch.allclose(net(stacked), stacked[:, :3].repeat_interleave(2, 2).repeat_interleave(2, 3), atol=1e-6)


def test_a_worn_clip_holds_the_neighbours_in_the_order_of_the_card() -> None:
    """The camera moves evenly: what lies between the frame before and the one after is the frame itself."""
    assert wear.offsets(1) == (0,) and wear.offsets(5) == (0, -1, 1, -2, 2)
    settings = wear.Wear(crops=1, side=32, clean=1.0)
    sharp = pictures.draw(1, 0, 128).pixels
    for seed in range(4):
        found = wear.worn_crop(sharp, 1, settings, np.random.default_rng(seed), frames=3)
        assert found is not None
        worn, truth = found
        now, before, after = (worn[:, :, 3 * n : 3 * n + 3] / 255.0 for n in range(3))
        assert np.abs(now - truth).max() < 1 / 255
        shift = next(
            (dy, dx)
            for dy in range(-3, 4)
            for dx in range(-3, 4)
            if np.array_equal(_moved(before, dy, dx), _moved(now, 0, 0))
        )
        assert np.array_equal(_moved(after, -shift[0], -shift[1]), _moved(now, 0, 0))


def _moved(picture: np.ndarray, down: int, across: int) -> np.ndarray:
    return picture[3 + down : 29 + down, 3 + across : 29 + across]


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
    assert pool.count("photos") == before + 3


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
    assert card.inputs[0].frame_offsets == (0, -1, 1)


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
