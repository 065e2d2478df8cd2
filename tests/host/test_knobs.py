"""A card becomes knobs of the node, and the node's knobs become settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import graphs
from bipack.card import Knob, Port
from bipack.errors import UsageError
from host_scene import Scene, gain_card, gain_model, install_model

ALL_TYPES = (
    Knob("strength", "float", 0.5, "Strength", 0.0, 2.0, tooltip="How strong."),
    Knob("passes", "int", 2, "", 1, 8, tooltip="How often."),
    Knob("keep_grain", "bool", True, tooltip="Keep the plate's grain."),
    Knob("style", "enum", "soft", values=("soft", "hard"), tooltip="Kind of edge."),
    Knob("note", "string", "hello", tooltip="Anything."),
)


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., str]:
    def make(name: str, *knobs: Knob, **changes: Any) -> str:
        return str(install_model(tmp_path / name, graphs.identity(), knobs=knobs, **changes) / "model.onnx")

    return make


def card_knobs(node: Any) -> list[str]:
    return [name for name in node.knobs() if name.startswith("card_")]


def test_every_type_of_a_card_becomes_a_knob_with_its_range_and_tooltip(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("all", *ALL_TYPES))
    kinds = {name: node[name].Class() for name in card_knobs(node)}
    assert kinds == {
        "card_strength": "Double_Knob",
        "card_passes": "Int_Knob",
        "card_keep_grain": "Boolean_Knob",
        "card_style": "Enumeration_Knob",
        "card_note": "String_Knob",
    }
    assert [node[name].value() for name in card_knobs(node)] == [0.5, 2, True, "soft", "hello"]
    assert (node["card_strength"].min(), node["card_strength"].max()) == (0.0, 2.0)
    assert [node[name].tooltip() for name in card_knobs(node)] == [knob.tooltip for knob in ALL_TYPES]
    assert node["card_strength"].label() == "Strength"
    assert node["card_keep_grain"].label() == "keep grain"


def test_another_model_keeps_values_by_name_and_drops_the_rest(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("all", *ALL_TYPES))
    for name, value in (("strength", 1.75), ("style", "hard"), ("note", "mine"), ("passes", 5)):
        node[f"card_{name}"].setValue(value)
    other = model("other", Knob("style", "enum", "round", values=("round", "soft")), ALL_TYPES[0], ALL_TYPES[4])
    node["model_file"].setValue(other)
    node["load"].execute()
    assert card_knobs(node) == ["card_style", "card_strength", "card_note"]
    assert node["card_strength"].value() == 1.75
    assert node["card_note"].value() == "mine"
    assert node["card_style"].value() == "round", "'hard' is no choice of the new model"


def test_animation_survives_a_new_version_of_the_model(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("one", ALL_TYPES[0]))
    node["card_strength"].setAnimated()
    node["card_strength"].setValueAt(1.0, 1)
    node["card_strength"].setValueAt(2.0, 11)
    node["model_file"].setValue(model("two", ALL_TYPES[0], version="2.0.0"))
    node["load"].execute()
    assert node["card_strength"].getValueAt(6) == pytest.approx(1.5)


def test_loading_the_same_model_again_touches_nothing(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("all", *ALL_TYPES))
    before = node["card_strength"]
    node["load"].execute()
    assert node["card_strength"] is before


def test_a_model_that_is_refused_leaves_the_node_as_it_was(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("all", *ALL_TYPES))
    path = Path(model("bad", ALL_TYPES[0]))
    (path.parent / "card.json").write_text("{")
    node["model_file"].setValue(str(path))
    node["load"].execute()
    assert "not JSON" in gui.session.messages[0]
    assert len(card_knobs(node)) == 5


def test_knobs_of_a_model_survive_save_and_reload_without_bipack(
    start: Callable[..., Scene], tmp_path: Path, model: Callable[..., str]
) -> None:
    scene = start(gui=True)
    node = scene.bipack(scene.plate(), model("all", *ALL_TYPES))
    node["card_style"].setValue("hard")
    node["card_strength"].setValue(1.5)
    name = node.name()
    scene.nuke.scriptSaveAs(f"{tmp_path}/saved.nk", 1)
    bare = start(bipack=False, gui=True)
    bare.nuke.scriptOpen(f"{tmp_path}/saved.nk")
    loaded = bare.nuke.toNode(name)
    assert loaded["card_style"].value() == "hard"
    assert loaded["card_style"].values() == ["soft", "hard"]
    assert loaded["card_strength"].value() == 1.5
    assert loaded["card_strength"].tooltip() == "How strong."


def test_settings_are_of_the_cards_types(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("all", *ALL_TYPES))
    knobs, ours = gui.host("knobs"), gui.host("node").BipackNode(node)
    chosen = gui.host("model").chosen(ours)
    assert knobs.settings_at(ours, chosen, 1) == {
        "strength": 0.5,
        "passes": 2,
        "keep_grain": True,
        "style": "soft",
        "note": "hello",
    }


def test_an_animated_menu_gives_its_entry_on_each_frame(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("all", *ALL_TYPES))
    node["card_style"].setExpression("frame > 5")
    knobs, ours = gui.host("knobs"), gui.host("node").BipackNode(node)
    chosen = gui.host("model").chosen(ours)
    assert [knobs.settings_at(ours, chosen, frame)["style"] for frame in (5, 6)] == ["soft", "hard"]


def test_a_model_with_noise_has_a_seed(gui: Scene, tmp_path: Path) -> None:
    b = graphs.Builder()
    graph = b.model(
        b.op("Add", "input", "noise"), [("input", (1, 3, "H", "W")), ("noise", (1, 1, "H", "W"))], (1, 3, "H", "W")
    )
    ports = (Port("input", 3), Port("noise", 1, role="noise"))
    folder = install_model(tmp_path / "noisy", graph, inputs=ports)
    node = gui.bipack(gui.plate(), str(folder / "model.onnx"))
    assert card_knobs(node) == ["card_seed"]
    node["card_seed"].setValue(1)
    gui.press(node, "cook_frame")
    one = gui.result(node, 1001).copy()
    node["card_seed"].setValue(2)
    gui.press(node, "cook_frame")
    assert (gui.result(node, 1001) != one).any()


@pytest.mark.parametrize("text", ["0", "-4", "big", "12.5"])
def test_a_tile_that_makes_no_sense_is_refused(gui: Scene, model: Callable[..., str], text: str) -> None:
    node = gui.bipack(gui.plate(), model("one"))
    node["tile"].setValue(text)
    with pytest.raises(UsageError, match="Give a size in pixels"):
        gui.host("knobs").tile(gui.host("node").BipackNode(node))


def test_the_menu_of_models_follows_what_is_installed(
    gui: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "site"))
    install_model(tmp_path / "site" / "enlarge", graphs.identity(scale=2), scale=2, gizmo="BipackSuperRes")
    install_model(tmp_path / "site" / "tidy", gain_model(), **gain_card())
    super_res, general = gui.nuke.createNode("BipackSuperRes"), gui.nuke.createNode("BipackModel")
    for node in (super_res, general):
        gui.host("knobs").refresh_menu(gui.host("node").BipackNode(node), anew=True)
    assert "enlarge" in super_res["model"].values()
    assert "tidy" not in super_res["model"].values()
    assert general["model"].values()[0] == "file"
    assert {"enlarge", "tidy"} <= set(general["model"].values())
    gui.session.user_sets(general, "model", "tidy")
    assert card_knobs(general) == ["card_gain"]


def test_a_model_that_is_not_installed_here_stays_chosen(
    start: Callable[..., Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "site"))
    install_model(tmp_path / "site" / "tidy", gain_model(), **gain_card())
    scene = start(gui=True)
    node = scene.host("menu").create("BipackModel", "tidy")
    name = node.name()
    scene.nuke.scriptSaveAs(f"{tmp_path}/saved.nk", 1)
    monkeypatch.setenv("BIPACK_MODEL_PATH", "")
    other = start(gui=True)
    other.nuke.scriptOpen(f"{tmp_path}/saved.nk")
    loaded = other.nuke.toNode(name)
    assert loaded["model"].value() == "tidy"
    assert "No model is called 'tidy'" in other.status(loaded)
    assert card_knobs(loaded) == ["card_gain"]


def test_text_knobs_may_hold_tcl_and_windows_paths(gui: Scene, model: Callable[..., str]) -> None:
    node = gui.bipack(gui.plate(), model("one"))
    ours = gui.host("node").BipackNode(node)
    node["model_file"].setValue("[join {/mnt shots} /]/model.onnx")
    assert ours.text("model_file") == "/mnt/shots/model.onnx"
    node["cache"].setValue(r"D:\new\top")
    assert ours.text("cache") == r"D:\new\top"
