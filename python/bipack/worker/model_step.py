"""A model as a step: the artist's plate in, the model's result on that plate out.

The picture is taken out of its frame and encoded, NaN and infinities held out; each tile is run, decoded and put on
a canvas of the file's own type, so that nothing of the size of the result exists twice. Where the model returned its
input bit for bit the plate's own values stay: an identity model, or a gated one outside its edit, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bipack import enlarge_knobs
from bipack.card import Knob, ModelCard, Port
from bipack.catalog import Located
from bipack.errors import CorruptInput, ModelRefused
from bipack.imaging import color, neighbours, nonfinite, resample
from bipack.imaging.frame import Frame, Part, Pixels
from bipack.imaging.plate import Plate, take, take_matte, take_or_grey
from bipack.worker import enlarge, enlarge_alpha, matte_window, self_ensemble, tiled
from bipack.worker.painted_memory import PaintedMemory
from bipack.worker.session import Session, open_session
from bipack.worker.step import StepControl, StepInput

MIX = Knob("mix", "float", 1.0, "Mix", 0.0, 1.0, tooltip="1 is the model's result, 0 the plate.")
SEED = Knob("seed", "int", 0, "Seed", tooltip="Start of the noise; every frame gets its own from it.")

Window = tuple[slice, slice]

_NEED_LIGHT = ("back_projection", "factor", "width")
"""Knobs that, where set, look at the plate as light once more."""


class ModelStep:
    """One open model. See `worker.step.Step`."""

    def __init__(self, located: Located, device: str = "auto", require_gpu: bool = False) -> None:
        """Open the model. Raises what `open_session` raises."""
        if located.card is not None and located.card.kind == "parser":
            raise ModelRefused(
                f"Model {located.name!r} finds faces and makes no picture. Run `bipack faces PLATE OUTDIR --model "
                f"{located.name}`, or use the gizmo BipackFaceRegions."
            )
        self._session: Session = open_session(located, device, require_gpu)
        self.card = self._session.card
        self.name = self.card.name
        self._painted = PaintedMemory(located) if self.card.painted is not None else None
        self.identity = f"{self._session.sha256} {self._session.precision}"
        if self._painted is not None:
            self.identity += f" {self._painted.identity}"
        self.frame_offsets = self.card.frame_offsets
        self.knobs: Sequence[Knob] = _knobs(self.card)
        self.notices: Sequence[str] = self._take_notices()

    @property
    def session(self) -> Session:
        """The open session: facts of the graph, device and runs."""
        return self._session

    def _take_notices(self) -> list[str]:
        """What the session has to say since the last look."""
        found = list(self._session.notices)
        self._session.notices.clear()
        return found

    def process(self, given: StepInput, control: StepControl) -> Frame:
        """Run the model on one frame. Raises ModelRefused when they do not fit, Cancelled, GpuOutOfMemory."""
        picture = Picture(self.card, self.knobs, given)
        height, width = picture.plate.pixels.shape[:2]
        scale = self.card.scale
        size = enlarge.wanted_size(self.card, given, given.frames[0].parts[picture.plate.part].display_window)
        if line := enlarge.larger_model(self.card, size):
            control.notice(line)
        matte_is_input = any(port.role == "matte" for port in self.card.inputs)
        blend = _Blend(picture, given, scale, matte_is_input)
        bad = 0

        def finish(window: Window, block: Pixels) -> Pixels:
            return picture.restored(window, blend.apply(window, block), scale)

        target = enlarge.target(self.card, given, picture.plate, picture.clean, size, finish, control)
        whole: matte_window.Window | None = (slice(0, height), slice(0, width))
        looks = enlarge_knobs.looks(self.card, given.knobs)
        geometry = self_ensemble.geometry_for(self._session.facts.geometry, looks, self.name)
        if picture.matte is not None and matte_window.allowed(self.card.kind, matte_is_input, geometry):
            whole = matte_window.window(picture.matte, geometry)
            for window in matte_window.around(whole, height, width):
                target.store(window, picture.clean[window].copy())
        pieces = self._pieces(picture, whole, given.tile, looks, control)
        if self._painted is not None:
            pieces = self._painted.looked_up(picture.seen, pieces, given.knobs, control.notice)
        for region, piece in pieces:
            window = region.rows, region.columns
            block = picture.linear(window, piece, scale)
            bad += int(np.count_nonzero(~np.isfinite(block)))
            target.store(window, block)
            control.progress(region.fraction * target.share)
            for text in self._take_notices():
                control.notice(text)
        if picture.bad_count:
            control.notice(
                f"{picture.bad_count} pixels are NaN or infinite; they were kept out of the model and put back."
            )
        if bad:
            control.notice(f"The model made {bad} NaN or infinite samples out of finite ones; they are in the result.")
        return enlarge_alpha.enlarge(
            target.finish(), given, picture.plate, self.card, self._session, picture.feeds, size, control
        )

    def _pieces(
        self, picture: Picture, part: matte_window.Window | None, tile: str, looks: int, control: StepControl
    ) -> Iterator[tuple[tiled.Region, Pixels]]:
        """The model's result on a part of the plate, in places of the whole result."""
        if part is None:
            return

        def feeds(rows: slice, columns: slice) -> dict[str, Pixels]:
            return picture.feeds(*matte_window.moved((rows, columns), part))

        height, width = (side.stop - side.start for side in part)
        for region, piece in tiled.iterate(self._session, feeds, height, width, tile, control.cancel, looks):
            if part[0].start or part[1].start:
                rows, columns = matte_window.moved((region.rows, region.columns), part)
                region = tiled.Region(rows, columns, region.fraction)
            yield region, piece

    def close(self) -> None:
        """Give the model's memory back."""
        self._session.close()


def _knobs(card: ModelCard) -> tuple[Knob, ...]:
    """The card's knobs, with a mix for every model, a seed where there is noise, and sizes for super-res."""
    names = {knob.name for knob in card.knobs}
    ours = [MIX, SEED] if any(port.role == "noise" for port in card.inputs) else [MIX]
    return (*card.knobs, *(knob for knob in ours if knob.name not in names), *enlarge_knobs.of_card(card))


class Picture:
    """What the model sees of one frame, and what its answer means as light."""

    def __init__(self, card: ModelCard, knobs: Sequence[Knob], given: StepInput) -> None:
        self._ports = card.inputs
        self._is_encoded = card.color == "bipack"
        main = next(port for port in card.inputs if port.role == "plate")
        self._look = take_or_grey if card.kind == "image" else take
        self.plate: Plate = self._look(given.frames[0], given.layer, main.channels)
        self._grey = self.plate.pixels.shape[2] < main.channels
        self.clean, self._bad, self.bad_count = nonfinite.hold_out(self.plate.pixels)
        # The whole plate is encoded at once: in the same place a sample then has the same bits in every tile. Where
        # nothing asks for it as light any more this is done in place, which spares a frame's worth of memory.
        ours = enlarge_knobs.chosen(card, given.knobs)
        plain = given.knobs.get("mix", 1) == 1 and not any(ours.get(name) for name in _NEED_LIGHT)
        spent = card.scale > 1 and self._bad is None and given.matte is None and plain
        current = self._encode(self.clean, in_place=spent)
        seen = {0: current}
        for offset, frame in given.frames.items():
            if offset:
                neighbour = self._encode(self._neighbour(frame, given, main.channels, offset), in_place=True)
                seen[offset] = neighbours.onto(current, neighbour) if main.aligned else neighbour
        self._seen = {offset: self._planes_of(pixels, main.channels) for offset, pixels in seen.items()}
        self.matte = aligned_matte(given, self.plate) if given.matte is not None else None
        all_on = np.ones(self.plate.pixels.shape[:2], np.float32) if self.matte is None else self.matte
        self._planes = {
            port.name: all_on if port.role == "matte" else _noise(given, self.plate)
            for port in card.inputs
            if port.role in ("matte", "noise")
        }
        self._numbers = {
            port.name: _numbers(port, knobs, given) for port in card.inputs if port.role in ("amount", "latent")
        }

    def _neighbour(self, frame: Frame, given: StepInput, channels: int, offset: int) -> Pixels:
        pixels = self._look(frame, given.layer, channels).pixels
        if pixels.shape != self.plate.pixels.shape:
            height, width = self.plate.pixels.shape[:2]
            raise CorruptInput(
                f"The neighbour frame {given.frame + offset} is {pixels.shape[1]}x{pixels.shape[0]} pixels, this one "
                f"{width}x{height}. Bring the shot to one size."
            )
        return nonfinite.hold_out(pixels)[0]

    def _encode(self, pixels: Pixels, in_place: bool) -> Pixels:
        """(rows, columns, channels) of light as what the model sees of it."""
        return color.encode(pixels, out=pixels if in_place else None) if self._is_encoded else pixels

    def _planes_of(self, pixels: Pixels, channels: int) -> Pixels:
        """(rows, columns, channels) as (channels, rows, columns); a grey plate is shown in every channel."""
        planes = pixels.transpose(2, 0, 1)
        return np.repeat(planes, channels, axis=0) if self._grey else planes

    @property
    def seen(self) -> Pixels:
        """The plate as the model sees it, (channels, rows, columns)."""
        return self._seen[0]

    def feeds(self, rows: slice, columns: slice) -> dict[str, Pixels]:
        """Every input of the graph for these plate pixels; pictures are (1, channels, rows, columns)."""
        found = dict(self._numbers)
        for port in self._ports:
            if port.role == "plate":
                pieces = [self._seen[offset][:, rows, columns] for offset in port.frame_offsets]
                found[port.name] = (np.concatenate(pieces) if len(pieces) > 1 else pieces[0])[None]
            elif port.name in self._planes:
                found[port.name] = self._planes[port.name][rows, columns][None, None]
        return found

    def linear(self, window: Window, result: Pixels, scale: int) -> Pixels:
        """The light (rows, columns, channels) that a result (channels, rows, columns) at result pixels `window` means.

        Where the model gave its input back bit for bit, the plate itself.
        """
        decoded = color.decode(result) if self._is_encoded else result
        # A view: each channel stays in one piece, which is how the canvas takes it.
        block = decoded.transpose(1, 2, 0)
        if self._grey:
            block = block.mean(axis=2, keepdims=True, dtype=np.float64).astype(np.float32)
        if scale == 1:
            seen = np.ascontiguousarray(self._seen[0][:, window[0], window[1]])
            same = (np.ascontiguousarray(result).view(np.uint32) == seen.view(np.uint32)).transpose(1, 2, 0)
            np.copyto(block, self.clean[window], where=same.all(axis=2, keepdims=True) if self._grey else same)
        return block

    def restored(self, window: Window, block: Pixels, scale: int) -> Pixels:
        """`block` with the plate's NaN and infinities back in their places."""
        if self._bad is None:
            return block
        rows, columns = window
        if scale == 1:
            return nonfinite.restore(block, self.plate.pixels[window], self._bad[window])
        bad = self._bad[np.arange(rows.start, rows.stop) // scale][:, np.arange(columns.start, columns.stop) // scale]
        plate = self.plate.pixels
        spots = np.nonzero(bad)
        block[spots] = plate[(spots[0] + rows.start) // scale, (spots[1] + columns.start) // scale, spots[2]]
        return block


class _Blend:
    """The artist's mix and matte over the finished result; does nothing where neither is used."""

    def __init__(self, picture: Picture, given: StepInput, scale: int, matte_is_input: bool) -> None:
        self._mix = np.float32(given.knobs.get("mix", 1.0))
        self._matte: Pixels | None = None
        self._base: Pixels | None = None
        if not matte_is_input:
            self._matte = picture.matte
        if self._matte is not None or self._mix != 1.0:
            height, width = picture.plate.pixels.shape[:2]
            # The held-out picture: a NaN of the plate must not spread into its neighbours here either.
            self._base = picture.clean
            if scale > 1:
                self._base = resample.resize(picture.clean, width * scale, height * scale)
                if self._matte is not None:
                    self._matte = resample.resize(self._matte, width * scale, height * scale, "linear")

    def apply(self, window: Window, block: Pixels) -> Pixels:
        """`block` inside the matte, the plate where the amount is 0, bit for bit."""
        if self._base is None:
            return block
        amount = np.full(block.shape[:2], self._mix) if self._matte is None else self._matte[window] * self._mix
        base, amount = self._base[window], amount[..., None]
        mixed = base + amount * (block - base)
        np.copyto(mixed, block, where=amount == 1)
        np.copyto(mixed, base, where=amount == 0)
        return mixed


def aligned_matte(given: StepInput, plate: Plate) -> Pixels:
    """The matte at the plate's pixels, 0 where it has none; all 1 where there is no matte."""
    height, width = plate.pixels.shape[:2]
    if given.matte is None:
        return np.ones((height, width), np.float32)
    mattes = given.matte.parts[0]
    part = given.frames[0].parts[plate.part]
    if (mattes.display_window.width, mattes.display_window.height) != (
        part.display_window.width,
        part.display_window.height,
    ):
        raise CorruptInput(
            f"The matte is {mattes.display_window.width}x{mattes.display_window.height} pixels, the plate "
            f"{part.display_window.width}x{part.display_window.height}. Reformat the matte to the plate."
        )
    source = take_matte(given.matte)
    aligned = np.zeros((height, width), np.float32)
    left, top = (theirs - ours for theirs, ours in zip(_origin(mattes), _origin(part)))
    rows = slice(max(0, top), min(height, top + source.shape[0]))
    columns = slice(max(0, left), min(width, left + source.shape[1]))
    if rows.stop > rows.start and columns.stop > columns.start:
        aligned[rows, columns] = source[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    # A NaN in a matte would spread over the model's whole field of view; no matte is what it means.
    aligned[~np.isfinite(aligned)] = 0.0
    return aligned


def _origin(part: Part) -> tuple[int, int]:
    """Where the stored pixels begin inside the format, (x, y)."""
    return part.data_window.xmin - part.display_window.xmin, part.data_window.ymin - part.display_window.ymin


def _noise(given: StepInput, plate: Plate) -> Pixels:
    """Unit normal noise of the whole plate, the same for the same seed and frame on every machine."""
    generator = np.random.Generator(np.random.Philox(key=[int(given.knobs["seed"]) % 2**64, given.frame % 2**64]))
    return generator.standard_normal(plate.pixels.shape[:2], np.float32)


def _numbers(port: Port, knobs: Sequence[Knob], given: StepInput) -> Pixels:
    """Values of an amount, (1,), or of a latent input, (1, channels), from the knobs that feed it."""
    values = np.zeros(port.channels, np.float32)
    for knob in knobs:
        if knob.input == port.name:
            values[knob.index] = float(given.knobs[knob.name])
    return values if port.role == "amount" else values[None]
