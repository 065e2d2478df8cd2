"""Slow motion as a step: any time between any frames, with every channel of the plate.

An output frame is a moment of the source (`retime`). At a source frame it is that frame, bit for bit. In between, the
motion of the pair is found once and kept for all its in-betweens; the plate's own pixels are moved by it at full size
(`weave`). A shutter averages moments as light. Nothing crosses a cut.
"""

from __future__ import annotations

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bipack import messages, retime
from bipack.card import Knob
from bipack.catalog import Located
from bipack.errors import Cancelled, UsageError
from bipack.frames import parse_frames
from bipack.imaging import layers, motion_search
from bipack.imaging.classical_flow import Between
from bipack.imaging.frame import Frame, Part, Pixels
from bipack.imaging.motion_layers import hazard_layer, motion_layers
from bipack.imaging.weave import Found, Style, Weaver
from bipack.retime import Moment
from bipack.slowmo_knobs import HAZARD_CHANNEL, NAME, SLOWMO, TIMING_NAMES, VECTOR_CHANNELS
from bipack.worker import slowmo_repeats
from bipack.worker.slowmo_input import copied, frame_at, has, hidden, named, of_one_window, window_of, with_matte
from bipack.worker.slowmo_motion import Beside, Look, Networks, PairMotion, look_at
from bipack.worker.step import StepControl, StepInput

VERSION = "3"
"""Goes into the key of every result; raised when a result changes."""

_PAIRS_KEPT = 3
_LOOKS_KEPT = _FLOWS_KEPT = 4
_BLUR_STEP = 1.5
"""Pixels of motion between two moments of a shutter, where their number is chosen by itself."""

_SAMPLES = (5, 64)


class SlowMoStep:
    """Slow motion with a model, or with the classical method. See `worker.step.Step` and `Retimes`."""

    def __init__(self, located: Located | None, device: str = "auto", require_gpu: bool = False) -> None:
        """Open the model; None means that there is none. Raises what `open_session` raises."""
        self._networks = Networks(located, device, require_gpu) if located is not None else None
        self.name = located.name if located is not None else NAME
        self.identity = f"slowmo {VERSION} {self._networks.identity if self._networks else 'classical'}"
        self.frame_offsets: Sequence[int] = (0,)
        self.knobs: Sequence[Knob] = SLOWMO
        self.notices: Sequence[str] = self._networks.notices if self._networks else [
            "No slow-motion model is installed: the classical optical flow does the work."
        ]  # fmt: skip
        self._pairs: OrderedDict[tuple[Any, ...], PairMotion] = OrderedDict()
        self._looks: OrderedDict[tuple[Any, ...], Look] = OrderedDict()
        self._flows: OrderedDict[tuple[Any, ...], Pixels] = OrderedDict()
        self._told: set[str] = set()

    # -- planning ------------------------------------------------------------------------------------------------------

    def plan_moments(
        self, request: messages.Render, source: tuple[int, int], notice: Callable[[str], None]
    ) -> Mapping[int, Moment]:
        """See `Retimes`."""
        settings = request.settings
        timing = retime.of(settings, *source)
        shutter, vectors = retime.shutter_of(settings), _is_on(settings.get("vectors", False))
        if source[0] == source[1]:
            notice(f"There is one source frame, {source[0]}: nothing lies between frames, so it is held.")
        if timing.outside:
            notice(
                f"{timing.outside} keys of the timing curve lie outside frames {source[0]}-{source[1]}; "
                "there the first or the last frame is held."
            )
        beyond = sorted(set(request.frames) - set(timing.frames))
        if beyond:
            raise UsageError(
                f"Frame {beyond[0]} is not part of the result, which has frames {timing.frames[0]}-{timing.frames[-1]}."
            )
        self._told.clear()
        around = str(settings.get("method", "auto")) != "classical" and bool(self._networks and self._networks.bends)
        moments = {frame: timing.moment(frame, shutter, vectors, around) for frame in request.frames}
        if str(settings.get("repeats", "keep")) == "smooth":
            moments = slowmo_repeats.smoothed(moments, request, source, notice)
        return moments

    def key_knobs(self, knobs: Mapping[str, Any]) -> Mapping[str, Any]:
        """See `Retimes`: the moment stands for the timing."""
        return {name: value for name, value in knobs.items() if name not in TIMING_NAMES}

    def extra_bytes(self, knobs: Mapping[str, Any]) -> int:
        """See `Retimes`."""
        return 2 * (len(VECTOR_CHANNELS) * bool(knobs["vectors"]) + bool(knobs["hazard"]))

    # -- one frame -----------------------------------------------------------------------------------------------------

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """Make the frame of one moment. Raises CorruptInput for frames that do not go together, Cancelled."""
        if given.moment is None:
            raise UsageError("Slow motion works on a sequence; it cannot be run on a frame by itself.")
        if control.cancel.is_set():
            raise Cancelled("Stopped on request; finished frames are kept.")
        given = named(given)
        source, given = given, of_one_window(given)
        times = self._times(given, control)
        held = self._held(given, times, control)
        if held is not None:
            result = copied(source.frames[held])
        else:
            result = self._averaged(given, times, control)
        self._add_layers(given, result, times, control)
        control.progress(1.0)
        return result

    def _held(self, given: StepInput, times: Sequence[float], control: StepControl) -> int | None:
        """The source frame that is the result as it stands; None where there is something to be found."""
        if len(times) > 1:
            return None
        if float(times[0]).is_integer():
            return int(times[0])
        first = math.floor(times[0])
        if given.hashes[first] == given.hashes[first + 1]:
            assert given.moment is not None
            self._tell(control, _repeats(given.moment.base + first + 1))
            return first
        share = self._share(given, first, times[0] - first, self._pair(given, first, control), control)
        return first + int(share) if share in (0.0, 1.0) else None

    def _times(self, given: StepInput, control: StepControl) -> list[float]:
        """The moments to average, in source frames from the base."""
        moment = given.moment
        assert moment is not None
        if moment.opens == moment.closes:
            return [moment.share]
        count = int(given.knobs["samples"])
        if count <= 0:
            pairs = range(math.floor(moment.opens), math.ceil(moment.closes))
            length = max(self._pair(given, first, control).longest() for first in pairs)
            length *= (moment.closes - moment.opens) / len(pairs)
            count = int(min(max(length / _BLUR_STEP, _SAMPLES[0]), _SAMPLES[1]))
        slices = (np.arange(count) + 0.5) / count
        return [float(moment.opens + share * (moment.closes - moment.opens)) for share in slices]

    def _averaged(self, given: StepInput, times: Sequence[float], control: StepControl) -> Frame:
        """The mean of the frames at `times`; one of them is simply made."""
        summing = len(times) > 1
        total: Frame | None = None
        arrays: list[dict[str, Any]] = []
        weaver: Weaver | None = None
        centre = times[len(times) // 2]
        woven_for: tuple[int, int] | None = None
        for index, time in enumerate(times):
            first = min(math.floor(time), max(given.frames) - 1)
            pair = self._pair(given, first, control)
            share = self._share(given, first, time - first, pair, control)
            if weaver is None or woven_for != (first, first + 1):
                weaver = self._weaver(given, first)
                woven_for = (first, first + 1)
            found = self._found(given, first, share, pair, control)
            if not arrays:
                arrays = weaver.empty(summing)
            weaver.weave(found, arrays, 1 / len(times) if summing else None)
            if time == centre:
                total = weaver.frames[0 if share < 0.5 else 1]
            control.progress((index + 1) / (len(times) + 1))
            if control.cancel.is_set():
                raise Cancelled("Stopped on request; finished frames are kept.")
        assert total is not None and weaver is not None
        return _finished(total, arrays, weaver, summing)

    def _share(self, given: StepInput, first: int, share: float, pair: PairMotion, control: StepControl) -> float:
        """Where between its two frames a moment really lies: across a cut the earlier one is held."""
        assert given.moment is not None
        number = given.moment.base + first + 1
        cuts = str(given.knobs["cuts"])
        listed = str(given.knobs["cut_frames"]).strip()
        is_cut = bool(listed) and cuts != "ignore" and number in parse_frames(listed)
        if cuts == "detect" and pair.is_cut:
            is_cut = True
            self._tell(control, f"The shot changes at frame {number}; frame {number - 1} is held until then.")
        if pair.is_repeat and given.knobs["repeats"] == "keep":
            self._tell(control, _repeats(number))
        return float(math.floor(share)) if is_cut else share

    def _found(self, given: StepInput, first: int, share: float, pair: PairMotion, control: StepControl) -> Found:
        place = window_of(given.frames[first], given.layer)
        if share in (0.0, 1.0):
            return Found(_still(share), share, place, pair.full)
        if pair.bad:
            self._tell(
                control, "NaN or infinite pixels were kept out of the in-betweens; frames of the source keep them."
            )
        if given.mattes and given.knobs["matte_use"] == "split":
            inner, outer = (self._pair(given, first, control, which) for which in ("inside", "outside"))
            return Found(inner.between(share), share, place, pair.full, outer.between(share))
        return Found(pair.between(share), share, place, pair.full)

    def _weaver(self, given: StepInput, first: int) -> Weaver:
        one, other = given.frames[first], given.frames[first + 1]
        if given.mattes:
            one, other = (with_matte(given, offset) for offset in (first, first + 1))
        knobs = given.knobs
        style = Style(bool(knobs["premultiplied"]), str(knobs["fallback"]), knobs["matte_use"] == "protect")
        return Weaver(one, other, style)

    def _add_layers(self, given: StepInput, result: Frame, times: Sequence[float], control: StepControl) -> None:
        """The layers that are not the plate's: motion and hazard, at the middle of the shutter."""
        knobs, moment = given.knobs, given.moment
        assert moment is not None
        if not (knobs["vectors"] or knobs["hazard"]):
            return
        part = result.parts[layers.find(result, given.layer, 3)[0]]
        if len(given.frames) == 1:
            names = [*VECTOR_CHANNELS] * bool(knobs["vectors"]) + [HAZARD_CHANNEL] * bool(knobs["hazard"])
            shape = part.data_window.height, part.data_window.width
            part.channels.update({name: np.zeros(shape, np.float16) for name in names})
            return
        first = min(math.floor(moment.share), max(given.frames) - 1)
        first = max(first, min(given.frames))
        pair = self._pair(given, first, control)
        share = self._share(given, first, moment.share - first, pair, control)
        place = window_of(given.frames[first], given.layer)
        held = share != moment.share - first
        between = _still(share) if held else pair.between(share)
        found = Found(between, share, place, pair.full)
        if knobs["vectors"]:
            part.channels.update(motion_layers(found, part, moment.on, moment.back))
        if knobs["hazard"]:
            calm = Found(_still(share), share, place, pair.full)
            part.channels.update(hazard_layer(calm if share in (0.0, 1.0) else found, part))

    # -- what is kept --------------------------------------------------------------------------------------------------

    def _pair(self, given: StepInput, first: int, control: StepControl, which: str = "") -> PairMotion:
        """The motion from frame `first` to the next, found now or before; `which` side of the matte, if any."""
        offsets = (first, first + 1)
        method = self._networks_for(str(given.knobs["method"]))
        size, detail = int(given.knobs["flow_size"]), _detail(given, method)
        sees = method is not None and method.bends and not which
        before, after = (offset if sees and has(given, offset) else None for offset in (first - 1, first + 2))
        key: tuple[Any, ...] = (*(given.hashes[offset] for offset in offsets), size)
        key += (given.layer, detail, window_of(given.frames[first], given.layer))
        key += (which, *(id(given.mattes[offset]) for offset in offsets if which))
        key += tuple("" if offset is None else given.hashes[offset] for offset in (before, after))
        if key not in self._pairs:
            looks = [self._look(given, offset, size) for offset in offsets]
            if which:
                looks = [hidden(look, given, offset, which) for look, offset in zip(looks, offsets, strict=True)]
                prior = _searched(detail, looks[0].encoded, looks[1].encoded)
            else:
                prior = self._flow(given, first, size, detail)
            around: tuple[Beside, Beside] = (None, None)
            if before is not None:
                flow = self._flow(given, before, size, detail)[:, :, 2:]
                around = (self._look(given, before, size), flow), None
            if after is not None:
                flow = self._flow(given, first + 1, size, detail)[:, :, :2]
                around = around[0], (self._look(given, after, size), flow)
            self._pairs[key] = PairMotion(looks[0], looks[1], prior, method, control.cancel, around)
            _forget(self._pairs, _PAIRS_KEPT)
        self._pairs.move_to_end(key)
        return self._pairs[key]

    def _look(self, given: StepInput, offset: int, size: int) -> Look:
        frame = frame_at(given, offset)
        key = given.hashes[offset], size, given.layer, window_of(frame, given.layer)
        if key not in self._looks:
            self._looks[key] = look_at(frame, given.layer, size)
            _forget(self._looks, _LOOKS_KEPT)
        self._looks.move_to_end(key)
        return self._looks[key]

    def _flow(self, given: StepInput, first: int, size: int, detail: str) -> Pixels:
        """The flow that is looked for between frame `first` and the next, both ways."""
        key = (
            detail,
            given.hashes[first],
            given.hashes[first + 1],
            size,
            given.layer,
            window_of(frame_at(given, first), given.layer),
        )
        if key not in self._flows:
            looks = [self._look(given, offset, size) for offset in (first, first + 1)]
            self._flows[key] = _searched(detail, looks[0].encoded, looks[1].encoded)
            _forget(self._flows, _FLOWS_KEPT)
        self._flows.move_to_end(key)
        return self._flows[key]

    def _networks_for(self, method: str) -> Networks | None:
        if method == "model" and self._networks is None:
            raise UsageError("method is model, and no slow-motion model is installed. Install one, or choose auto.")
        return None if method == "classical" else self._networks

    def _tell(self, control: StepControl, text: str) -> None:
        """Say a thing once in a run."""
        if text not in self._told:
            self._told.add(text)
            control.notice(text)

    def close(self) -> None:
        """Give the model's memory back."""
        self._pairs.clear()
        self._looks.clear()
        self._flows.clear()
        if self._networks is not None:
            self._networks.close()


# -- helpers ---------------------------------------------------------------------------------------------------------


def _detail(given: StepInput, method: Networks | None) -> str:
    """How finely motion is looked for; "" for the classical method."""
    if method is None:
        return ""
    asked = str(given.knobs["flow_detail"])
    return method.card.flow_detail if asked == "auto" else asked


def _searched(detail: str, first: Pixels, second: Pixels) -> Pixels:
    """Where the networks start from; the classical method, which others are measured by, is DIS alone."""
    return motion_search.prior_of(first, second, detail) if detail else motion_search.dis_of(first, second)


def _is_on(value: Any) -> bool:
    return str(value).strip().lower() in ("1", "1.0", "true", "yes", "on")


def _repeats(number: int) -> str:
    return f"Frame {number} repeats frame {number - 1}; it stands still there."


def _finished(frame: Frame, arrays: list[dict[str, Any]], weaver: Weaver, summing: bool) -> Frame:
    parts = []
    for part, channels in zip(frame.parts, arrays, strict=True):
        if summing:
            channels = {
                name: weaver.stored(values, part, name) if values.dtype != part.channels[name].dtype else values
                for name, values in channels.items()
            }
        parts.append(Part(channels, part.data_window, part.display_window, dict(part.attributes), {}, part.perceptual))
    return dataclasses.replace(frame, parts=parts)


def _still(share: float) -> Between:
    """No motion: one of the two frames as it is."""
    zero = np.zeros((1, 1, 2), np.float32)
    return Between(zero, zero, np.full((1, 1), 1 - share, np.float32), np.zeros((1, 1), np.float32))


def _forget(kept: OrderedDict[tuple[Any, ...], Any], most: int) -> None:
    """Give up what was not used for longest."""
    while len(kept) > most:
        kept.popitem(last=False)
