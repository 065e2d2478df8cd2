"""What tests of slow motion share: a model of a few nodes, opened once for a file, and a shot of three frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bipack import catalog
from bipack.worker.slowmo_step import SlowMoStep
from moving import install_slowmo, write_shot
from slowmo_cook import STEP


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlowMoStep]:
    step = SlowMoStep(catalog.locate(str(install_slowmo(tmp_path_factory.mktemp("models") / "slowmo"))), "cpu")
    yield step
    step.close()


@pytest.fixture
def shot(tmp_path: Path) -> str:
    return write_shot(tmp_path / "in", [0.0, STEP, 2 * STEP])
