from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bipack.errors import UsageError
from bipack.imaging.image_io import write_frame
from bipack_train import pair_checks, pairs
from bipack_train.verify import picture_frame
from painted import shot, write

SIZE = (192, 192)


def read_with(folder: Path, after: np.ndarray, name: str = "after.1001.exr") -> pairs.Pair:
    before, _ = write(folder, range(1001, 1002), size=SIZE)
    (folder / "after" / "after.1001.exr").unlink()
    write_frame(str(folder / "after" / name), picture_frame(after.astype(np.float32)))
    return pairs.read(pairs.match(before, str(folder / "after")).pairs[0])


def texts(pair: pairs.Pair) -> str:
    return "\n".join(f"{finding.level} {finding.text}" for finding in pair_checks.check_pairs([pair]))


def grained(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) + np.random.default_rng(5).normal(0, 0.002, pixels.shape)


def test_a_good_pair_gives_no_warning(tmp_path: Path) -> None:
    assert "warning" not in texts(read_with(tmp_path, grained(shot(1001, SIZE)[1])))


def test_an_after_that_was_moved_is_found_with_its_distance(tmp_path: Path) -> None:
    after = shot(1001, SIZE)[1].astype(np.float32)
    moved = cv2.warpAffine(after, np.float32([[1, 0, 0.6], [0, 1, 0]]), SIZE[::-1], flags=2, borderMode=4)
    found = texts(read_with(tmp_path, grained(moved)))
    assert "pixels (x, y) off Before" in found
    offset = float(found.split("After lies ")[1].split(",")[0])
    assert abs(offset - 0.6) < 0.15


def test_a_graded_after_is_found_with_its_channel(tmp_path: Path) -> None:
    graded = grained(shot(1001, SIZE)[1]) * np.array([1.06, 1.0, 1.0])
    assert "graded: R differs" in texts(read_with(tmp_path, graded))


def test_a_grade_that_drifts_across_the_frame_is_found(tmp_path: Path) -> None:
    ramp = 1 + 0.06 * np.linspace(-1, 1, SIZE[1])[None, :, None]
    assert "drifts" in texts(read_with(tmp_path, grained(shot(1001, SIZE)[1]) * ramp))


def test_a_pair_of_unlike_file_types_is_told(tmp_path: Path) -> None:
    after = np.clip(shot(1001, SIZE)[1].astype(np.float32), 0, 1)
    assert "Before is EXR, After PNG" in texts(read_with(tmp_path, after, "after.1001.png"))


def test_identical_pairs_are_an_error_and_leave_nothing_to_learn(tmp_path: Path) -> None:
    pair = read_with(tmp_path, shot(1001, SIZE)[0])
    assert "error" in texts(pair)
    with pytest.raises(UsageError, match="nothing to learn"):
        pair_checks.usable([pair])


def test_one_identical_pair_among_others_is_left_out(tmp_path: Path) -> None:
    same = read_with(tmp_path / "one", shot(1001, SIZE)[0])
    good = read_with(tmp_path / "two", shot(1001, SIZE)[1])
    assert pair_checks.usable([same, good]) == [good]


def test_near_duplicates_are_told(tmp_path: Path) -> None:
    one = read_with(tmp_path / "one", shot(1001, SIZE)[1])
    two = read_with(tmp_path / "two", shot(1001, SIZE)[1])
    found = pair_checks.check_pairs([one, two])
    assert any("nearly the same" in finding.text for finding in found)


def test_a_single_pair_is_told(tmp_path: Path) -> None:
    assert "Only one pair" in texts(read_with(tmp_path, shot(1001, SIZE)[1]))


def test_an_edit_of_the_whole_frame_is_told(tmp_path: Path) -> None:
    lift = cv2.resize(np.random.default_rng(1).uniform(0.1, 0.5, (5, 5)), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    after = shot(1001, SIZE)[1].astype(np.float32) + lift[..., None]
    assert "of the frame differs" in texts(read_with(tmp_path, after))
