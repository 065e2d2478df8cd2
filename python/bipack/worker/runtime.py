"""The seam to ONNX Runtime: making its session, and turning its errors into ours.

The runtime is imported on first use only, as it costs a tenth of a second and much memory. Its own log is kept quiet:
what goes wrong is raised as one sentence, and farm engines fail a task over a stray line of the runtime's.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from typing import Any

from bipack.errors import BipackError, ModelRefused
from bipack.worker.devices import CPU, Choice, provider_options

log = logging.getLogger(__name__)

_OUT_OF_MEMORY = re.compile(
    r"failed to allocate memory|out of memory|outofmemory|bad_alloc|bad allocation|ALLOC_FAILED|cannot allocate memory"
    r"|Available memory of \d+ is smaller than requested|AllocateRawInternal|insufficient memory",
    re.IGNORECASE,
)
_TERMINATED = "terminate flag"
_UNKNOWN_OPERATION = re.compile(r"Fatal error: (\S+?)\(-?\d+\) is not a registered|No Op registered for (\w+)")
_NODE = re.compile(r"running (\w+) node\. Name:'([^']*)'")
_OPSET = re.compile(r"Opset (\d+) is under development|Unsupported model IR version: (\d+)")


class OutOfMemory(Exception):
    """Memory ran out inside the runtime; its session must be made anew before it is used again."""


class Terminated(Exception):
    """The run was stopped through its terminate flag."""


def load() -> Any:
    """The onnxruntime module, quiet."""
    # This variable lets a model file set session options; a model is not trusted with that.
    os.environ.pop("ORT_LOAD_CONFIG_FROM_MODEL", None)
    import onnxruntime

    onnxruntime.set_default_logger_severity(2 if log.isEnabledFor(logging.DEBUG) else 4)
    return onnxruntime


def runtime_errors() -> tuple[type[BaseException], ...]:
    """Classes that the runtime raises; they have no common base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "EPFail EngineError Fail InvalidArgument InvalidGraph InvalidProtobuf ModelLoaded NoModel NoSuchFile "
        "NotImplemented RuntimeException"
    )
    classes = [getattr(state, name) for name in names.split() if hasattr(state, name)]
    return (*classes, MemoryError, RuntimeError, ValueError)


def create(data: bytes, name: str, choice: Choice, sha256: str, precision: str, threads: int) -> Any:
    """An InferenceSession for the bytes of a model. Raises ModelRefused or OutOfMemory.

    A GPU provider that cannot be loaded leaves the session on the CPU without a word; the caller must look at
    `get_providers()`.
    """
    runtime = load()
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # Cores belong to reading, encoding and writing too, not to threads that spin while they wait for work: with two
    # threads on a net of ten layers that saved 15 to 20 % of the processor time of a run.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if choice.provider != CPU:
        _preload(runtime)
    try:
        return runtime.InferenceSession(data, options, providers=provider_options(choice, sha256, precision))
    except runtime_errors() as error:
        raise opening_error(error, name) from error


def _preload(runtime: Any) -> None:
    """Load CUDA's libraries from the installed wheels. The runtime prints what it misses; stdout is not ours to use."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        preload = getattr(runtime, "preload_dlls", None)
        if preload is not None:
            preload()
    if printed.getvalue().strip():
        log.info("CUDA libraries: %s", " ".join(printed.getvalue().split()))


def opening_error(error: BaseException, name: str) -> Exception:
    """Our error for one that came from making a session."""
    text = str(error)
    if is_out_of_memory(error):
        return OutOfMemory(text)
    unknown = _UNKNOWN_OPERATION.search(text)
    if unknown:
        operation = unknown[1] or unknown[2]
        return ModelRefused(
            f"Model {name!r} uses the operation {operation}, which this ONNX Runtime does not have. "
            "Export it with standard ONNX operations."
        )
    newer = _OPSET.search(text)
    if newer:
        what = f"opset {newer[1]}" if newer[1] else f"IR version {newer[2]}"
        return ModelRefused(
            f"Model {name!r} is of {what}, newer than this ONNX Runtime reads. Export it with opset 18, or update."
        )
    return ModelRefused(f"Model {name!r} cannot be loaded: {first_line(text)}. Export the model again.")


def running_error(error: BaseException, name: str, shapes: str) -> Exception:
    """Our error for one that came from a run; `shapes` says what was fed."""
    text = str(error)
    if is_out_of_memory(error):
        return OutOfMemory(text)
    if _TERMINATED in text:
        return Terminated(text)
    if isinstance(error, BipackError):
        return error
    node = _NODE.search(text)
    where = f" in {node[1]} {node[2]!r}" if node else ""
    return ModelRefused(f"Model {name!r} fails{where} on {shapes}: {first_line(text)}.")


def is_out_of_memory(error: BaseException) -> bool:
    """True for a failed allocation, on the host or on a GPU."""
    return isinstance(error, MemoryError) or bool(_OUT_OF_MEMORY.search(str(error)))


def first_line(text: str) -> str:
    """The part of a runtime message that a person can read."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", text.strip())
    text = text.partition("Status Message: ")[2] or text
    text = re.sub(r"^\S+\.(?:cc|h|cpp):\d+ ", "", text)
    return text.splitlines()[0][:240].rstrip(". ") if text else "no reason was given"
