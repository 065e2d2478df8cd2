"""Makes Bipack's own Python environment and runs Bipack in it; needs nothing but `python3`, 3.11 or later.

    python3 bootstrap.py demo          install, run super-res on the shipped frames, name a picture to look at
    python3 bootstrap.py test          install what the tests need and run them all
    python3 bootstrap.py install       install only          [--wheelhouse DIR] [--extras train,io] [--cpu]
    python3 bootstrap.py wheelhouse D  download everything into D for machines without internet
    python3 bootstrap.py doctor | update | clean

The environment is `.venv` beside this file, or where BIPACK_VENV says. The dependencies are those of pyproject.toml;
Bipack itself is linked to this folder, not copied, and nothing is written into the folder but `.venv`. A stamp in the
environment says what it was made from: a second run that finds it unchanged goes straight to work, and one that finds
an unfinished install completes it. This file must parse under Python 3.6, so that an old Python can say what is wrong.
"""

import argparse
import base64
import contextlib
import hashlib
import json
import ntpath
import os
import platform
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

ROOT = os.path.dirname(os.path.abspath(__file__))
MINIMUM_PYTHON = (3, 11)
SOURCE_FOLDERS = ("python", "train")
STAMP_NAME = "bipack-install.json"
STAMP_FORMAT = 1
LOG_NAME = "bipack-install.log"
BUILD_NEEDS = ("pip", "setuptools>=77", "wheel")
HEARTBEAT_SECONDS = 15
CUDA_13_DRIVER = 580
CUDA_12_DRIVER = 525
EXIT_DISK = 15


class Refusal(Exception):
    """What stops the bootstrap, as one sentence that says what to do; `code` is the exit code."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


class Environment(NamedTuple):
    """Where things lie in a virtual environment."""

    folder: str
    python: str
    scripts: str
    site_packages: str


# --- decisions: pure functions of what they are given, so that the tests can ask them about every platform -----------


def python_refusal(version: Tuple[int, ...], newer: Sequence[str] = ()) -> Optional[str]:
    """The sentence for a Python that is too old, or None. `newer` are commands of this machine that would do."""
    if tuple(version[:2]) >= MINIMUM_PYTHON:
        return None
    found = "{}.{}".format(*version[:2])
    if newer:
        return f"Bipack needs Python 3.11 or later and this is {found}. Run it again with `{newer[0]} bootstrap.py`."
    return f"Bipack needs Python 3.11 or later and this is {found}. Install a newer one from python.org and run again."


def environment_at(folder: str, system: str, version: Tuple[int, ...]) -> Environment:
    """Where things lie in a virtual environment. `system` is a `sys.platform`, `version` that of its Python."""
    if system.startswith("win"):
        scripts = ntpath.join(folder, "Scripts")
        site = ntpath.join(folder, "Lib", "site-packages")
        return Environment(folder, ntpath.join(scripts, "python.exe"), scripts, site)
    scripts = posixpath.join(folder, "bin")
    site = posixpath.join(folder, "lib", "python{}.{}".format(*version[:2]), "site-packages")
    return Environment(folder, posixpath.join(scripts, "python"), scripts, site)


def runtime_package(system: str, machine: str) -> str:
    """The one ONNX Runtime wheel of a platform: -gpu where one is built (it runs on the CPU too)."""
    if (system.startswith("linux") and machine == "x86_64") or (system == "win32" and machine == "AMD64"):
        return "onnxruntime-gpu"
    return "onnxruntime"


def cuda_choice(driver: Optional[str], system: str, machine: str) -> Tuple[bool, List[str], str]:
    """Whether to add the CUDA libraries, constraints on versions, and what to tell the user.

    ONNX Runtime 1.27 moved to CUDA 13, which needs driver 580; 1.26 is the last for CUDA 12, which needs 525.
    """
    if driver is None or runtime_package(system, machine) != "onnxruntime-gpu":
        return False, [], ""
    major = int(re.match(r"\d*", driver).group(0) or 0)  # type: ignore[union-attr]
    if major >= CUDA_13_DRIVER:
        return True, [], f"NVIDIA driver {driver}: adding the CUDA 13 libraries (about 2 GB; --cpu leaves them out)."
    if major >= CUDA_12_DRIVER:
        note = f"NVIDIA driver {driver}: adding the CUDA 12 libraries (about 2 GB; --cpu leaves them out)."
        return True, ["onnxruntime-gpu<1.27"], note
    return False, [], f"NVIDIA driver {driver} is too old for CUDA ({CUDA_12_DRIVER} or later): models run on the CPU."


def disk_is_full(output: str) -> bool:
    """Whether pip's words say that a disk has no room left: ENOSPC or EDQUOT, or their Windows twins 112 and 1295."""
    return bool(re.search(r"\[Errno (28|122)\]|\[WinError (112|1295)\]|No space left on device", output))


def requirements_of(project: Dict[str, Any], extras: Sequence[str]) -> List[str]:
    """Requirement strings of pyproject's [project] table for the base and `extras`. Refuses an unknown extra."""
    optional = project.get("optional-dependencies", {})
    unknown = sorted(set(extras) - set(optional))
    if unknown:
        raise Refusal(f"There is no extra {unknown[0]!r}; there are: {', '.join(sorted(optional))}.", 2)
    found = list(project.get("dependencies", []))
    for extra in sorted(set(extras)):
        found.extend(optional[extra])
    return found


def fingerprint(requirements: Sequence[str], scripts: Dict[str, str], version: str) -> str:
    """Hash of all that an environment is made from."""
    parts = [STAMP_FORMAT, sorted(requirements), sorted(scripts.items()), version]
    return hashlib.sha256(json.dumps(parts).encode("utf-8")).hexdigest()


def wrong_runtime(installed: Sequence[str], wanted: str) -> List[str]:
    """Packages to remove before `wanted` goes in: both where the wrong one is there, for each breaks the other."""
    present = [name for name in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml") if name in installed]
    return present if any(name != wanted for name in present) else []


# --- facts about this machine ----------------------------------------------------------------------------------------


def nvidia_driver(system: str = sys.platform) -> Optional[str]:
    """Version of the NVIDIA driver, or None. Asks the kernel module, else nvidia-smi."""
    with contextlib.suppress(OSError), open("/proc/driver/nvidia/version", encoding="utf-8") as stream:
        match = re.search(r"\s(\d{3,}\.\d+(?:\.\d+)?)\s", stream.read())
        if match:
            return match.group(1)
    command = shutil.which("nvidia-smi")
    if command is None and system == "win32":
        command = ntpath.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "nvidia-smi.exe")
    if command is None or not os.path.exists(command):
        return None
    query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=True)
        return answer.stdout.decode("ascii", "replace").strip().splitlines()[0].strip()
    return None


def newer_pythons() -> List[str]:
    """Commands on the path that are a Python that would do and do run, newest first."""
    names = [f"python3.{minor}" for minor in range(19, MINIMUM_PYTHON[1] - 1, -1)]
    return [name for name in names if shutil.which(name) and _runs([name, "-c", "import venv, ensurepip"])]


def _runs(command: Sequence[str]) -> bool:
    """True when the command ends well; version managers put commands on the path that only say what to install."""
    with contextlib.suppress(OSError):
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    return False


def installed_packages(site_packages: str) -> List[str]:
    """Names (lower case, dashes) of the distributions in a site-packages folder."""
    if not os.path.isdir(site_packages):
        return []
    folders = [name for name in os.listdir(site_packages) if name.endswith(".dist-info")]
    return sorted(name.split("-")[0].lower().replace("_", "-") for name in folders)


def broken_packages(site_packages: str) -> List[str]:
    """dist-info folders of packages that an interrupted pip left half there."""
    broken = []
    for name in sorted(os.listdir(site_packages)) if os.path.isdir(site_packages) else []:
        if not name.endswith(".dist-info"):
            continue
        try:
            with open(os.path.join(site_packages, name, "RECORD"), encoding="utf-8") as stream:
                files = [line.rsplit(",", 2)[0].strip('"') for line in stream if line.strip()]
        except OSError:
            files = [os.path.join(name, "RECORD")]
        if not all(file.endswith(".pyc") or os.path.exists(os.path.join(site_packages, file)) for file in files):
            broken.append(os.path.join(site_packages, name))
    return broken


def can_write(folder: str) -> bool:
    """True when a file can be made in `folder`, or in its nearest parent that exists."""
    while not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def read_project() -> Dict[str, Any]:
    """The [project] table of pyproject.toml."""
    import tomllib

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as stream:
        project: Dict[str, Any] = tomllib.load(stream)["project"]
    return project


def suite_version() -> str:
    """`__version__` of the package, read without importing it."""
    with open(os.path.join(ROOT, "python", "bipack", "__init__.py"), encoding="utf-8") as stream:
        match = re.search(r'^__version__ = "([^"]+)"', stream.read(), re.MULTILINE)
    return match.group(1) if match else "0"


def find_environment() -> Environment:
    """The environment of this clone, whether it exists or not, with the Python version that it was made with."""
    folder = os.path.abspath(os.path.expanduser(os.environ.get("BIPACK_VENV") or os.path.join(ROOT, ".venv")))
    version: Tuple[int, ...] = tuple(sys.version_info[:2])
    with contextlib.suppress(OSError), open(os.path.join(folder, "pyvenv.cfg"), encoding="utf-8") as stream:
        match = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", stream.read(), re.MULTILINE)
        if match:
            version = (int(match.group(1)), int(match.group(2)))
    return environment_at(folder, sys.platform, version)


def read_stamp(environment: Environment) -> Dict[str, Any]:
    """What the environment was made from; empty where an install never finished."""
    with contextlib.suppress(OSError, ValueError):
        with open(os.path.join(environment.folder, STAMP_NAME), encoding="utf-8") as stream:
            stamp = json.load(stream)
        if isinstance(stamp, dict):
            return stamp
    return {}


# --- doing it --------------------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """One line for the user."""
    print(text, flush=True)


def child_environment() -> Dict[str, str]:
    """Variables for the environment's Python: without those of another one (Nuke's, a studio wrapper's)."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PIP_USER", "PIP_TARGET", "PIP_PREFIX")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def run_pip(environment: Environment, arguments: Sequence[str], what: str) -> None:
    """Run pip quietly with a sign of life; its output goes to a log, shown only when it fails."""
    command = [environment.python, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    log = os.path.join(environment.folder, LOG_NAME)
    started = time.monotonic()
    with open(log, "a", encoding="utf-8") as stream:
        stream.write(f"\n$ {' '.join(command)}\n")
        stream.flush()
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=child_environment())
        try:
            while True:
                try:
                    code = process.wait(timeout=HEARTBEAT_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    say(f"      ... still at it ({time.monotonic() - started:.0f} s)")
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code != 0:
        with open(log, encoding="utf-8", errors="replace") as lines:
            last_words = "".join(lines.readlines()[-25:])
        print(last_words, file=sys.stderr)
        if disk_is_full(last_words):
            raise Refusal(disk_refusal(environment.folder, tempfile.gettempdir()), EXIT_DISK)
        raise Refusal(
            f"{what} failed (pip's last words are above, all of them in {log}). Check the network or the proxy, or "
            "install from a wheelhouse with --wheelhouse DIR, and run again: it goes on where it stopped."
        )


def disk_refusal(folder: str, temporary: str) -> str:
    """The sentence for a full disk: how much is free where packages go and where pip unpacks them, and what to do."""
    free = [f"{place} has {shutil.disk_usage(place).free / 1e9:.1f} GB free" for place in (folder, temporary)]
    return (
        f"The disk is full: {'; '.join(free)}. An install takes about 1 GB, 7 GB with the extra train. Make "
        "room, or set BIPACK_VENV (and TMPDIR) to folders on another disk, and run again: it goes on where it stopped."
    )


@contextlib.contextmanager
def only_one(folder: str) -> Iterator[None]:
    """Keep two bootstraps off one environment; the lock dies with its process."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "bipack-install.lock"), "w", encoding="utf-8") as stream:
        if os.name == "nt":
            import msvcrt

            # Waits ten seconds, then raises: two installs at once are rare enough to ask for patience.
            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("      another bootstrap is at work on this environment: waiting for it")
                fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def make_environment(environment: Environment) -> Environment:
    """Make the virtual environment, or keep the one that works. Returns it with the version that it has."""
    if os.path.exists(environment.python):
        probe = [environment.python, "-c", "import sys, pip; sys.exit(sys.version_info < (3, 11))"]
        torn = {os.path.basename(folder).split("-")[0] for folder in broken_packages(environment.site_packages)}
        alive = subprocess.run(probe, env=child_environment(), stderr=subprocess.DEVNULL).returncode == 0
        if alive and "pip" not in torn:
            return environment
    ours = ("bipack-install.lock", LOG_NAME, STAMP_NAME)
    leftovers = [name for name in os.listdir(environment.folder) if name not in ours]
    if leftovers and "pyvenv.cfg" not in leftovers and set(leftovers) - {"bin", "lib", "lib64", "include"}:
        raise Refusal(f"{environment.folder} has other files in it. Let BIPACK_VENV name a new or an empty folder.", 2)
    say(f"[1/3] Making {environment.folder} with Python {platform.python_version()}")
    try:
        import ensurepip  # noqa: F401
        import venv
    except ImportError:
        raise Refusal("This Python has no venv module. On Debian or Ubuntu: sudo apt install python3-venv") from None
    for name in leftovers:
        path = os.path.join(environment.folder, name)
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
    venv.EnvBuilder(with_pip=True, symlinks=os.name != "nt").create(environment.folder)
    return environment_at(environment.folder, sys.platform, tuple(sys.version_info[:2]))


def link_wheel(project: Dict[str, Any], site_packages: str, folder: str) -> str:
    """Write a wheel that holds no code, only the way to this clone, and let pip make the console scripts from it.

    It does what an editable install does, without a build backend and without writing into the clone. Paths are
    relative where the environment lies in the clone, so that a share may be mounted anywhere.
    """
    version = suite_version()
    info = f"bipack-{version}.dist-info"
    targets = [os.path.join(ROOT, name) for name in SOURCE_FOLDERS]
    if os.path.commonpath([os.path.realpath(site_packages), os.path.realpath(ROOT)]) == os.path.realpath(ROOT):
        targets = [os.path.relpath(target, site_packages) for target in targets]
    # Until Python 3.13 a .pth file is read in the locale's encoding, from then on as UTF-8.
    encoding = "utf-8" if sys.version_info >= (3, 13) else (sys.getfilesystemencoding() if os.name != "nt" else "mbcs")
    try:
        pointer = ("\n".join(targets) + "\n").encode(encoding)
    except UnicodeEncodeError:
        raise Refusal(f"Python {platform.python_version()} cannot be pointed at {ROOT}: use Python 3.13.", 2) from None
    needs = "".join(f"Requires-Dist: {need}\n" for need in project.get("dependencies", []))
    scripts = "".join(f"{name} = {target}\n" for name, target in project.get("scripts", {}).items())
    files = {
        "bipack.pth": pointer,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: bipack\nVersion: {version}\n{needs}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bipack-bootstrap\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{scripts}".encode(),
    }
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")
        record += f"{name},sha256={digest},{len(content)}\n"
    path = os.path.join(folder, f"bipack-{version}-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return path


def settle_runtime(environment: Environment, needs: Sequence[str], source: Sequence[str], always: bool = False) -> bool:
    """Remove ONNX Runtime where the wrong wheel, or both, are there; with `always`, put the right one back."""
    wanted = runtime_package(sys.platform, platform.machine())
    wrong = wrong_runtime(installed_packages(environment.site_packages), wanted)
    if not wrong:
        return False
    say(f"      removing {' and '.join(wrong)}: this machine takes {wanted}, and only one of them may be there")
    run_pip(environment, ["uninstall", "--yes", *wrong], "Removing the wrong ONNX Runtime")
    if always:
        mine = [need for need in needs if re.match(r"onnxruntime(-gpu)?\b(?!-)", need)]
        run_pip(environment, ["install", "--no-deps", *source, *mine], "Installing ONNX Runtime")
    return True


def install(
    extras: Sequence[str], wheelhouse: Optional[str] = None, cpu: bool = False, upgrade: bool = False
) -> Environment:
    """Bring the environment to what pyproject.toml asks for; quick where nothing is to be done."""
    environment = find_environment()
    project = read_project()
    stamp = read_stamp(environment)
    scripts = project.get("scripts", {})
    wanted = sorted(set(extras) | set(stamp.get("extras", [])))
    ready = fingerprint(requirements_of(project, wanted), scripts, suite_version())
    writable = can_write(environment.folder)
    # A clone that was moved is linked anew; a share that is only mounted elsewhere on this machine is left alone.
    in_place = stamp.get("root") == ROOT or not writable
    spoiled = wrong_runtime(
        installed_packages(environment.site_packages), runtime_package(sys.platform, platform.machine())
    )
    unchanged = stamp.get("fingerprint") == ready and os.path.exists(environment.python)
    if unchanged and in_place and not upgrade and not (spoiled and writable):
        return environment
    if not writable:
        raise Refusal(
            f"{environment.folder} cannot be written. Say where the environment goes, for instance "
            "BIPACK_VENV=~/.bipack/venv, and run again.",
            EXIT_DISK,
        )
    started = time.monotonic()
    say(f"Bipack {suite_version()} in {ROOT}")
    with only_one(environment.folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(environment.folder, STAMP_NAME))
        environment = make_environment(environment)
        for folder in broken_packages(environment.site_packages):
            shutil.rmtree(folder)
        with_cuda, constraints, note = (
            (False, [], "") if cpu else cuda_choice(nvidia_driver(), sys.platform, platform.machine())
        )
        if with_cuda and "cuda" in project.get("optional-dependencies", {}):
            wanted = sorted({*wanted, "cuda"})
        if note:
            say(f"      {note}")
        needs = requirements_of(project, wanted)
        source = ["--no-index", "--find-links", os.path.abspath(wheelhouse)] if wheelhouse else []
        settle_runtime(environment, needs, source)
        kinds = f" with [{', '.join(wanted)}]" if wanted else ""
        say(f"[2/3] Installing what Bipack needs{kinds}; the first time takes minutes")
        options = ["install", *(["--upgrade"] if upgrade else []), *source]
        run_pip(environment, [*options, *needs, *constraints], "Installing the packages")
        settle_runtime(environment, needs, source, always=True)
        say("[3/3] Linking bipack and bipack-train to this folder")
        with tempfile.TemporaryDirectory() as folder:
            wheel = link_wheel(project, environment.site_packages, folder)
            run_pip(environment, ["install", "--no-deps", "--no-index", "--force-reinstall", wheel], "Linking Bipack")
        write_stamp(environment, fingerprint(requirements_of(project, wanted), scripts, suite_version()), wanted)
    say(f"Ready in {time.monotonic() - started:.0f} s: {os.path.join(environment.scripts, 'bipack')}")
    if os.environ.get("BIPACK_VENV"):
        say(f"Where Nuke runs, set BIPACK_PYTHON={environment.python}")
    return environment


def write_stamp(environment: Environment, value: str, extras: Sequence[str]) -> None:
    """Say that the install is whole; written last, and renamed into place."""
    path = os.path.join(environment.folder, STAMP_NAME)
    with open(path + ".tmp", "w", encoding="utf-8") as stream:
        json.dump({"fingerprint": value, "extras": list(extras), "root": ROOT}, stream, indent=1)
    os.replace(path + ".tmp", path)


# --- commands --------------------------------------------------------------------------------------------------------


def call(environment: Environment, arguments: Sequence[str]) -> int:
    """Go on as the environment's Python, so that signals and the exit code are its own."""
    command = [environment.python, *arguments]
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(environment.python, command, child_environment())
    return subprocess.run(command, env=child_environment()).returncode


def demo(args: argparse.Namespace) -> int:
    """Install the base and run the demo."""
    environment = install([], args.wheelhouse, args.cpu)
    parent = ROOT if can_write(ROOT) else tempfile.gettempdir()
    target = args.rest[0] if args.rest else os.path.join(parent, "demo_out")
    return call(environment, ["-m", "bipack.cli", "demo", target])


def test(args: argparse.Namespace) -> int:
    """Install what the tests need and run them, two files at a time; further arguments go to pytest."""
    environment = install(["train", "dev"], args.wheelhouse, cpu=True)
    os.chdir(ROOT)
    return call(environment, ["-m", "pytest", "-n", "2", "--dist", "loadfile", *args.rest])


def install_command(args: argparse.Namespace) -> int:
    """Install and say where."""
    environment = install([extra for extra in args.extras.split(",") if extra], args.wheelhouse, args.cpu, args.upgrade)
    say(f"Bipack {suite_version()} is installed. Try: {os.path.join(environment.scripts, 'bipack')} doctor")
    return 0


def wheelhouse_command(args: argparse.Namespace) -> int:
    """Download every wheel that an install on this platform needs, what a build needs included."""
    if len(args.rest) != 1:
        raise Refusal("Name the folder for the wheels: python3 bootstrap.py wheelhouse DIR", 2)
    extras = [extra for extra in args.extras.split(",") if extra]
    needs = requirements_of(read_project(), extras)
    environment = find_environment()
    if not can_write(environment.folder):
        raise Refusal(f"{environment.folder} cannot be written; set BIPACK_VENV to a folder of yours.", EXIT_DISK)
    with only_one(environment.folder):
        environment = make_environment(environment)
        say(f"Downloading {len(needs) + len(BUILD_NEEDS)} packages and what they need into {args.rest[0]}")
        source = ["--no-index", "--find-links", os.path.abspath(args.wheelhouse)] if args.wheelhouse else []
        run_pip(environment, ["download", "--dest", args.rest[0], *source, *needs, *BUILD_NEEDS], "The download")
    say(f"{len(os.listdir(args.rest[0]))} files. On the other machine: python3 bootstrap.py install --wheelhouse DIR")
    return 0


def doctor(args: argparse.Namespace) -> int:
    """Run `bipack doctor`, or say what is missing for it."""
    environment = find_environment()
    if not read_stamp(environment) and not os.path.exists(os.path.join(environment.scripts, "bipack")):
        raise Refusal(f"Bipack is not installed in {environment.folder} yet. Run `python3 bootstrap.py install`.")
    return call(environment, ["-m", "bipack.cli", "doctor", *args.rest])


def update(args: argparse.Namespace) -> int:
    """Fetch the newest commit where this is a git clone, then bring the packages up to date."""
    git = shutil.which("git")
    if git and os.path.isdir(os.path.join(ROOT, ".git")):
        say("Fetching the newest Bipack")
        if subprocess.run([git, "-C", ROOT, "pull", "--ff-only"]).returncode != 0:
            raise Refusal("git could not bring this clone forward (its words are above). Mend that and run again.")
    # A fresh process: the pull may have brought a newer bootstrap.py.
    command = [sys.executable, os.path.join(ROOT, "bootstrap.py"), "install", "--upgrade", "--extras", args.extras]
    command += ["--wheelhouse", args.wheelhouse] if args.wheelhouse else []
    return subprocess.run(command + (["--cpu"] if args.cpu else [])).returncode


def clean(args: argparse.Namespace) -> int:
    """Remove the environment, the demo's output and the caches of the tools; nothing else."""
    environment = find_environment()
    places = [os.path.join(ROOT, name) for name in ("demo_out", ".pytest_cache", ".mypy_cache", ".ruff_cache")]
    if os.path.exists(os.path.join(environment.folder, "pyvenv.cfg")):
        places.insert(0, environment.folder)
    for place in places:
        if os.path.isdir(place):
            say(f"Removing {place}")
            shutil.rmtree(place)
    return 0


COMMANDS = {
    "demo": demo,
    "test": test,
    "install": install_command,
    "wheelhouse": wheelhouse_command,
    "doctor": doctor,
    "update": update,
    "clean": clean,
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what is not ours stays in `rest`."""
    parser = argparse.ArgumentParser(
        prog="bootstrap.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--wheelhouse", metavar="DIR", help="install from the wheels in DIR, without a network")
    parser.add_argument("--extras", default="", help="comma-separated: train, io, farm, dev, cuda")
    parser.add_argument("--cpu", action="store_true", help="leave the CUDA libraries out although there is a GPU")
    parser.add_argument("--upgrade", action="store_true", help="bring packages to their newest allowed version")
    args, rest = parser.parse_known_args(arguments)
    args.rest = [word for word in rest if word != "--"]
    if args.rest and args.command in ("install", "update", "clean"):
        parser.error(f"unrecognized arguments: {' '.join(args.rest)}")
    return args


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Run one command and return its exit code."""
    version = tuple(sys.version_info[:2])
    refusal = python_refusal(version, [] if version >= MINIMUM_PYTHON else newer_pythons())
    if refusal is not None:
        print(refusal, file=sys.stderr)
        return 1
    args = parse(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A path may hold letters that the terminal's encoding lacks.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return COMMANDS[args.command](args)
    except Refusal as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(f"bootstrap: {error}. Nothing is lost; mend that and run again.", file=sys.stderr)
        return EXIT_DISK
    except KeyboardInterrupt:
        print("bootstrap: stopped. The next run goes on from here.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
