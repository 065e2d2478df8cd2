"""Which pair of a run is only watched."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bipack.errors import UsageError
from bipack_train import held_out_pairs

SHOT = [SimpleNamespace(frame=frame) for frame in range(1001, 1005)]


def test_the_held_out_pair_is_chosen_from_four_pairs_on() -> None:
    assert held_out_pairs.index_of(SHOT, "auto") == 2
    assert held_out_pairs.index_of(SHOT[:3], "auto") is None
    assert held_out_pairs.index_of(SHOT, "1004") == 3
    with pytest.raises(UsageError, match="1999"):
        held_out_pairs.index_of(SHOT, "1999")
