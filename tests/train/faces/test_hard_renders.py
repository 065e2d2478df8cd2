"""The shipped parser on rendered faces that are hard: none is a wild matte. Skipped without the face mesh."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bipack import catalog
from bipack.face_regions import MATTES
from bipack.imaging import color
from bipack.imaging.faces import crop, mattes
from bipack.imaging.faces.square import from_points
from bipack.imaging.faces.track import Found
from bipack.worker.faces import finder
from bipack.worker.faces.parser import CROP, MODEL, Parser, around
from bipack_train.faces import light, mesh
from bipack_train.faces.extras import Extras
from bipack_train.faces.portrait import Camera, Person, Pose, Rendered
from bipack_train.faces.regions import INDEX
from bipack_train.faces.render import render

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = [
    pytest.mark.skipif(not os.path.isfile(DATA / mesh.SUBSET), reason="the face mesh is not beside the repository"),
    pytest.mark.skipif(not catalog.is_installed(MODEL), reason=f"there is no model {MODEL}"),
]


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(device="cpu") as opened:
        yield opened


def seen(side: int = 160, **how: object) -> tuple[np.ndarray, Rendered]:
    """A face before grey, encoded, and what is known of it."""
    extras = how.pop("extras", Extras(seed=3))
    made = render(mesh.load(str(DATA)), Person(), light.drawn(np.random.default_rng(2)), camera=Camera(size=side),
                  extras=extras, **how)  # type: ignore[arg-type]  # fmt: skip
    return color.encode(made.picture + (1 - made.alpha[..., None]) * np.float32(0.2)), made


def found_mattes(parser: Parser, encoded: np.ndarray, face: Found) -> dict[str, np.ndarray]:
    square = around(from_points(face.points, face.width))
    picture = crop.cut(encoded, square, CROP)
    rows, columns, found = mattes.at_plate(parser.shares(picture), picture, encoded, square)
    whole = np.zeros((*encoded.shape[:2], len(MATTES)), np.float32)
    whole[rows, columns] = found
    return {name: whole[..., index] for index, name in enumerate(MATTES)}


def test_a_hand_over_the_mouth_is_no_mouth(parser: Parser) -> None:
    encoded, made = seen(extras=Extras(seed=5, hand="mouth"))
    (face,) = finder.find(parser, encoded)
    found = found_mattes(parser, encoded, face)
    hidden = made.masks[0] > 0.9
    assert found["mouth"][hidden].mean() < 0.05 and found["mouth"].sum() < 0.012 * face.width**2 + 40
    assert found["forehead"].sum() > 0.02 * face.width**2


def test_sunglasses_are_no_eyes(parser: Parser) -> None:
    encoded, made = seen(extras=Extras(seed=4, glasses="sun"))
    (face,) = finder.find(parser, encoded)
    found = found_mattes(parser, encoded, face)
    glass = (made.masks[0] > 0.9) & (made.alpha > 0.9)
    assert found["eye_l"][glass].mean() < 0.2 and found["eye_r"][glass].mean() < 0.2
    assert found["mouth"][made.masks[INDEX["mouth"]] > 0.9].mean() > 0.5


def test_a_profile_is_found_or_left_out_and_has_no_matte_beside_the_face(parser: Parser) -> None:
    encoded, made = seen(pose=Pose(yaw=85))
    faces = finder.find(parser, encoded)
    assert len(faces) <= 1
    if faces:
        found = found_mattes(parser, encoded, faces[0])
        ground = made.alpha < 0.1
        skin = sum(plane for name, plane in found.items() if name != "hair")
        assert skin[ground].mean() < 0.1


def test_a_grey_picture_gives_nearly_the_same_mattes(parser: Parser) -> None:
    encoded, made = seen()
    grey = np.repeat(encoded @ np.array([[0.3], [0.59], [0.11]], np.float32), 3, axis=2)
    (face,), (other,) = finder.find(parser, encoded), finder.find(parser, grey)
    assert np.linalg.norm(face.middle - other.middle) < 0.1 * face.width
    found = found_mattes(parser, grey, other)
    for name in ("cheek_l", "forehead", "chin"):
        mine, wanted = found[name] > 0.5, made.masks[INDEX[name]] > 0.5
        assert (mine & wanted).sum() / (mine | wanted).sum() > 0.5, name


def test_ten_faces_are_ten_and_one_cut_by_the_frame_is_one(parser: Parser) -> None:
    encoded, _ = seen()
    crowd = np.tile(encoded, (2, 5, 1))
    assert len(finder.find(parser, crowd)) == 10
    (cut,) = finder.find(parser, encoded[:, 60:])
    found = found_mattes(parser, encoded[:, 60:], cut)
    assert np.isfinite(sum(found.values())).all() and found["nose"].max() > 0.5
