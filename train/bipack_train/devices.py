"""Where a run computes, and in which precision."""

from __future__ import annotations

import torch

from bipack.errors import UsageError


def pick_device(device: str) -> torch.device:
    """`auto` is the first GPU where there is one, else the CPU. Raises UsageError for a GPU that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"Device {device} was asked for and torch sees no GPU here. Use --device cpu.")
    try:
        return torch.device(device)
    except RuntimeError as error:
        raise UsageError(f"Device {device!r} is none of auto, cpu, cuda:N.") from error


def fast_type(device: torch.device) -> torch.dtype | None:
    """bfloat16 where the device computes with it natively (twice as fast); None where it would be emulated."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else None
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if device.type == "cpu" and native else None
