from __future__ import annotations

import dataclasses
import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import graphs
from bipack import card as cards
from bipack.card import Geometry, ModelCard, Port
from bipack.catalog import Located, locate
from bipack.errors import Cancelled, GpuUnavailable, MissingInput, ModelRefused, UsageError
from bipack.worker import bare_card, devices, runtime, trial
from bipack.worker.buffers import Buffers
from bipack.worker.devices import CUDA, Choice
from bipack.worker.graph import analyse
from bipack.worker.runtime import OutOfMemory
from bipack.worker.session import Session, _file, open_session
from graphs import Builder

PICTURE = np.random.default_rng(0).random((1, 3, 20, 24), np.float32)


def opened(model: Any, tmp_path: Path, **options: Any) -> Session:
    return open_session(locate(graphs.save(model, tmp_path / "net.onnx")), threads=1, **options)


def carded(folder: Path, model: Any, **changes: Any) -> Located:
    """A model with a card in `folder`."""
    graphs.save(model, folder / "model.onnx")
    facts = analyse(model)
    card = bare_card.derive("net", "model.onnx", cards.file_sha256(str(folder / "model.onnx")), facts)
    cards.save(dataclasses.replace(card, verified=True, **changes), str(folder))
    return locate(str(folder))


def refusal(path: Path | str) -> str:
    with pytest.raises(ModelRefused) as caught:
        open_session(Located("net", str(path), None), threads=1)
    return str(caught.value)


# -- opening -------------------------------------------------------------------------------------------------------


def test_a_bare_model_runs_as_unverified_and_says_so(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(scale=2), tmp_path)
    assert session.run({"input": PICTURE})["output"].shape == (1, 3, 40, 48)
    assert (session.provider, session.precision, session.card.scale) == ("CPU", "fp32", 2)
    assert not session.card.verified
    assert "unverified" in session.notices[0]


def test_a_model_with_a_card_has_nothing_to_say(tmp_path: Path) -> None:
    session = open_session(carded(tmp_path, graphs.plain_sr()), threads=1)
    assert session.notices == []
    assert session.card.geometry.halo == 4


def test_a_derived_card_tells_plate_matte_and_amount_apart(tmp_path: Path) -> None:
    masked = opened(graphs.masked(), tmp_path).card
    assert (masked.kind, [(port.role, port.channels) for port in masked.inputs]) == (
        "masked",
        [("plate", 3), ("matte", 1)],
    )
    assert [port.role for port in opened(graphs.with_amount(), tmp_path).card.inputs] == ["plate", "amount"]


def test_a_file_that_is_not_the_cards_is_refused(tmp_path: Path) -> None:
    located = carded(tmp_path, graphs.plain_sr(seed=0))
    graphs.save(graphs.plain_sr(seed=1), tmp_path / "model.onnx")
    with pytest.raises(ModelRefused, match="sha256"):
        open_session(located)


@pytest.mark.parametrize("content", [b"", b"not a model", bytes(range(256)) * 40, b"\x08\x07"])
def test_what_is_no_onnx_file_is_refused_by_its_path(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert str(path) in refusal(path)


def test_a_truncated_model_is_refused(tmp_path: Path) -> None:
    data = graphs.plain_sr().SerializeToString()
    (tmp_path / "net.onnx").write_bytes(data[: len(data) // 2])
    assert "no ONNX" in refusal(tmp_path / "net.onnx")


def test_a_missing_file_is_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(MissingInput):
        open_session(Located("net", str(tmp_path / "gone.onnx"), None))


def test_external_data_is_refused_even_where_it_is_there(tmp_path: Path) -> None:
    path = graphs.external_data(tmp_path)
    assert (tmp_path / "weights.bin").exists()
    assert "single file" in refusal(path)


@pytest.mark.parametrize("place", ["attribute", "subgraph", "sparse", "function"])
def test_external_data_is_found_wherever_a_tensor_can_be(tmp_path: Path, place: str) -> None:
    tensor = onnx.numpy_helper.from_array(np.ones(1, np.float32), "hidden")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    model = graphs.identity()
    node = onnx.helper.make_node("Constant", [], ["unused"], value=tensor)
    if place == "attribute":
        model.graph.node.append(node)
    elif place == "subgraph":
        info = onnx.helper.make_tensor_value_info("unused", onnx.TensorProto.FLOAT, [1])
        branch = onnx.helper.make_graph([node], "branch", [], [info])
        model.graph.node.append(onnx.helper.make_node("If", ["input"], ["out"], then_branch=branch, else_branch=branch))
    elif place == "sparse":
        indices = onnx.numpy_helper.from_array(np.zeros(1, np.int64))
        model.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(tensor, indices, [1]))
    else:
        opset = [onnx.helper.make_opsetid("", 18)]
        model.functions.append(onnx.helper.make_function("studio", "Hidden", [], ["unused"], [node], opset))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert "'hidden'" in refusal(tmp_path / "net.onnx")


def test_an_unknown_operation_is_named(tmp_path: Path) -> None:
    assert "studio.custom:Sharpen" in refusal(graphs.save(graphs.unknown_operation(), tmp_path / "net.onnx"))
    model = graphs.identity()
    model.graph.node[0].op_type = "Embiggen"
    assert "Embiggen" in refusal(graphs.save(model, tmp_path / "net.onnx"))


def test_an_opset_from_the_future_is_refused_by_its_number(tmp_path: Path) -> None:
    model = graphs.identity()
    model.opset_import[0].version = 99
    assert "opset 99" in refusal(graphs.save(model, tmp_path / "net.onnx"))
    model = graphs.identity()
    model.ir_version = 99
    assert "IR version 99" in refusal(graphs.save(model, tmp_path / "net.onnx"))


def test_a_model_without_pictures_is_refused(tmp_path: Path) -> None:
    b = Builder()
    model = b.model(b.op("Relu", "input"), [("input", (1, 8))], (1, 8))
    assert "picture" in refusal(graphs.save(model, tmp_path / "net.onnx"))


def test_a_shrinking_model_is_refused_with_its_scale(tmp_path: Path) -> None:
    b = Builder()
    model = b.model(b.conv("input", 3, 3, 2, strides=[2, 2], pads=[0] * 4))
    assert "0.5 times" in refusal(graphs.save(model, tmp_path / "net.onnx"))


def test_a_batch_that_is_not_one_is_refused(tmp_path: Path) -> None:
    b = Builder()
    model = b.model(b.conv("input", 3, 3), [("input", (4, 3, "H", "W"))], (4, 3, "H", "W"))
    assert "batch of 1" in refusal(graphs.save(model, tmp_path / "net.onnx"))


def test_a_graph_that_cannot_be_followed_is_tried_out(tmp_path: Path) -> None:
    b = Builder()
    x = b.op("CumSum", "input", b.const(2, np.int64))
    x = b.op("DepthToSpace", b.conv(x, 3, 12, strides=[2, 2], kernel=4, pads=[1] * 4), blocksize=2)
    session = opened(b.model(x), tmp_path)
    assert (session.facts.tiling, session.facts.scale, session.facts.multiple) == ("whole", 1, 2)


def test_a_file_beyond_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    path.touch()
    os.truncate(path, 1 << 31)
    assert "the limit is 2 GB" in refusal(path)


def test_a_model_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "SECONDS", 0.5)
    go_on = onnx.helper.make_node("Identity", ["condition"], ["again"])
    step = onnx.helper.make_node("Sin", ["before"], ["after"])
    truth = onnx.helper.make_tensor_value_info("again", onnx.TensorProto.BOOL, [])
    picture = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in ("before", "after")]
    count = onnx.helper.make_tensor_value_info("count", onnx.TensorProto.INT64, [])
    condition = onnx.helper.make_tensor_value_info("condition", onnx.TensorProto.BOOL, [])
    body = onnx.helper.make_graph([go_on, step], "body", [count, condition, picture[0]], [truth, picture[1]])
    b = Builder()
    model = b.model(b.op("Loop", "", b.const(True, np.bool_), "input", body=body))
    assert "did not finish" in refusal(graphs.save(model, tmp_path / "net.onnx"))


# -- card against graph ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"scale": 4}, "scale 4"),
        ({"inputs": (Port("picture", 3),)}, "'picture'"),
        ({"inputs": (Port("input", 5),)}, "5 channels"),
        ({"inputs": (Port("input", 3, frame_offsets=(-1, 0, 1)),)}, "9 channels"),
        ({"outputs": (Port("result", 3),)}, "'result'"),
    ],
)
def test_a_card_that_does_not_fit_its_graph_is_refused(tmp_path: Path, changes: Any, found: str) -> None:
    located = carded(tmp_path, graphs.plain_sr(), **changes)
    with pytest.raises(ModelRefused, match=found):
        open_session(located, threads=1)


def test_an_input_that_the_card_forgets_is_refused(tmp_path: Path) -> None:
    located = carded(tmp_path, graphs.masked(), inputs=(Port("plate", 3),))
    with pytest.raises(ModelRefused, match="'matte'"):
        open_session(located, threads=1)


def test_a_card_that_promises_exact_tiles_of_a_global_model_is_not_believed(tmp_path: Path) -> None:
    session = open_session(carded(tmp_path, graphs.squeeze_excite(), geometry=Geometry(tiling="exact")), threads=1)
    assert session.facts.tiling == "blend"
    assert "exact" in session.notices[0] and "GlobalAveragePool" in session.notices[0]


def test_a_card_may_ask_for_less_than_the_graph_allows(tmp_path: Path) -> None:
    session = open_session(carded(tmp_path, graphs.plain_sr(), geometry=Geometry(tiling="whole")), threads=1)
    assert session.facts.tiling == "whole"


# -- devices ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pretended_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver with a GPU that the runtime then cannot use, as on a machine with a broken CUDA install."""
    if devices.gpus():
        pytest.skip("this machine has a GPU")
    monkeypatch.setattr(devices, "driver_present", lambda: True)
    monkeypatch.setattr(devices, "gpus", lambda: (devices.Gpu(0, "RTX 4090", (8, 9), 24 << 30),))
    if "CUDAExecutionProvider" not in runtime.load().get_available_providers():
        pytest.skip("this ONNX Runtime was built without CUDA")


def test_a_gpu_request_that_would_end_on_the_cpu_is_an_error(tmp_path: Path, pretended_gpu: None) -> None:
    for options in ({"device": "cuda"}, {"device": "cuda:0"}, {"require_gpu": True}):
        with pytest.raises(GpuUnavailable, match="could not be loaded"):
            opened(graphs.identity(), tmp_path, **options)


def test_auto_that_ends_on_the_cpu_says_so(
    tmp_path: Path, pretended_gpu: None, capfd: pytest.CaptureFixture[str]
) -> None:
    session = opened(graphs.identity(), tmp_path)
    assert session.provider == "CPU"
    assert session.notices[0].startswith("Running on the CPU: CUDAExecutionProvider could not be loaded")
    # stdout belongs to the protocol, and farms fail a task over an error line on either stream.
    out, err = capfd.readouterr()
    assert out == ""
    assert "rror" not in err


def test_the_setting_that_requires_a_gpu_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if devices.gpus():
        pytest.skip("this machine has a GPU")
    monkeypatch.setenv("BIPACK_REQUIRE_GPU", "1")
    with pytest.raises(GpuUnavailable):
        opened(graphs.identity(), tmp_path)


def twin_card() -> ModelCard:
    facts = analyse(graphs.plain_sr())
    card = bare_card.derive("net", "model.onnx", "a" * 64, facts)
    return dataclasses.replace(card, fp16_file="model_fp16.onnx", fp16_sha256="b" * 64)


def test_a_gpu_gets_the_half_precision_file_unless_fp32_is_asked_for() -> None:
    located = Located("net", "/models/net/model.onnx", twin_card())
    assert _file(located, Choice(CUDA), "auto")[:2] == ("/models/net/model_fp16.onnx", "b" * 64)
    assert _file(located, Choice(CUDA), "fp16")[:2] == ("/models/net/model_fp16.onnx", "b" * 64)
    assert _file(located, Choice(CUDA), "fp32")[:2] == ("/models/net/model.onnx", "a" * 64)
    assert _file(located, Choice("CPU"), "auto")[:2] == ("/models/net/model.onnx", "a" * 64)


def test_half_precision_that_cannot_be_had_is_said() -> None:
    plain = Located("net", "/models/net/model.onnx", dataclasses.replace(twin_card(), fp16_file=""))
    assert "no half-precision file" in _file(plain, Choice(CUDA), "fp16")[2][0]
    assert "the CPU runs the model in fp32" in _file(plain, Choice("CPU"), "fp16")[2][0]


def test_a_fall_back_to_the_cpu_takes_the_fp32_file(tmp_path: Path, pretended_gpu: None) -> None:
    model = graphs.plain_sr()
    twin = graphs.half(model).SerializeToString()
    (tmp_path / "half.onnx").write_bytes(twin)
    located = carded(tmp_path, model, fp16_file="half.onnx", fp16_sha256=hashlib.sha256(twin).hexdigest())
    session = open_session(located, threads=1)
    assert (session.provider, session.precision) == ("CPU", "fp32")
    assert located.card is not None and session.sha256 == located.card.sha256


def test_an_unknown_precision_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="int4"):
        opened(graphs.identity(), tmp_path, precision="int4")


# -- running ---------------------------------------------------------------------------------------------------------


def test_half_precision_pictures_are_converted_both_ways(tmp_path: Path) -> None:
    model = graphs.half(graphs.plain_sr(scale=1))
    result = opened(model, tmp_path).run({"input": PICTURE})["output"]
    full = opened(graphs.plain_sr(scale=1), tmp_path).run({"input": PICTURE})["output"]
    assert result.dtype == np.float32
    assert 0 < np.abs(result - full).max() < 0.02


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    session = opened(graphs.masked(), tmp_path)
    with pytest.raises(ModelRefused, match="'matte'"):
        session.run({"plate": PICTURE})


def test_a_wrong_shape_is_refused_with_the_node_that_failed(tmp_path: Path) -> None:
    session = opened(graphs.unet(depth=2), tmp_path)
    with pytest.raises(ModelRefused, match=r"Concat .* 1×3×30×30"):
        session.run({"input": np.zeros((1, 3, 30, 30), np.float32)})
    assert session.run({"input": np.zeros((1, 3, 32, 32), np.float32)})


def test_reused_buffers_give_the_same_as_fresh_arrays(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(), tmp_path)
    other = PICTURE[..., ::-1].copy()
    fresh = [session.run({"input": array})["output"] for array in (PICTURE, other)]
    for _ in range(3):
        for array, expected in zip((PICTURE, other), fresh):
            assert np.array_equal(session.run({"input": array}, reuse=True)["output"], expected)
    small = PICTURE[..., :10, :12]
    assert session.run({"input": small}, reuse=True)["output"].shape == (1, 3, 20, 24)


def test_device_buffers_are_bound_once_and_written_tile_by_tile(tmp_path: Path) -> None:
    """The code that a GPU runs, on buffers that the runtime allocates in main memory."""

    class OnDevice(Buffers):
        def __init__(self, inference: Any, feeds: Any, outputs: Any) -> None:
            super().__init__(inference, feeds, outputs, "cpu", 0)
            self._allocate(feeds)

    session = opened(graphs.plain_sr(), tmp_path)
    options = runtime.load().RunOptions()
    buffers = OnDevice(session._inference, {"input": PICTURE}, ["output"])
    for array in (PICTURE, PICTURE * 2, PICTURE):
        expected = session.run({"input": array})["output"]
        assert np.array_equal(buffers.run({"input": array}, options)[0], expected)


def test_a_run_is_stopped_at_once_and_the_session_runs_again(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(layers=150, channels=32), tmp_path)
    big = np.zeros((1, 3, 400, 400), np.float32)
    cancel = threading.Event()
    timer = threading.Timer(0.3, cancel.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        session.run({"input": big}, cancel)
    assert time.monotonic() - began < 4
    assert session.run({"input": PICTURE}, threading.Event())["output"].shape == (1, 3, 40, 48)


def test_a_run_that_was_cancelled_before_does_not_start(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        opened(graphs.identity(), tmp_path).run({"input": PICTURE}, cancel)


def test_the_same_input_gives_the_same_bits(tmp_path: Path) -> None:
    first = opened(graphs.plain_sr(), tmp_path).run({"input": PICTURE})["output"]
    second = opened(graphs.plain_sr(), tmp_path).run({"input": PICTURE})["output"]
    assert np.array_equal(first, second)


def test_a_rebuilt_session_gives_the_same(tmp_path: Path) -> None:
    session = opened(graphs.plain_sr(), tmp_path)
    before = session.run({"input": PICTURE})["output"]
    session.rebuild()
    assert np.array_equal(session.run({"input": PICTURE}, reuse=True)["output"], before)


@pytest.mark.parametrize(
    "text",
    [
        "[ONNXRuntimeError] : 1 : FAIL : bfc_arena.cc:360 AllocateRawInternal Failed to allocate memory for requested"
        " buffer of size 1024000000",
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : CUDA failure 2: out of memory ; GPU=0",
        "[ONNXRuntimeError] : 11 : EP_FAIL : CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED",
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
        "[ONNXRuntimeError] : 1 : FAIL : Available memory of 12288 is smaller than requested bytes of 536870912",
        "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : std::bad_alloc",
        "[ONNXRuntimeError] : 11 : EP_FAIL : TensorRT EP failed: OutOfMemory in createExecutionContext",
    ],
)
def test_every_way_of_running_out_of_memory_is_recognised(text: str) -> None:
    assert isinstance(runtime.running_error(RuntimeError(text), "net", ""), OutOfMemory)
    assert isinstance(runtime.opening_error(RuntimeError(text), "net"), OutOfMemory)


def test_other_failures_of_the_runtime_become_one_readable_sentence() -> None:
    text = (
        "[ONNXRuntimeError] : 1 : FAIL : Non-zero status code returned while running Conv node. Name:'body.3' "
        "Status Message: /src/core/conv.cc:21 Compute Channels do not fit\nmore"
    )
    error = runtime.running_error(RuntimeError(text), "net", "1×3×8×8")
    assert isinstance(error, ModelRefused)
    assert str(error) == "Model 'net' fails in Conv 'body.3' on 1×3×8×8: Compute Channels do not fit."


def test_a_model_file_cannot_set_session_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_LOAD_CONFIG_FROM_MODEL", "1")
    model = graphs.identity()
    entry = model.metadata_props.add()
    entry.key, entry.value = "ort_config", '{"session_options": {"intra_op_num_threads": 77}}'
    session = opened(model, tmp_path)
    assert session._inference.get_session_options().intra_op_num_threads == 1
