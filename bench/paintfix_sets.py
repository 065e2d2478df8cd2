"""The two sets that `bench/paintfix.py` measures on: facial markers, and a wire rig over texture.

Each set is made from one real picture, so that the truth under the marks is known. Every frame has a pose (affine,
perspective and a smooth bend), a light (exposure, color, a gradient) and grain of its own; marks are attached to the
picture (markers) or move by themselves (rig). Test frames have other poses and other light than the training pairs.
All pixels are scene-linear and rounded to half, as they stand in the EXR files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

SIZE = 512
MOVING = 6
"""Frames of the moving part, on which flicker is measured."""

MARKER_PICTURE = "faces/photolab_03.jpg"
RIG_PICTURE = "textures/materialx_brick_base_gray.jpg"

HELD_OUT = (
    "faces/photolab_03.jpg",
    "faces/photolab_11.jpg",
    "faces/photolab_18.jpg",
    "photos/tt4_museum.jpg",
    "photos/tt4_building_exterior.jpg",
    "photos/wct_van.jpg",
    "photos/skimage_chelsea.png",
    "textures/skimage_brick.png",
    "textures/skimage_gravel.png",
    "textures/materialx_brick_base_gray.jpg",
)
"""Pictures that no shipped model is trained on, below the shared data folder."""


@dataclass(frozen=True)
class Shot:
    """One frame of a set; arrays are scene-linear and hold half values."""

    before: Array
    """(512, 512, 3) with the marks."""

    after: Array
    """(512, 512, 3) without; outside the marks equal to `before`, grain included."""

    mask: npt.NDArray[np.bool_]
    """(512, 512): where the marks touch the picture."""

    source: Array
    """(512, 512, 2): x, y in the picture that each pixel shows."""


@dataclass(frozen=True)
class Pose:
    """Where the camera looks and how the light falls; drawn once a frame."""

    angle: float
    zoom: float
    shift: tuple[float, float]
    tilt: tuple[float, float]
    bend: Array
    gain: Array
    gradient: tuple[float, float]


def to_linear(coded: Array) -> Array:
    """SRGB-coded 0..1 to scene-linear."""
    return np.where(coded <= 0.04045, coded / 12.92, ((np.maximum(coded, 0) + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_coded(linear: Array) -> Array:
    """Scene-linear to sRGB-coded; what the figures are measured in."""
    lifted = np.maximum(linear, 0.0)
    return np.where(lifted <= 0.0031308, lifted * 12.92, 1.055 * lifted ** (1 / 2.4) - 0.055).astype(np.float32)


def load_picture(path: Path, box: tuple[float, float, float, float], side: int = 1000) -> Array:
    """Square cut of a picture, scene-linear (side, side, 3); `box` is x, y, width, height as parts of its size."""
    coded = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if coded is None:
        raise FileNotFoundError(path)
    height, width = coded.shape[:2]
    left, top = round(box[0] * width), round(box[1] * height)
    cut = coded[top : top + round(box[3] * height), left : left + round(box[2] * width), ::-1]
    shrink = cv2.INTER_AREA if min(cut.shape[:2]) > side else cv2.INTER_CUBIC
    return to_linear(np.clip(cv2.resize(cut.astype(np.float32) / 255.0, (side, side), interpolation=shrink), 0, 1))


def draw_pose(random: np.random.Generator, test: bool) -> Pose:
    """A pose; those of test frames lie in other and partly wider ranges than those of the pairs."""
    wide = 1.35 if test else 1.0
    sign = random.choice((-1.0, 1.0), 6)
    low = 0.35 if test else 0.0

    def off_centre(limit: float, index: int) -> float:
        return float(sign[index] * limit * random.uniform(low, 1.0))

    bend = random.normal(0, 1, (5, 5, 2)).astype(np.float32) * 6.0 * wide
    temperature = off_centre(0.12, 4)
    stops = off_centre(0.4 * wide, 3)
    gain = 2.0**stops * np.array([1 + temperature, 1.0, 1 - temperature], np.float32)
    return Pose(
        angle=off_centre(7.0 * wide, 0),
        zoom=float(1.0 + off_centre(0.07 * wide, 1)),
        shift=(off_centre(26.0 * wide, 2), off_centre(20.0 * wide, 5)),
        tilt=(off_centre(0.10 * wide, 1), off_centre(0.10 * wide, 0)),
        bend=bend,
        gain=gain.astype(np.float32),
        gradient=(off_centre(0.35, 2), off_centre(0.35, 3)),
    )


def source_map(pose: Pose, side: int) -> Array:
    """(512, 512, 2): the place in a picture of `side` pixels that each pixel of the frame shows."""
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE - 0.5
    x, y = np.meshgrid(axis, axis)
    depth = 1.0 + pose.tilt[0] * x + pose.tilt[1] * y
    turn = np.deg2rad(pose.angle)
    turned_x = (np.cos(turn) * x - np.sin(turn) * y) / depth / pose.zoom
    turned_y = (np.sin(turn) * x + np.cos(turn) * y) / depth / pose.zoom
    reach = side * 0.82
    bend = cv2.resize(pose.bend, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    place = np.stack([turned_x, turned_y], -1) * reach + bend + np.array(pose.shift, np.float32) + side / 2 - 0.5
    return place.astype(np.float32)


def light(pose: Pose) -> Array:
    """(512, 512, 3) factor of the light."""
    axis = (np.arange(SIZE, dtype=np.float32) + 0.5) / SIZE - 0.5
    x, y = np.meshgrid(axis, axis)
    ramp = np.exp2(pose.gradient[0] * x + pose.gradient[1] * y)[..., None]
    return (ramp * pose.gain).astype(np.float32)


def grain(random: np.random.Generator, linear: Array, strength: float) -> Array:
    """Film grain to be added in linear: sigma `strength` in sRGB code at mid grey, a little soft, coarser in blue."""
    slope = np.gradient(to_linear(np.linspace(0, 1.2, 601).astype(np.float32)), 1.2 / 600)
    coded = np.clip(to_coded(linear), 0, 1.2)
    noise = random.normal(0, 1, linear.shape).astype(np.float32)
    for channel, sigma in enumerate((0.55, 0.5, 0.7)):
        soft = cv2.GaussianBlur(noise[..., channel], (0, 0), sigma)
        noise[..., channel] = soft / soft.std()
    shape = 0.6 + 0.8 * np.sqrt(np.clip(coded, 0, 1)) * (1.2 - np.clip(coded, 0, 1))
    per_code = np.interp(coded, np.linspace(0, 1.2, 601), slope).astype(np.float32)
    return noise * strength * shape * per_code * np.array([1.0, 0.9, 1.25], np.float32)


def marker_layer(random: np.random.Generator, side: int, count: int = 40) -> Array:
    """(side, side, 4) ink dots on the picture: color and coverage. Places are spread evenly over the face."""
    ss = 2
    layer = np.zeros((side * ss, side * ss, 4), np.float32)
    ink = np.array([0.018, 0.022, 0.045], np.float32)
    places: list[tuple[float, float]] = []
    while len(places) < count:
        candidate = (random.uniform(0.27, 0.73), random.uniform(0.2, 0.82))
        if all((candidate[0] - px) ** 2 + (candidate[1] - py) ** 2 > 0.052**2 for px, py in places):
            places.append(candidate)
    coverage = np.zeros((side * ss, side * ss), np.float32)
    for px, py in places:
        radius = random.uniform(5.5, 8.5)
        points = np.arange(0, 2 * np.pi, 0.2)
        wobble = radius * (
            1 + 0.1 * np.sin(points * 2 + random.uniform(0, 6)) + 0.05 * random.normal(0, 1, points.shape)
        )
        outline = np.stack([px * side + wobble * np.cos(points), py * side + wobble * np.sin(points)], -1) * ss
        cv2.fillPoly(coverage, [outline.astype(np.int32)], float(random.uniform(0.86, 0.96)))
    layer[..., :3] = ink * (1 + 0.15 * random.normal(0, 1, (1, 1, 3)).astype(np.float32))
    layer[..., 3] = coverage
    small = cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)
    small[..., 3] = cv2.GaussianBlur(small[..., 3], (0, 0), 1.2)
    return small.astype(np.float32)


def rig_layer(random: np.random.Generator, test: bool) -> Array:
    """(512, 512, 4) of one frame: two steel wires that meet at a clamp on a matt rod. Color is in linear light."""
    ss = 4
    canvas = np.zeros((SIZE * ss, SIZE * ss, 4), np.float32)
    reach = 60 if test else 40
    clamp = np.array([256 + random.uniform(-reach, reach), 300 + random.uniform(-reach, reach)])

    def stroke(start: npt.NDArray[np.float64], end: npt.NDArray[np.float64], width: float, color: list[float]) -> None:
        along = end - start
        across = np.array([-along[1], along[0]]) / np.linalg.norm(along)
        bands = 9
        for band in range(bands):
            low, high = (band / bands - 0.5) * width, ((band + 1) / bands - 0.5) * width
            shade = 0.35 + 0.9 * np.exp(-(((band + 0.5) / bands - 0.35) ** 2) / 0.05)
            corners = np.stack([start + across * low, end + across * low, end + across * high, start + across * high])
            fill = [*(component * shade for component in color), 1.0]
            cv2.fillPoly(canvas, [np.round(corners * ss).astype(np.int32)], fill)

    for side in (-1, 1):
        top = np.array([256 + side * random.uniform(60, 190), -20.0])
        stroke(clamp, top, random.uniform(2.6, 4.2), [0.10, 0.10, 0.11])
    stroke(clamp, np.array([256 + random.uniform(-120, 120), 540.0]), random.uniform(12, 15), [0.045, 0.045, 0.05])
    nine = np.array([9.0, 0.0])
    stroke(clamp - nine, clamp + nine, 20, [0.16, 0.12, 0.05])
    return cv2.resize(canvas, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)


def render(
    picture: Array, pose: Pose, marks: Array, attached: bool, random: np.random.Generator, strength: float
) -> Shot:
    """One frame of `picture` under `pose`. `marks` is in picture space when attached, else in frame space."""
    place = source_map(pose, picture.shape[0])

    def warp(layer: Array) -> Array:
        soft = cv2.GaussianBlur(layer, (0, 0), 0.8)
        flags, border = cv2.INTER_CUBIC, cv2.BORDER_REFLECT
        return np.asarray(cv2.remap(soft, place[..., 0], place[..., 1], flags, borderMode=border), np.float32)

    clean = np.maximum(warp(picture), 0.0)
    if attached:
        premultiplied = np.dstack([marks[..., :3] * marks[..., 3:], marks[..., 3]])
        over = warp(premultiplied)
    else:
        over = cv2.GaussianBlur(marks, (0, 0), 0.6)
    over = np.clip(over, 0, None)
    coverage = np.clip(over[..., 3:], 0, 1)
    lit = light(pose)
    after, before = clean * lit, (clean * (1 - coverage) + over[..., :3]) * lit
    seed = int(random.integers(1 << 31))
    noise_after = grain(np.random.default_rng(seed), after, strength)
    noise_before = grain(np.random.default_rng(seed), before, strength)
    mask = coverage[..., 0] > 0.01
    after_half = (after + noise_after).astype(np.float16).astype(np.float32)
    before_half = (before + noise_before).astype(np.float16).astype(np.float32)
    before_half = np.where(mask[..., None], before_half, after_half)
    return Shot(before_half, after_half, mask, place)


def make(
    kind: str, data: Path, picture: str | None = None, seed: int = 1, strength: float = 0.009
) -> dict[str, list[Shot]]:
    """The set `kind` (markers or rig): 6 training pairs and 8 test frames, from a picture below `data`.

    `picture` takes another one than the bench's, as name or name@x,y,width,height.
    """
    name, _, cut = (picture or "").partition("@")
    random = np.random.default_rng(seed)
    if kind == "markers":
        box = (0.255, 0.05, 0.58, 0.87) if not name else (0.0, 0.0, 1.0, 1.0)
    else:
        box = (0.0, 0.0, 1.0, 1.0)
    if cut:
        left, top, width, height = (float(part) for part in cut.split(","))
        box = (left, top, width, height)
    default = MARKER_PICTURE if kind == "markers" else RIG_PICTURE
    base = load_picture(data / (name or default), box)
    fixed = marker_layer(random, base.shape[0]) if kind == "markers" else None
    shots: dict[str, list[Shot]] = {"train": [], "test": [], "moving": []}
    for part, count in (("train", 6), ("test", 8)):
        for _ in range(count):
            pose = draw_pose(random, part == "test")
            marks = fixed if fixed is not None else rig_layer(random, part == "test")
            shots[part].append(render(base, pose, marks, fixed is not None, random, strength))
    first, last = draw_pose(random, True), draw_pose(random, True)
    state = random.bit_generator.state
    for index in range(MOVING):
        # The rig is drawn from the same numbers for every frame: it stands still while the camera moves.
        random.bit_generator.state = state
        marks = fixed if fixed is not None else rig_layer(random, True)
        pose = between(first, last, 0.15 * index / (MOVING - 1))
        noise = np.random.default_rng([seed, index])
        shots["moving"].append(render(base, pose, marks, fixed is not None, noise, strength))
    return shots


def between(first: Pose, last: Pose, part: float) -> Pose:
    """A pose on the way from `first` to `last`, in the light of `first`."""

    def mix(one: float, two: float) -> float:
        return one + part * (two - one)

    return Pose(
        mix(first.angle, last.angle),
        mix(first.zoom, last.zoom),
        (mix(first.shift[0], last.shift[0]), mix(first.shift[1], last.shift[1])),
        (mix(first.tilt[0], last.tilt[0]), mix(first.tilt[1], last.tilt[1])),
        (first.bend + part * (last.bend - first.bend)).astype(np.float32),
        first.gain,
        first.gradient,
    )


def flow(one: Shot, two: Shot) -> Array:
    """(512, 512, 2): where in `two` each pixel of `one` lies; exact, as both know what they show."""
    axis = np.arange(SIZE, dtype=np.float32)
    place = np.stack(np.meshgrid(axis, axis), -1)
    scale = float(np.mean(np.abs(np.gradient(one.source[..., 0], axis=1)))) or 1.0
    for _ in range(12):
        shown = cv2.remap(two.source, place[..., 0], place[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        place = place + (one.source - shown) / scale
    return place.astype(np.float32)
