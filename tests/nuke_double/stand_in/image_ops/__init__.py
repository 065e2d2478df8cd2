"""Image operators: node class to a function from Op to Image."""

from __future__ import annotations

from collections.abc import Callable

from ..image import Image
from ..operator import Op
from . import (
    channel,
    color,
    colorspace,
    filters,
    generate,
    geometry,
    merge,
    pixel_expression,
    plumbing,
    read,
    time,
    warp,
)

OPERATORS: dict[str, Callable[[Op], Image]] = {
    **plumbing.OPERATORS,
    **read.OPERATORS,
    **channel.OPERATORS,
    **color.OPERATORS,
    **colorspace.OPERATORS,
    **filters.OPERATORS,
    **generate.OPERATORS,
    **geometry.OPERATORS,
    **merge.OPERATORS,
    **pixel_expression.OPERATORS,
    **time.OPERATORS,
    **warp.OPERATORS,
}
