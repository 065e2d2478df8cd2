from __future__ import annotations

import ctypes
import os
from typing import Any

import pytest

from bipack.errors import GpuUnavailable, UsageError
from bipack.worker import devices
from bipack.worker.devices import CPU, CUDA, TENSORRT, Choice

WITH_CUDA = ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider")
WITHOUT_CUDA = ("CPUExecutionProvider",)


class FakeDriver:
    """Answers like the CUDA driver library of a machine with `names` as its GPUs."""

    def __init__(self, names: tuple[str, ...], init: int = 0) -> None:
        self.names = names
        self.init = init

    def cuInit(self, flags: int) -> int:
        return self.init

    def cuDeviceGetCount(self, count: Any) -> int:
        count._obj.value = len(self.names)
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:
        device._obj.value = index
        return 0

    def cuDeviceGetName(self, buffer: Any, size: int, device: Any) -> int:
        buffer.value = self.names[device.value].encode()
        return 0

    def cuDeviceTotalMem_v2(self, size: Any, device: Any) -> int:
        size._obj.value = 24 << 30
        return 0

    def cuDeviceGetAttribute(self, number: Any, attribute: int, device: Any) -> int:
        number._obj.value = {75: 8, 76: 9}[attribute]
        return 0

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:
        return 0

    def cuDevicePrimaryCtxRelease_v2(self, device: Any) -> int:
        return 0

    def cuCtxPushCurrent_v2(self, context: Any) -> int:
        return 0

    def cuCtxPopCurrent_v2(self, context: Any) -> int:
        return 0

    def cuMemGetInfo_v2(self, free: Any, total: Any) -> int:
        free._obj.value, total._obj.value = 20 << 30, 24 << 30
        return 0

    def cuDriverGetVersion(self, number: Any) -> int:
        number._obj.value = 13000
        return 0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this machine one with the given driver."""

    def become(driver: FakeDriver | None) -> None:
        monkeypatch.setattr(devices, "_driver", lambda: driver)
        devices.gpus.cache_clear()

    yield become
    devices.gpus.cache_clear()


def test_auto_on_a_machine_without_a_driver_is_the_cpu_and_says_nothing(machine: Any) -> None:
    machine(None)
    assert devices.choose("auto", False, WITH_CUDA) == Choice(CPU)


def test_auto_takes_the_gpu_where_there_is_one(machine: Any) -> None:
    machine(FakeDriver(("RTX 4090",)))
    assert devices.choose("auto", False, WITH_CUDA) == Choice(CUDA, 0, required=False)


def test_auto_says_so_when_a_driver_is_there_and_no_gpu_answers(machine: Any) -> None:
    machine(FakeDriver((), init=100))
    choice = devices.choose("auto", False, WITH_CUDA)
    assert choice.provider == CPU
    assert "no GPU answers" in choice.notice


def test_auto_says_so_when_the_runtime_was_built_without_cuda(machine: Any) -> None:
    machine(FakeDriver(("RTX 4090",)))
    assert "without CUDA" in devices.choose("auto", False, WITHOUT_CUDA).notice


@pytest.mark.parametrize(("device", "require"), [("cuda", False), ("cuda:1", False), ("auto", True)])
def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error(machine: Any, device: str, require: bool) -> None:
    machine(None)
    with pytest.raises(GpuUnavailable, match="no NVIDIA driver"):
        devices.choose(device, require, WITH_CUDA)


def test_a_gpu_number_beyond_the_last_is_an_error(machine: Any) -> None:
    machine(FakeDriver(("A", "B")))
    assert devices.choose("cuda:1", False, WITH_CUDA).index == 1
    with pytest.raises(GpuUnavailable, match="no GPU 2"):
        devices.choose("cuda:2", False, WITH_CUDA)


def test_a_required_gpu_and_the_device_cpu_contradict_each_other(machine: Any) -> None:
    with pytest.raises(GpuUnavailable, match="required"):
        devices.choose("cpu", True, WITH_CUDA)


@pytest.mark.parametrize("device", ["gpu", "cpu:1", "cuda:", "cuda:x", ""])
def test_an_unknown_device_is_a_usage_error(device: str) -> None:
    with pytest.raises(UsageError, match="cuda:N"):
        devices.choose(device, False, WITH_CUDA)


def test_the_setting_chooses_tensorrt(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(FakeDriver(("RTX 4090",)))
    monkeypatch.setenv("BIPACK_PROVIDER", "tensorrt")
    assert devices.choose("auto", False, WITH_CUDA).provider == TENSORRT
    monkeypatch.setenv("BIPACK_PROVIDER", "directml")
    with pytest.raises(UsageError, match="directml"):
        devices.choose("auto", False, WITH_CUDA)


def test_gpus_are_described_by_name_capability_and_memory(machine: Any) -> None:
    machine(FakeDriver(("RTX 4090", "A6000")))
    assert [gpu.name for gpu in devices.gpus()] == ["RTX 4090", "A6000"]
    assert devices.gpus()[0].capability == (8, 9)
    assert devices.gpus()[1].memory_bytes == 24 << 30


def test_tiles_get_half_of_the_free_gpu_memory_unless_the_setting_says_otherwise(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(FakeDriver(("RTX 4090",)))
    assert devices.tile_budget(Choice(CUDA)) == 10 << 30
    monkeypatch.setenv("BIPACK_MEMORY_GB", "2")
    assert devices.tile_budget(Choice(CUDA)) == 2 << 30
    assert devices.tile_budget(Choice(CPU)) == 2 << 30


def test_cuda_runs_in_true_fp32_and_picks_the_same_algorithm_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIPACK_MEMORY_GB", "1.5")
    ((provider, options),) = devices.provider_options(Choice(CUDA, 1), "ab" * 32, "fp32")
    assert provider == "CUDAExecutionProvider"
    assert options == {
        "device_id": "1",
        "arena_extend_strategy": "kSameAsRequested",
        "cudnn_conv_use_max_workspace": "1",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "gpu_mem_limit": str(int(1.5 * (1 << 30))),
    }


def test_tensorrt_keeps_its_engines_and_falls_back_to_cuda_for_what_it_lacks(machine: Any) -> None:
    machine(FakeDriver(("RTX 4090",)))
    (first, options), (second, _) = devices.provider_options(Choice(TENSORRT, 0), "ab" * 32, "fp16")
    assert (first, second) == ("TensorrtExecutionProvider", "CUDAExecutionProvider")
    assert options["trt_fp16_enable"] == "True"
    assert options["trt_engine_cache_enable"] == options["trt_timing_cache_enable"] == "True"
    assert os.path.isdir(options["trt_engine_cache_path"])
    assert options["trt_engine_cache_path"].startswith(os.environ["BIPACK_CACHE"])


def test_engines_are_kept_apart_by_model_precision_gpu_driver_and_tensorrt(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(FakeDriver(("RTX 4090",)))
    first = devices.engine_folder(0, "ab" * 32, "fp32")
    folders = {first, devices.engine_folder(0, "cd" * 32, "fp32"), devices.engine_folder(0, "ab" * 32, "fp16")}
    machine(FakeDriver(("A6000",)))
    folders.add(devices.engine_folder(0, "ab" * 32, "fp32"))
    machine(FakeDriver(("RTX 4090",)))
    monkeypatch.setattr(devices, "driver_version", lambda: "999.1")
    folders.add(devices.engine_folder(0, "ab" * 32, "fp32"))
    monkeypatch.setattr(devices, "tensorrt_version", lambda: "99.9")
    folders.add(devices.engine_folder(0, "ab" * 32, "fp32"))
    assert len(folders) == 6


def test_cores_are_those_that_this_process_may_use() -> None:
    affinity = getattr(os, "sched_getaffinity", None)
    cores = devices.granted_cores()
    assert 1 <= cores <= (len(affinity(0)) if affinity else os.cpu_count() or 1)


def test_a_container_quota_limits_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_quotas", lambda: iter([1]))
    assert devices.granted_cores() == 1


def test_the_driver_is_asked_through_plain_c_types() -> None:
    """On any machine, with a driver or without, asking answers and does not fail."""
    devices.gpus.cache_clear()
    assert isinstance(devices.gpus(), tuple)
    assert devices.free_memory(99) == 0
    assert isinstance(devices.driver_version(), str)
    assert ctypes.sizeof(ctypes.c_size_t) >= 4
