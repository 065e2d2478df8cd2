from __future__ import annotations

import numpy as np

from bipack.face_regions import MIRRORED, REGIONS
from bipack_train.faces import regions
from bipack_train.faces.regions import INDEX


def test_mirroring_twice_is_where_one_began_and_swaps_left_with_right() -> None:
    assert [MIRRORED[MIRRORED[index]] for index in range(len(REGIONS))] == list(range(len(REGIONS)))
    assert MIRRORED[INDEX["eye_l"]] == INDEX["eye_r"] and MIRRORED[INDEX["nose"]] == INDEX["nose"]


def test_the_painted_map_is_symmetric_and_holds_every_region_of_the_skin() -> None:
    labels = regions.face_labels(256)
    flipped = np.array(MIRRORED, np.uint8)[labels[:, ::-1]]
    assert (flipped != labels).mean() < 0.004
    assert set(np.unique(labels)) == set(range(1, len(REGIONS))) - {INDEX["hair"]}


def test_left_is_the_persons_own() -> None:
    labels = regions.face_labels(128)
    middle = {name: np.nonzero(labels == INDEX[name])[1].mean() for name in ("eye_l", "eye_r", "ear_l", "ear_r")}
    assert middle["ear_r"] < middle["eye_r"] < 64 < middle["eye_l"] < middle["ear_l"]


def test_the_map_looks_the_same_at_every_size() -> None:
    small, large = regions.face_labels(128), regions.face_labels(512)
    assert (large[2::4, 2::4] != small).mean() < 0.03


def test_a_higher_brow_lies_higher() -> None:
    low, high = (
        np.nonzero(regions.face_labels(256, (shift, 0.013)) == INDEX["brow_l"])[0].mean() for shift in (0, 0.02)
    )
    assert 3 < low - high < 8


def test_a_brow_may_be_arched_and_tilted() -> None:
    def height(part: int, *brow: float) -> float:
        rows, columns = np.nonzero(regions.face_labels(512, (0.0, 0.013, *brow)) == INDEX["brow_r"])
        order = np.argsort(columns)
        third = len(order) // 3
        return float(rows[order[part * third : (part + 1) * third]].mean())

    assert height(1) - height(1, 0.015) > 4 and abs(height(2) - height(2, 0.015)) < height(1) - height(1, 0.015)
    assert height(2) - height(2, 0.0, 0.02) > 2 and height(0, 0.0, 0.02) - height(0) > 2


def test_lips_get_thinner_towards_where_they_meet() -> None:
    def rows(*lips: float) -> np.ndarray:
        return np.nonzero((regions.face_labels(512, lips=lips) == INDEX["mouth"])[:, 256])[0]

    full, upper, lower = rows(1, 1), rows(0.5, 1), rows(1, 0.5)
    assert np.array_equal(full, np.nonzero((regions.face_labels(512) == INDEX["mouth"])[:, 256])[0])
    assert 7 < upper[0] - full[0] < 14 and upper[-1] == full[-1]
    assert 5 < full[-1] - lower[-1] < 11 and lower[0] == full[0]


def test_looking_up_the_middle_of_a_texel_gives_its_value() -> None:
    image = np.arange(64, dtype=np.float32).reshape(8, 8)
    u, v = (np.array([0, 3, 7]) + 0.5) / 8, 1 - (np.array([0, 5, 7]) + 0.5) / 8
    uv = np.stack([u, v], 1).astype(np.float32)
    assert np.allclose(regions.look_up(image, uv), [0, 43, 63])
    labels = image.astype(np.uint8)
    assert regions.look_up(labels, uv, nearest=True).tolist() == [0, 43, 63]
    assert regions.look_up(image, uv[:0]).shape == (0,)
