"""EXR files: every type of channel and attribute, written and read back; stable bytes; threads; stdout left alone."""

from __future__ import annotations

import ctypes
import io
import struct
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from bipack.errors import CorruptInput, DiskError, MissingInput, UsageError
from bipack.imaging import compare, exr_header, exr_io, exr_stdout
from bipack.imaging.frame import Box, Frame, Part

CAP = 1 << 30
HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, 256)


def part(height: int = 20, width: int = 30, names: str = "RGBA", seed: int = 0, **options: object) -> Part:
    random = np.random.default_rng(seed)
    channels = {name: random.normal(0.5, 2, (height, width)).astype(np.float16) for name in names}
    box = Box.of_size(width, height)
    return replace(Part(channels, box, box), **options)


def round_trip(tmp_path: Path, frame: Frame, compression: str = "zip") -> Frame:
    path = str(tmp_path / "frame.exr")
    exr_io.write(path, frame, compression)
    return exr_io.read(path, CAP)


def attribute_round_trip(tmp_path: Path, name: str, value: object) -> object:
    return round_trip(tmp_path, Frame([part(attributes={name: value})])).parts[0].attributes[name]


def test_all_65536_halves_come_back_bit_for_bit(tmp_path):
    box = Box.of_size(256, 256)
    found = round_trip(tmp_path, Frame([Part({"Y": HALVES}, box, box)]))
    np.testing.assert_array_equal(found.parts[0].channels["Y"].view(np.uint16), HALVES.view(np.uint16))


def test_half_float_and_uint_lie_side_by_side_in_their_own_types(tmp_path):
    mixed = part()
    mixed.channels["depth.Z"] = np.linspace(-1e30, 1e38, 600, dtype=np.float32).reshape(20, 30)
    mixed.channels["id"] = np.arange(2**32 - 600, 2**32, dtype=np.uint32).reshape(20, 30)
    found = round_trip(tmp_path, Frame([mixed]))
    assert compare.differences(Frame([mixed]), replace(found, parts=[_in_order(found.parts[0], mixed)])) == [
        "part 0: attribute pixelAspectRatio is new",
        "part 0: attribute screenWindowCenter is new",
        "part 0: attribute screenWindowWidth is new",
    ]


def _in_order(found: Part, like: Part) -> Part:
    """EXR sorts channels by name."""
    return replace(found, channels={name: found.channels[name] for name in like.channels})


def test_parts_keep_their_names_views_and_windows(tmp_path):
    display = Box(0, 0, 99, 79)
    parts = [
        part(
            20, 30, "RGB", 1, data_window=Box(-5, 7, 24, 26), display_window=display, attributes={"name": "rgba.left"}
        ),
        part(8, 9, "Z", 2, data_window=Box(50, 60, 58, 67), display_window=display, attributes={"name": "depth"}),
    ]
    parts[0].attributes["view"] = "left"
    found = round_trip(tmp_path, Frame(parts)).parts
    assert [item.name for item in found] == ["rgba.left", "depth"]
    assert found[0].attributes["view"] == "left"
    assert [item.data_window for item in found] == [item.data_window for item in parts]
    assert [item.display_window for item in found] == [display, display]
    for old, new in zip(parts, found):
        for name in old.channels:
            assert compare.same_pixels(old.channels[name], new.channels[name])


def test_subsampled_channels_keep_their_size_and_bits(tmp_path):
    random = np.random.default_rng(0)
    channels = {
        "Y": random.random((20, 30)).astype(np.float16),
        "RY": random.random((10, 15)).astype(np.float16),
        "BY": random.random((20, 10)).astype(np.float32),
    }
    box = Box(2 * 6, 2 * 4, 2 * 6 + 29, 2 * 4 + 19)
    sampled = Part(channels, box, box, subsampling={"RY": (2, 2), "BY": (3, 1)}, perceptual=frozenset({"RY"}))
    found = round_trip(tmp_path, Frame([sampled])).parts[0]
    assert found.subsampling == sampled.subsampling
    assert found.perceptual == sampled.perceptual
    for name, pixels in channels.items():
        assert compare.same_pixels(pixels, found.channels[name])


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a[::-1],
        lambda a: a[:, ::-1],
        lambda a: a.T,
        lambda a: a[3:13, 5:15],
        lambda a: a[::2, ::2],
        lambda a: np.asfortranarray(a),
        lambda a: np.stack([a, a + 1, a + 2], axis=-1)[..., 1],
        lambda a: np.broadcast_to(a[0], a.shape),
    ],
)
def test_an_array_that_is_not_contiguous_is_written_right(tmp_path, view):
    pixels = view(np.random.default_rng(0).random((24, 24)).astype(np.float16))
    box = Box.of_size(pixels.shape[1], pixels.shape[0])
    found = round_trip(tmp_path, Frame([Part({"Y": pixels}, box, box)]))
    assert compare.same_pixels(np.ascontiguousarray(pixels), found.parts[0].channels["Y"])


@pytest.mark.parametrize("compression", [name for name in exr_io.COMPRESSIONS if name[:2] not in ("b4", "dw")])
def test_lossless_compressions_lose_nothing(tmp_path, compression):
    frame = Frame([part(70, 40)])
    found = round_trip(tmp_path, frame, compression)
    for name, pixels in frame.parts[0].channels.items():
        assert compare.same_pixels(pixels, found.parts[0].channels[name])


def test_zip_with_16_lines_is_what_is_written_unless_told_otherwise(tmp_path):
    path = str(tmp_path / "frame.exr")
    exr_io.write(path, Frame([part()]))
    assert exr_header.read_headers(path)[0].attributes["compression"].value == b"\x03"


def test_an_unknown_compression_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="zstd"):
        exr_io.write(str(tmp_path / "frame.exr"), Frame([part()]), "zstd")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bipack/key", "0123abcd"),
        ("comments", "Zoë, 漢字"),
        ("empty", ""),
        ("nuke/full_layer_names", 0),
        ("negative", -(2**31)),
        ("isoSpeed", 100.5),
        ("double", np.array([np.pi])),
        ("v2i", np.array([1, -2], np.int32)),
        ("v2f", np.array([1.5, -2], np.float32)),
        ("v2d", np.array([1.5, -2])),
        ("v3i", np.array([1, 2, 3], np.int32)),
        ("v3f", np.array([1, 2, 3], np.float32)),
        ("v3d", np.array([1.0, 2, 3])),
        ("m33f", np.arange(9, dtype=np.float32).reshape(3, 3)),
        ("m33d", np.arange(9.0).reshape(3, 3)),
        ("worldToCamera", np.arange(16, dtype=np.float32).reshape(4, 4)),
        ("m44d", np.arange(16.0).reshape(4, 4)),
        ("box2i", (np.array([0, 1], np.int32), np.array([2, 3], np.int32))),
        ("box2f", (np.array([0, 1], np.float32), np.array([2, 3], np.float32))),
        ("multiView", ["right", "left", ""]),
        ("floats", [1.0, 2.5, -3.0]),
        ("one float", [1.0]),
        ("chromaticities", tuple(float(np.float32(v)) for v in (0.64, 0.33, 0.3, 0.6, 0.15, 0.06, 0.3127, 0.329))),
        ("framesPerSecond", Fraction(24000, 1001)),
        ("timeCode", OpenEXR.TimeCode(23, 59, 58, 22, 1, 0, 1, 0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 8)),
        ("keyCode", OpenEXR.KeyCode(1, 2, 3, 4, 5, 4, 64)),
        ("envmap", OpenEXR.ENVMAP_LATLONG),
        ("private", OpenEXR.OpaqueAttribute(b"\0\1\2\xff", "ourType")),
        ("bytes", OpenEXR.Bytes(b"\0\xff", "hint")),
        ("a very long name of an attribute, more than thirty-one characters", "kept"),
    ],
)
def test_every_type_of_attribute_comes_back(tmp_path, name, value):
    assert compare.same_attribute(value, attribute_round_trip(tmp_path, name, value))


def test_a_preview_picture_comes_back(tmp_path):
    preview = OpenEXR.PreviewImage(3, 2)
    preview.pixels["r"] = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert compare.same_attribute(preview, attribute_round_trip(tmp_path, "preview", preview))


def test_numpy_scalars_and_python_bools_may_be_added(tmp_path):
    assert attribute_round_trip(tmp_path, "count", np.int64(3)) == 3
    assert attribute_round_trip(tmp_path, "value", np.float32(1.5)) == 1.5
    assert attribute_round_trip(tmp_path, "flag", True) == 1


def test_what_exr_has_no_word_for_is_written_as_text_and_logged(tmp_path, caplog):
    assert attribute_round_trip(tmp_path, "big", 2**40) == str(2**40)
    assert attribute_round_trip(tmp_path, "map", {"a": 1}) == "{'a': 1}"
    assert attribute_round_trip(tmp_path, "ids", np.arange(5)) == "[0 1 2 3 4]"
    assert caplog.text.count("written as text") == 3


def test_a_tile_description_of_its_own_name_is_left_out_and_logged(tmp_path, caplog):
    found = round_trip(tmp_path, Frame([part(attributes={"ourTiles": OpenEXR.TileDescription(), "owner": "x"})]))
    assert "ourTiles" not in found.parts[0].attributes
    assert found.parts[0].attributes["owner"] == "x"
    assert "ourTiles" in caplog.text


def test_latin_1_text_is_read_and_comes_back_as_utf_8(tmp_path):
    path = tmp_path / "latin.exr"
    attributes = {"owner": "Zo#", "multiView": ["d#r", "left"]}
    exr_io.write(str(path), Frame([part(attributes=attributes)]))
    path.write_bytes(path.read_bytes().replace(b"Zo#", b"Zo\xeb").replace(b"d#r", b"d\xfcr"))
    found = exr_io.read(str(path), CAP)
    assert found.parts[0].attributes["owner"] == "Zoë"
    assert found.parts[0].attributes["multiView"] == ["dür", "left"]
    assert not compare.differences(found, round_trip(tmp_path, found))


@pytest.mark.parametrize("raw", [(24, 0), (48000, 2002), (0, 7)])
def test_a_fraction_keeps_the_numbers_it_was_written_with(tmp_path, raw):
    value = OpenEXR.OpaqueAttribute(struct.pack("<iI", *raw), "rational")
    path = str(tmp_path / "frame.exr")
    exr_io.write(path, Frame([part(attributes={"rate": value})]))
    again = str(tmp_path / "again.exr")
    exr_io.write(again, exr_io.read(path, CAP))
    assert exr_header.read_headers(again)[0].attributes["rate"].value == struct.pack("<iI", *raw)


def test_an_empty_list_keeps_its_type(tmp_path):
    path = str(tmp_path / "frame.exr")
    exr_io.write(path, Frame([part(attributes={"multiView": OpenEXR.OpaqueAttribute(b"", "stringvector")})]))
    exr_io.write(path, exr_io.read(path, CAP))
    assert exr_header.read_headers(path)[0].attributes["multiView"].type == "stringvector"


def test_pixel_aspect_is_kept(tmp_path):
    assert attribute_round_trip(tmp_path, "pixelAspectRatio", 2.0) == 2.0


def test_a_tiled_mip_mapped_file_becomes_scan_lines_with_the_same_pixels(tmp_path):
    tiles = OpenEXR.TileDescription()
    tiles.xSize = tiles.ySize = 16
    tiles.mode = OpenEXR.ONE_LEVEL
    pixels = np.random.default_rng(0).random((50, 37)).astype(np.float16)
    path = str(tmp_path / "tiled.exr")
    OpenEXR.File(
        {"type": OpenEXR.tiledimage, "tiles": tiles, "compression": OpenEXR.ZIP_COMPRESSION}, {"Y": pixels}
    ).write(path)
    frame = exr_io.read(path, CAP)
    assert compare.same_pixels(frame.parts[0].channels["Y"], pixels)
    found = round_trip(tmp_path, frame)
    assert not compare.differences(frame, found)
    assert "tiles" not in exr_header.read_headers(str(tmp_path / "frame.exr"))[0].attributes


def test_lines_stored_from_the_bottom_up_are_read_from_the_top(tmp_path):
    pixels = np.random.default_rng(0).random((50, 37)).astype(np.float16)
    path = str(tmp_path / "down.exr")
    OpenEXR.File({"type": OpenEXR.scanlineimage, "lineOrder": OpenEXR.DECREASING_Y}, {"Y": pixels}).write(path)
    assert compare.same_pixels(exr_io.read(path, CAP).parts[0].channels["Y"], pixels)


def test_the_same_frame_gives_the_same_bytes(tmp_path):
    first, second = tmp_path / "first.exr", tmp_path / "second.exr"
    frame = Frame([part(attributes={"name": "rgba", "owner": "x"})])
    exr_io.write(str(first), frame)
    exr_io.write(str(second), frame)
    assert first.read_bytes() == second.read_bytes()


def test_reading_does_not_change_what_is_written(tmp_path):
    frame = Frame([part(attributes={"name": "rgba", "owner": "x"})])
    exr_io.write(str(tmp_path / "a.exr"), frame)
    exr_io.write(str(tmp_path / "b.exr"), exr_io.read(str(tmp_path / "a.exr"), CAP))
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_paths_with_spaces_and_any_script_work(tmp_path):
    folder = tmp_path / "a b ü 漢"
    path = str(folder / "plâte 1.exr")
    exr_io.write(path, Frame([part()]))
    assert exr_io.read(path, CAP).source == path


def test_a_missing_file_is_a_missing_input(tmp_path):
    with pytest.raises(MissingInput, match=r"nowhere\.exr"):
        exr_io.read(str(tmp_path / "nowhere.exr"), CAP)


def test_a_folder_is_a_missing_input(tmp_path):
    with pytest.raises(MissingInput, match="folder"):
        exr_io.read(str(tmp_path), CAP)


def test_a_channel_of_another_size_is_refused_before_anything_is_written(tmp_path):
    wrong = part()
    wrong.channels["A"] = np.zeros((5, 5), np.float16)
    with pytest.raises(UsageError, match="'A'"):
        exr_io.write(str(tmp_path / "frame.exr"), Frame([wrong]))
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_exr_does_not_know_is_refused(tmp_path):
    wrong = part()
    wrong.channels["A"] = np.zeros((20, 30), np.float64)
    with pytest.raises(UsageError, match="float64"):
        exr_io.write(str(tmp_path / "frame.exr"), Frame([wrong]))


def test_a_full_disk_is_a_disk_error_and_the_old_frame_stays(tmp_path, monkeypatch):
    path = tmp_path / "frame.exr"
    exr_io.write(str(path), Frame([part()]))
    before = path.read_bytes()
    monkeypatch.setattr("builtins.open", _open_on_a_full_disk(open))
    with pytest.raises(DiskError, match="disk is full"):
        exr_io.write(str(path), Frame([part(200, 200, seed=2)]))
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def _open_on_a_full_disk(real_open):
    """Files that are opened for writing go to the device that is always full."""

    def opened(path, mode="r", *arguments, **options):
        if "w" in mode:
            real_open(path, "wb").close()
            return real_open("/dev/full", mode, buffering=0)
        return real_open(path, mode, *arguments, **options)

    return opened


if not Path("/dev/full").exists():
    test_a_full_disk_is_a_disk_error_and_the_old_frame_stays = pytest.mark.skip("this system has no /dev/full")(
        test_a_full_disk_is_a_disk_error_and_the_old_frame_stays
    )


def test_a_folder_that_cannot_be_made_is_a_disk_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DiskError, match="could not be written"):
        exr_io.write(str(tmp_path / "file" / "frame.exr"), Frame([part()]))


def test_threads_may_read_and_write_at_the_same_time(tmp_path):
    frames = [Frame([part(60, 80, seed=seed)]) for seed in range(8)]

    def work(number: int) -> list[str]:
        path = str(tmp_path / f"{number}.exr")
        found = []
        for _ in range(3):
            exr_io.write(path, frames[number])
            again = exr_io.read(path, CAP)
            found += [
                n
                for n, c in frames[number].parts[0].channels.items()
                if not compare.same_pixels(c, again.parts[0].channels[n])
            ]
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [[]] * 8


def test_nothing_of_the_library_reaches_stdout_when_a_frame_is_damaged(tmp_path, capsys):
    path = tmp_path / "frame.exr"
    exr_io.write(str(path), Frame([part(100, 100)]))
    path.write_bytes(path.read_bytes()[:-300])
    stdout = sys.stdout
    with pytest.raises(CorruptInput):
        exr_io.read(str(path), CAP)
    assert sys.stdout is stdout
    assert capsys.readouterr().out == ""


def test_other_threads_keep_printing_while_a_damaged_frame_is_read(tmp_path, monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", said)
    printed = threading.Event()
    with exr_stdout.kept_off_stdout():
        other = threading.Thread(target=lambda: (sys.stdout.write("protocol\n"), printed.set()))
        other.start()
        other.join()
        sys.stdout.write("noise of the library\n")
    assert printed.is_set()
    assert said.getvalue() == "protocol\n"
    assert sys.stdout is said


def test_zip_is_written_at_the_fast_level(tmp_path: Path) -> None:
    """The level is set through the library's C interface; a later level would give a smaller file of other bytes."""
    random = np.random.default_rng(0)
    pixels = (np.linspace(0, 1, 256 * 256).reshape(256, 256) + random.normal(0, 0.01, (256, 256))).astype(np.float16)
    window = Box.of_size(256, 256)
    frame = Frame([Part({"Y": pixels}, window, window)])
    exr_io.write(str(tmp_path / "ours.exr"), frame)
    level = ctypes.CDLL(OpenEXR.__file__).exr_set_default_zip_compression_level
    try:
        level(9)
        exr_io.write(str(tmp_path / "hard.exr"), frame)
    finally:
        level(exr_io.ZIP_LEVEL)
    assert (tmp_path / "hard.exr").stat().st_size < (tmp_path / "ours.exr").stat().st_size
    np.testing.assert_array_equal(exr_io.read(str(tmp_path / "ours.exr"), CAP).parts[0].channels["Y"], pixels)
