"""Taking the picture out of a frame and putting it back: what is kept, what is rounded, what grows with it."""

from __future__ import annotations

import numpy as np
import pytest

from bipack.errors import ModelRefused
from bipack.imaging import compare, plate, resample
from bipack.imaging.frame import Box, Frame, Part

HEIGHT, WIDTH = 12, 17


def frame(dtype: type = np.float16, seed: int = 0) -> Frame:
    random = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.integer):
        top = np.iinfo(dtype).max
        made = {name: random.integers(0, top + 1, (HEIGHT, WIDTH)).astype(dtype) for name in "RGBA"}
        box = Box.of_size(WIDTH, HEIGHT)
        return Frame([Part(made, box, box)], "srgb", "png", np.dtype(dtype).itemsize * 8, "plate.1001.png")
    made = {name: random.normal(0.5, 2, (HEIGHT, WIDTH)).astype(dtype) for name in "RGB"}
    made["A"] = (random.random((HEIGHT, WIDTH)) > 0.5).astype(dtype)
    made["depth.Z"] = random.uniform(1, 100, (HEIGHT, WIDTH)).astype(np.float32)
    made["id.X"] = random.integers(0, 2**32, (HEIGHT, WIDTH), dtype=np.uint32)
    main = Part(made, Box(-3, 2, WIDTH - 4, HEIGHT + 1), Box(0, 0, 30, 20), {"pixelAspectRatio": 2.0, "name": "rgba"})
    spec = {"spec.R": made["R"] / made["R"].dtype.type(16)}
    second = Part(spec, main.data_window, main.display_window, {"name": "spec"})
    return Frame([main, second], source="/shots/plate.1001.exr")


def nan_payloads() -> np.ndarray:
    """Halves with every kind of bits that a float conversion might lose."""
    bits = np.array([0x7C01, 0x7D55, 0x7E00, 0xFE01, 0x7C00, 0xFC00, 0x8000, 0x0001, 0x83FF], np.uint16)
    return np.resize(bits, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).view(np.float16)


def test_pixels_are_contiguous_floats_in_the_order_of_the_model():
    taken = plate.take(frame())
    assert taken.pixels.dtype == np.float32
    assert taken.pixels.flags.c_contiguous
    assert taken.names == ("R", "G", "B")
    np.testing.assert_array_equal(taken.pixels[..., 2], frame().parts[0].channels["B"].astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8, np.uint16])
def test_putting_the_plate_back_changes_no_bit(dtype):
    source = frame(dtype)
    taken = plate.take(source)
    assert compare.differences(source, plate.put(source, taken, taken.pixels.copy())) == []


def test_nan_payloads_infinities_and_denormals_are_kept():
    source = frame()
    source.parts[0].channels["R"] = nan_payloads()
    taken = plate.take(source)
    back = plate.put(source, taken, taken.pixels.copy()).parts[0].channels["R"]
    np.testing.assert_array_equal(back.view(np.uint16), nan_payloads().view(np.uint16))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_code_survives_a_result_that_is_off_by_a_rounding(dtype):
    source = frame(dtype)
    taken = plate.take(source)
    result = taken.pixels * np.float32(1 + 3e-7)
    assert compare.differences(source, plate.put(source, taken, result)) == []


def test_only_what_the_result_changed_is_changed():
    source = frame()
    taken = plate.take(source)
    result = taken.pixels.copy()
    result[4, 5] = [1.0, 70.0, -3.0]
    found = plate.put(source, taken, result)
    for name, value in zip("RGB", (1.0, 70.0, -3.0)):
        changed = found.parts[0].channels[name] != source.parts[0].channels[name]
        assert np.argwhere(changed).tolist() == [[4, 5]]
        assert found.parts[0].channels[name][4, 5] == value
    for name in ("A", "depth.Z", "id.X"):
        assert found.parts[0].channels[name] is source.parts[0].channels[name]
    assert found.parts[0].attributes == source.parts[0].attributes


def test_pixels_under_keep_hold_their_stored_value_whatever_the_result_says():
    source = frame()
    taken = plate.take(source)
    keep = np.zeros((HEIGHT, WIDTH), bool)
    keep[3:6] = True
    found = plate.put(source, taken, taken.pixels + 1, keep=keep).parts[0].channels["G"]
    before = source.parts[0].channels["G"]
    np.testing.assert_array_equal(found[keep], before[keep])
    assert (found[~keep] != before[~keep]).all()


def test_results_are_rounded_to_the_nearest_half():
    source = frame()
    taken = plate.take(source)
    value = np.float32(1.0 + 2**-11 + 2**-20)
    found = plate.put(source, taken, np.full_like(taken.pixels, value))
    assert (found.parts[0].channels["R"].astype(np.float32) == 1.0 + 2**-10).all()


def test_a_value_beyond_half_becomes_infinite_and_is_counted(caplog):
    source = frame()
    taken = plate.take(source)
    result = taken.pixels.copy()
    result[1, 1:4] = 1e6
    found = plate.put(source, taken, result)
    assert np.isposinf(found.parts[0].channels["R"][1, 1:4]).all()
    assert "9 samples" in caplog.text
    assert "plate.1001.exr" in caplog.text


def test_an_infinity_that_was_there_before_is_not_counted(caplog):
    source = frame()
    source.parts[0].channels["R"][0, 0] = np.inf
    taken = plate.take(source)
    plate.put(source, taken, taken.pixels.copy())
    assert caplog.text == ""


def test_integer_files_count_what_they_cannot_hold(caplog):
    source = frame(np.uint8)
    taken = plate.take(source)
    result = taken.pixels.copy()
    result[0, 0], result[0, 1, 0] = 1.5, -0.2
    found = plate.put(source, taken, result)
    assert [int(found.parts[0].channels[name][0, 0]) for name in "RGB"] == [255, 255, 255]
    assert found.parts[0].channels["R"][0, 1] == 0
    assert "4 samples" in caplog.text


def test_the_frame_that_was_given_is_not_changed():
    source, untouched = frame(), frame()
    taken = plate.take(source)
    found = plate.put(source, taken, taken.pixels + 1)
    found.parts[0].attributes["bipack/key"] = "x"
    assert compare.differences(source, untouched, ignore="-") == []


def test_everything_grows_with_the_picture():
    source = frame()
    taken = plate.take(source)
    result = np.random.default_rng(1).normal(0, 1, (HEIGHT * 2, WIDTH * 2, 3)).astype(np.float32)
    found = plate.put(source, taken, result, scale=2)
    main, second = found.parts
    assert main.data_window == source.parts[0].data_window.scaled(2)
    assert second.data_window == source.parts[1].data_window.scaled(2)
    assert main.display_window == Box(0, 0, 61, 41)
    assert list(main.channels) == list(source.parts[0].channels)
    np.testing.assert_array_equal(main.channels["G"], result[..., 1].astype(np.float16))
    for name, stored in source.parts[0].channels.items():
        assert main.channels[name].dtype == stored.dtype
        assert main.channels[name].shape == (HEIGHT * 2, WIDTH * 2)
    assert main.attributes == source.parts[0].attributes
    expected = resample.upscale(source.parts[1].channels["spec.R"].astype(np.float32), 2)
    np.testing.assert_allclose(second.channels["spec.R"].astype(np.float32), expected, rtol=1e-3, atol=1e-5)


def test_ids_and_depth_are_repeated_and_never_mixed():
    source = frame()
    taken = plate.take(source)
    found = plate.put(source, taken, np.zeros((HEIGHT * 3, WIDTH * 3, 3), np.float32), scale=3).parts[0].channels
    for name in ("id.X", "depth.Z"):
        expected = source.parts[0].channels[name].repeat(3, axis=0).repeat(3, axis=1)
        np.testing.assert_array_equal(found[name], expected)


def test_an_enlarged_alpha_stays_within_the_range_it_had():
    source = frame()
    taken = plate.take(source)
    alpha = plate.put(source, taken, np.zeros((HEIGHT * 2, WIDTH * 2, 3), np.float32), scale=2).parts[0].channels["A"]
    assert alpha.min() == 0.0
    assert alpha.max() == 1.0
    assert ((alpha > 0) & (alpha < 1)).any()


def test_subsampled_channels_grow_in_their_own_grid():
    box = Box.of_size(WIDTH + 1, HEIGHT)
    channels = {
        "Y": np.ones((HEIGHT, WIDTH + 1), np.float16),
        "RY": np.ones((HEIGHT // 2, (WIDTH + 1) // 2), np.float16),
    }
    source = Frame([Part(channels, box, box, subsampling={"RY": (2, 2)})])
    taken = plate.take(source, channels=1)
    grown = plate.put(source, taken, np.ones((HEIGHT * 2, (WIDTH + 1) * 2, 1), np.float32), scale=2).parts[0]
    assert grown.channels["RY"].shape == (HEIGHT, WIDTH + 1)
    assert grown.subsampling == {"RY": (2, 2)}


def test_a_grey_integer_plate_goes_through_too():
    box = Box.of_size(256, 1)
    source = Frame([Part({"Y": np.arange(256, dtype=np.uint8)[None]}, box, box)], "srgb", "png", 8)
    taken = plate.take(source, channels=1)
    assert taken.pixels[0, 255, 0] == 1.0
    assert taken.pixels[0, 128, 0] == pytest.approx(0.2158605, abs=1e-6)
    assert compare.differences(source, plate.put(source, taken, taken.pixels)) == []


def test_a_canvas_filled_block_by_block_is_the_frame_that_put_makes():
    source = frame()
    taken = plate.take(source)
    result = np.random.default_rng(1).normal(0, 1, (HEIGHT * 2, WIDTH * 2, 3)).astype(np.float32)
    canvas = plate.Canvas(source, taken, 2)
    for top in range(0, HEIGHT * 2, 5):
        for left in range(0, WIDTH * 2, 7):
            rows = slice(top, min(top + 5, HEIGHT * 2))
            columns = slice(left, min(left + 7, WIDTH * 2))
            canvas.store(rows, columns, result[rows, columns])
    assert compare.differences(plate.put(source, taken, result, scale=2), canvas.finish()) == []


def test_integer_ids_are_no_picture():
    with pytest.raises(ModelRefused, match="integer ids"):
        plate.take(frame(), "id", 1)


def test_a_result_of_the_wrong_size_is_the_callers_fault():
    taken = plate.take(frame())
    with pytest.raises(ValueError, match="needs"):
        plate.put(frame(), taken, taken.pixels, scale=2)


@pytest.mark.parametrize(
    ("names", "expected"), [("R G B A", "A"), ("Y", "Y"), ("mask.m", "mask.m"), ("R G B", "R"), ("B G R Z", "R")]
)
def test_the_matte_is_alpha_or_the_only_channel_or_red(names, expected):
    box = Box.of_size(3, 2)
    channels = {name: np.full((2, 3), index, np.float16) for index, name in enumerate(names.split(), 1)}
    found = plate.take_matte(Frame([Part(channels, box, box)]))
    assert found.dtype == np.float32
    assert (found == channels[expected].astype(np.float32)).all()


def test_an_integer_matte_is_read_without_a_curve():
    box = Box.of_size(3, 1)
    source = Frame([Part({"Y": np.array([[0, 51, 255]], np.uint8)}, box, box)], "srgb", "png", 8)
    np.testing.assert_allclose(plate.take_matte(source), [[0, 0.2, 1]], rtol=1e-6)


def test_a_file_without_any_matte_says_what_it_has():
    box = Box.of_size(3, 1)
    channels = {name: np.zeros((1, 3), np.float16) for name in ("depth.Z", "P.x")}
    with pytest.raises(ModelRefused, match=r"depth\.Z, P\.x"):
        plate.take_matte(Frame([Part(channels, box, box)]))
