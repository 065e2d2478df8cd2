"""Finding models by name, folder and file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bipack import catalog
from bipack.errors import MissingInput, ModelRefused


def make_model(folder: Path, name: str, title: str = "T", **changes: object) -> Path:
    """A folder with a card and a file; the file's content does not matter to the catalogue."""
    folder = folder / name
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"net")
    port = {"name": "x", "channels": 3}
    card = {"schema": 1, "name": name, "title": title, "version": "1", "purpose": "p", "file": "model.onnx"}
    card |= {"sha256": "0" * 64, "kind": "image", "inputs": [port], "outputs": [port], **changes}
    (folder / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A model folder of the studio's own."""
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def test_a_model_is_found_by_its_name(shelf):
    folder = make_model(shelf, "my_fix")
    found = catalog.locate("my_fix")
    assert (found.name, found.path) == ("my_fix", str(folder / "model.onnx"))
    assert found.card is not None and found.folder == str(folder)


def test_a_model_is_found_by_its_folder_and_by_its_file(shelf, tmp_path):
    folder = make_model(tmp_path / "elsewhere", "my_fix")
    assert catalog.locate(str(folder)) == catalog.locate(str(folder / "model.onnx"))
    assert catalog.locate(str(folder)).card is not None


def test_a_bare_file_has_no_card(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"net")
    found = catalog.locate(str(tmp_path / "net.onnx"))
    assert (found.name, found.card) == ("net", None)


def test_another_file_beside_a_card_is_not_that_cards_model(tmp_path):
    folder = make_model(tmp_path, "my_fix")
    (folder / "other.onnx").write_bytes(b"net")
    assert catalog.locate(str(folder / "other.onnx")).card is None


def test_the_half_precision_twin_is_the_cards_model(tmp_path):
    folder = make_model(tmp_path, "my_fix", fp16_file="half.onnx")
    (folder / "half.onnx").write_bytes(b"net")
    found = catalog.locate(str(folder / "half.onnx"))
    assert found.card is not None and found.path == str(folder / "model.onnx")


def test_an_unknown_name_lists_what_there_is(shelf):
    make_model(shelf, "my_fix")
    with pytest.raises(MissingInput, match="my_fix"):
        catalog.locate("my_fxi")


@pytest.mark.parametrize("model", ["nothing.onnx", "folder/nothing", "./x"])
def test_a_path_that_is_not_there_is_missing(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingInput, match="does not exist"):
        catalog.locate(model)


def test_the_first_folder_of_the_path_wins(tmp_path, monkeypatch):
    make_model(tmp_path / "a", "fix", title="first")
    make_model(tmp_path / "b", "fix", title="second")
    monkeypatch.setenv("BIPACK_MODEL_PATH", os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")]))
    assert catalog.locate("fix").card.title == "first"
    assert [found.card.title for found in catalog.installed() if found.name == "fix"] == ["first"]


def test_a_broken_card_does_not_hide_the_others(shelf):
    make_model(shelf, "good")
    (make_model(shelf, "broken") / "card.json").write_text("{")
    assert "good" in {found.name for found in catalog.installed()}
    assert "broken" not in {found.name for found in catalog.installed()}
    with pytest.raises(ModelRefused):
        catalog.locate("broken")


def test_a_card_whose_file_is_gone_is_refused(shelf):
    (make_model(shelf, "gone") / "model.onnx").unlink()
    with pytest.raises(ModelRefused, match="is not there"):
        catalog.locate("gone")


def test_a_model_folder_that_is_not_there_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path / "unmounted share"))
    catalog.installed()
