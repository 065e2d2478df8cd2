"""`bipack doctor`: what this install is made of, what it can use, and where each setting came from.

One page that a TD can read and a support ticket can carry. Nothing here fails because something is missing: what is
missing is what the page is for. The exit code is 0 when frames can be cooked, 1 when something needed is not there.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from typing import TYPE_CHECKING, Any, Dict, List, Optional

import bipack
from bipack import atomic, catalog, settings
from bipack.errors import BipackError

if TYPE_CHECKING:
    from argparse import _SubParsersAction

PACKAGES = {
    "numpy": True,
    "OpenEXR": True,
    "opencv-python-headless": True,
    "onnx": True,
    "onnxruntime-gpu": False,
    "onnxruntime": False,
    "OpenImageIO": False,
    "torch": False,
    "safetensors": False,
    "av": False,
}
"""Distributions that Bipack uses, and whether it cannot do without."""

STATED_ELSEWHERE = {"OpenEXR": "BSD-3-Clause"}
"""Licences that a package states in its licence file alone."""

RUNTIMES = ("onnxruntime-gpu", "onnxruntime")


def add_parser(subparsers: _SubParsersAction[Any]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="versions, devices, paths, licences and settings of this install",
        description="Versions, devices, paths, licences and settings of this install. Ends with 1 if it cannot cook.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Print the page. Returns 0, or 1 where something needed is missing."""
    report = examine()
    print(json.dumps(report, indent=2) if args.json else as_text(report))
    return 1 if report["problems"] else 0


def examine() -> Dict[str, Any]:
    """All facts as plain data. Keys: bipack, python, system, packages, devices, paths, settings, models, problems."""
    problems: List[str] = []
    packages = _packages(problems)
    return {
        "bipack": bipack.__version__,
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "system": {"platform": platform.platform(), "cores": os.cpu_count()},
        "packages": packages,
        "devices": _devices(problems),
        "settings": _settings(problems),
        "paths": _paths(problems),
        "models": _models(problems),
        "problems": problems,
    }


def as_text(report: Dict[str, Any]) -> str:
    """The page for people."""
    lines = [
        f"Bipack {report['bipack']}",
        f"  Python {report['python']['version']}  {report['python']['executable']}",
        f"  {report['system']['platform']}, {report['system']['cores']} cores",
    ]
    lines += _section("Packages", [(name, p["version"] or "-", p["licence"]) for name, p in report["packages"].items()])
    devices = report["devices"]
    lines += _section("Devices", [(name, str(value), "") for name, value in devices.items()])
    lines += _section("Paths", [(name, entry["path"], entry["state"]) for name, entry in report["paths"].items()])
    lines += _section("Settings", [(n, s["value"] or "(empty)", s["source"]) for n, s in report["settings"].items()])
    lines += _section("Models", [(m["name"], m["version"], m["licence"]) for m in report["models"]])
    lines += ["", *(f"Problem: {problem}" for problem in report["problems"])]
    lines.append("Something needed is missing, see above." if report["problems"] else "All that cooking needs is here.")
    return "\n".join(lines)


def _section(title: str, rows: List[Any]) -> List[str]:
    """A heading and aligned columns."""
    if not rows:
        return ["", title, "  none"]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return ["", title, *(f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)]


def _packages(problems: List[str]) -> Dict[str, Dict[str, str]]:
    """Version and licence of each distribution; an empty version where it is not installed."""
    found = {}
    for name, needed in PACKAGES.items():
        try:
            metadata = importlib.metadata.metadata(name)
            found[name] = {"version": importlib.metadata.version(name), "licence": _licence(name, metadata)}
        except importlib.metadata.PackageNotFoundError:
            found[name] = {"version": "", "licence": ""}
            if needed:
                problems.append(f"{name} is not installed. Run `python3 bootstrap.py install` in the suite's folder.")
    present = [name for name in RUNTIMES if found[name]["version"]]
    if not present:
        problems.append("ONNX Runtime is not installed. Run `python3 bootstrap.py install` in the suite's folder.")
    if len(present) > 1:
        problems.append("Both ONNX Runtime wheels are there and break each other. Run `python3 bootstrap.py install`.")
    return found


def _licence(name: str, metadata: Any) -> str:
    """A licence in few words, from whichever of the three places the package states it in."""
    classifiers = [text for text in metadata.get_all("Classifier") or [] if text.startswith("License ::")]
    stated = (
        metadata.get("License-Expression")
        or ", ".join(text.rsplit("::", 1)[1].strip() for text in classifiers)
        or metadata.get("License")
        or STATED_ELSEWHERE.get(name, "not stated")
    )
    first_line = str(stated).strip().splitlines()[0]
    return first_line if len(first_line) <= 48 else first_line[:47] + "…"


def _devices(problems: List[str]) -> Dict[str, Any]:
    """What the worker would run on; a GPU that is there is tried out with a model, not believed."""
    try:
        from bipack.worker import devices, runtime

        providers = runtime.load().get_available_providers()
        found = {"auto": devices.describe(), "built in": ", ".join(providers)}
        for gpu in devices.gpus():
            capability = ".".join(str(number) for number in gpu.capability)
            found[f"cuda:{gpu.index}"] = f"{gpu.name}, {gpu.memory_bytes / 2**30:.0f} GiB, compute {capability}"
        if devices.gpus():
            found["driver"] = devices.driver_version() or "unknown"
            found["CUDA"] = _try_gpu(problems)
        return found
    except Exception as error:  # a broken driver or wheel is a finding of this page, not its end
        problems.append(f"ONNX Runtime cannot be used ({type(error).__name__}: {error}).")
        return {"auto": "none"}


def _try_gpu(problems: List[str]) -> str:
    """Open a model on the GPU: the providers that a wheel lists say nothing about the libraries of this machine."""
    from bipack.worker.session import open_session

    models = catalog.installed()
    if not models:
        return "not tried, there is no model"
    try:
        with open_session(models[0], device="cuda") as session:
            return f"works: {session.device}"
    except BipackError as error:
        problems.append(f"There is a GPU, and models cannot run on it: {error}")
        return "does not work"


def _settings(problems: List[str]) -> Dict[str, Dict[str, str]]:
    """Each setting with its value, where it came from, and what it is for."""
    try:
        found = settings.everything()
    except BipackError as error:
        problems.append(str(error))
        return {}
    return {
        setting.name: {
            "value": found[setting.name].value,
            "source": found[setting.name].source,
            "variable": setting.variable,
            "purpose": setting.purpose,
        }
        for setting in settings.SETTINGS
    }


def _paths(problems: List[str]) -> Dict[str, Dict[str, str]]:
    """The folders and files that matter, and their state."""
    site, user = settings.config_files()
    paths = {"suite": settings.suite_root(), "site configuration": site, "user configuration": user}
    places: Dict[str, Dict[str, str]] = {name: {"path": path, "state": _exists(path)} for name, path in paths.items()}
    try:
        for index, folder in enumerate(settings.model_folders()):
            places[f"models {index + 1}"] = {"path": folder, "state": _exists(folder)}
        python = settings.worker_python()
        places["worker's python"] = {"path": python, "state": _exists(python)}
        if not os.path.exists(python):
            problems.append(f"The worker's interpreter {python} does not exist. Check BIPACK_PYTHON.")
        cache = settings.cache_folder()
        places["cache"] = {"path": cache, "state": _cache_state(cache, problems)}
    except BipackError as error:
        problems.append(str(error))
    return places


def _exists(path: str) -> str:
    return "" if os.path.exists(path) else "not there"


def _cache_state(folder: str, problems: List[str]) -> str:
    """Whether the cache can be written, and how much room is left."""
    probe = os.path.join(folder, "doctor")
    try:
        atomic.write_bytes(probe, b"bipack")
        os.unlink(probe)
    except (BipackError, OSError) as error:
        problems.append(f"The cache cannot be used: {error} Set BIPACK_CACHE to a folder of yours.")
        return "cannot be written"
    return f"{shutil.disk_usage(folder).free / 1e9:.0f} GB free"


def _models(problems: List[str]) -> List[Dict[str, Optional[str]]]:
    """Name, version and licence of every model that can be found."""
    try:
        found = catalog.installed()
    except BipackError as error:
        problems.append(str(error))
        return []
    from bipack.cli.models import refused

    problems += [sentence for _, sentence in refused()]
    cards = [(located, located.card) for located in found]
    return [
        {"name": located.name, "version": card.version, "licence": card.licence or "not stated", "path": located.path}
        for located, card in cards
        if card is not None
    ]
