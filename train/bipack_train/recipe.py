"""Recipes: one commented TOML file per training run, read into a frozen dataclass.

A recipe is the whole truth about a run: what it learns from, for how long, with which seed. Reading is strict, because
a typing slip that is silently ignored costs a night of training: an unknown key, a wrong type or a missing value is
refused with its name. The digest of a recipe is stored in every checkpoint, so that a run is only ever resumed with
the settings that it was started with.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from bipack.errors import MissingInput, UsageError

VOLATILE = {"volatile": True}
"""Field metadata of settings that do not change the result (folders, log intervals): left out of the digest."""

KIND_KEY = "kind"

Recipe = TypeVar("Recipe")


def read(path: str) -> dict[str, Any]:
    """Parse the TOML file `path` into plain data. Raises MissingInput, UsageError."""
    try:
        with open(path, "rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise MissingInput(f"Recipe {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"Recipe {path} is not TOML: {error}.") from error


def kind_of(data: Mapping[str, Any], path: str) -> str:
    """The `kind` entry that says which trainer a recipe is for. Raises UsageError where it is missing."""
    kind = data.get(KIND_KEY)
    if not isinstance(kind, str):
        raise UsageError(f'Recipe {path} does not say which trainer it is for. Add a line such as kind = "superres".')
    return kind


def build(target: type[Recipe], data: Mapping[str, Any], path: str = "recipe", where: str = "") -> Recipe:
    """Make the frozen dataclass `target` from parsed TOML; tables become nested dataclasses, lists become tuples.

    Fields without a value take their default. `kind` is allowed at the top level and not passed on. `path` and
    `where` name the file and the table in errors. Raises UsageError for unknown, missing and badly typed entries.
    """
    hints = typing.get_type_hints(target)
    fields = {spec.name: spec for spec in dataclasses.fields(typing.cast(Any, target))}
    unknown = sorted(set(data) - set(fields) - ({KIND_KEY} if not where else set()))
    if unknown:
        place = f" in [{where}]" if where else ""
        raise UsageError(f"Recipe {path} has unknown entries{place}: {', '.join(unknown)}. Known: {', '.join(fields)}.")
    values: dict[str, Any] = {}
    for name, spec in fields.items():
        entry = f"{where}.{name}" if where else name
        if name in data:
            values[name] = _convert(hints[name], data[name], path, entry)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise UsageError(f"Recipe {path} lacks the entry {entry}.")
    return target(**values)


def _convert(hint: Any, value: Any, path: str, entry: str) -> Any:
    """Turn one TOML value into the annotated type, refusing what does not fit."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union or origin is types.UnionType:
        return _convert(arguments[0], value, path, entry)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UsageError(f"Recipe {path}: {entry} must be a table, and is {value!r}.")
        return build(typing.cast(type[Any], hint), value, path, entry)
    if origin is tuple:
        if not isinstance(value, list):
            raise UsageError(f"Recipe {path}: {entry} must be a list, and is {value!r}.")
        inner = arguments[0]
        if len(arguments) == 2 and arguments[1] is not Ellipsis and len(value) != len(arguments):
            raise UsageError(f"Recipe {path}: {entry} must hold {len(arguments)} values, and is {value!r}.")
        return tuple(_convert(inner, item, path, f"{entry}[{index}]") for index, item in enumerate(value))
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"Recipe {path}: {entry} must be of type {hint.__name__}, and is {value!r}.")
    return value


def load(path: str, target: type[Recipe], kind: str) -> Recipe:
    """Read the recipe `path` as `target`; its `kind` must be the given one. Raises MissingInput, UsageError."""
    data = read(path)
    found = kind_of(data, path)
    if found != kind:
        raise UsageError(f"Recipe {path} is of kind {found!r}; {kind!r} is needed here.")
    return build(target, data, path)


def digest(recipe: Any) -> str:
    """SHA-256 (hex) of what decides the result: every field that is not volatile and not at its default.

    So a run goes on under a Bipack that has settings which the run did not know.
    """
    text = json.dumps(_plain(recipe), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            spec.name: _plain(getattr(value, spec.name))
            for spec in dataclasses.fields(value)
            if not spec.metadata.get("volatile") and getattr(value, spec.name) != _default(spec)
        }
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _default(spec: dataclasses.Field[Any]) -> Any:
    """The default of a field, or MISSING where it has none."""
    if spec.default_factory is not dataclasses.MISSING:
        return spec.default_factory()
    return spec.default
