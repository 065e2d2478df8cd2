"""The door to files: types by extension, and frames that change from one kind of file to another."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.imaging import color, image_io
from bipack.imaging.frame import Box, Frame, Part


def linear_frame(values: np.ndarray, names: str = "RGB", **options: object) -> Frame:
    box = Box.of_size(values.shape[1], values.shape[0])
    return Frame([Part({name: values.astype(np.float16) for name in names}, box, box, **options)])


def srgb(linear: np.ndarray) -> np.ndarray:
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize(("extension", "top"), [(".png", 65535), (".tif", 65535), (".jpg", 255)])
def test_a_linear_frame_goes_into_integer_files_through_the_srgb_curve(tmp_path, extension, top):
    linear = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float16), (32, 64))
    path = str(tmp_path / f"plate{extension}")
    image_io.write_frame(path, linear_frame(linear))
    found = image_io.read_frame(path).parts[0].channels["G"]
    expected = np.rint(srgb(linear.astype(np.float64)) * top)
    assert np.abs(found - expected).max() <= (3 if extension == ".jpg" else 0)


def test_alpha_is_not_put_through_the_curve(tmp_path):
    path = str(tmp_path / "plate.png")
    image_io.write_frame(path, linear_frame(np.full((4, 4), 0.5), "RGBA"))
    found = image_io.read_frame(path).parts[0].channels
    assert (found["A"] == 32768).all()
    assert (found["R"] == np.rint(srgb(np.array(0.5)) * 65535)).all()


def test_what_an_integer_file_cannot_hold_is_counted_in_the_log(tmp_path, caplog):
    values = np.full((4, 4), 0.5)
    values[0, 0], values[0, 1], values[0, 2] = 4.0, -0.5, np.nan
    path = str(tmp_path / "plate.png")
    image_io.write_frame(path, linear_frame(values))
    found = image_io.read_frame(path).parts[0].channels["R"]
    assert found[0, :3].tolist() == [65535, 0, 0]
    assert "9 samples" in caplog.text
    assert path in caplog.text


def test_a_frame_within_0_and_1_gives_no_warning(tmp_path, caplog):
    image_io.write_frame(str(tmp_path / "plate.png"), linear_frame(np.linspace(0, 1, 16).reshape(4, 4)))
    assert caplog.text == ""


def test_other_layers_are_left_out_of_a_png_and_that_is_said(tmp_path, caplog):
    frame = linear_frame(np.full((4, 4), 0.5))
    frame.parts[0].channels["depth.Z"] = np.ones((4, 4), np.float32)
    image_io.write_frame(str(tmp_path / "plate.png"), frame)
    assert "1 other channels are left out" in caplog.text


def test_a_png_covers_the_display_window(tmp_path):
    values = np.full((4, 6), 1.0)
    frame = linear_frame(values)
    frame.parts[0].data_window = Box(3, -2, 8, 1)
    frame.parts[0].display_window = Box(1, -1, 7, 4)
    path = str(tmp_path / "plate.png")
    image_io.write_frame(path, frame)
    found = image_io.read_frame(path).parts[0].channels["R"]
    expected = np.zeros((6, 7), np.uint16)
    expected[0:3, 2:7] = 65535
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_integer_frame_becomes_linear_half_in_exr(tmp_path, dtype):
    top = np.iinfo(dtype).max
    stored = np.linspace(0, top, 256).round().astype(dtype).reshape(8, 32)
    box = Box.of_size(32, 8)
    frame = Frame([Part({"R": stored, "G": stored, "B": stored, "A": stored}, box, box)], "srgb", "png")
    path = str(tmp_path / "plate.exr")
    image_io.write_frame(path, frame)
    found = image_io.read_frame(path)
    assert (found.transfer, found.file_type) == ("linear", "exr")
    channels = found.parts[0].channels
    assert channels["R"].dtype == np.float16
    np.testing.assert_array_equal(channels["R"], color.codes_to_linear(stored).astype(np.float16))
    np.testing.assert_array_equal(channels["A"], (stored / top).astype(np.float16))


def test_an_8_bit_picture_survives_the_way_through_exr(tmp_path):
    stored = np.arange(256, dtype=np.uint8).reshape(8, 32)
    box = Box.of_size(32, 8)
    frame = Frame([Part({"R": stored, "G": stored, "B": stored}, box, box)], "srgb", "png", 8)
    image_io.write_frame(str(tmp_path / "plate.exr"), frame)
    image_io.write_frame(str(tmp_path / "back.png"), image_io.read_frame(str(tmp_path / "plate.exr")))
    found = image_io.read_frame(str(tmp_path / "back.png")).parts[0].channels["G"]
    np.testing.assert_array_equal(np.rint(found / 257).astype(np.uint8), stored)


def test_a_single_channel_becomes_a_grey_picture(tmp_path):
    path = str(tmp_path / "plate.png")
    image_io.write_frame(path, linear_frame(np.full((4, 4), 1.0), "G"))
    assert list(image_io.read_frame(path).parts[0].channels) == ["Y"]


def test_a_frame_without_a_picture_cannot_become_a_png(tmp_path):
    box = Box.of_size(2, 2)
    frame = Frame([Part({"P.x": np.zeros((2, 2), np.float16), "P.y": np.zeros((2, 2), np.float16)}, box, box)])
    with pytest.raises(UsageError, match="Write EXR instead"):
        image_io.write_frame(str(tmp_path / "plate.png"), frame)


@pytest.mark.parametrize("path", ["plate.gif", "plate", "plate.exr.bak"])
def test_an_unknown_extension_is_a_usage_error(path):
    with pytest.raises(UsageError, match="extension"):
        image_io.read_frame(path)
    with pytest.raises(UsageError, match="extension"):
        image_io.probe(path)


def test_extensions_are_read_in_any_case(tmp_path):
    path = str(tmp_path / "PLATE.EXR")
    image_io.write_frame(path, linear_frame(np.zeros((2, 2))))
    assert image_io.read_frame(path).file_type == "exr"


@pytest.mark.parametrize("extension", [".exr", ".png", ".jpg", ".tif"])
def test_probing_what_is_not_there_is_a_missing_input(tmp_path, extension):
    with pytest.raises(MissingInput):
        image_io.probe(str(tmp_path / f"nowhere{extension}"))


def test_the_pixel_cap_comes_from_the_settings(tmp_path, monkeypatch):
    path = str(tmp_path / "plate.exr")
    image_io.write_frame(path, linear_frame(np.zeros((10, 10))))
    monkeypatch.setenv("BIPACK_MAX_PIXELS", "99")
    with pytest.raises(CorruptInput, match="99 allowed"):
        image_io.read_frame(path)


def test_probing_tells_the_key_of_a_finished_frame_without_decoding(tmp_path):
    noise = np.random.default_rng(0).random((64, 64))
    path = tmp_path / "plate.exr"
    image_io.write_frame(str(path), linear_frame(noise, attributes={"bipack/key": "abc"}))
    path.write_bytes(path.read_bytes()[:-400])
    assert image_io.probe(str(path)).parts[0].attributes["bipack/key"] == "abc"
