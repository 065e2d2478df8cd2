"""The class tables, by the menus of Nuke's toolbar."""

from __future__ import annotations

from . import channel, color, filters, image, merge, other, transform
from .common import Table

CLASSES: dict[str, Table] = {
    **image.CLASSES,
    **channel.CLASSES,
    **color.CLASSES,
    **filters.CLASSES,
    **merge.CLASSES,
    **transform.CLASSES,
    **other.CLASSES,
}
