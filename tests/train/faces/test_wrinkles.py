from __future__ import annotations

import numpy as np

from bipack_train.faces import wrinkles


def test_the_faintest_line_sets_in_last() -> None:
    deep, faint = (np.stack([np.linspace(0.2, 0.8, 24), np.full(24, row)], 1) for row in (0.3, 0.7))
    onset = wrinkles.onset([(deep, 1.0, 0.06), (faint, 0.2, 0.06)], 256, 0.5)
    assert onset[77, 128] < 0.02 and 0.3 < onset[179, 128] <= 0.4 and onset[128, 128] == 0
