from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import graphs
from bipack.imaging.tiling import Margins
from bipack.worker.graph import GraphFacts, analyse
from graphs import Builder


def around(pixels: int) -> Margins:
    return Margins(pixels, pixels, pixels, pixels)


def facts_of(x: str, b: Builder, **more: Any) -> GraphFacts:
    return analyse(b.model(x, **more))


# -- local operations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", [2, 5, 10])
def test_a_plain_net_sees_as_many_pixels_as_it_has_3x3_convolutions(layers: int) -> None:
    facts = analyse(graphs.plain_sr(scale=2, layers=layers))
    assert facts.halo == around(layers)
    assert (facts.tiling, facts.scale, facts.multiple, facts.minimum) == ("exact", 2, 1, 1)


def test_a_strided_u_net_needs_a_multiple_and_aligned_tiles() -> None:
    facts = analyse(graphs.unet(depth=3))
    assert (facts.multiple, facts.alignment, facts.minimum, facts.tiling) == (8, 8, 8, "exact")
    assert "multiple of 8" in facts.padding


def test_dilation_and_kernel_size_widen_the_halo() -> None:
    b = Builder()
    assert facts_of(b.conv(b.conv("input", 3, 3, 5), 3, 3, 3, dilations=[4, 4]), b).halo == around(2 + 4)


def test_uneven_padding_gives_an_uneven_halo() -> None:
    b = Builder()
    assert facts_of(b.conv("input", 3, 3, 3, pads=[2, 0, 0, 2]), b).halo == Margins(left=0, right=2, top=2, bottom=0)


def test_the_same_padding_of_even_sizes_is_followed() -> None:
    b = Builder()
    x = b.conv("input", 3, 3, 3, strides=[2, 2], auto_pad="SAME_UPPER")
    facts = facts_of(b.conv_transpose(x, 3, 3), b)
    assert (facts.multiple, facts.tiling) == (2, "exact")


def test_convolutions_without_padding_ask_for_a_rim_instead_of_a_halo() -> None:
    facts = analyse(graphs.unpadded(layers=3))
    assert (facts.halo, facts.border, facts.minimum, facts.reach) == (around(0), around(3), 7, 3)
    assert "mirrored outwards by 3" in facts.padding


def test_a_pixel_shuffle_of_three_nodes_is_like_depth_to_space() -> None:
    b = Builder()
    x = b.op("Reshape", b.conv("input", 3, 12), b.ints([1, 3, 2, 2, 0, -1]))
    # Only shapes computed from the picture keep rows and columns apart at any size.
    size = [b.op("Shape", "input", start=axis, end=axis + 1) for axis in (2, 3)]
    x = b.op("Reshape", b.conv("input", 3, 12), b.op("Concat", b.ints([1, 3, 2, 2]), *size, axis=0))
    x = b.op("Transpose", x, perm=[0, 1, 4, 2, 5, 3])
    double = [b.op("Mul", entry, b.ints([2])) for entry in size]
    facts = facts_of(b.op("Reshape", x, b.op("Concat", b.ints([1, 3]), *double, axis=0)), b)
    assert (facts.scale, facts.halo, facts.tiling) == (2, around(1), "exact")


@pytest.mark.parametrize(
    ("mode", "placing", "halo"),
    [
        ("nearest", "asymmetric", Margins()),
        ("linear", "half_pixel", around(1)),
        ("linear", "asymmetric", Margins(right=1, bottom=1)),
        ("cubic", "pytorch_half_pixel", around(2)),
    ],
)
def test_resize_widens_the_halo_by_what_it_interpolates(mode: str, placing: str, halo: Margins) -> None:
    b = Builder()
    x = b.op("Resize", "input", "", b.const([1, 1, 2, 2]), mode=mode, coordinate_transformation_mode=placing,
             nearest_mode="floor")  # fmt: skip
    facts = facts_of(x, b)
    assert (facts.scale, facts.tiling, facts.halo) == (2, "exact", halo)


def test_an_antialiased_shrink_sees_more_than_a_plain_one() -> None:
    halos = []
    for antialias in (0, 1):
        b = Builder()
        x = b.op("Resize", "input", "", b.const([1, 1, 0.25, 0.25]), mode="linear", antialias=antialias)
        x = b.op("Resize", x, "", b.const([1, 1, 4, 4]), mode="nearest")
        halos.append(facts_of(x, b).halo.left)
    assert halos[1] > halos[0]


def test_resize_to_the_size_of_a_skip_is_a_factor_when_the_size_fits() -> None:
    b = Builder()
    x = b.op("MaxPool", "input", kernel_shape=[2, 2], strides=[2, 2])
    size = b.op("Concat", b.op("Shape", x, end=2), b.op("Shape", "input", start=2), axis=0)
    x = b.op("Add", b.op("Resize", x, "", "", size, mode="linear"), "input")
    facts = facts_of(x, b)
    assert (facts.multiple, facts.tiling) == (2, "exact")


def test_resize_by_three_is_not_called_exact_as_the_runtime_rounds_it_by_place() -> None:
    b = Builder()
    facts = facts_of(b.op("Resize", "input", "", b.const([1, 1, 3, 3]), mode="linear"), b)
    assert facts.tiling == "blend"
    assert "rounded" in facts.reasons[0]


def test_aligned_corners_cannot_be_tiled() -> None:
    b = Builder()
    x = b.op("Resize", "input", "", b.const([1, 1, 2, 2]), mode="linear",
             coordinate_transformation_mode="align_corners")  # fmt: skip
    facts = facts_of(x, b)
    assert facts.tiling == "whole"
    assert "align_corners" in facts.reasons[0] and "Resize_1" not in facts.reasons[0]


def test_internal_padding_to_a_multiple_becomes_the_multiple() -> None:
    b = Builder()
    sizes = [b.op("Shape", "input", start=axis, end=axis + 1) for axis in (2, 3)]
    missing = [b.op("Mod", b.op("Sub", b.ints([8]), b.op("Mod", size, b.ints([8]))), b.ints([8])) for size in sizes]
    pads = b.op("Concat", b.ints([0] * 6), *missing, axis=0)
    x = b.op("SpaceToDepth", b.op("Pad", "input", pads, mode="reflect"), blocksize=8)
    x = b.op("DepthToSpace", b.conv(x, 192, 192, 1), blocksize=8)
    x = b.op("Slice", x, b.ints([0, 0]), b.op("Concat", *sizes, axis=0), b.ints([2, 3]))
    facts = facts_of(x, b)
    assert (facts.tiling, facts.multiple) == ("exact", 8)


def test_layer_normalisation_over_channels_is_local() -> None:
    b = Builder()
    x = b.op("Transpose", b.conv("input", 3, 3), perm=[0, 2, 3, 1])
    x = b.op("LayerNormalization", x, b.const([1, 1, 1]), axis=-1)
    facts = facts_of(b.op("Transpose", x, perm=[0, 3, 1, 2]), b)
    assert (facts.tiling, facts.halo) == ("exact", around(1))


def test_a_knob_input_does_not_count_as_a_picture() -> None:
    facts = analyse(graphs.with_amount())
    assert [entry.picture for entry in facts.inputs] == [True, False]
    assert (facts.tiling, facts.halo) == ("exact", around(1))


def test_every_input_has_its_own_halo() -> None:
    b = Builder()
    x = b.op("Add", b.conv("plate", 3, 3, 7), b.op("Mul", b.conv("matte", 1, 3, 3), "plate"))
    inputs = [("plate", (1, 3, "H", "W")), ("matte", (1, 1, "H", "W"))]
    facts = facts_of(x, b, inputs=inputs)
    assert [entry.halo for entry in facts.inputs] == [around(3), around(1)]
    assert facts.halo == around(3)


def test_every_output_has_its_own_scale_and_halo() -> None:
    b = Builder()
    fine = b.op("DepthToSpace", b.conv("input", 3, 12), blocksize=2)
    facts = facts_of([fine, b.conv("input", 3, 1, 5)], b, names=("picture", "confidence"))
    assert [(entry.scale, entry.halo.left, entry.channels) for entry in facts.outputs] == [(2, 1, 3), (1, 2, 1)]


def test_nodes_that_no_output_needs_are_left_out() -> None:
    b = Builder()
    b.op("Sharpen", "input", domain="studio.custom")
    assert facts_of(b.conv("input", 3, 3), b, domains=["studio.custom"]).tiling == "exact"


def test_a_shrinking_model_has_a_fraction_as_scale() -> None:
    b = Builder()
    assert facts_of(b.conv("input", 3, 3, 2, strides=[2, 2], pads=[0] * 4), b).scale == Fraction(1, 2)


def test_channels_of_an_open_declaration_come_from_the_weights() -> None:
    b = Builder()
    facts = facts_of(b.conv("input", 4, 3), b, inputs=[("input", ("N", "C", "H", "W"))])
    assert facts.inputs[0].channels == 4


# -- what cannot be exact --------------------------------------------------------------------------------------------


def test_squeeze_and_excite_is_blended_with_the_node_named() -> None:
    facts = analyse(graphs.squeeze_excite())
    assert facts.tiling == "blend"
    assert "GlobalAveragePool 'GlobalAveragePool_2'" in facts.reasons[0]
    assert facts.geometry.overlap > 0


def test_attention_over_the_picture_runs_whole() -> None:
    facts = analyse(graphs.attention())
    assert (facts.tiling, facts.scale) == ("whole", 1)
    assert "attention" in facts.reasons[0]


def test_an_unknown_operation_runs_whole_and_is_named() -> None:
    facts = analyse(graphs.unknown_operation())
    assert (facts.tiling, facts.scale) == ("whole", None)
    assert "Sharpen 'Sharpen_0'" in facts.reasons[0]


def _instance(b: Builder) -> str:
    return str(b.op("InstanceNormalization", "input", b.const([1] * 3), b.const([0] * 3)))


def _group(b: Builder) -> str:
    """Group normalisation as exporters write it."""
    x = b.op("Reshape", "input", b.ints([0, 1, -1]))
    x = b.op("InstanceNormalization", x, b.const([1]), b.const([0]))
    return str(b.op("Reshape", x, b.op("Shape", "input")))


def _mean(b: Builder) -> str:
    return str(b.op("Sub", "input", b.op("ReduceMean", "input", b.ints([2, 3]))))


def _channel_attention(b: Builder) -> str:
    tokens = b.op("Reshape", "input", b.ints([1, 3, -1]))
    scores = b.op("Softmax", b.op("MatMul", tokens, b.op("Transpose", tokens, perm=[0, 2, 1])), axis=-1)
    return str(b.op("Reshape", b.op("MatMul", scores, tokens), b.op("Shape", "input")))


def _batch_statistics(b: Builder) -> str:
    ones = [b.const([1] * 3) for _ in range(4)]
    return str(b.op("BatchNormalization", "input", *ones, training_mode=1, outputs=3)[0])


@pytest.mark.parametrize("build", [_instance, _group, _mean, _channel_attention, _batch_statistics])
def test_statistics_of_the_whole_picture_are_only_blended(build: Any) -> None:
    b = Builder()
    facts = facts_of(build(b), b)
    assert facts.tiling == "blend" and facts.reasons


def _warp(b: Builder) -> str:
    grid = b.op("Transpose", b.conv("input", 3, 2), perm=[0, 2, 3, 1])
    return str(b.op("GridSample", "input", grid))


def _roll(b: Builder) -> str:
    first = b.op("Slice", "input", b.ints([4]), b.ints([1 << 40]), b.ints([2]))
    return str(b.op("Concat", first, b.op("Slice", "input", b.ints([0]), b.ints([4]), b.ints([2])), axis=2))


def _flip(b: Builder) -> str:
    return str(b.op("Slice", "input", b.ints([-1]), b.ints([-(1 << 40)]), b.ints([3]), b.ints([-1])))


def _position_table(b: Builder) -> str:
    width = b.op("Shape", "input", start=3)
    ramp = b.op("Range", b.const(0, np.int64), b.op("Squeeze", width), b.const(1, np.int64))
    return str(b.op("Add", "input", b.op("Cast", ramp, to=TensorProto.FLOAT)))


def _divided_by_width(b: Builder) -> str:
    width = b.op("Cast", b.op("Shape", "input", start=3), to=TensorProto.FLOAT)
    return str(b.op("Div", "input", width))


def _first_rows(b: Builder) -> str:
    rows = b.op("Slice", "input", b.ints([0]), b.ints([16]), b.ints([2]))
    return str(b.op("Add", "input", b.op("ReduceMean", rows, b.ints([3]))))


def _cumulative(b: Builder) -> str:
    return str(b.op("CumSum", "input", b.const(2, np.int64)))


def _transposed_picture(b: Builder) -> str:
    return str(b.op("Transpose", "input", perm=[0, 1, 3, 2]))


def _linear_over_columns(b: Builder) -> str:
    return str(b.op("MatMul", "input", b.const(np.eye(512))))


def _wrapped(b: Builder) -> str:
    b.opset = 19
    x = b.op("Pad", "input", b.ints([0, 0, 1, 1, 0, 0, 1, 1]), mode="wrap")
    return str(b.conv(x, 3, 3, pads=[0] * 4))


def _random(b: Builder) -> str:
    return str(b.op("Add", "input", b.op("RandomNormalLike", "input")))


BUILDERS = [
    _warp, _roll, _flip, _position_table, _divided_by_width, _first_rows, _cumulative, _transposed_picture,
    _linear_over_columns, _wrapped, _random,
]  # fmt: skip


@pytest.mark.parametrize("build", BUILDERS)
def test_what_depends_on_the_place_in_the_frame_runs_whole_with_a_reason(build: Any) -> None:
    b = Builder()
    facts = facts_of(build(b), b)
    assert facts.tiling == "whole" and facts.reasons


def test_a_reshape_to_a_fixed_size_is_not_called_exact() -> None:
    b = Builder()
    x = b.op("Reshape", b.op("Reshape", "input", b.ints([1, 3, 4096])), b.ints([1, 3, 64, 64]))
    assert facts_of(x, b).tiling == "whole"


def test_a_graph_without_pictures_is_not_called_exact() -> None:
    b = Builder()
    facts = facts_of(b.op("Relu", "input"), b, inputs=[("input", (1, 8))], output_shape=(1, 8))
    assert facts.tiling == "whole"


# -- sizes, functions, opsets ----------------------------------------------------------------------------------------


def test_a_declared_size_is_a_fact() -> None:
    facts = analyse(graphs.fixed_size(48, 64, layers=2))
    assert (facts.fixed, facts.tiling, facts.halo) == ((48, 64), "exact", around(2))


def test_a_global_model_of_fixed_size_is_blended_as_there_is_no_whole() -> None:
    model = graphs.squeeze_excite()
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim[2:], (64, 64)):
        dim.dim_value = size
    assert analyse(model).tiling == "blend"


def test_a_known_condition_takes_its_branch() -> None:
    b = Builder()
    wide = b.op("Greater", b.op("Squeeze", b.op("Shape", "input", start=3)), b.const(0, np.int64))
    branches = {}
    for name, kernel in (("then_branch", 3), ("else_branch", 7)):
        inner = Builder()
        out = inner.conv("input", 3, 3, kernel)
        info = helper.make_tensor_value_info(out, TensorProto.FLOAT, None)
        branches[name] = helper.make_graph(inner.nodes, name, [], [info], inner.weights)
    facts = facts_of(b.op("If", wide, **branches), b)
    assert (facts.tiling, facts.halo) == ("exact", around(1))


def test_local_functions_are_written_out() -> None:
    twice = helper.make_function(
        "studio", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [helper.make_opsetid("", 18)]
    )
    b = Builder()
    model = b.model(b.conv(b.op("Twice", "input", domain="studio"), 3, 3), domains=["studio"])
    model.functions.append(twice)
    facts = analyse(model)
    assert (facts.tiling, facts.halo) == ("exact", around(1))


@pytest.mark.parametrize("opset", [9, 10, 11, 13, 18, 21])
def test_old_and_new_opsets_say_the_same(opset: int) -> None:
    b = Builder(opset=opset)
    x = b.conv("input", 3, 3)
    scales = b.const([1, 1, 2, 2])
    if opset < 10:
        x = b.op("Upsample", x, scales, mode="nearest")
    elif opset < 11:
        x = b.op("Resize", x, scales, mode="nearest")
    else:
        x = b.op("Resize", x, b.const([]), scales, mode="nearest", coordinate_transformation_mode="asymmetric")
    if opset < 11:
        x = b.op("Pad", x, pads=[0, 0, 1, 1, 0, 0, 1, 1])
    else:
        x = b.op("Pad", x, b.ints([0, 0, 1, 1, 0, 0, 1, 1]))
    x = b.conv(x, 3, 3, pads=[0] * 4)
    facts = facts_of(x, b)
    assert (facts.tiling, facts.scale, facts.opset, facts.halo.left) == ("exact", 2, opset, 2)


def test_analysis_takes_a_path_bytes_or_a_model(tmp_path: Any) -> None:
    model = graphs.plain_sr()
    path = graphs.save(model, tmp_path / "net.onnx")
    assert analyse(path) == analyse(model.SerializeToString()) == analyse(model)


@pytest.mark.parametrize("wrapped", [False, True])
def test_weights_are_not_decoded_for_the_analysis(monkeypatch: pytest.MonkeyPatch, wrapped: bool) -> None:
    model = graphs.plain_sr(layers=6)
    if wrapped:
        model = graphs.half_weights(model)
    decoded: list[int] = []
    to_array = onnx.numpy_helper.to_array
    monkeypatch.setattr(onnx.numpy_helper, "to_array", lambda tensor: decoded.append(1) or to_array(tensor))
    assert (analyse(model).tiling, analyse(model).halo) == ("exact", around(6))
    assert not decoded


def test_malformed_nodes_are_a_reason_and_no_crash() -> None:
    for kind in ("MaxPool", "DepthToSpace", "Concat", "Reshape", "Conv", "Slice", "Resize", "Gather", "Pad"):
        b = Builder()
        facts = facts_of(b.op(kind, "input"), b)
        assert facts.tiling == "whole" and kind in facts.reasons[0]
