"""What bootstrap.py decides, asked for every platform from this one."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest
import tomllib
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
MACHINES = [
    ("linux", "x86_64", "onnxruntime-gpu"),
    ("linux", "aarch64", "onnxruntime"),
    ("win32", "AMD64", "onnxruntime-gpu"),
    ("win32", "ARM64", "onnxruntime"),
    ("darwin", "arm64", "onnxruntime"),
    ("darwin", "x86_64", "onnxruntime"),
]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_an_old_python_can_parse_the_file_and_say_what_is_wrong():
    ast.parse((ROOT / "bootstrap.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("version", [(2, 7), (3, 6), (3, 10)])
def test_an_old_python_is_refused_with_the_version_found(bootstrap_module, version):
    sentence = bootstrap_module.python_refusal(version)
    assert f"this is {version[0]}.{version[1]}" in sentence
    assert "3.11" in sentence


def test_a_newer_python_on_the_same_machine_is_named(bootstrap_module):
    assert "python3.12 bootstrap.py" in bootstrap_module.python_refusal((3, 9), ["python3.12", "python3.11"])


@pytest.mark.parametrize("version", [(3, 11), (3, 14), (4, 0)])
def test_a_python_that_will_do_is_not_refused(bootstrap_module, version):
    assert bootstrap_module.python_refusal(version) is None


def test_the_environment_of_windows_has_windows_paths(bootstrap_module):
    found = bootstrap_module.environment_at(r"C:\Program Files\Bipack\.venv", "win32", (3, 12))
    assert found.python == r"C:\Program Files\Bipack\.venv\Scripts\python.exe"
    assert found.site_packages == r"C:\Program Files\Bipack\.venv\Lib\site-packages"


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_the_environment_of_linux_and_macos_has_posix_paths(bootstrap_module, system):
    found = bootstrap_module.environment_at("/opt/bi pack/.venv", system, (3, 12))
    assert found.python == "/opt/bi pack/.venv/bin/python"
    assert found.site_packages == "/opt/bi pack/.venv/lib/python3.12/site-packages"


@pytest.mark.parametrize(("system", "machine", "wheel"), MACHINES)
def test_each_platform_takes_one_onnx_runtime(bootstrap_module, system, machine, wheel):
    assert bootstrap_module.runtime_package(system, machine) == wheel


@pytest.mark.parametrize(("system", "machine", "wheel"), MACHINES)
def test_pyproject_asks_for_the_same_onnx_runtime_and_never_for_both(system, machine, wheel):
    where = {"sys_platform": system, "platform_machine": machine}
    extras = project()["optional-dependencies"]
    asked = set()
    for text in itertools.chain(project()["dependencies"], *extras.values()):
        need = Requirement(text)
        if need.name.startswith("onnxruntime") and (need.marker is None or need.marker.evaluate(where)):
            asked.add(need.name)
    assert asked == {wheel}


@pytest.mark.parametrize(
    ("installed", "removed"),
    [
        (["numpy", "onnxruntime"], ["onnxruntime"]),
        (["onnxruntime", "onnxruntime-gpu"], ["onnxruntime", "onnxruntime-gpu"]),
        (["onnxruntime-gpu"], []),
        (["numpy"], []),
    ],
)
def test_the_wrong_runtime_takes_the_right_one_with_it(bootstrap_module, installed, removed):
    assert bootstrap_module.wrong_runtime(installed, "onnxruntime-gpu") == removed


@pytest.mark.parametrize(
    ("driver", "adds", "constraints"),
    [
        ("580.65.06", True, []),
        ("550.54", True, ["onnxruntime-gpu<1.27"]),
        ("470.82", False, []),
        (None, False, []),
    ],
)
def test_the_nvidia_driver_decides_the_cuda_libraries(bootstrap_module, driver, adds, constraints):
    found = bootstrap_module.cuda_choice(driver, "linux", "x86_64")
    assert found[:2] == (adds, constraints)
    assert bool(found[2]) == (driver is not None)


def test_a_mac_never_gets_cuda_libraries(bootstrap_module):
    assert bootstrap_module.cuda_choice("580.1", "darwin", "arm64")[0] is False


def test_an_unknown_extra_is_a_usage_error_that_names_the_known_ones(bootstrap_module):
    with pytest.raises(bootstrap_module.Refusal, match="train") as caught:
        bootstrap_module.requirements_of(project(), ["trian"])
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("words", "full"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", True),
        ("OSError: [Errno 122] Disk quota exceeded: '/home/td/.venv/lib'", True),
        ("ERROR: Could not install packages due to an OSError: [WinError 112] There is not enough space", True),
        ("ERROR: Could not find a version that satisfies the requirement torch>=28", False),
        ("OSError: [Errno 13] Permission denied: '/opt/bipack'", False),
    ],
)
def test_a_full_disk_is_told_from_other_failures(bootstrap_module, words, full):
    assert bootstrap_module.disk_is_full(words) is full


def test_a_full_disk_is_named_with_its_free_space_and_what_to_do(bootstrap_module, tmp_path):
    sentence = bootstrap_module.disk_refusal(str(tmp_path), str(tmp_path.parent))
    assert re.search(rf"{re.escape(str(tmp_path))} has \d+\.\d GB free", sentence)
    assert "BIPACK_VENV" in sentence and "TMPDIR" in sentence


def test_the_demo_needs_no_torch(bootstrap_module):
    assert not any("torch" in need for need in bootstrap_module.requirements_of(project(), []))


def test_a_changed_dependency_changes_the_fingerprint(bootstrap_module):
    cases = [(["a>=1"], "1"), (["a>=1"], "1"), (["a>=2"], "1"), (["a>=1"], "2")]
    found = [bootstrap_module.fingerprint(needs, {}, version) for needs, version in cases]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_a_package_without_all_its_files_counts_as_broken(bootstrap_module, tmp_path):
    for name, files in (("good", ["good.py"]), ("torn", ["torn.py"])):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in files))
    (tmp_path / "good.py").write_text("")
    (tmp_path / "begun-1.0.dist-info").mkdir()
    broken = [Path(path).name for path in bootstrap_module.broken_packages(str(tmp_path))]
    assert broken == ["begun-1.0.dist-info", "torn-1.0.dist-info"]


def test_the_ci_runs_exactly_the_test_command_of_the_readme():
    command = "python3 bootstrap.py test"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert command in readme
    assert [line for line in lines if line and not line.startswith(("#", "cd ", "set "))] == [f"exec {command}"]
