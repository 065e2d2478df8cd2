"""From a torch module to the ONNX files that are shipped: one single file, any frame size, plain operators.

The exporter through TorchScript is used on purpose: for the plain networks here it gives the same nodes that one would
write by hand (Conv, LeakyRelu, DepthToSpace, Add, Resize) with free height and width, and needs no further package.
A half-precision twin for GPUs holds the same graph with its weights in fp16 behind Cast nodes, so that both files take
and give float32 and the worker may swap one for the other.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from bipack import atomic
from bipack.errors import ModelRefused

OPSET = 18
_FREE_AXES = {0: "batch", 2: "height", 3: "width"}

log = logging.getLogger(__name__)


def export_onnx(
    module: nn.Module,
    path: str,
    examples: Sequence[Tensor],
    input_names: Sequence[str],
    output_names: Sequence[str],
    *,
    opset: int = OPSET,
    axes: Mapping[str, Mapping[int, str]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write `module` (float32, on the CPU) to `path` as a single-file ONNX; the file appears only when it is whole.

    `examples` are inputs of any valid size, as (N, C, H, W). Batch, height and width of every input and output stay
    free, unless `axes` names the free axes of one of them ({} for a vector such as an amount). `metadata` goes into
    the file's properties; the card holds everything else. Raises ModelRefused when the graph is not valid, DiskError.
    """
    free = {name: dict(_FREE_AXES) for name in (*input_names, *output_names)}
    # Results of another size get axis names of their own: the same name would promise the same size.
    for name in output_names:
        free[name] = {0: "batch", 2: f"{name}_height", 3: f"{name}_width"}
    free |= {name: dict(named) for name, named in (axes or {}).items()}
    stream = io.BytesIO()
    was_training = module.training
    module.eval()
    try:
        with _quiet():
            torch.onnx.export(
                module,
                tuple(examples),
                stream,  # type: ignore[arg-type]  # annotated as a path only; a stream is written all the same
                input_names=list(input_names),
                output_names=list(output_names),
                dynamic_axes={name: named for name, named in free.items() if named},
                opset_version=opset,
                dynamo=False,
            )
    finally:
        module.train(was_training)
    model = onnx.load_from_string(stream.getvalue())
    write_model(model, path, metadata)


def write_model(model: onnx.ModelProto, path: str, metadata: Mapping[str, str] | None = None) -> None:
    """Tidy, check and write an ONNX model as one file. Raises ModelRefused when it is not valid, DiskError."""
    del model.metadata_props[:]
    for key, value in sorted((metadata or {}).items()):
        model.metadata_props.add(key=key, value=value)
    model.producer_name, model.producer_version, model.doc_string = "bipack", "", ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelRefused(f"The exported graph for {path} is not valid ONNX: {error}.") from error
    atomic.write_bytes(path, model.SerializeToString(deterministic=True))


def export_half_twin(
    module: nn.Module,
    path: str,
    examples: Sequence[Tensor],
    input_names: Sequence[str],
    output_names: Sequence[str],
    **options: Any,
) -> None:
    """Write the half-precision twin of `export_onnx`: fp16 inside, float32 at every input and output.

    A module with a method `half_twin()` decides itself which part of it becomes fp16 (a super-res net keeps the plate
    that it adds to in float32); any other module is converted whole. Raises as `export_onnx` does.
    """
    twin = module.half_twin() if hasattr(module, "half_twin") else HalfInside(module)  # type: ignore[operator]
    export_onnx(twin, path, examples, input_names, output_names, **options)


class HalfInside(nn.Module):
    """A copy of a module that computes in fp16 and takes and gives float32."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).eval().half()

    def forward(self, *inputs: Tensor) -> Any:
        """Run the module on inputs cast to fp16; its result or results are cast back."""
        result = self.module(*(value.half() for value in inputs))
        if isinstance(result, Tensor):
            return result.float()
        return tuple(value.float() for value in result)


def operators(path: str) -> list[str]:
    """Operator names of the graph in order, constants left out: what a reader of a new model looks at first."""
    return [node.op_type for node in onnx.load(path).graph.node if node.op_type != "Constant"]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notice about its successor out of an artist's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
