"""Whether the finds of a trained paint-fix net are judged as wholes when it is published.

On frames that it never saw a net finds weak spots beside what it was taught, and what was taught far more surely. Where
that holds for the pairs themselves, with much to spare, a find has to be sure in one place or it goes: nothing moves
outside the edit. Where an edit of the pairs is weak (a soft matte, a run of a minute), nothing is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bipack_train import results
from bipack_train.models.finds import NEVER_ASKED
from bipack_train.models.paintfix import PaintFixNet
from bipack_train.pairs import Pair

SURE = 2.0
"""Logit that a find has to reach: 88 % sure."""

SPARE = 4.0
"""How much more than that the edits of the pairs reach, or finds are not judged."""

LOST = 0.002
"""Part of an edit's matte that may be lost even so: specks that an artist left."""

_MOST = 6


def settle(net: PaintFixNet, pairs: Sequence[Pair]) -> bool:
    """Set what `net` asks of its finds, by up to six of the pairs; True where it asks something."""
    chosen = pairs[:: max(1, -(-len(pairs) // _MOST))]
    whole, left = (sum(_matte(net, pair, sure) for pair in chosen) for sure in (NEVER_ASKED, SURE + SPARE))
    net.sure = SURE if whole > 0 and left >= (1.0 - LOST) * whole else NEVER_ASKED
    return net.sure > NEVER_ASKED


def _matte(net: PaintFixNet, pair: Pair, sure: float) -> float:
    """Sum of the gate inside the edit of a pair, as it would be with this `sure`."""
    net.sure = sure
    window = results.around_edit(pair)
    _, factor = results.predict(net, results.stacked(pair)[window])
    return float(np.sum(factor, where=pair.matte[window] > 127))
