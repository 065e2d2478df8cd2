"""What happens to a picture between the scene and an archive's file, in the order in which it happens.

Optics blur the light; a sensor or scanner samples it and adds shot and read noise; a camera sharpens; interlacing and
chroma subsampling drop samples; an encoder does the rest, sometimes twice. Each stage has its own switch: how often it
happens, 0 to never. The worn picture stands exactly where the sharp one does, so that a network learns to clean and not
to move.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.imaging import color, resample
from bipack_train import codecs, ycc

Pixels = NDArray[np.float32]
"""(height, width, 3) display-coded RGB 0..1 unless said to be light."""

KERNELS = ("box", "linear", "cubic", "lanczos3")
CLIP_FRAMES = 6
"""Frames of a clip that goes through a film encoder."""

_REACH = 3
"""Most sharp pixels that a clip's camera moves from one frame to the next, along each axis."""


@dataclass(frozen=True)
class Wear:
    """The stages; a number between 0 and 1 is how often one happens."""

    crops: int = 0
    """Worn crops taken of each picture; 0 leaves pictures clean."""

    side: int = 224
    """Side of a worn crop, in plate pixels."""

    clean: float = 0.1
    """Crops that nothing but the shrinking happens to: a model must leave good pictures alone."""

    blur: float = 0.5
    blur_radius: tuple[float, float] = (0.2, 0.9)
    """Sigma of the optics' blur in plate pixels; the two axes differ."""

    kernels: tuple[str, ...] = KERNELS
    """Kernels of the shrinking, in scene-linear light. One is picked."""

    coded: float = 0.0
    """Crops that are shrunk on display values instead, as most software does it."""

    noise: float = 0.5
    noise_shot: float = 0.006
    """Most variance of shot noise per unit of light, where 1 is white."""

    noise_read: float = 0.012
    """Most sigma of read noise, in light."""

    bayer: float = 0.6
    """Of the noisy ones, those whose noise is correlated as a demosaiced sensor's."""

    ringing: float = 0.3
    """Sharpening halos, or the ripples of a cut-off at a frequency."""

    interlace: float = 0.0
    """One field only, the other lines made from their neighbours: interlaced footage after a deinterlacer."""

    chroma: float = 0.3
    """Chroma at half size, before any encoder."""

    jpeg: float = 0.35
    jpeg_quality: tuple[int, int] = (25, 95)
    film: float = 0.55
    """Real film encodes of short clips. A crop gets one encoder at most in a generation: jpeg + film must be <= 1."""

    codecs: tuple[str, ...] = codecs.CODECS
    presets: tuple[str, ...] = ("veryfast",)
    """Of H.264 and H.265. A slower one predicts better and leaves other traces; one is picked."""

    film_quality: tuple[int, int] = (18, 37)
    """crf of H.264 and H.265; MPEG-2 takes its quantiser from the same range, 18 as 2 and every 1.5 as one more."""

    again: float = 0.2
    """A second generation: encoded once more, otherwise."""

    groups: tuple[int, ...] = (3, 6, 12)
    """Frames of a film encode from one whole picture to the next; one is picked. A clip has 12 at most."""

    tint: float = 0.0
    """Clips of several frames in other colors, truth and plate alike, before anything else happens to them."""

    turned: bool = False
    """Worn crops are turned and mirrored each time they are drawn. An encoder's blocks do not turn along, but few
    scenes are learned by heart. Not for interlaced plates."""


def check(wear: Wear, scale: int, path: str) -> None:
    """Raise UsageError for stages that make no sense."""
    stages = ("clean", "blur", "coded", "noise", "bayer", "ringing", "interlace", "chroma", "jpeg", "film", "again")
    wrong = [name for name in (*stages, "tint") if not 0 <= getattr(wear, name) <= 1]
    if wrong or wear.jpeg + wear.film > 1:
        name = wrong[0] if wrong else "jpeg + film"
        raise UsageError(f"Recipe {path}: wear.{name} is no share; allowed are 0 to 1.")
    allowed = {"kernels": KERNELS, "codecs": codecs.CODECS, "presets": codecs.PRESETS}
    unknown = [name for words, known in allowed.items() for name in getattr(wear, words) if name not in known]
    if unknown or not all(getattr(wear, words) for words in allowed):
        known = "; ".join(f"{words} {', '.join(names)}" for words, names in allowed.items())
        raise UsageError(f"Recipe {path}: wear names {', '.join(unknown) or 'nothing'}. Known: {known}.")
    if not wear.groups or min(wear.groups) < 1:
        raise UsageError(f"Recipe {path}: wear.groups are {list(wear.groups)}; give one number of frames or more.")
    if wear.turned and wear.interlace:
        raise UsageError(f"Recipe {path}: fields do not turn; set wear.turned = false, or wear.interlace = 0.")
    if wear.crops and wear.side % 2:
        raise UsageError(f"Recipe {path}: wear.side is {wear.side}; film encoders need an even number.")


# A worn crop --------------------------------------------------------------------------------------------------------


def worn_crop(sharp: Pixels, scale: int, wear: Wear, rng: np.random.Generator) -> tuple[codecs.Bytes, Pixels] | None:
    """(worn plate of 8 bits, sharp truth) cut at random from a sharp picture; None where that is too small.

    The picture is turned and mirrored first: afterwards the encoder's blocks would be turned along.
    """
    side, margin = wear.side * scale, _REACH * (CLIP_FRAMES - 1)
    turned = np.rot90(sharp, int(rng.integers(4)))
    if rng.random() < 0.5:
        turned = turned[:, ::-1]
    height, width = turned.shape[:2]
    if min(height, width) < side + 2 * margin:
        return None
    top, left = (int(rng.integers(margin, limit - side - margin + 1)) for limit in (height, width))
    if rng.random() < wear.clean:
        wear = unworn(wear)
    clip = _clip(turned, top, left, side, rng)
    place = int(rng.integers(len(clip)))
    return wear_clip(clip, [place], scale, wear, rng)[0], clip[place]


def worn_footage(
    clip: Sequence[Pixels], scale: int, wear: Wear, rng: np.random.Generator
) -> tuple[codecs.Bytes, Pixels] | None:
    """As `worn_crop`, from CLIP_FRAMES neighbouring frames of real footage, each (height, width, 3)."""
    side = wear.side * scale
    turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
    height, width = clip[0].shape[:2]
    if min(height, width) < side:
        return None
    top, left = (int(rng.integers(0, limit - side + 1)) for limit in (height, width))
    cut = [np.rot90(_window(frame, top, left, side), turns) for frame in clip]
    sharp = [np.ascontiguousarray(frame[:, ::-1] if mirrored else frame) for frame in cut]
    place = int(rng.integers(len(sharp)))
    return wear_clip(sharp, [place], scale, wear, rng)[0], sharp[place]


def unworn(wear: Wear) -> Wear:
    """The same with every switch off but the shrinking."""
    return dataclasses.replace(
        wear, blur=0, noise=0, ringing=0, interlace=0, chroma=0, jpeg=0, film=0, again=0, kernels=("cubic",)
    )


def _clip(sharp: Pixels, top: int, left: int, side: int, rng: np.random.Generator) -> list[Pixels]:
    """A camera that moves over the picture by whole sharp pixels, so that truth needs no interpolation."""
    step = rng.integers(-_REACH, _REACH + 1, 2)
    return [
        _window(sharp, top + int(step[0]) * number, left + int(step[1]) * number, side) for number in range(CLIP_FRAMES)
    ]


def _window(sharp: Pixels, top: int, left: int, side: int) -> Pixels:
    return np.ascontiguousarray(sharp[top : top + side, left : left + side])


def wear_clip(
    clip: Sequence[Pixels], wanted: Sequence[int], scale: int, wear: Wear, rng: np.random.Generator
) -> list[codecs.Bytes]:
    """The `wanted` frames of `clip` (sharp, moving) as worn plates of 8 bits.

    All frames take part in a film encode; without one only those that are wanted are worth the work.
    """
    encoders = [_pick_encoder(wear, rng)]
    if rng.random() < wear.again:
        encoders.append(_pick_encoder(wear, rng))
    is_film = any(isinstance(encoder, codecs.Film) for encoder in encoders)
    made = range(len(clip)) if is_film else wanted
    camera = _camera(scale, wear, rng)
    frames = [_bytes(camera(clip[number])) for number in made]
    for encoder in encoders:
        frames = encoder_pass(frames, encoder)
    return [frames[number] for number in wanted] if is_film else frames


def _camera(scale: int, wear: Wear, rng: np.random.Generator) -> Callable[[Pixels], Pixels]:
    """The stages up to the first encoder with their settings drawn; noise differs from frame to frame."""
    happens = {name: rng.random() < getattr(wear, name) for name in ("blur", "noise", "bayer", "ringing")}
    sigma = rng.uniform(*wear.blur_radius, 2) * scale
    angle = float(rng.uniform(0, np.pi))
    kernel = wear.kernels[int(rng.integers(len(wear.kernels)))]
    on_display = bool(wear.coded) and rng.random() < wear.coded
    # Squared, so that low noise is met more often than heavy.
    shot, read = wear.noise_shot * rng.random() ** 2, wear.noise_read * rng.random() ** 2
    halo = _halo(rng) if happens["ringing"] else None
    field = int(rng.integers(2)) if rng.random() < wear.interlace else None
    chroma = str(rng.choice(("420", "422"))) if rng.random() < wear.chroma else "444"

    def take(sharp: Pixels) -> Pixels:
        coded = sharp
        if happens["blur"]:
            coded = color.encode(blur(color.decode(coded), sigma, angle))
        coded = shrink(coded, scale, kernel) if on_display else shrink_light(coded, scale, kernel)
        if happens["noise"]:
            coded = color.encode(add_noise(color.decode(coded), shot, read, happens["bayer"], rng))
        coded = np.clip(coded, 0, 1)
        if halo is not None:
            coded = halo(coded)
        if field is not None:
            coded = one_field(coded, field)
        if chroma != "444":
            coded = ycc.join(ycc.split(_bytes(coded), chroma)).astype(np.float32) / np.float32(255)
        return coded

    return take


def _pick_encoder(wear: Wear, rng: np.random.Generator) -> codecs.Film | tuple[int, str] | None:
    """Film, JPEG (quality, chroma), or None for none."""
    drawn = rng.random()
    if drawn < wear.film:
        codec = wear.codecs[int(rng.integers(len(wear.codecs)))]
        quality = int(rng.integers(wear.film_quality[0], wear.film_quality[1] + 1))
        if codec == "mpeg2":
            quality = 2 + round(max(0, quality - 18) / 1.5)
        group = int(rng.choice(wear.groups))
        preset = wear.presets[int(rng.integers(len(wear.presets))) if len(wear.presets) > 1 else 0]
        return codecs.Film(codec, quality, group, preset=preset)
    if drawn < wear.film + wear.jpeg:
        quality = int(rng.integers(wear.jpeg_quality[0], wear.jpeg_quality[1] + 1))
        return quality, str(rng.choice(("420", "420", "422", "444")))
    return None


def encoder_pass(frames: Sequence[codecs.Bytes], encoder: codecs.Film | tuple[int, str] | None) -> list[codecs.Bytes]:
    """The frames after one generation."""
    if encoder is None:
        return list(frames)
    if isinstance(encoder, codecs.Film):
        return codecs.through_film(frames, encoder)
    return [codecs.through_jpeg(pixels, *encoder) for pixels in frames]


# The stages ---------------------------------------------------------------------------------------------------------


def blur(light: Pixels, sigma: NDArray[np.float64], angle: float) -> Pixels:
    """Light spread by optics: a Gaussian of two sigmas (pixels), turned by `angle`."""
    radius = int(np.ceil(3 * max(sigma)))
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    along, beside = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    kernel = np.exp(-0.5 * ((along / sigma[0]) ** 2 + (beside / sigma[1]) ** 2))
    return _filtered(light, kernel / kernel.sum())


def shrink(pixels: Pixels, scale: int, kernel: str) -> Pixels:
    """Pixels at 1/scale of their size, sides being multiples."""
    height, width = (side // scale for side in pixels.shape[:2])
    if scale == 1:
        return pixels
    if kernel == "box":
        return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return resample.resize(pixels, width, height, kernel=kernel)


def shrink_light(coded: Pixels, scale: int, kernel: str) -> Pixels:
    """As `shrink`, in scene-linear light."""
    return coded if scale == 1 else color.encode(shrink(color.decode(coded), scale, kernel))


def add_noise(light: Pixels, shot: float, read: float, bayer: bool, rng: np.random.Generator) -> Pixels:
    """Light with noise of variance shot * light + read^2; `bayer` measures one color at each pixel, as most sensors."""
    sigma = np.sqrt(shot * np.maximum(light, 0) + read**2)
    noise = (sigma * rng.standard_normal(light.shape)).astype(np.float32)
    return light + (_demosaiced(noise) if bayer else noise)


def _demosaiced(noise: Pixels) -> Pixels:
    """What is left of white noise when each pixel keeps one color (RGGB) and the others are interpolated."""
    rows, columns = np.mgrid[0 : noise.shape[0], 0 : noise.shape[1]] % 2
    sites = ((rows == 0) & (columns == 0), rows != columns, (rows == 1) & (columns == 1))
    cross = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    square = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    planes = [noise[:, :, index] * site for index, site in enumerate(sites)]
    return np.stack(
        [_filtered(plane, kernel) for plane, kernel in zip(planes, (square, cross, square), strict=True)], axis=-1
    )


def _halo(rng: np.random.Generator) -> Callable[[Pixels], Pixels]:
    """Either a sharpener's halo or the ripples of a sharp cut-off in frequency."""
    if rng.random() < 0.6:
        amount, sigma = float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.6, 1.5))
        return lambda coded: np.clip(coded + amount * (coded - cv2.GaussianBlur(coded, (0, 0), sigma)), 0, 1)
    cutoff = float(rng.uniform(0.55, 0.95))
    line = np.sinc(np.arange(-7, 8) * cutoff)
    line /= line.sum()
    return lambda coded: np.clip(_filtered(coded, np.outer(line, line)), 0, 1)


def one_field(coded: Pixels, first: int) -> Pixels:
    """Every second line from `first`; those between are the mean of their neighbours, where they were."""
    result = coded.copy()
    padded = np.concatenate([coded[1:2], coded, coded[-2:-1]])
    result[1 - first :: 2] = 0.5 * (padded[1 - first : -2 : 2] + padded[3 - first :: 2])
    return result


def _filtered(pixels: Pixels, kernel: NDArray[Any]) -> Pixels:
    return np.asarray(cv2.filter2D(pixels, -1, kernel.astype(np.float32), borderType=cv2.BORDER_REFLECT_101))


def _bytes(coded: Pixels) -> codecs.Bytes:
    return np.rint(np.clip(coded, 0, 1) * 255).astype(np.uint8)
