"""How well faces are found and cut: renders that training never saw, and photographs labelled by hand.

    python bench/faces.py --data <folder>                 the installed face_parser
    python bench/faces.py --data <folder> --model DIR --overlays looks/
    python bench/faces.py --data <folder> --parts flicker,speed

<folder> holds faces/ (the mesh, and the photographs that tests/data/faces has labels for) and hdri/. Every figure goes
the way of `bipack faces`: found in the whole picture, seen again in the crop, mattes led to the plate's edges. Then
whether mattes swim (faces_flicker.py), and what six region models cost in a 4K plate (faces_speed.py).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "train")]

import faces_flicker  # noqa: E402
import faces_speed  # noqa: E402

from bipack.face_regions import REGIONS  # noqa: E402
from bipack.imaging import color, plate  # noqa: E402
from bipack.imaging.faces import crop, mattes  # noqa: E402
from bipack.imaging.faces.square import Square, from_points  # noqa: E402
from bipack.imaging.faces.track import Found  # noqa: E402
from bipack.imaging.image_io import read_frame  # noqa: E402
from bipack.worker.faces import finder  # noqa: E402
from bipack.worker.faces.parser import CROP, Parser, around  # noqa: E402
from bipack_train.faces import people  # noqa: E402
from bipack_train.faces.parser import UNKNOWN  # noqa: E402

LABELS = ROOT / "tests" / "data" / "faces"
HELD_OUT = "hdri/pedestrian_overpass_1k.exr"
PARTS = ("put-back", "renders", "photographs", "flicker", "speed")
SEED = 900_001
"""The pool's seeds are far from it: nobody of this bench was seen in training."""


@dataclass
class Tally:
    """Pixels of each region: in both, in either."""

    both: np.ndarray
    either: np.ndarray
    found: int = 0
    asked: int = 0

    @classmethod
    def empty(cls) -> Tally:
        return cls(np.zeros(len(REGIONS)), np.zeros(len(REGIONS)))

    def add(self, mine: np.ndarray, truth: np.ndarray) -> None:
        known = truth != UNKNOWN
        for index in range(len(REGIONS)):
            first, second = (mine == index) & known, truth == index
            self.both[index] += (first & second).sum()
            self.either[index] += (first | second).sum()

    def rows(self) -> dict[str, float]:
        return {
            name: float(self.both[index] / self.either[index])
            for index, name in enumerate(REGIONS)
            if self.either[index] > 0
        }


def parsed(parser: Parser, light: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, Found | None]:
    """Region of every pixel of a scene-linear picture, of the face nearest to `near` (x, y); and that face."""
    encoded = color.encode(light)
    labels = np.zeros(light.shape[:2], np.uint8)
    faces = finder.find(parser, encoded)
    if not faces:
        return labels, None
    face = min(faces, key=lambda one: float(np.linalg.norm(one.middle - near)))
    if np.linalg.norm(face.middle - near) > face.width:
        return labels, None
    square = around(from_points(face.points, face.width))
    picture = color.encode(crop.cut(light, square, CROP))
    shares = parser.shares(picture)
    rows, columns, found = mattes.at_plate(shares, picture, encoded, square)
    rest = np.maximum(1 - found.sum(-1, keepdims=True), 0)
    labels[rows, columns] = np.concatenate([rest, found], -1).argmax(-1)
    return labels, face


def rendered(data: str, count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, picture, regions and middle of the face of people that training never saw, under light it never saw."""
    names = [f"hdri/{name}" for name in sorted(os.listdir(os.path.join(data, "hdri")))]
    studio = people.studio(data, "hdri", [name for name in names if name != HELD_OUT])
    for index in range(count):
        rng = np.random.default_rng([SEED, index])
        seen = studio.face(rng, people.person(rng), 448)
        ground = cv2.resize(rng.uniform(0.05, 0.6, (7, 7, 3)).astype(np.float32), (448, 448))
        light = seen.picture + (1 - seen.alpha[..., None]) * ground
        grain = rng.normal(0, 0.01, light.shape).astype(np.float32) * np.sqrt(np.maximum(light, 0) + 0.02)
        yield f"render{index:02d}", light + grain, seen.masks.argmax(0).astype(np.uint8), np.array(seen.center)


def photographed(data: str) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, picture, hand labels (UNKNOWN outside their window) and the middle of the window's face."""
    for path in sorted(LABELS.glob("*.json")):
        label = json.loads(path.read_text(encoding="utf-8"))
        file = os.path.join(data, "faces", label["picture"])
        light = plate.take(read_frame(file), "rgba", 3).pixels
        left, top, right, bottom = label["window"]
        truth = np.full(light.shape[:2], UNKNOWN, np.uint8)
        top, left, bottom, right = max(0, top), max(0, left), min(bottom, len(truth)), min(right, truth.shape[1])
        truth[top:bottom, left:right] = filled(label["shapes"], left, top, right - left, bottom - top)
        face = np.isin(truth, [REGIONS.index(n) for n in ("nose", "mouth", "cheek_l", "cheek_r")])
        yield path.stem, light, truth, np.argwhere(face).mean(0)[::-1]


def filled(shapes: list[dict], left: int, top: int, width: int, height: int) -> np.ndarray:
    """(height, width) regions of polygons at the middle of each pixel; a pixel is five steps wide, for thin shapes."""
    fine = np.zeros((5 * height, 5 * width), np.uint8)
    for shape in shapes:
        points = np.round((np.array(shape["polygon"]) - [left, top]) * 5 + 2).astype(np.int32)
        cv2.fillPoly(fine, [points], REGIONS.index(shape["region"]))
    return fine[2::5, 2::5]


def score(parser: Parser, pictures: Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]], looks: str) -> Tally:
    tally = Tally.empty()
    for name, light, truth, middle in pictures:
        mine, face = parsed(parser, light, middle)
        tally.asked += 1
        tally.found += face is not None
        tally.add(mine, truth)
        if looks:
            look(os.path.join(looks, f"{name}.png"), light, mine, face)
    return tally


def look(path: str, light: np.ndarray, labels: np.ndarray, face: Found | None) -> None:
    """The picture, and beside it the regions over it with the points that were found."""
    shown = np.clip(color.encode(light), 0, 1)[..., ::-1] * 255
    hues = np.linspace(0, 179, len(REGIONS) - 1, dtype=np.uint8)
    tint = cv2.cvtColor(np.stack([hues, hues * 0 + 200, hues * 0 + 255], -1)[None], cv2.COLOR_HSV2BGR)[0]
    colors = np.concatenate([np.zeros((1, 3)), tint[np.argsort(np.random.default_rng(1).random(len(tint)))]])
    over = np.where((labels > 0)[..., None], 0.55 * shown + 0.45 * colors[labels], shown).astype(np.uint8)
    if face is not None:
        for x, y in face.points:
            cv2.circle(over, (round(x), round(y)), max(2, round(face.width / 50)), (255, 255, 255), -1)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    cv2.imwrite(path, np.hstack([shown.astype(np.uint8), over]))


def exactness() -> tuple[int, float, float]:
    """Pixels that an unedited crop changes; largest difference inside; seconds of cut and put-back of a 4K plate."""
    rng = np.random.default_rng(4)
    picture = rng.normal(0.4, 0.8, (2160, 4096, 3)).astype(np.float32)
    square = Square(2011.3, 1033.8, 1130.5, 7.4)
    began = time.process_time()
    taken = crop.cut(picture, square, 1024)
    back = crop.put_back(picture, square, taken, taken)
    edited = crop.put_back(picture, square, taken, taken + np.float32(0.1))
    seconds = time.process_time() - began
    rows, columns = crop.window(square, *picture.shape[:2])
    edited[rows, columns] = picture[rows, columns]
    changed = int((back.view(np.uint32) != picture.view(np.uint32)).sum() + (edited != picture).sum())
    return changed, float(np.abs(back - picture).max()), seconds


def show(title: str, tally: Tally) -> None:
    rows = tally.rows()
    mean = float(np.mean([value for name, value in rows.items() if name != "background"]))
    print(f"\n{title}: {tally.found} of {tally.asked} faces found, mean IoU {mean:.3f} (without background)")
    print("  " + "  ".join(f"{name} {value:.2f}" for name, value in rows.items()))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", required=True, help="folder with faces/ and hdri/")
    arguments.add_argument("--model", default="face_parser", help="the parser (default: the installed face_parser)")
    arguments.add_argument("--renders", type=int, default=32, help="rendered faces (default 32)")
    arguments.add_argument("--overlays", default="", metavar="DIR", help="write overlays to look at")
    arguments.add_argument("--parts", default=",".join(PARTS), help=f"which figures (default {','.join(PARTS)})")
    chosen = arguments.parse_args()
    parts = chosen.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        arguments.error(f"--parts: {', '.join(sorted(unknown))} is none of {', '.join(PARTS)}")
    if "put-back" in parts:
        changed, inside, seconds = exactness()
        print(f"unedited crop put back: {changed} samples changed, largest difference {inside:g}; "
              f"cut and two put-backs of a 1024 crop in a 4K plate: {seconds:.1f} s CPU")  # fmt: skip
    with Parser(chosen.model, "cpu") as parser:
        if "renders" in parts:
            show("rendered", score(parser, rendered(chosen.data, chosen.renders), chosen.overlays))
        if "photographs" in parts:
            show("photographs", score(parser, photographed(chosen.data), chosen.overlays))
    if "flicker" in parts:
        faces_flicker.show(chosen.model, [light for _, light, _, _ in rendered(chosen.data, 3)])
    if "speed" in parts:
        faces_speed.show(chosen.data, chosen.model)


if __name__ == "__main__":
    main()
