"""Every gizmo file: it loads without a problem, every knob is explained, every expression has a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]
GIZMOS = sorted((ROOT / "gizmos").glob("*.gizmo"))
MODEL_GIZMOS = ("BipackModel", "BipackSuperRes")
every_gizmo = pytest.mark.parametrize("path", GIZMOS, ids=[path.stem for path in GIZMOS])


@pytest.fixture
def nuke(start_nuke: Callable[..., ModuleType]) -> Any:
    """Nuke's GUI with gizmos/ on its plug-in path and nothing else of Bipack."""
    found = start_nuke(gui=True)
    found.pluginAddPath(str(ROOT / "gizmos"))
    return found


def inner_nodes(group: Any) -> Iterator[Any]:
    for node in group.nodes():
        yield node
        if hasattr(node, "nodes"):
            yield from inner_nodes(node)


def is_heading(knob: Any) -> bool:
    """Tabs, and texts that only divide the panel."""
    return knob.Class() == "Tab_Knob" or (knob.Class() == "Text_Knob" and not knob.value())


def body(path: Path) -> list[str]:
    """The text of a gizmo's inner nodes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return lines[lines.index("}") + 1 :]


@every_gizmo
def test_it_loads_without_a_problem(nuke: Any, path: Path) -> None:
    from stand_in import session

    node = nuke.createNode(path.stem)
    assert session.current().problems == []
    assert session.current().messages == []
    assert node.Class() == "Group", "a Group body renders where the gizmo file is not installed"
    assert node["help"].value()


@every_gizmo
def test_every_knob_that_can_be_seen_has_a_tooltip(nuke: Any, path: Path) -> None:
    node = nuke.createNode(path.stem)
    first = next(i for i, knob in enumerate(node.allKnobs()) if knob.Class() == "Tab_Knob" and knob.name() != "User")
    seen = [knob for knob in node.allKnobs()[first:] if knob.visible() and not is_heading(knob)]
    silent = [knob.name() for knob in seen if not knob.tooltip()]
    assert silent == []


@every_gizmo
def test_every_expression_inside_has_a_value(nuke: Any, path: Path) -> None:
    group = nuke.createNode(path.stem)
    for node in [group, *inner_nodes(group)]:
        for name, knob in node.knobs().items():
            if knob.Class() not in ("Tab_Knob", "PyScript_Knob", "Script_Knob") and name not in (
                "onCreate",
                "knobChanged",
            ):
                try:
                    knob.value() if hasattr(knob, "value") else None
                except Exception as error:
                    pytest.fail(f"{node.fullName()}.{name}: {error}")


@every_gizmo
def test_text_uses_forward_slashes_and_unix_line_ends(path: Path) -> None:
    raw = path.read_bytes()
    assert b"\r" not in raw
    raw.decode("utf-8")
    assert raw.startswith(b"Group {\n")


@every_gizmo
def test_it_has_an_icon_of_the_toolbars_size(path: Path) -> None:
    image = cv2.imread(str(ROOT / "gizmos/icons" / f"{path.stem}.png"), cv2.IMREAD_UNCHANGED)
    assert image is not None, "add the gizmo to gizmos/icons/draw_icons.py"
    assert image.shape == (24, 24, 4)
    assert 0 < image[..., 3].mean() < 255


@every_gizmo
def test_callbacks_and_buttons_do_not_need_the_package(nuke: Any, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from stand_in import session

    monkeypatch.setitem(sys.modules, "bipack", None)
    monkeypatch.setitem(sys.modules, "bipack.host", None)
    node = nuke.createNode(path.stem)
    node.showControlPanel()
    for name, knob in list(node.knobs().items()):
        if knob.Class() == "PyScript_Knob":
            session.current().messages.clear()
            knob.execute()
            assert all("Bipack is not installed" in text for text in session.current().messages), name


def test_the_model_gizmos_have_the_same_body() -> None:
    first, second = (body(ROOT / "gizmos" / f"{name}.gizmo") for name in MODEL_GIZMOS)
    assert first == second


@pytest.mark.parametrize("name", MODEL_GIZMOS)
def test_where_a_path_goes_and_what_submitters_collect(nuke: Any, name: str) -> None:
    node = nuke.createNode(name)
    assert node["cache"].Class() == "String_Knob", "a file knob would be collected as an input"
    if "model_file" in node.knobs():
        assert node["model_file"].Class() == "File_Knob", "a string knob would not be collected"


@pytest.mark.parametrize("name", MODEL_GIZMOS)
def test_inputs_and_outputs_are_where_the_host_code_expects_them(nuke: Any, name: str) -> None:
    node = nuke.createNode(name)
    assert [found.name() for found in node._input_nodes()] == ["plate", "matte"]
    inputs = {found.name(): [source.name() if source else None for source in found._inputs] for found in node.nodes()}
    assert inputs["CookPlate"] == ["plate"]
    assert inputs["CookMatte"] == ["matte"]
    assert inputs["ShownResult"] == ["PlateResized", "Cooked"]
    assert inputs["Mix"] == ["PlateResized", "Finished"]
    assert inputs["LayerOnly"] == ["PlateResized", "Mix"]
    assert inputs["Mixed"] == ["Mix", "LayerOnly"]
    assert inputs["InsideMatte"] == ["PlateResized", "Mixed", "MatteResized"]
    assert inputs["Restricted"] == ["Mixed", "InsideMatte"]
    assert inputs["Output1"] == ["Restricted"]


def test_the_example_script_holds_the_gizmo_as_it_is(nuke: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    from stand_in import session

    spec = importlib.util.spec_from_file_location("make_examples", ROOT / "gizmos/examples/make_examples.py")
    assert spec is not None and spec.loader is not None
    examples = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(examples)
    for name, gizmo in examples.EXAMPLES.items():
        path = ROOT / "gizmos/examples" / name
        expected = examples.script(path.stem, gizmo)
        assert path.read_text(encoding="utf-8") == expected, "run gizmos/examples/make_examples.py"
        nuke.scriptOpen(str(path))
        assert session.current().problems == []
        plate = nuke.toNode("Plate")
        assert plate.width() == plate.format().width()
        assert plate.lastFrame() <= nuke.root().lastFrame(), "slow motion has more frames than its plate"
        top = nuke.toNode("Write1")
        while top.input(0) is not None:
            top = top.input(0)
        assert top.name() == "Plate"
