"""`bipack doctor`: it finds what is wrong, and never fails itself."""

from __future__ import annotations

import importlib.metadata
import json
import os

import pytest

import graphs
from bipack import catalog, settings
from bipack.cli import doctor
from bipack.cli.main import main
from bipack.worker import devices, runtime


def report(capsys) -> dict:
    main(["doctor", "--json"])
    return json.loads(capsys.readouterr().out)


def test_a_whole_install_has_no_problem(capsys):
    found = report(capsys)
    assert found["problems"] == []
    assert main(["doctor"]) == 0
    assert "All that cooking needs is here." in capsys.readouterr().out


def test_versions_and_licences_of_what_is_used_are_named(capsys):
    packages = report(capsys)["packages"]
    for name in ("numpy", "OpenEXR", "onnx"):
        assert packages[name]["version"] == importlib.metadata.version(name)
        assert packages[name]["licence"] not in ("", "not stated")


def test_every_setting_is_there_with_its_source(capsys, monkeypatch):
    monkeypatch.setenv("BIPACK_TILE", "256")
    found = report(capsys)["settings"]
    assert list(found) == [setting.name for setting in settings.SETTINGS]
    assert (found["tile"]["value"], found["tile"]["source"]) == ("256", "environment BIPACK_TILE")
    assert found["device"]["source"] == "default"


def test_the_page_for_people_holds_the_same(capsys):
    found = report(capsys)
    main(["doctor"])
    page = capsys.readouterr().out
    assert found["python"]["executable"] in page
    assert all(setting.name in page for setting in settings.SETTINGS)
    assert found["paths"]["suite"]["path"] in page


def test_a_package_that_is_not_there_is_a_problem(capsys, monkeypatch):
    real = importlib.metadata.metadata

    def without_openexr(name):
        if name == "OpenEXR":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "metadata", without_openexr)
    assert main(["doctor"]) == 1
    assert "Problem: OpenEXR is not installed." in capsys.readouterr().out


def test_two_onnx_runtimes_are_a_problem(capsys, monkeypatch):
    real_metadata, real_version = importlib.metadata.metadata, importlib.metadata.version
    alias = {"onnxruntime": "onnx", "onnxruntime-gpu": "onnx"}
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: real_metadata(alias.get(name, name)))
    monkeypatch.setattr(importlib.metadata, "version", lambda name: real_version(alias.get(name, name)))
    assert any("Both ONNX Runtime" in problem for problem in report(capsys)["problems"])


def test_a_broken_configuration_file_is_a_problem_and_not_an_end(capsys, monkeypatch, tmp_path):
    (tmp_path / "site.json").write_text("{")
    monkeypatch.setenv("BIPACK_CONFIG", str(tmp_path / "site.json"))
    # The front door reads the log level before any command runs; the page itself must still be made.
    found = doctor.examine()
    assert any("site.json" in problem for problem in found["problems"])
    assert doctor.as_text(found)


def test_a_cache_that_cannot_be_written_is_a_problem(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BIPACK_CACHE", str(tmp_path / "file" / "cache"))
    found = report(capsys)
    assert found["paths"]["cache"]["state"] == "cannot be written"
    assert any("BIPACK_CACHE" in problem for problem in found["problems"])


def test_an_interpreter_that_is_not_there_is_a_problem(capsys, monkeypatch):
    monkeypatch.setenv("BIPACK_PYTHON", "/no/such/python")
    assert any("/no/such/python" in problem for problem in report(capsys)["problems"])


def test_a_broken_card_is_a_problem(capsys, monkeypatch, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/card.json").write_text("{")
    monkeypatch.setenv("BIPACK_MODEL_PATH", str(tmp_path))
    assert any(os.path.join("bad", "card.json") in problem for problem in report(capsys)["problems"])


def test_a_runtime_that_cannot_be_loaded_is_a_problem(capsys, monkeypatch):
    def broken():
        raise ImportError("DLL load failed")

    monkeypatch.setattr(runtime, "load", broken)
    assert any("ONNX Runtime cannot be used (ImportError" in problem for problem in report(capsys)["problems"])


def test_a_gpu_that_models_cannot_run_on_is_a_problem(capsys, monkeypatch, tmp_path):
    path = graphs.save(graphs.identity(), tmp_path / "model.onnx")
    located = catalog.Located("model", path, None)
    monkeypatch.setattr(catalog, "installed", lambda: [located])
    monkeypatch.setattr(devices, "gpus", lambda: (devices.Gpu(0, "Some GPU", (9, 0), 24 << 30),))
    found = report(capsys)
    if found["devices"]["CUDA"] == "does not work":  # unless this machine has one
        assert any("There is a GPU" in problem for problem in found["problems"])
    assert found["devices"]["cuda:0"] == "Some GPU, 24 GiB, compute 9.0"


@pytest.mark.parametrize(
    ("stated", "licence"),
    [
        ({"License-Expression": "MIT"}, "MIT"),
        ({"Classifier": "License :: OSI Approved :: BSD License"}, "BSD License"),
        ({"License": "Apache 2.0\n\nlong text"}, "Apache 2.0"),
        ({}, "not stated"),
        ({"License-Expression": "A" * 100}, "A" * 47 + "…"),
    ],
)
def test_a_licence_is_found_wherever_a_package_states_it(stated, licence):
    from email.message import Message

    metadata = Message()
    for name, value in stated.items():
        metadata[name] = value
    assert doctor._licence("some-package", metadata) == licence
