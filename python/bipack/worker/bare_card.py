"""Card and graph held against each other, and a card for a bare ONNX file that has none.

A derived card says what the graph shows and nothing more: it is `unverified`, and the user is told so.
"""

from __future__ import annotations

from bipack.card import Geometry, ModelCard, Port
from bipack.errors import ModelRefused
from bipack.worker.graph import GraphFacts, TensorFacts


def geometry_of(facts: GraphFacts) -> Geometry:
    """The card's entry for what the graph needs of a tile."""
    g = facts.geometry
    lost = max(g.halo.left, g.halo.right, g.halo.top, g.halo.bottom)
    return Geometry(
        tiling=facts.tiling,
        multiple=facts.multiple,
        minimum=facts.minimum,
        halo=facts.reach,
        overlap=lost + g.overlap,
    )


def derive(name: str, file: str, sha256: str, facts: GraphFacts) -> ModelCard:
    """A card for a model without one. Raises ModelRefused when the graph is no picture model."""
    pictures = [entry for entry in facts.inputs if entry.picture]
    results = [entry for entry in facts.outputs if entry.picture]
    if not pictures or not results:
        raise ModelRefused(
            f"Model {name!r} has no picture input and output laid out as (N, C, H, W); Bipack runs no other."
        )
    plates = [entry for entry in pictures if (entry.channels or 3) > 1] or pictures[:1]
    inputs = tuple(_port(entry, plates) for entry in facts.inputs)
    kind = "pair" if len(plates) > 1 else "masked" if len(pictures) > len(plates) else "image"
    return ModelCard(
        name=name,
        title=name,
        version="",
        purpose="",
        file=file,
        sha256=sha256,
        kind=kind,
        inputs=inputs,
        outputs=tuple(Port(entry.name, entry.channels or 3) for entry in results[:1]),
        scale=int(facts.geometry.scale),
        geometry=geometry_of(facts),
        limits=("A bare ONNX file: nothing is known of its training, colors or limits.",),
        verified=False,
    )


def _port(entry: TensorFacts, plates: list[TensorFacts]) -> Port:
    if entry in plates:
        return Port(entry.name, entry.channels or 3)
    if entry.picture:
        return Port(entry.name, 1, "matte", optional=True)
    single = all(size in (None, 1) for size in entry.shape)
    return Port(entry.name, 1 if single else entry.shape[-1] or 1, "amount" if single else "latent")


def check(card: ModelCard, facts: GraphFacts) -> None:
    """Raise ModelRefused unless the graph has the inputs, outputs, channels and scale that the card names."""

    def refuse(what: str) -> ModelRefused:
        return ModelRefused(f"Model {card.name!r}: {what}. The card does not fit the file; install the model again.")

    for role, ports, tensors in (("input", card.inputs, facts.inputs), ("output", card.outputs, facts.outputs)):
        found = {entry.name: entry for entry in tensors}
        for port in ports:
            entry = found.get(port.name)
            if entry is None:
                raise refuse(f"the card names the {role} {port.name!r}, the graph has {', '.join(found) or 'none'}")
            channels = port.channels * (len(port.frame_offsets) if port.role == "plate" and role == "input" else 1)
            if entry.picture and entry.channels not in (None, channels):
                raise refuse(f"{role} {port.name!r} has {channels} channels by the card, {entry.channels} by the graph")
        if role == "input":
            missing = sorted(set(found) - {port.name for port in ports})
            if missing:
                raise refuse(f"the graph needs the input {missing[0]!r}, which the card does not name")
    if facts.scale is not None and facts.scale != card.scale:
        raise refuse(f"the card says scale {card.scale}, the graph {facts.scale}")
