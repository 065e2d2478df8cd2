from __future__ import annotations

import dataclasses
import io
import json
import shutil
import threading
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import torch

import tiny_paintfix
from bipack import card as cards
from bipack import catalog, messages
from bipack.card import Painted, PaintedFile
from bipack.errors import ModelRefused
from bipack.imaging import color
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import take
from bipack.worker import model_check
from bipack.worker.model_step import ModelStep
from bipack.worker.sequence import run_sequence
from bipack_train import (
    init_weights,
    judging,
    painted_files,
    paintfix_loop,
    paintfix_run,
    pairs,
    publish_pairs,
    results,
    verify,
)
from bipack_train.grain import Grain, Repair, measure
from bipack_train.models.paintfix import PaintFixNet, PaintFixUNet
from inpaint_scene import ground
from painted import shot as painted_shot
from painted import write


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[paintfix_run.Run, list[pairs.Pair], Path]:
    """A tiny model that has learned its dots well enough to open its gate, published once for all tests."""
    folder = tmp_path_factory.mktemp("published")
    before, after = write(folder / "shot")
    read = [pairs.read(files) for files in pairs.match(before, after).pairs]
    run = paintfix_loop.train(tiny_paintfix.recipe(160), read, str(folder / "run"), device="cpu")
    publish_pairs.publish(run, read, str(folder / "model"), grain_of(read))
    return run, read, folder / "model"


def published_net(run: paintfix_run.Run, read: list[pairs.Pair]) -> PaintFixNet:
    """The network as it is published."""
    net = paintfix_run.averaged(run)
    assert judging.settle(net, read)
    return net


def grain_of(read: list[pairs.Pair]) -> Grain:
    """The grain of the painted frames: what a repair without any would lack. The tiny model still lacks more."""
    frames = [pair.after.astype(np.float32) for pair in read]
    smooth = [cv2.GaussianBlur(frame, (0, 0), 2.0) for frame in frames]
    found = measure([Repair(*both, np.ones(both[1].shape[:2], bool)) for both in zip(smooth, frames, strict=True)])
    assert found is not None
    return found


def render(model: Path, plate: Path, out: Path, tile: str = "auto", **knobs: float) -> np.ndarray:
    request = messages.Render("test", str(model), str(plate), str(out), device="cpu", tile=tile, settings=knobs)
    step = ModelStep(catalog.locate(str(model)), "cpu")
    try:
        run_sequence(request, step, lambda message: None, threading.Event())
    finally:
        step.close()
    return take(read_frame(str(out))).pixels


def new_plate(folder: Path, size: tuple[int, int] = (75, 93)) -> tuple[Path, np.ndarray]:
    before, _, mask = painted_shot(2001, size)
    path = folder / "plate.exr"
    write_frame(str(path), verify.picture_frame(before.astype(np.float32), half=True))
    return path, mask


def test_pixels_outside_the_edit_keep_their_bits_in_half_exr(published: tuple, tmp_path: Path) -> None:
    run, read, model = published
    path, _ = new_plate(tmp_path)
    plate = take(read_frame(str(path))).pixels
    render(model, path, tmp_path / "out.exr")
    stored = [read_frame(str(file)).parts[0].channels for file in (path, tmp_path / "out.exr")]
    same = np.ones(plate.shape[:2], bool)
    for name in "RGB":
        same &= stored[0][name].view(np.uint16) == stored[1][name].view(np.uint16)
    _, factor = results.predict(published_net(run, read), pairs.encoded(read_frame(str(path)))[0])
    assert 0 < (factor > 0).mean() < 0.5
    assert same[factor == 0].all()
    assert not same[factor > 0].all()


def test_marks_on_a_frame_that_was_not_learned_are_painted_out(published: tuple, tmp_path: Path) -> None:
    _, _, model = published
    path, mask = new_plate(tmp_path)
    plate = take(read_frame(str(path))).pixels
    truth = painted_shot(2001, (75, 93))[1].astype(np.float32)
    result = render(model, path, tmp_path / "out.exr")
    assert np.abs(result - truth)[mask].mean() < 0.4 * np.abs(plate - truth)[mask].mean()


def test_grain_is_repeatable_by_seed_and_none_by_default(published: tuple, tmp_path: Path) -> None:
    _, _, model = published
    path, _ = new_plate(tmp_path)
    plain = [render(model, path, tmp_path / f"plain{index}.exr") for index in range(2)]
    grainy = [render(model, path, tmp_path / f"g{index}.exr", noise_amount=1.0, seed=5) for index in range(2)]
    other = render(model, path, tmp_path / "other.exr", noise_amount=1.0, seed=6)
    assert np.array_equal(plain[0], plain[1])
    assert np.array_equal(grainy[0], grainy[1])
    assert not np.array_equal(grainy[0], plain[0])
    assert not np.array_equal(grainy[0], other)


def test_a_model_that_has_not_learned_its_marks_gets_no_grain_to_hide_them(published: tuple, tmp_path: Path) -> None:
    run, read, _ = published
    grain = measure(results.repairs(paintfix_run.averaged(run), read))
    assert grain is None
    card = publish_pairs.publish(run, read, str(tmp_path / "model"), grain)
    assert [port.role for port in card.inputs] == ["plate"]
    assert [knob.name for knob in card.knobs] == ["painted"]


def test_the_card_tells_the_whole_story(published: tuple) -> None:
    run, read, model = published
    card = cards.load(str(model))
    assert card.kind == "pair" and card.gizmo == "BipackPaintFix"
    assert card.geometry.tiling == "exact"
    assert [port.role for port in card.inputs] == ["plate", "noise", "amount"]
    assert [port.role for port in card.outputs] == ["plate", "matte"]
    assert card.training.steps == run.progress.step and card.training.seed == 1
    assert len(card.training.pairs) == len(read) and read[0].digest in card.training.pairs[0]
    assert json.loads(card.training.recipe)["size"] == "tiny"
    assert card.limits
    assert card.sha256 == cards.file_sha256(str(model / card.file))


def test_painted_frames_go_along_as_the_card_says(published: tuple, tmp_path: Path) -> None:
    run, read, model = published
    stated = cards.load(str(model)).painted
    assert stated is not None and [file.frame for file in stated.files] == [pair.frame for pair in read]
    for file, pair in zip(stated.files, read, strict=True):
        assert cards.file_sha256(str(model / file.file)) == file.sha256
        stored = color.encode(take(read_frame(str(model / file.file))).pixels)
        assert np.abs(stored - pair.after.astype(np.float32)).max() < 1e-3
    # Trained on all it has: a new frame is taken to be three times as hard.
    seen = np.concatenate(
        [(one.truth - one.result)[one.inside] for one in results.repairs(paintfix_run.averaged(run), read)]
    )
    assert stated.error == pytest.approx(3 * float(np.square(seen).mean()), rel=0.05)
    assert "hand the folder on only to" in (model / "README.md").read_text()
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    found = [check for check in model_check.check(catalog.locate(str(copy))) if check.topic.startswith("painted")]
    assert [check.text for check in found] == [f"{len(read)}, as the card says."]
    (copy / "painted_1002.exr").write_bytes(b"another")
    assert not model_check.passes(model_check.check(catalog.locate(str(copy))))


def test_repairs_are_looked_up_on_the_way_through_the_worker(published: tuple, tmp_path: Path) -> None:
    run, _, model = published
    truth = color.decode(0.3 + 0.5 * ground(270, 283, seed=9)).astype(np.float16).astype(np.float32)
    marks = np.zeros(truth.shape[:2], np.uint8)
    for place in ((70, 60), (200, 120), (90, 200), (180, 220)):
        cv2.circle(marks, place, 4, 1, -1)
    plate = np.where(marks[..., None] > 0, np.float32(0.03), truth)
    copy = tmp_path / "copy"
    shutil.copytree(model, copy)
    for path, pixels in ((copy / "painted_1001.exr", truth), (tmp_path / "plate.exr", plate)):
        write_frame(str(path), verify.picture_frame(pixels, half=True))
    file = PaintedFile("painted_1001.exr", cards.file_sha256(str(copy / "painted_1001.exr")), 1001)
    cards.save(dataclasses.replace(cards.load(str(copy)), painted=Painted((file,), 0.02)), str(copy))
    result, alone = (
        render(copy, tmp_path / "plate.exr", tmp_path / f"{amount}.exr", painted=amount) for amount in (1.0, 0.0)
    )
    _, factor = results.predict(paintfix_run.averaged(run), pairs.encoded(read_frame(str(tmp_path / "plate.exr")))[0])
    assert (result == plate.astype(np.float16))[factor == 0].all()
    inside = (marks > 0) & (factor == 1)
    assert inside.sum() > 60
    errors = [
        float(np.square(color.encode(picture) - color.encode(truth))[inside].mean()) for picture in (result, alone)
    ]
    assert errors[0] < 0.5 * errors[1]


def test_few_of_many_or_large_frames_go_along(published: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    _, read, _ = published
    assert [file.frame for file, _ in painted_files.of_pairs(read, 2)] == [1001, 1003]
    assert painted_files.of_pairs(read, 0) == []
    monkeypatch.setattr(painted_files, "MOST_PIXELS", read[0].matte.size - 1)
    assert len(painted_files.of_pairs(read, 6)) == 1


def test_the_torchscript_file_gives_the_same_repair_at_any_size(published: tuple, tmp_path: Path) -> None:
    run, read, model = published
    path, _ = new_plate(tmp_path)
    plate = take(read_frame(str(path))).pixels
    script = torch.jit.load(io.BytesIO((model / publish_pairs.TORCHSCRIPT).read_bytes()))
    for height, width in ((75, 93), (64, 64), (33, 70)):
        cut = np.ascontiguousarray(plate[:height, :width])
        with torch.no_grad():
            answer = script(torch.from_numpy(cut.transpose(2, 0, 1))[None])[0].permute(1, 2, 0).numpy()
        assert answer.shape == (height, width, 4)
        # Padding differs from the worker's at the right and bottom edge, so the middle is compared.
        fixed, factor = results.predict(published_net(run, read), publish_pairs.color.encode(cut))
        middle = np.s_[: height - 24, : width - 24]
        assert np.allclose(answer[..., 3][middle], factor[middle], atol=2e-3)
        shut = answer[..., 3] == 0
        assert np.array_equal(answer[..., :3][shut], cut[shut])
        expected = publish_pairs.color.decode(results.gated(publish_pairs.color.encode(cut), fixed, factor))
        assert np.allclose(answer[..., :3][middle], expected[middle], atol=2e-3)


def test_the_nuke_script_names_its_file_and_balances(published: tuple) -> None:
    text = (published[2] / publish_pairs.CAT_SCRIPT).read_text()
    assert publish_pairs.TORCHSCRIPT in text
    assert "CatFileCreator {" in text and "Inference {" in text
    assert text.count("{") == text.count("}")
    assert "\\[file dirname" in text


def test_flames_graph_and_sidecar_agree(published: tuple) -> None:
    model = published[2]
    side = json.loads((model / publish_pairs.FLAME_SIDECAR).read_text())["ModelDescription"]
    session = onnxruntime.InferenceSession((model / publish_pairs.FLAME_MODEL).read_bytes())
    assert [entry.name for entry in session.get_inputs()] == [entry["Name"] for entry in side["Inputs"]]
    assert [entry.name for entry in session.get_outputs()] == [entry["Name"] for entry in side["Outputs"]]
    step = side["Padding"]
    plate = np.random.default_rng(0).random((1, 3, 5 * step, 4 * step), np.float32)
    result, matte = session.run(None, {"plate": plate})
    assert result.shape == plate.shape and matte.shape == (1, 1, 5 * step, 4 * step)
    assert np.array_equal(
        result[np.broadcast_to(matte == 0, result.shape)], plate[np.broadcast_to(matte == 0, plate.shape)]
    )


def test_a_model_that_differs_from_its_network_is_not_published(
    published: tuple, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, read, _ = published
    honest = results.predict

    def off(net: object, planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        fixed, factor = honest(net, planes)  # type: ignore[arg-type]
        return fixed + 0.05, factor

    monkeypatch.setattr(results, "predict", off)
    with pytest.raises(ModelRefused, match="Nothing was published"):
        publish_pairs.publish(run, read, str(tmp_path / "model"), None)
    assert not (tmp_path / "model").exists()


def test_a_published_model_can_be_started_from(published: tuple, tmp_path: Path) -> None:
    run, read, model = published
    weights, label = init_weights.load(str(model), "tiny", 1)
    state = run.ema.state()
    assert all(torch.equal(weights[name], value) for name, value in state.items())
    assert "@" in label
    again = paintfix_loop.train(
        tiny_paintfix.recipe(2), read, str(tmp_path / "fine"), device="cpu", weights=weights, base_model=label
    )
    assert again.base_model == label


def test_a_model_for_one_frame_can_be_widened_to_three(published: tuple) -> None:
    run, _, model = published
    weights, _ = init_weights.load(str(model), "tiny", 3)
    wide, plain = tiny_net(3, weights), tiny_net(1, run.ema.state())
    plate = torch.rand(1, 9, 32, 32)
    with torch.no_grad():
        assert torch.allclose(wide(plate)[0], plain(plate[:, :3])[0], atol=1e-6)


def tiny_net(frames: int, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    net = PaintFixUNet("tiny", frames)
    net.load_state_dict(weights)
    return net.eval()


def test_a_model_of_another_size_is_refused(published: tuple) -> None:
    with pytest.raises(ModelRefused, match="size 'small'"):
        init_weights.load(str(published[2]), "small", 1)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"stem.weight": torch.zeros(1)}, path)
    with pytest.raises(ModelRefused, match="runs the code"):
        init_weights.load(str(path), "tiny", 1)


def test_a_model_with_neighbours_is_published_for_the_worker(tmp_path: Path) -> None:
    before, after = write(tmp_path / "shot")
    settings = dataclasses.replace(tiny_paintfix.recipe(20), frame_offsets=(0, -1, 1))
    read = [pairs.read(files) for files in pairs.match(before, after, offsets=(0, -1, 1)).pairs]
    run = paintfix_loop.train(settings, read, str(tmp_path / "run"), device="cpu")
    card = publish_pairs.publish(run, read, str(tmp_path / "model"), None)
    assert card.frame_offsets == (-1, 0, 1)
    assert not (tmp_path / "model" / publish_pairs.FLAME_MODEL).exists()
