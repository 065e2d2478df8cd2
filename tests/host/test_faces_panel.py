"""BipackFaceRegions in the stand-in for Nuke: the plate is written, tracked by a real process, the mattes shown."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import face_plates
from bipack.errors import MissingInput, UsageError
from bipack.face_regions import REGIONS

FRAMES = range(1001, 1003)
HEIGHT, WIDTH = 120, 160
FACE = (80.0, 60.0, 40.0, 0.0)


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch, terminal: Any) -> Any:
    """A BipackFaceRegions on a plate with a painted face."""
    monkeypatch.setenv("BIPACK_PYTHON", sys.executable)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    folder = terminal.folder / "shot"
    folder.mkdir()
    for frame in FRAMES:
        face_plates.write_plate(folder / f"plate.{frame}.exr", face_plates.linear(HEIGHT, WIDTH, [FACE]))
    node = terminal.nuke.createNode("BipackFaceRegions")
    node.setInput(0, terminal.read(str(folder / "plate.%04d.exr"), FRAMES))
    root = terminal.nuke.root()
    root["first_frame"].setValue(FRAMES[0])
    root["last_frame"].setValue(FRAMES[-1])
    root["frame"].setValue(FRAMES[0])
    node["folder"].setValue(str(terminal.folder / "faces").replace("\\", "/"))
    node["model"].setValue(face_plates.write_parser(terminal.folder).replace("\\", "/"))
    node["crops"].setValue(False)
    return node


def alpha(node: Any) -> np.ndarray:
    import stand_in

    return np.asarray(stand_in.evaluate(node, FRAMES[0]).stack("rgba.alpha")[..., 0])


def test_from_plate_to_matte_to_track(terminal: Any, faces: Any) -> None:
    assert alpha(faces).max() == 0
    faces["track"].execute()
    panel = terminal.host("faces_panel")
    folder = panel.FacesNode(faces).folder
    assert panel.wait(faces) == 0, (Path(folder) / panel.LOG).read_text(encoding="utf-8")
    assert faces["status"].value() == "Face 1: frames 1001-1002."
    assert not faces.node("WritePlate")["file"].value() and faces.node("WritePlate")["disable"].value()
    truth = face_plates.regions(HEIGHT, WIDTH, [FACE])
    for region in ("mouth", "hair"):
        faces["region"].setValue(region)
        panel.region_chosen(faces)
        mine, wanted = alpha(faces) > 0.5, truth == REGIONS.index(region)
        assert (mine & wanted).sum() / (mine | wanted).sum() > 0.5, region
    faces["paste_track"].execute()
    assert terminal.nuke.toNode("BipackFace1_PutBack") is not None
    faces["make_read"].execute()
    assert any(node["file"].value().endswith("out/regions.%04d.exr") for node in terminal.nuke.allNodes("Read"))


def test_colors_of_the_plate_pass_and_the_overlay_is_red_where_the_matte_is(terminal: Any, faces: Any) -> None:
    import stand_in

    rgb = ("rgba.red", "rgba.green", "rgba.blue")
    plate = stand_in.evaluate(faces.input(0), FRAMES[0]).stack(*rgb)
    assert np.array_equal(stand_in.evaluate(faces, FRAMES[0]).stack(*rgb), plate)
    faces["track"].execute()
    panel = terminal.host("faces_panel")
    assert panel.wait(faces) == 0
    assert np.array_equal(stand_in.evaluate(faces, FRAMES[0]).stack(*rgb), plate)
    faces["view"].setValue("overlay")
    seen, matte = stand_in.evaluate(faces, FRAMES[0]).stack(*rgb), alpha(faces)
    assert np.array_equal(seen[matte == 0], plate[matte == 0]) and (seen[matte > 0.9, 1] < plate[matte > 0.9, 1]).all()


def test_a_run_that_fails_says_why(terminal: Any, faces: Any) -> None:
    faces["model"].setValue("nothing_like_it")
    faces["track"].execute()
    panel = terminal.host("faces_panel")
    assert panel.wait(faces) == 10
    assert "nothing_like_it" in faces["status"].value()


def test_a_run_can_be_stopped(terminal: Any, faces: Any) -> None:
    panel = terminal.host("faces_panel")
    faces["track"].execute()
    time.sleep(0.3)
    faces["stop"].execute()
    assert panel.wait(faces) in (-15, 143, 0)
    with pytest.raises(UsageError, match="Nothing is running"):
        faces["stop"].execute()


def test_what_is_missing_is_named(terminal: Any, faces: Any) -> None:
    with pytest.raises(MissingInput, match="Track and cut"):
        faces["paste_track"].execute()
    with pytest.raises(MissingInput, match="no matte"):
        faces["show_mattes"].execute()
    faces["use_script_range"].setValue(False)
    faces["first"].setValue(9)
    faces["last"].setValue(5)
    with pytest.raises(UsageError, match="no frame"):
        faces["track"].execute()
    faces.setInput(0, None)
    faces["last"].setValue(10)
    with pytest.raises(UsageError, match="plate input"):
        faces["track"].execute()


def test_an_edited_crop_goes_back_into_the_plate(terminal: Any, faces: Any) -> None:
    from bipack.imaging.image_io import read_frame, write_frame

    panel = terminal.host("faces_panel")
    with pytest.raises(UsageError, match="edited crops"):
        faces["put_back"].execute()
    faces["crops"].setValue(True)
    faces["crop_size"].setValue(96)
    faces["track"].execute()
    assert panel.wait(faces) == 0
    faces["read_crops"].execute()
    folder = Path(panel.FacesNode(faces).folder)
    for frame in FRAMES:
        crop = read_frame(str(folder / "out" / f"face1.{frame}.exr"))
        crop.parts[0].channels["R"] = crop.parts[0].channels["R"] + np.float16(0.5)
        write_frame(str(folder / f"edited.{frame}.exr"), crop)
    faces["edited"].setValue(f"{folder}/edited.%04d.exr".replace("\\", "/"))
    faces["put_back"].execute()
    assert panel.wait(faces) == 0, (folder / panel.LOG).read_text(encoding="utf-8")
    reads = [node["file"].value() for node in terminal.nuke.allNodes("Read")]
    assert sum(name.endswith(("out/face1.%04d.exr", "out/put_back.%04d.exr")) for name in reads) == 2
    first, last = (
        read_frame(str(folder / where / f"{name}.1001.exr")).parts[0].channels
        for where, name in (("plate", "plate"), ("out", "put_back"))
    )
    assert (first["R"] != last["R"]).mean() > 0.1 and np.array_equal(first["G"], last["G"])


def test_super_res_is_asked_for_only_where_crops_are_written(terminal: Any, faces: Any) -> None:
    panel = terminal.host("faces_panel")
    faces["super_res"].setValue(True)
    assert "--super-res" not in panel.arguments(panel.FacesNode(faces))
    faces["crops"].setValue(True)
    assert "--super-res" in panel.arguments(panel.FacesNode(faces))
