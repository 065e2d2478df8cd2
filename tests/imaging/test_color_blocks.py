"""The color encoding works block by block: no length of input may change a value."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.imaging import color


@pytest.mark.parametrize("curve", [color.encode, color.decode, color.linear_to_srgb, color.srgb_to_linear])
@pytest.mark.parametrize("count", [1, 2, 3, 5, (1 << 16) + 1, (1 << 17) + 1])
def test_the_last_sample_is_encoded_like_all_others(curve, count):
    found = curve(np.full(count, -0.7, np.float32))
    assert np.unique(found).size == 1
    assert found[-1] == curve(np.full(64, -0.7, np.float32))[0]
