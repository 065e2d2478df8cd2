"""A model's card as knobs of the node, and the node's knobs as settings for the worker.

The knobs are ordinary user knobs, so that they are saved with the script, can be animated and linked, and stay when
Bipack is not there. They are rebuilt only when the model changes; values are kept by name.
"""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import nuke

from bipack import enlarge_knobs
from bipack.card import Knob
from bipack.errors import UsageError
from bipack.host import model, retiming
from bipack.host.graph import Reach, varies
from bipack.host.node import (
    INSIDE_MATTE,
    LAYER_ONLY,
    LOADED,
    MATTE_WRITE,
    MODEL_FILE_CHOICE,
    MODEL_KNOB_PREFIX,
    PLATE_INPUT,
    PLATE_WRITE,
    TIMING_BY,
    BipackNode,
    no_undo,
)
from bipack.inpaint_knobs import KIND as INPAINT_KIND

_CLASSES = {
    "float": "Double_Knob",
    "int": "Int_Knob",
    "bool": "Boolean_Knob",
    "enum": "Enumeration_Knob",
    "string": "String_Knob",
}


SIZE_KNOBS = tuple(MODEL_KNOB_PREFIX + knob.name for knob in (enlarge_knobs.FACTOR, enlarge_knobs.WIDTH))
"""Model knobs that decide how large the result is."""

ANY_MODEL = "BipackModel"
"""The gizmo that runs models of every kind; the others list only those whose card names them."""


def refresh_menu(node: BipackNode, anew: bool = False) -> None:
    """Fill the node's model menu with what is installed. A choice that is not installed here stays in it."""
    menu = node.group.knob("model")
    if menu is None:
        return
    own = "" if node.tool == ANY_MODEL else node.tool
    names = [MODEL_FILE_CHOICE] if node.has("model_file") else []
    names += [found.name for found in model.installed(own, anew)]
    names += [model.CLASSICAL] if node.has(TIMING_BY) else []
    current = str(menu.value() or "")
    if current and current not in names:
        names.append(current)
    if names and list(menu.values()) != names:
        with no_undo():
            menu.setValues(names)
            menu.setValue(current or names[0])


def load_model(node: BipackNode) -> model.ChosenModel:
    """Fit the node to its chosen model: knobs, size, channels. Does nothing where it fits already.

    Raises UsageError, MissingInput or ModelRefused when the model is no good; the node is then left as it was.
    """
    chosen = model.chosen(node)
    identity = f"{chosen.name} {chosen.sha256}"
    with no_undo():
        if node.value(LOADED) != identity:
            _rebuild(node, chosen.knobs)
            # A model that takes the matte applies it itself; applying it twice would thin soft edges.
            node.set("restrict", not any(port.role == "matte" for port in (chosen.card.inputs if chosen.card else ())))
            node.set(LOADED, identity)
        if chosen.scale is not None:
            fit_scale(node, _result_factor(node, chosen))
        _fit_channels(node, chosen)
    return chosen


def _result_factor(node: BipackNode, chosen: model.ChosenModel) -> float:
    """Size of the result over the size of the plate, as the knobs stand."""
    values = {}
    for spec in enlarge_knobs.of_card(chosen.card):
        knob = node.group.knob(MODEL_KNOB_PREFIX + spec.name)
        values[spec.name] = knob.value() if knob is not None else spec.default
    connected = node.group.input(PLATE_INPUT)
    width = connected.width() if connected is not None else 0
    return enlarge_knobs.result_factor(chosen.scale or 1, values, width)


def fit_scale(node: BipackNode, scale: float) -> None:
    """Let the plate be shown at the size of the result."""
    node.set("factor", scale)


def _fit_channels(node: BipackNode, chosen: model.ChosenModel) -> None:
    """Cook only the model's layer where the picture keeps its size, else all channels, which then are enlarged too.

    At the plate's size the gizmo takes every other channel from the plate itself, to the bit. Inpaint fills and adds
    channels: there all of them go there and back.
    """
    own = layer(node)
    written, taken = own if chosen.scale == 1 else "all", own
    if chosen.kind == INPAINT_KIND or chosen.retimes:
        written, taken = "all", "all"
    for inner, channels in ((PLATE_WRITE, written), (LAYER_ONLY, taken)):
        if inner == LAYER_ONLY and not node.has_inner(LAYER_ONLY):
            continue
        knob = node.inner(inner)["channels"]
        if knob.value() != channels:
            knob.setValue(channels)


def plate_channels(node: BipackNode) -> str:
    """Channels that are written for the worker."""
    return str(node.inner(PLATE_WRITE)["channels"].value())


def matte_channel(node: BipackNode) -> str:
    """Channel of the matte input that is the matte; written for the worker and used by the mask alike."""
    knob = node.inner(INSIDE_MATTE)["maskChannel"] if node.has_inner(INSIDE_MATTE) else node.group["matte_channel"]
    channel = str(knob.value() or "")
    if channel in ("", "none"):
        raise UsageError(f"{node.name} has a matte input but no matte channel. Choose one, or disconnect the matte.")
    node.inner(MATTE_WRITE)["channels"].setValue(channel)
    return channel


def layer(node: BipackNode) -> str:
    """Layer that the model works on; `rgb` and `alpha` are parts of rgba."""
    name = str(node.value("layer") or "").split(" ")[0].split(".")[0]
    if name in ("", "none", "all"):
        raise UsageError(f"{node.name} has no layer to work on. Choose rgba or another layer in its 'layer' knob.")
    return "rgba" if name in ("rgb", "alpha", "red", "green", "blue") else name


def settings_at(node: BipackNode, chosen: model.ChosenModel, frame: int) -> Dict[str, Any]:
    """The model's settings for one frame, by the names in the card."""
    found = {}
    for knob in chosen.knobs:
        ours = node.group.knob(MODEL_KNOB_PREFIX + knob.name)
        found[knob.name] = knob.default if ours is None else _value_at(ours, knob, frame)
    return found


def reach(node: BipackNode, chosen: model.ChosenModel) -> Reach:
    """Which frames of the plate one result is made from."""
    if retiming.is_retimer(node):
        return Reach(retimed=retiming.timing(node))
    lending = None
    if chosen.kind == INPAINT_KIND:
        lending = settings_at(node, chosen, int(nuke.frame()))
    return Reach(chosen.window, lending)


def tile(node: BipackNode) -> str:
    """`auto` or a number of pixels. Raises UsageError for anything else."""
    text = node.text("tile") or "auto"
    if text != "auto" and not (text.isdigit() and int(text) > 0):
        raise UsageError(f"{node.name}: tile is {text!r}. Give a size in pixels, such as 512, or auto.")
    return text


# -- inner -----------------------------------------------------------------------------------------------------------


def _rebuild(node: BipackNode, wanted: Tuple[Knob, ...]) -> None:
    """Replace the knobs that came from a card by those of another, in the card's order."""
    old: Dict[str, Tuple[str, str]] = {}
    for knob in _model_knobs(node):
        old[knob.name()] = (knob.Class(), knob.toScript())
        node.group.removeKnob(knob)
    for spec in wanted:
        knob = _make(spec)
        node.group.addKnob(knob)
        # No setDefaultValue: a value that equals it would not be saved, and be 0 where the script is opened next.
        knob.setValue(_plain(spec, spec.default))
        kind, text = old.get(knob.name(), ("", ""))
        if kind == knob.Class() and (spec.type != "enum" or text.strip('"{}') in spec.values):
            knob.fromScript(text)


def _model_knobs(node: BipackNode) -> List[Any]:
    return [knob for name, knob in node.group.knobs().items() if name.startswith(MODEL_KNOB_PREFIX)]


def _make(spec: Knob) -> Any:
    if spec.type not in _CLASSES:
        raise UsageError(f"Knob {spec.name!r} of the model is of type {spec.type!r}, which Nuke has no knob for.")
    arguments = [MODEL_KNOB_PREFIX + spec.name, spec.label or spec.name.replace("_", " ")]
    if spec.type == "enum":
        arguments.append(list(spec.values))  # type: ignore[arg-type]
    knob = getattr(nuke, _CLASSES[spec.type])(*arguments)
    knob.setTooltip(spec.tooltip or f"Setting {spec.name!r} of the model.")
    if spec.type in ("float", "int") and spec.minimum is not None and spec.maximum is not None:
        knob.setRange(spec.minimum, spec.maximum)
    if spec.type in ("bool", "enum"):
        knob.setFlag(nuke.STARTLINE)
    return knob


def _plain(spec: Knob, value: Any) -> Any:
    """`value` as the card's type."""
    return {"float": float, "int": int, "bool": bool, "enum": str, "string": str}[spec.type](value)


def _value_at(knob: Any, spec: Knob, frame: int) -> Any:
    if spec.type == "string":
        return str(knob.value() or "")
    if not varies(knob):
        value = knob.value()
    else:
        value = knob.getValueAt(frame)
        if spec.type == "enum":
            return str(knob.values()[int(value)])
    return _plain(spec, value)
