"""The very BipackCleanPlate against the numpy oracle."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from bipack.imaging.finishing.clean_plate import median_of, window
from finishing_scene import OFF_CENTRE, Scene

HEIGHT, WIDTH, LAST = 44, 70, 15


@pytest.fixture(scope="module")
def shot() -> dict[int, np.ndarray]:
    """A bright block walks over a textured wall."""
    random = np.random.default_rng(1)
    wall = cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH, 3)).astype(np.float32), (0, 0), 3) * 2 + 0.5
    frames = {}
    for frame in range(1, LAST + 1):
        picture = wall + random.normal(0, 0.01, wall.shape).astype(np.float32)
        picture[10:36, 4 * frame : 4 * frame + 10] = 6.0
        frames[frame] = picture.astype(np.float32)
    return frames


@pytest.fixture(scope="module")
def actor() -> dict[int, np.ndarray]:
    mattes = {}
    for frame in range(1, LAST + 1):
        plane = np.zeros((HEIGHT, WIDTH), np.float32)
        plane[10:36, 4 * frame : 4 * frame + 10] = 1.0
        plane[0:3, 0:3] = 1.0
        mattes[frame] = plane
    return mattes


@pytest.fixture
def gizmo(finishing: Callable[..., Scene], shot: dict[int, np.ndarray]) -> Scene:
    scene = finishing("BipackCleanPlate")
    scene.nuke.root()["first_frame"].setValue(1)
    scene.nuke.root()["last_frame"].setValue(LAST)
    scene.feed(0, shot, OFF_CENTRE)
    return scene


@pytest.mark.parametrize(("frame", "count", "step"), [(8, 5, 2), (1, 5, 2), (15, 7, 2), (8, 3, 4), (9, 7, 1)])
def test_the_median_of_the_window(gizmo: Scene, shot: dict[int, np.ndarray], frame: int, count: int, step: int) -> None:
    gizmo.set(frames=str(count), step=step)
    samples = [shot[number] for number in window(frame, step, count, 1, LAST)]
    assert np.array_equal(gizmo.result(frame), median_of(samples, [None] * count, shot[frame]))


@pytest.mark.parametrize(("frame", "count", "step"), [(8, 5, 2), (1, 3, 1), (9, 7, 1)])
def test_held_out_pixels_never_get_in(
    gizmo: Scene,
    shot: dict[int, np.ndarray],
    actor: dict[int, np.ndarray],
    frame: int,
    count: int,
    step: int,
) -> None:
    gizmo.feed(1, actor, OFF_CENTRE)
    gizmo.set(frames=str(count), step=step)
    numbers = window(frame, step, count, 1, LAST)
    expected = median_of([shot[n] for n in numbers], [actor[n] for n in numbers], shot[frame])
    assert np.array_equal(gizmo.result(frame), expected)


def test_the_view_shows_what_no_frame_has(gizmo: Scene, actor: dict[int, np.ndarray]) -> None:
    gizmo.feed(1, actor, OFF_CENTRE)
    gizmo.set(view="missing", frames="3", step=1)
    nowhere = np.all([actor[n] > 0 for n in (7, 8, 9)], axis=0)
    assert np.array_equal(gizmo.result(8)[..., 0], nowhere.astype(np.float32))


def test_outside_the_matte_the_plate_stays(
    gizmo: Scene, shot: dict[int, np.ndarray], matte_of_shot: np.ndarray
) -> None:
    gizmo.feed(2, matte_of_shot, OFF_CENTRE)
    result = gizmo.result(8)
    assert np.array_equal(result[matte_of_shot == 0], shot[8][matte_of_shot == 0])
    assert not np.array_equal(result[matte_of_shot == 1], shot[8][matte_of_shot == 1])


@pytest.fixture
def matte_of_shot() -> np.ndarray:
    plane = np.zeros((HEIGHT, WIDTH), np.float32)
    plane[:, 30:] = 1.0
    return plane


@pytest.mark.parametrize("how", ["with a point", "with four corners"])
def test_a_track_lays_frames_over_one_another(finishing: Callable[..., Scene], how: str) -> None:
    """The camera pans by three pixels a frame, and the track says so."""
    random = np.random.default_rng(2)
    wall = cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH + 60, 3)).astype(np.float32), (0, 0), 3) + 0.5
    shot = {frame: np.ascontiguousarray(wall[:, 3 * frame : 3 * frame + WIDTH]) for frame in range(1, LAST + 1)}
    scene = finishing("BipackCleanPlate")
    scene.nuke.root()["first_frame"].setValue(1)
    scene.nuke.root()["last_frame"].setValue(LAST)
    scene.feed(0, shot, OFF_CENTRE)
    scene.set(step=2, track_by=how)
    points = {"track": (50, 7), "corner1": (0, 0), "corner2": (60, 0), "corner3": (60, 40), "corner4": (0, 40)}
    for name, (x, y) in points.items():
        scene.node[name].setExpression(f"{x + 100}-3*frame", 0)
        scene.node[name].setValue(y, 1)
    np.testing.assert_allclose(scene.result(8), shot[8], atol=1e-6)
