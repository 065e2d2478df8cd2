"""Shots made of photographs: what they show, and that they are hard to copy from frame to frame."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack_train import pictures, shots, superres_data, superres_recipe, wear, wear_clips
from training import clip_recipe, write_photos


@pytest.fixture(scope="module")
def photos() -> list[pictures.Pixels]:
    return [pictures.draw(5, index, 200).pixels for index in (0, 3)]


def test_a_seed_always_makes_the_same_shot_and_another_seed_another(photos: list[pictures.Pixels]) -> None:
    one, again, other = (shots.render(photos, np.random.default_rng(seed), 48, 3) for seed in (4, 4, 5))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.shape(one) == (3, 48, 48, 3) and np.min(one) >= 0 and np.max(one) <= 1


def test_no_frame_is_a_copy_of_the_one_before(photos: list[pictures.Pixels]) -> None:
    for seed in range(4):
        clip = shots.render(photos, np.random.default_rng(seed), 32, 3)
        assert not np.array_equal(clip[0], clip[1]) and not np.array_equal(clip[1], clip[2])


def test_a_hand_moves_the_camera_and_drifts_back() -> None:
    places = [shots._shake(np.random.default_rng(seed), 40, 9) for seed in range(20)]
    still = [bool((place == 9).all()) for place in places]
    assert any(still) and not all(still)
    assert all(place.min() >= 0 and place.max() <= 18 and place.shape == (40, 2) for place in places)


def test_half_a_pixel_of_the_camera_is_half_a_pixel_of_the_shot(
    photos: list[pictures.Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four rendered pixels, two shown ones: the second frame shows the first one's content two pixels further on."""
    monkeypatch.setattr(shots, "_PACE", (1e-9, 1e-9))
    monkeypatch.setattr(shots, "_NOISY", 0.0)
    monkeypatch.setattr(shots, "_SOFT", 0.0)
    monkeypatch.setattr(shots, "_shake", lambda rng, frames, margin: np.array([[margin, margin], [margin, margin + 4]]))
    first, second = shots.render(photos, np.random.default_rng(1), 40, 2)
    np.testing.assert_allclose(second[:, :-2], first[:, 2:], atol=1e-4)


def test_noise_is_new_in_each_frame_and_in_the_truth(
    photos: list[pictures.Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shots, "_PACE", (1e-9, 1e-9))
    monkeypatch.setattr(shots, "_NOISY", 1.0)
    monkeypatch.setattr(shots, "_SHAKEN", 0.0)
    first, second = shots.render(photos, np.random.default_rng(2), 40, 2)
    assert 0 < np.abs(first - second).mean() < 0.02


def test_shots_are_as_soft_as_some_lens(photos: list[pictures.Pixels], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shots, "_NOISY", 0.0)
    detail = []
    for most in (0.0, 3.0):
        monkeypatch.setattr(shots, "_SOFT", most)
        clips = [shots.render(photos, np.random.default_rng(seed), 48, 2) for seed in range(4)]
        detail.append([float(np.abs(np.diff(clip[0], axis=1)).mean()) for clip in clips])
    sharp, soft = map(np.mean, detail)
    assert soft < 0.8 * sharp


def test_an_encoder_cannot_copy_its_faults_from_frame_to_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """The errors of a still camera's frames are the same ones; those of a sharp shot out of a hand go together less."""
    monkeypatch.setattr(shots, "_SHAKEN", 1.0)
    monkeypatch.setattr(shots, "_SOFT", 0.0)
    pytest.importorskip("av", reason="film encodes need PyAV (extra train)")
    photos = [pictures.draw(5, index, 320).pixels for index in (0, 6)]
    film = wear.Wear(side=96, clean=0, blur=0, noise=0, ringing=0, chroma=0, jpeg=0, film=1, again=0, codecs=("h264",))
    film = dataclasses.replace(film, film_quality=(22, 22), presets=("medium",))
    alike: dict[str, list[float]] = {"shot": [], "still": []}
    for seed in (3, 4):
        shot = shots.render(photos, np.random.default_rng(seed), 96, wear_clips.FRAMES)
        for name, clip in (("shot", shot), ("still", [shot[0]] * wear_clips.FRAMES)):
            pairs = wear_clips.worn_shot(clip, 1, film, np.random.default_rng(3), 3)
            alike[name] += [_alike(worn, truth) for worn, truth in pairs]
    assert np.mean(alike["still"]) > 0.99 and np.mean(alike["shot"]) < 0.9


def _alike(worn: np.ndarray, truth: np.ndarray) -> float:
    """Correlation of the current frame's error with those of its neighbours, laid onto it."""
    errors = [(worn[:, :, first : first + 3] / 255.0 - truth).ravel() for first in (0, 3, 6)]
    return float(np.mean([np.corrcoef(errors[0], other)[0, 1] for other in errors[1:]]))


def test_shots_stand_in_for_the_camera_that_moves_over_photographs(tmp_path: Path) -> None:
    folder = write_photos(tmp_path / "data", 112)
    path = Path(clip_recipe(tmp_path / "r.toml"))
    path.write_text(path.read_text().replace("[data]", "[data]\nshots = 2", 1))
    pool = superres_data.fill_pool(superres_recipe.load_recipe(str(path)), folder)
    assert pool.count("photos") == 2 * wear_clips.OF_FOOTAGE


def test_shots_for_a_network_of_one_frame_are_refused(tmp_path: Path) -> None:
    path = Path(clip_recipe(tmp_path / "r.toml"))
    path.write_text(path.read_text().replace("[data]", "[data]\nshots = 2", 1).replace("frames = 3", "frames = 1"))
    with pytest.raises(UsageError, match="several frames"):
        superres_recipe.load_recipe(str(path))
