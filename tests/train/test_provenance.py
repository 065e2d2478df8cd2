from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest

import bipack
from bipack.card import Source
from bipack_train import provenance

ROOT = Path(__file__).parents[2]


def test_a_recipe_of_the_repository_is_named_from_its_root_and_others_by_name(tmp_path: Path) -> None:
    inside = str(ROOT / "train" / "recipes" / "superres_x2.toml")
    assert provenance.in_repository(inside) == "train/recipes/superres_x2.toml"
    assert provenance.in_repository(str(tmp_path / "mine.toml")) == "mine.toml"


def test_the_entry_tells_data_time_and_code() -> None:
    source = Source("photographs", "CC0-1.0", 3)
    made = provenance.training([source], "r.toml", seed=4, steps=50, seconds=90.0, base_model="a@1", pairs=["7: ab"])
    assert (made.data, made.recipe, made.seed, made.steps, made.minutes) == ((source,), "r.toml", 4, 50, 1.5)
    assert (made.base_model, made.pairs) == ("a@1", ("7: ab",))
    assert datetime.date.fromisoformat(made.date) and made.machine and made.commit


def test_without_a_repository_the_version_stands_for_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", fails)
    assert provenance.training([], "", seed=0, steps=0, seconds=0).commit == bipack.__version__
