from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bipack_train import metrics, pictures, scores


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("photos") / "leaves.png"
    pixels = pictures.draw(3, 0, 128).pixels
    cv2.imwrite(str(path), np.round(pixels[:, :, ::-1] * 255).astype(np.uint8))
    return str(path)


@pytest.mark.parametrize("kind", scores.FILES)
def test_small_and_sharp_show_the_same_place(photo: str, kind: str) -> None:
    if kind.startswith("H.264"):
        pytest.importorskip("av", reason="film encodes need PyAV (extra train)")
    small, sharp = scores.small_and_sharp(photo, 2, kind)
    assert (sharp.shape[0], sharp.shape[1]) == (2 * small.shape[0], 2 * small.shape[1])
    plain = scores.bicubic(small, 2)
    here = np.mean((plain - sharp) ** 2)
    for axis in (0, 1):
        assert np.mean((np.roll(plain, 1, axis) - sharp) ** 2) > here


def test_a_sharp_clip_is_steady_and_its_interpolation_is_not(photo: str) -> None:
    small, sharp = scores.moving_clip(photo, 2, scores.CLEAN)
    assert scores.unsteadiness(sharp) == 0
    assert scores.unsteadiness([scores.bicubic(frame, 2) for frame in small]) > 1
    noisy = [frame + np.random.default_rng(n).normal(0, 0.02, frame.shape) for n, frame in enumerate(sharp)]
    assert scores.unsteadiness(noisy) > 3


def test_a_worse_file_scores_lower(photo: str, tmp_path: Path) -> None:
    errors = [np.mean((scores.small_and_sharp(photo, 2, kind)[0] - scores.small_and_sharp(photo, 2)[0]) ** 2)
              for kind in ("JPEG q60", "JPEG q30")]  # fmt: skip
    assert 0 < errors[0] < errors[1]


def test_texture_is_weaker_in_what_was_interpolated_and_in_blocks_there_is_none(photo: str) -> None:
    small, sharp = scores.small_and_sharp(photo, 2)
    assert 0.1 < metrics.finest_octave(scores.bicubic(small, 2)) / metrics.finest_octave(sharp) < 0.9
    assert metrics.finest_octave(small.repeat(2, 0).repeat(2, 1)) == 0
    odd = metrics.finest_octave(sharp[:31, :33])
    assert odd == metrics.finest_octave(sharp[:30, :32]) > 0
