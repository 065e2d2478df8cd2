from __future__ import annotations

import csv
import dataclasses
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from bipack import catalog
from bipack.errors import MissingInput, UsageError
from bipack.imaging.image_io import write_frame
from bipack_train import checkpoint, cli, metrics, recipe, superres, superres_data, superres_loss, superres_recipe
from bipack_train.verify import picture_frame
from training import write_photos, write_recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_photos(tmp_path_factory.mktemp("data"))


def weights(run: superres.Run) -> dict[str, torch.Tensor]:
    return run.ema.state()


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_a_short_training_lowers_the_loss_and_beats_interpolation(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml", steps=150))
    trained = superres.train(settings, photos, str(tmp_path / "run"), device="cpu")
    low, high = superres_data.fill_pool(settings, photos).sample(np.random.default_rng(0), 16)
    losses = []
    for run in (superres.start_run(settings, torch.device("cpu")), trained):
        with torch.no_grad():
            result = superres.averaged(run)(torch.from_numpy(low).permute(0, 3, 1, 2))
        losses.append(superres_loss.loss_of(result, torch.from_numpy(high).permute(0, 3, 1, 2), squared=False).item())
    assert losses[1] < 0.9 * losses[0]
    with open(tmp_path / "run" / superres.LOG, encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    scored = [
        (float(row["validation_psnr_y"]), float(row["validation_bicubic"])) for row in rows if row["validation_psnr_y"]
    ]
    assert scored[-1][0] > scored[0][0] + 1.0
    assert scored[-1][0] > scored[-1][1] + 0.3


def test_the_same_seed_gives_the_same_weights(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml", steps=8))
    first = superres.train(settings, photos, str(tmp_path / "a"), device="cpu")
    second = superres.train(settings, photos, str(tmp_path / "b"), device="cpu")
    assert same(weights(first), weights(second))


@pytest.mark.parametrize("branched", [True, False])
def test_a_stopped_run_goes_on_bit_for_bit(photos: str, tmp_path: Path, branched: bool) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml"))
    settings = dataclasses.replace(settings, network=dataclasses.replace(settings.network, branched=branched))
    straight = superres.train(settings, photos, str(tmp_path / "a"), device="cpu")
    calls = iter(range(1000))
    stopped = superres.train(settings, photos, str(tmp_path / "b"), device="cpu", stop=lambda: next(calls) >= 9)
    assert stopped.step == 10
    resumed = superres.train(settings, photos, str(tmp_path / "b"), device="cpu", resume=True)
    assert resumed.step == straight.step == 24
    assert same(weights(straight), weights(resumed))
    assert same(straight.net.state_dict(), resumed.net.state_dict())
    logs = [(tmp_path / name / superres.LOG).read_text().splitlines() for name in "ab"]
    assert [line.split(",")[0] for line in logs[0]] == [line.split(",")[0] for line in logs[1]]


def test_a_killed_run_loses_no_more_than_its_last_interval(photos: str, tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.toml", steps=400, checkpoint_seconds=0.0)
    out = tmp_path / "run"
    command = [sys.executable, "-m", "bipack_train.cli", "superres", path, "--data", photos, "--out", str(out)]
    process = subprocess.Popen([*command, "--device", "cpu", "--threads", "1"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 150
        while not (out / superres.CHECKPOINT).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.wait()
    saved = checkpoint.load(str(out / superres.CHECKPOINT))
    assert 1 <= saved.step < 400
    with open(out / superres.LOG, encoding="utf-8") as stream:
        logged = [int(row["step"]) for row in csv.DictReader(stream)]
    assert saved.step >= max(logged, default=0) - 1  # with a checkpoint after each step, none but the last can be lost
    settings = superres_recipe.load_recipe(path)
    twin = superres.start_run(settings, torch.device("cpu"))
    pool = superres_data.fill_pool(settings, photos)
    while twin.step < saved.step:
        superres.take_step(twin, superres.crops(twin, pool, twin.step))
    assert same(saved.group("ema"), weights(twin))


def test_a_second_run_in_the_same_folder_is_refused(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml", steps=4))
    superres.train(settings, photos, str(tmp_path / "a"), device="cpu")
    with pytest.raises(UsageError, match="--resume"):
        superres.train(settings, photos, str(tmp_path / "a"), device="cpu")


def test_a_changed_recipe_is_not_resumed(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml", steps=4))
    superres.train(settings, photos, str(tmp_path / "a"), device="cpu")
    with pytest.raises(UsageError, match="other settings"):
        superres.train(superres_recipe.shortened(settings, 8), photos, str(tmp_path / "a"), device="cpu", resume=True)


def test_held_out_and_watched_pictures_are_never_trained_on(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml"))
    assert superres_data.fill_pool(settings, photos).count("photos") == 2


def test_panoramas_are_taken_in_at_several_exposures(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml"))
    light = np.random.default_rng(0).lognormal(0, 2, (48, 96, 3)).astype(np.float32)
    for name in ("sky", "kept"):
        write_frame(str(tmp_path / "hdri" / f"{name}.exr"), picture_frame(light))
    data = dataclasses.replace(
        settings.data,
        photos=(),
        drawn=0,
        panoramas="hdri",
        exposures=3,
        shares=(0, 0, 1, 0),
        held_out=("hdri/kept.exr",),
    )
    pool = superres_data.fill_pool(dataclasses.replace(settings, data=data), str(tmp_path))
    assert pool.count("panoramas") == len(pool) == 3
    _, high = pool.sample(np.random.default_rng(0), 8)
    assert high.max() > 1.5


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml"))
    with pytest.raises(MissingInput, match="--data"):
        superres.train(settings, str(tmp_path / "nowhere"), str(tmp_path / "run"), device="cpu")


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    schedule = superres_recipe.Schedule(steps=100, warm_up=10, decay_from=50, learning_rate=1.0)
    rates = [superres_recipe.learning_rate(schedule, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[50:]))
    assert rates[-1] < 0.01


def test_no_batch_moves_the_weights_by_a_longer_gradient_than_allowed(photos: str, tmp_path: Path) -> None:
    settings = superres_recipe.load_recipe(write_recipe(tmp_path / "r.toml"))
    settings = dataclasses.replace(settings, schedule=dataclasses.replace(settings.schedule, gradient_limit=1e-3))
    run = superres.start_run(settings, torch.device("cpu"))
    superres.take_step(run, superres.crops(run, superres_data.fill_pool(settings, photos), 0))
    norm = torch.stack([parameter.grad.norm() for parameter in run.net.parameters()]).norm()
    assert 0.9e-3 < float(norm) < 1.01e-3


def test_a_lamp_does_not_outweigh_the_other_pictures() -> None:
    truth = torch.full((2, 3, 4, 4), 0.5)
    truth[1] = 5.0
    small_error = superres_loss.loss_of(truth + torch.tensor([0.05, 0.0]).view(2, 1, 1, 1), truth, squared=True)
    lamp_error = superres_loss.loss_of(truth + torch.tensor([0.0, 0.25]).view(2, 1, 1, 1), truth, squared=True)
    assert lamp_error.item() == pytest.approx(small_error.item(), rel=1e-4)


def test_by_crop_an_easy_crop_counts_beside_a_hard_one() -> None:
    truth = torch.full((2, 3, 8, 8), 0.5)
    hard, easy = torch.tensor([0.2, 0.0]).view(2, 1, 1, 1), torch.tensor([0.0, 0.02]).view(2, 1, 1, 1)
    start = hard + easy
    gained = {}
    for by_crop in (False, True):
        before, less_hard, less_easy = (
            float(superres_loss.loss_of(truth + error, truth, True, by_crop=by_crop))
            for error in (start, 0.9 * hard + easy, hard + 0.9 * easy)
        )
        gained[by_crop] = (before - less_hard) / (before - less_easy)
    assert gained[False] == pytest.approx(100, rel=0.01)  # the square of how much harder
    assert gained[True] == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("steps = 24", "steps = 0"),
        ("scale = 2", "scale = 9"),
        ("depth = 3", "depth = 1"),
        ("depth = 3", "depth = 6\nskips = 1"),
        ("depth = 3", "depth = 3\nskips = 1\nbranched = false"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(tmp_path: Path, line: str, words: str) -> None:
    path = Path(write_recipe(tmp_path / "r.toml"))
    path.write_text(path.read_text().replace(line, words))
    with pytest.raises(UsageError, match=r"r\.toml"):
        superres_recipe.load_recipe(str(path))


def test_the_shipped_recipes_can_be_read() -> None:
    root = Path(superres.__file__).parents[1] / "recipes"
    for path in (*root.glob("superres_*.toml"), root / "deartifact.toml"):
        settings = superres_recipe.load_recipe(str(path))
        assert settings.name == path.stem
        assert len(settings.data.held_out) >= 12
        assert not set(settings.data.held_out) & set(settings.data.validation)
        assert settings.sources


def test_one_command_trains_verifies_and_publishes(
    photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_recipe(tmp_path / "r.toml")
    out = tmp_path / "run"
    assert cli.main(["recipe", path, "--data", photos, "--out", str(out), "--device", "cpu", "--threads", "1"]) == 0
    card = catalog.locate(str(out / "tiny_x2")).card
    assert card is not None
    assert card.verified
    assert card.training.steps == 24
    assert card.training.data[0].licence == "CC0-1.0"
    assert [score.baseline for score in card.scores] == ["bicubic"]
    assert (out / "tiny_x2" / superres.LOG).exists()
    weights_in_card = cli.main(["superres", path, "--data", photos, "--out", str(out), "--publish-only"])
    assert weights_in_card == 0
    again = catalog.locate(str(out / "tiny_x2")).card
    assert again is not None
    assert again.sha256 == card.sha256


def test_the_command_line_names_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["superres", write_recipe(tmp_path / "r.toml")]) == 2
    assert "--data" in capsys.readouterr().err
    assert cli.main(["recipe", str(tmp_path / "none.toml")]) == 10


def test_psnr_y_is_that_of_the_published_tables() -> None:
    truth = np.full((8, 8, 3), 100 / 255, np.float32)
    result = truth.copy()
    result[:, :, 1] = 110 / 255
    # A step of 10 codes in green is 10 * 128.553 / 255 of luma.
    expected = 20 * np.log10(255 / (10 * 128.553 / 255))
    assert metrics.psnr_y(result, truth, 2) == pytest.approx(expected, abs=1e-4)
    assert metrics.psnr_y(truth, truth, 0) == float("inf")
    framed = truth.copy()
    framed[0] = 0
    assert metrics.psnr_y(framed, truth, 2) == float("inf")


def test_the_digest_holds_seed_and_network(tmp_path: Path) -> None:
    path = Path(write_recipe(tmp_path / "r.toml"))
    first = recipe.digest(superres_recipe.load_recipe(str(path)))
    path.write_text(path.read_text().replace("seed = 5", "seed = 6"))
    assert recipe.digest(superres_recipe.load_recipe(str(path))) != first
