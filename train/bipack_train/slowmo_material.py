"""What a run of slow motion learns from: clips that are cut, scenes that are rendered, and the flow that is looked for.

How finely the flow is looked for (`bipack.imaging.motion_search`) may be left to the clips: their own frames tell
whether full detail pays, and since it is a matter of how clean footage is and how things move in it, another shot of
the kind agrees.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from torch import nn

from bipack import atomic
from bipack.card import FLOW_DETAILS
from bipack.errors import UsageError
from bipack.imaging import bending, motion_search
from bipack_train import motion_scenes, pictures, recipe, slowmo_clips, slowmo_synthesis
from bipack_train.slowmo_pool import HELD_BACK, REAL, MomentPool, crops_of, default_path
from bipack_train.slowmo_recipe import AUTO, SlowmoRecipe

log = logging.getLogger(__name__)

_HELD_BACK_PAIRS = 12
"""Pairs of frames of each clip and distance that are held back, where there are so many."""

_TRIED = 16
"""Moments of the clips, spread evenly, that say how finely the flow is looked for."""

_PAYS = 0.05
"""PSNR in dB by which full detail has to be better on them."""


def with_detail(settings: SlowmoRecipe, folder: str, start: nn.ModuleDict | None) -> SlowmoRecipe:
    """The recipe with `data.flow_detail` decided, by what the networks `start` make of the clips where it is auto (half
    where there are none). Raises MissingInput, CorruptInput, UsageError."""
    if settings.data.flow_detail != AUTO:
        return settings
    chosen = FLOW_DETAILS[0]
    moments = _tried(settings, folder) if start is not None else []
    if start is not None and moments:
        scores = {detail: _score(start, moments, detail, settings.seed) for detail in FLOW_DETAILS}
        half, full = (scores[detail] for detail in FLOW_DETAILS)
        log.info("flow looked for at half the size %.2f dB, at full size %.2f dB, %d moments", half, full, len(moments))
        chosen = FLOW_DETAILS[int(full - half > _PAYS)]
    return dataclasses.replace(settings, data=dataclasses.replace(settings.data, flow_detail=chosen))


def _tried(settings: SlowmoRecipe, folder: str) -> list[tuple[slowmo_clips.Clip, slowmo_clips.Between]]:
    """Moments of the clips that are learned from, halfway between keys."""
    found = []
    for use in settings.data.clips:
        clip = slowmo_clips.read(os.path.join(folder, use.path), use.start, use.count, use.shrink)
        first, last = _held_back(len(clip), settings.data.held_back, max(use.skips))
        for skip in use.skips:
            found += [(clip, one) for one in clip.moments(skip) if one.second < first or one.first >= last]
    places = sorted({int(place) for place in np.linspace(0, len(found) - 1, _TRIED)}) if found else []
    return [found[place] for place in places]


def _score(
    nets: nn.ModuleDict, moments: list[tuple[slowmo_clips.Clip, slowmo_clips.Between]], detail: str, seed: int
) -> float:
    """Mean PSNR of whole frames in dB."""
    whole = MomentPool(1)
    for clip, moment in moments:
        frames = clip[moment.first], clip[moment.second], clip[moment.middle]
        prior = motion_search.prior_of(frames[0], frames[1], detail)
        bend = bending.measured(frames[:2], prior, *clip.around(moment), detail)
        whole.add_real(frames, prior, bend, moment.time)
    return float(slowmo_synthesis.scores(nets, whole.samples(REAL), seed).mean())


def make_pool(settings: SlowmoRecipe, folder: str, threads: int = 2) -> MomentPool:
    """Render scenes and cut the clips; `data.flow_detail` is decided. Raises MissingInput, CorruptInput, UsageError."""
    data = settings.data
    pool = MomentPool(settings.schedule.crop)
    for number, use in enumerate(data.clips):
        clip = slowmo_clips.read(os.path.join(folder, use.path), use.start, use.count, use.shrink)
        rng = np.random.default_rng([settings.seed, 11, number])
        held_back = _held_back(len(clip), data.held_back, max(use.skips))
        learned = [(0, held_back[0]), (held_back[1], len(clip))]
        for skip in use.skips:
            for group, pairs, within in ((REAL, use.pairs, learned), (HELD_BACK, _HELD_BACK_PAIRS, [held_back])):
                cut = data.crops_per_pair, data.scene_size, rng, within, data.flow_detail
                for crop in crops_of(clip, skip, pairs, *cut):
                    pool.add_real(*crop, group)
    if data.scenes:
        cuttings = _cuttings(settings, folder)

        def render(index: int) -> motion_scenes.Moving:
            rng = np.random.default_rng([settings.seed, 12, index])
            swing = data.swing if index % 2 else 0.0
            return motion_scenes.render(cuttings, rng, data.scene_size, around=True, swing=swing)

        with ThreadPoolExecutor(threads) as workers:
            for moving in workers.map(render, range(data.scenes)):
                pool.add_rendered(moving, data.flow_detail)
    return pool


def _held_back(frames: int, share: float, skip: int) -> tuple[int, int]:
    """The stretch of a clip that is held back, first frame and the one after the last: in its middle, since clips begin
    and end otherwise than they go on. Empty where it, or what is left beside it, is too short for a pair."""
    count = round(share * frames)
    begins = (frames - count) // 2
    return (begins, begins + count) if min(count, begins) > skip else (0, 0)


def _cuttings(settings: SlowmoRecipe, folder: str) -> list[pictures.Pixels]:
    """Encoded pictures that layers are cut from."""
    data, found = settings.data, []
    away = {os.path.normpath(name) for name in data.exclude}
    for photos in data.photos:
        for name in pictures.list_files(os.path.join(folder, photos), pictures.PHOTO_SUFFIXES):
            if os.path.normpath(os.path.join(photos, name)) not in away:
                found.append(pictures.original(os.path.join(folder, photos, name)))
    if data.panoramas:
        rng = np.random.default_rng([settings.seed, 13])
        for name in pictures.list_files(os.path.join(folder, data.panoramas), (".exr",)):
            if os.path.normpath(os.path.join(data.panoramas, name)) not in away:
                linear = pictures.read_panorama(os.path.join(folder, data.panoramas, name))
                if max(linear.shape[:2]) <= 2048:
                    found.append(pictures.exposed(linear, float(rng.uniform(-1, 2))))
    found += [pictures.draw(settings.seed, index, 256).pixels for index in range(data.drawn)]
    if not found:
        raise UsageError("The recipe names no pictures that scenes could be rendered from.")
    return found


def pool_for(settings: SlowmoRecipe, folder: str, out: str) -> MomentPool:
    """The pool of a run: read where it is there and fits the recipe, else made and kept."""
    path = default_path(out)
    mark = recipe.digest((settings.seed, settings.data))
    marker = path + ".recipe"
    if os.path.exists(path) and os.path.exists(marker):
        with open(marker, encoding="utf-8") as stream:
            if stream.read().strip() == mark:
                return MomentPool.load(path, settings.schedule.crop)
    begun = time.monotonic()
    pool = make_pool(settings, folder)
    pool.save(path)
    atomic.write_bytes(marker, mark.encode("ascii"))
    log.info("made %d moments in %.0f s", len(pool), time.monotonic() - begun)
    return pool
