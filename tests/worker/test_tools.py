"""The finishing tools on the path that files take: what they change, what they leave, and what they look at."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bipack import messages
from bipack.errors import BipackError, CorruptInput, MissingInput, UsageError
from bipack.finishing_knobs import KNOBS
from bipack.imaging.finishing.equalizer import RADII, Band, equalize
from bipack.imaging.frame import Box, Frame
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import take
from bipack.worker import tools
from bipack.worker.sequence import run_sequence
from plates import plate as make_plate

FRAMES = (1001, 1002, 1003, 1004, 1005)
NEUTRAL = {
    "equalizer": {},
    "beauty": {"dark_spots": 0, "highlights": 0, "shine": 0, "regrain": 0},
    "recombine": {"base": 0, "band3": 0, "band4": 0, "band5": 0},
}


@pytest.fixture
def shot(tmp_path: Path) -> str:
    """Five half-float frames, off-centre, with alpha and depth."""
    for frame in FRAMES:
        write_frame(str(tmp_path / f"plate.{frame}.exr"), make_plate(seed=frame, width=160, height=120))
    return str(tmp_path / "plate.%04d.exr")


def cook(
    tool: str,
    plate: str,
    target: str,
    frames: tuple[int, ...] = (1003,),
    /,
    *,
    matte: str | None = None,
    existing: str = "overwrite",
    **knobs: Any,
) -> list[str]:
    """Run a tool with these knobs; returns the notices."""
    request = messages.Render("job", tool, plate, target, frames, matte, knobs, existing=existing)
    told: list[messages.Message] = []
    step = tools.open_tool(tool, knobs)
    done = run_sequence(request, step, told.append, threading.Event())
    step.close()
    assert done.done == len(frames)
    told_texts = [message.text for message in told if isinstance(message, messages.Notice)]
    return told_texts + ["skipped"] * done.skipped


def matte_of(folder: Path, like: Frame, box: tuple[slice, slice]) -> str:
    part = like.parts[0]
    pixels = np.zeros(part.channels["R"].shape, np.float16)
    pixels[box] = 1.0
    matte = replace(like, parts=[replace(part, channels={"A": pixels})])
    path = str(folder / "matte.exr")
    write_frame(path, matte)
    return path


def test_their_names_are_the_tables() -> None:
    assert set(tools.names()) == set(KNOBS)


def test_the_equalizer_is_the_oracle_between_two_files(shot: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.%04d.exr")
    cook("equalizer", shot, output, amount1="0.6", radius1="2", amount4=-0.5)
    before, after = (take(read_frame(path % 1003)).pixels for path in (shot, output))
    expected = equalize(before, [Band(r, a) for r, a in zip(RADII, (0.6, 0, 0, -0.5, 0), strict=True)])
    np.testing.assert_allclose(after, expected.astype(np.float16).astype(np.float32), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("tool", NEUTRAL)
def test_a_neutral_tool_changes_no_bit_of_any_channel(shot: str, tmp_path: Path, tool: str) -> None:
    output = str(tmp_path / "out.%04d.exr")
    cook(tool, shot, output, **NEUTRAL[tool], **({"result": shot} if tool == "recombine" else {}))
    before, after = read_frame(shot % 1003).parts[0], read_frame(output % 1003).parts[0]
    assert (after.data_window, after.display_window) == (before.data_window, before.display_window)
    for name, stored in before.channels.items():
        if tool == "beauty" and name in "RGB":
            # Encoding and decoding again rounds back to the same half.
            assert np.array_equal(after.channels[name], stored)
        assert after.channels[name].tobytes() == stored.tobytes(), name


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        ("equalizer", {"amount3": 1.0, "working_space": "encoded"}),
        ("beauty", {"detail": 2.0, "hue": 20.0}),
        ("recombine", {"result": "OTHER", "band1": 1.0}),
        ("regrain", {"plate": "PLATE", "patch_size": 8}),
        ("clean_plate", {"step": 1, "align": "none"}),
    ],
)
def test_where_the_matte_is_black_no_bit_changes(shot: str, tmp_path: Path, tool: str, options: dict[str, Any]) -> None:
    inside = np.s_[30:80, 40:100]
    source = read_frame(shot % 1003)
    matte = matte_of(tmp_path, source, inside)
    files = {"OTHER": shot.replace("%04d", "1001"), "PLATE": shot}
    output = str(tmp_path / "out.%04d.exr")
    cook(tool, shot, output, matte=matte, **{k: files.get(v, v) for k, v in options.items()})
    before, after = source.parts[0], read_frame(output % 1003).parts[0]
    outside = np.ones(before.channels["R"].shape, bool)
    outside[inside] = False
    for name in "RGB":
        assert after.channels[name][outside].tobytes() == before.channels[name][outside].tobytes()
        assert not np.array_equal(after.channels[name][inside], before.channels[name][inside])
    for name in ("A", "depth.Z"):
        assert np.array_equal(after.channels[name], before.channels[name])


def test_nan_and_infinity_stay_where_they_were_and_do_not_spread(shot: str, tmp_path: Path) -> None:
    frame = read_frame(shot % 1003)
    frame.parts[0].channels["G"][40, 50] = np.nan
    frame.parts[0].channels["R"][60, 70] = np.inf
    write_frame(shot % 1003, frame)
    output = str(tmp_path / "out.%04d.exr")
    notices = cook("equalizer", shot, output, amount5=1.0)
    after = read_frame(output % 1003).parts[0].channels
    assert np.isnan(after["G"]).sum() == 1 and np.isnan(after["G"][40, 50])
    assert np.isinf(after["R"]).sum() == 1 and after["R"][60, 70] == np.inf
    assert any("2 pixels are NaN" in text for text in notices)


def test_regrain_from_the_repaired_frame_alone_needs_a_matte_or_synthesis(shot: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.%04d.exr")
    with pytest.raises(UsageError, match="no plate to take grain from"):
        cook("regrain", shot, output)
    cook("regrain", shot, output, grain_from="synthetic")
    cook("regrain", shot, output, matte=matte_of(tmp_path, read_frame(shot % 1003), np.s_[30:60, 90:120]))


def test_the_sample_box_counts_as_nuke_does(shot: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.%04d.exr")
    inside = matte_of(tmp_path, read_frame(shot % 1003), np.s_[30:60, 90:120])
    cook("regrain", shot, output, plate=shot, matte=inside, sample="20 30 80 90", patch_size=16)
    with pytest.raises(UsageError, match="inside the plate"):
        cook("regrain", shot, output, plate=shot, matte=inside, sample="-50 30 80 90", patch_size=16)
    with pytest.raises(UsageError, match="four numbers"):
        cook("regrain", shot, output, plate=shot, matte=inside, sample="here")


def test_grain_measured_on_one_frame_serves_them_all(shot: str, tmp_path: Path) -> None:
    outputs = {}
    for frames in ((1001, 1003), (1003,)):
        output = str(tmp_path / f"{len(frames)}.%04d.exr")
        cook("regrain", shot, output, frames, plate=shot, grain_from="synthetic", measure_frame=1002)
        outputs[frames] = read_frame(output % 1003).parts[0].channels["R"]
    assert np.array_equal(outputs[1001, 1003], outputs[1003,])


def test_recombine_asks_for_the_result(shot: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--set result="):
        cook("recombine", shot, str(tmp_path / "out.%04d.exr"))
    with pytest.raises(MissingInput):
        cook("recombine", shot, str(tmp_path / "out.%04d.exr"), result=str(tmp_path / "none.%04d.exr"))


def test_a_result_in_another_data_window_is_laid_where_it_belongs(shot: str, tmp_path: Path) -> None:
    """The result covers part of the plate only; elsewhere the plate stays."""
    frame = read_frame(shot % 1003)
    part = frame.parts[0]
    cut = {name: np.ascontiguousarray(stored[20:90, 30:110] * 2) for name, stored in part.channels.items()}
    corner = part.data_window.xmin + 30, part.data_window.ymin + 20
    window = Box(corner[0], corner[1], corner[0] + 79, corner[1] + 69)
    other = str(tmp_path / "result.exr")
    write_frame(other, replace(frame, parts=[replace(part, channels=cut, data_window=window)]))
    output = str(tmp_path / "out.%04d.exr")
    cook("recombine", shot, output, result=other, band1=1, band2=1, working_space="linear")
    before, after = (take(read_frame(path % 1003)).pixels for path in (shot, output))
    np.testing.assert_allclose(after[20:90, 30:110], before[20:90, 30:110] * 2, rtol=2e-3, atol=1e-3)
    assert np.array_equal(after[:20], before[:20]) and np.array_equal(after[:, 110:], before[:, 110:])


def test_a_picture_of_another_format_is_refused(shot: str, tmp_path: Path) -> None:
    other = str(tmp_path / "other.exr")
    write_frame(other, make_plate(width=100, height=80))
    with pytest.raises(CorruptInput, match="Bring them to one size"):
        cook("recombine", shot, str(tmp_path / "out.%04d.exr"), result=other)


def test_resume_sees_that_another_picture_changed(shot: str, tmp_path: Path) -> None:
    """The key holds the pixels of the result that is recombined, not its name."""
    output, other = str(tmp_path / "out.%04d.exr"), str(tmp_path / "ml.exr")
    write_frame(other, make_plate(seed=1, width=160, height=120))
    assert "skipped" not in cook("recombine", shot, output, result=other, existing="resume")
    assert "skipped" in cook("recombine", shot, output, result=other, existing="resume")
    write_frame(other, make_plate(seed=2, width=160, height=120))
    assert "skipped" not in cook("recombine", shot, output, result=other, existing="resume")


def test_clean_plate_slides_its_window_at_the_ends(shot: str, tmp_path: Path) -> None:
    """The first frame gets the median of frames 1, 2 and 3, each once, and not of itself three times."""
    output = str(tmp_path / "out.%04d.exr")
    cook("clean_plate", shot, output, (1001, 1003), frames="3", step=1, align="none")
    stack = [take(read_frame(shot % frame)).pixels for frame in FRAMES]
    for frame, indices in ((1001, (0, 1, 2)), (1003, (1, 2, 3))):
        found = take(read_frame(output % frame)).pixels
        np.testing.assert_array_equal(found, np.median([stack[index] for index in indices], axis=0))


def test_a_short_shot_makes_do_and_says_so(shot: str, tmp_path: Path) -> None:
    notices = cook("clean_plate", shot, str(tmp_path / "out.%04d.exr"), frames="7", step=2, align="none")
    assert any("Only" in text and "of the 7 frames" in text for text in notices)


def test_neighbours_depend_on_the_knobs() -> None:
    assert tools.frame_offsets("equalizer", {}) == (0,)
    assert tools.frame_offsets("clean_plate", {"frames": "3", "step": "2"}) == (-4, -2, 0, 2, 4)
    with pytest.raises(BipackError, match="whole numbers"):
        tools.frame_offsets("clean_plate", {"step": "a few"})


def test_views_are_pictures_too(shot: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out.%04d.exr")
    for tool, views in (
        ("equalizer", ("texture", "change", "difference", "weight")),
        ("beauty", ("matte", "smooth", "difference")),
        ("recombine", ("difference",)),
        ("clean_plate", ("missing",)),
        ("regrain", ("grain", "difference")),
    ):
        sides = {"recombine": {"result": shot}, "regrain": {"plate": shot}, "clean_plate": {"align": "none"}}
        for view in views:
            cook(tool, shot, output, view=view, **sides.get(tool, {}))
            assert np.isfinite(take(read_frame(output % 1003)).pixels).all()


@pytest.mark.parametrize("output", ["low", "high", "band1", "band5", "base"])
def test_every_output_of_the_split(shot: str, tmp_path: Path, output: str) -> None:
    path = str(tmp_path / "out.%04d.exr")
    cook("frequency_split", shot, path, output=output)
    assert take(read_frame(path % 1003)).pixels.std() > 0
