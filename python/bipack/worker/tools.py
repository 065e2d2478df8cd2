"""The finishing tools that run without a model."""

from __future__ import annotations

from bipack.worker.step import Step


def names() -> tuple[str, ...]:
    """Names that `bipack run` knows as tools."""
    return ()


def open_tool(name: str) -> Step:
    """The tool called `name`."""
    raise KeyError(name)
