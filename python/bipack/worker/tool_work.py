"""What each finishing tool does to a picture: knobs in, calls of `imaging.finishing`, pixels out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bipack.errors import UsageError
from bipack.finishing_knobs import RADII
from bipack.imaging.finishing import bands, weights, working_space
from bipack.imaging.finishing import beauty as beautifying
from bipack.imaging.finishing import clean_plate as cleaning
from bipack.imaging.finishing import equalizer as equalizing
from bipack.imaging.finishing import regrain as graining
from bipack.imaging.finishing.grain import GrainProfile, even_box, measure
from bipack.imaging.finishing.skin import SkinKey
from bipack.imaging.finishing.tent import tent
from bipack.imaging.frame import Pixels
from bipack.worker.tool_picture import Picture, measured_name

GREY = 0.5
VIEW_GAIN = 4.0


def equalizer(picture: Picture) -> Pixels:
    """See `imaging.finishing.equalizer`."""
    space = picture["working_space"]
    working = working_space.enter(picture.pixels, space)
    chain = [
        equalizing.Band(picture.radius(f"radius{number}"), picture[f"amount{number}"])
        for number in range(1, len(RADII) + 1)
    ]
    weight = _band_weight(picture)
    matte = None
    if picture.has_matte and picture["areas"] != "matte":
        matte = picture.matte_rgb() if picture["matte_channels"] == "rgb" else picture.matte()
    view, index = picture["view"], min(max(picture["view_band"], 1), len(RADII)) - 1
    if view == "weight":
        return _as_picture(np.ones(working.shape[:2], np.float32) if weight is None else weight)
    if view == "texture":
        return _on_grey(equalizing.band_texture(working, chain, index, weight), picture["view_gain"])
    if view == "change":
        return _on_grey(equalizing.band_change(working, chain, index, weight), picture["view_gain"])
    result = equalizing.equalize(working, chain, picture["gain"], matte, weight)
    if view == "difference":
        return _on_grey(result - working, picture["view_gain"])
    return _changed_only(picture.pixels, working, result, space)


def _band_weight(picture: Picture) -> Pixels | None:
    """Factor of the amounts from areas and edges, (height, width); None where they play no part."""
    weight: Pixels | None = None
    if picture["areas"] == "matte":
        weight = picture.matte()
    tone = None
    if picture["areas"] == "luma" or picture["edges"]:
        tone = weights.encoded_luma(picture.pixels)
    if tone is not None and picture["areas"] == "luma":
        weight = weights.tonal_range(tone, picture["area_low"], picture["area_high"], picture["area_softness"])
    if tone is not None and picture["edges"]:
        edge = weights.edge_strength(tone, picture.radius("edge_size"), picture["edge_gain"])
        held = weights.held_at_edges(edge, picture["edges"])
        weight = held if weight is None else weight * held
    return weight


def beauty(picture: Picture) -> Pixels:
    """See `imaging.finishing.beauty`."""
    space = picture["working_space"]
    key = SkinKey(
        _color(picture["skin_color"]),
        picture["skin_hue"],
        picture["skin_saturation"],
        picture["skin_value"],
        picture.radius("skin_blur"),
    )
    look = beautifying.Look(
        smoothing=picture["smoothing"],
        smooth_size=picture.radius("smooth_size"),
        smooth_threshold=max(picture["smooth_threshold"], 0.01),
        median_size=picture.radius("median_size"),
        dark_spots=picture["dark_spots"],
        highlights=picture["highlights"],
        detail=picture["detail"],
        detail_blur=picture.radius("detail_blur"),
        shine=picture["shine"],
        shine_blur=picture.radius("shine_blur"),
        shine_saturation=picture["shine_saturation"],
        regrain=picture["regrain"],
        hue=picture["hue"],
        saturation=picture["saturation"],
        skin=key,
    )
    matte = picture.matte()
    if matte is not None:
        matte = tent(matte, picture.radius("matte_blur"))
        if picture["matte_is"] == "limit":
            matte *= beautifying.skin_mask(picture.pixels, key, space)
    if picture["view"] == "matte":
        return _as_picture(beautifying.skin_mask(picture.pixels, key, space) if matte is None else matte)
    if picture["view"] == "smooth":
        smooth = beautifying.smoothed(working_space.enter(picture.pixels, space), look)
        return working_space.leave(smooth, space)
    result = _mixed(picture, beautifying.beauty(picture.pixels, matte, look, space))
    return _viewed(picture, result, space)


def regrain(picture: Picture) -> Pixels:
    """See `imaging.finishing.regrain`."""
    space = picture["working_space"]
    matte = picture.matte()
    source = picture.other("plate")
    plate = working_space.enter(picture.pixels if source is None else source, space, out=source)
    degrained = picture.other("degrained")
    if degrained is not None:
        degrained = working_space.enter(degrained, space, out=degrained)
    # Without a plate of its own the picture is measured where it was not repaired.
    outside = matte if source is None else None
    profile = _profile(picture, plate, degrained, outside)
    patches = picture["patches"] == "matte" and matte is not None
    if picture["grain_from"] == "synthetic":
        grain = graining.synthetic(profile, picture.columns, picture.rows, picture.frame, picture["seed"])
    else:
        if source is None and not patches:
            raise UsageError(
                "regrain has no plate to take grain from: the input is the repaired picture. Give --set plate=NAME, or "
                "a matte so that patches of the unrepaired part can be used, or --set grain_from=synthetic."
            )
        clean = graining.degrain(plate, profile) if degrained is None else degrained
        own = profile if degrained is not None else measure(plate, clean, outside)
        grain = graining.unit_grain(plate, clean, own, out=plate)
        if patches and matte is not None:
            size = max(1, round(picture["patch_size"]))
            box = _sample_box(picture, clean, size, outside)
            graining.scatter(grain, box, matte, picture.columns, picture.rows, picture.frame, picture["seed"], size)
    if picture["view"] == "grain":
        return _on_grey(grain, 0.1)
    same = picture["grain_from"] == "plate" and not patches
    result = graining.put_back(picture.pixels, grain, profile, matte, picture["amount"], same, space)
    return _viewed(picture, result, space)


def _profile(picture: Picture, plate: Pixels, degrained: Pixels | None, outside: Pixels | None) -> GrainProfile:
    """The grain's measurements: those of this frame, or of the frame that was asked for."""
    there = picture.other(measured_name("plate"))
    if there is None:
        return measure(plate, degrained, outside)
    space = picture["working_space"]
    key = space, *(picture.file_of(measured_name(knob)) for knob in ("plate", "degrained"))
    if key not in picture.memory:
        clean = picture.other(measured_name("degrained"))
        clean = None if clean is None else working_space.enter(clean, space)
        picture.memory.clear()
        picture.memory[key] = measure(working_space.enter(there, space), clean)
    profile = picture.memory[key]
    assert isinstance(profile, GrainProfile)
    return profile


def _sample_box(picture: Picture, clean: Pixels, size: int, outside: Pixels | None) -> graining.Rectangle:
    """The knob's box in array pixels, or the most even part of the plate."""
    text = str(picture["sample"]).replace(",", " ").split()
    if text:
        try:
            x, y, r, t = (round(float(word)) for word in text)
        except ValueError:
            raise UsageError(f"The sample box is {picture['sample']!r}; four numbers x y r t are needed.") from None
        left, top = int(picture.columns[0]), int(picture.rows[0])
        return x - left, top + 1 - t, r - left, top + 1 - y
    return even_box(clean, max(4 * size, 128), outside)


def recombine(picture: Picture) -> Pixels:
    """See `imaging.finishing.bands`."""
    other = picture.other("result", required=True)
    assert other is not None
    radii = [picture.radius(f"radius{number}") for number in range(1, len(RADII) + 1)]
    taken = [*(picture[f"band{number}"] for number in range(1, len(RADII) + 1)), picture["base"]]
    space = picture["working_space"]
    result = bands.recombine(picture.pixels, other, radii, taken, picture.matte(), picture["mix"], space)
    return _viewed(picture, result, space)


def frequency_split(picture: Picture) -> Pixels:
    """See `imaging.finishing.bands`. Low comes back as light; textures stay in working values."""
    space = picture["working_space"]
    working = working_space.enter(picture.pixels, space)
    output = picture["output"]
    radii = [picture.radius(f"radius{number}") for number in range(1, len(RADII) + 1)]
    if output == "low":
        return working_space.leave(tent(working, picture.radius("radius")), space)
    if output == "base":
        return working_space.leave(tent(working, radii[-1]), space)
    if output == "high":
        texture = working - tent(working, picture.radius("radius"))
    else:
        texture = bands.band(working, radii, int(output[-1]) - 1)
    if picture["grey"]:
        texture += np.float32(GREY)
    return texture


def clean_plate(picture: Picture) -> Pixels:
    """See `imaging.finishing.clean_plate`."""
    count, step = int(picture["frames"]), max(1, picture["step"])
    around = picture.neighbours()
    first, last = picture["first"] or min(around), picture["last"] or max(around)
    numbers = cleaning.window(picture.frame, step, count, max(first, min(around)), min(last, max(around)))
    held_out = picture.other_matte("holdout", picture.frame)
    samples: list[NDArray[np.floating]] = []
    unknown: list[cleaning.Mask | None] = []
    for done, number in enumerate(number for number in numbers if number in around):
        is_current = number == picture.frame
        pixels = picture.pixels if is_current else picture.of_frame(around[number], f"frame {number}")
        theirs = picture.other_matte("holdout", number)
        matrix = np.eye(3)
        if not is_current:
            matrix = cleaning.align(picture.pixels, pixels, picture["align"], held_out, theirs)
        moved, missing = cleaning.lay_over(pixels, matrix, theirs)
        # A half plate gets a half result; rounding its samples now is the same and takes half of the memory.
        samples.append(moved if is_current else moved.astype(picture.stored_type, copy=False))
        del pixels, moved
        unknown.append(missing if missing.any() else None)
        picture.control.progress(0.9 * (done + 1) / count)
    if len(samples) < count:
        picture.notice(f"Only {len(samples)} of the {count} frames are there; the clean plate is made of those.")
    samples, unknown = _odd(samples, unknown)
    if picture["view"] == "missing":
        nowhere = np.all([np.zeros(samples[0].shape[:2], bool) if m is None else m > 0 for m in unknown], axis=0)
        return _as_picture(nowhere.astype(np.float32))
    return _mixed(picture, cleaning.median_of(samples, unknown, picture.pixels), picture.matte())


def _odd(
    samples: list[NDArray[np.floating]], unknown: list[cleaning.Mask | None]
) -> tuple[list[NDArray[np.floating]], list[cleaning.Mask | None]]:
    """An even number of samples gets one more that never counts."""
    if len(samples) % 2:
        return samples, unknown
    return [*samples, samples[0]], [*unknown, np.ones(samples[0].shape[:2], np.uint8)]


def _changed_only(linear: Pixels, working: Pixels, result: Pixels, space: str) -> Pixels:
    """`result` as light; where it is what went in, the pixels that went in, bit for bit."""
    same = result == working
    light = working_space.leave(result, space)
    np.copyto(light, linear, where=same)
    return light


def _mixed(picture: Picture, result: Pixels, matte: Pixels | None = None) -> Pixels:
    """`result` over the picture by the knob `mix` and by `matte`; where that is 0 the picture stays bit for bit."""
    mix = np.float32(picture["mix"])
    if matte is None and mix == 1.0:
        return result
    weight = (np.full(result.shape[:2], mix) if matte is None else np.clip(matte, 0.0, 1.0) * mix)[..., np.newaxis]
    mixed = result - picture.pixels
    mixed *= weight
    mixed += picture.pixels
    np.copyto(mixed, picture.pixels, where=weight == 0.0)
    np.copyto(mixed, result, where=weight == 1.0)
    return mixed


def _viewed(picture: Picture, result: Pixels, space: str) -> Pixels:
    """The result, or with view `difference` what was changed in working values, on grey."""
    if picture["view"] != "difference":
        return result
    return _on_grey(working_space.enter(result, space) - working_space.enter(picture.pixels, space), VIEW_GAIN)


def _on_grey(texture: Pixels, gain: float) -> Pixels:
    texture *= np.float32(gain)
    texture += np.float32(GREY)
    return texture


def _as_picture(plane: Pixels) -> Pixels:
    return np.repeat(plane[..., np.newaxis], 3, axis=-1)


def _color(text: str) -> tuple[float, float, float]:
    try:
        red, green, blue = (float(word) for word in str(text).replace(",", " ").split())
    except ValueError:
        raise UsageError(f"skin_color is {text!r}; three numbers are needed, such as 0.528 0.379 0.33.") from None
    return red, green, blue
