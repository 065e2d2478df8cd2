"""Rendered motion: the truth that comes with it is the truth."""

from __future__ import annotations

import cv2
import numpy as np

from bipack_train import motion, motion_scenes


def smooth(rng: np.random.Generator, side: int) -> np.ndarray:
    """A soft color texture: interpolation costs next to nothing on it."""
    return cv2.resize(rng.random((9, 9, 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)


def layer(rng, side, start, change, bend=0.0, alpha=None):
    shape = np.ones((side, side), np.float32) if alpha is None else alpha
    grid = rng.normal(0, 0.5, (4, 4, 2)).astype(np.float32)
    field = cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) * np.float32(bend)
    start = np.array(start, np.float64)
    return motion.Layer(smooth(rng, side), shape, (start, start + np.array(change, np.float64)), field)


def scene() -> motion.Scene:
    rng = np.random.default_rng(5)
    back = layer(rng, 150, (48, 48, 0.05, 0, 0, 0, 0), (6, -3, 0.08, 0.05, 0.02, 1e-4, -1e-4), bend=2.5)
    disc = np.zeros((44, 44), np.float32)
    cv2.circle(disc, (22, 22), 18, 1.0, -1)
    front = layer(rng, 44, (40, 50, 1.0, 0, 0, 0, 0), (-9, 5, 0.4, -0.1, 0, 0, 0), bend=1.0, alpha=disc)
    return motion.Scene((back, front), 97)


def look_up(picture, flow):
    rows, columns = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    x, y = columns + flow[:, :, 0], rows + flow[:, :, 1]
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)


def clear_of_edges(made, start, end):
    """Pixels at `start` that are seen at `end`, and near an outline in neither frame."""
    flow, seen = made.flow(start, end)
    window = np.ones((7, 7), np.uint8)
    edges = [cv2.morphologyEx(made.owners(time), cv2.MORPH_GRADIENT, window) for time in (start, end)]
    far = look_up(1 - (edges[1] > 0).astype(np.float32), flow) > 0.99
    return flow, seen, seen & (edges[0] == 0) & far


def test_flow_leads_every_seen_pixel_to_itself_in_the_other_frame():
    made = scene()
    for start, end in ((0.0, 1.0), (1.0, 0.0), (0.4, 0.0), (0.4, 1.0)):
        flow, _, clear = clear_of_edges(made, start, end)
        assert clear.mean() > 0.6
        assert np.abs(look_up(made.frame(end), flow) - made.frame(start))[clear].max() < 0.04


def test_there_and_back_ends_where_it_began():
    made = scene()
    there, _, clear = clear_of_edges(made, 0.0, 1.0)
    back, _ = made.flow(1.0, 0.0)
    assert np.abs(there + look_up(back, there))[clear].max() < 0.07


def test_what_a_layer_covers_counts_as_not_seen():
    made = scene()
    flow, seen = made.flow(0.0, 1.0)
    rows, columns = np.mgrid[0:97, 0:97]
    owner0, owner1 = made.owners(0.0), made.owners(1.0)
    x = np.clip(np.round(columns + flow[:, :, 0]), 0, 96).astype(int)
    y = np.clip(np.round(rows + flow[:, :, 1]), 0, 96).astype(int)
    covered = (owner0 == 0) & (owner1[y, x] == 1)
    assert covered.sum() > 50
    assert not seen[covered].any()


def test_one_seed_makes_one_scene():
    pictures = [smooth(np.random.default_rng(1), 120), smooth(np.random.default_rng(2), 120)]
    first, again, other = (motion_scenes.render(pictures, np.random.default_rng(seed), 48) for seed in (3, 3, 4))
    assert np.array_equal(first.between, again.between) and np.array_equal(first.flow01, again.flow01)
    assert not np.array_equal(first.between, other.between)
    assert 0 < first.time < 1


def test_layers_move_no_farther_than_the_trained_range():
    pictures = [smooth(np.random.default_rng(1), 120)]
    for seed in range(40):
        for layer_ in motion_scenes.draw_scene(pictures, np.random.default_rng(seed), 64).layers:
            start, end = layer_.poses
            assert np.hypot(*(end - start)[:2]) <= motion_scenes.FARTHEST * 64 + 1e-6
