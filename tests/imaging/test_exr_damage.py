"""Damaged, hostile and unsupported EXR files: always our own error that names the file, never a crash or a guess."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from bipack.errors import CorruptInput
from bipack.imaging import compare, exr_header, exr_io
from bipack.imaging.frame import Box, Frame, Part

CAP = 1 << 30
HEIGHT, WIDTH = 96, 128


def good_frame(parts: int = 1) -> Frame:
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    picture = np.sin(columns / 9) * 0.5 + 0.5 + rows / 97
    box = Box.of_size(WIDTH, HEIGHT)
    made = []
    for number in range(parts):
        channels = {
            name: (picture + index + random.integers(0, 8, picture.shape) / 256).astype(np.float16)
            for index, name in enumerate("RGB")
        }
        made.append(Part(channels, box, box, {"name": f"part{number}"} if parts > 1 else {}))
    return Frame(made)


@pytest.fixture(params=[1, 2], ids=["one part", "two parts"])
def good(request, tmp_path) -> tuple[Path, bytes, Frame]:
    path = tmp_path / "frame.exr"
    exr_io.write(str(path), good_frame(request.param))
    return path, path.read_bytes(), exr_io.read(str(path), CAP)


def pixel_start(data: bytes, chunks: int) -> tuple[int, int]:
    """(start of the offset table, start of the pixel data): the table's first entry points right behind it."""
    for start in range(100, len(data) - 8 * chunks):
        if struct.unpack_from("<Q", data, start)[0] == start + 8 * chunks:
            return start, start + 8 * chunks
    raise AssertionError("no offset table")


def refused(path: Path) -> str:
    with pytest.raises(CorruptInput) as error:
        exr_io.read(str(path), CAP)
    message = str(error.value)
    assert str(path) in message
    return message


def test_a_file_cut_off_anywhere_is_corrupt(good):
    path, data, _ = good
    for length in [*range(0, 400, 13), *range(400, len(data), len(data) // 60), len(data) - 1]:
        path.write_bytes(data[:length])
        refused(path)


def test_an_empty_file_says_that_it_is_empty(tmp_path):
    path = tmp_path / "empty.exr"
    path.write_bytes(b"")
    assert "empty" in refused(path)


def test_another_kind_of_file_is_corrupt(tmp_path):
    path = tmp_path / "not.exr"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1000))
    assert "does not start as an EXR" in refused(path)


def test_any_flipped_bit_in_the_pixels_is_found(good):
    path, data, frame = good
    _, start = pixel_start(data, len(frame.parts) * HEIGHT // 16)
    random = np.random.default_rng(1)
    for _ in range(100):
        damaged = bytearray(data)
        damaged[random.integers(start, len(data))] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        refused(path)


def test_a_zeroed_block_is_found(good):
    path, data, frame = good
    _, start = pixel_start(data, len(frame.parts) * HEIGHT // 16)
    for first in np.random.default_rng(2).integers(start, len(data) - 512, 20):
        path.write_bytes(data[:first] + bytes(512) + data[first + 512 :])
        refused(path)


def test_a_damaged_offset_table_gives_the_right_pixels_or_an_error(good):
    path, data, frame = good
    table, start = pixel_start(data, len(frame.parts) * HEIGHT // 16)
    random = np.random.default_rng(3)
    for _ in range(40):
        damaged = bytearray(data)
        damaged[random.integers(table, start)] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            found = exr_io.read(str(path), CAP)
        except CorruptInput:
            continue
        assert not compare.differences(frame, found)


def test_noise_behind_a_good_beginning_is_corrupt(good):
    path, data, _ = good
    random = np.random.default_rng(4)
    for kept in (4, 8, 20, 100, 300):
        for _ in range(6):
            path.write_bytes(data[:kept] + random.bytes(int(random.integers(1, 4000))))
            refused(path)


def test_no_damage_to_the_header_does_more_than_raise_our_error(good):
    path, data, frame = good
    table, _ = pixel_start(data, len(frame.parts) * HEIGHT // 16)
    random = np.random.default_rng(5)
    for _ in range(120):
        damaged = bytearray(data)
        damaged[random.integers(0, table)] ^= 1 << random.integers(8)
        path.write_bytes(damaged)
        try:
            exr_io.read(str(path), CAP)
        except CorruptInput as error:
            assert str(path) in str(error)


def with_window(data: bytes, box: tuple[int, int, int, int]) -> bytes:
    """The file with another data window in its header."""
    found = data.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    return data[:found] + struct.pack("<4i", *box) + data[found + 16 :]


def test_a_tiny_file_that_claims_a_huge_picture_is_refused_before_memory_is_asked_for(good):
    path, data, _ = good
    path.write_bytes(with_window(data, (0, 0, 200_000 - 1, 100_000 - 1)))
    assert "BIPACK_MAX_PIXELS" in refused(path)


def test_a_claim_below_the_cap_is_held_against_the_length_of_the_file(good):
    path, data, _ = good
    path.write_bytes(with_window(data, (0, 0, 0, 1_000_000 - 1)))
    assert "bytes long" in refused(path)


@pytest.mark.parametrize(
    "box", [(0, 0, -1, 10), (5, 5, 4, 4), (0, 0, 2**31 - 1, 2**31 - 1), (-(2**31), 0, 2**31 - 1, 9)]
)
def test_a_window_that_makes_no_sense_is_corrupt(good, box):
    path, data, _ = good
    path.write_bytes(with_window(data, box))
    refused(path)


def test_the_cap_is_the_largest_part_that_is_read(tmp_path):
    path = str(tmp_path / "frame.exr")
    exr_io.write(path, good_frame())
    assert exr_io.read(path, HEIGHT * WIDTH).parts
    with pytest.raises(CorruptInput, match=f"{WIDTH}x{HEIGHT}"):
        exr_io.read(path, HEIGHT * WIDTH - 1)


def test_a_deep_file_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "deep.exr"
    samples = np.empty((4, 5), object)
    for y in range(4):
        for x in range(5):
            samples[y, x] = np.array([0.5, 1.0], np.float16)
    OpenEXR.File({"type": OpenEXR.deepscanline, "compression": OpenEXR.ZIPS_COMPRESSION}, {"Z": samples}).write(
        str(path)
    )
    assert "DeepToImage" in refused(path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"compression\0", b"compressiox\0"),
        (b"channels\0chlist\0", b"channelz\0chlist\0"),
        (b"displayWindow\0box2i\0", b"displayWindow\0box2f\0"),
    ],
)
def test_a_header_without_what_every_exr_has_is_corrupt(good, old, new):
    path, data, _ = good
    assert old in data
    path.write_bytes(data.replace(old, new))
    refused(path)


def test_an_attribute_that_claims_to_be_longer_than_the_file_is_corrupt(good):
    path, data, _ = good
    size = data.index(b"compression\0compression\0") + len(b"compression\0compression\0")
    for claim in (-1, 2**31 - 1, len(data)):
        path.write_bytes(data[:size] + struct.pack("<i", claim) + data[size + 4 :])
        refused(path)


def test_the_header_tells_all_without_a_pixel(good):
    path, data, frame = good
    _, start = pixel_start(data, len(frame.parts) * HEIGHT // 16)
    path.write_bytes(data[:start])
    headers = exr_header.read_headers(str(path))
    assert [[(c.name, c.type) for c in header.channels] for header in headers] == [
        [("B", "half"), ("G", "half"), ("R", "half")] for _ in frame.parts
    ]
    assert [header.data_window for header in headers] == [part.data_window for part in frame.parts]
