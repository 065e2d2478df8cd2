"""Makes the picture of the toolset "new head into the plate": `python docs/make_new_head_picture.py`.

The example script is opened and rendered in the tests' stand-in for Nuke.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests/nuke_double"), str(ROOT / "docs")]

import nuke  # noqa: E402
import stand_in  # noqa: E402
from make_finishing_pictures import row  # noqa: E402

STEPS = (
    ("plate", "Plate"),
    ("another head", "OtherCamera"),
    ("clean-plate patch", "NewHead1.Patched"),
    ("new head", "NewHead1"),
)
VIEW = np.s_[28:118, 44:184]
"""Rows and columns around the head, in the plate's data window."""


def main() -> None:
    """First and last frame, step by step."""
    nuke.scriptOpen(str(ROOT / "gizmos/examples/new_head.nk"))
    rows = [row(*((told, picture(name, frame)[VIEW]) for told, name in STEPS)) for frame in (1001, 1009)]
    target = ROOT / "docs/images/faces/new_head.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(target), np.vstack(rows)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


def picture(name: str, frame: int) -> np.ndarray[Any, Any]:
    """Red, green, blue over the plate's data window, first row at the top."""
    box = stand_in.evaluate(nuke.toNode("Plate"), frame).bbox
    image = stand_in.evaluate(nuke.toNode(name), frame)
    return np.stack([image.array(f"rgba.{c}", box)[::-1] for c in ("red", "green", "blue")], axis=-1)


if __name__ == "__main__":
    main()
