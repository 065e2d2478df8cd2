"""What a picture of a face is made of, and what is known about it once it is rendered."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bipack_train.faces import mesh
from bipack_train.faces.hair import Hair
from bipack_train.faces.mesh import Floats
from bipack_train.faces.skin import Skin


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

    lashes: bool = True
    """The mesh has lashes as closed bands, which are too dark when seen from close by."""


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


def rotation(pose: Pose) -> Floats:
    """(3, 3) head space to camera space."""
    yaw, pitch, roll = np.radians([pose.yaw, pose.pitch, pose.roll])
    around_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    around_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    around_z = np.array([[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(around_z @ around_x @ around_y, np.float32)
