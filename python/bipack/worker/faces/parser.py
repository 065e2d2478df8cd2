"""The face parser, opened: encoded pictures of any size in; regions, points and widths of every pixel out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bipack import catalog
from bipack.card import Knob
from bipack.errors import MissingInput, ModelRefused
from bipack.face_regions import MIRRORED, POINTS, REGIONS
from bipack.imaging.faces.square import Square
from bipack.imaging.frame import Pixels
from bipack.worker.session import open_session

CROP = 512
"""Side of the upright picture in which a face's regions are parsed: its face is as wide as training shows it."""

WIDER = 4 / 3
"""Side of what is parsed, in sides of the face's square: necks and hair go on beyond the crop that one works in."""

SMALL = 320
"""Side at which it is looked at once more: there the parser sees less detail, and more of a face at once."""

SMALL_SAY = 0.5
"""What that look counts beside the others: its edges are coarser."""

MODEL = "face_parser"
"""Catalogue name of the parser that is used when none is named."""


MIRROR = Knob(
    "mirror",
    "bool",
    True,
    "Mirror",
    tooltip="Looks at crops in the mirror too: steadier mattes for twice the time.",
)
"""Of a parser that tells left from right by what it sees, as one that was trained on mirrored faces does."""


def around(square: Square) -> Square:
    """What is parsed of a face whose crop is `square`."""
    return replace(square, side=square.side * WIDER)


@dataclass(frozen=True, eq=False)
class Parsed:
    """What the parser says of a picture; arrays are (height, width, …)."""

    regions: Pixels
    """(…, 16) shares in the order of REGIONS; they add up to 1."""

    points: Pixels
    """(…, 5) heat, 1 at the points in the order of POINTS."""

    width: Pixels
    """Width in pixels of the face that each pixel belongs to; without meaning where there is none."""


class Parser:
    """One open parser; close it, or use it in `with`."""

    def __init__(self, model: str = MODEL, device: str = "auto", require_gpu: bool = False) -> None:
        """Open it. Raises MissingInput, ModelRefused (also for a model that is no parser), GpuUnavailable."""
        located = _located(model)
        if located.card is None or located.card.kind != "parser":
            found = "it has no card" if located.card is None else f"its card says {located.card.kind}"
            raise ModelRefused(f"Model {located.name!r} is no face parser: {found}. Name one with --model.")
        wanted = {"regions": len(REGIONS), "points": len(POINTS), "width": 1}
        if {port.name: port.channels for port in located.card.outputs} != wanted:
            raise ModelRefused(f"Model {located.name!r} gives other regions than this Bipack knows; train it again.")
        self._session = open_session(located, device, require_gpu)
        self._multiple = located.card.geometry.multiple
        self._least = located.card.geometry.minimum
        self._mirror = any(knob.name == MIRROR.name and knob.default for knob in located.card.knobs)
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """Hash and precision of what runs."""
        return f"{self._session.sha256} {self._session.precision}"

    @property
    def notices(self) -> list[str]:
        """What came up while opening it."""
        return list(self._session.notices)

    def parse(self, encoded: Pixels, cancel: threading.Event | None = None) -> Parsed:
        """Parse an encoded picture (height, width, 3) of any size. Raises Cancelled, GpuOutOfMemory."""
        height, width = encoded.shape[:2]
        down, right = (max(self._least - side, -side % self._multiple) for side in (height, width))
        down, right = (extra + -(side + extra) % self._multiple for extra, side in ((down, height), (right, width)))
        padded = cv2.copyMakeBorder(encoded, 0, down, 0, right, cv2.BORDER_REPLICATE)
        with self._lock:
            found = self._session.run({"plate": padded.transpose(2, 0, 1)[None]}, cancel)
        regions, points, wide = (
            np.ascontiguousarray(found[name][0].transpose(1, 2, 0)[:height, :width])
            for name in ("regions", "points", "width")
        )
        return Parsed(regions, points, wide[..., 0])

    def shares(self, crop: Pixels, cancel: threading.Event | None = None) -> Pixels:
        """(size, size, 16) shares of the regions of an upright picture of a face; see `around`.

        Where the card has the knob `mirror`, the mean of what the parser says of it, of its mirror image, and, at half
        the weight, of that made small: chance is taken out of all, and a face that one size takes for none is seen by
        the other. Raises Cancelled, GpuOutOfMemory.
        """
        total = self.parse(crop, cancel).regions
        if not self._mirror:
            return total
        flipped = np.ascontiguousarray(crop[:, ::-1])
        side = max(1, round(len(crop) * SMALL / CROP))
        small = cv2.resize(flipped, (side, side), interpolation=cv2.INTER_AREA)
        mirrored = self.parse(flipped, cancel).regions
        coarse = cv2.resize(self.parse(small, cancel).regions, mirrored.shape[1::-1])
        mirrored = mirrored + np.float32(SMALL_SAY) * coarse
        total = total + mirrored[:, ::-1][..., list(MIRRORED)]
        return np.asarray(total / np.float32(2 + SMALL_SAY), np.float32)

    def close(self) -> None:
        """Give its memory back."""
        self._session.close()

    def __enter__(self) -> Parser:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _located(model: str) -> catalog.Located:
    try:
        return catalog.locate(model)
    except MissingInput as error:
        if model == MODEL:
            raise MissingInput(
                f"No face parser is installed: there is no model {MODEL!r} on the model path. Train one with "
                "`bipack-train faces`, or name one with --model."
            ) from error
        raise
