"""bootstrap.py run for real, offline, on a small clone in a folder with a space and letters beyond ASCII."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from tiny_clone import make_wheel


def site_packages(clone) -> Path:
    return Path(clone.ask("import sysconfig; print(sysconfig.get_path('purelib'))"))


def test_both_console_scripts_run_from_the_environment(clone):
    scripts = clone.python.parent
    answer = subprocess.run([scripts / "bipack", "x"], capture_output=True, text=True, timeout=60)
    assert answer.stdout == "bipack got ['x']\n"
    assert subprocess.run([scripts / "bipack-train"], capture_output=True, text=True, timeout=60).stdout == "trainer\n"


def test_letters_that_the_terminal_lacks_are_no_failure(clone):
    result = clone.install("--upgrade", PYTHONIOENCODING="ascii")
    assert result.returncode == 0, result.stderr
    assert "\\u0160\\xe4rd clone" in result.stdout


def test_the_package_is_linked_and_not_copied(clone):
    assert Path(clone.ask("import bipack; print(bipack.__file__)")) == clone.folder / "python/bipack/__init__.py"
    assert not list(site_packages(clone).glob("bipack/"))


def test_nothing_is_written_into_the_clone_but_the_environment(clone):
    made = {path.name for path in clone.folder.iterdir()}
    assert made == {"bootstrap.py", "pyproject.toml", "python", "train", ".venv"}


def test_a_second_run_costs_less_than_a_second(clone):
    start = time.process_time()
    began = time.monotonic()
    result = clone.install()
    assert result.returncode == 0
    assert "Installing" not in result.stdout
    # Wall time of a loaded machine says little; CPU time of children is not in ours, so allow what a slow start takes.
    assert time.monotonic() - began < 5
    assert time.process_time() - start < 1


def test_the_exit_code_of_what_it_runs_is_its_own(clone):
    assert clone.bootstrap("doctor", "fail").returncode == 7


def test_pythonpath_of_another_python_does_not_leak_in(clone, tmp_path):
    (tmp_path / "tinydep.py").write_text("raise SystemExit('the wrong tinydep')")
    assert clone.bootstrap("doctor", PYTHONPATH=str(tmp_path)).returncode == 0


def test_a_new_dependency_in_pyproject_is_installed_by_the_next_run(clone):
    text = (clone.folder / "pyproject.toml").read_text(encoding="utf-8")
    try:
        (clone.folder / "pyproject.toml").write_text(
            text.replace('"tinydep>=1"', '"tinydep>=1", "tinydev"'), encoding="utf-8"
        )
        result = clone.install()
        assert "Installing" in result.stdout
        assert clone.ask("import tinydev; print('there')") == "there"
    finally:
        (clone.folder / "pyproject.toml").write_text(text, encoding="utf-8")
        assert clone.install().returncode == 0


def test_an_interrupted_install_is_completed(clone):
    packages = site_packages(clone)
    (clone.venv / "bipack-install.json").unlink()
    (packages / "tinydep/more.py").unlink()
    next(packages.glob("tinydep-*")).joinpath("RECORD").unlink()
    assert clone.install().returncode == 0
    assert clone.ask("import tinydep.more; print(tinydep.more.value)") == "2"


def test_an_environment_whose_python_is_gone_is_made_again(clone):
    clone.python.unlink()
    result = clone.install()
    assert "Making" in result.stdout, result.stdout + result.stderr
    assert clone.ask("import tinydep; print(tinydep.value)") == "1"


def test_the_wrong_onnx_runtime_is_replaced_and_not_joined(clone, bootstrap_module):
    right = clone.ask("import onnxruntime; print(onnxruntime.name)")
    wrong = ({"onnxruntime", "onnxruntime-gpu"} - {right}).pop()
    command = [clone.python, "-m", "pip", "install", "--no-index", "--find-links", clone.wheelhouse, wrong]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    result = clone.install()
    assert f"this machine takes {right}" in result.stdout
    assert clone.ask("import onnxruntime; print(onnxruntime.name)") == right
    assert wrong not in bootstrap_module.installed_packages(str(site_packages(clone)))


def test_a_package_that_cannot_be_had_shows_pips_words_and_what_to_do(clone, tmp_path):
    (clone.venv / "bipack-install.json").unlink()
    result = clone.bootstrap("install", "--wheelhouse", str(tmp_path), "--extras", "dev")
    assert result.returncode == 1
    assert "tinydev" in result.stderr
    assert "--wheelhouse" in result.stderr
    assert "Traceback" not in result.stderr
    assert clone.install().returncode == 0


def test_a_moved_clone_is_linked_anew(clone, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(clone.folder, moved, symlinks=True)
    other = type(clone)(moved, clone.wheelhouse)
    assert other.install().returncode == 0
    answer = subprocess.run([other.python.parent / "bipack"], capture_output=True, text=True, timeout=60)
    assert answer.stdout == "bipack got []\n"
    assert other.ask("import bipack; print(bipack.__file__)").startswith(str(moved))


def test_the_environment_may_lie_outside_the_clone(clone, tmp_path):
    place = tmp_path / "énv"
    result = clone.install(BIPACK_VENV=str(place))
    assert result.returncode == 0, result.stderr
    assert f"BIPACK_PYTHON={place}" in result.stdout
    answer = subprocess.run([place / "bin/bipack", "y"], capture_output=True, text=True, timeout=60)
    assert answer.stdout == "bipack got ['y']\n"


def test_a_folder_with_other_things_in_it_is_not_taken_for_an_environment(clone, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    result = clone.install(BIPACK_VENV=str(tmp_path))
    assert result.returncode == 2
    assert "other files" in result.stderr
    assert (tmp_path / "thesis.txt").exists()


def test_clean_removes_the_environment_and_nothing_else(clone, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(clone.folder, copy, symlinks=True)
    assert type(clone)(copy, clone.wheelhouse).bootstrap("clean").returncode == 0
    assert {path.name for path in copy.iterdir()} == {"bootstrap.py", "pyproject.toml", "python", "train"}


def test_a_place_that_cannot_be_written_says_how_to_choose_another(clone, tmp_path):
    place = Path("/proc/bipack")  # not even root may write there
    if not Path("/proc").is_dir():
        tmp_path.chmod(0o555)
        place = tmp_path / "venv"
    result = clone.install(BIPACK_VENV=str(place))
    assert result.returncode == 15
    assert f"{place} cannot be written" in result.stderr
    assert "BIPACK_VENV=" in result.stderr


def test_a_wheelhouse_holds_all_that_an_offline_install_needs(clone, bootstrap_module, tmp_path):
    for name in ("pip", "setuptools", "wheel"):
        make_wheel(clone.wheelhouse, name, "99.0", {f"{name}_stand_in.py": ""})
    result = clone.bootstrap(
        "wheelhouse", str(tmp_path / "out"), "--wheelhouse", str(clone.wheelhouse), "--extras", "dev"
    )
    assert result.returncode == 0, result.stderr
    names = {path.name.split("-")[0] for path in (tmp_path / "out").iterdir()}
    assert {"tinydep", "tinydev", "pip", "setuptools", "wheel"} <= names
