"""Tests of the trainer run on one thread: the networks are tiny, and threads that wait for each other cost seconds."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread_from_the_start() -> None:
    """Before the fixtures of modules, which train as well: sums of one and of two threads round differently."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
