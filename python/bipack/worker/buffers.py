"""Inputs and outputs of one tile shape, kept from run to run.

On a GPU they are device buffers, so that nothing is allocated per tile and copies go straight to their place. On a CPU
the outputs are: taken from the runtime's arena and still held when the next tile starts, they would make it grow to
twice its size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bipack.worker import runtime


class Buffers:
    """Bound inputs and outputs of a runtime session for one set of input shapes."""

    def __init__(
        self, inference: Any, feeds: Mapping[str, np.ndarray], outputs: Sequence[str], device: str, index: int
    ) -> None:
        self.shapes = tuple(array.shape for array in feeds.values())
        self._inference = inference
        self._outputs = list(outputs)
        self._device = device
        self._index = index
        self._binding = inference.io_binding()
        self._settled = False
        self._results: list[np.ndarray] = []
        self._inputs: dict[str, Any] = {}
        if device != "cpu":
            self._allocate(feeds)

    def _allocate(self, feeds: Mapping[str, np.ndarray]) -> None:
        """Device buffers for the inputs."""
        value = runtime.load().OrtValue
        for name, array in feeds.items():
            buffer = value.ortvalue_from_shape_and_type(array.shape, array.dtype.type, self._device, self._index)
            self._inputs[name] = buffer
            self._binding.bind_ortvalue_input(name, buffer)

    def run(self, feeds: Mapping[str, np.ndarray], run_options: Any) -> list[np.ndarray]:
        """Run once; on a CPU the results are written over by the next run."""
        for name, array in feeds.items():
            if name in self._inputs:
                self._inputs[name].update_inplace(array)
            else:
                self._binding.bind_cpu_input(name, array)
        if not self._settled:
            for name in self._outputs:
                self._binding.bind_output(name, self._device, self._index)
        self._inference.run_with_iobinding(self._binding, run_options)
        if not self._settled:
            self._settle()
        if self._device == "cpu":
            return self._results
        return [value.numpy() for value in self._binding.get_outputs()]

    def _settle(self) -> None:
        """The first run showed the shapes of the outputs: from now on they have a fixed place."""
        found = self._binding.get_outputs()
        if self._device != "cpu":
            for name, value in zip(self._outputs, found):
                self._binding.bind_ortvalue_output(name, value)
        else:
            self._results = [np.array(value.numpy()) for value in found]
            del found
            self._binding.clear_binding_outputs()
            for name, array in zip(self._outputs, self._results):
                self._binding.bind_output(name, "cpu", 0, array.dtype.type, array.shape, array.ctypes.data)
        self._settled = True
