"""What is made of a track, frame by frame: mattes at the plate's size, stabilised crops, and crops put back.

Each is a step of `worker.sequence`, so that reading, resuming, cancelling and writing are those of every other tool.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bipack.card import Knob
from bipack.errors import CorruptInput
from bipack.face_regions import MATTES
from bipack.frames import FramePath
from bipack.imaging import color, nonfinite, plate
from bipack.imaging.faces import crop, mattes
from bipack.imaging.faces.square import Square
from bipack.imaging.faces.track import Place, Track, moved
from bipack.imaging.frame import Box, Frame, Part, Pixels
from bipack.worker.faces.enlarge import ATTRIBUTE, FaceSuperRes
from bipack.worker.faces.parser import CROP, Parser, around
from bipack.worker.step import StepControl, StepInput

VERSION = "6"
"""Goes into the key of every result; raised when a result changes."""

GROW = Knob("grow", "float", 0.0, "Grow", -64.0, 64.0, tooltip="Pixels of a 1024 crop by which mattes grow or shrink.")
FEATHER = Knob(
    "feather", "float", 0.0, "Feather", 0.0, 128.0, tooltip="Softness of the mattes, in pixels of a 1024 crop."
)


class _Crops:
    """Crops of the tracks, parsed; the last few are kept, for a frame is looked at by its neighbours too."""

    def __init__(self, parser: Parser, tracks: Sequence[Track], reach: int) -> None:
        self.parser, self.tracks, self.reach = parser, tracks, reach
        self._kept: OrderedDict[tuple[int, int], tuple[Pixels, Pixels]] = OrderedDict()

    def shares(self, track: Track, given: StepInput, control: StepControl) -> tuple[Pixels, Pixels]:
        """(CROP, CROP, 16) shares of the frame's regions, steadied over its neighbours; and the encoded crop."""
        found = []
        for offset in sorted(given.frames, key=abs):
            place = track.places.get(given.frame + offset)
            if place is not None:
                found.append(self._parsed(track, place, given, offset, control))
        shares, pictures = [one[0] for one in found], [one[1] for one in found]
        return mattes.steadied(shares, pictures), pictures[0]

    def _parsed(
        self, track: Track, place: Place, given: StepInput, offset: int, control: StepControl
    ) -> tuple[Pixels, Pixels]:
        key = track.number, given.frame + offset
        if key not in self._kept:
            light, shift = linear(given.frames[offset], given.layer)
            here = moved(Track(track.number, {0: place}), -shift[0], -shift[1]).places[0]
            picture = color.encode(crop.cut(light, around(here.square), CROP))
            self._kept[key] = self.parser.shares(picture, control.cancel), picture
            while len(self._kept) > 3 * len(self.tracks) * (2 * self.reach + 1):
                self._kept.popitem(last=False)
        return self._kept[key]


class RegionsStep:
    """Mattes of all regions at the plate's size, of all its tracks together."""

    name = "face_regions"
    knobs: Sequence[Knob] = (GROW, FEATHER)

    def __init__(self, parser: Parser, tracks: Sequence[Track], steady: int = 1) -> None:
        """`steady` is how many frames on each side have a say."""
        self._crops = _Crops(parser, tracks, steady)
        self.frame_offsets = tuple(range(-steady, steady + 1))
        self.identity = f"{self.name} {VERSION} {parser.identity} {digest(tracks)} {steady}"
        self.notices: Sequence[str] = ()

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """Mattes of one frame; all 0 where no face is. Raises ModelRefused for a plate without RGB, Cancelled."""
        light, shift = linear(given.frames[0], given.layer)
        encoded = color.encode(light)
        result = np.zeros((*light.shape[:2], len(MATTES)), np.float32)
        here = [track for track in self._crops.tracks if given.frame in track.places]
        for index, track in enumerate(here):
            shares, picture = self._crops.shares(track, given, control)
            place = moved(track, -shift[0], -shift[1]).places[given.frame]
            rows, columns, found = mattes.at_plate(shares, picture, encoded, around(place.square))
            for number in range(len(MATTES)):
                matte = mattes.shaped(
                    found[..., number], place.square.side, given.knobs["grow"], given.knobs["feather"]
                )
                window = result[rows, columns, number]
                np.maximum(window, matte, out=window)
            control.progress((index + 1) / len(here))
        if not here:
            control.notice("No face is in this frame; its mattes are empty.")
        return _frame_of(given.frames[0], {name: result[..., i] for i, name in enumerate(MATTES)}, np.float16)

    def close(self) -> None:
        """The parser belongs to whoever opened it."""


class CropStep:
    """The stabilised crop of one track, with the mattes of its regions as further channels."""

    knobs: Sequence[Knob] = (GROW, FEATHER)

    def __init__(
        self, parser: Parser, track: Track, size: int, steady: int = 1, larger: FaceSuperRes | None = None
    ) -> None:
        """`larger` brings a face that is small in the plate to `size`; without it a plain filter does."""
        self._crops = _Crops(parser, [track], steady)
        self._track, self._size, self._larger = track, size, larger
        self.name = f"face_crop_{track.number}"
        self.frame_offsets = tuple(range(-steady, steady + 1))
        by = larger.identity if larger else ""
        self.identity = f"{self.name} {VERSION} {parser.identity} {digest([track])} {size} {steady} {by}".rstrip()
        self.notices: Sequence[str] = larger.notices if larger else ()

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """The crop of one frame, in the type of the plate. Raises ModelRefused, Cancelled."""
        frame, size = given.frames[0], self._size
        light, shift = linear(frame, given.layer)
        place = moved(self._track, -shift[0], -shift[1]).places[given.frame]
        attributes = {}
        if self._larger is not None:
            taken = self._larger.crop(light, place.square, size, control)
            attributes[ATTRIBUTE] = self._larger.name
        else:
            taken = crop.cut(light, place.square, size)
        shares, picture = self._crops.shares(self._track, given, control)
        whole = around(Square(size / 2, size / 2, size))
        _, _, found = mattes.at_plate(shares, picture, color.encode(taken), whole)
        kind = crop_type(frame)
        channels = {name: taken[..., index].astype(kind) for index, name in enumerate("RGB")}
        for index, name in enumerate(MATTES):
            matte = mattes.shaped(found[..., index], size, given.knobs["grow"], given.knobs["feather"])
            channels[name] = matte.astype(np.float16)
        return Frame([Part(channels, Box.of_size(size, size), Box.of_size(size, size), attributes)])

    def close(self) -> None:
        """The parser belongs to whoever opened it."""


class PutBackStep:
    """Edited crops put back into the plate: only what was edited changes."""

    name = "face_put_back"
    frame_offsets = (0,)

    def __init__(self, track: Track, passes: int = 1) -> None:
        """`passes` is how many edits of the crop there are: their changes are added."""
        self._track = track
        self._crops = tuple(f"crop{index + 1}" for index in range(passes))
        self.knobs: Sequence[Knob] = (
            *(Knob(name, "string", "", "Crops", tooltip="Pattern of edited crops.") for name in self._crops),
            Knob("before", "string", "", "Before", tooltip="Pattern of the crops before the edit; empty cuts again."),
        )
        self.identity = f"{self.name} {VERSION} {digest([track])}"
        self.notices: Sequence[str] = ()

    def side_files(self, frame: int, knobs: Mapping[str, Any]) -> Mapping[str, str]:
        """The edited crops of a frame, and the one before the edit; none where the face is not in it."""
        if frame not in self._track.places:
            return {}
        named = (*self._crops, "before") if knobs["before"] else self._crops
        return {name: FramePath.parse(str(knobs[name])).path(frame) for name in named}

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """The plate with the edits. Raises CorruptInput for a crop that is no square, ModelRefused."""
        frame = given.frames[0]
        whole = plate.take(frame, given.layer, 3)
        if not given.sides:
            control.notice("The face is not in this frame; the plate stays as it is.")
            return plate.put(frame, whole, whole.pixels)
        clean, bad, _ = nonfinite.hold_out(whole.pixels)
        shift = _shift(frame.parts[whole.part])
        square = moved(self._track, -shift[0], -shift[1]).places[given.frame].square
        before, after = self._edit(given, clean, square)
        result = nonfinite.restore(crop.put_back(clean, square, before, after), whole.pixels, bad)
        control.progress(1.0)
        return plate.put(frame, whole, result)

    def _edit(self, given: StepInput, clean: Pixels, square: Square) -> tuple[Pixels, Pixels]:
        """The crop before and after all edits, (size, size, 3)."""
        edits = [plate.take(given.sides[name], "rgba", 3) for name in self._crops]
        height, width = edits[0].pixels.shape[:2]
        if height != width:
            raise CorruptInput(f"The crop is {width}x{height} pixels; crops of faces are square.")
        if "before" in given.sides:
            before = plate.take(given.sides["before"], "rgba", 3).pixels
        else:
            # What was written had been rounded to the crop's type; the same rounding here leaves nothing but edits.
            stored = given.sides[self._crops[0]].parts[edits[0].part].channels[edits[0].names[0]].dtype
            before = crop.cut(clean, square, height).astype(stored).astype(np.float32)
        for edit in edits:
            if edit.pixels.shape != before.shape:
                raise CorruptInput(
                    f"An edited crop is {edit.pixels.shape[1]}x{edit.pixels.shape[0]} pixels, the one before the edit "
                    f"{before.shape[1]}x{before.shape[0]}. Edit the crops at the size at which they were cut."
                )
        if len(edits) == 1:
            return before, edits[0].pixels
        return before, before + np.sum([_changed(before, edit.pixels) for edit in edits], axis=0)

    def close(self) -> None:
        """Nothing is open."""


def linear(frame: Frame, layer: str) -> tuple[Pixels, tuple[int, int]]:
    """Scene-linear finite pixels (height, width, 3) of a plate, and where they begin in the format (x, y).

    A plate of one channel is taken as grey. Raises ModelRefused where there is neither.
    """
    channels = frame.parts[0].channels
    if len(channels) == 1 or ("Y" in channels and "R" not in channels):
        found = plate.take(frame, layer, 1)
        pixels = np.repeat(found.pixels, 3, axis=2)
    else:
        found = plate.take(frame, layer, 3)
        pixels = found.pixels
    return nonfinite.hold_out(np.ascontiguousarray(pixels))[0], _shift(frame.parts[found.part])


def _changed(before: Pixels, after: Pixels) -> Pixels:
    """What an edit changes; NaN and infinities count as no edit, so that they do not undo another one."""
    with np.errstate(invalid="ignore"):
        change = after - before
    return np.asarray(np.where(np.isfinite(change), change, 0), np.float32)


def crop_type(frame: Frame) -> Any:
    """Type of a crop's channels: float32 where the plate is, else half."""
    kinds = {stored.dtype for stored in frame.parts[0].channels.values()}
    return np.float32 if np.dtype(np.float32) in kinds or np.dtype(np.uint16) in kinds else np.float16


def digest(tracks: Sequence[Track]) -> str:
    """Hash of all places of some tracks."""
    hashed = hashlib.sha256()
    for track in tracks:
        for frame, place in track.places.items():
            one = place.square
            hashed.update(f"{track.number} {frame} {one.x!r} {one.y!r} {one.side!r} {one.angle!r};".encode())
    return hashed.hexdigest()[:16]


def _shift(part: Part) -> tuple[int, int]:
    return part.data_window.xmin - part.display_window.xmin, part.data_window.ymin - part.display_window.ymin


def _frame_of(frame: Frame, planes: Mapping[str, Pixels], kind: Any) -> Frame:
    """A frame of the plate's windows and metadata with other channels."""
    part = frame.parts[0]
    channels = {name: plane.astype(kind) for name, plane in planes.items()}
    return Frame([Part(channels, part.data_window, part.display_window, dict(part.attributes))])
