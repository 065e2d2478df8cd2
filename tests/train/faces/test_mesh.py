from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bipack.errors import CorruptInput, MissingInput
from bipack_train.faces import mesh
from bipack_train.faces.mesh import Head


def tetrahedron() -> Head:
    """A tiny solid in place of a head, its triangles anticlockwise from outside."""
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    triangles = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)
    deltas = np.zeros((2, 4, 3), np.float32)
    deltas[0, 1], deltas[1, 2] = [1, 0, 0], [0, 2, 0]
    return Head(
        neutral=corners,
        triangles=triangles,
        corners_uv=np.zeros((4, 3, 2), np.float32),
        tile=np.zeros(4, np.uint8),
        part=np.zeros(4, np.uint8),
        identity=deltas,
        expression=deltas,
        expressions=("a", "b"),
        landmarks=np.zeros(68, np.int32),
        landmarks_uv=np.zeros((68, 2), np.float32),
        vertex_uv=np.zeros((4, 2), np.float32),
    )


def test_deltas_add_up_and_nothing_is_the_neutral_face() -> None:
    head, none = tetrahedron(), np.zeros(2, np.float32)
    assert np.array_equal(head.shape(none, none), head.neutral)
    shaped = head.shape(np.array([2, 0], np.float32), np.array([0.5, 1], np.float32))
    assert shaped[1, 0] == 1 + 2 + 0.5 and shaped[2, 1] == 1 + 2


def test_normals_point_outwards_and_are_one_long() -> None:
    head = tetrahedron()
    normals = head.normals(head.neutral)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert ((head.neutral - head.neutral.mean(0)) * normals).sum(1).min() > 0


def test_a_missing_or_broken_mesh_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="face mesh"):
        mesh.load(str(tmp_path))
    path = tmp_path / mesh.SUBSET
    path.parent.mkdir(parents=True)
    np.savez(path, vertices=np.zeros((3, 3)))
    with pytest.raises(CorruptInput, match="ict_facekit"):
        mesh.load(str(tmp_path))
