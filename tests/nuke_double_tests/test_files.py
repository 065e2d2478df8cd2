"""Whole files as they are found in the wild: an old one with DOS line ends and Latin-1, and a modern comp."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import stand_in
from stand_in import read_files

FILES = Path(__file__).parent / "files"


def inputs_of(node: Any) -> list[str | None]:
    return [None if n is None else n.name() for n in node._inputs]


@pytest.fixture
def opened(start_nuke: Callable[..., ModuleType]) -> Callable[[str], ModuleType]:
    """Opens a file of the folder in lenient mode, as other people's files must be."""

    def load(name: str) -> ModuleType:
        nuke = start_nuke(strict=False)
        nuke.scriptOpen(str(FILES / name))
        return nuke

    return load


def test_the_old_file_is_read_with_its_loose_lines(opened: Callable[[str], ModuleType]) -> None:
    nuke = opened("old_gizmo.nk")
    gizmo = next(node for node in nuke.allNodes() if node.Class() == "Gizmo")
    assert nuke.toNode("Constant1")["color"].value() == [0.1, 0.2, 0.3, 1]
    assert inputs_of(gizmo) == ["Constant1"]
    assert gizmo["mode"].values() == ["soft", "hard"]
    assert (gizmo["mode"].label(), gizmo["amount"].label()) == ("mode of work", "how much")
    assert gizmo.node("Soft")["size"].value() == 2.5
    assert inputs_of(gizmo.node("Merge1")) == ["Input1", "Soft"]
    assert gizmo["help"].value().encode("utf-8", "surrogateescape") == b"caf\xe9 \xb1 1"
    assert nuke.root().format().pixelAspect() == pytest.approx(0.91)
    assert [problem.message.rpartition(": ")[2] for problem in stand_in.current().problems] == [
        "one value was expected",
        "one value was expected",
    ]


def test_the_comp_is_wired_as_nuke_wires_it(opened: Callable[[str], ModuleType]) -> None:
    nuke = opened("comp.nk")
    blur, twin = sorted(nuke.allNodes("Blur"), key=lambda node: node.xpos())
    assert (inputs_of(blur), inputs_of(twin)) == (["Plate", "Roto1"], ["Roto1", "Blur1"])
    assert twin["size"] is blur["size"]
    assert inputs_of(nuke.toNode("Merge1"))[0] == "Blur1"
    assert inputs_of(nuke.toNode("Look")) == ["Plate"]
    assert inputs_of(nuke.toNode("Look.Keymix1")) == ["Plate", "Matte", "Inner"]
    assert inputs_of(nuke.toNode("Viewer1")) == ["Write1"]
    assert (nuke.root().firstFrame(), nuke.root().lastFrame()) == (1001, 1020)
    assert "crypto" in nuke.layers()


def test_the_values_of_the_comp(opened: Callable[[str], ModuleType]) -> None:
    nuke = opened("comp.nk")
    look = nuke.toNode("Look")
    assert look["mode"].value() == "two words"
    assert look["gain"].value() == 1 + (look["mode"].getValue() == 1)
    assert look["triple"].value() == [1, 2, 2]
    assert look.node("Inner")["size"].value() == [3, 2]
    assert look.node("Inner.Soft")["size"].value(1) == 2
    assert look["mode"].tooltip() == "tip with [brackets] and {braces}"
    assert look["go"].value() == "nuke.message('it\\'s {0}'.format(1))"
    assert nuke.toNode("Blur1")["size"].valueAt(1010, 0) == 12.5
    assert nuke.toNode("Blur1")["size"].valueAt(1005, 1) == 4
    assert nuke.toNode("Blur1")["channels"].value() == "rgba.red rgba.alpha"
    assert nuke.toNode("Blur1")["maskChannelMask"].value() == "none"
    assert nuke.toNode("ColorMatrix1")["matrix"].array()[-1] == 1
    assert nuke.toNode("Write1")["file"].evaluate().endswith("/nuke_double_tests/files/out.1012.exr")


def test_what_was_read_is_written_and_read_the_same(opened: Callable[[str], ModuleType], tmp_path: Path) -> None:
    nuke = opened("comp.nk")
    first = stand_in.current().saver.script()
    (tmp_path / "copy.nk").write_bytes(first.encode("utf-8", "surrogateescape"))
    nuke.scriptOpen(str(tmp_path / "copy.nk"))
    nuke.root()["name"].setValue(str(FILES / "comp.nk"))
    assert stand_in.current().saver.script() == first


BROKEN = """version 9.0 v1
Constant {
 inputs 0
 name Source
}
Blur {
 label "one { too many
 size 5
 name Soft
}
Group {
 name G
 help "never closed
}
 Input {
  inputs 0
  name In
 }
 Output {
  name Out
 }
end_group
"""


def test_braces_that_do_not_match_are_an_error_or_read_by_lines(
    start_nuke: Callable[..., ModuleType], tmp_path: Path
) -> None:
    path = tmp_path / "broken.nk"
    path.write_text(BROKEN)
    with pytest.raises(stand_in.ScriptError, match="missing"):
        start_nuke().scriptReadFile(str(path))
    nuke = start_nuke(strict=False)
    nuke.scriptReadFile(str(path))
    assert inputs_of(nuke.toNode("Soft")) == ["Source"]
    assert inputs_of(nuke.toNode("G")) == ["Soft"]
    assert inputs_of(nuke.toNode("G.Out")) == ["In"]
    assert "missing" in stand_in.current().problems[0].message
    assert len(stand_in.current().problems) > 1


def test_the_reader_of_folders_counts_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert read_files.main([str(FILES)]) == 0
    assert "2 files, 0 failed" in capsys.readouterr().out
    (tmp_path / "broken.gizmo").write_text("Blur {\n size {5\n")
    assert read_files.main([str(tmp_path)]) == 0
    assert "missing close-brace" in capsys.readouterr().out
    assert read_files.main(["--strict", str(tmp_path)]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert read_files.main(["--strict", str(FILES / "comp.nk")]) == 1
