"""Settings to start from, for each finishing tool: what an artist reaches for first."""

from __future__ import annotations

from typing import Any, Dict, Mapping

Preset = Mapping[str, Any]


def _amounts(*amounts: float, **others: Any) -> Preset:
    settings = {f"amount{number}": amount for number, amount in enumerate(amounts, start=1)}
    # In scene-linear light a soft edge glows over what is dark beside it.
    return {**settings, "working_space": "encoded", **others}


def _taken(*weights: float) -> Preset:
    return {**{f"band{number}": weight for number, weight in enumerate(weights[:5], start=1)}, "base": weights[5]}


PRESETS: Dict[str, Dict[str, Preset]] = {
    "equalizer": {
        "soften skin": _amounts(0.0, 0.35, 0.5, 0.25, 0.0, edges=1.0),
        # Every band takes finer texture along; the first gives grain and pores back, for 3 x 0.65 x 0.65 x 0.8 is 1.
        "soften skin, keep grain": _amounts(-2.0, 0.35, 0.35, 0.2, 0.0, edges=1.0),
        "even out blotches": _amounts(0.0, 0.0, 0.2, 0.6, 0.5, edges=1.0),
        "calm fine wrinkles": _amounts(0.0, 0.5, 0.6, 0.0, 0.0, edges=0.8),
        "quieten noise": _amounts(0.7, 0.25, 0.0, 0.0, 0.0, edges=0.8),
        "crisp": _amounts(-0.35, -0.25, 0.0, 0.0, 0.0, edges=0.3),
        "bring out texture": _amounts(0.0, -0.25, -0.4, -0.2, 0.0, edges=0.3),
        "local contrast": _amounts(0.0, 0.0, 0.0, -0.2, -0.35, edges=0.4),
        "neutral": _amounts(0.0, 0.0, 0.0, 0.0, 0.0, edges=0.0, working_space="linear"),
    },
    "beauty": {
        "as Flame": {"dark_spots": 0.8, "highlights": 0.5, "detail": 0.0, "shine": 0.2, "regrain": 1.0},
        "light touch": {"dark_spots": 0.5, "highlights": 0.3, "detail": 0.0, "shine": 0.1, "regrain": 1.0},
        "close-up": {
            "dark_spots": 0.9,
            "highlights": 0.6,
            "smooth_size": 16.0,
            "shine_blur": 48.0,
            "shine": 0.2,
            "regrain": 1.0,
        },
        "silver": {"dark_spots": 0.7, "highlights": 0.4, "shine": 0.5, "shine_saturation": 0.3, "regrain": 1.0},
        "only shine": {"dark_spots": 0.0, "highlights": 0.0, "detail": 0.0, "shine": 0.3, "regrain": 0.0},
    },
    "regrain": {
        "repainted area": {"grain_from": "plate", "patches": "matte", "amount": 1.0},
        "only color was changed": {"grain_from": "plate", "patches": "off", "amount": 1.0},
        "made from scratch": {"grain_from": "synthetic", "amount": 1.0},
    },
    "recombine": {
        "keep pores and grain": _taken(0.0, 0.0, 1.0, 1.0, 1.0, 1.0),
        "keep grain": _taken(0.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        "only light and color": _taken(0.0, 0.0, 0.0, 0.0, 0.5, 1.0),
        "only texture": _taken(1.0, 1.0, 1.0, 0.0, 0.0, 0.0),
        "the whole result": _taken(1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    },
    "frequency_split": {},
    "clean_plate": {},
}
"""Tool, then name of the preset, then the knobs that it sets; all others stay as they are."""
