"""New frames out of two stored ones: every channel is moved by the same flow, in its own type, at full size.

Motion comes at a working size and is enlarged strip by strip; a strip reads only the rows that it needs, so that an
8K frame takes the memory of its result and little more. Pictures are looked up by a cubic kernel that never leaves the
range of the pixels around (a lamp beside black neither rings nor loses its peak) and mixed as light. Depth, ids,
positions and vectors are never mixed: each takes the nearest pixel of the frame that counts for more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bipack.imaging import layers, nonfinite, transfer
from bipack.imaging.classical_flow import Between
from bipack.imaging.frame import Box, Frame, Part, Pixels, Stored
from bipack.imaging.lookup import Source, nearest, rows_needed

STRIP_ROWS = 192
MATTE = "bipack matte"
"""Name under which the artist's matte travels as a channel of the picture's part; it is never written."""

_ALPHA_LEAST = np.float32(1e-5)
_SEEN_LEAST = np.float32(0.01)


@dataclass(frozen=True, eq=False)
class Found:
    """The motion of one moment, with the picture that it was found on."""

    between: Between
    time: float
    """0 to 1 from the first frame to the second."""

    place: Box
    """Data window of the picture."""

    full: tuple[int, int]
    """Height and width of the picture; `between` may be smaller."""

    outside: Between | None = None
    """Motion of what the matte leaves out, where the matte splits the picture; `between` then is that of its inside."""


@dataclass(frozen=True)
class Style:
    """How the strips are put together."""

    premultiplied: bool = True
    fallback: str = "none"
    """What stands where the hazard is: none, blend, nearest or warp."""

    protect: bool = False
    """With a matte: what is inside stands still and is only mixed."""


class Strip:
    """One band of rows of a part, with its motion at full size."""

    def __init__(self, between: Between, found: Found, box: Box, rows: slice) -> None:
        """`box` is the part's data window, `rows` are counted from its top."""
        height, width = between.mask.shape
        ratio = np.array([found.full[1] / width, found.full[0] / height], np.float32)
        planes = [between.to0, between.to1, between.mask, between.hazard]
        if between.mix is not None:
            count = between.mix.weights.shape[2]
            # OpenCV takes four channels at most.
            planes += [*between.mix.shifts, *(between.mix.weights[:, :, at : at + 4] for at in range(0, count, 4))]
        if (height, width) == found.full and box == found.place:
            cut = [np.ascontiguousarray(plane[rows]) for plane in planes]
        else:
            x = np.arange(box.width, dtype=np.float32) + np.float32(box.xmin - found.place.xmin + 0.5)
            y = np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(box.ymin - found.place.ymin + 0.5)
            at = np.meshgrid(x / ratio[0] - np.float32(0.5), y / ratio[1] - np.float32(0.5))
            cut = [
                np.asarray(cv2.remap(plane, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
                for plane in planes
            ]
        to0, to1 = cut[0] * ratio, cut[1] * ratio
        self.mask, self.hazard = cut[2], cut[3]
        self.motion = to1 - to0
        """(rows, width, 2): pixels from the first frame to the second."""

        here = np.meshgrid(np.arange(box.width, dtype=np.float32), np.arange(rows.start, rows.stop, dtype=np.float32))
        self.here = here[0], here[1]
        self.places = tuple(self._place_of(shift) for shift in (to0, to1))
        self.mixed: tuple[tuple[Pixels, Pixels], ...] = ()
        """Places of the moved candidates (`classical_flow.Mix`), where there are some; else none."""

        self.weights: Pixels | None = None
        """(rows, width, candidates): what they and the two frames as they stand count for."""

        if between.mix is not None:
            first = 4 + len(between.mix.shifts)
            self.mixed = tuple(self._place_of(shift * ratio) for shift in cut[4:first])
            self.weights = np.concatenate(cut[first:], axis=2)

    def _place_of(self, shift: Pixels) -> tuple[Pixels, Pixels]:
        return self.here[0] + shift[:, :, 0], self.here[1] + shift[:, :, 1]


class Weaver:
    """Two frames, and the new ones that are made of them. All channels of all parts that both have are made."""

    def __init__(self, first: Frame, second: Frame, style: Style) -> None:
        self.style = style
        self.frames = joined([first, second])

    def empty(self, summing: bool) -> list[dict[str, Stored]]:
        """Arrays for the channels of a new frame, part by part; floats where several moments are to be summed."""
        return [
            {
                name: np.zeros(stored.shape, np.float32 if summing and is_picture(part, name) else stored.dtype)
                for name, stored in part.channels.items()
                if name != MATTE and name not in part.subsampling
            }
            for part in self.frames[0].parts
        ]

    def weave(self, found: Found, into: list[dict[str, Stored]], weight: float | None = None) -> None:
        """Make all channels at the moment of `found` and put them into arrays of `empty`; with `weight` add them.

        Channels that must not be mixed are set, not added.
        """
        for number, channels in enumerate(into):
            box = self.frames[0].parts[number].data_window
            for top in range(0, box.height, STRIP_ROWS):
                rows = slice(top, min(top + STRIP_ROWS, box.height))
                self._weave_strip(found, number, rows, channels, weight)

    def _weave_strip(
        self, found: Found, number: int, rows: slice, channels: dict[str, Stored], weight: float | None
    ) -> None:
        part = self.frames[0].parts[number]
        strip = Strip(found.between, found, part.data_window, rows)
        outside = Strip(found.outside, found, part.data_window, rows) if found.outside is not None else None
        for names in _groups(part, list(channels)):
            if is_picture(part, names[0]):
                values = self._picture(number, names, strip, outside, found.time)
                for index, name in enumerate(names):
                    plane = np.ascontiguousarray(values[:, :, index])
                    if weight is not None:
                        channels[name][rows] += np.float32(weight) * plane
                    else:
                        channels[name][rows] = self.stored(plane, part, name)
            else:
                for name in names:
                    channels[name][rows] = self._data(number, name, strip, found.time)

    def stored(self, plane: Pixels, part: Part, name: str) -> Stored:
        """Floats in the type that the channel has in its file."""
        return transfer.to_stored(plane, part.channels[name].dtype, name, self.frames[0].transfer)[0]

    # -- pictures ------------------------------------------------------------------------------------------------------

    def _picture(self, number: int, names: Sequence[str], strip: Strip, outside: Strip | None, time: float) -> Pixels:
        """(rows, width, channels), as light."""
        alpha = self._alpha_of(number, names)
        wanted = [*names, alpha] if alpha and alpha not in names else list(names)
        has_matte = MATTE in self.frames[0].parts[number].channels
        if has_matte and not self.style.protect and outside is not None:
            values = self._split(number, wanted, alpha, strip, outside)
        else:
            values = self._between(number, wanted, alpha, strip)
            if self.style.fallback != "none" and bool((strip.hazard > 0.5).any()):
                stand_in = self._stand_in(number, wanted, alpha, strip, time)
                amount = np.clip(4 * strip.hazard - 2, 0, 1)[:, :, None]
                values = values + amount * (stand_in - values)
            if has_matte and self.style.protect:
                still = self._still(number, wanted, alpha, strip, time)
                mattes = [self._moved(which, number, [MATTE], "", strip.here) for which in (0, 1)]
                values = values + np.clip(np.maximum(*mattes), 0, 1) * (still - values)
        if alpha:
            values = _divided(values, wanted.index(alpha))
        return values[:, :, : len(names)]

    def _between(self, number: int, names: list[str], alpha: str, strip: Strip) -> Pixels:
        """What the moved frames come to; exactly theirs where all are the same."""
        if strip.weights is None:
            moved = [self._moved(which, number, names, alpha, strip.places[which]) for which in (0, 1)]
            return _mixed(moved[0], moved[1], strip.mask[:, :, None])
        places = (*strip.mixed, strip.here, strip.here)
        weights = [np.ascontiguousarray(strip.weights[:, :, index]) for index in range(len(places))]
        counts = [index == 0 or bool(weights[index].any()) for index in range(len(places))]
        sources = [
            self._source(
                which, number, names, alpha, [y for (_, y), used in zip(places[which::2], counts[which::2]) if used]
            )
            for which in (0, 1)
        ]
        first = sources[0].at(*places[0])
        values = first.copy()
        for index in range(1, len(places)):
            if counts[index]:
                values += weights[index][:, :, None] * (sources[index % 2].at(*places[index]) - first)
        return values

    def _alpha_of(self, number: int, names: Sequence[str]) -> str:
        """The alpha to multiply by, for a straight picture; empty where there is nothing to do."""
        if self.style.premultiplied or "A" not in self.frames[0].parts[number].channels:
            return ""
        return "A" if any(name in ("R", "G", "B") for name in names) else ""

    def _split(self, number: int, names: list[str], alpha: str, inside: Strip, outside: Strip) -> Pixels:
        """Inside and outside of the matte, each by its own motion, the inside over the outside."""
        covers, colors = [], []
        for which in (0, 1):
            values = self._moved(which, number, [*names, MATTE], alpha, inside.places[which], times_matte=1)
            covers.append(values[:, :, -1:])
            colors.append(values[:, :, :-1])
        cover = np.clip(_mixed(covers[0], covers[1], inside.mask[:, :, None]), 0, 1)
        front = _mixed(colors[0], colors[1], inside.mask[:, :, None])
        share = outside.mask[:, :, None], 1 - outside.mask[:, :, None]
        total, seen, plain = np.zeros_like(front), np.zeros_like(cover), np.zeros_like(front)
        for which in (0, 1):
            values = self._moved(which, number, [*names, MATTE], alpha, outside.places[which], times_matte=-1)
            total, seen = total + share[which] * values[:, :, :-1], seen + share[which] * values[:, :, -1:]
            plain = plain + share[which] * self._moved(which, number, names, alpha, outside.places[which])
        back = (total + _SEEN_LEAST * plain) / (seen + _SEEN_LEAST)
        return np.asarray(front + (1 - cover) * back, np.float32)

    def _stand_in(self, number: int, names: list[str], alpha: str, strip: Strip, time: float) -> Pixels:
        which = 0 if time < 0.5 else 1
        if self.style.fallback == "warp":
            return self._moved(which, number, names, alpha, strip.places[which])
        if self.style.fallback == "nearest":
            return self._moved(which, number, names, alpha, strip.here)
        return self._still(number, names, alpha, strip, time)

    def _still(self, number: int, names: list[str], alpha: str, strip: Strip, time: float) -> Pixels:
        """Both frames mixed where they are."""
        both = [self._moved(which, number, names, alpha, strip.here) for which in (0, 1)]
        return _mixed(both[0], both[1], np.float32(1 - time))

    def _moved(
        self,
        which: int,
        number: int,
        names: Sequence[str],
        alpha: str,
        place: tuple[Pixels, Pixels],
        times_matte: int = 0,
    ) -> Pixels:
        """Channels of one frame looked up at `place`, (rows, width, channels).

        With `times_matte` 1 they are multiplied by the matte, which is the last of them, with -1 by what it leaves.
        """
        return self._source(which, number, names, alpha, [place[1]], times_matte).at(*place)

    def _source(
        self,
        which: int,
        number: int,
        names: Sequence[str],
        alpha: str,
        lookups: Sequence[Pixels],
        times_matte: int = 0,
    ) -> Source:
        """Channels of one frame, ready to be looked up at any of the rows `lookups`; see `_moved`."""
        part = self.frames[which].parts[number]
        if not lookups:
            return Source(np.zeros((1, 1, len(names)), np.float32), 0)
        each = [rows_needed(y, part.data_window.height) for y in lookups]
        needed = slice(min(rows.start for rows in each), max(rows.stop for rows in each))
        planes = np.empty((needed.stop - needed.start, part.data_window.width, len(names)), np.float32)
        for index, name in enumerate(names):
            planes[:, :, index] = transfer.to_float(part.channels[name][needed], name, self.frames[which].transfer)
        planes = nonfinite.hold_out(planes)[0]
        if alpha:
            colors = [index for index, name in enumerate(names) if name not in (alpha, MATTE)]
            planes[:, :, colors] *= planes[:, :, [names.index(alpha)]]
        if times_matte:
            cover = planes[:, :, -1:] if times_matte > 0 else 1 - planes[:, :, -1:]
            planes = np.concatenate([planes[:, :, :-1] * cover, cover], axis=2)
        return Source(planes, needed.start)

    # -- data ----------------------------------------------------------------------------------------------------------

    def _data(self, number: int, name: str, strip: Strip, time: float) -> Stored:
        """One channel that is never mixed: nearest pixels of the frame that counts for more."""
        found = []
        for which in (0, 1):
            x, y = strip.places[which]
            stored = self.frames[which].parts[number].channels[name]
            needed = rows_needed(y, stored.shape[0])
            found.append(nearest(np.ascontiguousarray(stored[needed]), x, y - np.float32(needed.start)))
        return np.where(strip.mask >= 0.5, found[0], found[1])


def _mixed(first: Pixels, second: Pixels, share: Pixels | np.float32) -> Pixels:
    """`share` of the first frame; exactly both where they are the same."""
    return np.asarray(second + share * (first - second), np.float32)


def _divided(values: Pixels, alpha: int) -> Pixels:
    """Colors divided by their alpha; where there is none they stay."""
    cover = values[:, :, alpha : alpha + 1]
    divisor = np.where(np.abs(cover) > _ALPHA_LEAST, cover, np.float32(1))
    result = values / divisor
    result[:, :, alpha] = values[:, :, alpha]
    return np.asarray(result, np.float32)


def _groups(part: Part, names: Sequence[str]) -> list[list[str]]:
    """Channels to be looked up together: those of one layer, four at most."""
    groups: dict[tuple[str, bool, bool], list[str]] = {}
    for name in names:
        key = name.rpartition(".")[0], is_picture(part, name), part.channels[name].dtype == np.uint32
        groups.setdefault(key, []).append(name)
    return [group[start : start + 4] for group in groups.values() for start in range(0, len(group), 4)]


def joined(frames: Sequence[Frame]) -> list[Frame]:
    """The frames with the data windows of their parts grown to hold those of all; what a frame has not stored is 0.

    Parts that not every frame has are left out. Windows that are the same already cost nothing.
    """
    found: list[list[Part]] = [[] for _ in frames]
    for part in frames[0].parts:
        partners = [_partner(part, frame) for frame in frames]
        there = [partner for partner in partners if partner is not None]
        if len(there) == len(frames):
            window = _around([partner.data_window for partner in there])
            for parts, partner in zip(found, there):
                parts.append(_grown(partner, window))
    return [replace(frame, parts=parts) for frame, parts in zip(frames, found)]


def is_picture(part: Part, name: str) -> bool:
    """True for channels that may be filtered and mixed."""
    return part.channels[name].dtype != np.uint32 and not layers.is_data(part, name) and name not in part.subsampling


def _partner(part: Part, frame: Frame) -> Part | None:
    for other in frame.parts:
        if other.name == part.name and other.attributes.get("view") == part.attributes.get("view"):
            return other
    return None


def _around(windows: Sequence[Box]) -> Box:
    return Box(
        min(window.xmin for window in windows),
        min(window.ymin for window in windows),
        max(window.xmax for window in windows),
        max(window.ymax for window in windows),
    )


def _grown(part: Part, window: Box) -> Part:
    own = part.data_window
    if own == window:
        return part
    rows = slice(own.ymin - window.ymin, own.ymin - window.ymin + own.height)
    columns = slice(own.xmin - window.xmin, own.xmin - window.xmin + own.width)
    channels = {}
    for name, stored in part.channels.items():
        if name not in part.subsampling:
            channels[name] = np.zeros((window.height, window.width), stored.dtype)
            channels[name][rows, columns] = stored
    return replace(part, channels=channels, data_window=window, subsampling={})
