"""One training on several GPUs or machines: what torchrun starts several times, and what they agree on."""

from __future__ import annotations

import atexit
import gc
import os

import torch
from torch import distributed, nn

from bipack.errors import UsageError


def join() -> bool:
    """Join the other processes where torchrun started several; True in the one that writes."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return True
    distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    atexit.register(_leave)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    return distributed.get_rank() == 0


def _leave() -> None:
    """End the group's own threads while Python still stands: one that meets its end half-way aborts the process."""
    gc.collect()
    if distributed.is_initialized():
        distributed.destroy_process_group()


def rank() -> tuple[int, int]:
    """(rank, ranks) of this process."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share(batch: int, own: int, ranks: int) -> tuple[int, int]:
    """(first, count) of the batch's crops for process `own`. Raises UsageError where they do not divide."""
    if batch % ranks:
        raise UsageError(f"A batch of {batch} cannot be shared by {ranks} processes; make it a multiple of {ranks}.")
    return own * (batch // ranks), batch // ranks


def agreed(value: float, ranks: int) -> float:
    """The largest value over all processes, so that all of them take the same turns."""
    if ranks == 1:
        return value
    shared = torch.tensor([value], dtype=torch.float64)
    if distributed.get_backend() == "nccl":
        shared = shared.cuda()
    distributed.all_reduce(shared, op=distributed.ReduceOp.MAX)
    return float(shared)


def wrapped(net: nn.Module, device: torch.device, by_parts: bool = False) -> nn.Module:
    """`net` with its gradients averaged over all processes; `by_parts` where a step may leave some parameters out."""
    devices = [device] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(net, device_ids=devices, find_unused_parameters=by_parts)
