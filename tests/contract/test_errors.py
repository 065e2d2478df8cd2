"""The error tree and its exit codes."""

from __future__ import annotations

import inspect

import pytest

from bipack import errors
from bipack.errors import BipackError

CODES = {
    "UsageError": 2,
    "MissingInput": 10,
    "CorruptInput": 11,
    "ModelRefused": 12,
    "GpuUnavailable": 13,
    "GpuOutOfMemory": 14,
    "DiskError": 15,
    "VersionSkew": 16,
    "WorkerDied": 1,
    "Cancelled": 130,
}
TREE = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, BipackError)}


def test_every_error_ends_a_process_with_its_documented_code():
    assert {name: kind.exit_code for name, kind in TREE.items() if kind is not BipackError} == CODES


def test_no_error_uses_a_code_that_farms_retry_without_end():
    assert not {33, 137} & {kind.exit_code for kind in TREE.values()}


def test_the_docstring_draws_the_whole_tree():
    for name, code in CODES.items():
        line = next(line for line in errors.__doc__.splitlines() if f"── {name} " in line)
        assert f" {code} " in line


@pytest.mark.parametrize("name", sorted(CODES))
def test_an_error_crosses_a_process_boundary_by_name(name):
    rebuilt = errors.from_name(name, "what happened")
    assert type(rebuilt) is TREE[name]
    assert str(rebuilt) == "what happened"


def test_an_unknown_name_becomes_a_plain_error():
    assert type(errors.from_name("KeyError", "x")) is BipackError
