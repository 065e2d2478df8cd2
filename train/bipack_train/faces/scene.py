"""The geometry of one picture: all meshes in camera space, and what every pixel of the large picture sees of them."""

from __future__ import annotations

import numpy as np

from bipack_train.faces import baked, mesh, raster, skin
from bipack_train.faces import extras as things
from bipack_train.faces import hair as hairs
from bipack_train.faces.extras import Extras
from bipack_train.faces.light import Light
from bipack_train.faces.mesh import Floats, Head, Ints
from bipack_train.faces.portrait import Camera, Person, Pose, rotation

SUPERSAMPLING = 2
"""Pictures are drawn this much larger and averaged: soft edges, soft masks."""

SKIN, SOCKET, GUMS, TEETH, EYE_L, EYE_R, LASHES, HAIR, PLAIN = range(9)
"""What a triangle is made of."""

_OF_PART = {"face": SKIN, "head": SKIN, "socket": SOCKET, "lids_l": SKIN, "lids_r": SKIN, "gums": GUMS,
            "teeth": TEETH, "eyeball_l": EYE_L, "eyeball_r": EYE_R, "lashes_l": LASHES, "lashes_r": LASHES}  # fmt: skip


class Scene:
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
        self.maps = baked.maps(head, person.skin, 512 if close <= 320 else 1024 if close <= 1200 else 2048)
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
        if not self.person.lashes:
            used &= materials != LASHES
        if self._mouth_closed():
            used &= ~np.isin(materials, (GUMS, TEETH, SOCKET))
        self.vertices = [self.turned(self.rest)]
        self.vertex_normals = [self.normals @ self.turn.T]
        self.triangles = [head.triangles[used]]
        self.material = [materials[used]]
        self.source = [np.flatnonzero(used).astype(np.int32)]
        self.colors = [np.zeros_like(self.rest)]
        self.shines = [np.zeros(len(self.rest), np.float32)]
        above, beard = baked.on_vertices(head, maps.scalp, maps.head_scalp), baked.on_vertices(head, maps.beard, None)
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
        self.lenses = [self.project(self.turned(rim)) for rim in things.lens(head, self.rest, extra)]
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
        self.vertices.append(self.turned(vertices, matrix))
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

    def turned(self, places: Floats, matrix: Floats | None = None) -> Floats:
        """Head space to camera space: turned about the neck, the middle of the face at the origin."""
        matrix = self.turn if matrix is None else matrix
        pivot = np.array([0, -5.0, 0.0], np.float32)
        anchor = (self.middle - pivot) @ self.turn.T + pivot
        return np.asarray((places - pivot) @ matrix.T + pivot - anchor, np.float32)

    def project(self, places: Floats) -> Floats:
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
        buffers = raster.rasterise(self.project(vertices), triangles, self.side, self.side, cull)
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
        occlusion[: len(self.rest)] = baked.occluded(self.head)
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
        # A surface that the light grazes runs through much depth inside one texel of the map.
        facing = np.clip(self.normal @ toward, 0.15, 1.0)
        slack = np.maximum(0.45, 0.2 + 0.3 * np.sqrt(1.0 - facing**2) / facing)
        lit = np.zeros(len(mine), np.float32)
        for dx, dy in ((-0.6, -0.6), (0.6, -0.6), (-0.6, 0.6), (0.6, 0.6), (0, 0)):
            column = np.clip((mine[:, 0] + dx).astype(int), 0, side - 1)
            row = np.clip((mine[:, 1] + dy).astype(int), 0, side - 1)
            lit += (mine[:, 2] - depth[row, column] < slack) * 0.2
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
