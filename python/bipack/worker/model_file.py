"""Reading a model file: everything that must be true of it before the runtime sees a byte.

The file that is checked is the file that is run: it is read once, hashed, parsed and searched for external data, and
the same bytes are handed to ONNX Runtime. External data is refused altogether, since some runtimes follow such paths
out of the model's folder; one file with a hash in its card is what Bipack ships and loads.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from bipack.errors import MissingInput, ModelRefused

MAX_BYTES = (1 << 31) - 1
"""Largest single-file model that protobuf can hold."""


@dataclass(frozen=True)
class ModelFile:
    """A model that was read and found in order."""

    path: str
    data: bytes
    sha256: str
    proto: Any
    """The parsed ModelProto."""


def read(path: str, name: str, sha256: str = "") -> ModelFile:
    """Read the model at `path`, called `name` in errors; `sha256` is what its card says, empty where there is none.

    Raises MissingInput when the file is not there, ModelRefused when it cannot be trusted or is no ONNX model.
    """
    data = _bytes(path, name)
    digest = hashlib.sha256(data).hexdigest()
    if sha256 and digest != sha256.lower():
        raise ModelRefused(
            f"Model {name!r}: {path} is not the file of its card (sha256 {digest[:12]}…, card {sha256[:12]}…). "
            "Install the model again."
        )
    try:
        proto = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ModelRefused(f"Model {name!r}: {path} is no ONNX file. Export the model to ONNX again.") from error
    if not proto.graph.output or not proto.opset_import or not proto.ir_version:
        raise ModelRefused(f"Model {name!r}: {path} is no ONNX model (it has no graph). Export the model again.")
    for tensor in _tensors(proto):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data):
            raise ModelRefused(
                f"Model {name!r}: tensor {tensor.name!r} lies in another file, which Bipack does not follow. "
                "Export the model as a single file."
            )
    return ModelFile(path, data, digest, proto)


def _bytes(path: str, name: str) -> bytes:
    try:
        size = os.path.getsize(path)
        if size > MAX_BYTES:
            raise ModelRefused(f"Model {name!r}: {path} has {size / 1e9:.1f} GB; the limit is 2 GB. Use a smaller one.")
        with open(path, "rb") as stream:
            data = stream.read()
    except FileNotFoundError:
        raise MissingInput(f"Model {name!r}: {path} does not exist.") from None
    except OSError as error:
        raise ModelRefused(
            f"Model {name!r}: {path} cannot be read ({error.strerror}). Check its permissions."
        ) from error
    if not data:
        raise ModelRefused(f"Model {name!r}: {path} is empty. Copy or install the model again.")
    return data


def _tensors(proto: Any) -> Iterator[Any]:
    """Every tensor of a model: weights, attributes, subgraphs, functions and training graphs."""
    graphs = [proto.graph]
    for info in proto.training_info:
        graphs += [info.initialization, info.algorithm]
    for graph in graphs:
        yield from _graph_tensors(graph)
    for function in proto.functions:
        yield from _node_tensors(function.node)
        for attribute in function.attribute_proto:
            yield from _attribute_tensors(attribute)


def _graph_tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        for attribute in node.attribute:
            yield from _attribute_tensors(attribute)


def _attribute_tensors(attribute: Any) -> Iterator[Any]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    sparse = [*([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []), *attribute.sparse_tensors]
    for entry in sparse:
        yield from (entry.values, entry.indices)
    for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
        yield from _graph_tensors(graph)
