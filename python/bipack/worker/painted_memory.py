"""The painted frames beside a model, and the model's repairs made with them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from bipack.card import PaintedFile
from bipack.catalog import Located
from bipack.errors import ModelRefused
from bipack.imaging import color, nonfinite
from bipack.imaging.frame import Pixels
from bipack.imaging.image_io import read_frame
from bipack.imaging.painted import LEAST_SIDE, PaintedFrame, lay_in, look_up
from bipack.imaging.plate import take
from bipack.worker.tiled import Region

KNOB, TEXTURE = "painted", "noise_amount"
"""Knobs: how far the frames are used, and how much of the texture that a mean picture lacks is wanted."""


class PaintedMemory:
    """Finished frames of one model; read when they are first needed."""

    def __init__(self, located: Located) -> None:
        """Raises ModelRefused where a file that the card names is not there."""
        assert located.card is not None and located.card.painted is not None
        self._name, self._folder, self._painted = located.name, located.folder, located.card.painted
        for file in self._painted.files:
            if not os.path.isfile(self._path(file)):
                raise ModelRefused(
                    f"Model {self._name!r}: {self._path(file)} named by its card is not there. Copy the whole "
                    "folder of the model."
                )

    @property
    def identity(self) -> str:
        """What results depend on."""
        return f"{self._painted.error:g} " + " ".join(file.sha256[:16] for file in self._painted.files)

    def looked_up(
        self,
        seen: Pixels,
        pieces: Iterator[tuple[Region, Pixels]],
        knobs: Mapping[str, Any],
        notice: Callable[[str], None],
    ) -> Iterator[tuple[Region, Pixels]]:
        """`pieces` of the model's result on the plate `seen` (3, rows, columns), encoded, with what the frames show.

        The pieces are put together first, for a frame is laid over the whole plate. `notice` hears when none of them
        could be. Raises ModelRefused where a file is not the one of the card.
        """
        strength = float(knobs.get(KNOB, 1.0))
        if strength <= 0 or seen.shape[0] != 3:
            yield from pieces
            return
        result = np.array(seen)
        for region, piece in pieces:
            result[:, region.rows, region.columns] = piece
        marks = (result.view(np.uint32) != np.ascontiguousarray(seen).view(np.uint32)).any(axis=0)
        plate = np.ascontiguousarray(seen.transpose(1, 2, 0))
        found = look_up(plate, marks, self._frames) if marks.any() else None
        if found is not None:
            repaired = np.ascontiguousarray(result.transpose(1, 2, 0))
            texture = float(knobs.get(TEXTURE, 0.0))
            result = lay_in(repaired, marks, found, self._painted.error, strength, texture).transpose(2, 0, 1)
        elif marks.any() and min(marks.shape) >= LEAST_SIDE:
            notice("None of the painted frames can be laid over this one; its repairs are the network's own.")
        height, width = marks.shape
        yield Region(slice(0, height), slice(0, width), 1.0), result

    @cached_property
    def _frames(self) -> list[PaintedFrame]:
        return [PaintedFrame(self._read(file)) for file in self._painted.files]

    def _read(self, file: PaintedFile) -> Pixels:
        path = self._path(file)
        try:
            with open(path, "rb") as stream:
                digest = hashlib.sha256(stream.read()).hexdigest()
        except OSError as error:
            raise ModelRefused(f"Model {self._name!r}: {path} cannot be read ({error.strerror}).") from error
        if digest != file.sha256:
            raise ModelRefused(
                f"Model {self._name!r}: {path} is not the file of its card (sha256 {digest[:12]}…, card "
                f"{file.sha256[:12]}…). Install the model again."
            )
        return color.encode(nonfinite.hold_out(take(read_frame(path)).pixels)[0])

    def _path(self, file: PaintedFile) -> str:
        return os.path.join(self._folder, file.file)
