"""Faces that are small in the plate: their crops enlarged by a super-res model that ships, and edits put back."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import face_plates
from bipack.cli.main import main
from bipack.imaging.faces import track_file
from bipack.imaging.faces.square import Square
from bipack.imaging.faces.track import Track, given
from bipack.imaging.frame import Frame
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.faces.enlarge import ATTRIBUTE, model_for, own_side

HEIGHT, WIDTH, SIZE = 90, 120, 128
FACE = (60.0, 46.0, 26.0, 3.0)
FAST = "superres_x2_fast"


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> str:
    return face_plates.write_parser(tmp_path_factory.mktemp("models"))


def shot(folder: Path, kind: type = np.float16) -> str:
    pixels = face_plates.linear(HEIGHT, WIDTH, [FACE])
    pixels = cv2.GaussianBlur(pixels, (0, 0), 0.7)
    pixels[40, 60] = [30.0, 2.0, 1.5]
    face_plates.write_plate(folder / "plate.exr", pixels, kind)
    return str(folder / "plate.exr")


def rgb(frame: Frame) -> np.ndarray:
    return np.stack([np.asarray(frame.parts[0].channels[name], np.float32) for name in "RGB"], -1)


def same_bits(first: Frame, second: Frame) -> bool:
    one, two = first.parts[0].channels, second.parts[0].channels
    return list(one) == list(two) and all(np.array_equal(one[n].view(np.uint8), two[n].view(np.uint8)) for n in one)


def test_the_model_makes_the_crop_and_nothing_moves(tmp_path: Path, parser: str) -> None:
    plate = shot(tmp_path)
    command = ["faces", plate, str(tmp_path / "plain"), "--model", parser, "--size", str(SIZE)]
    assert main(command) == 0
    command[2] = str(tmp_path / "large")
    assert main([*command, "--super-res", FAST]) == 0
    plain, large = (read_frame(str(tmp_path / name / "face1.exr")) for name in ("plain", "large"))
    assert large.parts[0].attributes[ATTRIBUTE] == FAST and ATTRIBUTE not in plain.parts[0].attributes
    one, two = (np.clip(rgb(frame), 0, 1) ** (1 / 2.2) for frame in (plain, large))
    assert two.shape == (SIZE, SIZE, 3) and 0.003 < np.abs(one - two).mean() < 0.05
    smooth, other = (cv2.GaussianBlur(picture.mean(-1), (0, 0), 2.0) for picture in (one, two))
    slopes = np.stack([plane.ravel() for plane in np.gradient(smooth)], 1)
    shift = np.linalg.lstsq(slopes, (smooth - other).ravel(), rcond=None)[0]
    assert np.abs(shift).max() < 0.05
    # Brighter than white goes through the model too.
    assert rgb(large).max() > 3


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_what_was_not_edited_keeps_every_bit(tmp_path: Path, parser: str, kind: type) -> None:
    plate, out = shot(tmp_path, kind), tmp_path / "out"
    assert main(["faces", plate, str(out), "--model", parser, "--size", str(SIZE), "--super-res", FAST]) == 0
    crop = read_frame(str(out / "face1.exr"))
    edited = tmp_path / "edited.exr"
    write_frame(str(edited), crop)
    assert main(["faces", plate, str(out), "--put-back", str(edited)]) == 0
    assert same_bits(read_frame(plate), read_frame(str(out / "put_back.exr")))
    channels = crop.parts[0].channels
    channels["R"] = channels["R"].copy()
    channels["R"][56:72, 56:72] += np.asarray(0.25, kind)
    write_frame(str(edited), crop)
    assert main(["faces", plate, str(out), "--put-back", str(edited), "--before", str(out / "face1.exr")]) == 0
    before, after = rgb(read_frame(plate)), rgb(read_frame(str(out / "put_back.exr")))
    changed = before != after
    assert not changed[..., 1:].any() and 20 < changed[..., 0].sum() < 300
    rows, columns = np.nonzero(changed[..., 0])
    square = track_file.load(str(out / "track.json")).tracks[0].places[1].square
    reach = 0.5 * 16 * 2**0.5 * square.side / SIZE + 3
    assert np.hypot(rows + 0.5 - square.y, columns + 0.5 - square.x).max() < reach


def test_crops_that_were_edited_in_place_are_refused(
    tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plate, out = shot(tmp_path), tmp_path / "out"
    assert main(["faces", plate, str(out), "--model", parser, "--size", str(SIZE), "--super-res", FAST]) == 0
    assert main(["faces", plate, str(out), "--put-back", str(out / "face1.exr")]) == 2
    assert FAST in capsys.readouterr().err
    small = read_frame(str(out / "face1.exr"))
    channels = {name: np.ascontiguousarray(plane[::2, ::2]) for name, plane in small.parts[0].channels.items()}
    box = type(small.parts[0].data_window).of_size(SIZE // 2, SIZE // 2)
    write_frame(str(tmp_path / "small.exr"), Frame([type(small.parts[0])(channels, box, box)]))
    assert main(["faces", plate, str(out), "--put-back", str(tmp_path / "small.exr")]) == 11
    assert "at the size at which they were cut" in capsys.readouterr().err


@pytest.mark.parametrize(("model", "code", "word"), [("face_parser_x", 10, "face_parser_x"), ("", 12, "enlarge")])
def test_a_model_that_enlarges_nothing_is_refused(
    tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str], model: str, code: int, word: str
) -> None:
    command = ["faces", shot(tmp_path), str(tmp_path / "out"), "--model", parser, "--super-res", model or parser]
    assert main(command) == code
    assert word in capsys.readouterr().err


def test_the_crop_is_cut_at_the_plates_own_scale_and_the_model_chosen_by_it() -> None:
    assert [own_side(Square(0, 0, side), 1024) for side in (2000.0, 700.2, 40.0)] == [1024, 701, 128]

    def track(side: float) -> list[Track]:
        return [given({1: Square(0, 0, side)}, (1, 2))]

    assert (model_for(track(600), 1024), model_for(track(300), 1024)) == ("superres_x2", "superres_x4")
