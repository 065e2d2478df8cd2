"""Light on a face: an environment as nine spherical harmonics, one key light, and a small picture for reflections."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Light:
    """Linear light; a white wall facing it is about 1. Directions point to the light; +z is the camera."""

    harmonics: Floats
    """(9, 3) radiance in spherical harmonics, already convolved with the cosine and divided by pi."""

    direction: Floats
    """(3,) unit vector to the key light."""

    color: Floats
    """(3,) key light on a surface that faces it; 0 for none."""

    surroundings: Floats
    """(16, 32, 3) lat-long picture for reflections, the camera's side in the middle of +z at column 16."""

    def scaled(self, gain: float) -> Light:
        """The same light, brighter or darker."""
        factor = np.float32(gain)
        return replace(
            self,
            harmonics=self.harmonics * factor,
            color=self.color * factor,
            surroundings=self.surroundings * factor,
        )

    def ambient(self, normals: Floats) -> Floats:
        """(n, 3) light of the environment on surfaces with these unit normals (n, 3)."""
        return np.asarray(np.maximum(_basis(normals) @ self.harmonics, 0), np.float32)

    def reflected(self, directions: Floats) -> Floats:
        """(n, 3) what is seen in these unit directions (n, 3)."""
        height, width = self.surroundings.shape[:2]
        column = (np.arctan2(directions[:, 0], directions[:, 2]) / (2 * np.pi) + 0.5) * width
        row = np.arccos(np.clip(directions[:, 1], -1, 1)) / np.pi * height
        index = np.clip(row.astype(int), 0, height - 1), column.astype(int) % width
        return np.asarray(self.surroundings[index], np.float32)


def _basis(normals: Floats) -> Floats:
    x, y, z = normals.T
    one = np.ones_like(x)
    return np.stack(
        [
            0.282095 * one, 0.488603 * y, 0.488603 * z, 0.488603 * x, 1.092548 * x * y, 1.092548 * y * z,
            0.315392 * (3 * z * z - 1), 1.092548 * x * z, 0.546274 * (x * x - y * y),
        ],
        axis=1,
    ).astype(np.float32)  # fmt: skip


def _directions(height: int, width: int) -> tuple[Floats, Floats]:
    """Unit vectors (height * width, 3) of a lat-long picture and the solid angle of each pixel."""
    row, column = np.mgrid[0:height, 0:width].astype(np.float32)
    polar, around = (row + 0.5) / height * np.pi, ((column + 0.5) / width - 0.5) * 2 * np.pi
    vectors = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], -1)
    angle = np.sin(polar) * (np.pi / height) * (2 * np.pi / width)
    return vectors.reshape(-1, 3).astype(np.float32), angle.ravel().astype(np.float32)


def from_panorama(panorama: Floats, turn: float = 0.0) -> Light:
    """Light of a scene-linear lat-long picture (height, width, 3), turned by `turn` (0..1 of a full circle).

    What shines above eight times the mean becomes the key light, the rest the environment.
    """
    small = cv2.resize(np.maximum(np.nan_to_num(panorama, posinf=65504.0), 0), (64, 32), interpolation=cv2.INTER_AREA)
    small = np.roll(small, round(turn * 64), axis=1)
    vectors, angle = _directions(32, 64)
    flat = small.reshape(-1, 3).astype(np.float32)
    grey = flat.mean(axis=1)
    limit = 8 * float((grey * angle).sum() / angle.sum()) + 1e-6
    kept = flat * np.minimum(1, limit / np.maximum(grey, 1e-6))[:, None]
    excess = (flat - kept) * angle[:, None]
    harmonics = _convolved((_basis(vectors) * angle[:, None]).T @ kept)
    power = excess.sum(axis=1)
    pull = (vectors * power[:, None]).sum(axis=0)
    direction = pull / (np.linalg.norm(pull) + 1e-9) if power.sum() > 0 else np.array([0.0, 0.7, 0.7])
    color = excess.sum(axis=0) / np.pi
    around = cv2.resize(kept.reshape(32, 64, 3), (32, 16), interpolation=cv2.INTER_AREA)
    light = Light(harmonics.astype(np.float32), direction.astype(np.float32), color.astype(np.float32), around)
    return _normalised(light)


def drawn(rng: np.random.Generator) -> Light:
    """A drawn studio: soft light from a side, a fill, a key from anywhere before or beside the face."""
    vectors, angle = _directions(16, 32)
    radiance = np.full((len(vectors), 3), rng.uniform(0.1, 0.5), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        toward = rng.normal(0, 1, 3)
        toward /= np.linalg.norm(toward)
        lobe = np.exp((vectors @ toward - 1) * rng.uniform(2, 20))
        tint = 1 + rng.normal(0, 0.15, 3)
        radiance += (lobe[:, None] * tint * rng.uniform(0.3, 3)).astype(np.float32)
    harmonics = _convolved((_basis(vectors) * angle[:, None]).T @ np.maximum(radiance, 0))
    around, up = rng.normal(0, 0.9), rng.uniform(-0.3, 1.1)
    direction = np.array([np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)])
    color = np.maximum(1 + rng.normal(0, 0.12, 3), 0.3) * rng.choice([0.0, rng.uniform(0.2, 3)], p=[0.3, 0.7])
    return _normalised(
        Light(
            harmonics.astype(np.float32),
            direction.astype(np.float32),
            color.astype(np.float32),
            np.maximum(radiance, 0).reshape(16, 32, 3),
        )
    )


def _convolved(coefficients: NDArray[np.floating]) -> Floats:
    """Radiance to irradiance over pi (Ramamoorthi and Hanrahan 2001)."""
    bands = np.array([1.0] + [2 / 3] * 3 + [0.25] * 5, np.float32)
    return np.asarray(coefficients * bands[:, None], np.float32)


def _normalised(light: Light) -> Light:
    """Scaled so that surfaces turned to the camera, up and to both sides get 0.9 on average."""
    probes = np.array([[0, 0, 1], [0.7, 0, 0.7], [-0.7, 0, 0.7], [0, 0.7, 0.7]], np.float32)
    key = np.maximum(probes @ light.direction, 0).mean() * light.color.mean()
    level = float(light.ambient(probes).mean() + key)
    # Cameras are balanced to most of the color of their light.
    cast = light.ambient(probes).mean(0) + key * light.color / max(float(light.color.mean()), 1e-6)
    cast = (cast / max(float(cast.mean()), 1e-6)) ** np.float32(0.75)
    balance = np.float32(1) / np.clip(cast, 0.25, 4)
    gain = (balance * np.float32(0.9 / max(level, 1e-6))).astype(np.float32)
    return replace(
        light, harmonics=light.harmonics * gain, color=light.color * gain, surroundings=light.surroundings * gain
    )
