"""init.py and menu.py, as Nuke runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import graphs
from host_scene import ROOT, Scene, install_model


def titles(scene: Scene, *path: str) -> list[str]:
    menu = scene.nuke.menu("Nodes")
    for name in ("Bipack", *path):
        menu = menu.menu(name)
    return [item.name() for item in menu.items()]


def test_the_toolbar_has_an_entry_for_every_gizmo(gui: Scene) -> None:
    assert titles(gui)[:3] == ["Super-res", "Slow-mo", "Model"]
    everything = titles(gui) + (titles(gui, "Finishing") if "Finishing" in titles(gui) else [])
    gizmos = list((ROOT / "gizmos").glob("*.gizmo"))
    assert len([title for title in everything if title not in ("Finishing", "Models", "Toolsets")]) == len(gizmos)


def test_an_entry_makes_its_node(gui: Scene) -> None:
    gui.nuke.menu("Nodes").findItem("Bipack").findItem("Super-res").invoke()
    assert gui.nuke.toNode("BipackSuperRes1")["bipack_tool"].value() == "BipackSuperRes"


def test_a_toolset_can_be_put_into_the_script_more_than_once(gui: Scene) -> None:
    assert titles(gui, "Toolsets") == ["New head into the plate"]
    for name in ("NewHead1", "NewHead2"):
        gui.nuke.menu("Nodes").findItem("Bipack").findItem("Toolsets").findItem("New head into the plate").invoke()
        assert gui.nuke.toNode(name)["neck"].value() == [960, 540]
    assert gui.session.problems == []


def test_an_installed_model_has_an_entry_that_makes_its_gizmo_with_it(
    start: Callable[..., Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "site"))
    install_model(tmp_path / "site" / "double", graphs.identity(scale=2), scale=2, gizmo="BipackSuperRes")
    install_model(tmp_path / "site" / "other", graphs.identity(), gizmo="SomebodyElses")
    scene = start(gui=True)
    assert "Double" in titles(scene, "Models")
    assert "Other" not in titles(scene, "Models")
    scene.nuke.menu("Nodes").findItem("Bipack").findItem("Models").findItem("Double").invoke()
    node = scene.nuke.toNode("BipackSuperRes1")
    assert node["model"].value() == "double"
    assert node["factor"].value() == 2


def test_entries_of_a_parser_and_of_a_region_starter_work(gui: Scene) -> None:
    models = gui.nuke.menu("Nodes").findItem("Bipack").findItem("Models")
    parser = next(name for name in titles(gui, "Models") if "pars" in name.lower())
    models.findItem("Region starter: eye_bags").invoke()
    assert gui.nuke.toNode("BipackModel1")["model"].value() == "eye_bags"
    gui.nuke.delete(gui.nuke.toNode("BipackModel1"))
    models.findItem(parser).invoke()
    assert gui.nuke.toNode("BipackFaceRegions1")["model"].value() == "face_parser"
    assert gui.session.problems == []


def test_running_both_twice_changes_nothing(gui: Scene) -> None:
    before = titles(gui), list(gui.session.plugin_paths), len(gui.session.callbacks.entries["beforeRender"]["Write"])
    gui.install()
    after = titles(gui), list(gui.session.plugin_paths), len(gui.session.callbacks.entries["beforeRender"]["Write"])
    assert before == after


def test_nothing_is_started_at_load(gui: Scene) -> None:
    import threading

    assert not [thread for thread in threading.enumerate() if thread.name == "bipack-cook"]
    assert not gui.host("running").is_cooking()


def test_a_gizmo_that_the_table_does_not_know_is_listed_under_its_own_name(gui: Scene, tmp_path: Path) -> None:
    (tmp_path / "BipackSkinTone.gizmo").write_text('Group {\n help "Evens skin. Then more."\n}\nend_group\n')
    entry = gui.host("menu").entries(str(tmp_path))[0]
    assert (entry.section, entry.title, entry.tooltip) == ("Finishing", "Skin tone", "Evens skin.")


def test_a_fault_in_the_menu_is_a_warning(start: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch) -> None:
    scene = start(gui=True, bipack=False)
    scene.session.run_file(ROOT / "init.py")

    def fail() -> None:
        raise OSError("no such share")

    monkeypatch.setattr(scene.host("menu"), "build", fail)
    scene.session.run_file(ROOT / "menu.py")
    assert scene.session.console == [("warning", "Bipack: its menu could not be made (OSError: no such share).")]


def test_a_package_that_cannot_be_imported_is_a_warning(
    start: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = start(gui=False, bipack=False)
    monkeypatch.setitem(sys.modules, "bipack.host", None)
    scene.session.run_file(ROOT / "init.py")
    assert len(scene.session.console) == 1
    assert "cooking is off" in scene.session.console[0][1]


def test_loading_bipack_costs_little_and_pulls_in_no_array_library() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from stand_in import session; session.start(gui=False)\n"
        "import nuke\n"
        "before = set(sys.modules)\n"
        "import bipack.host.session, bipack.host.menu, bipack.host.buttons, bipack.host.farm\n"
        "parts = ('numpy', 'cv2', 'onnx', 'OpenEXR', 'bipack.worker', 'bipack.imaging')\n"
        "print([name for name in set(sys.modules) - before if name.startswith(parts)])\n"
    )
    command = [sys.executable, "-c", code, str(ROOT / "tests/nuke_double"), str(ROOT / "python")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
