"""The motion between two frames: found once, then asked for any time between them.

Motion is looked for on encoded pictures reduced to a working size, by the model's graph `flow` or by the classical
method; `between` gives, for one time, where each pixel of the new frame lies in both frames. The model's second graph
does that, so that fifteen in-betweens share one flow.
"""

from __future__ import annotations

import contextlib
import os
import threading
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bipack.catalog import Located
from bipack.errors import ModelRefused
from bipack.imaging import bending, classical_flow, color, nonfinite, shot_change
from bipack.imaging.candidates import Candidates, candidates
from bipack.imaging.classical_flow import Between, Mix
from bipack.imaging.frame import Frame, Pixels
from bipack.imaging.plate import take
from bipack.worker.session import Session, open_session

FARTHEST = 0.15
"""Longest motion that models learn, as a share of the picture's width; beyond it the hazard rises."""

_CLASSICAL_SIDE = 960
"""Longest side at which the classical method projects motion; its flow has no finer detail."""

_LEAST = np.float32(1e-3)
"""A candidate that counts for less at a pixel is left out there."""

_MOVED_BEFORE = 12
"""Channels of the moved frames that synthesis graphs of models before 0.4.0 take."""

_UNTRUSTED = 0.35
"""Reliability of the better frame below which a pixel is a hazard."""


@dataclass(frozen=True, eq=False)
class Look:
    """One frame as motion is looked for in it."""

    encoded: Pixels
    """(height, width, 3), at the working size."""

    full: tuple[int, int]
    """Height and width of the picture itself."""

    bad: int
    """Pixels with NaN or infinities, which were filled from around."""


def look_at(frame: Frame, layer: str, longest: int) -> Look:
    """Reduce a frame's picture to `longest` pixels on its longer side. Raises ModelRefused where there is none."""
    plate = take(frame, layer, 3)
    height, width = plate.pixels.shape[:2]
    clean, _, bad = nonfinite.hold_out(plate.pixels)
    encoded = color.encode(clean, out=clean)
    scale = longest / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        encoded = np.asarray(cv2.resize(encoded, size, interpolation=cv2.INTER_AREA), np.float32)
    return Look(np.ascontiguousarray(encoded), (height, width), bad)


class Networks:
    """The two open graphs of a slow-motion model."""

    def __init__(self, located: Located, device: str = "auto", require_gpu: bool = False) -> None:
        """Open both. Raises what `open_session` raises, and ModelRefused for a card without a synthesis graph."""
        card = located.card
        if card is None or card.kind != "interpolate" or "synthesis" not in card.graphs:
            raise ModelRefused(f"Model {located.name!r} is no slow-motion model: its card names no synthesis graph.")
        self.card = card
        second = card.graphs["synthesis"]
        with contextlib.ExitStack() as stack:
            self._flow = stack.enter_context(open_session(located, device, require_gpu, "fp32"))
            path = os.path.join(located.folder, second.file)
            self._synthesis = stack.enter_context(
                open_session(Located(f"{located.name} synthesis", path, None), device, require_gpu, "fp32")
            )
            if self._synthesis.sha256 != second.sha256:
                raise ModelRefused(f"Model {located.name!r}: {second.file} is not the file that its card describes.")
            self._open = stack.pop_all()
        self.notices = [*self._flow.notices]
        self.identity = f"{self._flow.sha256} {self._synthesis.sha256}"

    @property
    def flow_session(self) -> Session:
        """The session of the first graph: its device and memory."""
        return self._flow

    @property
    def bends(self) -> bool:
        """Whether the flow graph asks for what the frames around a pair tell; models before 0.3.0 do not."""
        return any(port.name == "around" for port in self.card.inputs)

    @property
    def chooses_bend(self) -> bool:
        """Whether the synthesis graph asks for frames moved by all of the measured bending; before 0.4.0 none did."""
        ports = {port.name: port for port in self._synthesis.facts.inputs}
        return (ports["moved"].shape[1] or 0) > _MOVED_BEFORE

    def flow(self, planes: dict[str, Pixels], cancel: threading.Event | None) -> dict[str, Pixels]:
        """`flow` (1, 4, H, W), `bend` (1, 4, H, W) and `reliability` (1, 2, H, W) of padded planes."""
        found = self._flow.run(planes, cancel)
        return found if "bend" in found else {**found, "bend": np.zeros_like(found["flow"])}

    def weights(
        self, planes: dict[str, Pixels], found: Candidates, time: float, cancel: threading.Event | None
    ) -> Pixels:
        """What each candidate at `time` counts for, (height, width, candidates) of the padded size."""
        landed = found.landed_whole if self.bends else found.landed_whole[:, :, :6]
        given = {"moved": _as_planes(*found.moved), "landed": _as_planes(landed)}
        moment = np.full((1, 1, 1, 1), time, np.float32)
        return _pixels(self._synthesis.run({**planes, **given, "time": moment}, cancel)["weights"])

    def close(self) -> None:
        """Give the memory of both back."""
        self._open.close()


Beside = tuple[Look, Pixels] | None
"""A frame beside a pair, and the classical flow to it from the pair's frame next to it."""


class PairMotion:
    """What is known of one pair of frames."""

    def __init__(
        self,
        first: Look,
        second: Look,
        prior: Pixels,
        networks: Networks | None,
        cancel: threading.Event | None,
        around: tuple[Beside, Beside] = (None, None),
    ) -> None:
        """Find the motion once; `prior` is `motion_search.prior_of` of the two, `around` what lies before and after
        them. Raises Cancelled, GpuOutOfMemory."""
        height, width = first.encoded.shape[:2]
        self.size: tuple[int, int] = (height, width)
        self.full = first.full
        self.bad = first.bad + second.bad
        self._networks, self._cancel = networks, cancel
        self._first, self._second = first.encoded, second.encoded
        small = shot_change.thumbnail(first.encoded), shot_change.thumbnail(second.encoded)
        self.is_cut = shot_change.is_cut(*small)
        self.is_repeat = shot_change.is_repeat(*small)
        self._prior = prior
        self._planes: dict[str, Pixels] = {}
        self._flow = self._bend = self._trust = self._prior
        self._measured: Pixels | None = None
        if networks is None:
            self._reduce()
            return
        multiple, least = networks.card.geometry.multiple, networks.card.geometry.minimum
        given = {"frame0": self._first, "frame1": self._second, "prior": self._prior}
        if networks.bends:
            given["around"] = self._bending(around)
        planes = {name: _as_planes(_padded(picture, multiple, least)) for name, picture in given.items()}
        self._planes = {name: planes[name] for name in ("frame0", "frame1")}
        if networks.chooses_bend:
            self._measured = bending.steadied(*(_pixels(planes[name]) for name in ("around", "frame0", "frame1")))
        found = networks.flow(planes, cancel)
        self._flow, self._bend, self._trust = (_pixels(found[name]) for name in ("flow", "bend", "reliability"))

    def _bending(self, around: tuple[Beside, Beside]) -> Pixels:
        """What the frames beside the pair tell; one that repeats its neighbour or lies beyond a cut tells nothing."""
        beside: list[tuple[Pixels, Pixels] | None] = []
        for mine, other in zip((self._first, self._second), around, strict=True):
            known = other is not None and other[0].encoded.shape == mine.shape
            if other is not None and known:
                small = shot_change.thumbnail(mine), shot_change.thumbnail(other[0].encoded)
                known = not (shot_change.is_cut(*small) or shot_change.is_repeat(*small))
            beside.append((other[0].encoded, other[1]) if other is not None and known else None)
        return bending.from_flows((self._first, self._second), self._prior, beside[0], beside[1])

    def between(self, time: float) -> Between:
        """Where the pixels at `time`, 0 to 1, lie in both frames; at the working size, in its pixels."""
        if self._networks is None:
            return self._far(classical_flow.between(self._first, self._second, self._prior, time), None)
        frames = _pixels(self._planes["frame0"]), _pixels(self._planes["frame1"])
        found = candidates(*frames, self._flow, self._bend, time, self._measured)
        weights = self._networks.weights(self._planes, found, time, self._cancel)
        weights[weights < _LEAST] = 0
        height, width = self.size
        shifts = tuple(np.ascontiguousarray(shift[:height, :width]) for shift in found.shifts)
        return self._far(self._chosen(shifts, weights[:height, :width]), self._trust)

    def _chosen(self, shifts: tuple[Pixels, ...], weights: Pixels) -> Between:
        """The candidates with their weights; and one motion, the likeliest, for what must not be mixed."""
        counts = cv2.split(weights)
        to0, to1 = shifts[:2]
        most = counts[0] + counts[1]
        for at in range(2, len(shifts), 2):
            pair = counts[at] + counts[at + 1]
            likelier = (pair > most)[:, :, None]
            to0, to1 = np.where(likelier, shifts[at], to0), np.where(likelier, shifts[at + 1], to1)
            most = np.maximum(most, pair)
        mask = np.sum(counts[0::2], axis=0)
        hazard = classical_flow.disagreement(self._first, self._second, to0, to1, mask)
        return Between(to0, to1, mask, hazard, Mix(shifts, weights))

    def _far(self, found: Between, trust: Pixels | None) -> Between:
        """The same with a hazard that also knows of doubtful flow and of motion beyond the trained range."""
        hazard = found.hazard
        if trust is not None:
            best = np.maximum(
                classical_flow.warp(np.ascontiguousarray(trust[:, :, 0]), found.to0),
                classical_flow.warp(np.ascontiguousarray(trust[:, :, 1]), found.to1),
            )
            hazard = np.maximum(hazard, np.clip(1 - best / np.float32(_UNTRUSTED), 0, 1))
        length = np.linalg.norm(found.to1 - found.to0, axis=2) / (FARTHEST * self.size[1])
        hazard = np.maximum(hazard, np.clip(4 * (length - 1), 0, 1))
        return replace(found, hazard=hazard.astype(np.float32))

    def longest(self) -> float:
        """Length of the motion that 99 of 100 pixels do not exceed, in pixels of the full picture."""
        lengths = np.linalg.norm(self._flow[::4, ::4, :2], axis=2)
        return float(np.percentile(lengths, 99)) * float(self.full[1]) / float(self.size[1])

    def _reduce(self) -> None:
        """The classical method works in half the size where the picture is large: its flow is no finer than that."""
        height, width = self.size
        scale = _CLASSICAL_SIDE / max(height, width)
        if scale >= 1:
            return
        size = max(1, round(width * scale)), max(1, round(height * scale))
        ratio = np.array([size[0] / width, size[1] / height] * 2, np.float32)
        self._first, self._second, prior = (
            np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
            for picture in (self._first, self._second, self._prior)
        )
        self._prior = self._flow = prior * ratio
        self.size = (size[1], size[0])


def _padded(pixels: Pixels, multiple: int, least: int) -> Pixels:
    """(height, width, channels) continued by its edge to what the graphs take."""
    height, width = pixels.shape[:2]
    down, right = (max(least, side + -side % multiple) - side for side in (height, width))
    return np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="edge")


def _as_planes(*pictures: Pixels) -> Pixels:
    """Pictures (height, width, channels) as one (1, channels, height, width)."""
    height, width = pictures[0].shape[:2]
    planes = np.empty((1, sum(picture.shape[2] for picture in pictures), height, width), np.float32)
    at = 0
    for picture in pictures:
        # Several times as fast as slices of the picture.
        for plane in cv2.split(picture):
            planes[0, at] = plane
            at += 1
    return planes


def _pixels(planes: Pixels) -> Pixels:
    """(1, channels, height, width) as (height, width, channels)."""
    return np.ascontiguousarray(planes[0].transpose(1, 2, 0))
