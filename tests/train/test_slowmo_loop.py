"""The slow-motion trainer: resumed bit for bit, bounded by steps or minutes, and published with its proof."""

from __future__ import annotations

import dataclasses
import os
import re

import numpy as np
import pytest
import torch
from torch.nn import functional

from bipack import card as cards
from bipack import catalog
from bipack.errors import ModelRefused, UsageError
from bipack.imaging import classical_flow, color, motion_search
from bipack.imaging.image_io import read_frame, write_frame
from bipack.worker import model_check, slowmo_check
from bipack.worker.slowmo_step import SlowMoStep
from bipack_train import cli, publish_slowmo, slowmo, slowmo_recipe, slowmo_scores, slowmo_synthesis
from bipack_train.models.slowmo import CANDIDATES, FEATURES, grown
from bipack_train.slowmo_pool import HELD_BACK, RENDERED, MomentPool
from bipack_train.verify import picture_frame
from moments import SIDE, rendered_pool, sliding

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TINY = slowmo_recipe.SlowmoRecipe(
    "tiny",
    "Tiny",
    "1.0.0",
    "A test.",
    schedule=slowmo_recipe.Schedule(minutes=0.0, steps=4, batch=1, crop=48, warm_up=1),
    synthesis=slowmo_recipe.Fit(pixels=60, steps=20, batch=64),
)


def test_a_stopped_run_goes_on_bit_for_bit(tmp_path):
    pool = rendered_pool()
    straight = slowmo.train(TINY, pool, str(tmp_path / "straight"), device="cpu")
    asked = iter([False, False, True, True])
    folder = str(tmp_path / "stopped")
    slowmo.train(TINY, pool, folder, device="cpu", stop=lambda: next(asked))
    again = slowmo.train(TINY, pool, folder, device="cpu", resume=True)
    assert straight.step == again.step == 4 + 20
    for name, value in straight.ema.state().items():
        assert torch.equal(value, again.ema.state()[name]), name


def test_a_run_is_not_overwritten_by_accident(tmp_path):
    pool = rendered_pool()
    settings = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, steps=1))
    slowmo.train(settings, pool, str(tmp_path), device="cpu")
    with pytest.raises(UsageError, match="--resume"):
        slowmo.train(settings, pool, str(tmp_path), device="cpu")


def test_minutes_bound_a_run_and_steer_its_rate():
    settings = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, minutes=2.0, steps=1000))
    run = slowmo.start_run(settings, torch.device("cpu"))
    run.seconds = 60.0
    assert slowmo.progress(run) == 0.5
    run.seconds = 200.0
    assert slowmo.progress(run) == 1.0
    rates = [slowmo.learning_rate(settings.schedule, 100, done) for done in (0.0, 0.5, 1.0)]
    assert rates[0] > rates[1] > rates[2] > 0


def test_training_learns_what_the_classical_flow_misses():
    """A prior that is wrong by a pixel and a half everywhere is put right."""
    pool = rendered_pool()
    settings = dataclasses.replace(TINY, schedule=dataclasses.replace(TINY.schedule, batch=2, learning_rate=2e-3))
    run = slowmo.start_run(settings, torch.device("cpu"))
    batch = pool.sample(np.random.default_rng(0), 2, 0.0)
    wrong = dataclasses.replace(batch, prior=batch.flow + 1.5)
    first = slowmo.judge(run.nets, wrong, settings.schedule, autocast=False)
    for _ in range(25):
        judged = slowmo.judge(run.nets, wrong, settings.schedule, autocast=False)
        run.optimizer.zero_grad()
        judged.loss.backward()
        run.optimizer.step()
    assert float(10 * torch.log10(first.error / judged.error).mean()) > 1.5


def test_the_fit_gains_on_what_it_learned_from_and_the_network_reads_plain_features():
    pool, fit = rendered_pool(), slowmo_recipe.Fit(pixels=200, steps=150, batch=256)
    nets = slowmo.networks(TINY).eval()
    pixels = slowmo_synthesis.gather(nets["flow"], pool, fit, 0.5, seed=1)
    assert pixels.features.shape == (800, FEATURES) and float(pixels.weight.mean()) == pytest.approx(1, abs=1e-3)
    assert pixels.light.shape == (800, CANDIDATES, 3)
    gain = slowmo_synthesis.learn(nets["synthesis"], pixels, fit, 1, stop=lambda: False)
    assert gain > 0.3
    # The scaling of the fit is folded into the weights: the same gain without it.
    rows = torch.arange(len(pixels.features))
    errors = [
        (pixels.weight * slowmo_synthesis._errors(net, pixels.features, pixels, rows)).mean().item()
        for net in (slowmo.networks(TINY)["synthesis"], nets["synthesis"])
    ]
    assert 10 * np.log10(errors[0] / errors[1]) == pytest.approx(gain, abs=0.02)


def test_moments_are_read_darker_and_brighter_where_the_recipe_says_so():
    pool, net = rendered_pool(), slowmo.networks(TINY).eval()["flow"]
    plain, dark = (
        slowmo_synthesis.gather(net, pool, slowmo_recipe.Fit(pixels=200, gain=gain), 0.5, seed=1)
        for gain in ((1.0, 1.0), (0.5, 0.5))
    )
    assert float(dark.truth.mean()) == pytest.approx(0.5 * float(plain.truth.mean()), rel=0.05)
    varied = slowmo_synthesis.gather(net, pool, slowmo_recipe.Fit(pixels=200, gain=(0.5, 1.5)), 0.5, seed=1)
    assert float(dark.truth.max()) < float(varied.truth.max())


@pytest.mark.parametrize("gain", ["[0.0, 1.0]", "[1.5, 1.0]"])
def test_a_recipe_with_a_gain_that_makes_no_light_is_refused(gain, tmp_path):
    path = tmp_path / "r.toml"
    head = 'kind = "slowmo"\nname = "x"\ntitle = "x"\nversion = "1.0.0"\npurpose = "x"\n'
    path.write_text(f"{head}[synthesis]\ngain = {gain}\n")
    with pytest.raises(UsageError, match=r"synthesis\.gain"):
        slowmo_recipe.load_recipe(str(path))


def test_light_is_encoded_for_the_loss_as_for_the_networks():
    light = np.array([0.0, 1e-4, 0.003, 0.02, 0.5, 1.0, 4.0, 100.0], np.float32)
    found = slowmo_synthesis._encoded(torch.from_numpy(light)).numpy()
    np.testing.assert_allclose(found, color.encode(light.copy()), atol=2e-5)


def test_a_flow_network_that_is_kept_stays_what_it_was(tmp_path):
    pool, start = rendered_pool(), slowmo.networks(TINY)
    for value in start["flow"].parameters():
        torch.nn.init.normal_(value, 0, 0.01)
    weights = {name: value for name, value in start.state_dict().items() if name.startswith("flow.")}
    run = slowmo.train(TINY, pool, str(tmp_path), device="cpu", weights=weights, keep_flow=True)
    nets = slowmo.averaged(run)
    assert run.step == 20 and all(torch.equal(nets.state_dict()[name], value) for name, value in weights.items())
    assert nets["synthesis"].head.weight.any()
    again = slowmo.train(TINY, pool, str(tmp_path), device="cpu", resume=True, keep_flow=True)
    assert again.step == 20, "what is finished is not done again"
    with pytest.raises(ModelRefused, match="another flow network"):
        slowmo._begin_with(slowmo.networks(TINY), {"flow.at_half.layers.0.weight": torch.zeros(1)}, keep_flow=True)


def test_a_network_of_another_shape_begins_afresh():
    known = slowmo.networks(TINY).state_dict()
    torch.nn.init.normal_(known["synthesis.head.weight"])
    fewer = dict(known, **{"synthesis.enter.weight": known["synthesis.enter.weight"][:, :-6]})
    for weights, expected in ((known, True), (fewer, False)):
        nets = slowmo.networks(TINY)
        slowmo._begin_with(nets, weights, keep_flow=False)
        assert bool(nets["synthesis"].head.weight.any()) is expected


def test_a_synthesis_network_that_knew_the_settled_path_alone_goes_on_with_what_it_knows():
    net, old = slowmo.networks(TINY)["synthesis"], torch.Generator().manual_seed(1)
    shapes = {name: list(value.shape) for name, value in net.state_dict().items()}
    shapes["enter.weight"][1], shapes["head.weight"][0], shapes["head.bias"][0] = 100, 6, 6
    known = {name: torch.randn(shape, generator=old) for name, shape in shapes.items()}
    net.load_state_dict(grown(known))
    features = torch.rand(1, FEATURES, 2, 2)
    # 21 differences in five windows, of which the first 13 were there before; then all else.
    before = features[:, [*(21 * window + pair for window in range(5) for pair in range(13)), *range(105, FEATURES)]]
    hidden = functional.leaky_relu(functional.conv2d(before, known["enter.weight"], known["enter.bias"]), 0.1)
    more = functional.conv2d(hidden, known["join.weight"], known["join.bias"])
    hidden = hidden + functional.leaky_relu(more, 0.1)
    expected = functional.conv2d(hidden, known["head.weight"], known["head.bias"])
    assert torch.allclose(net.change(features)[:, [0, 1, 2, 3, 8, 9]], expected, rtol=1e-3)
    same = net.state_dict()
    assert grown(same) is same


def test_of_what_a_clip_taught_as_much_is_kept_as_helps_its_held_back_moments():
    pool, rendered = MomentPool(SIDE), rendered_pool().samples(RENDERED)
    for sample in rendered:
        peak = 255 if sample.frames.dtype == np.uint8 else 1
        frames = [sample.frames[:, :, at : at + 3].astype(np.float32) / peak for at in (0, 3, 6)]
        bend = np.concatenate([sample.bend, np.ones((*sample.bend.shape[:2], 2))], axis=2)
        pool.add_real(tuple(frames), sample.prior.astype(np.float32), bend, sample.time, HELD_BACK)
    start = slowmo.networks(TINY).state_dict()
    good, bad = (slowmo.networks(TINY).eval() for _ in range(2))
    for nets in (good, bad):
        nets.load_state_dict(start)
    fit = slowmo_recipe.Fit(pixels=200, steps=150, batch=256)
    pixels = slowmo_synthesis.gather(good["flow"], rendered_pool(), fit, 0.5, seed=1)
    slowmo_synthesis.learn(good["synthesis"], pixels, fit, 1, stop=lambda: False)
    torch.nn.init.normal_(bad["synthesis"].head.weight)
    learned = {name: value.clone() for name, value in good.state_dict().items()}
    kept = slowmo._chosen(good, start, pool, seed=1)
    assert kept["kept"] == "1" and kept["held_back"] == str(len(rendered))
    assert all(torch.equal(value, learned[name]) for name, value in good.state_dict().items())
    assert float(kept["held_back_psnr"]) > float(kept["held_back_before"])
    assert slowmo._chosen(bad, start, pool, seed=1)["kept"] == "0"
    assert all(torch.equal(value, start[name]) for name, value in bad.state_dict().items())


def test_the_classical_method_finds_the_frame_between():
    frames = [frame.astype(np.float32) / 255 for frame in sliding(3, step=3.0)]
    prior = motion_search.prior_of(frames[0], frames[2])
    between = classical_flow.between(frames[0], frames[2], prior, 0.5)
    found = classical_flow.blended(frames[0], frames[2], between)
    inner = (slice(8, -8), slice(8, -8))
    mixed = 0.5 * (frames[0] + frames[2])
    assert slowmo_scores.psnr(found[inner], frames[1][inner]) > slowmo_scores.psnr(mixed[inner], frames[1][inner]) + 10


@pytest.fixture(scope="module")
def clip_model(tmp_path_factory):
    """A model folder made by the command line from an EXR clip, in three steps."""
    folder = tmp_path_factory.mktemp("clip")
    for number, frame in enumerate(sliding(7, side=96), start=1001):
        linear = color.decode(frame.astype(np.float32) / 255)
        write_frame(str(folder / f"fast.{number}.exr"), picture_frame(linear, half=True))
    recipe = folder / "tiny.toml"
    with open(os.path.join(ROOT, "train", "recipes", "slowmo_clip.toml"), encoding="utf-8") as stream:
        text = stream.read()
    text = text.replace("scene_size = 208", "scene_size = 64").replace("crop = 160", "crop = 48")
    recipe.write_text(
        text.replace("batch = 6", "batch = 1")
        .replace("crops_per_pair = 4", "crops_per_pair = 1")
        .replace("steps = 600", "steps = 30")
    )
    torch.set_num_threads(1)
    options = ["--clip", str(folder / "fast.%04d.exr"), "--skip", "4", "--init", "none", "--steps", "3"]
    out = str(folder / "run")
    assert cli.main(["slowmo", "--recipe", str(recipe), *options, "--name", "mine", "--out", out]) == 0
    return os.path.join(out, "mine")


def test_a_clip_becomes_a_model_folder_with_card_graphs_and_proof(clip_model):
    card = cards.load(clip_model)
    assert card.kind == "interpolate" and card.name == "mine"
    assert card.sha256 == cards.file_sha256(os.path.join(clip_model, card.file))
    second = card.graphs["synthesis"]
    assert second.sha256 == cards.file_sha256(os.path.join(clip_model, second.file))
    assert card.training.steps == 3 + 30
    proof = [read_frame(os.path.join(clip_model, name)) for name in slowmo_check.PROOFS]
    assert all(np.isfinite(part.channels["R"].astype(np.float32)).all() for frame in proof for part in frame.parts)
    assert {"README.md", "training.csv"} <= set(os.listdir(clip_model))
    found = model_check.check(catalog.locate(str(clip_model)))
    assert model_check.passes(found), found
    assert {"range", "stillness", "parity"} <= {entry.topic for entry in found if entry.outcome == "ok"}


def test_a_clip_that_goes_on_from_a_model_says_what_it_is_worth(clip_model, tmp_path):
    for number, frame in enumerate(sliding(16, side=96, seed=5), start=1):
        linear = color.decode(frame.astype(np.float32) / 255)
        write_frame(str(tmp_path / f"other.{number:04d}.exr"), picture_frame(linear, half=True))
    recipe = tmp_path / "tiny.toml"
    with open(os.path.join(os.path.dirname(os.path.dirname(clip_model)), "tiny.toml"), encoding="utf-8") as stream:
        recipe.write_text(re.sub("held_back = .*", "held_back = 0.4", stream.read()))
    options = ["--clip", str(tmp_path / "other.%04d.exr"), "--skip", "4", "--init", clip_model, "--keep-flow"]
    assert cli.main(["slowmo", "--recipe", str(recipe), *options, "--name", "own", "--out", str(tmp_path)]) == 0
    (score,) = cards.load(str(tmp_path / "own")).scores
    assert score.set == "held-back frames of the clip (2)" and score.baseline == "mine"
    assert score.baseline_value is not None and score.value >= score.baseline_value > 10
    (before, _), (after, _) = (publish_slowmo.weights_of(model) for model in (clip_model, str(tmp_path / "own")))
    assert all(torch.equal(after[name], value) for name, value in before.items() if name.startswith("flow."))


def test_a_published_model_gives_its_weights_back(clip_model):
    weights, label = publish_slowmo.weights_of(clip_model)
    nets = slowmo.networks(TINY)
    nets.load_state_dict(weights)
    assert label.startswith("mine@")
    found = publish_slowmo.checks(nets, clip_model)
    assert all(check.passed for check in found), found


def test_new_frames_keep_any_size_and_light(clip_model):
    frames = [frame[:37, :51].astype(np.float32) / 255 for frame in sliding(3, side=64)]
    for frame in frames:
        frame[10:14, 20:24] = 5.0
    step = SlowMoStep(catalog.locate(clip_model), "cpu")
    moments = [slowmo_scores.Moment(frames[0], frames[2], frames[1], time) for time in (0.25, 0.5)]
    results = [slowmo_scores.new_frame(step, moment) for moment in moments]
    kept = slowmo_scores.Moment(frames[0], frames[0].copy(), frames[0], 0.5, (frames[1], frames[2]))
    still = slowmo_scores.new_frame(step, kept)
    step.close()
    assert [result.shape for result in results] == [(37, 51, 3)] * 2
    assert max(float(result.max()) for result in results) > 4.5
    # The frame is encoded anew on its way out; nothing else happens to it.
    np.testing.assert_array_equal(still, color.encode(color.decode(frames[0].copy())))


def test_a_graph_that_is_not_the_network_is_not_published(clip_model):
    nets = slowmo.networks(TINY)
    for value in nets.parameters():
        torch.nn.init.normal_(value, 0, 0.05)
    with pytest.raises(ModelRefused, match="failed its verification"):
        publish_slowmo._refuse_failures("mine", publish_slowmo.checks(nets, clip_model))


def test_the_command_line_says_what_is_missing(capsys, tmp_path):
    assert cli.main(["slowmo"]) == 2
    assert "--clip" in capsys.readouterr().err
    assert cli.main(["slowmo", "--clip", str(tmp_path / "none.%04d.exr"), "--init", "none", "--skip", "1"]) == 2
    assert "--skip is 1" in capsys.readouterr().err
    frames = sliding(7, side=96)
    for number, frame in enumerate(frames, start=1):
        linear = color.decode(frame.astype(np.float32) / 255)
        write_frame(str(tmp_path / f"fast.{number:04d}.exr"), picture_frame(linear, half=True))
    recipe = tmp_path / "small.toml"
    with open(os.path.join(ROOT, "train", "recipes", "slowmo_clip.toml"), encoding="utf-8") as stream:
        text = stream.read().replace("scene_size = 208", "scene_size = 64").replace("crop = 160", "crop = 48")
    recipe.write_text(text)
    options = ["--clip", str(tmp_path / "fast.%04d.exr"), "--skip", "2", "--init", "none", "--keep-flow"]
    assert cli.main(["slowmo", "--recipe", str(recipe), *options, "--out", str(tmp_path / "run")]) == 2
    assert "--keep-flow needs a model" in capsys.readouterr().err
