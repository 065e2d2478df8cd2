"""`bipack faces` from end to end on painted faces, with a parser that reads the paint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import face_plates
from bipack.cli.main import main
from bipack.face_regions import MATTES, REGIONS
from bipack.imaging.faces import track_file
from bipack.imaging.faces.square import Square
from bipack.imaging.frame import Frame
from bipack.imaging.image_io import read_frame, write_frame

HEIGHT, WIDTH = 150, 200
FRAMES = range(1001, 1005)


@pytest.fixture(scope="module")
def parser(tmp_path_factory: pytest.TempPathFactory) -> str:
    return face_plates.write_parser(tmp_path_factory.mktemp("models"))


def place(frame: int) -> tuple[float, float, float, float]:
    """A face that walks and leans."""
    step = frame - 1001
    return (90.0 + 3 * step, 75.0, 48.0, 2.0 * step)


def shot(folder: Path, kind: type = np.float16, shift: tuple[int, int] = (0, 0)) -> str:
    for frame in FRAMES:
        pixels = face_plates.linear(HEIGHT, WIDTH, [place(frame)])
        pixels[2, 3] = [40.0, -0.5, 2.0]
        face_plates.write_plate(folder / f"plate.{frame}.exr", pixels, kind, shift)
    return str(folder / "plate.%04d.exr")


def planes(path: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(plane, np.float32) for name, plane in read_frame(str(path)).parts[0].channels.items()}


def same_bits(first: Frame, second: Frame) -> bool:
    one, two = first.parts[0].channels, second.parts[0].channels
    return list(one) == list(two) and all(np.array_equal(one[n].view(np.uint8), two[n].view(np.uint8)) for n in one)


def test_mattes_crops_and_track_of_a_shot(tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str]) -> None:
    plate, out = shot(tmp_path), tmp_path / "out"
    assert main(["faces", plate, str(out), "--model", parser, "--size", "128"]) == 0
    assert "Face 1: frames 1001-1004." in capsys.readouterr().out
    for frame in FRAMES:
        found = planes(out / f"regions.{frame}.exr")
        assert list(found) == sorted(MATTES) or set(found) == set(MATTES)
        truth = face_plates.regions(HEIGHT, WIDTH, [place(frame)])
        for name, least in (("hair", 0.8), ("mouth", 0.6), ("nose", 0.6), ("cheek_l", 0.5), ("forehead", 0.6)):
            mine, wanted = found[name] > 0.5, truth == REGIONS.index(name)
            assert (mine & wanted).sum() / (mine | wanted).sum() > least, name
        crop = planes(out / f"face1.{frame}.exr")
        assert crop["R"].shape == (128, 128) and set(MATTES) < set(crop)
    header = read_frame(str(out / "regions.1002.exr")).parts[0]
    assert header.attributes["comments"] == "painted" and header.channels["hair"].dtype == np.float16
    tracks = track_file.load(str(out / "track.json"))
    assert (tracks.width, tracks.height) == (WIDTH, HEIGHT) and list(tracks.tracks[0].places) == list(FRAMES)
    assert "BipackFace1_Stabilize" in (out / "track.nk").read_text(encoding="utf-8")
    # The crop is stabilised: the nose stays where it is.
    noses = [np.argwhere(planes(out / f"face1.{frame}.exr")["nose"] > 0.5).mean(0) for frame in FRAMES]
    assert np.ptp(noses, axis=0).max() < 4


def test_an_unedited_crop_put_back_changes_no_bit_and_an_edit_stays_inside(tmp_path: Path, parser: str) -> None:
    for kind in (np.float16, np.float32):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        plate, out = shot(folder, kind), folder / "out"
        assert main(["faces", plate, str(out), "--model", parser, "--size", "96", "--frames", "1001-1002"]) == 0
        crops = str(out / "face1.%04d.exr")
        back = ["faces", plate, str(out), "--put-back", crops, "--frames", "1001-1002"]
        assert main(back) == 0
        for frame in (1001, 1002):
            before = read_frame(str(folder / f"plate.{frame}.exr"))
            assert same_bits(before, read_frame(str(out / f"put_back.{frame}.exr")))
        edited = read_frame(str(out / "face1.1001.exr"))
        edited.parts[0].channels["R"] = edited.parts[0].channels["R"].copy()
        edited.parts[0].channels["R"][40:56, 40:56] += np.asarray(0.25, kind)
        write_frame(str(out / "face1.1001.exr"), edited)
        assert main(back) == 0
        first, last = (planes(path) for path in (folder / "plate.1001.exr", out / "put_back.1001.exr"))
        changed = first["R"] != last["R"]
        assert 100 < changed.sum() < 1500 and np.array_equal(first["G"], last["G"])
        assert (last["R"] - first["R"])[changed].max() == pytest.approx(0.25, abs=0.05)


def test_a_data_window_that_is_not_the_format_moves_nothing(tmp_path: Path, parser: str) -> None:
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    plain, shifted = shot(tmp_path / "a"), shot(tmp_path / "b", shift=(11, 7))
    for plate in (plain, shifted):
        out = str(Path(plate).parent / "out")
        assert main(["faces", plate, out, "--model", parser, "--frames", "1002", "--no-crops"]) == 0
    one, two = (tmp_path / name / "out" / "regions.1002.exr" for name in "ab")
    assert all(np.array_equal(planes(one)[name], planes(two)[name]) for name in MATTES)
    first, second = (track_file.load(str(tmp_path / n / "out" / "track.json")).tracks[0].places[1002] for n in "ab")
    assert (second.square.x - first.square.x, second.square.y - first.square.y) == pytest.approx((11, 7))


def test_no_face_says_so_and_writes_empty_mattes(
    tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str]
) -> None:
    face_plates.write_plate(tmp_path / "plate.exr", face_plates.linear(80, 90, []))
    assert main(["faces", str(tmp_path / "plate.exr"), str(tmp_path / "out"), "--model", parser]) == 0
    assert "No face was found" in capsys.readouterr().out
    assert all(not plane.any() for plane in planes(tmp_path / "out" / "regions.exr").values())
    assert json.loads((tmp_path / "out" / "track.json").read_text(encoding="utf-8"))["faces"] == []


def test_an_artists_track_is_used_as_it_is(tmp_path: Path, parser: str) -> None:
    plate, out = shot(tmp_path), tmp_path / "out"
    corners = " ".join(f"{x} {HEIGHT - y}" for x, y in Square(95, 70, 110).corners()).replace(" ", ",")
    assert main(["faces", plate, str(out), "--model", parser, "--corners", corners, "--size", "64"]) == 0
    places = track_file.load(str(out / "track.json")).tracks[0].places
    assert all((one.square.x, one.square.side) == pytest.approx((95, 110)) for one in places.values())
    again = tmp_path / "again"
    assert main(["faces", plate, str(again), "--model", parser, "--track", str(out / "track.nk"), "--size", "64"]) == 0
    for frame in FRAMES:
        one, two = (planes(folder / f"regions.{frame}.exr") for folder in (out, again))
        assert max(np.abs(one[name] - two[name]).max() for name in MATTES) < 0.02


def test_resume_keeps_what_is_finished_and_true(
    tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plate, out = shot(tmp_path), tmp_path / "out"
    command = ["faces", plate, str(out), "--model", parser, "--no-crops", "--frames", "1001-1002", "--resume"]
    assert main(command) == 0 and main(command) == 0
    assert "2 of them kept" in capsys.readouterr().out
    assert main([*command, "--feather", "20"]) == 0
    assert "kept" not in capsys.readouterr().out


def test_grey_and_eight_bit_plates_are_taken(tmp_path: Path, parser: str) -> None:
    import cv2

    grey = np.full((70, 90), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "grey.png"), grey)
    cv2.imwrite(str(tmp_path / "color.png"), np.repeat(grey[..., None], 3, 2))
    for name in ("grey.png", "color.png"):
        assert main(["faces", str(tmp_path / name), str(tmp_path / name[:-4]), "--model", parser]) == 0
        assert (tmp_path / name[:-4] / "regions.exr").is_file()


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (["--size", "12"], 2, "--size"),
        (["--steady", "99"], 2, "--steady"),
        (["--corners", "1,2,3"], 2, "eight numbers"),
        (["--corners", "0,0,1,1,0,1,1,0"], 2, "corner pin"),
        (["--track", "none.json"], 10, "none.json"),
        (["--model", "nothing_like_it"], 10, "nothing_like_it"),
        (["--frames", "2001"], 10, "2001"),
        (["--put-back", "none.%04d.exr"], 10, "track"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str], options: list[str], code: int, word: str
) -> None:
    model = [] if "--model" in options else ["--model", parser]
    assert main(["faces", shot(tmp_path), str(tmp_path / "out"), *model, *options]) == code
    assert word in capsys.readouterr().err


def test_a_face_that_is_not_there_cannot_be_chosen(
    tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["faces", shot(tmp_path), str(tmp_path / "out"), "--model", parser, "--face", "3"]) == 2
    assert "faces of this shot are: 1" in capsys.readouterr().err


def test_the_edits_of_several_passes_are_added(tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str]) -> None:
    plate, out = shot(tmp_path, np.float32), tmp_path / "out"
    command = ["faces", plate, str(out), "--frames", "1001"]
    assert main([*command, "--model", parser, "--size", "96"]) == 0
    patterns = []
    for name, channel, first in (("a", "R", 30), ("b", "R", 50), ("c", "G", 40)):
        crop = read_frame(str(out / "face1.1001.exr"))
        plane = crop.parts[0].channels[channel].copy()
        plane[first : first + 16, 40:56] += 0.25
        if name == "b":
            plane[60, 50] = np.nan
        crop.parts[0].channels[channel] = plane
        write_frame(str(tmp_path / f"{name}.1001.exr"), crop)
        patterns += ["--put-back", str(tmp_path / f"{name}.%04d.exr")]

    def changed(*options: str) -> np.ndarray:
        assert main([*command, *options]) == 0
        before, after = planes(tmp_path / "plate.1001.exr"), planes(out / "put_back.1001.exr")
        return np.stack([after[name] - before[name] for name in "RGB"], -1)

    together = changed(*patterns)
    alone = sum(changed(*patterns[index : index + 2]) for index in (0, 2, 4))
    assert np.abs(together - alone).max() < 1e-5 and np.array_equal(together != 0, alone != 0)
    write_frame(str(tmp_path / "c.1001.exr"), read_frame(str(tmp_path / "plate.1001.exr")))
    assert main([*command, *patterns]) == 11
    assert "at the size at which they were cut" in capsys.readouterr().err


def test_a_regions_matte_is_named_by_its_channel(
    tmp_path: Path, parser: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plate, out = shot(tmp_path), tmp_path / "out"
    assert main(["faces", plate, str(out), "--model", parser, "--size", "96", "--frames", "1001"]) == 0
    crop = str(out / "face1.%04d.exr")
    command = ["run", "equalizer", crop, str(tmp_path / "edited.%04d.exr"), "--matte", crop, "--set", "amount3=-2"]
    assert main([*command, "--matte-channel", "nose"]) == 0
    before, after = planes(out / "face1.1001.exr"), planes(tmp_path / "edited.1001.exr")
    changed = (before["R"] != after["R"]) | (before["G"] != after["G"])
    assert changed.any() and (before["nose"][changed] > 0).all() and changed[before["nose"] > 0.8].mean() > 0.5
    assert main([*command, "--matte-channel", "nose", "--channels", "rgb"]) == 0
    alone = planes(tmp_path / "edited.1001.exr")
    assert set(alone) == set("RGB") and all(np.array_equal(alone[name], after[name]) for name in "RGB")
    assert main([*command, "--matte-channel", "beard"]) == 12
    assert "no channel 'beard'" in capsys.readouterr().err
