"""A parser among the models: it is checked, and refused where a picture is wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import face_plates
from bipack.catalog import locate
from bipack.cli.main import main
from bipack.worker import model_check


def test_a_parser_passes_its_check(tmp_path: Path) -> None:
    checks = model_check.check(locate(face_plates.write_parser(tmp_path)))
    assert model_check.passes(checks)
    assert [check.topic for check in checks].count("range") == len(model_check.TRIALS)


def test_running_a_parser_on_a_plate_names_the_right_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face_plates.write_plate(tmp_path / "plate.exr", np.ones((40, 40, 3), np.float32))
    model = face_plates.write_parser(tmp_path)
    assert main(["run", model, str(tmp_path / "plate.exr"), str(tmp_path / "out.exr")]) == 12
    assert "bipack faces" in capsys.readouterr().err
