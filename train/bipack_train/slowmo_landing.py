"""`bipack.imaging.candidates` once more, to be learned through: what each candidate of a new frame shows.

Where pixels land is taken as given; what they carry there, flow and bending, is learned.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bipack.imaging import candidates
from bipack.imaging.classical_flow import filled
from bipack_train.models.slowmo import MOVED, difference_gate, enlarge, shrink, warp


def landed(
    frame0: Tensor, frame1: Tensor, flow: Tensor, bend: Tensor, time: Tensor, measured: Tensor
) -> tuple[Tensor, Tensor]:
    """Encoded frames (N, 3, H, W), flow, bending and `steadied` bending (N, 4, H, W) and time (N, 1, 1, 1) to what came
    to the new frame.

    (N, LANDED, H / 2, W / 2) as `Candidates.landed` and the shifts of its eight candidates, (N, 16, H, W).
    """
    small0, small1 = shrink(frame0, 2), shrink(frame1, 2)
    halves = [0.5 * shrink(vectors, 2) for vectors in (flow, bend, measured)]
    from0, cover0 = _land(torch.cat([one[:, :2] for one in halves], dim=1), time, small0, small1)
    from1, cover1 = _land(torch.cat([one[:, 2:] for one in halves], dim=1), 1 - time, small1, small0)
    curve = 0.5 * (time * time - time)
    whole0, whole1 = 2 * enlarge(from0), 2 * enlarge(from1)
    shifts = [
        turn * share * whole[:, :2] - curve * whole[:, at : at + 2]
        for at in (2, 4)
        for whole, turn in ((whole0, 1), (whole1, -1))
        for share in (-time, 1 - time)
    ]
    parts = [from0[:, :2], -from1[:, :2], cover0, cover1, from0[:, 2:4], from1[:, 2:4]]
    return torch.cat(parts, dim=1), torch.cat(shifts, dim=1)


def steadied(measured: Tensor, frame0: Tensor, frame1: Tensor) -> Tensor:
    """`bipack.imaging.bending.steadied` of (N, CHANNELS, H, W)."""
    gate = functional.interpolate(
        difference_gate(frame0, frame1, 4), scale_factor=4.0, mode="bilinear", align_corners=False
    )
    return measured[:, :4] * gate


def moved(frame0: Tensor, frame1: Tensor, shifts: Tensor) -> list[Tensor]:
    """The moved frames, looked up bilinearly."""
    return [warp((frame0, frame1)[index % 2], shifts[:, 2 * index : 2 * index + 2]) for index in range(MOVED)]


def _land(vectors: Tensor, share: Tensor, mine: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Flow, bending and measured bending, (N, 6, h, w), carried along the motion until `share`, and the area (N, 1, h,
    w) that landed."""
    flow, bend = vectors[:, :2], vectors[:, 2:4]
    count, _, height, width = flow.shape
    with torch.no_grad():
        error = (mine - warp(other, flow)).abs().mean(dim=1)
        path = share * flow + 0.5 * (share * share - share) * bend
        x = torch.arange(width, device=flow.device) + path[:, 0]
        y = torch.arange(height, device=flow.device)[:, None] + path[:, 1]
        left, top = x.floor(), y.floor()
        good = torch.exp(-candidates.MATCH * error)
    carried = vectors.permute(0, 2, 3, 1).reshape(-1, 6)
    first = torch.arange(count, device=flow.device).view(-1, 1, 1) * (height * width)
    sums = torch.zeros(count * height * width, 8, device=flow.device)
    for across in (0, 1):
        for down in (0, 1):
            column, row = left + across, top + down
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            area = ((1 - (x - column).abs()) * (1 - (y - row).abs()) * inside).reshape(-1, 1)
            place = (first + row.clamp(0, height - 1) * width + column.clamp(0, width - 1)).long().reshape(-1)
            weight = area * good.reshape(-1, 1)
            sums = sums.index_add(0, place, torch.cat([weight * carried, weight, area], dim=1))
    planes = sums.view(count, height, width, 8).permute(0, 3, 1, 2)
    motion = planes[:, :6] / planes[:, 6:7].clamp(min=1e-9)
    return _without_holes(motion, planes[:, 6:7] < 1e-6), planes[:, 7:].clamp(max=candidates.COVER_MOST).detach()


def _without_holes(motion: Tensor, holes: Tensor) -> Tensor:
    if not bool(holes.any()):
        return motion
    plain = motion.detach().permute(0, 2, 3, 1).cpu().numpy()
    full = np.stack([filled(one.copy(), hole[0]) for one, hole in zip(plain, holes.cpu().numpy(), strict=True)])
    return torch.where(holes, torch.from_numpy(full).permute(0, 3, 1, 2).to(motion.device), motion)
