"""`bipack demo`: the main job on the real sample frames, and what it says of the result."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import graphs
from bipack.cli import demo
from bipack.cli.main import main
from bipack.imaging import image_io
from bipack.settings import suite_root


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a demo run with a small network, and what it printed."""
    import contextlib
    import io

    folder = tmp_path_factory.mktemp("demo with späce")
    model = graphs.save(graphs.plain_sr(), folder / "net.onnx")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["demo", str(folder / "out"), "--model", model, "--device", "cpu"]) == 0
    return folder / "out", out.getvalue()


def test_it_ends_by_naming_a_picture_that_can_be_opened(shown):
    folder, text = shown
    assert text.splitlines()[-1] == f"Look at {folder / 'contact_sheet.png'}"
    sheet = cv2.imread(str(folder / "contact_sheet.png"))
    assert sheet.shape[1] > 3 * 2 * 320 and sheet.shape[0] > 2 * 180


def test_every_sample_frame_is_cooked_and_twice_as_large(shown):
    names = sorted(path.name for path in (shown[0] / "frames").glob("*.exr"))
    assert names == [f"otter.{frame}.exr" for frame in range(1001, 1010)]
    part = image_io.read_frame(str(shown[0] / "frames" / names[0])).parts[0]
    assert (part.display_window.width, part.display_window.height) == (640, 360)


def test_the_chain_cleans_enlarges_and_slows_down_and_keys_stay_what_they_are(shown):
    chain = shown[0] / "chain"
    names = sorted(path.name for path in (chain / "slow").glob("*.exr"))
    assert names == [f"otter.{frame}.exr" for frame in range(1001, 1010)]
    plate = image_io.read_frame(f"{suite_root()}/samples/otter/otter.1001.exr").parts[0]
    clean = image_io.read_frame(str(chain / "clean/otter.1001.exr")).parts[0]
    assert clean.data_window == plate.data_window
    assert 0 < np.abs(clean.channels["G"].astype(np.float32) - plate.channels["G"]).mean() < 0.05
    for number, source in ((1001, 1001), (1005, 1002), (1009, 1003)):
        slow = image_io.read_frame(str(chain / f"slow/otter.{number}.exr")).parts[0]
        key = image_io.read_frame(str(chain / f"large/otter.{source}.exr")).parts[0]
        assert key.data_window == plate.data_window.scaled(2)
        assert all((slow.channels[name] == channel).all() for name, channel in key.channels.items())
    between = image_io.read_frame(str(chain / "slow/otter.1003.exr")).parts[0].channels
    assert np.abs(between["forward.u"].astype(np.float32)).max() > 0.1
    assert set(np.unique(between["object.id"])) <= set(np.unique(key.channels["object.id"]))


def test_key_ids_overscan_and_metadata_come_along(shown):
    before = image_io.read_frame(f"{suite_root()}/samples/otter/otter.1005.exr").parts[0]
    after = image_io.read_frame(str(shown[0] / "frames/otter.1005.exr")).parts[0]
    assert {name: channel.dtype for name, channel in after.channels.items()} == {
        name: channel.dtype for name, channel in before.channels.items()
    }
    assert after.data_window == before.data_window.scaled(2)
    assert after.attributes["comments"] == before.attributes["comments"]
    assert (after.channels["object.id"][::2, ::2] == before.channels["object.id"]).all()
    assert np.abs(after.channels["A"].astype(np.float32)).max() <= 1


def test_the_notes_tell_what_the_files_hold(shown):
    before = image_io.read_frame(f"{suite_root()}/samples/otter/otter.1005.exr")
    after = image_io.read_frame(str(shown[0] / "frames/otter.1005.exr"))
    notes = demo.what_came_along(before, after)
    assert "peak 3.4" in notes[0]
    assert "object.id uint32" in notes[1] and "Missing" not in notes[1]
    assert "(-14 -6 329 183) became (-28 -12 659 367)" in notes[2]


def test_a_channel_that_was_lost_would_be_named(shown):
    before = image_io.read_frame(f"{suite_root()}/samples/otter/otter.1005.exr")
    after = image_io.read_frame(str(shown[0] / "frames/otter.1005.exr"))
    del after.parts[0].channels["A"]
    assert "Missing: A" in demo.what_came_along(before, after)[1]


def test_an_install_without_samples_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("bipack.settings.suite_root", lambda: str(tmp_path))
    assert main(["demo", str(tmp_path / "out")]) == 10
    assert "not whole" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_a_disk_error(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    model = graphs.save(graphs.plain_sr(), tmp_path / "net.onnx")
    assert main(["demo", str(tmp_path / "file/out"), "--model", model, "--device", "cpu"]) == 15


def test_the_samples_are_what_the_demo_is_to_show():
    folder = Path(suite_root()) / "samples/otter"
    files = sorted(folder.glob("*.exr"))
    assert 8 <= len(files) <= 10
    assert max(path.stat().st_size for path in files) <= 150 * 1024
    part = image_io.read_frame(str(files[4])).parts[0]
    assert part.channels["R"].dtype == np.float16 and part.channels["R"].max() > 3
    assert part.channels["object.id"].dtype == np.uint32
    assert len(np.unique(part.channels["A"])) > 10
    margins = (
        part.display_window.xmin - part.data_window.xmin,
        part.display_window.ymin - part.data_window.ymin,
        part.data_window.xmax - part.display_window.xmax,
        part.data_window.ymax - part.display_window.ymax,
    )
    assert len(set(margins)) == 4
