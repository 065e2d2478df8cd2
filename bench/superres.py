"""Held-out table of a super-res model, measured through the worker as an artist would run it.

    python bench/superres.py [--model superres_x2] [--data FOLDER] [--files] [--self-ensemble 8] [--look FOLDER]

Prints PSNR-Y of bicubic and of the model for every photograph that the recipe holds out; for models of archive footage,
and with --files, the means where the small picture went through JPEG and H.264 first; where the recipe names footage,
every frame of those clips beside the model of one frame, with flicker; then four tests of behaviour:
HDR edges (overshoot beside a light of 50,000 : 1), phase (shift of a zone plate in pixels), color (the result, averaged
back down, against the plate) and HDR panoramas. --look writes crops to look at: plate | bicubic | result | truth.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import cv2
import numpy as np

from bipack import catalog
from bipack.errors import BipackError
from bipack.imaging import color
from bipack_train import degrade, footage_scores, metrics, pictures, scores, superres_recipe

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.path.join(os.path.dirname(ROOT), "shared", "data")
RECIPE = os.path.join(ROOT, "train", "recipes", "{}.toml")
EDGE_RATIO = 50_000.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="superres_x2", help="catalogue name or model folder")
    parser.add_argument("--recipe", help="recipe whose held-out list is used; default: that of the model")
    parser.add_argument("--data", default=SHARED, help="folder of the pictures (default: the shared data folder)")
    parser.add_argument("--files", action="store_true", help="small pictures through JPEG and H.264 as well")
    parser.add_argument("--self-ensemble", default="off", metavar="2|4|8", help="average mirrored looks in every table")
    parser.add_argument("--look", metavar="FOLDER", help="write crops to look at")
    args = parser.parse_args()
    if not os.path.isdir(args.data):
        print(f"skipped: {args.data} is not there; name the folder of the pictures with --data", file=sys.stderr)
        return 0
    located = catalog.locate(args.model)
    assert located.card is not None
    settings = superres_recipe.load_recipe(args.recipe or RECIPE.format(located.card.name))
    knobs = {} if args.self_ensemble == "off" else {"self_ensemble": args.self_ensemble}
    if settings.scale > 1:
        print_photos(args.model, args.data, settings, args.look, knobs)
    if args.files or (settings.wear.crops and not settings.data.footage):
        print_files(args.model, args.data, settings, knobs)
    if settings.data.footage:
        print_footage(args.model, args.data, settings, knobs)
    if settings.network.noise:
        print_detail(args.model, args.data, settings)
    print_edges(args.model, settings.scale, knobs)
    print_phase(args.model, settings.scale, knobs)
    print_panoramas(args.model, args.data, settings, args.look, knobs)
    return 0


def print_photos(
    model: str, data: str, settings: superres_recipe.SuperresRecipe, look: str | None, knobs: scores.Knobs
) -> None:
    print(f"{'PSNR-Y in dB, x' + str(settings.scale):44} {'bicubic':>8} {'model':>8} {'gain':>6}   color drift")
    rows = []
    for name in settings.data.held_out:
        if name.endswith(".exr"):
            continue
        path = os.path.join(data, name)
        small, sharp = scores.small_and_sharp(path, settings.scale)
        result = color.encode(scores.enlarge(model, color.decode(small), knobs=knobs))
        plain = scores.bicubic(small, settings.scale)
        row = scores.PictureScore(
            os.path.basename(name),
            sharp.shape[1],
            sharp.shape[0],
            metrics.psnr_y(plain, sharp, settings.scale),
            metrics.psnr_y(result, sharp, settings.scale),
        )
        rows.append(row)
        size = f"{row.width}x{row.height}"
        drift = color_drift(small, result, settings.scale)
        print(f"{row.name:34} {size:>9} {row.bicubic:8.2f} {row.model:8.2f} {row.gain:+6.2f}   {drift}", flush=True)
        if look:
            write_crops(os.path.join(look, os.path.splitext(row.name)[0] + ".png"), small, plain, result, sharp)
    value, plain_value = scores.mean(rows)
    least = min(row.gain for row in rows)
    label = f"mean of {len(rows)}"
    print(f"{label:44} {plain_value:8.2f} {value:8.2f} {value - plain_value:+6.2f}   least {least:+.2f}\n")


def print_files(model: str, data: str, settings: superres_recipe.SuperresRecipe, knobs: scores.Knobs) -> None:
    """Mean over the held-out photographs for every kind of file that the small picture went through."""
    print(f"{'PSNR-Y in dB by file':24} {'bicubic':>8} {'model':>8} {'gain':>6}   least")
    for kind in scores.FILES:
        if settings.scale == 1 and kind == scores.CLEAN:
            continue
        rows = scores.score_photos(model, data, settings.data.held_out, settings.scale, kind=kind, knobs=knobs)
        value, plain = scores.mean(rows)
        least = min(row.gain for row in rows)
        print(f"{kind:24} {plain:8.2f} {value:8.2f} {value - plain:+6.2f}   {least:+.2f}", flush=True)
    print()


def print_footage(model: str, data: str, settings: superres_recipe.SuperresRecipe, knobs: scores.Knobs) -> None:
    """Held-out film clips, every frame: the plate (by bicubic), the model, and the model of one frame."""
    models = [model, *([settings.single] if settings.single else [])]
    print(f"{'footage, PSNR-Y in dB (flicker in 1/255)':52}" + "".join(f"{name:>24}" for name in ("plate", *models)))
    for kind in footage_scores.KINDS:
        table = []
        for name in settings.data.footage:
            table.append(footage_scores.score_clip(models, os.path.join(data, name), settings.scale, kind, knobs=knobs))
            print_clip(f"{kind}, {table[-1].name}", table[-1].psnr, table[-1].flicker)
        print_clip(f"{kind}, mean of {len(table)}", *footage_scores.means(table))
    print()


def print_clip(label: str, psnr: Sequence[float], flicker: Sequence[float]) -> None:
    gains = ["", *(f"{value - psnr[0]:+.2f} " for value in psnr[1:])]
    cells = [f"{gain}{value:.2f} ({unrest:.2f})" for gain, value, unrest in zip(gains, psnr, flicker, strict=True)]
    print(f"{label:52}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


def print_detail(model: str, data: str, settings: superres_recipe.SuperresRecipe) -> None:
    """What added detail costs and gives, by its amount."""
    kind = "H.264 crf 28" if settings.wear.crops else scores.CLEAN
    names = [name for name in settings.data.held_out if not name.endswith(".exr")]
    print(f"{kind + ', mean of ' + str(len(names)):28} {'PSNR-Y':>8} {'texture':>8} {'off the plate, 1/255':>22}")
    for amount in (0.0, 0.25, 0.5, 0.75, 1.0):
        rows = [
            scores.score_detail(model, os.path.join(data, name), settings.scale, kind, {"detail": amount})
            for name in names
        ]
        means = np.mean([(row.psnr, row.texture, row.consistency) for row in rows], axis=0)
        if amount == 0.0:
            print(f"{'bicubic':28} {means[0, 1]:8.2f} {means[1, 1]:8.2f} {means[2, 1]:22.2f}")
        print(
            f"{'detail ' + format(amount, 'g'):28} {means[0, 0]:8.2f} {means[1, 0]:8.2f} {means[2, 0]:22.2f}",
            flush=True,
        )
    print()


def color_drift(small: degrade.Pixels, result: degrade.Pixels, scale: int) -> str:
    """Mean over each channel of (result averaged in light - plate), and the mean absolute difference, encoded."""
    difference = degrade.shrink_light(result, scale) - small
    channels = " ".join(f"{value:+.4f}" for value in difference.mean(axis=(0, 1)))
    return f"{channels}  |.| {np.abs(difference).mean():.4f}"


def print_edges(model: str, scale: int, knobs: scores.Knobs) -> None:
    """How far a result leaves the range of a plate that has two values only: none of it is picture."""
    print(f"HDR edges, {EDGE_RATIO:,.0f} : 1        brightest over light   darkest, encoded, to ground   light kept")
    for name, mask in edges(96).items():
        for ground in (0.001, 0.18):
            light = ground * EDGE_RATIO
            plate = np.where(mask, np.float32(light), np.float32(ground))[:, :, None].repeat(3, axis=2)
            result = scores.enlarge(model, np.ascontiguousarray(plate, np.float32), knobs=knobs)
            over = float(result.max()) / light - 1
            levels = color.encode(np.array([result.min(), ground], np.float32))
            label = f"{name}, ground {ground:g}"
            kept = float(result.mean(dtype=np.float64) / plate.mean(dtype=np.float64))
            print(f"  {label:34} {over:+16.2%} {float(levels[0] - levels[1]):+24.4f} {kept:20.3f}")
    print()


def edges(size: int) -> dict[str, np.ndarray]:
    """Masks (size, size): an upright edge, a slanted one, a disc, a line one pixel wide, single pixels."""
    rows, columns = np.mgrid[0:size, 0:size]
    return {
        "upright edge": columns >= size // 2,
        "slanted edge": columns + 0.37 * rows >= 0.7 * size,
        "disc": np.hypot(rows - size / 2, columns - size / 2) < size / 5,
        "thin line": np.abs(columns - rows * 0.5 - size / 4) < 0.6,
        "single pixels": (rows % 16 == 8) & (columns % 16 == 8),
    }


def print_phase(model: str, scale: int, knobs: scores.Knobs) -> None:
    """Shift of the result against the true zone plate, in pixels of the result."""
    sharp = zone_plate(256)
    small = degrade.shrink_coded(sharp, scale)
    result = color.encode(scores.enlarge(model, color.decode(small), knobs=knobs))
    across, down = shift_between(sharp[:, :, 1], result[:, :, 1])
    plain, own = (metrics.psnr_y(picture, sharp, scale) for picture in (scores.bicubic(small, scale), result))
    print(f"zone plate: shift {across:+.4f}, {down:+.4f} px; PSNR-Y bicubic {plain:.2f}, model {own:.2f} dB\n")


def shift_between(truth: np.ndarray, result: np.ndarray) -> tuple[float, float]:
    """Least-squares shift (across, down) of `result` against `truth`, from the truth's slopes; in pixels."""
    down, across = np.gradient(truth.astype(np.float64))
    slopes = np.stack([-across.ravel(), -down.ravel()], axis=1)
    found, *_ = np.linalg.lstsq(slopes, (result - truth).astype(np.float64).ravel(), rcond=None)
    return float(found[0]), float(found[1])


def zone_plate(size: int) -> degrade.Pixels:
    """Rings whose frequency rises to 0.22 cycles per pixel at the sides: just inside what the plate can hold."""
    rows, columns = np.mgrid[0:size, 0:size] - (size - 1) / 2
    rings = 0.5 + 0.4 * np.cos(np.pi * 0.44 * (rows**2 + columns**2) / size)
    return np.ascontiguousarray(np.repeat(rings[:, :, None], 3, axis=2), np.float32)


def print_panoramas(
    model: str, data: str, settings: superres_recipe.SuperresRecipe, look: str | None, knobs: scores.Knobs
) -> None:
    """PSNR over all channels of encoded values (peak 1) on held-out panoramas: two exposures, shrunk both ways."""
    for name in settings.data.held_out:
        if not name.endswith(".exr"):
            continue
        linear = pictures.read_panorama(os.path.join(data, name))
        for stops, way in ((0.0, "light"), (3.0, "light"), (0.0, "coded"), (3.0, "coded")):
            sharp = degrade.crop_to_multiple(pictures.exposed(linear, stops), settings.scale)
            small = degrade.SHRINK[way](sharp, settings.scale)
            plain = scores.bicubic(small, settings.scale)
            result = color.encode(scores.enlarge(model, color.decode(small), knobs=knobs))
            figures = [10 * np.log10(1 / np.mean((picture - sharp) ** 2)) for picture in (plain, result)]
            print(
                f"{os.path.basename(name):28} {way}, {stops:+.0f} stops, to {color.decode(sharp).max():6.0f}: "
                f"bicubic {figures[0]:.2f}, model {figures[1]:.2f} dB ({figures[1] - figures[0]:+.2f})"
            )
            if look:
                stem = os.path.splitext(os.path.basename(name))[0]
                write_crops(os.path.join(look, f"{stem}_{way}_{stops:.0f}.png"), small, plain, result, sharp)


def write_crops(path: str, small: degrade.Pixels, *large: degrade.Pixels, side: int = 200) -> None:
    """Plate, then each large picture, at the spot of most detail; every result pixel becomes two."""
    scale = large[0].shape[0] // small.shape[0]
    detail = cv2.GaussianBlur(np.square(large[0] - large[-1]).mean(axis=2), (0, 0), side / 6)
    half = side // 2
    inner = detail[half : detail.shape[0] - half, half : detail.shape[1] - half]
    row, column = (0, 0) if inner.size == 0 else np.unravel_index(int(inner.argmax()), inner.shape)
    row, column = int(row) // scale * scale, int(column) // scale * scale
    views = [np.repeat(np.repeat(small, scale, 0), scale, 1), *large]
    crops = [view[row : row + side, column : column + side].repeat(2, 0).repeat(2, 1) for view in views]
    shown = np.clip(np.hstack(crops), 0, 1)[:, :, ::-1]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    cv2.imwrite(path, np.round(shown * 255).astype(np.uint8))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BipackError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
