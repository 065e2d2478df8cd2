"""Settings: order of sources, where things lie, and what is said of a broken file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from bipack import settings
from bipack.errors import UsageError


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A site's and a user's file that can be written."""
    site, home = tmp_path / "site.json", tmp_path / "home"
    monkeypatch.setenv("BIPACK_CONFIG", str(site))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    user = home / ".bipack/config.json"
    user.parent.mkdir(parents=True)
    return site, user


def write(path: Path, **values: object) -> None:
    path.write_text(json.dumps(values), encoding="utf-8")


def test_flag_environment_user_site_and_default_win_in_this_order(files, monkeypatch):
    site, user = files
    assert settings.find("tile") == settings.Found("auto", "default")
    write(site, tile=256)
    assert settings.find("tile") == settings.Found("256", str(site))
    write(user, tile=512)
    assert settings.find("tile") == settings.Found("512", str(user))
    monkeypatch.setenv("BIPACK_TILE", "768")
    assert settings.find("tile") == settings.Found("768", "environment BIPACK_TILE")
    assert settings.find("tile", "1024") == settings.Found("1024", "flag")


def test_an_empty_variable_counts_as_not_set(files, monkeypatch):
    monkeypatch.setenv("BIPACK_TILE", "")
    assert settings.find("tile").source == "default"


@pytest.mark.parametrize(
    ("text", "part"), [("{", "cannot be read"), ("[1]", "not a JSON object"), ('{"til": 1}', "til")]
)
def test_a_broken_file_is_named_with_what_is_wrong(files, text, part):
    files[0].write_text(text)
    with pytest.raises(UsageError, match=part) as caught:
        settings.find("tile")
    assert str(files[0]) in str(caught.value)


def test_a_number_that_is_none_is_refused_with_its_source(monkeypatch):
    monkeypatch.setenv("BIPACK_THREADS", "many")
    with pytest.raises(UsageError, match=r"threads is 'many' \(environment BIPACK_THREADS\)"):
        settings.get_int("threads")
    with pytest.raises(UsageError, match="number is needed"):
        settings.get_float("memory_gb", "lots")


@pytest.mark.parametrize(("text", "meaning"), [("1", True), ("Yes", True), (" on ", True), ("0", False), ("no", False)])
def test_yes_and_no_are_read_in_the_usual_spellings(monkeypatch, text, meaning):
    monkeypatch.setenv("BIPACK_REQUIRE_GPU", text)
    assert settings.get_flag("require_gpu") is meaning


def test_everything_names_every_setting_once():
    assert list(settings.everything()) == [setting.name for setting in settings.SETTINGS]
    assert len({setting.variable for setting in settings.SETTINGS}) == len(settings.SETTINGS)


def test_folders_of_the_model_path_come_before_the_suites_own(monkeypatch):
    monkeypatch.setenv("BIPACK_MODEL_PATH", os.pathsep.join(["/a", "", "/b c"]))
    assert settings.model_folders() == ["/a", "/b c", os.path.join(settings.suite_root(), "onnx_models")]


def test_the_suite_is_the_folder_with_the_models():
    assert (Path(settings.suite_root()) / "python/bipack/settings.py").is_file()


def test_each_user_has_a_cache_of_their_own(monkeypatch):
    monkeypatch.delenv("BIPACK_CACHE")
    if hasattr(os, "getuid"):
        mine = settings.cache_folder()
        monkeypatch.setattr(os, "getuid", lambda: 4242)
        assert settings.cache_folder() != mine
        assert settings.cache_folder().endswith("bipack-4242")


def test_engines_lie_in_the_cache_unless_told_otherwise(monkeypatch):
    monkeypatch.setenv("BIPACK_CACHE", "/fast/cache")
    assert settings.engine_cache_folder() == os.path.join("/fast/cache", "engines")
    monkeypatch.setenv("BIPACK_ENGINE_CACHE", "/fast/engines")
    assert settings.engine_cache_folder() == "/fast/engines"


def test_the_named_interpreter_wins(monkeypatch):
    monkeypatch.setenv("BIPACK_PYTHON", "/opt/python")
    assert settings.worker_python() == "/opt/python"


def test_the_environment_beside_the_suite_is_found(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "suite_root", lambda: str(tmp_path))
    inside = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    (tmp_path / ".venv" / inside).parent.mkdir(parents=True)
    (tmp_path / ".venv" / inside).touch()
    assert Path(settings.worker_python()) == tmp_path / ".venv" / inside


def test_the_workers_own_interpreter_is_its_own_answer(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "suite_root", lambda: str(tmp_path))
    assert settings.worker_python() == sys.executable


def test_nowhere_to_find_an_interpreter_says_both_ways_out(monkeypatch, tmp_path):
    monkeypatch.setattr(settings, "suite_root", lambda: str(tmp_path))
    monkeypatch.setattr(settings, "_is_worker_interpreter", lambda: False)
    with pytest.raises(UsageError, match=r"bootstrap\.py install.*BIPACK_PYTHON"):
        settings.worker_python()
