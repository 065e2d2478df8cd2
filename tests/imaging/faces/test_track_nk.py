"""The nodes are read by the stand-in for Nuke, and its pictures compared with Bipack's own crops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bipack.errors import CorruptInput, MissingInput
from bipack.face_regions import POINTS
from bipack.imaging.faces import crop, nuke_track, track_nk
from bipack.imaging.faces.square import Square
from bipack.imaging.faces.track import Found, Track, given, link
from bipack.imaging.faces.track_file import TrackFile
from nuke_fixture import start_nuke  # noqa: F401

HEIGHT, WIDTH, SIZE = 90, 120, 64
SQUARES = {1001: Square(60.5, 40.25, 50, 8), 1002: Square(63.0, 42.5, 52, 6), 1005: Square(70, 45, 60, -4)}
FRAMES = range(1001, 1006)


@pytest.fixture
def track() -> Track:
    return given(SQUARES, FRAMES)


@pytest.fixture
def script(track: Track, tmp_path: Path) -> str:
    path = tmp_path / "track.nk"
    track_nk.save(str(path), TrackFile(WIDTH, HEIGHT, [track]), SIZE)
    return str(path)


def smooth_picture() -> np.ndarray:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    return np.stack([np.sin(columns / 13) + 1, np.cos(rows / 11) + 1, columns / WIDTH], -1).astype(np.float32)


def test_nuke_cuts_the_same_crop_and_puts_it_back_in_its_place(
    script: str,
    track: Track,
    tmp_path: Path,
    start_nuke: Callable[..., ModuleType],  # noqa: F811
) -> None:
    import OpenEXR
    import stand_in

    nuke = start_nuke(gui=False)
    pixels = smooth_picture()
    path = tmp_path / "plate.exr"
    OpenEXR.File({}, {"RGB": pixels}).write(str(path))
    nuke.scriptReadFile(script)
    read = nuke.nodes.Read(file=path.as_posix())
    nuke.toNode("BipackFace1_Stabilize").setInput(0, read)
    names = ("rgba.red", "rgba.green", "rgba.blue")
    for frame in (1001, 1003):
        seen = stand_in.evaluate(nuke.toNode("BipackFace1_Crop"), frame).stack(*names)
        ours = crop.cut(pixels, track.places[frame].square, SIZE)
        assert seen.shape == ours.shape
        assert np.abs(seen - ours)[4:-4, 4:-4].max() < 0.02
        back = stand_in.evaluate(nuke.toNode("BipackFace1_PutBack"), frame).stack(*names)
        row, column = (round(value) for value in (track.places[frame].square.y, track.places[frame].square.x))
        patch = slice(row - 10, row + 10), slice(column - 10, column + 10)
        # The put-back has the crop's format; only its overlap with the plate is compared.
        flipped = back[back.shape[0] - HEIGHT :] if back.shape[0] >= HEIGHT else None
        if flipped is not None:
            assert np.abs(flipped[patch] - pixels[patch]).max() < 0.05


def test_points_become_a_tracker_that_is_read_back(tmp_path: Path, start_nuke: Callable[..., ModuleType]) -> None:  # noqa: F811
    shape = np.array([[20, -10], [-20, -10], [0, 10], [15, 32], [-15, 32]], np.float64)
    tracks = link({frame: [Found(shape + np.array([60 + frame, 40]), 90.0, 0.9)] for frame in range(1, 4)})
    path = tmp_path / "track.nk"
    track_nk.save(str(path), TrackFile(WIDTH, HEIGHT, tracks), SIZE)
    nuke = start_nuke(gui=False)
    nuke.scriptReadFile(str(path))
    text = nuke.toNode("BipackFace1_Tracker")["tracks"].toScript()
    assert all(f'"{name}"' in text for name in POINTS)
    back = nuke_track.load(str(path), HEIGHT, range(1, 4))
    for frame, place in tracks[0].places.items():
        found = back.places[frame].square
        assert (found.x, found.angle) == pytest.approx((place.square.x, place.square.angle), abs=0.5)
        assert found.side == pytest.approx(place.square.side, rel=0.15)


def test_our_own_corner_pin_is_read_back_to_a_thousandth(script: str, track: Track) -> None:
    back = nuke_track.load(script, HEIGHT, FRAMES)
    for frame in FRAMES:
        one, two = track.places[frame].square, back.places[frame].square
        assert (two.x, two.y, two.side, two.angle) == pytest.approx((one.x, one.y, one.side, one.angle), abs=1e-3)


def test_keys_without_a_frame_follow_frame_by_frame(tmp_path: Path) -> None:
    path = tmp_path / "pin.nk"
    path.write_text(
        "CornerPin2D {\n to1 {{curve x10 0 1 2} {curve x10 0}}\n to2 {{curve x10 100 101 102} 0}\n"
        " to3 {{curve x10 100 101 102} 100}\n to4 {{curve x10 0 1 2} 100}\n name Pin\n}\n",
        encoding="utf-8",
    )
    found = nuke_track.load(str(path), 200, [10, 11, 12]).places
    assert [place.square.x for place in found.values()] == pytest.approx([50, 51, 52])
    assert found[10].square.y == pytest.approx(150) and found[10].square.angle == pytest.approx(0)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("Blur {\n name a\n}\n", "no such node"),
        ("CornerPin2D {\n name a\n}\n", "CornerPin2D"),
        ("CornerPin2D {\n to1 {{parent.a} 0}\n to2 {1 0}\n to3 {1 1}\n to4 {0 1}\n}\n", "bake"),
        ("CornerPin2D {\n to1 {0 0}\n", "brace"),
        ("Tracker4 {\n tracks {{ 1 31 1 } { a } { {1 b {curve x1 5} {curve x1 5} } } }\n}\n", "1 tracks"),
    ],
)
def test_a_script_without_a_track_says_what_it_holds(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "bad.nk"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorruptInput, match=word):
        nuke_track.load(str(path), 100, [1])
    with pytest.raises(MissingInput):
        nuke_track.load(str(tmp_path / "none.nk"), 100, [1])
