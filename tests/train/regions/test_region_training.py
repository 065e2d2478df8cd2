from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny_paintfix  # makes the size "tiny" known
import wrinkled
from bipack import card as cards
from bipack import catalog, messages
from bipack.errors import MissingInput, ModelRefused, UsageError
from bipack.imaging.image_io import read_frame, write_frame
from bipack.imaging.plate import take
from bipack.worker.model_step import ModelStep
from bipack.worker.sequence import run_sequence
from bipack_train import cli, pairs, verify
from bipack_train.models.region import Region, RegionNet, applied, gate, gated
from bipack_train.paintfix import Schedule
from bipack_train.regions import init, loop, material, publish, recipe

REGION = "cheek_l+cheek_r"


def settings(steps: int = 120, **changes: object) -> recipe.RegionsRecipe:
    base = recipe.RegionsRecipe(name="tiny", regions=(REGION,), size="tiny")
    sampling = dataclasses.replace(base.sampling, side=32, batch=4)
    schedule = Schedule(steps=steps, minutes=0.0, warm_up=4, learning_rate=4e-3, ema=0.98)
    return dataclasses.replace(base, sampling=sampling, schedule=schedule, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    return wrinkled.write(tmp_path_factory.mktemp("face"))


@pytest.fixture(scope="module")
def found(shot: tuple[str, str, str]) -> list[material.RegionPair]:
    before, after, mattes = shot
    return material.read(pairs.match(before, after).pairs, mattes, REGION, 0.02)


@pytest.fixture(scope="module")
def trained(found: list, tmp_path_factory: pytest.TempPathFactory) -> tuple[loop.Run, Path]:
    folder = tmp_path_factory.mktemp("region")
    run = loop.train(settings(), REGION, found[:5], str(folder / "run"), watched=found[5:], device="cpu")
    publish.publish(run, found[:5], str(folder / "tiny_cheek"), "tiny_cheek", found[5:])
    return run, folder


def render(model: Path, plate: Path, out: Path, matte: str = "", **knobs: float) -> np.ndarray:
    request = messages.Render("test", str(model), str(plate), str(out), device="cpu", matte=matte, settings=knobs)
    step = ModelStep(catalog.locate(str(model)), "cpu")
    try:
        run_sequence(request, step, lambda message: None, threading.Event())
    finally:
        step.close()
    return take(read_frame(str(out))).pixels


def test_a_few_steps_take_most_of_the_lines_off_a_frame_that_was_not_learned(trained: tuple) -> None:
    run, folder = trained
    kept = run.rows[-1].kept
    assert kept is not None and kept < 0.6
    card = cards.load(str(folder / "tiny_cheek"))
    assert card.kind == "region" and card.scores[0].value == pytest.approx(100 * kept, abs=0.2)


def test_age_0_and_outside_the_matte_are_the_plate_to_the_bit(trained: tuple, tmp_path: Path) -> None:
    _, folder = trained
    old, young, matte = wrinkled.crop(1020)
    plate, mask = tmp_path / "plate.exr", tmp_path / "matte.exr"
    write_frame(str(plate), verify.picture_frame(old, half=True))
    write_frame(str(mask), verify.picture_frame(matte[..., None], half=True))
    stored = take(read_frame(str(plate))).pixels
    nothing = render(folder / "tiny_cheek", plate, tmp_path / "none.exr", str(mask), age=0.0)
    full = render(folder / "tiny_cheek", plate, tmp_path / "full.exr", str(mask), age=1.0)
    assert np.array_equal(nothing, stored)
    assert np.array_equal(full[matte == 0], stored[matte == 0])
    inside = matte > 0
    assert np.abs(full - young)[inside].mean() < 0.75 * np.abs(stored - young)[inside].mean()


def test_more_age_is_more_change(trained: tuple, tmp_path: Path) -> None:
    _, folder = trained
    old, _, _ = wrinkled.crop(1021)
    plate = tmp_path / "plate.exr"
    write_frame(str(plate), verify.picture_frame(old, half=True))
    stored = take(read_frame(str(plate))).pixels
    moved = [
        float(np.abs(render(folder / "tiny_cheek", plate, tmp_path / f"{age}.exr", age=age) - stored).mean())
        for age in (0.25, 0.5, 0.75, 1.0)
    ]
    assert moved == sorted(moved) and moved[0] > 0


def test_a_stopped_run_goes_on_bit_for_bit(found: list, tmp_path: Path) -> None:
    whole = loop.train(settings(14), REGION, found, str(tmp_path / "whole"), device="cpu")
    count = iter(range(100))
    loop.train(settings(14), REGION, found, str(tmp_path / "cut"), device="cpu", stop=lambda: next(count) >= 5)
    resumed = loop.train(settings(14), REGION, found, str(tmp_path / "cut"), device="cpu", resume=True)
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    with pytest.raises(UsageError, match="--resume"):
        loop.train(settings(14), REGION, found, str(tmp_path / "cut"), device="cpu")


def test_a_published_model_and_a_checkpoint_start_another_run(trained: tuple) -> None:
    run, folder = trained
    of_onnx, label = init.load(str(folder / "tiny_cheek"), "tiny", 4)
    of_run, _ = init.load(str(folder / "run"), "tiny", 4)
    averaged = loop.averaged(run).net.state_dict()
    assert label.startswith("tiny_cheek@")
    for name, value in averaged.items():
        assert torch.equal(of_run[name], value), name
        assert torch.allclose(of_onnx[name], value), name
    with pytest.raises(ModelRefused, match="codes"):
        init.load(str(folder / "tiny_cheek"), "tiny", 3)


def test_the_way_between_is_exact_at_its_ends_and_broad_before_fine(found: list) -> None:
    pair = found[0].pair
    before, after = pair.before.astype(np.float32), pair.after.astype(np.float32)
    assert np.array_equal(material.in_between(before, after, 0.0), before)
    assert np.allclose(material.in_between(before, after, 1.0), after, atol=1e-6)
    fine = np.zeros((64, 64, 3), np.float32)
    fine[::2] = 0.1
    broad = np.full((64, 64, 3), 0.1, np.float32)
    nothing = np.zeros_like(fine)
    moved_fine = material.in_between(nothing, fine - fine.mean(), 0.5).std() / fine.std()
    moved_broad = material.in_between(nothing, broad, 0.5).mean() / 0.1
    assert moved_fine < 0.4 < 0.55 < moved_broad


def test_the_change_is_held_to_matte_and_amount() -> None:
    plate, change = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16)
    matte = torch.zeros(2, 1, 16, 16)
    matte[..., 4:8] = 0.5
    result = applied(plate, change, matte, torch.tensor([1.0, 0.0]))
    assert torch.equal(result[..., :4], plate[..., :4]) and torch.equal(result[1], plate[1])
    assert torch.allclose(result[0, :, :, 4:8], plate[0, :, :, 4:8] + 0.5 * change[0, :, :, 4:8])


def test_the_gate_shuts_and_opens_wholly() -> None:
    assert gate(torch.tensor([-3.0, 0.5, 3.0])).tolist() == [0.0, 1.0, 1.0]
    assert 0.3 < float(gate(torch.tensor(-0.7))) < 0.7


def test_weights_from_before_there_was_a_gate_change_all_that_they_did() -> None:
    net = RegionNet("tiny", 3).eval()
    ungated = {name: value[:12] if name.startswith("change.") else value for name, value in net.state_dict().items()}
    plate, matte, code = torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16), torch.ones(1, 3)
    with torch.no_grad():
        wanted, _ = net.parts(plate, matte, code)
        net.load_state_dict(gated(ungated))
        assert torch.equal(net(plate, matte, code), wanted)
    assert gated(net.state_dict()).keys() == net.state_dict().keys()


def test_skin_that_stays_weighs_little_and_a_small_change_counts_wholly() -> None:
    before = torch.rand(1, 3, 32, 32)
    after = before.clone()
    after[..., 10:13, 10:13] += 0.05
    changed = loop.changed_part(before, after)
    assert changed[0, 0, 11, 11] == 1 and changed[0, 0, 25, 25] == 0
    sure = torch.where(changed > 0.5, 4.0, -4.0)
    everywhere = torch.ones(1, 1, 32, 32)
    assert loop.gate_loss(sure, changed, everywhere) < 0.1 < 1 < loop.gate_loss(-sure, changed, everywhere)


def test_sliders_never_leave_the_ball() -> None:
    net = RegionNet("tiny", 3)
    for layer in net.turn:
        torch.nn.init.normal_(layer.weight, 0.0, 0.3)
    module, plate, mask = Region(net).eval(), torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    with torch.no_grad():
        near, far = (module(plate, mask, torch.tensor([[1.0, length, 0.0]])) for length in (1.0, 50.0))
        half = module(plate, mask, torch.tensor([[1.0, 0.5, 0.0]]))
    assert torch.allclose(near, far) and not torch.allclose(near, half)


def test_a_matte_without_the_region_and_an_empty_one_are_named(shot: tuple, tmp_path: Path) -> None:
    before, after, mattes = shot
    matched = pairs.match(before, after).pairs
    with pytest.raises(MissingInput, match=r"forehead.*cheek_l"):
        material.read(matched, mattes, "forehead", 0.0)
    with pytest.raises(MissingInput, match="empty"):
        material.read(matched, mattes, "cheek_r", 0.0)


def test_the_command_trains_each_region_in_turn(shot: tuple, tmp_path: Path) -> None:
    before, after, mattes = shot
    text = f"""
kind = "regions"
name = "actor"
regions = ["cheek_l", "mouth"]
size = "tiny"
before = "{before}"
after = "{after}"
matte = "{mattes}"
[sampling]
side = 32
batch = 2
[sampling.augment]
transplant = 0.0
[schedule]
steps = 6
minutes = 0.0
"""
    path = tmp_path / "actor.toml"
    path.write_text(text)
    assert cli.main(["recipe", str(path), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
    for region in ("cheek_l", "mouth"):
        card = cards.load(str(tmp_path / "out" / f"actor_{region}" / f"actor_{region}"))
        assert card.kind == "region" and card.knobs[0].name == "age" and "fine lines last" in card.knobs[0].tooltip
    # A run that shall go on where there is none yet starts from the model that it is given all the same.
    start = ["--init", str(tmp_path / "out/actor_mouth/actor_mouth"), "--region", "mouth", "--resume"]
    again = ["regions", "--recipe", str(path), *start, "--out", str(tmp_path / "again"), "--device", "cpu"]
    assert cli.main(again) == 0
    assert cards.load(str(tmp_path / "again/actor_mouth/actor_mouth")).training.base_model.startswith("actor_mouth@")


def test_the_slider_is_told_as_the_pairs_taught_it(found: list) -> None:
    stops = [dataclasses.replace(found[0], amount=0.5), found[1]]
    assert "fine lines last" in publish.age_knob(found).tooltip
    assert "what came last goes first" in publish.age_knob(stops).tooltip


def test_recipes_that_make_no_sense_are_refused() -> None:
    for wrong, text in (({"regions": ()}, "regions"), ({"codes": 9}, "codes"), ({"between": 1.0}, "between")):
        with pytest.raises(UsageError, match=text):
            recipe.check(settings(**wrong))
    assert tiny_paintfix.SIZES["tiny"]
