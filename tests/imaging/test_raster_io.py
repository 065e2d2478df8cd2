"""PNG, JPEG and TIFF: colors in the right order, alpha and 16 bit kept, damage found."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from bipack.errors import CorruptInput, DiskError, MissingInput
from bipack.imaging import image_io
from bipack.imaging.frame import Box, Frame, Part

HEIGHT, WIDTH = 18, 25


def codes(names: str, dtype: type, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    return {name: random.integers(0, top + 1, (HEIGHT, WIDTH)).astype(dtype) for name in names}


def frame(names: str, dtype: type, file_type: str) -> Frame:
    box = Box.of_size(WIDTH, HEIGHT)
    return Frame([Part(codes(names, dtype), box, box)], "srgb", file_type, np.dtype(dtype).itemsize * 8)


def round_trip(tmp_path: Path, made: Frame, extension: str) -> Frame:
    path = str(tmp_path / f"plâte 1{extension}")
    image_io.write_frame(path, made)
    return image_io.read_frame(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("names", ["RGB", "RGBA", "Y"])
@pytest.mark.parametrize(("extension", "file_type"), [(".png", "png"), (".tif", "tiff"), (".TIFF", "tiff")])
def test_every_code_of_every_channel_comes_back(tmp_path, dtype, names, extension, file_type):
    made = frame(names, dtype, file_type)
    found = round_trip(tmp_path, made, extension)
    assert (found.file_type, found.transfer, found.bit_depth) == (file_type, "srgb", np.dtype(dtype).itemsize * 8)
    assert list(found.parts[0].channels) == list(names)
    for name, stored in made.parts[0].channels.items():
        assert found.parts[0].channels[name].dtype == dtype
        np.testing.assert_array_equal(found.parts[0].channels[name], stored)


def test_red_is_red_to_other_programs_too(tmp_path):
    path = tmp_path / "red.png"
    box = Box.of_size(2, 2)
    channels = {name: np.full((2, 2), value, np.uint8) for name, value in (("R", 200), ("G", 30), ("B", 7))}
    image_io.write_frame(str(path), Frame([Part(channels, box, box)], "srgb", "png", 8))
    blue, green, red = cv2.imread(str(path))[0, 0]
    assert (red, green, blue) == (200, 30, 7)


def test_a_jpeg_is_close_and_keeps_full_color_resolution(tmp_path):
    box = Box.of_size(32, 32)
    columns = np.arange(32) // 4 % 2
    channels = {
        "R": np.broadcast_to(columns * 200, (32, 32)).astype(np.uint8),
        "G": np.full((32, 32), 90, np.uint8),
        "B": np.broadcast_to((1 - columns) * 200, (32, 32)).astype(np.uint8),
    }
    found = round_trip(tmp_path, Frame([Part(channels, box, box)], "srgb", "jpeg", 8), ".jpg")
    for name, stored in channels.items():
        assert np.abs(found.parts[0].channels[name].astype(int) - stored).max() < 25


def test_a_jpeg_leaves_alpha_out_and_says_so(tmp_path, caplog):
    found = round_trip(tmp_path, frame("RGBA", np.uint8, "png"), ".jpg")
    assert list(found.parts[0].channels) == ["R", "G", "B"]
    assert "alpha" in caplog.text


def test_16_bit_codes_are_rounded_for_a_jpeg(tmp_path):
    box = Box.of_size(16, 16)
    made = Frame([Part({"Y": np.full((16, 16), 32896 + 100, np.uint16)}, box, box)], "srgb", "png", 16)
    assert (round_trip(tmp_path, made, ".jpg").parts[0].channels["Y"] == 128).all()


def test_grey_with_alpha_becomes_color_with_alpha(tmp_path):
    made = frame("YA", np.uint8, "png")
    found = round_trip(tmp_path, made, ".png").parts[0].channels
    for name in "RGB":
        np.testing.assert_array_equal(found[name], made.parts[0].channels["Y"])
    np.testing.assert_array_equal(found["A"], made.parts[0].channels["A"])


def test_a_float_tiff_is_linear_and_keeps_every_value(tmp_path):
    box = Box.of_size(WIDTH, HEIGHT)
    channels = {
        name: np.random.default_rng(i).normal(0, 1e6, (HEIGHT, WIDTH)).astype(np.float32)
        for i, name in enumerate("RGB")
    }
    found = round_trip(tmp_path, Frame([Part(channels, box, box)], "linear", "tiff", 32), ".tif")
    assert (found.transfer, found.bit_depth) == ("linear", 32)
    for name, stored in channels.items():
        np.testing.assert_array_equal(found.parts[0].channels[name], stored)


def test_color_under_a_transparent_alpha_is_not_multiplied_away(tmp_path):
    # A TIFF that calls its alpha unassociated: libtiff would premultiply 8-bit color.
    path = tmp_path / "alpha.tif"
    pixels = np.full((4, 4, 4), 200, np.uint8)
    pixels[..., 3] = 10
    path.write_bytes(plain_tiff(pixels, extra_samples=2))
    found = image_io.read_frame(str(path)).parts[0].channels
    assert {name: int(stored[0, 0]) for name, stored in found.items()} == {"R": 200, "G": 200, "B": 200, "A": 10}


def plain_tiff(pixels: np.ndarray, extra_samples: int | None = None) -> bytes:
    """An uncompressed TIFF of uint8 (height, width, samples), built by hand."""
    height, width, samples = pixels.shape
    data = pixels.tobytes()
    bits_at = 8 + len(data)
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, samples, bits_at), (259, 3, 1, 1),
        (262, 3, 1, 2 if samples >= 3 else 1), (273, 4, 1, 8), (277, 3, 1, samples), (278, 4, 1, height),
        (279, 4, 1, len(data)),
    ]  # fmt: skip
    if extra_samples is not None:
        entries.append((338, 3, 1, extra_samples))
    bits = struct.pack(f"<{max(samples, 3)}H", *[8] * max(samples, 3))
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    if samples <= 2:
        directory = directory.replace(struct.pack("<HHII", *entries[2]), struct.pack("<HHIHH", 258, 3, samples, 8, 8))
    return b"II*\0" + struct.pack("<I", bits_at + len(bits)) + data + bits + directory


def test_a_tiff_whose_channels_cannot_all_be_read_is_refused(tmp_path):
    path = tmp_path / "grey_alpha.tif"
    path.write_bytes(plain_tiff(np.full((4, 4, 2), 90, np.uint8), extra_samples=2))
    with pytest.raises(CorruptInput, match="2 samples a pixel"):
        image_io.read_frame(str(path))


@pytest.mark.parametrize(
    ("extension", "dtype"),
    [(".png", np.uint8), (".png", np.uint16), (".jpg", np.uint8), (".tif", np.uint8), (".tif", np.uint16)],
)
class TestDamage:
    def made(self, tmp_path: Path, extension: str, dtype: type) -> tuple[Path, bytes]:
        path = tmp_path / f"plate{extension}"
        image_io.write_frame(str(path), frame("RGB", dtype, "png"))
        return path, path.read_bytes()

    def refused(self, path: Path) -> str:
        with pytest.raises(CorruptInput) as error:
            image_io.read_frame(str(path))
        assert str(path) in str(error.value)
        return str(error.value)

    def test_a_file_cut_off_anywhere_is_corrupt(self, tmp_path, extension, dtype):
        path, data = self.made(tmp_path, extension, dtype)
        for length in [*range(0, 120, 5), *range(120, len(data), max(1, len(data) // 40)), len(data) - 1]:
            path.write_bytes(data[:length])
            self.refused(path)

    def test_an_empty_file_says_so(self, tmp_path, extension, dtype):
        path, _ = self.made(tmp_path, extension, dtype)
        path.write_bytes(b"")
        assert "empty" in self.refused(path)

    def test_another_kind_of_file_is_refused_with_a_hint(self, tmp_path, extension, dtype):
        path, _ = self.made(tmp_path, extension, dtype)
        path.write_bytes(b"GIF89a" + bytes(100))
        assert "extension" in self.refused(path)

    def test_a_flipped_bit_in_the_picture_is_found_where_the_format_can_tell(self, tmp_path, extension, dtype):
        if extension == ".jpg":
            pytest.skip("JPEG has no checksum")
        path, data = self.made(tmp_path, extension, dtype)
        for position in np.random.default_rng(0).integers(60, len(data) - 400, 60):
            damaged = bytearray(data)
            damaged[position] ^= 4
            path.write_bytes(damaged)
            self.refused(path)

    def test_the_pixel_cap_holds(self, tmp_path, extension, dtype):
        path, _ = self.made(tmp_path, extension, dtype)
        assert image_io.read_frame(str(path), max_pixels=HEIGHT * WIDTH)
        with pytest.raises(CorruptInput, match="BIPACK_MAX_PIXELS"):
            image_io.read_frame(str(path), max_pixels=HEIGHT * WIDTH - 1)

    def test_the_size_is_known_from_the_header(self, tmp_path, extension, dtype):
        path, _ = self.made(tmp_path, extension, dtype)
        assert image_io.probe(str(path)).parts[0].data_window == Box.of_size(WIDTH, HEIGHT)

    def test_the_same_frame_gives_the_same_bytes(self, tmp_path, extension, dtype):
        path, data = self.made(tmp_path, extension, dtype)
        path.unlink()
        assert self.made(tmp_path, extension, dtype)[1] == data


def test_a_png_that_claims_a_huge_picture_is_refused_before_it_is_decoded(tmp_path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)))
    with pytest.raises(CorruptInput, match="100000x100000"):
        image_io.read_frame(str(path))


def test_a_missing_file_is_a_missing_input(tmp_path):
    with pytest.raises(MissingInput, match=r"nowhere\.png"):
        image_io.read_frame(str(tmp_path / "nowhere.png"))


def test_an_unwritable_folder_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError):
        image_io.write_frame(str(tmp_path / "file" / "plate.png"), frame("RGB", np.uint8, "png"))


def test_a_progressive_jpeg_with_metadata_is_measured_right(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow comes with the [train] extra")
    stream = io.BytesIO()
    exif = image.Exif()
    exif[0x010E] = "x" * 5000
    image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(stream, "JPEG", progressive=True, exif=exif)
    path = tmp_path / "p.jpg"
    path.write_bytes(stream.getvalue())
    assert image_io.probe(str(path)).parts[0].data_window == Box.of_size(WIDTH, HEIGHT)
    assert image_io.read_frame(str(path)).parts[0].channels["R"].shape == (HEIGHT, WIDTH)
