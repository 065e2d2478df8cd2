"""Faces that are hard: hidden, turned away, cut, many, grey. None may end a run, and what is not seen has no matte.

Painted faces with a parser that reads the paint say how the finder takes them; the shipped parser is asked the same of
rendered ones in tests/train/faces.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import face_plates
from bipack.face_regions import MATTES, REGIONS
from bipack.imaging import color
from bipack.imaging.faces import crop, mattes
from bipack.imaging.faces.square import from_points
from bipack.worker.faces import finder
from bipack.worker.faces.parser import CROP, Parser, around

GREY = face_plates.COLORS[0]


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parser]:
    with Parser(face_plates.write_parser(tmp_path_factory.mktemp("models"))) as opened:
        yield opened


def painted(height: int, width: int, face: tuple[float, float, float, float]) -> np.ndarray:
    return color.encode(face_plates.linear(height, width, [face]))


def found_mattes(parser: Parser, encoded: np.ndarray) -> dict[str, np.ndarray] | None:
    """Mattes at the picture's size of the one face in it; None where none is found."""
    faces = finder.find(parser, encoded)
    if not faces:
        return None
    square = around(from_points(faces[0].points, faces[0].width))
    picture = crop.cut(encoded, square, CROP)
    rows, columns, found = mattes.at_plate(parser.shares(picture), picture, encoded, square)
    whole = np.zeros((*encoded.shape[:2], len(MATTES)), np.float32)
    whole[rows, columns] = found
    return {name: whole[..., index] for index, name in enumerate(MATTES)}


def covered(encoded: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    hidden = encoded.copy()
    hidden[rows, columns] = GREY
    return hidden


@pytest.mark.parametrize(
    ("what", "rows", "columns", "gone", "left"),
    [
        ("a hand over the mouth", slice(102, 180), slice(80, 170), ("mouth",), ("eye_l", "eye_r", "nose")),
        ("sunglasses", slice(55, 84), slice(60, 180), ("eye_l", "eye_r"), ("nose", "mouth", "chin")),
    ],
)
def test_what_is_hidden_has_no_matte(
    parser: Parser, what: str, rows: slice, columns: slice, gone: tuple[str, ...], left: tuple[str, ...]
) -> None:
    plain = painted(180, 240, (120, 90, 80, 0))
    encoded = covered(plain, rows, columns)
    found = found_mattes(parser, encoded)
    assert found is not None, what
    for name in gone:
        assert found[name][rows, columns].max() < 0.05, name
    truth = face_plates.regions(180, 240, [(120, 90, 80, 0)])
    for name in left:
        assert found[name][(truth == REGIONS.index(name)) & (encoded == plain).all(-1)].mean() > 0.6, name


def test_of_a_profile_the_hidden_half_has_no_matte(parser: Parser) -> None:
    encoded = covered(painted(180, 240, (120, 90, 80, 0)), slice(0, 180), slice(124, 240))
    found = found_mattes(parser, encoded)
    assert found is not None
    assert all(found[name][:, 128:].max() < 0.05 for name in MATTES)
    assert found["cheek_r"].max() > 0.9


def test_a_face_of_256_pixels_is_found_in_a_plate_hardly_larger(parser: Parser) -> None:
    face = (200.0, 190.0, 256.0, 0.0)
    found = found_mattes(parser, painted(400, 420, face))
    assert found is not None
    truth = face_plates.regions(400, 420, [face])
    for name in ("nose", "mouth", "cheek_l"):
        mine, wanted = found[name] > 0.5, truth == REGIONS.index(name)
        assert (mine & wanted).sum() / (mine | wanted).sum() > 0.6, name


def test_a_picture_of_one_grey_has_no_face(parser: Parser) -> None:
    assert found_mattes(parser, np.full((120, 160, 3), 0.5, np.float32)) is None


def test_mattes_of_a_face_cut_by_the_frame_end_with_it(parser: Parser) -> None:
    found = found_mattes(parser, painted(180, 240, (25, 90, 80, 0)))
    assert found is not None
    assert found["nose"].max() > 0.9 and sum(plane.sum() for plane in found.values()) > 1000
    total = sum(found.values())
    assert total.min() >= 0 and total.max() < 1.001
