"""EXR files in and out of the stand-in, checked with the binding itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import OpenEXR
import pytest
import stand_in
from stand_in import exr
from stand_in.errors import NotEvaluated, RenderError

ExrFile = Callable[..., str]


def ramp(height: int, width: int) -> np.ndarray:
    """Distinct values that half floats hold exactly, highest row first."""
    return (np.arange(height * width, dtype=np.float32).reshape(height, width) / 4).astype(np.float16)


def read_back(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    (part,) = OpenEXR.File(str(path), separate_channels=True).parts
    return part.header, {name: channel.pixels for name, channel in part.channels.items()}


@pytest.mark.parametrize(
    ("name", "nuke_names"),
    [
        ("R", ["rgba.red"]),
        ("A", ["rgba.alpha"]),
        ("Y", ["rgba.red", "rgba.green", "rgba.blue"]),
        ("Z", ["depth.Z"]),
        ("depth.Z", ["depth.Z"]),
        ("diffuse.R", ["diffuse.red"]),
        ("diffuse.red", ["diffuse.red"]),
        ("forward.u", ["forward.u"]),
        ("a.b.G", ["a.b.green"]),
    ],
)
def test_channels_of_files_have_nukes_names(name: str, nuke_names: list[str]) -> None:
    assert exr.nuke_names(name) == nuke_names


def test_rows_are_turned_over_and_the_window_keeps_its_place(nuke: ModuleType, exr_file: ExrFile) -> None:
    pixels = ramp(3, 4)
    path = exr_file("a.exr", {"R": pixels}, window=(2, 1), display=(10, 8))
    image = stand_in.evaluate(nuke.nodes.Read(file=path))
    assert (image.bbox.x, image.bbox.y, image.bbox.r, image.bbox.t) == (2, 4, 6, 7)
    assert (image.format.width(), image.format.height()) == (10, 8)
    assert image.sample("rgba.red", 2, 6) == pixels[0, 0]
    assert image.sample("rgba.red", 5, 4) == pixels[2, 3]
    assert np.array_equal(image.stack("rgba.red")[..., 0], pixels)


def test_a_window_unlike_the_display_is_black_outside_and_a_full_one_repeats_its_edge(
    nuke: ModuleType, exr_file: ExrFile
) -> None:
    full = stand_in.evaluate(nuke.nodes.Read(file=exr_file("full.exr", {"R": ramp(3, 4) + 1})))
    part = stand_in.evaluate(nuke.nodes.Read(file=exr_file("part.exr", {"R": ramp(3, 4) + 1}, display=(9, 9))))
    assert full.sample("rgba.red", -3, 1) == full.sample("rgba.red", 0, 1) != 0
    assert part.sample("rgba.red", -3, 7) == 0
    assert (full.outer, part.outer) == (full.bbox, part.bbox.grow(1, 1))


def test_a_node_tells_format_box_channels_and_metadata_of_its_file(nuke: ModuleType, exr_file: ExrFile) -> None:
    path = exr_file("a.exr", {"R": ramp(4, 6), "spec.G": ramp(4, 6)}, pixelAspectRatio=2.0, shot="sq010")
    node = nuke.nodes.Blur(inputs=[nuke.nodes.Read(file=path)])
    assert (node.width(), node.height(), node.pixelAspect()) == (6, 4, 2)
    assert (node.bbox().w(), node.bbox().h()) == (6, 4)
    assert node.channels() == ["rgba.red", "spec.green"]
    meta = node.metadata()
    assert (meta["exr/shot"], meta["input/filename"], meta["input/width"], meta["input/filereader"]) == (
        "sq010",
        path,
        6,
        "exr",
    )
    assert node.metadata("nothing") is None
    assert node.metadata("exr/shot", 5, "main") == "sq010"


def test_a_file_goes_through_read_and_write_unchanged(nuke: ModuleType, exr_file: ExrFile, tmp_path: Path) -> None:
    channels = {name: ramp(5, 7) for name in ("R", "G", "B", "A", "depth.Z", "spec.R")}
    channels["R"] = np.full((5, 7), -3.5, np.float16)
    channels["G"] = np.full((5, 7), np.inf, np.float16)
    path = exr_file("in.exr", channels, window=(-1, 2), display=(4, 9), pixelAspectRatio=1.5)
    out = tmp_path / "out.exr"
    read = nuke.nodes.Read(file=path)
    write = nuke.nodes.Write(file=out.as_posix(), channels="all", inputs=[read])
    nuke.execute(write, 1, 1)
    header, written = read_back(out)
    assert [list(corner) for corner in header["dataWindow"]] == [[-1, 2], [5, 6]]
    assert [list(corner) for corner in header["displayWindow"]] == [[0, 0], [3, 8]]
    assert header["pixelAspectRatio"] == 1.5
    assert set(written) == {"R", "G", "B", "A", "depth.Z", "spec.red"}
    for name, pixels in channels.items():
        same = written["spec.red" if name == "spec.R" else name]
        assert same.dtype == np.float16
        assert np.array_equal(same, pixels)


def test_defaults_of_a_write_are_rgb_half_zip_and_no_new_folders(nuke: ModuleType) -> None:
    node = nuke.nodes.Write()
    found = {name: node[name].value() for name in ("channels", "datatype", "compression", "create_directories")}
    assert found == {
        "channels": "rgb",
        "datatype": "16 bit half",
        "compression": "Zip (1 scanline)",
        "create_directories": False,
    }
    assert node["metadata"].value() == "default metadata"
    assert "DWAB" in node["compression"].values()


@pytest.mark.parametrize(
    ("knobs", "compression", "kind"),
    [
        ({}, OpenEXR.ZIPS_COMPRESSION, np.float16),
        ({"compression": "Zip (16 scanlines)", "datatype": "32 bit float"}, OpenEXR.ZIP_COMPRESSION, np.float32),
        ({"compression": "PIZ Wavelet (32 scanlines)"}, OpenEXR.PIZ_COMPRESSION, np.float16),
    ],
)
def test_datatype_and_compression_are_obeyed(
    nuke: ModuleType, exr_file: ExrFile, tmp_path: Path, knobs: dict[str, str], compression: Any, kind: type
) -> None:
    read = nuke.nodes.Read(file=exr_file("in.exr", {"R": ramp(4, 4), "A": ramp(4, 4)}))
    nuke.execute(nuke.nodes.Write(file=(tmp_path / "out.exr").as_posix(), inputs=[read], **knobs), 1, 1)
    header, written = read_back(tmp_path / "out.exr")
    assert header["compression"] == compression
    assert set(written) == {"R", "G", "B"}
    assert written["R"].dtype == kind
    assert not written["G"].any()


@pytest.mark.parametrize(
    ("mode", "there"),
    [
        ("no metadata", set()),
        ("default metadata", {"nuke/version", "nuke/node_hash", "nuke/full_layer_names"}),
        ("default metadata and exr/*", {"nuke/version", "nuke/node_hash", "nuke/full_layer_names", "shot"}),
    ],
)
def test_metadata_follows_its_knob(
    nuke: ModuleType, exr_file: ExrFile, tmp_path: Path, mode: str, there: set[str]
) -> None:
    read = nuke.nodes.Read(file=exr_file("in.exr", {"R": ramp(2, 2)}, shot="sq010"))
    write = nuke.nodes.Write(file=(tmp_path / "out.exr").as_posix(), metadata=mode, inputs=[read])
    nuke.execute(write, 1, 1)
    header, _ = read_back(tmp_path / "out.exr")
    assert {key for key in header if key.startswith("nuke/") or key == "shot"} == there
    if "nuke/node_hash" in there:
        assert len(header["nuke/node_hash"]) == 16


def test_no_half_file_is_left_when_writing_fails(nuke: ModuleType, exr_file: ExrFile, tmp_path: Path) -> None:
    target = tmp_path / "out.exr"
    target.mkdir()
    read = nuke.nodes.Read(file=exr_file("in.exr", {"R": ramp(2, 2)}))
    with pytest.raises(RuntimeError, match="for writing"):
        nuke.execute(nuke.nodes.Write(file=target.as_posix(), inputs=[read]), 1, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.exr", "out.exr"]


@pytest.fixture
def sequence(nuke: ModuleType, exr_file: ExrFile, tmp_path: Path) -> Any:
    """A Read of frames 11 to 14, of which 13 is missing; a frame's red is its number."""
    for frame in (11, 12, 14):
        exr_file(f"s.{frame:04d}.exr", {c: np.full((2, 2), frame, np.float16) for c in "RGB"})
    node = nuke.nodes.Read(file=f"{tmp_path.as_posix()}/s.%04d.exr")
    for knob, value in (("first", 11), ("last", 14), ("origfirst", 11), ("origlast", 14)):
        node[knob].setValue(value)
    return node


def red(node: Any, frame: float) -> float:
    return stand_in.evaluate(node, frame).sample("rgba.red", 0, 0)


def test_a_missing_frame_is_an_error_or_what_on_error_says(sequence: Any) -> None:
    with pytest.raises(RenderError, match=r"Read1: .*s\.0013\.exr: No such file"):
        red(sequence, 13)
    assert sequence.hasError() is False
    sequence["on_error"].setValue("black")
    assert red(sequence, 13) == 0
    sequence["on_error"].setValue("nearest frame")
    assert red(sequence, 13) in (12, 14)
    sequence["on_error"].setValue("checkerboard")
    assert 0 < red(sequence, 13) < 1


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [("hold", 11, 14), ("loop", 14, 11), ("black", 0, 0), ("bounce", 12, 12)],
)
def test_frames_outside_the_range(sequence: Any, mode: str, before: float, after: float) -> None:
    sequence["on_error"].setValue("nearest frame")
    sequence["before"].setValue(mode)
    sequence["after"].setValue(mode)
    assert red(sequence, 10) == before
    if mode == "bounce":
        assert red(sequence, 16) == after
    else:
        assert red(sequence, 15) == after


def test_frames_are_renumbered(sequence: Any) -> None:
    sequence["frame"].setValue("frame+1")
    assert red(sequence, 11) == 12
    sequence["frame_mode"].setValue("start at")
    sequence["frame"].setValue("14")
    assert red(sequence, 11) == 14


def test_a_switch_asks_only_for_what_it_shows(nuke: ModuleType, sequence: Any) -> None:
    good = nuke.nodes.Constant(channels="rgb", color=[7, 7, 7, 1])
    switch = nuke.nodes.Switch(inputs=[good, sequence])
    assert red(switch, 13) == 7
    switch["which"].setValue(1)
    with pytest.raises(RenderError):
        red(switch, 13)
    nuke.frame(13)
    assert switch.hasError()


def test_other_frames_reach_the_file(nuke: ModuleType, sequence: Any) -> None:
    assert red(nuke.nodes.TimeOffset(inputs=[sequence], time_offset=2), 14) == 12
    hold = nuke.nodes.FrameHold(inputs=[sequence], firstFrame=11)
    assert red(hold, 14) == 11
    clip = nuke.nodes.TimeClip(inputs=[sequence], first=11, last=12, after="loop")
    assert red(clip, 13) == 11
    assert nuke.nodes.TimeOffset(inputs=[sequence], time_offset=2).firstFrame() == 13
    blend = nuke.nodes.FrameBlend(inputs=[sequence], userange=True, startframe=11, endframe=12)
    assert red(blend, 11) == 11.5


def test_a_damaged_file_is_an_error_with_its_name(nuke: ModuleType, tmp_path: Path, exr_file: ExrFile) -> None:
    whole = Path(exr_file("a.exr", {"R": ramp(40, 40)}))
    for name, data in (("zero.exr", b""), ("text.exr", b"no picture"), ("cut.exr", whole.read_bytes()[:-300])):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(RenderError, match=name):
            stand_in.evaluate(nuke.nodes.Read(file=(tmp_path / name).as_posix()))


def test_a_write_may_read_its_own_file(nuke: ModuleType, sequence: Any, tmp_path: Path) -> None:
    write = nuke.nodes.Write(file=(tmp_path / "w.%04d.exr").as_posix(), inputs=[sequence])
    nuke.execute(write, 11, 11)
    write.setInput(0, None)
    write["reading"].setValue(True)
    assert red(write, 11) == 11
    with pytest.raises(RenderError):
        red(write, 12)
    write.setInput(0, sequence)
    write["on_error"].setValue("read input")
    assert red(write, 12) == 12


def test_proxies_are_smaller_and_rendered_from_full_size_files(
    nuke: ModuleType, exr_file: ExrFile, tmp_path: Path
) -> None:
    read = nuke.nodes.Read(file=exr_file("in.exr", {"R": ramp(4, 8)}))
    nuke.root()["proxy_type"].setValue("scale")
    nuke.root()["proxy_scale"].setValue(0.5)
    nuke.root().setProxy(True)
    image = stand_in.evaluate(read)
    assert (image.format.width(), image.format.height(), image.bbox.width) == (4, 2, 4)
    assert image.stack("rgba.red")[0, 0, 0] == pytest.approx(ramp(4, 8)[:2, :2].mean())
    nuke.execute(nuke.nodes.Write(file=(tmp_path / "out.exr").as_posix(), inputs=[read]), 1, 1)
    assert read_back(tmp_path / "out.exr")[1]["R"].shape == (2, 4)
    nuke.root().setProxy(False)
    assert stand_in.evaluate(read).format.width() == 8
    assert stand_in.evaluate(read, proxy_scale=0.5).format.width() == 4


def test_integer_files_become_linear_unless_raw(nuke: ModuleType, tmp_path: Path) -> None:
    import cv2

    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0] = (10, 128, 255)  # blue, green, red
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    node = nuke.nodes.Read(file=(tmp_path / "a.png").as_posix())
    image = stand_in.evaluate(node)
    assert image.sample("rgba.red", 0, 1) == pytest.approx(1)
    assert image.sample("rgba.green", 0, 1) == pytest.approx(0.2158605, abs=1e-6)
    node["raw"].setValue(True)
    assert stand_in.evaluate(node).sample("rgba.green", 0, 1) == pytest.approx(128 / 255)


def test_a_matte_is_raw_and_auto_alpha_is_one(nuke: ModuleType, exr_file: ExrFile) -> None:
    node = nuke.nodes.Read(file=exr_file("a.exr", {"R": ramp(2, 2)}), auto_alpha=True)
    assert stand_in.evaluate(node).sample("rgba.alpha", 0, 0) == 1


@pytest.mark.parametrize(
    ("knob", "value"), [("autocrop", True), ("colorspace", "sRGB"), ("frame", "frame-1"), ("file_type", "jpeg")]
)
def test_what_the_stand_in_cannot_write_it_refuses(
    nuke: ModuleType, exr_file: ExrFile, tmp_path: Path, knob: str, value: Any
) -> None:
    read = nuke.nodes.Read(file=exr_file("a.exr", {"R": ramp(2, 2)}))
    write = nuke.nodes.Write(file=(tmp_path / "o.exr").as_posix(), inputs=[read])
    write[knob].setValue(value)
    with pytest.raises(NotEvaluated):
        nuke.execute(write, 1, 1)


def test_a_filename_filter_reaches_reads_and_writes(nuke: ModuleType, exr_file: ExrFile, tmp_path: Path) -> None:
    path = exr_file("real.exr", {"R": ramp(2, 2) + 1})
    nuke.addFilenameFilter(lambda name: name.replace("$SHOW", tmp_path.as_posix()))
    read = nuke.nodes.Read(file="\\$SHOW/real.exr")
    assert red(read, 1) != 0
    nuke.execute(nuke.nodes.Write(file="\\$SHOW/out.exr", inputs=[read]), 1, 1)
    assert (tmp_path / "out.exr").exists()
    assert Path(path).exists()
