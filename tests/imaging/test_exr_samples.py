"""Real EXR files of the OpenEXR project: through Bipack and back without a difference, or refused in plain words.

Three of them lie in tests/data (BSD-3-Clause, see NOTICE); all 22 are read where the shared data folder is at hand.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bipack.errors import CorruptInput, ModelRefused
from bipack.imaging import compare, image_io, plate
from bipack.imaging.frame import Frame

HERE = Path(__file__).resolve()
SHIPPED = sorted((HERE.parents[1] / "data").glob("*.exr"))
SHARED_FOLDER = HERE.parents[2].parent / "shared" / "data" / "exr_samples"
SHARED = sorted(SHARED_FOLDER.glob("*.exr"))
DEEP = {"v2_LowResLeftView_Trunks"}
NO_RGB = {"LuminanceChroma_Flowers", "LuminanceChroma_Garden", "TestImages_WideFloatRange"}

samples = pytest.mark.parametrize(
    "path",
    [
        *SHIPPED,
        *(SHARED or [pytest.param(None, marks=pytest.mark.skip("the shared data folder is not here"))]),
    ],
    ids=lambda path: f"{path.parent.name}/{path.stem}" if path else "shared",
)


def read_or_refuse(path: Path) -> Frame:
    if path.stem in DEEP:
        with pytest.raises(CorruptInput, match="DeepToImage"):
            image_io.read_frame(str(path))
        pytest.skip("deep, and refused with what to do")
    return image_io.read_frame(str(path))


def test_the_shipped_samples_are_here():
    assert len(SHIPPED) == 3


@pytest.mark.skipif(not SHARED, reason="the shared data folder is not here")
def test_all_22_shared_samples_are_here():
    assert len(SHARED) == 22


@samples
def test_a_sample_is_written_back_without_a_difference(path, tmp_path):
    frame = read_or_refuse(path)
    out = str(tmp_path / "out.exr")
    image_io.write_frame(out, frame)
    assert compare.differences(frame, image_io.read_frame(out)) == []


@samples
def test_an_identity_result_gives_the_sample_back_without_a_difference(path, tmp_path):
    frame = read_or_refuse(path)
    channels = 1 if path.stem in NO_RGB else 3
    if channels == 1:
        with pytest.raises(ModelRefused, match=path.stem):
            plate.take(frame)
    taken = plate.take(frame, channels=channels)
    assert taken.pixels.flags.c_contiguous
    image_io.write_frame(str(tmp_path / "out.exr"), plate.put(frame, taken, taken.pixels.copy()))
    assert compare.differences(frame, image_io.read_frame(str(tmp_path / "out.exr"))) == []


@samples
def test_a_sample_grows_to_twice_its_size_with_every_channel_and_window(path):
    if path.stat().st_size > 1_000_000:
        pytest.skip("large; the small ones show it")
    frame = read_or_refuse(path)
    taken = plate.take(frame, channels=1 if path.stem in NO_RGB else 3)
    grown = plate.put(frame, taken, taken.pixels.repeat(2, axis=0).repeat(2, axis=1), scale=2)
    for old, new in zip(frame.parts, grown.parts):
        assert list(new.channels) == list(old.channels)
        assert new.data_window == old.data_window.scaled(2)
        assert new.display_window == old.display_window.scaled(2)
        for name, stored in old.channels.items():
            assert new.channels[name].dtype == stored.dtype
            assert new.channels[name].shape == (stored.shape[0] * 2, stored.shape[1] * 2)


@samples
def test_probing_a_sample_says_what_reading_finds(path):
    info = image_io.probe(str(path))
    if path.stem in DEEP:
        assert all(part.deep for part in info.parts)
        return
    frame = image_io.read_frame(str(path))
    names = {np.dtype(np.float16): "half", np.dtype(np.float32): "float", np.dtype(np.uint32): "uint"}
    assert len(info.parts) == len(frame.parts)
    for told, found in zip(info.parts, frame.parts):
        assert told.channels == {name: names[stored.dtype] for name, stored in found.channels.items()}
        assert (told.name, told.data_window, told.display_window) == (
            found.name,
            found.data_window,
            found.display_window,
        )
        for name, value in told.attributes.items():
            if name in found.attributes:
                assert value == found.attributes[name]
