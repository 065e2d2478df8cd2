"""The toolset "new head into the plate", and the example that shows it on the sample plate."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "gizmos/examples/new_head.nk"
TOOLSET = ROOT / "gizmos/toolsets/new_head_into_the_plate.nk"


@pytest.fixture
def example(start_nuke: Callable[..., ModuleType]) -> Any:
    """Nuke with the example open."""
    nuke: Any = start_nuke(gui=False)
    nuke.scriptOpen(str(EXAMPLE))
    return nuke


def cooked(nuke: Any, name: str, frame: int = 1001) -> Any:
    import stand_in

    return stand_in.evaluate(nuke.toNode(name), frame)


def pixels(nuke: Any, name: str, frame: int = 1001) -> np.ndarray:
    """(height, width, 4) over the plate's box, first row at the top."""
    box, image = cooked(nuke, "Plate", frame).bbox, cooked(nuke, name, frame)
    return np.stack([image.array(f"rgba.{c}", box)[::-1] for c in ("red", "green", "blue", "alpha")], axis=-1)


def test_the_files_are_what_the_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("new_head", ROOT / "gizmos/examples/new_head.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for path, text in module.files():
        assert path.read_text(encoding="utf-8") == text, "run gizmos/examples/make_examples.py"


def test_it_loads_without_a_problem_and_has_no_dead_link(example: Any) -> None:
    import stand_in

    assert stand_in.current().problems == []
    assert stand_in.audit(example.toNode("NewHead1")) == []


@pytest.mark.parametrize("frame", [1001, 1009])
def test_outside_the_matte_all_is_the_plates(example: Any, frame: int) -> None:
    plate, result = cooked(example, "Plate", frame), cooked(example, "NewHead1", frame)
    assert (result.bbox, set(result.channels), result.metadata) == (plate.bbox, set(plate.channels), plate.metadata)
    before, after = pixels(example, "Plate", frame), pixels(example, "NewHead1", frame)
    inside = pixels(example, "NewHead1.Inside", frame)[..., 3] > 0
    assert 0.05 < inside.mean() < 0.15
    assert np.array_equal(after[~inside], before[~inside])
    assert np.abs(after - before)[inside].mean() > 0.02, "the head is another"
    for name in set(plate.channels) - {"rgba.red", "rgba.green", "rgba.blue"}:
        assert np.array_equal(result.array(name), plate.array(name)), name


def test_the_grade_brings_the_other_cameras_head_to_the_plates_colors(example: Any) -> None:
    plate = pixels(example, "Plate")[..., :3]
    assert np.abs(pixels(example, "OtherCamera")[..., :3] - plate).max() > 0.3
    np.testing.assert_allclose(pixels(example, "NewHead1.GradeMatch")[..., :3], plate, atol=2e-4)


def test_the_head_in_its_own_place_is_the_plate_again(example: Any) -> None:
    group = example.toNode("NewHead1")
    group["rotate"].setValue(0)
    group.node("Regrain")["amount"].setValue(0)
    plate, result = pixels(example, "Plate"), pixels(example, "NewHead1")
    core = pixels(example, "NewHead1.HeadPlaced")[..., 3] == 1
    assert core.sum() > 1000
    np.testing.assert_allclose(result[core], plate[core], atol=2e-4)


def test_the_head_follows_the_neck(example: Any) -> None:
    """The otter's neck lies at the same point of its photograph on every frame."""
    neck = example.toNode("NewHead1")["neck"]
    for frame, x, y in ((1001, 128.0, 112.0), (1009, 113.9726, 118.4932)):
        assert neck.getValueAt(frame, 0) == pytest.approx(x, abs=1e-3)
        assert neck.getValueAt(frame, 1) == pytest.approx(y, abs=1e-3)


def test_a_roto_takes_the_place_of_the_ellipse(example: Any) -> None:
    group = example.toNode("NewHead1")
    box = example.nodes.Rectangle(output="alpha", area=(70, 110, 120, 150))
    group.setInput(3, box)
    patch = np.any(pixels(example, "NewHead1.Patched") != pixels(example, "Plate"), axis=-1)
    rows, columns = np.nonzero(patch)
    # 14 columns and 4 rows of overscan at the left and the bottom.
    assert (columns.min(), columns.max() + 1) == (70 + 14, 120 + 14)
    assert rows.max() - rows.min() + 1 == 40


def test_hair_needs_the_heads_own_background(example: Any) -> None:
    group = example.toNode("NewHead1")
    assert pixels(example, "NewHead1.Hair")[..., 3].max() > 0.5
    group.setInput(2, None)
    assert not pixels(example, "NewHead1.Hair").any()


def test_the_toolset_is_the_same_group(example: Any) -> None:
    example.scriptReadFile(str(TOOLSET))
    other, first = example.toNode("NewHead2"), example.toNode("NewHead1")
    for place in range(3):
        other.setInput(place, first.input(place))
    for name in ("neck", "zoom", "head_black", "head_white"):
        other[name].fromScript(first[name].toScript())
    other.node("Regrain")["sample"].setValue(first.node("Regrain")["sample"].value())
    assert np.array_equal(pixels(example, "NewHead2", 1005), pixels(example, "NewHead1", 1005))
