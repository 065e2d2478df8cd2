"""Pixels of the operators, against formulas written out here; values above 1, below 0, NaN and infinity included."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import stand_in
from stand_in.errors import NotEvaluated, RenderError

RNG = np.random.default_rng(7)
RGBA = ("rgba.red", "rgba.green", "rgba.blue", "rgba.alpha")
Picture = Callable[..., Any]


def values(height: int = 5, width: int = 6) -> dict[str, np.ndarray]:
    """Random R, G, B from −2 to 6 and A from 0 to 1."""
    found = {name: RNG.uniform(-2, 6, (height, width)).astype(np.float32) for name in "RGB"}
    found["A"] = RNG.uniform(0, 1, (height, width)).astype(np.float32)
    return found


@pytest.fixture
def picture(nuke: ModuleType, exr_file: Callable[..., str]) -> Picture:
    """A Read of the channels given, rows from the top."""
    count = iter(range(100))

    def make(channels: dict[str, np.ndarray], **options: Any) -> Any:
        return nuke.nodes.Read(file=exr_file(f"p{next(count)}.exr", channels, **options))

    return make


def out(node: Any, *names: str, frame: float = 1) -> np.ndarray:
    """(h, w, n) from the top; the rgba channels if no others are named."""
    return stand_in.evaluate(node, frame).stack(*(names or RGBA))


def stack(channels: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([channels[name] for name in "RGBA"], axis=-1)


# color


@pytest.mark.parametrize(
    ("name", "knobs", "formula"),
    [
        ("Multiply", {"value": [2, 3, 4, 5]}, lambda v: v * [2, 3, 4, 1]),
        ("Multiply", {"value": 2.0, "channels": "rgba"}, lambda v: v * 2),
        ("Add", {"value": [1, -1, 0.5, 9]}, lambda v: np.add(v, [1, -1, 0.5, 0])),
        ("Invert", {"channels": "rgb"}, lambda v: np.where([1, 1, 1, 0], 1 - v, v)),
        ("Clamp", {"channels": "rgb"}, lambda v: np.where([1, 1, 1, 0], np.clip(v, 0, 1), v)),
        ("Gamma", {"value": 2.0}, lambda v: np.where([1, 1, 1, 0], np.where(v > 0, np.abs(v) ** 0.5, v), v)),
        ("Grade", {"multiply": 2.0, "add": 0.5, "black_clamp": False}, lambda v: v * [2, 2, 2, 1] + [0.5, 0.5, 0.5, 0]),
        ("Grade", {"multiply": 2.0}, lambda v: np.where([1, 1, 1, 0], np.maximum(2 * v, 0), v)),
        (
            "Grade",
            {"whitepoint": 3.0, "blackpoint": 1.0, "white": 2.0, "black": 0.5, "black_clamp": False},
            lambda v: np.where([1, 1, 1, 0], (v - 1) / 2 * 1.5 + 0.5, v),
        ),
        ("Expression", {"expr0": "r+g*2", "expr3": "1"}, lambda v: _set(_set(v, 0, v[..., 0] + 2 * v[..., 1]), 3, 1)),
        (
            "Expression",
            {"expr0": "-r", "channel0": "rgb"},
            lambda v: _set(_set(_set(v, 0, -v[..., 0]), 1, -v[..., 0]), 2, -v[..., 0]),
        ),
    ],
)
def test_pixel_by_pixel_nodes(
    nuke: ModuleType, picture: Picture, name: str, knobs: dict[str, Any], formula: Callable[[Any], Any]
) -> None:
    source = values()
    node = getattr(nuke.nodes, name)(inputs=[picture(source)], **knobs)
    assert np.allclose(out(node), formula(stack(source)), atol=1e-5)


def _set(pixels: np.ndarray, channel: int, value: Any) -> np.ndarray:
    changed = pixels.copy()
    changed[..., channel] = value
    return changed


def test_grade_reversed_undoes_grade(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    knobs = {"multiply": 1.7, "add": 0.2, "gamma": 1.3, "black_clamp": False}
    there = nuke.nodes.Grade(inputs=[picture(source)], **knobs)
    back = nuke.nodes.Grade(inputs=[there], reverse=True, **knobs)
    assert np.allclose(out(back), stack(source), atol=1e-4)


def test_saturation_keeps_luminance(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    grey = out(nuke.nodes.Saturation(inputs=[picture(source)], saturation=0.0))
    luma = source["R"] * 0.2125 + source["G"] * 0.7154 + source["B"] * 0.0721
    assert np.allclose(grey[..., :3], luma[..., None], atol=1e-4)


def test_hue_turned_by_120_degrees_swaps_the_channels(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    turned = out(nuke.nodes.HueShift(inputs=[picture(source)], hue_rotation=120))
    assert np.allclose(np.sort(turned[..., :3], axis=-1), np.sort(stack(source)[..., :3], axis=-1), atol=1e-4)
    assert not np.allclose(turned[..., 0], source["R"])


def test_color_correct_master_row(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    node = nuke.nodes.ColorCorrect(inputs=[picture(source)], gain=2.0, offset=0.1)
    assert np.allclose(out(node)[..., :3], stack(source)[..., :3] * 2 + 0.1, atol=1e-5)
    node["midtones.gain"].setValue(2)
    with pytest.raises(NotEvaluated, match=r"midtones\.gain"):
        out(node)


def test_log_and_linear_are_inverse(nuke: ModuleType, picture: Picture) -> None:
    source = {name: np.abs(pixels) for name, pixels in values().items()}
    log = nuke.nodes.Log2Lin(inputs=[picture(source)], operation="lin2log")
    assert np.allclose(out(nuke.nodes.Log2Lin(inputs=[log])), stack(source), rtol=1e-3, atol=1e-4)
    grey = nuke.nodes.Log2Lin(inputs=[picture({c: np.full((1, 1), 685 / 1023, np.float32) for c in "RGB"})])
    assert out(grey, "rgba.red") == pytest.approx(1)


@pytest.mark.parametrize("space", ["sRGB", "rec709", "Cineon", "Gamma2.2", "AlexaV3LogC", "HSV"])
def test_colorspaces_are_inverse(nuke: ModuleType, picture: Picture, space: str) -> None:
    source = {name: np.abs(pixels) for name, pixels in values().items()}
    there = nuke.nodes.Colorspace(inputs=[picture(source)], colorspace_out=space)
    back = nuke.nodes.Colorspace(inputs=[there], colorspace_in=space)
    assert np.allclose(out(back), stack(source), rtol=1e-3, atol=1e-4)
    assert not np.allclose(out(there), stack(source))


def test_srgb_of_mid_grey(nuke: ModuleType, picture: Picture) -> None:
    grey = picture({c: np.full((1, 1), 0.2158605, np.float32) for c in "RGB"})
    assert out(nuke.nodes.Colorspace(inputs=[grey], colorspace_out="sRGB"), "rgba.red") == pytest.approx(
        128 / 255, abs=1e-5
    )


# masks and mix


def test_mix_and_mask_weigh_the_change(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    mask = np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 6)
    node = nuke.nodes.Multiply(inputs=[picture(source), picture({"A": mask})], value=3.0, mix=0.5)
    expected = stack(source)
    expected[..., :3] *= (1 + 2 * 0.5 * mask)[..., None]
    assert np.allclose(out(node), expected, atol=1e-5)
    node["invert_mask"].setValue(True)
    node["maskChannelMask"].setValue("red")
    assert np.allclose(out(node)[..., :3], stack(source)[..., :3] * 2, atol=1e-5)


def test_a_mask_may_come_from_the_input_itself(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    node = nuke.nodes.Add(inputs=[picture(source)], value=1.0, maskChannelInput="alpha")
    assert np.allclose(out(node)[..., 0], source["R"] + source["A"], atol=1e-5)


@pytest.mark.parametrize("name", ["Multiply", "Keymix"])
def test_where_the_mask_is_0_nothing_changes_not_even_nan(nuke: ModuleType, picture: Picture, name: str) -> None:
    source = values()
    mask = np.zeros((5, 6), np.float32)
    mask[2, 3] = 1
    matte, plate = picture({"A": mask}), picture(source)
    bad = nuke.nodes.Expression(inputs=[plate], expr0="sqrt(-1)", expr1="1/0", expr2="g*3", channel3="none")
    if name == "Keymix":
        node = nuke.nodes.Keymix(inputs=[plate, bad, matte])
    else:
        node = nuke.nodes.Expression(inputs=[plate, matte], expr0="sqrt(-1)", maskChannelMask="alpha")
    result = out(node)
    keep = mask == 0
    assert np.array_equal(result[keep], stack(source)[keep])
    assert np.isnan(result[2, 3, 0])


def test_keymix_mixes_by_its_mask(nuke: ModuleType, picture: Picture) -> None:
    back, front = values(), values()
    mask = RNG.uniform(0, 1, (5, 6)).astype(np.float32)
    node = nuke.nodes.Keymix(inputs=[picture(back), picture(front), picture({"A": mask})])
    expected = stack(back) * (1 - mask[..., None]) + stack(front) * mask[..., None]
    assert np.allclose(out(node), expected, atol=1e-5)
    node["invertMask"].setValue(True)
    node["mix"].setValue(0.5)
    weight = (1 - mask[..., None]) * 0.5
    assert np.allclose(out(node), stack(back) * (1 - weight) + stack(front) * weight, atol=1e-5)
    node["channels"].setValue("alpha")
    assert np.array_equal(out(node)[..., :3], stack(back)[..., :3])


# merges

FORMULAS: dict[str, Callable[..., Any]] = {
    "over": lambda A, B, a, b: A + B * (1 - a),
    "under": lambda A, B, a, b: A * (1 - b) + B,
    "plus": lambda A, B, a, b: A + B,
    "minus": lambda A, B, a, b: A - B,
    "from": lambda A, B, a, b: B - A,
    "difference": lambda A, B, a, b: abs(A - B),
    "multiply": lambda A, B, a, b: np.where((A < 0) & (B < 0), 0, A * B),
    "divide": lambda A, B, a, b: np.where((A < 0) & (B < 0), 0, A / B),
    "max": lambda A, B, a, b: np.maximum(A, B),
    "min": lambda A, B, a, b: np.minimum(A, B),
    "average": lambda A, B, a, b: (A + B) / 2,
    "copy": lambda A, B, a, b: A,
    "mask": lambda A, B, a, b: B * a,
    "stencil": lambda A, B, a, b: B * (1 - a),
    "in": lambda A, B, a, b: A * b,
    "out": lambda A, B, a, b: A * (1 - b),
    "atop": lambda A, B, a, b: A * b + B * (1 - a),
    "xor": lambda A, B, a, b: A * (1 - b) + B * (1 - a),
    "matte": lambda A, B, a, b: A * a + B * (1 - a),
    "exclusion": lambda A, B, a, b: A + B - 2 * A * B,
    "hypot": lambda A, B, a, b: np.hypot(A, B),
    "screen": lambda A, B, a, b: np.where((A >= 0) & (A <= 1) & (B >= 0) & (B <= 1), A + B - A * B, np.maximum(A, B)),
    "overlay": lambda A, B, a, b: np.where(B < 0.5, 2 * A * B, 1 - 2 * (1 - A) * (1 - B)),
    "hard-light": lambda A, B, a, b: np.where(A < 0.5, 2 * A * B, 1 - 2 * (1 - A) * (1 - B)),
}


@pytest.mark.parametrize("operation", FORMULAS)
def test_merge_operations(nuke: ModuleType, picture: Picture, operation: str) -> None:
    back, front = values(), values()
    node = nuke.nodes.Merge2(inputs=[picture(back), picture(front)], operation=operation)
    A, B = stack(front), stack(back)
    expected = FORMULAS[operation](A, B, A[..., 3:], B[..., 3:])
    assert np.allclose(out(node), expected, rtol=1e-4, atol=1e-5)


def test_a_merge_of_some_channels_leaves_the_others_of_b(nuke: ModuleType, picture: Picture) -> None:
    back, front = {**values(), "depth.Z": np.ones((5, 6), np.float32)}, values()
    node = nuke.nodes.Merge2(inputs=[picture(back), picture(front)], operation="plus", output="rgb")
    assert np.allclose(out(node)[..., :3], (stack(back) + stack(front))[..., :3], atol=1e-5)
    assert np.array_equal(out(node, "rgba.alpha", "depth.Z")[..., 0], back["A"])
    node["also_merge"].setValue("depth")
    assert out(node, "depth.Z").max() == 1


def test_several_a_inputs_are_merged_in_turn(nuke: ModuleType, picture: Picture) -> None:
    sources = [values() for _ in range(3)]
    reads = [picture(source) for source in sources]
    node = nuke.nodes.Merge2(inputs=[reads[0], reads[1], None, reads[2]], operation="plus")
    assert np.allclose(out(node), sum(stack(source) for source in sources), atol=1e-5)


def test_the_box_of_a_merge(nuke: ModuleType, picture: Picture) -> None:
    big, small = picture(values(8, 10)), picture(values(2, 3), window=(4, 3), display=(10, 8))
    node = nuke.nodes.Merge2(inputs=[big, small], operation="plus")
    boxes = {}
    for choice in node["bbox"].values():
        node["bbox"].setValue(choice)
        boxes[choice] = stand_in.evaluate(node).bbox
    assert boxes["union"] == boxes["B"] == stand_in.evaluate(big).bbox
    assert boxes["A"] == boxes["intersection"] == stand_in.evaluate(small).bbox
    node["bbox"].setValue("union")
    assert np.allclose(out(node, "rgba.red")[0, 0], out(big, "rgba.red")[0, 0])


def test_dissolve_and_switch_take_their_input_by_which(nuke: ModuleType, picture: Picture) -> None:
    sources = [values() for _ in range(2)]
    reads = [picture(source) for source in sources]
    dissolve, switch = nuke.nodes.Dissolve(inputs=reads, which=0.25), nuke.nodes.Switch(inputs=reads, which=1)
    assert np.allclose(out(dissolve), stack(sources[0]) * 0.75 + stack(sources[1]) * 0.25, atol=1e-5)
    assert np.array_equal(out(switch), stack(sources[1]))
    switch["which"].setValue(9)
    assert np.array_equal(out(switch), stack(sources[1]))


@pytest.mark.parametrize("which", [0.0, 0.25, 1.0])
def test_dissolve_leaves_other_channels_alone(nuke: ModuleType, picture: Picture, which: float) -> None:
    sources = [values() for _ in range(2)]
    dissolve = nuke.nodes.Dissolve(inputs=[picture(source) for source in sources], which=which, channels="alpha")
    assert np.array_equal(out(dissolve)[..., :3], stack(sources[0])[..., :3])
    mixed = sources[0]["A"] * (1 - which) + sources[1]["A"] * which
    assert np.allclose(out(dissolve, "rgba.alpha")[..., 0], mixed, atol=1e-5)


def test_premult_and_unpremult(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    source["A"][0, 0] = 0
    premult = nuke.nodes.Premult(inputs=[picture(source)])
    assert np.allclose(out(premult)[..., 1], source["G"] * source["A"], atol=1e-6)
    back = out(nuke.nodes.Unpremult(inputs=[premult]))
    assert np.allclose(back[1:], stack(source)[1:], atol=1e-3)
    assert back[0, 0, 0] == 0


# channels


def test_shuffle_moves_channels_and_makes_black_and_white(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    node = nuke.nodes.Shuffle(inputs=[picture(source)], red="alpha", green="white", blue="black", alpha="red")
    zero, one = np.zeros((5, 6)), np.ones((5, 6))
    assert np.array_equal(out(node), np.stack([source["A"], one, zero, source["R"]], axis=-1))
    node = nuke.nodes.Shuffle(inputs=[picture(source)], out="depth", red="green")
    assert np.array_equal(out(node, "depth.Z")[..., 0], source["G"])
    assert np.array_equal(out(node), stack(source))


def test_shuffle_of_two_layers(nuke: ModuleType, picture: Picture) -> None:
    source = {**values(), "forward.u": np.full((5, 6), 7, np.float32)}
    node = nuke.nodes.Shuffle(inputs=[picture(source)], in2="forward", red="red2")
    assert out(node, "rgba.red").max() == 7


def test_shuffle2_reads_its_mappings(nuke: ModuleType, picture: Picture) -> None:
    source, other = values(), values()
    node = nuke.nodes.Shuffle2(inputs=[picture(source), picture(other)], in2="rgba")
    node["fromInput2"].fromScript("{{1} B A}")
    node["mappings"].setValue(
        "4 rgba.green 0 1 rgba.red 0 0 rgba.red 1 0 rgba.green 0 1 white -1 -1 rgba.blue 0 2 black -1 -1 rgba.alpha 0 3"
    )
    result = out(node)
    assert np.array_equal(result[..., 0], source["G"])
    assert np.array_equal(result[..., 1], other["R"])
    assert (result[..., 2].min(), result[..., 3].max()) == (1, 0)


def test_copy_takes_channels_from_input_1(nuke: ModuleType, picture: Picture) -> None:
    back, front = values(), values()
    node = nuke.nodes.Copy(inputs=[picture(back), picture(front)], from0="red", to0="alpha")
    assert np.array_equal(out(node)[..., 3], front["R"])
    assert np.array_equal(out(node)[..., :3], stack(back)[..., :3])


def test_shuffle_copy_lays_input_1_over_input_0(nuke: ModuleType, picture: Picture) -> None:
    back, front = values(), values()
    node = nuke.nodes.ShuffleCopy(inputs=[picture(back), picture(front)])
    assert np.array_equal(out(node)[..., 3], front["A"])
    assert np.array_equal(out(node)[..., :3], stack(back)[..., :3])


def test_channels_are_removed_kept_and_added(nuke: ModuleType, picture: Picture) -> None:
    read = picture({**values(), "depth.Z": np.ones((5, 6), np.float32)})
    remove = nuke.nodes.Remove(inputs=[read], channels="depth")
    assert remove.channels() == sorted(RGBA)
    keep = nuke.nodes.Remove(inputs=[read], operation="keep", channels="alpha", channels2="depth")
    assert keep.channels() == ["depth.Z", "rgba.alpha"]
    add = nuke.nodes.AddChannels(inputs=[keep], channels="rgba", color=[5, 6, 7, 8])
    assert out(add, "rgba.green").max() == 6
    assert out(add, "rgba.alpha").max() <= 1


# expressions of pixels


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("x", lambda x, y, v: x),
        ("y", lambda x, y, v: y),
        ("cx", lambda x, y, v: (x + 0.5 - 3) / 3),
        ("cy", lambda x, y, v: (y + 0.5 - 2.5) / 3),
        ("width*10+height", lambda x, y, v: x * 0 + 65),
        ("frame", lambda x, y, v: x * 0 + 1),
        ("red > 1 ? green : rgba.blue", lambda x, y, v: np.where(v[..., 0] > 1, v[..., 1], v[..., 2])),
        ("r(x+1,y)", lambda x, y, v: v[:, [1, 2, 3, 4, 5, 5], 0]),
        ("r(x,y-1)", lambda x, y, v: v[[1, 2, 3, 4, 4], :, 0]),
        ("clamp(r)+min(g,b,a)", lambda x, y, v: np.clip(v[..., 0], 0, 1) + v[..., 1:].min(axis=-1)),
        ("k*r", lambda x, y, v: 3 * v[..., 0]),
        ("this.k+parent.scale", lambda x, y, v: x * 0 + 5),
        ("sum/3", lambda x, y, v: v[..., :3].sum(axis=-1) / 3),
        ("a == 0 || r < 0", lambda x, y, v: v[..., 0] < 0),
    ],
)
def test_names_of_pixel_expressions(
    nuke: ModuleType, picture: Picture, formula: str, expected: Callable[..., Any]
) -> None:
    source = values()
    group = nuke.nodes.Group()
    group.addKnob(nuke.Double_Knob("scale"))
    group["scale"].setValue(2)
    group.setInput(0, None)
    read = picture(source)
    with group:
        entry = nuke.nodes.Input()
        node = nuke.nodes.Expression(inputs=[entry], temp_name0="sum", temp_expr0="r+g+b", expr0=formula)
        node.addKnob(nuke.Double_Knob("k"))
        node["k"].setValue(3)
        nuke.nodes.Output(inputs=[node])
    group.setInput(0, read)
    y, x = np.mgrid[4:-1:-1, 0:6].astype(np.float32)
    result = out(group)
    assert np.allclose(result[..., 0], expected(x, y, stack(source)), atol=1e-5)
    assert np.array_equal(result[..., 1:], stack(source)[..., 1:])


@pytest.mark.parametrize("formula", ["q", "Ar", "nolayer.red", "r(1)", "sine(r)", "r +"])
def test_unknown_names_in_pixel_expressions_raise(nuke: ModuleType, picture: Picture, formula: str) -> None:
    node = nuke.nodes.Expression(name="Bad", inputs=[picture(values())], expr0=formula)
    with pytest.raises(stand_in.ExpressionError, match="Bad"):
        out(node)


def test_merge_expression_has_both_inputs_by_prefix(nuke: ModuleType, picture: Picture) -> None:
    back, front = values(), values()
    node = nuke.nodes.MergeExpression(
        inputs=[picture(back), picture(front)],
        temp_name0="d",
        temp_expr0="Ar-Br",
        expr0="Br+d/2",
        expr1="max(Ag, Bgreen)",
        expr2="Brgba.alpha",
    )
    result = out(node)
    assert np.allclose(result[..., 0], (back["R"] + front["R"]) / 2, atol=1e-5)
    assert np.array_equal(result[..., 1], np.maximum(back["G"], front["G"]))
    assert np.array_equal(result[..., 2], back["A"])
    assert np.array_equal(result[..., 3], back["A"])
    node["expr0"].setValue("r")
    with pytest.raises(stand_in.ExpressionError):
        out(node)


# geometry


def test_a_box_cut_by_crop_is_black_outside(nuke: ModuleType, picture: Picture) -> None:
    source = values(6, 8)
    crop = nuke.nodes.Crop(inputs=[picture(source)], box=[2, 1, 6, 5])
    image = stand_in.evaluate(crop)
    assert (image.bbox.x, image.bbox.y, image.bbox.r, image.bbox.t) == (2, 1, 6, 5)
    assert np.array_equal(out(crop)[..., 0], source["R"][1:5, 2:6])
    assert image.sample("rgba.red", 1, 3) == 0
    crop["crop"].setValue(False)
    assert stand_in.evaluate(crop).sample("rgba.red", 1, 3) == source["R"][2, 2]
    crop["reformat"].setValue(True)
    assert (crop.width(), crop.height(), stand_in.evaluate(crop).bbox.x) == (4, 4, 0)


def test_moving_by_whole_pixels_copies_exactly(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    moved = stand_in.evaluate(nuke.nodes.Transform(inputs=[picture(source)], translate=[3, -2]))
    assert (moved.bbox.x, moved.bbox.y) == (3, -2)
    assert np.array_equal(moved.stack("rgba.red")[..., 0], source["R"])
    assert moved.sample("rgba.red", 2, 0) == 0


def test_half_a_pixel_right_is_the_mean_of_neighbours(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    moved = stand_in.evaluate(nuke.nodes.Transform(inputs=[picture(source)], translate=[0.5, 0]))
    assert moved.sample("rgba.red", 3, 2) == pytest.approx((source["R"][2, 2] + source["R"][2, 3]) / 2, abs=1e-5)


def test_a_quarter_turn_swaps_the_axes(nuke: ModuleType, picture: Picture) -> None:
    source = values(6, 6)
    node = nuke.nodes.Transform(inputs=[picture(source)], rotate=90, center=[3, 3], filter="Impulse")
    assert np.allclose(out(node)[..., 0], np.rot90(source["R"]), atol=1e-5)


@pytest.mark.parametrize(
    "name", ["Impulse", "Cubic", "Keys", "Simon", "Rifman", "Mitchell", "Parzen", "Lanczos4", "Lanczos6"]
)
def test_filters_keep_a_flat_picture_flat(nuke: ModuleType, picture: Picture, name: str) -> None:
    flat = picture({c: np.full((8, 8), 3, np.float32) for c in "RGB"})
    node = nuke.nodes.Reformat(inputs=[flat], type="scale", scale=1.75, filter=name)
    assert np.allclose(out(node, "rgba.red"), 3, atol=1e-5)


def test_doubling_without_a_filter_repeats_pixels(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    node = nuke.nodes.Reformat(inputs=[picture(source)], type="scale", scale=2.0, filter="Impulse")
    assert np.array_equal(out(node)[..., 0], source["R"].repeat(2, 0).repeat(2, 1))


def test_a_ramp_stays_in_place_when_scaled(nuke: ModuleType, picture: Picture) -> None:
    ramp = np.tile(np.arange(16, dtype=np.float32), (4, 1))
    big = out(nuke.nodes.Reformat(inputs=[picture({"R": ramp})], type="scale", scale=2.0, filter="Keys"), "rgba.red")
    assert np.allclose(big[4, 6:26, 0], np.arange(6, 26) / 2 - 0.25, atol=1e-4)


@pytest.mark.parametrize(
    ("resize", "box", "size"),
    [
        ("width", (20, 30), (20, 10)),
        ("height", (20, 30), (60, 30)),
        ("fit", (20, 30), (20, 10)),
        ("fill", (20, 30), (60, 30)),
        ("none", (20, 30), (8, 4)),
        ("distort", (20, 30), (20, 30)),
    ],
)
def test_reformat_to_a_box(
    nuke: ModuleType, picture: Picture, resize: str, box: tuple[int, int], size: tuple[int, int]
) -> None:
    node = nuke.nodes.Reformat(inputs=[picture(values(4, 8))], type="to box", box_width=box[0], box_height=box[1])
    node["resize"].setValue(resize)
    assert (node.width(), node.height()) == size
    node["box_fixed"].setValue(True)
    assert (node.width(), node.height()) == box


def test_reformat_keeps_the_box_if_told(nuke: ModuleType, picture: Picture) -> None:
    over = picture(values(8, 12), window=(-2, -2), display=(8, 4))
    node = nuke.nodes.Reformat(inputs=[over], type="scale", scale=2.0)
    assert stand_in.evaluate(node).bbox == stand_in.evaluate(node).edges
    node["pbb"].setValue(True)
    assert stand_in.evaluate(node).bbox.x == -4


def test_boxes_are_copied_grown_mirrored_and_moved(nuke: ModuleType, picture: Picture) -> None:
    source = values(4, 6)
    read, other = picture(source), picture(values(2, 2))
    assert stand_in.evaluate(nuke.nodes.CopyBBox(inputs=[read, other])).bbox.width == 2
    assert stand_in.evaluate(nuke.nodes.AdjBBox(inputs=[read], numpixels=3)).bbox.width == 12
    assert np.array_equal(out(nuke.nodes.Mirror2(inputs=[read], flip=True))[..., 0], source["R"][::-1])
    assert np.array_equal(out(nuke.nodes.Mirror2(inputs=[read], flop=True))[..., 0], source["R"][:, ::-1])
    assert stand_in.evaluate(nuke.nodes.Position(inputs=[read], translate=[5, 0])).bbox.x == 5
    assert stand_in.evaluate(nuke.nodes.BlackOutside(inputs=[read])).sample("rgba.red", -1, 0) == 0


# filters


def impulse(side: int = 21, value: float = 1) -> dict[str, np.ndarray]:
    pixels = np.zeros((side, side), np.float32)
    pixels[side // 2, side // 2] = value
    return {"R": pixels}


def row(node: Any) -> np.ndarray:
    """The sums of columns: the kernel across."""
    return out(node, "rgba.red")[..., 0].sum(axis=0)


def test_a_triangle_blur_falls_to_zero_at_its_size(nuke: ModuleType, picture: Picture) -> None:
    node = nuke.nodes.Blur(inputs=[picture(impulse())], size=[4, 0], filter="triangle")
    expected = np.clip(1 - np.abs(np.arange(21) - 10) / 4, 0, None)
    assert np.allclose(row(node), expected / expected.sum(), atol=1e-6)


@pytest.mark.parametrize("name", ["box", "triangle", "quadratic", "gaussian"])
@pytest.mark.parametrize("size", [0.5, 1, 2, 3.5, 6])
def test_blurs_are_symmetric_and_keep_the_sum(nuke: ModuleType, picture: Picture, name: str, size: float) -> None:
    kernel = row(nuke.nodes.Blur(inputs=[picture(impulse(41))], size=size, filter=name))
    assert kernel.sum() == pytest.approx(1, abs=1e-4)
    assert np.allclose(kernel, kernel[::-1], atol=1e-7)
    if size > 2:
        assert kernel[20] >= 2 * kernel[20 + int(np.ceil(size / 2) + 1)] - 1e-6


def test_a_gaussian_has_the_sigma_of_its_rule(nuke: ModuleType, picture: Picture) -> None:
    kernel = row(nuke.nodes.Blur(inputs=[picture(impulse(61))], size=8))
    sigma = np.sqrt((kernel * (np.arange(61) - 30) ** 2).sum())
    assert sigma == pytest.approx(8 / 2.3548, rel=2e-3)


def test_a_blur_of_a_full_frame_repeats_its_edges_and_of_a_part_it_darkens(nuke: ModuleType, picture: Picture) -> None:
    flat = {"R": np.ones((9, 9), np.float32)}
    assert np.allclose(out(nuke.nodes.Blur(inputs=[picture(flat)], size=5), "rgba.red"), 1, atol=1e-6)
    part = nuke.nodes.Blur(inputs=[picture(flat, window=(4, 4), display=(30, 30))], size=5)
    assert out(part, "rgba.red").min() < 0.3


def test_the_box_of_a_blur_grows_unless_it_is_cropped(nuke: ModuleType, picture: Picture) -> None:
    node = nuke.nodes.Blur(inputs=[picture(impulse(9))], size=2, filter="triangle")
    assert stand_in.evaluate(node).bbox.width == 9
    node["crop"].setValue(False)
    assert stand_in.evaluate(node).bbox.width == 11


def test_only_the_chosen_channels_are_blurred(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    node = nuke.nodes.Blur(inputs=[picture(source)], size=3, channels="alpha")
    assert np.array_equal(out(node)[..., :3], stack(source)[..., :3])
    assert not np.allclose(out(node)[..., 3], source["A"])


def test_a_blur_is_smaller_in_a_proxy(nuke: ModuleType, picture: Picture) -> None:
    node = nuke.nodes.Blur(inputs=[picture(impulse(40, 4))], size=8, filter="triangle")
    pixels = stand_in.evaluate(node, 1, proxy_scale=0.5).stack("rgba.red")[..., 0]
    assert np.count_nonzero(pixels.sum(axis=0) > 1e-6) == 7


def test_sharpen_and_laplacian_are_made_of_the_blur(nuke: ModuleType, picture: Picture) -> None:
    source = picture(values(9, 9))
    knobs = {"size": 3.0, "filter": "triangle", "channels": "rgb"}
    plain, soft = out(source), out(nuke.nodes.Blur(inputs=[source], **knobs))
    sharp = out(nuke.nodes.Sharpen(inputs=[source], amount=0.5, **knobs))
    assert np.allclose(sharp[..., :3], (plain + 0.5 * (plain - soft))[..., :3], atol=1e-5)
    edges = out(nuke.nodes.Laplacian(inputs=[source], **knobs))
    assert np.allclose(edges[..., :3], (soft - plain)[..., :3], atol=1e-5)


def test_median_takes_out_single_pixels(nuke: ModuleType, picture: Picture) -> None:
    source = impulse(9, 50)
    assert out(nuke.nodes.Median(inputs=[picture(source)], size=3), "rgba.red").max() == 0


def test_dilate_and_erode_by_whole_and_half_pixels(nuke: ModuleType, picture: Picture) -> None:
    read = picture({"A": impulse(9)["R"]})
    assert out(nuke.nodes.Dilate(inputs=[read], size=2), "rgba.alpha").sum() == 25
    assert out(nuke.nodes.Dilate(inputs=[read], size=-1), "rgba.alpha").sum() == 0
    half = out(nuke.nodes.Dilate(inputs=[read], size=0.5), "rgba.alpha")[..., 0]
    assert (half[4, 4], half[4, 5], half[4, 6]) == (1, 0.5, 0)
    assert out(nuke.nodes.FilterErode(inputs=[read], size=-1, filter="box"), "rgba.alpha").sum() == 9


def test_bilateral_smooths_but_keeps_edges(nuke: ModuleType, picture: Picture) -> None:
    step = np.zeros((9, 16), np.float32)
    step[:, 8:] = 1
    noisy = step + RNG.normal(0, 0.01, step.shape).astype(np.float32)
    node = nuke.nodes.Bilateral(
        inputs=[picture(dict.fromkeys("RGB", noisy))], Size=4, ColorSigma=0.1, PositionalSigma=3
    )
    result = out(node, "rgba.red")[..., 0]
    assert np.abs(result - step).max() < 0.03
    assert np.abs(result - step)[:, 2:6].std() < 0.6 * np.abs(noisy - step)[:, 2:6].std()


def test_a_matrix_node_convolves_with_its_first_row_on_top(nuke: ModuleType, picture: Picture) -> None:
    node = nuke.nodes.Matrix(inputs=[picture(impulse(5))])
    node["matrix"].fromScript("{ {1 0 0} {0 2 0} {0 0 0} }")
    result = out(node, "rgba.red")[..., 0]
    assert result[2, 2] == 2
    assert result.sum() == 3
    assert result[3, 3] == 1


# generators, metadata, disabling, groups


def test_generators_make_what_their_knobs_say(nuke: ModuleType) -> None:
    nuke.addFormat("8 6 0 0 8 6 1 speck")
    nuke.root()["format"].setValue("speck")
    assert out(nuke.nodes.Constant(color=[1, 2, 3, 4], channels="rgba"))[0, 0].tolist() == [1, 2, 3, 4]
    board = out(nuke.nodes.CheckerBoard2(boxsize=2, centerlinewidth=0), "rgba.red")[..., 0]
    assert np.allclose(np.unique(board), [0.1, 0.5])
    ramp = out(nuke.nodes.Ramp(p0=[0, 0], p1=[0, 6]), "rgba.red")[..., 0]
    assert np.all(np.diff(ramp[:, 0]) < 0)
    rectangle = out(nuke.nodes.Rectangle(area=[1, 1, 4, 3]), "rgba.red")[..., 0]
    assert rectangle.sum() == 6
    noise = nuke.nodes.Noise(size=4)
    assert np.array_equal(out(noise), out(noise))
    assert out(noise, "rgba.red").std() > 0


def test_metadata_is_changed_and_copied(nuke: ModuleType, picture: Picture) -> None:
    read = picture(values(), shot="sq010")
    node = nuke.nodes.ModifyMetaData(inputs=[read])
    node["metadata"].fromScript('{\n {set exr/take "\\[value name]"}\n {remove exr/shot ""}\n}')
    meta = node.metadata()
    assert meta["exr/take"] == node.name()
    assert "exr/shot" not in meta
    copy = nuke.nodes.CopyMetaData(inputs=[node, read])
    assert copy.metadata("exr/shot") == "sq010"
    assert np.array_equal(out(copy), out(read))


def test_a_disabled_node_passes_its_input(nuke: ModuleType, picture: Picture) -> None:
    source = values()
    node = nuke.nodes.Multiply(inputs=[picture(source)], value=9.0, disable=True)
    assert np.array_equal(out(node), stack(source))
    node["disable"].setExpression("frame > 5")
    assert np.array_equal(out(node, frame=9), stack(source))
    assert not np.array_equal(out(node, frame=2), stack(source))


def test_a_group_hands_on_its_inputs_by_number(nuke: ModuleType, picture: Picture) -> None:
    first, second = values(), values()
    group = nuke.nodes.Group()
    with group:
        matte = nuke.nodes.Input(name="Matte", number=1)
        plate = nuke.nodes.Input(name="Plate", number=0)
        nuke.nodes.Output(inputs=[nuke.nodes.Merge2(inputs=[plate, matte], operation="copy")])
    group.setInput(0, picture(first))
    group.setInput(1, picture(second))
    assert np.array_equal(out(group), stack(second))
    group["disable"].setValue(True)
    assert np.array_equal(out(group), stack(first))


def test_a_group_without_output_has_no_picture(nuke: ModuleType) -> None:
    with pytest.raises(RenderError, match="no Output"):
        out(nuke.nodes.Group())


def test_a_class_without_pixels_is_named(nuke: ModuleType) -> None:
    with pytest.raises(NotEvaluated, match="Kronos"):
        out(nuke.nodes.Kronos())


def test_knobs_are_taken_at_the_frame_that_is_asked_for(nuke: ModuleType, picture: Picture) -> None:
    one = picture({"R": np.ones((2, 2), np.float32)})
    times = nuke.nodes.Multiply(inputs=[one])
    times["value"].setExpression("frame")
    shifted = nuke.nodes.TimeOffset(inputs=[times], time_offset=3)
    assert out(shifted, "rgba.red", frame=10).max() == 7
    assert stand_in.evaluate(nuke.nodes.FrameHold(inputs=[times], firstFrame=4), 10).sample("rgba.red", 0, 0) == 4
    assert shifted.sample("red", 0, 0, frame=5) == 2


def test_a_time_warp_shows_the_frame_that_lookup_says(nuke: ModuleType, picture: Picture) -> None:
    times = nuke.nodes.Multiply(inputs=[picture({"R": np.ones((2, 2), np.float32)})])
    times["value"].setExpression("frame")
    warp = nuke.nodes.TimeWarp(inputs=[times], filter="none")
    assert out(warp, "rgba.red", frame=10).max() == 1, "the default"
    warp["lookup"].setExpression("30 - frame / 4")
    assert out(warp, "rgba.red", frame=10).max() == 27.5
    warp["filter"].setValue("box")
    with pytest.raises(NotEvaluated, match="filter"):
        out(warp, "rgba.red", frame=10)


def test_an_expression_may_ask_for_its_inputs_size(nuke: ModuleType, picture: Picture) -> None:
    node = nuke.nodes.Transform(inputs=[picture(values())])
    node["translate"].setExpression("input.width / 2", 0)
    node["translate"].setExpression("input.bbox.t", 1)
    assert node["translate"].value() == [3, 5]
    assert stand_in.evaluate(node).bbox.x == 3
