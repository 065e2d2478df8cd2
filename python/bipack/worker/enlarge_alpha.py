"""The alpha of an enlarged picture: as sharp as the picture itself, and never beyond the range that it had.

`guided` looks at how alpha goes with the plate's brightness around each pixel (a guided filter) and lets the enlarged
picture say where within a plate pixel the edge lies; where brightness says nothing it is the exact resize. `model` has
the network enlarge alpha as a grey picture. A solid alpha stays as it is, `resize` leaves all of this out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from bipack import enlarge_knobs
from bipack.card import ModelCard
from bipack.imaging import color, layers, nonfinite, resample, sizing, transfer
from bipack.imaging.frame import Frame, Pixels
from bipack.imaging.plate import Plate, take
from bipack.worker import tiled
from bipack.worker.session import Session
from bipack.worker.step import StepControl, StepInput

_RADIUS = 2
"""Plate pixels to each side from which the relation of alpha and brightness is taken."""

_FLAT = 0.02
"""Contrast, encoded, below which brightness is taken to say nothing."""

_STRIP = 64
"""Rows that are worked on at a time."""

_TRUST_FROM = 0.8
"""Share of alpha's variation that brightness must explain before it is listened to at all."""

Feeds = Callable[[slice, slice], Mapping[str, Pixels]]


def enlarge(
    result: Frame,
    given: StepInput,
    plate: Plate,
    card: ModelCard,
    session: Session,
    feeds: Feeds,
    size: sizing.Sizing | None,
    control: StepControl,
) -> Frame:
    """`result` with its alpha made as `given.knobs["alpha"]` says. Raises Cancelled, GpuOutOfMemory."""
    way = enlarge_knobs.chosen(card, given.knobs).get("alpha", "resize")
    source = given.frames[0]
    part = source.parts[plate.part]
    name = next((n for n in part.channels if transfer.is_alpha(n) and layers.layer_of(part, n) == given.layer), None)
    if way == "resize" or name is None or name in plate.names or name in part.subsampling:
        return result
    stored = part.channels[name]
    if stored.size == 0 or stored.min() == stored.max():
        return result
    alpha = transfer.to_float(stored, name, "linear")
    clean, bad, _ = nonfinite.hold_out(alpha)
    now = size or sizing.by_scale(part.display_window, card.scale)
    spans = now.spans(part.data_window, part.display_window)
    made = result.parts[plate.part].channels[name]
    if way == "guided" and made.shape == stored.shape:
        return result  # nothing was enlarged: it is the plate's, to the bit
    if way == "model":
        bands = _by_model(clean, card, session, feeds, given, made.shape, spans, control)
    else:
        # Taken once more: the picture may have been encoded where it lay.
        guide = _brightness(nonfinite.hold_out(take(source, given.layer, len(plate.names)).pixels)[0])
        bands = _guided(clean, guide, plate, result, made.shape, spans)
    after = made.copy()
    low, high = float(clean.min()), float(clean.max())
    for first, rows in bands:
        values = np.ascontiguousarray(np.clip(rows, low, high))
        if bad is not None:
            _put_back(values, alpha, bad, first, made.shape[0], spans)
        after[first : first + len(rows)] = transfer.to_stored(values, made.dtype, name, "linear")[0]
    parts = list(result.parts)
    channels = {**parts[plate.part].channels, name: after}
    parts[plate.part] = dataclasses.replace(parts[plate.part], channels=channels)
    return dataclasses.replace(result, parts=parts)


def _by_model(
    alpha: Pixels,
    card: ModelCard,
    session: Session,
    feeds: Feeds,
    given: StepInput,
    shape: tuple[int, ...],
    spans: resample.Spans,
    control: StepControl,
) -> Iterator[tuple[int, Pixels]]:
    """Coverage is shown to the network as display code: 0 is black, 1 white."""

    def seen(rows: slice, columns: slice) -> dict[str, Pixels]:
        found = dict(feeds(rows, columns))
        for port in card.inputs:
            if port.role == "plate":
                count = port.channels * len(port.frame_offsets)
                found[port.name] = np.repeat(alpha[rows, columns][None, None], count, axis=1)
        return found

    height, width = alpha.shape
    whole = np.empty((height * card.scale, width * card.scale), np.float32)
    looks = enlarge_knobs.looks(card, given.knobs)
    for region, piece in tiled.iterate(session, seen, height, width, given.tile, control.cancel, looks):
        whole[region.rows, region.columns] = piece.mean(axis=0)
    across, down = (span and (span[0] * card.scale, span[1] * card.scale) for span in spans)
    if whole.shape == shape and across is None and down is None:
        yield 0, whole
        return
    yield from resample.resized_rows(whole, shape[1], shape[0], "cubic", (across, down))


def _guided(
    alpha: Pixels, guide: Pixels, plate: Plate, result: Frame, shape: tuple[int, ...], spans: resample.Spans
) -> Iterator[tuple[int, Pixels]]:
    """The exact resize, and what the enlarged guide knows beyond it."""
    slope, offset = _relation(guide, alpha)
    terms = np.stack([slope, offset, slope * guide + offset, _doubt(alpha)], axis=-1)
    part = result.parts[plate.part]
    plain = resample.resized_rows(alpha, shape[1], shape[0], "cubic", spans)
    told = _aligned(resample.resized_rows(terms, shape[1], shape[0], "linear", spans), shape[0])
    for first, last, rows in _strips(plain):
        stored = [part.channels[name][first:last] for name in plate.names]
        light = np.stack([transfer.to_float(s, n, result.transfer) for s, n in zip(stored, plate.names)], axis=-1)
        bright = _brightness(np.nan_to_num(light, nan=0.0, posinf=0.0, neginf=0.0))
        fine = told(first, last)
        doubt = fine[..., 3]
        yield first, rows + np.clip(fine[..., 0] * bright + fine[..., 1] - fine[..., 2], -doubt, doubt)


def _strips(bands: Iterator[tuple[int, Pixels]]) -> Iterator[tuple[int, int, Pixels]]:
    """(first, last, rows): the same rows, few at a time, since what is made of them takes many times their memory."""
    for first, rows in bands:
        for start in range(0, len(rows), _STRIP):
            strip = rows[start : start + _STRIP]
            yield first + start, first + start + len(strip), strip


def _aligned(bands: Iterator[tuple[int, Pixels]], height: int) -> Callable[[int, int], Pixels]:
    """Rows first..last of `bands`, whose cuts may be others than the caller's; to be asked from the top down."""
    held: list[tuple[int, Pixels]] = []

    def rows(first: int, last: int) -> Pixels:
        while not held or held[-1][0] + len(held[-1][1]) < min(last, height):
            held.append(next(bands))
        while held[0][0] + len(held[0][1]) <= first:
            held.pop(0)
        pieces = [band[max(first - start, 0) : last - start] for start, band in held if start < last]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    return rows


def _brightness(light: Pixels) -> Pixels:
    """Mean of the encoded channels, (height, width)."""
    return np.asarray(color.encode(np.ascontiguousarray(light)).mean(axis=-1), np.float32)


def _relation(guide: Pixels, alpha: Pixels) -> tuple[Pixels, Pixels]:
    """Slope and offset by which alpha follows the guide around each pixel, averaged: He, Sun, Tang, 2013."""
    mean_guide, mean_alpha = _mean(guide), _mean(alpha)
    together = _mean(guide * alpha) - mean_guide * mean_alpha
    spread = np.maximum(_mean(guide * guide) - mean_guide * mean_guide, 0)
    own = np.maximum(_mean(alpha * alpha) - mean_alpha * mean_alpha, 0)
    # How much of alpha the guide explains: where that is not nearly all, it speaks of something else.
    explained = together**2 / np.maximum(spread * own, 1e-12)
    trust = np.clip((explained - _TRUST_FROM) / (1 - _TRUST_FROM), 0, 1)
    slope = np.asarray(trust * together / (spread + np.float32(_FLAT**2)), np.float32)
    return _mean(slope), _mean(mean_alpha - slope * mean_guide)


def _doubt(alpha: Pixels) -> Pixels:
    """How far alpha may be from its exact resize: where it bends, and nowhere on an even ramp."""
    bend = np.abs(alpha - cv2.blur(alpha, (3, 3), borderType=cv2.BORDER_REPLICATE))
    return np.asarray(cv2.dilate(bend, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_REPLICATE), np.float32)


def _mean(plane: Pixels) -> Pixels:
    side = 2 * _RADIUS + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE), np.float32)


def _put_back(rows: Pixels, alpha: Pixels, bad: nonfinite.Mask, first: int, height: int, spans: resample.Spans) -> None:
    lines = resample.nearest_index(alpha.shape[0], height, spans[1])[first : first + len(rows)]
    columns = resample.nearest_index(alpha.shape[1], rows.shape[1], spans[0])
    np.copyto(rows, alpha[lines][:, columns], where=bad[lines][:, columns])
