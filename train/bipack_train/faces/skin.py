"""Skin as maps in the UV of the face: color, height, shine, and what the years add to each.

All lengths of the height maps are centimetres. The years are further maps (faces.years) of which more and more is added
as `age` goes from 0 to 1, so that color and relief of one skin move monotonically from young to old.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack_train.faces import regions, wrinkles, years
from bipack_train.faces.regions import INDEX, Labels
from bipack_train.faces.years import CM_ACROSS, DARKER, Sign

Floats = NDArray[np.float32]

# sRGB of skin from the lightest to the darkest.
_TONES = ((246, 216, 198), (238, 200, 176), (226, 182, 154), (206, 156, 128), (176, 126, 100), (140, 97, 75),
          (100, 68, 53), (66, 45, 37))  # fmt: skip


@dataclass(frozen=True)
class Skin:
    """How one person's skin looks. Amounts are 0..1 unless said otherwise."""

    seed: int = 0
    tone: float = 0.25
    """0 the lightest, 1 the darkest."""

    warmth: float = 0.0
    """-1 pink to 1 yellow."""

    redness: float = 0.5
    freckles: float = 0.0
    mottling: float = 0.5
    stubble: float = 0.0
    lipstick: float = 0.0
    lip_color: tuple[float, float, float] = (0.45, 0.12, 0.12)
    makeup: float = 0.0
    """Dark round the eyes."""

    oil: float = 0.4
    """How strongly it shines."""

    brow_color: tuple[float, float, float] = (0.05, 0.035, 0.025)
    brow_density: float = 0.8
    brow: tuple[float, ...] = (0.0, 0.013)
    """How far the brows are shifted up, and half their thickness; then, where given, how much further up their middle
    lies, and their inner end against their tail. All as shares of the face tile."""

    brow_grain: float = 0.3
    """How much its hairs differ in density."""

    hair_color: tuple[float, float, float] = (0.05, 0.035, 0.025)
    scalp: float = 0.0
    """How much the scalp is darkened by hair that is cut short."""

    raise_front: float = 0.0
    recede: float = 0.0
    """The hairline, see regions.hairline."""

    beard_like: tuple[float, float, float] = field(default=(1.0, 1.0, 1.0))
    """Weights of moustache, chin and jaw in stubble and beard."""

    pores: float = 1.0
    """Depth of the pores, against an average."""

    weathered: float = 1.0
    """How much the years roughen and mottle the skin between the lines."""

    creases: float = 0.0
    """How many short, fine lines the years add round the eyes, on forehead and cheeks."""

    spread: float = 0.0
    """How far apart lines, spots and bags set in: 0 all in youth and in proportion, else in their order up to about
    this age (faces.years)."""

    lips: tuple[float, float] = (1.0, 1.0)
    """How much of the upper and of the lower lip's thickness is red; the rest of the mesh's lips is skin."""


@dataclass(frozen=True, eq=False)
class SkinMaps:
    """The maps of one skin; square arrays of the face tile (y down), `head_*` of the head tile."""

    albedo: Floats
    """(side, side, 3) linear."""

    height: Floats
    """(side, side) cm."""

    shine: Floats
    """(side, side) strength of the highlight."""

    signs: tuple[Sign, ...]
    """What the years add."""

    labels: Labels
    """(side, side) regions."""

    scalp: Floats
    """(side, side) cm above the hairline; negative is below it."""

    beard: Floats
    """(side, side) 0..1 where a beard grows."""

    head_albedo: Floats
    head_labels: Labels
    head_scalp: Floats


def linear(srgb: tuple[float, float, float] | Floats) -> Floats:
    """sRGB 0..255 to linear 0..1."""
    value = np.asarray(srgb, np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def tone(skin: Skin) -> Floats:
    """(3,) linear base color."""
    place = skin.tone * (len(_TONES) - 1)
    anchors = np.log(linear(np.array(_TONES, np.float32)))
    base = np.exp([np.interp(place, range(len(_TONES)), anchors[:, channel]) for channel in range(3)])
    return np.asarray(base * np.exp(skin.warmth * np.array([-0.02, 0.03, -0.14])), np.float32)


def noise(rng: np.random.Generator, side: int, cell: float, octaves: int = 1) -> Floats:
    """(side, side) smooth noise of about unit deviation with features of `cell` texels, finer octaves on top."""
    total, weight = np.zeros((side, side), np.float32), 0.0
    for octave in range(octaves):
        count = int(np.clip(round(side * 2**octave / cell), 2, side))
        grid = rng.normal(0, 1, (count, count)).astype(np.float32)
        total += cv2.resize(grid, (side, side), interpolation=cv2.INTER_CUBIC) * 0.5**octave
        weight += 0.25**octave
    return np.asarray(total / np.sqrt(weight), np.float32)


def make(skin: Skin, side: int, face_places: Floats, head_places: Floats) -> SkinMaps:
    """Paint the maps of `skin`. The rest maps (regions.rest_map) give the sides; `side` is that of the face tile."""
    rng = np.random.default_rng([skin.seed, 77])
    labels = regions.face_labels(side, skin.brow, skin.lips)
    masks = {name: _soft(labels == INDEX[name], side * 0.006) for name in ("mouth", "chin", "nose", "forehead")}
    masks["cheek"] = _soft((labels == INDEX["cheek_l"]) | (labels == INDEX["cheek_r"]), side * 0.03)
    masks["eye"] = _soft((labels == INDEX["eye_l"]) | (labels == INDEX["eye_r"]), side * 0.01)
    masks["ear"] = _soft((labels == INDEX["ear_l"]) | (labels == INDEX["ear_r"]), side * 0.01)
    scalp = regions.hairline(np.nan_to_num(face_places, nan=0.0), skin.raise_front, skin.recede)
    base = tone(skin)
    inner = _border(side)
    tint = _tint(skin, rng, side, masks) * inner[..., None]
    albedo = base * np.exp(tint)
    beard = _beard(skin, rng, labels, masks, side)
    albedo = _hairs(skin, rng, albedo, labels, scalp, beard, side)
    albedo = _lips(skin, rng, albedo, masks["mouth"], side)
    shine = 0.35 + 0.4 * masks["nose"] + 0.25 * masks["forehead"] + 0.5 * masks["mouth"] + 0.1 * noise(rng, side, 40)
    head_scalp = regions.hairline(np.nan_to_num(head_places, nan=0.0), skin.raise_front, skin.recede)
    head = np.broadcast_to(base, (*head_places.shape[:2], 3)).astype(np.float32)
    shade = skin.scalp * np.clip(head_scalp * 1.2, 0, 1)[..., None]
    return SkinMaps(
        albedo=np.clip(albedo, 0.004, 0.95).astype(np.float32),
        height=_relief(skin, rng, side, masks, inner),
        shine=np.clip(shine * skin.oil, 0, 1.5).astype(np.float32),
        signs=_years(skin, side, masks, inner),
        labels=labels,
        scalp=scalp,
        beard=beard,
        head_albedo=(head * (1 - shade) + np.array(skin.hair_color, np.float32) * shade).astype(np.float32),
        head_labels=regions.head_labels(head_places),
        head_scalp=head_scalp,
    )


def _soft(mask: NDArray[np.bool_], sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(sigma, 0.5)), np.float32)


def _border(side: int) -> Floats:
    """1 inside the tile, falling to 0 at its border, so that both tiles meet in the base color."""
    span = np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / side
    rise = np.clip((span - 0.012) / 0.05, 0, 1).astype(np.float32)
    return np.asarray(np.minimum.outer(rise, rise), np.float32)


def _tint(skin: Skin, rng: np.random.Generator, side: int, masks: dict[str, Floats]) -> Floats:
    """(side, side, 3) logarithmic changes of the base color."""
    blood = 0.9 * masks["cheek"] + 0.8 * masks["nose"] + 0.7 * masks["ear"] + 0.25 * masks["chin"]
    blood = skin.redness * (blood + 0.25 * noise(rng, side, side / 12, 3))
    tint = blood[..., None] * np.array([0.02, -0.22, -0.20], np.float32)
    patches = 0.06 * skin.mottling * noise(rng, side, side / 30, 3) + 0.02 * noise(rng, side, 3)
    tint += patches[..., None] * np.array([0.7, 1.0, 1.1], np.float32)
    # Lids and hollows are darker.
    dark = masks["eye"] * (0.02 + 0.14 * rng.random()) + skin.makeup * 0.9 * _lid_line(side, 0.022)
    tint -= dark[..., None] * np.array([0.8, 1.0, 0.9], np.float32)
    tint -= (0.7 * _lid_line(side, 0.006))[..., None] * np.array([0.9, 1.0, 1.0], np.float32)
    if skin.freckles > 0:
        tint -= _spots(rng, side, int(260 * skin.freckles), 0.04, 0.13)[..., None] * [0.25, 0.5, 0.7]
    moles = _spots(rng, side, int(rng.integers(0, 9)), 0.06, 0.2)
    tint -= moles[..., None] * np.array([0.7, 1.0, 1.1], np.float32)
    return np.asarray(tint, np.float32)


def _lid_line(side: int, width: float) -> Floats:
    """Where upper and lower lid meet the eye."""
    canvas = np.zeros((side, side), np.float32)
    for line in (((0.312, 0.2815), (0.401, 0.286)), regions.mirrored(((0.312, 0.2815), (0.401, 0.286)))):
        ends = [tuple(int(value * side * 16) for value in point) for point in line]
        cv2.line(canvas, ends[0], ends[1], 1.0, max(1, round(width * side)), cv2.LINE_AA, 4)
    return np.asarray(np.clip(cv2.GaussianBlur(canvas, (0, 0), width * side * 0.4), 0, 1), np.float32)


def _spots(rng: np.random.Generator, side: int, count: int, least: float, most: float) -> Floats:
    return years.drawn(years.some_spots(rng, side, count, least, most), side)


def _beard(skin: Skin, rng: np.random.Generator, labels: Labels, masks: dict[str, Floats], side: int) -> Floats:
    """Where a beard grows, 0..1: lip, chin and jaw by their weights."""
    moustache, chin, jaw = skin.beard_like
    rows, columns = (np.mgrid[0:side, 0:side].astype(np.float32) + 0.5) / side
    lip = (labels == INDEX["skin"]) & (rows > 0.455) & (rows < 0.62) & (np.abs(columns - 0.5) < 0.15)
    field = np.zeros((side, side), np.float32)
    field[lip] = moustache
    below = labels == INDEX["chin"]
    middle = np.clip(1.3 - np.abs(columns - 0.5) / 0.14, 0, 1)
    field[below] = (chin * middle + jaw * (1 - middle))[below]
    cheek = (labels == INDEX["cheek_l"]) | (labels == INDEX["cheek_r"])
    edge = 0.50 + 0.05 * np.cos((columns - 0.5) * 12) - 0.12 * np.clip((np.abs(columns - 0.5) - 0.28) / 0.1, 0, 1)
    field[cheek & (rows > edge)] = jaw
    neck = (labels == INDEX["neck"]) & (rows < 0.80) & (np.abs(columns - 0.5) < 0.3)
    field[neck] = 0.6 * max(chin, jaw)
    field *= labels != INDEX["mouth"]
    soft = cv2.GaussianBlur(field, (0, 0), side * 0.012) * (1 - 0.9 * masks["mouth"])
    return np.asarray(np.clip(soft * (1 + 0.15 * noise(rng, side, side / 40, 2)), 0, 1), np.float32)


def _hairs(
    skin: Skin, rng: np.random.Generator, albedo: Floats, labels: Labels, scalp: Floats, beard: Floats, side: int
) -> Floats:
    """Brows, stubble and a cropped scalp painted into the color."""
    grain = np.clip(0.5 + 0.5 * noise(rng, side, 2.2), 0, 1)
    stubble = skin.stubble * beard * (0.45 + 0.55 * grain)
    brow = np.zeros((side, side), np.float32)
    strands = cv2.GaussianBlur(rng.normal(0, 1, (side, side)).astype(np.float32), (0, 0), 1.0 + side / 900)
    strands = strands / (strands.std() + 1e-6)
    for line in (regions.BROW, regions.mirrored(regions.BROW)):
        inside = regions.brow_shape(side, line, (skin.brow[0], skin.brow[1] * 1.25, *skin.brow[2:]))
        brow = np.maximum(brow, np.clip(inside * 2.2, 0, 1))
    brow = np.clip(brow * (0.75 + skin.brow_grain * strands) * skin.brow_density, 0, 1)
    head = skin.scalp * np.clip(scalp * 1.2 + 0.2 * noise(rng, side, side / 80, 2), 0, 1) * (0.8 + 0.2 * grain)
    head = head * ((labels != INDEX["ear_l"]) & (labels != INDEX["ear_r"]))
    for amount, color in ((stubble, skin.hair_color), (brow, skin.brow_color), (head, skin.hair_color)):
        albedo = albedo * (1 - amount[..., None]) + np.array(color, np.float32) * amount[..., None]
    return np.asarray(albedo, np.float32)


def _lips(skin: Skin, rng: np.random.Generator, albedo: Floats, mouth: Floats, side: int) -> Floats:
    natural = albedo * np.array([0.80, 0.52, 0.55], np.float32) * float(rng.uniform(0.85, 1.15))
    painted = np.array(skin.lip_color, np.float32) * np.exp(0.1 * noise(rng, side, side / 100))[..., None]
    lips = natural * (1 - skin.lipstick) + painted * skin.lipstick
    weight = np.clip((mouth - 0.25) * 2.2, 0, 1)[..., None] * (0.75 + 0.25 * skin.lipstick)
    return np.asarray(albedo * (1 - weight) + lips * weight, np.float32)


def _relief(skin: Skin, rng: np.random.Generator, side: int, masks: dict[str, Floats], inner: Floats) -> Floats:
    """Pores and the fine grain of the skin, lines of the lips."""
    scale = side / CM_ACROSS
    pores = noise(rng, side, max(2.0, 0.09 * scale), 1) * (0.4 + masks["nose"] + 0.7 * masks["cheek"])
    relief = (
        0.0022 * skin.pores * pores + 0.004 * noise(rng, side, 0.6 * scale, 2) + 0.02 * noise(rng, side, 4 * scale, 1)
    )
    columns = np.repeat(rng.normal(0, 1, (1, side)).astype(np.float32), side, axis=0)
    relief += 0.006 * masks["mouth"] * cv2.GaussianBlur(columns, (0, 0), max(0.8, 0.05 * scale), sigmaY=0.5) * 2
    return np.asarray(relief * inner, np.float32)


# The years ------------------------------------------------------------------------------------------------------------


def _years(skin: Skin, side: int, masks: dict[str, Floats], inner: Floats) -> tuple[Sign, ...]:
    """What the years add: lines, bags, spots, and what they do to all of the skin."""
    rng = np.random.default_rng([skin.seed, 177])
    lines = wrinkles.lines_of(rng)
    if skin.creases > 0:
        lines += wrinkles.creases(np.random.default_rng([skin.seed, 178]), skin.creases)
    height, dark = _lines_on(lines, side)
    bags = wrinkles.bags(side)
    scale = side / CM_ACROSS
    rough = (
        0.0035 * skin.weathered * noise(rng, side, max(2.0, 0.08 * scale), 1) * (0.5 + masks["cheek"] + masks["nose"])
    )
    rough += 0.008 * skin.weathered * noise(rng, side, 0.3 * scale, 2)
    spots = years.some_spots(rng, side, int(rng.integers(12, 45)), 0.08, 0.4)
    pale = 0.07 * skin.weathered * noise(rng, side, 0.9 * scale, 3)[..., None] * np.array([0.5, 1.0, 1.0], np.float32)
    pale -= 0.25 * (masks["mouth"] > 0.3)[..., None] * np.array([0.5, -0.1, -0.1], np.float32)
    brown = years.drawn(spots, side)[..., None] * np.array([-0.2, -0.38, -0.5], np.float32)
    parts = (
        (height, dark[..., None] * np.array(DARKER, np.float32)),
        (0.10 * bags, 0.10 * bags[..., None] * np.array(DARKER, np.float32)),
        (np.zeros_like(bags), brown),
        (rough, pale),
    )
    maps = [((high * inner).astype(np.float32), (tint * inner[..., None]).astype(np.float32)) for high, tint in parts]
    if skin.spread <= 0:
        return (Sign(sum(high for high, _ in maps), sum(tint for _, tint in maps)),)  # type: ignore[arg-type]
    sag, spotted = years.bags_onset(side, skin.spread), years.spots_onset(spots, side, skin.spread)
    return (
        Sign(*maps[0], years.onset(lines, side, skin.spread)),
        Sign(*maps[1], sag, sag + 0.4),
        Sign(*maps[2], spotted, spotted + 0.12),
        Sign(*maps[3]),
    )


def _lines_on(lines: list[years.Line], side: int) -> tuple[Floats, Floats]:
    """(side, side) height in cm and darkness of lines, the skin beside them risen."""
    fine, broad = np.zeros((side, side), np.float32), np.zeros((side, side), np.float32)
    for line in lines:
        wrinkles.groove(fine if line.width < 0.09 else broad, line.points, line.depth)
    scale = side / CM_ACROSS
    thin = cv2.GaussianBlur(fine, (0, 0), max(0.6, 0.035 * scale))
    wide = cv2.GaussianBlur(broad, (0, 0), max(0.8, 0.10 * scale))
    height = -0.055 * thin - 0.16 * wide
    height += 0.035 * cv2.GaussianBlur(fine, (0, 0), 0.14 * scale)
    height += 0.13 * cv2.GaussianBlur(broad, (0, 0), 0.35 * scale)
    return np.asarray(height, np.float32), np.asarray(0.30 * thin + 0.35 * wide, np.float32)
