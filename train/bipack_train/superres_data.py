"""The pictures of a super-res recipe: read, drawn, shrunk or worn, and those that training is watched on."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from bipack.errors import UsageError
from bipack.imaging import resample
from bipack_train import codecs, degrade, metrics, pictures, shots, slowmo_clips, wear, wear_clips
from bipack_train.pool import CropPool
from bipack_train.superres_recipe import SuperresRecipe

_VALIDATION_SIDE = 192
"""Validation looks at a square of this many sharp pixels in the middle of each picture."""

_WATCHED_QUALITIES = (18, 23, 28, 30, 35)
"""crf at which frames of a film file are watched."""

# Pictures -----------------------------------------------------------------------------------------------------------


def fill_pool(settings: SuperresRecipe, folder: str) -> CropPool:
    """Read, draw and shrink or wear all training pictures. Raises MissingInput, CorruptInput, UsageError."""
    data = settings.data
    patch, frames = settings.schedule.patch, settings.network.frames
    pool = CropPool(settings.scale, patch, frames, turned=settings.wear.turned, below=data.below)
    away = {os.path.normpath(name) for name in (*data.held_out, *data.validation, *data.exclude, *data.footage)}
    paths = _photos(settings, folder, away)
    for path in paths if not data.shots else ():
        _add_photo(pool, path, settings)
    for number in range(data.shots):
        _add_shot(pool, paths, number, settings)
    for name in data.clips:
        if os.path.normpath(name) not in away:
            _add_footage(pool, os.path.join(folder, name), settings)
    if data.panoramas:
        _add_panoramas(pool, settings, folder, away)
    for index in range(data.drawn):
        drawn = pictures.draw(settings.seed, index, data.drawn_size)
        if drawn.hdr:
            # One in three is shrunk the way files are shrunk, halo and all, so that both kinds of edge are known.
            pool.add("lamps", drawn.pixels, "light" if index % 3 else "coded", hdr=True)
        elif settings.network.frames > 1:
            # Twice as large, for the camera moves by fractions of a pixel.
            _add_moving(pool, "drawn", pictures.draw(settings.seed, index, 2 * data.drawn_size).pixels, settings)
        else:
            _add(pool, "drawn", drawn.pixels, settings)
    groups = ("photos", "drawn", "panoramas", "lamps")
    pool.finish(dict(zip(groups, data.shares, strict=True)))
    return pool


def _photos(settings: SuperresRecipe, folder: str, away: set[str]) -> list[str]:
    """Paths of the photographs that are learned from."""
    return [
        os.path.join(folder, photos, name)
        for photos in settings.data.photos
        for name in pictures.list_files(os.path.join(folder, photos), pictures.PHOTO_SUFFIXES)
        if os.path.normpath(os.path.join(photos, name)) not in away
    ]


def _add_photo(pool: CropPool, path: str, settings: SuperresRecipe) -> None:
    """Add a photograph at its sharp size, and a large one once more, smaller: more detail per pixel."""
    whole = pictures.read_photo(path)
    if settings.network.frames > 1:
        _add_moving(pool, "photos", whole, settings)
        return
    _add(pool, "photos", pictures.original(path), settings)
    if max(whole.shape[:2]) >= 2000:
        _add(pool, "photos", pictures.shrunk(whole, 3.3, "cubic"), settings)


def _add(pool: CropPool, group: str, sharp: pictures.Pixels, settings: SuperresRecipe) -> None:
    """Add a sharp picture: shrunk as a whole, or as worn crops, each with a history of its own."""
    if not settings.wear.crops:
        pool.add(group, sharp)
        return
    rng = np.random.default_rng([settings.seed, 3, len(pool)])
    for _ in range(settings.wear.crops):
        worn = wear.worn_crop(sharp, settings.scale, settings.wear, rng)
        if worn is not None:
            pool.add_worn(group, *worn)


def _add_moving(pool: CropPool, group: str, whole: pictures.Pixels, settings: SuperresRecipe) -> None:
    """Add worn crops of clips whose camera moves over `whole`, which is larger than what it shows."""
    rng = np.random.default_rng([settings.seed, 3, len(pool)])
    for _ in range(max(1, settings.wear.crops // wear_clips.OF_PHOTO)):
        for worn in wear_clips.worn_photo(whole, settings.scale, settings.wear, rng, settings.network.frames):
            pool.add_worn(group, *worn)


def _add_shot(pool: CropPool, paths: list[str], number: int, settings: SuperresRecipe) -> None:
    """Add worn crops of shot `number`, which is made of a few of the photographs at `paths`."""
    rng = np.random.default_rng([settings.seed, 6, number])
    photos = [pictures.read_photo(path) for path in shots.picked(paths, rng)]
    frames, wanted = settings.network.frames, settings.wear
    clip = shots.render(photos, rng, wanted.side * settings.scale, wear_clips.FRAMES)
    for worn in wear_clips.worn_shot(clip, settings.scale, wanted, rng, frames):
        pool.add_worn("photos", *worn)


def _add_footage(pool: CropPool, path: str, settings: SuperresRecipe) -> None:
    """Add worn crops of real footage to the photographs; stretches with cuts or held frames are left out."""
    frames = settings.network.frames
    shrinks = settings.data.clip_shrinks if frames > 1 else (2.0,)
    whole = shrinks != (2.0,)
    clip = slowmo_clips.read(path, shrink=1 if whole else 2)
    rng = np.random.default_rng([settings.seed, 5, len(pool)])
    length, takes = (wear_clips.FRAMES, wear_clips.OF_FOOTAGE) if frames > 1 else (wear.CLIP_FRAMES, 1)
    for _ in range(max(1, settings.data.clip_crops // takes)):
        first = int(rng.integers(0, max(1, len(clip) - length + 1)))
        last = first + length
        if last > len(clip) or not clip.continuous(first, last - 1):
            continue
        sharp = [clip[number] for number in range(first, last)]
        if whole:
            factor = float(rng.choice(shrinks))
            sharp = [_made_smaller(frame, factor) for frame in sharp]
        if frames > 1:
            found = wear_clips.worn_footage(sharp, settings.scale, settings.wear, rng, frames)
        else:
            one = wear.worn_footage(sharp, settings.scale, settings.wear, rng)
            found = [] if one is None else [one]
        for worn in found:
            pool.add_worn("photos", *worn)


def _made_smaller(pixels: pictures.Pixels, factor: float) -> pictures.Pixels:
    height, width = (int(side / factor) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _add_panoramas(pool: CropPool, settings: SuperresRecipe, folder: str, away: set[str]) -> None:
    rng = np.random.default_rng([settings.seed, 1])
    for name in pictures.list_files(os.path.join(folder, settings.data.panoramas), (".exr",)):
        if os.path.normpath(os.path.join(settings.data.panoramas, name)) in away:
            continue
        linear = pictures.read_panorama(os.path.join(folder, settings.data.panoramas, name))
        if max(linear.shape[:2]) > 2048:
            continue
        for index in range(settings.data.exposures):
            way = "light" if index % 2 else "coded"
            pool.add("panoramas", pictures.exposed(linear, float(rng.uniform(-2, 4))), way, hdr=True)


@dataclass(frozen=True)
class ValidationPicture:
    """One picture that training is watched on."""

    name: str
    low: Tensor  # (1, 3 * frames, side/scale, side/scale)
    high: degrade.Pixels  # (side, side, 3)
    bicubic: float  # PSNR-Y of plain interpolation


def validation_pictures(settings: SuperresRecipe, folder: str) -> list[ValidationPicture]:
    """Of each picture of the validation list the middle, shrunk and rounded to 8 bits, or a worn crop; of a film file
    whole frames that went through H.264."""
    result = []
    for index, name in enumerate(settings.data.validation):
        path = os.path.join(folder, name)
        if name.endswith(slowmo_clips.FILM_SUFFIXES):
            result += _watched_film(path, settings)
            continue
        pixels = pictures.original(path)
        if settings.wear.crops:
            worn = _watched_crop(path, settings, np.random.default_rng([settings.seed, 4, index]))
            if worn is None:
                height, width = pixels.shape[:2]
                raise UsageError(f"{name} is too small to watch ({width}x{height}); lower wear.side or name another.")
            low, high = worn[0].astype(np.float32) / np.float32(255), worn[1]
        else:
            high = _middle(pixels, settings.scale)
            low = degrade.to_8bit(np.clip(degrade.shrink_coded(high, settings.scale), 0, 1))
        result.append(_watched(name, low, high, settings.scale))
    return result


def _watched(name: str, low: pictures.Pixels, high: pictures.Pixels, scale: int) -> ValidationPicture:
    plain = resample.resize(low[:, :, :3], high.shape[1], high.shape[0], kernel="cubic")
    tensor = torch.from_numpy(np.ascontiguousarray(low.transpose(2, 0, 1)))[None]
    return ValidationPicture(name, tensor, high, metrics.psnr_y(plain, high, scale))


def _watched_film(path: str, settings: SuperresRecipe) -> list[ValidationPicture]:
    """Frames from the middle of a film file that went through H.264, one of each quality."""
    film = slowmo_clips.read(path, shrink=2)
    first = (len(film) - wear_clips.FRAMES) // 2
    if first < 0:
        raise UsageError(f"{path} has {len(film)} frames; {wear_clips.FRAMES} are needed to watch a film file.")
    sharp = [degrade.crop_to_multiple(film[first + n], 2 * settings.scale) for n in range(wear_clips.FRAMES)]
    small = [_bytes(degrade.shrink_coded(frame, settings.scale)) for frame in sharp]
    result = []
    for number, quality in enumerate(_WATCHED_QUALITIES):
        place = wear_clips.FRAMES // 2 + number % 2
        coded = codecs.through_film(small, codecs.Film("h264", quality, preset="medium"))
        near = [coded[place + offset] for offset in wear_clips.offsets(settings.network.frames)]
        low = wear_clips.stacked(near).astype(np.float32) / np.float32(255)
        result.append(_watched(f"{path} crf {quality}", low, sharp[place], settings.scale))
    return result


def _bytes(coded: pictures.Pixels) -> codecs.Bytes:
    return np.rint(np.clip(coded, 0, 1) * 255).astype(np.uint8)


def _watched_crop(path: str, settings: SuperresRecipe, rng: np.random.Generator) -> wear_clips.Worn | None:
    """A worn crop of a watched photograph; None where that is too small."""
    frames = settings.network.frames
    if frames == 1:
        return wear.worn_crop(pictures.original(path), settings.scale, settings.wear, rng)
    always = dataclasses.replace(settings.wear, clean=0.0)
    found = wear_clips.worn_photo(pictures.read_photo(path), settings.scale, always, rng, frames, takes=1)
    return found[0] if found else None


def _middle(pixels: degrade.Pixels, scale: int) -> degrade.Pixels:
    height, width = pixels.shape[:2]
    side = min(_VALIDATION_SIDE, height, width) // scale * scale
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])
