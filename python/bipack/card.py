"""The model card: all that Bipack knows and promises about one ONNX file.

`card.json` lies beside the model. It is the one truth: the gizmo makes its knobs from it, the worker its tiles, the
catalogue its text. Reading is strict, so that a typing slip in a card is found when it is written and not on a farm.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import typing
from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, Optional, Tuple

from bipack import atomic
from bipack.errors import ModelRefused

SCHEMA = 1
CARD_NAME = "card.json"
KINDS = ("image", "masked", "pair", "region", "interpolate", "inpaint", "parser")
ROLES = ("plate", "matte", "latent", "noise", "amount", "flow", "size")
ENCODINGS = ("bipack", "linear")
TILING = ("exact", "blend", "whole")
FLOW_DETAILS = ("half", "full")
KNOB_TYPES = ("float", "int", "bool", "enum", "string")


@dataclass(frozen=True)
class Port:
    """One input or output tensor of the graph."""

    name: str
    """Name in the graph."""

    channels: int
    """Channels; a plate with several frame offsets has `channels` for each of them."""

    role: str = "plate"
    """plate: the picture. matte: (N,1,H,W) 0..1. noise: (N,1,H,W) unit normal, made per frame by the worker.
    amount: one number from a knob, shaped (1,). latent: (N,k) numbers from knobs. flow: (N,2k,H,W) motion in pixels.
    size: (N,1,H,W) pixels."""

    layout: str = "NCHW"
    """Axis order; NCHW is the only one."""

    frame_offsets: Tuple[int, ...] = (0,)
    """Frames that a plate input holds, relative to the current one, in channel order."""

    aligned: bool = False
    """Of a plate with several frame offsets: the others are moved onto the current frame before they go in."""

    range: Tuple[float, float] = (0.0, 1.0)
    """Values (after encoding) that training covered; outside it `preflight` warns. Nothing is clamped to it."""

    optional: bool = False
    """For a matte: filled with 1 where the artist gives none."""


@dataclass(frozen=True)
class Knob:
    """One setting that the artist may change."""

    name: str
    type: str
    default: Any
    label: str = ""
    minimum: Optional[float] = None
    """Low end of the slider; typed values beyond are allowed."""

    maximum: Optional[float] = None
    values: Tuple[str, ...] = ()
    """Choices of an enum."""

    tooltip: str = ""
    input: str = ""
    """Name of the graph input that takes the value; empty for a knob of Bipack's own."""

    index: int = 0
    """Position inside a latent input."""


@dataclass(frozen=True)
class Geometry:
    """What the graph needs of a tile; derived by `bipack.worker.graph`, recorded here."""

    tiling: str = "exact"
    """exact: tiled = whole frame. blend: global context, tiles are cross-faded. whole: never tiled."""

    multiple: int = 1
    """Input height and width must be a multiple of this (padding is added and cut off again)."""

    minimum: int = 1
    """Smallest input height and width."""

    halo: int = 0
    """Plate pixels that one result pixel sees on the farthest side."""

    tile: int = 512
    """Tile size that `auto` starts from, in plate pixels."""

    overlap: int = 0
    """Margin added on each side of a tile, in plate pixels."""


@dataclass(frozen=True)
class GraphFile:
    """A further graph of a model that needs more than one."""

    file: str
    sha256: str


@dataclass(frozen=True)
class PaintedFile:
    """A frame as the artist finished it: RGB, scene-linear EXR, of the size of the plate."""

    file: str
    sha256: str
    frame: int = 0


@dataclass(frozen=True)
class Painted:
    """Finished frames beside a model, in which the worker looks up what marks hide elsewhere."""

    files: Tuple[PaintedFile, ...]
    error: float
    """Mean squared error, in encoded values, that the model's own repairs are expected to have on a new frame."""


@dataclass(frozen=True)
class Source:
    """One source of training data, with its licence."""

    name: str
    licence: str
    items: int = 0
    credit: str = ""


@dataclass(frozen=True)
class Training:
    """Where the weights come from."""

    data: Tuple[Source, ...] = ()
    recipe: str = ""
    """Path of the recipe in the repository, or its text for an artist's own model."""

    seed: int = 0
    steps: int = 0
    pairs: Tuple[str, ...] = ()
    """Hashes of the pairs, for models trained on before/after pairs."""

    commit: str = ""
    date: str = ""
    base_model: str = ""
    """name@sha256 of the model it was fine-tuned from."""

    machine: str = ""
    minutes: float = 0.0


@dataclass(frozen=True)
class Score:
    """One measured figure on data that training never saw."""

    metric: str
    set: str
    value: float
    baseline: str = ""
    baseline_value: Optional[float] = None


@dataclass(frozen=True)
class Likeness:
    """Scope of a performer's consent, where the model shows one."""

    performer: str
    show: str
    expiry: str = ""


@dataclass(frozen=True)
class ModelCard:
    """A whole card. Fields without a value in the file take the default here."""

    name: str
    title: str
    version: str
    purpose: str
    file: str
    sha256: str
    kind: str
    inputs: Tuple[Port, ...]
    outputs: Tuple[Port, ...]
    schema: int = SCHEMA
    gizmo: str = "BipackModel"
    fp16_file: str = ""
    """Half-precision twin for GPUs, beside the model; empty when there is none."""

    fp16_sha256: str = ""
    graphs: Mapping[str, GraphFile] = field(default_factory=dict)
    """Further graphs by name, beside `file`: slow motion has `synthesis`, run once for each new frame."""

    scale: int = 1
    """Result size over plate size."""

    color: str = "bipack"
    """Encoding around the net: `bipack` (imaging.color) or `linear` (as the plate is)."""

    geometry: Geometry = field(default_factory=Geometry)
    knobs: Tuple[Knob, ...] = ()
    training: Training = field(default_factory=Training)
    scores: Tuple[Score, ...] = ()
    painted: Optional[Painted] = None
    """Frames that repairs are looked up in; None for a model that stands alone."""

    tolerance: Mapping[str, float] = field(default_factory=dict)
    """Largest difference from the proof frame, in encoded values, by execution provider."""

    limits: Tuple[str, ...] = ()
    """What it cannot do, in plain words."""

    author: str = ""
    licence: str = ""
    likeness: Optional[Likeness] = None
    verified: bool = True
    """False for a bare ONNX that has no card."""

    flow_detail: str = "half"
    """Of slow motion: how finely the flow is looked for that the networks start from; `half` of the size, or `full`,
    which follows clean footage better and noise as well (`imaging.motion_search`)."""

    equivariant: bool = False
    """True where a mirrored or turned plate has the mirrored or turned result: a mean of looks changes nothing."""

    @property
    def frame_offsets(self) -> Tuple[int, ...]:
        """Frames needed around the current one."""
        offsets = {offset for port in self.inputs if port.role == "plate" for offset in port.frame_offsets}
        return tuple(sorted(offsets))


def load(folder: str) -> ModelCard:
    """Read and check the card in `folder`. Raises ModelRefused with the entry that is wrong."""
    path = os.path.join(folder, CARD_NAME)
    try:
        with open(path, encoding="utf-8") as stream:
            data = json.load(stream)
    except OSError as error:
        raise ModelRefused(f"Model card {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ModelRefused(f"Model card {path} is not JSON: {error}.") from error
    return from_data(data, path)


def from_data(data: Any, path: str = CARD_NAME) -> ModelCard:
    """Build a card from parsed JSON; `path` is named in errors."""
    if not isinstance(data, dict):
        raise ModelRefused(f"Model card {path} is not a JSON object.")
    if data.get("schema") != SCHEMA:
        raise ModelRefused(
            f"Model card {path} has schema {data.get('schema')!r}; this Bipack reads {SCHEMA}. "
            "Update Bipack or the card."
        )
    card = typing.cast(ModelCard, _build(ModelCard, data, path, "card"))
    _check(card, path)
    return card


def save(card: ModelCard, folder: str) -> None:
    """Write the card into `folder`, atomically. Raises DiskError."""
    text = json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False)
    atomic.write_bytes(os.path.join(folder, CARD_NAME), (text + "\n").encode("utf-8"))


def file_sha256(path: str) -> str:
    """SHA-256 of a file, as lower-case hex. Raises ModelRefused when it cannot be read."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise ModelRefused(f"Model file {path} cannot be read: {error.strerror}.") from error
    return digest.hexdigest()


def _build(kind: Any, data: Any, path: str, where: str) -> Any:
    """Turn JSON into the annotated type `kind`, refusing what does not fit. `where` names the entry in errors."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return data
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, data, path, where)
    if origin is typing.Union:
        return None if data is None else _build(arguments[0], data, path, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise ModelRefused(f"Model card {path}: {where} must be a list, and is {data!r}.")
        return tuple(_build(arguments[0], item, path, f"{where}[{index}]") for index, item in enumerate(data))
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if origin is not None:  # Mapping[str, ...]
        if not isinstance(data, dict):
            raise ModelRefused(f"Model card {path}: {where} must be an object, and is {data!r}.")
        return {str(key): _build(arguments[1], item, path, f"{where}.{key}") for key, item in data.items()}
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ModelRefused(f"Model card {path}: {where} must be of type {kind.__name__}, and is {data!r}.")
    return data


def _build_dataclass(kind: Any, data: Any, path: str, where: str) -> Any:
    if not isinstance(data, dict):
        raise ModelRefused(f"Model card {path}: {where} must be an object, and is {data!r}.")
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(data) - set(hints))
    if unknown:
        raise ModelRefused(f"Model card {path}: {where} has unknown entries {', '.join(unknown)}.")
    values: Dict[str, Any] = {}
    for spec in dataclasses.fields(kind):
        if spec.name in data:
            values[spec.name] = _build(hints[spec.name], data[spec.name], path, f"{where}.{spec.name}")
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            raise ModelRefused(f"Model card {path}: {where} lacks the entry {spec.name!r}.")
    return kind(**values)


def _check(card: ModelCard, path: str) -> None:
    """Refuse values that have the right type and make no sense."""

    def require(fits: bool, entry: str, found: Any, allowed: Any) -> None:
        if not fits:
            raise ModelRefused(f"Model card {path}: {entry} is {found!r}; allowed: {allowed}.")

    require(card.kind in KINDS, "kind", card.kind, KINDS)
    require(card.flow_detail in FLOW_DETAILS, "flow_detail", card.flow_detail, FLOW_DETAILS)
    require(card.color in ENCODINGS, "color", card.color, ENCODINGS)
    require(1 <= card.scale <= 16, "scale", card.scale, "1 to 16")
    require(card.geometry.tiling in TILING, "geometry.tiling", card.geometry.tiling, TILING)
    for label, number in (("multiple", card.geometry.multiple), ("minimum", card.geometry.minimum)):
        require(number >= 1, f"geometry.{label}", number, "1 or more")
    require(any(port.role == "plate" for port in card.inputs), "inputs", [], "at least one with the role plate")
    require(bool(card.outputs), "outputs", [], "at least one")
    for port in card.inputs + card.outputs:
        require(port.role in ROLES, f"{port.name}.role", port.role, ROLES)
        require(port.layout == "NCHW", f"{port.name}.layout", port.layout, "NCHW")
        require(port.channels >= 1, f"{port.name}.channels", port.channels, "1 or more")
    for knob in card.knobs:
        require(knob.type in KNOB_TYPES, f"{knob.name}.type", knob.type, KNOB_TYPES)
    files = [("file", card.file), ("fp16_file", card.fp16_file)]
    files += [(f"graphs.{key}.file", graph.file) for key, graph in card.graphs.items()]
    if card.painted is not None:
        require(card.painted.error > 0, "painted.error", card.painted.error, "more than 0")
        files += [("painted.files", painted.file) for painted in card.painted.files]
    for entry, name in files:
        # A card must not reach outside its own folder: it may come from anybody.
        require(name == os.path.basename(name), entry, name, "a bare file name")
