"""One face as a picture, with the exact masks of its regions.

`render` is the whole interface; `render_ages` gives the same face at several ages with one pass over the geometry, so
that old and young differ in skin alone and every pixel says by how much. See docs/training_faces.md.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack_train.faces import extras as things
from bipack_train.faces import hair as hairs
from bipack_train.faces import mesh, raster, regions, skin
from bipack_train.faces.extras import Extras
from bipack_train.faces.hair import Hair
from bipack_train.faces.light import Light
from bipack_train.faces.mesh import Floats, Head, Ints
from bipack_train.faces.regions import INDEX, REGIONS
from bipack_train.faces.skin import Skin, SkinMaps

SUPERSAMPLING = 2
"""Pictures are drawn this much larger and averaged: soft edges, soft masks."""

SKIN, SOCKET, GUMS, TEETH, EYE_L, EYE_R, LASHES, HAIR, PLAIN = range(9)
"""What a triangle is made of."""

_OF_PART = {"face": SKIN, "head": SKIN, "socket": SOCKET, "lids_l": SKIN, "lids_r": SKIN, "gums": GUMS,
            "teeth": TEETH, "eyeball_l": EYE_L, "eyeball_r": EYE_R, "lashes_l": LASHES, "lashes_r": LASHES}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Person:
    """Who is rendered: all that stays the same from frame to frame."""

    identity: Floats = field(default_factory=lambda: np.zeros(mesh.IDENTITIES, np.float32))
    """(30,) coefficients of the identity deltas, about -1.5..1.5."""

    skin: Skin = field(default_factory=Skin)
    hair: Hair = field(default_factory=Hair)
    eye_color: tuple[float, float, float] = (0.10, 0.06, 0.03)
    """Linear color of the iris."""

    teeth: float = 0.7
    """Brightness of the teeth."""


@dataclass(frozen=True)
class Pose:
    """Where the head turns. Degrees; positive yaw turns to the person's own left, positive pitch down, positive roll
    tilts the head clockwise as the camera sees it."""

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    """Yaw and pitch of the eyes against the head, in degrees."""


@dataclass(frozen=True)
class Camera:
    """How the face lies in the picture."""

    size: int = 512
    """Side of the square picture in pixels."""

    span: float = 34.0
    """cm that the picture's side covers at the middle of the head."""

    center: tuple[float, float] = (0.5, 0.5)
    """Where the middle of the face lies, as shares of the side from the left and from the top."""

    distance: float = 120.0
    """cm from the camera to the head; short is a wide lens."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """A face and all that is known about it. Arrays are (size, size, …)."""

    picture: Floats
    """(size, size, 3) scene-linear, premultiplied by `alpha`: 0 where nothing was drawn."""

    alpha: Floats
    """(size, size) 0..1 what the face, hair, clothes and things cover."""

    masks: Floats
    """(16, size, size) 0..1 in the order of regions.REGIONS; they add up to 1 everywhere."""

    uv: Floats
    """(size, size, 3) u and v (v up) in the face tile, and 1 where they are valid (skin of the face), else 0."""

    change: Floats
    """(size, size) 0..1 how much the skin of this pixel changes from age 0 to age 1: the true edit."""

    points: Floats
    """(5, 2) x and y in pixels (pixel centres at .5) of eye_l, eye_r, nose, mouth_l, mouth_r, hidden or not."""

    width: float
    """Width of the face in pixels: what it measures from ear to ear, whatever its pose."""

    center: tuple[float, float]
    """Middle of the face (between eyes and mouth) in pixels."""


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

    Color and relief are linear in age before lighting, so that each pixel moves one way from young to old.
    """
    scene = _Scene(head, person, light, expression, pose or Pose(), camera or Camera(), extras or Extras())
    return [scene.shade(float(age)) for age in ages]


class _Scene:
    """Geometry and buffers of one picture, shaded once for every age."""

    def __init__(
        self,
        head: Head,
        person: Person,
        light: Light,
        expression: Floats | None,
        pose: Pose,
        camera: Camera,
        extra: Extras,
    ) -> None:
        self.head, self.person, self.light, self.pose, self.camera = head, person, light, pose, camera
        self.side = camera.size * SUPERSAMPLING
        blank = np.zeros(len(head.expressions), np.float32)
        self.coefficients = blank if expression is None else np.asarray(expression, np.float32)
        self.rest = head.shape(person.identity, self.coefficients)
        # Sharp enough for how closely the face is seen: the side that the whole head would have at this scale.
        close = camera.size * Camera.span / camera.span
        self.maps = _maps(head, person.skin, 512 if close <= 320 else 1024 if close <= 640 else 2048)
        self.turn = rotation(pose)
        self.normals = head.normals(self.rest)
        self.middle = (head.points(self.rest)[:2].mean(0) * 0.5 + head.points(self.rest)[3:].mean(0) * 0.5).astype(
            np.float32
        )
        self._gather(extra)
        self._draw()

    # Geometry

    def _gather(self, extra: Extras) -> None:
        """All meshes in camera space as one: vertices, normals, triangles, material, color, shine."""
        head, maps = self.head, self.maps
        materials = np.array([_OF_PART[name] for name in mesh.PARTS], np.uint8)[head.part]
        used = np.ones(len(materials), bool)
        if self._mouth_closed():
            used &= ~np.isin(materials, (GUMS, TEETH, SOCKET))
        self.vertices = [self._turned(self.rest)]
        self.vertex_normals = [self.normals @ self.turn.T]
        self.triangles = [head.triangles[used]]
        self.material = [materials[used]]
        self.source = [np.flatnonzero(used).astype(np.int32)]
        self.colors = [np.zeros_like(self.rest)]
        self.shines = [np.zeros(len(self.rest), np.float32)]
        above, beard = _on_vertices(head, maps.scalp, maps.head_scalp), _on_vertices(head, maps.beard, None)
        hair = self.person.hair
        toward = self.turn.T @ np.array([0, 0, 1], np.float32)
        if extra.hat != "none":
            above = np.where(head.neutral[:, 1] > 8.0, -1.0, above).astype(np.float32)
        lifted = hairs.shell(head, self.rest, self.normals, above, hair)
        if lifted is not None:
            color = np.broadcast_to(np.array(hair.color, np.float32) * 0.6, self.rest.shape)
            across = np.cross(self.normals, [1.0, 0, 0])
            self._add(lifted[0], across, lifted[1], color, HAIR)
        for strands in (
            hairs.grow(head, self.rest, self.normals, above, hair),
            hairs.grow_beard(head, self.rest, self.normals, beard, hair),
        ):
            if strands is not None:
                points, tangents, colors, triangles = strands.ribbons(toward)
                self._add(points, tangents, triangles, colors, HAIR)
        base = skin.tone(self.person.skin)
        for piece in things.pieces(head, self.rest, base, extra):
            self._add(piece.vertices, None, piece.triangles, piece.colors, PLAIN, piece.shine, piece.turns)
        self.lenses = [self._project(self._turned(rim)) for rim in things.lens(head, self.rest, extra)]
        self.clear_lens = extra.glasses in ("thin", "thick")

    def _add(
        self,
        vertices: Floats,
        directions: Floats | None,
        triangles: Ints,
        colors: Floats,
        material: int,
        shine: float = 0.0,
        turns: bool = True,
    ) -> None:
        """Append a mesh. `directions` are tangents for hair; None computes normals."""
        count = sum(len(part) for part in self.vertices)
        if directions is None:
            across = np.cross(
                vertices[triangles[:, 1]] - vertices[triangles[:, 0]],
                vertices[triangles[:, 2]] - vertices[triangles[:, 0]],
            )
            directions = np.zeros_like(vertices)
            for corner in range(3):
                np.add.at(directions, triangles[:, corner], across)
            directions = directions / (np.linalg.norm(directions, axis=1, keepdims=True) + 1e-9)
        matrix = self.turn if turns else rotation(Pose(self.pose.yaw * 0.35, 0, 0))
        self.vertices.append(self._turned(vertices, matrix))
        self.vertex_normals.append((directions @ matrix.T).astype(np.float32))
        self.triangles.append(triangles + count)
        self.material.append(np.full(len(triangles), material, np.uint8))
        self.source.append(np.full(len(triangles), -1, np.int32))
        self.colors.append(np.asarray(colors, np.float32))
        self.shines.append(np.full(len(vertices), shine, np.float32))

    def _mouth_closed(self) -> bool:
        opening = ("jawOpen", "mouthSmile_L", "mouthSmile_R", "mouthFunnel")
        return all(self.coefficients[self.head.expressions.index(name)] < 0.02 for name in opening) and bool(
            self.person.identity.any() == 0
        )

    def _turned(self, places: Floats, matrix: Floats | None = None) -> Floats:
        """Head space to camera space: turned about the neck, the middle of the face at the origin."""
        matrix = self.turn if matrix is None else matrix
        pivot = np.array([0, -5.0, 0.0], np.float32)
        anchor = (self.middle - pivot) @ self.turn.T + pivot
        return ((places - pivot) @ matrix.T + pivot - anchor).astype(np.float32)

    def _project(self, places: Floats) -> Floats:
        """Camera space (n, 3) to pixels of the large picture and depth."""
        depth = self.camera.distance - places[:, 2]
        scale = self.side / self.camera.span * self.camera.distance / np.maximum(depth, 1e-3)
        x = self.camera.center[0] * self.side + places[:, 0] * scale
        y = self.camera.center[1] * self.side - places[:, 1] * scale
        return np.stack([x, y, depth], 1).astype(np.float32)

    def _draw(self) -> None:
        """Rasterise, and keep for every covered pixel what does not change with age."""
        vertices, normals = np.concatenate(self.vertices), np.concatenate(self.vertex_normals).astype(np.float32)
        triangles, material = np.concatenate(self.triangles), np.concatenate(self.material)
        source = np.concatenate(self.source)
        # Backs of closed surfaces are never seen.
        cull = np.isin(material, (SKIN, TEETH, EYE_L, EYE_R))
        buffers = raster.rasterise(self._project(vertices), triangles, self.side, self.side, cull)
        seen = buffers.covered
        self.seen = seen
        hit = buffers.triangle[seen]
        self.kind, self.hit = material[hit], source[hit]
        self.place = buffers.interpolate(triangles, vertices)
        normal = buffers.interpolate(triangles, normals)
        self.normal = normal / (np.linalg.norm(normal, axis=1, keepdims=True) + 1e-6)
        self.color = buffers.interpolate(triangles, np.concatenate(self.colors))
        self.shine = buffers.interpolate(triangles, np.concatenate(self.shines)[:, None])[:, 0]
        view = np.array([0, 0, self.camera.distance], np.float32) - self.place
        self.view = view / np.linalg.norm(view, axis=1, keepdims=True)
        away = (self.kind == PLAIN) & ((self.normal * self.view).sum(1) < 0)
        self.normal[away] *= -1
        weights = buffers.weights[seen]
        on_head = self.hit >= 0
        self.uv = np.zeros((len(hit), 2), np.float32)
        self.uv[on_head] = (self.head.corners_uv[self.hit[on_head]] * weights[on_head][..., None]).sum(1)
        tile = self.head.tile[np.maximum(self.hit, 0)]
        self.on_face = on_head & (self.kind == SKIN) & (tile == mesh.FACE_TILE)
        self.on_back = on_head & (self.kind == SKIN) & (tile == mesh.HEAD_TILE)
        occlusion = np.ones(len(vertices), np.float32)
        occlusion[: len(self.rest)] = occluded(self.head)
        self.open = buffers.interpolate(triangles, occlusion[:, None])[:, 0]
        self.lit = self._shadow(vertices, triangles)
        self._frames(vertices)

    def _shadow(self, vertices: Floats, triangles: Ints) -> Floats:
        """(covered,) 0..1 how much of the key light arrives."""
        if self.light.color.max() <= 0:
            return np.ones(len(self.place), np.float32)
        toward = self.light.direction
        first = np.cross(toward, [0.0, 1.0, 0.0])
        first = first / (np.linalg.norm(first) + 1e-6)
        basis = np.stack([first, np.cross(toward, first), -toward]).astype(np.float32)
        side, reach = 192, 22.0

        def on_map(places: Floats) -> Floats:
            local = places @ basis.T
            local[:, :2] = (local[:, :2] / (2 * reach) + 0.5) * side
            local[:, 2] += 100
            return local

        depth = raster.rasterise(on_map(vertices), triangles, side, side).depth
        depth = np.where(np.isfinite(depth), depth, 1e6).astype(np.float32)
        mine = on_map(self.place)
        lit = np.zeros(len(mine), np.float32)
        for dx, dy in ((-0.6, -0.6), (0.6, -0.6), (-0.6, 0.6), (0.6, 0.6), (0, 0)):
            column = np.clip((mine[:, 0] + dx).astype(int), 0, side - 1)
            row = np.clip((mine[:, 1] + dy).astype(int), 0, side - 1)
            lit += (mine[:, 2] - depth[row, column] < 0.45) * 0.2
        return lit

    def _frames(self, vertices: Floats) -> None:
        """Tangents of the UV on every face triangle that is seen, for the relief."""
        triangles = self.hit[self.on_face]
        corners, uv = vertices[self.head.triangles[triangles]], self.head.corners_uv[triangles]
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        a, b = uv[:, 1] - uv[:, 0], uv[:, 2] - uv[:, 0]
        area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
        area = np.where(np.abs(area) < 1e-10, 1e-10, area)[:, None]
        self.along_u = (first * b[:, 1:2] - second * a[:, 1:2]) / area
        self.along_v = (second * a[:, 0:1] - first * b[:, 0:1]) / area

    # Shading

    def shade(self, age: float) -> Rendered:
        """The picture at one age."""
        maps, count = self.maps, len(self.place)
        albedo, shine = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
        face, back = self.on_face, self.on_back
        albedo[back] = regions.look_up(maps.head_albedo, self.uv[back])
        young = regions.look_up(maps.albedo, self.uv[face])
        albedo[face] = young * np.exp(age * regions.look_up(maps.old_tint, self.uv[face]))
        shine[face] = regions.look_up(maps.shine, self.uv[face])
        shine[back] = 0.2 * self.person.skin.oil
        normal = self.normal.copy()
        normal[face] = self._embossed(age)
        other = ~(face | back)
        albedo[other] = self.color[other]
        shine[other] = self.shine[other]
        self._inside(albedo, shine, normal)
        color = self._lighting(albedo, shine, normal)
        return self._finish(color)

    def _embossed(self, age: float) -> Floats:
        """Normals of the face with the relief of the skin on them."""
        slopes, old = _slopes(self.head, self.person.skin, self.maps.height.shape[0])
        uv = self.uv[self.on_face]
        slope = regions.look_up(slopes, uv) + age * regions.look_up(old, uv)
        normal = self.normal[self.on_face]
        first, second = np.cross(self.along_v, normal), np.cross(normal, self.along_u)
        area = (self.along_u * first).sum(1, keepdims=True)
        area = np.where(np.abs(area) < 1e-3, 1e-3, area)
        bent = normal - (first * slope[:, :1] + second * slope[:, 1:]) / area
        # Where the UV is crushed (lids, nostrils) the relief is not to be trusted.
        bent = np.where((np.abs(area) < 25.0), normal, bent)
        return np.asarray(bent / (np.linalg.norm(bent, axis=1, keepdims=True) + 1e-6), np.float32)

    def _inside(self, albedo: Floats, shine: Floats, normal: Floats) -> None:
        """Eyes, teeth and what is dark inside the mouth."""
        for material, side in ((EYE_L, "eyeball_l"), (EYE_R, "eyeball_r")):
            chosen = self.kind == material
            if chosen.any():
                start, stop = mesh.PARTS[side]
                center = self._turned(self.rest[start:stop].mean(0, keepdims=True))[0]
                albedo[chosen] = _eye(self, chosen, center)
                shine[chosen] = 2.5
        depth = self._depth_in_mouth()
        for material, color, gloss in (
            (SOCKET, (0.28, 0.07, 0.06), 0.3),
            (GUMS, (0.35, 0.10, 0.09), 0.5),
            (TEETH, (0.75, 0.70, 0.58), 0.7),
        ):
            chosen = self.kind == material
            gain = self.person.teeth if material == TEETH else 1.0
            albedo[chosen] = np.array(color, np.float32) * gain * depth[chosen, None]
            shine[chosen] = gloss * depth[chosen]
        albedo[self.kind == LASHES] = np.array(self.person.skin.brow_color, np.float32) * 0.5

    def _depth_in_mouth(self) -> Floats:
        """(covered,) 1 at the lips, falling to 0 inside the mouth."""
        lips = self._turned(self.rest)[self.head.landmarks[60:68]]
        forward = self.turn @ np.array([0, 0, 1], np.float32)
        inward = (lips @ forward).max() - self.place @ forward
        return np.asarray(np.exp(-np.maximum(inward - 0.7, 0) * 0.55), np.float32)

    def _lighting(self, albedo: Floats, shine: Floats, normal: Floats) -> Floats:
        light = self.light
        skinny = (self.on_face | self.on_back)[:, None]
        facing = normal @ light.direction
        smooth = self.normal @ light.direction
        # Light that travels below the skin softens the terminator, red most.
        wrap = np.where(skinny, np.array([0.28, 0.10, 0.06], np.float32), 0.02)
        soft = 0.65 * facing[:, None] + 0.35 * smooth[:, None]
        diffuse = np.maximum((np.where(skinny, soft, facing[:, None]) + wrap) / (1 + wrap) ** 2, 0)
        shadow = self.lit[:, None] * np.ones(3, np.float32)
        shadow = np.where(skinny, shadow ** np.array([0.75, 1.0, 1.05], np.float32), shadow)
        direct = diffuse * shadow * light.color
        color = albedo * (direct + light.ambient(normal) * self.open[:, None] ** 1.3)
        half = self.view + light.direction
        half /= np.linalg.norm(half, axis=1, keepdims=True) + 1e-6
        gloss = np.maximum((normal * half).sum(1), 0)
        edge = 1 - np.maximum((normal * self.view).sum(1), 0)
        fresnel = 0.04 + 0.5 * edge**5
        mirrored = 2 * (normal * self.view).sum(1, keepdims=True) * normal - self.view
        eyes = np.isin(self.kind, (EYE_L, EYE_R))
        sharp = np.where(eyes, 500.0, 28.0)
        lobe = gloss**sharp * (sharp + 8) / 25 * self.lit * np.maximum(facing, 0) ** 0.3
        color += (shine * fresnel * lobe)[:, None] * light.color
        color += (shine * fresnel * self.open)[:, None] * np.where(
            eyes[:, None], light.reflected(mirrored), light.ambient(mirrored)
        )
        strands = self.kind == HAIR
        if strands.any():
            color[strands] = self._hair_light(albedo[strands], strands)
        return np.maximum(color, 0).astype(np.float32)

    def _hair_light(self, albedo: Floats, strands: NDArray[np.bool_]) -> Floats:
        """Kajiya and Kay: a cylinder's light along its tangent, one white and one tinted highlight."""
        tangent, light, view = self.normal[strands], self.light, self.view[strands]
        along = tangent @ light.direction
        across = np.sqrt(np.maximum(1 - along**2, 0))
        out = self.place[strands]
        out = out / (np.linalg.norm(out, axis=1, keepdims=True) + 1e-6)
        wrapped = np.clip(0.5 + 0.5 * out @ light.direction, 0, 1)
        lit = self.lit[strands]
        color = albedo * light.color * (0.8 * across * wrapped * lit)[:, None]
        color += albedo * light.ambient(out) * 0.9
        eye = (tangent * view).sum(1)
        lobe = np.maximum(along * eye * -1 + across * np.sqrt(np.maximum(1 - eye**2, 0)), 0)
        color += (lobe**60 * 0.07 * lit * wrapped)[:, None] * light.color
        color += albedo * (lobe**14 * 0.7 * lit * wrapped)[:, None] * light.color
        return np.asarray(color, np.float32)

    # What comes out

    def _labels(self) -> NDArray[np.uint8]:
        """(side, side) region of each large pixel."""
        labels = np.zeros(len(self.kind), np.uint8)
        maps = self.maps
        face, back = self.on_face, self.on_back
        labels[face] = regions.look_up(maps.labels, self.uv[face], nearest=True)
        labels[back] = regions.look_up(maps.head_labels, self.uv[back], nearest=True)
        cropped = self.person.hair.style != "bald" and (
            self.person.hair.style != "buzz" or self.person.skin.scalp > 0.3
        )
        if cropped:
            for chosen, scalp in ((face, maps.scalp), (back, maps.head_scalp)):
                under = regions.look_up(scalp, self.uv[chosen]) > 0.15
                part = labels[chosen]
                ears = (part == INDEX["ear_l"]) | (part == INDEX["ear_r"])
                part[under & ~ears] = INDEX["hair"]
                labels[chosen] = part
        if self.person.hair.beard_length >= 1:
            part = labels[face]
            part[regions.look_up(maps.beard, self.uv[face]) > 0.45] = INDEX["hair"]
            labels[face] = part
        lids = [list(mesh.PARTS).index(name) for name in ("lids_l", "lids_r")]
        part = self.head.part[np.maximum(self.hit, 0)]
        labels[(self.hit >= 0) & (part == lids[0])] = INDEX["eye_l"]
        labels[(self.hit >= 0) & (part == lids[1])] = INDEX["eye_r"]
        labels[(self.kind == EYE_L)] = INDEX["eye_l"]
        labels[(self.kind == EYE_R)] = INDEX["eye_r"]
        lashes = self.kind == LASHES
        left = part == list(mesh.PARTS).index("lashes_l")
        labels[lashes & left], labels[lashes & ~left] = INDEX["eye_l"], INDEX["eye_r"]
        labels[np.isin(self.kind, (SOCKET, GUMS, TEETH))] = INDEX["mouth"]
        labels[self.kind == HAIR] = INDEX["hair"]
        labels[self.kind == PLAIN] = INDEX["background"]
        picture = np.zeros((self.side, self.side), np.uint8)
        picture[self.seen] = labels
        return picture

    def _finish(self, color: Floats) -> Rendered:
        side, size = self.side, self.camera.size
        large = np.zeros((side, side, 3), np.float32)
        large[self.seen] = color
        if self.clear_lens:
            self._glint(large)
        labels = self._labels()
        masks = np.stack([_averaged((labels == index).astype(np.float32), size) for index in range(len(REGIONS))])
        uv = np.zeros((side, side, 3), np.float32)
        where = np.flatnonzero(self.seen.ravel())[self.on_face]
        uv.reshape(-1, 3)[where, :2] = self.uv[self.on_face]
        uv.reshape(-1, 3)[where, 2] = 1
        small = _averaged(uv, size)
        small[..., :2] /= np.maximum(small[..., 2:], 1e-6)
        small[..., 2] = small[..., 2] > 0.999
        small[..., :2] *= small[..., 2:]
        change = np.zeros(side * side, np.float32)
        change[where] = regions.look_up(
            _change(self.head, self.person.skin, self.maps.height.shape[0]), self.uv[self.on_face]
        )
        points = self._project(self._turned(self.head.points(self.rest)))[:, :2] / SUPERSAMPLING
        ears = self.rest[self.head.landmarks[[0, 16]], 0]
        return Rendered(
            picture=_averaged(large, size),
            alpha=_averaged(self.seen.astype(np.float32), size),
            masks=masks,
            uv=small,
            change=_averaged(change.reshape(side, side), size),
            points=points.astype(np.float32),
            width=float(np.ptp(ears)) * size / self.camera.span,
            center=(self.camera.center[0] * size, self.camera.center[1] * size),
        )

    def _glint(self, large: Floats) -> None:
        """A faint reflection of the surroundings on clear lenses."""
        for outline in self.lenses:
            canvas = np.zeros(large.shape[:2], np.float32)
            cv2.fillPoly(canvas, [np.round(outline[:, :2] * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
            tilt = self.turn @ np.array([0.15, 0.2, 1.0], np.float32)
            sky = self.light.reflected((tilt / np.linalg.norm(tilt))[None].astype(np.float32))[0]
            rows = np.linspace(1, 0.2, large.shape[0], dtype=np.float32)[:, None]
            large *= 1 - 0.08 * canvas[..., None]
            large += (canvas * rows * 0.05)[..., None] * sky


def rotation(pose: Pose) -> Floats:
    """(3, 3) head space to camera space."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    around_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    around_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(around_z @ around_x @ around_y, np.float32)


def _averaged(large: Floats, size: int) -> Floats:
    if large.ndim == 2:
        return large.reshape(size, SUPERSAMPLING, size, SUPERSAMPLING).mean((1, 3), dtype=np.float32)
    return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def _eye(scene: _Scene, chosen: NDArray[np.bool_], center: Floats) -> Floats:
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


# Kept from call to call -----------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2)
def _maps(head: Head, look: Skin, side: int) -> SkinMaps:
    return skin.make(look, side, regions.rest_map(head, 0, side), regions.rest_map(head, 1, min(512, side)))


@functools.lru_cache(maxsize=2)
def _slopes(head: Head, look: Skin, side: int) -> tuple[Floats, Floats]:
    """Height over u and over v (v up) of the young skin and of what age adds, each (side, side, 2)."""
    maps = _maps(head, look, side)
    both = []
    for height in (maps.height, maps.old_height):
        rise_v, rise_u = np.gradient(height * side)
        both.append(np.stack([rise_u, -rise_v], -1).astype(np.float32))
    return both[0], both[1]


@functools.lru_cache(maxsize=2)
def _change(head: Head, look: Skin, side: int) -> Floats:
    """(side, side) 0..1 how much a texel changes with age: by its color or by its slope."""
    maps = _maps(head, look, side)
    color = np.abs(maps.old_tint).max(axis=-1) / 0.15
    slope = np.linalg.norm(_slopes(head, look, side)[1], axis=-1) / skin.CM_ACROSS / 0.12
    soft = cv2.GaussianBlur(np.maximum(color, slope), (0, 0), max(0.5, side / 700))
    return np.asarray(np.clip(soft, 0, 1), np.float32)


def _on_vertices(head: Head, face: Floats, back: Floats | None) -> Floats:
    """Values of a map of the face tile (and of the head tile) at the vertices; -1 or 0 where a vertex has no UV."""
    values = np.full(len(head.neutral), -1.0 if back is not None else 0.0, np.float32)
    start, stop = mesh.PARTS["face"]
    values[start:stop] = regions.look_up(face, np.nan_to_num(head.vertex_uv[start:stop]))
    if back is not None:
        start, stop = mesh.PARTS["head"]
        values[start:stop] = regions.look_up(back, np.nan_to_num(head.vertex_uv[start:stop]))
    return values


@functools.lru_cache(maxsize=2)
def occluded(head: Head) -> Floats:
    """(vertices,) 0..1 how much of the sky each vertex of the neutral head sees, weighted by the cosine."""
    normals = head.normals(head.neutral)
    total, seen = np.zeros(len(normals), np.float32), np.zeros(len(normals), np.float32)
    side, count = 160, 40
    for index in range(count):
        # A Fibonacci sphere: directions evenly spread.
        y = 1 - 2 * (index + 0.5) / count
        around = index * 2.399963
        toward = np.array([np.sqrt(1 - y * y) * np.cos(around), y, np.sqrt(1 - y * y) * np.sin(around)])
        first = np.cross(toward, [0.0, 1.0, 0.0])
        first /= np.linalg.norm(first) + 1e-9
        basis = np.stack([first, np.cross(toward, first), -toward])
        local = (head.neutral @ basis.T).astype(np.float32)
        local[:, :2] = (local[:, :2] / 44 + 0.5) * side
        local[:, 2] += 100
        depth = raster.rasterise(local, head.triangles, side, side).depth
        column, row = (np.clip(local[:, axis].astype(int), 0, side - 1) for axis in range(2))
        weight = np.maximum(normals @ toward, 0).astype(np.float32)
        total += weight
        seen += weight * (local[:, 2] - depth[row, column] < 0.35)
    # The lips of a closed mouth and the rims of the eyes would be black.
    return np.clip(seen / np.maximum(total, 1e-6), 0.12, 1).astype(np.float32)


def with_skin(person: Person, **changes: object) -> Person:
    """The same person with another skin."""
    return dataclasses.replace(person, skin=dataclasses.replace(person.skin, **changes))  # type: ignore[arg-type]
