"""One face as a picture, with the exact masks of its regions.

`render` is the whole interface; `render_ages` gives the same face at several ages with one pass over the geometry, so
that old and young differ in skin alone and every pixel says by how much. See docs/training_faces.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.face_regions import REGIONS
from bipack_train.faces import baked, mesh, regions
from bipack_train.faces.extras import Extras
from bipack_train.faces.light import Light
from bipack_train.faces.mesh import Floats, Head
from bipack_train.faces.portrait import Camera, Person, Pose, Rendered
from bipack_train.faces.regions import INDEX
from bipack_train.faces.scene import EYE_L, EYE_R, GUMS, HAIR, LASHES, PLAIN, SOCKET, SUPERSAMPLING, TEETH, Scene
from bipack_train.faces.shading import shade


def render(
    head: Head,
    person: Person,
    light: Light,
    *,
    expression: Floats | None = None,
    pose: Pose | None = None,
    camera: Camera | None = None,
    age: float = 0.0,
    extras: Extras | None = None,
) -> Rendered:
    """Render one face.

    `expression` is (17,) coefficients 0..1 in the order of head.expressions; `age` is 0 (young) to 1 (old). The same
    arguments always give the same pixels.
    """
    return render_ages(head, person, light, (age,), expression=expression, pose=pose, camera=camera, extras=extras)[0]


def render_ages(
    head: Head,
    person: Person,
    light: Light,
    ages: Sequence[float],
    *,
    expression: Floats | None = None,
    pose: Pose | None = None,
    camera: Camera | None = None,
    extras: Extras | None = None,
) -> list[Rendered]:
    """The same face at several ages: identical geometry, masks and light; only the skin differs.

    Color and relief move one way with age before lighting, and so does each pixel from young to old.
    """
    scene = Scene(head, person, light, expression, pose or Pose(), camera or Camera(), extras or Extras())
    pictures = [_picture(scene, shade(scene, float(age))) for age in ages]
    first = _finish(scene, pictures[0])
    return [replace(first, picture=picture) for picture in pictures]


def _labels(scene: Scene) -> NDArray[np.uint8]:
    """(side, side) region of each large pixel."""
    labels = np.zeros(len(scene.kind), np.uint8)
    maps = scene.maps
    face, back = scene.on_face, scene.on_back
    labels[face] = regions.look_up(maps.labels, scene.uv[face], nearest=True)
    labels[back] = regions.look_up(maps.head_labels, scene.uv[back], nearest=True)
    cropped = scene.person.hair.style != "bald" and (scene.person.hair.style != "buzz" or scene.person.skin.scalp > 0.3)
    if cropped:
        for chosen, scalp in ((face, maps.scalp), (back, maps.head_scalp)):
            under = regions.look_up(scalp, scene.uv[chosen]) > 0.15
            part = labels[chosen]
            ears = (part == INDEX["ear_l"]) | (part == INDEX["ear_r"])
            part[under & ~ears] = INDEX["hair"]
            labels[chosen] = part
    if scene.person.hair.beard_length >= 1:
        part = labels[face]
        part[regions.look_up(maps.beard, scene.uv[face]) > 0.45] = INDEX["hair"]
        labels[face] = part
    lids = [list(mesh.PARTS).index(name) for name in ("lids_l", "lids_r")]
    part = scene.head.part[np.maximum(scene.hit, 0)]
    labels[(scene.hit >= 0) & (part == lids[0])] = INDEX["eye_l"]
    labels[(scene.hit >= 0) & (part == lids[1])] = INDEX["eye_r"]
    labels[(scene.kind == EYE_L)] = INDEX["eye_l"]
    labels[(scene.kind == EYE_R)] = INDEX["eye_r"]
    lashes = scene.kind == LASHES
    left = part == list(mesh.PARTS).index("lashes_l")
    labels[lashes & left], labels[lashes & ~left] = INDEX["eye_l"], INDEX["eye_r"]
    labels[np.isin(scene.kind, (SOCKET, GUMS, TEETH))] = INDEX["mouth"]
    labels[scene.kind == HAIR] = INDEX["hair"]
    labels[scene.kind == PLAIN] = INDEX["background"]
    picture = np.zeros((scene.side, scene.side), np.uint8)
    picture[scene.seen] = labels
    return picture


def _picture(scene: Scene, color: Floats) -> Floats:
    large = np.zeros((scene.side, scene.side, 3), np.float32)
    large[scene.seen] = color
    if scene.clear_lens:
        _glint(scene, large)
    return _averaged(large, scene.camera.size)


def _finish(scene: Scene, picture: Floats) -> Rendered:
    side, size = scene.side, scene.camera.size
    labels = _labels(scene)
    masks = np.stack([_averaged((labels == index).astype(np.float32), size) for index in range(len(REGIONS))])
    uv = np.zeros((side, side, 3), np.float32)
    where = np.flatnonzero(scene.seen.ravel())[scene.on_face]
    uv.reshape(-1, 3)[where, :2] = scene.uv[scene.on_face]
    uv.reshape(-1, 3)[where, 2] = 1
    small = _averaged(uv, size)
    small[..., :2] /= np.maximum(small[..., 2:], 1e-6)
    small[..., 2] = small[..., 2] > 0.999
    small[..., :2] *= small[..., 2:]
    change = np.zeros(side * side, np.float32)
    change[where] = regions.look_up(
        baked.change(scene.head, scene.person.skin, scene.maps.height.shape[0]), scene.uv[scene.on_face]
    )
    points = scene.project(scene.turned(scene.head.points(scene.rest)))[:, :2] / SUPERSAMPLING
    ears = scene.rest[scene.head.landmarks[[0, 16]], 0]
    return Rendered(
        picture=picture,
        alpha=_averaged(scene.seen.astype(np.float32), size),
        masks=masks,
        uv=small,
        change=_averaged(change.reshape(side, side), size),
        points=points.astype(np.float32),
        width=float(np.ptp(ears)) * size / scene.camera.span,
        center=(scene.camera.center[0] * size, scene.camera.center[1] * size),
    )


def _glint(scene: Scene, large: Floats) -> None:
    """A faint reflection of the surroundings on clear lenses."""
    for outline in scene.lenses:
        canvas = np.zeros(large.shape[:2], np.float32)
        cv2.fillPoly(canvas, [np.round(outline[:, :2] * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
        tilt = scene.turn @ np.array([0.15, 0.2, 1.0], np.float32)
        sky = scene.light.reflected((tilt / np.linalg.norm(tilt))[None].astype(np.float32))[0]
        rows = np.linspace(1, 0.2, large.shape[0], dtype=np.float32)[:, None]
        large *= 1 - 0.08 * canvas[..., None]
        large += (canvas * rows * 0.05)[..., None] * sky


def _averaged(large: Floats, size: int) -> Floats:
    if large.ndim == 2:
        return np.asarray(large.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING).mean((1, 3)), np.float32)
    return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA), np.float32)
