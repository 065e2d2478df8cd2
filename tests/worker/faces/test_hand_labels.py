"""The hand labels that bench/faces.py measures with are whole and mean what they should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bipack.face_regions import REGIONS

FILES = sorted((Path(__file__).parents[2] / "data" / "faces").glob("*.json"))
every_label = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def test_there_are_fourteen() -> None:
    assert len(FILES) == 14


@every_label
def test_shapes_are_known_regions_inside_their_window(path: Path) -> None:
    label = json.loads(path.read_text(encoding="utf-8"))
    left, top, right, bottom = label["window"]
    for shape in label["shapes"]:
        points = np.array(shape["polygon"])
        assert shape["region"] in REGIONS and points.shape[1] == 2 and len(points) >= 3
        # Points count from the middle of the first pixel: the window begins half a pixel before it.
        assert points[:, 0].min() >= left - 0.5 and points[:, 0].max() <= right - 0.5
        assert points[:, 1].min() >= top - 0.5 and points[:, 1].max() <= bottom - 0.5


@every_label
def test_left_is_the_persons_own_and_up_is_up(path: Path) -> None:
    shapes = json.loads(path.read_text(encoding="utf-8"))["shapes"]
    # The largest shape of each region comes first: later ones lie over earlier ones.
    middle = {shape["region"]: np.mean(shape["polygon"], axis=0) for shape in reversed(shapes)}
    for name in ("eye", "brow", "cheek", "ear"):
        if f"{name}_l" in middle and f"{name}_r" in middle:
            assert middle[f"{name}_l"][0] > middle[f"{name}_r"][0], name
    assert middle["forehead"][1] < middle["nose"][1] < middle["mouth"][1]
