from __future__ import annotations

import numpy as np

from bipack_train.faces import years
from bipack_train.faces.years import Line, Sign, Spot


def test_the_deepest_line_sets_in_first_and_grows_from_its_start() -> None:
    deep, faint = (np.stack([np.linspace(0.2, 0.8, 24), np.full(24, row)], 1) for row in (0.3, 0.7))
    lines = [Line(deep, 1.0, 0.06), Line(faint, 0.2, 0.06, start=0.0)]
    onset = years.onset(lines, 256, 0.5)
    assert onset[77, 128] < 0.03 and 0.15 < onset[77, 54] < 0.21 and 0.15 < onset[77, 202] < 0.21
    assert 0.39 < onset[179, 52] < 0.43 and 0.55 < onset[179, 204] <= 0.6
    # A texel beside a line, which the fold of the line lifts, goes with that line.
    assert abs(onset[85, 128] - onset[77, 128]) < 0.03


def test_without_lines_nothing_waits() -> None:
    assert not years.onset([], 64, 0.5).any()


def test_a_spot_grows_from_its_middle_and_small_pale_ones_come_last() -> None:
    spots = [Spot(40.0, 40.0, 12.0, 1.0), Spot(100.0, 100.0, 4.0, 0.4)]
    onset = years.spots_onset(spots, 128, 0.6)
    assert onset[40, 40] < onset[40, 50] - 0.05 < onset[100, 100] - 0.1
    sign = Sign(
        np.zeros((128, 128), np.float32), years.drawn(spots, 128)[..., None] * [-1.0, -1, -1], onset, onset + 0.12
    )
    wide = [int((sign.share(age)[28:53, 28:53] > 0.5).sum()) for age in (0.1, 0.2, 0.3, 1.0)]
    assert wide[0] < wide[1] < wide[2] <= wide[3] and sign.share(0.3)[100, 100] == 0


def test_a_spot_at_the_border_of_the_tile_stays_in_it() -> None:
    onset = years.spots_onset([Spot(1.0, 126.0, 9.0, 0.5)], 128, 0.6)
    assert onset[126, 1] > 0 and onset[60, 60] == 0


def test_bags_sag() -> None:
    onset = years.bags_onset(512, 0.6)
    assert (np.diff(onset[:, 256]) >= 0).all() and onset[145, 256] < onset[165, 256]


def test_all_signs_are_there_at_age_one_none_at_zero_and_none_goes_back() -> None:
    rng = np.random.default_rng(1)
    begins = rng.uniform(0, 0.8, (16, 16)).astype(np.float32)
    height, tint = (rng.normal(0, 1, shape).astype(np.float32) for shape in ((16, 16), (16, 16, 3)))
    signs = (Sign(height, tint), Sign(height, tint, begins, begins + 0.2))
    ways = [years.at(signs, age)[0] for age in np.linspace(0, 1, 9)]
    assert not ways[0].any() and np.allclose(ways[-1], 2 * height)
    assert (np.diff(np.stack(ways), axis=0) * np.sign(height) >= -1e-6).all()
    assert np.allclose(years.at(signs, 1.0)[1], 2 * tint)
