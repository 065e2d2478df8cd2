"""A finishing gizmo, loaded from its file into the stand-in for Nuke and fed with EXR files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame

GIZMOS = Path(__file__).parents[2] / "gizmos"

OFF_CENTRE = (9, -4)
"""Where the data window of test plates begins in its format; the first is from the left, the second from the top."""


def frame_of(pixels: np.ndarray, corner: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None) -> Frame:
    """(height, width, 3 or 4) or (height, width) as a float EXR whose data window begins at `corner`."""
    height, width = pixels.shape[:2]
    size = size or (width, height)
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    names = "A" if planes.shape[2] == 1 else "RGBA"[: planes.shape[2]]
    part = Part(
        channels={name: np.ascontiguousarray(planes[..., index], np.float32) for index, name in enumerate(names)},
        data_window=Box(corner[0], corner[1], corner[0] + width - 1, corner[1] + height - 1),
        display_window=Box(0, 0, size[0] - 1, size[1] - 1),
        attributes={"pixelAspectRatio": 1.0},
    )
    return Frame([part], bit_depth=32)


class Scene:
    """One gizmo in a script of its own."""

    def __init__(self, nuke: ModuleType, gizmo: str, folder: Path, size: tuple[int, int]) -> None:
        """Read the gizmo's file into a fresh session of the stand-in, whose format is `size`."""
        self.nuke: Any = nuke
        self.folder = folder
        self.size = size
        nuke.root()["format"].setValue(nuke.addFormat(f"{size[0]} {size[1]} 1 finishing"))
        before = set(nuke.allNodes())
        nuke.scriptReadFile(str(GIZMOS / f"{gizmo}.gizmo"))
        self.node = next(node for node in nuke.allNodes() if node not in before)

    def feed(
        self,
        number: int,
        pixels: np.ndarray | dict[int, np.ndarray],
        corner: tuple[int, int] = (0, 0),
        black_outside: bool = False,
    ) -> None:
        """Connect a picture, or one a frame, to input `number` of the gizmo.

        A Read whose data window is not the format is black outside it, or repeats its edge pixels, as its own knob
        says; here the edges hold unless `black_outside`.
        """
        frames = pixels if isinstance(pixels, dict) else {1: pixels}
        for number_of_frame, picture in frames.items():
            path = self.folder / f"input{number}.{number_of_frame:04d}.exr"
            write_frame(str(path), frame_of(picture, corner, self.size), compression="none")
        read = self.nuke.createNode("Read", inpanel=False)
        read["file"].setValue(str(self.folder / f"input{number}.%04d.exr"))
        for knob, value in (("first", min), ("last", max), ("origfirst", min), ("origlast", max)):
            read[knob].setValue(value(frames))
        read["raw"].setValue(True)
        if black_outside:
            self.node.setInput(number, read)
            return
        height, width = next(iter(frames.values())).shape[:2]
        top = self.size[1] - corner[1]
        hold = self.nuke.createNode("Crop", inpanel=False)
        hold.setInput(0, read)
        hold["box"].setValue((corner[0], top - height, corner[0] + width, top))
        hold["crop"].setValue(False)
        self.node.setInput(number, hold)

    def set(self, **knobs: Any) -> None:
        """Set knobs of the gizmo."""
        for name, value in knobs.items():
            self.node[name].setValue(value)

    def image(self, frame: int = 1, proxy: float | None = None) -> Any:
        """The stand-in's picture of the gizmo."""
        import stand_in

        return stand_in.evaluate(self.node, frame, proxy)

    def source(self, number: int, frame: int = 1, proxy: float | None = None) -> np.ndarray:
        """What input `number` is given, as (height, width, 3) from the top."""
        import stand_in

        return np.asarray(stand_in.evaluate(self.node.input(number), frame, proxy).rgb())

    def result(self, frame: int = 1, proxy: float | None = None) -> np.ndarray:
        """(height, width, 3) of the gizmo over its box, first row at the top."""
        image = self.image(frame, proxy)
        return np.stack([image.array(f"rgba.{name}")[::-1] for name in ("red", "green", "blue")], axis=-1)
