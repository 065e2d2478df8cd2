"""Rendered pairs for regions: the same face old and young, seen close, with the true pictures in between.

Before is the face at its oldest, After the same pixels at a younger age, so `amount` is how much age was taken off.
What is seen of the face is as large as in a 1024 crop of the whole head, and only the region is drawn.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.imaging import color
from bipack.imaging.frame import Pixels
from bipack_train import pictures, recipe
from bipack_train.faces import light as lights
from bipack_train.faces import mesh
from bipack_train.faces.hair import Hair
from bipack_train.faces.light import Light
from bipack_train.faces.mesh import Floats, Head
from bipack_train.faces.portrait import Camera, Person, Pose, Rendered, rotation
from bipack_train.faces.regions import INDEX
from bipack_train.faces.render import render_ages
from bipack_train.faces.skin import Skin
from bipack_train.pairs import Pair, PairFiles
from bipack_train.regions.material import LEAST_AREA, RegionPair
from bipack_train.regions.recipe import RenderedFaces

log = logging.getLogger(__name__)

LOOK = 3
"""Counted up when the same seed gives other pictures."""

FACE = 1024
"""Side of the whole head's crop, in pixels, that the renders are as sharp as."""


@dataclass(frozen=True)
class Region:
    """Where a region lies and what of it is drawn."""

    points: tuple[int, ...]
    """Points of the face (in the order of Rendered.points) whose middle it lies by."""

    offset: tuple[float, float, float]
    """cm from there: to the person's left, up, and forward."""

    mask: Callable[[Rendered], Pixels]


def _joined(*names: str) -> Callable[[Rendered], Pixels]:
    """The skin of regions, without their rims: lips and brows that touch them are drawn otherwise."""

    def mask(seen: Rendered) -> Pixels:
        joined = seen.masks[[INDEX[name] for name in names]].sum(axis=0) * seen.uv[..., 2]
        return np.asarray(cv2.erode(joined, np.ones((7, 7), np.uint8)), np.float32)

    return mask


def _round_eye(name: str, part: str) -> Callable[[Rendered], Pixels]:
    """Skin round an eye: outward of it (crow's feet) or below it (bags)."""

    def mask(seen: Rendered) -> Pixels:
        # The region of an eye takes its lids in; what is open is not skin.
        eye = ((seen.masks[INDEX[name]] > 0.5) & (seen.uv[..., 2] == 0)).astype(np.uint8)
        if int(eye.sum()) < LEAST_AREA:
            return np.zeros(eye.shape, np.float32)
        skin = seen.masks[[INDEX[one] for one in ("skin", name, f"cheek_{name[-1]}")]].sum(axis=0) * seen.uv[..., 2]
        spots = np.argwhere(eye)
        middle, wide = spots.mean(axis=0), float(np.ptp(spots[:, 1]) + 1)
        away = cv2.distanceTransform(1 - eye, cv2.DIST_L2, 5)
        near = np.clip(2.0 - away / (0.4 * wide), 0.0, 1.0)
        rows, columns = np.mgrid[0 : eye.shape[0], 0 : eye.shape[1]].astype(np.float32)
        nose = float(seen.points[2, 0])
        out = (columns - middle[1]) * np.sign(middle[1] - nose)
        side = out - 0.35 * wide if part == "out" else rows - middle[0] - 0.05 * wide
        return np.asarray(skin * near * np.clip(side / (0.1 * wide), 0.0, 1.0), np.float32)

    return mask


REGIONS = {
    "forehead_lines": Region((0, 1), (0.0, 4.5, -1.0), _joined("forehead")),
    "crows_feet": Region((0,), (2.0, 0.0, -1.5), _round_eye("eye_l", "out")),
    "eye_bags": Region((0,), (0.3, -1.6, 0.0), _round_eye("eye_l", "below")),
    "skin_soften": Region((3,), (1.8, 2.2, -1.5), _joined("cheek_l", "skin")),
}
"""Regions that can be rendered, each seen from close by: the person's left, or the middle."""


@dataclass(frozen=True)
class View:
    """One picture to be: who, how and in which light."""

    person: Person
    pose: Pose
    light: Light
    expression: Floats
    code: int
    age: float = 1.0
    """How old Before is, 0..1."""


def somebody(rng: np.random.Generator) -> Person:
    """A person drawn at random: face, complexion, brows; no beard, hair kept off the face."""
    hair = tuple(float(value) for value in rng.choice([(0.05, 0.035, 0.025), (0.25, 0.14, 0.06), (0.4, 0.38, 0.36)]))
    skin = Skin(
        seed=int(rng.integers(1 << 30)),
        tone=float(rng.beta(1.2, 1.8)),
        warmth=float(rng.uniform(-0.8, 0.8)),
        redness=float(rng.uniform(0.2, 0.9)),
        freckles=float(max(0.0, rng.normal(0.0, 0.3))),
        mottling=float(rng.uniform(0.2, 0.9)),
        oil=float(rng.uniform(0.1, 0.8)),
        brow_color=hair,  # type: ignore[arg-type]
        brow_density=float(rng.uniform(0.5, 1.0)),
        raise_front=float(rng.uniform(0.0, 0.6)),
        pores=float(rng.uniform(1.0, 3.5)),
        # Taken off with the lines, pores and mottling would be blurred away: they stay.
        weathered=0.0,
        creases=float(rng.uniform(0.3, 1.2)),
        spread=0.6,
    )
    identity = rng.normal(0, 0.7, mesh.IDENTITIES).astype(np.float32)
    eyes = tuple(float(value) for value in rng.uniform(0.02, 0.15, 3))
    return Person(identity, skin, Hair(), eyes, lashes=False)  # type: ignore[arg-type]


def views(
    head: Head,
    people: Sequence[Person],
    count: int,
    seed: int,
    panoramas: Sequence[Pixels] = (),
    ages: tuple[float, float] = (1.0, 1.0),
) -> list[View]:
    """`count` views of each of `people`, in other poses, lights and expressions each, at ages between `ages`."""
    found = []
    for number, person in enumerate(people):
        rng = np.random.default_rng([seed, number])
        for _ in range(count):
            if panoramas and rng.random() < 0.6:
                light = lights.from_panorama(panoramas[int(rng.integers(len(panoramas)))], float(rng.uniform(0, 6.28)))
            else:
                light = lights.drawn(rng)
            pose = Pose(float(rng.uniform(-28, 28)), float(rng.uniform(-14, 14)), float(rng.uniform(-8, 8)))
            expression = (rng.random(len(head.expressions)) ** 3 * 0.35).astype(np.float32)
            light = light.scaled(float(rng.uniform(0.6, 1.4)))
            found.append(View(person, pose, light, expression, number, float(rng.uniform(*ages))))
    return found


def read_panoramas(data: str, leave: Sequence[str] = ("pedestrian_overpass_1k.exr",)) -> list[Pixels]:
    """The panoramas below `data`/hdri, scene-linear (height, width, 3), without those in `leave`."""
    folder = os.path.join(data, "hdri")
    names = [name for name in pictures.list_files(folder, (".exr",)) if name not in leave and "_1k" in name]
    return [pictures.read_panorama(os.path.join(folder, name)) for name in names]


def digest(how: RenderedFaces, seed: int) -> str:
    """What tells one set of renders from another."""
    return f"{recipe.digest(how)[:12]}-{seed}-{LOOK}"


def material(
    how: RenderedFaces, seed: int, regions: Sequence[str], data: str, threads: int = 0
) -> dict[str, list[RegionPair]]:
    """All pairs of a starter's regions, the held-out people last. Raises MissingInput, UsageError."""
    head, rng = mesh.load(data), np.random.default_rng([seed, 77])
    people = [somebody(rng) for _ in range(how.people + how.held_out)]
    shown = views(head, people, how.views, seed, read_panoramas(data), (how.youngest, 1.0))
    log.info("rendering %d views of %d people in %s", len(shown), len(people), ", ".join(regions))
    # Of each view the whole way and one stop on it: more people and lights for the same time.
    stops = [amount for amount in how.amounts if amount < 1.0] or [1.0]
    amounts = [tuple(dict.fromkeys((stops[number % len(stops)], 1.0))) for number in range(len(shown))]
    return pairs_of(head, shown, regions, amounts, how.side, seed, threads)


def pairs_of(
    head: Head,
    shown: Sequence[View],
    regions: Sequence[str],
    amounts: Sequence[Sequence[float]],
    side: int = 256,
    seed: int = 0,
    threads: int = 0,
) -> dict[str, list[RegionPair]]:
    """Pairs of each region: of each view one for each of its `amounts` (0 < amount <= 1) of age taken off.

    Views that do not show a region are left out. Raises UsageError for a region that cannot be rendered.
    """
    for region in regions:
        if region not in REGIONS:
            raise UsageError(f"Region {region!r} cannot be rendered; there are {', '.join(REGIONS)}.")

    def drawn(number: int) -> list[list[RegionPair]]:
        view = shown[number]
        return [_drawn(head, view, REGIONS[region], amounts[number], side, [seed, number]) for region in regions]

    # The maps of a skin are kept for its next view, so views go in turn and no thread is far ahead.
    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as executor:
        rows = list(executor.map(drawn, range(len(shown))))
    return {region: [pair for row in rows for pair in row[index]] for index, region in enumerate(regions)}


def _drawn(
    head: Head, view: View, region: Region, amounts: Sequence[float], side: int, seed: list[int]
) -> list[RegionPair]:
    span = Camera.span * side / FACE
    points = head.points(head.shape(view.person.identity, view.expression))
    middle = 0.5 * (points[:2].mean(axis=0) + points[3:].mean(axis=0))
    place = rotation(view.pose) @ (points[list(region.points)].mean(axis=0) + np.array(region.offset) - middle)
    camera = Camera(side, span, (float(0.5 - place[0] / span), float(0.5 + place[1] / span)))
    ages = [view.age, *(view.age * (1.0 - amount) for amount in amounts)]
    seen = render_ages(head, view.person, view.light, ages, expression=view.expression, pose=view.pose, camera=camera)
    mask = np.clip(region.mask(seen[0]), 0.0, 1.0)
    if int((mask > 0.5).sum()) < LEAST_AREA:
        return []
    rng = np.random.default_rng(seed)
    behind, grain = rng.uniform(0.02, 0.5, 3).astype(np.float32), rng.normal(0, 1, (side, side, 3)).astype(np.float32)
    planes = [_plate(one, behind, grain, float(seed[1] % 5)) for one in seen]
    matte = np.rint(cv2.GaussianBlur(mask, (0, 0), 4.0) * (mask > 0) * 255).astype(np.uint8)
    return [
        _pair(planes[0], after, matte, amount, view.code, seed[1])
        for after, amount in zip(planes[1:], amounts, strict=True)
    ]


def _plate(seen: Rendered, behind: Floats, grain: Pixels, level: float) -> NDArray[np.float16]:
    """A render on a plain ground, with the grain of a camera, encoded; the same grain at every age."""
    linear = seen.picture + (1.0 - seen.alpha[..., None]) * behind
    linear = linear + 0.002 * level * np.sqrt(np.maximum(linear, 0.0) + 0.02) * grain
    return color.encode(linear.astype(np.float32)).astype(np.float16)


def _pair(
    before: NDArray[np.float16],
    after: NDArray[np.float16],
    matte: NDArray[np.uint8],
    amount: float,
    code: int,
    number: int,
) -> RegionPair:
    digest = hashlib.sha256(before.tobytes() + after.tobytes()).hexdigest()
    return RegionPair(Pair(PairFiles(number, "", ""), before, after, matte, 0.0, True, 0, digest), amount, code)
