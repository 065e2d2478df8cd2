from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import face_plates
from bipack import settings
from bipack.card import load, save
from bipack.errors import MissingInput, ModelRefused
from bipack.face_regions import MIRRORED, REGIONS
from bipack.imaging import color
from bipack.worker.faces import finder
from bipack.worker.faces.parser import MIRROR, Parsed, Parser


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parser]:
    with Parser(face_plates.write_parser(tmp_path_factory.mktemp("models"))) as opened:
        yield opened


def painted(height: int, width: int, *faces: tuple[float, float, float, float]) -> np.ndarray:
    return color.encode(face_plates.linear(height, width, list(faces)))


@pytest.mark.parametrize(
    ("size", "face"),
    [
        ((180, 240), (120, 90, 60, 0)),
        ((180, 240), (110, 95, 50, 25)),
        ((540, 960), (700, 300, 60, -15)),
        ((256, 256), (128, 120, 100, 5)),
        ((90, 70), (30, 45, 24, 0)),
    ],
)
def test_a_face_is_found_where_it_is(
    parser: Parser, size: tuple[int, int], face: tuple[float, float, float, float]
) -> None:
    (found,) = finder.find(parser, painted(*size, face))
    x, y, width, angle = face
    turn = np.radians(angle)
    truth = face_plates._PLACES @ (width * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]))
    assert np.abs(found.points - truth - [x, y]).max() < 0.03 * width
    assert found.width == pytest.approx(width, rel=0.15) and found.score > 0.8


def test_a_face_cut_by_the_frame_is_found(parser: Parser) -> None:
    (found,) = finder.find(parser, painted(180, 240, (25, 90, 80, 0)))
    assert np.abs(found.middle - [25, 90]).max() < 8


def test_no_face_is_an_empty_list(parser: Parser) -> None:
    assert finder.find(parser, painted(180, 240)) == []
    noise = np.random.default_rng(1).random((100, 140, 3)).astype(np.float32)
    assert finder.find(parser, noise) == []


def test_a_picture_smaller_than_the_parser_wants_is_padded_and_cut(parser: Parser) -> None:
    parsed = parser.parse(painted(33, 20))
    assert (
        parsed.regions.shape == (33, 20, 16) and parsed.points.shape == (33, 20, 5) and parsed.width.shape == (33, 20)
    )


def crowd(count: int) -> Parsed:
    """What a parser would say of `count` faces in two rows."""
    faces = [(60 + 100 * (i % 5), 80 + 130 * (i // 5), 60.0, 0.0) for i in range(count)]
    labels = face_plates.labels(280, 540, faces)
    regions = np.eye(21, dtype=np.float32)[labels]
    points = np.stack([_blurred(regions[..., 16 + index]) for index in range(5)], -1)
    shares = regions[..., :16].copy()
    for index, region in enumerate(face_plates.OF_DOTS):
        shares[..., region] += regions[..., 16 + index]
    return Parsed(shares, points, np.full(labels.shape, 60, np.float32))


def _blurred(plane: np.ndarray) -> np.ndarray:
    import cv2

    return np.clip(cv2.GaussianBlur(plane, (0, 0), 1.5) * 2.5, 0, 1)


def test_ten_faces_are_ten() -> None:
    found = finder.candidates_in(crowd(10))
    apart = finder._apart(found)
    assert len(apart) == 10
    assert sorted(round(float(one.points[2, 0])) for one in apart) == sorted(
        round(60 + 100 * (i % 5)) for i in range(10)
    )


def test_hidden_points_are_put_where_an_upright_face_has_them() -> None:
    whole = finder._SHAPE * 80 + [200, 150]
    hidden = whole.copy()
    hidden[3:] = np.nan
    assert np.allclose(finder.completed(hidden, 80), whole)
    assert finder.completed(whole, 80) is whole


def test_a_hot_spot_without_a_face_is_none() -> None:
    parsed = crowd(1)
    bare = Parsed(np.eye(16, dtype=np.float32)[np.zeros((280, 540), int)], parsed.points, parsed.width)
    assert finder.candidates_in(bare) == []


def test_a_model_that_is_no_parser_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = face_plates.write_parser(tmp_path)
    text = (Path(folder) / "card.json").read_text(encoding="utf-8")
    (Path(folder) / "card.json").write_text(text.replace('"kind": "parser"', '"kind": "image"'), encoding="utf-8")
    with pytest.raises(ModelRefused, match="no face parser"):
        Parser(folder)
    monkeypatch.setattr(settings, "model_folders", lambda: [])
    with pytest.raises(MissingInput, match="bipack-train faces"):
        Parser()


def test_a_parser_with_the_knob_mirror_is_asked_three_times(tmp_path: Path) -> None:
    folder = face_plates.write_parser(tmp_path)
    card = load(folder)
    save(dataclasses.replace(card, knobs=(MIRROR,)), folder)
    crop = painted(128, 128, (60, 64, 50, 8))
    with Parser(folder) as both, Parser(face_plates.write_parser(tmp_path / "plain")) as plain:
        found, once = both.shares(crop), plain.shares(crop)
        assert np.array_equal(once, plain.parse(crop).regions)
        flipped = np.ascontiguousarray(crop[:, ::-1])
        small = cv2.resize(flipped, (80, 80), interpolation=cv2.INTER_AREA)
        coarse = cv2.resize(plain.parse(small).regions, (128, 128), interpolation=cv2.INTER_LINEAR)
        other = (plain.parse(flipped).regions + 0.5 * coarse)[:, ::-1][..., list(MIRRORED)]
        assert np.abs(found - (once + other) / 2.5).max() < 1e-6 and np.abs(found.sum(2) - 1).max() < 1e-5
        # What knows a region by its color finds it in the mirror too, at the same place.
        first, second = (np.argwhere(each[..., REGIONS.index("nose")] > 0.4).mean(0) for each in (found, once))
        assert np.abs(first - second).max() < 0.5
