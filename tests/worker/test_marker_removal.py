"""The shipped marker-removal model, on marks that anyone would call tracking markers."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from bipack.catalog import locate
from bipack.imaging.frame import Box, Frame, Part
from bipack.worker import model_check
from bipack.worker.model_step import ModelStep
from bipack.worker.step import StepControl, StepInput, knob_values


def _marked() -> tuple[Frame, np.ndarray, np.ndarray]:
    """(frame in half, the wall without its marks (height, width, 3), where they are): a wall with tape crosses."""
    ramp = np.linspace(0.25, 0.45, 211, dtype=np.float32)[None, :, None]
    wall = np.repeat(ramp, 143, axis=0) * np.array([1.0, 0.9, 0.8], np.float32)
    amount = np.zeros((143 * 4, 211 * 4), np.uint8)
    for x, y in ((40, 40), (105, 60), (165, 35), (60, 105), (150, 110)):
        cv2.line(amount, (4 * x - 28, 4 * y), (4 * x + 28, 4 * y), 255, 14)
        cv2.line(amount, (4 * x, 4 * y - 28), (4 * x, 4 * y + 28), 255, 14)
    soft = cv2.GaussianBlur(cv2.resize(amount, (211, 143), interpolation=cv2.INTER_AREA), (0, 0), 0.7) / 255.0
    before = wall * (1 - soft[..., None]) + soft[..., None] * np.array([0.02, 0.02, 0.03])
    box = Box.of_size(211, 143)
    channels = {name: np.ascontiguousarray(before[..., index], np.float16) for index, name in enumerate("RGB")}
    channels["A"] = np.ones((143, 211), np.float16)
    return Frame([Part(channels, box, box)]), wall, soft > 0.3


def test_crosses_on_a_wall_go_and_the_wall_keeps_its_bits() -> None:
    frame, wall, marks = _marked()
    step = ModelStep(locate("marker_removal"), "cpu")
    control = StepControl(progress=lambda part: None, notice=lambda text: None, cancel=threading.Event())
    try:
        result = step.process(StepInput(1, {0: frame}, knobs=knob_values(step.knobs, {}, 0, "")), control)
    finally:
        step.close()
    before, after = (np.stack([one.parts[0].channels[name] for name in "RGB"], axis=-1) for one in (frame, result))
    count, labels = cv2.connectedComponents(marks.astype(np.uint8))
    assert count == 6
    for label in range(1, count):
        here = labels == label
        energy = [float(np.square(side.astype(np.float32) - wall)[here].mean()) for side in (before, after)]
        assert energy[1] < 0.05 * energy[0]
    far = cv2.dilate(marks.astype(np.uint8), np.ones((25, 25))) == 0
    assert np.array_equal(before[far], after[far])


def test_it_is_in_order() -> None:
    checks = model_check.check(locate("marker_removal"))
    assert model_check.passes(checks), checks
