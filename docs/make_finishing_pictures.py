"""Makes the before and after pictures of the finishing page: `python docs/make_finishing_pictures.py`.

They are made from the shipped samples. Every picture is what a `bipack run …` of the page gives, shown at 200 %, with
the difference eight times magnified.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "python"))

from bipack.finishing_presets import PRESETS  # noqa: E402
from bipack.imaging import color  # noqa: E402
from bipack.imaging.frame import Frame  # noqa: E402
from bipack.imaging.image_io import read_frame, write_frame  # noqa: E402
from bipack.imaging.plate import put, take  # noqa: E402

IMAGES = ROOT / "docs/images/finishing"
CHEEK = str(ROOT / "samples/cheek/cheek.%04d.exr")
DEGRAINED = str(ROOT / "samples/cheek/cheek_degrained.%04d.exr")
OTTER = str(ROOT / "samples/otter/otter.%04d.exr")
MOLE = (262, 118)
DIFFERENCE = 8.0

Picture = NDArray[Any]


def main() -> None:
    """Make them all."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bipack-pictures-") as folder:
        for make in (equalizer, beauty, regrain, recombine, frequency_split, clean_plate):
            make(Path(folder))


def run(tool: str, source: str, target: Path, frame: int = 1001, matte: Path | None = None, **knobs: Any) -> Picture:
    """`bipack run tool …`; returns the result, scene-linear."""
    command = [sys.executable, "-m", "bipack.cli", "run", tool, source, str(target), "--frames", str(frame)]
    command += ["--matte", str(matte)] if matte else []
    for name, value in knobs.items():
        command += ["--set", f"{name}={value}"]
    subprocess.run(command, check=True, cwd=ROOT / "python", stdout=subprocess.DEVNULL)
    return pixels(str(target) % frame)


def pixels(path: str) -> Picture:
    """RGB of a file, scene-linear."""
    return take(read_frame(path)).pixels


def equalizer(folder: Path) -> None:
    """Softer skin, and more texture on fur; then what each band sees."""
    cheek, otter = pixels(CHEEK % 1001), pixels(OTTER % 1005)
    soft = run("equalizer", CHEEK, folder / "soft.%04d.exr", **PRESETS["equalizer"]["soften skin, keep grain"])
    crisp = run("equalizer", OTTER, folder / "crisp.%04d.exr", 1005, **PRESETS["equalizer"]["bring out texture"])
    box, other = np.s_[60:190, 90:290], np.s_[35:165, 70:270]
    rows = [
        row(
            ("plate", cheek[box]),
            ("soften skin, keep grain", soft[box]),
            ("difference x8", difference(cheek, soft)[box]),
        ),
        row(
            ("plate", otter[other]),
            ("bring out texture", crisp[other]),
            ("difference x8", difference(otter, crisp)[other]),
        ),
    ]
    save("equalizer", np.vstack(rows))
    views = [
        run(
            "equalizer", CHEEK, folder / f"band{band}.%04d.exr", view="texture", view_band=band, working_space="encoded"
        )
        for band in range(1, 6)
    ]
    save(
        "equalizer_bands",
        row(*((f"band {band}", as_seen(view[box])) for band, view in enumerate(views, start=1)), zoom=1),
    )


def beauty(folder: Path) -> None:
    """The default look, sizes for a close-up of this width."""
    cheek = pixels(CHEEK % 1001)
    sizes = {"smooth_size": 7, "shine_blur": 30, "skin_value": 1, "highlights": 0.8}
    done = run("beauty", CHEEK, folder / "beauty.%04d.exr", **sizes)
    box = np.s_[40:210, 60:310]
    save("beauty", row(("plate", cheek[box]), ("beauty", done[box]), ("difference x8", difference(cheek, done)[box])))


def regrain(folder: Path) -> None:
    """The mole painted out of the degrained plate; then grain put back."""
    clean = read_frame(DEGRAINED % 1001)
    plate, degrained = take(read_frame(CHEEK % 1001)), take(clean)
    hole = spot(plate.pixels.shape[:2], 14)
    filled = painted_out(degrained.pixels, hole)
    soft = cv2.GaussianBlur(hole.astype(np.float32), (0, 0), 3)[..., None]
    comp = plate.pixels + soft * (filled - plate.pixels)
    repaired, matte = folder / "repaired.1001.exr", folder / "matte.1001.exr"
    write_frame(str(repaired), put(clean, degrained, comp.astype(np.float32)))
    write_frame(str(matte), put(clean, degrained, np.repeat(soft, 3, axis=-1)))
    sides = {"plate": CHEEK, "degrained": DEGRAINED}
    done = run("regrain", str(folder / "repaired.%04d.exr"), folder / "regrain.%04d.exr", matte=matte, **sides)
    made = run(
        "regrain",
        str(folder / "repaired.%04d.exr"),
        folder / "made.%04d.exr",
        matte=matte,
        grain_from="synthetic",
        **sides,
    )
    box = np.s_[MOLE[1] - 55 : MOLE[1] + 55, MOLE[0] - 65 : MOLE[0] + 65]
    panels = (("plate", plate.pixels), ("repaired", comp), ("patches of the plate", done), ("synthetic", made))
    save("regrain", row(*((name, contrast(picture)[box]) for name, picture in panels), zoom=2))


def recombine(folder: Path) -> None:
    """A result that is smoother and warmer than the plate, as a model's may be; its light under the plate's pores."""
    source = read_frame(CHEEK % 1001)
    plate = take(source)
    smooth = cv2.bilateralFilter(color.encode(plate.pixels), 25, 0.12, 9) * np.array([1.03, 1.0, 0.95], np.float32)
    smooth[painted_box()] = painted_out(smooth, spot(smooth.shape[:2], 16))[painted_box()]
    result = color.decode(smooth.astype(np.float32))
    write_frame(str(folder / "result.1001.exr"), put(source, plate, result))
    done = run("recombine", CHEEK, folder / "recombined.%04d.exr", result=str(folder / "result.%04d.exr"))
    box = np.s_[50:200, 170:370]
    panels = (("plate", plate.pixels[box]), ("a model's result", result[box]), ("recombined", done[box]))
    save("recombine", row(*panels, ("difference x8", difference(plate.pixels, done)[box])))


def frequency_split(folder: Path) -> None:
    """Low and high of the cheek."""
    cheek = pixels(CHEEK % 1001)
    knobs = {"radius": 10, "working_space": "encoded"}
    low = run("frequency_split", CHEEK, folder / "low.%04d.exr", output="low", **knobs)
    high = run("frequency_split", CHEEK, folder / "high.%04d.exr", output="high", grey=1, **knobs)
    box = np.s_[40:200, 60:280]
    lifted = as_seen(0.5 + 3.0 * (high[box] - 0.5))
    save("frequency_split", row(("plate", cheek[box]), ("low", low[box]), ("high, on grey, x3", lifted)))


def clean_plate(folder: Path) -> None:
    """A ball flies past the otter while the camera pushes in; the frames around know what it hides."""
    for frame in range(1001, 1010):
        write_frame(str(folder / f"ball.{frame}.exr"), with_ball(read_frame(OTTER % frame), frame))
    hidden, truth = pixels(str(folder / "ball.1005.exr")), pixels(OTTER % 1005)
    done = run("clean_plate", str(folder / "ball.%04d.exr"), folder / "clean.%04d.exr", 1005, frames=5, step=1)
    box = np.s_[35:165, 70:270]
    left = difference(truth, done)
    panels = (("plate", hidden[box]), ("clean plate", done[box]), ("difference to the shot without ball x8", left[box]))
    save("clean_plate", row(*panels))


def with_ball(source: Frame, frame: int) -> Frame:
    """The frame with a red ball on its way from left to right."""
    plate = take(source)
    picture = plate.pixels.copy()
    x, y, radius, fine = 165.0 + 46.0 * (frame - 1005), 95.0 + 2.2 * (frame - 1005) ** 2, 17.0, 4
    mask, shine = np.zeros((2, *picture.shape[:2]), np.float32)
    for plane, cx, cy, size in ((mask, x, y, radius), (shine, x - 5, y - 6, 5.0)):
        centre = round(cx * 2**fine), round(cy * 2**fine)
        cv2.circle(plane, centre, round(size * 2**fine), 1.0, -1, cv2.LINE_AA, fine)
    rows, columns = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    lit = np.clip(1.1 - ((columns - x + 6) ** 2 + (rows - y + 8) ** 2) / 700, 0.1, 1)[..., None]
    ball = lit * np.array([0.55, 0.05, 0.04]) + cv2.GaussianBlur(shine, (0, 0), 2)[..., None] * 0.8
    picture += mask[..., None] * (ball.astype(np.float32) - picture)
    return put(source, plate, picture)


def spot(shape: tuple[int, int], radius: int) -> NDArray[np.bool_]:
    """A disc over the mole."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]]
    return np.asarray((columns - MOLE[0]) ** 2 + (rows - MOLE[1]) ** 2 < radius * radius)


def painted_box() -> tuple[slice, slice]:
    """Where the paint lands."""
    return np.s_[MOLE[1] - 24 : MOLE[1] + 24, MOLE[0] - 24 : MOLE[0] + 24]


def painted_out(picture: Picture, hole: NDArray[np.bool_]) -> Picture:
    """Texture from beside the hole laid over it, at the brightness of its rim: what a paint artist does."""
    result = picture.copy()
    from_beside = np.roll(picture, (-34, -30), (0, 1))
    rim = cv2.dilate(hole.astype(np.uint8), np.ones((9, 9), np.uint8)).astype(bool) & ~hole
    result[hole] = (from_beside + np.median((picture - from_beside)[rim], axis=0))[hole]
    return result


def difference(before: Picture, after: Picture) -> Picture:
    """Change in encoded values, eight times, on grey; as light, for `row`."""
    return as_seen(0.5 + DIFFERENCE * (color.encode(after.copy()) - color.encode(before.copy())))


def contrast(picture: Picture) -> Picture:
    """More contrast in the middle tones, so that grain can be seen on a page."""
    return as_seen(0.5 + 1.8 * (color.encode(picture.astype(np.float32)) - 0.56))


def as_seen(values: Picture) -> Picture:
    """Display values as light, which `row` will show as they were."""
    return color.decode(np.clip(values, 0, 1).astype(np.float32))


def row(*panels: tuple[str, Picture], zoom: int = 2) -> Picture:
    """Pictures side by side, each with its name; 8-bit, display values."""
    shown = []
    for name, picture in panels:
        values = np.clip(color.encode(np.ascontiguousarray(picture, np.float32)), 0, 1)
        image = cv2.resize(
            (values * 255 + 0.5).astype(np.uint8), None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST
        )
        image = cv2.copyMakeBorder(image, 24, 6, 3, 3, cv2.BORDER_CONSTANT, value=(24, 24, 24))
        cv2.putText(image, name, (8, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (225, 225, 225), 1, cv2.LINE_AA)
        shown.append(image)
    return np.hstack(shown)


def save(name: str, image: Picture) -> None:
    """Write a PNG."""
    cv2.imwrite(str(IMAGES / f"{name}.png"), image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
