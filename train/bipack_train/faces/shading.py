"""The light of every pixel that a scene sees: skin, eyes, mouth, hair and things, at one age."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bipack_train.faces import baked, mesh, regions
from bipack_train.faces.mesh import Floats
from bipack_train.faces.scene import EYE_L, EYE_R, GUMS, HAIR, LASHES, SOCKET, TEETH, Scene


def shade(scene: Scene, age: float) -> Floats:
    """(covered, 3) scene-linear color at one age, 0 young to 1 old."""
    maps, count = scene.maps, len(scene.place)
    albedo, shine = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
    face, back = scene.on_face, scene.on_back
    albedo[back] = regions.look_up(maps.head_albedo, scene.uv[back])
    young = regions.look_up(maps.albedo, scene.uv[face])
    slopes, tint = baked.aged(scene.head, scene.person.skin, maps.height.shape[0], age)
    albedo[face] = young * np.exp(regions.look_up(tint, scene.uv[face]))
    shine[face] = regions.look_up(maps.shine, scene.uv[face])
    shine[back] = 0.2 * scene.person.skin.oil
    normal = scene.normal.copy()
    normal[face] = _embossed(scene, slopes)
    other = ~(face | back)
    albedo[other] = scene.color[other]
    shine[other] = scene.shine[other]
    _inside(scene, albedo, shine, normal)
    return _lighting(scene, albedo, shine, normal)


def _embossed(scene: Scene, slopes: Floats) -> Floats:
    """Normals of the face with the relief of the skin on them, which `slopes` (side, side, 2) gives."""
    slope = regions.look_up(slopes, scene.uv[scene.on_face])
    normal = scene.normal[scene.on_face]
    first, second = np.cross(scene.along_v, normal), np.cross(normal, scene.along_u)
    area = (scene.along_u * first).sum(1, keepdims=True)
    area = np.where(np.abs(area) < 1e-3, 1e-3, area)
    bent = normal - (first * slope[:, :1] + second * slope[:, 1:]) / area
    # Where the UV is crushed (lids, nostrils) the relief is not to be trusted.
    bent = np.where((np.abs(area) < 25.0), normal, bent)
    return np.asarray(bent / (np.linalg.norm(bent, axis=1, keepdims=True) + 1e-6), np.float32)


def _inside(scene: Scene, albedo: Floats, shine: Floats, normal: Floats) -> None:
    """Eyes, teeth and what is dark inside the mouth."""
    for material, side in ((EYE_L, "eyeball_l"), (EYE_R, "eyeball_r")):
        chosen = scene.kind == material
        if chosen.any():
            start, stop = mesh.PARTS[side]
            center = scene.turned(scene.rest[start:stop].mean(0, keepdims=True))[0]
            albedo[chosen] = _eye(scene, chosen, center)
            shine[chosen] = 2.5
    depth = _depth_in_mouth(scene)
    for material, color, gloss in (
        (SOCKET, (0.28, 0.07, 0.06), 0.3),
        (GUMS, (0.35, 0.10, 0.09), 0.5),
        (TEETH, (0.75, 0.70, 0.58), 0.7),
    ):
        chosen = scene.kind == material
        gain = scene.person.teeth if material == TEETH else 1.0
        albedo[chosen] = np.array(color, np.float32) * gain * depth[chosen, None]
        shine[chosen] = gloss * depth[chosen]
    albedo[scene.kind == LASHES] = np.array(scene.person.skin.brow_color, np.float32) * 0.5


def _depth_in_mouth(scene: Scene) -> Floats:
    """(covered,) 1 at the lips, falling to 0 inside the mouth."""
    lips = scene.turned(scene.rest)[scene.head.landmarks[60:68]]
    forward = scene.turn @ np.array([0, 0, 1], np.float32)
    inward = (lips @ forward).max() - scene.place @ forward
    return np.asarray(np.exp(-np.maximum(inward - 0.7, 0) * 0.55), np.float32)


def _lighting(scene: Scene, albedo: Floats, shine: Floats, normal: Floats) -> Floats:
    light = scene.light
    skinny = (scene.on_face | scene.on_back)[:, None]
    facing = normal @ light.direction
    smooth = scene.normal @ light.direction
    # Light that travels below the skin softens the terminator, red most.
    wrap = np.where(skinny, np.array([0.28, 0.10, 0.06], np.float32), 0.02)
    soft = 0.65 * facing[:, None] + 0.35 * smooth[:, None]
    diffuse = np.maximum((np.where(skinny, soft, facing[:, None]) + wrap) / (1 + wrap) ** 2, 0)
    shadow = scene.lit[:, None] * np.ones(3, np.float32)
    shadow = np.where(skinny, shadow ** np.array([0.75, 1.0, 1.05], np.float32), shadow)
    direct = diffuse * shadow * light.color
    color = albedo * (direct + light.ambient(normal) * scene.open[:, None] ** 1.3)
    half = scene.view + light.direction
    half /= np.linalg.norm(half, axis=1, keepdims=True) + 1e-6
    gloss = np.maximum((normal * half).sum(1), 0)
    edge = 1 - np.maximum((normal * scene.view).sum(1), 0)
    fresnel = 0.04 + 0.5 * edge**5
    mirrored = 2 * (normal * scene.view).sum(1, keepdims=True) * normal - scene.view
    eyes = np.isin(scene.kind, (EYE_L, EYE_R))
    sharp = np.where(eyes, 500.0, 28.0)
    lobe = gloss**sharp * (sharp + 8) / 25 * scene.lit * np.maximum(facing, 0) ** 0.3
    color += (shine * fresnel * lobe)[:, None] * light.color
    color += (shine * fresnel * scene.open)[:, None] * np.where(
        eyes[:, None], light.reflected(mirrored), light.ambient(mirrored)
    )
    strands = scene.kind == HAIR
    if strands.any():
        color[strands] = _hair_light(scene, albedo[strands], strands)
    return np.asarray(np.maximum(color, 0), np.float32)


def _hair_light(scene: Scene, albedo: Floats, strands: NDArray[np.bool_]) -> Floats:
    """Kajiya and Kay: a cylinder's light along its tangent, one white and one tinted highlight."""
    tangent, light, view = scene.normal[strands], scene.light, scene.view[strands]
    along = tangent @ light.direction
    across = np.sqrt(np.maximum(1 - along**2, 0))
    out = scene.place[strands]
    out = out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-6)
    wrapped = np.clip(0.5 + 0.5 * out @ light.direction, 0, 1)
    lit = scene.lit[strands]
    color = albedo * light.color * (0.8 * across * wrapped * lit)[:, None]
    color += albedo * light.ambient(out) * 0.9
    eye = (tangent * view).sum(1)
    lobe = np.maximum(along * eye * -1 + across * np.sqrt(np.maximum(1 - eye**2, 0)), 0)
    color += (lobe**60 * 0.07 * lit * wrapped)[:, None] * light.color
    color += albedo * (lobe**14 * 0.7 * lit * wrapped)[:, None] * light.color
    return np.asarray(color, np.float32)


def _eye(scene: Scene, chosen: NDArray[np.bool_], center: Floats) -> Floats:
    """Color of an eyeball by the angle from its gaze: pupil, iris, dark rim, white."""
    yaw, pitch = np.radians(scene.pose.gaze)
    gaze = scene.turn @ np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    ray = scene.place[chosen] - center
    ray /= np.linalg.norm(ray, axis=1, keepdims=True) + 1e-6
    angle = np.degrees(np.arccos(np.clip(ray @ gaze, -1, 1)))
    around = np.arctan2(ray[:, 0], ray[:, 1])
    iris = (
        np.array(scene.person.eye_color, np.float32)
        * (1 + 0.35 * np.sin(around * 23) * np.sin(around * 7 + 1))[:, None]
    )
    iris = iris * (1 - 0.6 * np.clip((angle - 21) / 4, 0, 1))[:, None]
    white = np.array([0.66, 0.60, 0.56], np.float32) * (1 - 0.35 * np.clip((angle - 28) / 35, 0, 1))[:, None]
    color = np.where((angle < 25)[:, None], iris, white)
    return np.where((angle < 8.5)[:, None], 0.004, color).astype(np.float32)
