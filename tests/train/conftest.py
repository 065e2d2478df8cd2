"""Tests of the trainer run on one thread: the networks are tiny, and threads that wait for each other cost seconds."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
