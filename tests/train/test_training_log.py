from __future__ import annotations

from pathlib import Path

import pytest

from bipack.errors import BipackError
from bipack_train.training_log import TrainingLog, finite


def test_rows_after_the_step_that_a_run_goes_on_from_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "run" / "training.csv"
    rows = TrainingLog(str(path), ("step", "loss"))
    for step in (10, 20, 30):
        rows.add(step, f"{1 / step:.2f}")
    TrainingLog(str(path), ("step", "loss"), 20).add(25, "x")
    assert path.read_text() == "step,loss\n10,0.10\n20,0.05\n25,x\n"


def test_a_run_from_the_start_begins_the_file_afresh(tmp_path: Path) -> None:
    path = tmp_path / "training.csv"
    TrainingLog(str(path), ("step", "loss")).add(10, 1.0)
    TrainingLog(str(path), ("step", "loss"))
    assert path.read_text() == "step,loss\n"


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(loss: float) -> None:
    assert finite(0.5, 3) == 0.5
    with pytest.raises(BipackError, match="step 3"):
        finite(loss, 3)
