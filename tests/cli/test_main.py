"""The front door: exit codes, one sentence on stderr, and nothing loaded that was not asked for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import types

import pytest

import bipack
from bipack import errors
from bipack.cli import main as front


@pytest.fixture
def command(monkeypatch):
    """Puts a subcommand of the test's own in the place of `doctor`; returns how to call it."""

    def install(body):
        module = types.SimpleNamespace(add_parser=lambda subparsers: subparsers.add_parser("doctor"), run=body)
        real = front._module
        monkeypatch.setattr(front, "_module", lambda name: module if name == "doctor" else real(name))
        return lambda *arguments: front.main([*arguments, "doctor"])

    return install


def raising(error):
    def body(args):
        raise error

    return body


def test_the_exit_code_of_a_subcommand_is_passed_on(command):
    assert command(lambda args: 0)() == 0
    assert command(lambda args: 7)() == 7


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BipackError)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_one_sentence_on_stderr_and_its_exit_code(command, capsys, kind):
    assert command(raising(kind("Frame 1001 is missing.")))() == kind.exit_code
    captured = capsys.readouterr()
    assert captured.err == "bipack: Frame 1001 is missing.\n"
    assert captured.out == ""


def test_a_fault_of_ours_ends_with_1_and_asks_for_a_report(command, capsys):
    assert command(raising(ZeroDivisionError("division")))() == 1
    assert "unexpected fault (ZeroDivisionError: division)" in capsys.readouterr().err


def test_a_missing_package_says_how_to_install(command, capsys):
    assert command(raising(ModuleNotFoundError("No module named 'cv2'", name="cv2")))() == 1
    err = capsys.readouterr().err
    assert "'cv2'" in err and "bootstrap.py install" in err and "Traceback" not in err


def test_ctrl_c_ends_with_130(command, capsys):
    assert command(raising(KeyboardInterrupt()))() == 130
    assert "finished frames stay" in capsys.readouterr().err


@pytest.mark.parametrize("answer", [KeyboardInterrupt, errors.Cancelled])
def test_sigterm_ends_with_143_whatever_the_command_makes_of_it(command, answer):
    def body(args):
        try:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(5)
        except KeyboardInterrupt:
            raise answer("stopped") from None
        return 0

    assert command(body)() == 143


def test_the_handler_of_sigterm_is_put_back(command):
    before = signal.getsignal(signal.SIGTERM)
    command(lambda args: 0)()
    assert signal.getsignal(signal.SIGTERM) is before


WRONG = [[], ["nothing"], ["--nothing"], ["doctor", "--nothing"], ["--log", "loud", "doctor"]]


@pytest.mark.parametrize("arguments", WRONG)
def test_a_wrong_command_line_is_usage(arguments, capsys):
    assert front.main(arguments) == 2
    assert "usage: bipack" in capsys.readouterr().err


def test_help_lists_every_command_with_its_line(capsys):
    assert front.main(["--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for name, summary in front.COMMANDS.items():
        assert f"{name} {summary}" in out


@pytest.mark.parametrize("name", sorted(front.COMMANDS))
def test_every_command_explains_itself(name, capsys):
    assert front.main([name, "--help"]) == 0
    assert f"usage: bipack {name}" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys):
    assert front.main(["--version"]) == 0
    assert capsys.readouterr().out == f"bipack {bipack.__version__}\n"


def test_a_log_level_that_does_not_exist_is_usage(monkeypatch, command, capsys):
    monkeypatch.setenv("BIPACK_LOG", "loud")
    assert command(lambda args: 0)() == 2
    assert "environment BIPACK_LOG" in capsys.readouterr().err


def test_only_the_command_that_was_asked_for_is_imported():
    code = (
        "import sys; from bipack.cli.main import build_parser; build_parser(['doctor']); "
        "print([name for name in sys.modules if name.startswith('bipack.cli.')])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert out.stdout == "['bipack.cli.main', 'bipack.cli.doctor']\n", out.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of a shell")
def test_a_reader_that_goes_away_is_no_traceback():
    command = [sys.executable, "-m", "bipack.cli", "models", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert b"Traceback" not in process.stderr.read()
    process.wait(timeout=60)


def test_letters_that_the_terminal_lacks_are_no_failure():
    command = [sys.executable, "-X", "utf8=0", "-m", "bipack.cli", "models", "show", "žába"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 10
    assert "\\u017e\\xe1ba" in done.stderr
