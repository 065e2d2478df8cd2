"""Where models run: CPU cores granted to this process, GPUs that the driver offers, and the runtime's options for both.

GPUs are asked about through the CUDA driver itself, by ctypes: no further package is needed, the numbering is the one
that ONNX Runtime uses (CUDA_VISIBLE_DEVICES included), and on a machine without a driver the answer costs nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import importlib.metadata
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bipack import settings
from bipack.errors import GpuUnavailable, UsageError

log = logging.getLogger(__name__)

CPU, CUDA, TENSORRT = "CPU", "CUDA", "TensorRT"
PROVIDERS = {CPU: "CPUExecutionProvider", CUDA: "CUDAExecutionProvider", TENSORRT: "TensorrtExecutionProvider"}
"""Our words for ONNX Runtime's providers."""

CPU_TILE_BYTES = 1 << 30
"""The most memory that auto tiles give the model on a CPU, unless the setting says otherwise."""


@dataclass(frozen=True)
class Gpu:
    """One GPU as the CUDA driver numbers it."""

    index: int
    name: str
    capability: tuple[int, int]
    """Compute capability, e.g. (8, 9)."""

    memory_bytes: int


@dataclass(frozen=True)
class Choice:
    """What to run on."""

    provider: str
    """CPU, CUDA or TensorRT."""

    index: int = 0
    """Number of the GPU."""

    required: bool = False
    """True when the CPU is no answer."""

    notice: str = ""
    """Why it is not the GPU, where the user would wonder."""


# -- GPU -----------------------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=1)
def _driver() -> Any:
    """The CUDA driver library, or None. Initialising it fails where a driver is installed and no GPU answers."""
    for name in ("nvcuda.dll",) if os.name == "nt" else ("libcuda.so.1", "libcuda.so"):
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def driver_present() -> bool:
    """True when an NVIDIA driver is installed, whether a GPU answers or not."""
    return _driver() is not None


@functools.lru_cache(maxsize=1)
def gpus() -> tuple[Gpu, ...]:
    """GPUs that this process may use."""
    driver = _driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return ()
    found = []
    for index in range(count.value):
        device, number = ctypes.c_int(), ctypes.c_int()
        name, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
        if driver.cuDeviceGet(ctypes.byref(device), index) != 0:
            continue
        driver.cuDeviceGetName(name, len(name), device)
        driver.cuDeviceTotalMem_v2(ctypes.byref(size), device)
        capability = []
        for attribute in (75, 76):  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR
            driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
            capability.append(number.value)
        text = name.value.decode(errors="replace")
        found.append(Gpu(index, text, (capability[0], capability[1]), size.value))
    return tuple(found)


def describe() -> str:
    """What `auto` means on this machine, in words."""
    return ", ".join(gpu.name for gpu in gpus()) or f"CPU ({granted_cores()} threads)"


def free_memory(index: int) -> int:
    """Bytes free on a GPU, or 0 when the driver does not say."""
    driver = _driver()
    if driver is None or driver.cuInit(0) != 0:
        return 0
    device, context = ctypes.c_int(), ctypes.c_void_p()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if driver.cuDeviceGet(ctypes.byref(device), index) != 0:
        return 0
    if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device) != 0:
        return 0
    try:
        if driver.cuCtxPushCurrent_v2(context) != 0:
            return 0
        answered = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)) == 0
        driver.cuCtxPopCurrent_v2(ctypes.byref(context))
        return free.value if answered else 0
    finally:
        driver.cuDevicePrimaryCtxRelease_v2(device)


def driver_version() -> str:
    """Version of the NVIDIA driver, for the engine cache and the doctor; empty without one."""
    with (
        contextlib.suppress(OSError),
        open("/proc/driver/nvidia/version", encoding="ascii", errors="replace") as stream,
    ):
        found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", stream.readline())
        if found:
            return found.group(1)
    number, driver = ctypes.c_int(), _driver()
    if driver is not None and driver.cuDriverGetVersion(ctypes.byref(number)) == 0:
        return f"cuda{number.value}"
    return ""


def tensorrt_version() -> str:
    """Version of the TensorRT library, for the engine cache; empty without one."""
    for package in ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    for name in ("nvinfer_10.dll",) if os.name == "nt" else ("libnvinfer.so.10", "libnvinfer.so"):
        with contextlib.suppress(OSError, AttributeError):
            return str(ctypes.CDLL(name).getInferLibVersion())
    return ""


# -- choice --------------------------------------------------------------------------------------------------------


def choose(device: str, require_gpu: bool, available: Sequence[str]) -> Choice:
    """What `device` (auto, cpu, cuda or cuda:N) means here; `available` are the providers built into the runtime.

    Raises UsageError for another word, GpuUnavailable when a GPU is asked for and there is none.
    """
    found = re.fullmatch(r"(auto|cpu|cuda)(?::(\d+))?", device.strip().lower())
    if found is None or (found[2] and found[1] != "cuda"):
        raise UsageError(f"Device {device!r} is not known. Choose auto, cpu, cuda or cuda:N.")
    if found[1] == "cpu":
        if require_gpu:
            raise GpuUnavailable("A GPU is required (--require-gpu or BIPACK_REQUIRE_GPU) and the device is `cpu`.")
        return Choice(CPU)
    required, index = require_gpu or found[1] == "cuda", int(found[2] or 0)
    obstacle = _obstacle(index, available)
    if not obstacle:
        return Choice(gpu_provider(), index, required)
    if required:
        raise GpuUnavailable(f"A GPU was asked for ({device}) and {obstacle}. Mend that, or choose --device cpu.")
    # A machine that has no GPU at all is no surprise to anybody; a GPU that is left idle is.
    return Choice(CPU, notice=f"Running on the CPU: {obstacle}." if driver_present() else "")


def _obstacle(index: int, available: Sequence[str]) -> str:
    """Why GPU `index` cannot be used, or nothing."""
    if not driver_present():
        return "no NVIDIA driver is installed"
    if not gpus():
        return "an NVIDIA driver is installed but no GPU answers"
    if index >= len(gpus()):
        return f"there is no GPU {index} ({len(gpus())} found)"
    if PROVIDERS[CUDA] not in available:
        return "this ONNX Runtime was built without CUDA (install onnxruntime-gpu)"
    return ""


def gpu_provider() -> str:
    """CUDA or TensorRT, as the setting `provider` says."""
    found = settings.find("provider")
    words = {"auto": CUDA, "cuda": CUDA, "tensorrt": TENSORRT}
    if found.value.lower() not in words:
        raise UsageError(f"Setting provider is {found.value!r} ({found.source}); choose auto, cuda or tensorrt.")
    return words[found.value.lower()]


# -- options of the runtime ----------------------------------------------------------------------------------------


def provider_options(choice: Choice, sha256: str, precision: str) -> list[tuple[str, dict[str, str]]]:
    """Providers with their options, as InferenceSession takes them. `precision` is fp32 or fp16."""
    if choice.provider == CPU:
        return [(PROVIDERS[CPU], {})]
    cuda = (PROVIDERS[CUDA], cuda_options(choice.index))
    if choice.provider == CUDA:
        return [cuda]
    return [(PROVIDERS[TENSORRT], tensorrt_options(choice.index, sha256, precision)), cuda]


def cuda_options(index: int) -> dict[str, str]:
    """CUDA: fast convolutions in plain fp32, the same algorithm every time, memory as it is needed."""
    options = {
        "device_id": str(index),
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_use_max_workspace": "1",
        # The exhaustive search picks by timing, so two runs could differ in the last bits.
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
    }
    limit = settings.get_float("memory_gb")
    if limit > 0:
        options["gpu_mem_limit"] = str(int(limit * (1 << 30)))
    return options


def tensorrt_options(index: int, sha256: str, precision: str) -> dict[str, str]:
    """TensorRT: engines and timings are kept, since building one takes minutes."""
    folder = engine_folder(index, sha256, precision)
    os.makedirs(folder, exist_ok=True)
    # This provider takes the words True and False only, CUDA takes 1 and 0 too.
    return {
        "device_id": str(index),
        "trt_engine_cache_enable": "True",
        "trt_engine_cache_path": folder,
        "trt_timing_cache_enable": "True",
        "trt_timing_cache_path": os.path.dirname(folder),
        "trt_fp16_enable": "True" if precision == "fp16" else "False",
    }


def engine_folder(index: int, sha256: str, precision: str) -> str:
    """Folder of a model's engines: they fit one model, GPU, TensorRT, driver and precision only."""
    gpu = next((found for found in gpus() if found.index == index), None)
    chip = f"{gpu.name} sm{gpu.capability[0]}{gpu.capability[1]}" if gpu else "unknown"
    machine = f"{chip} trt{tensorrt_version() or 'unknown'} driver{driver_version() or 'unknown'}"
    key = hashlib.sha256(machine.encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", chip).strip("-")
    return os.path.join(settings.engine_cache_folder(), f"{readable}-{key}", f"{sha256[:16]}-{precision}")


# -- CPU -----------------------------------------------------------------------------------------------------------


def granted_cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its container or farm slot."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min([cores, *_quotas()]))


def _quotas() -> Iterator[int]:
    """Core quotas of the control groups, rounded up."""
    with contextlib.suppress(OSError, ValueError):
        for group in _groups():
            with contextlib.suppress(OSError), open(os.path.join(group, "cpu.max"), encoding="ascii") as stream:
                quota, period = stream.read().split()
                if quota != "max":
                    yield -(-int(quota) // int(period))
    with contextlib.suppress(OSError, ValueError):
        numbers = []
        for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us"):
            with open(f"/sys/fs/cgroup/cpu/{name}", encoding="ascii") as stream:
                numbers.append(int(stream.read()))
        if numbers[0] > 0:
            yield -(-numbers[0] // numbers[1])


def _groups() -> Iterator[str]:
    """Folders of this process's control group and its parents (version 2)."""
    root = "/sys/fs/cgroup"
    yield root
    with open("/proc/self/cgroup", encoding="utf-8") as stream:
        path = next((line.strip()[3:] for line in stream if line.startswith("0::")), "/")
    parts = [part for part in path.split("/") if part and part != ".."]
    for count in range(len(parts)):
        yield os.path.join(root, *parts[: count + 1])


def tile_budget(choice: Choice) -> int:
    """Bytes that one tile's run may take on the chosen device."""
    limit = settings.get_float("memory_gb")
    if limit > 0:
        return int(limit * (1 << 30))
    if choice.provider == CPU:
        return CPU_TILE_BYTES
    # cuDNN's workspaces and the runtime's own copies come on top of the tensors.
    return free_memory(choice.index) // 2 or CPU_TILE_BYTES
