from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bipack.errors import CorruptInput, MissingInput
from bipack.imaging import color
from bipack.imaging.image_io import write_frame
from bipack_train import pictures
from bipack_train.verify import picture_frame


@pytest.mark.parametrize("index", range(len(pictures.DRAWN)))
def test_a_seed_always_draws_the_same_picture(index: int) -> None:
    first, again = pictures.draw(3, index, 48), pictures.draw(3, index, 48)
    assert first.name == again.name
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, pictures.draw(4, index, 48).pixels)


@pytest.mark.parametrize("index", range(len(pictures.DRAWN)))
def test_drawn_pictures_have_detail_and_are_finite(index: int) -> None:
    picture = pictures.draw(9, index, 64)
    assert picture.pixels.shape == (64, 64, 3)
    assert picture.pixels.dtype == np.float32
    assert np.isfinite(picture.pixels).all()
    assert picture.pixels.std() > 0.02


def test_only_lamps_are_hdr() -> None:
    drawn = [pictures.draw(1, index, 48) for index in range(10)]
    for picture in drawn:
        assert picture.hdr == picture.name.startswith("lamps")
        assert picture.hdr or picture.pixels.max() <= 1.0
    assert max(picture.pixels.max() for picture in drawn if picture.hdr) > 3.0


def test_a_photograph_is_read_as_rgb_and_grey_gets_three_channels(tmp_path: Path) -> None:
    stored = np.zeros((4, 5, 3), np.uint8)
    stored[:, :] = (10, 20, 255)  # B, G, R
    cv2.imwrite(str(tmp_path / "a.png"), stored)
    cv2.imwrite(str(tmp_path / "grey.png"), stored[:, :, 1])
    assert np.allclose(pictures.read_photo(str(tmp_path / "a.png"))[0, 0] * 255, (255, 20, 10))
    assert pictures.read_photo(str(tmp_path / "grey.png")).shape == (4, 5, 3)


def test_a_large_photograph_is_halved_and_kept_at_8_bits(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 1100, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "wide.png"), noise)
    found = pictures.original(str(tmp_path / "wide.png"))
    assert found.shape == (20, 550, 3)
    assert np.allclose(found * 255, np.round(found * 255), atol=1e-4)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(CorruptInput, match=r"broken\.jpg"):
        pictures.read_photo(str(tmp_path / "broken.jpg"))
    with pytest.raises(MissingInput, match=r"none\.jpg"):
        pictures.read_photo(str(tmp_path / "none.jpg"))
    with pytest.raises(MissingInput, match="--data"):
        pictures.list_files(str(tmp_path / "nowhere"), (".jpg",))


def test_a_panorama_is_exposed_to_the_middle(tmp_path: Path) -> None:
    light = np.random.default_rng(0).lognormal(3, 1, (16, 32, 3)).astype(np.float32)
    write_frame(str(tmp_path / "p.exr"), picture_frame(light))
    linear = pictures.read_panorama(str(tmp_path / "p.exr"))
    assert np.array_equal(linear, light)
    assert np.median(color.decode(pictures.exposed(linear, 0.0))) == pytest.approx(0.18, rel=0.01)
    assert np.median(color.decode(pictures.exposed(linear, 2.0))) == pytest.approx(0.72, rel=0.01)
