"""One install on a share: read-only, a folder with a space and letters beyond ASCII, several processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import graphs
from bipack.imaging import image_io
from tree_copy import copy_tracked


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git tracks, copied and made read-only."""
    root = copy_tracked(tmp_path_factory.mktemp("share") / "Bipack Šuite")
    folders = [Path(folder) for folder, _, _ in os.walk(root)]
    for folder in folders:
        folder.chmod(0o555)
    yield root
    for folder in folders:
        folder.chmod(0o755)


@pytest.fixture
def user(share: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of one user of the share."""
    return {
        **os.environ,
        "PYTHONPATH": str(share / "python"),
        "HOME": str(tmp_path),
        "BIPACK_CACHE": str(tmp_path / "c"),
    }


def contents(root: Path) -> set[str]:
    return {str(path) for path in root.rglob("*") if "__pycache__" not in path.parts}


def bipack(user: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bipack.cli", *arguments]
    return subprocess.Popen(command, env=user, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/")


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_the_package_and_its_data_are_those_of_the_share(share, user):
    command = [
        sys.executable,
        "-c",
        "import bipack, bipack.settings as s; print(bipack.__file__, s.suite_root(), sep='\\n')",
    ]
    out = subprocess.run(command, env=user, capture_output=True, text=True, timeout=60, cwd="/").stdout.splitlines()
    assert out == [str(share / "python/bipack/__init__.py"), str(share)]


def test_the_catalogue_of_the_share_is_listed(share, user):
    names = {path.parent.name for path in share.glob("onnx_models/*/card.json")}
    listed = {line.split()[0] for line in finished(bipack(user, "models")).splitlines()[1:]}
    assert names <= listed


def test_two_users_cook_at_once_and_nothing_is_written_into_the_share(share, user, tmp_path):
    before = contents(share)
    model = graphs.save(graphs.plain_sr(), tmp_path / "net.onnx")
    plate = str(share / "samples/otter/otter.%04d.exr")
    targets = [tmp_path / name / "out.%04d.exr" for name in ("Ana", "Žofie")]
    runs = [bipack(user, "run", model, plate, str(t), "--frames", "1001-1003", "--device", "cpu") for t in targets]
    for process in runs:
        finished(process)
    for target in targets:
        for frame in (1001, 1002, 1003):
            assert image_io.read_frame(str(target) % frame).parts[0].display_window.width == 640
    assert contents(share) == before


def test_two_processes_may_cook_the_same_frames(share, user, tmp_path):
    model = graphs.save(graphs.plain_sr(), tmp_path / "net.onnx")
    plate = str(share / "samples/otter/otter.%04d.exr")
    target = str(tmp_path / "out.%04d.exr")
    runs = [bipack(user, "run", model, plate, target, "--frames", "1001-1002", "--device", "cpu") for _ in range(2)]
    for process in runs:
        finished(process)
    assert image_io.read_frame(target % 1002).parts[0].display_window.width == 640
    assert not [name for name in os.listdir(tmp_path) if ".tmp" in name]


CLIENT = """
import sys
sys.path.insert(0, sys.argv[1])
from bipack.client.worker import Worker
from bipack import messages
with Worker() as worker:
    request = messages.Render("j", sys.argv[2], sys.argv[3], sys.argv[4], frames=(1001,), device="cpu")
    for message in worker.render(request):
        last = message
print(type(last).__name__)
"""


def test_the_client_needs_only_the_share_and_the_interpreter_to_start_a_worker(share, user, tmp_path):
    model = graphs.save(graphs.plain_sr(), tmp_path / "net.onnx")
    plate = str(share / "samples/otter/otter.%04d.exr")
    arguments = [str(share / "python"), model, plate, str(tmp_path / "out.%04d.exr")]
    environment = {**user, "BIPACK_PYTHON": sys.executable}
    command = [sys.executable, "-I", "-S", "-c", CLIENT, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, cwd="/")
    assert done.stdout == "JobDone\n", done.stderr
