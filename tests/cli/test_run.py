"""`bipack run` as a TD meets it: exit codes, one sentence on stderr, and nothing finished is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import graphs
from bipack.cli.main import main
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import read_frame, write_frame
from plates import plate, write_sequence


@pytest.fixture
def identity(tmp_path: Path) -> str:
    return str(graphs.save(graphs.identity(channels=3), tmp_path / "identity.onnx"))


def run(*words: str) -> int:
    return main(["run", *words, "--device", "cpu"])


def sentence(capsys: Any) -> str:
    """The one line on stderr."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("bipack: ")]
    assert len(lines) == 1, lines
    return lines[0]


def test_an_identity_returns_every_channel_bit_for_bit(identity: str, tmp_path: Path, capsys: Any) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "out" / "r.####.exr")
    assert run(identity, pattern, output) == 0
    for frame in (1001, 1002, 1003):
        before, after = read_frame(pattern % frame).parts[0], read_frame(output.replace("####", str(frame))).parts[0]
        assert list(before.channels) == list(after.channels)
        for name, pixels in before.channels.items():
            assert pixels.dtype == after.channels[name].dtype
            np.testing.assert_array_equal(pixels, after.channels[name])
        assert (before.data_window, before.display_window) == (after.data_window, after.display_window)
    assert "3 of 3 frames done" in capsys.readouterr().out


def test_nan_and_inf_come_back_where_they_were(identity: str, tmp_path: Path) -> None:
    frame = plate()
    red = frame.parts[0].channels["R"]
    red[4, 4], red[5, 5], red[6, 6] = np.nan, np.inf, -np.inf
    write_frame(str(tmp_path / "p.exr"), frame)
    assert run(identity, str(tmp_path / "p.exr"), str(tmp_path / "r.exr")) == 0
    np.testing.assert_array_equal(read_frame(str(tmp_path / "r.exr")).parts[0].channels["R"], red)


def test_a_model_of_scale_two_doubles_every_channel_and_window(tmp_path: Path) -> None:
    model = str(graphs.save(graphs.identity(channels=3, scale=2), tmp_path / "double.onnx"))
    pattern, output = write_sequence(tmp_path, range(1001, 1002)), str(tmp_path / "r.%04d.exr")
    assert run(model, pattern, output) == 0
    before, after = read_frame(pattern % 1001).parts[0], read_frame(output % 1001).parts[0]
    assert after.data_window == before.data_window.scaled(2) and after.display_window == before.display_window.scaled(2)
    assert set(after.channels) == set(before.channels)
    for name, pixels in before.channels.items():
        assert after.channels[name].shape == (pixels.shape[0] * 2, pixels.shape[1] * 2)
        assert after.channels[name].dtype == pixels.dtype
    np.testing.assert_array_equal(after.channels["G"], before.channels["G"].repeat(2, 0).repeat(2, 1))


def test_a_matte_keeps_the_result_inside_it(tmp_path: Path) -> None:
    model = str(graphs.save(graphs.plain_sr(scale=1, layers=2, channels=4, seed=3), tmp_path / "m.onnx"))
    write_frame(str(tmp_path / "p.exr"), plate())
    matte = np.zeros((24, 40), np.float16)
    matte[10:14, 12:20] = 1
    part = plate().parts[0]
    write_frame(str(tmp_path / "matte.exr"), Frame([Part({"A": matte}, part.data_window, part.display_window)]))
    assert run(model, str(tmp_path / "p.exr"), str(tmp_path / "r.exr"), "--matte", str(tmp_path / "matte.exr")) == 0
    before = read_frame(str(tmp_path / "p.exr")).parts[0].channels["R"]
    after = read_frame(str(tmp_path / "r.exr")).parts[0].channels["R"]
    np.testing.assert_array_equal(before[matte == 0], after[matte == 0])
    assert (before[matte == 1] != after[matte == 1]).mean() > 0.9


@pytest.mark.parametrize("extension", ["png", "tiff"])
def test_sixteen_bit_files_pass_an_identity_bit_for_bit(identity: str, tmp_path: Path, extension: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30, 4), np.uint16)
    cv2.imwrite(str(tmp_path / f"p.{extension}"), pixels)
    assert run(identity, str(tmp_path / f"p.{extension}"), str(tmp_path / f"r.{extension}")) == 0
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / f"r.{extension}"), cv2.IMREAD_UNCHANGED), pixels)


def test_json_prints_one_object_a_line(identity: str, tmp_path: Path, capsys: Any) -> None:
    pattern = write_sequence(tmp_path)
    assert run(identity, pattern, str(tmp_path / "r.%04d.exr"), "--json") == 0
    kinds = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert kinds.count("FrameDone") == 3 and kinds[-1] == "JobDone"


def test_a_bare_onnx_says_that_it_is_unverified(identity: str, tmp_path: Path, capsys: Any) -> None:
    assert run(identity, write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")) == 0
    assert "unverified" in capsys.readouterr().out


def test_missing_frames_end_with_10(identity: str, tmp_path: Path, capsys: Any) -> None:
    pattern = write_sequence(tmp_path)
    assert run(identity, pattern, str(tmp_path / "r.%04d.exr"), "--frames", "1001-1005") == 10
    assert "1004-1005" in sentence(capsys)


def test_no_input_at_all_ends_with_10(identity: str, tmp_path: Path, capsys: Any) -> None:
    assert run(identity, str(tmp_path / "none.%04d.exr"), str(tmp_path / "r.%04d.exr")) == 10
    assert "none.%04d.exr" in sentence(capsys)


def _zeroed(data: bytes) -> bytes:
    return b""


def _truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _bit_flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x10]) + data[middle + 1 :]


@pytest.mark.parametrize("damage", [_zeroed, _truncated, _bit_flipped])
def test_damaged_exr_ends_with_11_and_keeps_what_was_finished(
    identity: str, tmp_path: Path, capsys: Any, damage: Any
) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    path = Path(pattern % 1003)
    path.write_bytes(damage(path.read_bytes()))
    assert run(identity, pattern, output) == 11
    assert "plate.1003.exr" in sentence(capsys)
    assert os.path.exists(output % 1001) and os.path.exists(output % 1002) and not os.path.exists(output % 1003)


def test_a_plate_of_two_channels_ends_with_12_and_says_what_is_needed(
    identity: str, tmp_path: Path, capsys: Any
) -> None:
    window, plane = Box(0, 0, 9, 9), np.ones((10, 10), np.float16)
    write_frame(str(tmp_path / "rg.exr"), Frame([Part({"R": plane, "G": plane}, window, window, {}, {})]))
    assert run(identity, str(tmp_path / "rg.exr"), str(tmp_path / "r.exr")) == 12
    told = sentence(capsys)
    assert "3 channels" in told and "rg.exr" in told


def test_a_plate_of_one_channel_is_a_grey_picture(identity: str, tmp_path: Path) -> None:
    window = Box(0, 0, 9, 9)
    plane = np.random.default_rng(0).normal(0.5, 2, (10, 10)).astype(np.float16)
    write_frame(str(tmp_path / "y.exr"), Frame([Part({"Y": plane}, window, window, {}, {})]))
    assert run(identity, str(tmp_path / "y.exr"), str(tmp_path / "r.exr")) == 0
    np.testing.assert_array_equal(read_frame(str(tmp_path / "r.exr")).parts[0].channels["Y"], plane)


def test_a_file_that_is_no_model_ends_with_12(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "m.onnx").write_bytes(b"these are no weights")
    assert run(str(tmp_path / "m.onnx"), write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")) == 12
    assert "m.onnx" in sentence(capsys)


def test_a_model_that_is_not_there_ends_with_10(tmp_path: Path, capsys: Any) -> None:
    assert run("no_such_model", write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")) == 10
    assert "no_such_model" in sentence(capsys)


@pytest.mark.parametrize("frames", ["banana", "1-", "1-10x0", "1--", "1-99999999"])
def test_a_bad_frame_range_ends_with_2(identity: str, tmp_path: Path, capsys: Any, frames: str) -> None:
    assert run(identity, write_sequence(tmp_path), str(tmp_path / "r.%04d.exr"), f"--frames={frames}") == 2
    assert frames.rstrip("-") in sentence(capsys)


def test_an_output_that_cannot_be_written_ends_with_15(identity: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    assert run(identity, write_sequence(tmp_path), str(tmp_path / "taken" / "r.%04d.exr")) == 15
    assert "taken" in sentence(capsys)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_ends_with_15(identity: str, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    from bipack import atomic

    def on_the_full_disk(path: str) -> str:
        link = os.path.join(os.path.dirname(path), f".full-{os.path.basename(path)}")
        if not os.path.lexists(link):
            os.symlink("/dev/full", link)
        return link

    pattern = write_sequence(tmp_path)
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(atomic, "temporary_beside", on_the_full_disk)
    assert run(identity, pattern, str(tmp_path / "out" / "r.%04d.exr")) == 15
    assert "full" in sentence(capsys)


def test_a_setting_without_equals_ends_with_2(identity: str, tmp_path: Path, capsys: Any) -> None:
    assert run(identity, write_sequence(tmp_path), str(tmp_path / "r.%04d.exr"), "--set", "mix") == 2
    assert "KEY=VALUE" in sentence(capsys)


def test_a_gpu_that_is_not_there_ends_with_13(identity: str, tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert main(["run", identity, write_sequence(tmp_path), str(tmp_path / "r.%04d.exr"), "--require-gpu"]) == 13
    assert sentence(capsys)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_in_the_middle_of_a_frame_and_keeps_finished_ones(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    slow = str(graphs.save(graphs.plain_sr(scale=1, layers=24, channels=48, seed=1), tmp_path / "slow.onnx"))
    pattern = write_sequence(tmp_path, range(1001, 1002))
    write_sequence(tmp_path, range(1002, 1004), width=1800, height=1100)
    command = [sys.executable, "-m", "bipack.cli.main", "run", slow, pattern, str(tmp_path / "r.%04d.exr"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["type"] == "FrameDone":
            break
    time.sleep(0.3)
    began = time.monotonic()
    process.send_signal(number)
    process.stdout.read()
    assert process.wait(timeout=20) == code
    assert time.monotonic() - began < 8
    assert os.path.exists(tmp_path / "r.1001.exr") and not os.path.exists(tmp_path / "r.1003.exr")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp.exr")]


def face_track(path: Path, sides: dict[int, float]) -> str:
    """A face of side / 2.4 pixels on each frame."""
    frames = {str(n): {"crop": {"x": 20, "y": 10, "side": side, "angle": 0}} for n, side in sides.items()}
    data = {"plate": {"width": 40, "height": 24}, "faces": [{"face": 1, "frames": frames}]}
    path.write_text(json.dumps(data))
    return str(path)


def super_res(folder: Path) -> str:
    """A super-res model that repeats pixels."""
    from bipack.card import ModelCard, Port, file_sha256, save

    folder.mkdir()
    path = graphs.save(graphs.identity(scale=2), folder / "model.onnx")
    ends = (Port("input", 3),), (Port("output", 3),)
    card = ModelCard("double", "D", "1", "a test", "model.onnx", file_sha256(path), "image", *ends, scale=2)
    save(card, str(folder))
    return str(folder)


def test_a_face_is_brought_to_the_width_that_was_asked_for(tmp_path: Path, capsys: Any) -> None:
    plates, track = write_sequence(tmp_path), face_track(tmp_path / "t.json", {1001: 24, 1002: 24 * 1.25, 1003: 12})
    flags = ["--face-track", track, "--face-width", "25"]
    out = str(tmp_path / "r.%04d.exr")
    model = super_res(tmp_path / "double")
    assert run(model, plates, out, "--frames", "1001-1002", *flags) == 0
    sizes = {read_frame(out % n).parts[0].display_window.width for n in (1001, 1002)}
    assert sizes == {round(read_frame(plates % 1001).parts[0].display_window.width * 2.5)}
    assert run(model, plates, out, *flags, "--set", "factor=2") == 2
    assert "factor" in sentence(capsys)
    assert run(model, plates, out, "--face-track", track) == 2
    assert "1003" in sentence(capsys)
