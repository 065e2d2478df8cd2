"""The table of a run, one row now and then, beside its checkpoint and later beside its model."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Sequence

from bipack.errors import BipackError


class TrainingLog:
    """A CSV file whose first column counts steps; rows later than the step that a run goes on from are dropped."""

    def __init__(self, path: str, columns: Sequence[str], step: int = 0) -> None:
        """`step` 0 begins the file afresh."""
        self._path = path
        kept: list[list[str]] = []
        if step and os.path.exists(path):
            with open(path, encoding="utf-8", newline="") as stream:
                kept = [row for row in csv.reader(stream) if row and row[0].isdigit() and int(row[0]) <= step]
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([list(columns), *kept])

    def add(self, step: int, *values: object) -> None:
        """Append one row."""
        with open(self._path, "a", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerow([step, *values])


def finite(loss: float, step: int) -> float:
    """`loss` as it is. Raises BipackError where it is no number any more."""
    if not math.isfinite(loss):
        raise BipackError(
            f"Training diverged: the loss is {loss} at step {step}. "
            "Lower schedule.learning_rate in the recipe and start afresh; the last checkpoint was kept."
        )
    return loss
