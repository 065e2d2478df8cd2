"""DPX through OpenImageIO, an extra."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.imaging import color, compare, image_io, plate
from bipack.imaging.frame import Box, Frame, Part

HEIGHT, WIDTH = 9, 16


def frame(bits: int = 10, transfer: str = "srgb", **attributes: object) -> Frame:
    random = np.random.default_rng(0)
    top = (1 << bits) - 1
    dtype = np.uint8 if bits == 8 else np.uint16
    channels = {}
    for name in "RGB":
        codes = random.integers(0, top + 1, (HEIGHT, WIDTH))
        channels[name] = np.rint(codes * (np.iinfo(dtype).max / top)).astype(dtype)
    box = Box.of_size(WIDTH, HEIGHT)
    return Frame([Part(channels, box, box, dict(attributes))], transfer, "dpx", bits)


def test_without_openimageio_the_error_names_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "OpenImageIO":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    for work in (lambda p: image_io.read_frame(p), lambda p: image_io.write_frame(p, frame()), image_io.probe):
        with pytest.raises(UsageError, match=r"bipack\[io\]"):
            work(str(tmp_path / "plate.dpx"))


class TestWithOpenImageIO:
    @pytest.fixture(autouse=True)
    def _library(self):
        pytest.importorskip("OpenImageIO", reason="OpenImageIO is in the [io] extra")

    @pytest.mark.parametrize("bits", [8, 10, 12, 16])
    def test_every_code_comes_back_at_its_own_depth(self, tmp_path, bits):
        made = frame(bits)
        path = str(tmp_path / "plâte 1.dpx")
        image_io.write_frame(path, made)
        found = image_io.read_frame(path)
        assert (found.file_type, found.bit_depth) == ("dpx", bits)
        top, wide = (1 << bits) - 1, 255 if bits == 8 else 65535
        for name, stored in made.parts[0].channels.items():
            one, other = (np.rint(codes * (top / wide)) for codes in (stored, found.parts[0].channels[name]))
            np.testing.assert_array_equal(one, other)

    def test_an_identity_result_gives_the_same_file(self, tmp_path):
        first, second = tmp_path / "a.dpx", tmp_path / "b.dpx"
        image_io.write_frame(str(first), frame())
        source = image_io.read_frame(str(first))
        taken = plate.take(source)
        image_io.write_frame(str(second), plate.put(source, taken, taken.pixels.copy()))
        assert compare.differences(source, image_io.read_frame(str(second))) == []

    def test_a_log_scan_is_read_through_the_cineon_curve(self, tmp_path):
        path = str(tmp_path / "scan.dpx")
        image_io.write_frame(path, frame(**{"dpx:Transfer": "Printing density"}))
        source = image_io.read_frame(path)
        assert source.transfer == "cineon"
        taken = plate.take(source)
        expected = color.codes_to_linear(source.parts[0].channels["R"], "cineon")
        np.testing.assert_array_equal(taken.pixels[..., 0], expected)
        assert compare.differences(source, plate.put(source, taken, taken.pixels * np.float32(1 + 2e-7))) == []

    def test_a_linear_frame_is_written_as_10_bit_srgb(self, tmp_path):
        box = Box.of_size(WIDTH, HEIGHT)
        half = np.full((HEIGHT, WIDTH), 0.5, np.float16)
        path = str(tmp_path / "plate.dpx")
        image_io.write_frame(path, Frame([Part(dict.fromkeys("RGB", half), box, box)]))
        found = image_io.read_frame(path)
        assert found.bit_depth == 10
        assert abs(int(found.parts[0].channels["G"][0, 0]) / 65535 - 0.735357) < 1 / 1023

    def test_a_cut_off_or_foreign_file_is_corrupt(self, tmp_path):
        path = tmp_path / "plate.dpx"
        image_io.write_frame(str(path), frame())
        data = path.read_bytes()
        for content in (
            b"",
            b"SDPX" + bytes(100),
            data[:1000],
            data[: len(data) - 50],
            b"\x89PNG\r\n\x1a\n" + bytes(99),
        ):
            path.write_bytes(content)
            with pytest.raises(CorruptInput, match=r"plate\.dpx"):
                image_io.read_frame(str(path))

    def test_a_missing_file_is_a_missing_input(self, tmp_path):
        with pytest.raises(MissingInput):
            image_io.read_frame(str(tmp_path / "nowhere.dpx"))

    def test_the_pixel_cap_holds_and_the_size_is_probed(self, tmp_path):
        path = str(tmp_path / "plate.dpx")
        image_io.write_frame(path, frame())
        assert image_io.probe(path).parts[0].display_window == Box.of_size(WIDTH, HEIGHT)
        with pytest.raises(CorruptInput, match="BIPACK_MAX_PIXELS"):
            image_io.read_frame(path, max_pixels=10)

    def test_the_same_frame_gives_the_same_bytes(self, tmp_path):
        path = tmp_path / "plate.dpx"
        image_io.write_frame(str(path), frame())
        first = path.read_bytes()
        image_io.write_frame(str(path), frame())
        assert path.read_bytes() == first
        assert b"plate.dpx" in first
        assert b".tmp" not in first
