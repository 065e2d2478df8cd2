"""Learning a model's scale and size by running it, for graphs that the analysis cannot follow.

Small pictures of zeros are tried: sizes that only fit a multiple of 1, 2, 4… until one runs.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np

from bipack.errors import Cancelled, ModelRefused
from bipack.worker.graph import GraphFacts, TensorFacts
from bipack.worker.runtime import OutOfMemory

log = logging.getLogger(__name__)

SECONDS = 30
"""A small picture that takes longer is taken for an endless loop."""

SIZES = {1: 65, 2: 66, 4: 68, 8: 72, 16: 80, 32: 96, 64: 64, 224: 224}
"""Size to try for every multiple."""

Run = Callable[[Mapping[str, np.ndarray], threading.Event], dict[str, np.ndarray]]


def learn(facts: GraphFacts, run: Run, name: str) -> GraphFacts:
    """`facts` with scale, channels and multiple completed, or as they are when no size runs.

    Raises ModelRefused for a model that does not come to an end.
    """
    fixed = facts.fixed
    sizes = {1: 64} if None not in fixed else SIZES
    too_long = threading.Event()
    timer = threading.Timer(SECONDS, too_long.set)
    timer.daemon = True
    timer.start()
    learnt = facts
    try:
        for multiple, size in sizes.items():
            shape = (fixed[0] or size, fixed[1] or size)
            feeds = {entry.name: np.zeros(_shape(entry, shape), np.float32) for entry in facts.inputs}
            try:
                learnt = _with_results(facts, run(feeds, too_long), shape, multiple)
            except (ModelRefused, OutOfMemory):
                log.debug("Model %s does not run at %s", name, shape)
                continue
            # A size that the graph rounds off is no size that it was made for.
            if learnt.scale is not None and learnt.scale.denominator == 1:
                break
    except Cancelled:
        raise ModelRefused(
            f"Model {name!r} did not finish a small picture in {SECONDS} s. It cannot be used."
        ) from None
    finally:
        timer.cancel()
    return learnt


def _with_results(
    facts: GraphFacts, results: Mapping[str, np.ndarray], shape: tuple[int, int], multiple: int
) -> GraphFacts:
    pictures = [array for array in results.values() if array.ndim == 4]
    scales = {Fraction(size, plate) for size, plate in zip(pictures[0].shape[2:], shape)} if pictures else set()
    outputs = tuple(
        dataclasses.replace(entry, channels=results[entry.name].shape[1], picture=True)
        if results[entry.name].ndim == 4
        else entry
        for entry in facts.outputs
    )
    return dataclasses.replace(
        facts,
        scale=scales.pop() if len(scales) == 1 else None,
        outputs=outputs,
        multiple=multiple,
        minimum=multiple,
        alignment=multiple,
    )


def _shape(entry: TensorFacts, plate: tuple[int, int]) -> tuple[int, ...]:
    if entry.picture:
        return (1, entry.channels or 3, *plate)
    return tuple(size or 1 for size in entry.shape)
