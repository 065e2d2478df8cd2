"""The settings that every super-res model has besides those of its card: size, truth to the plate, alpha, looks.

Worker and gizmos take them from here, so that both speak of the same names.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple

from bipack.card import Knob, ModelCard

GIZMO = "BipackSuperRes"
ALPHA = ("guided", "resize", "model")

FACTOR = Knob(
    "factor",
    "float",
    0.0,
    "Factor",
    0.0,
    8.0,
    tooltip="How many times as large the result is, 1 to 8, such as 1.37 or 2.5: by the model, then by an exact "
    "resize in linear light. 0 is the model's own factor.",
)
WIDTH = Knob(
    "width",
    "int",
    0,
    "Width",
    0,
    16384,
    tooltip="Width of the result's format in pixels; the height follows. 0 leaves the size to the factor.",
)
BACK_PROJECTION = Knob(
    "back_projection",
    "int",
    0,
    "Back-projection",
    0,
    8,
    tooltip="Passes that bring the result back to the plate: averaged down in linear light it then is the plate, "
    "within 0.001. 0 is off, 4 is plenty. Not for noisy or compressed plates, whose faults come back too.",
)
ALPHA_BY = Knob(
    "alpha",
    "enum",
    "guided",
    "Alpha by",
    values=ALPHA,
    tooltip="How alpha is enlarged: guided by the edges of the result, by an exact resize alone, or by the model as "
    "if it were a grey picture.",
)
SELF_ENSEMBLE = Knob(
    "self_ensemble",
    "enum",
    "off",
    "Self-ensemble",
    values=("off", "2", "4", "8"),
    tooltip="How many looks at the plate, mirrored and turned, are averaged: lines come out truer, by up to 0.2 dB "
    "with 8. It takes as many times as long.",
)


def of_card(card: Optional[ModelCard]) -> Tuple[Knob, ...]:
    """The knobs that a model with this card has besides its own."""
    if card is None or card.kind != "image" or (card.scale == 1 and card.gizmo != GIZMO):
        return ()
    names = {knob.name for knob in card.knobs}
    found = (FACTOR, WIDTH, BACK_PROJECTION) if card.scale > 1 else (FACTOR, WIDTH)
    # Made-up detail differs from look to look: the mean would be none. Equal looks have nothing to average.
    mean_helps = not card.equivariant and all(port.role != "noise" for port in card.inputs)
    found = (*found, ALPHA_BY, SELF_ENSEMBLE) if mean_helps else (*found, ALPHA_BY)
    return tuple(knob for knob in found if knob.name not in names)


def chosen(card: ModelCard, values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Of a model's knob `values` those of `of_card`: a card may have given one of the names another meaning."""
    ours = {knob.name for knob in of_card(card)}
    return {name: value for name, value in values.items() if name in ours}


def looks(card: ModelCard, values: Mapping[str, Any]) -> int:
    """How many mirrored looks are averaged, 1 without."""
    wanted = chosen(card, values).get(SELF_ENSEMBLE.name, "off")
    return 1 if wanted == "off" else int(wanted)


def result_factor(scale: int, values: Mapping[str, Any], plate_width: int) -> float:
    """How many times as wide the result is, whatever decides it; not checked for sense."""
    width = int(values.get(WIDTH.name) or 0)
    if width > 0 and plate_width > 0:
        return width / plate_width
    return float(values.get(FACTOR.name) or 0) or float(scale)
