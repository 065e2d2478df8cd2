"""Imports run one way: host -> client -> contract, worker -> imaging -> contract, bipack_train -> worker, cli -> any.

Every import statement of the suite is read from the source, those inside functions too, and held against the rule.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "python/bipack"
TRAINER = ROOT / "train/bipack_train"

MAY_IMPORT = {
    "contract": {"contract"},
    "client": {"client", "contract"},
    "host": {"host", "client", "contract"},
    "imaging": {"imaging", "contract"},
    "worker": {"worker", "imaging", "contract"},
    "cli": {"cli", "worker", "imaging", "client", "host", "contract"},
    "train": {"train", "worker", "imaging", "contract"},
}
"""Layers that a layer may import."""

ONLY_IN = {"nuke": {"host"}, "nukescripts": {"host"}, "onnxruntime": {"worker"}, "torch": {"train"}}
"""Outside packages that belong to one layer."""

THIRD_PARTY = {
    "imaging": {"numpy", "cv2", "OpenEXR", "OpenImageIO"},
    "worker": {"numpy", "cv2", "onnx", "onnxruntime", "google"},  # google: protobuf, which onnx is made of
    "cli": {"numpy"},
}
"""Outside packages that a layer of the suite may import; the standard library is free, and train may use any."""

STANDARD_LIBRARY = {"contract", "client", "host"}


def layer_of(module: str) -> str:
    """Layer of a module of the suite."""
    parts = module.split(".")
    if parts[0] == "bipack_train":
        return "train"
    return parts[1] if len(parts) > 1 and (PACKAGE / parts[1]).is_dir() else "contract"


def modules() -> dict[str, Path]:
    """Every module of both packages, by dotted name."""
    found = {}
    for base in (PACKAGE, TRAINER):
        for path in base.rglob("*.py"):
            parts = path.relative_to(base.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(module: str, path: Path) -> set[str]:
    """Dotted names that a file imports, whatever is only for the type checker left out."""
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively; name the package"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


MODULES = modules()


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_layer_may(module):
    layer = layer_of(module)
    for name in imports(module, MODULES[module]):
        top = name.split(".")[0]
        if top in ("bipack", "bipack_train"):
            assert layer_of(name) in MAY_IMPORT[layer], f"{module} ({layer}) imports {name} ({layer_of(name)})"
        elif top in ONLY_IN:
            assert layer in ONLY_IN[top], f"{module} ({layer}) imports {top}"
        elif layer != "train" and top not in sys.stdlib_module_names:
            assert top in THIRD_PARTY.get(layer, set()), f"{module} ({layer}) imports {top}"


def test_the_rule_sees_imports_inside_functions(tmp_path):
    path = tmp_path / "m.py"
    path.write_text("def f():\n    from bipack.worker import serve\n    import torch.nn\n")
    assert imports("m", path) == {"bipack.worker.serve", "torch.nn"}


@pytest.mark.parametrize(
    "module", sorted(name for name in MODULES if layer_of(name) in STANDARD_LIBRARY), ids=lambda name: name
)
def test_what_runs_inside_nuke_keeps_to_the_syntax_of_python_3_9(module):
    ast.parse(MODULES[module].read_text(encoding="utf-8"), feature_version=(3, 9))


def run_bare(code: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` in a bare interpreter: no site-packages, no environment, the suite's folders alone on the path."""
    start = f"import sys; sys.path[:0] = {[str(path) for path in paths]!r}\n"
    command = [sys.executable, "-I", "-S", "-c", start + code]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PATH": os.environ["PATH"]})


def names_in(*layers: str) -> list[str]:
    return sorted(name for name in MODULES if layer_of(name) in layers)


def test_contract_and_client_import_in_a_bare_interpreter():
    code = "".join(f"import {name}\n" for name in names_in("contract", "client"))
    result = run_bare(code + "print('imported')", ROOT / "python")
    assert result.stdout == "imported\n", result.stderr


FAKE_NUKE = """
import types
class Fake(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *a, **k: None
for name in ("nuke", "nukescripts"):
    sys.modules[name] = Fake(name)
    sys.modules[name].__file__ = ""
"""


def test_host_imports_in_a_bare_interpreter_that_has_only_nuke():
    code = FAKE_NUKE + "".join(f"import {name}\n" for name in names_in("host"))
    result = run_bare(code + "print('imported')", ROOT / "python")
    assert result.stdout == "imported\n", result.stderr


def test_importing_the_suite_prints_nothing_and_starts_no_thread():
    names = [
        name for name in names_in("contract", "client", "imaging", "worker", "cli") if not name.endswith("__main__")
    ]
    code = "".join(f"import {name}\n" for name in names) + "import threading; print(threading.active_count())"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr) == ("1\n", "")


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_says_in_its_docstring_what_it_decides(module):
    assert ast.get_docstring(ast.parse(MODULES[module].read_text(encoding="utf-8")))


def test_starting_the_command_line_loads_neither_numpy_nor_onnxruntime():
    code = (
        "import sys; from bipack.cli import main; main.build_parser(['--help']); "
        "print(sorted({'numpy', 'onnxruntime', 'onnx', 'cv2', 'OpenEXR', 'torch'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.stdout == "[]\n", result.stderr
