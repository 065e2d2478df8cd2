"""BipackDeAge, evaluated by the stand-in for Nuke, against its formula written out here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from bipack.imaging import color

ROOT = Path(__file__).resolve().parents[2]
HEIGHT, WIDTH = 24, 30
RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")


@pytest.fixture
def scene(start_nuke: Callable[..., ModuleType], tmp_path: Path) -> Any:
    """(node, plate, passes): a node with two passes whose mattes overlap."""
    import OpenEXR

    nuke: Any = start_nuke(gui=False)
    nuke.pluginAddPath(str(ROOT / "gizmos"))
    rng = np.random.default_rng(3)
    node = nuke.createNode("BipackDeAge")
    pictures = []
    for index in range(3):
        picture = rng.uniform(0.05, 1.4, (HEIGHT, WIDTH, 4)).astype(np.float32)
        picture[..., 3] = 0
        if index:
            picture[4:16, 6 * index : 6 * index + 12, 3] = 0.8
        path = tmp_path / f"p{index}.exr"
        OpenEXR.File({}, {name: np.ascontiguousarray(picture[..., i]) for i, name in enumerate("RGBA")}).write(
            str(path)
        )
        node.setInput(index, nuke.nodes.Read(file=path.as_posix(), raw=True))
        pictures.append(picture)
    return node, pictures[0], pictures[1:]


def seen(node: Any) -> np.ndarray:
    import stand_in

    return np.asarray(stand_in.evaluate(node, 1).stack(*RGBA))


def expected(plate: np.ndarray, passes: list[np.ndarray], strengths: tuple[float, ...]) -> np.ndarray:
    base = color.encode(np.ascontiguousarray(plate[..., :3]))
    change, mattes = np.zeros_like(base), np.zeros(base.shape[:2], np.float32)
    for given, strength in zip(passes, strengths, strict=True):
        matte = given[..., 3]
        change += strength * matte[..., None] * (color.encode(np.ascontiguousarray(given[..., :3])) - base)
        mattes += matte
    mixed = color.decode(base + change / np.maximum(mattes, 1)[..., None])
    return np.where((mattes > 0)[..., None], mixed, plate[..., :3])


def test_passes_are_mixed_by_their_mattes_and_share_a_pixel(scene: Any) -> None:
    node, plate, passes = scene
    result = seen(node)
    assert np.abs(result[..., :3] - expected(plate, passes, (1, 1))).max() < 1e-3
    outside = (passes[0][..., 3] + passes[1][..., 3]) == 0
    assert np.array_equal(result[outside], plate[outside]) and np.array_equal(result[..., 3], plate[..., 3])


def test_strength_solo_and_off(scene: Any) -> None:
    node, plate, passes = scene
    node["strength1"].setValue(0.25)
    assert np.abs(seen(node)[..., :3] - expected(plate, passes, (0.25, 1))).max() < 1e-3
    node["solo1"].setValue(True)
    assert np.abs(seen(node)[..., :3] - expected(plate, passes[:1], (0.25,))).max() < 1e-3
    node["solo1"].setValue(False)
    node["on1"].setValue(False)
    assert np.abs(seen(node)[..., :3] - expected(plate, passes[1:], (1,))).max() < 1e-3
    node["strength"].setValue(0)
    assert np.array_equal(seen(node), plate)


def test_fine_changes_can_be_left_to_the_plate(scene: Any) -> None:
    node, plate, passes = scene
    node["on2"].setValue(False)
    node["fine1"].setValue(0)
    node["broad1"].setValue(0)
    assert np.abs(seen(node) - plate).max() < 1e-4
    node["broad1"].setValue(1)
    inside = passes[0][..., 3] > 0
    change = (seen(node)[..., :3] - plate[..., :3])[inside]
    whole = (expected(plate, passes[:1], (1,)) - plate[..., :3])[inside]
    # What is left is the broad part of the change: weaker, and of the same kind.
    assert 0 < np.abs(change).mean() < 0.8 * np.abs(whole).mean()


def test_an_unconnected_node_is_the_plate(scene: Any) -> None:
    node, plate, _ = scene
    node.setInput(1, None)
    node.setInput(2, None)
    assert np.array_equal(seen(node), plate)
