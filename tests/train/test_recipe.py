from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bipack.errors import MissingInput, UsageError
from bipack_train import recipe


@dataclass(frozen=True)
class Inner:
    width: int = 4


@dataclass(frozen=True)
class Whole:
    name: str
    rate: float = 0.5
    names: tuple[str, ...] = ()
    pair: tuple[int, int] = (1, 2)
    inner: Inner = field(default_factory=Inner)
    rows: tuple[Inner, ...] = ()
    log_every: int = field(default=10, metadata=recipe.VOLATILE)


def written(folder: Path, text: str) -> str:
    path = folder / "run.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_recipe_becomes_a_frozen_dataclass_with_nested_tables(tmp_path: Path) -> None:
    text = 'kind = "test"\nname = "a"\nrate = 1\nnames = ["x"]\n[inner]\nwidth = 7\n[[rows]]\nwidth = 9\n'
    found = recipe.load(written(tmp_path, text), Whole, "test")
    assert found == Whole("a", 1.0, ("x",), (1, 2), Inner(7), (Inner(9),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "test"\nname = "a"\nlerning_rate = 1', "unknown entries: lerning_rate"),
        ('kind = "test"\nname = "a"\n[inner]\ndepth = 1', "unknown entries in [inner]: depth"),
        ('kind = "test"', "lacks the entry name"),
        ('kind = "test"\nname = 3', "name must be of type str"),
        ('kind = "test"\nname = "a"\nrate = true', "rate must be of type float"),
        ('kind = "test"\nname = "a"\nnames = "x"', "names must be a list"),
        ('kind = "test"\nname = "a"\npair = [1]', "pair must hold 2 values"),
        ('kind = "test"\nname = "a"\nnames = [1]', "names[0] must be of type str"),
        ('kind = "test"\nname = "a"\ninner = 3', "inner must be a table"),
        ('kind = "other"\nname = "a"', "'test' is needed"),
        ('name = "a"', "which trainer"),
        ("name = ", "is not TOML"),
    ],
)
def test_a_slip_in_a_recipe_is_refused_by_name(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as refusal:
        recipe.load(written(tmp_path, text), Whole, "test")
    assert words in str(refusal.value)


def test_a_missing_recipe_is_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        recipe.load(str(tmp_path / "none.toml"), Whole, "test")


def test_the_digest_changes_with_what_decides_the_result_and_not_with_log_settings() -> None:
    base = Whole("a")
    assert recipe.digest(base) == recipe.digest(dataclasses.replace(base, log_every=99))
    assert recipe.digest(base) != recipe.digest(dataclasses.replace(base, rate=0.25))
    assert recipe.digest(base) != recipe.digest(dataclasses.replace(base, inner=Inner(5)))


def test_a_setting_that_came_later_leaves_the_digest_of_older_runs() -> None:
    fields = [(spec.name, spec.type, spec) for spec in dataclasses.fields(Whole)]
    later = dataclasses.make_dataclass("Later", [*fields, ("extra", float, dataclasses.field(default=0.0))])
    assert recipe.digest(later("a", rate=0.25)) == recipe.digest(Whole("a", rate=0.25))
    assert recipe.digest(later("a", extra=1.0)) != recipe.digest(Whole("a"))
