"""The image path: what is read, in which order it is finished, and what stays after an error."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bipack import messages
from bipack.card import Knob
from bipack.errors import Cancelled, CorruptInput, DiskError, MissingInput, ModelRefused, UsageError
from bipack.imaging.frame import Frame
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker.sequence import run_sequence
from bipack.worker.step import StepControl, StepInput
from plates import plate, write_sequence


class Gain:
    """A real step of a few lines: the sum of its window's frames, times a knob."""

    name = "gain"
    identity = "gain-1"
    knobs = (Knob("gain", "float", 2.0),)
    notices = ("opened for a test",)

    def __init__(self, offsets: tuple[int, ...] = (0,), fail_at: int | None = None) -> None:
        self.frame_offsets = offsets
        self.fail_at = fail_at
        self.cooked: list[int] = []

    def process(self, given: StepInput, control: StepControl) -> Frame:
        if control.cancel.is_set():
            raise Cancelled("stopped")
        if given.frame == self.fail_at:
            raise ModelRefused("this frame cannot be done")
        self.cooked.append(given.frame)
        control.progress(0.5)
        base = given.frames[0]
        total = sum(np.float32(picture.parts[0].channels["R"]) for picture in given.frames.values())
        channels = dict(base.parts[0].channels)
        channels["R"] = (total * given.knobs["gain"]).astype(np.float16)
        return Frame([dataclasses.replace(base.parts[0], channels=channels), *base.parts[1:]])

    def close(self) -> None:
        pass


def request(pattern: str, output: str, **changes: Any) -> messages.Render:
    frames = changes.pop("frames", (1001, 1002, 1003))
    return messages.Render("job", "gain", pattern, output, frames=frames, **changes)


def cook(wanted: messages.Render, step: Gain | None = None, cancel: threading.Event | None = None) -> list[Any]:
    """Run and return all messages; the closing one last."""
    heard: list[Any] = []
    closing = run_sequence(wanted, step or Gain(), heard.append, cancel or threading.Event())
    return [*heard, closing]


def red(path: str) -> np.ndarray:
    return np.float32(read_frame(path).parts[0].channels["R"])


def test_every_frame_is_processed_and_written(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "out" / "result.####.exr")
    heard = cook(request(pattern, output))
    assert [m.frame for m in heard if isinstance(m, messages.FrameDone)] == [1001, 1002, 1003]
    assert heard[-1].done == 3 and heard[-1].skipped == 0
    for frame in (1001, 1002, 1003):
        before = red(pattern % frame)
        np.testing.assert_array_equal(red(str(tmp_path / "out" / f"result.{frame}.exr")), np.float16(before * 2))


def test_metadata_of_the_plate_survives_and_ours_is_added(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    cook(request(pattern, output))
    attributes = read_frame(output % 1002).parts[0].attributes
    assert attributes["owner"] == "tests"
    assert attributes["bipack/model"] == "gain" and len(attributes["bipack/key"]) == 64


def test_notices_of_the_step_are_passed_on(tmp_path: Path) -> None:
    heard = cook(request(write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")))
    assert "opened for a test" in [m.text for m in heard if isinstance(m, messages.Notice)]


def test_resume_skips_finished_frames_only_while_nothing_changed(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    cook(request(pattern, output))
    step = Gain()
    assert cook(request(pattern, output, existing="resume"), step)[-1].skipped == 3 and step.cooked == []
    write_frame(pattern % 1002, plate(seed=77))
    step = Gain()
    cook(request(pattern, output, existing="resume"), step)
    assert step.cooked == [1002]
    step = Gain()
    cook(request(pattern, output, existing="resume", settings={"gain": 3}), step)
    assert step.cooked == [1001, 1002, 1003]


def test_resume_cooks_a_damaged_frame_again(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    cook(request(pattern, output))
    whole = Path(output % 1003).read_bytes()
    Path(output % 1003).write_bytes(whole[: len(whole) // 2])
    step = Gain()
    cook(request(pattern, output, existing="resume"), step)
    assert step.cooked == [1003] and Path(output % 1003).read_bytes() == whole


def test_resume_ignores_times_and_copies(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    cook(request(pattern, output))
    os.utime(pattern % 1001)
    assert cook(request(pattern, output, existing="resume"))[-1].skipped == 3


def test_resume_works_for_integer_files(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.png")
    cook(request(pattern, output))
    assert cook(request(pattern, output, existing="resume"))[-1].skipped == 3


def test_a_missing_frame_stops_the_run_before_any_work(tmp_path: Path) -> None:
    pattern, step = write_sequence(tmp_path), Gain()
    os.unlink(pattern % 1002)
    with pytest.raises(MissingInput, match="1002"):
        cook(request(pattern, str(tmp_path / "r.%04d.exr")), step)
    assert step.cooked == []


def test_missing_black_writes_a_black_frame_and_says_so(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    os.unlink(pattern % 1002)
    heard = cook(request(pattern, output, missing="black"))
    assert not red(output % 1002).any() and red(output % 1001).any()
    assert any("1002" in m.text and "black" in m.text for m in heard if isinstance(m, messages.Notice))


def test_missing_hold_repeats_the_earlier_frame_and_says_so(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    os.unlink(pattern % 1002)
    heard = cook(request(pattern, output, missing="hold"))
    np.testing.assert_array_equal(red(output % 1002), red(output % 1001))
    assert any("1002" in m.text and "held" in m.text for m in heard if isinstance(m, messages.Notice))


def test_neighbours_are_given_by_offset_and_held_at_the_ends_of_the_shot(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    cook(request(pattern, output, settings={"gain": 1}), Gain(offsets=(-1, 0, 1)))
    plates = [red(pattern % frame) for frame in (1001, 1002, 1003)]
    np.testing.assert_array_equal(red(output % 1002), np.float16(plates[0] + plates[1] + plates[2]))


def test_a_missing_neighbour_inside_the_shot_is_an_error(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path)
    os.unlink(pattern % 1002)
    with pytest.raises(MissingInput, match="1002"):
        cook(request(pattern, str(tmp_path / "r.%04d.exr"), frames=(1001,)), Gain(offsets=(-1, 0, 1)))


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 3], lambda data: b"no exr" * 99])
def test_a_corrupt_frame_fails_after_the_frames_before_it_are_finished(tmp_path: Path, damage: Any) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    path = Path(pattern % 1003)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CorruptInput, match="1003") as caught:
        cook(request(pattern, output))
    assert caught.value.frame == 1003
    assert red(output % 1001).any() and red(output % 1002).any() and not os.path.exists(output % 1003)


def test_a_step_that_fails_keeps_what_was_finished_and_names_the_frame(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    with pytest.raises(ModelRefused, match="Frame 1003"):
        cook(request(pattern, output), Gain(fail_at=1003))
    assert os.path.exists(output % 1001) and os.path.exists(output % 1002)


def test_an_unwritable_output_is_found_before_any_work(tmp_path: Path) -> None:
    pattern, step = write_sequence(tmp_path), Gain()
    (tmp_path / "file").write_text("in the way of a folder")
    with pytest.raises(DiskError):
        cook(request(pattern, str(tmp_path / "file" / "r.%04d.exr")), step)
    assert step.cooked == []


def test_a_disk_that_fills_stops_the_run_and_leaves_no_half_frame(tmp_path: Path, monkeypatch: Any) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "out" / "r.%04d.exr")
    replaced: list[str] = []
    real = os.replace

    def full_at_the_second(source: str, target: str) -> None:
        if target.endswith("1002.exr"):
            raise OSError(28, "No space left on device")
        replaced.append(target)
        real(source, target)

    monkeypatch.setattr(os, "replace", full_at_the_second)
    with pytest.raises(DiskError, match="full"):
        cook(request(pattern, output))
    assert sorted(os.listdir(tmp_path / "out")) == ["r.1001.exr"]


def test_a_cancel_keeps_finished_frames_and_raises(tmp_path: Path) -> None:
    pattern, output, cancel = (
        write_sequence(tmp_path, range(1001, 1021)),
        str(tmp_path / "r.%04d.exr"),
        threading.Event(),
    )
    heard: list[Any] = []

    def listen(message: Any) -> None:
        heard.append(message)
        if isinstance(message, messages.FrameDone):
            cancel.set()

    with pytest.raises(Cancelled):
        run_sequence(request(pattern, output, frames=tuple(range(1001, 1021))), Gain(), listen, cancel)
    finished = [m.frame for m in heard if isinstance(m, messages.FrameDone)]
    assert 1 <= len(finished) < 20
    assert all(red(output % frame).any() for frame in finished)


def test_the_plate_is_never_overwritten(tmp_path: Path) -> None:
    pattern = write_sequence(tmp_path)
    with pytest.raises(UsageError, match="overwrite the plate"):
        cook(request(pattern, str(tmp_path / "plate.####.exr")))


def test_many_frames_into_one_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="frame number"):
        cook(request(write_sequence(tmp_path), str(tmp_path / "one.exr")))


def test_an_unknown_knob_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gain"):
        cook(request(write_sequence(tmp_path), str(tmp_path / "r.%04d.exr"), settings={"gian": 1}))


def test_a_list_gives_one_knob_value_a_frame(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    cook(request(pattern, output, settings={"gain": [1, 2, 4]}))
    for frame, gain in ((1001, 1), (1002, 2), (1003, 4)):
        np.testing.assert_array_equal(red(output % frame), np.float16(red(pattern % frame) * gain))


def test_two_runs_on_one_output_both_end_with_whole_frames(tmp_path: Path) -> None:
    pattern, output = write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")
    ends: list[Any] = []
    threads = [threading.Thread(target=lambda: ends.append(cook(request(pattern, output))[-1])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end.done for end in ends] == [3, 3]
    assert all(red(output % frame).any() for frame in (1001, 1002, 1003))
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


def test_an_unexpected_fault_in_the_writer_does_not_hang_the_run(tmp_path: Path, monkeypatch: Any) -> None:
    def broken(path: str, frame: Frame) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("bipack.worker.sequence.write_frame", broken)
    with pytest.raises(ZeroDivisionError):
        cook(request(write_sequence(tmp_path), str(tmp_path / "r.%04d.exr")))
