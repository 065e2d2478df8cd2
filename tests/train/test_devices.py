"""Which device a run computes on."""

from __future__ import annotations

import pytest
import torch

from bipack.errors import UsageError
from bipack_train import devices


def test_auto_is_a_gpu_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert devices.pick_device("auto").type == kind


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no GPU"):
        devices.pick_device("cuda:1")
    with pytest.raises(UsageError, match="none of auto"):
        devices.pick_device("abacus")


def test_bfloat16_is_not_used_where_the_processor_would_emulate_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for there in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda there=there: there)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert devices.fast_type(torch.device("cpu")) == (torch.bfloat16 if there else None)
