"""Tiny super-res trainings for tests: a folder of drawn photographs and a recipe that takes a second."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bipack_train import pictures

RECIPE = """
kind = "superres"
name = "tiny_x2"
title = "Tiny 2x"
version = "0.1"
purpose = "A test."
scale = 2
seed = 5
checkpoint_seconds = {checkpoint_seconds}
log_every = 5
validate_every = 10
limits = ["Too small for anything but a test."]

[network]
width = 8
depth = 3

[data]
photos = ["photos"]
panoramas = ""
drawn = 5
drawn_size = 48
shares = [0.5, 0.4, 0.0, 0.1]
held_out = ["photos/three.png"]
validation = ["photos/four.png"]

[schedule]
steps = {steps}
batch = 4
patch = 16
learning_rate = 3e-3
warm_up = 1
decay_from = {decay_from}
squared_from = {squared_from}
precise_from = {precise_from}
ema = 0.9

[[sources]]
name = "Drawn for the test"
licence = "CC0-1.0"
items = 4
"""


def write_photos(folder: Path, size: int = 64) -> str:
    """Four small pictures as lossless photographs; returns the data folder."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for index, name in enumerate(("one", "two", "three", "four")):
        pixels = pictures.draw(77, (0, 3, 2, 1)[index], size).pixels
        cv2.imwrite(str(photos / f"{name}.png"), np.round(pixels[:, :, ::-1] * 255).astype(np.uint8))
    return str(folder)


def write_recipe(path: Path, steps: int = 24, checkpoint_seconds: float = 3600.0) -> str:
    """A recipe that goes through every phase of the schedule; returns its path."""
    marks = {"decay_from": steps // 2, "squared_from": steps * 2 // 3, "precise_from": steps * 5 // 6}
    path.write_text(RECIPE.format(steps=steps, checkpoint_seconds=checkpoint_seconds, **marks), encoding="utf-8")
    return str(path)


def clip_recipe(path: Path, steps: int = 6) -> str:
    """Three frames, worn by JPEG alone; the watched picture is too small for a worn crop and left out."""
    write_recipe(path, steps)
    text = path.read_text().replace("depth = 3", "depth = 3\nframes = 3")
    text = text.replace('validation = ["photos/four.png"]', "validation = []").replace("patch = 16", "patch = 12")
    text = text.replace("drawn_size = 48", "drawn_size = 64")
    text = text.replace("[[sources]]", "[wear]\ncrops = 2\nside = 12\nfilm = 0.0\njpeg = 1.0\n\n[[sources]]", 1)
    path.write_text(text)
    return str(path)
