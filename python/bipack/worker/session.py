"""A model opened and ready to run: the right file, on the right device, with its facts and its card.

What was asked for is what happens, or an error says why not: a GPU request never ends on the CPU unless `auto` was
asked, and then with a line that says so. The file is checked before the runtime sees it (`model_file`), its graph
analysed once (`graph`), and its card held against it (`bare_card`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from bipack import settings
from bipack.card import ModelCard
from bipack.catalog import Located
from bipack.errors import Cancelled, GpuUnavailable, ModelRefused, UsageError
from bipack.worker import bare_card, devices, model_file, runtime, trial
from bipack.worker.buffers import Buffers
from bipack.worker.devices import CPU, Choice
from bipack.worker.graph import GraphFacts, analyse
from bipack.worker.runtime import OutOfMemory, Terminated

log = logging.getLogger(__name__)

MOST_LANES = 4
"""More lanes would hold more tiles in memory for little gain."""

PRECISIONS = ("auto", "fp32", "fp16")
_CANCEL_POLL_SECONDS = 0.02
_ELEMENTS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def open_session(
    located: Located, device: str = "auto", require_gpu: bool = False, precision: str = "auto", threads: int = 0
) -> Session:
    """Open a model. `device` is auto, cpu, cuda or cuda:N; `precision` auto, fp32 or fp16; `threads` 0 = by setting.

    Raises ModelRefused (not a model, not the card's file, external data, unknown operation, unlike its card),
    MissingInput, GpuUnavailable, UsageError.
    """
    require_gpu = require_gpu or settings.get_flag("require_gpu")
    precision = _precision(precision)
    threads = threads or settings.get_int("threads") or devices.granted_cores()
    choice = devices.choose(device, require_gpu, runtime.load().get_available_providers())
    try:
        return _open(located, choice, precision, threads)
    except _Unusable as obstacle:
        if choice.required:
            raise GpuUnavailable(f"Model {located.name!r} was to run on GPU {choice.index}, and {obstacle}.") from None
        notice = f"Running on the CPU: {obstacle}."
        return _open(located, Choice(CPU, notice=notice), precision, threads)


def _open(located: Located, choice: Choice, precision: str, threads: int) -> Session:
    path, sha256, notices = _file(located, choice, precision)
    if choice.notice:
        notices.insert(0, choice.notice)
    file = model_file.read(path, located.name, sha256)
    half = choice.provider != CPU and (path != located.path or precision == "fp16")
    opened = _Opened(located.name, file.data, file.sha256, "fp16" if half else "fp32", threads)
    # The session first: the runtime's own words for a file that it cannot load are the better ones.
    inference = _on_device(opened, choice)
    session = Session(opened, inference, choice, analyse(file.proto), notices)
    session.settle(located)
    return session


class _Unusable(Exception):
    """The GPU that was chosen turned out to be of no use; the text says why."""


@dataclasses.dataclass(frozen=True)
class _Opened:
    """What is needed to make the runtime's session, again and again."""

    name: str
    data: bytes
    sha256: str
    precision: str
    threads: int

    def create(self, choice: Choice, threads: int = 0) -> Any:
        """The runtime's session on a device; `threads` 0 means all that were granted."""
        return runtime.create(self.data, self.name, choice, self.sha256, self.precision, threads or self.threads)


def _precision(asked: str) -> str:
    found = asked if asked != "auto" else settings.get("precision")
    if found not in PRECISIONS:
        raise UsageError(f"Precision {found!r} is not known. Choose {', '.join(PRECISIONS)}.")
    return found


def _file(located: Located, choice: Choice, precision: str) -> tuple[str, str, list[str]]:
    """The file to open with the hash that it must have: the fp16 twin on a GPU, unless fp32 is asked for."""
    card, notices = located.card, list[str]()
    if choice.provider == CPU or precision == "fp32":
        if precision == "fp16":
            notices.append("Half precision is for GPUs; the CPU runs the model in fp32.")
    elif card is not None and card.fp16_file:
        return os.path.join(located.folder, card.fp16_file), card.fp16_sha256, notices
    elif precision == "fp16" and choice.provider != devices.TENSORRT:
        notices.append(f"Model {located.name!r} has no half-precision file; it runs in fp32.")
    return located.path, card.sha256 if card is not None else "", notices


def _on_device(opened: _Opened, choice: Choice) -> Any:
    """The runtime's session on the device that was chosen. Raises _Unusable where that is a GPU and does not work."""
    try:
        inference = opened.create(choice)
    except OutOfMemory as error:
        if choice.provider == CPU:
            raise ModelRefused(f"Model {opened.name!r} does not fit into the memory of this machine.") from error
        raise _Unusable("there is not enough free GPU memory to load the model") from error
    wanted = devices.PROVIDERS[choice.provider]
    if inference.get_providers()[0] != wanted:
        raise _Unusable(f"{wanted} could not be loaded (`bipack doctor` says which libraries are missing)")
    return inference


class Session:
    """One model on one device; close it, or use it in `with`.

    Runs without a lane are made one at a time, with all threads. Runs in different lanes may be made at once.
    """

    def __init__(self, opened: _Opened, inference: Any, choice: Choice, facts: GraphFacts, notices: list[str]) -> None:
        self.facts = facts
        self.notices = notices
        """What the user should know, found while opening and running; whoever shows them clears the list."""

        self.tile_limit: int | None = None
        """Plate pixels of the largest tile that memory allows, once it ran out at a larger one."""

        self._opened = opened
        self._choice = choice
        self._inference = inference
        self._card: ModelCard | None = None
        self._lanes_inference: Any = None
        self._lanes_lock = threading.Lock()
        self._buffers: dict[int | None, Buffers] = {}
        self._read_signature()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._opened.name

    @property
    def sha256(self) -> str:
        """Hash of the file that runs."""
        return self._opened.sha256

    @property
    def provider(self) -> str:
        """CPU, CUDA or TensorRT."""
        return self._choice.provider

    @property
    def precision(self) -> str:
        """fp32 or fp16."""
        return self._opened.precision

    @property
    def card(self) -> ModelCard:
        """The model's card; an unverified one where it has none."""
        assert self._card is not None
        return self._card

    @property
    def device(self) -> str:
        """The device in words."""
        if self.provider == CPU:
            return f"CPU ({self._opened.threads} threads)"
        name = next((gpu.name for gpu in devices.gpus() if gpu.index == self._choice.index), "GPU")
        return f"{name} (cuda:{self._choice.index}, {self.provider}, {self.precision})"

    @property
    def tile_budget(self) -> int:
        """Bytes that one tile's run may take."""
        return devices.tile_budget(self._choice) if self.provider == CPU else self._gpu_budget

    @cached_property
    def _gpu_budget(self) -> int:
        """Asked once, before the first run: what the runtime then holds is no less free for tiles."""
        return devices.tile_budget(self._choice)

    @property
    def lanes(self) -> int:
        """Tiles that may be run at once: on a CPU a few threads on each of several tiles beat all threads on one."""
        return min(MOST_LANES, self._opened.threads) if self.provider == CPU else 1

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        cancel: threading.Event | None = None,
        reuse: bool = False,
        lane: int | None = None,
    ) -> dict[str, np.ndarray]:
        """Run the graph once; arrays are converted to the graph's types, results come as float32 where they are floats.

        With `reuse` the results lie in buffers that the next run in the same `lane` (0 to `lanes` - 1) writes over.
        Raises Cancelled when `cancel` is set, OutOfMemory (call `rebuild` before the next run), ModelRefused when the
        graph cannot take what it was fed.
        """
        missing = sorted(set(self._types) - set(feeds))
        if missing:
            raise ModelRefused(f"Model {self.name!r} needs the input {missing[0]!r}, and it was not given.")
        ready = {name: np.ascontiguousarray(feeds[name], self._types[name]) for name in self._types}
        run_options = runtime.load().RunOptions()
        try:
            with _stopping(run_options, cancel):
                results = self._run(ready, run_options, reuse, lane)
        except Terminated:
            raise Cancelled(f"Model {self.name!r} was stopped.") from None
        return {name: _as_float32(array) for name, array in zip(self._outputs, results)}

    def rebuild(self) -> None:
        """Make the runtime's session anew: after running out of memory its allocator may stay broken."""
        self.close()
        self._inference = self._opened.create(self._choice)

    def close(self) -> None:
        """Give the model's memory back."""
        self._buffers.clear()
        self._inference = self._lanes_inference = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def settle(self, located: Located) -> None:
        """Complete the facts and settle the card. Raises ModelRefused when they do not go together."""
        if self.facts.scale is None:
            self.facts = trial.learn(self.facts, self.run, self.name)
        scale = self.facts.scale
        if scale is None or scale.denominator != 1:
            found = "no picture" if scale is None else f"a picture of {float(scale):g} times the plate's size"
            raise ModelRefused(f"Model {self.name!r} makes {found}; Bipack runs models of a whole-number scale.")
        if located.card is None:
            file = os.path.basename(located.path)
            self._card = bare_card.derive(self.name, file, self.sha256, self.facts)
            self.notices.append(f"Model {self.name!r} has no card: it is unverified and its limits are not known.")
            return
        self._card = located.card
        bare_card.check(self._card, self.facts)
        self._heed_card()

    def _heed_card(self) -> None:
        """A card may ask for less than the graph allows, and never for more."""
        order = ("exact", "blend", "whole")
        promised = self.card.geometry.tiling
        if order.index(promised) > order.index(self.facts.tiling):
            reason = f"the card asks for {promised}"
            self.facts = dataclasses.replace(self.facts, tiling=promised, reasons=(*self.facts.reasons, reason))
        elif promised != self.facts.tiling:
            self.notices.append(
                f"Model {self.name!r}: its card says {promised} tiling, the graph allows {self.facts.tiling} only "
                f"({self.facts.reasons[0]})."
            )

    # -- running ---------------------------------------------------------------------------------------------------

    def _read_signature(self) -> None:
        self._types: dict[str, Any] = {}
        for entry in self._inference.get_inputs():
            kind = _ELEMENTS.get(entry.type)
            if kind is None and len(entry.shape) == 4:
                raise ModelRefused(f"Model {self.name!r} takes {entry.type} pictures; Bipack feeds floats only.")
            self._types[entry.name] = kind or _numpy_type(entry.type)
            if len(entry.shape) == 4 and isinstance(entry.shape[0], int) and entry.shape[0] != 1:
                raise ModelRefused(
                    f"Model {self.name!r} takes {entry.shape[0]} pictures at once. Export it with a batch of 1."
                )
        self._outputs = [entry.name for entry in self._inference.get_outputs()]

    def _run(self, feeds: dict[str, np.ndarray], run_options: Any, reuse: bool, lane: int | None) -> list[Any]:
        try:
            inference = self._inference if lane is None else self._of_lanes()
            if self.provider == CPU and not reuse:
                return list(inference.run(self._outputs, feeds, run_options))
            shapes = tuple(array.shape for array in feeds.values())
            buffers = self._buffers.get(lane)
            if buffers is None or buffers.shapes != shapes:
                # The old ones first, or both would be alive at once.
                self._buffers.pop(lane, None)
                device = "cpu" if self.provider == CPU else "cuda"
                buffers = Buffers(inference, feeds, self._outputs, device, self._choice.index)
                self._buffers[lane] = buffers
            return buffers.run(feeds, run_options)
        except runtime.runtime_errors() as error:
            shapes_text = ", ".join("×".join(map(str, array.shape)) for array in feeds.values())
            raise runtime.running_error(error, self.name, shapes_text) from error

    def _of_lanes(self) -> Any:
        """The runtime's session that all lanes share, each run on its part of the threads; made when first needed."""
        with self._lanes_lock:
            if self._lanes_inference is None:
                self._lanes_inference = self._opened.create(self._choice, max(1, self._opened.threads // self.lanes))
            return self._lanes_inference


def _numpy_type(text: str) -> Any:
    words = {"int64": np.int64, "int32": np.int32, "bool": np.bool_, "uint8": np.uint8}
    return words.get(text[len("tensor(") : -1], np.float32)


def _as_float32(array: Any) -> np.ndarray:
    result = np.asarray(array)
    return result.astype(np.float32, copy=False) if result.dtype.kind == "f" else result


@contextlib.contextmanager
def _stopping(run_options: Any, cancel: threading.Event | None) -> Iterator[None]:
    """Set the run's terminate flag from a second thread as soon as `cancel` is set."""
    if cancel is None:
        yield
        return
    if cancel.is_set():
        raise Terminated
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            if cancel.wait(_CANCEL_POLL_SECONDS):
                run_options.terminate = True
                return

    watcher = threading.Thread(target=watch, name="bipack-cancel", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
