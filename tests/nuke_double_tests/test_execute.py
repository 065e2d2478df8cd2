"""Rendering: which frames, in which order, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stand_in
from stand_in import terminal

Start = Callable[..., ModuleType]
LOG = "log.append(('{0}', nuke.thisNode().name(), nuke.frame()))"


def plate(nuke: ModuleType, tmp_path: Path, **knobs: Any) -> Any:
    """A Write of a small Constant; the files are tmp_path/out.%04d.exr."""
    nuke.addFormat("8 4 0 0 8 4 1 speck")
    source = nuke.nodes.Constant(channels="rgb", color=[0.5, 1, 2, 1], format="speck")
    return nuke.nodes.Write(
        name="Final", file=f"{tmp_path.as_posix()}/out.%04d.exr", file_type="exr", inputs=[source], **knobs
    )


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.glob("*.exr"))


@pytest.mark.parametrize(
    ("arguments", "frames"),
    [
        ((3, 5), [3, 4, 5]),
        ((1, 7, 3), [1, 4, 7]),
        ((4,), [4]),
        ((), [1, 2]),
    ],
)
def test_ranges_of_execute(nuke: ModuleType, tmp_path: Path, arguments: tuple[int, ...], frames: list[int]) -> None:
    write = plate(nuke, tmp_path)
    nuke.root()["last_frame"].setValue(2)
    nuke.execute(write, *arguments)
    assert files(tmp_path) == [f"out.{frame:04d}.exr" for frame in frames]


def test_execute_takes_names_and_ranges(nuke: ModuleType, tmp_path: Path) -> None:
    group = nuke.nodes.Group(name="G")
    with group:
        plate(nuke, tmp_path)
    nuke.execute("G.Final", nuke.FrameRanges("1-2 5"))
    assert files(tmp_path) == ["out.0001.exr", "out.0002.exr", "out.0005.exr"]
    nuke.render("G.Final", nuke.FrameRange("9"))
    assert "out.0009.exr" in files(tmp_path)
    with pytest.raises(RuntimeError, match='Nothing is named "Write9"'):
        nuke.execute("Write9", 1, 1)


def test_only_the_view_main_exists(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path)
    nuke.execute(write, 1, 1, 1, ["main"])
    nuke.execute(write, nuke.FrameRanges("2"), ["main"])
    with pytest.raises(RuntimeError, match="no such views"):
        nuke.execute(write, 3, 3, 1, ["left"])
    assert files(tmp_path) == ["out.0001.exr", "out.0002.exr"]


def test_several_writes_at_once(nuke: ModuleType, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        plate(nuke, tmp_path / name)
    nuke.executeMultiple(nuke.allNodes("Write"), ([1, 3, 2],))
    assert files(tmp_path / "a") == files(tmp_path / "b") == ["out.0001.exr", "out.0003.exr"]
    nuke.executeMultiple([], nuke.FrameRanges("7"))
    assert "out.0007.exr" in files(tmp_path / "b")


def test_callbacks_of_a_render_come_in_order_with_their_frame(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path)
    log: list[Any] = []
    stand_in.current().python_globals["log"] = log
    for kind in ("beforeRender", "beforeFrameRender", "afterFrameRender", "afterRender"):
        write[kind].setValue(LOG.format(kind))
    nuke.addBeforeRender(lambda: log.append(("registered", nuke.thisNode().name(), nuke.thisGroup().name())))
    nuke.execute(write, 7, 8)
    assert log == [
        ("beforeRender", "Final", 1),
        ("registered", "Final", "Root"),
        ("beforeFrameRender", "Final", 7),
        ("afterFrameRender", "Final", 7),
        ("beforeFrameRender", "Final", 8),
        ("afterFrameRender", "Final", 8),
        ("afterRender", "Final", 1),
    ]


@pytest.mark.parametrize("kind", ["beforeRender", "beforeFrameRender", "afterFrameRender"])
def test_an_exception_in_a_callback_aborts_the_render(nuke: ModuleType, tmp_path: Path, kind: str) -> None:
    write = plate(nuke, tmp_path)
    write[kind].setValue("raise KeyError('stop')")
    with pytest.raises(KeyError):
        nuke.execute(write, 1, 3)
    assert len(files(tmp_path)) == (1 if kind == "afterFrameRender" else 0)
    assert not nuke.executing()


def test_execute_inside_execute_is_refused(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path)
    seen: list[Any] = []

    def nested() -> None:
        seen.append(nuke.executing())
        nuke.execute(write, 1, 1)

    nuke.addBeforeRender(nested)
    with pytest.raises(RuntimeError, match="I'm already executing something else"):
        nuke.execute(write, 1, 1)
    assert seen == [True]


def test_a_button_may_execute(nuke: ModuleType, tmp_path: Path) -> None:
    plate(nuke, tmp_path)
    node = nuke.nodes.NoOp()
    node.addKnob(nuke.PyScript_Knob("go", "Go", "nuke.execute('Final', 2, 2)"))
    node["go"].execute()
    assert files(tmp_path) == ["out.0002.exr"]


def test_a_missing_folder_is_an_error_unless_it_may_be_made(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path / "not" / "there")
    with pytest.raises(RuntimeError, match=r"Final: can't open .* for writing"):
        nuke.execute(write, 1, 1)
    write["create_directories"].setValue(True)
    nuke.execute(write, 1, 1)
    assert files(tmp_path / "not" / "there") == ["out.0001.exr"]


def test_what_is_no_active_write_is_not_executed(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path)
    write["disable"].setValue(True)
    with pytest.raises(RuntimeError, match="disabled"):
        nuke.execute(write, 1, 1)
    with pytest.raises(RuntimeError, match="cannot be executed"):
        nuke.execute(nuke.nodes.Blur(), 1, 1)
    assert files(tmp_path) == []


def test_a_failed_frame_stops_the_render_or_is_told_at_the_end(nuke: ModuleType, tmp_path: Path) -> None:
    read = nuke.nodes.Read(file=f"{tmp_path.as_posix()}/none.%04d.exr", last=9)
    write = plate(nuke, tmp_path)
    switch = nuke.nodes.Switch(inputs=[write.input(0), read])
    switch["which"].setExpression("frame == 2")
    write.setInput(0, switch)
    with pytest.raises(RuntimeError, match=r"Read1: .*none\.0002\.exr: No such file"):
        nuke.execute(write, 1, 3)
    assert files(tmp_path) == ["out.0001.exr"]
    with pytest.raises(RuntimeError, match=r"none\.0002"):
        nuke.execute(write, 1, 3, continueOnError=True)
    assert files(tmp_path) == ["out.0001.exr", "out.0003.exr"]


def test_a_cancelled_render_says_so(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path)
    nuke.addAfterFrameRender(nuke.cancel)
    with pytest.raises(RuntimeError, match=r"^Cancelled"):
        nuke.execute(write, 1, 3)
    assert files(tmp_path) == ["out.0001.exr"]


def test_a_render_counts_the_version_of_the_write(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path)
    nuke.execute(write, 1, 1)
    nuke.execute(write, 1, 1)
    assert write["version"].value() == 2


def test_reload_counts_the_version_of_a_read(nuke: ModuleType) -> None:
    read = nuke.nodes.Read()
    read["reload"].execute()
    assert read["version"].value() == 1


def test_use_limit_leaves_frames_out(nuke: ModuleType, tmp_path: Path) -> None:
    write = plate(nuke, tmp_path, use_limit=True, first=2, last=3)
    nuke.execute(write, 1, 5)
    assert files(tmp_path) == ["out.0002.exr", "out.0003.exr"]


@pytest.fixture
def script(start_nuke: Start, tmp_path: Path) -> Path:
    """A saved script with two Writes, the second in a group, and one that is disabled."""
    nuke = start_nuke()
    (tmp_path / "inner").mkdir()
    plate(nuke, tmp_path)
    with nuke.nodes.Group(name="G"):
        plate(nuke, tmp_path / "inner")
    (tmp_path / "off").mkdir()
    plate(nuke, tmp_path / "off", disable=True)
    nuke.scriptSaveAs(str(tmp_path / "comp.nk"), 1)
    return tmp_path / "comp.nk"


def test_dash_x_renders_every_active_write(script: Path) -> None:
    assert terminal.main(["-x", "-F", "1-2", str(script)]) == 0
    assert files(script.parent) == files(script.parent / "inner") == ["out.0001.exr", "out.0002.exr"]
    assert files(script.parent / "off") == []


def test_dash_capital_x_renders_the_named_one(script: Path) -> None:
    assert terminal.main(["-X", "G.Final", str(script), "4"]) == 0
    assert files(script.parent) == []
    assert files(script.parent / "inner") == ["out.0004.exr"]


def test_a_failed_render_exits_with_1(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert terminal.main(["-X", "Nobody", str(script)]) == 1
    assert 'Nothing is named "Nobody"' in capsys.readouterr().err


def test_dash_t_runs_python_with_its_arguments_and_takes_a_last_range_away(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["pytest"])
    code = script.parent / "run.py"
    code.write_text(
        "import sys, nuke\n"
        f"nuke.scriptOpen({str(script)!r})\n"
        "open(sys.argv[1], 'w').write(repr((sys.argv[1:], nuke.GUI, nuke.rawArgs[1])))\n"
        "sys.exit(3)\n"
    )
    out = script.parent / "out.txt"
    assert terminal.main(["-t", str(code), str(out), "--word", "1-10"]) == 3
    assert out.read_text() == repr(([str(out), "--word"], False, "-t"))


def test_start_up_reads_init_files_from_the_far_end_of_the_path(
    script: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for name in ("near", "far"):
        folder = script.parent / name
        folder.mkdir()
        (folder / "init.py").write_text(f"import nuke\nnuke.tprint({name!r}, nuke.GUI)\n")
        (folder / "menu.py").write_text("raise RuntimeError('menu.py is for the GUI')\n")
        folders.append(str(folder))
    import os

    monkeypatch.setenv("NUKE_PATH", os.pathsep.join(folders))
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    assert terminal.main(["-x", "-F", "1", str(script)]) == 0
    assert capsys.readouterr().out.splitlines() == ["far False", "near False"]
