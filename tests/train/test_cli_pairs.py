from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import tiny_paintfix
from bipack import catalog
from bipack_train import cli, report, run_panel
from painted import write

SUPPORT = str(Path(tiny_paintfix.__file__).parent)
RECIPE = """
kind = "pairs"
name = "dots"
size = "tiny"
[sampling]
side = 32
batch = 2
[schedule]
steps = 60
minutes = 0.0
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return str(path)


def test_one_command_makes_a_model_and_a_page(tmp_path: Path, recipe: str) -> None:
    before, after = write(tmp_path / "shot", range(1001, 1005))
    out = tmp_path / "run"
    code = cli.main(["pairs", "--recipe", recipe, "--before", before, "--after", after, "--out", str(out)])
    assert code == 0
    located = catalog.locate(str(out / "dots"))
    assert located.card is not None and located.card.training.steps == 60
    assert (out / report.PAGE).exists() and (out / report.SHEET).exists()
    status = json.loads((out / run_panel.STATUS).read_text())
    assert status["phase"] == "done" and status["model"].endswith("dots") and status["done"] == 1.0


def test_check_only_looks(tmp_path: Path, recipe: str, caplog: pytest.LogCaptureFixture) -> None:
    before, after = write(tmp_path / "shot", range(1001, 1002))
    with caplog.at_level("INFO"):
        assert cli.main(["pairs", "--recipe", recipe, "--before", before, "--after", after, "--check"]) == 0
    assert "Only one pair" in caplog.text


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--name", "x"], 2),
        (["--name", "a/b", "--before", "{before}", "--after", "{after}"], 2),
        (["--name", "x", "--before", "{before}", "--after", "nowhere.####.exr"], 10),
        (["--name", "x", "--before", "{before}", "--after", "{before}"], 2),
        (["--name", "x", "--before", "{before}", "--after", "{after}", "--crop", "40"], 2),
        (["--name", "x", "--before", "{before}", "--after", "{after}", "--init", "nothing_of_that_name"], 10),
    ],
)
def test_what_makes_no_sense_ends_with_its_exit_code(tmp_path: Path, options: list[str], code: int) -> None:
    before, after = write(tmp_path / "shot", range(1001, 1002))
    filled = [option.format(before=before, after=after) for option in options]
    assert cli.main(["pairs", *filled, "--steps", "2", "--out", str(tmp_path / "run")]) == code


def test_an_interrupt_saves_and_resume_and_publish_go_on(tmp_path: Path, recipe: str) -> None:
    before, after = write(tmp_path / "shot")
    out = tmp_path / "run"
    script = f"""
        import sys; sys.path.insert(0, {SUPPORT!r})
        import tiny_paintfix
        from bipack_train import cli
        sys.exit(cli.main(["pairs", "--recipe", {recipe!r}, "--before", {before!r}, "--after", {after!r},
                           "--out", {str(out)!r}, "--steps", "100000"]))
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not (out / run_panel.STATUS).exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "--resume" in said and (out / "checkpoint.safetensors").exists()
    options = ["pairs", "--recipe", recipe, "--before", before, "--after", after, "--out", str(out)]
    assert cli.main([*options, "--steps", "100000", "--publish-only"]) == 0
    assert catalog.locate(str(out / "dots")).card is not None


def test_help_answers_without_torch() -> None:
    script = "import sys; from bipack_train import cli; cli.build_parser(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, env={**os.environ}, timeout=60)


def test_tensorboard_logs_hold_the_curves(tmp_path: Path, recipe: str) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    before, after = write(tmp_path / "shot", range(1001, 1002))
    out = tmp_path / "run"
    options = ["--recipe", recipe, "--before", before, "--after", after, "--out", str(out), "--steps", "4"]
    assert cli.main(["pairs", *options, "--tensorboard"]) == 0
    log = EventAccumulator(str(out / "tensorboard"))
    log.Reload()
    assert {"loss/change", "loss/matte"} <= set(log.Tags()["scalars"])
    assert [event.step for event in log.Scalars("loss/change")] == [1, 2, 3, 4]


def test_without_tensorboard_the_option_says_what_to_install(
    tmp_path: Path, recipe: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    before, after = write(tmp_path / "shot", range(1001, 1002))
    options = ["--recipe", recipe, "--before", before, "--after", after, "--out", str(tmp_path / "run")]
    assert cli.main(["pairs", *options, "--tensorboard"]) == 2
