"""`bipack farm`: the bundle passes OpenJD's own check, a task runs the right command and passes the exit code on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bipack.cli import farm, farm_bundle
from bipack.cli.main import main
from bipack.errors import UsageError

SCRIPT = "version 14.0 v5\nRoot {\n inputs 0\n first_frame 1001\n last_frame 1010\n}\n"


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "shot frühling $(touch x).nk"
    path.write_text(SCRIPT, encoding="utf-8")
    return path


@pytest.fixture
def nuke(tmp_path: Path) -> Path:
    """An executable in Nuke's place that writes down its arguments and ends as FAKE_EXIT says."""
    path = tmp_path / "nuke"
    path.write_text(
        # By way of sh: a #! line breaks where the interpreter's path has a space.
        f"#!/bin/sh\n'''exec' \"{sys.executable}\" \"$0\" \"$@\"\n' '''\n"
        "import json, os, sys, time\n"
        "open(os.environ['FAKE_LOG'], 'a').write(json.dumps([sys.argv[1:], os.environ.get('BIPACK_CACHE')]) + '\\n')\n"
        "time.sleep(float(os.environ.get('FAKE_SLEEP', '0')))\n"
        "sys.exit(int(os.environ.get('FAKE_EXIT', '0')))\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "calls.jsonl"
    monkeypatch.setenv("FAKE_LOG", str(path))
    return path


def calls(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_bundle_holds_the_scripts_own_range(script: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["farm", "bundle", str(script), str(tmp_path / "job"), "--write", "Write1", "--gpus", "1"]) == 0
    written = capsys.readouterr().out.split("\n")[:-1]
    assert [os.path.basename(path) for path in written] == [
        "template.json",
        "parameter_values.json",
        "parameters.json",
        "asset_references.json",
    ]
    values = {item["name"]: item["value"] for item in json.loads(Path(written[1]).read_text())["parameterValues"]}
    assert values["Frames"] == "1001-1010"
    assert values["NukeScript"] == str(script)
    steps = json.loads(Path(written[0]).read_text())["steps"]
    assert steps[0]["hostRequirements"]["amounts"][0]["min"] == 1
    assert steps[1]["dependencies"] == [{"dependsOn": "Cook"}]


def test_no_value_of_the_user_stands_in_the_template(script: Path, tmp_path: Path) -> None:
    main(["farm", "bundle", str(script), str(tmp_path / "job"), "--name", "$(touch y)", "--nuke", "`id`"])
    template = (tmp_path / "job" / "template.json").read_text()
    assert "touch" not in template
    assert "`id`" not in template
    assert "embeddedFiles" not in template


def test_openjd_accepts_the_template(script: Path, tmp_path: Path) -> None:
    openjd = shutil.which("openjd", path=os.path.dirname(sys.executable))
    if openjd is None:
        pytest.skip("openjd-cli (extra [farm]) is not installed")
    main(["farm", "bundle", str(script), str(tmp_path / "job"), "--gpus", "1"])
    done = subprocess.run([openjd, "check", str(tmp_path / "job/template.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_openjd_runs_both_steps_through_the_task_command(script: Path, tmp_path: Path, nuke: Path, log: Path) -> None:
    openjd = shutil.which("openjd", path=os.path.dirname(sys.executable))
    if openjd is None:
        pytest.skip("openjd-cli (extra [farm]) is not installed")
    bipack = Path(sys.executable).parent / "bipack"
    job = tmp_path / "job"
    options = ["--write", "A,B", "--chunk", "5", "--frames", "1001-1004,1010-1012x2", "--nuke", str(nuke)]
    options += ["--bipack", str(bipack), "--cache", str(tmp_path / "my cache")]
    main(["farm", "bundle", str(script), str(job), *options])
    command = [openjd, "run", str(job / "template.json"), "--step", "Render", "--run-dependencies"]
    done = subprocess.run(
        [*command, "-p", f"file://{job / 'parameters.json'}"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = calls(log)
    assert {cache for _, cache in made} == {str(tmp_path / "my cache")}
    kinds = [next(word for word in words if word.endswith("-only")) for words, _ in made]
    assert kinds == sorted(kinds), "every cook comes before every render"
    cooked = [words for words, _ in made if "--cook-only" in words]
    assert all(
        words[:1] == ["-t"] and words[2] == str(script) and words[-4:] == ["-X", "A", "-X", "B"] for words in cooked
    )
    ranges = [word.split("=")[1] for words in cooked for word in words if word.startswith("--frames=")]
    assert ",".join(ranges) in ("1001-1003,1004,1010,1012", "1001-1004,1010,1012", "1001-1003,1004,1010-1010,1012")
    assert not (tmp_path / "x").exists()


def test_a_task_passes_nukes_exit_code_on(script: Path, nuke: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for code, expected in ((0, 0), (1, 1), (10, 10), (100, 100), (33, 1), (137, 1)):
        monkeypatch.setenv("FAKE_EXIT", str(code))
        assert main(["farm", "cook", str(script), "--frames=1001", "--nuke", str(nuke)]) == expected


def test_a_step_of_openjd_and_a_step_of_nuke_mean_the_same() -> None:
    command = farm.nuke_command("a.nk", "1-9:2", "W1,W2", "all", "nuke")
    assert "--frames=1,3,5,7,9" in command
    assert command[-4:] == ["-X", "W1", "-X", "W2"]
    assert not any(word[0].isdigit() for word in command), "Nuke would take a bare range for itself"


def test_negative_frames_reach_the_task(script: Path, nuke: Path, log: Path) -> None:
    assert main(["farm", "cook", str(script), "--frames=-3--1", "--nuke", str(nuke)]) == 0
    assert "--frames=-3--1" in calls(log)[0][0]


def test_a_nuke_that_is_not_there_is_a_usage_error(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["farm", "cook", str(script), "--frames=1", "--nuke", "/no/such/nuke"]) == 2
    assert "BIPACK_NUKE" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [["bundle", "/no/such.nk", "out"], ["cook", "/no/such.nk", "--frames=1"]])
def test_a_missing_script_is_missing_input(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["farm", *verb]) == 10


@pytest.mark.skipif(os.name == "nt", reason="no SIGTERM to handle on Windows")
def test_sigterm_stops_nuke_too(script: Path, nuke: Path, log: Path) -> None:
    environment = {**os.environ, "FAKE_SLEEP": "60", "FAKE_LOG": str(log)}
    command = [sys.executable, "-m", "bipack.cli", "farm", "cook", str(script), "--frames=1", "--nuke", str(nuke)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143


def test_a_script_without_a_range_asks_for_one(tmp_path: Path) -> None:
    script = tmp_path / "empty.nk"
    script.write_text("Root {\n inputs 0\n}\n")
    with pytest.raises(UsageError, match="--frames"):
        farm_bundle.script_range(str(script))


def test_a_script_with_windows_line_ends_gives_its_range(tmp_path: Path) -> None:
    script = tmp_path / "crlf.nk"
    script.write_bytes(SCRIPT.replace("\n", "\r\n").encode())
    assert farm_bundle.script_range(str(script)) == "1001-1010"
