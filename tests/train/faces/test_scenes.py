from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

import tiny_faces
from bipack.errors import CorruptInput, MissingInput, UsageError
from bipack.face_regions import MIRRORED, REGIONS
from bipack.imaging.faces.square import SPAN, from_points, mapped
from bipack.imaging.frame import Box, Frame, Part
from bipack.imaging.image_io import write_frame
from bipack_train.faces import camera, hand, scenes
from bipack_train.faces.regions import INDEX

GREY = [np.full((96, 120, 3), 90, np.uint8)]


@pytest.fixture(scope="module")
def stage() -> scenes.Stage:
    return scenes.Stage(tiny_faces.faces(), GREY, 64, (20.0, 50.0))


def test_a_scene_knows_where_its_faces_points_and_widths_are(stage: scenes.Stage) -> None:
    batch = stage.batch(np.random.default_rng(3), 40)
    assert batch.pictures.shape == (40, 64, 64, 3) and batch.pictures.dtype == np.float32
    face = np.isin(batch.labels, scenes.FACE_REGIONS)
    assert np.array_equal(np.isfinite(batch.octaves), face) and face.any(axis=(1, 2)).mean() > 0.8
    assert 64 * 2 ** np.nanmin(batch.octaves) >= 20 and 64 * 2 ** np.nanmax(batch.octaves) <= 50
    # Where a heat-map is hot, the region fits the point, or another face lies over it.
    for point, names in (
        (0, ("eye_l",)),
        (1, ("eye_r",)),
        (2, ("nose",)),
        (3, ("mouth", "skin")),
        (4, ("mouth", "skin")),
    ):
        under = batch.labels[batch.heat[..., point] > 0.95]
        assert np.isin(under, [INDEX[name] for name in names]).mean() > 0.6, REGIONS[point]


def test_the_recipe_says_how_many_scenes_nobody_is_in(stage: scenes.Stage) -> None:
    for empty in (0.0, 0.5, 1.0):
        batch = dataclasses.replace(stage, empty=empty).batch(np.random.default_rng(4), 60)
        assert np.mean([not labels.any() for labels in batch.labels]) == pytest.approx(empty, abs=0.15)


def test_clothes_get_patterns_and_skin_none(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = tiny_faces.faces()
    stage = scenes.Stage(faces, [np.random.default_rng(1).integers(0, 255, (96, 120, 3), np.uint8)], 64, (20.0, 50.0))
    where = scenes.Placing(40.0, 0.0, np.array([32.0, 32.0]))
    made = []
    monkeypatch.setattr(scenes, "_DYED", 0.0)
    for share in (0.0, 1.0):
        monkeypatch.setattr(scenes, "_PATTERNED", share)
        planes = stage._empty(np.random.default_rng(2), 64)
        planes[0][:] = 0
        solid, rng = dataclasses.replace(faces, alpha=faces.alpha * 0 + 255), np.random.default_rng(3)
        stage._draw(rng, planes, stage._stand(rng, where, solid), where, solid)
        made.append(planes)
    changed = (made[0][0] != made[1][0]).any(-1)
    worn = made[0][1] == 0
    assert np.array_equal(made[0][1], made[1][1]) and not changed[~worn].any()
    assert changed[worn & (made[0][0].max(-1) > 0)].mean() > 0.9


def test_left_stays_left_when_a_face_is_mirrored(stage: scenes.Stage) -> None:
    for labels in stage.batch(np.random.default_rng(4), 30).labels:
        left, right = (np.nonzero(labels == INDEX[name])[1] for name in ("eye_l", "eye_r"))
        upright = np.nonzero(labels == INDEX["mouth"])[0]
        eyes = np.nonzero(labels == INDEX["eye_l"])[0]
        if len(left) > 20 and len(right) > 20 and len(upright) > 20 and upright.mean() > eyes.mean() + 5:
            assert left.mean() > right.mean()


def test_the_same_generator_makes_the_same_scenes(stage: scenes.Stage) -> None:
    first, again = (stage.batch(np.random.default_rng(5), 4) for _ in range(2))
    assert np.array_equal(first.pictures, again.pictures) and np.array_equal(first.labels, again.labels)


def test_a_crop_shows_its_face_as_the_finder_cuts_it(stage: scenes.Stage) -> None:
    batch = stage.crops(np.random.default_rng(6), 24, 96)
    assert batch.pictures.shape == (24, 96, 96, 3) and batch.heat.shape == (24, 96, 96, 5)
    nose = [np.argwhere(labels == INDEX["nose"]).mean(0) for labels in batch.labels if (labels == INDEX["nose"]).any()]
    square = from_points(tiny_faces.POINTS, tiny_faces.WIDTH)
    truth = mapped(square.inverse(96), np.array([[144.0, 152.0]]))[0]
    assert len(nose) > 15 and np.abs(np.median(nose, 0)[::-1] - truth).max() < 3
    widths = 64 * 2 ** np.array([np.nanmedian(plane) for plane in batch.octaves])
    assert np.abs(np.log(widths / (96 / SPAN))).max() < 0.6
    first, again = (stage.crops(np.random.default_rng(7), 3, 96) for _ in range(2))
    planes = ("pictures", "labels", "heat")
    assert all(np.array_equal(getattr(first, n), getattr(again, n), equal_nan=True) for n in planes)


def test_what_lies_beyond_a_rendered_picture_is_not_known_in_a_crop() -> None:
    faces = tiny_faces.faces()
    planes = {name: np.roll(getattr(faces, name), 40, axis=1) for name in ("color", "alpha", "labels")}
    lower = dataclasses.replace(faces, points=faces.points + np.float32([0, 40]), **planes)
    labels = scenes.Stage(lower, GREY, 64, (20.0, 50.0)).crops(np.random.default_rng(8), 400, 96).labels
    unknown = labels == scenes.UNKNOWN
    # A face behind may be cut anywhere; the one in the middle is so below alone.
    assert unknown[:, 72:].any((1, 2)).mean() > 0.6 and unknown[:, :50].any((1, 2)).mean() < 0.2


def test_a_cover_hides_region_width_and_points() -> None:
    planes = scenes.Stage(tiny_faces.faces(), GREY, 64, (20.0, 50.0)).crop(np.random.default_rng(2), 96)
    linear, labels, heat, octaves = (plane.copy() for plane in planes)
    camera.hide(np.random.default_rng(3), (linear, labels, heat, octaves), np.full((96, 96, 3), 7.0, np.float32), 40.0)
    hidden = linear[..., 0] > 4
    assert hidden.sum() > 100 and not labels[hidden].any() and np.isnan(octaves[hidden]).all()
    assert not heat[hidden].any()


def test_a_dye_changes_hair_alone_and_without_a_rim() -> None:
    hair = np.zeros((64, 64), bool)
    hair[:20], hair[30:40, 30:40] = True, True
    away = cv2.dilate(hair.astype(np.uint8), np.ones((11, 11))) == 0
    stops = []
    for seed in range(20):
        gains = camera.dye(np.random.default_rng(seed), hair)
        assert gains.shape == (64, 64, 3) and gains.dtype == np.float32 and (gains[away] == 1).all()
        inside, edge = np.log2(gains[:17]), np.log2(gains[20])
        assert np.abs(edge).mean() < 0.6 * np.abs(inside).mean() + 0.01
        stops.append(inside.mean())
    assert 0.4 < np.std(stops) < 1.1


def test_beyond_a_cut_the_edge_is_repeated_and_nothing_known() -> None:
    planes = scenes.Stage(tiny_faces.faces(), GREY, 64, (20.0, 50.0)).crop(np.random.default_rng(2), 96)
    for seed in range(4):
        linear, labels, heat, octaves = camera.cut(np.random.default_rng(seed), planes, scenes.UNKNOWN)
        new = (labels == scenes.UNKNOWN) & np.isnan(heat[..., 0]) & np.isnan(octaves)
        lines = [axis for axis in (0, 1) if new.all(axis=axis).any()]
        assert len(lines) == 1 and 0.09 < new.mean() < 0.51
        beyond = np.moveaxis(linear, lines[0], 0)[:, new.all(axis=lines[0])]
        assert np.array_equal(beyond, np.repeat(beyond[:, :1], beyond.shape[1], 1))
        assert np.array_equal(labels[~new], planes[1][~new]) and np.array_equal(linear[~new], planes[0][~new])


def test_half_of_the_crops_are_made_from_close_ups() -> None:
    red = tiny_faces.faces()
    red = dataclasses.replace(red, labels=np.where(red.labels > 0, INDEX["hair"], 0).astype(np.uint8))
    stage = scenes.Stage(tiny_faces.faces(), GREY, 64, (20.0, 50.0), close=red)
    crops = stage.crops(np.random.default_rng(9), 40, 64).labels
    assert 0.25 < np.mean([not (labels == INDEX["nose"]).any() for labels in crops]) < 0.75


def test_regions_end_nearer_to_where_the_picture_shows_it_than_the_nearest_label() -> None:
    rows, columns = np.mgrid[0:100, 0:100] + 0.5
    labels = (np.hypot(columns - 50, rows - 50) < 30).astype(np.uint8) * np.uint8(5)
    wrong = np.zeros(2)
    for turn, scale in ((0.2, 1.3), (0.5, 1.15), (-0.3, 0.9), (0.1, 1.5)):
        matrix = scale * np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0]])
        matrix[:, 2] = 50.3 - matrix[:, :2] @ [50, 50]
        truth = np.hypot(columns - 50.3, rows - 50.3) < 30 * scale
        places = scenes._places(matrix, 100, None)
        found = scenes._strongest(labels, lambda plane, at=places: cv2.remap(plane, at, None, cv2.INTER_LINEAR))
        nearest = cv2.remap(labels, places, None, cv2.INTER_NEAREST)
        assert set(np.unique(found)) == {0, 5} and (found == 5).sum() == pytest.approx(truth.sum(), rel=0.01)
        wrong += [((one == 5) != truth).sum() for one in (found, nearest)]
    assert wrong[0] < 0.8 * wrong[1]


def test_a_pull_moves_picture_regions_and_points_alike() -> None:
    faces = tiny_faces.faces()
    faces = dataclasses.replace(faces, color=np.repeat(faces.labels[..., None], 3, 3) * np.uint8(12))
    stage = scenes.Stage(faces, GREY, 64, (20.0, 50.0))
    where = scenes.Placing(60.0, 0.1, np.array([64.0, 66.0]), held=True)
    standing = stage._stand(np.random.default_rng(1), where, faces)
    drawn = []
    rng = np.random.default_rng(4)
    pulls = camera.pull(rng, 128, 2.0), camera.pull(rng, 128, 1.5)
    for moved in (None, pulls[0], camera.after(*pulls)):
        planes = stage._empty(np.random.default_rng(2), 128)
        stage._draw(np.random.default_rng(3), planes, standing, where, faces, moved)
        drawn.append(planes)
    rows, columns = np.mgrid[0:128, 0:128].astype(np.float32)
    sure = ~np.isin(drawn[0][1], (0, scenes.UNKNOWN))
    for earlier, later, (across, down) in ((0, 1, pulls[0]), (1, 2, pulls[1])):
        # Pulling the one picture gives the other, but for what sampling twice blurs.
        again = cv2.remap(drawn[earlier][1], columns + across, rows + down, cv2.INTER_NEAREST)
        assert (drawn[later][1] != drawn[earlier][1])[sure].mean() > 0.05
        assert (drawn[later][1] != again)[sure].mean() < 0.08
        for point in range(5):
            heat = cv2.remap(drawn[earlier][2][..., point], columns + across, rows + down, cv2.INTER_LINEAR)
            place, same = (np.argwhere(one > 0.6).mean(0) for one in (drawn[later][2][..., point], heat))
            assert np.abs(place - same).max() < 0.6


def test_brows_move_and_the_lower_face_stays() -> None:
    points = np.array([[158.0, 110], [98, 110], [128, 140], [150, 165], [106, 165]])
    width, lower = 160.0, []
    for seed in range(20):
        across, down = camera.brow_pull(np.random.default_rng(seed), 256, points, width)
        assert not across.any() and not down[106:].any() and np.diff(down[:, 128]).min() > -1
        # Brows lie 0.16 widths above the eyes: what is shown further down was there.
        lower.append(-float(down[84, 128]))
    assert 7 < np.mean(lower) < 11 and np.std(lower) > 2 and max(lower) <= 0.09 * width


def test_backgrounds_leave_out_what_the_recipe_excludes(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name, value in (("a.png", 50), ("b.png", 200)):
        cv2.imwrite(str(tmp_path / "photos" / name), np.full((80, 90, 3), value, np.uint8))
    found = scenes.backgrounds(str(tmp_path), ["photos"], 1, 1, 96, exclude=["photos/b.png"])
    assert len(found) == 2 and found[0].max() <= 51 and min(min(one.shape[:2]) for one in found) >= 96
    with pytest.raises(MissingInput, match="none"):
        scenes.backgrounds(str(tmp_path), ["none"], 0, 1, 96)


# An artist's own frames


def write_mattes(path: Path, labels: np.ndarray) -> None:
    box = Box.of_size(labels.shape[1], labels.shape[0])
    planes = {name: (labels == INDEX[name]).astype(np.float16) for name in REGIONS if name != "background"}
    write_frame(str(path), Frame([Part(planes, box, box)]))


def write_plate(path: Path, labels: np.ndarray) -> None:
    box = Box.of_size(labels.shape[1], labels.shape[0])
    colors = tiny_faces.COLORS[labels].astype(np.float16) / 255
    write_frame(str(path), Frame([Part(dict(zip("RGB", colors.transpose(2, 0, 1), strict=True)), box, box)]))


def test_an_artists_mattes_become_lessons(tmp_path: Path) -> None:
    labels = tiny_faces.labels()
    write_plate(tmp_path / "plate.1001.exr", labels)
    write_mattes(tmp_path / "mattes.1001.exr", labels)
    lessons = hand.load(str(tmp_path / "plate.%04d.exr"), str(tmp_path / "mattes.%04d.exr"))
    assert np.array_equal(lessons.labels[0], labels)
    batch = lessons.batch(np.random.default_rng(1), 6, 64)
    assert batch.pictures.shape == (6, 64, 64, 3) and np.isnan(batch.heat).all() and np.isnan(batch.octaves).all()
    known = batch.labels != 255
    assert known.mean() > 0.3 and set(np.unique(batch.labels[known])) <= set(MIRRORED)
    assert (batch.labels == INDEX["nose"]).any()


def test_mattes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    labels = tiny_faces.labels()
    write_plate(tmp_path / "plate.1.exr", labels)
    write_mattes(tmp_path / "small.1.exr", labels[::2, ::2])
    write_mattes(tmp_path / "empty.1.exr", labels * 0)
    plate = str(tmp_path / "plate.%d.exr")
    with pytest.raises(CorruptInput, match="144x144"):
        hand.load(plate, str(tmp_path / "small.%d.exr"))
    with pytest.raises(UsageError, match="nothing to learn"):
        hand.load(plate, str(tmp_path / "empty.%d.exr"))
    with pytest.raises(MissingInput, match="no region channel"):
        hand.load(plate, plate)
