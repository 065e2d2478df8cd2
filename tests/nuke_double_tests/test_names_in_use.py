"""Every name of the nuke module that Bipack uses is one that Foundry's Python reference has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import stand_in
from stand_in import knob_texts, script_parser

ROOT = Path(__file__).resolve().parents[2]
PYTHON = [ROOT / "init.py", ROOT / "menu.py", *sorted((ROOT / "python" / "bipack" / "host").glob("*.py"))]
GIZMOS = sorted((ROOT / "gizmos").glob("*.gizmo"))


def names_of(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nuke":
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module == "nuke":
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", [path for path in PYTHON if path.is_file()], ids=lambda path: path.name)
def test_python_of_the_host(nuke_gui: ModuleType, path: Path) -> None:
    unknown = [name for name in names_of(path.read_text(encoding="utf-8")) if not hasattr(nuke_gui, name)]
    assert unknown == []


@pytest.mark.parametrize("path", GIZMOS, ids=lambda path: path.stem)
def test_python_in_gizmos(nuke_gui: ModuleType, path: Path) -> None:
    session = stand_in.current()
    session.loader.load(script_parser.parse_file(path), session.root, callbacks=False)
    kinds = (knob_texts.PyScript_Knob, knob_texts.PythonKnob)
    texts = [k._value for n in session.every_node() for k in n.allKnobs() if isinstance(k, kinds) and k._value]
    unknown = [name for text in texts for name in names_of(text) if not hasattr(nuke_gui, name)]
    assert unknown == []
