"""Every setting that comes from outside the command line, in one place.

Order: flag, environment, user file, site file, default. Files are JSON (the client must read them with Nuke's own
Python): the site file is named by BIPACK_CONFIG or lies at `bipack.json` in the suite's root, the user's at
`~/.bipack/config.json`. `bipack doctor` prints each setting with where it came from.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional, Tuple

from bipack.errors import UsageError


@dataclass(frozen=True)
class Setting:
    """One setting: its name in the files, its environment variable, its default and what it is for."""

    name: str
    variable: str
    default: str
    purpose: str


SETTINGS = (
    Setting("python", "BIPACK_PYTHON", "", "interpreter of the worker; empty = .venv beside the suite"),
    Setting("model_path", "BIPACK_MODEL_PATH", "", "extra folders of models, searched before the suite's own"),
    Setting("cache", "BIPACK_CACHE", "", "folder for cooked frames; empty = bipack in the system's temporary folder"),
    Setting("device", "BIPACK_DEVICE", "auto", "auto, cpu, cuda or cuda:N"),
    Setting("provider", "BIPACK_PROVIDER", "auto", "on a GPU: auto (CUDA), cuda or tensorrt"),
    Setting("precision", "BIPACK_PRECISION", "auto", "auto (fp16 on a GPU where the card allows it), fp32 or fp16"),
    Setting("require_gpu", "BIPACK_REQUIRE_GPU", "0", "1 = stop rather than run on the CPU (farms)"),
    Setting("tile", "BIPACK_TILE", "auto", "tile size in plate pixels, or auto"),
    Setting("memory_gb", "BIPACK_MEMORY_GB", "0", "memory that auto tiles may use for the model; 0 = by device"),
    Setting("threads", "BIPACK_THREADS", "0", "CPU threads of the model; 0 = all cores granted to the process"),
    Setting("engine_cache", "BIPACK_ENGINE_CACHE", "", "folder for TensorRT engines; empty = inside the cache folder"),
    Setting("max_pixels", "BIPACK_MAX_PIXELS", "1000000000", "largest frame that is read, in pixels"),
    Setting("nuke", "BIPACK_NUKE", "nuke", "Nuke's executable, for `bipack farm cook`"),
    Setting("log", "BIPACK_LOG", "warning", "debug, info, warning or error; the log goes to stderr"),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Found:
    """A setting's value and where it came from."""

    value: str
    source: str


def suite_root() -> str:
    """Folder that holds init.py, gizmos/ and onnx_models/ (the clone, or the data folder of an installed wheel)."""
    package = os.path.dirname(os.path.abspath(__file__))
    clone = os.path.dirname(os.path.dirname(package))
    if os.path.isdir(os.path.join(clone, "onnx_models")):
        return clone
    return os.path.join(package, "suite")


def config_files() -> Tuple[str, str]:
    """The site's and the user's configuration files, whether they exist or not."""
    site = os.environ.get("BIPACK_CONFIG") or os.path.join(suite_root(), "bipack.json")
    return site, os.path.join(os.path.expanduser("~"), ".bipack", "config.json")


def _read_config(path: str) -> Mapping[str, object]:
    try:
        with open(path, encoding="utf-8") as stream:
            data: object = json.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"Configuration file {path} cannot be read ({error}). Mend it or remove it.") from error
    if not isinstance(data, dict):
        raise UsageError(f"Configuration file {path} is not a JSON object. Mend it or remove it.")
    unknown = sorted(set(data) - set(_BY_NAME))
    if unknown:
        raise UsageError(f"Configuration file {path} has unknown entries: {', '.join(unknown)}.")
    return data


def find(name: str, flag: Optional[str] = None) -> Found:
    """Value of setting `name` with its source. Raises UsageError for a broken configuration file."""
    setting = _BY_NAME[name]
    if flag is not None:
        return Found(flag, "flag")
    value = os.environ.get(setting.variable)
    if value:
        return Found(value, f"environment {setting.variable}")
    site, user = config_files()
    for path in (user, site):
        data = _read_config(path)
        if name in data:
            return Found(str(data[name]), path)
    return Found(setting.default, "default")


def get(name: str, flag: Optional[str] = None) -> str:
    """Value of setting `name`."""
    return find(name, flag).value


def get_int(name: str, flag: Optional[str] = None) -> int:
    """Value of setting `name` as a whole number. Raises UsageError when it is none."""
    found = find(name, flag)
    try:
        return int(found.value)
    except ValueError:
        raise UsageError(f"Setting {name} is {found.value!r} ({found.source}); a whole number is needed.") from None


def get_float(name: str, flag: Optional[str] = None) -> float:
    """Value of setting `name` as a number. Raises UsageError when it is none."""
    found = find(name, flag)
    try:
        return float(found.value)
    except ValueError:
        raise UsageError(f"Setting {name} is {found.value!r} ({found.source}); a number is needed.") from None


def get_flag(name: str) -> bool:
    """Value of setting `name` as yes or no."""
    return get(name).strip().lower() in ("1", "true", "yes", "on")


def everything() -> Dict[str, Found]:
    """All settings with their sources, for `bipack doctor`."""
    return {setting.name: find(setting.name) for setting in SETTINGS}


def model_folders() -> List[str]:
    """Folders searched for models, in order: BIPACK_MODEL_PATH, then the suite's own."""
    extra = [folder for folder in get("model_path").split(os.pathsep) if folder]
    return [*extra, os.path.join(suite_root(), "onnx_models")]


def cache_folder() -> str:
    """Folder for cooked frames: the setting, else a per-user folder under the system's temporary one."""
    chosen = get("cache")
    if chosen:
        return os.path.expanduser(chosen)
    user = str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return os.path.join(tempfile.gettempdir(), f"bipack-{user}")


def engine_cache_folder() -> str:
    """Folder for TensorRT engines."""
    return os.path.expanduser(get("engine_cache")) or os.path.join(cache_folder(), "engines")


def worker_python() -> str:
    """Interpreter that runs the worker: BIPACK_PYTHON, else `.venv` in the suite's root.

    Inside the worker's own interpreter that interpreter is the answer. Raises UsageError when none is found.
    """
    chosen = get("python")
    if chosen:
        return os.path.expanduser(chosen)
    inside = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    candidate = os.path.join(suite_root(), ".venv", *inside)
    if os.path.exists(candidate):
        return candidate
    if _is_worker_interpreter():
        return sys.executable
    raise UsageError(
        f"No interpreter for the worker: {candidate} is not there and BIPACK_PYTHON is not set. "
        "Run `python3 bootstrap.py install` in the suite's folder, or set BIPACK_PYTHON."
    )


def _is_worker_interpreter() -> bool:
    """True where onnxruntime can be imported by this very interpreter."""
    import importlib.util

    return importlib.util.find_spec("onnxruntime") is not None
