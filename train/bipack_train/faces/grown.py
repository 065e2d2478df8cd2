"""Weights of a smaller parser as the start of a larger one, which gives at first what the smaller one gave.

Its channels become the first ones of each layer. They see none of the new channels yet, which begin at random and are
taken up as training goes on. A head that gave the regions of half-size pixels gives them to all four pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bipack.face_regions import REGIONS
from bipack_train.models.face_parser import POINTS, FaceParserNet


def grown(weights: dict[str, Tensor], size: str) -> dict[str, Tensor]:
    """Weights of a parser of `size` that begin with `weights`. Raises ValueError where these do not fit into it."""
    result = FaceParserNet(size).state_dict()
    for name, given in weights.items():
        if name not in result:
            raise ValueError(f"there is no layer {name}")
        if name.startswith("head.") and len(given) == len(REGIONS) + POINTS + 1:
            given = torch.cat([given[: len(REGIONS)]] * 4 + [given[len(REGIONS) :]])
        _put(result[name], given, name)
    return result


def _put(target: Tensor, given: Tensor, name: str) -> None:
    """Lay `given` into the first channels of `target`, in place."""
    if target.ndim != given.ndim or any(large < small for large, small in zip(target.shape, given.shape, strict=True)):
        raise ValueError(f"{name} is {tuple(given.shape)}, there is room for {tuple(target.shape)}")
    if target.ndim == 4:
        if target.shape[2:] != given.shape[2:]:
            raise ValueError(f"{name} is {tuple(given.shape)}, there is room for {tuple(target.shape)}")
        target[: len(given), given.shape[1] :] = 0
    target[tuple(slice(0, side) for side in given.shape)] = given.to(target.dtype)
