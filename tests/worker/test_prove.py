from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import graphs
import plates
from bipack import card as cards
from bipack.catalog import locate
from bipack.errors import Cancelled, UsageError
from bipack.worker import bare_card, prove
from bipack.worker.graph import GraphFacts, analyse
from bipack.worker.model_step import ModelStep
from bipack.worker.step import StepControl, StepInput, knob_values


def step_of(model: Any, folder: Path, **changes: Any) -> ModelStep:
    """An open model with a card in `folder`."""
    graphs.save(model, folder / "model.onnx")
    card = bare_card.derive("net", "model.onnx", cards.file_sha256(str(folder / "model.onnx")), analyse(model))
    cards.save(dataclasses.replace(card, verified=True, **changes), str(folder))
    return ModelStep(locate(str(folder)), "cpu")


def given_to(step: ModelStep, width: int = 150, height: int = 110) -> StepInput:
    return StepInput(1001, {0: plates.plate(width=width, height=height)}, knobs=knob_values(step.knobs, {}, 0, "net"))


def control() -> StepControl:
    return StepControl(lambda fraction: None, lambda text: None, threading.Event())


@pytest.mark.parametrize("model", [graphs.plain_sr(scale=2), graphs.unet(depth=2), graphs.unpadded(layers=3)])
def test_an_exact_model_holds_at_every_tile_size(tmp_path: Path, model: Any) -> None:
    step = step_of(model, tmp_path)
    proof = prove.prove(step, given_to(step), control())
    assert proof.claims_exact and proof.holds and proof.largest <= 1e-6
    assert len(proof.trials) >= 3
    assert any(trial.tile % 2 for trial in proof.trials) and all(trial.tiles > 1 for trial in proof.trials)


def test_a_global_model_claims_nothing_and_shows_its_difference(tmp_path: Path) -> None:
    step = step_of(graphs.squeeze_excite(), tmp_path)
    proof = prove.prove(step, given_to(step), control())
    assert not proof.claims_exact and proof.holds
    assert proof.largest > prove.TOLERANCE
    assert "GlobalAveragePool" in proof.reasons[0]


def test_a_card_that_claims_too_much_does_not_hold(tmp_path: Path) -> None:
    step = step_of(graphs.squeeze_excite(), tmp_path, geometry=cards.Geometry(tiling="exact"))
    proof = prove.prove(step, given_to(step), control())
    assert proof.claims_exact and not proof.holds


def test_a_halo_that_is_one_pixel_short_is_found_and_located(tmp_path: Path) -> None:
    step = step_of(graphs.plain_sr(scale=2, layers=4), tmp_path)
    facts = step.session.facts
    short = dataclasses.replace(facts.halo, left=facts.halo.left - 1)
    step.session.facts = GraphFacts(**{**facts.__dict__, "halo": short})
    proof = prove.prove(step, given_to(step), control(), sizes=[64])
    assert not proof.holds
    (trial,) = proof.trials
    assert 0 < trial.at[0] < 300 and 0 <= trial.at[1] < 220


def test_a_model_that_is_never_tiled_has_nothing_to_compare(tmp_path: Path) -> None:
    step = step_of(graphs.attention(), tmp_path)
    proof = prove.prove(step, given_to(step, 30, 20), control(), out=str(tmp_path / "out"))
    assert proof.trials == () and proof.holds
    assert (tmp_path / "out" / prove.HEAT_MAP).exists()


def test_numbers_and_heat_map_are_written(tmp_path: Path) -> None:
    step = step_of(graphs.squeeze_excite(), tmp_path)
    proof = prove.prove(step, given_to(step), control(), out=str(tmp_path / "out"))
    data = json.loads((tmp_path / "out" / prove.NUMBERS).read_text("utf-8"))
    assert data["largest"] == proof.largest and data["tolerance"] == 1e-5 and data["holds"] is True
    assert [entry["tile"] for entry in data["trials"]] == [trial.tile for trial in proof.trials]
    picture = cv2.imread(str(tmp_path / "out" / prove.HEAT_MAP))
    assert picture.shape[0] > 110 and picture.shape[1] == 150


def test_the_heat_map_is_black_where_nothing_differs_and_bright_where_much_does(tmp_path: Path) -> None:
    step = step_of(graphs.plain_sr(scale=1), tmp_path)
    proof = prove.prove(step, given_to(step), control(), sizes=[64])
    heat = np.zeros((110, 150), np.float32)
    heat[40:60, 70:90] = 1e-2
    picture = prove.heat_map(proof, heat)
    assert picture[10, 10].max() < 8
    assert picture[50, 80].max() > 200


def test_an_infinite_difference_is_no_number_in_the_report() -> None:
    found, whole = np.zeros((1, 2, 2), np.float32), np.zeros((1, 2, 2), np.float32)
    found[0, 0, 0], found[0, 1, 1], whole[0, 1, 1] = np.nan, np.nan, np.nan
    difference = prove._difference(found, whole)
    assert difference[0, 0] == np.inf and difference[1, 1] == 0
    assert prove._finite(float(difference.max())) == "infinite"


def test_progress_counts_over_all_runs_and_cancel_stops(tmp_path: Path) -> None:
    step = step_of(graphs.plain_sr(), tmp_path)
    seen, cancel = list[float](), threading.Event()
    prove.prove(step, given_to(step), StepControl(seen.append, lambda text: None, cancel))
    assert seen == sorted(seen) and seen[-1] == 1
    cancel.set()
    with pytest.raises(Cancelled):
        prove.prove(step, given_to(step), StepControl(seen.append, lambda text: None, cancel))


def test_a_size_that_is_all_overlap_is_a_usage_error(tmp_path: Path) -> None:
    step = step_of(graphs.unet(depth=3), tmp_path)
    with pytest.raises(UsageError, match="too small"):
        prove.prove(step, given_to(step), control(), sizes=[32])
