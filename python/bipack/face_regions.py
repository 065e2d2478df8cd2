"""Names of the regions and points of a face, in the order that the parser, the mattes and the gizmos share.

Left and right are the person's own. What each region means is described in docs/faces.md.
"""

from __future__ import annotations

REGIONS = (
    "background",
    "skin",
    "forehead",
    "brow_l",
    "brow_r",
    "eye_l",
    "eye_r",
    "nose",
    "cheek_l",
    "cheek_r",
    "mouth",
    "chin",
    "neck",
    "ear_l",
    "ear_r",
    "hair",
)
"""The parser's output channels; all but the first are mattes."""

MATTES = REGIONS[1:]

MIRRORED = tuple(
    REGIONS.index(name[:-1] + {"l": "r", "r": "l"}[name[-1]] if name.endswith(("_l", "_r")) else name)
    for name in REGIONS
)
"""For a picture that is flipped: the region that each becomes."""

POINTS = ("eye_l", "eye_r", "nose", "mouth_l", "mouth_r")
"""The five points of a face: middle of both eyes, tip of the nose, corners of the mouth."""
