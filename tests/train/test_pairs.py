from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bipack.errors import MissingInput, UsageError
from bipack.imaging.image_io import write_frame
from bipack_train import pairs
from bipack_train.dataset import PairPool, Sampling
from bipack_train.verify import picture_frame
from painted import shot, write


def test_pairs_are_matched_by_frame_number_and_unpainted_frames_are_told(tmp_path: Path) -> None:
    before, after = write(tmp_path, range(1001, 1005))
    (tmp_path / "after" / "after.1003.exr").unlink()
    matched = pairs.match(before, after)
    assert [files.frame for files in matched.pairs] == [1001, 1002, 1004]
    assert matched.unpainted == (1003,)


def test_an_after_without_a_before_is_told(tmp_path: Path) -> None:
    before, after = write(tmp_path)
    (tmp_path / "before" / "before.1002.exr").unlink()
    matched = pairs.match(before, after)
    assert matched.only_after == (1002,)
    assert [files.frame for files in matched.pairs] == [1001, 1003]


def test_two_hundred_pairs_are_all_learned_from(tmp_path: Path) -> None:
    before, after = write(tmp_path, range(1001, 1201), size=(32, 40), dots=1)
    read = [pairs.read(files) for files in pairs.match(before, after).pairs]
    assert len(read) == 200
    pool = PairPool(read, Sampling(side=16, batch=8), seed=1)
    drawn = {number for step in range(250) for number in [pool._cut(np.random.default_rng(step), True)[0]]}
    assert len(drawn) > 120
    assert pool.batch(0).before.isfinite().all()


def test_pixels_that_are_not_finite_never_reach_the_network(tmp_path: Path) -> None:
    before, after = write(tmp_path, range(1001, 1002))
    broken, _, _ = shot(1001)
    broken[30:40, 30:50] = np.nan
    broken[5, 5] = np.inf
    write_frame(str(tmp_path / "before" / "before.1001.exr"), picture_frame(broken.astype(np.float32), half=True))
    pool = PairPool([pairs.read(files) for files in pairs.match(before, after).pairs], Sampling(side=32), seed=1)
    for step in range(4):
        batch = pool.batch(step)
        assert batch.before.isfinite().all() and batch.after.isfinite().all() and batch.matte.isfinite().all()


def test_folders_and_sequences_may_be_mixed(tmp_path: Path) -> None:
    _, after = write(tmp_path)
    assert len(pairs.match(str(tmp_path / "before"), after).pairs) == 3


def test_two_single_files_are_a_pair_whatever_their_numbers(tmp_path: Path) -> None:
    write(tmp_path)
    matched = pairs.match(str(tmp_path / "before/before.1001.exr"), str(tmp_path / "after/after.1002.exr"))
    assert len(matched.pairs) == 1


def test_sides_without_a_common_frame_are_refused(tmp_path: Path) -> None:
    before, _ = write(tmp_path / "one", range(1001, 1003))
    _, after = write(tmp_path / "two", range(1005, 1007))
    with pytest.raises(MissingInput, match="same frame numbers"):
        pairs.match(before, after)


def test_frames_that_were_asked_for_and_not_painted_are_refused(tmp_path: Path) -> None:
    before, after = write(tmp_path)
    with pytest.raises(MissingInput, match="1007"):
        pairs.match(before, after, frames="1001,1007")


def test_a_pair_of_two_sizes_is_refused(tmp_path: Path) -> None:
    before, after = write(tmp_path)
    pixels = shot(1001, (64, 64))[1].astype(np.float32)
    write_frame(str(tmp_path / "after" / "after.1001.exr"), picture_frame(pixels))
    with pytest.raises(UsageError, match=r"88x72.*64x64"):
        pairs.read(pairs.match(before, after).pairs[0])


def test_nan_pixels_are_counted_and_kept_out_of_the_matte(tmp_path: Path) -> None:
    before, after = write(tmp_path, range(1001, 1002))
    pixels = shot(1001)[0].astype(np.float32)
    pixels[10:12, 10:13] = np.nan
    write_frame(str(tmp_path / "before" / "before.1001.exr"), picture_frame(pixels, half=True))
    pair = pairs.read(pairs.match(before, after).pairs[0])
    assert pair.bad_pixels == 6
    assert np.isfinite(pair.before).all()
    assert not pair.matte[10:12, 10:13].any()


def test_the_artists_matte_replaces_the_difference(tmp_path: Path) -> None:
    before, after = write(tmp_path, range(1001, 1002))
    matte = np.zeros((72, 88, 1), np.float32)
    matte[20:40, 20:40] = 0.5
    write_frame(str(tmp_path / "matte" / "matte.1001.exr"), picture_frame(matte))
    matched = pairs.match(before, after, matte=str(tmp_path / "matte"))
    pair = pairs.read(matched.pairs[0])
    assert pair.given_matte
    assert set(np.unique(pair.matte)) == {0, 128}


def test_neighbours_are_the_nearest_frames_that_exist(tmp_path: Path) -> None:
    before, after = write(tmp_path)
    first = pairs.match(before, after, offsets=(0, -1, 1)).pairs[0]
    assert [Path(path).name for path in first.around] == ["before.1001.exr", "before.1002.exr"]
    pair = pairs.read(first)
    assert len(pair.around) == 2 and pair.around[0].shape == pair.before.shape


@pytest.mark.parametrize(
    ("name", "number"),
    [("plate.1001.exr", 1001), ("sc010_v02.0007.png", 7), ("a-12.exr", 12), ("plate.-5.exr", -5), ("plain.exr", None)],
)
def test_the_frame_number_is_the_last_run_of_digits(name: str, number: int | None) -> None:
    assert pairs._number_of(name) == number
