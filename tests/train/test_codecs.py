from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import UsageError
from bipack_train import codecs, pictures, ycc

pytest.importorskip("av", reason="film encodes need PyAV (extra train)")


def clip(count: int = 4, side: int = 64) -> list[codecs.Bytes]:
    """A camera that moves over a drawn picture."""
    wide = np.rint(pictures.draw(3, 0, side + 2 * count).pixels * 255).astype(np.uint8)
    return [np.ascontiguousarray(wide[n : n + side, 2 * n : 2 * n + side]) for n in range(count)]


def decibels(first: codecs.Bytes, second: codecs.Bytes) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


@pytest.mark.parametrize("codec", codecs.CODECS)
def test_frames_come_back_in_order_and_worse_with_less_quality(codec: str) -> None:
    frames = clip()
    good, bad = (codecs.through_film(frames, codecs.Film(codec, quality)) for quality in (4, 30))
    for number, frame in enumerate(frames):
        scores = [decibels(frame, other) for other in good]
        assert int(np.argmax(scores)) == number
        assert scores[number] > decibels(frame, bad[number]) + 2


def test_a_film_neither_moves_nor_darkens_the_picture() -> None:
    rows, columns = np.mgrid[0:64, 0:64].astype(np.float32)
    grey = 128 + 60 * np.sin(columns / 4) * np.cos(rows / 5)
    frame = np.rint(np.repeat(grey[:, :, None], 3, axis=2)).astype(np.uint8)
    result = codecs.through_film([frame] * 2, codecs.Film("h264", 4))[0].astype(np.float64)
    assert abs(result.mean() - frame.mean()) < 0.3
    down, across = np.gradient(frame[:, :, 1].astype(np.float64))
    difference = (result - frame)[:, :, 1].ravel()
    shift, *_ = np.linalg.lstsq(np.stack([-across.ravel(), -down.ravel()], 1), difference, rcond=None)
    assert np.abs(shift).max() < 0.03


@pytest.mark.parametrize("codec", codecs.CODECS)
def test_the_same_clip_gives_the_same_frames_whatever_memory_held_before(codec: str) -> None:
    wide = np.rint(pictures.draw(1, 0, 300).pixels * 255).astype(np.uint8)
    frames = [np.ascontiguousarray(wide[n : n + 96, n : n + 112]) for n in range(14)]
    film, rng = codecs.Film(codec, 30, preset="medium"), np.random.default_rng(5)
    first, held = codecs.through_film(frames, film), []
    for _ in range(12):
        held += [rng.integers(0, 256, rng.integers(200, 300000), np.uint8) for _ in range(4)]
        held = held[-30:]
        assert all(np.array_equal(*pair) for pair in zip(first, codecs.through_film(frames, film), strict=True))


def test_odd_sides_and_unknown_codecs_are_refused() -> None:
    with pytest.raises(UsageError, match="63x64"):
        codecs.through_film([clip()[0][:, :63]], codecs.Film())
    with pytest.raises(UsageError, match="prores"):
        codecs.through_film(clip(), codecs.Film("prores"))


def test_jpeg_loses_more_at_a_lower_quality() -> None:
    frame = clip(1)[0]
    assert decibels(frame, codecs.through_jpeg(frame, 95)) > decibels(frame, codecs.through_jpeg(frame, 30)) + 3


@pytest.mark.parametrize("chroma", sorted(ycc.CHROMA))
def test_colors_survive_chroma_of_any_size(chroma: str) -> None:
    flat = np.broadcast_to(np.array([200, 40, 90], np.uint8), (8, 12, 3))
    planes = ycc.split(flat, chroma)
    assert planes[1].shape == ycc.chroma_size(8, 12, chroma)
    assert np.abs(ycc.join(planes).astype(int) - flat).max() <= 2


def test_half_size_chroma_stays_in_its_place() -> None:
    """A ramp of color over even grey: interpolated back about the centres, it is the same ramp."""
    ramp = np.rint(np.linspace(60, 200, 64))
    pixels = np.broadcast_to(np.stack([ramp, np.full(64, 128), np.full(64, 128)], -1), (8, 64, 3)).astype(np.uint8)
    result = ycc.join(ycc.split(pixels, "420")).astype(float)
    assert np.abs(result[:, 4:-4, 0] - pixels[:, 4:-4, 0]).max() <= 3
    assert abs((result[:, 4:-4, 0] - pixels[:, 4:-4, 0]).mean()) < 0.5
