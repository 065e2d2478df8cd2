"""What the worker's process inherits, and what it must not."""

from __future__ import annotations

import os
import sys

from bipack.client import launcher


def test_python_and_qt_variables_of_the_host_are_dropped() -> None:
    base = {"PYTHONPATH": "/nuke/lib", "PYTHONHOME": "/nuke", "QT_PLUGIN_PATH": "/nuke/qt", "NUKE_PATH": "/suite"}
    assert launcher.environment(base, "/nuke").keys() == {"NUKE_PATH", "PYTHONNOUSERSITE", "PYTHONIOENCODING"}


def test_library_paths_inside_the_host_are_dropped_and_drivers_are_kept() -> None:
    entries = ["/opt/Nuke16.0v4", "/opt/Nuke16.0v4/lib", "/usr/lib/nvidia", "/opt/Nuke16.0v4-other"]
    found = launcher.environment({"LD_LIBRARY_PATH": os.pathsep.join(entries)}, "/opt/Nuke16.0v4")
    assert found["LD_LIBRARY_PATH"].split(os.pathsep) == ["/usr/lib/nvidia", "/opt/Nuke16.0v4-other"]


def test_the_model_cannot_configure_its_own_session() -> None:
    assert "ORT_LOAD_CONFIG_FROM_MODEL" not in launcher.environment({"ORT_LOAD_CONFIG_FROM_MODEL": "1"}, "/nuke")


def test_the_worker_is_of_the_clients_own_install() -> None:
    words = launcher.command(sys.executable)
    assert words[:3] == [sys.executable, "-I", "-c"]
    assert os.path.isfile(os.path.join(words[-1], "bipack", "client", "launcher.py"))
