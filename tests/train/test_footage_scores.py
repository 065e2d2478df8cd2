"""Scores on film clips: every frame, and how much its error changes from one to the next."""

from __future__ import annotations

import numpy as np
import pytest

from bipack_train import codecs, footage_scores, metrics, pictures, scores


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A film file long enough, over which the camera moves."""
    pytest.importorskip("av", reason="film files need PyAV (extra train)")
    wide = np.rint(pictures.draw(1, 0, 176).pixels * 255).astype(np.uint8)
    count = footage_scores.FIRST + footage_scores.COUNT
    shots = [np.ascontiguousarray(wide[2 * n : 2 * n + 96, n : n + 112]) for n in range(count)]
    path = tmp_path_factory.mktemp("film") / "walk.mkv"
    path.write_bytes(codecs._encode(shots, codecs.Film("h264", 10)))
    return str(path)


def test_every_frame_of_the_plate_and_of_each_model_is_scored(film: str) -> None:
    models = ["superres_x2_fast", "superres_x2_fast"]
    found = footage_scores.score_clip(models, film, 2, "H.264 crf 30")
    small, sharp = footage_scores.clip(film, 2, "H.264 crf 30")
    assert len(small) == footage_scores.COUNT and small[0].shape == (24, 28, 3) and sharp[0].shape == (48, 56, 3)
    plain = [metrics.psnr_y(scores.bicubic(one, 2), truth, 2) for one, truth in zip(small, sharp, strict=True)]
    assert found.psnr[0] == pytest.approx(np.mean(plain))
    assert len(found.psnr) == len(found.flicker) == 3 and found.psnr[1] == found.psnr[2] != found.psnr[0]
    assert footage_scores.means([found, found]) == ([*found.psnr], [*found.flicker])


def test_an_error_that_stays_does_not_flicker() -> None:
    truth = [np.full((8, 8, 3), 0.1 * n, np.float32) for n in range(4)]
    assert footage_scores.unsteadiness([frame + np.float32(0.2) for frame in truth], truth) < 1e-4
    shaken = [frame + np.float32(0.02 * (n % 2)) for n, frame in enumerate(truth)]
    assert footage_scores.unsteadiness(shaken, truth) == pytest.approx(0.02 * 219, rel=1e-3)
