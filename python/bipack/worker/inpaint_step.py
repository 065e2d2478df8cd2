"""`bipack run inpaint`: a model whose card is of the kind `inpaint`, with all that surrounds it.

The matte says what is to go. Background is borrowed from other frames first, and the network makes up what none of them
shows. Outside the feathered matte every stored bit stays.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bipack import messages
from bipack.card import Knob
from bipack.catalog import Located
from bipack.errors import Cancelled, ModelRefused, UsageError
from bipack.frames import FramePath
from bipack.imaging import nonfinite
from bipack.imaging.frame import Frame, Pixels
from bipack.imaging.hole import LEAST
from bipack.imaging.plate import Plate, put, take, take_matte
from bipack.imaging.smooth_fill import Mask
from bipack.inpaint_knobs import MADE, SOURCE_CHANNEL, lenders
from bipack.worker import inpaint_net
from bipack.worker.inpaint_fill import Filled, Filler
from bipack.worker.inpaint_grain import add_grain
from bipack.worker.inpaint_layers import fill_others
from bipack.worker.inpaint_shot import Shot, Shown, matte_name, plate_name
from bipack.worker.model_step import MIX
from bipack.worker.session import open_session
from bipack.worker.step import StepControl, StepInput

VERSION = "2"
"""Goes into the key of every result; raised when results change."""

NO_MATTE = "inpaint needs a matte that is white over what is to go. Give it with --matte NAME.%04d.exr."


class InpaintStep:
    """Inpaint with one open network. See `worker.step.Step`."""

    def __init__(self, located: Located, device: str = "auto", require_gpu: bool = False) -> None:
        """Open the network. Raises what `open_session` raises, ModelRefused for a card without plate and matte."""
        self._session = open_session(located, device, require_gpu)
        self.card = self._session.card
        self._ports = {port.role: port.name for port in self.card.inputs}
        if not {"plate", "matte", "amount"} <= self._ports.keys():
            raise ModelRefused(
                f"Model {self.card.name!r} is no inpaint model: it has {', '.join(sorted(self._ports))}, and needs a "
                "plate, a matte and an amount (whether the hole holds a start)."
            )
        self.name = self.card.name
        self.identity = f"{self._session.sha256} {self._session.precision} inpaint {VERSION}"
        self.frame_offsets = (0,)
        self.knobs: Sequence[Knob] = (*self.card.knobs, MIX)
        self.notices: Sequence[str] = tuple(self._session.notices)
        self._patterns: tuple[FramePath, FramePath] | None = None
        self._frames: tuple[int, ...] = ()
        self._shot = Shot()
        self._filler: tuple[tuple[Any, ...], Filler] | None = None
        self.kept_files = 2

    # -- which files -----------------------------------------------------------------------------------------------

    def begin(self, request: messages.Render) -> None:
        """Learn which shot is about to be cooked. Raises UsageError without a matte."""
        if not request.matte:
            raise UsageError(NO_MATTE)
        patterns = FramePath.parse(request.input), FramePath.parse(request.matte)
        if patterns != self._patterns:
            self._shot.clear()
        self._patterns, self._frames = patterns, patterns[0].existing()

    def is_idle(self, matte: Frame | None) -> bool:
        """True where the matte is empty: then no other frame is looked at."""
        return matte is not None and not bool((take_matte(matte) > LEAST).any())

    def side_files(self, frame: int, knobs: Mapping[str, Any]) -> dict[str, str]:
        """Plate and matte of every frame that may lend to `frame`."""
        assert self._patterns is not None
        plate, matte = self._patterns
        neighbours, keys = lenders(frame, knobs, self._frames)
        span = 2 * int(knobs["range"]) * max(1, int(knobs["step"])) + 1
        self.kept_files = 2 * (span + len(keys))
        self._shot.most = span + len(keys)
        files = {}
        for number in (*neighbours, *keys):
            if number != frame and os.path.isfile(matte.path(number)):
                files[plate_name(number)] = plate.path(number)
                files[matte_name(number)] = matte.path(number)
        return files

    # -- one frame -------------------------------------------------------------------------------------------------

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """Fill the hole of one frame. Raises UsageError, CorruptInput, ModelRefused, Cancelled."""
        if given.matte is None:
            raise UsageError(NO_MATTE)
        frame = given.frames[0]
        plate = take(frame, given.layer, 3)
        here = self._shot.current(given)
        mix = float(given.knobs["mix"])
        source = np.full(here.free.shape, given.frame, np.float32)
        if here.hole.is_empty or mix == 0.0:
            return _with_source(frame, plate, source, given)
        filled = self._fill(here, given, control)
        if filled is None:
            control.notice("The matte covers all of the frame and no other frame shows anything: the plate was kept.")
            return _with_source(frame, plate, source, given)
        control.progress(0.8)
        if not add_grain(here, filled, given.knobs):
            control.notice("The plate is too small or too covered to measure its grain; the fill has none.")
        result = _laid_in(here, plate, filled, source, mix)
        done = put(frame, plate, result)
        if given.knobs["layers"]:
            done = fill_others(done, here, filled, plate.names, mix)
        control.progress(1.0)
        return _with_source(done, plate, source, given)

    def _fill(self, here: Shown, given: StepInput, control: StepControl) -> list[Filled] | None:
        def check() -> None:
            if control.cancel.is_set():
                raise Cancelled("Stopped on request; finished frames are kept.")

        def make_up(picture: Pixels, hole: Mask) -> Pixels:
            return inpaint_net.fill(picture, hole, network, self.card.geometry.multiple)

        def network(picture: Pixels, hole: Mask) -> Pixels:
            return self._run(picture, hole, control)

        check()
        near, key_numbers = lenders(given.frame, given.knobs, self._frames)
        neighbours = [one for one in (self._shot.other(number, given) for number in near) if one is not None]
        keys = [
            one
            for one in (here if number == given.frame else self._shot.other(number, given) for number in key_numbers)
            if one is not None
        ]
        if here.hole.is_everything and all(one.hole.is_everything for one in (*neighbours, *keys)):
            return None
        knobs = given.knobs
        identity = (tuple(map(id, keys)), knobs["motion"], knobs["match"], knobs["make_up"])
        if self._filler is None or self._filler[0] != identity:
            motion, match = str(knobs["motion"]), bool(knobs["match"])
            self._filler = identity, Filler(keys, motion, match)
        return self._filler[1].fill(here, neighbours, make_up if knobs["make_up"] else None, check)

    def _run(self, picture: Pixels, hole: Mask, control: StepControl) -> Pixels:
        """The network once, on an encoded picture (height, width, 3) with a start in its hole."""
        feeds = {
            self._ports["plate"]: np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32),
            self._ports["matte"]: hole[None, None].astype(np.float32),
            self._ports["amount"]: np.ones(1, np.float32),
        }
        result: NDArray[np.float32] = self._session.run(feeds, control.cancel)[self.card.outputs[0].name]
        return np.ascontiguousarray(result[0].transpose(1, 2, 0))

    def close(self) -> None:
        """Give back the network and forget the shot."""
        self._shot.clear()
        self._filler = None
        self._session.close()


def _laid_in(here: Shown, plate: Plate, filled: Sequence[Filled], source: NDArray[np.float32], mix: float) -> Pixels:
    """The picture with its fill; `source` is told where the pixels come from."""
    clean, bad, _ = nonfinite.hold_out(plate.pixels)
    result = clean.copy()
    for one in filled:
        left, top, right, bottom = one.patch.box
        area = slice(top, bottom), slice(left, right)
        weight = (here.hole.weight_in(one.patch.box) * np.float32(mix))[..., np.newaxis]
        mixed = clean[area] + weight * (one.patch.pixels - clean[area])
        np.copyto(mixed, one.patch.pixels, where=weight >= 1.0)
        if bad is not None:
            # A NaN cannot be faded out: where a fill is laid in, it is gone.
            np.copyto(mixed, one.patch.pixels, where=bad[area] & (weight > 0.0))
        np.copyto(result[area], mixed, where=weight > 0.0)
        np.copyto(source[area], one.patch.source, where=weight[..., 0] > 0.0)
    if bad is not None:
        outside = bad & (here.hole.weight == 0.0)[..., np.newaxis]
        np.copyto(result, plate.pixels, where=outside)
    return result


def _with_source(frame: Frame, plate: Plate, source: NDArray[np.float32], given: StepInput) -> Frame:
    """The frame with its channel of frame numbers, where the knob asks for it and the file can hold it."""
    if not given.knobs["provenance"] or frame.file_type != "exr":
        return frame
    parts = list(frame.parts)
    part = parts[plate.part]
    attributes = {**part.attributes, "bipack/made_up": float(np.mean(source == np.float32(MADE)))}
    parts[plate.part] = replace(part, channels={**part.channels, SOURCE_CHANNEL: source}, attributes=attributes)
    return replace(frame, parts=parts)
