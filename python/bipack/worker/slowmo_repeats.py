"""Animation on twos and telecine, smoothed: motion runs evenly from one drawing to the next, over the repetitions.

Only asked for by the artist, since it must read the plate once more beforehand: which frames repeat the one before them
decides which two frames a moment lies between.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

from bipack import messages
from bipack.frames import FramePath, format_frames
from bipack.imaging import shot_change
from bipack.imaging.image_io import read_frame
from bipack.retime import Moment
from bipack.worker.slowmo_motion import look_at

LONGEST = 5
"""Most frames that one drawing may stand for; animation on fives is as slow as it gets."""


def smoothed(
    moments: Mapping[int, Moment],
    request: messages.Render,
    source: tuple[int, int],
    notice: Callable[[str], None],
) -> dict[int, Moment]:
    """The same moments between drawings instead of between frames. Raises MissingInput, CorruptInput."""
    repeats = _repeats(moments, request, source)
    if repeats:
        notice(f"Frames {format_frames(repeats)} repeat the frame before them; motion runs evenly over them.")
    return {frame: _between_drawings(moment, repeats, source) for frame, moment in moments.items()}


def _repeats(moments: Mapping[int, Moment], request: messages.Render, source: tuple[int, int]) -> set[int]:
    """Frames that repeat the one before them, as far around the moments as one drawing can reach."""
    plate = FramePath.parse(request.input)
    bases = [moment.base for moment in moments.values()]
    first, last = max(source[0], min(bases) - LONGEST), min(source[1], max(bases) + LONGEST)
    found, before = set(), None
    for number in range(first, last + 1):
        small = shot_change.thumbnail(look_at(read_frame(plate.path(number)), request.layer, 480).encoded)
        if before is not None and shot_change.is_repeat(before, small):
            found.add(number)
        before = small
    return found


def _between_drawings(moment: Moment, repeats: set[int], source: tuple[int, int]) -> Moment:
    left = moment.base
    while left in repeats and left > source[0]:
        left -= 1
    right = math.floor(moment.base) + 1
    while right in repeats and right <= source[1]:
        right += 1
    if right > source[1]:
        return dataclasses.replace(
            moment, base=left, share=0.0, opens=0.0, closes=0.0, offsets=(0,), files=(), around=()
        )
    if right - left == 1:
        return moment
    span = right - left

    def within(time: float) -> float:
        return min(max((moment.base + time - left) / span, 0.0), 1.0)

    return dataclasses.replace(
        moment,
        base=left,
        share=within(moment.share),
        opens=within(moment.opens),
        closes=within(moment.closes),
        back=moment.back / span,
        on=moment.on / span,
        offsets=(0, 1),
        files=(left, right),
        around=(),
    )
